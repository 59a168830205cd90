//! Reloads of the config while the program runs.

use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::clients;
use crate::support::{Client, Daemon, PATIENCE, Scratch, get, request, sum};

const FREE: [&str; 4] = ["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"];

const ADMIN: &str = "http.admin = true\n";

/// The program with a config file and free ports, which starts with SIGHUP at its default: the tests may run under `nohup`.
fn started_with(file: &str) -> Daemon {
    let args = [&["--config", file], &FREE[..]].concat();
    Daemon::start_by("exec env --default-signal=HUP \"$@\"", &args)
}

fn send(daemon: &Daemon, lines: &str) {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.send_to(lines.as_bytes(), daemon.udp[0]).expect("a packet");
}

/// The status and the text of an answer to `POST /-/reload`.
fn post(daemon: &Daemon, headers: &str) -> (u16, String) {
    let text = format!("POST /-/reload HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    let (head, body) = request(daemon.http, &text);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, String::from_utf8(body).expect("text"))
}

#[test]
fn sighup_reloads_and_values_stay() {
    let scratch = Scratch::short("reload-hup");
    let file = scratch.write("config.toml", "");
    let daemon = started_with(&file);
    send(&daemon, "a:3|c\nb:1|c");
    daemon.scrape_when("statsidecar_samples_total", 2);
    scratch.write("config.toml", "[[metric]]\nmatch = 'b'\nname = 'b_total'\ntype = 'gauge'\nhelp = 'B.'\n");
    daemon.signal("HUP");
    daemon.scrape_with(&["statsidecar_config_reloads_total{outcome=\"succeeded\"} 1"]);
    assert_eq!(clients(&daemon.scrape()), ["a_total 3"]);
    send(&daemon, "a:1|c\nb:7|g");
    let page = daemon.scrape_when("statsidecar_samples_total", 4);
    assert_eq!(clients(&page), ["a_total 4", "b_total 7"]);
    assert!(page.contains("# HELP b_total B.\n# TYPE b_total gauge\n"), "{page}");

    scratch.write("config.toml", "[[metric]]\nmatch = 'b'\nnam = 'b'\n");
    daemon.signal("HUP");
    let page = daemon.scrape_with(&["statsidecar_config_reloads_total{outcome=\"failed\"} 1"]);
    assert!(page.contains("statsidecar_config_last_reload_successful 0\n"), "{page}");
    assert_eq!(clients(&page), ["a_total 4", "b_total 7"]);
    let status = get(daemon.http, "/api/v1/status");
    assert!(status.contains("\"succeeded\":1,\"failed\":1") && status.contains("config.toml:3:1"), "{status}");
    scratch.write("config.toml", "");
    daemon.signal("HUP");
    daemon.scrape_with(&["statsidecar_config_last_reload_successful 1"]);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for said in ["the config is reloaded", "metrics=\"b_total\"", "config.toml:3:1", "nothing has changed"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

#[test]
fn a_client_gets_the_diagnostics_if_it_may_reload() {
    let scratch = Scratch::short("reload-post");
    let file = scratch.write("config.toml", "");
    let daemon = started_with(&file);
    let (status, why) = post(&daemon, "");
    assert!(status == 403 && why.contains("[http] admin = true"), "{status} {why}");
    daemon.signal("TERM");
    drop(daemon.wait());

    scratch.write("config.toml", ADMIN);
    let daemon = started_with(&file);
    let (head, _) = request(daemon.http, "GET /-/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 405 ") && head.to_ascii_lowercase().contains("\r\nallow: post"), "{head}");
    send(&daemon, "a:1|c");
    daemon.scrape_when("statsidecar_samples_total", 1);
    let (status, done) = post(&daemon, "");
    assert!(status == 200 && done.contains("1 series go on, 0 start anew"), "{status} {done}");
    scratch.write("config.toml", &format!("{ADMIN}limits.series = 'many'\ndefaults.ttl = 5\n"));
    let (status, why) = post(&daemon, "");
    assert!(status == 422 && why.contains("config.toml:2:17") && why.contains("config.toml:3:16"), "{status} {why}");
    scratch.write("config.toml", &format!("{ADMIN}intake.workers = 2\nhttp.max_connections = 9\n"));
    let (status, why) = post(&daemon, "");
    assert!(status == 422 && why.contains("only a start can change [intake] workers, [http] max_connections"), "{why}");
    // The command line sets the listeners, so those of the file do not matter.
    scratch.write("config.toml", &format!("{ADMIN}intake.listen = ['udp://127.0.0.1:1']\nlimits.series = 1\n"));
    assert_eq!(post(&daemon, "").0, 200);
    send(&daemon, "a:1|c\nb:1|c");
    let page = daemon.scrape_when("statsidecar_lines_total", 3);
    assert_eq!(clients(&page), ["a_total 2"]);
    assert!(page.contains("statsidecar_series_limit 1\n"), "{page}");
}

#[test]
fn a_token_takes_hold_with_the_next_request() {
    let scratch = Scratch::short("reload-token");
    let file = scratch.write("config.toml", ADMIN);
    let token = scratch.write("token", "secret\n");
    let daemon = started_with(&file);
    scratch.write("config.toml", &format!("{ADMIN}http.bearer_token_file = '{token}'\n"));
    assert_eq!(post(&daemon, "").0, 200);
    assert_eq!(post(&daemon, "").0, 401);
    const BEARER: &str = "Authorization: Bearer secret\r\n";
    assert_eq!(post(&daemon, BEARER).0, 200);
    scratch.write("config.toml", &format!("{ADMIN}http.bearer_token_file = '{token}.missing'\n"));
    let (status, why) = post(&daemon, BEARER);
    assert!(status == 422 && why.contains("token.missing"), "{status} {why}");
    scratch.write("config.toml", ADMIN);
    assert_eq!(post(&daemon, BEARER).0, 200);
    assert_eq!(post(&daemon, "").0, 200);
}

/// Every second reload changes the type of a metric, and one of the others all help texts.
#[test]
fn twenty_reloads_under_load_lose_no_line() {
    const LINES: u32 = 50;
    const PACE: Duration = Duration::from_micros(500);
    const CONFIGS: [&str; 2] = [
        "[[metric]]\nmatch = 'changed.*'\nname = 'changed'\ntype = 'gauge'\n[[metric]]\nmatch = 'kept.*'\nhelp = 'One.'\n",
        "[[metric]]\nmatch = 'changed.*'\nname = 'changed'\ntype = 'counter'\n[[metric]]\nmatch = 'kept.*'\nhelp = 'Two.'\nttl = '1h'\n",
    ];
    let scratch = Scratch::short("reload-load");
    let file = scratch.write("config.toml", &format!("{ADMIN}{}", CONFIGS[0]));
    let daemon = started_with(&file);
    let stop = AtomicBool::new(false);
    let packets = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
            let (begun, mut packets) = (Instant::now(), 0);
            while !stop.load(Ordering::Relaxed) {
                // New series come all the time.
                let kept = (0..LINES - 10).map(|n| format!("kept.{}:1|c\n", if n < 30 { n } else { packets / 20 }));
                let changed = (0..10).map(|n| format!("changed.{n}:1|c\n"));
                let packet: String = kept.chain(changed).collect();
                client.send_to(packet.as_bytes(), daemon.udp[0]).expect("a packet");
                packets += 1;
                thread::sleep((begun + PACE * packets).saturating_duration_since(Instant::now()));
            }
            packets
        });
        let deadline = Instant::now() + PATIENCE;
        for reload in 1..=20 {
            scratch.write("config.toml", &format!("{ADMIN}{}", CONFIGS[reload % 2]));
            let (status, text) = post(&daemon, "");
            assert_eq!(status, 200, "{text}");
            // Some load comes between two reloads.
            let before = sum(&daemon.scrape(), "statsidecar_packets_total");
            while sum(&daemon.scrape(), "statsidecar_packets_total") < before + 50 {
                assert!(Instant::now() < deadline, "no packet arrives");
            }
        }
        stop.store(true, Ordering::Relaxed);
        sender.join().expect("it sends")
    });
    let page = daemon.scrape();
    let dropped = sum(&page, "statsidecar_kernel_dropped_packets_total");
    let received = u64::from(packets) - dropped;
    assert_eq!(sum(&page, "statsidecar_packets_total"), received);
    assert_eq!(sum(&page, "statsidecar_samples_total"), received * u64::from(LINES), "none is rejected");
    let series = clients(&page);
    let kept = series.iter().filter(|line| line.starts_with("kept_")).map(|line| {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<u64>().expect("a whole number")
    });
    assert_eq!(kept.sum::<u64>(), received * u64::from(LINES - 10));
    assert!(page.contains("statsidecar_config_reloads_total{outcome=\"succeeded\"} 20\n"), "{page}");
}

