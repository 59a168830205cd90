//! The code must match its map in `lib.rs`: which module uses which, which modules do no I/O, and how long things get.

#[path = "layers/imports.rs"]
mod imports;
#[path = "layers/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imports::{Imports, Root};
use source::Source;

/// Each module and what it may use of the crate, from the bottom to the top.
const LAYERS: &[(&str, May)] = &[
    ("retries", May::Use(&[])),
    ("clock", May::Use(&[])),
    ("log", May::Use(&[])),
    ("memory", May::Use(&[])),
    ("prefetch", May::Use(&[])),
    ("sync", May::Use(&[])),
    ("status", May::Use(&[])),
    ("tap", May::Use(&[])),
    ("metric", May::Use(&["prefetch", "sync"])),
    ("reject", May::Use(&[])),
    ("config", May::Use(&["metric"])),
    ("workload", May::Use(&[])),
    ("state", May::Use(&["memory", "sync"])),
    ("parse", May::Use(&["config::Dialect", "config::Dialects", "reject"])),
    ("telemetry", May::Use(&["metric", "reject", "parse", "sync"])),
    ("expose", May::Use(&["metric"])),
    ("mapping", May::Use(&["config", "expose::names", "metric", "reject", "parse", "telemetry"])),
    (
        "registry",
        May::Use(&[
            "config::Limits",
            "config::Overflow",
            "metric",
            "reject",
            "mapping",
            "expose::names",
            "expose::text::labels",
            "parse::StatsdType",
            "prefetch",
            "state",
            "sync",
        ]),
    ),
    ("import", May::Use(&["config", "mapping"])),
    ("generate", May::Use(&["config", "expose::names", "mapping", "metric", "reject", "telemetry"])),
    ("pipeline", May::UseAllBelowBut(&[])),
    ("explain", May::UseAllBelowBut(&["import"])),
    ("suggest", May::Use(&["config", "parse", "reject"])),
    ("forward", May::UseAllBelowBut(&[])),
    ("intake", May::UseAllBelowBut(&[])),
    ("http", May::UseAllBelowBut(&["intake", "forward"])),
    ("push", May::UseAllBelowBut(&["intake", "forward", "http"])),
    ("daemon", May::UseAllBelowBut(&[])),
    ("command", May::UseAllBelowBut(&[])),
];

/// What a module may use.
enum May {
    /// These modules, or only the named items of them.
    Use(&'static [&'static str]),
    /// All modules above it in the table, without these.
    UseAllBelowBut(&'static [&'static str]),
}

/// The modules that do no I/O, read no clock, log nothing, wait for nothing and hold no global.
const PURE: [&str; 15] = [
    "clock",
    "prefetch",
    "parse",
    "mapping",
    "metric",
    "expose",
    "telemetry",
    "registry",
    "reject",
    "config",
    "import",
    "explain",
    "generate",
    "suggest",
    "workload",
];

/// Pure files of modules that are not.
const PURE_FILES: [&str; 8] = [
    "forward/queue.rs",
    "forward/watermark.rs",
    "http/exposures.rs",
    "http/negotiate.rs",
    "intake/framing.rs",
    "push/point.rs",
    "push/remote_write.rs",
    "push/round.rs",
];

/// Parts of the standard library that a pure module must not use.
const IMPURE_PATHS: [&str; 9] =
    ["env", "fs", "io", "net", "os", "process", "thread", "time::Instant", "time::SystemTime"];

/// Exceptions that a pure module may use, because an address is a value like any other.
const PURE_PATHS: [&str; 6] =
    ["net::IpAddr", "net::Ipv4Addr", "net::Ipv6Addr", "net::SocketAddr", "net::SocketAddrV4", "net::SocketAddrV6"];

/// The only pure file with a thread. The TOML reader recurses, so it runs on a thread with a large stack, which the
/// file joins at once.
const OWN_STACK: (&str, &str) = ("config/load/mod.rs", "thread");

