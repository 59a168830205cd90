//! What to do when an error comes again and again: wait longer each time, and log it once a minute.

use std::time::{Duration, Instant};

/// The pause after the first of several errors in a row.
const SHORTEST: Duration = Duration::from_millis(10);

/// The pause after many of them.
const LONGEST: Duration = Duration::from_secs(1);

/// How long the log is silent about errors after one line.
const SILENCE: Duration = Duration::from_secs(60);

/// Errors in a row of one operation, such as to accept connections.
#[derive(Debug)]
pub struct Retries {
    pause: Duration,
    logged: Option<Instant>,
    /// Errors since the last line in the log.
    unlogged: u64,
}

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextTry {
    /// How long to wait before the next try.
    pub pause: Duration,
    /// Whether to log the error, and then how many errors were not logged since the last time.
    pub log: Option<u64>,
}

impl Retries {
    /// No errors yet.
    pub const fn new() -> Self {
        Self { pause: SHORTEST, logged: None, unlogged: 0 }
    }

    /// The operation failed at `now`.
    pub fn failed(&mut self, now: Instant) -> NextTry {
        let pause = self.pause;
        self.pause = (self.pause * 2).min(LONGEST);
        if self.logged.is_some_and(|logged| now.duration_since(logged) < SILENCE) {
            self.unlogged += 1;
            return NextTry { pause, log: None };
        }
        self.logged = Some(now);
        NextTry { pause, log: Some(std::mem::take(&mut self.unlogged)) }
    }

    /// The operation succeeded, so the next error is the first in a row. The log stays silent all the same.
    #[inline]
    pub fn succeeded(&mut self) {
        self.pause = SHORTEST;
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_the_log_has_a_line_a_minute() {
        let (mut retries, start) = (Retries::new(), Instant::now());
        let (mut now, mut logged) = (start, Vec::new());
        while now < start + SILENCE * 3 {
            let NextTry { pause, log } = retries.failed(now);
            assert!((SHORTEST..=LONGEST).contains(&pause), "{pause:?}");
            logged.extend(log);
            now += pause;
        }
        assert_eq!(logged.len(), 3, "{logged:?}");
        assert_eq!(logged[0], 0);
        assert!(logged[1] > 55 && logged[1] < 70, "{logged:?}");
        retries.succeeded();
        assert_eq!(retries.failed(now + SILENCE).pause, SHORTEST);
    }
}
