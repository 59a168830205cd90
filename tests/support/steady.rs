//! A sender that never pauses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Client, PATIENCE};

/// Sends 100,000 lines `a:1|c` a second until `stop`, so many in each packet; gives how many it has sent.
pub fn send_steadily(listener: &str, lines: u32, stop: &AtomicBool) -> u64 {
    const PACE: Duration = Duration::from_millis(5);
    let packets_at_once = 500 / lines;
    let (mut client, packet) = (Client::connect(listener), b"a:1|c\n".repeat(lines as usize));
    if let Client::Unixgram(unixgram) = &client {
        unixgram.set_write_timeout(Some(PATIENCE)).expect("a limit");
    }
    let (begun, mut bursts) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..packets_at_once {
            client.send(&packet);
        }
        bursts += 1;
        thread::sleep((begun + PACE * bursts).saturating_duration_since(Instant::now()));
    }
    u64::from(bursts * packets_at_once * lines)
}

/// Ends the sender, also if the test fails.
pub struct Stopped<'a>(pub &'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
