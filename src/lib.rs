//! StatsD in, Prometheus out.

pub mod command;
pub mod config;
pub mod daemon;
pub mod expose;
pub mod http;
pub mod intake;
pub mod mapping;
pub mod metric;
pub mod parse;
pub mod pipeline;
pub mod registry;
pub mod reject;
pub mod telemetry;
