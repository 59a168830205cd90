//! Presets whose program was captured.

use crate::capture::{Capture, Line, counted, last, number, risen, total};
use crate::support::{Client, Daemon, Scratch, listening};

/// A preset and a capture of its program.
pub struct Played {
    pub preset: &'static str,
    capture: &'static str,
    /// How many samples no rule is meant for.
    unmapped: f64,
    series: &'static [Series],
}

/// A series and how its value follows from the capture.
struct Series {
    text: &'static str,
    statsd_type: &'static str,
    /// What the name (`^name$`) and the tags (`#key:value#`) of its lines contain.
    parts: &'static [&'static str],
    figure: Figure,
    factor: f64,
}

#[derive(Clone, Copy)]
enum Figure {
    Counted,
    Risen,
    Number,
    Total,
    Last,
}

const fn series(
    text: &'static str,
    statsd_type: &'static str,
    parts: &'static [&'static str],
    figure: Figure,
    factor: f64,
) -> Series {
    Series { text, statsd_type, parts, figure, factor }
}

use Figure::{Counted, Last, Number, Risen, Total};

pub const PRESETS: &[Played] = &[
    Played {
        preset: "gunicorn",
        capture: "gunicorn",
        unmapped: 0.0,
        series: &[
            series("gunicorn_requests_total", "c", &[".requests$"], Counted, 1.0),
            series("gunicorn_responses_total{status=\"200\"}", "c", &[".status.200$"], Counted, 1.0),
            series("gunicorn_responses_total{status=\"500\"}", "c", &[".status.500$"], Counted, 1.0),
            series("gunicorn_log_messages_total{level=\"exception\"}", "c", &[".log.exception$"], Counted, 1.0),
            series("gunicorn_request_duration_seconds_count", "ms", &[".duration$"], Number, 1.0),
            series("gunicorn_request_duration_seconds_sum", "ms", &[".duration$"], Total, 0.001),
            series("gunicorn_workers", "g", &[".workers$"], Last, 1.0),
        ],
    },
    Played {
        preset: "gunicorn",
        capture: "gunicorn-tags",
        unmapped: 0.0,
        series: &[
            series("gunicorn_requests_total{env=\"prod\",service=\"shop\"}", "c", &[".requests$"], Counted, 1.0),
            series("gunicorn_workers{env=\"prod\",service=\"shop\"}", "g", &[".workers$"], Last, 1.0),
        ],
    },
    Played {
        preset: "uwsgi",
        capture: "uwsgi",
        unmapped: 0.0,
        series: &[
            series("uwsgi_worker_requests_total{worker=\"1\"}", "c", &["^uwsgi.worker.1.requests$"], Risen, 1.0),
            series("uwsgi_worker_requests_total{worker=\"2\"}", "c", &["^uwsgi.worker.2.requests$"], Risen, 1.0),
            series(
                "uwsgi_worker_transmitted_bytes_total{worker=\"1\"}",
                "c",
                &["^uwsgi.worker.1.total_tx$"],
                Risen,
                1.0,
            ),
            series(
                "uwsgi_worker_running_seconds_total{worker=\"1\"}",
                "c",
                &["^uwsgi.worker.1.running_time$"],
                Risen,
                0.000_001,
            ),
            series(
                "uwsgi_worker_core_requests_total{core=\"0\",worker=\"1\"}",
                "c",
                &["^uwsgi.worker.1.core.0.requests$"],
                Risen,
                1.0,
            ),
            series("uwsgi_transmitted_bytes_total", "c", &["^uwsgi.core.total_tx$"], Risen, 1.0),
            series("uwsgi_overloaded_total", "c", &["^uwsgi.core.overloaded$"], Risen, 1.0),
            series("uwsgi_workers{state=\"busy\"}", "g", &["^uwsgi.core.busy_workers$"], Last, 1.0),
            series("uwsgi_workers{state=\"idle\"}", "g", &["^uwsgi.core.idle_workers$"], Last, 1.0),
            series("uwsgi_socket_listen_queue{socket=\"0\"}", "g", &["^uwsgi.socket.0.listen_queue$"], Last, 1.0),
            series(
                "uwsgi_worker_avg_response_seconds{worker=\"1\"}",
                "g",
                &["^uwsgi.worker.1.avg_response_time$"],
                Last,
                0.000_001,
            ),
        ],
    },
    Played {
        preset: "express-statsd",
        capture: "n-express-statsd",
        unmapped: 0.0,
        series: &[
            series(
                "http_responses_total{method=\"get\",path=\"ok\",status=\"200\"}",
                "c",
                &["get.ok.status_code.200$"],
                Counted,
                1.0,
            ),
            series(
                "http_responses_total{method=\"get\",path=\"boom\",status=\"500\"}",
                "c",
                &["get.boom.status_code.500$"],
                Counted,
                1.0,
            ),
            series(
                "http_request_duration_seconds_count{method=\"get\",path=\"ok\"}",
                "ms",
                &["get.ok.response_time$"],
                Number,
                1.0,
            ),
            series(
                "http_request_duration_seconds_sum{method=\"get\",path=\"ok\"}",
                "ms",
                &["get.ok.response_time$"],
                Total,
                0.001,
            ),
        ],
    },
    Played {
        preset: "envoy",
        capture: "envoy-statsd",
        unmapped: 0.0,
        series: &[
            series(
                "envoy_cluster_upstream_rq_time_seconds_count{name=\"backend\"}",
                "ms",
                &["^envoy.cluster.backend.upstream_rq_time$"],
                Number,
                1.0,
            ),
            series(
                "envoy_cluster_upstream_rq_time_seconds_count{name=\"backend\",origin=\"external\"}",
                "ms",
                &["^envoy.cluster.backend.external.upstream_rq_time$"],
                Number,
                1.0,
            ),
            series(
                "envoy_http_downstream_cx_length_seconds_sum{name=\"ingress_http\"}",
                "ms",
                &["^envoy.http.ingress_http.downstream_cx_length_ms$"],
                Total,
                0.001,
            ),
            series("envoy_cluster_membership_total{name=\"backend\"}", "g", &["backend.membership_total$"], Last, 1.0),
            series("envoy_server_uptime", "g", &["^envoy.server.uptime$"], Last, 1.0),
            series("envoy_listener_manager_listener_added_total", "c", &["_manager.listener_added$"], Counted, 1.0),
        ],
    },
    Played {
        preset: "envoy-dog",
        capture: "envoy-dog",
        unmapped: 0.0,
        series: &[
            series(
                "envoy_cluster_responses_total{cluster=\"backend\",code=\"200\"}",
                "c",
                &["^envoy.cluster.upstream_rq$", "#envoy.response_code:200#"],
                Counted,
                1.0,
            ),
            series(
                "envoy_cluster_responses_total{cluster=\"backend\",code=\"200\",origin=\"external\"}",
                "c",
                &["^envoy.cluster.external.upstream_rq$", "#envoy.response_code:200#"],
                Counted,
                1.0,
            ),
            series(
                "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"backend\"}",
                "c",
                &["^envoy.cluster.upstream_rq_total$"],
                Counted,
                1.0,
            ),
            series(
                "envoy_cluster_upstream_rq_time_seconds_sum{envoy_cluster_name=\"backend\"}",
                "ms",
                &["^envoy.cluster.upstream_rq_time$"],
                Total,
                0.001,
            ),
        ],
    },
    Played {
        preset: "envoy-dog",
        capture: "envoy-istio",
        unmapped: 0.0,
        series: &[series(
            "envoy_cluster_membership_total{cluster_name=\"outbound|9080||reviews.default.svc.cluster.local\",\
             envoy_cluster_name=\"outbound|9080||reviews\"}",
            "g",
            &["^envoy.cluster.membership_total$"],
            Last,
            1.0,
        )],
    },
    Played {
        preset: "airflow",
        capture: "airflow-plain",
        unmapped: 0.0,
        series: &[
            series("airflow_executor_open_slots{executor=\"LocalExecutor\"}", "g", &["open_slots.Local"], Last, 1.0),
            series("airflow_pool_open_slots{pool=\"default_pool\"}", "g", &["open_slots.default_pool$"], Last, 1.0),
            series("airflow_scheduler_heartbeat_total", "c", &["^airflow.scheduler_heartbeat$"], Counted, 1.0),
            series(
                "airflow_scheduler_scheduler_loop_duration_seconds_sum",
                "ms",
                &["^airflow.scheduler.scheduler_loop_duration$"],
                Total,
                0.001,
            ),
        ],
    },
    Played {
        preset: "airflow-tags",
        capture: "airflow-datadog",
        unmapped: 0.0,
        series: &[
            series(
                "airflow_dagrun_dependency_check_seconds_count{dag_id=\"lab_dag.v1\",env=\"prod\",run_type=\"manual\"}",
                "ms",
                &["^airflow.dagrun.dependency-check$"],
                Number,
                1.0,
            ),
            series(
                "airflow_task_scheduled_duration_seconds_count{dag_id=\"lab_dag.v1\",env=\"prod\",queue=\"default\"}",
                "ms",
                &["^airflow.task.scheduled_duration$"],
                Number,
                1.0,
            ),
            series(
                "airflow_task_scheduled_duration_seconds_sum{dag_id=\"lab_dag.v1\",env=\"prod\",queue=\"default\"}",
                "ms",
                &["^airflow.task.scheduled_duration$"],
                Total,
                0.001,
            ),
            series(
                "airflow_scheduler_dag_bag_cache_hit_total{env=\"prod\"}",
                "c",
                &["^airflow.scheduler.dag_bag.cache_hit$"],
                Counted,
                1.0,
            ),
        ],
    },
    Played {
        preset: "spark",
        capture: "spark",
        unmapped: 0.0,
        series: &[
            series(
                "spark_jvm_total_max{app_id=\"local-1795647297094\",executor=\"driver\"}",
                "g",
                &["driver.jvm.total.max$"],
                Last,
                1.0,
            ),
            series(
                "spark_BlockManager_memory_maxMem_MB{app_id=\"local-1795647297094\",executor=\"driver\"}",
                "g",
                &["BlockManager.memory.maxMem_MB$"],
                Last,
                1.0,
            ),
            series(
                "spark_HiveExternalCatalog_hiveClientCalls_total{app_id=\"local-1795647297094\",executor=\"driver\"}",
                "c",
                &["HiveExternalCatalog.hiveClientCalls$"],
                Risen,
                1.0,
            ),
            series(
                "spark_CodeGenerator_generatedMethodSize_p95{app_id=\"local-1795647297094\",executor=\"driver\"}",
                "ms",
                &["CodeGenerator.generatedMethodSize.p95$"],
                Last,
                1.0,
            ),
        ],
    },
    Played {
        preset: "flink",
        capture: "flink",
        unmapped: 0.0,
        series: &[
            series(
                "flink_jobmanager_status_JVM_Memory_NonHeap_Max{host=\"127_0_0_1\"}",
                "g",
                &["JVM.Memory.NonHeap.Max$"],
                Last,
                1.0,
            ),
            series(
                "flink_jobmanager_status_JVM_GarbageCollector_All_Count_total{host=\"127_0_0_1\"}",
                "g",
                &["JVM.GarbageCollector.All.Count$"],
                Risen,
                1.0,
            ),
            series("flink_jobmanager_taskSlotsTotal{host=\"127_0_0_1\"}", "g", &[".taskSlotsTotal$"], Last, 1.0),
        ],
    },
    Played {
        preset: "glances",
        capture: "glances",
        unmapped: 0.0,
        series: &[
            series("glances_load_min1", "g", &["^glances.load.min1$"], Last, 1.0),
            series("glances_irq_irq_rate{device=\"LOC\"}", "g", &["^glances.irq.LOC.irq_rate$"], Last, 1.0),
            series("glances_network_bytes_sent_gauge{device=\"ifb0\"}", "g", &["ifb0.bytes_sent_gauge$"], Last, 1.0),
        ],
    },
    Played {
        preset: "kinto",
        capture: "kinto",
        unmapped: 0.0,
        series: &[
            series(
                "kinto_backend_duration_seconds_count{backend=\"storage\",method=\"get\"}",
                "ms",
                &["^kinto.backend.storage.seconds.method.get$"],
                Number,
                1.0,
            ),
            series(
                "kinto_request_duration_seconds_sum{bucket=\"blog\",collection=\"posts\",endpoint=\"record-plural\",\
                 method=\"post\"}",
                "ms",
                &["method.post.endpoint.record-plural.bucket_id.blog"],
                Total,
                0.001,
            ),
            series("kinto_last_response_bytes", "g", &["^kinto.request_size$"], Last, 1.0),
        ],
    },
    Played {
        preset: "mediawiki",
        capture: "mediawiki",
        unmapped: 0.0,
        series: &[
            series(
                "mediawiki_wancache_regen_set_bytes_total{keygroup=\"messages_big\"}",
                "c",
                &["messages_big.regen_set_bytes$"],
                Counted,
                1.0,
            ),
            series(
                "mediawiki_wancache_access_duration_seconds_count{detail=\"compute\",keygroup=\"page\",result=\"miss\"}",
                "ms",
                &["wanobjectcache.page.miss.compute$"],
                Number,
                1.0,
            ),
            series(
                "mediawiki_objectcache_get_miss_total{keygroup=\"messages\"}",
                "c",
                &["objectcache.messages.get_miss_rate$"],
                Counted,
                1.0,
            ),
        ],
    },
    Played {
        preset: "proftpd",
        capture: "proftpd",
        unmapped: 0.0,
        series: &[
            series(
                "proftpd_command_duration_seconds_count{code=\"226\",command=\"RETR\"}",
                "ms",
                &["^command.RETR.226$"],
                Number,
                1.0,
            ),
            series(
                "proftpd_command_duration_seconds_sum{code=\"226\",command=\"RETR\"}",
                "ms",
                &["^command.RETR.226$"],
                Total,
                0.001,
            ),
            series("proftpd_connections", "g", &["^connection$"], Total, 1.0),
            series("proftpd_connections{protocol=\"ftp\"}", "g", &["^ftp.connection$"], Total, 1.0),
            series("proftpd_connections_total{protocol=\"ftp\"}", "c", &["^ftp.connection$"], Counted, 1.0),
        ],
    },
    Played {
        preset: "sozu",
        capture: "sozu-false",
        unmapped: 0.0,
        series: &[
            series(
                "sozu_cluster_responses_total{cluster=\"MyCluster\",status=\"404\",worker=\"WRK-00\"}",
                "c",
                &["WRK-00.cluster.MyCluster.http.status.404$"],
                Counted,
                1.0,
            ),
            series(
                "sozu_cluster_request_time_seconds_count{cluster=\"MyCluster\",worker=\"WRK-00\"}",
                "ms",
                &["^sozu.WRK-00.cluster.MyCluster.request_time$"],
                Number,
                1.0,
            ),
            series("sozu_client_connections{worker=\"WRK-00\"}", "g", &["^sozu.WRK-00.client.connections$"], Last, 1.0),
        ],
    },
    Played {
        preset: "swift",
        capture: "swift",
        unmapped: 0.0,
        series: &[
            series("swift_errors_total{server=\"proxy-server\"}", "c", &[".proxy-server.errors$"], Counted, 1.0),
            series("swift_open_requests{server=\"proxy-server\"}", "c", &[".proxy-server.open$"], Counted, 1.0),
        ],
    },
    Played {
        preset: "ddtrace",
        capture: "ddtrace",
        unmapped: 0.0,
        series: &[
            series(
                "python_resident_memory_bytes{env=\"prod\",service=\"shop\",version=\"1.2\"}",
                "d",
                &["^runtime.python.mem.rss$"],
                Last,
                1.0,
            ),
            series(
                "python_thread_count{env=\"prod\",service=\"shop\",version=\"1.2\"}",
                "d",
                &["^runtime.python.thread_count$"],
                Last,
                1.0,
            ),
            series(
                "python_cpu_seconds_sum{env=\"prod\",mode=\"user\",service=\"shop\",version=\"1.2\"}",
                "d",
                &["^runtime.python.cpu.time.user$"],
                Total,
                1.0,
            ),
            series(
                "python_gc_pause_time_seconds_sum{env=\"prod\",service=\"shop\",version=\"1.2\"}",
                "d",
                &["^runtime.python.gc.pause.time$"],
                Total,
                0.000_000_001,
            ),
        ],
    },
    Played {
        preset: "ddtrace",
        capture: "n-dd-trace",
        unmapped: 110.0,
        series: &[series(
            "nodejs_mem_rss{env=\"prod\",service=\"shop\",version=\"1.0.0\"}",
            "g",
            &["^runtime.node.mem.rss$"],
            Last,
            1.0,
        )],
    },
    Played {
        preset: "consul",
        capture: "go-armon",
        unmapped: 0.0,
        series: &[
            series("consul_raft_applied", "g", &["^consul.raft.applied$"], Last, 1.0),
            series("consul_rpc_request_total", "c", &["^consul.rpc.request$"], Counted, 1.0),
            series("consul_kv_x", "kv", &["^consul.kv.x$"], Last, 1.0),
            series("consul_raft_commitTime_seconds_sum", "ms", &["^consul.raft.commitTime$"], Total, 0.001),
        ],
    },
];

