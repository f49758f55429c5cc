//! One bar a row: mark, label, bar, number; the threshold as a thin line, and how far several runs lie apart as a range
//! across the end of the bar.
//!
//! ```text
//! ›  6  ███▍        ┊                 0.56
//!  ! 7  ████████████████████├─┼──┤    4.31
//!    8  ████████▊   ┊                 1.45
//! ```

use crate::figure::Bar;
use crate::tui::text::{first_row, fit, fit_right, num, width};
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Bars<'a> {
    /// The bars in natural order.
    pub bars: &'a [Bar],
    /// Where the thin line stands.
    pub threshold: Option<f64>,
    /// The chosen bar; kept in sight.
    pub cursor: Option<usize>,
    /// Colours.
    pub theme: Theme,
    /// How often the axis is halved, so that short bars can be told apart; bars that go beyond it end in `▸`.
    pub power: u8,
}

/// A bar of so many cells, to an eighth.
pub fn stroke(cells: f64) -> String {
    let whole = cells as usize;
    let rest = EIGHTHS[(((cells - whole as f64) * 8.0) as usize).min(7)];
    format!("{}{rest}", "█".repeat(whole))
}

/// The mark of a range from `low` to `high` cells across the end of a bar, and where it begins: `├──┼─┤`. `None` where it
/// is no longer than a cell, and would hide the bar rather than say anything.
fn range([low, high]: [f64; 2], end: f64, room: usize) -> Option<(usize, String)> {
    let cell = |v: f64| (v.max(0.0) as usize).min(room.saturating_sub(1));
    let (low, high, end) = (cell(low), cell(high), cell(end));
    let mark = |at: usize| match at {
        _ if at == low => '├',
        _ if at == high => '┤',
        _ if at == end => '┼',
        _ => '─',
    };
    (high > low).then(|| (low, (low..=high).map(mark).collect()))
}

