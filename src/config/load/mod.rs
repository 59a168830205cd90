//! The file's text as a [`Config`], with everything that is wrong with it in one go.
//!
//! The tables are walked by hand: serde would stop at the first error. A key that is wrong or missing leaves its
//! default, so that the rest can be judged; whether the result may be used is for the caller, who looks at the
//! diagnostics. Nothing here opens a file.

mod metric;
mod relay;
mod section;
mod syntax;
mod value;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use toml::de::DeTable;

use self::section::{Item, Problems, Section};
use self::syntax::Broken;
use self::value::{
    account, addresses, boolean, buckets, choice, choices, duration, labels, mode, quantiles, seconds, size, socket,
    whole,
};
use super::{Config, Defaults, Diagnostic, Dialect, Http, IntakeConfig, Limits, Naming, Overflow, Tags, Timer};

/// What the file may take of the stack. Dotted keys within nested tables make some 6,500 levels, and the TOML reader
/// drops them by recursion: at about 1 KiB a level in a debug build, that is more than a thread has by default.
const STACK: usize = 32 * 1024 * 1024;

/// Reads a file's text; never fails, and names everything that is wrong in the diagnostics.
///
/// The config may be used if none of them is an error.
pub fn load(source: &str) -> (Config, Vec<Diagnostic>) {
    let read = thread::scope(|scope| {
        let reader = thread::Builder::new().name("config".to_owned()).stack_size(STACK);
        let reader =
            reader.spawn_scoped(scope, || read(source)).map_err(|error| format!("no thread for it: {error}"))?;
        reader.join().map_err(|_| "its reader panicked, which is a bug".to_owned())
    });
    read.unwrap_or_else(|why| {
        (Config::default(), vec![Diagnostic::error(0..0, format!("the file cannot be read: {why}"))])
    })
}

fn read(source: &str) -> (Config, Vec<Diagnostic>) {
    let (mut table, mut errors) = DeTable::parse_recoverable(source);
    let mended = syntax::mended(source, &errors);
    if let Cow::Owned(mended) = &mended {
        let (rest, more) = DeTable::parse_recoverable(mended);
        table = rest;
        syntax::add_new(&mut errors, more);
    }
    let problems = Problems::new(syntax::diagnostics(source, &errors), Broken::new(&errors));
    let config = config(Section::top(table.get_ref(), &problems), source);
    (config, problems.into_found())
}

fn config(mut top: Section<'_>, source: &str) -> Config {
    let http = top.read("http", http).unwrap_or_default();
    let intake = top.read("intake", |item| intake(item, http.listen)).unwrap_or_default();
    let config = Config {
        http,
        tags: top.read("tags", tags).unwrap_or_default(),
        labels: top.read("labels", labels).unwrap_or_default(),
        defaults: top.read("defaults", defaults).unwrap_or_default(),
        limits: top.read("limits", limits).unwrap_or_default(),
        metrics: top.read("metric", |item| metric::rules(item, source)).unwrap_or_default(),
        relays: top.read("relay", |item| relay::relays(item, source, &intake.listen)).unwrap_or_default(),
        intake,
    };
    top.finish();
    config
}

/// The longest window, in seconds.
const WEEK: u32 = 7 * 24 * 60 * 60;

const AT_LEAST_1: &str = "a whole number, at least 1";

