//! The tables of the config file as structs, with the defaults of their keys.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};
use toml::Spanned;

use super::address::Address;
use super::dialect::Dialects;
use super::http_address::HttpAddress;
use super::monitoring::{AlertConfig, PanelConfig};
use super::push::{OtlpConfig, RemoteWriteConfig};
use crate::metric::{MetricType, NativeSpec};

/// The default buckets of a histogram, in seconds: those of the Prometheus client libraries.
///
/// Source: `DefBuckets` of client_golang. (`DEFAULT_BUCKETS` of client_python has more bounds, all below 10.)
pub const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A whole config file; a key that the file lacks has its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `presets`: sets of rules that come with the program. Their rules follow those of the file in `metrics`.
    pub presets: Option<Spanned<Vec<&'static str>>>,
    /// `[intake]`: how lines are received.
    pub intake: IntakeConfig,
    /// `[http]`: how metrics are served.
    pub http: Http,
    /// `[tags]`: how clients write tags.
    pub tags: Tags,
    /// `[defaults]`: settings of metrics for which no rule has its own.
    pub defaults: Defaults,
    /// `[limits]`: the most that this process stores.
    pub limits: Limits,
    /// `[state]`: what outlives the process.
    pub state: StateConfig,
    /// `[reload]`: when the config is read again.
    pub reload: ReloadConfig,
    /// `[labels]`: constant labels of every series, sorted by name.
    pub labels: Labels,
    /// `[[metric]]`: the rules, in file order.
    pub metrics: Vec<MetricRule>,
    /// `[[relay]]`: the targets that received lines are forwarded to, in file order.
    pub relays: Vec<RelayConfig>,
    /// `[[otlp]]`: receivers of OTLP, in file order.
    pub otlps: Vec<OtlpConfig>,
    /// `[[remote_write]]`: receivers of remote write, in file order.
    pub remote_writes: Vec<RemoteWriteConfig>,
    /// `[[panel]]`: panels of the dashboard about several metrics, in file order.
    pub panels: Vec<PanelConfig>,
    /// `[[alert]]`: alerts about several metrics, in file order.
    pub alerts: Vec<AlertConfig>,
}

impl Config {
    /// A sentence about the first two listeners that cannot both be bound, if there are any.
    pub(crate) fn overlap(&self) -> Option<String> {
        let (listen, http) = (&self.intake.listen, &self.http.listen);
        let mut pairs =
            listen.iter().enumerate().flat_map(|(n, one)| listen.iter().take(n).map(move |other| (other, one)));
        if let Some((one, other)) = pairs.find(|(one, other)| one.overlaps(other)) {
            let what = if one.unix().is_some() { "socket; choose another name" } else { "port; choose another port" };
            return Some(format!("the listeners {one} and {other} need the same {what} for one of them"));
        }
        listen.iter().find(|listener| http.overlaps(listener)).map(|listener| {
            let shared = http.shared();
            format!(
                "the listener {listener} and /metrics on {http} need the same {shared}; choose another {shared} for one of them \
                 (--listen, [intake] listen; --http, [http] listen)"
            )
        })
    }
}

/// Names and values as the file has them: of labels, whose values may be templates, or of tags.
pub type Labels = Vec<(Spanned<String>, Spanned<String>)>;

/// `[intake]`.
#[derive(Clone, Debug, PartialEq)]
pub struct IntakeConfig {
    /// `listen`: the addresses to receive lines on; never empty. Of the default, an address that the machine does not have
    /// is left out.
    pub listen: Vec<Address>,
    /// `workers`: the number of threads that read each datagram listener.
    pub workers: usize,
    /// `receive_buffer`: the receive buffer of each socket, in bytes; `None` (`0` in the file) is the system's default.
    pub receive_buffer: Option<usize>,
    /// `gather`: how long packets of UDP, and lines of a TCP connection, may gather in the kernel before they are read; zero
    /// is not at all.
    pub gather: Duration,
    /// `max_line`: the length of the longest accepted line, in bytes, without its line end.
    pub max_line: usize,
    /// `max_connections`: the most open connections of all stream listeners together; further ones are closed.
    pub max_connections: usize,
    /// `idle_timeout`: a connection that sends nothing for so long is closed; `None` (`"0"` in the file) is no limit.
    pub idle_timeout: Option<Duration>,
    /// `mode`: the permission bits of Unix socket files.
    pub mode: u32,
    /// `owner`: the user (name or number) who owns the Unix socket files; `None` is the user of this process.
    pub owner: Option<String>,
    /// `group`: the group (name or number) of the Unix socket files; `None` is the group of this process.
    pub group: Option<String>,
    /// `allow_uids`: the users (names or numbers) who may send to the Unix sockets; `None` is all whom the mode lets in.
    pub allow_uids: Option<Vec<String>>,
}

