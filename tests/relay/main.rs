//! The relay over real sockets: every line is counted once, as sent, failed or shed.

mod gathering;
mod loops;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use support::{Client, Daemon, PATIENCE, Scratch, sum};

/// Starts a sidecar with this config and a listener on `transport`; returns it with a client and the folder of its
/// files.
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

/// A TCP port that is reserved for this test, and that refuses connections until the test listens on it.
fn closed_tcp() -> (OwnedFd, String) {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let address = SocketAddr::try_from(getsockname(&fd).expect("an address")).expect("an IP address");
    (fd, format!("tcp://{address}"))
}

/// A target with a small receive buffer, so that its kernel accepts little as long as the test does not read.
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
    let len = socket.recv(&mut buffer).expect("a packet arrives");
    buffer[..len].to_vec()
}

/// The next lines, in any number of packets.
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

/// Waits until these are the counts of a target's lines.
fn counted(daemon: &Daemon, target: &str, sent: u64, failed: u64, shed: u64) {
    let rows = [("sent", sent), ("failed", failed), ("shed", shed)];
    let rows = rows.map(|(outcome, count)| row("lines", target, outcome, count));
    daemon.scrape_with(&rows.each_ref().map(String::as_str));
}

fn lines_of(exposition: &str, target: &str, outcome: &str) -> u64 {
    sum(exposition, row("lines", target, outcome, 0).rsplit_once(' ').expect("a row has a value").0)
}

/// Lines are relayed unchanged, good or bad; empty lines are not (exporter 90).
#[test]
fn each_target_gets_the_lines_that_match_it() {
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
        let len = unixgram.recv(&mut buffer).expect("a packet arrives");
        buffer[..len].to_vec()
    };
    assert_eq!(receive_lines(next, 6), [lines[0], lines[2], lines[3], lines[5], lines[7], lines[11]]);
    counted(&daemon, &target, 12, 0, 0);
    counted(&daemon, &some, 6, 0, 0);
    counted(&daemon, "udp://127.0.0.1:9", 0, 0, 0);
    daemon.scrape_with(&[&row("packets", &target, "sent", 1), &row("packets", &some, "sent", 1)]);
}

/// A line is relayed unchanged from any transport, and a single line does not wait for others.
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
            assert_eq!(receive(&socket), line, "{transport}: a single line, without an end");
        }
        counted(&daemon, &target, 2, 0, 0);
        daemon.scrape_with(&[&row("packets", &target, "sent", 2)]);
    }
}

/// The order of lines stays, because the last line of a gauge decides at the target too.
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
    // A packet holds 42 lines of 33 bytes, with ends between them. The relay may get the stream in two pieces, so there
    // may be more packets than are needed.
    assert!((13..=15).contains(&packets), "{packets} packets");
    counted(&daemon, &target, 501, 0, 0);
    daemon.scrape_with(&[&row("packets", &target, "sent", packets)]);
}

#[test]
fn lines_over_the_limit_are_not_relayed() {
    let (socket, target) = udp();
    let config = format!("intake.max_line = 8192\n{}", to(&target));
    let (_daemon, mut client, _scratch) = relaying("relay-long", "unixgram", &config);
    client.send(&[b"x".repeat(8193), b"\na:1|c\n".to_vec(), b"y".repeat(8192), b"\r".to_vec()].concat());
    // Of a datagram that is cut, the whole lines are relayed.
    client.send(&[b"b:1|c\n".to_vec(), b"c".repeat(70_000)].concat());
    let mut expected = vec![b"a:1|c".to_vec(), b"y".repeat(8192), b"b:1|c".to_vec()];
    expected[1].push(b'\r');
    assert_eq!(receive_lines(|| receive(&socket), 3), expected);
}

#[test]
fn a_line_too_long_for_a_datagram_is_shed() {
    let (socket, target) = udp();
    let config = format!("[intake]\nmax_line = \"64KiB\"\n{}", to(&target));
    let (daemon, mut client, _scratch) = relaying("relay-large", "tcp", &config);
    client.write(&[b"x".repeat(65_508), b"\na:1|c\n".to_vec()].concat());
    assert_eq!(receive(&socket), b"a:1|c");
    counted(&daemon, &target, 1, 0, 1);
    daemon.scrape_with(&[&row("packets", &target, "shed", 1)]);
}

/// The kernel reports a closed UDP port only on the next send (exporter 91).
#[test]
fn lines_for_a_closed_udp_port_fail_until_it_opens() {
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
    let is_all = |exposition: &str| {
        lines_of(exposition, &target, "failed") + lines_of(exposition, &target, "sent")
            == sum(exposition, "statsidecar_lines_total")
    };
    daemon.scrape_until("the counts of the relay", is_all);
    let socket = UdpSocket::bind(address).expect("the port is free");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
    let mut buffer = [0; 2000];
    while socket.recv(&mut buffer).is_err() {
        assert!(Instant::now() < deadline);
        client.send(b"a:1|c");
    }
    daemon.scrape_until("the counts of the relay", is_all);
}

