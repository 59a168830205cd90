//! The quantiles of a summary.

use std::sync::Arc;

/// Numbers from 0 to 1, strictly ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles(Arc<[f64]>);

impl Quantiles {
    /// `None`: the quantiles are not strictly ascending numbers from 0 to 1.
    pub fn new(quantiles: &[f64]) -> Option<Self> {
        let is_valid = quantiles.iter().all(|q| (0.0..=1.0).contains(q)) && quantiles.is_sorted_by(|a, b| a < b);
        is_valid.then(|| Self(quantiles.into()))
    }

    /// The quantiles in ascending order.
    pub(crate) fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_must_be_ascending_from_0_to_1() {
        assert!(Quantiles::new(&[0.0, 0.5, 1.0]).is_some());
        assert!(Quantiles::new(&[]).is_some());
        for bad in [&[0.5, 0.5][..], &[0.9, 0.5], &[-0.1], &[1.1], &[f64::NAN]] {
            assert_eq!(Quantiles::new(bad), None);
        }
    }
}