impl IntakeConfig {
    /// Whether the listeners are those of the default.
    pub(crate) fn listens_by_default(&self) -> bool {
        self.listen == Self::default().listen
    }
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            // Some clients resolve `localhost` to the second of the two.
            listen: [SocketAddr::from((Ipv4Addr::LOCALHOST, 8125)), SocketAddr::from((Ipv6Addr::LOCALHOST, 8125))]
                .map(|address| Address::Udp(address.into()))
                .into(),
            workers: 1,
            receive_buffer: Some(8 * 1024 * 1024),
            gather: Duration::from_millis(10),
            max_line: 64 * 1024,
            max_connections: 1024,
            idle_timeout: None,
            mode: 0o660,
            owner: None,
            group: None,
            allow_uids: None,
        }
    }
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `listen`: the address of `/metrics`.
    pub listen: HttpAddress,
    /// `max_connections`: the most open connections; at the limit, a new one takes the place of an idle one.
    pub max_connections: usize,
    /// `admin`: whether everybody who may read gets the text of clients that `/metrics` does not show, or nobody; `None`:
    /// only this machine does, or who has a password or a token.
    pub admin: Option<bool>,
    /// `users`: who may read all but `/-/healthy`, each with the hash of the password as a PHC string of argon2.
    pub users: Labels,
    /// `bearer_token_file`: the file with the token that lets a client read all but `/-/healthy`.
    pub bearer_token_file: Option<String>,
    /// `tls_cert` and `tls_key`: the files of the certificate chain and of its key; `None` is without TLS.
    pub tls: Option<TlsFiles>,
}

/// The files for TLS, in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `tls_cert`: the certificate chain.
    pub certificate: String,
    /// `tls_key`: its key.
    pub key: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9102)).into(),
            max_connections: 64,
            admin: None,
            users: Labels::new(),
            bearer_token_file: None,
            tls: None,
        }
    }
}

/// `[tags]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    /// `dialects`: the tag syntaxes that are parsed; text in any other syntax stays part of the name.
    pub dialects: Dialects,
}

impl Default for Tags {
    fn default() -> Self {
        Self { dialects: Dialects::ALL }
    }
}

/// `[defaults]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// `naming`: which suffixes are added to a name that no rule gives.
    pub naming: Naming,
    /// `negative`: what a negative number in a `g` line does if no rule says it.
    pub negative: Negative,
    /// `timer`: the metric type of `ms`, `h`, `d` and `a` lines.
    pub timer: Timer,
    /// `buckets`: the upper bounds of a histogram whose rule has none; strictly rising, without `+Inf`.
    pub buckets: Vec<f64>,
    /// `quantiles`: the quantiles of a summary whose rule has none; strictly rising, from 0 to 1.
    pub quantiles: Vec<f64>,
    /// `native`: how the native histogram beside the buckets divides the numbers, if no rule says it; `None` (`false` in the
    /// file) is without one.
    pub native: Option<NativeSpec>,
    /// `summary_window`: the time that the quantiles of a summary cover, in seconds.
    pub summary_window: u32,
    /// `set_window`: how long a member of a set is counted after its last line, in seconds.
    pub set_window: u32,
    /// `service_checks`: whether DogStatsD service checks become gauges.
    pub service_checks: bool,
    /// `ttl`: a series expires after so long without a line; `None` (`"0"` in the file) is never.
    pub ttl: Option<Duration>,
    /// `container_label`: whether the `c:` section of a line becomes the label `container_id`.
    pub container_label: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            naming: Naming::Prometheus,
            negative: Negative::Move,
            timer: Timer::Histogram,
            buckets: DEFAULT_BUCKETS.to_vec(),
            quantiles: vec![0.5, 0.9, 0.99],
            native: None,
            summary_window: 10 * 60,
            set_window: 60,
            service_checks: false,
            ttl: None,
            container_label: false,
        }
    }
}

