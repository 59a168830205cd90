//! Datagrams: a socket, and the one loop that reads it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{self, Shutdown, sockopt};

use super::bind::{self, SocketFile};
use super::sys::{self, ReceiveBuffers, Wait};
use crate::config::{Address, IntakeConfig};
use crate::forward::Tap;
use crate::pipeline::{self, Order, Worker};
use crate::telemetry::{Listener, ListenerSnapshot, SocketSnapshot};

/// How many datagrams one call receives at most.
pub const BATCH: usize = 64;

/// A bound socket that lines come in by.
#[derive(Debug)]
pub struct Socket {
    address: Address,
    listener: Arc<Listener>,
    fd: OwnedFd,
    file: Option<SocketFile>,
    receive_buffer: usize,
    stopping: AtomicBool,
    drops: Mutex<Drops>,
}

/// The kernel's count of drops, which wraps at 2^32, carried on to a u64.
#[derive(Debug, Default)]
struct Drops {
    last: u32,
    total: u64,
}

impl Socket {
    /// Binds `address`. With `only_v6`, an IPv6 wildcard leaves IPv4 to another socket.
    ///
    /// The config's receive buffer is asked of the kernel: by force where the process may (`CAP_NET_ADMIN`), else as
    /// far as `net.core.rmem_max` goes. What is there already is never made smaller.
    pub fn bind(address: &Address, only_v6: bool, intake: &IntakeConfig) -> io::Result<Self> {
        let fd = bind::socket(address, only_v6)?;
        if let Some(bytes) = intake.receive_buffer
            && sockopt::socket_recv_buffer_size(&fd)? < bytes
            && sockopt::set_socket_recv_buffer_size_force(&fd, bytes).is_err()
        {
            sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
        }
        let (address, file) = bind::bind(&fd, address, intake)?;
        let receive_buffer = sockopt::socket_recv_buffer_size(&fd)?;
        let listener = Listener::new(address.to_string());
        Ok(Self {
            address,
            listener,
            fd,
            file,
            receive_buffer,
            stopping: AtomicBool::new(false),
            drops: Mutex::default(),
        })
    }

    /// The address that it is bound to, with the port that the kernel chose where none was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The receive buffer that the kernel gave, in bytes.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// How many lines it has received.
    pub fn lines(&self) -> u64 {
        self.listener.lines()
    }

    /// What it has received, and what the kernel knows of it now.
    pub fn snapshot(&self) -> ListenerSnapshot {
        let mut drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(memory) = sys::memory(self.fd.as_fd()) {
            drops.total += u64::from(memory.dropped.wrapping_sub(drops.last));
            drops.last = memory.dropped;
        }
        let receive_buffer = self.receive_buffer;
        self.listener.snapshot(SocketSnapshot::Datagram { dropped: drops.total, receive_buffer })
    }

    /// How much the kernel holds that was not read, as it charges for it.
    fn queued(&self) -> usize {
        match self.address {
            // Charged to those who sent it, who cannot send more to a socket that is shut down: read all.
            Address::Unixgram(_) => usize::MAX,
            _ => sys::memory(self.fd.as_fd()).map_or(usize::MAX, |memory| memory.queued as usize),
        }
    }

