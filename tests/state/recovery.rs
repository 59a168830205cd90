//! Kills during the start itself, and while a snapshot is written.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::plan::Plan;
use crate::stop;
use crate::support::{Client, Daemon, Exposition, Manager, Process};

/// How many series there are of each name.
const SERIES: u32 = 3000;

const RULES: &str = "\
[[metric]]\nmatch = 'took'\nname = 'took'\ntype = 'histogram'\nbuckets = [1, 2, 5]\n\
[[metric]]\nmatch = 'brief'\nname = 'brief'\nttl = '1h'\n";

/// Makes series of each kind, with values that tell them apart.
fn fill(daemon: &Daemon) -> Vec<String> {
    let mut client = Client::connect(&daemon.listeners[0]);
    for n in 1..=SERIES {
        let users = if n <= 50 { format!("\nusers:a|s|#n:{n}\nusers:b|s|#n:{n}") } else { String::new() };
        client.send(format!("a:{n}|c|#n:{n}\nb:{n}|g|#n:{n}\ntook:{n}|h|#n:{n}\nbrief:{n}|g|#n:{n}{users}").as_bytes());
    }
    let page = daemon.scrape_when("statsidecar_samples_total", u64::from(4 * SERIES + 100));
    series(&page)
}

fn series(page: &str) -> Vec<String> {
    Exposition::read(page).expect("the page is valid").clients(|_| false)
}

/// Starts a sidecar and kills it after this time, wherever it is.
fn kill_in_start(manager: &Manager, after: Duration) {
    let mut process = Process::spawn(manager.command().stdout(Stdio::null()).stderr(Stdio::null()));
    thread::sleep(after);
    process.0.kill().expect("it runs");
    process.0.wait().expect("it ends");
}

/// A sidecar with all these series that was stopped; gives its home, and how long a start takes.
fn filled(name: &str) -> (Home, Manager, Vec<String>, Duration) {
    let home = Home::new(name);
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(RULES));
    let daemon = manager.start();
    let series = fill(&daemon);
    stop(daemon);
    let begun = Instant::now();
    let daemon = manager.start();
    let took = begun.elapsed();
    stop(daemon);
    (home, manager, series, took)
}

#[test]
fn kills_during_a_start_lose_nothing() {
    let mut plan = Plan::new("kills during a start", 0.1);
    let (_home, manager, expected, took) = filled("starts");
    for _ in 0..plan.kills {
        kill_in_start(&manager, plan.within(took));
    }
    assert_eq!(series(&manager.start().scrape()), expected);
    println!("{} kills within {took:?} of a start: nothing is lost", plan.kills);
}

/// The arena is made anew from the snapshot. A kill leaves a part of it, which must not count as the whole.
#[test]
fn kills_during_the_first_start_of_a_machine_lose_nothing() {
    let mut plan = Plan::new("kills during the first start", 0.1);
    let (home, manager, expected, took) = filled("boots");
    for kill in 0..plan.kills {
        if kill % 5 == 0 {
            fs::remove_dir_all(home.arenas()).expect("the folder of the arena");
        }
        kill_in_start(&manager, plan.within(took));
        if kill % 10 == 9 {
            let daemon = manager.start();
            assert_eq!(series(&daemon.scrape()), expected, "after {kill} kills");
            daemon.kill();
        }
    }
    assert_eq!(series(&manager.start().scrape()), expected);
    println!("{} kills within {took:?} of a start without an arena: nothing is lost", plan.kills);
}

#[test]
fn kills_while_a_snapshot_is_written_leave_the_last_one() {
    let mut plan = Plan::new("kills while a snapshot is written", 0.005);
    let (home, manager, expected, _) = filled("snapshots");
    let new = home.snapshots().join("snapshot.new");
    for _ in 0..plan.kills.max(3) {
        let daemon = manager.start();
        let deadline = Instant::now() + crate::support::PATIENCE;
        while !new.exists() {
            assert!(Instant::now() < deadline, "no snapshot is written");
            thread::sleep(Duration::from_micros(100));
        }
        thread::sleep(plan.within(Duration::from_millis(20)));
        let was_written = new.exists();
        let ended = daemon.kill();
        println!("killed while it was written: {was_written}");
        assert!(!ended.stderr.contains("unusable"), "{}", ended.stderr);
        // As after a start of the machine, so that all values are those of the snapshot.
        fs::remove_dir_all(home.arenas()).expect("the folder of the arena");
        let daemon = manager.start();
        assert_eq!(series(&daemon.scrape()), expected);
        assert!(!daemon.kill().stderr.contains("unusable"));
    }
}
