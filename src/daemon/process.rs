//! What the kernel knows of this process.

use procfs::process::{LimitValue, Process};

use crate::telemetry::ProcessSnapshot;

/// The figures of the `process_` metrics, or `None` where `/proc` does not give them.
pub fn snapshot() -> Option<ProcessSnapshot> {
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let limits = process.limits().ok()?;
    let ticks = procfs::ticks_per_second() as f64;
    let limit = |value: LimitValue| match value {
        LimitValue::Value(value) => value as f64,
        LimitValue::Unlimited => -1.0,
    };
    Some(ProcessSnapshot {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        max_fds: limit(limits.max_open_files.soft_limit),
        open_fds: process.fd_count().ok()? as f64,
        resident_bytes: (stat.rss * procfs::page_size()) as f64,
        start_time_seconds: procfs::boot_time_secs().ok()? as f64 + stat.starttime as f64 / ticks,
        threads: stat.num_threads as f64,
        virtual_bytes: stat.vsize as f64,
        virtual_max_bytes: limit(limits.max_address_space.soft_limit),
    })
}
