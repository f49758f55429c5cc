//! A matrix in shades ` ░▒▓█`, which need no colour.
//!
//! ```text
//!           0 1 2 3
//!  stop  0  █ ░   ░
//!  yield 1    █   ▒
//! ```

use crate::tui::text::{cut, first_row, fit, fit_right, num, width};
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

/// Shades from nothing to full.
pub(super) const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Heat<'a> {
    /// Names of the rows.
    pub rows: &'a [String],
    /// Names of the columns.
    pub columns: &'a [String],
    /// Row-major values; missing ones are drawn as `?`.
    pub values: &'a [f64],
    /// The chosen row; kept in sight.
    pub cursor: Option<usize>,
    /// Colours.
    pub theme: Theme,
}

impl Widget for Heat<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let (total, tall) = (usize::from(area.width), usize::from(area.height));
        if self.rows.is_empty() || self.columns.is_empty() {
            buf.set_stringn(area.x, area.y, "no cells", total, self.theme.dim());
            return;
        }
        let names = self.rows.iter().map(|r| width(r)).max().unwrap_or(0).min(total / 3);
        let left = names + 2;
        let room = total.saturating_sub(left);
        if room == 0 {
            return;
        }
        // Cells as wide as fit; where even one column each is too much, several columns share a cell by their maximum.
        let n = self.columns.len();
        let wide = (room / n).clamp(1, 8);
        let share = if n > room { n.div_ceil(room) } else { 1 };
        let cells = n.div_ceil(share);
        let head = usize::from(tall > 2);
        // The scale has a line only where no row has to go for it.
        let foot = usize::from(tall > self.rows.len() + head);
        let shown = tall - head - foot;
        let cursor = self.cursor.map(|c| c.min(self.rows.len() - 1));
        let first = first_row(cursor.unwrap_or(0), self.rows.len(), shown);
        let top = self.values.iter().copied().filter(|v| v.is_finite()).fold(0.0_f64, f64::max);
        // A share reads best on the full scale 0..1.
        let full = if top > 0.0 && top <= 1.0 { 1.0 } else { top };
        if head > 0 {
            let step = (0..3).find(|s| wide << s >= 3).unwrap_or(0);
            for c in (0..cells).step_by(1 << step) {
                let room = (wide << step).saturating_sub(1).max(1);
                let name = &self.columns[c * share];
                // Classes are named by a number and a word: the number alone tells columns apart.
                let short = name.split(' ').next().filter(|s| width(name) > room && width(s) <= room);
                let name = cut(short.unwrap_or(name), room);
                let x = left + c * wide;
                buf.set_stringn(area.x + x as u16, area.y, name, total.saturating_sub(x), self.theme.dim());
            }
        }
        for (r, name) in self.rows.iter().enumerate().skip(first).take(shown) {
            let y = area.y + (head + r - first) as u16;
            let style = if cursor == Some(r) { self.theme.selected(true) } else { self.theme.text() };
            buf.set_stringn(area.x, y, fit_right(&cut(name, names), names), total, style);
            for c in 0..cells {
                let span = r * n + c * share..r * n + (c * share + share).min(n);
                let value = self.values.get(span).and_then(|v| v.iter().copied().reduce(f64::max));
                let shade = match value {
                    Some(v) if v.is_nan() => "?",
                    Some(v) => shade(if full > 0.0 { v / full } else { 0.0 }),
                    None => "?",
                };
                // One blank between cells where there is room, so that columns can be counted.
                let text = shade.repeat(if wide > 2 { wide - 1 } else { wide });
                let x = left + c * wide;
                buf.set_stringn(area.x + x as u16, y, text, total.saturating_sub(x), self.theme.calm());
            }
        }
        if foot > 0 {
            let pooled =
                if share > 1 { format!(" · a cell is the most of {share} columns") } else { String::new() };
            let text = fit(&format!("░▒▓█ 0 to {}{pooled}", num(full)), total);
            buf.set_stringn(area.x, area.bottom() - 1, text, total, self.theme.dim());
        }
    }
}

/// The shade of a share; anything above nothing is seen.
fn shade(share: f64) -> &'static str {
    if share > 0.0 { SHADES[1 + ((share * 4.0) as usize).min(3)] } else { SHADES[0] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crate::tui::widget::tests::drawn;

    #[test]
    fn shades_grow_with_the_value_and_missing_cells_are_marked() {
        let names: Vec<String> = ["0", "1"].map(String::from).to_vec();
        let heat = Heat {
            rows: &names,
            columns: &names,
            values: &[1.0, 0.3, 0.0],
            cursor: None,
            theme: Theme::of(Depth::Mono),
        };
        assert_eq!(drawn(heat, 12, 5), ["   0   1", "0  ███ ▒▒▒", "1      ???", "", "░▒▓█ 0 to 1…"]);
    }

    #[test]
    fn columns_without_room_for_their_name_keep_its_number() {
        let columns: Vec<String> = ["0 stop", "11 danger"].map(String::from).to_vec();
        let heat = Heat {
            rows: &["r".into()],
            columns: &columns,
            values: &[1.0, 1.0],
            cursor: None,
            theme: Theme::of(Depth::Mono),
        };
        assert_eq!(drawn(heat, 9, 3)[0], "   0  11");
    }

    #[test]
    fn columns_that_do_not_fit_share_a_cell() {
        let columns: Vec<String> = (0..40).map(|i| i.to_string()).collect();
        let mut values = vec![0.0; 40];
        values[5] = 2.0;
        let heat = Heat {
            rows: &["r".into()],
            columns: &columns,
            values: &values,
            cursor: None,
            theme: Theme::of(Depth::Mono),
        };
        let rows = drawn(heat, 23, 6);
        assert_eq!(rows[1].trim_end(), "r    █", "{rows:?}");
        assert!(rows[5].contains("· a ce"), "{rows:?}");
    }
}