/// Of three listeners one goes, one stays and its clients notice nothing, and two come.
#[test]
fn listeners_come_and_go_and_the_others_are_not_touched() {
    let scratch = Scratch::short("reload-listen");
    let listen = |names: &[(&str, &str)]| {
        let all: Vec<_> = names.iter().map(|(kind, name)| format!("'{kind}://{}'", scratch.file(name))).collect();
        format!("{ADMIN}intake.listen = [{}]\n", all.join(", "))
    };
    let address = |kind: &str, name: &str| format!("{kind}://{}", scratch.file(name));
    let exists = |name: &str| std::path::Path::new(&scratch.file(name)).exists();
    let before = [("unixgram", "stays"), ("unixgram", "goes"), ("unix", "stream-goes")];
    let file = scratch.write("config.toml", &listen(&before));
    let shell = "exec env --default-signal=HUP \"$@\"";
    let daemon = Daemon::start_by(shell, &["--config", &file, "--http", "127.0.0.1:0"]);
    let mut stays = Client::connect(&address("unixgram", "stays"));
    let mut goes = Client::connect(&address("unixgram", "goes"));
    let mut stream = Client::connect(&address("unix", "stream-goes"));
    stays.send(b"stays:1|c");
    goes.send(b"goes:1|c");
    stream.write(b"stream:1|c\n");

    let after = [("unixgram", "stays"), ("unixgram", "comes"), ("unix", "stream-comes")];
    scratch.write("config.toml", &listen(&after));
    let (status, text) = post(&daemon, "");
    assert_eq!(status, 200, "{text}");
    stream.wait_for_end();
    assert!(!exists("goes") && !exists("stream-goes") && exists("stays"));
    stays.send(b"stays:1|c");
    Client::connect(&address("unixgram", "comes")).send(b"comes:1|c");
    Client::connect(&address("unix", "stream-comes")).write(b"stream:1|c\n");
    let page = daemon.scrape_when("statsidecar_samples_total", 6);
    assert_eq!(clients(&page), ["comes_total 1", "goes_total 1", "stays_total 2", "stream_total 2"]);
    let lines = |name: &str| {
        page.lines().filter(|line| line.starts_with("statsidecar_lines_total") && line.contains(name)).count()
    };
    assert_eq!(["/stays", "/goes", "/comes", "/stream-comes"].map(lines), [1, 0, 1, 1], "{page}");
    assert!(get(daemon.http, "/-/ready").contains("is ready"));

    // A listener that cannot be bound leaves everything as it was, and no file of the others that were new.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port");
    let held = std::net::TcpListener::bind(taken).expect("it is free again");
    let wrong = listen(&[("unixgram", "stays"), ("unixgram", "late")]).replace(']', &format!(", 'tcp://{taken}']"));
    scratch.write("config.toml", &wrong);
    let (status, text) = post(&daemon, "");
    assert!(status == 422 && text.contains("another program has this port"), "{status} {text}");
    assert!(!exists("late") && exists("comes"));
    drop(held);
    stays.send(b"stays:1|c");
    Client::connect(&address("unixgram", "comes")).send(b"comes:1|c");
    assert_eq!(
        clients(&daemon.scrape_when("statsidecar_samples_total", 8)),
        ["comes_total 2", "goes_total 1", "stays_total 3", "stream_total 2"]
    );
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!exists("stays") && !exists("comes"));
}

