//! What is shown: the newest status, and what the user chose by keys.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::feed::visible;
use super::row::SortKey;
use crate::config::is_hidden;
use crate::status::Status;

/// How long after its time an answer may come before the screen says that it is late.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest filter, in characters.
const LONGEST_FILTER: usize = 100;

/// What is shown.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) url: String,
    pub(super) status: Box<Status>,
    /// When the status came.
    at: Instant,
    /// Why there is no newer one.
    failure: Option<String>,
    /// When the sidecar answered last, or failed to.
    heard: Instant,
    /// After how long without an answer it is late.
    late: Duration,
    pub(super) choice: Choice,
}

/// What the user chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Choice {
    pub(super) tab: Tab,
    pub(super) sort: SortKey,
    pub(super) filter: String,
    /// Whether keys add to the filter.
    pub(super) is_typing: bool,
    /// Whether the plots show the hour.
    pub(super) is_hour: bool,
    /// Whether new answers are not shown.
    pub(super) is_paused: bool,
    /// How many lines of the table are above those that are shown.
    pub(super) offset: usize,
    /// How many lines of the table fit, by the last drawing.
    pub(super) height: usize,
}

/// The table that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    #[default]
    Names,
    Rejects,
}

impl Model {
    /// `status` of the sidecar at `url` came at `now`, and others come at every `interval`.
    pub(super) fn new(url: &str, status: Box<Status>, interval: Duration, now: Instant) -> Self {
        let (url, late) = (visible(url), interval + PATIENCE);
        Self { url, status, at: now, failure: None, heard: now, late, choice: Choice::default() }
    }

    /// Takes an answer.
    pub(super) fn answered(&mut self, answer: Result<Box<Status>, String>, now: Instant) {
        self.heard = now;
        match answer {
            Err(why) => self.failure = Some(visible(&why)),
            Ok(status) => {
                self.failure = None;
                if !self.choice.is_paused {
                    (self.status, self.at) = (status, now);
                }
            }
        }
    }

    /// Why what is shown is old, if it is.
    pub(super) fn trouble(&self, now: Instant) -> Option<String> {
        let age = now.saturating_duration_since(self.at);
        let seconds = age.as_secs();
        match &self.failure {
            Some(why) => Some(format!("NO ANSWER, the data are {seconds} s old: {why}")),
            None if self.choice.is_paused => Some(format!("PAUSED, the data are {seconds} s old")),
            None if now.saturating_duration_since(self.heard) >= self.late => {
                Some(format!("WAITING for an answer, the data are {seconds} s old"))
            }
            None => None,
        }
    }

    /// Obeys a key. Gives false if it ends the program.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return false,
            KeyCode::Char('u') if is_control => self.choice.set_filter(String::new()),
            _ if is_control || key.modifiers.contains(KeyModifiers::ALT) => {}
            code if self.choice.is_typing => self.choice.typed(code),
            KeyCode::Char('q') => return false,
            code => self.choice.pressed(code),
        }
        true
    }
}

