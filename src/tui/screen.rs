//! The whole screen: header, tabs, pane, bottom bar, and what lies over them.
//!
//! ```text
//!  IR-2026-014 · badnet.onnx · sha256 3fa9…c1 · 3 findings
//!  1 triage │ 2 detection !│ 3 trigger │ 4 impact │ 5 attribution │ 6 timeline
//! ┌ … the pane … ──────────────────────────────────────────────────────────────┐
//! └─────────────────────────────────────────────────────────────────────────────┘
//!  strip ▓▓▓▓░░░░░░ 41% 0:38 left │ ^X stop  enter open  : commands  ? keys
//! ```

use super::app::Message;
use super::command::COMMANDS;
use super::overlay::Mode;
use super::paint::{Hit, Painter};
use super::pane::Pane;
use super::picker::Entry;
use super::standing::{Standing, share, share_text};
use super::text::{clock, count, cut, cut_start, digest, gauge, moment, width};
use super::view::View;
use crate::case::{Judgement, Numbered, Topic};
use crate::evidence::text::visible;
use crate::investigation::LiveJob;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Tabs, Widget};

/// The smallest terminal the panes are made for.
pub const LEAST: (u16, u16) = (60, 16);

/// What is drawn besides the pane.
pub struct Extra<'a> {
    /// What lies on top.
    pub mode: &'a Mode,
    /// The message in the bottom bar.
    pub message: Option<&'a Message>,
    /// Whether a report is being written.
    pub exporting: bool,
    /// Formats of reports.
    pub formats: &'a [&'static str],
    /// Sessions to compare with.
    pub others: &'a [Entry],
}

/// Draws the screen; how far the overlay can be scrolled.
pub fn draw(view: &View, p: &mut Painter, area: Rect, extra: &Extra) -> usize {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(view, p, area, extra);
        return 0;
    }
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    header(view, p, head);
    tab_line(view, p, tabs);
    view.ui.pane.draw(view, p, body);
    footer(view, p, foot, extra);
    if *extra.mode == Mode::Browse {
        return 0;
    }
    let over = Rect { height: tabs.height + body.height, ..tabs };
    extra.mode.draw(view, p, over, extra)
}

/// A polite message where the panes have no room.
fn too_small(view: &View, p: &mut Painter, area: Rect, extra: &Extra) {
    let size = format!("{}×{} is too small: {}×{} needed", area.width, area.height, LEAST.0, LEAST.1);
    let mut row = p.text(area, 0, &size, view.theme.strong());
    let jobs = view.live.len();
    if jobs > 0 {
        row =
            p.text(area, row, &format!("{} at work, nothing is lost", count(jobs, "job")), view.theme.busy());
    }
    let quit =
        if *extra.mode == Mode::Quit { "q again leaves, esc stays" } else { "enlarge it, or q leaves" };
    p.text(area, row, quit, view.theme.dim());
}

fn header(view: &View, p: &mut Painter, area: Rect) {
    let theme = view.theme;
    let state = view.state;
    let findings = state.findings.len();
    let held = view.frozen.then(|| format!(" HELD: {} goes on ", view.keys.name("freeze")));
    let right = held.or_else(|| {
        view.position.map(|at| {
            let time =
                state.timeline.last().map_or(String::new(), |m| format!(" {}", visible(&moment(&m.time))));
            let speed = if at.speed > 0 { format!(" {}×", at.speed) } else { String::new() };
            format!(" REPLAY {}/{}{speed}{time} ", at.n, at.total)
        })
    });
    let tail = right.as_deref().map_or(0, width);
    let room = usize::from(area.width).saturating_sub(tail + 1);
    let id = state.case.as_ref().map_or("opening".to_owned(), |c| visible(&c.id));
    let dismissed = state.findings.iter().filter(|f| dismissed(view, f)).count();
    let found = match dismissed {
        0 => count(findings, "finding"),
        n => format!("{}, {n} dismissed", count(findings, "finding")),
    };
    // The digest gives way first; then the names share what the rest leaves.
    let sha = view.model().filter(|_| room >= 60).map(|m| format!("sha256 {}", visible(&digest(&m.sha256))));
    let fixed = sha.as_deref().map_or(0, |s| width(s) + 3) + width(&found) + 6 + 3;
    let id = cut(&id, room.saturating_sub(fixed + 8).max(8).min(width(&id)));
    let mut spans = vec![Span::raw(" "), Span::styled(id.clone(), theme.strong())];
    if let Some(model) = view.model() {
        let path = model.path.shown();
        let file = path.rsplit(['/', '\\']).next().unwrap_or(&path);
        spans.push(Span::styled(" · ", theme.dim()));
        spans.push(Span::raw(cut_start(file, room.saturating_sub(fixed + width(&id)).max(8))));
    }
    if let Some(sha) = sha {
        spans.push(Span::styled(" · ", theme.dim()));
        spans.push(Span::styled(sha, theme.dim()));
    }
    spans.push(Span::styled(" · ", theme.dim()));
    let style = if findings > 0 { theme.alarm() } else { theme.text() };
    spans.push(Span::styled(if findings > 0 { format!("! {found}") } else { found }, style));
    p.line(Rect { width: room as u16, ..area }, 0, Line::from(spans));
    if let Some(text) = right {
        let at = Rect { x: area.right().saturating_sub(tail as u16), width: tail as u16, ..area }
            .intersection(area);
        p.line(at, 0, Line::styled(text, Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)));
    }
}