/// `[defaults] naming`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Naming {
    /// `"prometheus"`: a counter gets the suffix `_total` and an `ms` timer `_seconds`, if the name lacks it.
    Prometheus,
    /// `"verbatim"`: no suffix is added, and a run of dashes becomes one `_`.
    Verbatim,
    /// `"utf8"`: names stay as they are.
    Utf8,
}

/// `negative`, in `[defaults]` or in a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Negative {
    /// `"move"`: `-5` lowers the gauge by 5.
    #[default]
    Move,
    /// `"set"`: `-5` is the value -5, as most emitters mean it. A number with a `+` still raises the gauge.
    Set,
}

/// `[[metric]] value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum CounterValue {
    /// `"increment"`: the counter rises by the number.
    #[default]
    Increment,
    /// `"total"`: the number is the running total of the emitter, and the counter rises by what the total rose since the
    /// last line. A total that is lower than the last one counts whole, because the emitter has started again.
    Total,
}

/// `[defaults] timer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Timer {
    /// `"histogram"`: cumulative buckets.
    Histogram,
    /// `"summary"`: quantiles over a window of time.
    Summary,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// `memory`: the most memory that may be in use beyond what the start took, in bytes; `None` (`0` in the file) is no
    /// limit.
    pub memory: Option<usize>,
    /// `series`: the most series of all metrics together.
    pub series: usize,
    /// `family_series`: the most series of one metric name; `None` (`0` in the file) is no limit.
    pub family_series: Option<usize>,
    /// `label_value`: the longest value of a label, in bytes.
    pub label_value: usize,
    /// `series_length`: the longest name of a series with its labels as the text format writes them, in bytes.
    pub series_length: usize,
    /// `tags`: the most tags of one line.
    pub tags: usize,
    /// `overflow`: what happens to a sample whose new series would exceed `series`, `family_series` or `memory`.
    pub overflow: Overflow,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Some(256 << 20),
            series: 100_000,
            family_series: None,
            label_value: 1024,
            series_length: 4096,
            tags: 64,
            overflow: Overflow::Reject,
        }
    }
}

/// `[reload]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadConfig {
    /// `on_change`: whether the config is read again when its file changes.
    pub on_change: bool,
}

/// `[state]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StateConfig {
    /// `path`: the folder of the snapshot, on a disk; `None`: nothing outlives the process.
    pub path: Option<Spanned<String>>,
    /// `arena`: the folder of the arena, in a file system that is memory.
    pub arena: Option<Spanned<String>>,
    /// `interval`: how often a snapshot is written.
    pub interval: Duration,
}

impl StateConfig {
    /// The folder of the arena if the file names none.
    pub const ARENA: &str = "/run/statsidecar/arena";

    /// The folder of the arena.
    pub(crate) fn arena(&self) -> &str {
        self.arena.as_ref().map_or(Self::ARENA, |arena| arena.get_ref())
    }
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { path: None, arena: None, interval: Duration::from_secs(10) }
    }
}

/// `[limits] overflow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Overflow {
    /// `"reject"`: the sample is rejected.
    Reject,
    /// `"collapse"`: the sample is applied to the one series of its family with the label `overflow="true"`.
    Collapse,
}

