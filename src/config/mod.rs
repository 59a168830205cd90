//! What the owner decides: the TOML file as typed values with their defaults, and where each stood.
//!
//! This is a leaf: it knows the file and nothing of what the rest of the program makes of it. A name, a glob or
//! a template is checked where it is compiled ([`crate::mapping::Rules::compile`]), which reports through the same
//! [`Diagnostic`]s, so that one run shows everything that is wrong with a file.

#![warn(clippy::indexing_slicing)]

mod address;
mod diagnostic;
mod dialect;
mod load;
pub mod re2;
pub mod statsd_exporter;
mod units;

pub use address::{Address, Framing, UnixName, parse_page};
pub use diagnostic::{Diagnostic, Severity, render};
pub use dialect::{Dialect, Dialects};
pub use load::load;
pub use units::{parse_duration, parse_size};

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

pub use toml::Spanned;

use crate::metric::MetricType;

/// The buckets of a histogram that no rule gives any: those of the Prometheus client libraries, in seconds.
///
/// Source: `DefBuckets` of client_golang and `DEFAULT_BUCKETS` of client_python agree up to 10; the first is followed.
pub const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Everything that one file says, with defaults where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[intake]`: where lines come in.
    pub intake: IntakeConfig,
    /// `[http]`: where the page goes out.
    pub http: Http,
    /// `[tags]`: how tags are written.
    pub tags: Tags,
    /// `[defaults]`: what holds where no rule says otherwise.
    pub defaults: Defaults,
    /// `[limits]`: how much one sidecar takes.
    pub limits: Limits,
    /// `[labels]`: constant labels on every series, in the order of their names.
    pub labels: Labels,
    /// `[[metric]]`: the rules, in file order.
    pub metrics: Vec<MetricRule>,
    /// `[[relay]]`: who gets the lines too, in file order.
    pub relays: Vec<RelayConfig>,
}

impl Config {
    /// Two places to listen on of which only one can be had, where there are such.
    pub fn overlap(&self) -> Option<(Address, Address)> {
        let page = Address::Tcp(self.http.listen);
        let all: Vec<&Address> = self.intake.listen.iter().chain([&page]).collect();
        let mut pairs = all.iter().enumerate().flat_map(|(n, one)| all.iter().take(n).map(move |other| (*other, *one)));
        pairs.find(|(one, other)| one.is_in_the_way_of(other)).map(|(one, other)| (one.clone(), other.clone()))
    }
}

/// Label names and values as the file gives them; a value may be a template.
pub type Labels = Vec<(Spanned<String>, Spanned<String>)>;

/// `[intake]`.
#[derive(Clone, Debug, PartialEq)]
pub struct IntakeConfig {
    /// `listen`: the addresses to receive on; never empty.
    pub listen: Vec<Address>,
    /// `workers`: how many threads share each listener's packets.
    pub workers: usize,
    /// `receive_buffer`: bytes asked of the kernel for each socket; `None` (`0` in the file) leaves the system's default.
    pub receive_buffer: Option<usize>,
    /// `max_line`: the longest line that is read, in bytes without its end.
    pub max_line: usize,
    /// `max_connections`: connections of all streams together; a further one is closed at once.
    pub max_connections: usize,
    /// `idle_timeout`: how long a connection may send nothing; `None` (`0` in the file) is no limit.
    pub idle_timeout: Option<Duration>,
    /// `mode`: the permission bits of the files of Unix sockets.
    pub mode: u32,
    /// `owner`: whose the files of Unix sockets are, a user's name or number; `None`: whoever runs the program.
    pub owner: Option<String>,
    /// `group`: of which group they are, its name or number; `None`: that of whoever runs the program.
    pub group: Option<String>,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            listen: vec![Address::Udp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8125)))],
            workers: 1,
            receive_buffer: Some(8 * 1024 * 1024),
            max_line: 8 * 1024,
            max_connections: 1024,
            idle_timeout: None,
            mode: 0o660,
            owner: None,
            group: None,
        }
    }
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `listen`: the address of `/metrics`.
    pub listen: SocketAddr,
    /// `max_connections`: connections served at a time; a further one waits until one ends.
    pub max_connections: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9102)), max_connections: 64 }
    }
}

/// `[tags]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    /// `dialects`: the ways to write tags that are read; what the others write is part of the name.
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
    /// `naming`: what is added to a name that no rule gave.
    pub naming: Naming,
    /// `timer`: what `ms`, `h` and `d` lines become.
    pub timer: Timer,
    /// `buckets`: upper bounds of a histogram whose rule gives none; strictly rising, without `+Inf`.
    pub buckets: Vec<f64>,
    /// `quantiles`: those of a summary whose rule gives none; strictly rising, from 0 to 1.
    pub quantiles: Vec<f64>,
    /// `summary_window`: how far back the quantiles of a summary look, in seconds.
    pub summary_window: u32,
    /// `set_window`: how long a member of a set counts after it was seen, in seconds.
    pub set_window: u32,
    /// `service_checks`: whether service checks become gauges.
    pub service_checks: bool,
    /// `ttl`: how long a series stays without a line; `None` (`"0"` in the file) is for ever.
    pub ttl: Option<Duration>,
    /// `container_label`: whether the `c:` section of a line becomes the label `container_id`.
    pub container_label: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            naming: Naming::Prometheus,
            timer: Timer::Histogram,
            buckets: DEFAULT_BUCKETS.to_vec(),
            quantiles: vec![0.5, 0.9, 0.99],
            summary_window: 10 * 60,
            set_window: 60,
            service_checks: false,
            ttl: None,
            container_label: false,
        }
    }
}

