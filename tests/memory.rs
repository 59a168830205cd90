//! The memory of the sidecar is bounded: series that expire free theirs, and lines over a limit cost none.
//!
//! An allocator counts the bytes that are in use, so nothing here depends on what the system says of the process.

#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use support::{Client, InProcess, PATIENCE, get, listener, sum};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, which counts the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.fetch_add(size, Ordering::Relaxed);
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(old, layout) }
    }
}

/// The bytes in use, without those of the test itself: it keeps nothing between two calls.
fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// One test after the other, because the allocator counts the bytes of all threads.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes that one test's buffers may differ by from one moment to the next.
const BUFFERS: usize = 512 << 10;

/// A sidecar on a Unix socket, which makes the sender wait where UDP would lose packets.
fn sidecar(config: &str) -> (InProcess, Client) {
    let sidecar = InProcess::start_with_clock(config, &[&listener("unixgram")]);
    let client = Client::connect(&sidecar.listeners[0]);
    (sidecar, client)
}

#[test]
fn expired_series_free_their_memory() {
    const WAVE: usize = 10_000;
    let _alone = alone();
    let (sidecar, mut client) = sidecar("[defaults]\nttl = \"1s\"\n");
    let tag = "t".repeat(300);
    // The first wave makes the buffers that stay.
    let mut before = usize::MAX;
    for n in 1..=5 {
        for part in 0..WAVE / 100 {
            let line = |line: usize| format!("job{n}.step{part}.line{line}:1|c|#{tag}\n");
            client.send((0..100).map(line).collect::<String>().as_bytes());
        }
        sidecar.scrape_with(&[&format!("statsidecar_series{{type=\"counter\"}} {WAVE}")]);
        sidecar.advance(2);
        let exposition = sidecar.scrape_with(&[&format!("statsidecar_series_expired_total {}", n * WAVE)]);
        assert_eq!(sum(&exposition, "statsidecar_series"), 0);
        // The sweeper frees the series after it has counted them. The tags alone of a wave are 3 MB.
        let limit = before.saturating_add(BUFFERS);
        let start = Instant::now();
        while in_use() >= limit {
            assert!(start.elapsed() < PATIENCE, "{} bytes after wave {n}, {before} after the first", in_use());
            thread::yield_now();
        }
        before = before.min(in_use());
    }
}

const KNOWN: usize = 1_000;

#[test]
fn new_names_over_the_limit_cost_no_memory_and_no_known_series() {
    const BOMB: usize = 200_000;
    let _alone = alone();
    for overflow in ["reject", "collapse"] {
        let sidecar = bombard(overflow, BOMB, |n| format!("bomb{n}.of.a.name.that.is.not.short:1|c\n"));
        sidecar.scrape_with(&[
            &format!("statsidecar_rejected_samples_total{{reason=\"series_limit\"}} {BOMB}"),
            &format!("statsidecar_series{{type=\"counter\"}} {KNOWN}"),
        ]);
        status_has(&sidecar, "<tr><td>bomb");
    }
}

#[test]
fn new_tags_over_the_limit_cost_no_memory_and_no_known_series() {
    const BOMB: usize = 50_000;
    let _alone = alone();
    for overflow in ["reject", "collapse"] {
        let sidecar = bombard(overflow, BOMB, |n| format!("known0:1|c|#user:{n},of.a.name.that.is.not.short\n"));
        match overflow {
            "reject" => sidecar.scrape_with(&[
                &format!("statsidecar_rejected_samples_total{{reason=\"series_limit\"}} {BOMB}"),
                &format!("statsidecar_series{{type=\"counter\"}} {KNOWN}"),
            ]),
            _ => sidecar.scrape_with(&[
                &format!("known0_total{{overflow=\"true\"}} {BOMB}"),
                &format!("statsidecar_samples_total{{type=\"c\"}} {}", BOMB + 3 * KNOWN),
                &format!("statsidecar_series{{type=\"counter\"}} {}", KNOWN + 1),
            ]),
        };
        status_has(&sidecar, &format!("<tr><td>known0_total</td><td>series_limit</td><td class=n>{BOMB}</td></tr>\n"));
    }
}

/// Starts a sidecar that has as many series as its limit allows, and sends it so many lines over the limit. Every known
/// series gets one line before, one in the middle, and one at the end; each must be applied. Fails the test if the
/// lines over the limit cost more memory than a route cache of the limit's size.
fn bombard(overflow: &str, lines: usize, line: impl Fn(usize) -> String) -> InProcess {
    let (sidecar, mut client) = sidecar(&format!("[limits]\nseries = {KNOWN}\noverflow = {overflow:?}\n"));
    let known: String = (0..KNOWN).map(|n| format!("known{n}:1|c\n")).collect();
    client.send(known.as_bytes());
    sidecar.scrape_after(1);
    let before = in_use();
    let mut packets = 1;
    for part in 0..lines / 1000 {
        client.send((0..1000).map(|n| line(part * 1000 + n)).collect::<String>().as_bytes());
        packets += 1;
        if part == lines / 2000 {
            client.send(known.as_bytes());
            packets += 1;
        }
    }
    client.send(known.as_bytes());
    let exposition = sidecar.scrape_after(packets + 1);
    for n in 0..KNOWN {
        assert!(exposition.lines().any(|line| line == format!("known{n}_total 3")), "known{n}");
    }
    drop(exposition);
    let after = in_use();
    println!("{before} bytes before, {after} after, {overflow}");
    assert!(after < before + BUFFERS, "{before} bytes became {after}");
    sidecar
}

/// Waits until the status page has this text, because a worker counts the names after the packets.
fn status_has(sidecar: &InProcess, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = get(sidecar.http, "/");
        if status.contains(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{expected}\nis not in\n{status}");
        thread::yield_now();
    }
}
