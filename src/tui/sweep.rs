//! The last look at a finished screen: no cell may hold a character that acts instead of being seen.
//!
//! Panes show evidence text through [`Untrusted::shown`](crate::evidence::Untrusted::shown); this catches whatever was
//! missed, for every text of every version to come.

use crate::evidence::text::visible;
use ratatui::buffer::Buffer;

/// Combining marks a cell may carry; more would paint over the rows around it.
const MARKS: usize = 2;

/// Replaces every cell content that holds a control, bidirectional, zero-width or otherwise invisible character by
/// `U+FFFD`, and cuts stacks of combining marks.
pub fn sweep(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.len() == 1 && symbol.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            continue;
        }
        if acts(symbol) {
            cell.set_symbol("\u{fffd}");
        } else if symbol.chars().count() > 1 + MARKS {
            let few: String = symbol.chars().take(1 + MARKS).collect();
            cell.set_symbol(&few);
        }
    }
}

/// Whether showing `text` would change it. The empty symbol hides behind a wide character and is fine.
fn acts(text: &str) -> bool {
    visible(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn nothing_that_acts_survives_and_the_rest_stays() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 7, 1));
        for (x, s) in ["\x1b", "\u{202e}", "a\u{200b}", "\u{9b}", "停", "e\u{301}\u{301}\u{301}\u{301}", "█"]
            .iter()
            .enumerate()
        {
            buffer.content[x].set_symbol(s);
        }
        sweep(&mut buffer);
        let shown: Vec<&str> = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(shown, ["\u{fffd}", "\u{fffd}", "\u{fffd}", "\u{fffd}", "停", "e\u{301}\u{301}", "█"]);
    }
}
