//! One exposition for the clients that share it, piece by piece.
//!
//! The page goes on as fast as its clients read, and waits a short time in all for those that are behind. After that, a
//! client that is behind gets a page of its own, which goes on from there as slowly as the client reads. So a slow client
//! delays no other. While a page waits for a slow client, it holds no series.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{spawn_local, yield_now};
use tokio::time::timeout;

use super::answer::{BodyPiece, Pieces};
use super::exposition::Exposition;
use super::gzip::Checksum;
use super::page_maker::PageMaker;

/// How long a page waits, in all, for clients that are behind.
const PATIENCE: Duration = Duration::from_millis(50);

/// How the pieces of an answer are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
}

impl Coding {
    /// How many pieces may wait for the client to read them. Compressed ones are about a tenth in size.
    fn ahead(self) -> usize {
        match self {
            Self::Plain => 2,
            Self::Gzip => 8,
        }
    }
}

/// A client that waits for the pieces of an exposition.
pub(super) struct Scraper {
    coding: Coding,
    pieces: mpsc::Sender<BodyPiece>,
}

impl Scraper {
    pub(super) fn new(coding: Coding) -> (Self, Pieces) {
        let (pieces, receiver) = mpsc::channel(coding.ahead());
        (Self { coding, pieces }, Pieces::new(receiver))
    }

    /// Whether the client has disconnected.
    fn is_gone(&self) -> bool {
        self.pieces.is_closed()
    }
}

/// An exposition and how far it is.
struct Page {
    exposition: Exposition,
    checksum: Checksum,
    /// How long it took to write so far, and how many bytes of text that are.
    writing: Duration,
    bytes: u64,
    /// Whether it, or one that goes on from it, is written and counted.
    is_counted: Rc<Cell<bool>>,
}

/// A piece in the encodings that were asked for.
struct Encoded {
    plain: Bytes,
    gzip: Bytes,
    is_last: bool,
}

impl Encoded {
    fn of(&self, coding: Coding) -> BodyPiece {
        let bytes = match coding {
            Coding::Plain => self.plain.clone(),
            Coding::Gzip => self.gzip.clone(),
        };
        BodyPiece { bytes, is_last: self.is_last }
    }
}

impl Page {
    fn new(maker: &PageMaker) -> Self {
        let begun = Instant::now();
        let exposition = Exposition::new(&maker.state.pipeline, &(maker.state.snapshot)());
        Self {
            exposition,
            checksum: Checksum::default(),
            writing: begun.elapsed(),
            bytes: 0,
            is_counted: Rc::default(),
        }
    }

    /// A page that goes on where this one is.
    fn fork(&self) -> Self {
        Self {
            exposition: self.exposition.fork(),
            checksum: self.checksum.clone(),
            writing: self.writing,
            bytes: self.bytes,
            is_counted: Rc::clone(&self.is_counted),
        }
    }

    /// Writes the next piece for `scrapers`.
    fn next(&mut self, maker: &PageMaker, scrapers: &[Scraper]) -> io::Result<Encoded> {
        let is_asked = |coding| scrapers.iter().any(|scraper| scraper.coding == coding);
        let begun = Instant::now();
        let mut render = maker.render.borrow_mut();
        render.plain.clear();
        let is_last = !self.exposition.write(&mut render.plain);
        self.bytes += render.plain.len() as u64;
        let mut gzip = Bytes::new();
        if is_asked(Coding::Gzip) {
            let render = &mut *render;
            gzip = render.gzip.piece(&render.plain, is_last, &mut self.checksum)?.into();
        }
        let plain = if is_asked(Coding::Plain) { std::mem::take(&mut render.plain).into() } else { Bytes::new() };
        self.writing += begun.elapsed();
        // Before the end is sent, so that the next scrape of a client finds this one counted.
        if is_last {
            let telemetry = &maker.state.pipeline.telemetry;
            if !self.is_counted.replace(true) {
                telemetry.exposition_written(self.writing.as_secs_f64(), self.bytes);
            }
            scrapers.iter().for_each(|_| telemetry.scraped());
        }
        Ok(Encoded { plain, gzip, is_last })
    }
}

/// Writes an exposition for all these clients. Ends when each has it, has disconnected, or has a page of its own.
pub(super) async fn share(maker: &Rc<PageMaker>, mut scrapers: Vec<Scraper>) {
    scrapers.retain(|scraper| !scraper.is_gone());
    if scrapers.is_empty() {
        return;
    }
    let mut page = Page::new(maker);
    let mut patience = PATIENCE;
    while !scrapers.is_empty() {
        let Ok(encoded) = page.next(maker, &scrapers) else { return };
        let mut behind = Vec::new();
        for scraper in std::mem::take(&mut scrapers) {
            match scraper.pieces.try_send(encoded.of(scraper.coding)) {
                Ok(()) => scrapers.push(scraper),
                Err(TrySendError::Full(piece)) => behind.push((scraper, piece)),
                Err(TrySendError::Closed(_)) => {}
            }
        }
        for (scraper, piece) in behind {
            let begun = Instant::now();
            let has_room = timeout(patience, scraper.pieces.reserve()).await.map(|room| room.is_ok());
            patience = patience.saturating_sub(begun.elapsed());
            match has_room {
                Ok(true) => {
                    // The room stays, because nobody else sends to this client.
                    if scraper.pieces.try_send(piece).is_ok() {
                        scrapers.push(scraper);
                    }
                }
                Ok(false) => {}
                Err(_elapsed) => _ = spawn_local(go_on_alone(Rc::clone(maker), page.fork(), scraper, piece)),
            }
        }
        if encoded.is_last {
            return;
        }
        scrapers.retain(|scraper| !scraper.is_gone());
        yield_now().await;
    }
}

/// Sends `piece` to a slow client, and then the rest of the page.
async fn go_on_alone(maker: Rc<PageMaker>, mut page: Page, scraper: Scraper, piece: BodyPiece) {
    let mut is_last = piece.is_last;
    if scraper.pieces.send(piece).await.is_err() {
        return;
    }
    while !is_last {
        // First the room, so that no piece waits here.
        let Ok(room) = scraper.pieces.reserve().await else { return };
        let Ok(_turn) = maker.turn.acquire().await else { return };
        let Ok(encoded) = page.next(&maker, std::slice::from_ref(&scraper)) else { return };
        page.exposition.park();
        is_last = encoded.is_last;
        room.send(encoded.of(scraper.coding));
        yield_now().await;
    }
}
