//! What several panes share: lists of procedures and findings, figure boxes, and the words for "nothing here yet".

use super::listing::{listed, numbered};
use super::{Slot, detail, place};
use crate::case::assess;
use crate::case::{Judgement, Topic};
use crate::evidence::text::visible;
use crate::figure::{Body, Figure};
use crate::procedure::{Phase, Severity};
use crate::tui::paint::{Hit, Painter};
use crate::tui::standing::{Standing, share, share_text};
use crate::tui::text::{clock, count, fit, gauge, width, wrap};
use crate::tui::theme::Theme;
use crate::tui::view::{Shown, View};
use crate::tui::widget::{FigureView, axes};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Frames a box of the pane on the screen.
pub(super) fn frame(view: &View, p: &mut Painter, area: Rect, slot: Slot, title: &str, below: &str) -> Rect {
    p.hits.push((area, Hit::Box(place(view, slot))));
    let (filter, order) = view.choice(slot);
    let order = slot.orders().get(order).filter(|_| order > 0);
    let below = match (filter.is_empty(), order) {
        (true, None) => below.to_owned(),
        (true, Some(order)) => format!("{order} · {}: another order", view.keys.name("sort")),
        (false, _) => format!("only: {} · esc: all rows", visible(filter)),
    };
    p.frame(area, title, &below, view.focused(slot))
}

/// Says that no row fits the filter, where that is why there is none.
pub(super) fn unfit(view: &View, p: &mut Painter, inner: Rect, slot: Slot) -> bool {
    let none = slot.whole(view) > 0 && slot.rows(view) == 0;
    if none {
        let next = [("next: esc shows all rows".to_owned(), view.theme.dim())];
        p.message(inner, ("no row fits the filter", view.theme.strong()), &next);
    }
    none
}

/// A box with a figure, or with the words for why there is none.
pub(super) fn figure(view: &View, p: &mut Painter, area: Rect, slot: Slot, fallback: &str) {
    let Some((id, name)) = slot.figure(view) else { return };
    let shown = if slot == Slot::Clusters { view.marked(id, &name) } else { view.figure(id, &name) };
    let (title, below) = match &shown {
        Shown::Final(f) => (visible(&f.title), axes(f)),
        Shown::Partial(f) => (format!("{} (so far)", visible(&f.title)), axes(f)),
        _ => (fallback.to_owned(), String::new()),
    };
    let inner = frame(view, p, area, slot, &title, &visible(&below));
    match &shown {
        Shown::Final(f) | Shown::Partial(f) => {
            let cursor = (slot.rows(view) > 0 && slot != Slot::Clusters).then(|| view.cursor(slot));
            if let Some(order) = view.bar_order(slot) {
                let figure = reordered(f, &order);
                let at = if slot == Slot::Anomaly {
                    cursor.and_then(|c| order.iter().position(|&i| i == c))
                } else {
                    cursor
                };
                p.figure(FigureView { figure: &figure, theme: view.theme, cursor: at }, inner);
            } else {
                p.figure(FigureView { figure: f, theme: view.theme, cursor }, inner);
            }
        }
        Shown::Broken(why) => p.message(
            inner,
            ("× the stored figure cannot be shown", view.theme.fault()),
            &[
                (visible(why), Style::new()),
                ("next: `laocoon verify` checks the whole session".into(), view.theme.dim()),
            ],
        ),
        Shown::None if matches!(view.standing(id), Standing::Finished(..)) => {
            let what =
                if slot == Slot::Clusters { format!(" for class {}", view.class()) } else { String::new() };
            p.message(
                inner,
                (&format!("no such picture{what}"), view.theme.strong()),
                &[(
                    format!("{id} finished without one. next: z shows the pictures there are"),
                    view.theme.dim(),
                )],
            );
        }
        Shown::None => standing(view, p, inner, id),
    }
}

/// Bars in another order.
pub(in crate::tui) fn reordered(figure: &Figure, order: &[usize]) -> Figure {
    let mut figure = figure.clone();
    if let Body::Bars { bars, .. } = &mut figure.body {
        *bars = order.iter().filter_map(|&i| bars.get(i).cloned()).collect();
    }
    figure
}

