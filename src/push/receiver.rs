//! One receiver: what is encoded for it, and the task that sends it.

use std::io;
use std::time::{Duration, Instant};

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::backoff::PushBackoff;
use super::body::PushBody;
use super::connection::PushConnection;
use super::encoder::PushEncoder;
use super::otlp::OtlpEncoder;
use super::queue::PushQueue;
use super::remote_write::{self, RemoteWriteEncoder, WriteDialect};
use super::verdict::{self, PushPatience, PushVerdict};
use crate::config::{OtlpConfig, PushCompression, PushConfig, RemoteWriteConfig};
use crate::telemetry::PushSnapshot;

/// How long the log is silent about failures after a line.
const SILENCE: Duration = Duration::from_secs(60);

/// A receiver of the config.
pub(super) struct Receiver {
    /// Its URL without the query.
    name: String,
    protocol: &'static str,
    pub(super) interval: Duration,
    pub(super) queue: PushQueue,
    /// The task that sends has it.
    connection: Mutex<PushConnection>,
    /// Taken by the task that reads the series.
    pub(super) encoder: Mutex<PushEncoder>,
    /// Headers of OTLP; those of remote write depend on its version.
    headers: HeaderMap,
}

/// Whether the sidecar is to end, so that pauses are cut short.
pub(super) type Stopping = watch::Receiver<bool>;

impl Receiver {
    /// One of OTLP. `instance` names this sidecar.
    pub(super) fn otlp(otlp: &OtlpConfig, instance: &str) -> io::Result<Self> {
        let own = [("service.name", "statsidecar"), ("service.instance.id", instance)];
        let given = || otlp.resource.iter().map(|(key, value)| (key.get_ref().as_str(), value.get_ref().as_str()));
        let missing = own.into_iter().filter(|(key, _)| given().all(|(given, _)| given != *key));
        let is_gzip = otlp.compression == PushCompression::Gzip;
        let encoder = OtlpEncoder::new(given().chain(missing), is_gzip);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        if is_gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Self::new(&otlp.to, "otlp", PushEncoder::Otlp(encoder), headers)
    }

    /// One of remote write.
    pub(super) fn remote_write(remote_write: &RemoteWriteConfig, instance: &str) -> io::Result<Self> {
        let own = [("job", "statsidecar"), ("instance", instance)];
        let given =
            || remote_write.labels.iter().map(|(key, value)| (key.get_ref().as_str(), value.get_ref().as_str()));
        let missing = own.into_iter().filter(|(key, _)| given().all(|(given, _)| given != *key));
        // To Prometheus, a label without a value is none.
        let labels = given().chain(missing).filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let encoder = PushEncoder::RemoteWrite(RemoteWriteEncoder::new(labels));
        Self::new(&remote_write.to, "remote_write", encoder, HeaderMap::new())
    }

    fn new(to: &PushConfig, protocol: &'static str, encoder: PushEncoder, headers: HeaderMap) -> io::Result<Self> {
        Ok(Self {
            name: to.url.to_string(),
            protocol,
            interval: to.interval,
            queue: PushQueue::new(to.queue),
            connection: Mutex::new(PushConnection::new(to)?),
            encoder: Mutex::new(encoder),
            headers,
        })
    }

    /// What became of the samples for it.
    pub(super) fn snapshot(&self) -> PushSnapshot {
        let counts = self.queue.counts();
        PushSnapshot {
            target: self.name.clone(),
            protocol: self.protocol,
            samples: counts.samples,
            waiting: counts.waiting,
            requests: counts.requests,
            last_error: counts.last_error,
        }
    }

    /// Logs what is lost at the end.
    pub(super) fn give_up(&self) {
        let samples = self.queue.give_up();
        if samples > 0 {
            tracing::warn!(target = %self.name, samples, "samples were not pushed before the end");
        }
    }

    /// Sends what is queued, in order, until the queue is closed and empty.
    pub(super) async fn send_all(&self, mut stopping: Stopping) {
        let mut connection = self.connection.lock().await;
        let mut dialect = WriteDialect::default();
        let (mut backoff, mut log) = (PushBackoff::default(), PushLog::default());
        let mut patience = PushPatience::default();
        while let Some(body) = self.queue.first().await {
            let (verdict, left_out) = self.send(&mut connection, &body, dialect).await;
            let verdict = patience.judge(verdict, Instant::now());
            match verdict {
                PushVerdict::Sent => {
                    backoff.succeeded();
                    self.queue.done(body.samples - left_out, None);
                    log.sent(&self.name);
                }
                PushVerdict::Refused { taken, why } => {
                    backoff.succeeded();
                    self.queue.done(taken, Some(&why));
                    log.failed(&self.name, "the receiver refuses samples", &why);
                }
                PushVerdict::Failed { why } => self.queue.failed(&why), // `judge` gives none
                PushVerdict::Downgrade => {
                    dialect = WriteDialect::Version1;
                    tracing::info!(target = %self.name, "the receiver knows remote write 1.0 alone");
                }
                PushVerdict::WithoutNative => {
                    dialect = WriteDialect::Version2WithoutNative;
                    tracing::warn!(target = %self.name, "the receiver takes no native histograms; they are left out");
                }
                PushVerdict::Again { pause, why } => {
                    self.queue.failed(&why);
                    log.failed(&self.name, "cannot push; going on", &why);
                    self.pause(backoff.failed(pause), &mut stopping).await;
                }
            }
        }
    }

    /// Waits; the end cuts one pause short. Without a sender of the end there is none either.
    async fn pause(&self, pause: Duration, stopping: &mut Stopping) {
        let is_stopping = *stopping.borrow();
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop), if !is_stopping => {}
        }
    }

    /// Sends the request once. Gives how many of its samples were left out, too.
    async fn send(
        &self,
        connection: &mut PushConnection,
        body: &PushBody,
        dialect: WriteDialect,
    ) -> (PushVerdict, u64) {
        let again = |why| PushVerdict::Again { pause: None, why };
        if self.protocol == "otlp" {
            let answer = connection.post(&self.headers, &body.bytes).await;
            return (answer.map_or_else(again, |answer| verdict::of_otlp(&answer, body.samples)), 0);
        }
        let (bytes, left_out) = remote_write::in_dialect(&body.bytes, dialect);
        let headers = remote_write_headers(dialect != WriteDialect::Version1);
        let answer = connection.post(&headers, &bytes).await;
        (answer.map_or_else(again, |answer| verdict::of_remote_write(&answer, dialect)), left_out)
    }
}

/// The headers that tell the version.
fn remote_write_headers(is_version_2: bool) -> HeaderMap {
    let (content, version) = match is_version_2 {
        true => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        false => ("application/x-protobuf", "0.1.0"),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    let name = HeaderName::from_static("x-prometheus-remote-write-version");
    headers.insert(name, HeaderValue::from_static(version));
    headers
}

/// The log of one receiver: failures once a minute, and their end.
#[derive(Debug, Default)]
struct PushLog {
    logged: Option<Instant>,
    is_failing: bool,
}

impl PushLog {
    fn failed(&mut self, target: &str, what: &str, why: &str) {
        self.is_failing = true;
        if self.logged.is_none_or(|logged| logged.elapsed() >= SILENCE) {
            self.logged = Some(Instant::now());
            tracing::warn!(%target, %why, "{what}");
        }
    }

    fn sent(&mut self, target: &str) {
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(%target, "pushed again");
        }
    }
}
