//! `statsidecar top`: a running sidecar in the terminal, by its status.

mod fact;
mod feed;
mod model;
mod number;
mod palette;
mod plain;
mod row;
mod screen;
mod table;
mod view;

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;

use super::client::{Client, Login};
use super::output::{FAILED, WRONG, fail, print};
use feed::{Input, fetch};
use model::Model;
use palette::Palette;
use screen::Screen;

/// How often the ages on the screen are renewed while nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// Watch a running sidecar in the terminal: rates, busiest names, rejected lines
#[derive(Args, Debug)]
pub(super) struct Top {
    /// The address of the sidecar: http://HOST:PORT, https://HOST:PORT or unix:///PATH
    #[arg(default_value = "http://127.0.0.1:9102")]
    url: String,
    /// Seconds between two requests
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Print the state once, as plain text; so it is without a terminal too
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    login: Login,
}

impl Top {
    pub(super) fn run(self) -> ExitCode {
        self.show().err().unwrap_or(ExitCode::SUCCESS)
    }

    fn show(&self) -> Result<(), ExitCode> {
        let client = Client::new(&self.url, &self.login).map_err(|error| fail(&format!("{error}\n"), WRONG))?;
        // Only after the first answer is there something to show, so a wrong address is an error.
        let status = fetch(&client).map_err(|error| fail(&format!("{error}\n"), FAILED))?;
        if self.once || !io::stdout().is_terminal() {
            return print(&plain::text(&self.url, &status));
        }
        let interval = Duration::from_secs(self.interval);
        let model = Model::new(&self.url, status, interval, Instant::now());
        watch(client, interval, model).map_err(|error| fail(&format!("cannot use the terminal: {error}\n"), FAILED))
    }
}

/// Shows the state until the user or a signal ends it.
fn watch(client: Client, interval: Duration, mut model: Model) -> io::Result<()> {
    // The signals are caught before the terminal is changed, so that none leaves it changed.
    let inputs = feed::start(client, interval)?;
    let palette = Palette::new(env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let mut screen = Screen::enter()?;
    loop {
        screen.draw(|frame| view::draw(frame, &mut model, palette, Instant::now()))?;
        if !apply_next(&inputs, &mut model)? {
            return Ok(());
        }
    }
}

/// Waits for an input, and applies it with all that wait behind it. Gives false at the end.
fn apply_next(inputs: &Receiver<Input>, model: &mut Model) -> io::Result<bool> {
    let first = match inputs.recv_timeout(TICK) {
        Ok(input) => input,
        Err(RecvTimeoutError::Timeout) => return Ok(true),
        Err(RecvTimeoutError::Disconnected) => return Ok(false),
    };
    for input in std::iter::once(first).chain(inputs.try_iter()) {
        match input {
            Input::Answer(answer) => model.answered(answer, Instant::now()),
            Input::Key(key) if !model.key(key) => return Ok(false),
            Input::Key(_) | Input::Resize => {}
            Input::Signal => return Ok(false),
            Input::NoKeys(error) => return Err(error),
        }
    }
    Ok(true)
}