fn intake(item: Item<'_>, page: SocketAddr) -> Option<IntakeConfig> {
    let mut section = item.section("[intake]")?;
    let default = IntakeConfig::default();
    let receive_buffer = size(0..=1 << 30, "a size of at most 1GiB, such as \"8MiB\"");
    let max_line = size(16..=64 * 1024, "a size from \"16B\" to \"64KiB\"");
    let max_connections = whole(1..=usize::MAX, AT_LEAST_1);
    let intake = IntakeConfig {
        listen: section.read("listen", |item| addresses(item, page)).unwrap_or(default.listen),
        workers: section.read("workers", whole(1..=64, "a whole number from 1 to 64")).unwrap_or(default.workers),
        receive_buffer: section.read("receive_buffer", receive_buffer).map_or(default.receive_buffer, unless_0),
        max_line: section.read("max_line", max_line).unwrap_or(default.max_line),
        max_connections: section.read("max_connections", max_connections).unwrap_or(default.max_connections),
        idle_timeout: section.read("idle_timeout", duration).map_or(default.idle_timeout, unless_off),
        mode: section.read("mode", mode).unwrap_or(default.mode),
        owner: section.read("owner", account("a user's name or number")),
        group: section.read("group", account("a group's name or number")),
    };
    section.finish();
    Some(intake)
}

fn http(item: Item<'_>) -> Option<Http> {
    let mut section = item.section("[http]")?;
    let default = Http::default();
    let max_connections = whole(1..=usize::MAX, AT_LEAST_1);
    let http = Http {
        listen: section.read("listen", socket).unwrap_or(default.listen),
        max_connections: section.read("max_connections", max_connections).unwrap_or(default.max_connections),
    };
    section.finish();
    Some(http)
}

fn tags(item: Item<'_>) -> Option<Tags> {
    let mut section = item.section("[tags]")?;
    let default = Tags::default();
    let dialects = choices("a dialect", Dialect::ALL.map(|dialect| (dialect.as_str(), dialect)));
    let dialects =
        section.read("dialects", dialects).map_or(default.dialects, |dialects| dialects.into_iter().collect());
    section.finish();
    Some(Tags { dialects })
}

fn defaults(item: Item<'_>) -> Option<Defaults> {
    let mut section = item.section("[defaults]")?;
    let default = Defaults::default();
    let naming = choice(&[("prometheus", Naming::Prometheus), ("verbatim", Naming::Verbatim)]);
    let timer = choice(&[("histogram", Timer::Histogram), ("summary", Timer::Summary)]);
    let window = || seconds(1..=WEEK, "a duration from \"1s\" to \"7d\"");
    let defaults = Defaults {
        naming: section.read("naming", naming).unwrap_or(default.naming),
        timer: section.read("timer", timer).unwrap_or(default.timer),
        buckets: section.read("buckets", buckets).unwrap_or(default.buckets),
        quantiles: section.read("quantiles", quantiles).unwrap_or(default.quantiles),
        summary_window: section.read("summary_window", window()).unwrap_or(default.summary_window),
        set_window: section.read("set_window", window()).unwrap_or(default.set_window),
        service_checks: section.read("service_checks", boolean).unwrap_or(default.service_checks),
        ttl: section.read("ttl", duration).map_or(default.ttl, unless_off),
        container_label: section.read("container_label", boolean).unwrap_or(default.container_label),
    };
    section.finish();
    Some(defaults)
}

fn limits(item: Item<'_>) -> Option<Limits> {
    let mut section = item.section("[limits]")?;
    let default = Limits::default();
    let (series, tags) = (whole(1..=usize::MAX, AT_LEAST_1), whole(1..=usize::MAX, AT_LEAST_1));
    let family_series = whole(0..=usize::MAX, "a whole number, or 0 for no limit");
    let overflow = choice(&[("reject", Overflow::Reject), ("collapse", Overflow::Collapse)]);
    let limits = Limits {
        series: section.read("series", series).unwrap_or(default.series),
        family_series: section.read("family_series", family_series).map_or(default.family_series, unless_0),
        tags: section.read("tags", tags).unwrap_or(default.tags),
        overflow: section.read("overflow", overflow).unwrap_or(default.overflow),
    };
    section.finish();
    Some(limits)
}

/// `0` in the file stands for no limit.
fn unless_off(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

/// `0` in the file stands for none.
fn unless_0(value: usize) -> Option<usize> {
    (value != 0).then_some(value)
}
