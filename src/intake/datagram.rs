//! Datagrams: the socket, and the loops that receive from it.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use rustix::net::{self, Shutdown, sockopt};

use super::bind::BoundSocket;
use super::catch_up::{InHand, catch_up, is_readable};
use super::gathering::Gathering;
use super::passed::Wakeup;
use super::peers::AllowedPeers;
use super::sys::{self, Datagram, ReceiveBuffers, Wait};
use crate::config::{Address, IntakeConfig};
use crate::forward::RelayTap;
use crate::pipeline::{Ticket, TicketOrder, Worker};
use crate::retries::{NextTry, Retries};
use crate::sync::Mutex;
use crate::telemetry::{DatagramSnapshot, Listener, ListenerSnapshot, SocketSnapshot};

/// How many datagrams one system call receives at most.
pub const BATCH: usize = 64;

/// A bound datagram socket of a listener.
#[derive(Debug)]
pub struct Socket {
    bound: BoundSocket,
    listener: Arc<Listener>,
    receive_buffer: usize,
    /// `None`: the threads that read the socket never pause.
    gathering: Option<Gathering>,
    /// When the threads that read the socket must end; `None` until [`Socket::stop`].
    end: OnceLock<Instant>,
    /// Sockets whose files were lost, until a thread has read what is queued there; `has_retired` says whether there are any.
    retired: Mutex<Vec<OwnedFd>>,
    has_retired: AtomicBool,
    drops: Mutex<Drops>,
    /// The users who may send; `None` is all.
    allowed: Option<AllowedPeers>,
    /// Datagrams of others.
    denied: AtomicU64,
    /// What each thread that reads the socket has in hand.
    in_hand: Mutex<Vec<Arc<InHand>>>,
    /// Ends the waits of these threads, if the socket was passed and must not be shut down.
    wakeup: Option<Wakeup>,
}

/// The kernel's count of dropped packets, extended to 64 bits because it wraps at 2^32.
#[derive(Debug, Default)]
struct Drops {
    last: u32,
    total: u64,
}

impl Socket {
    /// Binds `address`, one of the listeners of `intake`.
    pub fn bind(address: &Address, intake: &IntakeConfig) -> io::Result<Self> {
        Self::new(BoundSocket::new(address, intake)?, intake)
    }

    /// Of a socket that is bound.
    pub(crate) fn new(bound: BoundSocket, intake: &IntakeConfig) -> io::Result<Self> {
        let allowed = AllowedPeers::of(&bound.address, intake)?;
        let receive_buffer = sockopt::socket_recv_buffer_size(&bound.fd)?;
        let gathering = match bound.address {
            // Senders to a Unix socket block while its queue, which is short, is full.
            Address::Unixgram(_) => None,
            _ => Gathering::new(intake.gather, receive_buffer)?,
        };
        Ok(Self {
            listener: Listener::new(bound.address.to_string()),
            receive_buffer,
            gathering,
            wakeup: bound.is_passed.then(Wakeup::new).transpose()?,
            bound,
            end: OnceLock::new(),
            retired: Mutex::default(),
            has_retired: AtomicBool::new(false),
            drops: Mutex::default(),
            allowed,
            denied: AtomicU64::new(0),
            in_hand: Mutex::default(),
        })
    }

    /// The bound address, with the port that the kernel chose for port 0.
    pub fn address(&self) -> &Address {
        &self.bound.address
    }

    /// The receive buffer that the kernel gave, in bytes.
    pub(crate) fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// What it has received, and what the kernel knows of it.
    pub(crate) fn snapshot(&self) -> ListenerSnapshot {
        let mut drops = self.drops.lock();
        // A socket that is stopped drops what is sent to it as if it were closed.
        if !self.is_stopping()
            && let Ok(memory) = sys::memory(self.as_fd())
        {
            drops.total += u64::from(memory.dropped.wrapping_sub(drops.last));
            drops.last = memory.dropped;
        }
        let (receive_buffer, denied) = (self.receive_buffer, self.denied.load(Ordering::Relaxed));
        let datagram = DatagramSnapshot { dropped: drops.total, denied, receive_buffer };
        self.listener.snapshot(SocketSnapshot::Datagram(datagram))
    }

