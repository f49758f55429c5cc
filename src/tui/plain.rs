//! Everything the panes show as linear text: for screen readers, pipes and logs. Pictures become tables.

use super::command::Keymap;
use super::pane::{Pane, detail};
use super::source::Source;
use super::standing::{Standing, decision};
use super::text::{bytes, moment, seconds, wrap};
use super::theme::{Depth, Theme};
use super::view::{Figures, Shown, Subject, Ui, View};
use crate::case::work::Work;
use crate::evidence::ItemState;
use crate::evidence::text::visible;
use crate::figure::rows;
use crate::procedure::Phase;
use std::fmt::Write as _;

/// Columns text is wrapped to.
const WIDTH: usize = 100;

/// The text of all panes.
pub fn plain(source: &dyn Source) -> String {
    let (state, live) = (source.state(), source.live());
    let view = View {
        state: &state,
        live: &live,
        position: source.position(),
        theme: Theme::of(Depth::Mono),
        ui: &Ui::default(),
        keys: Keymap::usual(),
        frozen: false,
        source,
        figures: &Figures::default(),
    };
    let mut out = String::new();
    head(&view, &mut out);
    evidence(&view, &mut out);
    for pane in Pane::ALL {
        if let Some(phase) = pane.phase() {
            heading(&mut out, pane.name());
            procedures(&view, phase, &mut out);
        }
    }
    heading(&mut out, "findings");
    for i in 0..view.state.findings.len() {
        let subject = Subject::Finding(i);
        let _ = writeln!(out, "{}", detail::title(&view, &subject));
        for line in detail::lines(&view, &subject, WIDTH - 2) {
            let _ = writeln!(out, "  {line}");
        }
    }
    if view.state.findings.is_empty() {
        out.push_str("none so far. This is not a verdict \"clean\".\n");
    }
    heading(&mut out, "notes");
    for (time, text) in &view.state.notes {
        let _ = writeln!(out, "{}  {}", visible(&moment(time)), visible(text));
    }
    heading(&mut out, "verdicts and tags");
    for entry in view.state.work.standing().filter(|e| !matches!(e.work, Work::Note(_))) {
        let _ = writeln!(out, "{}  {}", visible(&moment(&entry.time)), visible(&entry.line()));
    }
    heading(&mut out, "timeline");
    for m in &view.state.timeline {
        let hash: String = visible(&m.hash).chars().take(12).collect();
        let _ = writeln!(out, "{:>4}  {}  {hash}  {}", m.n, visible(&moment(&m.time)), visible(&m.what));
    }
    out.lines().fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

fn heading(out: &mut String, text: &str) {
    let _ = write!(out, "\n{text}\n{}\n", "-".repeat(text.len()));
}

fn head(view: &View, out: &mut String) {
    let case = view.state.case.as_ref();
    let id = case.map_or("opening".to_owned(), |c| format!("{}: {}", visible(&c.id), visible(&c.title)));
    let _ = writeln!(out, "case {id}");
    for question in case.iter().flat_map(|c| &c.questions) {
        let _ = writeln!(out, "asked: {}", visible(question));
    }
    if let Some(at) = view.position {
        let _ = writeln!(out, "replay: after event {} of {}", at.n, at.total);
    }
    for warning in view.source.warnings() {
        let _ = writeln!(out, "warning: {}", visible(&warning));
    }
}

fn evidence(view: &View, out: &mut String) {
    heading(out, "evidence");
    for item in &view.state.evidence {
        let format = serde_json::to_value(item.format).ok().and_then(|v| v.as_str().map(str::to_owned));
        let state = match &item.state {
            ItemState::Accepted => "accepted".to_owned(),
            ItemState::Refused(why) => format!("refused: {}", visible(why)),
        };
        let _ = writeln!(
            out,
            "{} {} {}: {}, {}, sha256 {}, {state}",
            visible(&item.id),
            item.role.name(),
            item.path.shown(),
            format.unwrap_or_default(),
            bytes(item.bytes),
            if item.sha256.is_empty() { "unread".to_owned() } else { visible(&item.sha256) },
        );
        for fact in &item.facts {
            let _ = writeln!(out, "  {}", fact.shown());
        }
    }
    if view.state.evidence.is_empty() {
        out.push_str("none yet\n");
    }
}

fn procedures(view: &View, phase: Phase, out: &mut String) {
    let ids = view.procedures(phase);
    if ids.is_empty() {
        out.push_str("nothing planned here\n");
    }
    for id in ids {
        let now = view.standing(id);
        let _ = writeln!(out, "{} {}: {}", now.mark(), visible(id), now.word());
        let mut say = |name: &str, text: &str| {
            for line in wrap(&format!("{name}{}", visible(text)), WIDTH - 2) {
                let _ = writeln!(out, "  {line}");
            }
        };
        match now {
            Standing::Finished(record, time) => {
                say("", &record.summary);
                say("statistic: ", &decision(record));
                say("threshold from: ", &record.threshold_origin);
                say("limits: ", &record.limits);
                say("took: ", &seconds(time));
                for name in record.figures.keys() {
                    match view.figure(id, name) {
                        Shown::Final(f) | Shown::Partial(f) => {
                            let _ = writeln!(out, "  picture {}:", visible(name));
                            for line in rows::plain(&f).lines() {
                                let _ = writeln!(out, "    {line}");
                            }
                        }
                        Shown::Broken(why) => {
                            let _ = writeln!(
                                out,
                                "  picture {} cannot be shown: {}",
                                visible(name),
                                visible(&why)
                            );
                        }
                        Shown::None => {}
                    }
                }
            }
            Standing::Skipped(why) | Standing::Failed(why) => say("", why),
            _ => say("", &now.remark()),
        }
    }
}
