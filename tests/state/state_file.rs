//! The files of the state, as their documentation has them: rows of numbers of 64 bits, little-endian.

use std::fs;
use std::path::{Path, PathBuf};

/// A file as its numbers.
pub struct StateFile {
    path: PathBuf,
    /// All numbers of a snapshot, or of the beginning of an arena.
    pub words: Vec<u64>,
    /// What is behind them.
    rest: Vec<u8>,
    /// Which of them has the CRC of all before it.
    crc: usize,
}

/// What both files have as their second number.
pub const VERSION: usize = 1;

/// What both files have as their third number: it changes with the shape of values.
pub const LAYOUT: usize = 2;

/// In a snapshot: when it was made, in seconds since 1970.
pub const MADE: usize = 5;

/// In an arena: which start of the machine it is from.
pub const BOOT: usize = 3;

impl StateFile {
    /// Reads a snapshot.
    pub fn snapshot(path: &Path) -> Self {
        let file = Self::read(path, usize::MAX);
        Self { crc: file.words.len() - 1, ..file }
    }

    /// Reads the header of an arena.
    pub fn arena(path: &Path) -> Self {
        Self::read(path, 9)
    }

    fn read(path: &Path, words: usize) -> Self {
        let bytes = fs::read(path).expect("the file is there");
        let (head, rest) = bytes.split_at(bytes.len().min(words.saturating_mul(8)));
        let words = head.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Self { path: path.to_owned(), words, rest: rest.to_vec(), crc: 8 }
    }

    /// Writes it with the CRC that is right for it.
    pub fn write(mut self) {
        self.words[self.crc] = crc32fast::hash(&bytes(&self.words[..self.crc])).into();
        fs::write(self.path, [bytes(&self.words), self.rest].concat()).expect("it can be written");
    }
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
