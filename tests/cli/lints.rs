//! What `check` warns of, and the neighbours that it leaves alone.

use std::fs;
use std::path::Path;

use crate::support::{Scratch, run_for_lines};

/// The warnings about a file, without its name and the word; it has no errors.
fn warnings(config: &str) -> Vec<String> {
    let scratch = Scratch::new("lints");
    scratch.write("c.toml", config);
    let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{config}");
    let lines = ended.stdout.lines().filter_map(|line| line.strip_prefix("c.toml:"));
    lines.filter_map(|line| line.split_once(" warning: ")).map(|(at, message)| format!("{at} {message}")).collect()
}

/// A rule, which has the lines from the second on.
fn rule(lines: &str) -> String {
    format!("[[metric]]\n{lines}\n")
}

/// Compares the warnings about each file with those expected.
fn expect(rows: &[(String, &[&str])]) {
    for (config, expected) in rows {
        assert_eq!(warnings(config), *expected, "{config}");
    }
}

#[test]
fn names_that_break_conventions() {
    let named = |name: &str, rest: &str| rule(&format!("match = \"a.*\"\nname = {name:?}\n{rest}"));
    expect(&[
        (named("a", "type = \"counter\""), &["3:8: name \"a\": the name of a counter ends in _total by convention"]),
        (
            named("a", "match_type = [\"c\", \"m\"]"),
            &["3:8: name \"a\": the name of a counter ends in _total by convention"],
        ),
        (
            named("${1}_a", "type = \"counter\""),
            &["3:8: name \"${1}_a\": the name of a counter ends in _total by convention"],
        ),
        (named("a_total", "type = \"counter\""), &[]),
        (named("a", "match_type = [\"c\", \"g\"]"), &[]),
        (named("a_$1", "type = \"counter\""), &[]),
        (
            named("a_total", "type = \"gauge\""),
            &["3:8: name \"a_total\": by convention only the name of a counter ends in _total"],
        ),
        (
            named("queue_count", "type = \"gauge\""),
            &[
                "3:8: name \"queue_count\" ends in _count, which by convention is of the series of a histogram or summary; choose another name",
            ],
        ),
        (
            named("took_bucket", "type = \"histogram\""),
            &["3:8: name \"took_bucket\" ends in _bucket, which the metric adds to its name itself; leave it out"],
        ),
        (named("count", "type = \"gauge\""), &[]),
        (named("queue_discount", "type = \"gauge\""), &[]),
        (
            named("job:a_$1", ""),
            &["3:8: name \"job:a_$1\": by convention only recording rules of Prometheus make names with a colon"],
        ),
    ]);
}

/// The file asks for names as they are, so it gets no advice on style.
#[test]
fn verbatim_names_are_left_alone() {
    for rest in ["type = \"counter\"", "name = \"a:b\"", "name = \"a_mb\"\ntype = \"gauge\"", "name = \"a_count\""] {
        let name = if rest.contains("name") { "" } else { "name = \"a\"\n" };
        let config = format!("defaults.naming = \"verbatim\"\n{}", rule(&format!("match = \"a\"\n{name}{rest}")));
        assert_eq!(warnings(&config), [""; 0], "{config}");
        assert_eq!(warnings(&config.replace("verbatim", "prometheus")).len(), 1, "{config}");
    }
    // A name that tells the wrong unit is no matter of style.
    let config = rule("match = \"a\"\nname = \"a_ms\"\nmatch_type = \"ms\"");
    let expected = ["4:8: name \"a_ms\" ends in _ms, but ms lines become seconds; end it in _seconds"];
    assert_eq!(warnings(&format!("defaults.naming = \"verbatim\"\n{config}")), expected);
}

