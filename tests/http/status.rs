//! `/api/v1/status`: what it tells, and to whom.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use statsidecar::status::{MAX_FAMILIES, MAX_RULES, Status};

use crate::client::{ask, header, status};
use crate::support::{Daemon, PATIENCE, Scratch, client, get, request, started};

/// The state, as JSON and as the values that `top` reads.
fn state(server: SocketAddr) -> (Value, Status) {
    let text = get(server, "/api/v1/status");
    let value = serde_json::from_str(&text).expect("it is JSON");
    (value, serde_json::from_str(&text).expect("it is a status"))
}

/// Asks until the state is as expected.
fn state_when(server: SocketAddr, is_expected: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let (value, _) = state(server);
        if is_expected(&value) {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "{value:#}");
    }
}

/// Sends packets and waits until all lines are applied.
fn send(daemon: &Daemon, packets: &[&str]) {
    let client = client(daemon.udp[0]);
    packets.iter().for_each(|packet| _ = client.send(packet.as_bytes()).expect("a packet"));
    let lines: usize = packets.iter().map(|packet| packet.lines().count()).sum();
    daemon.scrape_when("statsidecar_lines_total", lines as u64);
}

#[test]
fn it_tells_what_was_received_and_what_became_of_it() {
    let scratch = Scratch::new("http-status");
    let config = scratch.write(
        "rules.toml",
        r#"
        limits.family_series = 2
        metric = [
            { match = "jobs.*.done", name = "jobs_done", type = "counter", labels = { job = "$1" } },
            { match = "noise.**", drop = true },
            { match_regex = "never\\.(.*)", name = "never" },
        ]"#,
    );
    let daemon = started(&["--config", &config]);
    let lines = "jobs.a.done:1|c\njobs.b.done:2|c\njobs.c.done:1|c\nnoise.x:1|c\nx:1|g\nx:1|c\na.b:1|g\na/b:1|g\nbad:<b>|c\nx:7|q";
    send(&daemon, &[lines]);
    let (value, status) = state(daemon.http);
    assert_eq!(serde_json::to_value(&status).expect("plain values"), value, "what is read is what was written");

    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(value["ready"], true);
    let listener = &value["listeners"][0];
    assert_eq!(listener["address"], format!("udp://{}", daemon.udp[0]));
    assert_eq!(
        (&listener["kind"], &listener["packets"], &listener["lines"], &listener["bytes"]),
        (&json!("udp"), &json!(1), &json!(10), &json!(lines.len()))
    );
    assert_eq!((&listener["kernel_dropped"], &listener["connections"]), (&json!(0), &Value::Null));
    assert!(listener["receive_buffer_bytes"].as_u64().is_some_and(|bytes| bytes > 0));

    let totals = &value["totals"];
    assert_eq!(
        (&totals["samples"]["c"], &totals["samples"]["g"], &totals["samples"]["ms"]),
        (&json!(3), &json!(3), &json!(0))
    );
    for (reason, samples) in [("family_series_limit", 1), ("bad_value", 1), ("unknown_type", 1), ("type_conflict", 0)] {
        assert_eq!(totals["rejected"][reason], samples, "{reason}");
    }
    assert_eq!((&totals["dropped"], &totals["unmapped"]), (&json!(1), &json!(4)));

    assert_eq!(value["series"][0], json!({ "type": "counter", "families": 2, "series": 3 }));
    let families = value["families"]["largest"].as_array().expect("a list");
    assert_eq!(families[0], json!({ "name": "jobs_done", "type": "counter", "series": 2 }));
    assert_eq!(value["families"]["left_out"], 0);
    assert_eq!(
        value["over_limit"][0],
        json!({ "name": "jobs_done", "reason": "family_series_limit", "samples": 1, "others": 0 })
    );
    assert_eq!(value["merged"], json!({ "count": 1, "newest": [{ "written": "a/b", "metric": "a_b" }] }));
    let limits = &value["limits"];
    assert_eq!(
        (&limits["series"], &limits["series_limit"], &limits["family_series_limit"]),
        (&json!(5), &json!(100_000), &json!(2))
    );
    assert_eq!(limits["memory_limit_bytes"], 256 << 20);

    let bad = value["rejects"].as_array().expect("a list").iter().find(|reject| reject["reason"] == "bad_value");
    let bad = bad.expect("it occurred");
    assert_eq!((&bad["samples"], &bad["lines"][0]["text"]), (&json!(1), &json!("bad:<b>|c")));
    assert_eq!(bad["lines"][0]["listener"], format!("udp://{}", daemon.udp[0]));
    assert_eq!(value["unmapped"][0]["text"], "a/b");

    // Few lines are all looked at: the name of the metric, or of the line. A line without a type has no name.
    let rules: Vec<_> = value["rules"]["rules"].as_array().expect("a list").iter().collect();
    assert_eq!(
        (&rules[0]["number"], &rules[0]["key"], &rules[0]["pattern"]),
        (&json!(1), &json!("match"), &json!("jobs.*.done"))
    );
    let matched: Vec<_> = rules.iter().map(|rule| (rule["resolved"].as_u64(), rule["lines"].as_u64())).collect();
    assert_eq!(matched, [(Some(3), Some(2)), (Some(1), Some(1)), (Some(0), Some(0))]);
    assert_eq!((&rules[1]["drop"], &value["rules"]["never_matched"]), (&json!(true), &json!(1)));
    let name = |name: &str| value["names"]["busiest"].as_array()?.iter().find(|busy| busy["name"] == name).cloned();
    let jobs = name("jobs_done").expect("it is busy");
    assert_eq!((&jobs["lines"], &jobs["is_metric"]), (&json!(2), &json!(true)));
    assert_eq!(name("noise.x").expect("it is dropped, and busy")["is_metric"], false);
}

