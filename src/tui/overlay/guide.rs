//! What is known, what is missing, what to do next and what it costs, phase by phase.

use super::most;
use crate::case::{Judgement, Topic, assess};
use crate::evidence::text::visible;
use crate::procedure::{Cost, Phase};
use crate::tui::paint::Painter;
use crate::tui::pane::Pane;
use crate::tui::standing::Standing;
use crate::tui::text::{count, wrap};
use crate::tui::view::View;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect, scroll: usize) -> usize {
    let inner = p.overlay(area, 90, area.height, "what next", "↑↓ scroll · esc close");
    let lines = lines(view, usize::from(inner.width));
    p.scrolled(inner, &lines, scroll);
    most(lines.len(), inner)
}

/// The guide, wrapped to a width.
pub fn lines(view: &View, width: usize) -> Vec<Line<'static>> {
    let theme = view.theme;
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |lead: &str, text: &str, style: Style| {
        let room = width.saturating_sub(10).max(8);
        for (i, part) in wrap(&visible(text), room).into_iter().enumerate() {
            let lead = crate::tui::text::fit(if i == 0 { lead } else { "" }, 10);
            out.push(Line::from(vec![Span::styled(lead, theme.dim()), Span::styled(part, style)]));
        }
    };
    let all = assess(view.state);
    let verdict = all.verdict.name().replace('-', " ");
    say("so far", &format!("{verdict}; {}", count(view.state.findings.len(), "finding")), theme.strong());
    let open = view.state.findings.iter().filter(|f| undecided(view, f)).count();
    if open > 0 && !view.read_only() {
        let keys = view.keys.name("verdict");
        say(
            "yours",
            &format!("{open} without your verdict: choose one, {keys} confirms or dismisses"),
            Style::new(),
        );
    }
    for phase in Phase::ALL {
        let ids = view.procedures(phase);
        let standings: Vec<(&str, Standing)> = ids.iter().map(|id| (*id, view.standing(id))).collect();
        say("", "", Style::new());
        let tab = Pane::ALL.into_iter().find(|p| p.phase() == Some(phase)).map_or("", Pane::name);
        say("", tab, theme.strong());
        for (id, standing) in &standings {
            if let Standing::Finished(record, _) = standing
                && standing.mark() == "!"
            {
                say("  known", &format!("{id}: {}", record.summary), theme.alarm());
            }
        }
        let quiet = standings.iter().filter(|(_, s)| matches!(s.mark(), "-" | "?")).count();
        if quiet > 0 {
            let text = format!("{} without a finding, each with its limits", count(quiet, "procedure"));
            say("  known", &text, Style::new());
        }
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        for (_, standing) in &standings {
            if let Standing::Skipped(why) | Standing::Failed(why) = standing {
                match reasons.iter_mut().find(|(r, _)| r == why) {
                    Some((_, n)) => *n += 1,
                    None => reasons.push((why, 1)),
                }
            }
        }
        for (why, n) in reasons {
            let times = if n > 1 { format!("{n} procedures: ") } else { String::new() };
            say("  missing", &format!("{times}{why}"), theme.dim());
        }
        say("  next", &next(view, phase, &standings), Style::new());
    }
    out
}

fn undecided(view: &View, finding: &crate::case::Numbered) -> bool {
    let judged = view.state.work.judgement(&Topic::finding(finding)).map(|(j, _)| j);
    matches!(judged, None | Some(Judgement::Open))
}

/// The next step of a phase, with its cost.
fn next(view: &View, phase: Phase, standings: &[(&str, Standing)]) -> String {
    let count_of = |is: fn(&Standing) -> bool| standings.iter().filter(|(_, s)| is(s)).count();
    let working = count_of(|s| matches!(s, Standing::Running(_) | Standing::Queued));
    let again =
        count_of(|s| matches!(s, Standing::Stopped(..) | Standing::Interrupted | Standing::Failed(_)));
    let fresh: Vec<&str> =
        standings.iter().filter(|(_, s)| matches!(s, Standing::NotRun)).map(|(id, _)| *id).collect();
    let keys = |id: &str| view.keys.name(id);
    if standings.is_empty() {
        return "nothing is planned here: open the case without --only or --phase".into();
    }
    if view.read_only() {
        return "read-only: `laocoon open` of this session goes on with it".into();
    }
    if working > 0 {
        return format!("{working} at work or waiting; {} shows them", keys("jobs"));
    }
    if !fresh.is_empty() {
        let dear = fresh.iter().filter_map(|id| view.about(id)).map(|a| weight(a.cost)).max().unwrap_or(0);
        let cost = ["milliseconds", "seconds", "up to a minute or so each", "minutes each"][dear];
        return format!("{} runs {} not run yet: {cost}", keys("run-all"), count(fresh.len(), "procedure"));
    }
    if again > 0 {
        return format!("{again} did not finish: {} on one tries again", keys("run"));
    }
    match view.findings(phase).len() {
        0 => "nothing; the pages of its procedures say what they cannot see".into(),
        n => format!("read {}; enter leads to the evidence", count(n, "finding")),
    }
}

fn weight(cost: Cost) -> usize {
    match cost {
        Cost::Instant => 0,
        Cost::Low => 1,
        Cost::Medium => 2,
        Cost::High => 3,
    }
}
