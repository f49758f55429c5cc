//! Which protocol, and why: what is asked for, what the environment says, what the terminal answers.

use super::Asked;
use crate::tui::theme::{Symbols, Theme};
use std::ffi::OsString;

/// How pixels reach the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The graphics protocol of kitty (also Ghostty, Konsole).
    Kitty,
    /// Inline images of iTerm2 (also `WezTerm`, mintty).
    Iterm2,
    /// Sixel (foot, mlterm, xterm with VT340, Windows Terminal, tmux where it was built with it).
    Sixel,
}

impl Protocol {
    /// Its name in configuration and words.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Kitty => "kitty",
            Protocol::Iterm2 => "iterm2",
            Protocol::Sixel => "sixel",
        }
    }
}

/// What pictures are to be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Pixels where the terminal has a protocol for them, else half blocks.
    #[default]
    Auto,
    /// Half blocks everywhere; the terminal is not asked.
    Blocks,
    /// The graphics protocol of kitty.
    Kitty,
    /// Inline images of iTerm2.
    Iterm2,
    /// Sixel.
    Sixel,
}

impl Wanted {
    /// All, with their names.
    pub const ALL: [(Wanted, &'static str); 5] = [
        (Wanted::Auto, "auto"),
        (Wanted::Blocks, "blocks"),
        (Wanted::Kitty, "kitty"),
        (Wanted::Iterm2, "iterm2"),
        (Wanted::Sixel, "sixel"),
    ];
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The protocol; `None`: half blocks.
    pub protocol: Option<Protocol>,
    /// Width and height of a cell in pixels. Where the terminal does not say, a guess that only costs sharpness: protocols
    /// that need to know are not used then.
    pub cell: (u16, u16),
    /// Why, in a few words.
    pub why: String,
}

/// A cell of a usual font.
const USUAL: (u16, u16) = (10, 20);

impl Found {
    /// Half blocks, and why.
    pub fn blocks(why: impl Into<String>) -> Self {
        Self { protocol: None, cell: USUAL, why: why.into() }
    }

