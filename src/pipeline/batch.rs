//! SimpleLine lines that wait for each other, those of several packets too, so that the memory they need is fetched for all of
//! them at once.
//!
//! With many series every line misses the cache in the slots, in its route and in its cells, one after the other. Taken
//! step by step for a batch of lines, the misses of a step overlap, for none of them waits for another.

use arrayvec::ArrayVec;

use super::Worker;
use super::routes::{Key, NO_SERIES, Routes};
use crate::metric::MetricType;
use crate::parse::{Group, SimpleLine, Value};
use crate::prefetch::prefetch;

/// How many lines wait at most: about as many as fit a packet of 1,432 bytes.
const LEN: usize = 32;

/// SimpleLine lines with the hashes of their keys, in the order that they came.
#[derive(Debug, Default)]
pub struct Batch<'a>(ArrayVec<Waiting<'a>, LEN>);

#[derive(Clone, Copy, Debug)]
struct Waiting<'a> {
    plain: SimpleLine<'a>,
    hash: u64,
}

impl<'a> Batch<'a> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a line to a batch that is not full; tells whether it is now.
    #[inline]
    pub(super) fn push(&mut self, plain: SimpleLine<'a>, routes: &Routes) -> bool {
        let hash = routes.hash(&key(&plain));
        routes.prefetch_slot(hash);
        self.0.push(Waiting { plain, hash });
        self.0.is_full()
    }
}

/// The key of a plain line, which has no container.
#[inline]
fn key<'a>(plain: &SimpleLine<'a>) -> Key<'a> {
    Key { name: plain.name, statsd_type: plain.statsd_type, tags: plain.tags, container: &[] }
}

impl Worker {
    /// Applies the lines that wait, and empties the batch.
    #[inline]
    pub fn apply_batch(&mut self, batch: &mut Batch<'_>) {
        if !batch.is_empty() {
            self.apply_all(&batch.0);
            batch.0.clear();
        }
    }

    #[inline(never)]
    fn apply_all(&mut self, waiting: &[Waiting<'_>]) {
        let mut at = [0; LEN];
        let at = &mut at[..waiting.len()];
        if !self.find_all(waiting, at) || self.is_ahead {
            return self.apply_one_by_one(waiting);
        }
        // By type, for what comes next in a mix of types is not to be guessed. Lines of one series stay in their order.
        let mut order = [[0_u8; LEN]; NO_SERIES + 1];
        let mut lens = [0; NO_SERIES + 1];
        for (line, &at) in at.iter().enumerate() {
            self.routes.series(at).inspect(|series| prefetch(*series));
            let class = self.routes.class(at);
            order[class][lens[class]] = line as u8;
            lens[class] += 1;
        }
        const HISTOGRAM: usize = MetricType::Histogram as usize;
        for &line in &order[HISTOGRAM][..lens[HISTOGRAM]] {
            self.routes.series(at[usize::from(line)]).inspect(|series| series.cells.prefetch());
        }
        for (order, len) in order.iter().zip(lens) {
            for &line in &order[..len] {
                let line = usize::from(line);
                let (at, plain) = (at[line], &waiting[line].plain);
                match self.apply(at, plain.statsd_type, Value::Number(plain.number), Ok(plain.rate)) {
                    Ok(()) => self.kept(at),
                    Err(reject) => self.stats.rejected(reject, 1),
                }
            }
        }
    }

    /// Finds the routes of all lines, step by step; whether all of them are known.
    #[inline]
    fn find_all(&self, waiting: &[Waiting<'_>], at: &mut [usize]) -> bool {
        let mut known = true;
        for (at, Waiting { hash, .. }) in at.iter_mut().zip(waiting) {
            match self.routes.candidate(*hash) {
                Some(candidate) => {
                    self.routes.prefetch_route(candidate);
                    *at = candidate;
                }
                None => known = false,
            }
        }
        known && at.iter().zip(waiting).all(|(&at, Waiting { plain, .. })| self.routes.is_key_of(at, &key(plain)))
    }

    /// The way of lines of which one at least is new, or may have to wait for its turn.
    #[cold]
    fn apply_one_by_one(&mut self, waiting: &[Waiting<'_>]) {
        waiting.iter().for_each(|Waiting { plain, .. }| self.plain(plain));
    }

    /// Applies one plain line by itself.
    pub(super) fn plain(&mut self, plain: &SimpleLine<'_>) {
        let value = Value::Number(plain.number);
        let result = self.route(&Group::from(*plain), value).and_then(|at| {
            self.apply_in_turn(at, plain.statsd_type, value, Ok(plain.rate))?;
            self.kept(at);
            Ok(())
        });
        if let Err(reject) = result {
            // A plain line holds no byte that its route has not shown to be text.
            self.stats.rejected(reject, 1);
        }
    }
}
