//! The screens in the README are what the program draws.

use super::keys::{key, keys};
use super::{app, fixture, screen, text};
use crate::tui::theme::Depth;
use crossterm::event::KeyCode;
use std::path::Path;

/// Name of a screen in the README, the keys that lead to it, its size.
const SCREENS: [(&str, &str, u16, u16); 3] =
    [("detection", "2", 100, 26), ("scatter", "2\n", 100, 24), ("guide", "w", 100, 24)];

fn drawn(typed: &str, width: u16, height: u16) -> String {
    let mut app = app(fixture::full(), Depth::Mono);
    for c in typed.chars() {
        match c {
            '\n' => drop(key(&mut app, KeyCode::Enter)),
            c => keys(&mut app, &c.to_string()),
        }
    }
    text(&screen(&mut app, width, height))
}

#[test]
fn the_screens_in_the_readme_are_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let mut fresh = readme.clone();
    for (name, typed, width, height) in SCREENS {
        let mark = format!("<!-- screen {name}: kept by src/tui/tests/readme.rs -->\n```text\n");
        let start = readme.find(&mark).unwrap_or_else(|| panic!("README.md has no {mark:?}")) + mark.len();
        let end = start + readme[start..].find("```").unwrap();
        fresh = fresh.replacen(
            &format!("{mark}{}", &readme[start..end]),
            &format!("{mark}{}", drawn(typed, width, height)),
            1,
        );
    }
    if fresh != readme && std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert!(
            fresh == readme,
            "README.md shows other screens: INSTA_UPDATE=always cargo test --lib readme"
        );
    }
}