    /// In words, for `laocoon info`.
    pub fn words(&self) -> String {
        let (w, h) = self.cell;
        match self.protocol {
            Some(protocol) => format!("{} ({}; cells of {w}×{h} pixels)", protocol.name(), self.why),
            None => format!("half blocks ({})", self.why),
        }
    }
}

/// Decides. `cell` is what the terminal's driver says of the size of a cell; `ask` puts the question to the terminal and is
/// only called where the answer matters.
pub fn detect(
    wanted: Wanted,
    theme: Theme,
    env: impl Fn(&str) -> Option<OsString>,
    cell: Option<(u16, u16)>,
    ask: impl FnOnce() -> Asked,
) -> Found {
    let text = |name: &str| env(name).map(|v| v.to_string_lossy().into_owned()).filter(|v| !v.is_empty());
    let term = text("TERM").unwrap_or_default();
    let program = text("TERM_PROGRAM").unwrap_or_default();
    if wanted == Wanted::Blocks {
        return Found::blocks("asked for");
    }
    if theme.mono() {
        return Found::blocks("no colours, no pixels");
    }
    if theme.symbols == Symbols::Ascii || term == "dumb" || term == "linux" {
        return Found::blocks("a console of characters");
    }
    let inside = [("TMUX", "tmux"), ("STY", "screen"), ("ZELLIJ", "zellij")]
        .into_iter()
        .find(|(name, _)| text(name).is_some())
        .map(|(_, name)| name);
    let by_name = match (&*term, &*program) {
        ("xterm-kitty" | "xterm-ghostty", _) | (_, "ghostty") => Some((Protocol::Kitty, "by its TERM")),
        (_, "WezTerm" | "iTerm.app" | "mintty") => Some((Protocol::Iterm2, "by its TERM_PROGRAM")),
        _ if text("LC_TERMINAL").is_some_and(|t| t == "iTerm2") => {
            Some((Protocol::Iterm2, "by its LC_TERMINAL"))
        }
        _ if text("KONSOLE_VERSION").and_then(|v| v.parse::<u32>().ok()).is_some_and(|v| v >= 220_400) => {
            Some((Protocol::Kitty, "by its KONSOLE_VERSION"))
        }
        _ => None,
    };
    let asked_for = match wanted {
        Wanted::Kitty => Some(Protocol::Kitty),
        Wanted::Iterm2 => Some(Protocol::Iterm2),
        _ => None,
    };
    if let Some(protocol) = asked_for {
        return match inside {
            Some(name) => Found::blocks(format!("{name} does not pass {} on", protocol.name())),
            None => Found { protocol: Some(protocol), cell: cell.unwrap_or(USUAL), why: "asked for".into() },
        };
    }
    if let (Some((protocol, why)), None, Wanted::Auto) = (by_name, inside, wanted) {
        return Found { protocol: Some(protocol), cell: cell.unwrap_or(USUAL), why: why.into() };
    }
    // A multiplexer answers for itself: one that was built with sixel says so.
    let answer = ask();
    let Some(cell) = cell.or(answer.cell).filter(|&(w, h)| w > 0 && h > 0) else {
        return Found::blocks(match answer.attributes {
            None => "the terminal did not answer in time",
            Some(_) => "the terminal does not say how large its cells are",
        });
    };
    let able = answer.attributes.as_ref().map(|all| all.contains(&4));
    match (wanted, able) {
        (Wanted::Sixel, _) => Found { protocol: Some(Protocol::Sixel), cell, why: "asked for".into() },
        (_, Some(true)) => {
            Found { protocol: Some(Protocol::Sixel), cell, why: "the terminal says it can".into() }
        }
        (_, Some(false)) => Found::blocks(match inside {
            Some(name) => format!("inside {name}, which has no sixel"),
            None => "the terminal names no protocol for pixels".into(),
        }),
        (_, None) => Found::blocks("the terminal did not answer in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Depth, Look};

    fn asked(attributes: Option<&[u16]>, cell: Option<(u16, u16)>) -> Asked {
        Asked { attributes: attributes.map(<[u16]>::to_vec), cell, typed: Vec::new() }
    }

    fn found(
        wanted: Wanted,
        vars: &[(&str, &str)],
        cell: Option<(u16, u16)>,
        answer: Option<Asked>,
    ) -> Found {
        let theme = Theme::of(Depth::Indexed);
        let env = |n: &str| vars.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into());
        detect(wanted, theme, env, cell, || answer.expect("the terminal is not to be asked"))
    }

    #[test]
    fn terminals_are_known_by_name_without_asking() {
        for (vars, protocol) in [
            (&[("TERM", "xterm-kitty")][..], Protocol::Kitty),
            (&[("TERM", "xterm-ghostty")], Protocol::Kitty),
            (&[("TERM_PROGRAM", "WezTerm")], Protocol::Iterm2),
            (&[("LC_TERMINAL", "iTerm2"), ("TERM", "xterm-256color")], Protocol::Iterm2),
            (&[("KONSOLE_VERSION", "230804")], Protocol::Kitty),
        ] {
            let found = found(Wanted::Auto, vars, None, None);
            assert_eq!((found.protocol, found.cell), (Some(protocol), USUAL), "{vars:?}");
        }
    }

    #[test]
    fn sixel_is_what_the_terminal_says_and_needs_the_size_of_a_cell() {
        let vars = &[("TERM", "foot")][..];
        let of = |cell, answer| found(Wanted::Auto, vars, cell, Some(answer));
        let yes = of(Some((9, 18)), asked(Some(&[62, 4, 22]), None));
        assert_eq!((yes.protocol, yes.cell), (Some(Protocol::Sixel), (9, 18)));
        let told = of(None, asked(Some(&[62, 4]), Some((8, 16))));
        assert_eq!((told.protocol, told.cell), (Some(Protocol::Sixel), (8, 16)));
        assert_eq!(of(None, asked(Some(&[62, 4]), None)).protocol, None);
        assert_eq!(of(Some((9, 18)), asked(Some(&[62, 22]), None)).protocol, None);
        let mute = of(None, asked(None, None));
        assert_eq!((mute.protocol, mute.why.as_str()), (None, "the terminal did not answer in time"));
        assert_eq!(of(Some((0, 0)), asked(None, None)).protocol, None);
    }

    #[test]
    fn inside_a_multiplexer_only_its_own_word_counts() {
        let vars = &[("TMUX", "/tmp/tmux,1,0"), ("TERM", "xterm-kitty"), ("TERM_PROGRAM", "WezTerm")][..];
        let none = found(Wanted::Auto, vars, Some((9, 18)), Some(asked(Some(&[1, 2]), None)));
        assert_eq!((none.protocol, none.why.as_str()), (None, "inside tmux, which has no sixel"));
        let sixel = found(Wanted::Auto, vars, Some((9, 18)), Some(asked(Some(&[1, 2, 4]), None)));
        assert_eq!(sixel.protocol, Some(Protocol::Sixel));
        for wanted in [Wanted::Kitty, Wanted::Iterm2] {
            let refused = found(wanted, vars, Some((9, 18)), None);
            assert!(refused.protocol.is_none() && refused.why.contains("tmux does not pass"), "{refused:?}");
        }
    }

    #[test]
    fn without_colours_and_on_consoles_nothing_is_asked_and_blocks_stay() {
        let env = |n: &str| (n == "TERM").then(|| OsString::from("xterm-kitty"));
        for theme in [
            Theme::of(Depth::Mono),
            Theme::of(Depth::True).look(Look::Mono),
            Theme::of(Depth::True).symbols(Symbols::Ascii),
        ] {
            for (wanted, _) in Wanted::ALL {
                let found = detect(wanted, theme, env, Some((9, 18)), || panic!("asked"));
                assert_eq!(found.protocol, None, "{theme:?} {wanted:?}");
            }
        }
        let linux = found(Wanted::Kitty, &[("TERM", "linux")], Some((9, 18)), None);
        assert_eq!(linux.protocol, None);
        assert_eq!(found(Wanted::Blocks, &[("TERM", "xterm-kitty")], None, None).why, "asked for");
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let of = |wanted, answer| found(wanted, &[("TERM", "xterm")], Some((9, 18)), answer).protocol;
        assert_eq!(of(Wanted::Kitty, None), Some(Protocol::Kitty));
        assert_eq!(of(Wanted::Iterm2, None), Some(Protocol::Iterm2));
        assert_eq!(of(Wanted::Sixel, Some(asked(None, None))), Some(Protocol::Sixel));
    }
}
