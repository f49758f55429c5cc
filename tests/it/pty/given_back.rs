//! However the workbench ends, the terminal is as it was.

use super::open;
use super::screen::Screen;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use std::ffi::OsStr;

/// Brings the program to its end: its screen, and the exit code that must come of it.
type Kind = fn() -> (Screen, Option<u32>);

/// Ways to end, each giving the exit code that must come of it (`None`: any but 0).
const KINDS: [(&str, Kind); 10] = [
    ("q", || {
        let (mut screen, _folder) = open(&[]);
        screen.send("q");
        (screen, Some(0))
    }),
    ("ctrl-c", || {
        let (mut screen, _folder) = open(&[]);
        screen.send("\x03");
        (screen, Some(0))
    }),
    ("SIGTERM", || signalled(SIGTERM)),
    ("SIGHUP", || signalled(SIGHUP)),
    ("SIGINT", || signalled(SIGINT)),
    ("SIGTSTP and SIGCONT", || {
        let (mut screen, _folder) = open(&[]);
        screen.signal(SIGTSTP);
        screen.wait_until_main("the shell's screen");
        screen.wait_until_stopped();
        screen.assert_restored();
        screen.signal(SIGCONT);
        screen.wait_for("6 timeline");
        screen.send("q");
        (screen, Some(0))
    }),
    ("panic while drawing", || {
        let (mut screen, _folder) = open(&[]);
        screen.send(":provoke a panic\r");
        (screen, None)
    }),
    ("panic of a worker", || {
        let (mut screen, _folder) = open(&[]);
        screen.send(":fail a worker\r");
        screen.wait_for("a worker failed");
        assert!(screen.alternate(), "the panes stay");
        screen.send("q");
        (screen, Some(0))
    }),
    ("an error before the first picture", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "theme = \"pink\"").unwrap();
        let case = format!("{}/sample-cases/roadsign-patch", env!("CARGO_MANIFEST_DIR"));
        let session = folder.path().join("s");
        let args = [OsStr::new("open"), OsStr::new(&case), OsStr::new("--session"), session.as_os_str()];
        let mut screen = Screen::start(&args, &[("LAOCOON_CONFIG", path.to_str().unwrap())], 24, 80);
        screen.end();
        assert!(screen.text().contains("pink"), "{}", screen.text());
        (screen, Some(2))
    }),
    ("a pipe that is closed", || {
        let line = format!("{} list | head -n 1; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_laocoon"));
        let screen = Screen::run(OsStr::new("bash"), &[OsStr::new("-c"), OsStr::new(&line)], &[], 24, 80);
        (screen, Some(0))
    }),
];

fn signalled(signal: i32) -> (Screen, Option<u32>) {
    let (screen, _folder) = open(&[]);
    screen.signal(signal);
    (screen, Some(130))
}

/// Ends the program in every way so many times; how often the terminal was as before.
fn given_back(runs: usize) -> (usize, usize) {
    let mut good = 0;
    for (name, kind) in KINDS {
        for run in 0..runs {
            let (mut screen, code) = kind();
            let ended = screen.end();
            assert!(code.map_or(ended != 0, |code| code == ended), "{name}, run {run}: exit code {ended}");
            screen.assert_restored();
            good += 1;
        }
    }
    (good, KINDS.len() * runs)
}

#[cfg(debug_assertions)]
#[test]
fn every_kind_of_end_gives_the_terminal_back() {
    let (good, all) = given_back(1);
    assert_eq!(good, all);
}

#[cfg(debug_assertions)]
#[test]
#[ignore = "minutes: cargo test --test it two_hundred_ends -- --ignored --nocapture"]
fn two_hundred_ends_give_the_terminal_back() {
    let (good, all) = given_back(20);
    println!("{good} of {all} ends of {} kinds gave the terminal back", KINDS.len());
    assert_eq!((good, all), (200, 200));
}
