//! What was sent, and what pages may say of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a series is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Each line adds the same to it. It is in the arena.
    Added,
    /// The same for the sum of a histogram, whose count has the lines. A kill may come between the two.
    Sum,
    /// It has the last number of a sender that counts up. It is in the arena.
    Last,
    /// It is in the snapshot alone, so a kill takes what came since.
    Saved,
}

/// A series, and what was sent for it.
struct Account {
    /// Its name and labels on the page.
    series: String,
    kept: Kept,
    /// What a line adds.
    step: f64,
    /// How many lines were sent; for [`Kept::Last`] the last number.
    sent: AtomicU64,
}

/// All series of a test.
#[derive(Default)]
pub struct Ledger(Vec<Account>);

/// The values of all series on a page, in the order of the ledger.
pub type Values = Vec<f64>;

impl Ledger {
    /// Adds a series to which each line adds `step`; gives its number.
    pub fn add(&mut self, series: String, kept: Kept, step: f64) -> usize {
        self.0.push(Account { series, kept, step, sent: AtomicU64::new(0) });
        self.0.len() - 1
    }

    /// Notes that a line will be sent.
    pub fn will_send(&self, account: usize) {
        self.0[account].sent.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes what a gauge or a set will be at most.
    pub fn will_be(&self, account: usize, value: u64) {
        self.0[account].sent.fetch_max(value, Ordering::SeqCst);
    }

    /// What would be on a page if nothing were lost.
    pub fn sent(&self) -> Values {
        self.0.iter().map(|account| account.sent.load(Ordering::SeqCst) as f64 * account.step).collect()
    }

    /// The values on a page, which must have nothing that was not sent, and, of what is in the arena, all that `earlier` has.
    pub fn check(&self, page: &str, earlier: &[f64]) -> Values {
        // After the page, so that it is no less than what is there.
        let sent = self.sent();
        let lines: HashMap<_, _> = page.lines().filter_map(|line| line.rsplit_once(' ')).collect();
        let value =
            |account: &Account| lines.get(account.series.as_str()).map_or(0.0, |text| text.parse().expect("a value"));
        let values: Values = self.0.iter().map(value).collect();
        for (((account, value), sent), earlier) in self.0.iter().zip(&values).zip(sent).zip(earlier) {
            let series = &account.series;
            assert!(*value <= sent, "{series} is {value}, and only {sent} was sent");
            assert!((value / account.step).fract() == 0.0, "{series} is {value}, which no lines add up to");
            assert!(account.kept == Kept::Saved || value >= earlier, "{series} fell from {earlier} to {value}");
        }
        values
    }

    /// How many lines of those that add something were sent, and how many of them are missing.
    pub fn lost(&self, values: &[f64]) -> (u64, u64) {
        let added = self.0.iter().zip(values).zip(self.sent()).filter(|((account, _), _)| account.kept == Kept::Added);
        added.fold((0, 0), |(all, lost), ((account, value), sent)| {
            (all + (sent / account.step) as u64, lost + ((sent - value) / account.step) as u64)
        })
    }

    /// Compares what is on a page with an earlier page between which nothing was lost. `sent` is what was sent by then.
    pub fn check_exact(&self, values: &[f64], earlier: &[f64], sent: &[f64]) {
        let now = self.sent();
        for (n, account) in self.0.iter().enumerate() {
            let expected = if account.kept == Kept::Last { now[n] } else { earlier[n] + now[n] - sent[n] };
            assert_eq!(values[n], expected, "{}", account.series);
        }
    }
}
