//! Summaries: quantiles of recent observations.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::Saved;
use super::float::{Carry, Sum};
use super::memory_budget::MemoryBudget;
use super::sharing::Sharing;
use super::sketch::Sketch;
use super::window::Window;
use crate::sync::{AtomicU64, Mutex, Ordering};

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

/// A summary: the count and the sum of all observations, and a sketch of the observations in a [`Window`].
///
/// A lock guards them, because an observation changes all three together. A scrape holds it only to copy the sketches, and
/// computes the quantiles afterwards. There are at most seven sketches of at most 16 KiB.
#[derive(Debug)]
pub struct Summary {
    quantiles: Quantiles,
    window: Window,
    /// Only a reload changes it, and only growth asks for it.
    budget: Mutex<MemoryBudget>,
    observed: Mutex<Observed>,
}

#[derive(Debug)]
struct Observed {
    count: u64,
    /// The sum, and what it has lost.
    sum: [AtomicU64; 2],
    carry: AtomicU64,
    /// The panes with observations in ascending order.
    panes: VecDeque<(u32, Sketch)>,
}

impl Summary {
    /// An empty summary, which grows as long as `budget` has room.
    pub fn new(quantiles: Quantiles, window: Window, budget: MemoryBudget) -> Self {
        let sum = [AtomicU64::new(0), AtomicU64::new(0)];
        let observed = Observed { count: 0, sum, carry: AtomicU64::new(0), panes: VecDeque::new() };
        Self { quantiles, window, budget: Mutex::new(budget), observed: Mutex::new(observed) }
    }

    /// Lets it grow as long as another budget has room.
    pub(crate) fn set_budget(&self, budget: MemoryBudget) {
        *self.budget.lock() = budget;
    }

    /// Its quantiles.
    pub(crate) fn quantiles(&self) -> &Quantiles {
        &self.quantiles
    }

    /// Observes `value` `weight` times at the time `now`, in seconds; `weight` is at least 1 and need not be whole.
    ///
    /// Counts are whole, and the fraction of a weight is carried to the next observation, as in a histogram. `false` if
    /// there is no memory for the observation; then it is not counted either.
    pub(crate) fn observe(&self, value: f64, weight: f64, now: u32) -> bool {
        let pane = self.window.pane(now);
        let mut observed = self.observed.lock();
        let sketch = observed.sketch(pane, self.window);
        if sketch.is_some_and(|sketch| sketch.must_grow_for(value)) && !self.budget.lock().has_room() {
            return false;
        }
        // The lock makes this thread the only writer.
        let times = observed.carry().whole(weight, Sharing::SingleWriter);
        observed.count = observed.count.saturating_add(times);
        observed.sum().add(value * weight, Sharing::SingleWriter);
        if let Some(sketch) = observed.sketch(pane, self.window) {
            sketch.add(value, times);
        }
        true
    }

    /// Its numbers, which can be [restored](Self::restore).
    pub(crate) fn save(&self, words: &mut Vec<u64>) {
        let observed = self.observed.lock();
        let [sum, lost] = &observed.sum;
        words.push(observed.count);
        words.extend([sum, lost, &observed.carry].map(|number| number.load(Ordering::Relaxed)));
        words.push(observed.panes.len() as u64);
        for (pane, sketch) in &observed.panes {
            words.push((*pane).into());
            sketch.save(words);
        }
    }

    /// Sets its numbers; `false` and no change if they are none of a summary.
    pub(crate) fn restore(&self, words: &[u64]) -> bool {
        let restored = Observed::restored(&mut Saved(words), self.window);
        restored.map(|restored| *self.observed.lock() = restored).is_some()
    }

    /// Replaces the content of `values` by the quantiles at the time `now`, in seconds, and returns the sum and the count. A
    /// quantile is NaN if the window covers no observation.
    pub(crate) fn read(&self, now: u32, values: &mut Vec<f64>) -> (f64, u64) {
        let pane = self.window.pane(now);
        let mut all = Sketch::new();
        let observed = self.observed.lock();
        for (_, sketch) in observed.panes.iter().filter(|(last, _)| self.window.covers(*last, pane)) {
            all.merge(sketch);
        }
        let (sum, count) = (observed.sum().get(), observed.count);
        drop(observed);
        values.clear();
        all.quantiles(self.quantiles.as_slice(), values);
        (sum, count)
    }
}

impl Observed {
    fn restored(saved: &mut Saved<'_>, window: Window) -> Option<Self> {
        let count = saved.word()?;
        let numbers = [saved.finite()?, saved.finite()?, saved.finite()?];
        let [sum, lost, carry] = numbers.map(|number| AtomicU64::new(number.to_bits()));
        let panes = (0..saved.count(window.most_panes())?).map(|_| Some((saved.u32()?, Sketch::restored(saved)?)));
        let panes: VecDeque<_> = panes.collect::<Option<_>>()?;
        let is_valid = saved.0.is_empty() && panes.iter().is_sorted_by(|(one, _), (other, _)| one < other);
        is_valid.then_some(Self { count, sum: [sum, lost], carry, panes })
    }

