//! `[state]` and `--state`: where what outlives the process is.

use std::path::Path;
use std::process::Command;

use crate::run;
use crate::support::{Daemon, Scratch, client, run_for_lines};

/// The kind of the file system that a folder is in, as `stat` calls it.
fn file_system(folder: &Path) -> String {
    let output = Command::new("stat").args(["--file-system", "--format=%T"]).arg(folder).output().expect("it runs");
    String::from_utf8(output.stdout).expect("a word").trim().to_owned()
}

#[test]
fn check_warns_of_an_arena_on_a_disk() {
    let scratch = Scratch::new("arena");
    let checked = |config: &str| {
        scratch.write("c.toml", config);
        let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{config}");
        ended.stdout.lines().next().unwrap_or_default().to_owned()
    };
    const GOOD: &str = "c.toml: good: 0 metrics, 2 listeners";
    let warning = |at: &str, arena: &str, set: &str| {
        format!(
            "c.toml:{at}: warning: the arena would be in {arena:?}, which is on a disk: updates of series would stall while \
             it is written; {set} a folder in memory, such as \"/dev/shm/statsidecar\""
        )
    };
    let with_arena = |arena: &str| format!("[state]\npath = \"/var/lib/statsidecar\"\narena = {arena:?}\n");
    assert_eq!(file_system(Path::new("/dev/shm")), "tmpfs");
    assert_eq!(checked(&with_arena("/dev/shm/not-there/arena")), GOOD);
    assert_ne!(file_system(scratch.path()), "tmpfs", "the tests are built on a disk");
    let arena = scratch.file("not-there");
    assert_eq!(checked(&with_arena(&arena)), warning("3:9", &arena, "name"));
    // The default is in memory on most machines, and on a disk in many containers.
    let is_disk = file_system(Path::new("/run")) != "tmpfs";
    let expected = if is_disk { warning("2:8", "/run/statsidecar/arena", "set \"arena\" to") } else { GOOD.to_owned() };
    assert_eq!(checked("[state]\npath = \"/var/lib/statsidecar\"\n"), expected);
    assert_eq!(checked(""), GOOD);
}

#[test]
fn the_folder_of_the_command_line_replaces_that_of_the_file() {
    let scratch = Scratch::new("state-flag");
    let arena = scratch.file("memory");
    let config = scratch.write("c.toml", &format!("[state]\npath = \"/proc/nowhere\"\narena = {arena:?}\n"));
    let listen = ["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"];
    let refused = run(&[&["--config", &config][..], &listen].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("cannot keep the state in /proc/nowhere"), "{}", refused.stderr);

    // No file was checked for the arena then.
    let without_file = run(&[&["--state", "/proc/nowhere"][..], &listen].concat());
    let is_disk = file_system(Path::new("/run")) != "tmpfs";
    let warns =
        without_file.stderr.contains("--state: the arena would be in \"/run/statsidecar/arena\", which is on a disk");
    assert_eq!((without_file.code, warns), (Some(1), is_disk), "{}", without_file.stderr);

    let folder = scratch.file("disk");
    for expected in ["a_total 1", "a_total 2"] {
        let daemon = Daemon::start(&[&["--config", &config, "--state", &folder][..], &listen].concat());
        client(daemon.udp[0]).send(b"a:1|c").expect("it listens");
        daemon.scrape_with(&[expected]);
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code, Some(0));
    }

    let relative = run(&["--state", "state"]);
    assert_eq!(relative.code, Some(2));
    assert!(relative.stderr.contains("\"state\" must be the whole path of a folder, from /"), "{}", relative.stderr);
    for (args, has_state) in [(&["generate", "alerts"][..], false), (&["generate", "alerts", "--state", "/a"], true)] {
        assert_eq!(run(args).stdout.contains("StatsidecarStateNotSaved"), has_state, "{args:?}");
    }
}
