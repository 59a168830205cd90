//! Presets whose program was not captured, and what captures do not show.

use crate::played::play;

/// The presets that are only played here.
pub const PRESETS: &[&str] = &["hadoop", "hypercorn", "kamailio", "luigi", "moleculer", "mtail", "prosody"];

/// Plays lines, and compares the series lines that do not belong to the sidecar or to a bucket.
fn check(preset: &str, lines: &[&str], expected: &[&str]) {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let (_daemon, exposition) = play(preset, &lines);
    let is_of_client = |line: &&str| {
        !line.starts_with('#')
            && !line.starts_with("statsidecar_")
            && !line.starts_with("process_")
            && !line.contains("_bucket{")
    };
    assert_eq!(exposition.lines().filter(is_of_client).collect::<Vec<_>>(), expected, "{preset}");
}

#[test]
fn hypercorn() {
    check(
        "hypercorn",
        &[
            "hypercorn.requests:1|c|@1.0",
            "hypercorn.request.status.200:1|c|@1.0",
            "p.hypercorn.request.duration:250|ms",
            "hypercorn.log.warning:1|c|@0.5",
        ],
        &[
            "hypercorn_log_messages_total{level=\"warning\"} 2",
            "hypercorn_request_duration_seconds_sum 0.25",
            "hypercorn_request_duration_seconds_count 1",
            "hypercorn_requests_total 1",
            "hypercorn_responses_total{status=\"200\"} 1",
        ],
    );
}

#[test]
fn gunicorn_backlog() {
    check(
        "gunicorn",
        &["gunicorn.backlog:7|ms"],
        &["gunicorn_backlog_connections_sum 7", "gunicorn_backlog_connections_count 1"],
    );
}

#[test]
fn hadoop() {
    check(
        "hadoop",
        &[
            "nn1.NameNode.dfs.FSNamesystem.FilesTotal:40|g",
            "nn1.NameNode.jvm.JvmMetrics.MemHeapMaxM:-1|g",
            "nn1.NameNode.jvm.JvmMetrics.MemHeapUsedM:2|g",
            "nn1.NameNode.jvm.JvmMetrics.GcCount:5|c",
            "nn1.NameNode.jvm.JvmMetrics.GcCount:5|c",
            "nn1.NameNode.jvm.JvmMetrics.GcCount:8|c",
        ],
        &[
            "hadoop_dfs_FSNamesystem_FilesTotal{host=\"nn1\",service=\"NameNode\"} 40",
            "hadoop_jvm_JvmMetrics_GcCount_total{host=\"nn1\",service=\"NameNode\"} 8",
            "hadoop_jvm_JvmMetrics_MemHeapMax_bytes{host=\"nn1\",service=\"NameNode\"} -1048576",
            "hadoop_jvm_JvmMetrics_MemHeapUsed_bytes{host=\"nn1\",service=\"NameNode\"} 2097152",
        ],
    );
}

#[test]
fn kamailio() {
    check(
        "kamailio",
        &["sip.open:1|c", "sip.open:1|c", "sip.open:-1|c", "sip.level:-1|g", "sip.level:-1|g", "sip.took:40|ms"],
        &["sip_level -1", "sip_open 1", "sip_took_seconds_sum 0.04", "sip_took_seconds_count 1"],
    );
}

#[test]
fn luigi() {
    check(
        "luigi",
        &[
            "luigi.task.done:1|c|#task_name:Load,environment:prod,date:2026-11-26",
            "luigi.task.execution_time:12.5|g|#task_name:Load,environment:prod,date:2026-11-26",
            "datadog.dogstatsd.client.metrics:4|c|#client:py",
        ],
        &[
            "luigi_task_done_total{environment=\"prod\",task_name=\"Load\"} 1",
            "luigi_task_last_duration_seconds{environment=\"prod\",task_name=\"Load\"} 12.5",
        ],
    );
}

#[test]
fn moleculer() {
    check(
        "moleculer",
        &[
            "moleculer.request.total:3|c|#service:math",
            "moleculer.request.total:5|c|#service:math",
            "moleculer.request.time:20|ms|#service:math,caller:x",
            "os.memory.free:7|g",
            "os.hostname:abc|s",
        ],
        &[
            "moleculer_request_duration_seconds_sum{service=\"math\"} 0.02",
            "moleculer_request_duration_seconds_count{service=\"math\"} 1",
            "moleculer_request_total{service=\"math\"} 5",
            "os_memory_free 7",
        ],
    );
}

#[test]
fn mtail() {
    check(
        "mtail",
        &["host.rsyncd.mtail.bytes_total:100|c", "host.rsyncd.mtail.bytes_total:140|c", "rsyncd.mtail.open:-1|g"],
        &["bytes_total{prog=\"rsyncd\"} 140", "open{prog=\"rsyncd\"} -1"],
    );
}

#[test]
fn prosody() {
    check(
        "prosody",
        &[
            "prosody.prosody_mod_c2s__connections:4|g",
            "prosody.prosody_stanzas_total:2|c",
            "prosody.prosody_stanzas_total:3|c",
            "prosody.prosody_event_seconds.bucket.0_1:1|c",
            "prosody.prosody_event_seconds.count:1|c",
            "prosody.prosody_event_seconds.sum:0.2|g",
        ],
        &["prosody_event_seconds_observations_total 1", "prosody_mod_c2s__connections 4", "prosody_stanzas_total 5"],
    );
}

