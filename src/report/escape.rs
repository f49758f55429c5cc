//! One escape per sink. Both start from visible text, so that nothing acts on whoever opens the file.

use crate::evidence::text::visible;

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
    fn shell_words_are_quoted_when_they_must_be() {
        assert_eq!(shell("cases/a.toml"), "cases/a.toml");
        assert_eq!(shell("it's; rm -rf"), "'it'\\''s; rm -rf'");
    }
}
