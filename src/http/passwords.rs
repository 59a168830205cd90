//! The passwords of users, which are checked on a thread of their own, because that takes long by design.
//!
//! A right password is remembered by a keyed digest, so a scrape costs the long check once. After a wrong one the thread
//! rests, so that wrong passwords take a fifth of a core at most.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use tokio::sync::oneshot;

use super::secret_digest::SecretDigest;
use crate::sync::Mutex;

/// How many passwords may wait to be checked.
const WAITING: usize = 8;

/// After a wrong password the thread rests so many times as long as the check took.
const REST: u32 = 4;

/// What a password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Unknown, because too many passwords are being checked.
    Busy,
}

/// The passwords of users.
#[derive(Debug)]
pub(super) struct Passwords {
    digest: SecretDigest,
    /// The digest of each user's right password, once it is known. So it has no more entries than there are users.
    known: Mutex<HashMap<String, [u8; 32]>>,
    attempts: SyncSender<Attempt>,
}

struct Attempt {
    name: String,
    password: String,
    is_right: oneshot::Sender<bool>,
}

impl Passwords {
    /// Starts the thread, which ends when the result is dropped.
    pub(super) fn start(users: Vec<(String, String)>) -> io::Result<Self> {
        let hash = |(name, text): (String, String)| Some((name, PasswordHash::new(&text).ok()?));
        let users: HashMap<String, PasswordHash> = users.into_iter().filter_map(hash).collect();
        let (attempts, waiting) = sync_channel(WAITING);
        thread::Builder::new().name("passwords".to_owned()).spawn(move || check_all(&users, &waiting))?;
        Ok(Self { digest: SecretDigest::new()?, known: Mutex::default(), attempts })
    }

    pub(super) async fn verify(&self, name: String, password: String) -> Verdict {
        let digest = self.digest.of(password.as_bytes());
        if self.known.lock().get(&name) == Some(&digest) {
            return Verdict::Right;
        }
        let (is_right, checked) = oneshot::channel();
        if self.attempts.try_send(Attempt { name: name.clone(), password, is_right }).is_err() {
            return Verdict::Busy;
        }
        match checked.await {
            Ok(true) => {
                self.known.lock().insert(name, digest);
                Verdict::Right
            }
            Ok(false) | Err(_) => Verdict::Wrong,
        }
    }
}

fn check_all(users: &HashMap<String, PasswordHash>, attempts: &Receiver<Attempt>) {
    for Attempt { name, password, is_right } in attempts {
        if is_right.is_closed() {
            continue; // the client is gone
        }
        let begun = Instant::now();
        let user = users.get(&name);
        // An unknown name takes as long as a known one.
        let verified = user
            .or(users.values().next())
            .is_some_and(|hash| Argon2::default().verify_password(password.as_bytes(), hash).is_ok());
        let verdict = verified && user.is_some();
        let _ = is_right.send(verdict); // the client may be gone by now
        if !verdict {
            thread::sleep(begun.elapsed() * REST);
        }
    }
}
