//! A value in a file of settings.

use std::ops::Range;

use toml::Spanned;

/// A value and its place, in the language of the file.
pub(crate) trait Node: Sized {
    /// The bytes of the file that hold the value.
    fn span(&self) -> Range<usize>;

    /// The value as a message shows it: as it is written, or `a list` or `a table`.
    fn shown(&self) -> String;

    /// Whether the value counts as absent.
    fn is_null(&self) -> bool {
        false
    }

    /// The value as text.
    fn text(&self) -> Option<&str>;

    /// The value as `true` or `false`.
    fn boolean(&self) -> Option<bool>;

    /// The value as a number of any kind, infinities and NaN included.
    fn number(&self) -> Option<f64>;

    /// The elements of a list.
    fn list(&self) -> Option<impl Iterator<Item = &Self>>;

    /// The keys and values of a table, each key once.
    fn table(&self) -> Option<impl Iterator<Item = (Spanned<&str>, &Self)>>;
}
