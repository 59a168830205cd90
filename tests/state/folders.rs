//! Folders that are somebody else's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::home::Home;
use crate::support::{Client, Ended, run_in};
use crate::{stop, value};

fn refused(config: &str, home: &Home) -> String {
    let Ended { code, stderr, .. } =
        run_in(home.disk().path(), &["--listen=udp://127.0.0.1:0", "--http=127.0.0.1:0", config]);
    assert_eq!(code, Some(1), "{stderr}");
    stderr
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let (home, other) = (Home::new("first"), Home::new("second"));
    let daemon = home.start("");
    let error = refused(&home.config(""), &home);
    let end = "another process uses it; give each one a folder of its own";
    assert!(error.contains(&format!("cannot keep the state in {}: {end}", home.snapshots().display())), "{error}");
    // The same arena beside a snapshot of its own.
    let config = format!("[state]\npath = {:?}\narena = {:?}\n", other.snapshots(), home.arenas());
    let error = refused(&format!("--config={}", other.disk().write("shared.toml", &config)), &other);
    assert!(error.contains(&format!("cannot keep the state in {}: {end}", home.arenas().display())), "{error}");
    Client::connect(&daemon.listeners[0]).send(b"a:1|c");
    daemon.scrape_with(&["a_total 1"]);
    daemon.kill();
    assert_eq!(value(&home.start("").scrape(), "a_total"), Some(1.0));
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let home = Home::new("other-user");
    let (owned, config) = if rustix::process::geteuid().is_root() {
        fs::create_dir(home.snapshots()).expect("a folder");
        chown(home.snapshots(), Some(12345), None).expect("root may do so");
        (12345, home.config(""))
    } else {
        let config = format!("[state]\npath = \"/usr\"\narena = {:?}\n", home.arenas());
        (0, format!("--config={}", home.disk().write("usr.toml", &config)))
    };
    let error = refused(&config, &home);
    assert!(error.contains(&format!("it belongs to the user {owned} and not to ")), "{error}");
}

/// It may be /dev/shm itself, which a program of root must not close to others.
#[test]
fn a_folder_to_which_all_may_write_is_refused_and_left_as_it_is() {
    let home = Home::new("open");
    for (open, closed) in [(home.snapshots(), home.arenas()), (home.arenas(), home.snapshots())] {
        for folder in [&open, &closed] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::set_permissions(&closed, Permissions::from_mode(0o755)).expect("it is ours");
        fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("it is ours");
        let error = refused(&home.config(""), &home);
        let message = "other users may write to it; name a folder in it instead";
        assert!(error.contains(&format!("cannot keep the state in {}: {message}", open.display())), "{error}");
        assert_eq!(mode(&open), 0o777);
    }
}

#[test]
fn what_is_made_is_for_this_user_alone() {
    let home = Home::new("made");
    stop(home.start(""));
    for path in [home.snapshots(), home.arenas()] {
        assert_eq!(mode(&path), 0o700);
        let files: Vec<_> = fs::read_dir(path).expect("a folder").map(|file| file.expect("a file").path()).collect();
        assert!(files.len() == 2 && files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o777
}
