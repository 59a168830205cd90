//! Quantiles of the observations of late.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::float::{Carry, Sum};
use super::sketch::Sketch;
use super::{Quantiles, Sharing, Window};

/// A summary's cell: the count and the sum of all observations, and a sketch of those that a [`Window`] covers.
///
/// A lock, since an observation changes a sketch, the count and the sum as one. It is held for that alone: a scrape
/// copies what is there, and reckons with the copy. The window has seven panes at most, and the sketch of each takes no
/// more than 16 KiB.
#[derive(Debug)]
pub struct Summary {
    quantiles: Quantiles,
    window: Window,
    observed: Mutex<Observed>,
}

#[derive(Debug)]
struct Observed {
    count: u64,
    sum: Sum,
    carry: Carry,
    /// The panes in which something was observed, the last one behind.
    panes: VecDeque<(u32, Sketch)>,
}

impl Summary {
    /// An empty summary.
    pub fn new(quantiles: Quantiles, window: Window) -> Self {
        let observed = Observed { count: 0, sum: Sum::new(), carry: Carry::new(), panes: VecDeque::new() };
        Self { quantiles, window, observed: Mutex::new(observed) }
    }

    /// The quantiles that it tells.
    pub fn quantiles(&self) -> &Quantiles {
        &self.quantiles
    }

    /// Observes `value` `weight` times, a number of at least 1 that need not be whole, at the time `now`, in seconds.
    ///
    /// Counts are whole, and the fraction of a weight is carried over, as in a histogram.
    pub fn observe(&self, value: f64, weight: f64, now: u32) {
        let pane = self.window.pane(now);
        let mut observed = self.lock();
        // Who holds the lock is the only one.
        let times = observed.carry.whole(weight, Sharing::SingleWriter);
        observed.count = observed.count.saturating_add(times);
        observed.sum.add(value * weight, Sharing::SingleWriter);
        if let Some(sketch) = observed.sketch(pane, self.window) {
            sketch.add(value, times);
        }
    }

    /// Reads it as it is at the time `now`, in seconds: the values of its quantiles go to `values` (emptied first), NaN
    /// where the window covers no observation; the sum and the count are returned.
    pub fn read(&self, now: u32, values: &mut Vec<f64>) -> (f64, u64) {
        let pane = self.window.pane(now);
        let mut all = Sketch::new();
        let observed = self.lock();
        for (_, sketch) in observed.panes.iter().filter(|(last, _)| self.window.covers(*last, pane)) {
            all.merge(sketch);
        }
        let (sum, count) = (observed.sum.get(), observed.count);
        drop(observed);
        values.clear();
        all.quantiles(self.quantiles.as_slice(), values);
        (sum, count)
    }

    fn lock(&self) -> MutexGuard<'_, Observed> {
        // What it guards is whole between any two statements, so a panic elsewhere spoils nothing.
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observed {
    /// The sketch of a pane. The memory of one that the window has left behind is used again.
    fn sketch(&mut self, pane: u32, window: Window) -> Option<&mut Sketch> {
        // Another thread may have looked at the time later and come here before.
        if self.panes.back().is_none_or(|(last, _)| *last < pane) {
            let mut sketch = None;
            while self.panes.front().is_some_and(|(last, _)| !window.covers(*last, pane)) {
                sketch = self.panes.pop_front();
            }
            let mut sketch = sketch.map_or_else(Sketch::new, |(_, sketch)| sketch);
            sketch.clear();
            self.panes.push_back((pane, sketch));
        }
        self.panes.back_mut().map(|(_, sketch)| sketch)
    }
}

#[cfg(all(test, not(loom_cells)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn summary(quantiles: &[f64]) -> Summary {
        Summary::new(Quantiles::new(quantiles).expect("they rise"), Window::new(600))
    }

    fn read(summary: &Summary, now: u32) -> (Vec<f64>, f64, u64) {
        let mut values = vec![9.0];
        let (sum, count) = summary.read(now, &mut values);
        (values, sum, count)
    }

    #[test]
    fn it_looks_back_as_far_as_its_window() {
        let summary = summary(&[0.5, 1.0]);
        assert!(read(&summary, 0).0.iter().all(|value| value.is_nan()));
        summary.observe(8.0, 1.0, 0);
        summary.observe(2.0, 1.0, 100);
        assert_eq!(read(&summary, 600), (vec![2.0, 8.0], 10.0, 2));
        assert_eq!(read(&summary, 700), (vec![2.0, 2.0], 10.0, 2), "8 was observed too long ago");
        let (values, sum, count) = read(&summary, 800);
        assert!(values.len() == 2 && values.iter().all(|value| value.is_nan()), "{values:?}");
        assert_eq!((sum, count), (10.0, 2), "these never fall");
        summary.observe(4.0, 1.0, 2000);
        assert_eq!(read(&summary, 2000), (vec![4.0, 4.0], 14.0, 3));
    }

    #[test]
    fn weights_are_counts() {
        let summary = summary(&[0.5]);
        let counts: Vec<u64> = (0..3)
            .map(|_| {
                summary.observe(1.0, 1.0 / 0.3, 0);
                read(&summary, 0).2
            })
            .collect();
        assert_eq!(counts, [3, 6, 10], "as in a histogram");
        summary.observe(3.0, 1e9, 0);
        assert_eq!(read(&summary, 0).2, 1_000_000_010);
        let median = read(&summary, 0).0[0];
        assert!((median - 3.0).abs() <= 0.03, "{median}: there are more of 3 than of 1");
        let sum = read(&summary, 0).1;
        assert!((sum - 3_000_000_010.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn its_panes_are_bounded() {
        let summary = summary(&[0.5]);
        for now in (0..100_000).step_by(50) {
            summary.observe(f64::from(now), 1.0, now);
        }
        let observed = summary.lock();
        assert_eq!(observed.panes.len(), 7);
        assert!(observed.panes.iter().is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_thread_whose_time_is_behind_is_counted() {
        let summary = summary(&[1.0]);
        summary.observe(1.0, 1.0, 700);
        summary.observe(2.0, 1.0, 599);
        assert_eq!(read(&summary, 600), (vec![2.0], 3.0, 2));
    }

    #[test]
    fn threads_that_meet_lose_nothing() {
        let summary = Arc::new(summary(&[0.0, 0.5, 1.0]));
        let threads: Vec<_> = (0..4_u32)
            .map(|n| {
                let summary = Arc::clone(&summary);
                thread::spawn(move || {
                    let mut last = 0;
                    for now in 0..5_000 {
                        summary.observe(f64::from(n + 1), 1.5, now / 10);
                        let (values, sum, count) = read(&summary, now / 10);
                        assert!(values.iter().all(|value| (1.0..=4.0).contains(value)), "{values:?}");
                        // Every observation is of 1 to 4, so the two can be held against each other at any moment.
                        assert!(count >= last && sum >= count as f64 && sum <= (count + 1) as f64 * 4.0);
                        last = count;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        let (values, sum, count) = read(&summary, 500);
        assert_eq!((sum, count), (5_000.0 * 1.5 * 10.0, 30_000));
        assert_eq!((values[0], values[2]), (1.0, 4.0));
    }
}
