//! Files that cannot be used, and files that change under a running process.

use std::fs::{self, File};
use std::path::Path;

use crate::home::Home;
use crate::state_file::{BOOT, LAYOUT, StateFile, VERSION};
use crate::support::{Client, Daemon, Exposition, Manager};
use crate::{stop, value};

const RULES: &str = "[[metric]]\nmatch = 'took'\nname = 'took'\ntype = 'histogram'\nbuckets = [1, 2, 5]\n";

const LINES: &[u8] = b"a:1|c\nb:2|g\ntook:3|h\nusers:x|s\nusers:y|s";

fn series(daemon: &Daemon) -> Vec<String> {
    Exposition::read(&daemon.scrape()).expect("the page is valid").clients(|_| false)
}

/// The home of a sidecar that was stopped, and its series.
fn left(name: &str) -> (Home, Vec<String>) {
    let home = Home::new(name);
    let daemon = home.start(RULES);
    Client::connect(&daemon.listeners[0]).send(LINES);
    daemon.scrape_with(&["a_total 1", "users 2", "took_count 1"]);
    let series = series(&daemon);
    stop(daemon);
    (home, series)
}

/// What spoils a file, and what the message says of it.
type Spoil = (&'static str, fn(&Path), &'static str);

fn overwrite(path: &Path, at: usize, change: u8) {
    let mut bytes = fs::read(path).expect("the file is there");
    bytes[at] ^= change;
    fs::write(path, bytes).expect("it can be written");
}

fn cut(path: &Path, len: impl Fn(u64) -> u64) {
    let file = File::options().write(true).open(path).expect("the file is there");
    file.set_len(len(file.metadata().expect("a size").len())).expect("it can be cut");
}

fn rewrite(mut file: StateFile, word: usize, value: impl Fn(u64) -> u64) {
    file.words[word] = value(file.words[word]);
    file.write();
}

const OTHER_VERSION: &str = "another version of this program has written it";

const SPOILED_SNAPSHOTS: [Spoil; 8] = [
    ("foreign", |path| fs::write(path, "#!/bin/sh\necho no snapshot\n").expect("a write"), "it is damaged"),
    ("empty", |path| cut(path, |_| 0), "it is damaged"),
    ("half", |path| cut(path, |len| len / 2), "it is damaged"),
    ("one byte less", |path| cut(path, |len| len - 1), "it is damaged"),
    ("a changed byte", |path| overwrite(path, 70, 1), "it is damaged"),
    ("newer", |path| rewrite(StateFile::snapshot(path), VERSION, |version| version + 1), OTHER_VERSION),
    ("older", |path| rewrite(StateFile::snapshot(path), VERSION, |version| version - 1), OTHER_VERSION),
    ("other values", |path| rewrite(StateFile::snapshot(path), LAYOUT, |layout| layout ^ 1), OTHER_VERSION),
];

const SPOILED_ARENAS: [Spoil; 7] = [
    ("foreign", |path| fs::write(path, "#!/bin/sh\necho no arena\n".repeat(9)).expect("a write"), "it is damaged"),
    ("short", |path| cut(path, |_| 71), "it is damaged"),
    ("a changed byte", |path| overwrite(path, 40, 1), "it is damaged"),
    ("newer", |path| rewrite(StateFile::arena(path), VERSION, |version| version + 1), OTHER_VERSION),
    ("older", |path| rewrite(StateFile::arena(path), VERSION, |version| version - 1), OTHER_VERSION),
    ("other values", |path| rewrite(StateFile::arena(path), LAYOUT, |layout| layout ^ 1), OTHER_VERSION),
    (
        "another boot",
        |path| rewrite(StateFile::arena(path), BOOT, |boot| boot ^ 1),
        "it is from before the last start of the machine",
    ),
];

