//! The file of a bound Unix socket: removed at the end, and made anew if somebody removes or replaces it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::config::Address;
use crate::retries::Retries;
use crate::sync::Mutex;

/// The file of a bound socket. It is removed with this value, unless another file has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Locked while the file is made anew, so that none is made after the end.
    state: Mutex<FileState>,
    /// Whether it is there, or was at the last look.
    is_bound: AtomicBool,
}

#[derive(Debug)]
enum FileState {
    /// The file with this device and inode. No other file can have the same while the socket is open.
    Bound((u64, u64)),
    /// It is gone, or another file has its place.
    Missing(Retries),
    /// It is not needed any more.
    Ended,
}

impl SocketFile {
    /// The file at `path` that was just made.
    pub(super) fn new(path: &Path, made: &fs::Metadata) -> Self {
        Self { path: path.into(), state: Mutex::new(FileState::Bound(identity(made))), is_bound: AtomicBool::new(true) }
    }

    /// Removes the file, unless another one has replaced it.
    pub(super) fn remove(&self) {
        let mut state = self.state.lock();
        if let FileState::Bound(own) = *state
            && self.has(own)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
        *state = FileState::Ended;
    }

    /// Whether clients find the socket: false if [`restore`](Self::restore) could not make the file anew.
    pub(super) fn is_bound(&self) -> bool {
        self.is_bound.load(Ordering::Relaxed)
    }

    /// If the file is gone or another one has its place, calls `bind`, which makes a new one. Gives what `bind` gives beside
    /// that; after an error the next call tries again.
    pub(super) fn restore<T>(&self, listener: &Address, bind: impl FnOnce() -> io::Result<(T, Self)>) -> Option<T> {
        let mut state = self.state.lock();
        match &*state {
            FileState::Bound(own) if self.has(*own) => return None,
            FileState::Ended => return None,
            FileState::Bound(_) => {
                tracing::warn!(%listener, "the file of the socket was removed or replaced; making it anew");
                *state = FileState::Missing(Retries::new());
            }
            FileState::Missing(_) => {}
        }
        match bind() {
            Ok((bound, new)) => {
                *state = new.release();
                self.is_bound.store(true, Ordering::Relaxed);
                tracing::info!(%listener, "the file of the socket is there again");
                Some(bound)
            }
            Err(error) => {
                self.is_bound.store(false, Ordering::Relaxed);
                if let FileState::Missing(retries) = &mut *state
                    && let Some(unlogged) = retries.failed(Instant::now()).log
                {
                    tracing::warn!(
                        %listener, %error, more_since_the_last_warning = unlogged,
                        "cannot make the file of the socket anew; trying again"
                    );
                }
                None
            }
        }
    }

    /// Gives the state to the value that takes the place of this one, which then removes no file.
    fn release(&self) -> FileState {
        std::mem::replace(&mut *self.state.lock(), FileState::Ended)
    }

    fn has(&self, own: (u64, u64)) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == own)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
