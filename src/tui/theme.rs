//! Colours by role. The default uses the terminal's own 16 colours and fills no background, so that it reads on dark
//! and on light; blue and orange (the terminal's yellow) are told apart by everybody, and every state is also a word
//! and a mark. With `NO_COLOR` all colours are the terminal's own and only bold, dim and reverse remain.

use ratatui::style::{Color, Modifier, Style};
use std::ffi::OsString;

/// What the terminal can colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// No colour at all.
    Mono,
    /// 16 named colours, and the 256-colour cube for images.
    Indexed,
    /// 24-bit colours for images.
    True,
}

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// What the terminal can colour.
    pub depth: Depth,
}

impl Theme {
    /// The theme for this terminal: `wanted` by `--color` (`None`: automatic), else by `NO_COLOR`, `TERM`, `COLORTERM`.
    pub fn detect(wanted: Option<bool>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let is = |name: &str, values: &[&str]| {
            env(name).is_some_and(|v| values.iter().any(|x| v.to_string_lossy().contains(x)))
        };
        let refused = env("NO_COLOR").is_some_and(|v| !v.is_empty()) || is("TERM", &["dumb"]);
        let depth = match wanted {
            Some(false) => Depth::Mono,
            None if refused => Depth::Mono,
            _ if is("COLORTERM", &["truecolor", "24bit"]) || is("TERM", &["direct"]) => Depth::True,
            _ => Depth::Indexed,
        };
        Self { depth }
    }

    /// Whether there is no colour.
    pub fn mono(self) -> bool {
        self.depth == Depth::Mono
    }

    fn colour(self, colour: Color) -> Style {
        if self.mono() { Style::new() } else { Style::new().fg(colour) }
    }

    /// Ordinary text.
    pub fn text(self) -> Style {
        Style::new()
    }

    /// Labels, hints, frames without focus.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Names and headings.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is accused.
    pub fn alarm(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// Failures of the examination itself.
    pub fn fault(self) -> Style {
        self.colour(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    /// Work going on.
    pub fn busy(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// Data that is not accused, and the frame that has the focus.
    pub fn calm(self) -> Style {
        self.colour(Color::LightBlue)
    }

    /// The frame that has the focus.
    pub fn focus(self) -> Style {
        self.calm().add_modifier(Modifier::BOLD)
    }

    /// The selected row: reversed where its list has the focus, bold elsewhere.
    pub fn selected(self, focused: bool) -> Style {
        Style::new().add_modifier(if focused { Modifier::REVERSED } else { Modifier::BOLD })
    }

    /// A key in help and bottom bar.
    pub fn key(self) -> Style {
        self.colour(Color::LightBlue).add_modifier(Modifier::BOLD)
    }

    /// The n-th group that is not accused.
    pub fn group(self, n: usize) -> Style {
        self.colour([Color::LightBlue, Color::Cyan, Color::Green, Color::LightMagenta][n % 4])
    }

    /// An image pixel.
    pub fn pixel(self, [r, g, b]: [u8; 3]) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Indexed => Color::Indexed(cube(r, g, b)),
            Depth::Mono => Color::Reset,
        }
    }
}

/// The nearest of the 240 fixed colours of a 256-colour terminal: the grey ramp for greys, else the 6×6×6 cube.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    let spread = r.max(g).max(b) - r.min(g).min(b);
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    if spread < 12 {
        return match mean {
            0..4 => 16,
            247.. => 231,
            // Ramp entry i is 8 + 10·i.
            m => 232 + ((m.saturating_sub(3)) / 10).min(23) as u8,
        };
    }
    let level = |v: u8| match v {
        0..48 => 0,
        48..115 => 1,
        _ => (v - 35) / 40,
    };
    16 + 36 * level(r) + 6 * level(g) + level(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(wanted: Option<bool>, vars: &[(&str, &str)]) -> Depth {
        Theme::detect(wanted, |n| vars.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into())).depth
    }

    #[test]
    fn no_color_means_no_colour_unless_asked_for() {
        assert_eq!(theme(None, &[]), Depth::Indexed);
        assert_eq!(theme(None, &[("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(theme(None, &[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::Mono);
        assert_eq!(theme(None, &[("NO_COLOR", "")]), Depth::Indexed, "an empty NO_COLOR does not count");
        assert_eq!(theme(Some(true), &[("NO_COLOR", "1")]), Depth::Indexed);
        assert_eq!(theme(Some(false), &[("COLORTERM", "24bit")]), Depth::Mono);
    }

    #[test]
    fn mono_styles_hold_no_colour() {
        let t = Theme { depth: Depth::Mono };
        for s in [
            t.text(),
            t.dim(),
            t.alarm(),
            t.fault(),
            t.busy(),
            t.calm(),
            t.focus(),
            t.selected(true),
            t.key(),
            t.group(1),
        ] {
            assert_eq!((s.fg, s.bg), (None, None));
        }
        assert_eq!(t.pixel([9, 9, 9]), Color::Reset);
    }

    #[test]
    fn the_cube_keeps_corners_and_greys() {
        assert_eq!(
            [cube(0, 0, 0), cube(255, 255, 255), cube(255, 0, 0), cube(0, 0, 255)],
            [16, 231, 196, 21]
        );
        assert_eq!(cube(128, 128, 128), 244);
    }
}
