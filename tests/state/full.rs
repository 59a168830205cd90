//! No room: for the arena, for the snapshot, and for any write.

use std::fs;

use crate::home::Home;
use crate::mounts::{make_read_only, mount, with_mounts};
use crate::support::{Client, Daemon, Exposition, sum};
use crate::{stop, value};

/// Sends so many counters, each with its number as the value; gives their lines on the page.
fn fill(daemon: &Daemon, numbers: std::ops::Range<u64>) -> Vec<String> {
    let before = sum(&daemon.scrape(), "statsidecar_samples_total");
    let (mut client, len) = (Client::connect(&daemon.listeners[0]), numbers.end - numbers.start);
    numbers.for_each(|n| _ = client.send(format!("a:{n}|c|#n:{n}").as_bytes()));
    series(&daemon.scrape_when("statsidecar_samples_total", before + len))
}

fn series(page: &str) -> Vec<String> {
    Exposition::read(page).expect("the page is valid").clients(|_| false)
}

/// Waits for a snapshot that was begun from here on, which is the second from now at the latest.
fn wait_for_snapshot(daemon: &Daemon) {
    let saved = |page: &str| value(page, "statsidecar_state_saves_total{outcome=\"saved\"}").expect("a metric");
    let before = saved(&daemon.scrape());
    daemon.scrape_until("a snapshot is saved", |page| saved(page) >= before + 2.0);
}

/// Waits for this many more snapshots that fail.
fn wait_for_failures(daemon: &Daemon, more: f64) {
    let failed = |page: &str| value(page, "statsidecar_state_saves_total{outcome=\"failed\"}").expect("a metric");
    let before = failed(&daemon.scrape());
    daemon.scrape_until("snapshots fail", |page| failed(page) >= before + more);
}

#[test]
fn series_for_which_the_arena_has_no_room_are_in_the_snapshot() {
    with_mounts("full::series_for_which_the_arena_has_no_room_are_in_the_snapshot", || {
        const SERIES: u64 = 5000;
        let home = Home::new("full-arena");
        let _mounted = mount(&home.arenas(), "256k");
        let daemon = home.start("");
        let expected = fill(&daemon, 1..SERIES + 1);
        assert_eq!(expected.len() as u64, SERIES, "none is rejected");
        let page = daemon.scrape();
        let [inside, outside] =
            ["arena", "outside_arena"].map(|what| sum(&page, &format!("statsidecar_state_{what}_series")));
        assert!(inside > 1000 && outside > 1000, "{inside} series in the arena, {outside} outside");
        assert_eq!(inside + outside, SERIES);
        assert!(sum(&page, "statsidecar_state_arena_bytes") <= 256 << 10);
        wait_for_snapshot(&daemon);
        daemon.kill();
        let daemon = home.start("");
        assert_eq!(series(&daemon.scrape()), expected);
        // What came after the snapshot is in the arena, or lost.
        fill(&daemon, 1..SERIES + 1);
        daemon.kill();
        let page = home.start("").scrape();
        let doubled = |line: &&String| {
            let (name, before) = line.rsplit_once(' ').expect("a value");
            let (now, before) = (value(&page, name), before.parse::<f64>().expect("a value"));
            assert!(now == Some(before) || now == Some(2.0 * before), "{line}: {now:?}");
            now == Some(2.0 * before)
        };
        let kept = expected.iter().filter(doubled).count() as u64;
        assert_eq!(kept, inside, "those in the arena, and no others");
    });
}

/// A folder without any room is an error of the start, and not a start without what was asked for.
#[test]
fn an_arena_without_any_room_is_refused() {
    with_mounts("full::an_arena_without_any_room_is_refused", || {
        let home = Home::new("no-arena");
        let _mounted = mount(&home.arenas(), "4k");
        fs::write(home.arenas().join("other"), [1; 4096]).expect("there is room");
        let config = home.config("");
        let ended =
            crate::support::run_in(home.disk().path(), &["--listen=udp://127.0.0.1:0", "--http=127.0.0.1:0", &config]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("cannot keep the state in ") && ended.stderr.contains("No space left"),
            "{}",
            ended.stderr
        );
    });
}

#[test]
fn a_full_disk_harms_nothing_and_the_last_snapshot_stays() {
    with_mounts("full::a_full_disk_harms_nothing_and_the_last_snapshot_stays", || {
        let home = Home::new("full-disk");
        let _mounted = mount(&home.snapshots(), "8m");
        let ballast = home.snapshots().join("ballast");
        fs::write(&ballast, vec![1; (8 << 20) - (256 << 10)]).expect("there is room");
        let daemon = home.start("");
        let some = fill(&daemon, 1..101);
        wait_for_snapshot(&daemon);
        let all = fill(&daemon, 101..5001);
        wait_for_failures(&daemon, 3.0);
        let last = fs::read(home.snapshot()).expect("the last snapshot");
        assert!(!home.snapshots().join("snapshot.new").exists(), "it would take the room of the next one");
        let ended = daemon.kill();
        let warnings: Vec<_> = ended.stderr.lines().filter(|line| line.contains("cannot save the state")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("No space left"), "once for the whole burst: {warnings:?}");
        assert_eq!(fs::read(home.snapshot()).expect("the last snapshot"), last);
        let daemon = home.start("");
        assert_eq!(series(&daemon.scrape()), all, "the arena has them");
        stop(daemon);
        assert_eq!(fs::read(home.snapshot()).expect("the last snapshot"), last);
        let daemon = home.start_after_boot("");
        assert_eq!(series(&daemon.scrape()), some);
        let all = fill(&daemon, 101..5001);
        // Somebody makes room.
        fs::remove_file(ballast).expect("it is there");
        wait_for_snapshot(&daemon);
        daemon.kill();
        assert_eq!(series(&home.start_after_boot("").scrape()), all);
    });
}

#[test]
fn a_folder_that_becomes_read_only_is_written_to_again_later() {
    with_mounts("full::a_folder_that_becomes_read_only_is_written_to_again_later", || {
        let home = Home::new("read-only");
        let _mounted = mount(&home.snapshots(), "1m");
        let daemon = home.start("");
        let some = fill(&daemon, 1..11);
        wait_for_snapshot(&daemon);
        let read_only = make_read_only(&home.snapshots());
        wait_for_failures(&daemon, 2.0);
        let more = fill(&daemon, 11..21);
        assert_eq!(more.len(), some.len() + 10, "it works on");
        drop(read_only);
        wait_for_snapshot(&daemon);
        let ended = stop(daemon);
        let warnings = ended.stderr.lines().filter(|line| line.contains("Read-only file system")).count();
        assert_eq!(warnings, 1, "{}", ended.stderr);
        assert_eq!(series(&home.start_after_boot("").scrape()), more);
        let _read_only = make_read_only(&home.snapshots());
        let config = home.config("");
        let ended =
            crate::support::run_in(home.disk().path(), &["--listen=udp://127.0.0.1:0", "--http=127.0.0.1:0", &config]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("cannot keep the state in ") && ended.stderr.contains("Read-only"),
            "{}",
            ended.stderr
        );
    });
}
