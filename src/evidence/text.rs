//! Text that comes from evidence: names, labels, metadata. The attacker wrote it.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Text from evidence. Has no `Display`: every sink must choose how to show it, and starts from [`Untrusted::shown`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Wraps text as it was read.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The raw text: for comparing and hashing only, never for showing.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The text with everything that could act on a terminal or mislead a reader made visible.
    pub fn shown(&self) -> String {
        visible(&self.0)
    }
}

/// Makes C0/C1 controls, bidirectional controls, zero-width and other invisible characters visible as `\u{…}`.
/// Ordinary spaces stay; line breaks and tabs become `\n`, `\r`, `\t`.
pub fn visible(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether text shows as it is: nothing of it [`visible`] would change.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~')) || !text.chars().any(acts)
}

/// Whether a character acts instead of being seen: controls, bidi, zero-width, tags, variation selectors, fillers.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
            | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_bidi_become_visible_and_plain_text_stays() {
        assert_eq!(visible("Stop sign – 停"), "Stop sign – 停");
        assert_eq!(visible("\x1b[31mred\x1b[0m"), "\\u{1b}[31mred\\u{1b}[0m");
        assert_eq!(visible("a\u{202e}b\u{200b}c\n"), "a\\u{202e}b\\u{200b}c\\n");
        assert_eq!(visible("\u{9b}31m"), "\\u{9b}31m");
    }
}
