//! The relay over real sockets: what arrives at the targets, what does not, and that every line is counted once.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use support::{Client, Daemon, PATIENCE, Scratch, run_in, sum};

/// A sidecar with this in its config, that listens on `transport`; the folder of its files goes with it.
fn relaying(name: &str, transport: &str, config: &str) -> (Daemon, Client, Scratch) {
    let scratch = Scratch::short(name);
    let file = scratch.write("config.toml", config);
    let listener = match transport {
        "udp" | "tcp" => format!("{transport}://127.0.0.1:0"),
        _ => format!("{transport}://{}", scratch.file("in")),
    };
    let daemon = Daemon::start(&["--config", &file, "--listen", &listener, "--http", "127.0.0.1:0"]);
    let client = Client::connect(&daemon.listeners[0]);
    (daemon, client, scratch)
}

fn to(target: &str) -> String {
    format!("[[relay]]\ntarget = \"{target}\"\n")
}

fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let target = format!("udp://{}", socket.local_addr().expect("an address"));
    (socket, target)
}

/// A port of TCP that nobody else gets, and where nobody listens yet.
fn closed_tcp() -> (OwnedFd, String) {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let address = SocketAddr::try_from(getsockname(&fd).expect("an address")).expect("an IP address");
    (fd, format!("tcp://{address}"))
}

/// A target whose kernel takes little as long as nobody reads.
fn narrow_tcp() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    set_socket_recv_buffer_size(&listener, 64 * 1024).expect("an option");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    (listener, target)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("it connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).expect("a packet comes");
    buffer[..len].to_vec()
}

/// The next so many lines, however they are packed.
fn receive_lines(mut next: impl FnMut() -> Vec<u8>, lines: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while found.len() < lines {
        found.extend(next().split(|&b| b == b'\n').map(<[u8]>::to_vec));
    }
    assert_eq!(found.len(), lines, "no more than that");
    found
}

fn row(metric: &str, target: &str, outcome: &str, count: u64) -> String {
    format!("statsidecar_relay_{metric}_total{{outcome=\"{outcome}\",target=\"{target}\"}} {count}")
}

/// The page once this is so.
fn page_where(daemon: &Daemon, is_so: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = daemon.scrape();
        if is_so(&page) {
            return page;
        }
        assert!(Instant::now() < deadline, "{page}");
    }
}

/// Waits until so many lines of a target were sent, failed and shed.
fn counted(daemon: &Daemon, target: &str, sent: u64, failed: u64, shed: u64) {
    let rows = [("sent", sent), ("failed", failed), ("shed", shed)];
    let rows = rows.map(|(outcome, count)| row("lines", target, outcome, count));
    daemon.scrape_with(&rows.each_ref().map(String::as_str));
}

fn lines_of(page: &str, target: &str, outcome: &str) -> u64 {
    sum(page, row("lines", target, outcome, 0).rsplit_once(' ').expect("a row has a value").0)
}

/// (exporter 90) Lines are sent on as they came, good or bad, but for empty ones.
#[test]
fn one_target_gets_all_lines_and_another_those_of_its_names() {
    let scratch = Scratch::short("relay-two-out");
    let path = scratch.file("out");
    let unixgram = UnixDatagram::bind(&path).expect("a socket");
    unixgram.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let (all, target) = udp();
    let some = format!("unixgram://{path}");
    let config = to(&target)
        + &to(&some)
        + "match = \"jobs.*.done\"\n"
        + &to("udp://127.0.0.1:9")
        + "match = \"nobody.**\"\n"
        + &to(&some)
        + "match = \"web*.**\"\n";
    let (daemon, mut client, _scratch) = relaying("relay-two", "udp", &config);
    let lines: [&[u8]; 12] = [
        b"jobs.a.done:1|c",
        b"jobs.a.b.done:1|c",
        b"jobs.b.done,k=v:1|c|#l:w",
        b"jobs.c.done;url=http://x:80:x|c",
        b"jobs.a",
        b"web-1.x.y:1|c|@0.5\r",
        b"web",
        b"_sc|web.up|0|#a:b",
        b"_e{3,1}:web|x",
        b"other \xff\x00:1|c",
        b"web.\xff:1|c",
        b"web.x:1|c|#\xff",
    ];
    client.send(&[lines.join(&b"\n"[..]), b"\n\n\r\n".to_vec()].concat());
    assert_eq!(receive_lines(|| receive(&all), 12), lines);
    let next = || {
        let mut buffer = vec![0; 2000];
        let len = unixgram.recv(&mut buffer).expect("a packet comes");
        buffer[..len].to_vec()
    };
    assert_eq!(receive_lines(next, 6), [lines[0], lines[2], lines[3], lines[5], lines[7], lines[11]]);
    counted(&daemon, &target, 12, 0, 0);
    counted(&daemon, &some, 6, 0, 0);
    counted(&daemon, "udp://127.0.0.1:9", 0, 0, 0);
    daemon.scrape_with(&[&row("packets", &target, "sent", 1), &row("packets", &some, "sent", 1)]);
}