/// `[defaults] naming`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `"prometheus"`: counters get `_total`, `ms` timers `_seconds`, where they lack it.
    Prometheus,
    /// `"verbatim"`: nothing is added; a run of dashes becomes one `_`.
    Verbatim,
}

/// `[defaults] timer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// `"histogram"`: cumulative buckets.
    Histogram,
    /// `"summary"`: quantiles over a window of time.
    Summary,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// `series`: how many series there may be at all.
    pub series: usize,
    /// `family_series`: how many series one name may have; `None` (`0` in the file) is no limit.
    pub family_series: Option<usize>,
    /// `tags`: how many tags one line may carry.
    pub tags: usize,
    /// `overflow`: what becomes of samples whose series would be over `series` or `family_series`.
    pub overflow: Overflow,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series: 100_000, family_series: None, tags: 64, overflow: Overflow::Reject }
    }
}

/// `[limits] overflow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// `"reject"`: they are rejected.
    Reject,
    /// `"collapse"`: they go to their family's one series labelled `overflow="true"`.
    Collapse,
}

/// One `[[metric]]`: a metric declared once.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRule {
    /// The names it is for. Its span stands for the rule in messages.
    pub pattern: RulePattern,
    /// `match_type`: the types of lines it is for, as lines write them; empty: any type.
    pub match_type: Vec<Spanned<String>>,
    /// `match_tags`: the tags that a line must have, each with a glob for its value.
    pub match_tags: Labels,
    /// `name`: the metric's name, or a template that gives it. `None`: made from the line's own name.
    pub name: Option<Spanned<String>>,
    /// `type`: what the metric is. `None`: whatever the line's type becomes.
    pub metric_type: Option<Spanned<MetricType>>,
    /// `help`: the text of `# HELP`.
    pub help: Option<Spanned<String>>,
    /// `unit`: the base unit, `"seconds"` or `"bytes"`, say.
    pub unit: Option<Spanned<String>>,
    /// `labels`: labels that the rule sets; values may be templates.
    pub labels: Labels,
    /// `tags`: which tags of a line become labels.
    pub tags: KeptTags,
    /// `rename_tags`: tags and the labels they become instead.
    pub rename_tags: Labels,
    /// `prefer`: who wins where a tag and the rule set one label.
    pub prefer: Prefer,
    /// `buckets`: upper bounds, strictly rising, without `+Inf`.
    pub buckets: Option<Spanned<Vec<f64>>>,
    /// `quantiles`: those of its summary, strictly rising, from 0 to 1.
    pub quantiles: Option<Spanned<Vec<f64>>>,
    /// `scale`: every value is multiplied by it; finite and not 0.
    pub scale: Option<Spanned<f64>>,
    /// `ttl`: how long a series stays without a line; zero is for ever. `None`: what `[defaults]` says.
    pub ttl: Option<Spanned<Duration>>,
    /// `drop`: samples that match are counted and forgotten.
    pub drop: bool,
    /// `init`: the label sets that exist at 0 before the first line.
    pub init: Vec<Spanned<Labels>>,
}

/// The names that a rule is for.
#[derive(Clone, Debug, PartialEq)]
pub enum RulePattern {
    /// `match`: a glob over the dotted name.
    Glob(Spanned<String>),
    /// `match_regex`: a regex over the whole name.
    Regex(Spanned<String>),
}

impl RulePattern {
    /// Its key in the file.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Glob(_) => "match",
            Self::Regex(_) => "match_regex",
        }
    }

    /// What is written there.
    pub fn text(&self) -> &str {
        let (Self::Glob(text) | Self::Regex(text)) = self;
        text.get_ref()
    }

    /// What is written there, in the quotes that it is best written in: a regex is full of `\\`.
    pub fn quoted(&self) -> String {
        match self {
            Self::Glob(text) => format!("{:?}", text.get_ref()),
            Self::Regex(text) => format!("'{}'", text.get_ref()),
        }
    }

    /// Where it is written.
    pub fn span(&self) -> Range<usize> {
        let (Self::Glob(text) | Self::Regex(text)) = self;
        text.span()
    }
}

/// The tags of a line that become labels, by the keys that the client gave them.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum KeptTags {
    /// All of them.
    #[default]
    All,
    /// None of them.
    None,
    /// `keep_tags`: these alone.
    Only(Vec<Spanned<String>>),
    /// `drop_tags`: all but these.
    AllBut(Vec<Spanned<String>>),
}

/// `[[metric]] prefer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// `"rule"`: the rule wins.
    #[default]
    Rule,
    /// `"tag"`: the tag wins.
    Tag,
}

/// `[[relay]]`: a target that lines are sent on to. Tables with one target stand for all that any of them says.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayConfig {
    /// `target`: where the lines go; UDP, TCP or a Unix socket for datagrams.
    pub target: Spanned<Address>,
    /// `match`: the names of the lines that go there; `None`: all lines.
    pub pattern: Option<RulePattern>,
}