    fn sum(&self) -> Sum<'_> {
        let [sum, lost] = &self.sum;
        Sum::new(sum, lost)
    }

    fn carry(&self) -> Carry<'_> {
        Carry::new(&self.carry)
    }

    /// The sketch of a pane. A new pane removes those that the window no longer covers.
    fn sketch(&mut self, pane: u32, window: Window) -> Option<&mut Sketch> {
        // Another thread may already have observed at a later time.
        if self.panes.back().is_none_or(|(last, _)| *last < pane) {
            self.panes.retain(|(last, _)| window.covers(*last, pane));
            self.panes.push_back((pane, Sketch::new()));
        }
        self.panes.back_mut().map(|(_, sketch)| sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn summary(quantiles: &[f64]) -> Summary {
        Summary::new(Quantiles::new(quantiles).expect("they rise"), Window::new(600), MemoryBudget::UNLIMITED)
    }

    fn read(summary: &Summary, now: u32) -> (Vec<f64>, f64, u64) {
        let mut values = vec![9.0];
        let (sum, count) = summary.read(now, &mut values);
        (values, sum, count)
    }

    #[test]
    fn quantiles_cover_the_window_only() {
        let summary = summary(&[0.5, 1.0]);
        assert!(read(&summary, 0).0.iter().all(|value| value.is_nan()));
        assert!(summary.observe(8.0, 1.0, 0));
        assert!(summary.observe(2.0, 1.0, 100));
        assert_eq!(read(&summary, 600), (vec![2.0, 8.0], 10.0, 2));
        assert_eq!(read(&summary, 700), (vec![2.0, 2.0], 10.0, 2), "the window no longer covers 8");
        let (values, sum, count) = read(&summary, 800);
        assert!(values.len() == 2 && values.iter().all(|value| value.is_nan()), "{values:?}");
        assert_eq!((sum, count), (10.0, 2), "the sum and the count never fall");
        assert!(summary.observe(4.0, 1.0, 2000));
        assert_eq!(read(&summary, 2000), (vec![4.0, 4.0], 14.0, 3));
    }

    #[test]
    fn weights_count_as_observations() {
        let summary = summary(&[0.5]);
        let counts: Vec<u64> = (0..3)
            .map(|_| {
                assert!(summary.observe(1.0, 1.0 / 0.3, 0));
                read(&summary, 0).2
            })
            .collect();
        assert_eq!(counts, [3, 6, 10], "as in a histogram");
        assert!(summary.observe(3.0, 1e9, 0));
        assert_eq!(read(&summary, 0).2, 1_000_000_010);
        let median = read(&summary, 0).0[0];
        assert!((median - 3.0).abs() <= 0.03, "{median}: more observations of 3 than of 1");
        let sum = read(&summary, 0).1;
        assert!((sum - 3_000_000_010.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn a_summary_has_at_most_seven_panes() {
        let summary = summary(&[0.5]);
        for now in (0..100_000).step_by(50) {
            assert!(summary.observe(f64::from(now), 1.0, now));
        }
        let observed = summary.observed.lock();
        assert_eq!(observed.panes.len(), 7);
        assert!(observed.panes.iter().is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn an_observation_at_an_earlier_time_is_counted() {
        let summary = summary(&[1.0]);
        assert!(summary.observe(1.0, 1.0, 700));
        assert!(summary.observe(2.0, 1.0, 599));
        assert_eq!(read(&summary, 600), (vec![2.0], 3.0, 2));
    }

    #[test]
    fn concurrent_threads_lose_no_observation() {
        let summary = Arc::new(summary(&[0.0, 0.5, 1.0]));
        let threads: Vec<_> = (0..4_u32)
            .map(|n| {
                let summary = Arc::clone(&summary);
                thread::spawn(move || {
                    let mut last = 0;
                    for now in 0..5_000 {
                        assert!(summary.observe(f64::from(n + 1), 1.5, now / 10));
                        let (values, sum, count) = read(&summary, now / 10);
                        assert!(values.iter().all(|value| (1.0..=4.0).contains(value)), "{values:?}");
                        // Every value is 1 to 4, which bounds the sum by the count.
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

    #[test]
    fn quantiles_must_be_ascending_from_0_to_1() {
        assert!(Quantiles::new(&[0.0, 0.5, 1.0]).is_some());
        assert!(Quantiles::new(&[]).is_some());
        for bad in [&[0.5, 0.5][..], &[0.9, 0.5], &[-0.1], &[1.1], &[f64::NAN]] {
            assert_eq!(Quantiles::new(bad), None);
        }
    }
}
