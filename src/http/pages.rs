//! The thread that makes pages: expositions, the status, and explanations of lines.
//!
//! One thread makes them all, and it starts with the program. So no thread has to be had for a page later, and pages take
//! at most one core from the intake. Clients that wait at the same moment share a page: a request joins the page that has
//! not begun yet.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::admin::AdminVerdict;
use super::answer::Pieces;
use super::negotiate::Coding;
use super::page::{self, PageKind, Scraper};
use super::page_maker::PageMaker;
use super::state::ServerState;
use super::{status, status_page};
use crate::explain::explain;

/// The time between two rounds of answers: a client that asks without a pause must not keep the thread from expositions.
const STATUS_PAUSE: Duration = Duration::from_millis(20);

/// The pause is at least so many times as long as the round before it took: so that these answers take at most a fifth of a
/// core.
const PAUSE_FACTOR: u32 = 4;

/// Where pages are asked for.
pub(super) struct Pages {
    scrapers: mpsc::UnboundedSender<Scraper>,
    askers: mpsc::UnboundedSender<Asker>,
}

/// A client that waits for an answer.
struct Asker {
    question: Question,
    answer: oneshot::Sender<Bytes>,
}

/// What a client asks for, beside an exposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The status page.
    Page(AdminVerdict),
    /// The status as JSON.
    Status(AdminVerdict),
    /// What a line does, as JSON.
    Explain(Vec<u8>),
}

impl Pages {
    /// Starts the thread, and another one that waits for what arrived before a scrape. Both end when the result is
    /// dropped.
    pub(super) fn start(state: &Arc<ServerState>) -> io::Result<(Self, [JoinHandle<()>; 2])> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (arrivals, asked) = blocking::channel::<oneshot::Sender<()>>();
        let waits = {
            let state = Arc::clone(state);
            thread::Builder::new().name("arrivals".to_owned()).spawn(move || {
                for answer in asked {
                    (state.catch_up)();
                    let _ = answer.send(()); // nobody waits if the server stops
                }
            })?
        };
        let (scrapers, asked_pages) = mpsc::unbounded_channel();
        let (askers, asked_statuses) = mpsc::unbounded_channel();
        let state = Arc::clone(state);
        let makes = thread::Builder::new().name("pages".to_owned()).spawn(move || {
            let maker = Rc::new(PageMaker::new(state));
            let all =
                async { tokio::join!(expositions(&maker, asked_pages, arrivals), statuses(&maker, asked_statuses)) };
            LocalSet::new().block_on(&runtime, all);
        })?;
        Ok((Self { scrapers, askers }, [waits, makes]))
    }

    /// Whether pages are made: the thread has not panicked.
    pub(super) fn are_made(&self) -> bool {
        !self.scrapers.is_closed()
    }

    /// Asks for an exposition; `None` if no pages are made.
    pub(super) fn scrape(&self, kind: PageKind, coding: Coding) -> Option<Pieces> {
        let (scraper, pieces) = Scraper::new(kind, coding);
        self.scrapers.send(scraper).ok()?;
        Some(pieces)
    }

    /// The answer to a question; `None` if no pages are made.
    pub(super) async fn ask(&self, question: Question) -> Option<Bytes> {
        let (answer, page) = oneshot::channel();
        self.askers.send(Asker { question, answer }).ok()?;
        page.await.ok()
    }
}

/// Makes one exposition after the other. All that wait when the last one is done share the next one of their kind, which is
/// written when the thread behind `arrivals` answers.
async fn expositions(
    maker: &Rc<PageMaker>,
    mut asked: mpsc::UnboundedReceiver<Scraper>,
    arrivals: blocking::Sender<oneshot::Sender<()>>,
) {
    let mut scrapers = Vec::new();
    while asked.recv_many(&mut scrapers, usize::MAX).await > 0 {
        let (answer, answered) = oneshot::channel();
        if arrivals.send(answer).is_ok() {
            let _ = answered.await; // without the thread there is nothing to wait for
        }
        // A part, of which there may be as many as clients, waits for the whole.
        scrapers.sort_by_key(|scraper| scraper.kind.names.is_some());
        while let Some(first) = scrapers.first().map(|first| first.kind.clone()) {
            let same = scrapers.extract_if(.., |scraper| scraper.kind == first).collect();
            page::share(maker, same).await;
        }
    }
}

/// Answers questions, with a pause after each time. All that wait at the end of the pause share one status.
async fn statuses(maker: &Rc<PageMaker>, mut asked: mpsc::UnboundedReceiver<Asker>) {
    let mut askers: Vec<Asker> = Vec::new();
    while asked.recv_many(&mut askers, usize::MAX).await > 0 {
        let turn = maker.turn.acquire().await;
        askers.retain(|asker| !asker.answer.is_closed());
        let begun = Instant::now();
        if !askers.is_empty() {
            answer_all(maker, askers.drain(..));
        }
        drop(turn);
        tokio::time::sleep(STATUS_PAUSE.max(begun.elapsed() * PAUSE_FACTOR)).await;
    }
}

/// Answers all questions that wait, each different one once.
fn answer_all(maker: &PageMaker, askers: impl Iterator<Item = Asker>) {
    let status = OnceCell::new();
    let status = || status.get_or_init(|| status::read(&maker.state, &mut maker.families.borrow_mut()));
    let mut answers: Vec<(Question, Bytes)> = Vec::new();
    for Asker { question, answer } in askers {
        let known = answers.iter().find(|(of, _)| *of == question).map(|(_, page)| page.clone());
        let page = known.unwrap_or_else(|| {
            let page = match &question {
                Question::Page(verdict) => status_page::page(&status::for_request(status(), *verdict)).into(),
                Question::Status(verdict) => json(&status::for_request(status(), *verdict)),
                Question::Explain(line) => json(&explain(&maker.state.pipeline.current().scratch(), line)),
            };
            answers.push((question, page));
            answers.last().map(|(_, page)| page.clone()).unwrap_or_default()
        });
        let _ = answer.send(page); // an error: the client has disconnected
    }
}

/// Plain values can always be written.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
