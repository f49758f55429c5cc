//! Text in cells: cutting to a width, numbers, sizes, digests and times in few characters.

use ratatui::text::{Line, Span};
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Width in terminal cells.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `cells`; what does not fit is replaced by an ellipsis.
pub fn cut(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > cells {
            break;
        }
        out.push(c);
        used += w;
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// Like [`cut`], but keeps the end (for paths, whose last part names the file).
pub fn cut_start(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let mut tail: Vec<char> = Vec::new();
    let mut used = 0;
    for c in text.chars().rev() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > cells {
            break;
        }
        tail.push(c);
        used += w;
    }
    if cells > 0 {
        tail.push('…');
    }
    tail.iter().rev().collect()
}

/// `text` in exactly `cells`, cut or padded on the right.
pub fn fit(text: &str, cells: usize) -> String {
    let mut out = cut(text, cells);
    let gap = cells.saturating_sub(out.width());
    out.extend(std::iter::repeat_n(' ', gap));
    out
}

/// `text` in exactly `cells`, cut or padded on the left.
pub fn fit_right(text: &str, cells: usize) -> String {
    let out = cut(text, cells);
    let gap = cells.saturating_sub(out.width());
    format!("{}{out}", " ".repeat(gap))
}

/// A styled line in at most `cells`, with an ellipsis in the style of the span that was cut.
pub fn cut_line<'a>(line: Line<'a>, cells: usize) -> Line<'a> {
    if line.width() <= cells {
        return line;
    }
    let mut spans: Vec<Span<'a>> = Vec::new();
    let mut used = 0;
    for span in line.spans {
        let w = span.width();
        if used + w < cells {
            used += w;
            spans.push(span);
            continue;
        }
        // One cell is kept for the ellipsis, which stands even where the cut falls between two spans.
        let room = cells.saturating_sub(used);
        let text = format!("{span}…", span = span.content);
        spans.push(Span::styled(cut(&text, room), span.style));
        break;
    }
    Line { spans, style: line.style, alignment: line.alignment }
}

/// `text` in lines of at most `cells`, broken at spaces where possible.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if cells == 0 {
        return lines;
    }
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split(' ') {
            let w = word.width();
            if used > 0 && used + 1 + w > cells {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            if w <= cells.saturating_sub(used) {
                line.push_str(word);
                used += w;
                continue;
            }
            for c in word.chars() {
                let cw = c.width().unwrap_or(0);
                if cw > cells {
                    continue;
                }
                if used + cw > cells {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += cw;
            }
        }
        lines.push(line);
    }
    lines
}

/// A number in at most about seven characters.
pub fn num(x: f64) -> String {
    let a = x.abs();
    if x.is_nan() {
        "nan".into()
    } else if x.is_infinite() {
        if x > 0.0 { "inf".into() } else { "-inf".into() }
    } else if a != 0.0 && !(1e-3..1e5).contains(&a) {
        format!("{x:.1e}")
    } else if a >= 1000.0 || (a >= 10.0 && x.fract() == 0.0) {
        format!("{x:.0}")
    } else if a >= 100.0 {
        format!("{x:.1}")
    } else if a >= 0.01 || a == 0.0 {
        format!("{x:.2}")
    } else {
        format!("{x:.4}")
    }
}

/// A share in `0..=1` as a percentage.
pub fn percent(x: f64) -> String {
    if x.is_finite() { format!("{:.1} %", x * 100.0) } else { num(x) }
}

/// A JSON value that should be a number: [`num`], or the text it holds (`"inf"`), or a dash.
pub fn json_num(value: &serde_json::Value) -> String {
    match json_f64(value) {
        Some(x) => num(x),
        None => "-".into(),
    }
}

/// The float in a JSON value, reading `"inf"`, `"-inf"`, `"nan"` as [`crate::procedure::number`] writes them.
pub fn json_f64(value: &serde_json::Value) -> Option<f64> {
    value.as_f64().or_else(|| match value.as_str()? {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    })
}

/// Bytes with a decimal unit.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut x = n as f64;
    let mut unit = "B";
    for u in UNITS {
        if x < 999.5 {
            break;
        }
        x /= 1000.0;
        unit = u;
    }
    if x < 10.0 { format!("{x:.1} {unit}") } else { format!("{x:.0} {unit}") }
}

