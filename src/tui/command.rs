//! The one table of commands: keys, bottom bar, `?`, palette and documentation all come from it.

use super::pane::Pane;
use super::source::Step;
use super::view::View;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A way to move the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// To the left: the image or class before, else the box before.
    Left,
    /// To the right.
    Right,
    /// Many rows up.
    PageUp,
    /// Many rows down.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Shows a pane.
    Pane(Pane),
    /// Moves the focus to the next box (or the one before).
    Focus(bool),
    /// Moves the cursor.
    Move(Motion),
    /// Opens what is chosen, in full.
    Open,
    /// Closes what is on top.
    Back,
    /// Runs the chosen procedure.
    Run,
    /// Runs everything planned.
    RunAll,
    /// Stops the job in the bottom bar.
    Stop,
    /// Shows the jobs.
    Jobs,
    /// Writes a note.
    Note,
    /// Exports a report.
    Export,
    /// Steps through a replay.
    Step(Step),
    /// Enlarges a figure.
    Zoom,
    /// Shows the keys, then the page of the chosen procedure.
    Help,
    /// Opens the palette.
    Palette,
    /// Leaves.
    Quit,
    /// Gives the terminal back to the shell until `fg`.
    Suspend,
    /// Draws everything anew.
    Redraw,
    /// Runs a procedure by id (palette only).
    RunProcedure(String),
    /// Shows the page of a procedure (palette only).
    Explain(String),
    /// Panics, so that the tests can see the terminal given back.
    #[cfg(debug_assertions)]
    Panic,
}

/// A key with its modifiers; shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord(pub KeyCode, pub KeyModifiers);

const fn ch(c: char) -> Chord {
    Chord(KeyCode::Char(c), KeyModifiers::NONE)
}

const fn ctrl(c: char) -> Chord {
    Chord(KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn code(code: KeyCode) -> Chord {
    Chord(code, KeyModifiers::NONE)
}

impl Chord {
    /// The chord of a key event: terminals differ in whether they report shift with a capital letter or back-tab.
    pub fn of(event: &KeyEvent) -> Self {
        Chord(event.code, event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT))
    }

    /// How it is written.
    pub fn name(self) -> String {
        let base = match self.0 {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(c) if self.1.contains(KeyModifiers::CONTROL) => c.to_uppercase().collect(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "↑".into(),
            KeyCode::Down => "↓".into(),
            KeyCode::Left => "←".into(),
            KeyCode::Right => "→".into(),
            KeyCode::PageUp => "pgup".into(),
            KeyCode::PageDown => "pgdn".into(),
            KeyCode::BackTab => "shift-tab".into(),
            KeyCode::F(n) => format!("F{n}"),
            other => format!("{other:?}").to_lowercase(),
        };
        if self.1.contains(KeyModifiers::CONTROL) { format!("^{base}") } else { base }
    }
}

/// Where a command stands in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Panes and cursor.
    Look,
    /// What changes the session.
    Work,
    /// Replay.
    Replay,
    /// The program itself.
    Program,
}

impl Group {
    /// All groups in the order of the help.
    pub const ALL: [Group; 4] = [Group::Look, Group::Work, Group::Replay, Group::Program];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            Group::Look => "look around",
            Group::Work => "work",
            Group::Replay => "replay",
            Group::Program => "program",
        }
    }
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Stable name.
    pub id: &'static str,
    /// Keys; the first is the one shown.
    pub keys: &'static [Chord],
    /// What it is called in the bottom bar.
    pub short: &'static str,
    /// What it does, for help and palette.
    pub help: &'static str,
    /// Where it stands in the help.
    pub group: Group,
    /// Place in the bottom bar, from 1; 0: not there.
    pub bar: u8,
    /// What it does.
    pub action: Action,
    /// Whether it can be used now, or why not.
    pub valid: fn(&View) -> Result<(), String>,
}

fn always(_: &View) -> Result<(), String> {
    Ok(())
}

fn writable(view: &View) -> Result<(), String> {
    match view.source.read_only() {
        Some(why) => Err(format!("not possible: {why}")),
        None => Ok(()),
    }
}

