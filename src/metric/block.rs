//! Where the numbers of a series are: with the series, or in memory that outlives the process.

use crate::prefetch::prefetch;
use crate::sync::{AtomicU64, Ordering};

/// The numbers of a series whose count is fixed.
#[derive(Debug)]
pub(super) enum Block<const N: usize> {
    /// In the series itself.
    Own([AtomicU64; N]),
    /// In an arena.
    Lent(&'static [AtomicU64; N]),
}

impl<const N: usize> Block<N> {
    /// Numbers at 0, in `lent` if it has as many.
    pub(super) fn new(lent: Option<&'static [AtomicU64]>) -> Self {
        match lent.and_then(|lent| lent.try_into().ok()) {
            Some(lent) => Self::Lent(lent),
            None => Self::Own(std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    /// Prefetches the numbers, if they are not in the series itself.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        if let Self::Lent(lent) = self {
            lent.first().inspect(|number| prefetch(*number));
        }
    }

    /// Adds the numbers to `words`.
    pub(super) fn save(&self, words: &mut Vec<u64>) {
        save(self.get(), words);
    }

    #[inline(always)]
    pub(super) fn get(&self) -> &[AtomicU64; N] {
        match self {
            Self::Own(own) => own,
            Self::Lent(lent) => lent,
        }
    }
}

/// The numbers of a series whose count its family says.
#[derive(Debug)]
pub(super) enum Slice {
    /// In memory of the series.
    Own(Box<[AtomicU64]>),
    /// In an arena.
    Lent(&'static [AtomicU64]),
}

impl Slice {
    /// `len` numbers at 0, in `lent` if it has as many.
    pub(super) fn new(len: usize, lent: Option<&'static [AtomicU64]>) -> Self {
        match lent.filter(|lent| lent.len() == len) {
            Some(lent) => Self::Lent(lent),
            None => Self::Own((0..len).map(|_| AtomicU64::new(0)).collect()),
        }
    }

    #[inline(always)]
    pub(super) fn get(&self) -> &[AtomicU64] {
        match self {
            Self::Own(own) => own,
            Self::Lent(lent) => lent,
        }
    }
}

/// Adds the numbers to `words`.
pub(super) fn save(numbers: &[AtomicU64], words: &mut Vec<u64>) {
    words.extend(numbers.iter().map(|number| number.load(Ordering::Relaxed)));
}

/// Sets the numbers to `words`, which must be as many.
pub(super) fn restore(numbers: &[AtomicU64], words: &[u64]) -> bool {
    let is_whole = numbers.len() == words.len();
    if is_whole {
        numbers.iter().zip(words).for_each(|(number, word)| number.store(*word, Ordering::Relaxed));
    }
    is_whole
}

/// Numbers that were saved, to be read one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved<'w>(pub(super) &'w [u64]);

impl<'w> Saved<'w> {
    pub(super) fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*word)
    }

    /// The next `len` numbers.
    pub(super) fn words(&mut self, len: usize) -> Option<&'w [u64]> {
        let (words, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(words)
    }

    /// A number of things, of which there may be so many.
    pub(super) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.word()?).ok().filter(|count| *count <= most)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.word()?.try_into().ok()
    }

    /// A floating-point number that is neither NaN nor infinite.
    pub(super) fn finite(&mut self) -> Option<f64> {
        Some(f64::from_bits(self.word()?)).filter(|number| number.is_finite())
    }
}
