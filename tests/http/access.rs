//! Passwords and tokens.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};

use crate::client::{header, status};
use crate::support::{Daemon, PATIENCE, Scratch, request, run_in, started};

/// Of the password `secret`, quick to check.
const SECRET: &str = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$pbviq+1UUgwZCmLIr4Hgk7mEMsxnRLuOb2HfvIaBwGY";

/// The head of the answer to a request with this `Authorization`.
fn ask(server: SocketAddr, path: &str, authorization: &str) -> String {
    let line = if authorization.is_empty() { String::new() } else { format!("Authorization: {authorization}\r\n") };
    request(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n")).0
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", Base64::encode_string(credentials.as_bytes()))
}

fn with_config(name: &str, text: &str) -> (Scratch, Daemon) {
    let scratch = Scratch::new(name);
    let config = scratch.write("config.toml", text);
    let daemon = started(&["--config", &config]);
    (scratch, daemon)
}

#[test]
fn everything_but_the_health_check_needs_a_password() {
    let (_scratch, daemon) = with_config("users", &format!("[http.users]\nprometheus = \"{SECRET}\"\n"));
    for path in ["/metrics", "/", "/-/ready", "/nothing"] {
        let right = if path == "/nothing" { "404 Not Found" } else { "200 OK" };
        for (authorization, expected) in [
            (String::new(), "401 Unauthorized"),
            (basic("prometheus:secret"), right),
            (basic("prometheus:secret").replace("Basic", "bASIC"), right),
            (basic("prometheus:wrong"), "401 Unauthorized"),
            (basic("prometheus:"), "401 Unauthorized"),
            (basic("prometheus"), "401 Unauthorized"),
            (basic("somebody:secret"), "401 Unauthorized"),
            ("Basic !!!".to_owned(), "401 Unauthorized"),
            ("Bearer secret".to_owned(), "401 Unauthorized"),
            (basic("prometheus:secret"), right),
        ] {
            // A wrong password makes the next one wait, and there is room for few that wait.
            let begun = Instant::now();
            let head = loop {
                let head = ask(daemon.http, path, &authorization);
                if status(&head) != "429 Too Many Requests" || begun.elapsed() > PATIENCE {
                    break head;
                }
            };
            assert_eq!(status(&head), expected, "{path} {authorization}");
            let asks = header(&head, "www-authenticate");
            let basic = "Basic realm=\"statsidecar\", charset=\"UTF-8\"";
            assert_eq!(asks, (expected == "401 Unauthorized").then_some(basic), "{path} {authorization}");
        }
    }
    assert_eq!(status(&ask(daemon.http, "/-/healthy", "")), "200 OK");
    assert_eq!(status(&ask(daemon.http, "/-/healthy", &basic("a:b"))), "200 OK");
}

#[test]
fn a_token_is_read_anew_when_its_file_changes() {
    let scratch = Scratch::new("token");
    let token = scratch.write("token", "first\n");
    let config = scratch.write("config.toml", &format!("http.bearer_token_file = \"{token}\"\n"));
    let daemon = started(&["--config", &config]);
    let scrape = |authorization: &str| status(&ask(daemon.http, "/metrics", authorization)).to_owned();
    assert_eq!(scrape("Bearer first"), "200 OK");
    for wrong in ["", "Bearer", "Bearer ", "Bearer firs", "Bearer first2", &basic("first:first")] {
        assert_eq!(scrape(wrong), "401 Unauthorized", "{wrong}");
    }
    assert_eq!(header(&ask(daemon.http, "/", ""), "www-authenticate"), Some("Bearer realm=\"statsidecar\""));
    // As an editor and a mounted secret do: another file takes its place.
    let other = scratch.write("other", "the second one");
    std::fs::rename(&other, &token).expect("it can be renamed");
    assert_eq!(scrape("Bearer first"), "401 Unauthorized");
    assert_eq!(scrape("Bearer the second one"), "200 OK");
    std::fs::remove_file(&token).expect("it can be removed");
    assert_eq!(scrape("Bearer the second one"), "401 Unauthorized");
    assert_eq!(status(&ask(daemon.http, "/-/healthy", "")), "200 OK");
}

#[test]
fn a_start_without_a_token_is_refused() {
    let scratch = Scratch::new("no-token");
    for (content, says) in [(None, "No such file"), (Some(" \n"), "the file is empty; write a token into it")] {
        content.iter().for_each(|content| _ = scratch.write("token", content));
        let config = format!("http.bearer_token_file = \"{}\"\n", scratch.file("token"));
        scratch.write("config.toml", &config);
        let arguments = ["--config", "config.toml", "--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"];
        let ended = run_in(scratch.path(), &arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("[http] bearer_token_file") && ended.stderr.contains(says), "{ended:?}");
    }
}

/// Clients try wrong passwords all the time. A client whose password was right before is answered at once, and the checks
/// take far less than a core.
#[test]
fn wrong_passwords_delay_no_known_user_and_take_little() {
    let (_scratch, daemon) = with_config("guesses", &format!("[http.users]\nprometheus = \"{SECRET}\"\n"));
    let right = basic("prometheus:secret");
    assert_eq!(status(&ask(daemon.http, "/metrics", &right)), "200 OK");
    let cpu = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
        // User and system time, in hundredths of a second.
        [11, 12].map(|at| fields[at].parse::<u64>().expect("a number")).iter().sum::<u64>()
    };
    let (http, begun, before) = (daemon.http, Instant::now(), cpu());
    thread::scope(|scope| {
        for client in 0..20 {
            scope.spawn(move || {
                let mut guess = 0;
                while begun.elapsed() < Duration::from_secs(4) {
                    let head = ask(http, "/metrics", &basic(&format!("prometheus:{client}-{guess}")));
                    let is_refused = ["401 Unauthorized", "429 Too Many Requests"].contains(&status(&head));
                    assert!(is_refused, "{head}");
                    // Those that are refused at once must not keep the processors busy: what the hashes take is to be seen.
                    thread::sleep(Duration::from_millis(50));
                    guess += 1;
                }
            });
        }
        let mut longest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(4) {
            let asked = Instant::now();
            assert_eq!(status(&ask(http, "/metrics", &right)), "200 OK");
            longest = longest.max(asked.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        println!("a scrape took at most {longest:?}");
        assert!(longest < Duration::from_secs(2), "{longest:?}");
    });
    let share = (cpu() - before) as f64 / 100.0 / begun.elapsed().as_secs_f64();
    println!("{share:.2} of a core");
    assert!(share < 0.7, "{share:.2} of a core");
}
