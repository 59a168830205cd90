//! An allocator that counts how much memory the process has in use, and the calls that give free memory back to the system.

#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which also counts the bytes that [`in_use`] gives. Only the program uses it: in any other
/// process nothing is counted.
#[derive(Debug)]
pub struct CountingAllocator;

/// The bytes that the allocator has given out and not got back, with what it needs itself for each piece. `Relaxed`:
/// nothing is read because of these numbers.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What of it the start took.
static START: AtomicUsize = AtomicUsize::new(0);

/// What of it is for series that an earlier process has left.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Takes what is in use now for what the start takes, but for what [`of_an_earlier_process`] has counted. Called again when
/// more of the start is done.
pub(crate) fn started() {
    let start = IN_USE.load(Ordering::Relaxed).wrapping_sub(LEFT.load(Ordering::Relaxed));
    START.store(start, Ordering::Relaxed);
}

/// Counts what `make` adds as for series that an earlier process has left. The limit on memory holds for them too.
pub(crate) fn of_an_earlier_process<T>(make: impl FnOnce() -> T) -> T {
    let before = IN_USE.load(Ordering::Relaxed);
    let made = make();
    // It may be less than before, if memory of an earlier call is given back.
    LEFT.fetch_add(IN_USE.load(Ordering::Relaxed).wrapping_sub(before), Ordering::Relaxed);
    made
}

/// The bytes in use beyond what the start took.
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed).saturating_sub(START.load(Ordering::Relaxed))
}

/// Counts so many bytes of a file in memory as in use too.
pub(crate) fn lent(bytes: usize) {
    IN_USE.fetch_add(bytes, Ordering::Relaxed);
}

/// Such bytes are no longer in use.
pub(crate) fn returned(bytes: usize) {
    IN_USE.fetch_sub(bytes, Ordering::Relaxed);
}

/// Finds out when much memory has become free.
#[derive(Debug, Default)]
pub(crate) struct Ebb {
    /// The most bytes that were in use since the last ebb.
    most: usize,
    /// The bytes in use at the last question.
    last: usize,
}

/// The process keeps this much free memory for later allocations, in bytes. The free pieces may lie on ten times as many
/// bytes of pages.
const KEPT: usize = 1 << 20;

impl Ebb {
    /// Whether much has become free of what was in use, and then a new count begins. To be asked now and then.
    pub(crate) fn has_come(&mut self) -> bool {
        self.is_over(in_use())
    }

    /// Memory that falls on is given back at each half, and once more when it falls no longer, because what becomes free in
    /// between stays with the process.
    fn is_over(&mut self, now: usize) -> bool {
        self.most = self.most.max(now);
        let has_ended = self.last <= now.saturating_add(now / 64);
        self.last = now;
        let least = if has_ended { self.most / 8 * 7 } else { self.most / 2 };
        let is_over = now < least && self.most - now > KEPT;
        if is_over {
            self.most = now;
        }
        is_over
    }
}

/// Pieces of so many bytes and more have pages of their own, which go back to the system as soon as a piece is free. It is
/// what glibc begins with; by itself it would raise the number with each such piece, up to 32 MiB, and the buffers of a
/// scrape would leave gaps between the series.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES: nix::libc::c_int = 128 << 10;

/// Lets all threads take their memory from one place. By default glibc gives each thread a place of its own, and what one
/// thread frees is of no use to the others: a scrape that shrinks many sets would add to the memory of the process. Large
/// pieces get [pages of their own](OWN_PAGES). To be called before the first other thread starts.
pub(crate) fn share() {
    // SAFETY: each call only stores a number.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1);
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, OWN_PAGES);
    }
}

/// Gives the free pages of the allocator back to the system. It holds the allocator's locks meanwhile, some milliseconds
/// for 100 MiB.
pub(crate) fn give_back() {
    // SAFETY: the function may be called at any time, from any thread.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// What a piece of `size` bytes takes. glibc rounds a piece and its header of 8 bytes up to 16, and takes 32 at least.
///
/// Source: <https://sourceware.org/glibc/wiki/MallocInternals>.
fn taken(size: usize) -> usize {
    (size.saturating_add(8 + 15) & !15).max(32)
}

fn add(layout: Layout, given: *mut u8) -> *mut u8 {
    if !given.is_null() {
        IN_USE.fetch_add(taken(layout.size()), Ordering::Relaxed);
    }
    given
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this method, which is that of the system's.
        add(layout, unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        add(layout, unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let new = unsafe { System.realloc(old, layout, size) };
        if !new.is_null() {
            IN_USE.fetch_add(taken(size), Ordering::Relaxed);
            IN_USE.fetch_sub(taken(layout.size()), Ordering::Relaxed);
        }
        new
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(taken(layout.size()), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_at_each_half_and_at_the_end_of_a_fall() {
        let mut ebb = Ebb::default();
        for (mib, is_over) in [
            (100, false),
            (70, false),
            (45, true),
            (30, false),
            (30, true),
            (27, false),
            (27, false),
            (60, false),
            (54, false),
            (54, false),
            (50, false),
            (50, true),
            (50, false),
        ] {
            assert_eq!(ebb.is_over(mib << 20), is_over, "{mib}");
        }
    }

    #[test]
    fn pieces_are_rounded_up_with_their_header() {
        for (size, expected) in [(1, 32), (24, 32), (25, 48), (40, 48), (41, 64), (1000, 1008), (usize::MAX, !15)] {
            assert_eq!(taken(size), expected, "{size}");
        }
    }

    #[test]
    fn what_is_given_back_is_no_longer_in_use() {
        let layout = Layout::from_size_align(1000, 8).expect("a layout");
        let larger = Layout::from_size_align(5000, 8).expect("a layout");
        let before = in_use();
        // SAFETY: each piece is given back with the layout that it was taken or resized with.
        unsafe {
            let piece = CountingAllocator.alloc(layout);
            assert_eq!(in_use() - before, 1008);
            let piece = CountingAllocator.realloc(piece, layout, larger.size());
            assert_eq!(in_use() - before, 5008);
            CountingAllocator.dealloc(piece, larger);
            assert_eq!(in_use(), before);
            let zeroed = CountingAllocator.alloc_zeroed(layout);
            assert_eq!(in_use() - before, 1008);
            CountingAllocator.dealloc(zeroed, layout);
        }
        assert_eq!(in_use(), before);
    }
}
