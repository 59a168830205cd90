//! A reload: the config is read again, and what has changed in it takes hold while everything else goes on. All of it or
//! nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::config_watch::ConfigWatch;
use super::error::Error;
use super::loops::SharedLoops;
use super::receivers::Receivers;
use super::service_manager::ServiceManager;
use super::{listeners, loops, protection};
use crate::config::{Config, Http, IntakeConfig};
use crate::forward::Relay;
use crate::http::{ReloadRequest, ReloadRequests, SharedProtection};
use crate::mapping::Rules;
use crate::pipeline::{Changes, Pipeline};

/// A config that is read, and the rules of it.
pub(crate) struct LoadedConfig {
    /// The settings, with what the command line has set.
    pub(crate) config: Config,
    /// Its rules.
    pub(crate) rules: Rules,
    /// The warnings, a line for each.
    pub(crate) warnings: String,
}

/// Where the config is from.
#[derive(Clone)]
pub(crate) struct ConfigSource {
    /// Reads it as the start did. The error has what is wrong with it.
    pub(crate) load: Arc<dyn Fn() -> Result<LoadedConfig, String> + Send + Sync>,
    /// The files that it is read from.
    pub(crate) files: Vec<PathBuf>,
}

/// What asks for reloads, beside HTTP.
#[derive(Default)]
pub(super) struct Triggers {
    /// SIGHUP; `None`: it is ignored, or is no business of this process.
    pub(super) hangup: Option<Signal>,
    pub(super) source: Option<ConfigSource>,
}

/// Reloads the config when something asks for it.
pub(super) struct Reloader {
    triggers: Triggers,
    requests: mpsc::UnboundedReceiver<ReloadRequest>,
    /// The config that holds, with host names.
    config: Config,
    watch: ConfigWatch,
}

/// What a reload changes.
pub(super) struct Running<'d> {
    pub(super) pipeline: &'d Arc<Pipeline>,
    pub(super) receivers: &'d Receivers,
    pub(super) relay: &'d Relay,
    pub(super) loops: &'d SharedLoops,
    pub(super) protection: &'d SharedProtection,
    pub(super) manager: &'d ServiceManager,
}

impl Reloader {
    /// Reloads that HTTP asks for by what is given beside it.
    pub(super) fn new(config: Config, triggers: Triggers) -> (Self, Option<ReloadRequests>) {
        let (ask, requests) = mpsc::unbounded_channel();
        let ask = triggers.source.is_some().then_some(ask);
        let files = triggers.source.as_ref().map(|source| source.files.clone());
        let watch = ConfigWatch::new(files.unwrap_or_default());
        (Self { triggers, requests, config, watch }, ask)
    }

    /// Reloads whenever something asks for it, for ever.
    pub(super) async fn run(&mut self, running: Running<'_>) {
        let Some(source) = self.triggers.source.clone() else { return std::future::pending().await };
        loop {
            let request = tokio::select! {
                () = hangup(&mut self.triggers.hangup) => None,
                Some(request) = self.requests.recv() => Some(request),
                () = self.watch.changed(), if self.config.reload.on_change => {
                    tracing::info!("the config has changed");
                    None
                }
            };
            let begun = Instant::now();
            running.manager.tell_reloading();
            let outcome = self.reload(&source, &running).await;
            running.manager.tell(&NotifyState::Ready);
            let failure = outcome.as_ref().err().map(String::as_str);
            running.pipeline.telemetry.reloads.ended(failure, running.pipeline.clock.uptime());
            let answer = outcome.map(|Reloaded { warnings, changes }| {
                log_changes(&changes, &warnings, begun.elapsed());
                format!(
                    "{warnings}The config is reloaded: {} series go on, {} start anew or are gone.\n",
                    changes.kept,
                    changes.ended.values().sum::<usize>()
                )
            });
            if let Err(why) = &answer {
                why.lines().for_each(|line| tracing::error!("{line}"));
                tracing::error!("the config is not reloaded, and nothing has changed");
            }
            request.into_iter().for_each(|request| request.answer(answer.clone()));
        }
    }

