//! The report of `load`. `tests/load.rs` checks its numbers over every transport.

use crate::run;
use crate::support::Daemon;

#[test]
fn load_accounts_for_what_it_sends() {
    let daemon = Daemon::start(&["--listen", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let (target, exposition) = (&daemon.listeners[0], daemon.http.to_string());
    let ended = run(&[
        "load",
        "--target",
        target,
        "--scrape",
        &exposition,
        "--rate",
        "5000",
        "--seconds",
        "1",
        "--series",
        "9",
    ]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.lines().any(|line| line.starts_with("arrived ") && line.ends_with(" lines in 0 packets")));
    let ended = run(&["load", "--target", "udp://127.0.0.1:9", "--packet", "70000"]);
    let says = "cannot send to udp://127.0.0.1:9: no datagram takes so many bytes; give --packet a smaller number\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), says), "{}", ended.stdout);
    let ended = run(&["load", "--target", "unix://@statsidecar-nobody", "--seconds", "1"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("cannot send to unix://@statsidecar-nobody: "), "{}", ended.stderr);
}
