//! `statsidecar send`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::run;
use crate::support::{Daemon, listener};

#[test]
fn lines_arrive_over_every_transport() {
    for transport in ["udp", "tcp", "unixgram", "unix", "unix+dogstatsd"] {
        let daemon = Daemon::start(&["--listen", &listener(transport), "--http", "127.0.0.1:0"]);
        let to = daemon.listeners[0].as_str();
        let ended = run(&["send", "--to", to, "sent:2|c", "sent:3|c\nsize:-7|g", "e:1|ms|@0.5|#a:b"]);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""), "{transport}");
        daemon.scrape_with(&["sent_total 5", "size -7", "e_seconds_count{a=\"b\"} 2"]);
    }
}

#[test]
fn lines_of_the_standard_input_fill_packets() {
    let daemon = Daemon::start(&["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["send", "--to", &daemon.listeners[0], "first:1|c", "-"]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // 9 bytes and a line end each, after the first line: 1,432 bytes hold 143 lines, and 1,000 lines take 7 packets.
    stdin.write_all("\nline:1|c\n\n".as_bytes()).expect("it reads");
    stdin.write_all("line:22|c\n".repeat(999).as_bytes()).expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
    let packets = format!("statsidecar_packets_total{{listener=\"{}\"}} 7", daemon.listeners[0]);
    daemon.scrape_with(&["line_total 21979", "first_total 1", &packets]);
}

#[test]
fn what_no_config_takes_is_not_sent() {
    let ended = run(&["send", "good:1|c", "bad:x|c", "worse"]);
    assert_eq!(ended.code, Some(2));
    for says in ["\"bad:x|c\": bad_value: ", "\"worse\": malformed_line: ", "nothing was sent"] {
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
}

#[test]
fn nobody_listening_is_an_error() {
    // The port is free again once the daemon is gone.
    let closed = Daemon::start(&["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]).listeners[0].clone();
    for to in [closed.as_str(), "tcp://127.0.0.1:9"] {
        let ended = run(&["send", "--to", to, "a:1|c"]);
        let says = format!("cannot send to {to}: nobody listens there\n");
        assert_eq!((ended.code, ended.stderr), (Some(1), says));
    }
}