/// A digest as `3fa9…c1`; a dash when there is none.
pub fn digest(hex: &str) -> String {
    let chars: Vec<char> = hex.chars().collect();
    match chars.as_slice() {
        [] => "-".into(),
        [a, b, c, d, .., y, z] if chars.len() > 8 => format!("{a}{b}{c}{d}…{y}{z}"),
        all => all.iter().collect(),
    }
}

/// A duration as `0:38` or `1:02:10`.
pub fn clock(d: Duration) -> String {
    let s = d.as_secs();
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// Seconds as a person says them.
pub fn seconds(s: f64) -> String {
    if s < 10.0 {
        format!("{s:.1} s")
    } else if s < 120.0 {
        format!("{s:.0} s")
    } else {
        clock(Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX))
    }
}

/// An RFC 3339 time without its fraction: `2026-03-02 10:22:31Z`.
pub fn moment(time: &str) -> String {
    let base = time.split('.').next().unwrap_or(time);
    let zone = if base.len() < time.len() && time.ends_with('Z') { "Z" } else { "" };
    format!("{}{zone}", base.replacen('T', " ", 1))
}

/// A bar of `cells` for a share in `0..=1`.
pub fn gauge(share: f64, cells: usize) -> String {
    let full = ((share.clamp(0.0, 1.0) * cells as f64) as usize).min(cells);
    format!("{}{}", "▓".repeat(full), "░".repeat(cells - full))
}

/// `1 finding`, `3 findings`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// First row shown when `rows` rows show a list of `len` with the cursor kept in sight.
pub fn first_row(cursor: usize, len: usize, rows: usize) -> usize {
    cursor.saturating_sub(rows / 2).min(len.saturating_sub(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_counts_cells_and_marks_the_cut() {
        assert_eq!(cut("anomaly", 7), "anomaly");
        assert_eq!(cut("anomaly", 6), "anoma…");
        assert_eq!(cut("停止標識", 5), "停止…");
        assert_eq!(cut("停止標識", 4), "停…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(cut_start("/a/long/path/model.onnx", 11), "…model.onnx");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit_right("ab", 4), "  ab");
    }

    #[test]
    fn a_cut_line_keeps_its_ellipsis_between_spans() {
        let line = Line::from(vec![Span::raw("abc"), Span::raw("defg")]);
        assert_eq!(cut_line(line.clone(), 7).to_string(), "abcdefg");
        assert_eq!(cut_line(line.clone(), 5).to_string(), "abcd…");
        assert_eq!(cut_line(line.clone(), 3).to_string(), "ab…");
        assert_eq!(cut_line(line, 0).to_string(), "");
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_inside_long_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
        assert!(wrap("anything", 0).is_empty());
        assert!(wrap("停止 標識", 3).iter().all(|l| l.width() <= 3));
    }

    #[test]
    fn numbers_sizes_and_times_are_short() {
        let shown =
            [0.0, 4.312, 31.0, 123.456, 99_999.0, 1e9, 0.0004, -2.5, f64::INFINITY, f64::NAN].map(num);
        assert_eq!(shown, ["0.00", "4.31", "31", "123.5", "99999", "1.0e9", "4.0e-4", "-2.50", "inf", "nan"]);
        assert_eq!(
            [999, 1000, 431_233, 999_999, 3 << 30].map(bytes),
            ["999 B", "1.0 kB", "431 kB", "1.0 MB", "3.2 GB"]
        );
        assert_eq!(clock(Duration::from_secs(3730)), "1:02:10");
        assert_eq!(digest("3fa90b7dc1"), "3fa9…c1");
        assert_eq!(digest(""), "-");
        assert_eq!(moment("2026-03-02T10:22:31.123456Z"), "2026-03-02 10:22:31Z");
        assert_eq!(moment("2026-03-02T10:22:31Z"), "2026-03-02 10:22:31Z");
        assert_eq!(gauge(0.5, 4), "▓▓░░");
        assert_eq!(gauge(f64::NAN, 3), "░░░");
        assert_eq!(percent(0.978), "97.8 %");
    }
}
