//! How a scrape asks the tasks of all streams to read what has arrived, and waits for their answers.
//!
//! First the acceptors answer, so that every client that had connected has a task. Then the tasks of the connections answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::sync::Mutex;

/// How often a scrape looks for the answers.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// The questions of scrapes, numbered, and who answers them.
#[derive(Debug)]
pub(super) struct Asked {
    question: watch::Sender<u64>,
    acceptors: Mutex<Vec<Weak<AtomicU64>>>,
    connections: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { question: watch::Sender::new(0), acceptors: Mutex::default(), connections: Mutex::default() }
    }
}

/// What one task has answered; the task is no longer waited for when this is dropped.
#[derive(Debug)]
pub(super) struct Answers {
    questions: watch::Receiver<u64>,
    /// The number of the last question that it has answered.
    answered: Arc<AtomicU64>,
}

impl Asked {
    /// A new task that accepts connections.
    pub(super) fn acceptor(&self) -> Answers {
        self.task(&self.acceptors)
    }

    /// A new task that reads a connection.
    pub(super) fn connection(&self) -> Answers {
        self.task(&self.connections)
    }

    fn task(&self, tasks: &Mutex<Vec<Weak<AtomicU64>>>) -> Answers {
        let answered = Arc::new(AtomicU64::new(0));
        let mut tasks = tasks.lock();
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| task.strong_count() > 0);
        }
        tasks.push(Arc::downgrade(&answered));
        let mut questions = self.question.subscribe();
        // A connection may be made between a question and its answers, so it begins with an answer to the last question.
        questions.mark_changed();
        Answers { questions, answered }
    }

    /// Asks all tasks, and waits for their answers until `deadline`.
    pub(super) fn wait(&self, deadline: Instant) {
        self.question.send_modify(|number| *number += 1);
        let number = *self.question.borrow();
        for tasks in [&self.acceptors, &self.connections] {
            let tasks: Vec<_> = tasks.lock().clone();
            let owes =
                |task: &Weak<AtomicU64>| task.upgrade().is_some_and(|task| task.load(Ordering::Acquire) < number);
            while tasks.iter().any(owes) && Instant::now() < deadline {
                thread::sleep(LOOK_AGAIN);
            }
        }
    }
}

impl Answers {
    /// Waits for a question; gives its number.
    pub(super) async fn asked(&mut self) -> u64 {
        if self.questions.changed().await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
        *self.questions.borrow()
    }

    /// Answers a question: what had arrived before it is applied.
    pub(super) fn answer(&self, number: u64) {
        // `Release`: a scrape that sees the answer sees what was applied.
        self.answered.store(number, Ordering::Release);
    }
}