    /// Tells [`receive`] to take what the kernel has queued, and return.
    pub fn stop(&self) {
        self.file.iter().for_each(SocketFile::remove);
        self.stopping.store(true, Ordering::SeqCst);
        // Linux wakes who waits for a datagram socket that is shut down, connected or not, and then says that it is
        // not connected. What is queued can still be read.
        let _ = net::shutdown(&self.fd, Shutdown::Read);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Hands every datagram of `socket` to `worker`, and its lines to `tap`, until [`Socket::stop`] and then until all that
/// was queued at that moment is applied.
pub fn receive(socket: &Socket, worker: Worker, tap: Option<Tap>) {
    let mut reader = Reader { socket, batch: ReceiveBuffers::new(BATCH), worker, tap };
    while !socket.is_stopping() {
        reader.take_or_warn(Wait::ForOne, |_, _| {});
    }
    reader.drain(|_, _| {});
}

/// As [`receive`] does, one of several threads that share the datagrams of `socket`, those of one sender too.
///
/// One thread waits for datagrams; the others wait for their turn. Only where a whole batch came, so that more is likely
/// to be queued, does the next one take over while this one applies the batch. So a load that one worker bears costs no
/// more than with one.
pub fn receive_shared(socket: &Socket, worker: Worker, tap: Option<Tap>, turns: &Turns) {
    let mut reader = Reader { socket, batch: ReceiveBuffers::new(BATCH), worker, tap };
    let mut lead = None;
    while !socket.is_stopping() {
        let mut next = lead.take().unwrap_or_else(|| turns.lock());
        reader.take_or_warn(Wait::ForOne, |packets, worker| {
            worker.takes_turn(turns.order.turn(*next));
            *next += 1;
            if packets < BATCH {
                lead = Some(next);
            }
        });
    }
    let mut next = lead.take().unwrap_or_else(|| turns.lock());
    reader.drain(|_, worker| {
        worker.takes_turn(turns.order.turn(*next));
        *next += 1;
    });
}

/// The turns of the threads that share a socket.
#[derive(Debug, Default)]
pub struct Turns {
    /// The number of the next batch. Who holds it receives.
    next: Mutex<u64>,
    order: Arc<Order>,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, u64> {
        // A number is whole at any moment.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread reads with.
struct Reader<'a> {
    socket: &'a Socket,
    batch: ReceiveBuffers,
    worker: Worker,
    tap: Option<Tap>,
}

impl Reader<'_> {
    /// Reads what is queued. Senders may go on sending, so it ends at the latest when as much was read as was there: the
    /// kernel charges a datagram its bytes and [`OVERHEAD`] at the least.
    fn drain(&mut self, mut before: impl FnMut(usize, &mut Worker)) {
        const OVERHEAD: usize = 256;
        let mut queued = self.socket.queued();
        while queued > 0 {
            match self.take(Wait::No, &mut before) {
                Ok((packets, bytes)) => queued = queued.saturating_sub(bytes + packets * OVERHEAD),
                Err(_) => return,
            }
        }
    }

    fn take_or_warn(&mut self, wait: Wait, before: impl FnOnce(usize, &mut Worker)) {
        if let Err(error) = self.take(wait, before) {
            tracing::warn!(listener = %self.socket.address, %error, "receiving failed; going on");
        }
    }

    /// Receives a batch and applies it; gives its packets and bytes. `before` is called in between with the number of
    /// packets that came. A signal that comes in between is no error.
    fn take(&mut self, wait: Wait, before: impl FnOnce(usize, &mut Worker)) -> io::Result<(usize, usize)> {
        let packets = match self.batch.receive(self.socket.as_fd(), wait) {
            Ok(packets) => packets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok((0, 0)),
            Err(error) => return Err(error),
        };
        before(packets.len(), &mut self.worker);
        let is_lone = packets.len() == 1;
        let mut waiting = pipeline::Batch::default();
        let (mut count, mut bytes) = (0, 0);
        for packet in packets {
            // A socket that is shut down gives an empty datagram that nobody sent.
            if packet.bytes.is_empty() && self.socket.is_stopping() {
                continue;
            }
            count += 1;
            bytes += packet.bytes.len();
            match packet.is_cut {
                false if is_lone => self.worker.packet(packet.bytes),
                false => self.worker.packet_of(packet.bytes, &mut waiting),
                true => {
                    self.worker.apply_batch(&mut waiting);
                    self.worker.cut_packet(packet.bytes);
                }
            }
            if let Some(tap) = &mut self.tap {
                match packet.is_cut {
                    false => tap.lines(packet.bytes),
                    true => tap.cut_packet(packet.bytes),
                }
                if tap.has_much() {
                    self.worker.catch_up();
                    tap.flush();
                }
            }
        }
        self.worker.apply_batch(&mut waiting);
        if let Some(tap) = &mut self.tap {
            // Targets get the lines in the order that they came in, whichever worker is faster.
            self.worker.catch_up();
            tap.flush();
        }
        self.worker.flush(&self.socket.listener);
        Ok((count, bytes))
    }
}