    /// How many bytes the kernel has queued, including its own bookkeeping.
    fn queued(&self) -> usize {
        match self.bound.address {
            // The kernel charges these bytes to their senders. They cannot send to a socket that is shut down, so reading
            // everything ends.
            Address::Unixgram(_) => usize::MAX,
            _ => sys::memory(self.as_fd()).map_or(usize::MAX, |memory| memory.queued as usize),
        }
    }

    /// Waits until all that arrived before is applied, but not longer than until `deadline`.
    pub(crate) fn catch_up(&self, deadline: Instant) {
        let (queued, before) = (self.queued(), self.listener.received());
        let is_behind = || is_readable(self.as_fd()) && self.listener.received() - before < queued as u64;
        let in_hand = self.in_hand.lock().clone();
        self.interrupt();
        catch_up(is_behind, in_hand.iter().map(Arc::as_ref), deadline);
    }

    /// Ends the pause of a thread that lets packets gather.
    fn interrupt(&self) {
        self.gathering.iter().for_each(Gathering::interrupt);
    }

    /// A thread that reads the socket notes here what it has in hand.
    fn add_reader(&self) -> Arc<InHand> {
        let in_hand = Arc::new(InHand::new());
        self.in_hand.lock().push(Arc::clone(&in_hand));
        in_hand
    }

    /// Tells [`receive`] to apply what the kernel has queued by now, and to return. What is not applied by `end` is lost.
    pub(crate) fn stop(&self, end: Instant) {
        self.bound.remove_file();
        self.snapshot();
        let _ = self.end.set(end); // it fails only if the socket is stopped already
        match &self.wakeup {
            Some(wakeup) => wakeup.wake(),
            None => self.shut_down(),
        }
        self.interrupt();
    }

    /// Wakes the threads that wait for the socket, and drops what is sent to it from now on.
    fn shut_down(&self) {
        // Senders may go on sending, and what they send must not delay the end. If the kernel has no filters, `end` bounds
        // it.
        let _ = sys::refuse(self.as_fd());
        // Linux wakes a thread that waits for a datagram socket when the socket is shut down, although this call then
        // fails because the socket is not connected. Queued datagrams can still be read.
        let _ = net::shutdown(self, Shutdown::Read);
    }

    /// Binds the socket anew if its file is lost. What clients had sent to the old one is still read.
    pub(crate) fn restore(&self, intake: &IntakeConfig) {
        let Some(old) = self.bound.restore(intake) else { return };
        let mut retired = self.retired.lock();
        // `Release`: a thread that sees it finds the new socket.
        self.has_retired.store(true, Ordering::Release);
        // This wakes the thread that waits, and tells clients to connect again.
        let _ = net::shutdown(&old, Shutdown::Read);
        retired.push(old);
    }

    /// Whether clients find the socket.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_bound()
    }

    /// Whether it has a file that [`restore`](Self::restore) looks at.
    pub(crate) fn has_file(&self) -> bool {
        self.bound.has_file()
    }

    /// How far each thread that reads the socket is: the figure is odd while the thread applies datagrams, and another one
    /// for the next batch.
    pub(crate) fn progress(&self) -> Vec<u64> {
        self.in_hand.lock().iter().map(|thread| thread.mark()).collect()
    }

    fn has_retired(&self) -> bool {
        self.has_retired.load(Ordering::Acquire)
    }

    /// Tells of the datagrams that are lost because there was no time for them. All threads must have ended.
    pub(crate) fn log_lost(&self) {
        if self.bound.is_passed {
            return; // they wait for the next process
        }
        let bytes = sys::memory(self.as_fd()).map_or(0, |memory| memory.queued);
        if is_readable(self.as_fd()) && bytes > 0 {
            let listener = self.address();
            tracing::warn!(%listener, bytes, "there was no time for all datagrams that waited at the signal; they are lost");
        }
    }

    /// Whether its sender may send.
    fn allows(&self, packet: &Datagram<'_>) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| packet.sender.is_some_and(|uid| allowed.allows(uid)))
    }

    fn is_stopping(&self) -> bool {
        self.end.get().is_some()
    }

    /// Whether a read may give an empty datagram that nobody sent, because the socket is shut down.
    fn is_shut_down(&self) -> bool {
        !self.bound.is_passed && (self.is_stopping() || self.has_retired())
    }

    /// Whether the threads that read the socket must end now.
    fn is_late(&self) -> bool {
        self.end.get().is_some_and(|end| Instant::now() >= *end)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.fd.as_fd()
    }
}

