//! What the migration guide says of statsd_exporter, checked against the program itself where there is one: on PATH, or
//! named by the variable STATSD_EXPORTER.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::examples::{examples, listed};
use crate::files_of;
use crate::markdown::page;
use crate::support::{PATIENCE, Process, client, get};

/// Names that statsd_exporter exposes of itself.
const OWN: [&str; 5] = ["go_", "process_", "promhttp_", "statsd_exporter_", "statsd_metric_mapper_"];

#[test]
fn statsd_exporter_does_what_the_guide_says() {
    let page = page("docs/src/migrating/statsd_exporter.md");
    let examples: Vec<_> = examples(&page).into_iter().filter(|example| example.theirs.is_some()).collect();
    assert!(!examples.is_empty(), "{page} compares nothing");
    let named = std::env::var_os("STATSD_EXPORTER");
    let program = named.clone().unwrap_or_else(|| "statsd_exporter".into());
    let version = Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_err() {
        assert!(named.is_none(), "{} cannot be started", program.display());
        return println!("there is no statsd_exporter here: what {page} says of it is not checked");
    }

    let folder = files_of(&page);
    for example in examples {
        let mut command = Command::new(&program);
        let (udp, http) = free();
        command.args([format!("--statsd.listen-udp={udp}"), format!("--web.listen-address={http}")]);
        command.args(["--statsd.listen-tcp=", "--log.level=error"]).stderr(Stdio::null()).stdout(Stdio::null());
        if let Some(name) = example.lines.argument() {
            command.arg(format!("--statsd.mapping-config={}", folder.file(name)));
        }
        let _process = Process::spawn(&mut command);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(http).is_err() {
            assert!(Instant::now() < deadline, "{} does not listen on {http}", program.display());
            thread::sleep(Duration::from_millis(10));
        }
        client(udp).send(example.lines.body.as_bytes()).unwrap();
        let shown = example.theirs.map(|block| listed(block.body)).unwrap();
        loop {
            let mut found = listed(&get(http, "/metrics"));
            found.retain(|line| !OWN.iter().any(|own| line.starts_with(own)));
            if found == shown {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{}: statsd_exporter exposes\n{found:#?}\nnot\n{shown:#?}",
                example.lines
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Two addresses that nobody uses.
fn free() -> (SocketAddr, SocketAddr) {
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    (udp.local_addr().unwrap(), tcp.local_addr().unwrap())
}
