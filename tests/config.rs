//! The config file: the shipped one, the errors of wrong ones, and the limits for hostile ones.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use statsidecar::config::{
    Config, CounterValue, Diagnostic, Dialect, KeptTags, Negative, Overflow, PanelType, Prefer, Spanned, Timer,
    Urgency, load, load_in, render,
};
use statsidecar::mapping::Rules;
use statsidecar::metric::MetricType;
use toml::de::DeTable;

const SHIPPED: &str = include_str!("../config.toml");

// ---- The shipped file ----

#[test]
fn the_shipped_file_has_the_defaults() {
    assert_eq!(accepted("config.toml", SHIPPED), Config::default());
    assert_eq!(accepted("nothing", ""), Config::default());
}

#[test]
fn the_shipped_file_names_every_key() {
    let example = with_examples(SHIPPED);
    let file = DeTable::parse(&example).expect("the examples are TOML").into_inner();
    let keys = documented_keys();
    assert_eq!(keys.len(), 14 + 98, "a key was added or removed, or the docs have another form: {keys:?}");
    for (table, key) in keys {
        if table.is_empty() {
            assert!(file.get(key.as_str()).is_some(), "config.toml lacks {key:?}");
            continue;
        }
        let table = file.get(table.as_str()).unwrap_or_else(|| panic!("config.toml lacks [{table}]")).get_ref();
        let tables = table.as_array().map_or(vec![table], |array| array.iter().map(|table| table.get_ref()).collect());
        let is_there = tables.iter().any(|table| table.get(key.as_str()).is_some());
        assert!(key.is_empty() || is_there, "config.toml lacks {key:?}");
    }
}

#[test]
fn the_examples_in_the_shipped_file_are_valid() {
    let config = accepted("config.toml with its examples", &with_examples(SHIPPED));
    assert_eq!(config.labels.len(), 1);
    let own: Vec<_> = config.metrics.iter().filter(|rule| rule.preset.is_none()).collect();
    let [rule, other, total, gauge, summary] = own.as_slice() else { panic!("five examples, not {}", own.len()) };
    assert!(config.metrics.iter().any(|rule| rule.preset == Some("gunicorn")));
    assert_eq!((rule.pattern.key(), rule.pattern.text()), ("match", "shop.*.request_micros"));
    assert!(summary.quantiles.is_some());
    assert_eq!((total.value, gauge.negative), (CounterValue::Total, Some(Negative::Set)));
    assert_eq!(rule.init.len(), 2);
    assert_eq!(rule.unit.as_ref().map(|unit| unit.get_ref().as_str()), Some("seconds"));
    assert_eq!(other.pattern.key(), "match_regex");
    let [relay] = config.relays.as_slice() else { panic!("one example, not {}", config.relays.len()) };
    assert_eq!(relay.target.get_ref().to_string(), "udp://127.0.0.1:9125");
    assert_eq!(relay.pattern.as_ref().map(|pattern| pattern.text()), Some("shop.**"));
    let ([otlp, other], [write]) = (config.otlps.as_slice(), config.remote_writes.as_slice()) else {
        panic!("two examples and one")
    };
    assert!(other.to.bearer_token_file.is_some());
    assert_eq!(otlp.to.url.to_string(), "https://collector.example:4318/v1/metrics");
    assert!(otlp.to.basic_auth.is_some() && otlp.to.tls.ca.is_some() && otlp.resource.len() == 1, "{otlp:?}");
    assert_eq!((write.to.interval, write.labels.len()), (Duration::from_secs(15), 2));
    let panel = rule.panel.as_ref().expect("an example");
    assert_eq!((panel.panel_type, panel.thresholds.as_slice()), (Some(PanelType::TimeSeries), &[0.5, 2.0][..]));
    assert_eq!(rule.alert.as_ref().map(|alert| alert.severity), Some(Urgency::Critical));
    let ([panel], [alert]) = (config.panels.as_slice(), config.alerts.as_slice()) else {
        panic!("one example of each")
    };
    assert_eq!((panel.panel_type, panel.subsystem.as_deref()), (Some(PanelType::Gauge), Some("Requests")));
    assert_eq!((alert.when.to_string().as_str(), alert.hold), ("> 5", Some(Duration::from_secs(300))));
}

