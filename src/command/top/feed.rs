//! What happens: answers of the sidecar, keys and signals. Each comes from a thread of its own, so that keys react while
//! the sidecar is slow.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyEvent};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::client::Client;
use crate::config::escape_hidden;
use crate::status::Status;

/// One thing that happened.
pub(super) enum Input {
    /// The sidecar answered, or did not.
    Answer(Result<Box<Status>, String>),
    Key(KeyEvent),
    /// The terminal has another size.
    Resize,
    /// A signal asks the program to end.
    Signal,
    /// The keys cannot be read.
    NoKeys(io::Error),
}

/// Asks for the status. All text of the answer is safe to show.
pub(super) fn fetch(client: &Client) -> Result<Box<Status>, String> {
    const PATH: &str = "/api/v1/status";
    let text = client.get(PATH)?.text()?;
    let status = serde_json::from_str(&text).and_then(|mut value| {
        make_visible(&mut value);
        serde_json::from_value(value)
    });
    status
        .map(Box::new)
        .map_err(|error| format!("{PATH} is not the status of a statsidecar {}: {error}", env!("CARGO_PKG_VERSION")))
}

/// Escapes all characters of the texts that a terminal would obey. Names and lines are text of clients.
fn make_visible(value: &mut Value) {
    match value {
        Value::String(text) => *text = visible(text),
        Value::Array(items) => items.iter_mut().for_each(make_visible),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            fields.extend(old.into_iter().map(|(name, mut value)| {
                make_visible(&mut value);
                (visible(&name), value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `text` with the characters escaped that a terminal would obey.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    escape_hidden(&mut visible, text);
    visible
}

/// Starts the threads.
pub(super) fn start(client: Client, interval: Duration) -> io::Result<Receiver<Input>> {
    let (inputs, received) = mpsc::channel();
    let signals = Signals::new()?;
    let (to_signals, to_keys) = (inputs.clone(), inputs.clone());
    spawn("signals", move || signals.wait(&to_signals))?;
    spawn("status", move || ask_for_ever(&client, interval, &inputs))?;
    spawn("keys", move || read_keys(&to_keys))?;
    Ok(received)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Asks at every interval, the first time after one. A slow answer delays the next request.
fn ask_for_ever(client: &Client, interval: Duration, inputs: &Sender<Input>) {
    let mut due = Instant::now();
    loop {
        due = (due + interval).max(Instant::now());
        thread::sleep(due - Instant::now());
        if inputs.send(Input::Answer(fetch(client))).is_err() {
            return;
        }
    }
}

fn read_keys(inputs: &Sender<Input>) {
    loop {
        let input = match event::read() {
            Ok(Event::Key(key)) if !key.is_release() => Input::Key(key),
            Ok(Event::Resize(..)) => Input::Resize,
            Ok(_) => continue,
            Err(error) => {
                let _ = inputs.send(Input::NoKeys(error)); // the receiver may have ended already
                return;
            }
        };
        if inputs.send(input).is_err() {
            return;
        }
    }
}

/// The signals that end the program.
struct Signals {
    runtime: Runtime,
    caught: [Signal; 3],
}

impl Signals {
    /// From now on they no longer end the program by themselves.
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let caught = {
            let _entered = runtime.enter();
            [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?]
        };
        Ok(Self { runtime, caught })
    }

    fn wait(self, inputs: &Sender<Input>) {
        let [mut terminate, mut interrupt, mut hangup] = self.caught;
        self.runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        let _ = inputs.send(Input::Signal); // the receiver may have ended already
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_an_answer_can_control_the_terminal() {
        let mut value = serde_json::json!({ "a\u{1b}[2J": ["\u{9b}31m\u{202e}x", { "b": "\r\n\u{7}" }], "c": 1 });
        make_visible(&mut value);
        let expected = serde_json::json!({ "a\\u{1b}[2J": ["\\u{9b}31m\\u{202e}x", { "b": "\\r\\n\\u{7}" }], "c": 1 });
        assert_eq!(value, expected);
    }
}