/// Starts a sidecar after its files were spoiled: it says so once for each, keeps them, and what it leaves is good again.
fn start_spoiled(home: &Home, messages: &[(&Path, &str)], expected: &[String], case: &str) {
    let daemon = home.start(RULES);
    assert_eq!(series(&daemon), expected, "{case}");
    Client::connect(&daemon.listeners[0]).send(LINES);
    daemon.scrape_until("the line is applied", |page| value(page, "took_count") >= Some(1.0));
    let left = series(&daemon);
    let stderr = stop(daemon).stderr;
    for (path, message) in messages {
        let name = path.file_name().expect("a name").display();
        let line = format!(
            "[state]: {} is kept as {name}.unusable and not used: {message}; its values are lost",
            path.display()
        );
        assert_eq!(stderr.matches(&line).count(), 1, "{case}: {line}\n{stderr}");
        assert!(path.with_extension("unusable").exists(), "{case}");
    }
    assert_eq!(stderr.matches("[state]: ").count(), messages.len(), "{case}: {stderr}");
    let daemon = home.start(RULES);
    assert_eq!(series(&daemon), left, "{case}");
    assert!(!daemon.kill().stderr.contains("[state]: "), "{case}: a file is set aside once");
}

#[test]
fn a_snapshot_that_cannot_be_used_is_set_aside() {
    for (case, spoil, message) in SPOILED_SNAPSHOTS {
        let (home, mut expected) = left("spoiled-snapshot");
        spoil(&home.snapshot());
        expected.retain(|line| !line.starts_with("users"));
        start_spoiled(&home, &[(&home.snapshot(), message)], &expected, case);
    }
}

#[test]
fn an_arena_that_cannot_be_used_is_set_aside() {
    for (case, spoil, message) in SPOILED_ARENAS {
        let (home, expected) = left("spoiled-arena");
        spoil(&home.arena());
        start_spoiled(&home, &[(&home.arena(), message)], &expected, case);
    }
}

#[test]
fn without_any_file_that_can_be_used_the_start_goes_on_empty() {
    let (home, _) = left("spoiled");
    for path in [home.snapshot(), home.arena()] {
        fs::write(path, "neither the one nor the other").expect("a write");
    }
    let messages = [home.snapshot(), home.arena()];
    let messages = messages.each_ref().map(|path| (path.as_path(), "it is damaged"));
    start_spoiled(&home, &messages, &[], "both");
}

/// Files of two states, as after a folder was copied.
#[test]
fn a_snapshot_of_another_state_is_set_aside() {
    let ((home, mut expected), (other, _)) = (left("one-state"), left("other-state"));
    fs::copy(other.snapshot(), home.snapshot()).expect("a copy");
    expected.retain(|line| !line.starts_with("users"));
    let message = "it is the snapshot of another state than the arena has";
    start_spoiled(&home, &[(&home.snapshot(), message)], &expected, "copied");
}

#[test]
fn a_snapshot_that_is_cut_under_a_running_process_is_written_anew() {
    let (home, expected) = left("cut");
    let daemon = home.start(RULES);
    cut(&home.snapshot(), |len| len / 2);
    let is_whole = || {
        let file = StateFile::snapshot(&home.snapshot()).words;
        let bytes: Vec<u8> = file[..file.len() - 1].iter().flat_map(|word| word.to_le_bytes()).collect();
        file.last() == Some(&crc32fast::hash(&bytes).into())
    };
    daemon.scrape_until("it is written anew", |_| is_whole());
    daemon.kill();
    let daemon = home.start_after_boot(RULES);
    assert_eq!(series(&daemon), expected);
    assert!(!daemon.kill().stderr.contains("unusable"));
}

/// Memory that is taken away from a process ends it (SIGBUS), and the next one starts with what is left.
#[test]
fn an_arena_that_is_cut_under_a_running_process_does_not_harm_the_next_one() {
    let home = Home::new("cut-arena");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(RULES));
    let daemon = manager.start();
    let mut client = Client::connect(&daemon.listeners[0]);
    (0..3000).for_each(|n| _ = client.send(format!("a:1|c|#n:{n}").as_bytes()));
    daemon.scrape_when("statsidecar_samples_total", 3000);
    cut(&home.arena(), |_| 2 << 16);
    // The line of the last series, which has lost its place.
    client.send(b"a:1|c|#n:2999");
    let ended = daemon.wait();
    assert_eq!(ended.code, None, "a signal ended it: {}", ended.stderr);
    let daemon = manager.start();
    let left = series(&daemon);
    assert!(!left.is_empty() && left.len() < 3000, "{} series are left", left.len());
    Client::connect(&daemon.listeners[0]).send(b"b:1|g");
    daemon.scrape_with(&["b 1"]);
}
