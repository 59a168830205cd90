//! Reads captured lines from a file or the standard input, with a progress bar where one helps.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, stdin};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

/// From this size on, the progress is shown.
const LARGE: u64 = 8 << 20;

/// How a file begins that is a recording of packets, in the formats pcap and pcapng.
const RECORDINGS: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// Captured lines: text, a line each.
pub(super) struct Capture {
    name: String,
    reader: BufReader<Box<dyn Read>>,
    progress: ProgressBar,
}

impl Capture {
    /// Opens `file`, or the standard input if it is `-`. The error says which file is wrong.
    pub(super) fn open(file: &Path) -> Result<Self, String> {
        let name = file.display().to_string();
        if name == "-" {
            return Self::new("the standard input".to_owned(), Box::new(stdin()), 0);
        }
        let opened = File::open(file).and_then(|opened| Ok((opened.metadata()?, opened)));
        match opened {
            Ok((about, _)) if about.is_dir() => Err(format!("{name}: this is a folder; give a file with lines\n")),
            Ok((about, opened)) => Self::new(name, Box::new(opened), about.len()),
            Err(error) => Err(format!("{name}: cannot read it: {error}\n")),
        }
    }

    fn new(name: String, reader: Box<dyn Read>, size: u64) -> Result<Self, String> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let begin = reader.fill_buf().map_err(|error| format!("{name}: cannot read it: {error}\n"))?;
        if begin.first_chunk().is_some_and(|begin| RECORDINGS.contains(begin)) {
            return Err(format!("{name}: this is a recording of packets; give the lines in them as text\n"));
        }
        let is_shown = size >= LARGE && io::stderr().is_terminal();
        let progress = if is_shown { ProgressBar::new(size) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left") {
            progress.set_style(style);
        }
        Ok(Self { name, reader, progress })
    }

    /// Its name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Gives each line that is not empty, without its end. A line that is longer than `longest` is cut to one byte more.
    pub(super) fn each_line(mut self, longest: usize, mut take: impl FnMut(&[u8])) -> Result<(), String> {
        let wrong = |error| format!("{}: cannot read it: {error}\n", self.name);
        let mut line = Vec::new();
        let mut shown = 0;
        loop {
            line.clear();
            let read = (&mut self.reader).take(longest as u64 + 1).read_until(b'\n', &mut line).map_err(wrong)?;
            if read == 0 {
                break;
            }
            shown += read as u64;
            if line.last() != Some(&b'\n') && read > longest {
                shown += self.reader.skip_until(b'\n').map_err(wrong)? as u64;
            }
            if shown >= 1 << 16 {
                self.progress.inc(std::mem::take(&mut shown));
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if !text.is_empty() {
                take(text);
            }
        }
        self.progress.finish_and_clear();
        Ok(())
    }
}
