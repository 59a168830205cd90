//! Which format and which coding a client gets, by what it says that it accepts.
//!
//! Sources: <https://www.rfc-editor.org/rfc/rfc9110#name-content-negotiation>,
//! <https://prometheus.io/docs/instrumenting/content_negotiation/>.

use crate::expose::{Escaping, Format, Syntax};

/// How the bytes of an answer are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
    Zstd,
}

/// One of the things that a client accepts: `name;key=value;q=0.5`.
#[derive(Debug)]
struct Accepted<'h> {
    name: &'h str,
    parameters: Vec<(&'h str, &'h str)>,
    /// From 0 to 1; 0 means that the client does not accept it.
    weight: f32,
}

impl<'h> Accepted<'h> {
    /// Reads one element; `None` if its weight is no number from 0 to 1.
    fn read(element: &'h str) -> Option<Self> {
        let mut parts = split_unquoted(element, ';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let (mut parameters, mut weight) = (Vec::new(), 1.0);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let (key, value) = (key.trim_end(), value.trim_start());
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            if key.eq_ignore_ascii_case("q") {
                weight = value.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
            } else {
                parameters.push((key, value));
            }
        }
        Some(Self { name, parameters, weight })
    }

    fn parameter(&self, key: &str) -> Option<&'h str> {
        self.parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }

    /// How exactly this names a syntax; `None`: it does not. A client that takes anything gets text format 0.0.4.
    fn names(&self, syntax: Syntax) -> Option<Precision> {
        let is = |name: &str| self.name.eq_ignore_ascii_case(name);
        let version = self.parameter("version");
        let of_version = |own: &str, is_default: bool| match version {
            Some(version) if version == own => Some(Precision::Version),
            None if is_default => Some(Precision::Type),
            _ => None,
        };
        match syntax {
            Syntax::Text0 if is("text/plain") => of_version("0.0.4", true),
            Syntax::Text0 if is("text/*") => Some(Precision::Kind),
            Syntax::Text0 if is("*/*") || is("*") => Some(Precision::Anything),
            Syntax::Text1 if is("text/plain") => of_version("1.0.0", false),
            Syntax::OpenMetrics0 if is("application/openmetrics-text") => of_version("0.0.1", false),
            Syntax::OpenMetrics1 if is("application/openmetrics-text") => of_version("1.0.0", true),
            Syntax::Protobuf if is("application/vnd.google.protobuf") => {
                let is_family = self.parameter("proto") == Some("io.prometheus.client.MetricFamily");
                let is_delimited = self.parameter("encoding") == Some("delimited");
                (is_family && is_delimited).then_some(Precision::Version)
            }
            _ => None,
        }
    }

    fn escaping(&self) -> Option<Escaping> {
        let asked = self.parameter("escaping")?;
        // The documentation of Prometheus has had this word for it too.
        if asked == "allow-utf8" {
            return Some(Escaping::Utf8);
        }
        Escaping::ALL.into_iter().find(|escaping| asked == <&str>::from(escaping))
    }
}

/// How exactly a client names what it accepts; the most exact element of the header counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Kind,
    Type,
    Version,
}

/// The format for a client that sends these values of `Accept`: the one with the greatest weight, and of several the one
/// that the client names first. A client that accepts none of them gets text format 0.0.4, because all scrapers read it.
///
/// OpenMetrics and protocol buffers are only for clients that name them.
pub(super) fn format<'h>(accept: impl Iterator<Item = &'h str>) -> Format {
    let accepted: Vec<Accepted<'_>> = elements(accept).collect();
    let best = Syntax::ALL.into_iter().filter_map(|syntax| {
        let precise = accepted.iter().enumerate().filter_map(|(at, one)| Some((one.names(syntax)?, at, one)));
        // Of equals the first, because `max_by_key` would give the last.
        let (_, at, one) = precise.rev().max_by_key(|(precision, ..)| *precision)?;
        (one.weight > 0.0).then_some((syntax, at, one))
    });
    let better = |one: &(Syntax, usize, &Accepted<'_>), other: &(Syntax, usize, &Accepted<'_>)| {
        one.2.weight.total_cmp(&other.2.weight).then(other.1.cmp(&one.1))
    };
    let Some((syntax, _, chosen)) = best.max_by(better) else { return Format::TEXT };
    let escaping = match syntax {
        Syntax::Text0 | Syntax::OpenMetrics0 => None,
        Syntax::Text1 | Syntax::OpenMetrics1 => chosen.escaping(),
        // Prometheus asks for no escaping there, and takes the same names as in the other formats.
        Syntax::Protobuf => chosen.escaping().or_else(|| accepted.iter().find_map(Accepted::escaping)),
    };
    Format { syntax, escaping: escaping.unwrap_or_default() }
}

