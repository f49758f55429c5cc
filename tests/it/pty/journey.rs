//! A whole investigation of a shipped case, played from the demo script: the script stays true, and nothing in it waits
//! for time alone.

use super::screen::Screen;
use laocoon::case::{Event, Judgement, Session, verify};
use std::ffi::OsStr;
use std::path::Path;

/// A line of the script.
#[derive(Debug, PartialEq)]
enum Line {
    /// Starts the program with these arguments.
    Start(Vec<String>),
    Keys(String),
    Wait(String),
}

/// The lines of a VHS tape that do something; of its language only what the tape uses.
fn tape(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut typed = String::new();
    for line in text.lines().map(str::trim) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let keys = match word {
            "" | "#" | "Output" | "Set" | "Sleep" | "Require" | "Hide" | "Show" => continue,
            "Type" => rest.trim_matches('"').to_owned(),
            "Enter" => "\r".to_owned(),
            "Escape" => "\x1b".to_owned(),
            "Tab" => "\t".repeat(rest.parse().unwrap_or(1)),
            "Down" => "\x1b[B".repeat(rest.parse().unwrap_or(1)),
            "Wait+Screen" => {
                let wanted = rest.trim_matches('/').replace('\\', "");
                lines.push(Line::Wait(wanted));
                continue;
            }
            other => panic!("the tape has '{other}', which this test does not know: {line}"),
        };
        if keys.starts_with("laocoon ") || !typed.is_empty() {
            typed += &keys;
            if let Some(command) = typed.strip_suffix('\r') {
                let words = command.split_whitespace().skip(1).map(str::to_owned).collect();
                lines.push(Line::Start(words));
                typed.clear();
            }
        } else {
            lines.push(Line::Keys(keys));
        }
    }
    lines
}

#[test]
fn the_demo_is_a_whole_investigation_that_leaves_a_true_record() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = tape(&std::fs::read_to_string(root.join("assets/demo.tape")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let mut screen: Option<Screen> = None;
    for line in script {
        match (line, &mut screen) {
            (Line::Start(words), _) => {
                let mut words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
                let at = words.iter().position(|w| *w == "--session").expect("the demo names its session");
                words[at + 1] = session.as_os_str();
                screen = Some(Screen::start(&words, &[], 40, 130));
            }
            (Line::Keys(keys), Some(screen)) => screen.send(&keys),
            (Line::Wait(text), Some(screen)) => screen.wait_long_for(&text),
            (line, None) => panic!("{line:?} before the program was started"),
        }
    }
    let mut screen = screen.expect("the demo starts the program");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
    assert_eq!(verify::verify(&session).unwrap().exit_code(), 0);
    let saved = Session::open(&session).unwrap();
    let events: Vec<&Event> = saved.records.iter().map(|r| &r.event).collect();
    let is = |f: fn(&Event) -> bool| events.iter().any(|e| f(e));
    assert!(is(|e| matches!(e, Event::Judged { judgement: Judgement::Dismissed, .. })));
    assert!(is(|e| matches!(e, Event::Undone { .. })) && is(|e| matches!(e, Event::Annotated { .. })));
    assert!(is(|e| matches!(e, Event::Exported { format, .. } if format == "html")));
    let state = saved.state();
    assert!(state.findings.iter().any(|f| f.finding.class == Some(5)), "the planted class is accused");
    assert!(state.requested.is_empty(), "everything asked for came to an end");
    super::pixels::shown_in_a_replay(&session);
}

#[test]
fn the_tape_is_read_as_it_is_written() {
    let lines = tape(
        "# a\nSet Width 3\nType \"laocoon x --session y\"\nEnter\nWait+Screen /a \\/ b/\nType \"2\"\nTab 2\nEnter",
    );
    let start = Line::Start(["x", "--session", "y"].map(String::from).to_vec());
    assert_eq!(lines[0], start);
    assert_eq!(
        lines[1..],
        [
            Line::Wait("a / b".into()),
            Line::Keys("2".into()),
            Line::Keys("\t\t".into()),
            Line::Keys("\r".into())
        ]
    );
}
