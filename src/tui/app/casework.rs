//! The analyst's own work: notes, verdicts, tags, undo; and what leaves by the clipboard.

use super::{App, Next};
use crate::case::{Event, Judgement, Topic};
use crate::evidence::text::visible;
use crate::figure::rows;
use crate::tui::overlay::Mode;
use crate::tui::pane::detail;
use crate::tui::source::Request;
use crate::tui::text::{json_num, moment};
use crate::tui::view::Subject;

/// The most characters sent to a clipboard: terminals drop longer ones without a word.
const MOST: usize = 50_000;

impl App {
    /// What keys act on: of the overlay on top, else the chosen row.
    pub(super) fn subject(&self) -> Option<Subject> {
        let view = self.view();
        match &self.mode {
            Mode::Detail { subject, .. } => Some(subject.clone()),
            Mode::Zoom(zoom) => match (zoom.sample(&view), view.training()) {
                (Some(index), Some(set)) => Some(Subject::Sample(set.to_owned(), index)),
                _ => Some(Subject::Figure(zoom.figure.0.clone(), zoom.figure.1.clone())),
            },
            _ => view.subject(),
        }
    }

    pub(super) fn topic(&self) -> Topic {
        self.subject().and_then(|s| self.view().topic(&s)).unwrap_or(Topic::Case)
    }

    /// Takes back the last step, or brings back the one taken back last.
    pub(super) fn undo(&mut self, redo: bool) {
        let work = &self.state.work;
        match if redo { work.redoable() } else { work.undoable() } {
            Some(event) => self.request(Request::Work(Event::Undone { event })),
            None => self.say(Err("nothing to take back".into())),
        }
    }

    /// A verdict as given; a dismissal needs a reason.
    pub(super) fn judge(&mut self, about: Topic, choice: usize, text: &str) {
        let judgement = Judgement::ALL[choice.min(Judgement::ALL.len() - 1)];
        let reason = text.trim().to_owned();
        if judgement == Judgement::Dismissed && reason.is_empty() {
            self.say(Err("a dismissal needs a reason: the report shows it".into()));
            self.mode = Mode::Judge { about, choice, text: String::new() };
        } else {
            self.back();
            self.request(Request::Work(Event::Judged { about, judgement, reason }));
        }
    }

    /// Sets a tag, or takes it off where it is set.
    pub(super) fn tag(&mut self, about: Topic, text: &str) {
        self.back();
        let tag: String =
            text.trim().trim_start_matches('#').split_whitespace().collect::<Vec<_>>().join("-");
        if tag.is_empty() {
            self.say(Err("an empty tag is not kept".into()));
        } else {
            let on = !self.state.work.tags(&about).contains(&tag.as_str());
            self.request(Request::Work(Event::Tagged { about, tag, on }));
        }
    }

    /// Sends what is chosen to the terminal.
    pub(super) fn copy(&mut self, full: bool) -> Next {
        let Some(subject) = self.subject() else {
            self.say(Err("nothing is chosen here".into()));
            return Next::Stay;
        };
        let mut text = if full { self.page(&subject) } else { self.line(&subject) };
        let cut = text.chars().count() > MOST;
        if cut {
            text = text.chars().take(MOST).collect();
        }
        let size = text.chars().count();
        let more = if cut { ", cut there" } else { "" };
        // Whether it takes it, a terminal does not say.
        self.say(Ok(format!("sent to the terminal's clipboard: {size} characters{more}")));
        Next::Copy(text)
    }

    /// A subject in one line.
    fn line(&self, subject: &Subject) -> String {
        let view = self.view();
        visible(&match subject {
            Subject::Item(i) => view.state.evidence.get(*i).map_or(String::new(), |e| e.sha256.clone()),
            Subject::Finding(i) => view.state.findings.get(*i).map_or(String::new(), |f| {
                let severity = detail::severity(f.finding.severity);
                format!("{} {severity} {}: {}", f.id, f.procedure, f.finding.title)
            }),
            Subject::Procedure(id) => match view.outcome(id) {
                Some((r, _)) => {
                    format!("{id}: {}, statistic {}, {}", r.verdict.name(), json_num(&r.statistic), r.summary)
                }
                None => format!("{id}: {}", view.standing(id).word()),
            },
            Subject::Moment(i) => view
                .state
                .timeline
                .get(*i)
                .map_or(String::new(), |m| format!("{} {} {} {}", m.n, moment(&m.time), m.hash, m.what)),
            Subject::Figure(id, name) => {
                return view.figure(id, name).figure().map_or(String::new(), rows::plain);
            }
            other => detail::title(&view, other),
        })
    }

    /// A subject in full, as Markdown.
    fn page(&self, subject: &Subject) -> String {
        let view = self.view();
        let mut out = format!("## {}\n\n", detail::title(&view, subject));
        for line in detail::lines(&view, subject, 100) {
            let heading = line.spans.is_empty() || line.style == view.theme.strong();
            let text = line.to_string();
            out += if heading && !text.is_empty() { "### " } else { "" };
            out += &text;
            out.push('\n');
        }
        out
    }
}