/// The coding for a client that sends these values of `Accept-Encoding`: the one with the greatest weight of those that it
/// names. `*` is not enough.
pub(super) fn coding<'h>(accept_encoding: impl Iterator<Item = &'h str>) -> Coding {
    let accepted: Vec<Accepted<'_>> = elements(accept_encoding).collect();
    let weight = |name: &str| accepted.iter().find(|one| one.name.eq_ignore_ascii_case(name)).map(|one| one.weight);
    let [plain, gzip, zstd] = ["identity", "gzip", "zstd"].map(|name| weight(name).unwrap_or_default());
    // Of equals the one that costs less time.
    if zstd > 0.0 && zstd >= gzip.max(plain) {
        Coding::Zstd
    } else if gzip > 0.0 && gzip >= plain {
        Coding::Gzip
    } else {
        Coding::Plain
    }
}

/// The elements of the values of a header.
fn elements<'h>(values: impl Iterator<Item = &'h str>) -> impl Iterator<Item = Accepted<'h>> {
    values.flat_map(|value| split_unquoted(value, ',')).filter_map(Accepted::read)
}

/// Splits text at a separator that is not between quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/http/formats.rs` has the headers of real programs.
    #[test]
    fn the_lines_of_a_header_count_together() {
        let weights = ["text/plain;q=0.4", "application/openmetrics-text;q=0.6"];
        let openmetrics = Format { syntax: Syntax::OpenMetrics1, escaping: Escaping::Underscores };
        for lines in [&weights[..], &[weights[1], weights[0]]] {
            assert_eq!(format(lines.iter().copied()), openmetrics);
        }
        assert_eq!(format(std::iter::empty()), Format::TEXT);
    }

    #[test]
    fn a_coding_is_for_clients_that_name_it() {
        for (asked, expected) in [
            (&[][..], Coding::Plain),
            (&[""], Coding::Plain),
            (&["gzip"], Coding::Gzip),
            (&["GZip"], Coding::Gzip),
            (&["deflate, gzip;q=0.5, br"], Coding::Gzip),
            (&["deflate", "gzip"], Coding::Gzip),
            (&["gzip ; q=0.001"], Coding::Gzip),
            (&["gzip;q=0"], Coding::Plain),
            (&["gzip; Q=0.000"], Coding::Plain),
            (&["gzip;q=x"], Coding::Plain),
            (&["gzip;q=NaN"], Coding::Plain),
            (&["identity", "*"], Coding::Plain),
            (&["identity, gzip"], Coding::Gzip),
            (&["identity, gzip;q=0.5"], Coding::Plain),
            (&["gzipped"], Coding::Plain),
            (&["zstd"], Coding::Zstd),
            (&["gzip, deflate, br, zstd"], Coding::Zstd),
            (&["zstd;q=0.5, gzip"], Coding::Gzip),
            (&["gzip;q=0.5", "zstd;q=0.6"], Coding::Zstd),
            (&["zstd;q=0, gzip;q=0.1"], Coding::Gzip),
            (&["zstd;q=0.5, identity"], Coding::Plain),
        ] {
            assert_eq!(coding(asked.iter().copied()), expected, "{asked:?}");
        }
    }
}
