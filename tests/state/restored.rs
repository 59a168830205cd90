//! What goes on after a restart, and what starts anew because the rules are others.

use crate::home::Home;
use crate::stop;
use crate::support::{Client, Daemon, Exposition};

/// Everything that the page says of the clients' series, with types and help.
fn series(daemon: &Daemon) -> Vec<String> {
    Exposition::read(&daemon.scrape()).expect("the page is valid").clients(|_| true)
}

/// Sends lines, one a datagram, and waits until they are applied.
fn send(daemon: &Daemon, lines: &[&str]) {
    let mut client = Client::connect(&daemon.listeners[0]);
    lines.iter().for_each(|line| _ = client.send(line.as_bytes()));
    daemon.scrape_when("statsidecar_lines_total", lines.len() as u64);
}

const RULES: &str = "\
[limits]\noverflow = 'collapse'\nfamily_series = 3\n\
[labels]\nsite = 'a\"b'\n\
[[metric]]\nmatch = 'took.*'\nname = 'took_seconds'\ntype = 'histogram'\nbuckets = [0.5, 1, 2.5]\nhelp = 'How long it took.'\n\
labels = { what = '$1' }\n\
[[metric]]\nmatch = 'waits'\nname = 'waits'\ntype = 'summary'\nquantiles = [0.5, 0.9]\nhelp = 'Waits.'\n\
[[metric]]\nmatch = 'ready'\nname = 'ready_total'\ntype = 'counter'\nhelp = 'Declared.'\ninit = [{ a = 'x' }, { a = 'y' }]\n";

const LINES: [&str; 21] = [
    "a:1|c",
    "a:2.5|c",
    "big:18446744073709551615|c",
    "sampled:1|c|@0.3",
    "b:-7.25|g",
    "b:+3|g",
    "b:-1|g",
    "labels:1|c|#k:v,other:with \\ and \u{e9},empty",
    "took.one:700|ms",
    "took.one:0.1|ms|@0.3",
    "took.two:3000|ms",
    "users:alice|s",
    "users:bob|s",
    "users:alice|s",
    "waits:5|d",
    "waits:7|d|@0.5",
    "ready:4|c|#a:x",
    "many:1|c|#n:1",
    "many:2|c|#n:2",
    "many:3|c|#n:3",
    "many:4|c|#n:4",
];