#[test]
fn it_tells_what_outlives_the_process() {
    let scratch = Scratch::new("http-status-state");
    let without = started(&[]);
    assert_eq!(state(without.http).0["state"], Value::Null);
    let folders = ["disk", "memory"].map(|folder| scratch.file(folder));
    let config = format!("[state]\npath = {:?}\narena = {:?}\ninterval = \"1s\"\n", folders[0], folders[1]);
    let config = scratch.write("state.toml", &config);
    let first = started(&["--config", &config]);
    let (value, _) = state(first.http);
    assert_eq!(value["state"]["restored_series"], 0);
    send(&first, &["a:1|c\nb:1|g\nc:1|h\nd:1|s"]);
    first.signal("TERM");
    assert_eq!(first.wait().code, Some(0));

    let second = started(&["--config", &config]);
    send(&second, &["e:1|c"]);
    let value = state_when(second.http, |value| value["state"]["saved"].as_u64() > Some(0));
    let kept = &value["state"];
    assert_eq!((&kept["restored_series"], &kept["arena_series"]), (&json!(4), &json!(4)), "all but the set");
    assert_eq!((&kept["outside_arena_series"], &kept["failed"]), (&json!(0), &json!(0)));
    assert!(kept["arena_bytes"].as_u64() >= Some(64 << 10) && kept["last_save_seconds"].is_f64(), "{kept}");
    assert!(kept["last_save_age_seconds"].as_u64().is_some_and(|age| age <= PATIENCE.as_secs()), "{kept}");
    let page = get(second.http, "/");
    for row in ["series that a kill leaves</td><td class=n>4<", "series restored at the start</td><td class=n>4<"] {
        assert!(page.contains(row), "{page}");
    }
    // Nothing can be written any more.
    std::fs::remove_dir_all(&folders[0]).expect("it is there");
    state_when(second.http, |value| value["state"]["failed"].as_u64() > Some(0));
}

#[test]
fn it_tells_what_happened_by_time() {
    let daemon = started(&[]);
    send(&daemon, &["a:1|c\na:2|c\nb"]);
    let value = state_when(daemon.http, |value| {
        value["history"]["minute"]["accepted"].as_array().is_some_and(|slots| slots.contains(&json!(2)))
    });
    let minute = &value["history"]["minute"];
    let slots =
        |list: &str| minute[list].as_array().expect("a list").iter().filter_map(Value::as_u64).collect::<Vec<_>>();
    assert_eq!(
        (minute["slot_seconds"].clone(), value["history"]["hour"]["slot_seconds"].clone()),
        (json!(1), json!(60))
    );
    let (accepted, rejected) = (slots("accepted"), slots("rejected"));
    assert_eq!((accepted.iter().sum::<u64>(), rejected.iter().sum::<u64>()), (2, 1));
    assert_eq!(accepted.iter().position(|n| *n == 2), rejected.iter().position(|n| *n == 1), "in the same second");
    assert_eq!(slots("lost").len(), accepted.len());
    // The rate of a name follows it.
    let value = state_when(daemon.http, |value| value["names"]["busiest"][0]["per_second"].as_f64() > Some(0.0));
    assert_eq!(value["names"]["busiest"][0]["name"], "a_total");
}

