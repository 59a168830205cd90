//! gzip in pieces that do not depend on each other.
//!
//! Each piece is compressed without what was before it, and ends at a whole byte. So one compressor serves all
//! expositions in turn, and an exposition that waits for a slow client keeps a checksum and no compressor.
//!
//! Source: RFC 1952 (gzip), RFC 1951 (deflate).

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

/// Deflate, no flags, no time, the fastest algorithm, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// How much memory for compressed bytes is added at a time.
const ROOM: usize = 8 << 10;

/// What gzip has at its end: of the text up to here.
#[derive(Clone, Default)]
pub(super) struct Checksum {
    crc: crc32fast::Hasher,
    /// The number of bytes, as far as 32 bits go.
    len: u32,
    has_begun: bool,
}

/// The compressor of all expositions. It takes its memory when it is first used.
#[derive(Default)]
pub(super) struct GzipWriter(Option<Compress>);

/// A piece that is being compressed.
pub(super) struct GzipPiece<'g> {
    compress: &'g mut Compress,
    checksum: &'g mut Checksum,
    out: Vec<u8>,
}

impl GzipWriter {
    /// Begins the next piece of a text, whose `checksum` goes on with it.
    pub(super) fn begin<'g>(&'g mut self, checksum: &'g mut Checksum) -> GzipPiece<'g> {
        let compress = self.0.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        compress.reset();
        let mut out = Vec::with_capacity(ROOM);
        if !checksum.has_begun {
            checksum.has_begun = true;
            out.extend_from_slice(&HEADER);
        }
        GzipPiece { compress, checksum, out }
    }
}

impl GzipPiece<'_> {
    /// Adds text to the piece.
    pub(super) fn add(&mut self, plain: &[u8]) -> io::Result<()> {
        self.checksum.crc.update(plain);
        self.checksum.len = self.checksum.len.wrapping_add(plain.len() as u32);
        let mut rest = plain;
        while !rest.is_empty() {
            self.out.reserve(ROOM);
            let before = self.compress.total_in();
            self.compress.compress_vec(rest, &mut self.out, FlushCompress::None)?;
            rest = rest.get((self.compress.total_in() - before) as usize..).unwrap_or_default();
        }
        Ok(())
    }

    /// How many compressed bytes there are so far, without those that the compressor still has.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Ends the piece, and the text if it `is_last`, and returns the compressed bytes.
    pub(super) fn end(mut self, is_last: bool) -> io::Result<Vec<u8>> {
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
        loop {
            self.out.reserve(ROOM);
            let status = self.compress.compress_vec(&[], &mut self.out, flush)?;
            // A flush is whole once there is room behind it.
            if status == Status::StreamEnd || !is_last && self.out.len() < self.out.capacity() {
                break;
            }
        }
        if is_last {
            self.out.extend_from_slice(&self.checksum.crc.clone().finalize().to_le_bytes());
            self.out.extend_from_slice(&self.checksum.len.to_le_bytes());
        }
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unzip(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).expect("it is one whole gzip file");
        text
    }

    /// Two texts are compressed in turn by one compressor, and one of them is finished twice.
    #[test]
    fn pieces_of_several_texts_make_whole_files() {
        let random = |len| std::iter::repeat_with(|| fastrand::u8(..)).take(len).collect::<Vec<u8>>();
        let pieces = [b"a 1\n".repeat(20_000), random(70_000), Vec::new(), b"b{c=\"d\"} 2\n".repeat(9)];
        let mut gzip = GzipWriter::default();
        let mut piece = |parts: &[&[u8]], is_last, (out, checksum): &mut (Vec<u8>, Checksum)| {
            let mut piece = gzip.begin(checksum);
            parts.iter().for_each(|part| piece.add(part).expect("it can be compressed"));
            out.extend(piece.end(is_last).expect("it can be compressed"));
        };
        let (mut one, mut other) = Default::default();
        for part in &pieces {
            piece(&[part, b"and more\n", part], false, &mut one);
            piece(&[b"other\n"], false, &mut other);
        }
        let text: Vec<u8> = pieces.iter().flat_map(|part| [part, &b"and more\n"[..], part].concat()).collect();
        for end in [&b""[..], b"the end\n"] {
            let mut whole = one.clone();
            piece(&[end], true, &mut whole);
            assert!(unzip(&whole.0) == [&text, end].concat());
        }
        piece(&[], true, &mut other);
        assert_eq!(unzip(&other.0), b"other\n".repeat(4));
    }
}
