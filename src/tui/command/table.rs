//! The table itself, and when each command can be used.

use super::Group::{Look, Program, Replay, Work};
use super::{Action, Chord, Command, Group, Motion, ch, code, ctrl};
use crate::tui::pane::Pane;
use crate::tui::source::Step;
use crate::tui::standing::Standing;
use crate::tui::view::{Subject, View};
use crossterm::event::KeyCode;

type Valid = fn(&View) -> Result<(), String>;

/// A command that is not in the bottom bar.
const fn row(
    id: &'static str,
    keys: &'static [Chord],
    group: Group,
    action: Action,
    valid: Valid,
    help: &'static str,
) -> Command {
    Command { id, keys, short: id, help, group, bar: 0, action, valid }
}

impl Command {
    /// Puts it into the bottom bar.
    const fn bar(mut self, place: u8, short: &'static str) -> Self {
        self.bar = place;
        self.short = short;
        self
    }
}

/// Every command. A test checks that no key stands for two of them.
pub static COMMANDS: &[Command] = &[
    row("triage", &[ch('1')], Look, Action::Pane(Pane::Triage), always, "evidence, formats, all findings"),
    row("detection", &[ch('2')], Look, Action::Pane(Pane::Detection), always, "anomaly per class, clusters"),
    row("trigger", &[ch('3')], Look, Action::Pane(Pane::Recovery), always, "the recovered trigger"),
    row("impact", &[ch('4')], Look, Action::Pane(Pane::Impact), always, "what the trigger does"),
    row("attribution", &[ch('5')], Look, Action::Pane(Pane::Attribution), always, "techniques and toolkits"),
    row("timeline", &[ch('6')], Look, Action::Pane(Pane::Timeline), always, "what happened when"),
    row("next-box", &[code(KeyCode::Tab)], Look, Action::Focus(true), always, "focus the next box")
        .bar(7, "focus"),
    row(
        "previous-box",
        &[code(KeyCode::BackTab)],
        Look,
        Action::Focus(false),
        always,
        "focus the box before",
    ),
    row("up", &[code(KeyCode::Up), ch('k')], Look, Action::Move(Motion::Up), always, "row up"),
    row("down", &[code(KeyCode::Down), ch('j')], Look, Action::Move(Motion::Down), always, "row down"),
    row(
        "left",
        &[code(KeyCode::Left), ch('h')],
        Look,
        Action::Move(Motion::Left),
        always,
        "image, class or box before",
    ),
    row(
        "right",
        &[code(KeyCode::Right), ch('l')],
        Look,
        Action::Move(Motion::Right),
        always,
        "next image, class or box",
    ),
    row("page-up", &[code(KeyCode::PageUp)], Look, Action::Move(Motion::PageUp), always, "many rows up"),
    row(
        "page-down",
        &[code(KeyCode::PageDown)],
        Look,
        Action::Move(Motion::PageDown),
        always,
        "many rows down",
    ),
    row("first", &[code(KeyCode::Home), ch('g')], Look, Action::Move(Motion::First), always, "first row"),
    row("last", &[code(KeyCode::End), ch('G')], Look, Action::Move(Motion::Last), always, "last row"),
    row("open", &[code(KeyCode::Enter)], Look, Action::Open, can_open, "all about what is chosen")
        .bar(4, "open"),
    row("zoom", &[ch('z')], Look, Action::Zoom, can_zoom, "a picture on the whole screen").bar(5, "zoom"),
    row(
        "closer",
        &[ch('+'), ch('=')],
        Look,
        Action::Approach(true),
        can_zoom,
        "closer to a picture; arrows then move what is seen",
    ),
    row("farther", &[ch('-')], Look, Action::Approach(false), can_zoom, "and back"),
    row("numbers", &[ch('#')], Look, Action::Numbers, can_zoom, "a picture's numbers, and back"),
    row(
        "filter",
        &[ch('/')],
        Look,
        Action::Filter,
        can_filter,
        "only rows with these words (!: without); words in a text",
    )
    .bar(7, "filter"),
    row("sort", &[ch('s')], Look, Action::Sort, can_sort, "rows or bars in another order"),
    row("guide", &[ch('w')], Look, Action::Guide, always, "what is known, what is missing, what to do next")
        .bar(6, "what next"),
    row("compare", &[ch('c')], Look, Action::Compare, always, "another session beside this one"),
    row("copy", &[ch('y')], Look, Action::Copy(false), can_copy, "send it to the terminal's clipboard"),
    row("copy-markdown", &[ch('Y')], Look, Action::Copy(true), can_copy, "the same in full, as Markdown"),
    row("freeze", &[ch('f')], Look, Action::Freeze, always, "hold the screen still; work goes on"),
    row("stop", &[ctrl('x')], Work, Action::Stop, can_stop, "stop the job shown below").bar(1, "stop"),
    row("run-all", &[ch('R')], Work, Action::RunAll, can_run_all, "run everything planned").bar(2, "run all"),
    row("run", &[ch('r')], Work, Action::Run, can_run, "run the chosen procedure").bar(3, "run"),
    row("jobs", &[ch('J')], Work, Action::Jobs, always, "jobs with their logs"),
    row("prefer", &[ch('p')], Work, Action::Prefer, can_prefer, "begin the chosen job before the others"),
    row(
        "verdict",
        &[ch('v')],
        Work,
        Action::Judge,
        can_judge,
        "your verdict: confirm or dismiss, with the reason",
    )
    .bar(5, "verdict"),
    row("note", &[ch('n')], Work, Action::Note, writable, "a note about what is chosen").bar(6, "note"),
    row("note-case", &[ch('N')], Work, Action::NoteCase, writable, "a note about the case as a whole"),
    row("tag", &[ch('T')], Work, Action::Tag, can_tag, "set a tag, or take it off"),
    row("undo", &[ch('u')], Work, Action::Undo, can_undo, "take back your last note, verdict or tag"),
    row("redo", &[ch('U')], Work, Action::Redo, can_redo, "bring it back"),
    row("export", &[ch('e')], Work, Action::Export, always, "write a report, or the picture of the box")
        .bar(6, "export"),
    row("step-back", &[ch('[')], Replay, Action::Step(Step::Back), not_first, "one event back")
        .bar(1, "back"),
    row("step-on", &[ch(']')], Replay, Action::Step(Step::On), not_last, "one event on").bar(1, "on"),
    row(
        "finding-back",
        &[ch('{')],
        Replay,
        Action::Step(Step::FindingBack),
        not_first,
        "back to the finding before",
    ),
    row("finding-on", &[ch('}')], Replay, Action::Step(Step::FindingOn), not_last, "on to the next finding")
        .bar(2, "finding"),
    row("replay-first", &[ch('<')], Replay, Action::Step(Step::First), not_first, "to the first event"),
    row("replay-last", &[ch('>')], Replay, Action::Step(Step::Last), not_last, "to the last event"),
    row("play", &[ch(' ')], Replay, Action::Step(Step::Play), in_replay, "play on: 1×, 8×, stop")
        .bar(2, "play"),
    row("goto", &[ch('t')], Replay, Action::Goto, in_replay, "to an event's number or a time"),
    row("palette", &[ch(':'), code(KeyCode::F(1))], Program, Action::Palette, always, "find a command")
        .bar(8, "commands"),
    row("help", &[ch('?')], Program, Action::Help, always, "the keys; again: the procedure's page")
        .bar(9, "keys"),
    row("back", &[code(KeyCode::Esc)], Program, Action::Back, always, "close what is on top"),
    row("suspend", &[ctrl('z')], Program, Action::Suspend, always, "to the shell until fg"),
    row("redraw", &[ctrl('l')], Program, Action::Redraw, always, "draw everything anew"),
    row("quit", &[ch('q'), ctrl('c')], Program, Action::Quit, always, "leave (asks when a job runs)")
        .bar(8, "quit"),
];

