//! Lines that are lost can be traced: on the status page, and in the log.

use crate::support::{Client, Daemon, Scratch, get, listening};

/// The status page, once it has `expected`.
fn has_status(daemon: &Daemon, expected: &str) -> String {
    // A scrape waits until all that was sent is applied.
    daemon.scrape();
    let status = get(daemon.http, "/");
    assert!(status.contains(expected), "{expected} is not on\n{status}");
    status
}

#[test]
fn the_newest_rejected_lines_are_on_the_status_page() {
    for transport in ["udp", "tcp"] {
        let daemon = listening(transport, &[]);
        let listener = daemon.listeners[0].clone();
        let mut client = Client::connect(&listener);
        assert!(get(daemon.http, "/").contains("<h2>Newest rejected lines</h2>\n<p>None.</p>\n"));
        for n in 1..=9 {
            client.send(format!("ok:1|c\na.b:{n}<x>|g|#k:&v\nok:2|c").as_bytes());
        }
        client.send(b"b:1:zz:3|c\x1b[2J\nc:-1|c\nd\xff:1|c");
        let row = |reason: &str, line: &str| format!("<tr><td>{reason}</td><td class=l>{line}</td><td>{listener}</td>");
        let newest: Vec<String> =
            [9, 8, 7, 6].iter().map(|n| row("bad_value", &format!("a.b:{n}&lt;x&gt;|g|#k:&amp;v"))).collect();
        let status = has_status(&daemon, &newest[0]);
        let places: Vec<usize> = newest.iter().map(|row| status.find(row.as_str()).expect("it is there")).collect();
        assert!(places.is_sorted(), "the newest comes first");
        assert!(!status.contains("a.b:5&lt;"), "only the newest four are kept");
        assert!(status.contains(&row("unknown_type", "b:1:zz:3|c\\u{1b}[2J")), "{status}");
        assert!(status.contains(&row("negative_counter", "c:-1|c")), "{status}");
        assert!(status.contains(&row("not_utf8", "d\\xff:1|c")), "{status}");
    }
}

#[test]
fn names_in_conflict_are_on_the_status_page() {
    let daemon = listening("udp", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    client.send(b"up:1|c\nup_total,k=v:1|c\nup_total:1|c\na:1|g\na:1|h\na:1|h\na-b:1|g\na.b:1|g");
    let status = has_status(&daemon, "<td>up_total</td><td>name_collision</td><td class=n>2</td>");
    assert!(status.contains("<td>a</td><td>type_conflict</td><td class=n>2</td>"), "{status}");
    assert!(status.contains("<tr><td>a.b</td><td>a_b</td></tr>"), "{status}");
    assert!(status.contains("<h2>Names over a limit</h2>\n<p>None.</p>"), "{status}");
}

/// The lines of the log that warn, without their time.
fn warnings(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| Some(line.split_once(" WARN ")?.1.to_owned())).collect()
}

fn warnings_of(config: &str, transport: &str, packets: &[&[u8]]) -> Vec<String> {
    let scratch = Scratch::new("losses");
    let config = scratch.write("config.toml", config);
    let daemon = listening(transport, &["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    for packet in packets {
        client.send(packet);
        daemon.scrape();
    }
    let listener = format!("listener={} ", daemon.listeners[0]);
    drop(client);
    daemon.signal("TERM");
    warnings(&daemon.wait().stderr).iter().map(|warning| warning.replace(&listener, "")).collect()
}

#[test]
fn the_first_line_that_is_rejected_is_in_the_log() {
    let bad = warnings_of("", "udp", &[b"a:x\x07|c\na:1|c"]);
    let remedy = "remedy=\"write a finite decimal number without blanks (5, -5, +5, .5, 1e3); in a set, any text that is \
                  not empty; in a service check, 0 to 3\"";
    assert_eq!(bad, [format!("samples were rejected reason=bad_value samples=1 line=\"a:x\\\\u{{7}}|c\" {remedy}")]);
}

#[test]
fn limits_conflicts_and_names_without_a_rule_are_in_the_log() {
    let has = |warnings: &[String], expected: &str| {
        assert!(warnings.iter().any(|warning| warning.starts_with(expected)), "{expected} is not in {warnings:#?}");
    };
    let limit = warnings_of("limits.series = 1\n", "udp", &[b"a:1|c\nb:1|c|#k:v\nb:1|c"]);
    has(&limit, "samples were rejected reason=series_limit samples=2 line=\"b:1|c\"");
    let collapse = "limits = { family_series = 1, overflow = \"collapse\" }\n";
    let collapsed = warnings_of(collapse, "udp", &[b"a:1|c\na:1|c|#k:v"]);
    has(
        &collapsed,
        "samples were applied to the overflow series of their metric limit=family_series_limit samples=1 name=\"a_total\"",
    );
    let conflict = warnings_of("", "udp", &[b"a:1|g\na:1|h"]);
    has(&conflict, "samples were rejected reason=type_conflict samples=1 line=\"a:1|h\"");
    let rule = "[[metric]]\nmatch = \"jobs.*\"\n";
    let unmapped = warnings_of(rule, "udp", &[b"jobs.a:1|c\njbos.a:1|c"]);
    has(&unmapped, "samples have no rule, and keep their own names samples=1 name=\"jbos.a\"");
    assert_eq!(warnings_of("", "udp", &[b"jbos.a:1|c"]), [""; 0], "without rules, no line has one");
}

#[test]
fn connections_over_the_limit_are_in_the_log() {
    let scratch = Scratch::new("losses-connections");
    let config = scratch.write("config.toml", "[intake]\nmax_connections = 1\n");
    let daemon = listening("tcp", &["--config", &config]);
    let mut first = Client::connect(&daemon.listeners[0]);
    first.send(b"a:1|c");
    daemon.scrape_with(&["a_total 1"]);
    let mut second = Client::connect(&daemon.listeners[0]);
    second.wait_for_end();
    daemon.signal("TERM");
    let warnings = warnings(&daemon.wait().stderr);
    assert!(warnings.iter().any(|warning| warning.starts_with("connections were closed at once")), "{warnings:?}");
}

/// A flood of bad lines is a few lines of the log, and none of the page's memory.
#[test]
fn a_flood_of_rejected_lines_is_one_line_of_the_log_a_minute() {
    let packet = "a:x|c\n".repeat(200);
    let warnings = warnings_of("", "unixgram", &vec![packet.as_bytes(); 500]);
    assert!((1..=4).contains(&warnings.len()), "{warnings:#?}");
    let samples = |warning: &String| warning.split_once("samples=")?.1.split(' ').next()?.parse::<u64>().ok();
    assert_eq!(warnings.iter().filter_map(samples).sum::<u64>(), 100_000, "every sample is counted");
}
