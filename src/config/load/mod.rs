//! Reads the text of a config file, and reports everything that is wrong with it at once.
//!
//! The tables are walked by hand, because serde would stop at the first error. A key that is wrong or missing keeps its
//! default, so that the rest of the file can be checked. The caller must not use the config if there is an error among
//! the diagnostics. Nothing here opens a file.

mod environment;
mod metric;
mod monitoring;
mod otel;
mod push;
mod relay;
mod syntax;
mod users;
mod value;
mod variable;

use std::borrow::Cow;
use std::thread;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use self::environment::Variable;
use self::syntax::{TomlSetting, TomlTable, table};
use self::users::users;
use self::value::{
    account, accounts, addresses, buckets, constant_labels, dialects, duration, gather, http_address, mode, native,
    presets, quantiles, require_buckets, size, whole, window,
};
use super::diagnostic::Diagnostic;
use super::http_address::HttpAddress;
use super::milliseconds::looks_like_milliseconds;
use super::preset::Preset;
use super::reader::{Problems, Setting, boolean, spanned, text_not_empty, word};
use super::schema::{
    Config, Defaults, Http, IntakeConfig, Limits, MetricRule, ReloadConfig, StateConfig, Tags, TlsFiles,
};
use super::units::parse_folder;

/// The stack of the thread that parses. Dotted keys in nested tables can make about 6,500 levels, and the parser drops
/// them by recursion. At about 1 KiB a level in a debug build, this exceeds the default stack of a thread.
const STACK: usize = 32 * 1024 * 1024;

/// Reads the text of a config file, with no environment variables. The config may be used if none of the diagnostics is
/// an error.
pub fn load(source: &str) -> (Config, Vec<Diagnostic>) {
    load_in(source, &|_| None)
}

/// The same with the environment variables that `variable` gives.
pub fn load_in(source: &str, variable: &Variable<'_>) -> (Config, Vec<Diagnostic>) {
    let (mut config, diagnostics) = load_onto(source, Config::default(), variable);
    let presets = config.presets.as_ref().map(|presets| presets.get_ref().clone());
    add_presets(&mut config, &presets.unwrap_or_default());
    (config, diagnostics)
}