/// One `[[metric]]`: a rule for the lines that it matches.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRule {
    /// The names that the rule matches. Messages about the whole rule point to it.
    pub pattern: RulePattern,
    /// `match_type`: the StatsD types that the rule matches, as lines write them; empty is any type.
    pub match_type: Vec<Spanned<String>>,
    /// `match_tags`: tags that a line must have, each with a glob for its value.
    pub match_tags: Labels,
    /// `name`: the metric's name, or a template of it; `None` is the name of the line.
    pub name: Option<Spanned<String>>,
    /// `type`: the metric type; `None` is the one that the type of the line becomes.
    pub metric_type: Option<Spanned<MetricType>>,
    /// `help`: the text of the `# HELP` line.
    pub help: Option<Spanned<String>>,
    /// `unit`: the text of the `# UNIT` line, `seconds` for instance; letters, digits and `_`.
    pub unit: Option<Spanned<String>>,
    /// `labels`: labels that the rule sets; their values may be templates.
    pub labels: Labels,
    /// `tags`: which tags of a line become labels.
    pub tags: KeptTags,
    /// `rename_tags`: tags that become labels of another name.
    pub rename_tags: Labels,
    /// `prefer`: whether the rule or the tag wins if both set the same label.
    pub prefer: Prefer,
    /// `buckets`: the upper bounds of its histogram, strictly rising, without `+Inf`.
    pub buckets: Option<Spanned<Vec<f64>>>,
    /// `quantiles`: the quantiles of its summary, strictly rising, from 0 to 1.
    pub quantiles: Option<Spanned<Vec<f64>>>,
    /// `native`: how the native histogram beside the buckets divides the numbers, or that there is none.
    pub native: Option<Spanned<Option<NativeSpec>>>,
    /// `value`: what the number of a line is, for a counter.
    pub value: CounterValue,
    /// `negative`: what a negative number in a `g` line does; `None` is the `negative` of `[defaults]`.
    pub negative: Option<Negative>,
    /// `scale`: the factor of every value; finite and not 0.
    pub scale: Option<Spanned<f64>>,
    /// `ttl`: its series expire after so long without a line; zero is never, `None` is the `ttl` of `[defaults]`.
    pub ttl: Option<Spanned<Duration>>,
    /// `drop`: whether samples that match are only counted.
    pub drop: bool,
    /// `init`: the label sets of series that exist from the start, at 0.
    pub init: Vec<Spanned<Labels>>,
    /// `subsystem`: the part of the program that it is about: its row in the dashboard, and its chapter in the docs.
    pub subsystem: Option<String>,
    /// `description`: what the metric means, and what to do when it moves; for the docs and the dashboard.
    pub description: Option<String>,
    /// `query`: how the metric is asked for in PromQL; `None` is by its type.
    pub query: Option<Spanned<String>>,
    /// `panel`: its panel in the dashboard; `None` is by its type.
    pub panel: Option<PanelConfig>,
    /// `alert`: when it is wrong.
    pub alert: Option<AlertConfig>,
    /// The preset that the rule is of; none if the file has the rule.
    pub preset: Option<&'static str>,
}

/// The pattern of the names that a rule matches.
#[derive(Clone, Debug, PartialEq)]
pub enum RulePattern {
    /// `match`: a glob over the dotted name.
    Glob(Spanned<String>),
    /// `match_regex`: a regex over the whole name.
    Regex(Spanned<String>),
}

impl RulePattern {
    /// The key that has the pattern.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Glob(_) => "match",
            Self::Regex(_) => "match_regex",
        }
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        let (Self::Glob(text) | Self::Regex(text)) = self;
        text.get_ref()
    }

    /// The pattern as TOML text: a regex in single quotes, because it is full of backslashes.
    pub(crate) fn quoted(&self) -> String {
        match self {
            Self::Glob(text) => format!("{:?}", text.get_ref()),
            Self::Regex(text) => format!("'{}'", text.get_ref()),
        }
    }

    /// The place of the pattern in the file.
    pub fn span(&self) -> Range<usize> {
        let (Self::Glob(text) | Self::Regex(text)) = self;
        text.span()
    }
}

/// The tags of a line that become labels, by the keys that the client writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum KeptTags {
    /// All of them.
    #[default]
    All,
    /// None of them.
    None,
    /// `keep_tags`: only these.
    Only(Vec<Spanned<String>>),
    /// `drop_tags`: all except these.
    AllBut(Vec<Spanned<String>>),
}

/// `[[metric]] prefer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Prefer {
    /// `"rule"`: the rule wins.
    #[default]
    Rule,
    /// `"tag"`: the tag wins.
    Tag,
}

/// `[[relay]]`: a target that lines are forwarded to. If several tables have the same target, it gets the lines that any
/// of them matches.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayConfig {
    /// `target`: the address that lines are sent to; UDP, TCP or a Unix datagram socket.
    pub target: Spanned<Address>,
    /// `match`: the names of the lines that are sent; `None` is every line.
    pub pattern: Option<RulePattern>,
}