fn can_run(view: &View) -> Result<(), String> {
    writable(view)?;
    let Some(id) = view.chosen_procedure() else {
        return Err("no procedure is chosen: tab to a list of procedures or a picture".into());
    };
    match view.live.iter().find(|j| j.procedure == id) {
        Some(job) if job.running => Err(format!("{id} runs already: ^X stops it")),
        Some(_) => Err(format!("{id} waits already for its turn")),
        None => Ok(()),
    }
}

fn can_run_all(view: &View) -> Result<(), String> {
    writable(view)?;
    use super::standing::Standing;
    let asked = |s: &Standing| matches!(s, Standing::Running(_) | Standing::Queued);
    let over = |s: &Standing| matches!(s, Standing::Finished(..) | Standing::Skipped(_));
    let all: Vec<Standing> = view.state.planned.iter().map(|p| view.standing(&p.id)).collect();
    if all.is_empty() || all.iter().any(|s| !asked(s) && !over(s)) {
        Ok(())
    } else if all.iter().any(asked) {
        Err("everything planned is under way: ^X stops a job".into())
    } else {
        Err("everything planned has run: r runs the chosen one again".into())
    }
}

fn can_stop(view: &View) -> Result<(), String> {
    if view.live.is_empty() { Err("nothing to stop: no job runs".into()) } else { Ok(()) }
}

fn in_replay(view: &View) -> Result<(), String> {
    if view.position.is_some() {
        Ok(())
    } else {
        Err("stepping is for `laocoon replay`: this is live work".into())
    }
}

fn not_first(view: &View) -> Result<(), String> {
    in_replay(view)?;
    if view.position.is_some_and(|p| p.n > 1) { Ok(()) } else { Err("this is the first event".into()) }
}

fn not_last(view: &View) -> Result<(), String> {
    in_replay(view)?;
    if view.position.is_some_and(|p| p.n < p.total) { Ok(()) } else { Err("this is the last event".into()) }
}

fn can_open(view: &View) -> Result<(), String> {
    if view.subject().is_some() { Ok(()) } else { Err("nothing is chosen here".into()) }
}

fn can_zoom(view: &View) -> Result<(), String> {
    if view.all_figures().is_empty() { Err("no picture yet: procedures make them".into()) } else { Ok(()) }
}

fn can_note(view: &View) -> Result<(), String> {
    writable(view)
}

macro_rules! command {
    ($id:literal, [$($key:expr),+], $short:literal, $help:literal, $group:ident, $bar:literal, $action:expr, $valid:expr) => {
        Command {
            id: $id,
            keys: &[$($key),+],
            short: $short,
            help: $help,
            group: Group::$group,
            bar: $bar,
            action: $action,
            valid: $valid,
        }
    };
}

