//! Buckets that are written in milliseconds, although the values are in seconds.

/// Whether buckets look like milliseconds: all of them are at least 10, or all are at least 1 and one is at least 1000.
///
/// A list with a round number of minutes or quarters of an hour is in seconds, as for a job that takes hours. So is one
/// that ends below 1000, if the author `says_seconds`.
pub(crate) fn looks_like_milliseconds(buckets: &[f64], says_seconds: bool) -> bool {
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return false };
    let is_large = *first >= 10.0 || (*first >= 1.0 && *last >= 1000.0);
    let is_long_time = buckets.iter().any(|bound| is_round_time(*bound));
    is_large && !is_long_time && (*last >= 1000.0 || !says_seconds)
}

/// Whether a number of seconds is a round time: 60, 1800 or 3600, but not 600 or 60000, which are round numbers too.
fn is_round_time(seconds: f64) -> bool {
    seconds >= 60.0 && seconds % 60.0 == 0.0 && (seconds % 100.0 != 0.0 || seconds % 900.0 == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_told_from_long_times() {
        for (buckets, plain, says_seconds) in [
            (&[100.0, 60_000.0][..], true, true),
            (&[1.0, 10.0, 100.0, 1000.0], true, true),
            (&[10.0, 50.0, 100.0], true, false),
            (&[60.0, 300.0, 900.0, 3600.0], false, false),
            (&[300.0, 600.0, 1800.0, 7200.0], false, false),
            (&[1.0, 5.0, 30.0, 60.0, 120.0, 3600.0], false, false),
            (&[50.0, 300.0, 600.0, 3000.0], true, true),
            (&[0.1, 1.0, 10.0, 60.0, 3600.0], false, false),
            (&[1.0, 10.0, 100.0], false, false),
            (&[0.5, 1000.0], false, false),
            (&[], false, false),
        ] {
            assert_eq!(looks_like_milliseconds(buckets, false), plain, "{buckets:?}");
            assert_eq!(looks_like_milliseconds(buckets, true), says_seconds, "{buckets:?} with a unit");
        }
    }
}
