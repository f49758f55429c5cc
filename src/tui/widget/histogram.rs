//! Counts per bin, one strip a group over the same axis, with the threshold as a thin line.
//!
//! ```text
//! clean      ▁▃▆█▇▅▂▁
//! suspect ▂█▅▁  ┊
//!         0.10       0.90
//! ```

use super::range;
use crate::figure::Counts;
use crate::tui::text::{cut, fit_right, num, width};
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Histogram<'a> {
    /// Bin edges.
    pub edges: &'a [f64],
    /// Named counts.
    pub series: &'a [Counts],
    /// Where the thin line stands.
    pub threshold: Option<f64>,
    /// Colours.
    pub theme: Theme,
}

impl Widget for Histogram<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let (total, tall) = (usize::from(area.width), usize::from(area.height));
        let names = self.series.iter().map(|s| width(&s.name)).max().unwrap_or(0).min(total / 4);
        let left = names + 1;
        let room = total.saturating_sub(left);
        let ([lo, hi], false, true) =
            (range(self.edges.iter().copied()).unwrap_or([0.0, 1.0]), self.series.is_empty(), room > 0)
        else {
            buf.set_stringn(area.x, area.y, "no counts", total, self.theme.dim());
            return;
        };
        let axis = usize::from(tall > self.series.len());
        let strip = ((tall - axis) / self.series.len()).max(1);
        let line = self.threshold.filter(|t| t.is_finite() && *t >= lo && *t <= hi);
        let line = line.map(|t| ((t - lo) / (hi - lo) * (room - 1) as f64).round() as usize);
        for (i, series) in self.series.iter().enumerate().take((tall - axis) / strip) {
            let top = i * strip;
            let most = series.counts.iter().copied().filter(|c| c.is_finite()).fold(0.0_f64, f64::max);
            let base = area.y + (top + strip - 1) as u16;
            let name = fit_right(&cut(&series.name, names), names);
            buf.set_stringn(area.x, base, name, names, self.theme.text());
            for x in 0..room {
                let bin = x * series.counts.len() / room;
                let count = series.counts.get(bin).copied().unwrap_or(0.0);
                let share = if most > 0.0 && count > 0.0 { (count / most).min(1.0) } else { 0.0 };
                let mut eighths = (share * (strip * 8) as f64).ceil() as usize;
                for level in 0..strip {
                    let y = base - level as u16;
                    let here = eighths.min(8);
                    eighths -= here;
                    let cell = &mut buf[(area.x + (left + x) as u16, y)];
                    if here > 0 {
                        cell.set_symbol(EIGHTHS[here]).set_style(self.theme.group(i));
                    } else if line == Some(x) {
                        cell.set_symbol("┊").set_style(self.theme.dim());
                    }
                }
            }
        }
        if axis > 0 {
            let y = area.bottom() - 1;
            let high = num(hi);
            buf.set_stringn(area.x + left as u16, y, num(lo), room, self.theme.dim());
            let x = total.saturating_sub(width(&high));
            buf.set_stringn(area.x + x as u16, y, &high, total - x, self.theme.dim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crate::tui::widget::tests::drawn;

    #[test]
    fn strips_share_the_axis_and_the_line() {
        let counts = |name: &str, counts: &[f64]| Counts { name: name.into(), counts: counts.to_vec() };
        let series = [counts("a", &[4.0, 1.0, 0.0, 0.0]), counts("b", &[0.0, 0.0, 2.0, 4.0])];
        let histogram = Histogram {
            edges: &[0.0, 1.0, 2.0, 3.0, 4.0],
            series: &series,
            threshold: Some(2.0),
            theme: Theme::of(Depth::Mono),
        };
        assert_eq!(drawn(histogram, 10, 3), ["a ██▂▂┊", "b     ▄▄██", "  0.004.00"]);
    }
}