/// Every command. A test checks that no key stands for two of them.
pub static COMMANDS: &[Command] = &[
    command!(
        "triage",
        [ch('1')],
        "triage",
        "evidence, formats, all findings",
        Look,
        0,
        Action::Pane(Pane::Triage),
        always
    ),
    command!(
        "detection",
        [ch('2')],
        "detection",
        "anomaly per class, clusters",
        Look,
        0,
        Action::Pane(Pane::Detection),
        always
    ),
    command!(
        "trigger",
        [ch('3')],
        "trigger",
        "the recovered trigger",
        Look,
        0,
        Action::Pane(Pane::Recovery),
        always
    ),
    command!(
        "impact",
        [ch('4')],
        "impact",
        "what the trigger does",
        Look,
        0,
        Action::Pane(Pane::Impact),
        always
    ),
    command!(
        "attribution",
        [ch('5')],
        "attribution",
        "techniques and toolkits",
        Look,
        0,
        Action::Pane(Pane::Attribution),
        always
    ),
    command!(
        "timeline",
        [ch('6')],
        "timeline",
        "what happened when",
        Look,
        0,
        Action::Pane(Pane::Timeline),
        always
    ),
    command!(
        "next-box",
        [code(KeyCode::Tab)],
        "focus",
        "focus the next box",
        Look,
        7,
        Action::Focus(true),
        always
    ),
    command!(
        "previous-box",
        [code(KeyCode::BackTab)],
        "focus back",
        "focus the box before",
        Look,
        0,
        Action::Focus(false),
        always
    ),
    command!("up", [code(KeyCode::Up), ch('k')], "up", "row up", Look, 0, Action::Move(Motion::Up), always),
    command!(
        "down",
        [code(KeyCode::Down), ch('j')],
        "down",
        "row down",
        Look,
        0,
        Action::Move(Motion::Down),
        always
    ),
    command!(
        "left",
        [code(KeyCode::Left), ch('h')],
        "left",
        "image, class or box before",
        Look,
        0,
        Action::Move(Motion::Left),
        always
    ),
    command!(
        "right",
        [code(KeyCode::Right), ch('l')],
        "right",
        "next image, class or box",
        Look,
        0,
        Action::Move(Motion::Right),
        always
    ),
    command!(
        "page-up",
        [code(KeyCode::PageUp)],
        "page up",
        "many rows up",
        Look,
        0,
        Action::Move(Motion::PageUp),
        always
    ),
    command!(
        "page-down",
        [code(KeyCode::PageDown)],
        "page down",
        "many rows down",
        Look,
        0,
        Action::Move(Motion::PageDown),
        always
    ),
    command!(
        "first",
        [code(KeyCode::Home), ch('g')],
        "first",
        "first row",
        Look,
        0,
        Action::Move(Motion::First),
        always
    ),
    command!(
        "last",
        [code(KeyCode::End), ch('G')],
        "last",
        "last row",
        Look,
        0,
        Action::Move(Motion::Last),
        always
    ),
    command!(
        "open",
        [code(KeyCode::Enter)],
        "open",
        "everything about what is chosen",
        Look,
        4,
        Action::Open,
        can_open
    ),
    command!("zoom", [ch('z')], "zoom", "a picture on the whole screen", Look, 5, Action::Zoom, can_zoom),
    command!("stop", [ctrl('x')], "stop", "stop the job shown below", Work, 1, Action::Stop, can_stop),
    command!("run-all", [ch('R')], "run all", "run everything planned", Work, 2, Action::RunAll, can_run_all),
    command!("run", [ch('r')], "run", "run the chosen procedure", Work, 3, Action::Run, can_run),
    command!("jobs", [ch('J')], "jobs", "jobs with their logs", Work, 0, Action::Jobs, always),
    command!("note", [ch('n')], "note", "write a note into the journal", Work, 6, Action::Note, can_note),
    command!("export", [ch('e')], "export", "write a report", Work, 6, Action::Export, always),
    command!(
        "step-back",
        [ch('[')],
        "back",
        "one event back",
        Replay,
        1,
        Action::Step(Step::Back),
        not_first
    ),
    command!("step-on", [ch(']')], "on", "one event on", Replay, 1, Action::Step(Step::On), not_last),
    command!(
        "finding-back",
        [ch('{')],
        "finding",
        "back to the finding before",
        Replay,
        0,
        Action::Step(Step::FindingBack),
        not_first
    ),
    command!(
        "finding-on",
        [ch('}')],
        "finding",
        "on to the next finding",
        Replay,
        2,
        Action::Step(Step::FindingOn),
        not_last
    ),
    command!(
        "replay-first",
        [ch('<')],
        "start",
        "to the first event",
        Replay,
        0,
        Action::Step(Step::First),
        not_first
    ),
    command!(
        "replay-last",
        [ch('>')],
        "end",
        "to the last event",
        Replay,
        0,
        Action::Step(Step::Last),
        not_last
    ),
    command!(
        "palette",
        [ch(':'), code(KeyCode::F(1))],
        "commands",
        "find a command by name",
        Program,
        8,
        Action::Palette,
        always
    ),
    command!(
        "help",
        [ch('?')],
        "keys",
        "the keys; again: the chosen procedure's page",
        Program,
        9,
        Action::Help,
        always
    ),
    command!("back", [code(KeyCode::Esc)], "close", "close what is on top", Program, 0, Action::Back, always),
    command!("suspend", [ctrl('z')], "suspend", "to the shell until fg", Program, 0, Action::Suspend, always),
    command!("redraw", [ctrl('l')], "redraw", "draw everything anew", Program, 0, Action::Redraw, always),
    command!(
        "quit",
        [ch('q'), ctrl('c')],
        "quit",
        "leave (asks when a job runs)",
        Program,
        8,
        Action::Quit,
        always
    ),
];

