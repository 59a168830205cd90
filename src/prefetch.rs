//! Memory that is asked for before it is needed, so that the misses of many places overlap.
//!
//! Beside `intake/sys.rs` the only file with `unsafe`: no safe call gives the instruction. A load in its place would hold
//! up what comes after it once the processor has looked as far ahead as it can.

/// Has the cache lines that `value` lies in on their way. Nothing waits for them, and nothing changes but the time that
/// `value` takes later. On processors other than x86-64 it does nothing.
#[inline(always)]
#[allow(unsafe_code, reason = "one instruction that reads nothing")]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        // SAFETY: every x86-64 has the instruction (SSE); it gives nothing back and faults at no address.
        let line_at = |at| unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at)) };
        (0..size_of::<T>().div_ceil(LINE)).for_each(|line| line_at(line * LINE));
        if size_of::<T>() > align_of::<T>() {
            line_at(size_of::<T>() - 1);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// The bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
