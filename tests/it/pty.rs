//! The program in a real terminal: the screen as a terminal emulator sees it, and what is left when it ends.

mod given_back;
mod journey;
mod pixels;
mod screen;

use laocoon::case::{Session, journal, verify};
use screen::Screen;
use signal_hook::consts::{SIGCONT, SIGKILL, SIGTERM};
use std::path::Path;
use std::time::Duration;
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
    screen.wait_until_stopped();
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

/// The highest number of an event that the timeline shows.
fn shown(text: &str) -> Option<u64> {
    let number = |line: &str| {
        let mut words = line.trim_start_matches(|c: char| !c.is_ascii_digit()).split_whitespace();
        let n = words.next()?.parse().ok()?;
        (words.next()?.split('-').count() == 3).then_some(n)
    };
    text.lines().filter_map(number).max()
}

/// Kills the workbench at `times` moments of one session; gives the number of events seen on the screen and of records
/// in the end.
fn kill(times: u64) -> (u64, usize) {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch");
    let words = ["open", "--session", session.to_str().unwrap(), "--effort", "quick", case.to_str().unwrap()];
    let args: Vec<&std::ffi::OsStr> = words.iter().map(std::ffi::OsStr::new).collect();
    let mut seen = 0;
    for n in 0..times {
        let mut screen = Screen::start(&args, &[], 40, 120);
        screen.wait_until("the panes", |text| text.contains("6 timeline"));
        screen.send("6R");
        // Anything but evenly spread will do; the same in every run.
        std::thread::sleep(Duration::from_millis(n.wrapping_mul(0x9e37_79b9) % 397));
        screen.send("nthe note\r");
        std::thread::sleep(Duration::from_millis(n.wrapping_mul(0x85eb_ca6b) % 61));
        let told = shown(&screen.text());
        screen.signal(SIGKILL);
        screen.end();
        let Some(told) = told else { continue };
        let read = journal::read(&session.join(journal::FILE)).unwrap();
        assert!(
            read.bad.is_none() && read.records.len() as u64 > told,
            "kill {n}: event {told} was shown: {read:?}"
        );
        seen += 1;
    }
    let mut screen = Screen::start(&args, &[], 40, 120);
    screen.wait_for("6 timeline");
    // Not `q`: what was asked for runs on, and it would ask back.
    screen.signal(SIGTERM);
    screen.end();
    assert_eq!(verify::verify(&session).unwrap().exit_code(), 0);
    (seen, Session::open(&session).unwrap().len())
}

#[test]
fn a_killed_workbench_has_on_disk_what_it_showed() {
    let (seen, records) = kill(8);
    assert!(seen >= 4 && records > 8, "{seen} of 8 were looked at, {records} records");
}

#[test]
#[ignore = "minutes: cargo test --release --test it a_thousand_kills -- --ignored --nocapture"]
fn a_thousand_kills_lose_nothing() {
    let (seen, records) = kill(1000);
    println!("1000 kills, {seen} with events on the screen, {records} records, none lost");
    assert!(seen >= 900, "{seen}");
}