/// A packet that fails for want of a route costs its own lines, and the next one is sent as soon as there is a route. The
/// test runs in a network namespace of its own, and is passed over where the system allows none.
#[test]
fn a_udp_target_without_a_route_is_not_left_alone() {
    const INSIDE: &str = "STATSIDECAR_OWN_NETWORK";
    if std::env::var_os(INSIDE).is_none() {
        let program = std::env::current_exe().expect("this test");
        let this = ["--exact", "a_udp_target_without_a_route_is_not_left_alone"];
        let can = Command::new("unshare").args(["-rn", "true"]).output();
        if can.is_ok_and(|output| output.status.success()) {
            let mut inside = Command::new("unshare");
            let inside = inside.arg("-rn").arg(program).args(this).env(INSIDE, "1").output().expect("it starts");
            assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stdout));
        }
        return;
    }
    let ip = |args: &str| Command::new("ip").args(args.split(' ')).status().is_ok_and(|status| status.success());
    if !(ip("link set lo up") && ip("address add 10.9.9.9/32 dev lo")) {
        return;
    }
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let target = format!("udp://10.9.9.9:{}", socket.local_addr().expect("an address").port());
    let (daemon, mut client, _scratch) = relaying("relay-route", "unixgram", &to(&target));
    client.send(b"a:1|c");
    assert_eq!(receive(&socket), b"a:1|c");
    for round in 1..6 {
        assert!(ip("address del 10.9.9.9/32 dev lo"));
        client.send(b"lost:1|c");
        daemon.scrape_until("the failed line", |exposition| lines_of(exposition, &target, "failed") == round);
        assert!(ip("address add 10.9.9.9/32 dev lo"));
        let there = Instant::now();
        client.send(b"a:1|c");
        assert_eq!(receive(&socket), b"a:1|c");
        // The third round of a doubling wait would be 0.4 s.
        assert!(there.elapsed() < Duration::from_millis(350), "{round}: {:?}", there.elapsed());
    }
    counted(&daemon, &target, 6, 5, 0);
}

#[test]
fn lines_wait_until_a_tcp_target_listens() {
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
    // The target closes the connection, so the next line goes to a new connection.
    drop(lines);
    client.send(b"c:3|c\r");
    let mut bytes = vec![0; 7];
    accept(&listener).read_exact(&mut bytes).expect("a line");
    assert_eq!(bytes, b"c:3|c\r\n");
    counted(&daemon, &target, 3, 0, 0);
}

#[test]
fn lines_wait_until_a_unix_socket_exists() {
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
        // In the second round the socket is closed, so the packet fails, and the next one waits.
        if round == 2 {
            daemon.scrape_until("the counts of the relay", |exposition| lines_of(exposition, &target, "failed") == 1);
            client.send(b"b:1|c");
        }
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).expect("a packet arrives");
        assert_eq!(&buffer[..len], if round == 1 { b"a:1|c" } else { b"b:1|c" });
        counted(&daemon, &target, round, round - 1, 0);
        std::fs::remove_file(&path).expect("it is there");
    }
}

/// A target that does not read costs neither other targets nor the intake anything, and each of its lines is counted.
#[test]
fn a_target_that_does_not_read_delays_nothing_else() {
    const LINES: usize = 30_000;
    let (listener, slow) = narrow_tcp();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let quick = format!("tcp://{}", other.local_addr().expect("an address"));
    let (daemon, mut client, _scratch) = relaying("relay-slow", "tcp", &(to(&slow) + &to(&quick)));
    // The sidecar closes this connection at its end, and then the reader has every line.
    let reader = std::thread::spawn(move || BufReader::new(accept(&other)).lines().count() as u64);
    let line = format!("a:1|c|#k:{}\n", "x".repeat(990));
    for _ in 0..LINES / 100 {
        client.write(line.repeat(100).as_bytes());
    }
    daemon.scrape_with(&[&format!("statsidecar_samples_total{{type=\"c\"}} {LINES}")]);
    let exposition = daemon.scrape_when("statsidecar_relay_packets_total", 1);
    assert_eq!(lines_of(&exposition, &slow, "failed"), 0);
    let stream = accept(&listener);
    let reader_of_slow = std::thread::spawn(move || BufReader::new(stream).lines().count() as u64);
    let is_all = |exposition: &str, target| {
        let lines: u64 = ["sent", "shed", "failed"].iter().map(|outcome| lines_of(exposition, target, outcome)).sum();
        lines == LINES as u64
    };
    let exposition = daemon
        .scrape_until("the counts of the relay", |exposition| is_all(exposition, &slow) && is_all(exposition, &quick));
    let shed = lines_of(&exposition, &slow, "shed");
    assert!(shed > 0, "the queue and the kernel together hold less than 30 MB");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code, Some(0));
    assert_eq!(reader_of_slow.join().expect("it reads"), LINES as u64 - shed, "every line counted as sent has arrived");
    assert_eq!(reader.join().expect("it reads"), lines_of(&exposition, &quick, "sent"));
}