/// Whether the analyst dismissed a finding.
fn dismissed(view: &View, finding: &Numbered) -> bool {
    view.state.work.judgement(&Topic::finding(finding)).is_some_and(|(j, _)| j == Judgement::Dismissed)
}

/// What a tab says about its phase at a glance.
fn tab_mark(view: &View, pane: Pane) -> (&'static str, Style) {
    let Some(phase) = pane.phase() else { return (" ", Style::new()) };
    let all: Vec<Standing> = view.procedures(phase).iter().map(|id| view.standing(id)).collect();
    let any = |f: fn(&Standing) -> bool| all.iter().find(|s| f(s));
    let worst = any(|s| s.mark() == "!")
        .or_else(|| any(|s| matches!(s, Standing::Running(_))))
        .or_else(|| any(|s| matches!(s, Standing::Failed(_))))
        .or_else(|| any(|s| matches!(s, Standing::Stopped(..) | Standing::Interrupted)));
    match worst {
        Some(s) => (s.mark(), s.style(view.theme)),
        None if !view.findings(phase).is_empty() => ("!", view.theme.alarm()),
        None => (" ", Style::new()),
    }
}

fn tab_line(view: &View, p: &mut Painter, area: Rect) {
    const SHORT: [&str; 6] = ["tri", "det", "trg", "imp", "att", "time"];
    let narrow = area.width < 77;
    let mut x = area.x;
    let mut titles = Vec::new();
    for (i, pane) in Pane::ALL.into_iter().enumerate() {
        let (mark, style) = tab_mark(view, pane);
        let name = if narrow && pane != view.ui.pane { SHORT[i] } else { pane.name() };
        let title = Line::from(vec![
            Span::raw(format!(" {} {name}", i + 1)),
            Span::styled(format!(" {mark}"), style),
        ]);
        let wide = title.width() as u16;
        p.hits.push((Rect { x, width: wide, ..area }.intersection(area), Hit::Tab(i)));
        x = x.saturating_add(wide + 1);
        titles.push(title);
    }
    Tabs::new(titles)
        .padding("", "")
        .divider(Span::styled("│", view.theme.dim()))
        .select(view.ui.pane as usize)
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD))
        .render(area, p.buf);
}

/// The job in the bottom bar: the chosen procedure's, else the first that runs.
pub fn shown_job<'a>(view: &View<'a>) -> Option<&'a LiveJob> {
    let chosen = view.chosen_procedure();
    view.live
        .iter()
        .find(|j| Some(&j.procedure) == chosen.as_ref())
        .or_else(|| view.live.iter().find(|j| j.running))
        .or_else(|| view.live.first())
}

