//! Prefetching: memory is requested before it is needed, so that many cache misses overlap.
//!
//! This file and `intake/sys.rs` are the only ones with `unsafe`: no safe function has the instruction. A normal load would
//! not do, because it blocks the following instructions once the reorder buffer of the processor is full.

use std::sync::Arc;

/// Requests the cache lines of `value` and does not wait for them. It changes nothing but the time of a later access. On
/// processors other than x86-64 it does nothing.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    prefetch_bytes(std::ptr::from_ref(value).cast(), size_of::<T>(), align_of::<T>());
}

/// Does the same for a shared value, and for its reference count, which is the first that a new handle needs.
#[inline(always)]
pub(crate) fn prefetch_shared<T>(value: &Arc<T>) {
    let value = Arc::as_ptr(value);
    // The two counts are just before the value. If they were not, this would cost time and do nothing wrong.
    prefetch_bytes(value.cast::<i8>().wrapping_sub(COUNTS), COUNTS + size_of::<T>(), 1);
}

/// The size of the counts of an [`Arc`].
const COUNTS: usize = 2 * size_of::<usize>();

#[inline(always)]
#[allow(unsafe_code, reason = "one instruction that reads nothing")]
fn prefetch_bytes(start: *const i8, len: usize, align: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction (SSE). It returns nothing and never faults, whatever the address.
        let line_at = |at| unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at)) };
        (0..len.div_ceil(LINE)).for_each(|line| line_at(line * LINE));
        if len > align {
            line_at(len - 1);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len, align);
}

/// The size of a cache line in bytes.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
