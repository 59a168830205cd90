//! Addresses in use, and the files of Unix sockets.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::support::{Client, Daemon, Ended, PATIENCE, Process, Scratch, lines_of, request, run_in, sum};
use crate::{client, clients, listening};

const FILES: [&str; 3] = ["unixgram", "unix", "unix+dogstatsd"];

fn started(listener: &str, args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", listener, "--http", "127.0.0.1:0"]].concat())
}

/// Starts the program, which must fail; returns its error without the address.
fn refused(listener: &str, args: &[&str]) -> String {
    let args = [args, &["--listen", listener, "--http", "127.0.0.1:0"]].concat();
    let Ended { code, stdout, stderr } = run_in(env!("CARGO_TARGET_TMPDIR").as_ref(), &args);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{args:?}: {stderr}");
    let said = stderr.lines().last().unwrap_or_default();
    let expected = format!("cannot listen for StatsD on {listener}: ");
    said.strip_prefix(&expected).unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Sends a line to the first listener, and waits until it is applied.
fn applies_a_line(daemon: &Daemon) {
    let mut client = Client::connect(&daemon.listeners[0]);
    match daemon.listeners[0].starts_with("unix+dogstatsd") {
        true => client.write(b"\x05\0\0\0a:1|c"),
        false => _ = client.send(b"a:1|c"),
    }
    let exposition = daemon.scrape_when("statsidecar_samples_total", 1);
    assert_eq!(clients(&exposition), ["a_total 1"]);
}

/// (exporter 89)
#[test]
fn the_file_of_a_killed_program_is_replaced() {
    let scratch = Scratch::short("stale");
    for transport in FILES {
        let path = scratch.file(transport);
        let listener = format!("{transport}://{path}");
        let killed = started(&listener, &[]);
        killed.signal("KILL");
        assert_eq!(killed.wait().code, None);
        assert!(fs::symlink_metadata(&path).expect("it is left").file_type().is_socket());
        applies_a_line(&started(&listener, &[]));
    }
}

/// None of the others replaces its file, although each of them found the file of a killed program.
#[test]
fn one_of_several_that_start_at_once_gets_the_file() {
    // Without the lock, two of them run in one of 40 to 350 rounds.
    const ROUNDS: usize = 300;
    let scratch = Scratch::short("at-once");
    for (n, transport) in FILES.iter().cycle().take(ROUNDS).enumerate() {
        let path = scratch.file(&format!("{transport}{n}"));
        drop(UnixListener::bind(&path).expect("a socket whose file is left"));
        let listener = format!("{transport}://{path}");
        let start = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
            command.args(["--listen", &listener, "--http", "127.0.0.1:0"]);
            Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
        };
        let mut all: Vec<Process> = std::iter::repeat_with(start).take(6).collect();
        // A program that fails prints nothing to its standard output.
        let first_lines: Vec<Option<String>> =
            all.iter_mut().map(|one| lines_of(one.0.stdout.take().expect("it is piped")).recv().ok()).collect();
        let running = first_lines.iter().flatten().count();
        assert_eq!(running, 1, "{first_lines:?}");
        assert!(fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_socket()), "its file is there");
    }
}

/// It is refused for every type of socket, because one file cannot belong to two sockets.
/// Every local user can lock a folder that it can read.
#[test]
fn a_lock_on_the_folder_does_not_keep_the_program_from_its_start() {
    let scratch = Scratch::short("locked");
    let folder = fs::File::open(scratch.path()).expect("a folder");
    folder.lock().expect("a lock");
    let daemon = started(&format!("unixgram://{}", scratch.file("s")), &[]);
    applies_a_line(&daemon);
    drop(folder);
}

#[test]
fn a_file_in_use_is_refused() {
    let scratch = Scratch::short("in-use");
    for transport in FILES {
        let path = scratch.file(transport);
        let daemon = started(&format!("{transport}://{path}"), &[]);
        for other in FILES {
            assert_eq!(
                refused(&format!("{other}://{path}"), &[]),
                "another program listens on this socket; stop it, or choose another path"
            );
        }
        applies_a_line(&daemon);
    }
    let name = format!("unixgram://@statsidecar-in-use-{}", std::process::id());
    let daemon = started(&name, &[]);
    assert_eq!(refused(&name, &[]), "another program has this name; stop it, or choose another name");
    applies_a_line(&daemon);
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let scratch = Scratch::short("no-socket");
    let file = scratch.write("file", "precious");
    let folder = scratch.file("folder");
    fs::create_dir(&folder).expect("a folder");
    let link = scratch.file("link");
    drop(UnixListener::bind(scratch.file("stale")).expect("a socket"));
    symlink(scratch.file("stale"), &link).expect("a link");
    for path in [&file, &folder, &link] {
        for transport in FILES {
            assert_eq!(
                refused(&format!("{transport}://{path}"), &[]),
                "a file of this name exists and is no socket; remove it, or choose another path"
            );
        }
    }
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
    assert!(fs::symlink_metadata(&link).is_ok_and(|link| link.is_symlink()));
    assert_eq!(
        refused(&format!("unix://{}/no/a.sock", scratch.path().display()), &[]),
        "the folder does not exist; create it first"
    );
}