/// However lines come in, the same go out; and those that come alone do not wait for others.
#[test]
fn lines_of_every_transport_are_relayed() {
    for transport in ["udp", "tcp", "unixgram", "unix", "unix+dogstatsd"] {
        let (socket, target) = udp();
        let (daemon, mut client, _scratch) = relaying(&format!("relay-by-{transport}"), transport, &to(&target));
        for line in [&b"a:1|c"[..], b"b:2|g"] {
            if transport == "unix+dogstatsd" {
                client.write(&[&5_u32.to_le_bytes()[..], line].concat());
            } else {
                client.send(line);
            }
            assert_eq!(receive(&socket), line, "{transport}: a lone line, without an end");
        }
        counted(&daemon, &target, 2, 0, 0);
        daemon.scrape_with(&[&row("packets", &target, "sent", 2)]);
    }
}

/// A gauge means its last line at the target too, so all come in their order, whichever worker took them.
#[test]
fn several_workers_relay_in_order() {
    const LINES: usize = 100_000;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("tcp://{}", listener.local_addr().expect("an address"));
    let config = format!("[intake]\nworkers = 4\n{}", to(&target));
    let (daemon, mut client, _scratch) = relaying("relay-workers", "unixgram", &config);
    let sending = thread::spawn(move || (0..LINES).for_each(|n| _ = client.send(format!("a:{n}|g").as_bytes())));
    let lines = BufReader::new(accept(&listener)).lines();
    for (n, line) in lines.take(LINES).enumerate() {
        assert_eq!(line.expect("a line"), format!("a:{n}|g"));
    }
    sending.join().expect("all are sent");
    counted(&daemon, &target, LINES as u64, 0, 0);
}

