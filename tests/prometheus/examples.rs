//! The two examples: their folders, and the series that they expose before the first line.
//!
//! The series are written down from the dashboards of the pipelines, and not from the configs of the examples.

use std::path::Path;

/// One folder of `examples/`.
pub struct Example {
    /// The folder's name.
    pub folder: &'static str,
    /// The scrape job in its `prometheus.yml`.
    pub job: &'static str,
    /// Arguments for a short run of its program.
    pub little: [&'static str; 2],
    metrics: &'static [Metric],
}

struct Metric {
    name: &'static str,
    kind: &'static str,
    /// Label sets as the exposition writes them; `""` for none.
    labels: &'static [&'static str],
    buckets: &'static [&'static str],
}

const NO_LABELS: &[&str] = &[""];
const TABLES: &[&str] = &[r#"table="raw""#, r#"table="normalized""#, r#"table="features""#];
const FLOWS: &[&str] = &[
    r#"flow_name="nse_bhavcopy_etl",status="success""#,
    r#"flow_name="nse_bhavcopy_etl",status="failed""#,
    r#"flow_name="nse_bhavcopy_backfill",status="success""#,
    r#"flow_name="nse_bhavcopy_backfill",status="failed""#,
];

const fn counter(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, kind: "counter", labels, buckets: &[] }
}

const fn gauge(name: &'static str) -> Metric {
    Metric { name, kind: "gauge", labels: NO_LABELS, buckets: &[] }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], buckets: &'static [&'static str]) -> Metric {
    Metric { name, kind: "histogram", labels, buckets }
}

/// Both of them.
pub const EXAMPLES: [Example; 2] = [
    Example {
        folder: "file_ingestion",
        job: "financial-lineage-ingestion",
        little: ["--files", "30"],
        metrics: &[
            counter("parse_cache_hit_total", NO_LABELS),
            counter("parse_cache_miss_total", NO_LABELS),
            counter("events_deduplicated_total", NO_LABELS),
            counter("files_processed_total", NO_LABELS),
            counter("files_failed_total", NO_LABELS),
            counter("neo4j_batch_create_total", NO_LABELS),
            counter("neo4j_entities_created_total", NO_LABELS),
            counter("neo4j_relationships_created_total", NO_LABELS),
            gauge("parse_cache_entries"),
            gauge("queue_size"),
            gauge("active_workers"),
            histogram("batch_size_histogram", NO_LABELS, &["1", "5", "10", "25", "50", "100", "200", "500"]),
            histogram("batch_processing_duration_seconds", NO_LABELS, &["0.1", "0.5", "1", "2", "5", "10", "30", "60"]),
            histogram("neo4j_batch_duration_seconds", NO_LABELS, &["0.01", "0.05", "0.1", "0.5", "1", "2", "5", "10"]),
        ],
    },
    Example {
        folder: "market_data_etl",
        job: "nse-pipeline",
        little: ["--flows", "3"],
        metrics: &[
            counter("nse_pipeline_parquet_write_success_total", TABLES),
            counter("nse_pipeline_parquet_write_failed_total", TABLES),
            counter("nse_pipeline_clickhouse_load_success_total", TABLES),
            counter("nse_pipeline_clickhouse_load_failed_total", TABLES),
            histogram(
                "nse_pipeline_flow_duration_seconds",
                FLOWS,
                &[
                    "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5",
                    "10",
                ],
            ),
        ],
    },
];

impl Example {
    /// The path of one of the example's files.
    pub fn path(&self, file: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(self.folder).join(file);
        path.into_os_string().into_string().expect("the checkout's path is UTF-8")
    }

    /// The names of its metrics.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.metrics.iter().map(|metric| metric.name)
    }

    /// Every exposed line before the first StatsD line, sorted, without help texts.
    pub fn exposition_at_zero(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.metrics.iter().flat_map(Metric::lines_at_zero).collect();
        lines.sort();
        lines
    }

    /// The lines of an exposition without help texts and without the sidecar's own metrics, sorted.
    pub fn own_lines(exposition: &str) -> Vec<String> {
        let about_itself = |line: &str| {
            let name = line.strip_prefix("# TYPE ").unwrap_or(line);
            name.starts_with("statsidecar_") || name.starts_with("process_")
        };
        let own = exposition.lines().filter(|line| !line.starts_with("# HELP ") && !about_itself(line));
        let mut lines: Vec<String> = own.map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Metric {
    fn lines_at_zero(&self) -> Vec<String> {
        let Self { name, kind, labels, buckets } = self;
        let mut lines = vec![format!("# TYPE {name} {kind}")];
        for labels in *labels {
            let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            if *kind != "histogram" {
                lines.push(format!("{name}{braced} 0"));
                continue;
            }
            let comma = if labels.is_empty() { "" } else { "," };
            for le in buckets.iter().chain(&["+Inf"]) {
                lines.push(format!("{name}_bucket{{{labels}{comma}le=\"{le}\"}} 0"));
            }
            lines.extend([format!("{name}_sum{braced} 0"), format!("{name}_count{braced} 0")]);
        }
        lines
    }
}
