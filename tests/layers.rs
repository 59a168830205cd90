//! The code against its own map in `lib.rs`: who may import whom, who does no I/O, and how long things get.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Each module and what it may use of the crate, from the bottom to the top.
const LAYERS: &[(&str, May)] = &[
    ("clock", May::Use(&[])),
    ("prefetch", May::Use(&[])),
    ("metric", May::Use(&["prefetch"])),
    ("reject", May::Use(&[])),
    ("config", May::Use(&["metric"])),
    ("workload", May::Use(&[])),
    ("parse", May::Use(&["config::Dialect", "config::Dialects", "reject"])),
    ("telemetry", May::Use(&["metric", "reject", "parse"])),
    ("expose", May::Use(&["metric"])),
    ("mapping", May::Use(&["config", "metric", "reject", "parse", "telemetry"])),
    (
        "registry",
        May::Use(&[
            "config::Limits",
            "config::Overflow",
            "metric",
            "reject",
            "mapping",
            "expose::text::label",
            "prefetch",
        ]),
    ),
    ("import", May::Use(&["config", "mapping"])),
    ("pipeline", May::UseAllBelowBut(&[])),
    ("forward", May::UseAllBelowBut(&[])),
    ("intake", May::UseAllBelowBut(&[])),
    ("http", May::UseAllBelowBut(&["intake", "forward"])),
    ("daemon", May::UseAllBelowBut(&[])),
    ("command", May::UseAllBelowBut(&[])),
];

/// What a module may use.
enum May {
    /// These modules, or only this of them.
    Use(&'static [&'static str]),
    /// All that stand before it in the table, without these.
    UseAllBelowBut(&'static [&'static str]),
}

/// The modules that do no I/O, read no clock, log nothing, wait for nothing and hold no global.
const PURE: [&str; 12] = [
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
    "workload",
];

/// Pure files of modules that are not.
const PURE_FILES: [&str; 2] = ["forward/queue.rs", "intake/framing.rs"];

/// What a pure module does not use of the standard library.
const IMPURE_PATHS: [&str; 9] =
    ["env", "fs", "io", "net", "os", "process", "thread", "time::Instant", "time::SystemTime"];

/// What of it a pure module uses all the same: an address is a value like any other.
const PURE_PATHS: [&str; 6] =
    ["net::IpAddr", "net::Ipv4Addr", "net::Ipv6Addr", "net::SocketAddr", "net::SocketAddrV4", "net::SocketAddrV6"];

/// The only pure file with a thread: the TOML reader recurses, and takes its stack along. It is awaited on the spot.
const OWN_STACK: (&str, &str) = ("config/load/mod.rs", "thread");

/// Words that do not stand in the code of a pure module.
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

/// The only files with `unsafe` in them.
const UNSAFE: [&str; 2] = ["intake/sys.rs", "prefetch.rs"];

const MAX_MAIN_LINES: usize = 60;
const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 80;

/// Functions that may be longer, since they are tables of data.
const TABLES: [(&str, &str); 0] = [];

// ---- The tests ----

#[test]
fn the_code_keeps_to_its_map() {
    let files = sources();
    let found = violations(&files);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_table_names_every_module() {
    let files = sources();
    let lib = &files.iter().find(|(path, _)| path == "lib.rs").expect("there is a lib.rs").1;
    let declared: BTreeSet<&str> = lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, LAYERS.iter().map(|(module, _)| *module).collect());
    for (at, (module, May::Use(paths) | May::UseAllBelowBut(paths))) in LAYERS.iter().enumerate() {
        for path in *paths {
            let is_below = LAYERS[..at].iter().any(|(below, _)| is_within(path, below));
            assert!(is_below, "{module} and {path}, which does not stand below it");
        }
    }
}

