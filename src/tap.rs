//! What `GET /api/v1/tap` sends and `statsidecar tap` reads: a JSON value a line.

use serde::{Deserialize, Serialize};

/// The path and its query: `match`, a glob over names, and `rejected`, which shows rejected lines alone.
pub const PATH: &str = "/api/v1/tap";

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TapEvent {
    /// A line of a client: `{"line":{"listener":"udp://127.0.0.1:8125","text":"a:1|c"}}`.
    Line(TappedLine),
    /// `{"skipped":120}`: how many lines were not looked at in the last second, because more arrived than are shown.
    Skipped(u64),
}

/// A line of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TappedLine {
    /// The address of the listener.
    pub listener: String,
    /// Why it was rejected; only for rejected lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its beginning, 1,024 bytes at most and `...` if there are more.
    pub text: String,
}