/// The command of a chord.
pub fn find(chord: Chord) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.keys.contains(&chord))
}

/// Something the palette offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What is typed to find it.
    pub name: String,
    /// Its keys, if any.
    pub keys: String,
    /// What it does.
    pub help: String,
    /// What it does.
    pub action: Action,
    /// Why it cannot be used now.
    pub refused: Option<String>,
}

/// Everything the palette offers: the commands, and each procedure to run and to explain.
pub fn offers(view: &View) -> Vec<Offer> {
    let moves = |c: &&Command| !matches!(c.action, Action::Move(_) | Action::Back);
    let mut all: Vec<Offer> = COMMANDS
        .iter()
        .filter(moves)
        .map(|c| Offer {
            name: c.id.replace('-', " "),
            keys: c.keys.iter().map(|k| k.name()).collect::<Vec<_>>().join(" "),
            help: c.help.to_owned(),
            action: c.action.clone(),
            refused: (c.valid)(view).err(),
        })
        .collect();
    for planned in &view.state.planned {
        let about = view.about(&planned.id);
        let plain = |name: String, help: &str, action, refused| Offer {
            name,
            keys: String::new(),
            help: help.to_owned(),
            action,
            refused,
        };
        all.push(plain(
            format!("run {}", planned.id),
            about.map_or("", |a| a.question),
            Action::RunProcedure(planned.id.clone()),
            writable(view).err(),
        ));
        if let Some(about) = about {
            let action = Action::Explain(planned.id.clone());
            all.push(plain(format!("explain {}", planned.id), about.title, action, None));
        }
    }
    #[cfg(debug_assertions)]
    all.push(Offer {
        name: "provoke a panic".into(),
        keys: String::new(),
        help: "debug builds only".into(),
        action: Action::Panic,
        refused: None,
    });
    all
}

/// How well `query` fits `name` as a subsequence, ignoring case: `None` not at all, else higher is better. Starts of
/// words and unbroken runs count more, as in most fuzzy finders.
pub fn fuzzy(query: &str, name: &str) -> Option<i64> {
    let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
    let name: Vec<char> = name.chars().map(lower).collect();
    let mut score = 0;
    let mut at = 0;
    let mut last: Option<usize> = None;
    for c in query.chars().filter(|c| !c.is_whitespace()).map(lower) {
        let found = (at..name.len()).find(|&i| name[i] == c)?;
        let start = found == 0 || !name[found - 1].is_alphanumeric();
        score += 1 + i64::from(start) * 4 + i64::from(found > 0 && last == Some(found - 1)) * 3;
        last = Some(found);
        at = found + 1;
    }
    Some(score * 64 - name.len() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn no_key_stands_for_two_commands() {
        let mut seen: HashMap<Chord, &str> = HashMap::new();
        for command in COMMANDS {
            assert!(!command.keys.is_empty() && !command.help.is_empty(), "{}", command.id);
            for &key in command.keys {
                assert_eq!(
                    Chord::of(&KeyEvent::new(key.0, key.1)),
                    key,
                    "{} can never be pressed",
                    key.name()
                );
                if let Some(other) = seen.insert(key, command.id) {
                    panic!("{} is both {other} and {}", key.name(), command.id);
                }
            }
        }
        let ids: HashSet<&str> = COMMANDS.iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), COMMANDS.len());
    }

    #[test]
    fn capitals_come_with_or_without_shift() {
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let found = find(Chord::of(&KeyEvent::new(KeyCode::Char('R'), modifiers))).unwrap();
            assert_eq!(found.id, "run-all");
        }
        assert_eq!(ctrl('x').name(), "^X");
    }

    #[test]
    fn fuzzy_prefers_word_starts_and_runs() {
        assert_eq!(fuzzy("zz", "zoom"), None);
        assert!(fuzzy("ra", "run all") > fuzzy("ra", "redraw"), "word starts first");
        assert!(fuzzy("quit", "quit") > fuzzy("quit", "quarantine it"));
        assert!(fuzzy("run neural", "run neural-cleanse").is_some());
        assert!(fuzzy("", "anything").is_some());
    }
}
