//! `statsidecar tap`: shows lines of a running sidecar as they arrive.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};

use clap::Args;

use super::client::{Client, Login};
use super::output::{FAILED, WRONG, fail, print};
use crate::tap::{PATH, TapEvent, TappedLine};

/// Show the lines that a running sidecar receives, as they arrive
///
/// Where lines arrive faster than 20,000 a second, they are a sample. How many lines were not looked at goes to the standard
/// error.
#[derive(Args, Debug)]
pub(super) struct Tap {
    /// The HTTP address of the sidecar
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9102")]
    url: String,
    #[command(flatten)]
    login: Login,
    /// Only lines whose name matches, written as in [[metric]] match
    #[arg(long = "match", value_name = "GLOB")]
    glob: Option<String>,
    /// Only rejected lines, each after its reason; a few of each reason
    #[arg(long)]
    rejected: bool,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    /// End after this time
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Print each line as a JSON object, with its listener
    #[arg(long)]
    json: bool,
}

/// Why an answer is read no further.
pub(super) enum TapEnd {
    /// It has shown what was asked for, or nobody reads on.
    Done(ExitCode),
    /// The server has ended its answer, and must be asked again.
    Answer,
}

impl Tap {
    pub(super) fn run(self) -> ExitCode {
        let client = match Client::new(&self.url, &self.login) {
            Ok(client) => client,
            Err(why) => return fail(&format!("{why}\n"), WRONG),
        };
        let end = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut left = self.lines.unwrap_or(u64::MAX);
        loop {
            match self.show(&client, end, &mut left) {
                Ok(TapEnd::Answer) => {}
                Ok(TapEnd::Done(code)) => return code,
                Err(why) => return fail(&format!("{why}\n"), FAILED),
            }
        }
    }

    /// Shows one answer.
    fn show(&self, client: &Client, end: Option<Instant>, left: &mut u64) -> Result<TapEnd, String> {
        if *left == 0 {
            return Ok(TapEnd::Done(ExitCode::SUCCESS));
        }
        each_event(client, &self.path(), end, |event| {
            match event {
                TapEvent::Line(line) => {
                    *left -= 1;
                    if let Err(code) = print(&self.shown(&line)) {
                        return ControlFlow::Break(code);
                    }
                }
                TapEvent::Skipped(0) => {}
                TapEvent::Skipped(lines) => _ = fail(&format!("{lines} more lines in this second\n"), 0),
            }
            if *left == 0 { ControlFlow::Break(ExitCode::SUCCESS) } else { ControlFlow::Continue(()) }
        })
    }

    fn path(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        self.glob.iter().for_each(|glob| _ = query.append_pair("match", glob));
        if self.rejected {
            query.append_pair("rejected", "true");
        }
        match query.finish() {
            query if query.is_empty() => PATH.to_owned(),
            query => format!("{PATH}?{query}"),
        }
    }

    /// What is printed of a line.
    fn shown(&self, line: &TappedLine) -> String {
        match (&line.reason, self.json) {
            // A line of values that are all text can always be written.
            (_, true) => serde_json::to_string(line).unwrap_or_default() + "\n",
            (Some(reason), false) => format!("{reason}: {}\n", line.text),
            (None, false) => format!("{}\n", line.text),
        }
    }
}

/// Calls `take` with each event of one answer. Stops when `take` breaks, at `end`, or when the server ends the answer.
pub(super) fn each_event(
    client: &Client,
    path: &str,
    end: Option<Instant>,
    mut take: impl FnMut(TapEvent) -> ControlFlow<ExitCode>,
) -> Result<TapEnd, String> {
    let mut reply = client.get(path)?;
    let mut text = Vec::new();
    loop {
        let piece = match reply.piece_by(end)? {
            Poll::Pending => return Ok(TapEnd::Done(ExitCode::SUCCESS)),
            Poll::Ready(None) => return Ok(TapEnd::Answer),
            Poll::Ready(Some(piece)) => piece,
        };
        text.extend_from_slice(&piece);
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let events: Vec<_> = text.drain(..whole).collect();
        for event in events.split(|b| *b == b'\n').filter(|event| !event.is_empty()) {
            let event: TapEvent = serde_json::from_slice(event)
                .map_err(|error| format!("the server does not answer as a sidecar of this version does: {error}"))?;
            if let ControlFlow::Break(code) = take(event) {
                return Ok(TapEnd::Done(code));
            }
        }
    }
}
