//! What changes with the content of a file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Inode, time of the last change and size of a file: other ones are another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp(u64, i64, i64, u64);

impl FileStamp {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
    }
}
