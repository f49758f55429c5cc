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

/// A palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// The terminal's own 16 colours, its own background: reads on dark and on light.
    #[default]
    Terminal,
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
    /// White on black, nothing dimmed.
    HighContrast,
    /// No colour; marks, bold and reverse only.
    Mono,
}

impl Look {
    /// All, with their names.
    pub const ALL: [(Look, &'static str); 5] = [
        (Look::Terminal, "terminal"),
        (Look::Dark, "dark"),
        (Look::Light, "light"),
        (Look::HighContrast, "high-contrast"),
        (Look::Mono, "mono"),
    ];
}

/// What pictures are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symbols {
    /// Braille dots, eighths of blocks, lines.
    #[default]
    Braille,
    /// No braille: quarter blocks instead, for fonts without it.
    Block,
    /// ASCII alone, for the Linux console and terminals that do not speak UTF-8.
    Ascii,
}

impl Symbols {
    /// All, with their names.
    pub const ALL: [(Symbols, &'static str); 3] =
        [(Symbols::Braille, "braille"), (Symbols::Block, "block"), (Symbols::Ascii, "ascii")];

    /// What this terminal can show, by `TERM` and the locale.
    pub fn detect(env: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| env(name).map(|v| v.to_string_lossy().to_lowercase());
        let locale = ["lc_all", "lc_ctype", "lang"]
            .iter()
            .find_map(|n| text(&n.to_uppercase()).filter(|v| !v.is_empty()));
        let latin =
            locale.is_some_and(|l| !(l.contains("utf-8") || l.contains("utf8") || l == "c" || l == "posix"));
        if text("TERM").is_some_and(|t| t == "linux" || t == "dumb") || latin {
            Symbols::Ascii
        } else {
            Symbols::Braille
        }
    }
}

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// What the terminal can colour.
    pub depth: Depth,
    /// The palette.
    pub look: Look,
    /// What pictures are drawn with.
    pub symbols: Symbols,
}

/// The colours of a palette, as entries of the 256 fixed ones.
struct Palette {
    ground: u8,
    text: u8,
    dim: u8,
    alarm: u8,
    fault: u8,
    busy: u8,
    calm: u8,
    groups: [u8; 4],
}

const DARK: Palette = Palette {
    ground: 234,
    text: 252,
    dim: 247,
    alarm: 214,
    fault: 212,
    busy: 80,
    calm: 111,
    groups: [111, 80, 150, 183],
};
const LIGHT: Palette = Palette {
    ground: 231,
    text: 235,
    dim: 241,
    alarm: 130,
    fault: 89,
    busy: 23,
    calm: 25,
    groups: [25, 23, 22, 54],
};
const CONTRAST: Palette = Palette {
    ground: 16,
    text: 231,
    dim: 252,
    alarm: 226,
    fault: 219,
    busy: 51,
    calm: 159,
    groups: [159, 51, 120, 225],
};

impl Theme {
    /// The usual look at a depth.
    pub fn of(depth: Depth) -> Self {
        Self { depth, look: Look::Terminal, symbols: Symbols::Braille }
    }

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
        Self { symbols: Symbols::detect(&env), ..Self::of(depth) }
    }

    /// With a palette; no colour stays no colour.
    #[must_use]
    pub fn look(self, look: Look) -> Self {
        let depth = if look == Look::Mono { Depth::Mono } else { self.depth };
        Self { depth, look, ..self }
    }

    /// Drawn with other symbols.
    #[must_use]
    pub fn symbols(self, symbols: Symbols) -> Self {
        Self { symbols, ..self }
    }

    /// Whether there is no colour.
    pub fn mono(self) -> bool {
        self.depth == Depth::Mono
    }

