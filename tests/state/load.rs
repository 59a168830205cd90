//! Clients that never pause, but for the moments in which a test wants to know what is missing.

use std::fmt::Write;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::ledger::{Kept, Ledger};
use crate::support::Client;

/// The rules of the series that are sent.
pub const RULES: &str = "\
[[metric]]\nmatch = 'hits'\nname = 'hits_total'\n\
[[metric]]\nmatch = 'halves'\nname = 'halves_total'\n\
[[metric]]\nmatch = 'took'\nname = 'took'\ntype = 'histogram'\nbuckets = [1, 2, 5]\n\
[[metric]]\nmatch = 'place'\nname = 'place'\n\
[[metric]]\nmatch = 'waits'\nname = 'waits'\ntype = 'summary'\nquantiles = [0.5]\n";

/// How many lines a packet has.
pub const LINES: u64 = 20;

/// How many series each name has that all clients feed.
const SERIES: usize = 20;

/// The numbers of the series in the ledger.
struct Accounts {
    hits: Vec<usize>,
    halves: Vec<usize>,
    counts: Vec<usize>,
    sums: Vec<usize>,
    /// One for each client.
    places: Vec<usize>,
    waits: Vec<usize>,
}

/// What all clients share.
pub struct Load {
    /// What was sent.
    pub ledger: Ledger,
    accounts: Accounts,
    /// Clients have it while they send.
    gate: RwLock<()>,
    pub over: AtomicBool,
}

impl Load {
    /// For so many clients.
    pub fn new(clients: usize) -> Self {
        let mut ledger = Ledger::default();
        let mut all = |name: &str, kept, step| -> Vec<_> {
            (0..SERIES).map(|n| ledger.add(format!("{name}{{n=\"{n}\"}}"), kept, step)).collect()
        };
        let (hits, halves) = (all("hits_total", Kept::Added, 1.0), all("halves_total", Kept::Added, 0.5));
        let (counts, sums) = (all("took_count", Kept::Added, 1.0), all("took_sum", Kept::Sum, 3.0));
        let mut each = |name: &str, kept| -> Vec<_> {
            (0..clients).map(|n| ledger.add(format!("{name}{{client=\"{n}\"}}"), kept, 1.0)).collect()
        };
        let (places, waits) = (each("place", Kept::Last), each("waits_count", Kept::Saved));
        let accounts = Accounts { hits, halves, counts, sums, places, waits };
        Self { ledger, accounts, gate: RwLock::new(()), over: AtomicBool::new(false) }
    }

    /// Sends about 50,000 lines a second as the client with this number, until it is over.
    pub fn send(&self, client: usize, listener: &str, mut rng: fastrand::Rng) {
        let (mut to, mut place, mut packet) = (Client::connect(listener), 0, String::new());
        if let Client::Unixgram(unixgram) = &to {
            unixgram.set_write_timeout(Some(crate::support::PATIENCE)).expect("a limit");
        }
        while !self.over.load(Ordering::Relaxed) {
            let open = self.gate.read().expect("no client has failed");
            for _ in 0..5 {
                packet.clear();
                (2..LINES).for_each(|_| self.add_line(&mut packet, &mut rng));
                place += 1;
                self.ledger.will_be(self.accounts.places[client], place);
                self.ledger.will_send(self.accounts.waits[client]);
                write!(packet, "waits:1|d|#client:{client}\nplace:{place}|g|#client:{client}").expect("memory");
                to.send(packet.as_bytes());
            }
            drop(open);
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn add_line(&self, packet: &mut String, rng: &mut fastrand::Rng) {
        let n = rng.usize(..SERIES);
        let line = match rng.u8(..3) {
            0 => {
                self.ledger.will_send(self.accounts.hits[n]);
                format!("hits:1|c|#n:{n}\n")
            }
            1 => {
                self.ledger.will_send(self.accounts.halves[n]);
                format!("halves:0.5|c|#n:{n}\n")
            }
            _ => {
                self.ledger.will_send(self.accounts.counts[n]);
                self.ledger.will_send(self.accounts.sums[n]);
                format!("took:3|h|#n:{n}\n")
            }
        };
        packet.push_str(&line);
    }

    /// Lets `look` see what there is while no client sends.
    pub fn hold<T>(&self, look: impl FnOnce() -> T) -> T {
        let _closed = self.gate.write().expect("no client has failed");
        look()
    }
}
