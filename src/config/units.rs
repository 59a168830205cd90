//! Sizes as the file and the command line write them: `8MiB`.

use super::diagnostic::quoted;

/// The units of a size and how many bytes one of them is.
const UNITS: [(&str, usize); 8] = [
    ("", 1),
    ("B", 1),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a whole number of bytes with or without a unit; the error says what would be right.
///
/// ```
/// assert_eq!(statsidecar::config::parse_size("8MiB"), Ok(8 * 1024 * 1024));
/// assert_eq!(statsidecar::config::parse_size("1500"), Ok(1500));
/// assert!(statsidecar::config::parse_size("8 parsecs").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<usize, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let (Some(factor), false) = (factor, number.is_empty()) else {
        return Err(format!(
            "{} is not a size; write a whole number and B, KB, MB, GB, KiB, MiB or GiB, as in \"8MiB\"",
            quoted(text)
        ));
    };
    let size = number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    size.ok_or_else(|| format!("{} is too large a size; at most {} bytes can be counted", quoted(text), usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("7B", 7),
            ("1KB", 1000),
            ("2MB", 2_000_000),
            ("3GB", 3_000_000_000),
            ("1KiB", 1024),
            ("08MiB", 8_388_608),
            ("1GiB", 1_073_741_824),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_says_what_is() {
        for text in ["", "MiB", "8mib", "8 MiB", " 8", "8k", "1.5MiB", "-1", "+1", "8MiBs", "٣KB", "1_000", "8µB"] {
            assert!(parse_size(text).is_err_and(|message| message.contains("as in \"8MiB\"")), "{text}");
        }
    }

    #[test]
    fn too_large_is_an_error() {
        let most = usize::MAX;
        assert_eq!(parse_size(&most.to_string()), Ok(most));
        for text in [format!("{most}0"), format!("{most}KB"), "99999999999GiB".to_owned()] {
            assert!(parse_size(&text).is_err_and(|message| message.contains("too large")), "{text}");
        }
    }
}
