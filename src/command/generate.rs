//! `statsidecar generate`: writes what follows from a config file.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config_file::{Loaded, Sources, StateFolder};
use super::output::{WRONG, print};
use super::report::Report;
use crate::generate::{Catalogue, alerts, dashboard, docs, pod_monitor, scrape_config};

/// Make a dashboard, alert rules, docs or a scrape job from a config file, on the standard output
#[derive(Args, Debug)]
pub(super) struct Generate {
    #[command(subcommand)]
    product: Product,
}

#[derive(Debug, Subcommand)]
enum Product {
    /// A dashboard for Grafana (JSON)
    Dashboard {
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        state: StateFolder,
        /// Its title, which is also its identity: an import replaces the dashboard of the same title
        #[arg(long, default_value = "StatsD metrics")]
        title: String,
    },
    /// Alert rules for Prometheus (YAML)
    Alerts {
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        state: StateFolder,
    },
    /// METRICS.md: what each metric means, how to query it, and what to do when it moves
    Docs {
        #[command(flatten)]
        sources: Sources,
        /// Its title
        #[arg(long, default_value = "Metrics")]
        title: String,
    },
    /// A scrape job for Prometheus (YAML)
    Prometheus {
        #[command(flatten)]
        sources: Sources,
        /// The name of the job, and with --pod-monitor the label `app` of the pods
        #[arg(long, default_value = "statsidecar")]
        job: String,
        /// Write a PodMonitor for the Prometheus operator of Kubernetes
        #[arg(long)]
        pod_monitor: bool,
    },
}

impl Generate {
    pub(super) fn run(self) -> ExitCode {
        let none = StateFolder::default();
        let made = match &self.product {
            Product::Dashboard { sources, state, title } => {
                from(sources, state, |catalogue| Ok(dashboard(catalogue, title)))
            }
            Product::Alerts { sources, state } => from(sources, state, |catalogue| Ok(alerts(catalogue))),
            Product::Docs { sources, title } => from(sources, &none, |catalogue| Ok(docs(catalogue, title))),
            Product::Prometheus { sources, job, pod_monitor: true } => {
                from(sources, &none, |catalogue| pod_monitor(catalogue.config, job))
            }
            Product::Prometheus { sources, job, pod_monitor: false } => {
                from(sources, &none, |catalogue| scrape_config(catalogue.config, job))
            }
        };
        match made {
            Ok((text, warnings)) => {
                let code = warnings.fail(0);
                print(&text).err().unwrap_or(code)
            }
            Err(report) => report.fail(WRONG),
        }
    }
}

/// What `make` makes of the files, and the warnings; or the errors.
fn from(
    sources: &Sources,
    state: &StateFolder,
    make: impl FnOnce(&Catalogue<'_>) -> Result<String, String>,
) -> Result<(String, Report), Report> {
    let Loaded { mut config, rules, report } = sources.load()?;
    state.set(&mut config);
    let catalogue = Catalogue::new(&config, &rules);
    let text = make(&catalogue).map_err(|error| Report::remark(format!("{error}\n")))?;
    let left_out = catalogue.left_out.iter().map(|why| Report::remark(format!("{why}\n")));
    Ok((text, left_out.fold(report, Report::and)))
}