#[test]
fn a_file_has_the_mode_and_the_owners_of_the_config() {
    let scratch = Scratch::short("mode");
    let own = fs::metadata(scratch.path()).expect("a folder");
    let is_root = own.uid() == 0;
    let (uid, gid) = if is_root { (65_534, 65_533) } else { (own.uid(), own.gid()) };
    let file = format!("[intake]\nmode = \"0602\"\nowner = \"{uid}\"\ngroup = {gid}\n");
    let config = scratch.write("config.toml", &file);
    for transport in FILES {
        let path = scratch.file(transport);
        let of = |file: fs::Metadata| (file.permissions().mode() & 0o7777, file.uid(), file.gid());
        let daemon = started(&format!("{transport}://{path}"), &[]);
        assert_eq!(of(fs::metadata(&path).expect("a socket")), (0o660, own.uid(), own.gid()), "{transport}");
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code, Some(0));
        let _daemon = started(&format!("{transport}://{path}"), &["--config", &config]);
        assert_eq!(of(fs::metadata(&path).expect("a socket")), (0o602, uid, gid), "{transport}");
    }
}

/// Clients that have connected are read on, and new ones find the listener again.
#[test]
fn a_file_that_is_removed_is_made_anew() {
    let scratch = Scratch::short("removed");
    let config = scratch.write("config.toml", "intake.workers = 4\n");
    for transport in ["unixgram", "unix"] {
        let path = scratch.file(transport);
        let listener = format!("{transport}://{path}");
        let daemon = started(&listener, &["--config", &config]);
        let inode = || fs::symlink_metadata(&path).map(|file| file.ino()).ok();
        for n in 1..=3 {
            let before = inode();
            let mut client = Client::connect(&listener);
            client.send(b"a:1|c");
            fs::remove_file(&path).expect("it is there");
            let deadline = Instant::now() + PATIENCE;
            while inode().is_none_or(|now| Some(now) == before) {
                assert!(Instant::now() < deadline, "{listener}");
                thread::yield_now();
            }
            await_status(&daemon, "200");
            if transport == "unix" {
                client.send(b"a:1|c");
            }
            Client::connect(&listener).send(b"a:1|c");
            let sent = if transport == "unix" { 3 * n } else { 2 * n };
            let lines = format!("statsidecar_lines_total{{listener=\"{listener}\"}} {sent}");
            daemon.scrape_with(&[&format!("a_total {sent}"), &lines]);
            if transport == "unixgram" {
                daemon.scrape_with(&[&format!("statsidecar_packets_total{{listener=\"{listener}\"}} {sent}")]);
            }
        }
        daemon.signal("TERM");
        let ended = daemon.wait();
        assert_eq!((ended.code, inode()), (Some(0), None), "{}", ended.stderr);
        let lost = ended.stderr.matches("the file of the socket was removed or replaced").count();
        assert_eq!(lost, 3, "{}", ended.stderr);
    }
}

/// The file of another program stays, and the listener comes back when that file is gone.
#[test]
fn a_file_that_is_replaced_is_not_taken_away() {
    let scratch = Scratch::short("replaced");
    for transport in ["unixgram", "unix"] {
        let path = scratch.file(transport);
        let listener = format!("{transport}://{path}");
        let daemon = started(&listener, &[]);
        let other = scratch.file("other");
        let _other = UnixListener::bind(&other).expect("a socket");
        fs::rename(&other, &path).expect("it takes the place");
        let others = fs::symlink_metadata(&path).expect("a socket").ino();
        await_status(&daemon, "503");
        assert_eq!(fs::symlink_metadata(&path).expect("a socket").ino(), others, "it has tried to bind by now");
        fs::remove_file(&path).expect("it is there");
        await_status(&daemon, "200");
        applies_a_line(&daemon);
        daemon.signal("TERM");
        let ended = daemon.wait();
        let failed = ended.stderr.matches("cannot make the file of the socket anew; trying again").count();
        assert_eq!((ended.code, failed), (Some(0), 1), "{}", ended.stderr);
    }
}

