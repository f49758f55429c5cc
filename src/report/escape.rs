//! One escape per sink. All start from visible text, so that nothing acts on whoever opens the file.

use crate::evidence::text::visible;
use serde_json::Value;
use std::fmt::Write as _;

/// Text for HTML content and quoted attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text for a Markdown paragraph, list item, heading or table cell: every character that could start markup is
/// escaped, and bare addresses do not become links.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // `http://` and `www.` would be made into links by many renderers.
    out.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
}

/// JSON, indented, with a line break at the end. Characters that act on a terminal or mislead a reader are written as
/// JSON escapes: nothing is lost, nothing acts.
pub fn json(value: &Value) -> String {
    // A Value holds no map key but text and no float but finite ones: it always prints.
    quiet(&format!("{value:#}\n"))
}

/// The same on one line.
pub fn json_line(value: &Value) -> String {
    quiet(&format!("{value}\n"))
}

fn quiet(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if c == '\n' || visible(c.encode_utf8(&mut [0; 4])).chars().eq([c]) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// The first `most` characters of a text, marked when that is not all.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{} […]", &text[..at]),
        None => text.to_owned(),
    }
}

/// `text` as a shell word.
pub fn shell(text: &str) -> String {
    let text = visible(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_survives() {
        let text = "<script>alert('x')</script>|\x1b[31m\u{202e}`*_[a](http://e.org)";
        let page = html(text);
        assert!(!page.contains(['<', '>', '\'', '\x1b', '\u{202e}']));
        let md = markdown(text);
        assert!(!md.contains(['<', '>', '\x1b', '\u{202e}']) && md.contains("\\|") && md.contains("\\[a\\]"));
        assert!(!md.contains("http://"));
    }

    #[test]
    fn json_escapes_what_acts_and_reads_back() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}[2J\u{e0041}\u{feff}é"});
        for text in [json(&value), json_line(&value)] {
            assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{e0041}', '\u{feff}']) && text.contains('é'));
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        assert_eq!((cut("abc", 2).as_str(), cut("ab", 2).as_str()), ("ab […]", "ab"));
    }

    #[test]
    fn shell_words_are_quoted_when_they_must_be() {
        assert_eq!(shell("cases/a.toml"), "cases/a.toml");
        assert_eq!(shell("it's; rm -rf"), "'it'\\''s; rm -rf'");
    }
}
