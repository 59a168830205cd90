//! The ways in which clients write tags.

/// A way to write tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Dialect {
    /// `name:1|c|#k:v,k2:v2`.
    DogStatsD,
    /// `name,k=v,k2=v2:1|c`.
    InfluxDb,
    /// `name;k=v;k2=v2:1|c`.
    Graphite,
    /// `name#k=v,k2=v2:1|c`.
    Librato,
    /// `na[k=v,k2=v2]me:1|c`.
    SignalFx,
}

impl Dialect {
    /// Every dialect, in the order of its discriminant.
    pub const ALL: [Self; 5] = [Self::DogStatsD, Self::InfluxDb, Self::Graphite, Self::Librato, Self::SignalFx];

    /// The dialect as the file writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DogStatsD => "dogstatsd",
            Self::InfluxDb => "influxdb",
            Self::Graphite => "graphite",
            Self::Librato => "librato",
            Self::SignalFx => "signalfx",
        }
    }
}

/// Which dialects are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects(u8);

impl Dialects {
    /// All of them.
    pub const ALL: Self = Self((1 << Dialect::ALL.len()) - 1);

    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether `dialect` is read.
    pub fn has(self, dialect: Dialect) -> bool {
        self.0 & (1 << dialect as u8) != 0
    }
}

impl FromIterator<Dialect> for Dialects {
    fn from_iter<I: IntoIterator<Item = Dialect>>(dialects: I) -> Self {
        Self(dialects.into_iter().fold(0, |bits, dialect| bits | 1 << dialect as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        for dialect in Dialect::ALL {
            assert!(Dialects::ALL.has(dialect) && !Dialects::NONE.has(dialect));
            let one = Dialects::from_iter([dialect]);
            assert_eq!(Dialect::ALL.map(|other| one.has(other)), Dialect::ALL.map(|other| other == dialect));
        }
        assert_eq!(Dialects::from_iter(Dialect::ALL), Dialects::ALL);
        assert_eq!(Dialects::from_iter([]), Dialects::NONE);
    }
}
