//! zstd in pieces that do not depend on each other: each is a frame, and frames one after the other are a whole.
//!
//! Source: RFC 8878.

use std::io;

use zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

/// The fastest of the usual levels: about as small as gzip here, in less time.
const LEVEL: i32 = 1;

/// The compressor of all expositions. It takes its memory when it is first used.
#[derive(Default)]
pub(super) struct ZstdWriter(Option<CCtx<'static>>);

impl ZstdWriter {
    /// Adds `plain` to `out` as a frame.
    pub(super) fn add(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let context = match &mut self.0 {
            Some(context) => context,
            none => {
                let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                context.set_parameter(CParameter::CompressionLevel(LEVEL)).map_err(failed)?;
                none.insert(context)
            }
        };
        let mut frame = Vec::with_capacity(compress_bound(plain.len()));
        context.compress2(&mut frame, plain).map_err(failed)?;
        out.append(&mut frame);
        Ok(())
    }
}

fn failed(code: zstd_safe::ErrorCode) -> io::Error {
    io::Error::other(get_error_name(code))
}
