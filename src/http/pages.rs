//! The thread that makes pages: expositions and the status page.
//!
//! One thread makes them all, and it starts with the program. So no thread has to be had for a page later, and pages take
//! at most one core from the intake. Clients that wait at the same moment share a page: a request joins the page that has
//! not begun yet.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::answer::Pieces;
use super::page::{self, Coding, Scraper};
use super::page_maker::PageMaker;
use super::state::ServerState;
use super::status;

/// The time between two status pages: a client that asks without a pause must not keep the thread from expositions.
const STATUS_PAUSE: Duration = Duration::from_millis(20);

/// Where pages are asked for.
pub(super) struct Pages {
    scrapers: mpsc::UnboundedSender<Scraper>,
    readers: mpsc::UnboundedSender<oneshot::Sender<Bytes>>,
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
        let (readers, asked_statuses) = mpsc::unbounded_channel();
        let state = Arc::clone(state);
        let makes = thread::Builder::new().name("pages".to_owned()).spawn(move || {
            let maker = Rc::new(PageMaker::new(state));
            let all =
                async { tokio::join!(expositions(&maker, asked_pages, arrivals), statuses(&maker, asked_statuses)) };
            LocalSet::new().block_on(&runtime, all);
        })?;
        Ok((Self { scrapers, readers }, [waits, makes]))
    }

    /// Whether pages are made: the thread has not panicked.
    pub(super) fn are_made(&self) -> bool {
        !self.scrapers.is_closed()
    }

    /// Asks for an exposition; `None` if no pages are made.
    pub(super) fn scrape(&self, coding: Coding) -> Option<Pieces> {
        let (scraper, pieces) = Scraper::new(coding);
        self.scrapers.send(scraper).ok()?;
        Some(pieces)
    }

    /// The status page; `None` if no pages are made.
    pub(super) async fn status(&self) -> Option<Bytes> {
        let (sender, page) = oneshot::channel();
        self.readers.send(sender).ok()?;
        page.await.ok()
    }
}

/// Makes one exposition after the other. All that wait when the last one is done share the next one, which is written when
/// the thread behind `arrivals` answers.
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
        page::share(maker, std::mem::take(&mut scrapers)).await;
    }
}

/// Makes status pages, with a pause after each. All that wait at the end of the pause share the next one.
async fn statuses(maker: &Rc<PageMaker>, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<Bytes>>) {
    let mut readers = Vec::new();
    while asked.recv_many(&mut readers, usize::MAX).await > 0 {
        let turn = maker.turn.acquire().await;
        readers.retain(|reader| !reader.is_closed());
        if !readers.is_empty() {
            let page = Bytes::from(status::page(&maker.state));
            readers.drain(..).for_each(|reader| _ = reader.send(page.clone()));
        }
        drop(turn);
        tokio::time::sleep(STATUS_PAUSE).await;
    }
}