#[test]
fn units_that_are_no_base_units_or_not_those_of_the_values() {
    let named = |name: &str, rest: &str| rule(&format!("match = \"a\"\nname = {name:?}\n{rest}"));
    expect(&[
        (
            named("took_milliseconds", "match_type = \"ms\""),
            &["3:8: name \"took_milliseconds\" ends in _milliseconds, but ms lines become seconds; end it in _seconds"],
        ),
        (
            named("took_ms", "match_type = \"h\"\nbuckets = [100]"),
            &[
                "3:8: name \"took_ms\" ends in _ms: by convention it ends in _seconds, and scale = 0.001 converts the values",
            ],
        ),
        (
            named("took_ms_total", "match_type = \"c\""),
            &[
                "3:8: name \"took_ms_total\" ends in _ms: by convention it ends in _seconds, and scale = 0.001 converts the values",
            ],
        ),
        (
            named("heap_mb", "type = \"gauge\""),
            &[
                "3:8: name \"heap_mb\" ends in _mb: by convention it ends in _bytes, and a scale in the rule converts the values",
            ],
        ),
        (
            named("heap_KiB", "type = \"gauge\""),
            &[
                "3:8: name \"heap_KiB\" ends in _KiB: by convention it ends in _bytes, and scale = 1024 converts the values",
            ],
        ),
        // A scale says that the author has thought of the unit.
        (named("took_ms", "match_type = \"ms\"\nscale = 1000"), &[]),
        // Countries, and words that only end in the same letters.
        (named("orders_us_total", "type = \"counter\""), &[]),
        (named("orders_gb", "type = \"gauge\""), &[]),
        (named("items", "type = \"gauge\""), &[]),
        (named("alarms", "type = \"gauge\""), &[]),
        (named("took_seconds", "match_type = \"ms\""), &[]),
        (named("heap_bytes", "type = \"gauge\""), &[]),
        (
            named("took", "match_type = \"ms\"\nunit = \"milliseconds\""),
            &["5:8: \"unit\" is \"milliseconds\", but ms lines become seconds; write \"seconds\""],
        ),
        (
            named("heap_megabytes", "type = \"gauge\"\nunit = \"megabytes\""),
            &[
                "5:8: \"unit\" is \"megabytes\": by convention it is \"bytes\", and a scale in the rule converts the values",
            ],
        ),
        (named("took", "unit = \"seconds\""), &["3:8: name \"took\": by convention it ends in its unit, _seconds"]),
        (named("took_seconds", "unit = \"seconds\""), &[]),
        (named("took_seconds_total", "type = \"counter\"\nunit = \"seconds\""), &[]),
    ]);
}

#[test]
fn two_helps_and_two_units_of_one_metric() {
    let rules = |first: &str, second: &str| {
        let named =
            |of: &str, rest: &str| rule(&format!("match = {of:?}\nname = \"m_bytes\"\ntype = \"gauge\"\n{rest}"));
        named("a", first) + &named("b", second)
    };
    let other = |what: &str| {
        format!(
            "10:8: m_bytes has another {what} in an earlier rule, and the first one in the file counts; write the same in \
             both rules"
        )
    };
    assert_eq!(warnings(&rules("help = \"A.\"", "help = \"B.\"")), [other("help")]);
    let not_the_end = "8:8: name \"m_bytes\": by convention it ends in its unit, _s".to_owned();
    assert_eq!(warnings(&rules("unit = \"bytes\"", "unit = \"s\"")), [not_the_end, other("unit")]);
    assert_eq!(warnings(&rules("help = \"A.\"", "help = \"A.\"")), [""; 0]);
    assert_eq!(warnings(&rules("help = \"A.\"", "unit = \"bytes\"")), [""; 0]);
}

