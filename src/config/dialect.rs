//! The syntaxes in which clients write tags.

use strum::{IntoStaticStr, VariantArray};

/// A syntax of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[repr(u8)]
#[strum(serialize_all = "lowercase")]
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
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name of the dialect in the config file.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A set of dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects(u8);

impl Dialects {
    /// Every dialect.
    pub const ALL: Self = Self((1 << Dialect::ALL.len()) - 1);

    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Whether `dialect` is in the set.
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
    fn a_set_has_exactly_the_dialects_it_is_made_of() {
        for &dialect in Dialect::ALL {
            assert!(Dialects::ALL.has(dialect) && !Dialects::NONE.has(dialect));
            let one = Dialects::from_iter([dialect]);
            assert!(Dialect::ALL.iter().all(|&other| one.has(other) == (other == dialect)));
        }
        assert_eq!(Dialects::from_iter(Dialect::ALL.iter().copied()), Dialects::ALL);
        assert_eq!(Dialects::from_iter([]), Dialects::NONE);
    }
}
