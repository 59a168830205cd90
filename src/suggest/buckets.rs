//! Buckets that fit observed values: numbers of the series 1, 2, 5, 10 from the small values to the largest.

/// The most buckets. Each costs a series.
const MOST: usize = 14;

/// Upper bounds for values in ascending order, each multiplied by `factor`; `None`: the values do not tell.
pub(super) fn fitting(sorted: &[f64], factor: f64) -> Option<Vec<f64>> {
    let positive: Vec<f64> = sorted.iter().map(|value| value * factor).filter(|value| *value > 0.0).collect();
    // One value tells its size, and no spread.
    let (low, high) = (quantile(&positive, 0.05)?, *positive.last()?);
    let is_spread = high / low >= 1.5;
    let (low, high) = if is_spread { (low, high) } else { (low / 4.0, high * 4.0) };
    let [first, last] = [low, high].map(|value| value.log10().floor() as i32);
    for steps in [&[1, 2, 5][..], &[1, 5], &[1]] {
        let all = (first..=last + 1).flat_map(|power| steps.iter().map(move |step| nice(*step, power)));
        let all: Vec<f64> = all.collect();
        // From the last bound that is not above the small values to the first that has all of them.
        let begin = all.iter().rposition(|bound| *bound <= low).unwrap_or(0);
        let end = all.iter().position(|bound| *bound >= high).unwrap_or(all.len().saturating_sub(1));
        let bounds = all.get(begin..=end)?;
        if bounds.len() <= MOST {
            return (bounds.len() >= 2).then(|| bounds.to_vec());
        }
    }
    None
}

/// `step` times a power of ten, as the nearest number that is written so.
fn nice(step: u32, power: i32) -> f64 {
    format!("{step}e{power}").parse().unwrap_or(f64::NAN)
}

/// The quantile of values in ascending order.
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * q).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_span_the_values() {
        for (values, factor, expected) in [
            (&[3.0, 40.0, 120.0, 800.0][..], 0.001, &[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0][..]),
            (&[1.0, 10.0, 500.0], 1.0, &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
            (&[20.0, 20.0], 1.0, &[5.0, 10.0, 20.0, 50.0, 100.0]),
            (&[0.0, 1.0, 1e12], 1.0, &[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12]),
        ] {
            assert_eq!(fitting(values, factor).as_deref(), Some(expected), "{values:?}");
        }
        assert_eq!(fitting(&[], 1.0), None);
        assert_eq!(fitting(&[0.0, -1.0], 1.0), None);
        assert_eq!(fitting(&[1e-300, 1e300], 1.0), None);
    }
}
