//! The limit on open files, which connections count against.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Open files that are neither connections nor listeners: those of the runtime, and of `/proc` during a scrape.
const OTHERS: usize = 32;

/// Raises the limit on open files to what all connections may need, as far as the system allows. Gives how many stream
/// connections fit into the limit, so that HTTP can always be served.
pub(super) fn room_for_streams(config: &Config) -> usize {
    let sockets = config.intake.listen.len().saturating_add(config.relays.len());
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