/// Words that the code of a pure module must not have.
const IMPURE_WORDS: [&str; 20] = [
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "async",
    "await",
    "dbg",
    "eprint",
    "eprintln",
    "hyper",
    "libc",
    "log",
    "print",
    "println",
    "procfs",
    "rustix",
    "static",
    "thread_local",
    "tokio",
    "tracing",
    "tracing_subscriber",
];

/// The only files with `unsafe` code.
const UNSAFE: [&str; 4] = ["intake/sys.rs", "memory.rs", "prefetch.rs", "state/mapping.rs"];

const MAX_MAIN_LINES: usize = 60;
const MAX_PIPELINE_LINES: usize = 180;
const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 80;

// ---- The tests ----

#[test]
fn the_code_keeps_to_its_map() {
    let found = violations(&Source::all());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_cycle() {
    let sources = Source::all();
    let cycles = Imports::new(&sources).cycles();
    assert!(cycles.is_empty(), "\n{}", cycles.join("\n"));
}

#[test]
fn every_type_has_a_name_of_its_own() {
    let names = names_of_several_types(&Source::all());
    assert!(names.is_empty(), "\n{}", names.join("\n"));
}

/// Cargo keeps the two lists of versions apart, because the fuzz targets are a workspace of their own.
#[test]
fn the_fuzz_targets_use_the_same_versions() {
    let versions = |lock: &str| {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(lock)).expect("it is committed");
        let quoted = |text: &str, key: &str| text.split_once(key)?.1.split('"').nth(1).map(str::to_owned);
        let package = |text: &str| Some((quoted(text, "name = ")?, quoted(text, "version = ")?));
        text.split("[[package]]").skip(1).filter_map(package).collect::<BTreeSet<(String, String)>>()
    };
    let (own, fuzz) = (versions("Cargo.lock"), versions("fuzz/Cargo.lock"));
    assert!(own.len() > 50 && fuzz.len() > 50, "the lists of versions are not read");
    let is_shared = |name: &str| own.iter().any(|(other, _)| other == name);
    let other: Vec<_> = fuzz.difference(&own).filter(|(name, _)| is_shared(name)).collect();
    let remedy = "run: cp Cargo.lock fuzz && (cd fuzz && cargo metadata >/dev/null)";
    assert!(other.is_empty(), "fuzz/Cargo.lock has other versions than Cargo.lock: {other:?}; {remedy}");
}

#[test]
fn the_table_has_every_module() {
    let sources = Source::all();
    let lib = sources.iter().find(|source| source.path == "lib.rs").expect("there is a lib.rs");
    let name = |item: &syn::Item| match item {
        syn::Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    };
    let declared: BTreeSet<String> = lib.code.items.iter().filter_map(name).collect();
    assert_eq!(declared, LAYERS.iter().map(|(module, _)| (*module).to_owned()).collect());
    for (at, (module, May::Use(paths) | May::UseAllBelowBut(paths))) in LAYERS.iter().enumerate() {
        for path in *paths {
            let is_below = LAYERS[..at].iter().any(|(below, _)| is_within(path, below));
            assert!(is_below, "{module} has {path}, which is not below it");
        }
    }
}

/// A check that reads nothing finds nothing wrong.
#[test]
fn the_checks_read_the_code() {
    let sources = Source::all();
    let imports = Imports::new(&sources);
    assert!(sources.len() > 40, "{} files", sources.len());
    assert!(imports.count() > 80, "{} imports", imports.count());
    for (module, _) in LAYERS {
        let is_of = |source: &Source| source.top_module().as_deref() == Some(module);
        assert!(sources.iter().any(is_of), "no file belongs to {module}");
    }
    let functions: usize = sources.iter().map(|source| source.functions().len()).sum();
    assert!(functions > 200, "{functions} functions");
    let types: usize = sources.iter().map(|source| source.types().len()).sum();
    assert!(types > 100, "{types} types");
    for file in PURE_FILES {
        assert!(sources.iter().any(|source| source.path == file), "there is no {file}");
    }
    for file in UNSAFE {
        let is_unsafe = |source: &Source| source.path == file && source.words().iter().any(|word| word == "unsafe");
        assert!(sources.iter().any(is_unsafe), "{file} has no unsafe code");
    }
    for path in ["expose::text::labels", "config::Limits"] {
        let is_used = |(file, source): (usize, &Source)| {
            source.top_module().as_deref() == Some("registry")
                && imports.of(file).iter().any(|(_, import)| is_within(&import.join("::"), path))
        };
        assert!(sources.iter().enumerate().any(is_used), "the registry does not use {path} any more");
    }
}