fn value(exposition: &str, series: &str) -> Option<f64> {
    exposition.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Starts the program with a preset, and plays lines to it one by one.
pub fn play(preset: &str, lines: &[String]) -> (Daemon, String) {
    let scratch = Scratch::new(&format!("preset-{preset}"));
    let config = scratch.write("config.toml", &format!("presets = [\"{preset}\"]\n"));
    let daemon = listening("unixgram", &["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    for line in lines {
        client.send(line.as_bytes());
    }
    let exposition =
        daemon.scrape_when("statsidecar_lines_total", lines.iter().flat_map(|line| line.lines()).count() as u64);
    (daemon, exposition)
}

#[test]
fn captures_mean_what_their_programs_mean() {
    let mut wrong = Vec::new();
    for Played { preset, capture, unmapped, series } in PRESETS {
        let captured = Capture::read(capture);
        let (_daemon, exposition) = play(preset, &captured.0);
        let own = |metric: &str| value(&exposition, metric).unwrap_or_default();
        if own("statsidecar_unmapped_samples_total") != *unmapped {
            wrong.push(format!("{capture}: {} samples have no rule", own("statsidecar_unmapped_samples_total")));
        }
        for Series { text, statsd_type, parts, figure, factor } in *series {
            let lines: Vec<Line<'_>> = captured.of(statsd_type, parts).collect();
            if lines.is_empty() {
                wrong.push(format!("{capture}: no line feeds {text}"));
                continue;
            }
            let lines = lines.into_iter();
            let expected = factor
                * match figure {
                    Counted => counted(lines),
                    Risen => risen(lines),
                    Number => number(lines),
                    Total => total(lines),
                    Last => last(lines),
                };
            let found = value(&exposition, text);
            if found.is_none_or(|found| (found - expected).abs() > 1e-9 * expected.abs().max(1e-3)) {
                wrong.push(format!("{capture}: {text} is {found:?} and not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
