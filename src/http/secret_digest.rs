//! Numbers that stand for secrets.

use std::io;

use blake2::{Blake2s256, Digest};
use rustix::rand::{GetRandomFlags, getrandom};

/// Turns secrets into numbers that can be kept and compared: nobody without the key can find a secret for a number, so the
/// time that a comparison takes tells nothing.
#[derive(Debug)]
pub(super) struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// With a random key.
    pub(super) fn new() -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom(&mut key, GetRandomFlags::empty())?;
        Ok(Self(key))
    }

    pub(super) fn of(&self, secret: &[u8]) -> [u8; 32] {
        Blake2s256::new().chain_update(self.0).chain_update(secret).finalize().into()
    }
}
