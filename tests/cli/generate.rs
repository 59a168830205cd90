//! `generate`: what it makes of a config, and what it refuses. `tests/guides` has the files of the examples, and
//! `tests/prometheus` what Grafana and Prometheus make of them.

use std::process::Command;

use crate::support::{Scratch, run_in};

/// The output of `generate` for a config that it takes, and its messages.
fn generated(config: &str, args: &[&str]) -> (String, String) {
    let scratch = Scratch::new("generate");
    let config = scratch.write("config.toml", config);
    let ended = run_in(scratch.path(), &[&["generate"], args, &["--config", &config]].concat());
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
    (ended.stdout, ended.stderr)
}

fn refused(config: &str, args: &[&str]) -> String {
    let scratch = Scratch::new("generate-refused");
    scratch.write("config.toml", config);
    let ended = run_in(scratch.path(), &[&["generate"], args, &["--config", "config.toml"]].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}: {}", ended.stderr);
    ended.stderr
}

/// Whether promtool takes the text; true without a promtool.
fn passes_promtool(args: &[&str], text: &str) -> bool {
    let scratch = Scratch::new("generate-promtool");
    let file = scratch.write("checked.yml", text);
    let Ok(output) = Command::new("promtool").args(args).arg(&file).output() else { return true };
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

#[test]
fn without_a_config_everything_is_about_the_sidecar() {
    let scratch = Scratch::new("generate-nothing");
    for (product, part) in [
        ("dashboard", "\"title\": \"statsidecar\""),
        ("alerts", "alert: \"StatsidecarAbsent\""),
        ("docs", "The config declares no metric"),
        ("prometheus", "targets: [\"127.0.0.1:9102\"]"),
    ] {
        let ended = run_in(scratch.path(), &["generate", product]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{product}");
        assert!(ended.stdout.contains(part), "{product}: {}", ended.stdout);
    }
}

#[test]
fn a_native_histogram_alone_is_asked_for_by_its_name() {
    let config = "[[metric]]\nmatch = \"took\"\nname = \"took_seconds\"\ntype = \"histogram\"\nbuckets = []\nnative = true\n\
                  alert = { when = \"> 1\", summary = \"Slow.\" }\n";
    for product in ["dashboard", "alerts", "docs"] {
        let (text, _) = generated(config, &[product]);
        assert!(text.contains("histogram_quantile(0.95, rate(took_seconds"), "{text}");
        assert!(!text.contains("took_seconds_bucket"), "{text}");
    }
}

#[test]
fn rules_whose_metric_depends_on_the_line_are_left_out_and_named() {
    let config = r#"metric = [
        { match = "a.*", name = "${1}_total", type = "counter" },
        { match = "b", name = "b" },
        { match_regex = 'c.*', type = "gauge" },
        { match = "d", type = "histogram" },
        { match = "e", drop = true },
        { match = "kept.one", type = "counter" },
        { match = "kept.two", match_type = "ms" },
        { match = "kept.*.x", name = "kept_three_total", match_type = ["c", "m"] },
    ]"#;
    let (docs, left_out) = generated(config, &["docs"]);
    assert_eq!(
        left_out,
        "the rule match = \"a.*\" is left out: its name depends on the line\n\
         the rule match = \"b\" is left out: its type depends on the line; give it a \"type\"\n\
         the rule match_regex = 'c.*' is left out: it has no \"name\" of its own\n\
         the rule match = \"d\" is left out: it has no \"name\" of its own\n"
    );
    let kept: Vec<&str> = docs.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(kept, ["kept_one_total", "kept_two_seconds", "kept_three_total"]);
}

/// Several rules can feed one metric: what a later one says fills what the earlier ones leave open.
#[test]
fn rules_of_one_metric_are_one_entry() {
    let config = r#"metric = [
        { match = "a", name = "x", type = "counter", help = "First.", init = [{ k = "2" }] },
        { match = "b", name = "x", type = "counter", description = "Second.", init = [{ k = "1" }], subsystem = "S" },
    ]"#;
    let (docs, _) = generated(config, &["docs"]);
    assert!(docs.contains("### x\n\nFirst. Second.\n\n- Type: counter\n- Labels: `k` (`1`, `2`)"), "{docs}");
    assert!(docs.contains("- Lines: `a`, `b`\n"), "{docs}");
}

/// Texts that YAML, the templates of Prometheus or Markdown could take for their own.
#[test]
fn texts_of_any_kind_stay_texts() {
    let config = r##"
    intake.listen = ["udp://127.0.0.1:8125", "tcp://127.0.0.1:8125"]
    relay = [{ target = "udp://127.0.0.1:9" }]
    otlp = [{ url = "http://127.0.0.1:9/" }]
    [[metric]]
    match = "a"
    name = "a"
    type = "gauge"
    help = "{{ no template }} \"quoted\": # - | \u007f\u0085 'x' \\ | \n next"
    subsystem = "[a]: {b} # \"c\""
    description = "{{ end }} | %"
    query = "a == 1 or a > 2 # a remark"
    alert = { when = "> 1e9", for = "1d2h3m4s5ms", summary = "{{ $value }} of {{ $labels.x }}" }
    "##;
    let (alerts, _) = generated(config, &["alerts"]);
    assert!(passes_promtool(&["check", "rules"], &alerts), "{alerts}");
    assert!(
        alerts.contains("expr: \"(a == 1 or a > 2 # a remark\\n) > 1000000000\"\n        for: 1d2h3m4s5ms\n"),
        "{alerts}"
    );
    assert!(alerts.contains("{{ $value }} of {{ $labels.x }}"), "a summary is a template: {alerts}");
    assert!(alerts.contains("StatsidecarRelayLosesLines") && alerts.contains("StatsidecarPushLosesSamples"));
    assert!(alerts.contains("StatsidecarConnectionLimitReached"));
    let (docs, _) = generated(config, &["docs"]);
    let row = docs.lines().find(|line| line.starts_with("| [`a`]")).expect("it is in the table");
    assert!(row.matches('|').count() - row.matches("\\|").count() == 4, "{row}");
}

