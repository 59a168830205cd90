//! One exposition for the clients that share it, piece by piece.
//!
//! The page goes on as fast as its clients read, and waits a short time in all for those that are behind. After that, a
//! client that is behind gets a page of its own, which goes on from there as slowly as the client reads. So a slow client
//! delays no other. While a page waits for a slow client, it holds no series.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{spawn_local, yield_now};
use tokio::time::timeout;

use super::answer::{BodyPiece, Pieces};
use super::exposition::Exposition;
use super::gzip::Checksum;
use super::negotiate::Coding;
use super::page_maker::{PageMaker, Render};
use super::wanted_names::WantedNames;
use crate::expose::{Format, Syntax};
use crate::telemetry::ScrapeFormat;

/// How long a page waits, in all, for clients that are behind.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many pieces may wait for a client to read them.
const AHEAD: usize = 2;

/// How many pieces of text are compressed into one, if no client takes plain text: each piece that is sent wakes another
/// thread, and text is about ten times as long as compressed.
const AT_ONCE: usize = 8;

/// No further piece of text is added to one that has this many compressed bytes.
const COMPRESSED_PIECE: usize = 32 << 10;

/// Which page a client asks for. Clients that ask for the same one share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageKind {
    pub(super) format: Format,
    /// `None`: everything.
    pub(super) names: Option<WantedNames>,
}

/// A client that waits for the pieces of an exposition.
pub(super) struct Scraper {
    pub(super) kind: PageKind,
    coding: Coding,
    pieces: mpsc::Sender<BodyPiece>,
}

impl Scraper {
    pub(super) fn new(kind: PageKind, coding: Coding) -> (Self, Pieces) {
        let (pieces, receiver) = mpsc::channel(AHEAD);
        (Self { kind, coding, pieces }, Pieces::new(receiver))
    }

    /// Whether the client has disconnected.
    fn is_gone(&self) -> bool {
        self.pieces.is_closed()
    }
}

/// An exposition and how far it is.
struct Page {
    exposition: Exposition,
    format: ScrapeFormat,
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
    zstd: Bytes,
    is_last: bool,
}

impl Encoded {
    fn of(&self, coding: Coding) -> BodyPiece {
        let bytes = match coding {
            Coding::Plain => self.plain.clone(),
            Coding::Gzip => self.gzip.clone(),
            Coding::Zstd => self.zstd.clone(),
        };
        BodyPiece { bytes, is_last: self.is_last }
    }
}

impl Page {
    fn new(maker: &PageMaker, kind: &PageKind) -> Self {
        let begun = Instant::now();
        let pipeline = &maker.state.pipeline;
        let edition = pipeline.current();
        let families = edition.registry.families();
        let exposures = maker.exposures(&edition.registry, &families, kind.format);
        let exposures = match &kind.names {
            Some(wanted) => Some(Arc::new(wanted.select(&families, exposures.as_deref()))),
            None => exposures,
        };
        let exposition =
            Exposition::new(pipeline, &(maker.state.snapshot)(), kind.format, families, exposures, Some(maker.starts));
        Self {
            exposition,
            format: scrape_format(kind.format.syntax),
            checksum: Checksum::default(),
            writing: begun.elapsed(),
            bytes: 0,
            // A part says nothing of the time and the size of the whole.
            is_counted: Rc::new(Cell::new(kind.names.is_some())),
        }
    }

    /// A page that goes on where this one is.
    fn fork(&self) -> Self {
        Self {
            exposition: self.exposition.fork(),
            format: self.format,
            checksum: self.checksum.clone(),
            writing: self.writing,
            bytes: self.bytes,
            is_counted: Rc::clone(&self.is_counted),
        }
    }

    /// Writes the next piece for `scrapers`.
    fn next(&mut self, maker: &PageMaker, scrapers: &[Scraper]) -> io::Result<Encoded> {
        let begun = Instant::now();
        let is_asked = |coding| scrapers.iter().any(|scraper| scraper.coding == coding);
        let encoded = self.encode(&mut maker.render.borrow_mut(), is_asked)?;
        self.writing += begun.elapsed();
        // Before the end is sent, so that the next scrape of a client finds this one counted.
        if encoded.is_last {
            let telemetry = &maker.state.pipeline.telemetry;
            if !self.is_counted.replace(true) {
                telemetry.exposition_written(self.writing.as_secs_f64(), self.bytes);
            }
            scrapers.iter().for_each(|_| telemetry.scraped(self.format));
        }
        Ok(encoded)
    }

    /// Writes the next piece in the encodings that are asked for.
    fn encode(&mut self, render: &mut Render, is_asked: impl Fn(Coding) -> bool) -> io::Result<Encoded> {
        let [with_plain, with_gzip, with_zstd] = [Coding::Plain, Coding::Gzip, Coding::Zstd].map(is_asked);
        let mut gzip = with_gzip.then(|| render.gzip.begin(&mut self.checksum));
        let mut zstd = Vec::new();
        let mut is_last = false;
        for _ in 0..if with_plain { 1 } else { AT_ONCE } {
            render.plain.clear();
            is_last = !self.exposition.write(&mut render.plain);
            self.bytes += render.plain.len() as u64;
            if let Some(piece) = &mut gzip {
                piece.add(&render.plain)?;
            }
            if with_zstd && !render.plain.is_empty() {
                render.zstd.add(&render.plain, &mut zstd)?;
            }
            if is_last || zstd.len().max(gzip.as_ref().map_or(0, |piece| piece.len())) >= COMPRESSED_PIECE {
                break;
            }
        }
        let gzip = gzip.map(|piece| piece.end(is_last)).transpose()?.unwrap_or_default().into();
        let plain = if with_plain { std::mem::take(&mut render.plain).into() } else { Bytes::new() };
        Ok(Encoded { plain, gzip, zstd: zstd.into(), is_last })
    }
}

/// Writes an exposition for all these clients, which ask for pages of one kind. Ends when each has it, has disconnected, or
/// has a page of its own.
pub(super) async fn share(maker: &Rc<PageMaker>, mut scrapers: Vec<Scraper>) {
    scrapers.retain(|scraper| !scraper.is_gone());
    let Some(first) = scrapers.first() else { return };
    let mut page = Page::new(maker, &first.kind);
    let mut patience = PATIENCE;
    while !scrapers.is_empty() {
        let Ok(encoded) = page.next(maker, &scrapers) else { return };
        let mut behind = Vec::new();
        for scraper in std::mem::take(&mut scrapers) {
            let piece = encoded.of(scraper.coding);
            if piece.is_idle() {
                scrapers.push(scraper);
                continue;
            }
            match scraper.pieces.try_send(piece) {
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
        let piece = encoded.of(scraper.coding);
        if !piece.is_idle() {
            room.send(piece);
        }
        yield_now().await;
    }
}

fn scrape_format(syntax: Syntax) -> ScrapeFormat {
    match syntax {
        Syntax::Text0 | Syntax::Text1 => ScrapeFormat::Text,
        Syntax::OpenMetrics0 | Syntax::OpenMetrics1 => ScrapeFormat::OpenMetrics,
        Syntax::Protobuf => ScrapeFormat::Protobuf,
    }
}