/// A check that sees nothing finds nothing.
#[test]
fn the_checks_see_the_code() {
    let files = sources();
    assert!(files.len() > 40, "{} files", files.len());
    for (module, _) in LAYERS {
        assert!(files.iter().any(|(path, _)| module_of(path) == Some(module)), "no file of {module}");
    }
    let codes: Vec<(&str, String)> = files.iter().map(|(path, text)| (path.as_str(), code(text))).collect();
    let seen: usize = codes.iter().map(|(path, code)| imports(path, code).len()).sum();
    assert!(seen > 80, "{seen} imports");
    let seen: usize = codes.iter().map(|(_, code)| functions(code).len()).sum();
    assert!(seen > 200, "{seen} functions");
    for file in PURE_FILES {
        assert!(codes.iter().any(|(path, _)| *path == file), "there is no {file}");
    }
    let is_unsafe = |code: &str| words(code).any(|(_, word)| word == "unsafe");
    for file in UNSAFE {
        assert!(codes.iter().any(|(path, code)| *path == file && is_unsafe(code)), "{file} has no unsafe code");
    }
    for path in ["expose::text::label", "config::Limits"] {
        let is_used = |(file, code): &(&str, String)| {
            module_of(file) == Some("registry") && imports(file, code).iter().any(|import| import == path)
        };
        assert!(codes.iter().any(is_used), "the registry does not use {path} any more");
    }
}

#[test]
fn what_is_wrong_is_found() {
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
        ("http/a.rs", &long_file, "http/a.rs: has 501 lines"),
        ("http/a.rs", &long_function, "http/a.rs: f has 81 lines"),
        ("http/a.rs", "fn f() {\n    '\"'; '{'; '\\''; '\\\\'; b'}';\n}\nfn g(){ unsafe {} }", "http/a.rs: is unsafe"),
    ] {
        let found = violations(&[(path.to_owned(), text.to_owned())]);
        assert!(found.iter().any(|f| f.contains(expected)), "{path}: {text:.80}\nis not found to be wrong: {found:?}");
    }
}

#[test]
fn what_is_right_is_not_found() {
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
            "use crate::expose::text::label;\nuse crate::{config::Limits, metric::{Bounds, Cells}};",
        ),
        ("http/a.rs", "use std::time::Instant;\nasync fn f() {}\nfn g(f: fn(u8) -> [u8; 2]) where u8: Copy {}"),
        ("http/a.rs", &function),
        ("http/a.rs", &long_tests),
        (UNSAFE[0], "fn f() { unsafe {} }"),
        ("command/run.rs", "use crate::daemon;\nuse crate::config::Address;"),
        ("main.rs", "fn main() { statsidecar::command::run() }"),
    ] {
        assert_eq!(violations(&[(path.to_owned(), text.to_owned())]), [""; 0], "{text}");
    }
}

// ---- The checks ----

/// Every file of `src/`: its path from there, and its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is UTF-8");
                let path = path.strip_prefix(&root).expect("it was found there").to_str().expect("names are ASCII");
                files.push((path.to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// What is wrong with the files, each as `path: what`.
fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let code = code(text);
        let mut wrong = |what: String| found.push(format!("{path}: {what}"));
        check_imports(path, &code, &mut wrong);
        if PURE_FILES.contains(&path.as_str()) || module_of(path).is_some_and(|module| PURE.contains(&module)) {
            check_purity(path, &code, &mut wrong);
        }
        if !UNSAFE.contains(&path.as_str()) && words(&code).any(|(_, word)| word == "unsafe") {
            wrong("is unsafe".to_owned());
        }
        let lines = text.lines().count() - lines_of_tests(text);
        let most = if path == "main.rs" { MAX_MAIN_LINES } else { MAX_FILE_LINES };
        if lines > most {
            wrong(format!("has {lines} lines without its tests, of {most}"));
        }
        for (name, lines) in functions(&code) {
            if lines > MAX_FUNCTION_LINES && !TABLES.contains(&(path.as_str(), name.as_str())) {
                wrong(format!("{name} has {lines} lines, of {MAX_FUNCTION_LINES}"));
            }
        }
    }
    found
}

fn check_imports(path: &str, code: &str, wrong: &mut impl FnMut(String)) {
    let Some(module) = module_of(path) else { return };
    let Some(at) = LAYERS.iter().position(|(known, _)| *known == module) else {
        return wrong("belongs to no layer".to_owned());
    };
    for import in imports(path, code) {
        let is_any = |paths: &[&str]| paths.iter().any(|path| is_within(&import, path));
        let is_allowed = match &LAYERS[at].1 {
            May::Use(allowed) => is_any(allowed),
            May::UseAllBelowBut(others) => {
                !is_any(others) && LAYERS[..at].iter().any(|(below, _)| is_within(&import, below))
            }
        };
        if !is_allowed && !is_within(&import, module) {
            wrong(format!("uses {import}, which stands beside {module} or above it"));
        }
    }
}

