//! Prefetching: memory is requested before it is needed, so that many cache misses overlap.
//!
//! This file and `intake/sys.rs` are the only ones with `unsafe`: no safe function has the instruction. A normal load would
//! not do, because it blocks the following instructions once the reorder buffer of the processor is full.

/// Requests the cache lines of `value` and does not wait for them. It changes nothing but the time of a later access. On
/// processors other than x86-64 it does nothing.
#[inline(always)]
#[allow(unsafe_code, reason = "one instruction that reads nothing")]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        // SAFETY: every x86-64 has the instruction (SSE). It returns nothing and never faults, whatever the address.
        let line_at = |at| unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at)) };
        (0..size_of::<T>().div_ceil(LINE)).for_each(|line| line_at(line * LINE));
        if size_of::<T>() > align_of::<T>() {
            line_at(size_of::<T>() - 1);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// The size of a cache line in bytes.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
