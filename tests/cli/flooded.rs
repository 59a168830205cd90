//! How the program ends while clients go on sending.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::support::{Daemon, Ended, Scratch, listening, sum};

/// How many lines were received in all, as the log says at the end.
#[track_caller]
fn lines(ended: &Ended) -> u64 {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    let lines = last.split_once(" INFO stopped lines=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    lines.unwrap_or_else(|| panic!("{last}"))
}

/// Runs `attack` on threads from before the signal to the end of the program.
fn ended_under(daemon: Daemon, attackers: usize, has_begun: impl Fn() -> bool, attack: impl Fn() + Sync) -> Ended {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..attackers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    attack();
                }
            });
        }
        let _stop = StopAttack(&stop);
        while !has_begun() {
            thread::yield_now();
        }
        daemon.signal("TERM");
        daemon.signal("CONT");
        daemon.wait()
    })
}

/// Ends an attack when it is dropped, even if the test fails.
struct StopAttack<'a>(&'a AtomicBool);

impl Drop for StopAttack<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// All workers of a socket together apply what one of them would. A packet takes longer to apply than to send, so that
/// the receive buffer is always full.
#[test]
fn a_flood_of_packets_is_applied_up_to_the_signal_and_once() {
    const LINES: usize = 500;
    let scratch = Scratch::new("flooded");
    let packet = "a:1|c\n".repeat(LINES);
    for workers in [1, 16, 64] {
        let config = scratch.write(
            &format!("{workers}.toml"),
            &format!("[intake]\nworkers = {workers}\nreceive_buffer = \"512KiB\"\n"),
        );
        let daemon = listening("udp", &["--config", &config]);
        let buffer = sum(&daemon.scrape(), "statsidecar_receive_buffer_bytes");
        let (to, sent) = (daemon.udp[0], AtomicU64::new(0));
        // The kernel charges a packet more than its bytes.
        let fits = buffer / packet.len() as u64;
        daemon.signal("STOP");
        daemon.wait_until_stopped();
        let has_begun = || sent.load(Ordering::Relaxed) > 2 * fits;
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let ended = ended_under(daemon, 4, has_begun, || {
            // The program's end closes the port.
            _ = client.send_to(packet.as_bytes(), to);
            sent.fetch_add(1, Ordering::Relaxed);
        });
        let applied = lines(&ended) / LINES as u64;
        assert!(applied > 0 && applied <= fits, "{applied} packets, {fits} fit the buffer, {workers} workers");
    }
}

/// Connections are accepted that waited at the signal, and no others.
#[test]
fn a_storm_of_connections_is_accepted_up_to_the_signal() {
    // One more than the backlog, as the kernel counts, unless the system allows fewer.
    const WAITING: u64 = 1025;
    let connect: [(_, fn(&str) -> _); 2] = [
        ("tcp", |address| TcpStream::connect(address).and_then(|mut stream| stream.write_all(b"a:1|c\n"))),
        ("unix", |name| {
            let name = SocketAddr::from_abstract_name(name.strip_prefix('@').unwrap_or_default()).expect("a name");
            UnixStream::connect_addr(&name).and_then(|mut stream| stream.write_all(b"a:1|c\n"))
        }),
    ];
    for (transport, connect) in connect {
        let daemon = listening(transport, &[]);
        daemon.scrape();
        let (_, address) = daemon.listeners[0].split_once("://").expect("an address");
        let address = address.to_owned();
        daemon.signal("STOP");
        daemon.wait_until_stopped();
        let tried = AtomicU64::new(0);
        // A Unix socket lets clients wait when its queue is full, so that a few hundred attempts must do.
        let ended = ended_under(
            daemon,
            16,
            || tried.load(Ordering::Relaxed) >= 500,
            || {
                _ = connect(&address);
                tried.fetch_add(1, Ordering::Relaxed);
            },
        );
        let lines = lines(&ended);
        assert!((400..=WAITING).contains(&lines), "{lines} connections were read over {transport}");
    }
}
