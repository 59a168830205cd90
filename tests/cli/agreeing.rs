//! `check` compares rules that feed one metric, and metrics whose series would collide.

use crate::support::{Scratch, client, run_for_lines, started};

/// Checks rules, each given without its braces; returns the exit code and the output.
fn check(topic: &str, rules: &[&str]) -> (i32, String) {
    let scratch = Scratch::new(&format!("agreeing-{topic}"));
    let rules: String = rules.iter().map(|rule| format!("  {{ {rule} }},\n")).collect();
    scratch.write("c.toml", &format!("metric = [\n{rules}]\n"));
    let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
    (ended.code.unwrap_or_default(), ended.stdout + &ended.stderr)
}

/// A rule without a type does not hide the types that later rules declare. `run` would refuse the first two.
#[test]
fn types_are_compared_with_the_first_declared_type() {
    let contradicts =
        |at: &str| format!("c.toml:{at}: type \"gauge\" contradicts an earlier rule, which declares x_total a counter");
    let (code, said) = check(
        "types",
        &[
            r#"match = "a", name = "x_total""#,
            r#"match = "b", name = "x_total", type = "counter", init = [{ l = "1" }]"#,
            r#"match = "c", name = "x_total", type = "gauge", init = [{ l = "2" }]"#,
        ],
    );
    assert!(code == 2 && said.contains(&contradicts("4:43")), "{said}");
    let (code, said) = check(
        "types",
        &[
            r#"match = "a", name = "x_total""#,
            r#"match = "b", name = "x_total""#,
            r#"match = "c", name = "x_total", type = "counter""#,
            r#"match = "d", name = "x_total""#,
            r#"match = "e", name = "x_total", type = "gauge""#,
        ],
    );
    assert!(code == 2 && said.contains(&contradicts("6:43")), "{said}");
}

