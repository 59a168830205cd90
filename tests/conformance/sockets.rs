//! Sockets: addresses that are taken, and Unix sockets as files.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use crate::support::{Client, Daemon, Ended, Process, Scratch, lines_of, run_in, sum};
use crate::{clients, listening};

const FILES: [&str; 3] = ["unixgram", "unix", "unix+dogstatsd"];

fn started(listener: &str, args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", listener, "--http", "127.0.0.1:0"]].concat())
}

/// Starts it where it cannot run; gives what it says.
fn refused(listener: &str, args: &[&str]) -> String {
    let args = [args, &["--listen", listener, "--http", "127.0.0.1:0"]].concat();
    let Ended { code, stdout, stderr } = run_in(env!("CARGO_TARGET_TMPDIR").as_ref(), &args);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{args:?}: {stderr}");
    let said = stderr.lines().last().unwrap_or_default();
    let expected = format!("cannot listen for StatsD on {listener}: ");
    said.strip_prefix(&expected).unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// A line to a listener that is there, applied.
fn takes_a_line(daemon: &Daemon) {
    let mut client = Client::connect(&daemon.listeners[0]);
    match daemon.listeners[0].starts_with("unix+dogstatsd") {
        true => client.write(b"\x05\0\0\0a:1|c"),
        false => _ = client.send(b"a:1|c"),
    }
    let page = daemon.scrape_when("statsidecar_samples_total", 1);
    assert_eq!(clients(&page), ["a_total 1"]);
}

/// (exporter 89)
#[test]
fn the_file_of_a_killed_program_is_taken_over() {
    let scratch = Scratch::short("stale");
    for transport in FILES {
        let path = scratch.file(transport);
        let listener = format!("{transport}://{path}");
        let killed = started(&listener, &[]);
        killed.signal("KILL");
        assert_eq!(killed.wait().code, None);
        assert!(fs::symlink_metadata(&path).expect("it is left").file_type().is_socket());
        takes_a_line(&started(&listener, &[]));
    }
}

/// None of them takes the file of another for that of the killed one.
#[test]
fn of_several_that_start_at_once_one_takes_the_file() {
    // Without a lock, two of them run in one of 40 to 350 rounds.
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
        // One that cannot run says nothing.
        let first_lines: Vec<Option<String>> =
            all.iter_mut().map(|one| lines_of(one.0.stdout.take().expect("it is piped")).recv().ok()).collect();
        let running = first_lines.iter().flatten().count();
        assert_eq!(running, 1, "{first_lines:?}");
        assert!(fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_socket()), "its file is there");
    }
}

/// Also by a socket of the other type: nobody could tell the clients apart from each other.
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
        takes_a_line(&daemon);
    }
    let name = format!("unixgram://@statsidecar-in-use-{}", std::process::id());
    let daemon = started(&name, &[]);
    assert_eq!(refused(&name, &[]), "another program has this name; stop it, or choose another name");
    takes_a_line(&daemon);
}

#[test]
fn what_is_no_socket_is_never_removed() {
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
fn a_file_has_the_mode_and_the_owners_that_the_config_says() {
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

#[test]
fn an_owner_whom_nobody_knows_is_named() {
    let scratch = Scratch::short("unknown");
    for key in ["owner", "group"] {
        let config = scratch.write("config.toml", &format!("[intake]\n{key} = \"no such one\"\n"));
        assert_eq!(
            refused(&format!("unix://{}", scratch.file("a")), &["--config", &config]),
            format!("this machine has no {key} \"no such one\"; correct [intake] {key}")
        );
    }
    // Root is known everywhere, by name too, but only root may give files to it.
    let config = scratch.write("config.toml", "[intake]\nowner = \"root\"\n");
    let listener = format!("unix://{}", scratch.file("a"));
    if fs::metadata(scratch.path()).expect("a folder").uid() == 0 {
        takes_a_line(&started(&listener, &["--config", &config]));
    } else {
        assert!(refused(&listener, &["--config", &config]).starts_with("the file cannot be given to the owner"));
    }
}

#[test]
fn the_file_goes_at_the_end_but_no_other() {
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

/// A start that fails leaves nothing behind.
#[test]
fn the_file_goes_with_a_start_that_fails() {
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

/// No UDP datagram is larger than the buffer, but one of a Unix socket may be.
#[test]
fn a_datagram_too_large_loses_its_end_alone() {
    let daemon = listening("unixgram", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    // 65,536 bytes are 10,922 lines and `a:1|`; with less luck what is left would read as another line.
    client.send(&b"a:1|c\n".repeat(12_000));
    client.send(b"b:1|c");
    let page = daemon.scrape_when("statsidecar_packets_total", 2);
    assert_eq!(clients(&page), ["a_total 10922", "b_total 1"]);
    assert_eq!(sum(&page, "statsidecar_rejected_samples_total{reason=\"line_too_long\"}"), 1);
    assert_eq!(sum(&page, "statsidecar_lines_total"), 10_922 + 2);
}

#[test]
fn a_tcp_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listener = format!("tcp://{}", taken.local_addr().expect("an address"));
    assert_eq!(refused(&listener, &[]), "another program has this port; stop it, or choose another port");
}

#[test]
fn udp_and_tcp_share_a_port() {
    // A port that was free a moment ago: another program may take it, so it is tried with several.
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
fn an_ipv6_wildcard_takes_ipv4_over_tcp_too() {
    let daemon = started("tcp://[::]:0", &[]);
    let port = daemon.listeners[0].rsplit(':').next().expect("a port").to_owned();
    Client::connect(&format!("tcp://127.0.0.1:{port}")).send(b"a:1|c");
    Client::connect(&format!("tcp://[::1]:{port}")).send(b"a:2|c");
    daemon.scrape_with(&["a_total 3"]);
}
