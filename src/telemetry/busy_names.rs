//! The names with the most lines, estimated from a random sample of the lines, and how fast they arrive.
//!
//! A worker chooses some of its lines: each of the first in a second, and then ever fewer of them, about 700 of a million.
//! The name of a chosen line is counted for all lines since the choice before it, so the estimate is right on average at
//! any rate. A line that is passed over costs a share of one subtraction.

use fastrand::Rng;

use super::heavy_hitters::{HeavyHitter, HeavyHitters};

/// How many names have a counter.
const NAMES: usize = 64;

/// How many seconds a rate covers.
const WINDOW: usize = 10;

/// How many lines of each second are looked at before lines are passed over.
const EAGER: u64 = 64;

/// How many lines a worker notes before it hands them over.
const NOTED: usize = 64;

/// How many bytes of a name are kept.
const NAME_LEN: usize = 100;

/// Chooses lines of one worker, and keeps what was noted of them.
#[derive(Debug)]
pub(crate) struct LineSampler {
    /// How many lines are passed over before the next one is chosen.
    until: usize,
    /// The value that it was set to.
    set: usize,
    /// How many lines have passed since the last choice before it was set.
    passed: u64,
    /// The second that the worker is in, and for how many of its lines the chosen ones were counted.
    second: u32,
    lines: u64,
    rng: Rng,
    /// How many lines the next note is counted for: the chosen one and those passed over before it.
    weight: u64,
    /// Buffers that are reused; the first `len` have a note.
    noted: Vec<NotedLine>,
    len: usize,
}

#[derive(Debug, Default)]
struct NotedLine {
    name: Vec<u8>,
    is_metric: bool,
    rule: Option<usize>,
    weight: u64,
}

impl Default for LineSampler {
    fn default() -> Self {
        let rng = Rng::with_seed(1);
        Self { until: 0, set: 0, passed: 0, second: 0, lines: 0, rng, weight: 0, noted: Vec::new(), len: 0 }
    }
}

impl LineSampler {
    /// Passes over the next lines, of which there are `lines`; `false`, and none is passed over, if one of them is chosen.
    #[inline]
    pub(crate) fn pass_all(&mut self, lines: usize) -> bool {
        match self.until.checked_sub(lines) {
            Some(until) => {
                self.until = until;
                true
            }
            None => false,
        }
    }

    /// Passes over the next lines up to the first one that is chosen, and gives its number among them; or over all.
    #[cold]
    pub(crate) fn pass(&mut self, lines: usize) -> Option<usize> {
        if self.pass_all(lines) {
            return None;
        }
        let chosen = self.until;
        if self.len == NOTED {
            // The next chosen line is counted for these lines too.
            self.passed += (self.set - self.until + lines) as u64;
            (self.until, self.set) = (0, 0);
            return None;
        }
        self.weight = self.passed + self.set as u64 + 1;
        self.lines += self.weight;
        self.passed = 0;
        self.set_gap();
        Some(chosen)
    }

    /// Draws how many lines are passed over next: on average, as many as there were in this second for each of the first.
    fn set_gap(&mut self) {
        let most = (self.lines / EAGER).min(1 << 24) as usize * 2;
        self.set = self.rng.usize(0..=most);
        self.until = self.set;
    }

    /// Notes the name of the line that was chosen last, and the rule that it matched.
    pub(crate) fn note(&mut self, name: &[u8], is_metric: bool, rule: Option<usize>) {
        if self.noted.len() == self.len {
            self.noted.push(NotedLine { name: Vec::with_capacity(NAME_LEN), ..NotedLine::default() });
        }
        if let Some(noted) = self.noted.get_mut(self.len) {
            noted.name.clear();
            noted.name.extend_from_slice(name.get(..NAME_LEN).unwrap_or(name));
            (noted.is_metric, noted.rule, noted.weight) = (is_metric, rule, self.weight);
            self.len += 1;
        }
    }

    /// Whether something is noted.
    #[inline]
    pub(super) fn is_any(&self) -> bool {
        self.len > 0
    }

    /// Begins another second if `now` is one, with lines that are looked at again.
    #[inline]
    pub(super) fn set_time(&mut self, now: u32) {
        if self.second != now {
            self.second = now;
            self.lines = 0;
            self.passed += (self.set - self.until) as u64;
            (self.until, self.set) = (0, 0);
        }
    }
}

/// The names with the most lines of all workers.
#[derive(Debug, Default)]
pub(crate) struct BusyNames {
    /// Whether a name is that of a metric, is its kind.
    counters: HeavyHitters<bool, NAMES>,
    rates: Rates,
    /// How many seconds have passed.
    ticks: usize,
    sampled: u64,
    lines: u64,
}

/// The rates of all counters, by their places.
#[derive(Debug)]
struct Rates([Rate; NAMES]);

impl Default for Rates {
    fn default() -> Self {
        Self([Rate::default(); NAMES])
    }
}

/// The counts of one counter in the last seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// The hash of the name that has the counter.
    hash: u64,
    /// The count at the end of each second, in a ring.
    counts: [u64; WINDOW],
    /// How many seconds the name has had the counter.
    ticks: usize,
}

/// A name and its lines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BusyName {
    pub(crate) name: String,
    pub(crate) is_metric: bool,
    pub(crate) lines: u64,
    pub(crate) others: u64,
    pub(crate) per_second: f64,
}

impl BusyNames {
    /// Takes what a worker has noted; calls `matched` with each rule and the number of lines that matched the rule.
    pub(super) fn take(&mut self, from: &mut LineSampler, mut matched: impl FnMut(usize, u64)) {
        for noted in from.noted.iter().take(std::mem::take(&mut from.len)) {
            self.counters.add(&noted.name, noted.is_metric, noted.weight);
            self.sampled += 1;
            self.lines += noted.weight;
            if let Some(rule) = noted.rule {
                matched(rule, noted.weight);
            }
        }
    }

