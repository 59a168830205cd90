//! Families and series in the format that a client asked for.

use super::exposures::Exposure;
use super::protobuf_writer::{ProtobufWriter, StartTimes};
use super::text_writer::TextWriter;
use crate::expose::{Format, Syntax};
use crate::registry::{Family, Series};
use crate::telemetry::OwnFamily;

/// Writes families and series, one after the other.
#[expect(clippy::large_enum_variant, reason = "there is one for each exposition, and it is not moved")]
pub(super) enum SeriesWriter {
    Text(TextWriter),
    Protobuf(ProtobufWriter),
}

/// How many series of a long message are written before others get their turn: about a piece.
const AT_ONCE: usize = 512;

impl SeriesWriter {
    /// A writer of pieces of about this length.
    pub(super) fn new(format: Format, now: u32, starts: Option<StartTimes>, piece: usize) -> Self {
        match format.syntax {
            Syntax::Protobuf => Self::Protobuf(ProtobufWriter::new(now, starts, piece)),
            _ => Self::Text(TextWriter::new(format, now)),
        }
    }

    /// Another one that goes on where this one is.
    pub(super) fn fork(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.fork()),
            Self::Protobuf(protobuf) => Self::Protobuf(protobuf.clone()),
        }
    }

    /// How many series may be written until a piece is due, even if it is not full.
    pub(super) fn at_once(&self) -> usize {
        if matches!(self, Self::Text(_)) { usize::MAX } else { AT_ONCE }
    }

    /// Adds what has to come next, up to the length of a piece; gives whether something else may follow.
    pub(super) fn pour(&mut self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Protobuf(protobuf) => protobuf.pour(out),
        }
    }

    /// Begins a family.
    pub(super) fn enter(&mut self, out: &mut Vec<u8>, family: &Family, exposure: Option<&Exposure>) {
        match self {
            Self::Text(text) => text.enter(out, family, exposure),
            Self::Protobuf(protobuf) => protobuf.enter(family, exposure),
        }
    }

    #[inline]
    pub(super) fn series(&mut self, out: &mut Vec<u8>, series: &Series) {
        match self {
            Self::Text(text) => text.series(out, series),
            Self::Protobuf(protobuf) => protobuf.series(series),
        }
    }

    /// Ends the family that was begun, if any; gives whether something of it has to be poured first.
    pub(super) fn leave(&mut self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Protobuf(protobuf) => protobuf.leave(out),
        }
    }

    /// One of the sidecar's own metrics, with those constant labels that it has not itself.
    pub(super) fn own(
        &mut self,
        family: &OwnFamily,
        constants: &[(String, String)],
        exposure: Option<&Exposure>,
    ) -> Vec<u8> {
        match self {
            Self::Text(text) => text.own(family, constants, exposure),
            Self::Protobuf(protobuf) => protobuf.own(family, constants, exposure),
        }
    }

    /// Ends the exposition.
    pub(super) fn end(&self, out: &mut Vec<u8>) {
        if let Self::Text(text) = self {
            text.end(out);
        }
    }
}