#[test]
fn buckets_that_cannot_hold_the_values() {
    let timer = |rest: &str| rule(&format!("match = \"a\"\n{rest}"));
    let milliseconds = |at: &str, first: &str, last: &str, low: &str, high: &str| {
        format!(
            "{at}: \"buckets\" from {first} to {last} look like milliseconds, but ms lines become seconds: write {low} to \
             {high}, or add a match_type without \"ms\" if no ms line feeds it"
        )
    };
    let usual = milliseconds("3:11", "100", "60000", "0.1", "60");
    let named = milliseconds("4:11", "100", "60000", "0.1", "60");
    let bytes = "the buckets of [defaults] end at 10 and cannot hold bytes; give this rule buckets of its own";
    for (config, expected) in [
        (timer("buckets = [100, 1000, 60000]"), usual.clone()),
        (timer("buckets = [100, 1000, 60000]\nmatch_type = [\"ms\", \"h\"]"), usual.clone()),
        (timer("buckets = [100, 60000]\nmatch_type = \"h\""), String::new()),
        (timer("buckets = [100, 60000]\nscale = 1000"), String::new()),
        (timer("buckets = [100, 60000]\nname = \"a_bytes\""), String::new()),
        // The unit is known, and no bound is a round number of minutes.
        (timer("name = \"a_seconds\"\nbuckets = [100, 500, 1000, 60000]"), named.clone()),
        (timer("unit = \"seconds\"\nbuckets = [100, 500, 1000, 60000]"), named),
        // A job that takes hours.
        (timer("buckets = [1, 5, 30, 60, 300, 1800, 3600]"), String::new()),
        (timer("name = \"a_seconds\"\nbuckets = [60, 300, 900, 3600, 14400]"), String::new()),
        (timer("name = \"a_seconds\"\nbuckets = [1, 60, 3600, 86400]"), String::new()),
        (timer("name = \"a_seconds\"\nbuckets = [10, 50, 100]"), String::new()),
        (timer("name = \"a_bytes\"\ntype = \"histogram\""), format!("3:8: {bytes}")),
        (timer("unit = \"bytes\"\nmatch_type = \"d\""), format!("3:8: {bytes}")),
        (timer("name = \"a_bytes\"\ntype = \"histogram\"\nbuckets = [1024, 1048576]"), String::new()),
        (timer("name = \"a_bytes\""), String::new()),
        (timer("name = \"a_bytes\"\ntype = \"summary\""), String::new()),
        (timer("name = \"a_seconds\"\ntype = \"histogram\""), String::new()),
    ] {
        let expected: Vec<_> = (!expected.is_empty()).then_some(expected).into_iter().collect();
        assert_eq!(warnings(&config), expected, "{config}");
    }
    let of_all = "2:11: \"buckets\" from 100 to 60000 look like milliseconds, but ms lines become seconds: write 0.1 to 60, \
                  and give other histograms buckets in their rules";
    assert_eq!(warnings("[defaults]\nbuckets = [100, 1000, 60000]\n"), [of_all]);
    assert_eq!(warnings("[defaults]\nbuckets = [1, 60, 3600]\n"), [""; 0]);
}

#[test]
fn variables_that_stay_as_they_are() {
    let stays = |at: &str, key: &str, name: &str| {
        format!(
            "{at}: {key:?} contains ${{{name}}}, which stays as it is; add environment = [\"{name}\"] at the top of the file, or \
             write the value"
        )
    };
    assert_eq!(warnings("[labels]\nteam = \"a-${TEAM}\"\n"), [stays("2:8", "team", "TEAM")]);
    assert_eq!(
        warnings(&rule("match = \"a.${X}.*\"\nhelp = \"${Y}\"")),
        [stays("2:9", "match", "X"), stays("3:8", "help", "Y")]
    );
    assert_eq!(warnings(&rule("match = \"a\"\ndrop_tags = [\"${X}\"]")), [stays("3:14", "drop_tags", "X")]);
    // Captures, dollar signs, and the macros of Grafana.
    let captures = "match_regex = '(?P<x>a)b'\nname = \"${x}_b\"\nlabels = { l = \"$${x}\", m = \"${1}\" }";
    assert_eq!(warnings(&rule(captures)), [""; 0]);
    assert_eq!(warnings(&rule("match = \"a\"\nname = \"a\"\nquery = \"rate(a[${__rate_interval}])\"")), [""; 0]);
    assert_eq!(warnings("[labels]\nteam = \"$TEAM {x}\"\n"), [""; 0]);
}

#[test]
fn labels_with_a_value_for_each_event() {
    let stays = "and each value is a series that stays; leave it out, or set a ttl or [limits] family_series";
    let label = format!("4:12: the label \"user_id\" has another value for each event, {stays}");
    let labels = rule("match = \"a.*\"\nname = \"a\"\nlabels = { user_id = \"$1\" }");
    assert_eq!(warnings(&labels), [label]);
    let tag = |at: &str, key: &str| format!("{at}: the tag {key:?} has another value for each event, {stays}");
    assert_eq!(warnings(&rule("match = \"a\"\nkeep_tags = [\"env\", \"Request-ID\"]")), [tag("3:21", "Request-ID")]);
    assert_eq!(warnings(&rule("match = \"a\"\nrename_tags = { uuid = \"id\" }")), [tag("3:17", "uuid")]);
    let any = format!("4:19: the label \"path\" takes the whole name of any line, {stays}");
    assert_eq!(warnings(&rule("match = \"**\"\nname = \"all\"\nlabels = { path = \"$0\" }")), [any]);
    for silent in [
        format!("{labels}ttl = \"1h\"\n"),
        format!("limits.family_series = 100\n{labels}"),
        format!("defaults.ttl = \"1h\"\n{labels}"),
        labels.replace("user_id", "user"),
        labels.replace("$1", "all"),
        rule("match = \"a\"\ndrop_tags = [\"request_id\"]"),
        rule("match = \"jobs.**\"\nname = \"jobs\"\nlabels = { job = \"$1\" }"),
    ] {
        assert_eq!(warnings(&silent), [""; 0], "{silent}");
    }
}

