//! What the answer of a receiver means for the request.

use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

use super::connection::ReceiverAnswer;
use super::otlp;
use super::remote_write::WriteDialect;

/// The longest pause that a receiver can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// The longest text of a receiver that is shown, in characters.
const LONGEST_TEXT: usize = 300;

/// How many samples a receiver of remote write 2.0 says that it has stored.
const WRITTEN: &str = "x-prometheus-remote-write-samples-written";

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PushVerdict {
    /// The receiver has it.
    Sent,
    /// The receiver has so many of its samples, and will never take the others.
    Refused { taken: u64, why: String },
    /// It is sent again, after the time that the receiver asks for, if it does.
    Again { pause: Option<Duration>, why: String },
    /// The same, because the receiver has failed. If it fails for this request alone, that must not hold up all others.
    Failed { why: String },
    /// The receiver knows only remote write 1.0.
    Downgrade,
    /// The receiver takes no native histograms.
    WithoutNative,
}

/// How long a request is sent again for which the receiver fails.
const LONGEST_FAILURE: Duration = Duration::from_secs(5 * 60);

/// Since when the receiver has failed for the same request, if it does.
#[derive(Debug, Default)]
pub(super) struct PushPatience(Option<Instant>);

impl PushPatience {
    /// The verdict at `now`: a request for which the receiver has failed for long is refused, others are sent again.
    pub(super) fn judge(&mut self, verdict: PushVerdict, now: Instant) -> PushVerdict {
        let Self(since) = self;
        match verdict {
            PushVerdict::Failed { why } if now - *since.get_or_insert(now) < LONGEST_FAILURE => {
                PushVerdict::Again { pause: None, why }
            }
            PushVerdict::Failed { why } => {
                *since = None;
                PushVerdict::Refused { taken: 0, why }
            }
            PushVerdict::Again { .. } => verdict,
            other => {
                *since = None;
                other
            }
        }
    }
}

/// The verdict on a request of OTLP with so many points.
///
/// Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.
pub(super) fn of_otlp(answer: &ReceiverAnswer, samples: u64) -> PushVerdict {
    match answer.status {
        status if status.is_success() => match otlp::rejected(&answer.body) {
            Some((rejected, why)) if rejected > 0 => {
                PushVerdict::Refused { taken: samples.saturating_sub(rejected), why: shown(&why) }
            }
            _ => PushVerdict::Sent,
        },
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => again(answer),
        _ => PushVerdict::Refused { taken: 0, why: why(answer) },
    }
}

/// The verdict on a request of remote write in this dialect.
pub(super) fn of_remote_write(answer: &ReceiverAnswer, dialect: WriteDialect) -> PushVerdict {
    let is_version_2 = dialect != WriteDialect::Version1;
    let written = answer.headers.get(WRITTEN).and_then(|written| written.to_str().ok()?.trim().parse().ok());
    match answer.status {
        // A receiver of 1.0 that does not look at the type of the body finds nothing in it.
        status if status.is_success() && is_version_2 && written.is_none() => PushVerdict::Downgrade,
        status if status.is_success() => PushVerdict::Sent,
        StatusCode::UNSUPPORTED_MEDIA_TYPE if is_version_2 => PushVerdict::Downgrade,
        // Prometheus says so with 500, and takes nothing of the request.
        _ if dialect == WriteDialect::Version2 && says_native(&answer.body) => PushVerdict::WithoutNative,
        StatusCode::TOO_MANY_REQUESTS => again(answer),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => again(answer),
        status if status.is_server_error() => PushVerdict::Failed { why: why(answer) },
        _ => PushVerdict::Refused { taken: written.unwrap_or_default(), why: why(answer) },
    }
}

/// Whether the receiver complains of native histograms: "native histograms are disabled".
fn says_native(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).to_lowercase().contains("native histogram")
}

fn again(answer: &ReceiverAnswer) -> PushVerdict {
    PushVerdict::Again { pause: retry_after(&answer.headers, SystemTime::now()), why: why(answer) }
}

/// The pause that the receiver asks for: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// The status, and what the receiver says.
fn why(answer: &ReceiverAnswer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    match shown(&text) {
        empty if empty.is_empty() => answer.status.to_string(),
        text => format!("{}: {text}", answer.status),
    }
}

