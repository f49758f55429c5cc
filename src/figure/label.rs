//! Text for pictures and tables: numbers people can read, names that fit, nothing that acts on its reader.

use std::fmt::Write as _;

/// A number for people: about three significant digits, the same bytes on every machine.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if x.is_nan() {
        "nan".to_owned()
    } else if x.is_infinite() {
        if x > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else if x == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{x:.2e}")
    } else if size.fract() == 0.0 {
        format!("{x:.0}")
    } else if size >= 100.0 {
        format!("{x:.1}")
    } else if size >= 1.0 {
        format!("{x:.2}")
    } else {
        format!("{x:.3}")
    }
}

/// `text` with controls, bidirectional and other invisible characters spelt out, cut to at most `columns` characters
/// with an ellipsis. Labels are already made visible where they enter the case; this keeps a picture safe on its own,
/// whoever drew it.
pub fn fit(text: &str, columns: usize) -> String {
    let safe = spelt(text);
    if safe.chars().count() <= columns {
        return safe;
    }
    let mut cut: String = safe.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `text` with everything that acts instead of being seen spelt out as `\u{…}`.
pub fn spelt(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Breaks `text` into at most `lines` lines of `columns` characters, at spaces where there are some; the last one
/// ends in an ellipsis when something was left out.
pub fn wrap(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let safe = spelt(text);
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = safe.split_whitespace();
    while let Some(word) = words.next() {
        let (have, need) = (line.chars().count(), word.chars().count());
        if have == 0 {
            line.push_str(word);
        } else if have + 1 + need <= columns {
            line.push(' ');
            line.push_str(word);
        } else if out.len() + 1 < lines {
            out.push(fit(&line, columns));
            word.clone_into(&mut line);
        } else {
            line.push(' ');
            line.push_str(word);
            for rest in words.by_ref() {
                line.push(' ');
                line.push_str(rest);
            }
        }
    }
    if !line.is_empty() {
        out.push(fit(&line, columns));
    }
    out
}

/// Whether a character acts instead of being seen, or is no legal XML character.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
            | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xfffe | 0xffff
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_about_three_digits() {
        let shown: Vec<_> = [0.0, 3.0, 3.714, 0.0412, 123.45, 1_234_567.0, 2e-9, f64::INFINITY, f64::NAN]
            .map(number)
            .to_vec();
        assert_eq!(shown, ["0", "3", "3.71", "0.041", "123.5", "1.23e6", "2.00e-9", "inf", "nan"]);
    }

    #[test]
    fn long_names_end_in_an_ellipsis_and_controls_are_spelt_out() {
        assert_eq!(fit("speed limit 30", 8), "speed l…");
        assert_eq!(fit("a\u{202e}b\x1b", 40), "a\\u{202e}b\\u{1b}");
        assert_eq!(wrap("recovered mask of class seven", 14, 2), ["recovered mask", "of class seven"]);
        assert_eq!(wrap("one two three four five six", 8, 2), ["one two", "three f…"]);
    }
}
