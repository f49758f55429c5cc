//! Kinds of text: JSON, TOML, CSV, a script, or just text. The only place where a name breaks a tie.

use super::Format;

/// `None` when it is no text. `whole`: whether `head` is all of the file (else its last character may be cut).
pub(super) fn kind(head: &[u8], whole: bool, name: &str) -> Option<Format> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if !whole && e.error_len().is_none() => {
            std::str::from_utf8(head.get(..e.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    if text.contains('\0')
        || text.chars().take(4096).filter(|c| c.is_control() && !c.is_whitespace()).count() > 16
    {
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let trimmed = text.trim_start();
    let named = |ext: &str| name.ends_with(ext);
    if trimmed.starts_with('{') || named(".json") || named(".jsonl") && trimmed.starts_with(['{', '[']) {
        return Some(Format::Json);
    }
    if trimmed.starts_with('[') && !named(".toml") && json_array(trimmed) {
        return Some(Format::Json);
    }
    if named(".toml") || looks_like_toml(trimmed) {
        return Some(Format::Toml);
    }
    if named(".csv") || looks_like_csv(text) {
        return Some(Format::Csv);
    }
    Some(Format::Text)
}

/// `[` that begins a list of values and not a TOML table.
fn json_array(text: &str) -> bool {
    let next = text.strip_prefix('[').unwrap_or(text).trim_start().chars().next();
    matches!(next, Some('{' | '[' | '"' | ']' | '-' | '0'..='9' | 't' | 'f' | 'n')) && {
        let line = text.lines().next().unwrap_or_default().trim_end();
        let table = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
        !table.is_some_and(|t| t.chars().all(|c| c.is_ascii_alphanumeric() || "_-.[]".contains(c)))
            || text.lines().nth(1).is_none()
    }
}

/// A table head or `key = value` on the first line that says anything.
fn looks_like_toml(text: &str) -> bool {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or_default();
    let key = |k: &str| !k.is_empty() && k.chars().all(|c| c.is_ascii_alphanumeric() || "_-.\"".contains(c));
    let table = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
    table.is_some_and(|t| key(t.trim_matches(['[', ']', ' '])))
        || line.split_once('=').is_some_and(|(k, v)| {
            let value = v.trim_start();
            key(k.trim())
                && value.starts_with([
                    '"', '\'', '[', '{', 't', 'f', '-', '+', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
                ])
        })
}

/// The same number of commas, at least one, on the first two lines.
fn looks_like_csv(text: &str) -> bool {
    let commas: Vec<usize> = text.lines().take(2).map(|l| l.matches(',').count()).collect();
    matches!(commas[..], [a, b] if a > 0 && a == b)
}
