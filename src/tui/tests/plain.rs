//! The text for screen readers and pipes.

use super::fixture;
use crate::tui::plain;

#[test]
fn plain_text_holds_everything_the_panes_show() {
    insta::assert_snapshot!("plain-full", plain(&fixture::full()));
    insta::assert_snapshot!("plain-failed", plain(&fixture::failed()));
}
