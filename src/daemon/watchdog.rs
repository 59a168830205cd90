//! The watchdog: the service manager hears of this process only while the intake threads get on.

use std::time::Instant;

use sd_notify::NotifyState;

use super::error::Error;
use super::service_manager::ServiceManager;
use super::ticks::Ticks;
use crate::retries::Retries;

/// How often the threads are looked at in an interval of the watchdog. A thread that is stuck for an interval makes the
/// process end within the next quarter of one; one that is stuck for less than three quarters never does.
const LOOKS: u32 = 4;

/// Feeds the watchdog of `manager` while the threads get on, for ever. `progress` gives how far each of them is.
///
/// It runs on the thread of the runtime, which reads the streams, so the watchdog starves if that thread is stuck.
pub(super) async fn feed(manager: &ServiceManager, progress: impl Fn() -> Vec<u64>) -> Result<(), Error> {
    let Some(interval) = manager.watchdog else { return std::future::pending().await };
    let ticks = Ticks::every(interval / LOOKS).map_err(|error| Error::System("feed the watchdog", error))?;
    let (mut watched, mut was_stuck, mut retries) = (IntakeProgress::default(), false, Retries::new());
    loop {
        let is_stuck = watched.is_stuck(progress());
        if !is_stuck {
            if let Err(error) = manager.send(&NotifyState::Watchdog)
                && let Some(unlogged) = retries.failed(Instant::now()).log
            {
                tracing::warn!(%error, more_since_the_last_warning = unlogged, "cannot feed the watchdog; trying again");
            }
        } else if !was_stuck {
            tracing::error!("an intake thread is stuck with what it has received; the watchdog is not fed meanwhile");
        }
        was_stuck = is_stuck;
        ticks.next().await;
    }
}

/// How far each thread was at the last look.
#[derive(Debug, Default)]
struct IntakeProgress(Vec<u64>);

impl IntakeProgress {
    /// Whether a thread has the same datagrams in hand as at the last look. One that waits for datagrams has none.
    fn is_stuck(&mut self, now: Vec<u64>) -> bool {
        let is_stuck = now.iter().zip(&self.0).any(|(now, before)| now % 2 == 1 && now == before);
        self.0 = now;
        is_stuck
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    #[test]
    fn the_watchdog_is_fed_while_no_thread_is_stuck() {
        let address = SocketAddr::from_abstract_name(format!("statsidecar-watchdog-{}", std::process::id()));
        let address = address.expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a name of its own");
        socket.set_nonblocking(true).expect("an option");
        let manager = ServiceManager::for_test(address, Duration::from_millis(4));
        let looks = [0, 1, 1, 1, 2, 3, 3, 3, 3];
        let (look, all) = (Cell::new(0), Notify::new());
        let progress = || {
            let figure = looks.get(look.get()).copied();
            look.set(look.get() + 1);
            // The thread is stuck by then, so nothing is told any more.
            vec![figure.unwrap_or_else(|| {
                all.notify_one();
                3
            })]
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                fed = feed(&manager, progress) => panic!("it has ended: {fed:?}"),
                () = all.notified() => {}
            }
        });
        let messages = std::iter::from_fn(|| {
            let mut buffer = [0; 64];
            let len = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
        });
        assert_eq!(messages.collect::<Vec<_>>(), ["WATCHDOG=1\n"; 4], "once for each of the figures 0 to 3");
    }

    #[test]
    fn a_thread_is_stuck_while_it_has_the_same_datagrams_in_hand() {
        let mut watched = IntakeProgress::default();
        for (now, is_stuck) in [
            (vec![0, 1], false), // the second has just begun
            (vec![0, 1], true),
            (vec![0, 1], true),
            (vec![0, 3], false), // it has begun another batch
            (vec![0, 4], false),
            (vec![0, 4], false), // both wait for datagrams
            (vec![1, 4], false),
            (vec![1, 5], true),
            (vec![2, 5], true),
            (vec![2, 6], false),
        ] {
            assert_eq!(watched.is_stuck(now.clone()), is_stuck, "{now:?}");
        }
    }
}
