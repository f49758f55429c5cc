//! The program in a real terminal: the screen as a terminal emulator sees it, and what is left when it ends.

mod screen;

use screen::Screen;
use signal_hook::consts::{SIGCONT, SIGTERM};
use tempfile::TempDir;

/// Opens a small model in a terminal, with its session in a folder of its own.
fn open(env: &[(&str, &str)]) -> (Screen, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("suspect.safetensors");
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    std::fs::write(&model, bytes).unwrap();
    let session = folder.path().join("session");
    let args = ["open".as_ref(), model.as_os_str(), "--session".as_ref(), session.as_os_str()];
    let screen = Screen::start(&args, env, 24, 80);
    screen.wait_for("suspect.safetensors");
    (screen, folder)
}

#[test]
fn panes_can_be_looked_at_while_evidence_is_read_and_q_gives_the_terminal_back() {
    let (mut screen, _folder) = open(&[]);
    assert!(screen.alternate(), "the panes are on the alternate screen");
    screen.wait_for("evidence");
    for (key, text) in
        [("2", "anomaly index"), ("5", "resembles"), ("6", "every line is on disk"), ("?", "look around")]
    {
        screen.send(key);
        screen.wait_for(text);
    }
    screen.send("\x1b");
    screen.wait_until("the help to close", |text| !text.contains("look around"));
    screen.send("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
}

#[test]
fn a_resize_draws_everything_anew_and_a_tiny_one_is_polite() {
    let (mut screen, _folder) = open(&[]);
    screen.resize(10, 40);
    screen.wait_for("too small");
    screen.resize(40, 130);
    screen.wait_for("enter: in full");
    screen.resize(1, 1);
    screen.resize(24, 80);
    screen.wait_for("6 timeline");
    screen.send("q");
    assert_eq!(screen.end(), 0);
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let (mut screen, _folder) = open(&[]);
    screen.signal(SIGTERM);
    assert_eq!(screen.end(), 130);
    screen.assert_restored();
}

#[test]
fn suspending_gives_the_terminal_back_and_continuing_takes_it_again() {
    let (mut screen, _folder) = open(&[]);
    screen.send("\x1a");
    screen.wait_until_main("the shell's screen");
    screen.signal(SIGCONT);
    screen.wait_for("6 timeline");
    assert!(screen.alternate());
    screen.send("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
}

#[cfg(debug_assertions)]
#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let (mut screen, _folder) = open(&[]);
    screen.send(":provoke");
    screen.wait_for("provoke a panic");
    screen.send("\r");
    assert_ne!(screen.end(), 0);
    screen.assert_restored();
    let shown = screen.text();
    assert!(shown.contains("debug build"), "the message is readable on the shell's screen:\n{shown}");
}

#[test]
fn without_colours_nothing_but_attributes_is_sent_and_the_selection_stays() {
    let (mut screen, _folder) = open(&[("NO_COLOR", "1")]);
    assert!(screen.any_cell(vt100::Cell::inverse), "the chosen tab is reversed");
    assert!(
        !screen.any_cell(|c| c.fgcolor() != vt100::Color::Default || c.bgcolor() != vt100::Color::Default)
    );
    screen.send("q");
    assert_eq!(screen.end(), 0);
}