/// What a target sends is thrown away. It costs neither lines, nor other targets, nor the end.
#[test]
fn a_target_that_talks_delays_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let talker = format!("tcp://{}", listener.local_addr().expect("an address"));
    let (socket, other) = udp();
    let (daemon, mut client, _scratch) = relaying("relay-talker", "unixgram", &(to(&talker) + &to(&other)));
    client.send(b"a:0|c");
    assert_eq!(receive(&socket), b"a:0|c");
    let stream = accept(&listener);
    // It ends when the sidecar has closed the connection.
    let output = OwnedFd::from(stream.try_clone().expect("another handle"));
    let mut talking = Command::new("yes").stdout(output).spawn().expect("it starts");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("text"));
    assert_eq!(lines.next().as_deref(), Some("a:0|c"));
    for n in 1..20 {
        let line = format!("a:{n}|c");
        client.send(line.as_bytes());
        assert_eq!(receive(&socket), line.as_bytes());
        assert_eq!(lines.next(), Some(line));
    }
    client.send(b"last:1|c");
    let stopped = Instant::now();
    daemon.signal("TERM");
    let ended = daemon.wait();
    // It would wait two seconds for a target that does not take its lines.
    assert!(stopped.elapsed() < Duration::from_millis(1900), "{:?}", stopped.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(receive(&socket), b"last:1|c");
    assert_eq!(lines.next().as_deref(), Some("last:1|c"), "unread bytes of the target do not cut the stream");
    assert!(lines.next().is_none(), "the sidecar closes the connection");
    drop(lines);
    talking.wait().expect("it ends");
}

/// Queued lines are sent at the end, but the end does not wait for a target that refuses connections.
#[test]
fn the_end_sends_queued_lines() {
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

/// The end waits a short time for a target that has stopped reading, and then gives up.
#[test]
fn the_end_does_not_wait_for_a_target_that_does_not_read() {
    let (listener, target) = narrow_tcp();
    let (daemon, mut client, _scratch) = relaying("relay-end-slow", "tcp", &to(&target));
    let line = format!("a:1|c|#k:{}\n", "x".repeat(990));
    client.write(line.repeat(15_000).as_bytes());
    daemon.scrape_with(&["statsidecar_samples_total{type=\"c\"} 15000"]);
    daemon.scrape_until("the counts of the relay", |exposition| {
        lines_of(exposition, &target, "shed") > 0 && lines_of(exposition, &target, "sent") > 0
    });
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = format!("lines were not relayed before the end target={target} lines=");
    let left = ended.stderr.split_once(&said).expect("the log has it").1.lines().next().and_then(|n| n.parse().ok());
    let mut received = Vec::new();
    accept(&listener).read_to_end(&mut received).expect("the end");
    let received = received.iter().filter(|&&b| b == b'\n').count() as u64;
    // Shed lines are neither among the lines that were left nor among those that arrived.
    assert!(received > 0 && left.is_some_and(|left: u64| left > 0 && left + received < 15_000), "{}", ended.stderr);
}

/// A target keeps its name in the counters. A name that cannot be resolved delays neither the start nor other targets.
#[test]
fn targets_have_names() {
    let (socket, address) = udp();
    let named = address.replace("127.0.0.1", "localhost");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stream = format!("tcp://localhost:{}", listener.local_addr().expect("an address").port());
    let nowhere = ["udp://no-such-host.invalid:1", "tcp://no-such-host.invalid:1"];
    let config = to(nowhere[0]) + &to(nowhere[1]) + &to(&named) + &to(&stream);
    let (daemon, mut client, _scratch) = relaying("relay-names", "udp", &config);
    client.send(b"a:1|c");
    assert_eq!(receive(&socket), b"a:1|c");
    for n in 1..3 {
        // After the first connection, the name is resolved again.
        assert_eq!(BufReader::new(accept(&listener)).lines().next().expect("a line").expect("text"), "a:1|c");
        counted(&daemon, &stream, n, 0, 0);
        client.send(b"a:1|c");
    }
    counted(&daemon, nowhere[0], 0, 0, 0);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for target in nowhere {
        let says = ended.stderr.lines().filter(|line| line.contains(&format!("target={target}")));
        let says = says.filter(|line| line.contains("cannot resolve host no-such-host.invalid: "));
        assert_eq!(says.count(), 1, "{}", ended.stderr);
    }
}