/// The file with the `#` of every example removed.
fn with_examples(source: &str) -> String {
    let lines = source.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.is_empty() && !example.starts_with(' ') => example,
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Each table and key in the docs of the structs: `("intake", "")`, `("intake", "listen")`.
fn documented_keys() -> BTreeSet<(String, String)> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    let structs = [
        include_str!("../src/config/schema.rs"),
        include_str!("../src/config/monitoring.rs"),
        include_str!("../src/config/push.rs"),
    ];
    for line in structs.into_iter().flat_map(str::lines).map(str::trim) {
        let Some((name, rest)) = line.strip_prefix("/// ").and_then(quoted_first) else { continue };
        if name.starts_with('[') && name.ends_with(']') {
            table = name.trim_matches(['[', ']']).to_owned();
            keys.insert((table.clone(), String::new()));
        } else if rest.starts_with(':') && !name.starts_with('"') {
            keys.insert((table.clone(), name.to_owned()));
        }
    }
    keys
}

/// The first text in backquotes, and the text after it.
fn quoted_first(text: &str) -> Option<(&str, &str)> {
    text.split_once('`')?.1.split_once('`')
}

// ---- Valid files ----

#[test]
fn every_key_is_read() {
    let config = accepted(
        "every key",
        r#"
        metric = [
            { match = "a.*", type = "gauge", scale = 2, labels.team = "x", tags = "drop", ttl = "0" },
            { match_regex = "b", match_type = "ms", keep_tags = ["a-b", "le"], rename_tags = { "a-b" = "c" } },
            { match = "b", match_type = ["h", "d"], match_tags = { "a-b" = "x*" }, drop_tags = ["k"], prefer = "tag",
              labels = { k = "$0" }, ttl = "1h" },
        ]
        relay = [{ target = "udp://[::1]:2" }, { target = "unixgram://@x", match = "a.*" }]
        [intake]
        listen = ["udp://[::1]:1", "udp://0.0.0.0:0", "udp://0.0.0.0:0", "unix:///a b"]
        receive_buffer = 0
        gather = "5ms"
        max_line = 16
        max_connections = 3
        idle_timeout = "1m30s"
        mode = "0606"
        owner = 1000
        group = "adm"
        allow_uids = ["app", 7]
        [http]
        listen = "0.0.0.0:80"
        max_connections = 1
        [defaults]
        naming = "verbatim"
        timer = "summary"
        buckets = [-1, 0.5, 0x10]
        quantiles = [0, 0.25, 1]
        summary_window = "7d"
        set_window = "1m30s"
        service_checks = true
        ttl = "1m30s"
        container_label = true
        [tags]
        dialects = ["signalfx", "influxdb"]
        [limits]
        memory = "1MiB"
        label_value = 1
        series_length = 65536
        series = 5_000
        family_series = 7
        tags = 1
        overflow = "collapse"
        [labels]
        b = "2"
        a = "1"
        "#,
    );
    let listen: Vec<_> = config.intake.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["udp://[::1]:1", "udp://0.0.0.0:0", "udp://0.0.0.0:0", "unix:///a b"]);
    assert_eq!((config.intake.receive_buffer, config.intake.max_line), (None, 16));
    assert_eq!(config.intake.gather, Duration::from_millis(5));
    assert_eq!((config.intake.max_connections, config.intake.idle_timeout), (3, Some(Duration::from_secs(90))));
    let (owner, group) = (config.intake.owner.as_deref(), config.intake.group.as_deref());
    assert_eq!((config.intake.mode, owner, group), (0o606, Some("1000"), Some("adm")));
    assert_eq!(config.intake.allow_uids, Some(vec!["app".to_owned(), "7".to_owned()]));
    assert_eq!((config.http.listen.to_string().as_str(), config.http.max_connections), ("0.0.0.0:80", 1));
    assert_eq!(config.defaults.buckets, [-1.0, 0.5, 16.0]);
    assert_eq!((config.defaults.timer, config.defaults.quantiles.as_slice()), (Timer::Summary, &[0.0, 0.25, 1.0][..]));
    assert_eq!((config.defaults.summary_window, config.defaults.set_window), (7 * 24 * 60 * 60, 90));
    assert!(config.defaults.service_checks && config.defaults.container_label);
    assert_eq!(config.tags.dialects, [Dialect::InfluxDb, Dialect::SignalFx].into_iter().collect());
    assert_eq!((config.limits.series, config.limits.family_series, config.limits.tags), (5000, Some(7), 1));
    assert_eq!(config.limits.overflow, Overflow::Collapse);
    assert_eq!(
        (config.limits.memory, config.limits.label_value, config.limits.series_length),
        (Some(1 << 20), 1, 65536)
    );
    let labels: Vec<_> = config.labels.iter().map(|(k, v)| (k.get_ref().as_str(), v.get_ref().as_str())).collect();
    assert_eq!(labels, [("a", "1"), ("b", "2")]);
    assert_eq!(config.defaults.ttl, Some(Duration::from_secs(90)));
    let [rule, two, three] = config.metrics.as_slice() else { panic!("three rules") };
    assert_eq!(rule.metric_type.as_ref().map(|metric_type| *metric_type.get_ref()), Some(MetricType::Gauge));
    assert_eq!(rule.scale.as_ref().map(|scale| *scale.get_ref()), Some(2.0));
    assert_eq!(rule.labels.len(), 1);
    assert_eq!((&rule.tags, rule.ttl.as_ref().map(|ttl| *ttl.get_ref())), (&KeptTags::None, Some(Duration::ZERO)));
    let texts = |list: &[Spanned<String>]| list.iter().map(|text| text.get_ref().clone()).collect::<Vec<_>>();
    assert_eq!(texts(&two.match_type), ["ms"]);
    assert!(matches!(&two.tags, KeptTags::Only(only) if texts(only) == ["a-b", "le"]));
    assert_eq!((two.rename_tags.len(), two.prefer, &two.ttl), (1, Prefer::Rule, &None));
    assert_eq!((texts(&three.match_type), three.match_tags.len()), (vec!["h".to_owned(), "d".to_owned()], 1));
    assert!(matches!(&three.tags, KeptTags::AllBut(all_but) if texts(all_but) == ["k"]));
    assert_eq!(three.ttl.as_ref().map(|ttl| *ttl.get_ref()), Some(Duration::from_secs(3600)));
    assert_eq!(three.prefer, Prefer::Tag);
    let relays: Vec<_> = config.relays.iter().map(|relay| relay.target.get_ref().to_string()).collect();
    assert_eq!(relays, ["udp://[::1]:2", "unixgram://@x"]);
    assert_eq!(config.relays.iter().map(|relay| relay.pattern.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn spans_are_places_in_the_source() {
    let source = "[[metric]]\nmatch = \"a\"\nlabels = { team = \"x\" }\n";
    let config = accepted("spans", source);
    let rule = &config.metrics[0];
    assert_eq!((rule.pattern.key(), &source[rule.pattern.span()]), ("match", "\"a\""));
    let (name, value) = &rule.labels[0];
    assert_eq!((&source[name.span()], &source[value.span()]), ("team", "\"x\""));
}

/// The config of a file without errors and warnings, where every environment variable is set.
fn accepted(name: &str, source: &str) -> Config {
    let (config, mut diagnostics) = load_in(source, &|_| Some("x".to_owned()));
    diagnostics.extend(Rules::compile(&config).1);
    assert_eq!(render(name, source, &diagnostics), "");
    config
}

// ---- Wrong files ----

#[test]
fn each_wrong_file_has_the_errors_in_the_file_beside_it() {
    let (files, texts) = (fixtures("toml"), fixtures("err"));
    assert!(!files.is_empty(), "no fixtures");
    let stems = |paths: &[PathBuf]| paths.iter().map(|path| path.with_extension("")).collect::<Vec<_>>();
    assert_eq!(stems(&files), stems(&texts), "every .toml has a .err, and every .err has a .toml");
    let mut wrong = String::new();
    for (file, text) in files.iter().zip(&texts) {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a file name");
        let source = fs::read_to_string(file).expect("a fixture");
        let expected = fs::read_to_string(text).expect("a fixture");
        let (config, mut diagnostics) = load(&source);
        diagnostics.extend(Rules::compile(&config).1);
        let found = render(name, &source, &diagnostics);
        if found != expected {
            wrong += &format!("---- expected ----\n{expected}---- found ----\n{found}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The fixtures with this extension, sorted.
fn fixtures(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/invalid");
    let entries = fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("a fixture").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

// ---- Hostile files ----

/// About 6,500 nested tables, the most that the TOML parser accepts. They are kept once and dropped once while parsing:
/// dropping them needs more stack than a thread has by default.
#[test]
fn the_deepest_file_does_not_overflow_the_stack() {
    let key = ["a"; 79].join(".");
    let nested = format!("{key} = {{").repeat(78) + "a = 1" + &"}".repeat(78);
    let source = format!("[{key}]\n{nested}\n{nested}\n");
    assert_read(&source);
    assert_read(&"[".repeat(100_000));
    assert_read(&format!("a = {}", "{a=[".repeat(100_000)));
}

#[test]
fn messages_are_short_and_there_can_be_many() {
    let long = "x".repeat(1 << 20);
    let diagnostics = assert_read(&format!("{long} = 1\n[http]\nlisten = \"{long}\"\n[labels]\n\"{long} \" = 1\n"));
    assert!(diagnostics.iter().all(|found| found.message.len() < 1000));
    let many = "[[metric]]\nmatch\n[[metric]]\ntype = 5\n  [intake\n".repeat(5_000);
    assert_eq!(assert_read(&many).len(), 4 * 5_000);
}

/// Reads `source` to its end, whatever errors it has.
fn assert_read(source: &str) -> Vec<Diagnostic> {
    let (_, diagnostics) = load(source);
    let text = render("f", source, &diagnostics);
    assert!(!text.contains("cannot be read"), "{text}");
    assert_eq!(text.lines().count(), diagnostics.len());
    diagnostics
}

/// Text made of TOML syntax and of keys of the file, so that the parser reads more than its first character.
fn toml_like() -> impl Strategy<Value = String> {
    let words = [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        " = ",
        ",",
        ".",
        "\n",
        "\r",
        "\"",
        "'",
        "\"\"\"",
        "#",
        "\\",
        "-",
        "+",
        "_",
        "é",
        "0",
        "1",
        "16",
        "1e999",
        "0x1F",
        "inf",
        "nan",
        "true",
        "1979-05-27",
        "\"8MiB\"",
        "\"udp://127.0.0.1:1\"",
        "intake",
        "http",
        "listen",
        "max_line",
        "defaults",
        "buckets",
        "naming",
        "limits",
        "tags",
        "labels",
        "[[metric]]\n",
        "[[relay]]\n",
        "target",
        "match",
        "match_regex",
        "match_type",
        "match_tags",
        "keep_tags",
        "\"a(b\"",
        "\"1m30s\"",
        "ttl",
        "type",
        "scale",
        "drop",
        "init",
        "\u{feff}",
        "\0",
    ];
    let known = proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
    let word = prop_oneof![4 => known, 1 => any::<char>().prop_map(String::from)];
    proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// The shipped file with its examples, and with a random piece replaced.
fn mutated() -> impl Strategy<Value = String> {
    let source = with_examples(SHIPPED);
    let lines: Vec<String> =
        source.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let source = lines.concat();
    (any::<proptest::sample::Index>(), 0..40_usize, toml_like()).prop_map(move |(start, len, piece)| {
        let start = start.index(source.len() + 1);
        let (before, rest) = source.split_at((start..).find(|at| source.is_char_boundary(*at)).unwrap_or_default());
        let after: String = rest.chars().skip(len).collect();
        format!("{before}{piece}{after}")
    })
}

proptest! {
    #[test]
    fn prop_load_never_panics(source in prop_oneof![any::<String>(), toml_like(), mutated()]) {
        assert_read(&source);
    }
}
