//! The order in which workers that share a socket took packets from it, kept for gauges.
//!
//! What counters and histograms add up is the same in any order. A gauge means its last line, and `+1` means one more
//! than before: those have to be applied as they came, though one worker may be done before another that was first.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Order {
    turn: Mutex<u64>,
    next: Condvar,
}

impl Order {
    /// The turn number `number`, counted from 0: that of who took the packets after `number` others had.
    pub fn turn(self: &Arc<Self>, number: u64) -> Turn {
        Turn { order: Arc::clone(self), number, has_come: *self.lock() == number }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A number is whole at any moment.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker's place in the order. It ends when this is dropped, however that comes about; the next one's comes then.
#[derive(Debug)]
pub struct Turn {
    order: Arc<Order>,
    number: u64,
    has_come: bool,
}

impl Turn {
    /// Whether all that came before is applied.
    #[inline]
    pub fn has_come(&self) -> bool {
        self.has_come
    }

    /// Waits until all that came before is applied.
    pub fn wait(&mut self) {
        if !self.has_come {
            let turn = self.order.next.wait_while(self.order.lock(), |turn| *turn != self.number);
            drop(turn.unwrap_or_else(PoisonError::into_inner));
            self.has_come = true;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.wait();
        *self.order.lock() += 1;
        self.order.next.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn turns_come_in_their_order() {
        let order = Arc::new(Order::default());
        let done = Mutex::new(Vec::new());
        let turns: Vec<Turn> = (0..20).map(|number| order.turn(number)).collect();
        assert!(turns[0].has_come() && !turns[1].has_come());
        thread::scope(|scope| {
            for mut turn in turns.into_iter().rev() {
                let done = &done;
                scope.spawn(move || {
                    turn.wait();
                    done.lock().unwrap().push(turn.number);
                });
            }
        });
        assert_eq!(done.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
        assert!(order.turn(20).has_come());
    }

    #[test]
    fn a_turn_that_is_dropped_lets_the_next_one_come() {
        let order = Arc::new(Order::default());
        let (first, mut second) = (order.turn(0), order.turn(1));
        drop(first);
        second.wait();
        assert!(second.has_come());
    }
}
