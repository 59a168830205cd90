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
mod preset;
pub(crate) mod re2;
pub(crate) mod reader;
mod schema;
mod units;

pub use address::{Address, Framing, UnixName};
pub use diagnostic::{Diagnostic, Severity, render};
pub(crate) use diagnostic::{escape_hidden, quoted};
pub use dialect::{Dialect, Dialects};
pub use endpoint::Endpoint;
pub use http_address::HttpAddress;
pub(crate) use http_address::parse_http_address;
pub use load::load;
pub(crate) use load::{add_presets, load_onto};
pub use preset::Preset;
pub use schema::{
    Config, CounterValue, DEFAULT_BUCKETS, Defaults, Http, IntakeConfig, KeptTags, Labels, Limits, MetricRule, Naming,
    Negative, Overflow, Prefer, RelayConfig, RulePattern, Tags, Timer, TlsFiles,
};
pub use toml::Spanned;
pub(crate) use units::parse_mode;