#[test]
fn series_of_init_that_no_line_feeds() {
    let with = |rest: &str| rule(&format!("match = \"a.*.done\"\nname = \"a_total\"\ntype = \"counter\"\n{rest}"));
    let no_label = |at: &str, key: &str| {
        format!(
            "{at}: init sets {key:?}, which is no label of this rule and no tag that it keeps, so no line feeds the series"
        )
    };
    let no_value = |at: &str, key: &str, value: &str| {
        format!(
            "{at}: init sets {key:?} to {value:?}, which the names that the rule matches cannot give it, so no line feeds the series"
        )
    };
    for (config, expected) in [
        (with("tags = \"drop\"\ninit = [{ op = \"x\" }]"), no_label("6:11", "op")),
        (with("keep_tags = [\"env\"]\ninit = [{ op = \"x\" }]"), no_label("6:11", "op")),
        (with("drop_tags = [\"op\"]\ninit = [{ op = \"x\" }]"), no_label("6:11", "op")),
        (with("rename_tags = { op = \"what\" }\ninit = [{ op = \"x\" }]"), no_label("6:11", "op")),
        // A client may send any tag that the rule keeps.
        (with("init = [{ op = \"x\" }, {}]"), String::new()),
        (with("keep_tags = [\"op\"]\ninit = [{ op = \"x\" }, {}]"), String::new()),
        (with("rename_tags = { op = \"what\" }\ninit = [{ what = \"x\" }]"), String::new()),
        (with("labels = { t = \"$1\" }\ntags = \"drop\"\ninit = [{ t = \"raw\" }]"), String::new()),
        // One part of a name has no dot.
        (with("labels = { t = \"$1\" }\ninit = [{ t = \"a.b\" }]"), no_value("6:15", "t", "a.b")),
        (with("labels = { t = \"t-$1\" }\ninit = [{ t = \"raw\" }]"), no_value("6:15", "t", "raw")),
        (with("labels = { t = \"t-$1\" }\ninit = [{ t = \"t-raw\" }]"), String::new()),
        (with("labels = { t = \"$1\" }\nprefer = \"tag\"\ninit = [{ t = \"a.b\" }]"), String::new()),
        (
            rule("match_regex = 'a\\.(?P<op>put|get)'\nname = \"a_total\"\ntype = \"counter\"\nlabels = { op = \"$op\" }\ninit = [{ op = \"put\" }, { op = \"fetch\" }]"),
            no_value("6:32", "op", "fetch"),
        ),
        (
            with("match_tags = { env = \"prod*\" }\ninit = [{ env = \"dev\" }, { env = \"prod-1\" }]"),
            "6:17: init sets \"env\" to \"dev\", which match_tags does not let the tag \"env\" be, so no line feeds the series".to_owned(),
        ),
        (
            with("match_tags = { env = \"prod\" }\ninit = [{}]"),
            "6:9: init lacks the label \"env\", which every series of this rule has, because match_tags demands the tag \"env\"".to_owned(),
        ),
        (with("match_tags = { env = \"prod\" }\ntags = \"drop\"\ninit = [{}]"), String::new()),
        (with("match_tags = { env = \"*\" }\ninit = [{}]"), String::new()),
    ] {
        let expected: Vec<_> = (!expected.is_empty()).then_some(expected).into_iter().collect();
        assert_eq!(warnings(&config), expected, "{config}");
    }
    let container =
        "defaults.container_label = true\n".to_owned() + &with("tags = \"drop\"\ninit = [{ container_id = \"x\" }]");
    assert_eq!(warnings(&container), [""; 0]);
}