/// Hands every datagram of `socket` to `worker`, and its lines to `tap`, until [`Socket::stop`] and then until all that
/// was queued at that moment is applied, or until there is no more time.
///
/// With `tickets`, several threads share the datagrams of the socket, those of a single sender too. One thread waits for
/// datagrams; the others wait for their turn. The next thread takes over only when a whole batch arrived, because more is
/// likely to be queued then. So a load that one worker bears costs no more than with one worker.
///
/// The threads of several sockets may share a worker, which then applies one batch at a time.
///
/// `started` is called when the thread has its buffers.
pub(crate) fn receive(
    socket: &Socket,
    worker: Arc<Mutex<Worker>>,
    tap: Option<RelayTap>,
    tickets: Option<&Mutex<Tickets>>,
    started: impl FnOnce(),
) {
    let in_hand = socket.add_reader();
    let buffers = ReceiveBuffers::new(BATCH);
    let buffers = if socket.allowed.is_some() { buffers.with_senders() } else { buffers };
    let mut reader = Reader { socket, buffers, worker, tap, in_hand };
    started();
    let lock = || tickets.map(Mutex::lock);
    let (mut lead, mut retries) = (None, Retries::new());
    let mut gathering = socket.gathering.as_ref().map(|gathering| (gathering, gathering.pacer()));
    while !socket.is_stopping() {
        let mut turn = lead.take().or_else(lock);
        let taken = reader.take_next(|packets| {
            let ticket = turn.as_mut().map(|tickets| tickets.take());
            if packets < BATCH {
                lead = turn.take();
            }
            ticket
        });
        match taken {
            Ok(packets) => {
                retries.succeeded();
                if let Some((gathering, pacer)) = &mut gathering
                    && packets < BATCH
                    && pacer.pauses(packets > 1, Instant::now())
                    && !socket.is_stopping()
                {
                    gathering.pause();
                }
            }
            Err(error) => reader.pause(&mut retries, &error),
        }
        if socket.has_retired() {
            lead = lead.or_else(lock);
            reader.drain_retired(|_| lead.as_mut().map(|tickets| tickets.take()));
        }
    }
    let mut turn = lead.or_else(lock);
    reader.drain_retired(|_| turn.as_mut().map(|tickets| tickets.take()));
    reader.drain(socket.as_fd(), |_| turn.as_mut().map(|tickets| tickets.take()));
}

/// The tickets of the threads that share a socket. The thread that holds their lock receives.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    /// The number of the next ticket.
    next: u64,
    order: Arc<TicketOrder>,
}

impl Tickets {
    fn take(&mut self) -> Ticket {
        self.next += 1;
        self.order.ticket(self.next - 1)
    }
}

/// What a thread reads with.
struct Reader<'a> {
    socket: &'a Socket,
    buffers: ReceiveBuffers,
    worker: Arc<Mutex<Worker>>,
    tap: Option<RelayTap>,
    in_hand: Arc<InHand>,
}