fn job_line(view: &View, job: &LiveJob, room: usize) -> Vec<Span<'static>> {
    let theme = view.theme;
    let word = match (job.stopping, job.running) {
        (true, _) => " stopping".to_owned(),
        (_, false) => " waiting".to_owned(),
        _ => match job.eta {
            Some(eta) => format!(" {} left", clock(eta)),
            None => format!(" {}", clock(job.elapsed)),
        },
    };
    let more = if view.live.len() > 1 { format!(" +{}", view.live.len() - 1) } else { String::new() };
    let percent = share_text(job);
    let fixed = 14 + width(&percent) + width(&word) + width(&more);
    vec![
        Span::raw(format!(" {} ", cut(&visible(&job.procedure), room.saturating_sub(fixed).max(6)))),
        Span::styled(gauge(share(job), 10), theme.busy()),
        Span::styled(format!(" {percent}"), theme.busy()),
        Span::raw(word),
        Span::styled(more, theme.dim()),
    ]
}

/// The commands of the bottom bar while a picture or a text lies on top: those that do something there.
fn over(mode: &Mode) -> Option<&'static [&'static str]> {
    match mode {
        Mode::Zoom(zoom) if zoom.rows => Some(&["back", "numbers", "filter", "export", "note", "help"]),
        Mode::Zoom(_) => {
            Some(&["back", "closer", "farther", "numbers", "sort", "export", "note", "copy", "help"])
        }
        Mode::Detail { .. } => Some(&["back", "filter", "verdict", "note", "tag", "copy", "help"]),
        mode if mode.readable() => Some(&["back", "filter", "help"]),
        _ => None,
    }
}

fn footer(view: &View, p: &mut Painter, area: Rect, extra: &Extra) {
    let theme = view.theme;
    let room = usize::from(area.width);
    let mut spans: Vec<Span> = Vec::new();
    if let Mode::Find { text, .. } = extra.mode {
        let typed = cut_start(&visible(text), room.saturating_sub(50));
        spans.push(Span::styled(" /", theme.key()));
        spans.push(Span::raw(format!("{typed}▏  ")));
        let words = if text.is_empty() {
            "enter: the next place · esc"
        } else {
            "enter keeps it · esc: not any more"
        };
        spans.push(Span::styled(words, theme.dim()));
        p.line(area, 0, Line::from(spans));
        return;
    }
    if let Mode::Filter { text } = extra.mode {
        let typed = cut_start(&visible(text), room.saturating_sub(44));
        spans.push(Span::styled(" /", theme.key()));
        spans.push(Span::raw(format!("{typed}▏  ")));
        spans.push(Span::styled("enter keeps it · esc: all rows · ! without", theme.dim()));
        p.line(area, 0, Line::from(spans));
        return;
    }
    if let Some(message) = extra.message {
        let style = if message.refused { theme.alarm() } else { theme.strong() };
        let mark = if message.refused { " ! " } else { " " };
        spans.push(Span::styled(mark, style));
        spans.push(Span::styled(cut(&visible(&message.text), room.saturating_sub(12)), style));
    } else if let Some(trouble) = view.source.trouble() {
        spans.push(Span::styled(" × ", theme.fault()));
        spans.push(Span::styled(cut(&visible(&trouble), room.saturating_sub(12)), theme.fault()));
    } else if let Some(job) = shown_job(view) {
        spans.extend(job_line(view, job, room / 2));
    } else if extra.exporting {
        spans.push(Span::styled(" writing the report…", theme.busy()));
    }
    let mut used: usize = spans.iter().map(Span::width).sum();
    let mut bar: Vec<_> = if let Some(ids) = over(extra.mode) {
        ids.iter().filter_map(|id| COMMANDS.iter().find(|c| c.id == *id)).collect()
    } else {
        let mut bar: Vec<_> = COMMANDS.iter().filter(|c| c.bar > 0 && (c.valid)(view).is_ok()).collect();
        bar.sort_by_key(|c| c.bar);
        bar
    };
    // The way to all other keys is always there.
    let last = bar.pop();
    let hint = |c: &super::command::Command| {
        [Span::styled(format!(" {}", view.keys.name(c.id)), theme.key()), Span::raw(format!(" {} ", c.short))]
    };
    let wide = |hint: &[Span; 2]| hint[0].width() + hint[1].width();
    let reserved = last.map_or(0, |c| wide(&hint(c)));
    if used > 0 {
        spans.push(Span::styled(" │", theme.dim()));
        used += 2;
    }
    for command in bar {
        let hint = hint(command);
        if used + wide(&hint) + reserved <= room {
            used += wide(&hint);
            spans.extend(hint);
        }
    }
    if let Some(command) = last {
        spans.extend(hint(command));
    }
    p.line(area, 0, Line::from(spans));
}
