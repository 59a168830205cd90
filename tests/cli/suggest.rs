//! `suggest`: the rules that it proposes, held against those that a person would write, and replayed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::run;
use crate::support::{Scratch, client, run_in, started};

/// Proposes rules for lines, checks them without a warning, and gives them with the summary of the lines under them.
fn proposed(topic: &str, lines: &str) -> (Vec<String>, serde_json::Value, String) {
    let scratch = Scratch::new(&format!("suggest-{topic}"));
    scratch.write("lines.txt", lines);
    let ended = run_in(scratch.path(), &["suggest", "lines.txt"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    scratch.write("c.toml", &ended.stdout);
    let checked = run_in(scratch.path(), &["check", "--strict", "c.toml"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let replayed = run_in(scratch.path(), &["explain", "--json", "--config", "c.toml", "--file", "lines.txt"]);
    let summary = serde_json::from_str(&replayed.stdout).expect("it is JSON");
    (rules(&ended.stdout), summary, ended.stdout)
}

/// Each rule on a line: its pattern, type, name and labels.
fn rules(toml: &str) -> Vec<String> {
    let tables = toml.split("[[metric]]\n").skip(1);
    let value = |table: &str, key: &str| {
        let found = table.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        found.unwrap_or_default().to_owned()
    };
    let rule = |table: &str| {
        let [pattern, r#type, name] = ["match", "type", "name"].map(|key| value(table, key).replace('"', ""));
        format!("{pattern} {type} {name} {}", value(table, "labels")).trim_end().to_owned()
    };
    tables.map(rule).collect()
}

fn series(summary: &serde_json::Value) -> u64 {
    summary["families"].as_array().expect("a list").iter().filter_map(|family| family["series"].as_u64()).sum()
}

/// The second pipeline of `examples`, whose client writes the table and the flow into the name.
#[test]
fn tables_and_flows_become_labels_and_outcomes_stay_names() {
    let mut lines = String::new();
    for (n, table) in (0..90).zip(["raw", "normalized", "features"].iter().cycle()) {
        let outcome = if n % 7 == 0 { "failed" } else { "success" };
        let flow = if n % 2 == 0 { "nse_bhavcopy_etl" } else { "nse_bhavcopy_backfill" };
        let _ = writeln!(lines, "nse_pipeline.parquet_write.{outcome}.{table}:1|c");
        let _ = writeln!(lines, "nse_pipeline.clickhouse_load.{outcome}.{table}:1|c");
        let _ = writeln!(lines, "nse_pipeline.flow_duration.{flow}.{outcome}:{}|ms", 900 + n * 80);
    }
    let (rules, summary, text) = proposed("etl", &lines);
    assert_eq!(
        rules,
        [
            "nse_pipeline.clickhouse_load.failed.* counter nse_pipeline_clickhouse_load_failed_total { name = \"$1\" }",
            "nse_pipeline.clickhouse_load.success.* counter nse_pipeline_clickhouse_load_success_total { name = \"$1\" }",
            "nse_pipeline.flow_duration.*.* histogram nse_pipeline_flow_duration_seconds { flow = \"$1\", status = \"$2\" }",
            "nse_pipeline.parquet_write.failed.* counter nse_pipeline_parquet_write_failed_total { name = \"$1\" }",
            "nse_pipeline.parquet_write.success.* counter nse_pipeline_parquet_write_success_total { name = \"$1\" }",
        ]
    );
    // Three tables in four metrics, and two flows that succeed and fail.
    assert_eq!((&summary["applied"], series(&summary)), (&270.into(), 3 * 4 + 2 * 2));
    // The values are 0.9 s to 8.02 s, and a twentieth of them is below 1.3 s.
    assert!(text.contains("unit = \"seconds\"\n") && text.contains("buckets = [1, 2, 5, 10]\n"), "{text}");
    assert!(text.contains("# $1: \"features\", \"normalized\", \"raw\"\n"), "{text}");
}

/// The first pipeline of `examples`, whose client writes the worker into the name.
#[test]
fn workers_become_labels_and_different_metrics_stay_apart() {
    let mut lines = String::new();
    for n in 0..60 {
        let worker = n % 4;
        let _ = writeln!(lines, "ingestion.worker-{worker}.files.processed:1|c");
        let _ = writeln!(lines, "ingestion.worker-{worker}.files.failed:1|c");
        for metric in ["hit", "miss"] {
            let _ = writeln!(lines, "ingestion.parse_cache.{metric}:1|c");
        }
        let _ = writeln!(lines, "ingestion.parse_cache.entries:{n}|g\ningestion.queue.size:{}|g", n % 9);
        let _ = writeln!(lines, "ingestion.batch.size:{}|ms\ningestion.batch.duration:{}|ms", 1 + n * 5, 100 + n * 700);
        let _ = writeln!(lines, "ingestion.workers.active:{}|c", if n % 2 == 0 { 1 } else { -1 });
        for metric in ["batch_create", "entities_created", "relationships_created"] {
            let _ = writeln!(lines, "ingestion.neo4j.{metric}:1|c");
        }
        let _ = writeln!(lines, "ingestion.neo4j.batch_duration:{}|ms\ningestion.events.deduplicated:1|c", 10 + n * 90);
    }
    let (rules, summary, text) = proposed("ingestion", &lines);
    assert_eq!(
        rules,
        [
            "ingestion.batch.duration histogram ingestion_batch_duration_seconds",
            "ingestion.batch.size histogram ingestion_batch_size",
            "ingestion.events.deduplicated counter ingestion_events_deduplicated_total",
            "ingestion.neo4j.batch_create counter ingestion_neo4j_batch_create_total",
            "ingestion.neo4j.batch_duration histogram ingestion_neo4j_batch_duration_seconds",
            "ingestion.neo4j.entities_created counter ingestion_neo4j_entities_created_total",
            "ingestion.neo4j.relationships_created counter ingestion_neo4j_relationships_created_total",
            "ingestion.parse_cache.entries gauge ingestion_parse_cache_entries",
            "ingestion.parse_cache.hit counter ingestion_parse_cache_hit_total",
            "ingestion.parse_cache.miss counter ingestion_parse_cache_miss_total",
            "ingestion.queue.size gauge ingestion_queue_size",
            "ingestion.workers.active gauge ingestion_workers_active",
            "ingestion.worker-*.files.failed counter ingestion_worker_files_failed_total { worker = \"$1\" }",
            "ingestion.worker-*.files.processed counter ingestion_worker_files_processed_total { worker = \"$1\" }",
        ]
    );
    assert_eq!((&summary["rejected"].as_array().map(Vec::len), series(&summary)), (&Some(0), 12 + 2 * 4));
    // A size that is sent as a timer is 1 to 296, and no time.
    assert!(text.contains("scale = 1000\nbuckets = [10, 20, 50, 100, 200, 500]\n"), "{text}");
}

/// Ids of every kind, between metrics without any: the series stay as few as a person would have them.
#[test]
fn ids_without_an_end_make_no_labels() {
    let mut lines = String::new();
    let routes = ["home", "about", "login", "checkout", "search"];
    for n in 0..400_u32 {
        let (id, route) = (n.wrapping_mul(2_654_435_761), routes[n as usize % 5]);
        let _ = writeln!(lines, "shop.order.{id:08x}-4f89-11d3-9a0c-0305e82c3301.paid:1|c");
        let _ = writeln!(lines, "shop.session.{id:08x}.length:{}|ms", n * 3);
        let _ = writeln!(lines, "shop.report.2024-{:02}-{:02}.rows:{n}|g", 1 + n % 12, 1 + n % 28);
        let _ = writeln!(lines, "shop.user.{}.logins:1|c", 100_000 + n);
        let _ = writeln!(lines, "shop.api.{route}.latency:{}|ms\nshop.api.{route}.requests:1|c", 5 + n % 300);
        let _ = writeln!(lines, "shop.http.status.{}:1|c", [200, 404, 503][n as usize % 3]);
        let _ = writeln!(lines, "shop.jobs:1|c|#queue:q{},request_id:{id:08x}", n % 3);
        let _ = writeln!(
            lines,
            "shop.page_views.slug_{}_of_a_page:1|c",
            ["a", "b", "c", "d"][n as usize % 4].repeat(1 + n as usize / 8)
        );
        let _ = writeln!(lines, "shop.memory.used:{n}|g\nshop.memory.free:{n}|g\nshop.gc.p99:{n}|ms\ngarbage\nx:1|q");
    }
    let (rules, summary, text) = proposed("noisy", &lines);
    let expected: BTreeSet<&str> = [
        "shop.api.*.latency histogram shop_api_latency_seconds { name = \"$1\" }",
        "shop.api.*.requests counter shop_api_requests_total { name = \"$1\" }",
        "shop.gc.p99 gauge shop_gc_p99_seconds",
        "shop.http.status.* counter shop_http_status_total { status = \"$1\" }",
        "shop.jobs counter shop_jobs_total",
        "shop.memory.free gauge shop_memory_free",
        "shop.memory.used gauge shop_memory_used",
        "shop.order.*.paid counter shop_order_paid_total",
        "shop.page_views.* counter shop_page_views_total",
        "shop.report.*.rows gauge shop_report_rows",
        "shop.session.*.length histogram shop_session_length",
        "shop.user.*.logins counter shop_user_logins_total",
    ]
    .into();
    assert_eq!(rules.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{text}");
    assert!(text.contains("drop_tags = [\"request_id\"]\n"), "{text}");
    assert!(text.contains("# 400 samples cannot be read: malformed_line, such as \"garbage\".\n"), "{text}");
    // Five routes twice, three statuses, three queues, and one series for each of eight others.
    assert_eq!(series(&summary), 10 + 3 + 3 + 8);
}

/// Real programs' lines: the rules load without a warning, match every line, and lose none that can be applied. The rules
/// named here are those that the presets, which people wrote, have too.
#[test]
fn rules_for_real_programs_take_all_of_their_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let mut known = vec![
        (
            "kinto",
            "kinto.backend.*.seconds.method.* histogram kinto_backend_seconds { backend = \"$1\", method = \"$2\" }",
        ),
        ("gunicorn", "shop.gunicorn.request.status.* counter shop_gunicorn_request_status_total { status = \"$1\" }"),
        ("uwsgi", "uwsgi.worker.*.requests counter uwsgi_worker_requests_total { worker = \"$1\" }"),
        ("sozu-false", "sozu.WRK-*.service_time histogram sozu_WRK_service_time_seconds { wrk = \"$1\" }"),
        ("swift", "node*.proxy-server.errors counter proxy_server_errors_total { node = \"$1\" }"),
        ("glances", "glances.network.*.bytes_sent gauge glances_network_bytes_sent { network = \"$1\" }"),
        (
            "n-express-statsd",
            "http.*.*.response_time histogram http_response_time_seconds { method = \"$1\", route = \"$2\" }",
        ),
        ("flink", "*.jobmanager.Status.JVM.CPU.Load gauge jobmanager_Status_JVM_CPU_Load { host = \"$1\" }"),
        ("airflow-plain", "airflow.pool.open_slots.* gauge airflow_pool_open_slots_by_pool { pool = \"$1\" }"),
        ("proftpd", "command.*.* counter command_total { command = \"$1\", status = \"$2\" }"),
        (
            "airflow-plain",
            "airflow.scheduler.scheduler_loop_duration histogram airflow_scheduler_scheduler_loop_duration_seconds",
        ),
    ];
    let mut files = 0;
    for file in std::fs::read_dir(folder).expect("the folder exists") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        files += 1;
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let lines = std::fs::read_to_string(&path).expect("text");
        let (rules, summary, text) = proposed(&name, &lines);
        assert_eq!(summary["unmapped"], 0, "{name}\n{text}");
        // The sender of this one writes rates over 1, and reads of one other end in `n/a` and `NaN`.
        let reasons: Vec<_> =
            summary["rejected"].as_array().expect("a list").iter().map(|one| &one["reason"]).collect();
        let is_bad = |reason: &&serde_json::Value| *reason == "bad_sample_rate" || *reason == "bad_value";
        assert!(reasons.iter().all(is_bad), "{name}: {reasons:?}\n{text}");
        known.retain(|(file, rule)| *file != name || !rules.iter().any(|proposed| proposed == rule));
    }
    assert_eq!(files, 38);
    assert!(known.is_empty(), "not proposed: {known:#?}");
}

#[test]
fn a_file_without_lines_is_wrong() {
    let ended = run(&["suggest", "/dev/null"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), "/dev/null: there is no line in it\n"));
}

/// The lines are sent until the command ends, because it says nowhere when it has begun to watch.
#[test]
fn rules_are_proposed_for_the_lines_of_a_running_sidecar() {
    let daemon = started(&[]);
    let url = format!("http://{}", daemon.http);
    let socket = client(daemon.udp[0]);
    let ended = std::thread::scope(|threads| {
        let suggest = threads.spawn(|| run(&["suggest", &url, "--seconds", "3"]));
        while !suggest.is_finished() {
            for n in 0..3 {
                socket.send(format!("app.worker.{n}.done:1|c").as_bytes()).expect("it is sent");
            }
            std::thread::yield_now();
        }
        suggest.join().expect("it ends")
    });
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(rules(&ended.stdout), ["app.worker.*.done counter app_worker_done_total { worker = \"$1\" }"]);
    assert!(ended.stdout.starts_with(&format!("# Proposed from {url} in 3 seconds: ")), "{}", ended.stdout);
    let gone = run(&["suggest", "unix:///nowhere/http.sock"]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
}
