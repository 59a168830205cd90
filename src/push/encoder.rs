//! What both protocols have in common: points become requests.

use super::body::PushBody;
use super::otlp::OtlpEncoder;
use super::point::Point;
use super::queue::PushQueue;
use super::remote_write::RemoteWriteEncoder;
use super::round::PointSink;

/// Makes requests of one protocol.
pub(super) enum PushEncoder {
    Otlp(OtlpEncoder),
    RemoteWrite(RemoteWriteEncoder),
}

impl PushEncoder {
    fn add(&mut self, point: &Point<'_>) {
        match self {
            Self::Otlp(otlp) => otlp.add(point),
            Self::RemoteWrite(remote_write) => remote_write.add(point),
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Otlp(otlp) => otlp.is_full(),
            Self::RemoteWrite(remote_write) => remote_write.is_full(),
        }
    }

    fn take(&mut self) -> Option<PushBody> {
        match self {
            Self::Otlp(otlp) => otlp.take(),
            Self::RemoteWrite(remote_write) => remote_write.take(),
        }
    }
}

/// Queues requests as soon as they are full.
pub(super) struct QueueSink<'q> {
    pub(super) encoder: &'q mut PushEncoder,
    pub(super) queue: &'q PushQueue,
}

impl QueueSink<'_> {
    /// Queues the last request.
    pub(super) fn finish(&mut self) {
        self.encoder.take().into_iter().for_each(|body| self.queue.push(body));
    }
}

impl PointSink for QueueSink<'_> {
    fn add(&mut self, point: &Point<'_>) {
        self.encoder.add(point);
        if self.encoder.is_full() {
            self.finish();
        }
    }
}