impl Reader<'_> {
    /// Waits for datagrams of the socket and takes them, like [`take`](Self::take).
    fn take_next(&mut self, ticket: impl FnOnce(usize) -> Option<Ticket>) -> io::Result<usize> {
        let (socket, Some(wakeup)) = (self.socket, &self.socket.wakeup) else {
            return self.take(self.socket.as_fd(), Wait::ForOne, ticket);
        };
        wakeup.wait_for(socket.as_fd());
        match self.take(socket.as_fd(), Wait::No, ticket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            taken => taken,
        }
    }

    /// Reads what is queued in `from`, as long as there is time.
    ///
    /// Clients go on sending to a passed socket. A batch that is not full shows that all was read that was queued at the
    /// signal; the rest waits for the next process.
    fn drain(&mut self, from: BorrowedFd<'_>, mut ticket: impl FnMut(usize) -> Option<Ticket>) {
        let least = if self.socket.bound.is_passed { BATCH } else { 0 };
        while !self.socket.is_late() && self.take(from, Wait::No, &mut ticket).is_ok_and(|taken| taken >= least) {}
    }

    /// Reads what clients had sent before the socket was bound anew.
    #[cold]
    fn drain_retired(&mut self, mut ticket: impl FnMut(usize) -> Option<Ticket>) {
        let retired = {
            let mut retired = self.socket.retired.lock();
            self.socket.has_retired.store(false, Ordering::Relaxed);
            mem::take(&mut *retired)
        };
        retired.iter().for_each(|old| self.drain(old.as_fd(), &mut ticket));
    }

    /// Waits after an error, longer each time, so that an error that stays costs little.
    #[cold]
    fn pause(&self, retries: &mut Retries, error: &io::Error) {
        let NextTry { pause, log } = retries.failed(Instant::now());
        if let Some(unlogged) = log {
            let listener = self.socket.address();
            tracing::warn!(%listener, %error, more_since_the_last_warning = unlogged, "receiving failed; going on");
        }
        thread::sleep(pause);
    }

    /// Receives datagrams of `from` and applies them; gives their number. `ticket` is called in between, with that number. A
    /// signal that arrives in between is no error.
    fn take(
        &mut self,
        from: BorrowedFd<'_>,
        wait: Wait,
        ticket: impl FnOnce(usize) -> Option<Ticket>,
    ) -> io::Result<usize> {
        let received = self.buffers.receive(from, wait);
        let _in_hand = self.in_hand.begin();
        let packets = match received {
            Ok(packets) => packets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error),
        };
        let taken = packets.len();
        let ticket = ticket(taken);
        let mut worker = self.worker.lock();
        let mut work = worker.begin(&self.socket.listener, ticket);
        let mut batch = work.batch();
        for packet in packets {
            if packet.bytes.is_empty() && self.socket.is_shut_down() {
                continue;
            }
            if !self.socket.allows(&packet) {
                batch.denied_packet(packet.bytes);
                self.socket.denied.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            match packet.is_cut {
                false => batch.packet(packet.bytes),
                true => batch.cut_packet(packet.bytes),
            }
            if let Some(tap) = &mut self.tap {
                match packet.is_cut {
                    false => tap.lines(packet.bytes),
                    true => tap.cut_packet(packet.bytes),
                }
                if tap.has_much() {
                    batch.catch_up();
                    tap.flush();
                }
            }
        }
        if let Some(tap) = &mut self.tap {
            // Targets get the lines in the order of their arrival, whichever worker is faster.
            batch.catch_up();
            tap.flush();
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::mapping::Rules;
    use crate::metric::Sharing;
    use crate::pipeline::Pipeline;

    /// The test holds the lock of the worker, so that the thread cannot apply what it has taken.
    #[test]
    fn a_thread_that_cannot_apply_its_datagrams_makes_no_progress() {
        let (rules, _) = Rules::compile(&Config::default());
        let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
        let worker = Arc::new(Mutex::new(Worker::new(pipeline, Sharing::SingleWriter)));
        let intake = IntakeConfig::default();
        let socket = Socket::bind(&"udp://127.0.0.1:0".parse().expect("an address"), &intake).expect("a socket");
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let await_progress = |is_right: &dyn Fn(u64) -> bool| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !matches!(*socket.progress(), [figure] if is_right(figure)) {
                assert!(Instant::now() < deadline, "{:?}", socket.progress());
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| receive(&socket, Arc::clone(&worker), None, None, || {}));
            await_progress(&|figure| figure == 0);
            let held = worker.lock();
            sender.send_to(b"a:1|c", socket.address().ip().expect("an address")).expect("it is taken");
            await_progress(&|figure| figure == 1);
            drop(held);
            await_progress(&|figure| figure == 2);
            socket.stop(Instant::now());
        });
    }
}
