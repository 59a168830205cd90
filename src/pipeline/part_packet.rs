//! Packets that are not read, or not to their end; and the wait for the packets before.

use memchr::memrchr;

use super::Batch;
use crate::reject::Reject;

impl<'p> Batch<'_, '_, 'p> {
    /// Takes the whole lines of a datagram whose end is lost; the rest counts as one line that is too long.
    #[cold]
    pub fn cut_packet(&mut self, packet: &'p [u8]) {
        let whole = memrchr(b'\n', packet).map_or(0, |end| end + 1);
        self.work.received(1, packet.len() as u64);
        self.lines(packet.get(..whole).unwrap_or_default());
        self.work.lost_line(Reject::LineTooLong, packet.get(whole..).unwrap_or_default());
    }

    /// Counts a datagram of a user who may not send. Its lines are not read.
    #[cold]
    pub fn denied_packet(&mut self, packet: &[u8]) {
        self.work.received(1, packet.len() as u64);
    }

    /// Waits for the ticket, and applies the updates that were held back.
    pub fn catch_up(&mut self) {
        self.work.applier.catch_up();
    }
}
