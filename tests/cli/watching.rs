//! `statsidecar top`: its text, and its screen in a real terminal.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::run;
use crate::support::{Daemon, PATIENCE, Scratch, client, get, started};

/// A sidecar that has `hits` twice, `misses` once, and a rejected line.
fn fed() -> (Daemon, String) {
    let daemon = started(&[]);
    client(daemon.udp[0]).send(b"hits:1|c\nhits:1|c\nmisses:1|c\nsize:a\x1bb|g").expect("a packet");
    daemon.scrape_with(&["hits_total 2", "misses_total 1"]);
    let url = format!("http://{}", daemon.http);
    (daemon, url)
}

/// Answers each request with this text, until the test ends.
fn answering(body: String) -> String {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", server.local_addr().expect("it has an address"));
    thread::spawn(move || {
        for mut stream in server.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request); // a client that is gone needs no answer
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

#[test]
fn without_a_terminal_the_state_is_printed_once() {
    let (daemon, url) = fed();
    for args in [&["top", &url][..], &["top", "--once", &url]] {
        let ended = run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let row = |name: &str| {
            let line = ended.stdout.lines().find(|line| line.ends_with(&format!("  {name}")));
            let line = line.unwrap_or_else(|| panic!("no row of {name}:\n{}", ended.stdout));
            // The rate depends on how long ago the lines were sent.
            line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row("hits_total"), ["2", "1", "0", "hits_total"]);
        assert_eq!(row("misses_total"), ["1", "1", "0", "misses_total"]);
        let at = format!("listener  {}: 4 lines, 0 dropped by the kernel, 1 packets, ", daemon.listeners[0]);
        for says in
            [&format!("at {url}, ready, up "), "3 in all\n", &at, "bad_value: 1 samples\n", "    size:a\\u{1b}b|g\n"]
        {
            assert!(ended.stdout.contains(says), "no {says:?} in:\n{}", ended.stdout);
        }
    }
}

#[test]
fn text_of_a_hostile_server_is_escaped() {
    let (daemon, _) = fed();
    let status = get(daemon.http, "/api/v1/status");
    assert!(status.contains("hits_total") && status.contains("0.1.0"), "{status}");
    let hostile = status.replace("hits_total", "hits\\u001b[2J\\u009b\\n").replace("0.1.0", "\\u0007\\u202e");
    let ended = run(&["top", &answering(hostile)]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("  hits\\u{1b}[2J\\u{9b}\\n\n"), "{}", ended.stdout);
    assert!(ended.stdout.starts_with("statsidecar \\u{7}\\u{202e} at "), "{}", ended.stdout);
}

#[test]
fn without_a_first_answer_it_fails() {
    let ended = run(&["top", "http://127.0.0.1:9"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("http://127.0.0.1:9/api/v1/status: cannot connect: "), "{}", ended.stderr);
    let ended = run(&["top", &answering("{\"a\":1}".to_owned())]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("/api/v1/status is not the status of a statsidecar"), "{}", ended.stderr);
    assert_eq!(run(&["top", "ftp://127.0.0.1"]).code, Some(2));
    assert_eq!(run(&["top", "--interval", "0"]).code, Some(2));
}

// ---- In a terminal ----

/// A terminal that tmux shows to nobody. It ends when this is dropped.
struct Terminal {
    /// The socket of its tmux, in `scratch`.
    socket: String,
    scratch: Scratch,
}

impl Terminal {
    /// Runs `top` there, between lines that tell the settings of the terminal. None if there is no tmux.
    fn with_top(name: &str, url: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("NOT TESTED: top in a terminal, because tmux is not installed");
            return None;
        }
        let scratch = Scratch::short(name);
        let terminal = Self { socket: scratch.file("tmux"), scratch };
        let pid = terminal.scratch.file("pid");
        let program = env!("CARGO_BIN_EXE_statsidecar");
        let script = terminal.scratch.write(
            "script",
            &format!(
                "echo \"before $(stty -g)\"\nsh -c 'echo $$ >{pid}; exec {program} top {url}'\n\
                 echo \"exit $?\"\necho \"after $(stty -g)\"\nexec sleep 600\n"
            ),
        );
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "24", &format!("sh {script}")]);
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-u", "-S", &self.socket]).args(args).output().expect("tmux runs");
        assert!(output.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a screen is UTF-8")
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits for a screen on which `is_there` holds, and returns it.
    fn wait_for(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.tmux(&["capture-pane", "-p", "-J"]);
            if is_there(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what} is not on the screen:\n{screen}");
            thread::sleep(Duration::from_millis(20)); // between two looks
        }
    }

    /// Fails unless `top` ends with success and leaves the terminal as it was.
    fn check_end(&self, how: &str) {
        let screen = self.wait_for("the end", |screen| screen.contains("\nafter "));
        assert!(screen.contains("\nexit 0\n"), "{how}:\n{screen}");
        let settings = |start: &str| {
            let mut lines = screen.lines().filter_map(|line| line.strip_prefix(start));
            lines.next().map(str::to_owned).unwrap_or_else(|| panic!("{how}: no {start:?}:\n{screen}"))
        };
        assert_eq!(settings("before "), settings("after "), "{how}");
        let flags = self.tmux(&["display-message", "-p", "alternate #{alternate_on}, cursor #{cursor_flag}"]);
        assert_eq!(flags.trim(), "alternate 0, cursor 1", "{how}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-S", &self.socket, "kill-server"]).output(); // it may have ended already
    }
}

#[test]
fn keys_work_in_a_terminal_also_while_the_sidecar_does_not_answer() {
    let (daemon, url) = fed();
    let Some(terminal) = Terminal::with_top("watching-keys", &url) else { return };
    terminal.wait_for("the table", |screen| screen.contains("hits_total") && screen.contains("misses_total"));
    terminal.keys(&["/", "mis"]);
    terminal.wait_for("the filter", |screen| screen.contains("filter: mis_") && !screen.contains("hits_total"));
    terminal.keys(&["Escape"]);
    terminal.wait_for("all names", |screen| !screen.contains("filter:") && screen.contains("hits_total"));
    // A line that arrives later is shown without a key.
    client(daemon.udp[0]).send(b"later:1|c").expect("a packet");
    terminal.wait_for("the new name", |screen| screen.contains("later_total"));
    daemon.signal("STOP");
    terminal.wait_for("the age", |screen| screen.contains("WAITING for an answer, the data are "));
    terminal.keys(&["Tab"]);
    terminal.wait_for("the rejected line", |screen| screen.contains("    size:a\\u{1b}b|g"));
    terminal.tmux(&["resize-window", "-x", "40", "-y", "12"]);
    terminal.wait_for("a small screen", |screen| screen.contains("q quit  / filter  Tab names"));
    daemon.signal("KILL");
    terminal.wait_for("the failure", |screen| screen.contains("NO ANSWER, the data are "));
    terminal.tmux(&["resize-window", "-x", "100", "-y", "24"]);
    terminal.keys(&["q"]);
    terminal.check_end("after q");
}

#[test]
fn the_terminal_is_restored_after_each_signal() {
    let (_daemon, url) = fed();
    for signal in ["TERM", "INT", "HUP"] {
        let Some(terminal) = Terminal::with_top(&format!("watching-{signal}"), &url) else { return };
        terminal.wait_for("the table", |screen| screen.contains("hits_total"));
        let kill = format!("kill -{signal} $(cat {})", terminal.scratch.file("pid"));
        assert!(Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success()), "{signal}");
        terminal.check_end(signal);
    }
}