#[test]
fn its_lists_are_bounded() {
    let scratch = Scratch::new("http-status-bounded");
    let rules: String = (0..MAX_RULES + 7).map(|n| format!("[[metric]]\nmatch = \"r{n}\"\ndrop = true\n")).collect();
    let daemon = started(&["--config", &scratch.write("rules.toml", &rules)]);
    let lines: Vec<String> = (0..MAX_FAMILIES + 5).map(|n| format!("n{n}:1|g\nn{n}:1|g|#a:b")).collect();
    let one_more = ["z:1|g|#a:1\nz:1|g|#a:2\nz:1|g|#a:3"];
    let packets: Vec<String> = lines.chunks(30).map(|lines| lines.join("\n")).collect();
    send(&daemon, &packets.iter().map(String::as_str).chain(one_more).collect::<Vec<_>>());
    let (value, status) = state(daemon.http);
    assert_eq!((status.families.largest.len(), status.families.left_out), (MAX_FAMILIES, 6));
    assert_eq!((status.families.largest[0].name.as_str(), status.families.largest[0].series), ("z", 3));
    assert_eq!((status.rules.rules.len(), status.rules.left_out), (MAX_RULES, 7));
    assert_eq!(status.rules.never_matched, MAX_RULES as u64 + 7);
    let busiest = value["names"]["busiest"].as_array().expect("a list").len();
    assert!((30..=64).contains(&busiest), "{busiest}");
}

/// The head of a request decides, where everybody on this machine may read.
#[test]
fn lines_are_quoted_only_to_requests_that_name_this_machine() {
    let daemon = started(&[]);
    send(&daemon, &["secret.name:secret value|c\nok:1|c\nok:1|g"]);
    for (host, expected) in [
        ("Host: localhost\r\n", true),
        ("Host: [::1]:9102\r\n", true),
        ("Host: rebound.example:9102\r\n", false),
        ("Host: 10.1.2.3\r\n", false),
    ] {
        for path in ["/api/v1/status", "/"] {
            let (head, body) = request(daemon.http, &format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
            assert_eq!(status(&head), "200 OK");
            let body = String::from_utf8(body).expect("text");
            assert_eq!(body.contains("secret"), expected, "{host}{path}: {body}");
            assert!(body.contains("bad_value") && body.contains("ok_total"), "the rest is there: {body}");
        }
    }
    // No site may read it, by whatever name.
    let (head, _) = ask(daemon.http, "GET", "/api/v1/status");
    assert_eq!(header(&head, "content-type"), Some("application/json"));
    assert_eq!(header(&head, "cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&head, "access-control-allow-origin"), None);
}

/// The page runs no script but its own file, whatever becomes part of it, and no other page shows it.
#[test]
fn the_page_may_load_its_own_files_only() {
    let daemon = started(&[]);
    let (head, body) = ask(daemon.http, "GET", "/");
    let policy = header(&head, "content-security-policy").expect("there is one");
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|directive| directive == part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let body = String::from_utf8(body).expect("text");
    for inline in ["<script>", "<style", " style=", " onload=", "javascript:", "http://", "https://"] {
        assert!(!body.contains(inline), "{inline} is in {body}");
    }
    let script = get(daemon.http, "/assets/page.js");
    for unsafe_call in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(unsafe_call), "{unsafe_call}");
    }
}

/// The character at which each line is wrong, as a person would count it.
#[test]
fn rejected_lines_have_the_character_that_is_wrong() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    let long = format!("long.{}:1|c|@7", "x".repeat(300));
    for line in [
        "a:1x|c".as_bytes(),
        b"a:1|q",
        b"a:1",
        b"\x1b\x1b\xc3\xa9:1y|c",
        b"a\xff:1|c",
        b"a:1|c|@2",
        b"\x1bx:1|c|@3",
        long.as_bytes(),
    ] {
        client.send(line).expect("a packet");
    }
    let value = state_when(daemon.http, |value| value["listeners"][0]["lines"] == 8);
    let mut found = Vec::new();
    for reject in value["rejects"].as_array().expect("a list") {
        for line in reject["lines"].as_array().expect("a list") {
            found.push((line["text"].as_str().expect("text").to_owned(), line["wrong_at"].as_u64()));
        }
    }
    let names = value["names"]["busiest"].to_string();
    assert!(names.contains(r"\\u{1b}x") && !names.contains(r"\u001b"), "names are escaped too: {names}");
    found.retain(|(text, _)| !text.starts_with("long"));
    found.sort();
    let expected = [
        ("\\u{1b}\\u{1b}é:1y|c", Some(15)),
        ("\\u{1b}x:1|c|@3", Some(13)),
        ("a:1", Some(3)),
        ("a:1x|c", Some(3)),
        ("a:1|c|@2", Some(7)),
        ("a:1|q", Some(4)),
        ("a\\xff:1|c", Some(1)),
    ];
    assert_eq!(found, expected.map(|(text, at)| (text.to_owned(), at)));
    let rate = value["rejects"].as_array().expect("a list").iter().find(|reject| reject["reason"] == "bad_sample_rate");
    let cut = &rate.expect("it occurred")["lines"][0];
    assert!(cut["text"].as_str().is_some_and(|text| text.ends_with("...")) && cut["wrong_at"].is_null(), "{cut}");
}