/// The words for a procedure without a result to show: where it stands, why, and the next step.
pub(super) fn standing(view: &View, p: &mut Painter, area: Rect, id: &str) {
    let now = view.standing(id);
    let heading = format!("{} {id}: {}", now.mark(), now.word());
    let mut says: Vec<(String, Style)> = Vec::new();
    match now {
        Standing::Running(Some(job)) => {
            let room = usize::from(area.width).saturating_sub(8).min(40);
            says.push((format!("{} {}", gauge(share(job), room), share_text(job)), view.theme.busy()));
            if let Some(last) = job.log.last() {
                says.push((visible(last), view.theme.dim()));
            }
        }
        Standing::Skipped(why) | Standing::Failed(why) => says.push((visible(why), Style::new())),
        Standing::Stopped(..) => says.push((format!("{}: not a result", now.remark()), Style::new())),
        _ => {
            if let Some(about) = view.about(id) {
                says.push((about.question.to_owned(), Style::new()));
            }
        }
    }
    says.push((String::new(), Style::new()));
    says.push((format!("next: {}", next(view, id, &now)), view.theme.dim()));
    p.message(area, (heading.trim_start(), now.style(view.theme)), &says);
}

/// The next step for a procedure.
pub(super) fn next(view: &View, id: &str, now: &Standing) -> String {
    let planned = view.state.planned.iter().any(|p| p.id == id) || view.state.procedure(id).is_some();
    if view.read_only() {
        return match (view.position, now) {
            (Some(at), Standing::NotRun | Standing::Queued | Standing::Running(_)) if at.n < at.total => {
                "] steps on through the replay".into()
            }
            (Some(_), Standing::Failed(_) | Standing::Finished(..)) => {
                "enter shows everything recorded".into()
            }
            _ => "`laocoon open` of this session goes on with it".into(),
        };
    }
    let key = |id: &str| view.keys.name(id);
    match now {
        Standing::NotRun if view.state.case.is_none() => {
            format!("evidence is being read; then {} runs everything", key("run-all"))
        }
        Standing::NotRun if !planned => {
            format!("not part of this investigation; : run {id} asks for it all the same")
        }
        Standing::NotRun => {
            format!("{} runs everything planned, {} only what is chosen", key("run-all"), key("run"))
        }
        Standing::Queued => "it starts by itself when its turn comes".into(),
        Standing::Running(_) => format!("{} stops it, {} shows all jobs", key("stop"), key("jobs")),
        Standing::Interrupted | Standing::Stopped(..) => {
            format!("{} runs it again from the start", key("run"))
        }
        Standing::Skipped(_) => {
            "give what is missing in case.toml or with --data, and open the case again".into()
        }
        Standing::Failed(_) => format!("enter shows what is known about it, {} tries again", key("run")),
        Standing::Finished(..) => "enter shows everything about it".into(),
    }
}

/// The list of a phase's procedures: mark, name, word, number or reason.
pub(super) fn procedures(view: &View, p: &mut Painter, area: Rect, phase: Phase) {
    let ids = view.procedures(phase);
    let standings: Vec<Standing> = ids.iter().map(|id| view.standing(id)).collect();
    let done = standings.iter().filter(|s| matches!(s, Standing::Finished(..))).count();
    let title = if ids.is_empty() {
        "procedures".into()
    } else {
        format!("procedures · {done} of {} finished", ids.len())
    };
    let inner = frame(view, p, area, Slot::Procedures, &title, "");
    if ids.is_empty() {
        let next = match (view.state.case.is_none(), view.read_only()) {
            (_, true) => "next: ] steps on through the replay",
            (true, _) => "evidence is being read; the plan follows",
            _ => "next: open the case without --only or --phase to plan them",
        };
        p.message(inner, ("nothing planned here", view.theme.strong()), &[(next.into(), view.theme.dim())]);
        return;
    }
    if unfit(view, p, inner, Slot::Procedures) {
        return;
    }
    // In a narrow box names give way to the words, which say what came of each.
    let words = standings.iter().map(|s| width(s.word())).max().unwrap_or(0);
    let room = usize::from(inner.width);
    let most = (room / 2).min(room.saturating_sub(words + 5)).max(8);
    let names = ids.iter().map(|id| width(id)).max().unwrap_or(0).min(most);
    let rows: Vec<Line> = listed(view, Slot::Procedures)
        .into_iter()
        .map(|i| procedure_row(ids[i], &standings[i], names, view.theme, inner.width))
        .collect();
    p.list(
        inner,
        place(view, Slot::Procedures),
        &rows,
        view.cursor(Slot::Procedures),
        view.focused(Slot::Procedures),
    );
}

