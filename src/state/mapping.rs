//! Pieces of a file as numbers that threads and processes share.

#![allow(unsafe_code, reason = "memory cannot be mapped without it")]

use std::fs::File;
use std::io;
use std::ptr;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::sync::AtomicU64;

/// The bytes of a piece. It is a multiple of every page size. The model checker has room for a few numbers only.
pub(super) const PIECE: usize = if cfg!(loom_cells) { 256 } else { 64 << 10 };

/// The numbers of a piece.
pub(super) const PIECE_WORDS: usize = PIECE / size_of::<u64>();

/// Maps the piece with this number. Its memory is reserved first: where there is none, that is an error here, and no signal
/// at the first use.
///
/// The piece stays mapped until the process ends, so that numbers in it can be borrowed for ever. Whoever makes the file
/// shorter in the meantime ends the process by a signal (SIGBUS); nobody else may write to it, see [`super::folder`].
pub(super) fn map(file: &File, number: u64) -> io::Result<&'static [AtomicU64]> {
    let at = number * PIECE as u64;
    fallocate(file, FallocateFlags::empty(), at, PIECE as u64)?;
    if cfg!(loom_cells) {
        return Err(io::Error::other("the model checker's numbers cannot be mapped"));
    }
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
    // SAFETY: the kernel chooses the address, so the mapping overlaps no other memory. It is as long as the slice and is never
    // unmapped. It begins at a page, which is aligned for numbers. Any bytes are a number, and all access is atomic.
    unsafe {
        let start = mmap(ptr::null_mut(), PIECE, access, flags, file, at)?;
        Ok(std::slice::from_raw_parts(start.cast::<AtomicU64>(), PIECE_WORDS))
    }
}

/// Gives the memory of a piece back. Its numbers must not be used until it is mapped again.
pub(super) fn give_back(file: &File, number: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, flags, number * PIECE as u64, PIECE as u64)?)
}
