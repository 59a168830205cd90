//! The order in which workers that share a socket took packets from it, kept for gauges.
//!
//! What counters and histograms add up is the same in any order. A gauge means its last line, and `+1` means one more
//! than before, so updates of gauges are applied in the order of arrival. (Source: the ticket lock of Reed and Kanodia,
//! "Synchronization with eventcounts and sequencers", 1979.)

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// Which ticket is due.
#[derive(Debug, Default)]
pub struct TicketOrder {
    due: Mutex<u64>,
    next: Condvar,
}

impl TicketOrder {
    /// The ticket with this number, counted from 0. Numbers are given out in the order in which packets are taken.
    pub fn ticket(self: &Arc<Self>, number: u64) -> Ticket {
        Ticket { order: Arc::clone(self), number, is_due: *self.due.lock() == number }
    }
}

/// One batch's place in the order. Dropping it makes the next ticket due.
#[derive(Debug)]
pub struct Ticket {
    order: Arc<TicketOrder>,
    number: u64,
    is_due: bool,
}

impl Ticket {
    /// Whether all earlier batches are applied.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Waits until all earlier batches are applied.
    pub(super) fn wait(&mut self) {
        if !self.is_due {
            let mut due = self.order.due.lock();
            self.order.next.wait_while(&mut due, |due| *due != self.number);
            self.is_due = true;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.wait();
        *self.order.due.lock() += 1;
        self.order.next.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn tickets_are_due_in_their_order() {
        let order = Arc::new(TicketOrder::default());
        let done = Mutex::new(Vec::new());
        let tickets: Vec<Ticket> = (0..20).map(|number| order.ticket(number)).collect();
        assert!(tickets[0].is_due() && !tickets[1].is_due());
        thread::scope(|scope| {
            for mut ticket in tickets.into_iter().rev() {
                let done = &done;
                scope.spawn(move || {
                    ticket.wait();
                    done.lock().push(ticket.number);
                });
            }
        });
        assert_eq!(done.into_inner(), (0..20).collect::<Vec<_>>());
        assert!(order.ticket(20).is_due());
    }

    #[test]
    fn dropping_a_ticket_makes_the_next_one_due() {
        let order = Arc::new(TicketOrder::default());
        let (first, mut second) = (order.ticket(0), order.ticket(1));
        drop(first);
        second.wait();
        assert!(second.is_due());
    }
}
