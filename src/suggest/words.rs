//! What words in names usually mean, singular and in lower case.

/// Words for what is measured. What follows such a word in a dotted name is a dimension: `flow_duration.backfill`.
const MEASURES: &[&str] = &[
    "duration",
    "time",
    "latency",
    "seconds",
    "second",
    "ms",
    "millis",
    "milliseconds",
    "size",
    "bytes",
    "byte",
    "length",
    "age",
    "delay",
    "lag",
    "count",
    "elapsed",
    "timing",
    "usage",
    "percent",
    "ratio",
    "temperature",
    "load",
    "capacity",
    "depth",
    "rss",
    "memory",
    "cpu",
    "rate",
    "throughput",
    "uptime",
    "speed",
    "value",
];

/// Words for how something ended, or what happened. Two of them side by side are two metrics, unless they follow a
/// measure: then they are values of one label.
const OUTCOMES: &[&str] = &[
    "success",
    "succeeded",
    "successes",
    "successful",
    "ok",
    "fail",
    "failed",
    "failure",
    "failures",
    "error",
    "errors",
    "hit",
    "hits",
    "miss",
    "misses",
    "timeout",
    "timeouts",
    "started",
    "start",
    "finished",
    "finish",
    "created",
    "completed",
    "processed",
    "done",
    "rejected",
    "accepted",
    "dropped",
    "skipped",
    "retried",
    "cancelled",
    "expired",
    "evicted",
    "received",
    "sent",
    "deduplicated",
    "written",
    "loaded",
    "exception",
    "exceptions",
    "warning",
    "critical",
];

/// Words for a statistic that the sender computed. They never are values of a label.
const STATISTICS: &[&str] = &[
    "mean",
    "avg",
    "average",
    "median",
    "min",
    "max",
    "sum",
    "total",
    "count",
    "last",
    "std",
    "stddev",
    "upper",
    "lower",
    "rate",
    "current",
    "all",
    "gauge",
    "value",
    "percentile",
    "histogram",
];

/// Nouns of which each part that follows is a value: `status.200`, `method.get`.
const KEYS: &[&str] = &[
    "status",
    "status_code",
    "code",
    "method",
    "endpoint",
    "table",
    "region",
    "zone",
    "country",
    "topic",
    "tenant",
    "customer",
    "route",
    "path",
    "reason",
    "queue_name",
    "flow_name",
    "command",
    "symbol",
    "exchange",
    "currency",
    "level",
];

/// Nouns of which there are several: `cluster.backend.upstream_rq`.
const ENTITIES: &[&str] = &[
    "worker",
    "cluster",
    "queue",
    "node",
    "host",
    "pod",
    "shard",
    "partition",
    "flow",
    "job",
    "task",
    "dag",
    "pool",
    "device",
    "disk",
    "interface",
    "network",
    "fs",
    "db",
    "database",
    "bucket",
    "collection",
    "channel",
    "stage",
    "step",
    "operator",
    "executor",
    "plugin",
    "instance",
    "container",
    "namespace",
    "consumer",
    "producer",
    "group",
    "backend",
    "upstream",
    "listener",
    "thread",
    "core",
    "cpu",
    "replica",
    "broker",
    "stream",
    "volume",
    "mount",
    "sensor",
    "wrk",
    "server",
    "driver",
    "percpu",
    "diskio",
    "batch",
    "tenant",
    "customer",
    "account",
    "user",
    "session",
    "run",
    "order",
    "file",
];

/// The verbs of HTTP.
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE"];

/// Words with digits that are names and no numbers.
const NAMES: &[&str] = &[
    "neo4j", "http2", "http3", "md5", "sha1", "sha256", "sha512", "utf8", "ipv4", "ipv6", "s3", "ec2", "k8s", "log4j",
    "log4j2", "oauth2", "base64", "h2", "x86", "db2", "mp3", "mp4", "l4", "l7", "g1", "p2p", "b2b", "b2c",
];

/// The last word of a part, singular or plural, in lower case: `size` of `batchSize`, `batch_size` and `batch-size`.
pub(super) fn last_word(part: &str) -> String {
    let mut word = String::new();
    let mut was_lower = false;
    for c in part.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            word.clear();
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    word
}

/// A noun without the `s` of its plural.
pub(super) fn singular(word: &str) -> &str {
    let is_singular = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    if is_singular || word.len() < 4 { word } else { word.strip_suffix('s').unwrap_or(word) }
}

/// Whether the last word of a part is for what is measured.
pub(super) fn is_measure(part: &str) -> bool {
    MEASURES.contains(&last_word(part).as_str())
}

/// Whether the last word of a part is for how something ended.
pub(super) fn is_outcome(part: &str) -> bool {
    OUTCOMES.contains(&last_word(part).as_str())
}

/// Whether a part is a statistic that the sender computed: `mean`, `p99`, `upper_90`, `m1_rate`.
pub(super) fn is_statistic(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    let is_percentile = |text: &str| !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    let stem = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    STATISTICS.contains(&last_word(part).as_str())
        || STATISTICS.contains(&stem)
        || lower.strip_prefix('p').is_some_and(is_percentile)
        || ["th", "st", "nd", "rd"].iter().any(|end| lower.strip_suffix(end).is_some_and(is_percentile))
}

/// Whether a part is the name of a quantity: a measure, an outcome, a statistic, or a plural.
pub(super) fn is_quantity(part: &str) -> bool {
    let word = last_word(part);
    is_measure(part) || is_outcome(part) || is_statistic(part) || singular(&word) != word
}

/// Whether what follows a part are values of it. Programs that write names so write these nouns in lower case.
pub(super) fn is_key(part: &str) -> bool {
    KEYS.contains(&part) || part.ends_with("_id") || part.ends_with("_name")
}

/// Whether a part is a noun of which there are several.
pub(super) fn is_entity(part: &str) -> bool {
    let word = last_word(part);
    ENTITIES.contains(&word.as_str()) || ENTITIES.contains(&singular(&word))
}

/// Whether a part is a verb of HTTP, in capitals.
pub(super) fn is_method(part: &str) -> bool {
    METHODS.contains(&part)
}

/// Whether a part is a verb of HTTP.
pub(super) fn is_method_word(part: &str) -> bool {
    METHODS.contains(&part.to_ascii_uppercase().as_str())
}

/// Whether a part with digits is a name.
pub(super) fn is_name(part: &str) -> bool {
    NAMES.contains(&part.to_ascii_lowercase().as_str())
}
