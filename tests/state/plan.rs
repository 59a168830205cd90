//! How many kills there are, and at which moments.

use std::time::Duration;

/// The kills of one test: `STATSIDECAR_KILLS` in 1000 of what is asked for, and the numbers from which their moments are drawn.
pub struct Plan {
    /// How many kills there are.
    pub kills: u64,
    rng: fastrand::Rng,
}

impl Plan {
    /// So many kills of a test that has `share` of all. `STATSIDECAR_KILLS` is how many there are in all tests together, and
    /// `STATSIDECAR_SEED` repeats the moments of an earlier run.
    pub fn new(test: &str, share: f64) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a whole number"));
        let (all, seed) = (number("STATSIDECAR_KILLS").unwrap_or(60), number("STATSIDECAR_SEED"));
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        let kills = (all as f64 * share).ceil() as u64;
        println!("{test}: {kills} kills with STATSIDECAR_SEED={seed}");
        Self { kills, rng: fastrand::Rng::with_seed(seed) }
    }

    /// A moment within this time.
    pub fn within(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.rng.f64())
    }

    /// Numbers for a sender.
    pub fn fork(&mut self) -> fastrand::Rng {
        self.rng.fork()
    }
}