impl Choice {
    fn typed(&mut self, code: KeyCode) {
        let mut filter = self.filter.clone();
        match code {
            KeyCode::Char(c) if !is_hidden(c) && filter.chars().count() < LONGEST_FILTER => filter.push(c),
            KeyCode::Backspace => drop(filter.pop()),
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                filter.clear();
                self.is_typing = false;
            }
            _ => {}
        }
        if filter != self.filter {
            self.set_filter(filter);
        }
    }

    fn pressed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char('s') => {
                self.set_sort(match self.sort {
                    SortKey::Rate => SortKey::Series,
                    SortKey::Series => SortKey::Rejects,
                    SortKey::Rejects => SortKey::Rate,
                });
            }
            KeyCode::Char('r') => self.set_sort(SortKey::Rate),
            KeyCode::Char('n') => self.set_sort(SortKey::Series),
            KeyCode::Char('x') => self.set_sort(SortKey::Rejects),
            KeyCode::Char('h') => self.is_hour = !self.is_hour,
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => self.set_filter(String::new()),
            KeyCode::Tab | KeyCode::BackTab => {
                self.tab = if self.tab == Tab::Names { Tab::Rejects } else { Tab::Names };
                self.offset = 0;
            }
            KeyCode::Down => self.offset = self.offset.saturating_add(1),
            KeyCode::Up => self.offset = self.offset.saturating_sub(1),
            KeyCode::PageDown => self.offset = self.offset.saturating_add(self.height.max(1)),
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(self.height.max(1)),
            KeyCode::Home => self.offset = 0,
            KeyCode::End => self.offset = usize::MAX,
            _ => {}
        }
    }

    fn set_filter(&mut self, filter: String) {
        (self.filter, self.offset) = (filter, 0);
    }

    fn set_sort(&mut self, sort: SortKey) {
        (self.sort, self.offset) = (sort, 0);
    }

    /// Scrolls back to where the last of `lines` is the last that is shown, of `height` at most.
    pub(super) fn clamp(&mut self, lines: usize, height: usize) {
        self.height = height;
        self.offset = self.offset.min(lines.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> (Model, Instant) {
        let now = Instant::now();
        (Model::new("http://a", Box::default(), Duration::from_secs(1), now), now)
    }

    fn press(model: &mut Model, keys: &[KeyCode]) {
        for &code in keys {
            assert!(model.key(KeyEvent::new(code, KeyModifiers::NONE)), "{code} ends the program");
        }
    }

    #[test]
    fn a_filter_takes_keys_until_enter() {
        let (mut model, _) = model();
        press(&mut model, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Char('\u{9b}'), KeyCode::Char('p')]);
        press(&mut model, &[KeyCode::Char('z'), KeyCode::Backspace, KeyCode::Enter, KeyCode::Char('h')]);
        let chosen = Choice { filter: "qp".to_owned(), is_hour: true, ..Choice::default() };
        assert_eq!(model.choice, chosen);
        press(&mut model, &[KeyCode::Esc]);
        assert_eq!(model.choice.filter, "");
        press(&mut model, &[KeyCode::Char('/'), KeyCode::Char('a'), KeyCode::Esc, KeyCode::Char('h')]);
        assert_eq!(model.choice, Choice::default());
    }

    #[test]
    fn q_and_control_c_end_it() {
        let (mut model, _) = model();
        assert!(!model.key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)));
        press(&mut model, &[KeyCode::Char('/')]);
        assert!(!model.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), "while it takes a filter too");
    }

    #[test]
    fn keys_sort_switch_and_scroll() {
        let (mut model, _) = model();
        model.choice.clamp(100, 10);
        press(&mut model, &[KeyCode::PageDown, KeyCode::Down, KeyCode::Down, KeyCode::Up]);
        assert_eq!(model.choice.offset, 11);
        press(&mut model, &[KeyCode::End]);
        model.choice.clamp(100, 10);
        assert_eq!(model.choice.offset, 90);
        press(&mut model, &[KeyCode::Char('s')]);
        assert_eq!((model.choice.sort, model.choice.offset), (SortKey::Series, 0));
        press(&mut model, &[KeyCode::Char('x')]);
        assert_eq!(model.choice.sort, SortKey::Rejects);
        press(&mut model, &[KeyCode::Char('s'), KeyCode::Tab]);
        assert_eq!((model.choice.sort, model.choice.tab), (SortKey::Rate, Tab::Rejects));
    }

    #[test]
    fn the_age_of_old_data_is_told() {
        let (mut model, start) = model();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(model.trouble(after(2)), None);
        assert_eq!(model.trouble(after(4)).unwrap(), "WAITING for an answer, the data are 4 s old");
        model.answered(Err("gone\u{1b}[2J".to_owned()), after(5));
        assert_eq!(model.trouble(after(9)).unwrap(), "NO ANSWER, the data are 9 s old: gone\\u{1b}[2J");
        press(&mut model, &[KeyCode::Char('p')]);
        model.answered(Ok(Box::default()), after(10));
        assert_eq!(model.trouble(after(11)).unwrap(), "PAUSED, the data are 11 s old");
        press(&mut model, &[KeyCode::Char('p')]);
        model.answered(Ok(Box::default()), after(12));
        assert_eq!(model.trouble(after(13)), None);
    }
}