/// The least of a reason that is worth its room.
const REASON: usize = 10;

fn procedure_row<'a>(id: &str, now: &Standing, names: usize, theme: Theme, width: u16) -> Line<'a> {
    let mut spans = vec![
        Span::styled(format!("{} ", now.mark()), now.style(theme)),
        Span::raw(fit(&visible(id), names)),
        Span::raw("  "),
    ];
    // Cursor, mark and blank, name and two blanks.
    let room = usize::from(width).saturating_sub(names + 5);
    if let Standing::Running(Some(job)) = now {
        let (percent, left) = (share_text(job), left(job));
        let bar = room.saturating_sub(self::width(&percent) + self::width(&left) + 2).min(12);
        let lead = if bar >= 4 && job.total > 0 { gauge(share(job), bar) } else { now.word().to_owned() };
        let full = format!("{lead} {percent} {left}");
        let text = if self::width(&full) <= room { full } else { format!("{lead} {percent}") };
        spans.push(Span::styled(text, theme.busy()));
        return Line::from(spans);
    }
    spans.push(Span::styled(now.word(), now.style(theme)));
    let remark = visible(&now.remark());
    // A number that would be cut is left out; of a reason the beginning is worth something.
    let fits = |text: &str| self::width(now.word()) + 2 + self::width(text) <= room;
    let shown = match now {
        Standing::Finished(..) if fits(&remark) => remark,
        Standing::Finished(..) => {
            remark.split(" / ").next().filter(|s| fits(s)).map_or(String::new(), str::to_owned)
        }
        // Of a reason a few letters say nothing.
        _ if !fits(&remark) && room < self::width(now.word()) + 2 + REASON => String::new(),
        _ => remark,
    };
    if !shown.is_empty() {
        let style = if matches!(now, Standing::Finished(..)) { theme.text() } else { theme.dim() };
        spans.push(Span::styled(format!("  {shown}"), style));
    }
    Line::from(spans)
}

/// The list of findings: mark, severity, class, title.
pub(super) fn findings(view: &View, p: &mut Painter, area: Rect, slot: Slot) {
    let all = numbered(slot, view);
    let title = if all.is_empty() { "findings".into() } else { count(all.len(), "finding") };
    let below = if slot == Slot::AllFindings { overall(view) } else { String::new() };
    let inner = frame(view, p, area, slot, &title, &below);
    if all.is_empty() {
        no_findings(view, p, inner, slot);
        return;
    }
    if unfit(view, p, inner, slot) {
        return;
    }
    let rows: Vec<Line> = listed(view, slot)
        .into_iter()
        .map(|i| {
            let f = all[i].1;
            let topic = Topic::finding(f);
            let judged = view.state.work.judgement(&topic).map(|(judgement, _)| judgement);
            let (mark, word, style) = match judged {
                Some(Judgement::Confirmed) => ("✓ ", "confirmed", severity(view.theme, f.finding.severity)),
                Some(Judgement::Dismissed) => ("~ ", "dismissed", view.theme.dim()),
                Some(Judgement::Open) | None => {
                    ("! ", detail::severity(f.finding.severity), severity(view.theme, f.finding.severity))
                }
            };
            let mut spans = vec![
                Span::styled(mark, style),
                Span::styled(format!("{} ", fit(word, 8.max(width(word)))), style),
            ];
            spans.extend(
                view.state.work.tags(&topic).iter().map(|t| Span::styled(format!("#{t} "), view.theme.key())),
            );
            let text =
                if judged == Some(Judgement::Dismissed) { view.theme.dim() } else { view.theme.text() };
            spans.push(Span::styled(visible(&f.finding.title), text));
            Line::from(spans)
        })
        .collect();
    p.list(inner, place(view, slot), &rows, view.cursor(slot), view.focused(slot));
}

