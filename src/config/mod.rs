//! The config file: its tables as structs with their defaults, and the errors in it, each with its place.
//!
//! This module knows the file and nothing else of the program. Names, globs and templates are checked where they are
//! compiled ([`crate::mapping::Rules::compile`]). That reports the same [`Diagnostic`]s, so one run of `check` shows
//! everything that is wrong with a file.

#![warn(clippy::indexing_slicing)]

mod address;
mod diagnostic;
mod dialect;
mod endpoint;
mod http_address;
mod load;
mod milliseconds;
mod monitoring;
mod preset;
mod push;
pub(crate) mod re2;
pub(crate) mod reader;
mod schema;
mod snippet;
mod units;

pub use address::{Address, Framing, UnixName};
pub use diagnostic::{Diagnostic, Severity, render};
pub(crate) use diagnostic::{escape_hidden, is_hidden, quoted};
pub use dialect::{Dialect, Dialects};
pub use endpoint::Endpoint;
pub use http_address::HttpAddress;
pub(crate) use http_address::parse_http_address;
pub use load::{Variable, load, load_in};
pub(crate) use load::{add_presets, load_onto};
pub(crate) use milliseconds::looks_like_milliseconds;
pub(crate) use monitoring::OWN_SUBSYSTEM;
pub use monitoring::{AlertConfig, Comparison, PanelConfig, PanelType, Urgency};
pub use preset::Preset;
pub use push::{
    BasicAuth, OtlpConfig, PushCompression, PushConfig, PushPairs, PushPassword, PushTls, PushUrl, RemoteWriteConfig,
};
pub use schema::{
    Config, CounterValue, DEFAULT_BUCKETS, Defaults, Http, IntakeConfig, KeptTags, Labels, Limits, MetricRule, Naming,
    Negative, Overflow, Prefer, RelayConfig, ReloadConfig, RulePattern, StateConfig, Tags, Timer, TlsFiles,
};
pub(crate) use snippet::render_underlined;
pub use toml::Spanned;
pub(crate) use units::{parse_folder, parse_mode};