#[test]
fn datagrams_are_filled_and_lines_keep_their_order() {
    let (socket, target) = udp();
    let (daemon, mut client, _scratch) = relaying("relay-packing", "tcp", &to(&target));
    let long = format!("long:1|c|#{}", "x".repeat(3000));
    let mut lines: Vec<String> = (0..500).map(|n| format!("some.name.of.thirty.bytes:{n:05}|c")).collect();
    lines.insert(250, long.clone());
    client.write((lines.join("\n") + "\n").as_bytes());
    let (mut found, mut packets) = (Vec::new(), 0);
    while found.len() < 501 {
        let packet = receive(&socket);
        packets += 1;
        let inside: Vec<_> =
            packet.split(|&b| b == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        assert!(packet.len() <= 1432 || inside == [long.as_str()], "{} bytes", packet.len());
        found.extend(inside);
    }
    assert_eq!(found, lines);
    // 42 lines of 33 bytes with ends between them are 1427 bytes; 12 packets are full of them but for three, and the
    // stream may be read in two pieces.
    assert!((13..=15).contains(&packets), "{packets} packets");
    counted(&daemon, &target, 501, 0, 0);
    daemon.scrape_with(&[&row("packets", &target, "sent", packets)]);
}

#[test]
fn lines_that_are_too_long_stay_here() {
    let (socket, target) = udp();
    let (_daemon, mut client, _scratch) = relaying("relay-long", "unixgram", &to(&target));
    client.send(&[b"x".repeat(8193), b"\na:1|c\n".to_vec(), b"y".repeat(8192), b"\r".to_vec()].concat());
    // A datagram that is cut: its whole lines.
    client.send(&[b"b:1|c\n".to_vec(), b"c".repeat(70_000)].concat());
    let mut expected = vec![b"a:1|c".to_vec(), b"y".repeat(8192), b"b:1|c".to_vec()];
    expected[1].push(b'\r');
    assert_eq!(receive_lines(|| receive(&socket), 3), expected);
}

#[test]
fn what_no_datagram_takes_is_shed() {
    let (socket, target) = udp();
    let config = format!("[intake]\nmax_line = \"64KiB\"\n{}", to(&target));
    let (daemon, mut client, _scratch) = relaying("relay-large", "tcp", &config);
    client.write(&[b"x".repeat(65_508), b"\na:1|c\n".to_vec()].concat());
    assert_eq!(receive(&socket), b"a:1|c");
    counted(&daemon, &target, 1, 0, 1);
    daemon.scrape_with(&[&row("packets", &target, "shed", 1)]);
}

/// (exporter 91) The kernel says of a port where nobody listens that the packet before did not arrive.
#[test]
fn a_dead_udp_target_fails_and_comes_back() {
    let (socket, target) = udp();
    let address = socket.local_addr().expect("an address");
    drop(socket);
    let (daemon, mut client, _scratch) = relaying("relay-dead", "udp", &to(&target));
    let mut sent = 0;
    let deadline = Instant::now() + PATIENCE;
    while lines_of(&daemon.scrape(), &target, "failed") == 0 {
        client.send(b"a:1|c");
        sent += 1;
        daemon.scrape_with(&[&format!("a_total {sent}")]);
        assert!(Instant::now() < deadline);
    }
    let is_all = |page: &str| {
        lines_of(page, &target, "failed") + lines_of(page, &target, "sent") == sum(page, "statsidecar_lines_total")
    };
    page_where(&daemon, is_all);
    let socket = UdpSocket::bind(address).expect("the port is free");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
    let mut buffer = [0; 2000];
    while socket.recv(&mut buffer).is_err() {
        assert!(Instant::now() < deadline);
        client.send(b"a:1|c");
    }
    page_where(&daemon, is_all);
}

#[test]
fn lines_wait_for_a_tcp_target_that_is_not_there_yet() {
    let (fd, target) = closed_tcp();
    let (daemon, mut client, _scratch) = relaying("relay-later", "udp", &to(&target));
    client.send(b"a:1|c\nb:2|c");
    daemon.scrape_with(&["a_total 1", "b_total 2"]);
    counted(&daemon, &target, 0, 0, 0);
    listen(&fd, 10).expect("it listens");
    let listener = TcpListener::from(fd);
    let mut lines = BufReader::new(accept(&listener)).lines().map(|line| line.expect("text"));
    assert_eq!([lines.next(), lines.next()], [Some("a:1|c".to_owned()), Some("b:2|c".to_owned())]);
    counted(&daemon, &target, 2, 0, 0);
    // The connection is closed: what comes now goes to the next.
    drop(lines);
    client.send(b"c:3|c\r");
    let mut bytes = vec![0; 7];
    accept(&listener).read_exact(&mut bytes).expect("a line");
    assert_eq!(bytes, b"c:3|c\r\n");
    counted(&daemon, &target, 3, 0, 0);
}

#[test]
fn lines_wait_for_a_unix_socket_that_is_not_there_yet() {
    let scratch = Scratch::short("relay-later-out");
    let path = scratch.file("out");
    let target = format!("unixgram://{path}");
    let (daemon, mut client, _scratch) = relaying("relay-later-unix", "udp", &to(&target));
    for round in 1..3 {
        client.send(b"a:1|c");
        daemon.scrape_with(&[&format!("a_total {round}")]);
        if round == 1 {
            counted(&daemon, &target, 0, 0, 0);
        }
        // In the second round nobody reads any more: the packet fails, and the next one waits.
        if round == 2 {
            page_where(&daemon, |page| lines_of(page, &target, "failed") == 1);
            client.send(b"b:1|c");
        }
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).expect("a packet comes");
        assert_eq!(&buffer[..len], if round == 1 { b"a:1|c" } else { b"b:1|c" });
        counted(&daemon, &target, round, round - 1, 0);
        std::fs::remove_file(&path).expect("it is there");
    }
}

