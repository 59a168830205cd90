//! Relay targets that come and go.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};

use crate::Stage;
use crate::support::sum;

/// A TCP target, which listens now and then, and a UDP target, whose socket is there now and then.
pub struct Targets {
    tcp: SocketAddr,
    udp: SocketAddr,
}

impl Targets {
    /// Two free ports.
    pub fn reserve() -> Self {
        let free = || UdpSocket::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        Self { tcp: free(), udp: free() }
    }

    pub fn config(&self) -> String {
        format!("[[relay]]\ntarget = \"tcp://{}\"\n[[relay]]\ntarget = \"udp://{}\"\n", self.tcp, self.udp)
    }

    /// Both come and go until all is over, at times that the seed decides.
    pub fn come_and_go(&self, stage: &Stage<'_>) {
        thread::scope(|scope| {
            scope.spawn(|| self.tcp_comes_and_goes(stage));
            scope.spawn(|| self.udp_comes_and_goes(stage));
        });
    }

    fn tcp_comes_and_goes(&self, stage: &Stage<'_>) {
        let mut numbers = stage.numbers(21);
        while !stage.is_over() {
            let until = Instant::now() + Duration::from_millis(numbers.u64(100..3000));
            if let Some(listener) = listening(self.tcp) {
                read_until(stage, &listener, until);
            }
            thread::sleep(Duration::from_millis(numbers.u64(0..1500)));
        }
    }

    fn udp_comes_and_goes(&self, stage: &Stage<'_>) {
        let mut numbers = stage.numbers(22);
        while !stage.is_over() {
            let until = Instant::now() + Duration::from_millis(numbers.u64(100..3000));
            if let Ok(target) = UdpSocket::bind(self.udp) {
                target.set_read_timeout(Some(Duration::from_millis(50))).expect("a time limit");
                let mut packet = [0; 2048];
                while !stage.is_over() && Instant::now() < until {
                    let _ = target.recv(&mut packet);
                }
            }
            thread::sleep(Duration::from_millis(numbers.u64(0..1500)));
        }
    }

    /// Whether each target has an outcome for each of so many lines, but for those that still wait for it.
    pub fn all_counted(&self, exposition: &str, lines: u64) -> bool {
        let outcomes = |target: String| -> u64 {
            let of = |outcome: &str| {
                sum(exposition, &format!("statsidecar_relay_lines_total{{outcome=\"{outcome}\",target=\"{target}\"}}"))
            };
            ["failed", "looped", "sent", "shed"].iter().map(|outcome| of(outcome)).sum()
        };
        // A line that is cut by a reset is a line received, and is not relayed.
        let cut = exposition.lines().filter(|line| line.starts_with("statsidecar_closed_connections_total"));
        let cut = cut.filter(|line| line.contains("reason=\"error\""));
        let cut: u64 = cut.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
        // A TCP target that is gone keeps its queue, so only UDP has an outcome for each line.
        let (tcp, udp) = (outcomes(format!("tcp://{}", self.tcp)), outcomes(format!("udp://{}", self.udp)));
        tcp <= lines && udp <= lines && udp + cut >= lines
    }
}

/// Listens on a port that an earlier connection may still hold.
fn listening(address: SocketAddr) -> Option<TcpListener> {
    let fd: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    sockopt::set_socket_reuseaddr(&fd, true).ok()?;
    bind(&fd, &address).ok()?;
    listen(&fd, 16).ok()?;
    let listener = TcpListener::from(fd);
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

/// Takes connections and reads them until a time, and closes all of them.
fn read_until(stage: &Stage<'_>, listener: &TcpListener, until: Instant) {
    let (mut streams, mut part) = (Vec::new(), [0; 64 << 10]);
    while !stage.is_over() && Instant::now() < until {
        if let Ok((stream, _)) = listener.accept() {
            let _ = stream.set_nonblocking(true);
            streams.push(stream);
        }
        streams.retain_mut(|stream| match stream.read(&mut part) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        thread::sleep(Duration::from_millis(1));
    }
}