/// Adds the rules of presets behind all others.
pub(crate) fn add_presets(config: &mut Config, names: &[&'static str]) {
    config.metrics.extend(names.iter().filter_map(|name| Preset::find(name)).flat_map(preset_rules));
}

/// The same with the settings of `base` where the text has none, and without the rules of presets. The rules and the relays
/// of `base` follow those of the text.
pub(crate) fn load_onto(source: &str, base: Config, variable: &Variable<'_>) -> (Config, Vec<Diagnostic>) {
    let read = thread::scope(|scope| {
        let reader = thread::Builder::new().name("config".to_owned()).stack_size(STACK);
        let reader = reader
            .spawn_scoped(scope, || read(source, base, variable))
            .map_err(|error| format!("no thread can be started: {error}"))?;
        reader.join().map_err(|_| "its reader panicked, which is a bug of this program".to_owned())
    });
    read.unwrap_or_else(|why| {
        (Config::default(), vec![Diagnostic::error(0..0, format!("the file cannot be read: {why}"))])
    })
}

fn read(source: &str, base: Config, variable: &Variable<'_>) -> (Config, Vec<Diagnostic>) {
    let (mut table, mut errors) = DeTable::parse_recoverable(source);
    let mended = syntax::mended(source, &errors);
    if let Cow::Owned(mended) = &mended {
        let (rest, more) = DeTable::parse_recoverable(mended);
        table = rest;
        syntax::add_new(&mut errors, more);
    }
    let problems = Problems::new(syntax::diagnostics(source, &errors), usize::MAX);
    let mut root = Spanned::new(0..source.len(), DeValue::Table(table.into_inner()));
    let listed = environment::expand(&mut root, variable, &problems);
    variable::warn("", &root, &listed, &problems);
    let top = Setting::new("a config file", &root, &problems).table("at the top of the file", "a table");
    let config = top.map(|top| config(top, source, base, variable)).unwrap_or_default();
    (config, problems.into_found())
}

fn config(mut top: TomlTable<'_>, source: &str, base: Config, variable: &Variable<'_>) -> Config {
    let Config { metrics, relays, .. } = base.clone();
    let mut config = Config { metrics: Vec::new(), relays: Vec::new(), ..base.clone() };
    top.set("http", &mut config.http, |setting| http(setting, base.http));
    top.set("intake", &mut config.intake, |setting| intake(setting, &config.http.listen, base.intake));
    top.set("tags", &mut config.tags, |setting| tags(setting, base.tags));
    top.set("labels", &mut config.labels, constant_labels);
    top.set("defaults", &mut config.defaults, |setting| defaults(setting, base.defaults));
    top.set("limits", &mut config.limits, |setting| limits(setting, base.limits));
    top.set("state", &mut config.state, |setting| state(setting, base.state));
    top.set("reload", &mut config.reload, |setting| reload(setting, base.reload));
    top.set("metric", &mut config.metrics, |setting| metric::rules(setting, source));
    config.presets = top.read("presets", spanned(presets));
    top.set("relay", &mut config.relays, |setting| relay::relays(setting, source, &config.intake.listen));
    top.set("otlp", &mut config.otlps, |setting| push::otlps(setting, source, variable));
    top.set("remote_write", &mut config.remote_writes, |setting| push::remote_writes(setting, source));
    top.set("panel", &mut config.panels, |setting| monitoring::panels(setting, source));
    top.set("alert", &mut config.alerts, |setting| monitoring::alerts(setting, source));
    // Its variables have replaced their references by now.
    top.read("environment", |_| Some(()));
    top.finish();
    config.metrics.extend(metrics);
    config.relays.extend(relays);
    config
}

/// The rules of a preset. They know the preset, because their places are not in the file of the user.
fn preset_rules(preset: &'static Preset) -> Vec<MetricRule> {
    let (config, _) = load_onto(preset.text, Config::default(), &|_| None);
    config.metrics.into_iter().map(|rule| MetricRule { preset: Some(preset.name), ..rule }).collect()
}

fn intake(setting: &TomlSetting<'_>, http: &HttpAddress, mut intake: IntakeConfig) -> Option<IntakeConfig> {
    let mut table = table(setting, "[intake]")?;
    let receive_buffer = size(0..=1 << 30, "a size of at most 1GiB, such as \"8MiB\"");
    let max_line = size(16..=64 * 1024, "a size from \"16B\" to \"64KiB\"");
    table.set("listen", &mut intake.listen, |setting| addresses(setting, http));
    table.set("workers", &mut intake.workers, whole(1..=64, "a whole number from 1 to 64"));
    table.set("receive_buffer", &mut intake.receive_buffer, |setting| receive_buffer(setting).map(unless_0));
    table.set("gather", &mut intake.gather, gather);
    table.set("max_line", &mut intake.max_line, max_line);
    table.set("max_connections", &mut intake.max_connections, at_least_1());
    table.set("idle_timeout", &mut intake.idle_timeout, |setting| duration(setting).map(unless_0));
    table.set("mode", &mut intake.mode, mode);
    intake.owner = table.read("owner", account("a user's name or number"));
    intake.group = table.read("group", account("a group's name or number"));
    intake.allow_uids = table.read("allow_uids", accounts);
    table.finish();
    Some(intake)
}

fn http(setting: &TomlSetting<'_>, mut http: Http) -> Option<Http> {
    let mut table = table(setting, "[http]")?;
    table.set("listen", &mut http.listen, http_address);
    table.set("max_connections", &mut http.max_connections, at_least_1());
    http.admin = table.read("admin", boolean).or(http.admin);
    table.set("users", &mut http.users, users);
    http.bearer_token_file = table.read("bearer_token_file", text_not_empty).or(http.bearer_token_file);
    let files = [table.read("tls_cert", text_not_empty), table.read("tls_key", text_not_empty)];
    if let [Some(certificate), Some(key)] = files {
        http.tls = Some(TlsFiles { certificate, key });
    }
    if table.has("tls_cert") != table.has("tls_key") {
        table.require("tls_cert", "name the file of the certificate that `tls_key` belongs to");
        table.require("tls_key", "name the file of the key that `tls_cert` belongs to");
    }
    table.finish();
    Some(http)
}

fn tags(setting: &TomlSetting<'_>, mut tags: Tags) -> Option<Tags> {
    let mut table = table(setting, "[tags]")?;
    table.set("dialects", &mut tags.dialects, dialects);
    table.finish();
    Some(tags)
}

fn defaults(setting: &TomlSetting<'_>, mut defaults: Defaults) -> Option<Defaults> {
    let mut table = table(setting, "[defaults]")?;
    table.set("naming", &mut defaults.naming, word);
    table.set("negative", &mut defaults.negative, word);
    table.set("timer", &mut defaults.timer, word);
    table.set("buckets", &mut defaults.buckets, buckets_of_all);
    table.set("quantiles", &mut defaults.quantiles, quantiles);
    table.set("native", &mut defaults.native, native);
    require_buckets(&table, Some(&defaults.buckets), defaults.native);
    table.set("summary_window", &mut defaults.summary_window, window);
    table.set("set_window", &mut defaults.set_window, window);
    table.set("service_checks", &mut defaults.service_checks, boolean);
    table.set("ttl", &mut defaults.ttl, |setting| duration(setting).map(unless_0));
    table.set("container_label", &mut defaults.container_label, boolean);
    table.finish();
    Some(defaults)
}

/// The buckets of every histogram whose rule has none. Only `ms` lines are sure to be in seconds, and nearly all timers
/// are such lines.
fn buckets_of_all(setting: &TomlSetting<'_>) -> Option<Vec<f64>> {
    let buckets = buckets(setting)?;
    if let [first, .., last] = buckets.as_slice()
        && looks_like_milliseconds(&buckets, true)
    {
        let message = format!(
            "\"buckets\" from {first} to {last} look like milliseconds, but ms lines become seconds: write {} to {}, and give \
             other histograms buckets in their rules",
            first / 1000.0,
            last / 1000.0
        );
        setting.problems.warning(setting.value.span(), message);
    }
    Some(buckets)
}

fn limits(setting: &TomlSetting<'_>, mut limits: Limits) -> Option<Limits> {
    let mut table = table(setting, "[limits]")?;
    let family_series = whole(0..=usize::MAX, "a whole number, or 0 for no limit");
    let memory = size(0..=usize::MAX >> 1, "a size, such as \"256MiB\", or 0 for no limit");
    let length = || whole(1..=64 << 10, "a whole number from 1 to 65536");
    table.set("memory", &mut limits.memory, |setting| memory(setting).map(unless_0));
    table.set("series", &mut limits.series, at_least_1());
    table.set("family_series", &mut limits.family_series, |setting| family_series(setting).map(unless_0));
    table.set("label_value", &mut limits.label_value, length());
    table.set("series_length", &mut limits.series_length, length());
    table.set("tags", &mut limits.tags, at_least_1());
    table.set("overflow", &mut limits.overflow, word);
    table.finish();
    Some(limits)
}

fn reload(setting: &TomlSetting<'_>, mut reload: ReloadConfig) -> Option<ReloadConfig> {
    let mut table = table(setting, "[reload]")?;
    table.set("on_change", &mut reload.on_change, boolean);
    table.finish();
    Some(reload)
}

fn state(setting: &TomlSetting<'_>, mut state: StateConfig) -> Option<StateConfig> {
    let mut table = table(setting, "[state]")?;
    state.path = table.read("path", spanned(folder)).or(state.path);
    state.arena = table.read("arena", spanned(folder)).or(state.arena);
    table.set("interval", &mut state.interval, interval);
    if table.has("arena") || table.has("interval") {
        table.require("path", "name the folder, on a disk, for what shall outlive the process");
    }
    table.finish();
    Some(state)
}

/// A folder by its whole path.
fn folder(setting: &TomlSetting<'_>) -> Option<String> {
    let folder = parse_folder(&text_not_empty(setting)?);
    folder.inspect_err(|message| setting.problems.error(setting.value.span(), message.as_str())).ok()
}

/// The time between two snapshots: at least a second, so that they do not follow each other without a pause.
fn interval(setting: &TomlSetting<'_>) -> Option<Duration> {
    let interval = duration(setting)?;
    if interval < Duration::from_secs(1) {
        setting
            .problems
            .error(setting.value.span(), "a snapshot is written at most once a second: write \"1s\" or more");
        return None;
    }
    Some(interval)
}

fn at_least_1() -> impl Fn(&TomlSetting<'_>) -> Option<usize> {
    whole(1..=usize::MAX, "a whole number, at least 1")
}

/// `0` or `"0"` in the file is no limit.
fn unless_0<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}
