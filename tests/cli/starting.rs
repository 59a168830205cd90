//! The messages of a start, and the errors that prevent one.

use std::net::{TcpListener, UdpSocket};

use crate::run;
use crate::support::{Daemon, Ended, Scratch, client, started};

#[test]
fn a_udp_port_in_use_is_reported() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("udp://{}", taken.local_addr().expect("an address"));
    let ended = run(&["--listen", &address, "--http", "127.0.0.1:0"]);
    let expected = format!(
        "cannot listen for StatsD on {address}: another program has this port; stop it, or choose another port\n"
    );
    assert_eq!((ended.code, said(&ended).as_str(), ended.stdout.as_str()), (Some(1), expected.as_str(), ""));
}

#[test]
fn an_http_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = run(&["--listen", "udp://127.0.0.1:0", "--http", &address]);
    let expected = format!(
        "cannot serve metrics on http://{address}: another program has this port; stop it, or choose another port\n"
    );
    assert_eq!((ended.code, said(&ended).as_str(), ended.stdout.as_str()), (Some(1), expected.as_str(), ""));
}

/// Two addresses of one config may collide; the error must not blame another program.
#[test]
fn addresses_that_collide_are_reported() {
    let listen = |address: &'static str| ["--listen", address];
    for (args, one, other) in [
        ([listen("udp://127.0.0.1:1"), listen("udp://127.0.0.1:1")], "udp://127.0.0.1:1", "udp://127.0.0.1:1"),
        ([listen("udp://[::]:1"), listen("udp://[::1]:1")], "udp://[::]:1", "udp://[::1]:1"),
        ([listen("tcp://127.0.0.1:1"), ["--http", "127.0.0.1:1"]], "tcp://127.0.0.1:1", "127.0.0.1:1"),
        ([listen("tcp://0.0.0.0:1"), ["--http", "[::]:1"]], "tcp://0.0.0.0:1", "[::]:1"),
        ([listen("tcp://[::]:1"), ["--http", "127.0.0.1:1"]], "tcp://[::]:1", "127.0.0.1:1"),
        ([listen("udp://0.0.0.0:1"), listen("udp://127.0.0.1:1")], "udp://0.0.0.0:1", "udp://127.0.0.1:1"),
        ([listen("udp://localhost:1"), listen("udp://localhost:1")], "udp://localhost:1", "udp://localhost:1"),
        ([listen("unix:///a"), listen("unixgram:///./a")], "unix:///a", "unixgram:///./a"),
    ] {
        let ended = run(args.as_flattened());
        let expected = match other.split_once("://") {
            None => format!(
                "the listener {one} and /metrics on {other} need the same port; choose another port for one of them \
                 (--listen, [intake] listen; --http, [http] listen)\n"
            ),
            Some(("udp" | "tcp", _)) => {
                format!("the listeners {one} and {other} need the same port; choose another port for one of them\n")
            }
            Some(_) => {
                format!("the listeners {one} and {other} need the same socket; choose another name for one of them\n")
            }
        };
        assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.as_str()), (Some(2), expected.as_str(), ""));
    }
    let ended = run(&["--http", "localhost"]);
    assert_eq!(ended.code, Some(2));
    let right = "\"localhost\" is not a host with a port; write 127.0.0.1:9102, [::1]:9102, localhost:9102 or unix:///run/statsidecar/http.sock";
    assert!(ended.stderr.contains(right), "{}", ended.stderr);
}

/// A host name is compared with the other addresses after it is resolved.
#[test]
fn host_names_that_collide_are_reported() {
    for (args, one, other) in [
        (["--listen", "udp://localhost:1", "--listen", "udp://127.0.0.1:1"], "udp://127.0.0.1:1", "udp://127.0.0.1:1"),
        (["--listen", "tcp://127.0.0.1:1", "--http", "localhost:1"], "tcp://127.0.0.1:1", "/metrics on 127.0.0.1:1"),
    ] {
        let ended = run(&args);
        let found = said(&ended);
        assert!(ended.code == Some(1) && found.contains(&format!("{one} and {other} need the same port")), "{found}");
        assert!(found.ends_with("; localhost:1 is 127.0.0.1:1 here\n"), "{found}");
    }
}

