//! Everything about one thing, in lines: shown beside the lists on wide terminals, and over them by `enter`.

use super::attribution;
use crate::case::Topic;
use crate::case::work::{Entry, Work};
use crate::evidence::{Item, ItemState, text::visible};
use crate::procedure::{Confidence, Record, Severity};
use crate::tui::standing::{Standing, decision};
use crate::tui::text::{bytes, json_num, moment, seconds, wrap};
use crate::tui::theme::Theme;
use crate::tui::view::{Subject, View};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde_json::Value;

/// Lines of one width, collected.
pub(super) struct Page {
    theme: Theme,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Page {
    pub(super) fn new(theme: Theme, width: usize) -> Self {
        Self { theme, width, lines: Vec::new() }
    }

    pub(super) fn done(self) -> Vec<Line<'static>> {
        self.lines
    }

    /// A heading, after an empty line unless it is the first.
    pub(super) fn head(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        self.text(text, self.theme.strong());
    }

    /// Wrapped text, made visible.
    pub(super) fn text(&mut self, text: &str, style: Style) {
        let wrapped = wrap(&visible(text), self.width);
        self.lines.extend(wrapped.into_iter().map(|l| Line::styled(l, style)));
    }

    /// `name  value`, the value wrapped under itself.
    pub(super) fn pair(&mut self, name: &str, value: &str) {
        const NAMES: usize = 12;
        let room = self.width.saturating_sub(NAMES).max(8);
        for (i, part) in wrap(&visible(value), room).into_iter().enumerate() {
            let name = crate::tui::text::fit(if i == 0 { name } else { "" }, NAMES);
            self.lines.push(Line::from(vec![Span::styled(name, self.theme.dim()), Span::raw(part)]));
        }
    }
}

/// The word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// The word for a confidence.
pub fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// What a subject is called.
pub fn title(view: &View, subject: &Subject) -> String {
    let state = view.state;
    visible(&match subject {
        Subject::Item(i) => state.evidence.get(*i).map_or(String::new(), |e| format!("evidence {}", e.id)),
        Subject::Procedure(id) | Subject::Figure(id, _) => {
            view.about(id).map_or_else(|| id.clone(), |a| a.title.to_owned())
        }
        Subject::Finding(i) => state.findings.get(*i).map_or(String::new(), |f| format!("finding {}", f.id)),
        Subject::Moment(i) => state.timeline.get(*i).map_or(String::new(), |m| format!("event {}", m.n)),
        Subject::Technique(_) => "technique".to_owned(),
        Subject::Toolkit(_) => "toolkit candidate".to_owned(),
        Subject::Sample(set, index) => format!("sample {index} of {set}"),
    })
}

/// Everything about a subject, wrapped to `width`.
pub fn lines(view: &View, subject: &Subject, width: usize) -> Vec<Line<'static>> {
    let mut page = Page::new(view.theme, width);
    match subject {
        Subject::Item(i) => {
            if let Some(item) = view.state.evidence.get(*i) {
                evidence(view, item, &mut page);
            }
        }
        Subject::Procedure(id) | Subject::Figure(id, _) => procedure(view, id, &mut page),
        Subject::Finding(i) => finding(view, *i, &mut page),
        Subject::Moment(i) => {
            if let Some(moment) = view.state.timeline.get(*i) {
                page.pair("event", &moment.n.to_string());
                page.pair("time", &moment.time);
                page.pair("hash", &moment.hash);
                let before = i.checked_sub(1).and_then(|i| view.state.timeline.get(i));
                if let Some(before) = before.filter(|b| !b.hash.is_empty()) {
                    page.pair("holds", &format!("the hash of event {}: {}", before.n, before.hash));
                }
                page.head("what happened");
                page.text(&moment.what, Style::new());
            }
        }
        Subject::Technique(i) => attribution::technique_page(view, *i, &mut page),
        Subject::Toolkit(i) => attribution::toolkit_page(view, *i, &mut page),
        Subject::Sample(_, index) => sample(view, *index, &mut page),
    }
    if let Some(topic) = view.topic(subject) {
        work(view, &topic, &mut page);
    }
    page.done()
}

/// What the analyst said of it.
fn work(view: &View, topic: &Topic, page: &mut Page) {
    let work = &view.state.work;
    if let Some((judgement, reason)) = work.judgement(topic) {
        page.head("your verdict");
        page.text(judgement.name(), view.theme.strong());
        if !reason.is_empty() {
            page.text(reason, Style::new());
        }
    }
    let tags = work.tags(topic);
    if !tags.is_empty() {
        page.head("tags");
        page.text(&tags.iter().map(|t| format!("#{t}")).collect::<Vec<_>>().join(" "), Style::new());
    }
    let note = |e: &Entry| match &e.work {
        Work::Note(text) => Some((moment(&e.time), text.clone())),
        _ => None,
    };
    let notes: Vec<(String, String)> = work.on(topic).filter_map(note).collect();
    if !notes.is_empty() {
        page.head("notes");
        for (time, text) in notes {
            page.text(&format!("{time}  {text}"), Style::new());
        }
    }
}

