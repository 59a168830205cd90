//! What follows from a config file: a dashboard for Grafana, alert rules and scrape jobs for Prometheus, and METRICS.md.
//!
//! All of it is made from one [`Catalogue`]: the metrics that the rules declare, the `[[panel]]` and `[[alert]]` tables,
//! and the sidecar's own metrics. The functions are pure, and their output is the same for the same config, so that it
//! can be kept beside the config and compared.

mod alert;
mod alerts;
mod catalogue;
mod dashboard;
mod docs;
mod health;
mod needs;
mod own_alerts;
mod panel;
mod promql;
mod scrape;
mod yaml;

pub(crate) use alerts::alerts;
pub(crate) use catalogue::Catalogue;
pub(crate) use dashboard::dashboard;
pub(crate) use docs::docs;
pub(crate) use scrape::{pod_monitor, scrape_config};
