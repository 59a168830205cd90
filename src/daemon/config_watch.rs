//! Whether the files of the config have changed since they were read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often the files are looked at. A change counts when two looks have found the same, so that nobody reads half a file.
const LOOK: Duration = Duration::from_secs(1);

/// What the files were at a look: inode, time of the last change and size of each; `None`: it cannot be found.
type Looks = Vec<Option<(u64, i64, i64, u64)>>;

/// The files of the config.
#[derive(Debug, Default)]
pub(super) struct ConfigWatch {
    files: Vec<PathBuf>,
    /// What they were when they were read.
    read: Looks,
}

impl ConfigWatch {
    /// Of these files, which are about to be read.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let read = look(&files);
        Self { files, read }
    }

    /// Waits until they are others than when they were read, and stay so for a moment. They are to be read then.
    pub(super) async fn changed(&mut self) {
        let mut last = self.read.clone();
        loop {
            sleep(LOOK).await;
            let files = self.files.clone();
            // A file may be on a disk that does not answer.
            let Ok(now) = spawn_blocking(move || look(&files)).await else { continue };
            if now != self.read && now == last {
                self.read = now;
                return;
            }
            last = now;
        }
    }
}

fn look(files: &[PathBuf]) -> Looks {
    let stamp = |file: &PathBuf| fs::metadata(file).ok().map(|at| (at.ino(), at.mtime(), at.mtime_nsec(), at.size()));
    files.iter().map(stamp).collect()
}
