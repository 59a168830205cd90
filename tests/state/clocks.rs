//! The time goes on over a restart and over a start of the machine, also where somebody has set the clock.

use std::thread;
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::state_file::{MADE, StateFile};
use crate::support::{Client, Exposition};
use crate::{stop, value};

const RULES: &str = "[[metric]]\nmatch = 'brief'\nname = 'brief_total'\nttl = '1h'\n\
                     [[metric]]\nmatch = 'visits'\nname = 'visits'\nttl = '1h'\n";

/// Leaves a snapshot, and changes when it was made; gives the series after a start of the machine.
fn after(name: &str, set: impl Fn(u64) -> u64) -> Vec<String> {
    let home = Home::new(name);
    let daemon = home.start(RULES);
    Client::connect(&daemon.listeners[0]).send(b"brief:1|c\nvisits:x|s\nlong:1|c");
    daemon.scrape_with(&["brief_total 1", "visits 1", "long_total 1"]);
    stop(daemon);
    let mut snapshot = StateFile::snapshot(&home.snapshot());
    snapshot.words[MADE] = set(snapshot.words[MADE]);
    snapshot.write();
    let daemon = home.start_after_boot(RULES);
    // A sweep is due each second.
    daemon.scrape_until("a second has gone by", |page| {
        value(page, "statsidecar_state_saves_total{outcome=\"saved\"}") >= Some(1.0)
    });
    let series = Exposition::read(&daemon.scrape()).expect("the page is valid").clients(|_| false);
    let stderr = daemon.kill().stderr;
    assert!(!stderr.contains("[state]: "), "{stderr}");
    series
}

#[test]
fn the_time_that_the_machine_was_off_counts() {
    let all = ["brief_total 1", "long_total 1", "visits 1"];
    assert_eq!(after("clock", |made| made), all);
    // A set counts what came in its window, which is shorter.
    let later = ["brief_total 1", "long_total 1", "visits 0"];
    assert_eq!(after("half-an-hour", |made| made - 1800), later);
    assert_eq!(after("two-hours", |made| made - 7200), ["long_total 1"]);
    // The clock was at 1970 until somebody set it; the snapshot is from before that.
    assert_eq!(after("fifty-years", |_| 3), ["long_total 1"]);
}

#[test]
fn a_clock_that_was_set_back_expires_nothing() {
    let all = ["brief_total 1", "long_total 1", "visits 1"];
    assert_eq!(after("set-back", |made| made + 7200), all);
    assert_eq!(after("far-future", |_| u64::MAX), all);
}

/// If each start began to count anew, the series would never expire here.
#[test]
fn a_ttl_goes_on_over_restarts_and_kills() {
    let home = Home::new("ttl");
    let rules = "[[metric]]\nmatch = 'brief'\nname = 'brief_total'\nttl = '4s'\n\
                 [[metric]]\nmatch = 'visits'\nname = 'visits'\nttl = '4s'\n";
    let daemon = home.start(rules);
    Client::connect(&daemon.listeners[0]).send(b"brief:1|c\nvisits:x|s\nlong:1|c");
    daemon.scrape_with(&["brief_total 1", "visits 1", "long_total 1"]);
    let sent = Instant::now();
    stop(daemon);
    let mut lives = 0;
    loop {
        lives += 1;
        let daemon = home.start(rules);
        let page = daemon.scrape();
        let is_there = ["brief_total", "visits"].map(|name| value(&page, name).is_some());
        let after = sent.elapsed();
        assert_eq!(value(&page, "long_total"), Some(1.0));
        assert!(is_there == [true; 2] || after > Duration::from_secs(4), "{is_there:?} after {after:?}");
        // The clock tells whole seconds, and each start may lose a fraction of one.
        if is_there == [false; 2] {
            assert!(lives > 2, "{lives} lives");
            return;
        }
        assert!(after < Duration::from_secs(20), "{is_there:?} after {after:?} and {lives} lives");
        // Long enough for a sweep.
        thread::sleep(Duration::from_millis(1200));
        if lives % 2 == 0 { _ = stop(daemon) } else { _ = daemon.kill() }
    }
}