    async fn reload(&mut self, source: &ConfigSource, running: &Running<'_>) -> Result<Reloaded, String> {
        let load = Arc::clone(&source.load);
        let loaded = on_thread(move || load()).await??;
        let LoadedConfig { config, rules, warnings } = loaded;
        if let Some(fixed) = fixed_keys(&self.config, &config) {
            return Err(fixed);
        }
        let text = |error: Error| format!("{error}\n");
        let (resolved, addresses) = listeners::resolve(&config).await.map_err(text)?;
        let protection =
            protection::of(&config, &addresses, Some((&self.config.http, running.protection.get()))).map_err(text)?;
        let listeners = running.receivers.prepare(&resolved.intake, running.relay).map_err(text)?;
        let (filters, max_line) = (rules.relay_filters.clone(), resolved.intake.max_line);
        let loops = loops::check(&running.receivers.addresses(listeners.as_ref()), &filters).await.map_err(text)?;
        let started = running.relay.start(running.pipeline, &filters);
        started.map_err(|error| text(Error::System("start the relay", error)))?;
        let pipeline = Arc::clone(running.pipeline);
        let changes = on_thread(move || pipeline.reload(&resolved, rules)).await?;
        let changes = changes.map_err(|error| text(Error::Initial(error)))?;
        running.loops.set(loops);
        running.relay.retarget(&filters, max_line);
        if let Some(listeners) = listeners {
            running.receivers.change(listeners).await;
        }
        running.protection.set(protection);
        self.config = config;
        Ok(Reloaded { warnings, changes })
    }
}

/// A reload that is done.
struct Reloaded {
    warnings: String,
    changes: Changes,
}

/// Waits for SIGHUP.
async fn hangup(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// What `work` gives, which may take time that the thread of the runtime does not have.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let done = spawn_blocking(work).await;
    done.map_err(|_| "the reload has panicked, which is a bug of this program\n".to_owned())
}

/// A sentence about the keys that differ, and that only a start can change.
fn fixed_keys(old: &Config, new: &Config) -> Option<String> {
    // Every key is named, so that a new one is not forgotten here.
    let Config {
        intake,
        reload: _,
        http,
        state,
        relays: _,
        otlps,
        remote_writes,
        presets: _,
        tags: _,
        defaults: _,
        limits: _,
        labels: _,
        metrics: _,
        panels: _,
        alerts: _,
    } = new;
    let IntakeConfig {
        listen: _,
        workers,
        receive_buffer,
        gather,
        max_line: _,
        max_connections,
        idle_timeout,
        mode,
        owner,
        group,
        allow_uids,
    } = intake;
    let Http {
        listen: http_listen,
        max_connections: http_connections,
        admin: _,
        users: _,
        bearer_token_file: _,
        tls: _,
    } = http;
    let differs = [
        ("[intake] workers", *workers != old.intake.workers),
        ("[intake] receive_buffer", *receive_buffer != old.intake.receive_buffer),
        ("[intake] gather", *gather != old.intake.gather),
        ("[intake] max_connections", *max_connections != old.intake.max_connections),
        ("[intake] idle_timeout", *idle_timeout != old.intake.idle_timeout),
        ("[intake] mode", *mode != old.intake.mode),
        ("[intake] owner", *owner != old.intake.owner),
        ("[intake] group", *group != old.intake.group),
        ("[intake] allow_uids", *allow_uids != old.intake.allow_uids),
        ("[http] listen", *http_listen != old.http.listen),
        ("[http] max_connections", *http_connections != old.http.max_connections),
        ("[state]", *state != old.state),
        ("[[otlp]]", *otlps != old.otlps),
        ("[[remote_write]]", *remote_writes != old.remote_writes),
    ];
    let keys: Vec<_> = differs.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
    let all = keys.join(", ");
    (!keys.is_empty()).then(|| {
        format!("only a start can change {all}: restart the program, or put the old value back; nothing is reloaded until then\n")
    })
}

/// How many names a line of the log has.
const LOGGED_NAMES: usize = 20;

fn log_changes(Changes { kept, ended }: &Changes, warnings: &str, took: Duration) {
    warnings.lines().for_each(|warning| tracing::warn!("{warning}"));
    let milliseconds = took.as_millis();
    tracing::info!(series = kept, milliseconds, "the config is reloaded");
    if !ended.is_empty() {
        let names: Vec<&str> = ended.keys().take(LOGGED_NAMES).map(|name| &**name).collect();
        let more = ended.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (series, metrics) = (ended.values().sum::<usize>(), names.join(", ") + &more);
        tracing::info!(series, metrics, "these start anew with their next line: their rules have changed");
    }
}
