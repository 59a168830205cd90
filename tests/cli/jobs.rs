//! `run --until-exit`: a command that runs with the sidecar beside it.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;

use crate::run;
use crate::support::{Ended, PATIENCE, Process, Scratch, lines_of};

/// Runs a line of shell as the command, in which `$0` is the program, and the log has all lines.
fn job(args: &[&str], shell: &str) -> Ended {
    let run_args: &[&str] = &["run", "--until-exit", "--log-level", "info"];
    run(&[run_args, args, &["--", "sh", "-c", shell, env!("CARGO_BIN_EXE_statsidecar")]].concat())
}

/// Sends the sidecar a signal once the command has printed a line; gives the exit code.
fn code_after(signal: &str, shell: &str) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["run", "--until-exit", "--", "sh", "-c", shell]).stdout(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let stdout = lines_of(process.0.stdout.take().expect("it is piped"));
    assert_eq!(stdout.recv_timeout(PATIENCE).as_deref(), Ok("ready"));
    let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", process.0.id())]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    assert_eq!(stdout.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "it ends after SIG{signal}");
    process.0.wait().expect("a child can be waited for").code()
}

#[test]
fn all_lines_of_a_short_command_are_applied() {
    let relayed = UdpSocket::bind("127.0.0.1:0").expect("a port");
    relayed.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    let scratch = Scratch::new("job");
    let relay = format!("[[relay]]\ntarget = \"udp://{}\"\n", relayed.local_addr().expect("an address"));
    let config = scratch.write("c.toml", &relay);
    let send = "\"$0\" send --to udp://$STATSD_HOST:$STATSD_PORT 'jobs.done:3|c' 'jobs.took:20|ms'; exit 3";
    let ended = job(&["--config", &config], send);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.ends_with(" INFO stopped lines=2 samples=2\n"), "{}", ended.stderr);
    let mut packet = [0; 64];
    let len = relayed.recv(&mut packet).expect("the relay sends it before the end");
    assert_eq!(packet[..len].trim_ascii_end(), b"jobs.done:3|c\njobs.took:20|ms");
}

/// Two jobs on a machine have ports of their own, and the output is that of the command alone.
#[test]
fn commands_are_told_a_free_port() {
    let tell = "echo $STATSD_HOST:$STATSD_PORT $DD_DOGSTATSD_URL";
    let nested = format!("{tell}; \"$0\" run --until-exit -- sh -c '{tell}'");
    let ended = job(&[], &nested);
    let told: Vec<_> = ended.stdout.lines().collect();
    let [one, other] = told[..] else { panic!("{ended:?}") };
    assert_ne!(one, other);
    for line in [one, other] {
        let (address, url) = line.split_once(' ').expect("two words");
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        assert_eq!(url, format!("udp://{address}"));
    }
}

#[test]
fn addresses_of_the_config_are_kept() {
    let scratch = Scratch::short("job-sockets");
    let path = scratch.file("statsd.sock");
    let config = scratch.write("c.toml", &format!("[intake]\nlisten = [\"unixgram://{path}\"]\n"));
    let ended = job(&["--config", &config], "\"$0\" send --to unixgram://${DD_DOGSTATSD_URL#unix://} 'a:1|c'; env");
    let variables: Vec<_> = ended.stdout.lines().collect();
    assert!(variables.contains(&format!("DD_DOGSTATSD_URL=unix://{path}").as_str()), "{ended:?}");
    assert!(ended.stderr.ends_with(" INFO stopped lines=1 samples=1\n"), "{}", ended.stderr);
    assert!(!std::fs::exists(path).expect("the folder can be read"), "the file of the socket is removed");
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    assert_eq!(job(&[], "exit 0").code, Some(0));
    assert_eq!(job(&[], "exit 255").code, Some(255));
    assert_eq!(job(&[], "kill -9 $$").code, Some(128 + 9));
    let missing = run(&["run", "--until-exit", "--", "/nonexistent/command"]);
    assert_eq!(missing.code, Some(127));
    assert!(missing.stderr.starts_with("cannot start /nonexistent/command: No such file"), "{}", missing.stderr);
    let scratch = Scratch::new("job-file");
    let file = scratch.write("text", "no program");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("the mode can be set");
    assert_eq!(run(&["run", "--until-exit", "--", &file]).code, Some(126));
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("udp://{}", taken.local_addr().expect("an address"));
    let ended = job(&["--listen", &address], "echo started");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
}

#[test]
fn signals_reach_the_command() {
    for signal in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "ALRM"] {
        // A shell does not trap a signal that it was started to ignore, as this test may be.
        let wait = format!("trap \"exit 7\" {signal}; echo ready; while :; do sleep 0.01; done");
        assert_eq!(code_after(signal, &format!("exec env --default-signal sh -c '{wait}'")), Some(7), "SIG{signal}");
    }
    assert_eq!(code_after("TERM", "echo ready; exec sleep 600"), Some(128 + 15));
}

#[test]
fn a_command_and_the_flag_need_each_other() {
    for args in [&["run", "--until-exit"][..], &["run", "--", "true"], &["--", "true"]] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
    }
}