/// Waits until `/-/ready` answers with this status.
fn await_status(daemon: &Daemon, status: &str) {
    let deadline = Instant::now() + PATIENCE;
    let ready = || {
        let get = format!("GET /-/ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", daemon.http);
        request(daemon.http, &get).0
    };
    while !ready().starts_with(&format!("HTTP/1.1 {status} ")) {
        assert!(Instant::now() < deadline, "the status is not {status}");
    }
}

/// The kernel says who sends, so no other user passes for one of these.
#[test]
fn only_allowed_users_may_send() {
    let scratch = Scratch::short("allowed");
    let own = fs::metadata(scratch.path()).expect("a folder").uid();
    let mine = scratch.write("mine.toml", &format!("[intake]\nallow_uids = [{}, {own}]\n", own + 1));
    let others = scratch.write("others.toml", &format!("[intake]\nallow_uids = [\"{}\"]\n", own + 1));
    for transport in ["unixgram", "unix"] {
        let listener = format!("{transport}://{}", scratch.file(transport));
        applies_a_line(&started(&listener, &["--config", &mine]));
        let daemon = started(&listener, &["--config", &others]);
        let mut client = Client::connect(&listener);
        let expected = match transport {
            "unixgram" => {
                client.send(b"a:1|c\nb:1|c");
                format!("statsidecar_denied_packets_total{{listener=\"{listener}\"}} 1")
            }
            _ => {
                client.wait_for_end();
                format!("statsidecar_closed_connections_total{{listener=\"{listener}\",reason=\"denied\"}} 1")
            }
        };
        let exposition = daemon.scrape_with(&[&expected]);
        assert_eq!((clients(&exposition).len(), sum(&exposition, "statsidecar_lines_total")), (0, 0), "{transport}");
    }
}

#[test]
fn an_unknown_owner_is_reported() {
    let scratch = Scratch::short("unknown");
    for key in ["owner", "group"] {
        let config = scratch.write("config.toml", &format!("[intake]\n{key} = \"no such one\"\n"));
        assert_eq!(
            refused(&format!("unix://{}", scratch.file("a")), &["--config", &config]),
            format!("this machine has no {key} \"no such one\"; correct [intake] {key}")
        );
    }
    let config = scratch.write("config.toml", "[intake]\nallow_uids = [0, \"no such one\"]\n");
    let said = "this machine has no user \"no such one\"; correct [intake] allow_uids";
    assert_eq!(refused(&format!("unix://{}", scratch.file("a")), &["--config", &config]), said);
    // Every machine knows the name root, but only root may give files to it.
    let config = scratch.write("config.toml", "[intake]\nowner = \"root\"\n");
    let listener = format!("unix://{}", scratch.file("a"));
    if fs::metadata(scratch.path()).expect("a folder").uid() == 0 {
        applies_a_line(&started(&listener, &["--config", &config]));
    } else {
        assert!(refused(&listener, &["--config", &config]).starts_with("the file cannot be given to the owner"));
    }
}

#[test]
fn the_end_removes_the_file_but_no_other() {
    let scratch = Scratch::short("end");
    for transport in FILES {
        let path = scratch.file(transport);
        for is_replaced in [false, true] {
            let daemon = started(&format!("{transport}://{path}"), &[]);
            if is_replaced {
                fs::remove_file(&path).expect("it is there");
                fs::write(&path, "another's").expect("a file");
            }
            daemon.signal("TERM");
            assert_eq!(daemon.wait().code, Some(0));
            assert_eq!(fs::read_to_string(&path).is_ok(), is_replaced, "{transport}");
        }
    }
}