/// Airflow sends each event twice, DAGs may have dots, and a DAG may make any number of tasks.
#[test]
fn airflow_counts_each_event_once_and_keeps_no_task() {
    let twice = ["airflow.ti.finish", "airflow.task.duration", "airflow.ti.start"];
    let mut lines = Vec::new();
    for n in 0..10_000 {
        lines.push(format!("airflow.ti.start.team.sales.task_{n}:1|c"));
        lines.push(format!("airflow.ti.finish.team.sales.task_{n}.success:1|c"));
        lines.push(format!("airflow.dag.team.sales.task_{n}.duration:500|ms"));
        lines.extend([format!("{}:1|c", twice[0]), format!("{}:500|ms", twice[1]), format!("{}:1|c", twice[2])]);
    }
    lines.push("airflow.dagrun.duration.success.team.sales:60000|ms".to_owned());
    lines.push("airflow.dagrun.duration.success:60000|ms".to_owned());
    lines.push("airflow.operator_failures_BashOperator:1|c".to_owned());
    lines.push("airflow.operator_failures:1|c".to_owned());
    let packets: Vec<String> = lines.chunks(60).map(|lines| lines.join("\n")).collect();
    let (_daemon, exposition) = play("airflow", &packets);
    for line in [
        "airflow_tasks_start_total{dag_id=\"team.sales\"} 10000",
        "airflow_tasks_finished_total{dag_id=\"team.sales\",state=\"success\"} 10000",
        "airflow_task_duration_seconds_count{dag_id=\"team.sales\"} 10000",
        "airflow_task_duration_seconds_sum{dag_id=\"team.sales\"} 5000",
        "airflow_dagrun_duration_seconds_count{dag_id=\"team.sales\",state=\"success\"} 1",
        "airflow_operator_failures_total{operator=\"BashOperator\"} 1",
        "statsidecar_series{type=\"counter\"} 3",
        "statsidecar_series{type=\"histogram\"} 2",
    ] {
        assert!(exposition.lines().any(|found| found == line), "{line} is not in\n{exposition}");
    }
}

/// The same with tags, in the two forms that Airflow can write.
#[test]
fn airflow_with_tags_counts_each_event_once_and_keeps_no_task() {
    for dogstatsd in [true, false] {
        let line = |name: &str, tags: &str, value: &str| match dogstatsd {
            true => format!("{name}:{value}|#{}", tags.replace('=', ":")),
            false => format!("{name},{tags}:{value}"),
        };
        let mut lines = Vec::new();
        for n in 0..10_000 {
            let tags =
                format!("dag_id=team.sales,task_id=task_{n},state=success,run_id=manual__2024-01-01T10:30:00+00:00");
            lines.push(line("airflow.ti.finish", &tags, "1|c"));
            lines.push(line(&format!("airflow.ti.finish.team.sales.task_{n}.success"), "env=prod", "1|c"));
            lines.push(line("airflow.task.duration", &format!("dag_id=team.sales,task_id=task_{n}"), "500|ms"));
            lines.push(line(&format!("airflow.dag.team.sales.task_{n}.duration"), "env=prod", "500|ms"));
        }
        let packets: Vec<String> = lines.chunks(20).map(|lines| lines.join("\n")).collect();
        let (_daemon, exposition) = play("airflow-tags", &packets);
        for line in [
            "airflow_tasks_finished_total{dag_id=\"team.sales\",state=\"success\"} 10000",
            "airflow_task_duration_seconds_count{dag_id=\"team.sales\"} 10000",
            "statsidecar_series{type=\"counter\"} 1",
            "statsidecar_series{type=\"histogram\"} 1",
            "statsidecar_dropped_samples_total 20000",
        ] {
            assert!(exposition.lines().any(|found| found == line), "{line} is not in\n{exposition}");
        }
    }
}

/// The flag adds a preset to a file, and a preset that the file has is not there twice.
#[test]
fn a_preset_may_be_a_flag() {
    use crate::support::{Client, Scratch, listening, run_in};
    let scratch = Scratch::new("preset-flag");
    let config = scratch.write("config.toml", "presets = [\"uwsgi\"]\n[[metric]]\nmatch = \"own\"\nname = \"mine\"\n");
    let flags = ["--config", &config, "--preset", "gunicorn", "--preset", "uwsgi"];
    let daemon = listening("udp", &flags);
    let lines = b"own:1|g\ngunicorn.workers:4|g\nuwsgi.worker.1.requests:5|c\nuwsgi.worker.1.requests:5|c";
    Client::connect(&daemon.listeners[0]).send(lines);
    daemon.scrape_with(&["mine 1", "gunicorn_workers 4", "uwsgi_worker_requests_total{worker=\"1\"} 5"]);
    let explained = run_in(scratch.path(), &["explain", "--preset", "gunicorn", "gunicorn.workers:4|g"]);
    assert!(explained.stdout.contains("rule     of the preset gunicorn (match_regex = "), "{}", explained.stdout);
    let wrong = run_in(scratch.path(), &["--preset", "gunicron"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("there is no such preset"), "{}", wrong.stderr);
    let contradiction = "[[metric]]\nmatch = \"x\"\nname = \"gunicorn_workers\"\ntype = \"counter\"\n";
    scratch.write("other.toml", contradiction);
    let wrong = run_in(scratch.path(), &["--config", "other.toml", "--preset", "gunicorn"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("--preset: "), "{}", wrong.stderr);
}

/// The rules of the user come first.
#[test]
fn the_users_rules_override_a_preset() {
    use crate::support::{Client, Scratch, listening};
    let scratch = Scratch::new("preset-override");
    let config = "presets = [\"gunicorn\"]\n[[metric]]\nmatch = \"gunicorn.workers\"\nname = \"my_workers\"\n";
    let daemon = listening("udp", &["--config", &scratch.write("config.toml", config)]);
    Client::connect(&daemon.listeners[0]).send(b"gunicorn.workers:4|g\ngunicorn.requests:1|c");
    daemon.scrape_with(&["my_workers 4", "gunicorn_requests_total 1"]);
}