#[test]
fn rules_that_no_line_reaches() {
    let rules = |rules: &[&str]| rules.iter().map(|lines| rule(lines)).collect::<String>();
    let by = |at: &str, key: &str, text: &str| {
        format!(
            "{at}: no line reaches this rule, because {key} = {text} is before it and matches all its lines; put this rule first"
        )
    };
    for (config, expected) in [
        (rules(&["match_regex = 'a\\..*'", "match = \"a.b.*\""]), by("4:9", "match_regex", "'a\\..*'")),
        (rules(&["match = \"a.*\"", "match_regex = 'a\\.(b|c)'"]), by("4:15", "match", "\"a.*\"")),
        (rules(&["match_regex = '[a-z]+\\.\\w+'", "match_regex = 'a\\.(b|c)\\d'"]), by("4:15", "match_regex", "'[a-z]+\\.\\w+'")),
        (rules(&["match = \"a.*\"", "match_regex = 'a\\.b[a-z.]+'"]), String::new()),
        (rules(&["match_regex = 'a\\.[a-z]*'", "match = \"a.*\""]), String::new()),
        (rules(&["match_regex = 'a\\.b'\nmatch_type = \"c\"", "match = \"a.b\""]), String::new()),
        (
            rules(&["match_regex = 'a$b'"]),
            "2:15: the regex 'a$b' matches no name, so no line reaches this rule; correct it, or remove the rule".to_owned(),
        ),
        (
            rules(&["match = \"a.*\"\nmatch_type = \"c\"", "match = \"a.**\"\nmatch_type = [\"g\", \"ms\"]", "match = \"a.b\"\nmatch_type = [\"c\", \"g\"]"]),
            "8:9: no line reaches this rule, because 2 rules before it match all its lines, each some types of them, and match = \"a.*\" is the first; put this rule first".to_owned(),
        ),
        (
            rules(&["match = \"a.*\"\nmatch_type = \"c\"", "match = \"a.**\"\nmatch_type = \"ms\"", "match = \"a.b\"\nmatch_type = [\"c\", \"g\"]"]),
            String::new(),
        ),
    ] {
        let expected: Vec<_> = (!expected.is_empty()).then_some(expected).into_iter().collect();
        assert_eq!(warnings(&config), expected, "{config}");
    }
}

#[test]
fn strict_refuses_warnings() {
    let scratch = Scratch::new("strict");
    scratch.write("good.toml", "[[metric]]\nmatch = \"a\"\n");
    scratch.write("odd.toml", "[labels]\na = \"${A}\"\n[[metric]]\nmatch = \"a\"\nname = \"a\"\ntype = \"counter\"\n");
    scratch.write("wrong.toml", "[lables]\n");
    let run = |args: &[&str]| run_for_lines(scratch.path(), args);
    let good = run(&["check", "--strict", "good.toml"]);
    assert_eq!(
        (good.code, good.stdout.as_str(), good.stderr.as_str()),
        (Some(0), "good.toml: good: 1 metric, 2 listeners\n", "")
    );
    let odd = run(&["check", "--strict", "odd.toml"]);
    assert_eq!((odd.code, odd.stdout.as_str()), (Some(2), ""));
    assert!(odd.stderr.ends_with("\nodd.toml: there are 2 warnings, and --strict allows none\n"), "{}", odd.stderr);
    assert_eq!(run(&["check", "odd.toml"]).code, Some(0));
    assert_eq!(run(&["check", "--strict", "wrong.toml"]).code, Some(2));
}

/// Rules that people wrote with care cause no warning.
#[test]
fn all_that_comes_with_the_program_passes_strictly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let presets =
        fs::read_dir(root.join("src/presets")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let examples =
        ["file_ingestion", "market_data_etl"].map(|name| root.join("examples").join(name).join("config.toml"));
    let mut files: Vec<_> = presets.chain(examples).chain([root.join("config.toml")]).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    assert_eq!(files.len(), 24 + 3);
    for file in files {
        let ended = run_for_lines(root, &["check", "--strict", &file.display().to_string()]);
        assert_eq!(
            (ended.code, ended.stderr.as_str(), ended.stdout.lines().count()),
            (Some(0), "", 1),
            "{}",
            ended.stdout
        );
    }
}
