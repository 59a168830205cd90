//! `statsidecar suggest`: rules proposed from real lines.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::capture::Capture;
use super::client::{Client, Login};
use super::output::{FAILED, WRONG, fail, print};
use super::tap::{TapEnd, each_event};
use crate::suggest::{Observations, propose};
use crate::tap::{PATH, TapEvent};

/// Propose rules from lines: labels, types, units and buckets, as TOML with the evidence as comments
#[derive(Args, Debug)]
pub(super) struct Suggest {
    /// A file of StatsD lines, - for the standard input, or a running sidecar: http://HOST:PORT or unix:///PATH
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// How long to watch the lines of a running sidecar
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    login: Login,
}

/// The longest line that is read, in bytes.
const LONGEST: usize = 1 << 16;

impl Suggest {
    pub(super) fn run(self) -> ExitCode {
        let mut observations = Observations::default();
        let read =
            if self.source.contains("://") { self.watch(&mut observations) } else { self.read(&mut observations) };
        let source = match read {
            Ok(source) => source,
            Err((why, code)) => return fail(&why, code),
        };
        if observations.lines() == 0 {
            return fail(&format!("{source}: there is no line in it\n"), WRONG);
        }
        print(&propose(observations, &source)).err().unwrap_or(ExitCode::SUCCESS)
    }

    /// Reads a file. Gives its name, or what is wrong and the exit code.
    fn read(&self, observations: &mut Observations) -> Result<String, (String, u8)> {
        let capture = Capture::open(Path::new(&self.source)).map_err(|why| (why, WRONG))?;
        let name = capture.name().to_owned();
        capture.each_line(LONGEST, |line| observations.line(line)).map_err(|why| (why, FAILED))?;
        Ok(name)
    }

    /// Watches the lines of a running sidecar for some time.
    fn watch(&self, observations: &mut Observations) -> Result<String, (String, u8)> {
        let client = Client::new(&self.source, &self.login).map_err(|why| (format!("{why}\n"), WRONG))?;
        let end = Instant::now() + Duration::from_secs(self.seconds);
        let mut take = |event| {
            // A line that is cut would be misread.
            if let TapEvent::Line(line) = event
                && line.text.len() <= 1024
            {
                observations.line(line.text.as_bytes());
            }
            ControlFlow::Continue(())
        };
        // The server ends an answer after some time, and must be asked again.
        while let TapEnd::Answer =
            each_event(&client, PATH, Some(end), &mut take).map_err(|why| (format!("{why}\n"), FAILED))?
        {}
        Ok(format!("{} in {} seconds", self.source, self.seconds))
    }
}