#[test]
fn a_changed_file_is_read_if_the_config_says_so() {
    let scratch = Scratch::short("reload-change");
    let file = scratch.write("config.toml", "reload.on_change = true\n");
    let daemon = started_with(&file);
    scratch.write("config.toml", "reload.on_change = true\nlimits.series = 7\n");
    daemon.scrape_with(&["statsidecar_series_limit 7"]);
    // A file that is put in the place of another is another file.
    let other = scratch.write("other.toml", "reload.on_change = 1\nlimits.series = 8\n");
    std::fs::rename(other, &file).expect("it can be renamed");
    daemon.scrape_with(&["statsidecar_config_last_reload_successful 0", "statsidecar_series_limit 7"]);
    scratch.write("config.toml", "limits.series = 9\n");
    daemon.scrape_with(&["statsidecar_config_last_reload_successful 1", "statsidecar_series_limit 9"]);
}

/// Each line goes to the targets that hold when it comes.
#[test]
fn targets_of_the_relay_come_and_go() {
    let scratch = Scratch::short("reload-relay");
    let target = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let table = format!("[[relay]]\ntarget = 'udp://{}'\n", socket.local_addr().expect("an address"));
        (socket, table)
    };
    let ((first, to_first), (second, to_second)) = (target(), target());
    let heard = |socket: &UdpSocket| {
        let mut buffer = [0; 2000];
        let len = socket.recv(&mut buffer).expect("a packet");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let file = scratch.write("config.toml", ADMIN);
    let daemon = started_with(&file);
    let reload = |relays: &str| {
        scratch.write("config.toml", &format!("{ADMIN}{relays}"));
        let (status, text) = post(&daemon, "");
        assert_eq!(status, 200, "{text}");
    };
    send(&daemon, "none:1|c");
    daemon.scrape_when("statsidecar_samples_total", 1);
    reload(&to_first);
    send(&daemon, "a:1|c");
    assert_eq!(heard(&first), "a:1|c");
    reload(&format!("{to_first}match = 'only.*'\n{to_second}"));
    send(&daemon, "b:1|c\nonly.c:1|c");
    assert_eq!([heard(&first), heard(&second)], ["only.c:1|c", "b:1|c\nonly.c:1|c"]);
    reload(&to_second);
    send(&daemon, "d:1|c");
    assert_eq!(heard(&second), "d:1|c");
    let address = |socket: &UdpSocket| socket.local_addr().expect("an address").to_string();
    daemon.scrape_until("the second target has three lines, and the first no row", |page| {
        let of = |socket: &UdpSocket| {
            let rows = page.lines().filter(|row| row.starts_with("statsidecar_relay_lines_total{"));
            rows.filter(|row| row.contains(&address(socket))).map(str::to_owned).collect::<Vec<_>>()
        };
        of(&second).iter().any(|row| row.contains("\"sent\"") && row.ends_with(" 3")) && of(&first).is_empty()
    });
    let own = format!("[[relay]]\ntarget = 'udp://{}'\n", daemon.udp[0]);
    scratch.write("config.toml", &format!("{ADMIN}{own}"));
    let (status, text) = post(&daemon, "");
    assert!(status == 422 && text.contains("own listener"), "{status} {text}");
    reload("");
    first.set_nonblocking(true).expect("an option");
    assert!(first.recv(&mut [0]).is_err(), "it got nothing after it was removed");
}

#[test]
fn the_service_manager_hears_of_a_reload_and_of_its_end() {
    let scratch = Scratch::short("reload-notify");
    let file = scratch.write("config.toml", "");
    let name = format!("statsidecar-reload-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let heard = || {
        let mut buffer = [0; 256];
        let len = manager.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_statsidecar"), "--config", &file]).args(FREE);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let daemon = Daemon::spawn(command);
    assert_eq!(heard(), "READY=1\n");
    daemon.signal("HUP");
    let reloading = heard();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(|since| since.trim_end().parse::<u64>());
    assert!(matches!(since, Some(Ok(since)) if since > 0), "{reloading:?}");
    assert_eq!(heard(), "READY=1\n");
    daemon.signal("TERM");
    assert_eq!(heard(), "STOPPING=1\n");
}