    /// Ends a second.
    pub(super) fn tick(&mut self) {
        for (rate, HeavyHitter { hash, samples, others, .. }) in self.rates.0.iter_mut().zip(self.counters.counters()) {
            if rate.hash != *hash {
                // What the name inherited is no line of its own.
                *rate = Rate { hash: *hash, counts: [*others; WINDOW], ticks: 0 };
            }
            rate.ticks += 1;
            rate.counts[self.ticks % WINDOW] = *samples;
        }
        self.ticks += 1;
    }

    /// How many lines were looked at, and how many lines these stand for.
    pub(crate) fn looked_at(&self) -> (u64, u64) {
        (self.sampled, self.lines)
    }

    /// The names with the most certain lines first.
    pub(crate) fn top(&self) -> Vec<BusyName> {
        let rate =
            |hash: u64| self.rates.0.iter().find(|rate| rate.hash == hash).map_or(0.0, |rate| self.per_second(rate));
        let named = |HeavyHitter { hash, name, kind, samples, others }| BusyName {
            name,
            is_metric: kind,
            lines: samples,
            others,
            per_second: rate(hash),
        };
        self.counters.top().into_iter().map(named).collect()
    }

    fn per_second(&self, rate: &Rate) -> f64 {
        // `ticks` is the place of the oldest count, and the newest is before it.
        let oldest = rate.counts[self.ticks % WINDOW];
        let newest = rate.counts[(self.ticks + WINDOW - 1) % WINDOW];
        newest.saturating_sub(oldest) as f64 / rate.ticks.clamp(1, WINDOW - 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes the chosen ones of lines in batches; gives how many were looked at.
    fn count(names: &mut BusyNames, sampler: &mut LineSampler, lines: &[&str]) -> usize {
        let mut looked = 0;
        for batch in lines.chunks(30) {
            let mut rest = batch;
            while let Some(chosen) = sampler.pass(rest.len()) {
                looked += 1;
                sampler.note(rest[chosen].as_bytes(), true, (rest[chosen] == "a").then_some(3));
                rest = &rest[chosen + 1..];
            }
            names.take(sampler, |rule, _| assert_eq!(rule, 3));
        }
        looked
    }

    #[test]
    fn few_lines_are_counted_exactly_and_have_a_rate() {
        let (mut names, mut sampler) = (BusyNames::default(), LineSampler::default());
        for second in 1..=20 {
            count(&mut names, &mut sampler, &["a", "b", "a"]);
            sampler.set_time(second);
            names.tick();
        }
        let name = |name: &str, lines, per_second| BusyName {
            name: name.to_owned(),
            is_metric: true,
            lines,
            others: 0,
            per_second,
        };
        assert_eq!(names.top(), [name("a", 40, 2.0), name("b", 20, 1.0)]);
        assert_eq!(names.looked_at(), (60, 60));
        (0..WINDOW).for_each(|_| names.tick());
        assert_eq!(names.top()[0].per_second, 0.0);
    }

    #[test]
    fn many_lines_cost_few_looks_and_are_estimated_well() {
        let (mut names, mut sampler) = (BusyNames::default(), LineSampler::default());
        let lines: Vec<&str> = (0..1_000_000).map(|n| if n % 10 < 7 { "a" } else { "b" }).collect();
        let looked = count(&mut names, &mut sampler, &lines);
        assert!((500..1000).contains(&looked), "{looked}");
        let top = names.top();
        assert!((600_000..800_000).contains(&top[0].lines) && top[0].name == "a", "{top:?}");
        let all = top[0].lines + top[1].lines;
        assert!((950_000..=1_000_000).contains(&all), "only the lines since the last look are missing: {all}");
        // The flood ends. The next line is looked at in the next second.
        sampler.set_time(1);
        assert_eq!(count(&mut names, &mut sampler, &["c"]), 1);
        let all: u64 = names.top().iter().map(|name| name.lines).sum();
        assert_eq!(all, 1_000_001, "the noted line stands for all others");
    }

    #[test]
    fn a_worker_notes_a_bounded_number_and_loses_no_line() {
        let (mut names, mut sampler) = (BusyNames::default(), LineSampler::default());
        let mut rest = 1000;
        while let Some(chosen) = sampler.pass(rest) {
            sampler.note(b"a", false, None);
            rest -= chosen + 1;
        }
        assert_eq!(sampler.len, NOTED);
        names.take(&mut sampler, |_, _| ());
        assert_eq!(sampler.pass(1), Some(0));
        sampler.note(b"a", false, None);
        names.take(&mut sampler, |_, _| ());
        assert_eq!(names.top()[0].lines, 1001);
    }

    #[test]
    fn a_name_that_takes_a_counter_has_its_own_rate() {
        let (mut names, mut sampler) = (BusyNames::default(), LineSampler::default());
        let many: Vec<String> = (0..NAMES).map(|n| format!("n{n}")).collect();
        for second in 1..=5 {
            many.iter().for_each(|name| _ = count(&mut names, &mut sampler, &[name]));
            sampler.set_time(second);
            names.tick();
        }
        for second in 6..=7 {
            count(&mut names, &mut sampler, &["new", "new", "new"]);
            sampler.set_time(second);
            names.tick();
        }
        let top = names.top();
        let new = top.iter().find(|name| name.name == "new").expect("it has a counter");
        assert_eq!((new.lines - new.others, new.per_second), (6, 3.0));
        assert_eq!(top.len(), NAMES);
    }
}