/// A target that takes nothing costs the others and the intake nothing, and in the end each line is in one place.
#[test]
fn a_target_that_reads_nothing_holds_up_nobody() {
    const LINES: usize = 30_000;
    let (listener, slow) = narrow_tcp();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let quick = format!("tcp://{}", other.local_addr().expect("an address"));
    let (daemon, mut client, _scratch) = relaying("relay-slow", "tcp", &(to(&slow) + &to(&quick)));
    // It is closed at the end of the sidecar: then all is read.
    let reader = std::thread::spawn(move || BufReader::new(accept(&other)).lines().count() as u64);
    let line = format!("a:1|c|#k:{}\n", "x".repeat(990));
    for _ in 0..LINES / 100 {
        client.write(line.repeat(100).as_bytes());
    }
    daemon.scrape_with(&[&format!("statsidecar_samples_total{{type=\"c\"}} {LINES}")]);
    let page = daemon.scrape_when("statsidecar_relay_packets_total", 1);
    assert_eq!(lines_of(&page, &slow, "failed"), 0);
    let stream = accept(&listener);
    let reader_of_slow = std::thread::spawn(move || BufReader::new(stream).lines().count() as u64);
    let is_all = |page: &str, target| {
        let lines: u64 = ["sent", "shed", "failed"].iter().map(|outcome| lines_of(page, target, outcome)).sum();
        lines == LINES as u64
    };
    let page = page_where(&daemon, |page| is_all(page, &slow) && is_all(page, &quick));
    let shed = lines_of(&page, &slow, "shed");
    assert!(shed > 0, "30 MB are more than the queue and the kernel hold");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code, Some(0));
    assert_eq!(reader_of_slow.join().expect("it reads"), LINES as u64 - shed, "what is said to be sent has arrived");
    assert_eq!(reader.join().expect("it reads"), lines_of(&page, &quick, "sent"));
}

/// What is queued at the end is sent, and a target that is gone is not waited for.
#[test]
fn the_end_sends_what_is_left() {
    let (socket, target) = udp();
    let (_fd, dead) = closed_tcp();
    let (daemon, mut client, _scratch) = relaying("relay-end", "unixgram", &(to(&target) + &to(&dead)));
    client.send(b"a:1|c");
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(receive(&socket), b"a:1|c");
    let said = format!("lines were not relayed before the end target={dead} lines=1");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
}

/// Nor is one that takes nothing any more, for long.
#[test]
fn the_end_waits_for_no_target() {
    let (listener, target) = narrow_tcp();
    let (daemon, mut client, _scratch) = relaying("relay-end-slow", "tcp", &to(&target));
    let line = format!("a:1|c|#k:{}\n", "x".repeat(990));
    client.write(line.repeat(15_000).as_bytes());
    daemon.scrape_with(&["statsidecar_samples_total{type=\"c\"} 15000"]);
    page_where(&daemon, |page| lines_of(page, &target, "shed") > 0 && lines_of(page, &target, "sent") > 0);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = format!("lines were not relayed before the end target={target} lines=");
    let left = ended.stderr.split_once(&said).expect("it is said").1.lines().next().and_then(|n| n.parse().ok());
    let mut received = Vec::new();
    accept(&listener).read_to_end(&mut received).expect("the end");
    let received = received.iter().filter(|&&b| b == b'\n').count() as u64;
    // What was shed is neither among those that were left nor among those that arrived.
    assert!(received > 0 && left.is_some_and(|left: u64| left > 0 && left + received < 15_000), "{}", ended.stderr);
}

/// Under whatever name it is found again: lines would go round for ever.
#[test]
fn a_listener_is_no_target() {
    let scratch = Scratch::short("relay-loop");
    let path = scratch.file("in");
    let folder = scratch.path().display();
    symlink(scratch.path(), scratch.file("link")).expect("a link");
    let listener = format!("unixgram://{path}");
    for target in
        [format!("unixgram://{path}"), format!("unixgram://{folder}/./in"), format!("unixgram://{folder}/link/in")]
    {
        let config = scratch.write("config.toml", &to(&target));
        let ended = run_in(scratch.path(), &["--config", &config, "--listen", &listener, "--http", "127.0.0.1:0"]);
        assert_eq!(ended.code, Some(1));
        let said = format!("cannot relay to {target}: it is this program's own listener {listener}");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
    // A port that is free, in all likelihood, on every address that this machine has beside loopback.
    let own = getifaddrs().expect("there are some").filter_map(|interface| {
        let address = interface.address?;
        Some(IpAddr::from(address.as_sockaddr_in()?.ip()))
    });
    for host in own {
        let port = UdpSocket::bind("0.0.0.0:0").and_then(|free| free.local_addr()).expect("a port").port();
        let (target, listener) = (format!("udp://{host}:{port}"), format!("udp://0.0.0.0:{port}"));
        let config = scratch.write("config.toml", &to(&target));
        let ended = run_in(scratch.path(), &["--config", &config, "--listen", &listener, "--http", "127.0.0.1:0"]);
        let said = format!("cannot relay to {target}: it is this program's own listener {listener}");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
}
