//! The largest burst of packets of one line that a receiver takes without a loss after it was idle.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Options;
use crate::peers::{PEERS, RunningPeer};
use crate::receiver::{Sidecar, has_two_cores, median, write_config};

/// No larger burst is tried.
const MOST: usize = 1 << 18;

/// Names that the receiver knows, if it is not to be sent new ones.
const KNOWN: usize = 1000;

/// A receiver takes a burst if it loses nothing in one of so many tries, because any other program can take its core away
/// for longer than a buffer lasts.
const TRIES: usize = 3;

/// How long a receiver rests before a burst: longer than anything that it does after the packets before.
const REST: Duration = Duration::from_millis(150);

/// Prints the rows.
pub(crate) fn print(options: &Options) {
    if !options.asks_for("burst") {
        return;
    }
    println!("| largest burst without a loss | receive buffer | program | packets |");
    println!("|---|---|---|---|");
    for (names, is_new) in [("known names", false), ("new names", true)] {
        for (buffer, size) in [("the system's", "0"), ("8 MiB", "8MiB")] {
            let configs = ["0", "10ms"].map(|gather| {
                let intake = format!("[intake]\nreceive_buffer = \"{size}\"\ngather = \"{gather}\"\n");
                (gather, write_config(gather, &format!("{intake}[limits]\nseries = 1_000_000\nmemory = \"0\"\n")))
            });
            // In turn, so that a machine that becomes busier disturbs both.
            let runs: Vec<[usize; 2]> = (0..options.runs)
                .map(|_| {
                    configs.each_ref().map(|(_, config)| {
                        largest(|packets| {
                            let sidecar = Sidecar::start(Some(config));
                            takes(sidecar.receiver.udp, &lines(packets, is_new, 0), is_new, || sidecar.dropped())
                        })
                    })
                })
                .collect();
            for (n, (gather, _)) in configs.iter().enumerate() {
                let middle = median(runs.iter().map(|run| run[n] as f64).collect());
                print_row(names, buffer, &format!("statsidecar, gather = \"{gather}\""), middle as usize);
            }
            if options.with_peers && size == "0" {
                print_peers(names, is_new);
            }
        }
    }
    println!();
}

fn print_row(names: &str, buffer: &str, program: &str, packets: usize) {
    let at_least = if packets == MOST { "at least " } else { "" };
    println!("| burst, {names} | {buffer} | {program} | {at_least}{packets} |");
}

/// Peers keep running, so each burst of new names has names of its own.
fn print_peers(names: &str, is_new: bool) {
    for peer in PEERS {
        let Some(running) = RunningPeer::start(peer) else { continue };
        let mut first = 0;
        let packets = largest(|packets| {
            first += MOST;
            takes(running.udp, &lines(packets, is_new, first), is_new, || running.dropped())
        });
        print_row(names, "the system's", peer.name, packets);
    }
}

/// The largest burst that `is_taken`, at least 64 packets, to a twentieth.
fn largest(mut is_taken: impl FnMut(usize) -> bool) -> usize {
    let mut taken = 64;
    let mut is_taken = |packets| (0..TRIES).any(|_| is_taken(packets));
    while taken < MOST && is_taken(taken * 2) {
        taken *= 2;
    }
    let mut lost = taken * 2;
    while taken < MOST && lost - taken > taken / 20 {
        let middle = usize::midpoint(taken, lost);
        if is_taken(middle) { taken = middle } else { lost = middle }
    }
    taken
}

/// Counters with different names, or as many of [`KNOWN`] names.
fn lines(packets: usize, is_new: bool, first: usize) -> Vec<String> {
    let name = |n| if is_new { first + n } else { n % KNOWN };
    (0..packets).map(|n| format!("etl.stage.instance{:07}.records_read:1|c", name(n))).collect()
}

/// Whether a receiver takes these `lines` back to back without dropping one.
fn takes(target: SocketAddr, lines: &[String], is_new: bool, dropped: impl Fn() -> u64) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(target).expect("an address");
    let send = |line: &String| socket.send(line.as_bytes()).expect("loopback takes packets");
    if !is_new {
        for line in lines.iter().take(KNOWN) {
            send(line);
            thread::sleep(Duration::from_micros(20));
        }
    }
    let before = dropped();
    thread::sleep(REST);
    thread::scope(|scope| {
        scope.spawn(|| {
            if has_two_cores() {
                let mut second = CpuSet::new();
                second.set(1);
                sched_setaffinity(None, &second).expect("the second core may be used");
            }
            lines.iter().for_each(|line| _ = send(line));
        });
    });
    // On loopback, what is lost is lost when it is sent.
    dropped() == before
}