#[test]
fn scrape_jobs_have_the_address_and_the_login_of_http() {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$8qPpaWig0H31wvibKAgpght2Ry2M8rtRQYtZ93ooMus";
    let open = "# Made by `statsidecar generate prometheus`.\n\
        # The alert rules of `statsidecar generate alerts`, if they are in alerts.yml beside this file.\n\
        rule_files: [\"alerts.y*ml\"]\nscrape_configs:\n  - job_name: \"my: job\"\n    scrape_interval: 15s\n    \
        metrics_path: /metrics\n    static_configs:\n      - targets: [\"192.0.2.1:9102\"]\n";
    let (job, _) = generated("http.listen = \"192.0.2.1:9102\"", &["prometheus", "--job", "my: job"]);
    assert_eq!(job, open);
    assert!(passes_promtool(&["check", "config"], &job));

    let users = format!(
        "[http]\nlisten = \"0.0.0.0:443\"\nusers = {{ prom = \"{hash}\" }}\ntls_cert = \"c\"\ntls_key = \"k\"\n"
    );
    let (job, _) = generated(&users, &["prometheus"]);
    for part in [
        "scheme: https\n    tls_config:\n",
        "basic_auth:\n      username: \"prom\"\n",
        "password_file: /etc/prometheus/statsidecar-password\n",
        "# Write the name of the host in place of localhost if Prometheus runs on another host.\n",
        "targets: [\"localhost:443\"]\n",
    ] {
        assert!(job.contains(part), "{part}\n{job}");
    }
    // promtool wants the files to be there.
    let scratch = Scratch::new("generate-secrets");
    let files =
        ["-ca.pem", "-password"].map(|file| (format!("/etc/prometheus/statsidecar{file}"), scratch.write(file, "x")));
    let local = files.iter().fold(job, |job, (from, to)| job.replace(from, to));
    let is_certificate = local.replace(&format!("ca_file: {}", files[0].1), "insecure_skip_verify: true");
    assert!(passes_promtool(&["check", "config"], &is_certificate));

    let token = "[http]\nlisten = \"0.0.0.0:9102\"\nbearer_token_file = \"/t\"\n";
    let (job, _) = generated(token, &["prometheus"]);
    assert!(job.contains("authorization:\n") && job.contains("credentials_file: "), "{job}");
    let (monitor, _) = generated(token, &["prometheus", "--pod-monitor", "--job", "shop"]);
    for part in [
        "kind: PodMonitor\nmetadata:\n  name: \"shop\"\n",
        "matchLabels:\n      app: \"shop\"\n",
        "containerPort: 9102",
        "credentials: { name: statsidecar, key: token }\n",
    ] {
        assert!(monitor.contains(part), "{part}\n{monitor}");
    }
}

#[test]
fn what_nobody_can_scrape_is_refused() {
    for (listen, args, why) in [
        ("unix:///run/a.sock", &["prometheus"][..], "Prometheus scrapes no Unix sockets"),
        ("127.0.0.1:0", &["prometheus"], "port 0"),
        ("127.0.0.1:9102", &["prometheus", "--pod-monitor"], "which only the pod itself reaches"),
    ] {
        let error = refused(&format!("http.listen = \"{listen}\""), args);
        assert!(error.contains(why), "{error}");
    }
    let error = refused("[[metric]]\nmatch = \"a\"\nquery = \"sum(a\"\n", &["dashboard"]);
    assert!(error.starts_with("config.toml:3:9: \"query\" is not PromQL: the bracket ) is missing\n"), "{error}");
}

/// The same config gives the same bytes, and every panel has a place and a number of its own.
#[test]
fn dashboards_are_stable_and_their_panels_do_not_overlap() {
    let config = include_str!("../../examples/file_ingestion/config.toml");
    let (dashboard, _) = generated(config, &["dashboard", "--title", "A: B"]);
    assert_eq!(dashboard, generated(config, &["dashboard", "--title", "A: B"]).0);
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("it is JSON");
    assert_eq!((dashboard["title"].as_str(), dashboard["uid"].as_str()), (Some("A: B"), Some("a--b")));
    let panels = dashboard["panels"].as_array().expect("a list");
    let mut taken = std::collections::HashSet::new();
    for (panel, number) in panels.iter().zip(1..) {
        assert_eq!(panel["id"], number);
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a number"));
        assert!(x + w <= 24);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "panel {number} overlaps another at {cell:?}");
        }
    }
}