#[test]
fn a_stop_and_a_start_of_the_machine_keep_all_series_as_they_are() {
    let home = Home::new("restored");
    let daemon = home.start(RULES);
    send(&daemon, &LINES);
    let expected = series(&daemon);
    let page = expected.join("\n");
    for part in [
        "a_total{site=\"a\\\"b\"} 3.5",
        "b{site=\"a\\\"b\"} -5.25",
        "many_total{overflow=\"true\",site=\"a\\\"b\"} 4",
        "ready_total{a=\"y\",site=\"a\\\"b\"} 0",
        "users{site=\"a\\\"b\"} 2",
        "waits_count{site=\"a\\\"b\"} 3",
        "# HELP took_seconds How long it took.",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    stop(daemon);
    for life in 0..3 {
        let daemon = home.start(RULES);
        assert_eq!(series(&daemon), expected, "life {life}");
        let restored = sum_of(&daemon, "statsidecar_state_restored_series");
        assert_eq!(restored, sum_of(&daemon, "statsidecar_series"), "life {life}");
        // Sets and summaries lose only the samples since the last snapshot by a kill.
        if life == 1 {
            daemon.kill()
        } else {
            stop(daemon)
        };
    }
    let daemon = home.start_after_boot(RULES);
    assert_eq!(series(&daemon), expected);
    // They go on, and are not series beside those of the lines.
    send(
        &daemon,
        &["a:1|c", "b:+1|g", "many:1|c|#n:9", "users:bob|s", "users:carol|s", "ready:1|c|#a:y", "took.two:1|ms"],
    );
    let page = series(&daemon).join("\n");
    for part in [
        "a_total{site=\"a\\\"b\"} 4.5",
        "b{site=\"a\\\"b\"} -4.25",
        "many_total{overflow=\"true\",site=\"a\\\"b\"} 5",
        "users{site=\"a\\\"b\"} 3",
        "ready_total{a=\"y\",site=\"a\\\"b\"} 1",
        "took_seconds_count{site=\"a\\\"b\",what=\"two\"} 2",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert_eq!(series(&daemon).len(), expected.len());
}

fn sum_of(daemon: &Daemon, metric: &str) -> u64 {
    crate::support::sum(&daemon.scrape(), metric)
}

#[test]
fn series_of_other_rules_start_anew_and_the_log_says_which() {
    let rule = |name: &str, rest: &str| format!("[[metric]]\nmatch = '{name}'\nname = '{name}'\nhelp = 'H.'\n{rest}");
    let before = [
        rule("typed", "type = 'counter'\n"),
        rule("bucketed", "type = 'histogram'\nbuckets = [1, 2]\n"),
        rule("quantiled", "type = 'summary'\nquantiles = [0.5]\n"),
        rule("helped", "type = 'counter'\n"),
        rule("dropped", "type = 'counter'\n"),
        rule("renamed", "type = 'counter'\n"),
        rule("declared", "type = 'counter'\ninit = [{}]\n"),
    ];
    let after = [
        rule("typed", "type = 'gauge'\n"),
        rule("bucketed", "type = 'histogram'\nbuckets = [1, 3]\n"),
        rule("quantiled", "type = 'summary'\nquantiles = [0.9]\n"),
        rule("helped", "type = 'counter'\n").replace("H.", "Another help."),
        "[[metric]]\nmatch = 'dropped'\ndrop = true\n".to_owned(),
        rule("renamed", "type = 'counter'\n").replace("name = 'renamed'", "name = 'other'"),
    ];
    const LINES: [&str; 8] = [
        "typed:5|c",
        "bucketed:2|h",
        "quantiled:1|d",
        "helped:3|c",
        "dropped:1|c",
        "renamed:1|c",
        "declared:1|c",
        "free:9|c",
    ];
    for boot in [false, true] {
        let home = Home::new("changed");
        let daemon = home.start(&before.concat());
        send(&daemon, &LINES);
        stop(daemon);
        let daemon = if boot { home.start_after_boot(&after.concat()) } else { home.start(&after.concat()) };
        let free = "# HELP free_total Counter fed by StatsD; no rule gives it a help text.";
        let kept = [
            free,
            "# TYPE free_total counter",
            "free_total 9",
            "# HELP helped Another help.",
            "# TYPE helped counter",
            "helped 3",
        ];
        assert_eq!(series(&daemon), kept, "boot: {boot}");
        send(&daemon, &["typed:5|g", "bucketed:2|h", "quantiled:1|d"]);
        let page = series(&daemon);
        for line in ["typed 5", "bucketed_bucket{le=\"3\"} 1", "quantiled{quantile=\"0.9\"} 1"] {
            assert!(page.iter().any(|found| found == line), "{line}: {page:?}");
        }
        let expected = series(&daemon);
        let stderr = stop(daemon).stderr;
        let said = |text: &str| stderr.lines().filter(|line| line.contains(text)).collect::<Vec<_>>();
        let anew = said("these start anew: their type, buckets or window has changed");
        assert!(anew.len() == 1 && anew[0].contains("bucketed, quantiled, typed"), "{stderr}");
        let gone = said("these are gone: the rules make other series of their lines, or none");
        assert!(gone.len() == 1 && gone[0].contains("declared, dropped, renamed"), "{stderr}");
        let daemon = home.start(&after.concat());
        assert_eq!(series(&daemon), expected, "boot: {boot}");
        assert!(!daemon.kill().stderr.contains("these "), "the log names the changed metrics at one start only");
    }
}

/// What a reload has made is what the next process finds. Series that the reload has ended are not there any more.
#[test]
fn a_restart_finds_what_a_reload_has_made() {
    let rule = |name: &str, rest: &str| format!("[[metric]]\nmatch = '{name}'\nname = '{name}'\nhelp = 'H.'\n{rest}");
    let declared = rule("declared", "type = 'counter'\ninit = [{ a = 'x' }]\n");
    let before = ["typed", "dropped", "kept"].map(|name| rule(name, "type = 'counter'\n")).concat() + &declared;
    let after = rule("typed", "type = 'gauge'\n")
        + "[[metric]]\nmatch = 'dropped'\ndrop = true\n"
        + &rule("kept", "type = 'counter'\nttl = '1h'\n").replace("H.", "Another help.")
        + &declared.replace("init = [{ a = 'x' }]", "init = [{ a = 'x' }, { a = 'y' }]");
    const LINES: [&str; 6] =
        ["typed:5|c", "dropped:1|c", "kept:3|c", "declared:1|c|#a:x", "declared:2|c|#a:y", "free:9|c"];
    for kills in [true, false] {
        let home = Home::new("reloaded");
        let daemon = home.start(&before);
        send(&daemon, &LINES);
        home.config(&after);
        daemon.signal("HUP");
        daemon.scrape_with(&["statsidecar_config_reloads_total{outcome=\"succeeded\"} 1"]);
        let mut client = Client::connect(&daemon.listeners[0]);
        ["typed:7|g", "kept:1|c", "declared:1|c|#a:y", "users:x|s"]
            .iter()
            .for_each(|line| _ = client.send(line.as_bytes()));
        daemon.scrape_with(&[
            "typed 7",
            "kept 4",
            "declared{a=\"x\"} 1",
            "declared{a=\"y\"} 3",
            "free_total 9",
            "users 1",
        ]);
        let expected = series(&daemon);
        assert!(!expected.iter().any(|line| line.contains("dropped")), "{expected:?}");
        if kills {
            daemon.kill()
        } else {
            stop(daemon)
        };
        let daemon = home.start(&after);
        // After a kill, the set is there only if a snapshot was written meanwhile.
        let all = |lines: Vec<String>| {
            lines.into_iter().filter(|line| !(kills && line.contains("users"))).collect::<Vec<_>>()
        };
        assert_eq!(all(series(&daemon)), all(expected), "kills: {kills}");
        let stderr = daemon.kill().stderr;
        assert!(!stderr.contains("these "), "nothing is left of what the reload has ended: {stderr}");
    }
}
