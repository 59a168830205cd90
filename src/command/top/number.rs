//! Numbers as people read them.

/// With a comma between each three digits: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, with a decimal place if it is small.
pub(super) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 { format!("{per_second:.1}") } else { grouped(per_second.round() as u64) }
}

/// A count of bytes in the largest binary unit that gives at least 1.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut amount, mut unit) = (number as f64 / 1024.0, 0);
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    let text = format!("{amount:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

/// A time in its two largest units: `45s`, `3m 20s`, `2d 4h`.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// The share of `limit` that is used, in percent, rounded down.
pub(super) fn percent(used: u64, limit: u64) -> u64 {
    if limit == 0 { 100 } else { (u128::from(used) * 100 / u128::from(limit)) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.04, 9.94, 9.96, 1234.5].map(rate), ["0", "0.0", "9.9", "10", "1,235"]);
        assert_eq!([1023, 1024, 1536, 268_435_456].map(bytes), ["1023 B", "1 KiB", "1.5 KiB", "256 MiB"]);
        assert_eq!(bytes((1 << 30) - 1), "1 GiB", "never 1024 MiB");
        assert_eq!([59, 200, 3660, 187_200].map(duration), ["59s", "3m 20s", "1h 1m", "2d 4h"]);
        assert_eq!([percent(1, 3), percent(7, 0), percent(u64::MAX, u64::MAX)], [33, 100, 100]);
    }
}
