//! Which quantiles a summary tells.

use std::sync::Arc;

/// Quantiles: rising numbers from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles(Arc<[f64]>);

impl Quantiles {
    /// Quantiles, where they strictly rise and are within 0 and 1.
    pub fn new(quantiles: &[f64]) -> Option<Self> {
        let is_right = quantiles.iter().all(|q| (0.0..=1.0).contains(q)) && quantiles.is_sorted_by(|a, b| a < b);
        is_right.then(|| Self(quantiles.into()))
    }

    /// The quantiles, rising.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(all(test, not(loom_cells)))]
mod tests {
    use super::*;

    #[test]
    fn quantiles_rise_within_0_and_1() {
        assert!(Quantiles::new(&[0.0, 0.5, 1.0]).is_some());
        assert!(Quantiles::new(&[]).is_some());
        for bad in [&[0.5, 0.5][..], &[0.9, 0.5], &[-0.1], &[1.1], &[f64::NAN]] {
            assert_eq!(Quantiles::new(bad), None);
        }
    }
}