/// The printable characters of the beginning of a text.
fn shown(text: &str) -> String {
    let line = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> ReceiverAnswer {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| _ = map.insert(*name, value.parse().expect("a value")));
        let status = StatusCode::from_u16(status).expect("a status");
        ReceiverAnswer { status, headers: map, body: body.to_vec().into() }
    }

    fn refused(taken: u64, why: &str) -> PushVerdict {
        PushVerdict::Refused { taken, why: why.to_owned() }
    }

    fn failed(why: &str) -> PushVerdict {
        PushVerdict::Failed { why: why.to_owned() }
    }

    fn again_after(pause: Option<u64>, why: &str) -> PushVerdict {
        PushVerdict::Again { pause: pause.map(Duration::from_secs), why: why.to_owned() }
    }

    #[test]
    fn otlp_is_judged_as_its_specification_says() {
        // ExportMetricsServiceResponse { partial_success { rejected_data_points: 2, error_message: "old" } }.
        let partial = [0x0a, 7, 0x08, 2, 0x12, 3, b'o', b'l', b'd'];
        for (answer, verdict) in [
            (answer(200, &[], b""), PushVerdict::Sent),
            (answer(200, &[], &[0x0a, 0]), PushVerdict::Sent),
            (answer(200, &[], &[0x0a, 5, 0x12, 3, b'o', b'l', b'd']), PushVerdict::Sent),
            (answer(200, &[], &partial), refused(8, "old")),
            (answer(429, &[("retry-after", "7")], b""), again_after(Some(7), "429 Too Many Requests")),
            (answer(503, &[], b"not\nyet"), again_after(None, "503 Service Unavailable: not yet")),
            (answer(502, &[], b""), again_after(None, "502 Bad Gateway")),
            (answer(504, &[], b""), again_after(None, "504 Gateway Timeout")),
            (answer(500, &[], b""), refused(0, "500 Internal Server Error")),
            (answer(400, &[], b"bad"), refused(0, "400 Bad Request: bad")),
            (answer(301, &[], b""), refused(0, "301 Moved Permanently")),
        ] {
            assert_eq!(of_otlp(&answer, 10), verdict, "{answer:?}");
        }
    }

    #[test]
    fn remote_write_is_judged_as_its_specification_says() {
        let written = &[(WRITTEN, "3")][..];
        for (answer, of_2, of_1) in [
            (answer(204, written, b""), PushVerdict::Sent, PushVerdict::Sent),
            (answer(204, &[], b""), PushVerdict::Downgrade, PushVerdict::Sent),
            (answer(415, &[], b""), PushVerdict::Downgrade, refused(0, "415 Unsupported Media Type")),
            (answer(400, written, b"old"), refused(3, "400 Bad Request: old"), refused(3, "400 Bad Request: old")),
            (answer(500, &[], b""), failed("500 Internal Server Error"), failed("500 Internal Server Error")),
            (
                answer(503, &[], b""),
                again_after(None, "503 Service Unavailable"),
                again_after(None, "503 Service Unavailable"),
            ),
            (
                answer(429, &[("retry-after", "99999999")], b""),
                again_after(Some(600), "429 Too Many Requests"),
                again_after(Some(600), "429 Too Many Requests"),
            ),
        ] {
            assert_eq!(of_remote_write(&answer, WriteDialect::Version2), of_2, "{answer:?}");
            assert_eq!(of_remote_write(&answer, WriteDialect::Version1), of_1, "{answer:?}");
        }
    }

    #[test]
    fn a_receiver_may_take_no_native_histograms() {
        let answer = answer(500, &[], b"native histograms are disabled\n");
        assert_eq!(of_remote_write(&answer, WriteDialect::Version2), PushVerdict::WithoutNative);
        let why = "500 Internal Server Error: native histograms are disabled";
        assert_eq!(of_remote_write(&answer, WriteDialect::Version2WithoutNative), failed(why));
    }

    #[test]
    fn a_request_that_breaks_its_receiver_is_refused_in_the_end() {
        let (mut patience, start) = (PushPatience::default(), Instant::now());
        let mut at = |seconds, verdict| patience.judge(verdict, start + Duration::from_secs(seconds));
        assert_eq!(at(0, failed("500")), again_after(None, "500"));
        assert_eq!(at(200, again_after(None, "no answer")), again_after(None, "no answer"));
        assert_eq!(at(299, failed("500")), again_after(None, "500"));
        assert_eq!(at(300, failed("500")), refused(0, "500"));
        assert_eq!(at(301, failed("500")), again_after(None, "500"), "it is another request");
        assert_eq!(at(400, PushVerdict::Sent), PushVerdict::Sent);
        assert_eq!(at(900, failed("500")), again_after(None, "500"));
    }

    #[test]
    fn a_pause_may_be_a_date() {
        let now = httpdate::parse_http_date("Fri, 27 Nov 2026 06:00:00 GMT").expect("a date");
        let pause = |text| retry_after(&answer(503, &[("retry-after", text)], b"").headers, now);
        assert_eq!(pause("Fri, 27 Nov 2026 06:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(pause("Fri, 27 Nov 2026 05:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("soon"), None);
    }
}