fn evidence(view: &View, item: &Item, page: &mut Page) {
    page.text(&item.path.shown(), view.theme.strong());
    page.pair("role", item.role.name());
    page.pair("format", &super::triage::format_name(item));
    page.pair("size", &format!("{} ({} bytes)", bytes(item.bytes), item.bytes));
    if item.files != 1 {
        page.pair("files", &item.files.to_string());
    }
    page.pair("sha256", if item.sha256.is_empty() { "could not be read" } else { &item.sha256 });
    if let Some(published) = &item.published {
        let matches = published.eq_ignore_ascii_case(&item.sha256);
        page.pair(
            "published",
            &if matches { "the same".to_owned() } else { format!("DIFFERS: {published}") },
        );
    }
    match &item.state {
        ItemState::Accepted => page.pair("state", "accepted"),
        ItemState::Refused(why) => {
            page.head("× refused");
            page.text(why, Style::new());
            page.text("next: give a file that can be read, and open the case again", view.theme.dim());
        }
    }
    for (_, what) in view.state.changed.iter().filter(|(id, _)| *id == item.id) {
        page.head("! changed since intake");
        page.text(what, Style::new());
    }
    if !item.facts.is_empty() {
        page.head("what the reader learnt");
        for fact in &item.facts {
            page.text(&fact.shown(), Style::new());
        }
    }
}

fn finding(view: &View, i: usize, page: &mut Page) {
    let Some(numbered) = view.state.findings.get(i) else { return };
    let f = &numbered.finding;
    page.text(&f.title, view.theme.alarm());
    page.pair("severity", severity(f.severity));
    page.pair("confidence", confidence(f.confidence));
    page.pair("found by", &numbered.procedure);
    if let Some(class) = f.class {
        page.pair("class", &class.to_string());
    }
    if let Some(class) = f.source_class {
        page.pair("source class", &class.to_string());
    }
    page.pair("evidence", &f.evidence.join(", "));
    page.pair("ATLAS", &f.atlas.join(", "));
    page.pair("OWASP", &f.owasp.join(", "));
    page.head("what was seen");
    page.text(&f.detail, Style::new());
    if let Some((record, _)) = view.outcome(&numbered.procedure) {
        page.head("limits");
        page.text(&record.limits, Style::new());
    }
}

fn procedure(view: &View, id: &str, page: &mut Page) {
    let now = view.standing(id);
    page.text(&format!("{} {id}: {}", now.mark(), now.word()), now.style(view.theme));
    match view.about(id) {
        Some(about) => page.text(about.question, Style::new()),
        None => page.text("this version of laocoon does not know the procedure", view.theme.dim()),
    }
    match now {
        Standing::Finished(record, time) => outcome(record, time, "result", page),
        Standing::Skipped(why) | Standing::Failed(why) => {
            page.head("why");
            page.text(why, Style::new());
        }
        Standing::Stopped(..) => page.text(&format!("{}: not a result", now.remark()), Style::new()),
        Standing::Running(Some(job)) => {
            page.pair("progress", &format!("{} {}", now.remark(), super::parts::left(job)));
            page.head("log");
            for line in &job.log {
                page.text(line, view.theme.dim());
            }
        }
        Standing::NotRun | Standing::Queued | Standing::Running(None) | Standing::Interrupted => {}
    }
    if let (Some((record, time)), false) = (view.outcome(id), matches!(now, Standing::Finished(..))) {
        outcome(record, time, "result of the run before, which stands until there is another", page);
    }
    page.head("next");
    page.text(&super::parts::next(view, id, &now), Style::new());
    if let Some(about) = view.about(id) {
        page.head("about");
        page.pair("needs", about.needs);
        page.pair("method", about.reference);
        page.pair("version", &about.version.to_string());
    }
    if let Some(state) = view.state.procedure(id)
        && state.params.as_object().is_some_and(|o| !o.is_empty())
    {
        page.head("parameters");
        for (name, value) in state.params.as_object().into_iter().flatten() {
            page.pair(name, &brief(value));
        }
    }
}

/// What a procedure found.
fn outcome(record: &Record, time: f64, heading: &str, page: &mut Page) {
    page.head(heading);
    page.text(&record.summary, Style::new());
    page.pair("statistic", &decision(record));
    page.pair("threshold", &record.threshold_origin);
    page.pair("took", &seconds(time));
    page.head("limits");
    page.text(&record.limits, Style::new());
    if !record.measures.is_empty() {
        page.head("measures");
        for (name, value) in &record.measures {
            page.pair(name, &brief(value));
        }
    }
    if !record.figures.is_empty() {
        page.head("pictures (z)");
        page.text(&record.figures.keys().cloned().collect::<Vec<_>>().join(", "), Style::new());
    }
}

/// A JSON value in a line: the first few of many.
fn brief(value: &Value) -> String {
    const FEW: usize = 8;
    match value {
        Value::Number(_) => json_num(value),
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().take(FEW).map(brief).collect();
            let more =
                if items.len() > FEW { format!(" … ({} in all)", items.len()) } else { String::new() };
            format!("{}{more}", shown.join(" "))
        }
        Value::Object(fields) => {
            let shown: Vec<String> =
                fields.iter().take(FEW).map(|(k, v)| format!("{k} {}", brief(v))).collect();
            format!("({})", shown.join(", "))
        }
        other => other.to_string(),
    }
}

/// Where a training sample stands with every procedure that names samples.
fn sample(view: &View, index: usize, page: &mut Page) {
    page.text(&format!("training sample {index}"), view.theme.strong());
    let holds = |value: &Value| value.as_u64().and_then(|v| usize::try_from(v).ok()) == Some(index);
    let mut named = false;
    for (id, measure, words) in [
        ("poisoned-samples", "indices", "on the quarantine list"),
        ("label-issues", "issues", "its label looks wrong"),
        ("outliers", "outliers", "an outlier"),
        ("spectral-signatures", "flagged_samples", "flagged"),
    ] {
        let list = view.measure(id, measure).and_then(Value::as_array);
        if let Some(at) = list.and_then(|all| all.iter().position(holds)) {
            let text = format!("{id}: {words}, place {} of {}", at + 1, list.map_or(0, Vec::len));
            page.text(&text, Style::new());
            named = true;
        }
    }
    if !named {
        page.text("no finished procedure lists it", view.theme.dim());
    }
}
