//! Pixels where the terminal has them, blocks where it has not, and no key lost while it is asked.

use super::screen::Screen;
use std::ffi::OsStr;
use std::path::Path;

/// What the program asks: the size of a cell, and the device attributes.
const QUESTIONS: &str = "\x1b[16t\x1b[c";
/// How pictures begin in each protocol.
const KITTY: &str = "\x1b_Ga=T,f=100";
const ITERM2: &str = "\x1b]1337;File=inline=1";
const SIXEL: &str = "\x1bP0;1;0q";

fn none(screen: &Screen) {
    for bytes in [KITTY, ITERM2, SIXEL] {
        assert!(!screen.wrote(bytes), "{bytes:?}");
    }
}

fn sample() -> [&'static OsStr; 2] {
    ["open", concat!(env!("CARGO_MANIFEST_DIR"), "/sample-cases/roadsign-patch")].map(OsStr::new)
}

#[test]
fn a_terminal_that_answers_nothing_gets_blocks_and_loses_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let args = [&sample()[..], &["--session".as_ref(), session.as_os_str()]].concat();
    let mut screen = Screen::start(&args, &[], 24, 80);
    screen.wait_for_bytes(QUESTIONS);
    // Typed while the program waits for an answer: a pane, a step down, the note on what is chosen, word by word.
    screen.send("6\x1b[5~2\x1b[ANwhat was typed");
    screen.wait_for("what was typed");
    screen.send("\x1b");
    // Not `q` at once: an escape and a letter in one go are alt and the letter.
    screen.wait_until("the note to be dropped", |text| !text.contains("what was typed"));
    screen.wait_for("anomaly index");
    none(&screen);
    screen.send("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
}

#[test]
fn an_answer_in_pieces_and_a_late_one_are_no_keys() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let args = [&sample()[..], &["--session".as_ref(), session.as_os_str()]].concat();
    let mut screen = Screen::start(&args, &[], 24, 80);
    screen.wait_for_bytes(QUESTIONS);
    screen.send("\x1b[6;20;");
    screen.send("10t\x1b[?62;22c");
    screen.wait_for("6 timeline");
    // Again, long after anybody waits for it.
    screen.send("\x1b[6;20;10t\x1b[?62;4c");
    screen.send("6");
    screen.wait_for("every line is on disk");
    screen.wait_until("no refused key", |text| !text.contains("does nothing here"));
    none(&screen);
    screen.send("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
}

/// Looks at the trigger of a finished session in a terminal of each protocol, and in some without.
pub(super) fn shown_in_a_replay(session: &Path) {
    let look = |env: &[(&str, &str)], more: &[&str], answer: &str| {
        let mut args = vec![OsStr::new("replay"), session.as_os_str()];
        args.extend(more.iter().map(OsStr::new));
        let mut screen = Screen::start(&args, env, 40, 130);
        if !answer.is_empty() {
            screen.wait_for_bytes(QUESTIONS);
            screen.send(answer);
        }
        screen.wait_for("REPLAY");
        screen.send("3");
        screen.wait_for("result");
        screen
    };
    let leave = |mut screen: Screen| {
        screen.send("q");
        assert_eq!(screen.end(), 0);
        screen.assert_restored();
    };
    let kitty = [("TERM", "xterm-kitty")];
    let mut screen = look(&kitty, &[], "");
    screen.wait_for_bytes(KITTY);
    assert!(!screen.wrote(QUESTIONS), "known by its name");
    screen.send("1");
    screen.wait_for_bytes("\x1b_Ga=d,d=I,i=");
    leave(screen);
    let screen = look(&[("TERM_PROGRAM", "WezTerm")], &[], "");
    screen.wait_for_bytes(ITERM2);
    leave(screen);
    let screen = look(&[], &[], "\x1b[6;20;10t\x1b[?62;4c");
    screen.wait_for_bytes(SIXEL);
    leave(screen);
    for (env, more) in [
        (&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")][..], &[][..]),
        (&[("TERM", "linux"), ("LANG", "C.UTF-8")], &["--figures", "kitty"]),
        (&kitty, &["--figures", "blocks"]),
        (&kitty, &["--theme", "mono"]),
        (&kitty, &["--symbols", "ascii"]),
    ] {
        let screen = look(env, more, "");
        none(&screen);
        assert!(!screen.wrote(QUESTIONS), "{env:?} {more:?}: nothing to ask");
        leave(screen);
    }
}