#[test]
fn a_line_is_explained_and_not_applied() {
    let scratch = Scratch::new("http-explain");
    let rule =
        "[[metric]]\nmatch = \"jobs.*.done\"\nname = \"jobs_done\"\ntype = \"counter\"\nlabels = { job = \"$1\" }\n";
    let daemon = started(&["--config", &scratch.write("rules.toml", rule)]);
    let explain = |line: &str| -> Value {
        serde_json::from_str(&get(daemon.http, &format!("/api/v1/explain?x=y&line={line}"))).expect("it is JSON")
    };
    let value = explain("jobs.a.done:+2%7Cc%7C@0.5");
    assert_eq!((&value["line"], &value["outcome"]), (&json!("jobs.a.done:+2|c|@0.5"), &json!("applied")));
    let series = value["steps"].as_array().expect("a list").iter().find(|step| step["step"] == "series");
    assert_eq!(series.expect("it has one")["series"], "jobs_done{job=\"a\"}");
    let value = explain("a%FF:1%7Cc");
    assert_eq!(value["outcome"], "rejected");
    assert!(value.to_string().contains("not_utf8"), "{value}");
    let (_, state) = state(daemon.http);
    assert_eq!((state.families.largest.len(), state.rules.never_matched), (0, 1), "nothing has become of them");

    let refused = |request_line: &str, host: &str| {
        let (head, body) =
            request(daemon.http, &format!("GET {request_line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        (status(&head).to_owned(), String::from_utf8(body).expect("text"))
    };
    let (code, why) = refused("/api/v1/explain", "localhost");
    assert!(code.starts_with("400 ") && why.starts_with("Write the line"), "{code} {why}");
    let (code, why) = refused("/api/v1/explain?line=a", "rebound.example");
    assert!(code.starts_with("403 ") && why.contains("names another host"), "{code} {why}");
}

#[test]
fn the_config_decides_whether_lines_are_quoted() {
    let scratch = Scratch::new("http-status-admin");
    for (config, address, expected, why) in [
        ("", "0.0.0.0:0", false, "others reach the address"),
        ("admin = true", "0.0.0.0:0", true, "[http] admin = true"),
        ("admin = false", "127.0.0.1:0", false, "[http] admin = false"),
        ("", "127.0.0.1:0", true, "the server listens on loopback"),
    ] {
        let config = scratch.write("admin.toml", &format!("[http]\n{config}\n"));
        let daemon = Daemon::start(&["--config", &config, "--listen", "udp://127.0.0.1:0", "--http", address]);
        let here = SocketAddr::from(([127, 0, 0, 1], daemon.http.port()));
        client(daemon.udp[0]).send(b"secret:value|c").expect("a packet");
        let value = state_when(here, |value| value["totals"]["rejected"]["bad_value"] == 1);
        assert_eq!(value["quotes"]["served"], expected, "{config} {address}");
        assert!(value["quotes"]["why"].as_str().is_some_and(|text| text.starts_with(why)), "{:?}", value["quotes"]);
        let lines = value["rejects"][0]["lines"].as_array().expect("a list").len();
        assert_eq!(lines, usize::from(expected), "{config} {address}");
    }
}
