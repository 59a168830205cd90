//! Which formats exist, and what each is called.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/content_negotiation/>,
//! <https://prometheus.io/docs/instrumenting/escaping_schemes/>.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The format of an exposition, and how it has the names that are not made of letters, digits, `_` and `:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// How samples are written.
    pub syntax: Syntax,
    /// How names are written.
    pub escaping: Escaping,
}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray)]
pub enum Syntax {
    /// Prometheus text format 0.0.4.
    Text0,
    /// Prometheus text format 1.0.0, which can have any name in quotes.
    Text1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// OpenMetrics 1.0.0, which can have any name in quotes.
    OpenMetrics1,
    /// Messages of `io.prometheus.client.MetricFamily`, each behind its length.
    Protobuf,
}

/// How names are written that are not made of letters, digits, `_` and `:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Escaping {
    /// As they are.
    #[strum(serialize = "allow-utf-8")]
    Utf8,
    /// With `_` for each other character.
    #[default]
    Underscores,
    /// With `_dot_` for each `.`, `__` for `_`, and `_` for each other character.
    Dots,
    /// With `U__` before them, the hexadecimal code of each other character in `_`, and `__` for `_`.
    Values,
}

impl Format {
    /// What every client of Prometheus reads: text format 0.0.4.
    pub const TEXT: Self = Self { syntax: Syntax::Text0, escaping: Escaping::Underscores };

    /// The value of the header `Content-Type`.
    pub fn content_type(self) -> String {
        let escaping: &str = self.escaping.into();
        match self.syntax {
            Syntax::Text0 => "text/plain; version=0.0.4; charset=utf-8".to_owned(),
            Syntax::Text1 => format!("text/plain; version=1.0.0; charset=utf-8; escaping={escaping}"),
            Syntax::OpenMetrics0 => "application/openmetrics-text; version=0.0.1; charset=utf-8".to_owned(),
            Syntax::OpenMetrics1 => {
                format!("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping={escaping}")
            }
            Syntax::Protobuf => format!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping={escaping}"
            ),
        }
    }
}

impl Syntax {
    /// Every syntax, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("there are COUNT variants");

    /// Whether a client can choose how names are written.
    pub fn has_escaping(self) -> bool {
        matches!(self, Self::Text1 | Self::OpenMetrics1 | Self::Protobuf)
    }

    /// Whether the rules of OpenMetrics hold.
    pub(crate) fn is_openmetrics(self) -> bool {
        matches!(self, Self::OpenMetrics0 | Self::OpenMetrics1)
    }
}

impl Escaping {
    /// Every scheme, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("there are COUNT variants");
}
