//! Styles: the 16 colours of the terminal, or none.

use ratatui::style::{Color, Modifier, Style};

/// Styles by what they say. The colours are those that the user chose for the terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    has_colours: bool,
}

impl Palette {
    /// Without colours there are still bold, dim and reversed characters.
    pub(super) fn new(has_colours: bool) -> Self {
        Self { has_colours }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn plot(self) -> Style {
        self.coloured(Color::Cyan)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// For a share of a limit, in percent.
    pub(super) fn share(self, percent: u64) -> Style {
        match percent {
            0..80 => Style::new(),
            80..95 => self.warning(),
            _ => self.bad(),
        }
    }
}