fn check_purity(file: &str, code: &str, wrong: &mut impl FnMut(String)) {
    for path in paths(code, "std") {
        let is_impure = IMPURE_PATHS.iter().any(|impure| is_within(&path, impure));
        let is_pure = PURE_PATHS.iter().any(|pure| is_within(&path, pure)) || OWN_STACK == (file, path.as_str());
        if is_impure && !is_pure {
            wrong(format!("uses std::{path}, but does no I/O and reads no clock"));
        }
    }
    for (before, word) in words(code) {
        if IMPURE_WORDS.contains(&word) && before != Some('\'') {
            wrong(format!("says {word}, but waits for nothing, logs nothing and holds no global"));
        }
    }
}

/// Whether `path` is `prefix` or something in it.
fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The crate's module that a file belongs to; `None` for `lib.rs` and `main.rs`, which are above all.
fn module_of(path: &str) -> Option<&str> {
    let module = path.split('/').next()?;
    let module = module.strip_suffix(".rs").unwrap_or(module);
    (!matches!(module, "lib" | "main")).then_some(module)
}

// ---- Reading Rust, as far as it takes ----

/// What a file imports of the crate, from its root: by `crate::`, and by as many `super::` as lead there.
fn imports(path: &str, code: &str) -> Vec<String> {
    let file = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = file.split('/').count();
    let mut imports = paths(code, "crate");
    imports.extend(paths(code, &vec!["super"; depth].join("::")));
    imports
}

/// Every path that begins with `root`, without it; those of a `use` with braces one by one.
fn paths(code: &str, root: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        let Some(rest) = code[at + root.len()..].strip_prefix("::") else { continue };
        if !before.is_some_and(|c| is_word(c) || c == ':') {
            tree(rest, "", &mut paths);
        }
    }
    paths
}

/// Reads the tree of a `use`, or a path of an expression, from its start; gives what follows it.
fn tree<'a>(text: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let mut rest = text.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner.trim_start();
        while !rest.is_empty() && !rest.starts_with('}') {
            let after = tree(rest, prefix, paths).trim_start();
            // What cannot be read (`*`, or an `as`) is passed by.
            rest = after.strip_prefix(',').unwrap_or(if after.len() < rest.len() { after } else { "" }).trim_start();
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    let path = match (prefix, word) {
        (_, "" | "self") => prefix.to_owned(),
        ("", _) => word.to_owned(),
        _ => format!("{prefix}::{word}"),
    };
    match after.strip_prefix("::") {
        Some(deeper) if !word.is_empty() => tree(deeper, &path, paths),
        _ => {
            paths.push(path);
            after.strip_prefix('*').unwrap_or(after)
        }
    }
}

/// Each function that has a body, with its number of lines from `fn` to its last brace.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
        let (mut depth, mut braces) = (0_i32, 0_i32);
        for (end, c) in code[at..].char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                ';' if depth == 0 && braces == 0 => break,
                '{' => braces += 1,
                '}' if braces == 1 => {
                    functions.push((name, code[at..=at + end].lines().count()));
                    break;
                }
                '}' => braces -= 1,
                _ => {}
            }
        }
    }
    functions
}

/// Each word, with the character before it.
fn words(code: &str) -> impl Iterator<Item = (Option<char>, &str)> {
    code.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(move |word| {
        let at = word.as_ptr() as usize - code.as_ptr() as usize;
        (code[..at].chars().next_back(), word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A file without its modules of tests, its comments and the content of its literals; lines stay lines.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' if !code.ends_with(is_word) || code.ends_with('b') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if len == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..len].chars().filter(|c| *c == '\n'));
            rest = &rest[len..];
        }
    }
    without_tests(&code)
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    for (at, _) in text.char_indices() {
        match text.get(at..at + 2) {
            Some("/*") => depth += 1,
            Some("*/") if depth == 1 => return at + 2,
            Some("*/") => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 2;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// The length of a character in quotes; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// The lines from the attribute of each module of tests to the brace that ends it; they stand at the left margin.
fn without_tests(text: &str) -> String {
    let mut is_test = false;
    let mut kept = String::new();
    for line in text.lines() {
        is_test |= line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        kept.extend([if is_test { "" } else { line }, "\n"]);
        is_test &= line != "}";
    }
    kept
}

fn lines_of_tests(text: &str) -> usize {
    let all = text.lines().filter(|line| !line.is_empty()).count();
    all - without_tests(text).lines().filter(|line| !line.is_empty()).count()
}
