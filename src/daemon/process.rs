//! The kernel's figures of this process, which are the `process_` metrics, and its limit on open files.
//!
//! Source: `proc_pid_stat(5)` and `proc_stat(5)`.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::telemetry::ProcessSnapshot;

/// When this process started, in seconds since the Unix epoch; `None` if `/proc` cannot be read. It never changes.
pub(super) fn start_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot_time = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot_time.parse::<f64>().ok()? + Stat::read()?.field(22)? / clock_ticks_per_second() as f64)
}

/// The figures of this process, which started at `start_time`; `None` if `/proc` cannot be read.
pub(super) fn snapshot(start_time: Option<f64>) -> Option<ProcessSnapshot> {
    let stat = Stat::read()?;
    let limit = |resource| getrlimit(resource).current.map_or(-1.0, |limit| limit as f64);
    Some(ProcessSnapshot {
        cpu_seconds: (stat.field(14)? + stat.field(15)?) / clock_ticks_per_second() as f64,
        max_fds: limit(Resource::Nofile),
        // One of them is the folder that is read here.
        open_fds: fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64,
        resident_bytes: stat.field(24)? * page_size() as f64,
        start_time_seconds: start_time?,
        threads: stat.field(20)?,
        virtual_bytes: stat.field(23)?,
        virtual_max_bytes: limit(Resource::As),
    })
}

/// The name of this host.
pub(super) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

/// Whether the program was started with the signal SIGHUP ignored, as `nohup` does. Asked before a handler is set.
pub(super) fn ignores_hangup() -> bool {
    // Signals are numbered from 1, and SIGHUP is the first.
    const HANGUP: u64 = 1;
    let ignored = |status: String| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim().to_owned();
        u64::from_str_radix(&mask, 16).ok()
    };
    fs::read_to_string("/proc/self/status").ok().and_then(ignored).is_some_and(|mask| mask & HANGUP != 0)
}

/// The content of `/proc/self/stat`.
struct Stat(String);

impl Stat {
    fn read() -> Option<Self> {
        fs::read("/proc/self/stat").ok().map(|stat| Self(String::from_utf8_lossy(&stat).into_owned()))
    }

    /// A numeric field, numbered from 1 as the manual does.
    fn field(&self, number: usize) -> Option<f64> {
        // Field 2 is the program's name in parentheses, which may contain spaces and parentheses itself.
        let (_, from_field_3) = self.0.rsplit_once(") ")?;
        from_field_3.split_whitespace().nth(number - 3)?.parse().ok()
    }
}

/// Open files that are neither connections nor listeners: those of the runtime, and of `/proc` during a scrape.
const OTHERS: usize = 32;

/// Raises the limit on open files to what all connections may need, as far as the system allows. Gives how many stream
/// connections fit into the limit, so that HTTP can always be served.
pub(super) fn room_for_streams(config: &Config) -> usize {
    let targets = config.relays.len() + config.otlps.len() + config.remote_writes.len();
    let sockets = config.intake.listen.len().saturating_add(targets);
    let others = OTHERS.saturating_add(config.http.max_connections).saturating_add(sockets);
    let wanted = config.intake.max_connections;
    let needed = u64::try_from(wanted.saturating_add(others)).unwrap_or(u64::MAX);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let mut raised = limit;
        raised.current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let Some(files) = limit.current.and_then(|current| usize::try_from(current).ok()) else { return wanted };
    let room = files.saturating_sub(others).max(1);
    if room < wanted {
        tracing::warn!(
            "[intake] max_connections is {wanted}, but {files} files may be open, which leaves room for {room}; raise the \
             limit (ulimit -n, LimitNOFILE= of systemd) or lower the key"
        );
    }
    room.min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_program_name() {
        let stat = Stat("7 (a) b (c) S 1 2".to_owned());
        assert_eq!([3, 4, 5, 6].map(|number| stat.field(number)), [None, Some(1.0), Some(2.0), None]);
    }

    #[test]
    fn the_figures_are_plausible() {
        let start_time = start_time().unwrap();
        let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() - start_time;
        assert!((-2.0..1e6).contains(&age), "it started {age} seconds ago");
        let process = snapshot(Some(start_time)).unwrap();
        assert!((0.0..1e6).contains(&process.cpu_seconds), "{process:?}");
        assert!(process.open_fds >= 3.0 && process.threads >= 2.0, "{process:?}");
        assert!(process.resident_bytes > 1e5 && process.virtual_bytes >= process.resident_bytes, "{process:?}");
    }
}
