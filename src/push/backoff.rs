//! How long to wait before a request is sent again.

use std::time::Duration;

/// The pause after the first failure, without its random part.
const SHORTEST: Duration = Duration::from_millis(250);

/// The pause after many of them.
const LONGEST: Duration = Duration::from_secs(30);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct PushBackoff {
    failures: u32,
}

impl PushBackoff {
    /// The pause after a further failure: it doubles each time, and from a half of it to all of it is chosen at random, so
    /// that many sidecars do not come back at once. The receiver may ask for a longer one.
    pub(super) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let whole = SHORTEST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures += 1;
        let pause = whole.mul_f64(0.5 + fastrand::f64() / 2.0);
        asked.map_or(pause, |asked| pause.max(asked))
    }

    /// A request was taken.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let mut backoff = PushBackoff::default();
        for whole in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let (pause, whole) = (backoff.failed(None), Duration::from_millis(whole));
            assert!((whole / 2..=whole).contains(&pause), "{pause:?} of {whole:?}");
        }
        assert_eq!(backoff.failed(Some(Duration::from_secs(60))), Duration::from_secs(60));
        backoff.succeeded();
        assert!(backoff.failed(Some(Duration::ZERO)) <= SHORTEST);
    }
}
