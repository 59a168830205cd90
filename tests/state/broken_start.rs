//! A start that fails after it has found the state leaves it as it was.

use std::fs::File;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use statsidecar::daemon::{Daemon, Timing};

use crate::home::Home;
use crate::support::pipeline::compiled;
use crate::support::{Client, PATIENCE, run_in};
use crate::{stop, value};

/// There is no room for what the rules declare.
const FULL: &str =
    "[limits]\nseries = 2\n[[metric]]\nmatch = \"c\"\nname = \"c_total\"\ntype = \"counter\"\ninit = [{}]\n";

#[test]
fn a_start_that_fails_loses_nothing() {
    let home = Home::new("fails");
    let daemon = home.start("");
    Client::connect(&daemon.listeners[0]).send(b"a:1|c\nb:2|g\nusers:x|s");
    daemon.scrape_with(&["a_total 1", "b 2", "users 1"]);
    stop(daemon);
    fail_in_process(&home);
    let values = |page: &str| ["a_total", "b", "users"].map(|name| value(page, name));
    let expected = [Some(1.0), Some(2.0), Some(1.0)];
    let daemon = home.start("");
    assert_eq!(values(&daemon.scrape()), expected, "all that the start had found was dropped");
    daemon.kill();
    let relay = "[[relay]]\ntarget = \"udp://127.0.0.1:18127\"\n";
    for (rules, listener, error) in [
        // The relay would send to its own listener.
        (relay, "udp://127.0.0.1:18127", "18127"),
        ("[http]\ntls_cert = \"/nowhere/a.pem\"\ntls_key = \"/nowhere/b.pem\"\n", "udp://127.0.0.1:0", "/nowhere"),
        ("[http]\nbearer_token_file = \"/nowhere/token\"\n", "udp://127.0.0.1:0", "/nowhere"),
        (FULL, "udp://127.0.0.1:0", "c_total"),
    ] {
        let listener = format!("--listen={listener}");
        let ended = run_in(home.disk().path(), &[&listener, "--http=127.0.0.1:0", &home.config(rules)]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(error), "{}", ended.stderr);
        let daemon = home.start("");
        assert_eq!(values(&daemon.scrape()), expected, "{error}");
        daemon.kill();
    }
}

/// A start that fails in a process that lives on, so that all it has found is dropped: as may happen before a process ends.
fn fail_in_process(home: &Home) {
    let (snapshots, arenas) = (home.snapshots(), home.arenas());
    let (mut config, rules) = compiled(&format!("[state]\npath = {snapshots:?}\narena = {arenas:?}\n{FULL}"));
    config.intake.listen = vec!["udp://127.0.0.1:0".parse().expect("an address")];
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let started = runtime.block_on(Daemon::start(&config, rules, Timing::default()));
    assert!(started.is_err(), "there is no room");
    drop((started, runtime));
    // The thread that saves has the rest, until it ends.
    let lock = File::open(snapshots.join("lock")).expect("the file is there");
    let deadline = Instant::now() + PATIENCE;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        assert!(Instant::now() < deadline, "the state stays locked");
        thread::yield_now();
    }
}
