//! The log on the standard error, which nothing in the program waits for.
//!
//! If nobody reads the standard error, a write to it blocks for ever. So a thread of its own writes, and the other threads
//! put their lines into a bounded queue. Lines that do not fit are lost and counted, and the log says so when it flows
//! again.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use parking_lot::{Condvar, Mutex};
use tracing_subscriber::filter::LevelFilter;

/// How many bytes of lines may wait.
const LIMIT: usize = 1 << 20;

/// The log of this process. It has one, as it has one standard error.
static LOG: Log = Log { queue: Mutex::new(LogQueue::new()), changed: Condvar::new() };

struct Log {
    queue: Mutex<LogQueue>,
    /// Notified at the first line, and when all lines are written.
    changed: Condvar,
}

/// The lines that wait to be written.
#[derive(Debug)]
struct LogQueue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether the thread is writing a line that it has taken.
    is_writing: bool,
    lost: u64,
}

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text, with colours on a terminal
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

/// The lines that are written: these, and the more severe ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What ends the program, or a part of it
    Error,
    /// What is lost or wrong too
    Warn,
    /// Starts, stops and changes too
    #[default]
    Info,
    /// HTTP connections that end early too
    Debug,
}

/// Starts the thread that writes, and makes the lines of `tracing` and the messages of panics go there.
pub(crate) fn start(level: LogLevel, format: LogFormat) -> io::Result<()> {
    thread::Builder::new().name("log".to_owned()).spawn(write_all)?;
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_writer(|| LogWriter).with_target(false).with_max_level(level);
    // Reporting an error of the log to the standard error could panic.
    let log = log.log_internal_errors(false).with_ansi(is_coloured(&io::stderr()));
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    panic::set_hook(Box::new(|panic| {
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => tracing::error!("{panic}\n{trace}"),
            _ => tracing::error!("{panic}"),
        }
    }));
    Ok(())
}

/// Whether a stream may have colours: it is a terminal, and its user has not asked for none.
///
/// Source: <https://no-color.org>.
pub(crate) fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How many lines were lost so far, because nobody read the standard error or because it could not be written.
pub(crate) fn lost() -> u64 {
    LOG.queue.lock().lost
}

/// Waits until all lines are written, but not longer than `patience`. Gives whether they are.
pub(crate) fn flush(patience: Duration) -> bool {
    let end = Instant::now() + patience;
    let mut queue = LOG.queue.lock();
    let mut is_late = false;
    while !queue.is_done() && !is_late {
        is_late = LOG.changed.wait_until(&mut queue, end).timed_out();
    }
    queue.is_done()
}

impl LogQueue {
    const fn new() -> Self {
        Self { lines: VecDeque::new(), bytes: 0, is_writing: false, lost: 0 }
    }

    /// Adds a line, unless the queue is full. Gives whether it has room.
    fn add(&mut self, line: &[u8]) -> bool {
        let has_room = self.bytes + line.len() <= LIMIT;
        if has_room {
            self.bytes += line.len();
            self.lines.push_back(line.to_vec());
        } else {
            self.lost += 1;
        }
        has_room
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }

    fn is_done(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }
}

/// Takes one line at each write.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if LOG.queue.lock().add(line) {
            LOG.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the lines, for ever.
fn write_all() {
    let mut told = 0;
    let mut queue = LOG.queue.lock();
    loop {
        let Some(line) = queue.take() else {
            LOG.changed.notify_all();
            LOG.changed.wait(&mut queue);
            continue;
        };
        queue.is_writing = true;
        drop(queue);
        let written = io::stderr().write_all(&line);
        queue = LOG.queue.lock();
        queue.is_writing = false;
        match written {
            Ok(()) if queue.lost > told => {
                let lost = queue.lost;
                drop(queue);
                tracing::warn!(
                    lines = lost - told,
                    "lines of the log were lost, because nobody read the standard error"
                );
                queue = LOG.queue.lock();
                told = lost;
            }
            Ok(()) => {}
            Err(_) => queue.lost += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_loses_the_newest_lines_and_counts_them() {
        let mut queue = LogQueue::new();
        let line = vec![b'x'; 1000];
        let fit = LIMIT / line.len();
        assert_eq!((0..fit + 5).filter(|_| queue.add(&line)).count(), fit);
        assert_eq!((queue.lost, queue.is_done()), (5, false));
        assert_eq!(queue.take(), Some(line.clone()));
        assert!(queue.add(&line), "there is room again");
        assert_eq!(std::iter::from_fn(|| queue.take()).count(), fit);
        assert_eq!((queue.bytes, queue.is_done()), (0, true));
    }
}
