//! `check` compares rules that feed one metric, and metrics whose series would collide.

use crate::support::{Scratch, run_in};

/// Checks rules, each given without its braces; returns the exit code and the output.
fn check(topic: &str, rules: &[&str]) -> (i32, String) {
    let scratch = Scratch::new(&format!("agreeing-{topic}"));
    let rules: String = rules.iter().map(|rule| format!("  {{ {rule} }},\n")).collect();
    scratch.write("c.toml", &format!("metric = [\n{rules}]\n"));
    let ended = run_in(scratch.path(), &["check", "c.toml"]);
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
    assert_eq!((code, said), (0, format!("{warning}c.toml: good\n")));
}

/// A key that a rule leaves out agrees with any value.
#[test]
fn only_keys_that_both_rules_have_can_differ() {
    let good = (0, "c.toml: good\n".to_owned());
    for said in [r#"help = "H""#, "buckets = [1]", r#"type = "summary", quantiles = [0.5]"#] {
        let rules = ["a", "b", "c"].map(|name| format!("match = {name:?}, name = \"x\", {said}"));
        let [_, two, three] = rules.each_ref().map(String::as_str);
        assert_eq!(check("differs", &[r#"match = "a", name = "x""#, two, three]), good, "{said}");
    }
    let (code, said) = check(
        "differs",
        &[
            r#"match = "a", name = "x""#,
            r#"match = "b", name = "x", help = "B""#,
            r#"match = "c", name = "x""#,
            r#"match = "d", name = "x", help = "D""#,
        ],
    );
    let expected = "c.toml:5:37: warning: x has another help in an earlier rule, and the first series decides; \
                    write the same in both rules\nc.toml: good\n";
    assert_eq!((code, said.as_str()), (0, expected));
}