#[expect(clippy::unnecessary_wraps, reason = "the form of every condition in the table")]
fn always(_: &View) -> Result<(), String> {
    Ok(())
}

pub(super) fn writable(view: &View) -> Result<(), String> {
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

fn can_prefer(view: &View) -> Result<(), String> {
    writable(view)?;
    let waits = |id: &String| view.live.iter().any(|j| j.procedure == *id && !j.running);
    match view.chosen_procedure() {
        Some(id) if waits(&id) => Ok(()),
        Some(id) => Err(format!("{id} does not wait for its turn")),
        None => Err("no procedure is chosen".into()),
    }
}

fn can_judge(view: &View) -> Result<(), String> {
    writable(view)?;
    match view.subject() {
        Some(Subject::Finding(_) | Subject::Procedure(_) | Subject::Figure(..)) => Ok(()),
        _ => Err("a verdict is on a finding or a procedure: choose one".into()),
    }
}

fn can_tag(view: &View) -> Result<(), String> {
    writable(view)?;
    if view.subject().is_some() { Ok(()) } else { Err("nothing is chosen here".into()) }
}

fn can_undo(view: &View) -> Result<(), String> {
    writable(view)?;
    match view.state.work.undoable() {
        Some(_) => Ok(()),
        None => Err("nothing to take back: no note, verdict or tag of yours stands".into()),
    }
}

fn can_redo(view: &View) -> Result<(), String> {
    writable(view)?;
    match view.state.work.redoable() {
        Some(_) => Ok(()),
        None => Err("nothing was taken back".into()),
    }
}

fn can_copy(view: &View) -> Result<(), String> {
    if view.subject().is_some() { Ok(()) } else { Err("nothing is chosen here".into()) }
}

fn can_filter(view: &View) -> Result<(), String> {
    if view.ui.slot().is_list() { Ok(()) } else { Err("this box is no list: tab to one".into()) }
}

fn can_sort(view: &View) -> Result<(), String> {
    if view.ui.slot().orders().len() > 1 { Ok(()) } else { Err("this box has one order only".into()) }
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