#[test]
fn cycles_are_found() {
    // The module re-exports a child that takes a name which the module itself defines.
    let parent = "mod b;\npub use b::B;\npub struct Own;";
    let child = "use super::Own;\npub struct B(Own);";
    assert_eq!(
        cycles(&[("a/mod.rs", parent), ("a/b.rs", child)]),
        ["a cycle of 2 files:\n  a/mod.rs -> a/b.rs: B\n  a/b.rs -> a/mod.rs: Own"]
    );
    // By paths without `use`, by modules under other names, in macros, and through a third file.
    let one = "fn f() { super::two::f() }";
    let two = "use crate::a as other;\nfn f() { g!(1, other::three::f()) }";
    let three = "pub fn f(x: crate::a::one::X) {}";
    let found = cycles(&[
        ("a/mod.rs", "mod one; mod two; mod three;"),
        ("a/one.rs", one),
        ("a/two.rs", two),
        ("a/three.rs", three),
    ]);
    assert_eq!(
        found,
        ["a cycle of 3 files:\n  a/one.rs -> a/two.rs: f\n  a/two.rs -> a/three.rs: f\n  a/three.rs -> a/one.rs: X"]
    );
}

#[test]
fn children_may_take_what_their_module_only_re_exports() {
    let parent = "mod b;\nmod c;\npub use b::{self, B};\npub use self::c::C as D;";
    let child = "use super::{D, c};\npub struct B(D);\nfn f() { c::f() }";
    let other = "pub struct C;\n#[cfg(test)]\nmod tests { use super::super::b::B; }";
    assert_eq!(cycles(&[("a/mod.rs", parent), ("a/b.rs", child), ("a/c.rs", other)]), [""; 0]);
}

#[test]
fn names_of_several_types_are_found() {
    let one = "struct A;\nmod inner { enum B {} }\nfn f() { struct C; }\n#[cfg(test)]\nmod tests { struct D; }";
    let two = "trait A {}\ntype B = u8;\nstruct C;\nstruct D;\nimpl T for U { type A = u8; }";
    let sources = [Source::parse("a.rs", one), Source::parse("b.rs", two)];
    assert_eq!(names_of_several_types(&sources), ["A: a.rs, b.rs", "B: a.rs, b.rs"]);
}

fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::parse(path, text)).collect();
    Imports::new(&sources).cycles()
}

