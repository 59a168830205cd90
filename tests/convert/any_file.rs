//! Hostile and arbitrary mapping files.

use proptest::prelude::*;
use statsidecar::config;
use statsidecar::import::statsd_exporter::import;

use crate::said;

/// A few lines that would need more memory or stack than there is are errors, and found quickly.
#[test]
fn files_that_need_too_much_memory_are_errors() {
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        aliases += &format!("a{level}: &a{level} [{list}]\n");
    }
    assert!(said(&aliases).contains("with its aliases repeated, the file has more than"), "{}", said(&aliases));

    let help = format!(
        "mappings:\n- &a {{match: a, name: a, help: \"{}\"}}\n{}",
        "x".repeat(100_000),
        "- *a\n".repeat(100_000)
    );
    assert!(said(&help).contains("with its aliases repeated, the file has more than"), "{}", said(&help));

    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        let deep = format!("mappings: {}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(
            said(&deep).starts_with("m.yml:1:") && said(&deep).contains("not valid YAML"),
            "{open}: {}",
            said(&deep)
        );
    }
    let own = "mappings: &a\n- *a\n";
    assert_eq!(said(own), "m.yml:2:3: this alias refers to a value that contains the alias itself\n");

    let long = format!("mappings: [{{match: \"{}\", name: a}}]", "a.".repeat(100_000));
    assert!(said(&long).contains("text of 1 to 65536 bytes"), "{}", said(&long));
    let regex = format!("mappings: [{{match: \"{}a\", match_type: regex, name: a}}]", "(".repeat(10_000));
    assert_eq!(said(&regex).lines().count(), 1);
    let unknown: String = (0..100_000).map(|n| format!("k{n}: 1\n")).collect();
    let imported = import(&unknown).expect("unknown keys are warnings");
    assert_eq!(imported.warnings.len(), 1000, "the number of warnings is limited");
}

/// Text in double quotes.
fn quoted(text: &str) -> String {
    let escape = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08X}", u32::from(c)) };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(choices).prop_map(str::to_owned)
}

/// An optional key with any of these values.
fn key(key: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(value).prop_map(move |value| value.map_or(String::new(), |value| format!(", {key}: {value}")))
}

const TTLS: &[&str] = &["0", "1m20s", "1.5h", "100us", "2000000h"];
const BUCKETS: &[&str] = &["[]", "[1]", "[-1, .5, 1e300, .inf]", "[0.1, 0.30000000000000004]"];
const QUANTILES: &[&str] =
    &["[]", "[{quantile: 0.5, error: 0.05}]", "[{quantile: 0.9}, {quantile: 0.1}, {quantile: 0.9}, {quantile: 1}]"];
fn defaults() -> impl Strategy<Value = String> {
    // Not `observer_type: summary`: with it, options of a histogram are an error in a mapping without a type.
    let options = (one_of(&["", "observer_type: histogram, "]), one_of(BUCKETS), one_of(QUANTILES)).prop_map(
        |(observer, b, q)| {
            format!("{observer}summary_options: {{quantiles: {q}}}, histogram_options: {{buckets: {b}}}")
        },
    );
    (options, key("ttl", one_of(TTLS)), key("glob_disable_ordering", one_of(&["true", "false"])))
        .prop_map(|(options, ttl, ordering)| format!("{{{options}{ttl}{ordering}}}"))
}

fn mapping() -> impl Strategy<Value = String> {
    let pattern = prop_oneof![
        one_of(&["a", "a.b", "a.*", "*.b", "*.*", "a.b.*", "*"]).prop_map(|glob| format!("match: {glob:?}")),
        one_of(&["a", "^a", "a$", "^a$", "a|b", r"(\w+)\.(?P<n>\d*)", "(?i)b", "[^.]+", r"\bx\b", ".*", "^(a|b)?"])
            .prop_map(|regex| format!("match: {}, match_type: regex", quoted(&regex))),
    ];
    let name = one_of(&["n", "n_$1", "${1}", "m_${1}_total", "o", "p_$0", "q_$9x"])
        .prop_map(|name| quoted(&format!("m{name}")));
    let labels = prop::collection::btree_map(
        "[a-d_][a-d0-9]{0,3}",
        prop_oneof![any::<String>(), "[$0-9{}n%a]{0,8}".boxed()],
        0..3,
    );
    let labels = labels.prop_map(|labels| {
        let labels: Vec<_> = labels
            .iter()
            .filter(|(key, _)| !key.starts_with("__"))
            .map(|(key, value)| format!("{key}: {}", quoted(value)))
            .collect();
        format!("{{{}}}", labels.join(", "))
    });
    let options = prop_oneof![
        Just(String::new()),
        one_of(BUCKETS).prop_map(|b| format!(", observer_type: histogram, histogram_options: {{buckets: {b}}}")),
        one_of(BUCKETS).prop_map(|b| format!(", timer_type: histogram, buckets: {b}")),
        one_of(BUCKETS).prop_map(|b| format!(", histogram_options: {{buckets: {b}}}")),
        one_of(QUANTILES)
            .prop_map(|q| format!(", observer_type: summary, summary_options: {{quantiles: {q}, age_buckets: 5}}")),
        one_of(QUANTILES).prop_map(|q| format!(", quantiles: {q}")),
    ];
    let lines = one_of(&["counter", "gauge", "observer", "timer", "''"]);
    let more = (
        key("help", any::<String>().prop_map(|help| quoted(&help))),
        key("ttl", one_of(TTLS)),
        key("scale", one_of(&["1", "-1", "1e-6", "1024", "0x10"])),
        key("honor_labels", one_of(&["true", "no"])),
        key("action", one_of(&["map", "drop"])),
    )
        .prop_map(|(help, ttl, scale, honor, action)| format!("{help}{ttl}{scale}{honor}{action}"));
    (pattern, name, key("labels", labels), options, key("match_metric_type", lines), more).prop_map(
        |(pattern, name, labels, options, lines, more)| {
            format!("{{{pattern}, name: {name}{labels}{options}{lines}{more}}}")
        },
    )
}

proptest! {
    /// Every valid mapping file becomes a config that loads.
    #[test]
    fn prop_a_valid_mapping_file_becomes_a_valid_config(defaults in defaults(), mappings in prop::collection::vec(mapping(), 0..8)) {
        let source = format!("defaults: {defaults}\nmappings: [{}]\n", mappings.join(", "));
        match import(&source) {
            Ok(imported) => prop_assert!(imported.toml.contains("[defaults]")),
            Err(found) => prop_assert!(false, "{source}\n{}", config::render("m.yml", &source, &found)),
        }
    }

    /// Arbitrary text is imported or has errors, each of them with a place.
    #[test]
    fn prop_any_text_is_imported_or_has_errors(source in "([-\\[\\]{},:&*#|> '\"~!%?@\\\\\n ]|match|name|mappings: |- |defaults|labels|ttl|\\$1|a|1|<<|\\PC){0,60}") {
        match import(&source) {
            Ok(imported) => prop_assert!(!imported.toml.is_empty()),
            Err(found) => {
                prop_assert!(!found.is_empty());
                prop_assert_eq!(config::render("m.yml", &source, &found).lines().count(), found.len());
            }
        }
    }
}
