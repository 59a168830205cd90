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

/// The compressor of all expositions.
pub(super) struct GzipWriter(Compress);

impl GzipWriter {
    pub(super) fn new() -> Self {
        Self(Compress::new(Compression::fast(), false))
    }

    /// Compresses the next piece of a text, whose `checksum` goes on with it.
    pub(super) fn piece(&mut self, plain: &[u8], is_last: bool, checksum: &mut Checksum) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(plain.len() / 8 + ROOM);
        if !checksum.has_begun {
            checksum.has_begun = true;
            out.extend_from_slice(&HEADER);
        }
        checksum.crc.update(plain);
        checksum.len = checksum.len.wrapping_add(plain.len() as u32);
        self.0.reset();
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
        loop {
            let rest = plain.get(self.0.total_in() as usize..).unwrap_or_default();
            let status = self.0.compress_vec(rest, &mut out, flush)?;
            // A flush is whole once there is room behind it.
            let is_flushed = self.0.total_in() == plain.len() as u64 && out.len() < out.capacity();
            if status == Status::StreamEnd || !is_last && is_flushed {
                break;
            }
            out.reserve(ROOM);
        }
        if is_last {
            out.extend_from_slice(&checksum.crc.clone().finalize().to_le_bytes());
            out.extend_from_slice(&checksum.len.to_le_bytes());
        }
        Ok(out)
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
        let mut gzip = GzipWriter::new();
        let (mut one, mut other) = ((Vec::new(), Checksum::default()), (Vec::new(), Checksum::default()));
        for piece in &pieces {
            one.0.extend(gzip.piece(piece, false, &mut one.1).expect("it can be compressed"));
            other.0.extend(gzip.piece(b"other\n", false, &mut other.1).expect("it can be compressed"));
        }
        for end in [&b""[..], b"the end\n"] {
            let (mut whole, mut checksum) = one.clone();
            whole.extend(gzip.piece(end, true, &mut checksum).expect("it can be compressed"));
            assert!(unzip(&whole) == [&pieces.concat(), end].concat());
        }
        other.0.extend(gzip.piece(b"", true, &mut other.1).expect("it can be compressed"));
        assert_eq!(unzip(&other.0), b"other\n".repeat(4));
    }
}