#[test]
fn violations_are_found() {
    let long_file = "fn f() {}\n".repeat(MAX_FILE_LINES + 1);
    let long_function = format!("impl A {{\n    fn f() {{\n{}    }}\n}}\n", "        g();\n".repeat(79));
    for (path, text, expected) in [
        ("metric/a.rs", "use crate::reject::Reject;", "metric/a.rs: uses reject::Reject"),
        ("metric/a.rs", "use crate::{reject, metric::MetricType};", "uses reject"),
        (
            "metric/a.rs",
            "use crate::{\n    metric::MetricType,\n    parse::{line::Group, self},\n};",
            "uses parse::line::Group",
        ),
        ("metric/a.rs", "fn f() -> crate::parse::StatsdType {}", "uses parse::StatsdType"),
        ("metric/mod.rs", "use super::parse::StatsdType;", "uses parse::StatsdType"),
        ("metric/a.rs", "use super::super::parse::StatsdType;", "uses parse::StatsdType"),
        ("registry/mod.rs", "use crate::config::Config;", "uses config::Config"),
        ("registry/mod.rs", "use crate::expose::text;", "uses expose::text"),
        ("intake/mod.rs", "use crate::http::State;", "uses http::State"),
        ("http/mod.rs", "use crate::daemon;", "uses daemon"),
        ("daemon/mod.rs", "use crate::command;", "uses command"),
        ("reject.rs", "macro_rules! m { () => { $crate::parse::f() } }", "uses parse::f"),
        ("novel/mod.rs", "", "novel/mod.rs: belongs to no layer"),
        ("parse/a.rs", "use std::{fs, fmt};", "parse/a.rs: uses std::fs"),
        ("parse/a.rs", "use std::io::{self, Write};", "uses std::io"),
        ("config/a.rs", "use std::net::{IpAddr, UdpSocket};", "uses std::net::UdpSocket"),
        ("config/load/a.rs", "use std::thread;", "uses std::thread"),
        ("expose/a.rs", "fn f() { let t = std::time::Instant::now(); }", "uses std::time::Instant"),
        ("registry/a.rs", "use std::time::{Duration, SystemTime};", "uses std::time::SystemTime"),
        ("mapping/a.rs", "async fn f() {}", "mapping/a.rs: says async"),
        ("mapping/a.rs", "static CACHE: Mutex<Cache> = Mutex::new();", "says static"),
        ("mapping/a.rs", "fn f() { tracing::warn!(\"no\"); }", "says tracing"),
        ("telemetry.rs", "fn f() { println!(); }", "says println"),
        ("intake/framing.rs", "use std::io;", "intake/framing.rs: uses std::io"),
        ("intake/a.rs", "fn f() { unsafe { g() } }", "intake/a.rs: is unsafe"),
        ("main.rs", &"\n".repeat(61), "main.rs: has 61 lines"),
        ("pipeline.rs", &"\n".repeat(181), "pipeline.rs: has 181 lines"),
        ("http/a.rs", &long_file, "http/a.rs: has 501 lines"),
        ("http/a.rs", &long_function, "http/a.rs: f has 81 lines"),
        ("http/a.rs", "fn f() {\n    '\"'; '{'; '\\''; '\\\\'; b'}';\n}\nfn g(){ unsafe {} }", "http/a.rs: is unsafe"),
    ] {
        let found = violations(&[Source::parse(path, text)]);
        assert!(
            found.iter().any(|f| f.contains(expected)),
            "{path}: {text:.80}\nis not among the violations: {found:?}"
        );
    }
}

#[test]
fn right_code_has_no_violation() {
    let long_tests =
        format!("fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn f() {}\n".repeat(MAX_FILE_LINES));
    let function = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(78));
    for (path, text) in [
        ("metric/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::parse::StatsdType;\n    static A: u8 = 0;\n}\n"),
        ("metric/a.rs", "#[cfg(all(test, not(loom_cells)))]\nmod tests {\n    use crate::parse::StatsdType;\n}\n"),
        (
            "metric/a.rs",
            "//! See [`crate::parse`].\n/* unsafe /* */ static */\nconst A: &'static str = \"tokio \\\" static\";",
        ),
        ("metric/a.rs", "const A: &str = r#\"use crate::parse; \" unsafe\"#;"),
        ("metric/a.rs", "use super::parse;"),
        ("metric/a.rs", "use std::time::Duration;"),
        ("config/address.rs", "use std::net::{Ipv4Addr, SocketAddr};"),
        (
            "registry/series.rs",
            "use crate::expose::text::labels;\nuse crate::{config::Limits, metric::{Bounds, Cells}};",
        ),
        ("http/a.rs", "use std::time::Instant;\nasync fn f() {}\nfn g(f: fn(u8) -> [u8; 2]) where u8: Copy {}"),
        ("http/a.rs", &function),
        ("http/a.rs", &long_tests),
        (UNSAFE[0], "fn f() { unsafe {} }"),
        ("command/run.rs", "use crate::daemon;\nuse crate::config::Address;"),
        ("main.rs", "fn main() { statsidecar::command::run() }"),
    ] {
        assert_eq!(violations(&[Source::parse(path, text)]), [""; 0], "{text}");
    }
}