/// What everything says together, once anything has finished.
fn overall(view: &View) -> String {
    let finished = |p: &crate::case::ProcedureState| matches!(p.status, crate::case::Status::Finished { .. });
    if !view.state.procedures.iter().any(finished) {
        return String::new();
    }
    let all = assess(view.state);
    let classes = match all.target_classes.as_slice() {
        [] => String::new(),
        [one] => format!(", class {one}"),
        many => format!(", classes {}", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    };
    format!("so far: {}{classes}", all.verdict.name().replace('-', " "))
}

/// The colour of a severity.
fn severity(theme: Theme, severity: Severity) -> Style {
    match severity {
        Severity::Low => theme.text(),
        Severity::Medium | Severity::High | Severity::Critical => theme.alarm(),
    }
}

/// Says what an empty list of findings means: never that all is well.
fn no_findings(view: &View, p: &mut Painter, area: Rect, slot: Slot) {
    let phases =
        if slot == Slot::AllFindings { &Phase::ALL[..] } else { view.ui.pane.phase().map_or(&[][..], only) };
    let ids: Vec<&str> = phases.iter().flat_map(|&f| view.procedures(f)).collect();
    let is = |f: fn(&Standing) -> bool| ids.iter().filter(|id| f(&view.standing(id))).count();
    let done = is(|s| matches!(s, Standing::Finished(..)));
    let unusable = is(|s| matches!(s, Standing::Failed(_) | Standing::Stopped(..) | Standing::Interrupted));
    let working = is(|s| matches!(s, Standing::Running(_) | Standing::Queued));
    let (heading, next) = if working > 0 {
        (format!("none so far · {working} still at work"), "findings appear here as they are made".to_owned())
    } else if done == 0 && unusable == 0 {
        let next = match (view.read_only(), view.state.case.is_none()) {
            (true, _) => "] steps on through the replay",
            (_, true) => "evidence is being read; then R runs everything planned",
            _ => "R runs everything planned",
        };
        (
            "nothing examined yet".to_owned(),
            next.replacen("R runs", &format!("{} runs", view.keys.name("run-all")), 1),
        )
    } else if unusable > 0 {
        (
            format!("none, but {unusable} of {} did not finish", ids.len()),
            "r runs the chosen procedure again".to_owned(),
        )
    } else {
        (
            format!("nothing found by {}", count(done, "procedure")),
            "enter on a procedure shows its limits".to_owned(),
        )
    };
    let says = [
        ("This is not a verdict \"clean\".".to_owned(), Style::new()),
        (format!("next: {next}"), view.theme.dim()),
    ];
    p.message(area, (&heading, view.theme.strong()), if done > 0 { &says } else { &says[1..] });
}

/// A phase as a slice of one.
fn only(phase: Phase) -> &'static [Phase] {
    let at = Phase::ALL.iter().position(|&p| p == phase).unwrap_or(0);
    &Phase::ALL[at..=at]
}

/// A box with everything about the chosen row, for wide terminals.
pub(super) fn beside(view: &View, p: &mut Painter, area: Rect) {
    let subject = view.subject();
    let title = subject.as_ref().map_or("nothing chosen".into(), |s| detail::title(view, s));
    let inner = p.frame(area, &title, "enter: in full", false);
    let lines = match &subject {
        Some(s) => detail::lines(view, s, usize::from(inner.width)),
        None => wrap("Arrows choose a row; what is known about it is shown here.", usize::from(inner.width))
            .into_iter()
            .map(|l| Line::styled(l, view.theme.dim()))
            .collect(),
    };
    let rows = usize::from(inner.height);
    for (i, line) in lines.iter().take(rows).enumerate() {
        p.line(inner, i, line.clone());
    }
    if lines.len() > rows && rows > 0 {
        let more = format!("… {} more: enter", count(lines.len() - rows + 1, "line"));
        p.line(inner, rows - 1, Line::styled(fit(&more, usize::from(inner.width)), view.theme.dim()));
    }
}

/// Time a job may still take.
pub(super) fn left(job: &crate::investigation::LiveJob) -> String {
    job.eta.map_or(String::new(), |d| format!("{} left", clock(d)))
}
