//! What a sidecar that receives nothing does.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Daemon, started};

/// How often the threads whose name begins with `name` have gone to sleep so far.
pub(crate) fn sleeps(daemon: &Daemon, name: &str) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("it runs");
    let tasks = tasks.map(|task| task.expect("a thread").path());
    let named = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|of| of.starts_with(name)));
    let sleeps = named.map(|task| {
        let status = fs::read_to_string(task.join("status")).expect("the thread runs");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("the kernel counts them").trim().parse::<u64>().expect("a number")
    });
    sleeps.sum()
}

#[test]
fn all_threads_together_wake_once_a_second() {
    wakes_once_a_second(&started(&[]));
}

/// The clock needs a tick a second. Nothing else wakes a thread.
pub(crate) fn wakes_once_a_second(daemon: &Daemon) {
    daemon.scrape();
    // The client of the scrape is gone, and what the start has left to do is done, once a second has passed without more.
    let mut before = sleeps(daemon, "");
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = sleeps(daemon, "");
        if now <= before + 2 {
            break;
        }
        before = now;
    }
    let (before, begun) = (sleeps(daemon, ""), Instant::now());
    thread::sleep(Duration::from_secs(4));
    let (wakes, seconds) = (sleeps(daemon, "") - before, begun.elapsed().as_secs());
    assert!(wakes <= seconds + 1, "{wakes} times in {seconds} s");
}
