//! A folder that only this program uses.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, fstatfs};

/// The file system of memory (`TMPFS_MAGIC` of the kernel), and its older kind.
const MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// A folder of this user, to which nobody else may write. So nobody else can change the files in it.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens a folder, which is made for this user alone if it is not there. A folder to which others may write is an error.
    /// Its mode is never changed, because it may be `/dev/shm` or `/run`, which others need.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().recursive(true).mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::metadata(path)?;
        if !found.is_dir() {
            return Err(io::Error::other("it is no folder"));
        }
        let own = rustix::process::geteuid().as_raw();
        if found.uid() != own {
            let message =
                format!("it belongs to the user {} and not to {own}; name a folder in it instead", found.uid());
            return Err(io::Error::other(message));
        }
        if found.mode() & 0o022 != 0 {
            return Err(io::Error::other("other users may write to it; name a folder in it instead"));
        }
        Ok(Self(path.to_owned()))
    }

    /// Opens a file for reading and writing, which is made if it is not there.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        self.options().create(true).truncate(false).read(true).open(self.0.join(name))
    }

    /// Locks a file, which is made if it is not there, until it is closed.
    pub(super) fn lock(&self, name: &str) -> io::Result<File> {
        let file = self.file(name)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => {
                io::Error::other("another process uses it; give each one a folder of its own")
            }
            error => error.into(),
        })?;
        Ok(file)
    }

    /// Opens a file for writing, which is made, or emptied if it is there.
    pub(super) fn empty_file(&self, name: &str) -> io::Result<File> {
        self.options().create(true).truncate(true).open(self.0.join(name))
    }

    /// Opens a file for reading; `None`: it is not there.
    pub(super) fn existing(&self, name: &str) -> io::Result<Option<File>> {
        match File::open(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Gives a file another name. A file of that name is replaced.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.0.join(name)); // nothing to remove is fine, and all else shows at the next write
    }

    /// Writes to the disk which files are in the folder.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// The path of a file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        options
    }
}

/// Whether a path is in a file system that is memory and no disk; `None`: it is not there, and neither is its parent.
pub fn is_in_memory(path: &Path) -> Option<bool> {
    let there = path.ancestors().find_map(|path| File::open(path).ok())?;
    let kind = fstatfs(&there).ok()?.f_type;
    Some(MEMORY.contains(&{ kind }))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_made_for_this_user_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a").join("b");
        let folder = Folder::open(&path).expect("a folder");
        let mode = || fs::metadata(&path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(), 0o700);
        let set_mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        for others in [0o777, 0o720, 0o702] {
            set_mode(others);
            let error = Folder::open(&path).expect_err("others may write").to_string();
            assert_eq!((error.as_str(), mode()), ("other users may write to it; name a folder in it instead", others));
        }
        set_mode(0o755);
        let again = Folder::open(&path).expect("a folder");
        assert_eq!(mode(), 0o755, "others may need it");
        let locked = folder.lock("x").expect("nobody has it");
        let error = again.lock("x").expect_err("it is locked");
        assert!(error.to_string().starts_with("another process uses it"), "{error}");
        drop(locked);
        again.lock("x").expect("nobody has it");
        let error = Folder::open(&path.join("x")).expect_err("it is a file");
        assert!(!error.to_string().is_empty());
    }

    #[test]
    fn memory_is_told_from_a_disk() {
        assert_eq!(is_in_memory(Path::new("/dev/shm/not-there/at-all")), Some(true));
        assert_eq!(is_in_memory(Path::new(env!("CARGO_MANIFEST_DIR"))), Some(false));
    }
}
