//! A token in a file, which is read anew when the file changes.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::file_stamp::FileStamp;
use super::secret_digest::SecretDigest;
use crate::sync::Mutex;

/// The token in a file.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    digest: SecretDigest,
    read: Mutex<ReadToken>,
}

/// The token as it was read last.
#[derive(Debug, Default)]
struct ReadToken {
    stamp: Option<FileStamp>,
    /// `None` without a token: nobody may read.
    digest: Option<[u8; 32]>,
}

impl TokenFile {
    /// An error if there is no token in the file.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = Self { path, digest: SecretDigest::new()?, read: Mutex::default() };
        let token = file
            .read()
            .map_err(|error| io::Error::other(format!("[http] bearer_token_file {}: {error}", file.path.display())))?;
        *file.read.lock() = token;
        Ok(file)
    }

    /// Whether `given` is the token that is in the file now.
    pub(super) fn is(&self, given: &str) -> bool {
        let mut read = self.read.lock();
        let stamp = FileStamp::of(&self.path).ok();
        if read.stamp != stamp {
            *read = self.read().unwrap_or_else(|error| {
                let path = self.path.display();
                tracing::warn!(%path, %error, "there is no token in [http] bearer_token_file; nobody may read");
                ReadToken { stamp, digest: None }
            });
        }
        read.digest.is_some_and(|digest| digest == self.digest.of(given.as_bytes()))
    }

    fn read(&self) -> io::Result<ReadToken> {
        // First the stamp: if the file changes in between, it is read once more.
        let stamp = FileStamp::of(&self.path)?;
        let text = fs::read_to_string(&self.path)?;
        match text.trim() {
            "" => Err(io::Error::other("the file is empty; write a token into it")),
            token => Ok(ReadToken { stamp: Some(stamp), digest: Some(self.digest.of(token.as_bytes())) }),
        }
    }
}