#[test]
fn a_start_that_fails_removes_its_files() {
    let scratch = Scratch::short("fails");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let http = taken.local_addr().expect("an address").to_string();
    let paths = FILES.map(|transport| scratch.file(transport));
    let mut args = vec!["--http".to_owned(), http];
    for (transport, path) in FILES.iter().zip(&paths) {
        args.extend(["--listen".to_owned(), format!("{transport}://{path}")]);
    }
    let ended = run_in(scratch.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(ended.code == Some(1) && ended.stderr.contains("cannot serve metrics on http://"), "{}", ended.stderr);
    assert!(paths.iter().all(|path| fs::symlink_metadata(path).is_err()), "a file is left");
}

/// A datagram of a Unix socket may be larger than the buffer; one of UDP cannot.
#[test]
fn a_datagram_that_is_too_large_loses_only_its_end() {
    let daemon = listening("unixgram", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    // 65,536 bytes are 10,922 lines and `a:1|`; with another length, the rest would be read as a line.
    client.send(&b"a:1|c\n".repeat(12_000));
    client.send(b"b:1|c");
    let exposition = daemon.scrape_when("statsidecar_packets_total", 2);
    assert_eq!(clients(&exposition), ["a_total 10922", "b_total 1"]);
    assert_eq!(sum(&exposition, "statsidecar_rejected_samples_total{reason=\"line_too_long\"}"), 1);
    assert_eq!(sum(&exposition, "statsidecar_lines_total"), 10_922 + 2);
}

#[test]
fn a_tcp_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listener = format!("tcp://{}", taken.local_addr().expect("an address"));
    assert_eq!(refused(&listener, &[]), "another program has this port; stop it, or choose another port");
}

#[test]
fn udp_and_tcp_share_a_port() {
    // Another program may take a port that was free a moment ago, so the test tries several.
    let daemon = (0..20).find_map(|_| {
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let is_free = TcpListener::bind(udp).is_ok();
        is_free.then(|| started(&format!("udp://{udp}"), &["--listen", &format!("tcp://{udp}")]))
    });
    let daemon = daemon.expect("a port that both have free");
    assert!(daemon.listeners[0].starts_with("udp://") && daemon.listeners[1].starts_with("tcp://"));
    daemon.listeners.iter().for_each(|listener| _ = Client::connect(listener).send(b"a:1|c"));
    daemon.scrape_with(&["a_total 2"]);
}

#[test]
fn an_ipv6_wildcard_accepts_ipv4_over_tcp() {
    let daemon = started("tcp://[::]:0", &[]);
    let port = daemon.listeners[0].rsplit(':').next().expect("a port").to_owned();
    Client::connect(&format!("tcp://127.0.0.1:{port}")).send(b"a:1|c");
    Client::connect(&format!("tcp://[::1]:{port}")).send(b"a:2|c");
    daemon.scrape_with(&["a_total 3"]);
}

#[test]
fn listeners_may_be_ipv4_and_ipv6() {
    let listen = ["--listen", "udp://127.0.0.1:0", "--listen", "udp://[::1]:0", "--http", "[::1]:0"];
    let daemon = Daemon::start(&listen);
    assert!(daemon.udp[0].is_ipv4() && daemon.udp[1].is_ipv6() && daemon.http.is_ipv6(), "{:?}", daemon.udp);
    client(daemon.udp[0]).send(b"a:1|c\nb:1|c\nx").expect("a packet over IPv4");
    client(daemon.udp[1]).send(b"a:2|c").expect("a packet over IPv6");
    client(daemon.udp[1]).send(b"a:4|c").expect("a packet over IPv6");
    let exposition = daemon.scrape_after(3);
    assert_eq!(clients(&exposition), ["a_total 7", "b_total 1"]);
    for (metric, counts) in [("packets", [1, 2]), ("lines", [3, 2]), ("bytes", [13, 10])] {
        for (listener, count) in daemon.udp.iter().zip(counts) {
            daemon.scrape_with(&[&format!("statsidecar_{metric}_total{{listener=\"udp://{listener}\"}} {count}")]);
        }
    }
}

#[test]
fn an_ipv6_wildcard_receives_ipv4() {
    let daemon = Daemon::start(&["--listen", "udp://[::]:0", "--http", "127.0.0.1:0"]);
    let port = daemon.udp[0].port();
    client(([127, 0, 0, 1], port).into()).send(b"a:1|c").expect("a packet over IPv4");
    client(format!("[::1]:{port}").parse().expect("an address")).send(b"a:2|c").expect("a packet over IPv6");
    assert_eq!(clients(&daemon.scrape_after(2)), ["a_total 3"]);
}

/// The IPv6 wildcard leaves IPv4 to the IPv4 wildcard of the same port.
#[test]
fn wildcards_of_both_families_share_a_port() {
    // Another program may take a port that was free a moment ago, so the test tries several.
    let daemon = (0..20).find_map(|_| {
        let port = UdpSocket::bind("[::]:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let (four, six) = (format!("udp://0.0.0.0:{port}"), format!("udp://[::]:{port}"));
        let free = UdpSocket::bind(("0.0.0.0", port)).is_ok();
        free.then(|| Daemon::start(&["--listen", &four, "--listen", &six, "--http", "127.0.0.1:0"]))
    });
    let daemon = daemon.expect("a port that both families have free");
    let port = daemon.udp[0].port();
    client(([127, 0, 0, 1], port).into()).send(b"a:1|c").expect("a packet over IPv4");
    client(format!("[::1]:{port}").parse().expect("an address")).send(b"a:2|c").expect("a packet over IPv6");
    let exposition = daemon.scrape_after(2);
    assert_eq!(clients(&exposition), ["a_total 3"]);
    for listener in [format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        daemon.scrape_with(&[&format!("statsidecar_packets_total{{listener=\"udp://{listener}\"}} 1")]);
    }
}
