//! File systems that one test mounts, and nobody else sees.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the process of one test that it may mount.
const INSIDE: &str = "STATSIDECAR_TEST_MOUNTS";

/// Runs `body`, which may mount, in a process of its own, whose mounts end with it. `test` is the whole name of the calling
/// test. Where the system allows no mounts at all, that is printed, and nothing is tested.
pub fn with_mounts(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let is_root = rustix::process::geteuid().is_root();
    let options: &[_] = if is_root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(options);
        command
    };
    let tried = unshare().arg("true").stderr(Stdio::null()).status();
    if !tried.is_ok_and(|tried| tried.success()) {
        println!("NOT TESTED: {test}: \"unshare {}\" is not allowed here", options.join(" "));
        return;
    }
    let program = std::env::current_exe().expect("the program of the test");
    let ran = unshare().arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output().expect("it runs");
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&ran.stderr));
}

/// What is mounted at a folder until this is dropped, so that the folder can be removed.
pub struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status(); // it ends with the process anyway
    }
}

/// Mounts memory of this size at a folder, which is made.
pub fn mount(folder: &Path, size: &str) -> Mounted {
    std::fs::create_dir_all(folder).expect("a folder");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("mode=700,size={size}"), "none"]).arg(folder));
    Mounted(folder.to_owned())
}

/// Makes it read-only for all who use its path, by a mount on top of it, until what this gives is dropped. The kernel refuses to
/// make a file system read-only while a file is open for writing.
pub fn make_read_only(folder: &Path) -> Mounted {
    run(Command::new("mount").arg("--bind").args([folder, folder]));
    run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(folder));
    Mounted(folder.to_owned())
}

fn run(command: &mut Command) {
    assert!(command.status().expect("mount is there").success(), "{command:?}");
}