// ---- The checks ----

/// Everything that is wrong with the files, each as `path: what`.
fn violations(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let imports = Imports::new(sources);
    for (file, source) in sources.iter().enumerate() {
        let path = source.path.as_str();
        let mut wrong = |what: String| found.push(format!("{path}: {what}"));
        let paths = imports.of(file);
        check_layer(source, &paths, &mut wrong);
        let words = source.words();
        if PURE_FILES.contains(&path) || source.top_module().is_some_and(|module| PURE.contains(&module.as_str())) {
            check_purity(path, &paths, &words, &mut wrong);
        }
        if !UNSAFE.contains(&path) && words.iter().any(|word| word == "unsafe") {
            wrong("is unsafe".to_owned());
        }
        let most = match path {
            "main.rs" => MAX_MAIN_LINES,
            "pipeline.rs" => MAX_PIPELINE_LINES,
            _ => MAX_FILE_LINES,
        };
        if source.lines > most {
            wrong(format!("has {} lines without its tests, of {most}", source.lines));
        }
        for (name, lines) in source.functions() {
            if lines > MAX_FUNCTION_LINES {
                wrong(format!("{name} has {lines} lines, of {MAX_FUNCTION_LINES}"));
            }
        }
    }
    found
}

fn check_layer(source: &Source, paths: &BTreeSet<(Root, Vec<String>)>, wrong: &mut impl FnMut(String)) {
    let Some(module) = source.top_module() else { return };
    let Some(at) = LAYERS.iter().position(|(known, _)| *known == module) else {
        return wrong("belongs to no layer".to_owned());
    };
    for (_, import) in paths.iter().filter(|(root, _)| *root == Root::Crate) {
        let import = import.join("::");
        let is_any = |paths: &[&str]| paths.iter().any(|path| is_within(&import, path));
        let is_allowed = match &LAYERS[at].1 {
            May::Use(allowed) => is_any(allowed),
            May::UseAllBelowBut(others) => {
                !is_any(others) && LAYERS[..at].iter().any(|(below, _)| is_within(&import, below))
            }
        };
        if !is_allowed && !is_within(&import, &module) {
            wrong(format!("uses {import}, which is beside {module} or above it"));
        }
    }
}

fn check_purity(file: &str, paths: &BTreeSet<(Root, Vec<String>)>, words: &[String], wrong: &mut impl FnMut(String)) {
    for (_, path) in paths.iter().filter(|(root, path)| *root == Root::Other && path[0] == "std") {
        let path = path[1..].join("::");
        let is_impure = IMPURE_PATHS.iter().any(|impure| is_within(&path, impure));
        let is_pure = PURE_PATHS.iter().any(|pure| is_within(&path, pure))
            || (file == OWN_STACK.0 && is_within(&path, OWN_STACK.1));
        if is_impure && !is_pure {
            wrong(format!("uses std::{path}, but does no I/O and reads no clock"));
        }
    }
    for word in words {
        if IMPURE_WORDS.contains(&word.as_str()) {
            wrong(format!("says {word}, but waits for nothing, logs nothing and holds no global state"));
        }
    }
}

/// Each name that more than one type or trait has, with the files of all of them.
fn names_of_several_types(sources: &[Source]) -> Vec<String> {
    let mut files: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in sources {
        source.types().into_iter().for_each(|name| files.entry(name).or_default().push(&source.path));
    }
    files.retain(|_, files| files.len() > 1);
    files.iter().map(|(name, files)| format!("{name}: {}", files.join(", "))).collect()
}

/// Whether `path` is `prefix` or something in it.
fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
