//! Lists as the analyst wants them: filtered by words, in one of several orders. What a row stands for does not change.

use super::{Slot, attribution, detail};
use crate::case::{Judgement, Numbered, Topic};
use crate::evidence::text::visible;
use crate::tui::standing::Standing;
use crate::tui::view::View;
use std::cmp::Reverse;

impl Slot {
    /// The orders its rows can have, the usual one first; empty for what is no list.
    pub fn orders(self) -> &'static [&'static str] {
        match self {
            Slot::Evidence => &["as given", "by name", "largest first"],
            Slot::Procedures => &["what applies first", "as planned", "by name", "flagged first"],
            Slot::Findings | Slot::AllFindings => &["gravest first", "as numbered", "by class"],
            Slot::Events => &["oldest first", "newest first"],
            Slot::Techniques | Slot::Toolkits => &["as ranked", "by name"],
            Slot::Anomaly | Slot::Sources => &["by class", "largest first"],
            Slot::Clusters | Slot::Trigger | Slot::History | Slot::Effect | Slot::Heat => &[],
        }
    }

    /// Whether its rows can be filtered.
    pub fn is_list(self) -> bool {
        !matches!(
            self,
            Slot::Anomaly
                | Slot::Clusters
                | Slot::Trigger
                | Slot::History
                | Slot::Effect
                | Slot::Sources
                | Slot::Heat
        )
    }

    /// How many rows it has before any filter.
    pub(super) fn whole(self, view: &View) -> usize {
        let phase = view.ui.pane.phase();
        match self {
            Slot::Evidence => view.state.evidence.len(),
            Slot::Procedures => phase.map_or(0, |f| view.procedures(f).len()),
            Slot::Findings | Slot::AllFindings => numbered(self, view).len(),
            Slot::Events => view.state.timeline.len(),
            Slot::Techniques => attribution::techniques(view).len(),
            Slot::Toolkits => attribution::toolkits(view).len(),
            _ => 0,
        }
    }

    /// What a filter looks at, a text per row.
    fn texts(self, view: &View) -> Vec<String> {
        let phase = view.ui.pane.phase();
        let tags = |topic: &Topic| view.state.work.tags(topic).join(" ");
        match self {
            Slot::Evidence => view
                .state
                .evidence
                .iter()
                .map(|i| {
                    let format = super::triage::format_name(i);
                    let tags = tags(&Topic::Evidence(i.id.clone()));
                    format!("{} {} {} {format} {} {tags}", i.id, i.role.name(), i.path.shown(), i.sha256)
                })
                .collect(),
            Slot::Procedures => phase
                .map(|f| view.procedures(f))
                .unwrap_or_default()
                .into_iter()
                .map(|id| {
                    let now = view.standing(id);
                    let tags = tags(&Topic::Procedure(id.to_owned()));
                    format!("{id} {} {} {tags}", now.word(), now.remark())
                })
                .collect(),
            Slot::Findings | Slot::AllFindings => numbered(self, view)
                .into_iter()
                .map(|(_, n)| {
                    let (topic, f) = (Topic::finding(n), &n.finding);
                    let class = f.class.map_or(String::new(), |c| format!("class {c}"));
                    let verdict = view.state.work.judgement(&topic).map_or("", |(j, _)| j.name());
                    let severity = detail::severity(f.severity);
                    format!(
                        "{} {severity} {} {} {class} {verdict} {}",
                        n.id,
                        n.procedure,
                        f.title,
                        tags(&topic)
                    )
                })
                .collect(),
            Slot::Events => {
                view.state.timeline.iter().map(|m| format!("{} {} {}", m.n, m.time, m.what)).collect()
            }
            Slot::Techniques => {
                attribution::techniques(view).iter().map(attribution::Technique::text).collect()
            }
            Slot::Toolkits => attribution::toolkits(view).iter().map(attribution::candidate).collect(),
            _ => Vec::new(),
        }
    }

    fn sort(self, view: &View, order: usize, rows: &mut [usize]) {
        match (self, order) {
            (Slot::Evidence, 1) => rows.sort_by_key(|&i| view.state.evidence[i].path.shown()),
            (Slot::Evidence, 2) => rows.sort_by_key(|&i| Reverse(view.state.evidence[i].bytes)),
            (Slot::Procedures, 0 | 2 | 3) => {
                let ids = view.ui.pane.phase().map(|f| view.procedures(f)).unwrap_or_default();
                match order {
                    0 => rows.sort_by_key(|&i| matches!(view.standing(ids[i]), Standing::Skipped(_))),
                    2 => rows.sort_by_key(|&i| ids[i]),
                    _ => rows.sort_by_key(|&i| view.standing(ids[i]).mark() != "!"),
                }
            }
            (Slot::Findings | Slot::AllFindings, 0 | 2) => {
                let all = numbered(self, view);
                let dismissed = |i: usize| {
                    let judged = view.state.work.judgement(&Topic::finding(all[i].1));
                    judged.is_some_and(|(j, _)| j == Judgement::Dismissed)
                };
                if order == 0 {
                    rows.sort_by_key(|&i| (dismissed(i), Reverse(all[i].1.finding.severity)));
                } else {
                    rows.sort_by_key(|&i| all[i].1.finding.class.unwrap_or(usize::MAX));
                }
            }
            (Slot::Events, 1) => rows.reverse(),
            (Slot::Techniques, 1) => {
                let names: Vec<String> =
                    attribution::techniques(view).iter().map(attribution::Technique::text).collect();
                rows.sort_by(|&a, &b| names[a].cmp(&names[b]));
            }
            (Slot::Toolkits, 1) => {
                let names: Vec<String> =
                    attribution::toolkits(view).iter().map(attribution::candidate).collect();
                rows.sort_by(|&a, &b| names[a].cmp(&names[b]));
            }
            _ => {}
        }
    }
}

/// The findings of a box with their place in the list of all.
pub(super) fn numbered<'a>(slot: Slot, view: &View<'a>) -> Vec<(usize, &'a Numbered)> {
    match (slot, view.ui.pane.phase()) {
        (Slot::AllFindings, _) => view.state.findings.iter().enumerate().collect(),
        (_, Some(phase)) => view.findings(phase),
        (_, None) => Vec::new(),
    }
}

/// The rows of a list that fit its filter, in its order.
pub(super) fn listed(view: &View, slot: Slot) -> Vec<usize> {
    let (filter, order) = view.choice(slot);
    let mut rows: Vec<usize> = (0..slot.whole(view)).collect();
    if !filter.trim().is_empty() {
        let texts = slot.texts(view);
        rows.retain(|&i| texts.get(i).is_some_and(|t| fits(filter, &visible(t))));
    }
    slot.sort(view, order, &mut rows);
    rows
}

/// Whether a text holds every word of a filter, in any case; after `!`, whether it does not.
pub fn fits(filter: &str, text: &str) -> bool {
    let (filter, wanted) = match filter.trim().strip_prefix('!') {
        Some(rest) => (rest.trim(), false),
        None => (filter.trim(), true),
    };
    let text = text.to_lowercase();
    filter.is_empty() || filter.split_whitespace().all(|word| text.contains(&word.to_lowercase())) == wanted
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_filter_is_words_in_any_order_and_case_or_their_absence() {
        assert!(fits("class HIGH", "high neural-cleanse class 7"));
        assert!(!fits("class low", "high neural-cleanse class 7"));
        assert!(fits("! low", "high") && !fits("!high", "HIGH"));
        assert!(fits("", "x") && fits("!", "x") && fits("  ", ""));
    }
}
