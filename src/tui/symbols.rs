//! The finished screen in other symbols: for fonts without braille, and for consoles without more than ASCII. One place
//! for all that panes draw, so that none of them has to know.

use super::theme::{Symbols, Theme, brightness};
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Color;

/// Fills the ground of the palette and replaces what the terminal cannot show.
pub fn finish(buffer: &mut Buffer, theme: Theme) {
    let ground = theme.ground();
    for cell in &mut buffer.content {
        if theme.symbols != Symbols::Braille && !cell.symbol().is_ascii() {
            replace(cell, theme.symbols);
        }
        if let Some((text, back)) = ground {
            if cell.fg == Color::Reset {
                cell.fg = text;
            }
            if cell.bg == Color::Reset {
                cell.bg = back;
            }
        }
    }
}

fn replace(cell: &mut Cell, symbols: Symbols) {
    let mut chars = cell.symbol().chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return };
    if let Some(dots) = braille(c) {
        let mark = match symbols {
            Symbols::Ascii => [" ", ".", ".", ":", ":", "*", "*", "#", "#"][dots.count_ones() as usize],
            _ => quarters(dots),
        };
        cell.set_symbol(mark);
    } else if symbols == Symbols::Ascii {
        if c == '▀' && brightness(cell.fg).is_some() {
            pixel(cell);
        } else if let Some(mark) = ascii(c) {
            cell.set_symbol(mark);
        }
    }
}

/// The dots of a braille character: bits 0 to 2 and 6 are the left column from above, 3 to 5 and 7 the right one.
fn braille(c: char) -> Option<u8> {
    let n = u32::from(c).checked_sub(0x2800)?;
    u8::try_from(n).ok()
}

fn quarters(dots: u8) -> &'static str {
    // Upper left, upper right, lower left, lower right.
    let on = [0b0000_0011, 0b0001_1000, 0b0100_0100, 0b1010_0000].map(|mask| dots & mask != 0);
    let at = on.iter().enumerate().fold(0, |at, (i, on)| at | usize::from(*on) << i);
    [" ", "▘", "▝", "▀", "▖", "▌", "▞", "▛", "▗", "▚", "▐", "▜", "▄", "▙", "▟", "█"][at]
}

/// Two pixels of an image as one shade.
fn pixel(cell: &mut Cell) {
    const SHADES: [&str; 10] = [" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"];
    let upper = brightness(cell.fg).unwrap_or(0.0);
    let mean = brightness(cell.bg).map_or(upper, |lower| f64::midpoint(upper, lower));
    cell.set_symbol(SHADES[((mean / 25.6) as usize).min(9)]);
    (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
}

/// What stands for a character that the workbench itself draws; other text is left as it is.
fn ascii(c: char) -> Option<&'static str> {
    Some(match c {
        '─' | '━' | '–' | '−' | '—' => "-",
        '│' | '┃' | '▏' => "|",
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '✓' | '▒' => "+",
        '▸' | '›' | '→' | '▶' | '≥' => ">",
        '‹' | '←' | '◂' | '≤' => "<",
        '↑' => "^",
        '↓' => "v",
        '·' | '░' => ".",
        '…' => "~",
        '┊' | '▎' | '▍' => ":",
        '▌' | '▋' | '▊' | '▉' | '▓' | '█' | '■' | '▀' | '▄' | '▐' => "#",
        '○' => "o",
        '●' | '◉' | '•' => "*",
        '×' => "x",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Depth, Look};
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn finished(symbols: &[&str], theme: Theme) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, symbols.len() as u16, 1));
        for (x, s) in symbols.iter().enumerate() {
            buffer.content[x].set_symbol(s);
        }
        finish(&mut buffer, theme);
        buffer.content.iter().map(|c| c.symbol().to_owned()).collect()
    }

    #[test]
    fn braille_becomes_quarters_or_dots_and_names_stay() {
        let all = ["⠁", "⢸", "⣿", "⠀", "┌", "▸", "…", "停", "a", "é"];
        let theme = Theme::of(Depth::Mono);
        assert_eq!(finished(&all, theme), all);
        let block = ["▘", "▐", "█", " ", "┌", "▸", "…", "停", "a", "é"];
        assert_eq!(finished(&all, theme.symbols(Symbols::Block)), block);
        let ascii = [".", ":", "#", " ", "+", ">", "~", "停", "a", "é"];
        assert_eq!(finished(&all, theme.symbols(Symbols::Ascii)), ascii);
    }

    #[test]
    fn pixels_become_shades_and_the_ground_is_filled() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 2, 1));
        buffer.content[0]
            .set_symbol("▀")
            .set_style(Style::new().fg(Color::Rgb(255, 255, 255)).bg(Color::Indexed(231)));
        finish(&mut buffer, Theme::of(Depth::True).symbols(Symbols::Ascii));
        assert_eq!((buffer.content[0].symbol(), buffer.content[0].fg), ("@", Color::Reset));
        finish(&mut buffer, Theme::of(Depth::True).look(Look::Dark));
        assert!(buffer.content.iter().all(|c| c.fg != Color::Reset && c.bg != Color::Reset));
    }
}