/// Listeners may have names; every address of the name is bound.
#[test]
fn listeners_have_names() {
    let listen = ["--listen", "udp://localhost:0", "--listen", "tcp://localhost:0", "--http", "localhost:0"];
    let daemon = Daemon::start(&listen);
    assert!(daemon.listeners.contains(&format!("udp://{}", daemon.udp[0])) && daemon.http.ip().is_loopback());
    crate::support::Client::connect(&daemon.listeners[0]).send(b"a:1|c");
    daemon.scrape_with(&["a_total 1"]);
    let wrong = "no-such-host.invalid:1";
    for (args, says) in [
        (["--listen", &format!("udp://{wrong}"), "--http", "127.0.0.1:0"], "cannot listen for StatsD on udp"),
        (["--listen", "udp://127.0.0.1:0", "--http", wrong], "cannot serve metrics on http"),
    ] {
        let ended = run(&args);
        let expected = format!("{says}://{wrong}: cannot resolve host no-such-host.invalid: ");
        assert!(ended.code == Some(1) && said(&ended).starts_with(&expected), "{}", ended.stderr);
    }
}

#[test]
fn an_address_of_another_machine_is_reported() {
    // This address is reserved for documentation (RFC 5737), so no machine has it.
    let ended = run(&["--listen", "udp://127.0.0.1:0", "--listen", "udp://192.0.2.1:0", "--http", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    let said = said(&ended);
    assert!(said.starts_with("cannot listen for StatsD on udp://192.0.2.1:0: "), "{said}");
    assert!(said.ends_with("; this machine has no such address\n"), "{said}");
}

/// The program prints its addresses, and two commands that show that it works.
#[test]
fn a_start_prints_the_addresses_and_commands_to_try() {
    let daemon = started(&[]);
    let (udp, http) = (daemon.udp[0], daemon.http);
    daemon.signal("TERM");
    let ended = daemon.wait();
    let try_it = format!(
        "try: printf 'jobs.done:3|c\\n' | nc -u -w1 127.0.0.1 {}\n     curl -s http://{http}/metrics | grep jobs\n",
        udp.port()
    );
    assert_eq!(ended.stdout, try_it, "the text behind the two addresses");
    assert_eq!(ended.code, Some(0));
    assert_eq!(said(&ended), "", "the standard error has log lines only");
}

#[test]
fn flags_win_over_the_file() {
    let scratch = Scratch::new("flags");
    let file = "[intake]\nlisten = [\"udp://192.0.2.1:1\"]\n[http]\nlisten = \"192.0.2.1:1\"\n[labels]\na = \"b\"\n";
    let config = scratch.write("config.toml", file);
    for command in [&["run"][..], &[]] {
        let mut args = command.to_vec();
        args.extend(["--config", &config, "--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let daemon = Daemon::start(&args);
        assert_eq!(daemon.udp.len(), 1, "the flag replaces the listeners of the file");
        assert!(daemon.scrape().contains("a=\"b\""), "the other keys of the file hold");
    }
}

#[test]
fn warnings_about_the_file_are_logged_and_the_program_runs() {
    let scratch = Scratch::new("warnings");
    let config = scratch.write("config.toml", "[[metric]]\nmatch = \"a\"\nname = \"a\"\ntype = \"counter\"\n");
    let daemon = started(&["--config", &config]);
    daemon.signal("INT");
    let ended = daemon.wait();
    let warning = format!("{config}:3:8: warning: name \"a\": the name of a counter ends in _total by convention");
    assert!(ended.stderr.lines().any(|line| line.contains(" WARN ") && line.ends_with(&warning)), "{}", ended.stderr);
}

/// The lines of the standard error that are no log lines; log lines begin with the time.
fn said(ended: &Ended) -> String {
    let is_log = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains("Z  INFO ");
    ended.stderr.lines().filter(|line| !is_log(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Some clients resolve `localhost` to the address of IPv6. The two sockets share a worker, so both feed one counter.
#[test]
fn the_default_listens_on_both_addresses_of_localhost() {
    let daemon = Daemon::start(&["--http", "127.0.0.1:0"]);
    assert_eq!(daemon.listeners, ["udp://127.0.0.1:8125", "udp://[::1]:8125"]);
    let clients = daemon.udp.iter().map(|address| client(*address)).collect::<Vec<_>>();
    for round in 1..=200 {
        clients.iter().for_each(|client| _ = client.send(b"a:1|c").expect("a packet"));
        let exposition = daemon.scrape();
        assert!(exposition.lines().any(|line| line == format!("a_total {}", 2 * round)), "{round}: {exposition}");
    }
}