impl Widget for Bars<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let rows = usize::from(area.height);
        let total = usize::from(area.width);
        let cursor = self.cursor.map(|c| c.min(self.bars.len().saturating_sub(1)));
        let first = first_row(cursor.unwrap_or(0), self.bars.len(), rows);
        let labels = self.bars.iter().map(|b| width(&b.label)).max().unwrap_or(0).min(total * 2 / 5);
        let values = self.bars.iter().map(|b| width(&num(b.value))).max().unwrap_or(0).max(4);
        let numbered = self.bars.iter().all(|b| b.label.bytes().all(|c| c.is_ascii_digit()));
        // cursor, mark, space, label, two spaces, bar, space, number
        let room = total.saturating_sub(3 + labels + 2 + 1 + values);
        let full = self
            .bars
            .iter()
            .flat_map(|b| [b.value].into_iter().chain(b.spread.into_iter().flatten()))
            .chain(self.threshold)
            .filter(|v| v.is_finite())
            .fold(0.0_f64, f64::max)
            / f64::from(1u32 << self.power.min(super::CLOSEST));
        let cells = |v: f64| if full > 0.0 { (v / full).clamp(0.0, 1.0) * room as f64 } else { 0.0 };
        let line = self
            .threshold
            .filter(|t| t.is_finite() && (self.power == 0 || *t <= full))
            .map(|t| cells(t).min(room.saturating_sub(1) as f64) as usize);
        for (i, bar) in self.bars.iter().enumerate().skip(first).take(rows) {
            let y = area.y + (i - first) as u16;
            let chosen = cursor == Some(i);
            let style = if bar.flagged { self.theme.alarm() } else { self.theme.calm() };
            let name = if chosen { self.theme.selected(true) } else { self.theme.text() };
            let mut put = |x: usize, text: &str, style| {
                let left = total.saturating_sub(x);
                if left > 0 {
                    buf.set_stringn(area.x + x as u16, y, text, left, style);
                }
            };
            put(0, if chosen { "›" } else { " " }, self.theme.key());
            put(1, if bar.flagged { "!" } else { " " }, self.theme.alarm());
            // Numbers stand under each other by their last digit, names by their first letter.
            let label = if numbered { fit_right(&bar.label, labels) } else { fit(&bar.label, labels) };
            put(3, &label, name);
            let start = 3 + labels + 2;
            if let Some(at) = line {
                put(start + at, "┊", self.theme.dim());
            }
            put(start, &stroke(cells(bar.value)), style);
            if let Some((at, mark)) =
                bar.spread.and_then(|ends| range(ends.map(cells), cells(bar.value), room))
            {
                put(start + at, &mark, style);
            }
            if self.power > 0 && bar.value > full && room > 0 {
                put(start + room - 1, "▸", style);
            }
            let number = if bar.flagged { self.theme.alarm() } else { self.theme.text() };
            put(start + room + 1, &fit_right(&num(bar.value), values), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crate::tui::widget::tests::drawn;

    fn bars(values: &[f64], threshold: f64) -> Vec<Bar> {
        let bar = |(i, &value): (usize, &f64)| Bar {
            label: i.to_string(),
            value,
            flagged: value > threshold,
            spread: None,
        };
        values.iter().enumerate().map(bar).collect()
    }

    #[test]
    fn flagged_bars_carry_a_mark_and_others_show_the_line() {
        let bars = bars(&[1.0, 4.0, 0.25], 2.0);
        let rows = drawn(
            Bars {
                bars: &bars,
                threshold: Some(2.0),
                cursor: Some(2),
                theme: Theme::of(Depth::Mono),
                power: 0,
            },
            19,
            3,
        );
        assert_eq!(rows, ["   0  ██  ┊    1.00", " ! 1  ████████ 4.00", "›  2  ▌   ┊    0.25"]);
    }

    #[test]
    fn several_starts_are_a_range_across_the_end() {
        let mut bars = bars(&[8.0, 4.0, 4.0, 4.0], 9.0);
        bars[1].spread = Some([2.0, 7.0]);
        bars[2].spread = Some([3.9, 4.1]);
        bars[3].spread = Some([-1.0, f64::INFINITY]);
        let rows = drawn(
            Bars { bars: &bars, threshold: None, cursor: None, theme: Theme::of(Depth::Mono), power: 0 },
            19,
            4,
        );
        let shown: Vec<&str> = rows.iter().map(|r| &r[6..]).collect();
        assert_eq!(shown, ["████████ 8.00", "██├─┼──┤ 4.00", "███├┤    4.00", "├───┼──┤ 4.00"]);
    }

    #[test]
    fn a_closer_axis_shows_the_short_bars_and_where_the_long_ones_go_on() {
        let bars = bars(&[1.0, 8.0], 9.0);
        let near =
            Bars { bars: &bars, threshold: Some(9.0), cursor: None, theme: Theme::of(Depth::Mono), power: 2 };
        let shown: Vec<String> = drawn(near, 19, 2).iter().map(|r| r.chars().skip(6).collect()).collect();
        assert_eq!(shown, ["███▌     1.00", "███████▸ 8.00"]);
    }

    #[test]
    fn a_long_list_keeps_the_cursor_in_sight() {
        let bars = bars(&[1.0; 43], 2.0);
        for cursor in [0, 7, 42, 900] {
            let rows = drawn(
                Bars {
                    bars: &bars,
                    threshold: None,
                    cursor: Some(cursor),
                    theme: Theme::of(Depth::Mono),
                    power: 0,
                },
                24,
                5,
            );
            assert_eq!(rows.iter().filter(|r| r.starts_with('›')).count(), 1, "{rows:?}");
        }
    }

    #[test]
    fn infinite_values_fill_the_bar_and_nan_has_none() {
        let bars = bars(&[f64::INFINITY, f64::NAN, -3.0, 1.0], 2.0);
        let rows = drawn(
            Bars { bars: &bars, threshold: None, cursor: None, theme: Theme::of(Depth::Mono), power: 0 },
            17,
            4,
        );
        assert_eq!(
            rows,
            [" ! 0  █████   inf", "   1          nan", "   2        -3.00", "   3  █████  1.00"]
        );
    }
}
