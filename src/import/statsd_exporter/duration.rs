//! Durations as Go writes them.

use std::time::Duration;

use super::yaml::YamlSetting;
use crate::config::reader::Node;

/// A duration such as `1m20s`. A number without a unit is an error, except for 0: statsd_exporter reads it as
/// nanoseconds, which is never meant.
pub(super) fn duration(setting: &YamlSetting<'_>) -> Option<Duration> {
    let Some(text) = setting.value.text() else {
        return setting.must_be("text");
    };
    if setting.value.number().is_some_and(|number| number != 0.0) {
        return setting.fail(format!(
            "{} has no unit, so statsd_exporter reads it as nanoseconds; write {text}s for seconds",
            setting.name
        ));
    }
    let right = "a time such as 1m20s, with the units h, m, s, ms, us and ns";
    parse_go_duration(text).or_else(|| setting.must_be(right))
}

/// Whether it is a duration below 0: series with such a ttl expire at once.
pub(super) fn is_past(setting: &YamlSetting<'_>) -> bool {
    let positive = setting.value.text().and_then(|text| text.strip_prefix('-')).filter(|text| !text.starts_with('+'));
    positive.and_then(parse_go_duration).is_some_and(|time| !time.is_zero())
}

/// Numbers with units, one after the other, that are not negative.
///
/// Source: <https://pkg.go.dev/time#ParseDuration>.
fn parse_go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let number = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        rest = rest.get(number.len()..)?;
        let unit = rest.split(|c: char| c.is_ascii_digit() || c == '.').next()?;
        rest = rest.get(unit.len()..)?;
        let unit: f64 = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        // The longest duration of Go is 2^63 nanoseconds; a rounding error of nanoseconds does not matter.
        let part = number.parse::<f64>().ok()? * unit;
        nanoseconds = nanoseconds.checked_add((part < 9.2e18).then_some(part as u64)?)?;
    }
    text.ends_with(|c: char| c.is_alphabetic()).then_some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_syntax_of_go() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("1m20s", 80_000),
            ("+1h", 3_600_000),
            ("1.5s", 1500),
            (".5s", 500),
            ("1500us", 1),
            ("2µs", 0),
        ] {
            assert_eq!(parse_go_duration(text).map(|time| time.as_millis()), Some(milliseconds), "{text}");
        }
        for text in ["", "+", "1", "1d", "-1s", "s", "1 s", "1s ", "1..5s", ".s", "1e3s", "9999999999h", "1S"] {
            assert_eq!(parse_go_duration(text), None, "{text}");
        }
    }
}