    fn palette(self) -> Option<&'static Palette> {
        match self.look {
            _ if self.mono() => None,
            Look::Terminal | Look::Mono => None,
            Look::Dark => Some(&DARK),
            Look::Light => Some(&LIGHT),
            Look::HighContrast => Some(&CONTRAST),
        }
    }

    /// Text and ground where the palette has its own.
    pub fn ground(self) -> Option<(Color, Color)> {
        self.palette().map(|p| (Color::Indexed(p.text), Color::Indexed(p.ground)))
    }

    fn colour(self, own: Color, of: impl Fn(&Palette) -> u8) -> Style {
        match self.palette() {
            Some(palette) => Style::new().fg(Color::Indexed(of(palette))),
            None if self.mono() => Style::new(),
            None => Style::new().fg(own),
        }
    }

    /// Ordinary text.
    pub fn text(self) -> Style {
        Style::new()
    }

    /// Labels, hints, frames without focus.
    pub fn dim(self) -> Style {
        match self.palette() {
            Some(palette) => Style::new().fg(Color::Indexed(palette.dim)),
            None => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Names and headings.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is accused.
    pub fn alarm(self) -> Style {
        self.colour(Color::Yellow, |p| p.alarm).add_modifier(Modifier::BOLD)
    }

    /// Failures of the examination itself.
    pub fn fault(self) -> Style {
        self.colour(Color::Magenta, |p| p.fault).add_modifier(Modifier::BOLD)
    }

    /// Work going on.
    pub fn busy(self) -> Style {
        self.colour(Color::Cyan, |p| p.busy)
    }

    /// Data that is not accused, and the frame that has the focus.
    pub fn calm(self) -> Style {
        self.colour(Color::LightBlue, |p| p.calm)
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
        self.calm().add_modifier(Modifier::BOLD)
    }

    /// The n-th group that is not accused.
    pub fn group(self, n: usize) -> Style {
        let own = [Color::LightBlue, Color::Cyan, Color::Green, Color::LightMagenta][n % 4];
        self.colour(own, |p| p.groups[n % 4])
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

/// The brightness of a colour in `0..=255`: of the 256 fixed ones by their table, of the terminal's own a guess.
pub(super) fn brightness(colour: Color) -> Option<f64> {
    let [r, g, b] = rgb(colour)?;
    Some(0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b))
}

/// The parts of a fixed colour; `None` for those that a terminal sets itself.
fn rgb(colour: Color) -> Option<[u8; 3]> {
    let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
    match colour {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(i @ 232..) => Some([8 + 10 * (i - 232); 3]),
        Color::Indexed(i @ 16..) => {
            Some([level((i - 16) / 36), level((i - 16) / 6 % 6), level((i - 16) % 6)])
        }
        _ => None,
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
        let t = Theme::of(Depth::Mono);
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

    /// Contrast ratio of two colours by WCAG 2.
    fn contrast(a: Color, b: Color) -> f64 {
        let light = |c: Color| {
            let linear = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            let [r, g, b] = rgb(c).unwrap().map(linear);
            0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
        };
        let (a, b) = (light(a), light(b));
        if a > b { a / b } else { b / a }
    }

    #[test]
    fn every_colour_of_a_palette_reads_on_its_ground() {
        for (look, least) in [(Look::Dark, 4.5), (Look::Light, 4.5), (Look::HighContrast, 7.0)] {
            let t = Theme::of(Depth::Indexed).look(look);
            let (text, ground) = t.ground().unwrap();
            let mut all = vec![text];
            let styles = [t.dim(), t.alarm(), t.fault(), t.busy(), t.calm(), t.key()];
            all.extend(styles.into_iter().chain((0..4).map(|n| t.group(n))).map(|s| s.fg.unwrap()));
            for colour in all {
                let ratio = contrast(colour, ground);
                assert!(ratio >= least, "{look:?}: {colour:?} has {ratio:.2}");
            }
        }
        assert_eq!(Theme::of(Depth::Mono).look(Look::Dark).ground(), None, "no colour stays no colour");
        assert!(Theme::of(Depth::True).look(Look::Mono).mono());
    }

    #[test]
    fn consoles_without_the_symbols_get_ascii() {
        let of = |vars: &[(&str, &str)]| {
            Symbols::detect(|n| vars.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into()))
        };
        assert_eq!(of(&[("TERM", "xterm-256color"), ("LANG", "en_GB.UTF-8")]), Symbols::Braille);
        assert_eq!(of(&[("TERM", "linux"), ("LANG", "en_GB.UTF-8")]), Symbols::Ascii);
        assert_eq!(of(&[("LANG", "de_DE.ISO-8859-1")]), Symbols::Ascii);
        assert_eq!(of(&[("LC_ALL", "C.UTF-8"), ("LANG", "de_DE.ISO-8859-1")]), Symbols::Braille);
        assert_eq!(of(&[]), Symbols::Braille);
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