#[test]
fn collisions_are_found_as_soon_as_a_type_is_known() {
    let clash = "c.toml:4:25: name \"x\": the histogram x exposes x_count itself; rename one of the two\n";
    let last = r#"match = "c", name = "x", type = "histogram", init = [{}]"#;
    for second in [
        r#"match = "b", name = "x_count", type = "gauge", init = [{}]"#,
        r#"match = "b", name = "x_count", type = "gauge""#,
        r#"match = "b", name = "x_count""#,
    ] {
        assert_eq!(check("collisions", &[r#"match = "a", name = "x""#, second, last]), (2, clash.to_owned()));
    }
    let (code, said) = check(
        "collisions",
        &[
            r#"match = "a", name = "x_count""#,
            r#"match = "b", name = "x", type = "histogram""#,
            r#"match = "c", name = "x_count", type = "gauge""#,
            r#"match = "d", name = "x", type = "histogram", init = [{}]"#,
        ],
    );
    let clash = "c.toml:3:25: name \"x\": the histogram x exposes x_count itself; rename one of the two\n";
    assert_eq!((code, said.as_str()), (2, clash), "the collision is reported once");
}

/// Lines for the other metric may never come; if they do, they are rejected.
#[test]
fn a_collision_is_a_warning_if_neither_metric_has_an_init_series() {
    let (code, said) =
        check("warned", &[r#"match = "a", name = "x", type = "summary""#, r#"match = "b", name = "x_sum""#]);
    let warning = "c.toml:3:25: warning: name \"x_sum\": the summary x exposes x_sum itself; rename one of the two\n";
    assert_eq!((code, said), (0, format!("{warning}c.toml: good: 2 metrics, 2 listeners\n")));
}

/// A key that a rule leaves out agrees with any value.
#[test]
fn only_keys_that_both_rules_have_can_differ() {
    let good = (0, "c.toml: good: 3 metrics, 2 listeners\n".to_owned());
    let rules = [
        r#"match = "a", name = "x""#,
        r#"match = "b", name = "x", help = "H""#,
        r#"match = "c", name = "x", help = "H""#,
    ];
    assert_eq!(check("differs", &rules), good);
    let (code, said) = check(
        "differs",
        &[
            r#"match = "a", name = "x""#,
            r#"match = "b", name = "x", help = "B""#,
            r#"match = "c", name = "x""#,
            r#"match = "d", name = "x", help = "D""#,
        ],
    );
    let expected = "c.toml:5:37: warning: x has another help in an earlier rule, and the first one in the file counts; \
                    write the same in both rules\nc.toml: good: 4 metrics, 2 listeners\n";
    assert_eq!((code, said.as_str()), (0, expected));
}

/// The first rule has the buckets of `[defaults]`, which are as real as written ones.
#[test]
fn buckets_of_the_defaults_can_differ_too() {
    for (own, what) in [("buckets = [1]", "buckets"), (r#"type = "summary", quantiles = [0.5]"#, "quantiles")] {
        let first = if what == "buckets" { "" } else { r#", type = "summary""# };
        let rules = [format!("match = \"a\", name = \"x\"{first}"), format!("match = \"b\", name = \"x\", {own}")];
        let (code, said) = check("effective", &rules.each_ref().map(String::as_str));
        let warning = format!("warning: x has other {what} in an earlier rule, those of [defaults], and the first one");
        assert!(code == 0 && said.contains(&warning), "{said}");
    }
    let same = [r#"match = "a", name = "x""#, r#"match = "b", name = "x", match_type = "c", buckets = [1]"#];
    assert!(!check("effective", &same).1.contains("other buckets"), "counters have no buckets");
}

/// Whichever line is first, the family has the buckets and the help of the first rule.
#[test]
fn the_order_of_the_file_decides_for_a_family() {
    let scratch = Scratch::new("agreeing-family");
    let config =
        "metric = [{ match = \"a\", name = \"x\", buckets = [7] }, { match = \"b\", name = \"x\", help = \"H\" }]\n";
    let daemon = started(&["--config", &scratch.write("c.toml", config)]);
    client(daemon.udp[0]).send(b"b:1|h\na:1|h").expect("a packet");
    let page = daemon.scrape_with(&["# HELP x H", "x_bucket{le=\"7\"} 2", "x_count 2"]);
    assert!(!page.contains("le=\"0.5\""), "{page}");
}

/// `ms` lines become seconds, so no observation of a request reaches such buckets.
#[test]
fn buckets_in_milliseconds_are_a_warning() {
    for (rule, warns) in [
        ("buckets = [100, 500, 60000]", true),
        ("buckets = [1, 10, 1000]", true),
        ("buckets = [0.1, 60, 1000]", false),
        ("buckets = [1, 5, 300]", false),
        (r#"buckets = [100, 500], match_type = "h""#, false),
        (r#"buckets = [100, 500], match_type = ["h", "ms"]"#, true),
        (r#"buckets = [100, 500], name = "x_bytes", unit = "bytes""#, false),
        ("buckets = [100, 500], scale = 1000", false),
    ] {
        let (code, said) = check("milliseconds", &[&format!("match = \"a\", {rule}")]);
        assert_eq!((code, said.contains("look like milliseconds")), (0, warns), "{rule}: {said}");
    }
}

/// A rule may give any label to a counter or a gauge.
#[test]
fn le_is_refused_for_histograms_only() {
    for (rule, own) in [
        (r#"labels = { le = "a" }"#, ""),
        (r#"labels = { le = "a", quantile = "b" }, type = "gauge""#, ""),
        (r#"labels = { quantile = "a" }, type = "histogram""#, ""),
        (r#"labels = { le = "a" }, type = "histogram""#, "le"),
        (r#"labels = { le = "a" }, match_type = ["ms", "d"]"#, "le"),
        (r#"labels = { quantile = "a" }, type = "summary""#, "quantile"),
        (r#"rename_tags = { a = "le" }, type = "histogram""#, "le"),
    ] {
        let (code, said) = check("own-labels", &[&format!("match = \"a\", {rule}")]);
        let says = format!("the label {own:?} belongs to the");
        assert_eq!((code, said.contains(&says)), if own.is_empty() { (0, false) } else { (2, true) }, "{rule}: {said}");
    }
    let scratch = Scratch::new("agreeing-le");
    let config = scratch.write("c.toml", "metric = [{ match = \"*\", labels = { le = \"a\" } }]\n");
    let daemon = started(&["--config", &config]);
    client(daemon.udp[0]).send(b"c:1|c\nh:1|h").expect("a packet");
    daemon.scrape_with(&["c_total{le=\"a\"} 1", "h_count{exported_le=\"a\"} 1"]);
}
