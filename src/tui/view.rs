//! What a pane sees when it draws, and what the analyst has chosen.

use super::pane::{Pane, Slot};
use super::source::{Position, Source};
use super::standing::Standing;
use super::theme::Theme;
use crate::case::{CaseState, Numbered, ProcedureState, Status};
use crate::evidence::Item;
use crate::figure::{Body, Figure};
use crate::investigation::LiveJob;
use crate::procedure::{About, Phase, Record};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What the analyst has chosen. Never journaled: moving a cursor is not a step of the investigation.
#[derive(Debug, Clone, Default)]
pub struct Ui {
    /// The pane on the screen.
    pub pane: Pane,
    /// Per pane, which of its boxes has the focus.
    pub focus: [usize; Pane::ALL.len()],
    /// Per pane and box, the chosen row; `None` until the analyst moves.
    pub cursor: [[Option<usize>; Slot::MOST]; Pane::ALL.len()],
    /// The class looked at in detection; `None`: the most suspicious one.
    pub class: Option<usize>,
}

impl Ui {
    /// The box that has the focus.
    pub fn slot(&self) -> Slot {
        let slots = self.pane.slots();
        slots[self.focus[self.pane as usize].min(slots.len() - 1)]
    }
}

/// Figures read so far. Reading one means reading and hashing a small file; nothing is read twice.
#[derive(Debug, Default)]
pub struct Figures(RefCell<HashMap<String, Result<Arc<Figure>, String>>>);

impl Figures {
    /// Enough for every figure of a case; then everything is read anew.
    const MOST: usize = 512;

    fn get(&self, source: &dyn Source, sha256: &str) -> Result<Arc<Figure>, String> {
        let mut known = self.0.borrow_mut();
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.entry(sha256.to_owned()).or_insert_with(|| source.figure(sha256).map(Arc::new)).clone()
    }

    /// Forgets what could not be read, so that it is tried again.
    pub fn retry(&self) {
        self.0.borrow_mut().retain(|_, f| f.is_ok());
    }
}

/// A figure as it can be shown now.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Of a finished procedure.
    Final(Arc<Figure>),
    /// Of one that still runs.
    Partial(Arc<Figure>),
    /// It should be there and cannot be read: why.
    Broken(String),
    /// There is none.
    None,
}

impl Shown {
    /// The figure, if there is one.
    pub fn figure(&self) -> Option<&Figure> {
        match self {
            Shown::Final(f) | Shown::Partial(f) => Some(f),
            _ => None,
        }
    }
}

/// What a row stands for: what `enter` opens, `r` runs and `z` enlarges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An evidence item, by its place in the register.
    Item(usize),
    /// A procedure.
    Procedure(String),
    /// A finding, by its place.
    Finding(usize),
    /// A line of the timeline.
    Moment(usize),
    /// A mapped technique, by its place.
    Technique(usize),
    /// A toolkit candidate, by its place.
    Toolkit(usize),
    /// A figure of a procedure.
    Figure(String, String),
}

/// Everything a pane reads. Nothing in it can be changed by drawing.
pub struct View<'a> {
    /// The folded state.
    pub state: &'a CaseState,
    /// Jobs that wait or run.
    pub live: &'a [LiveJob],
    /// Where a replay stands.
    pub position: Option<Position>,
    /// Colours.
    pub theme: Theme,
    /// The analyst's choices.
    pub ui: &'a Ui,
    pub(super) source: &'a dyn Source,
    pub(super) figures: &'a Figures,
}

impl<'a> View<'a> {
    /// What a procedure is, if this version knows it.
    pub fn about(&self, id: &str) -> Option<&'static About> {
        self.source.about(id)
    }

    /// Where a procedure stands.
    pub fn standing(&self, id: &str) -> Standing<'a> {
        Standing::of(self, id)
    }

    /// Whether the session takes no more entries.
    pub fn read_only(&self) -> bool {
        self.source.read_only().is_some()
    }

    /// The procedures of a phase: planned ones in order, then whatever else the session holds. Those of unknown phase
    /// are shown in triage, so that nothing is hidden.
    pub fn procedures(&self, phase: Phase) -> Vec<&'a str> {
        let planned = self.state.planned.iter().filter(|p| p.phase == phase).map(|p| p.id.as_str());
        let mut ids: Vec<&str> = planned.collect();
        for p in &self.state.procedures {
            let here = p.phase.or_else(|| self.about(&p.id).map(|a| a.phase)).unwrap_or(Phase::Triage);
            if here == phase && !ids.contains(&p.id.as_str()) {
                ids.push(&p.id);
            }
        }
        ids
    }

    /// Findings of a phase with their place in the list of all.
    pub fn findings(&self, phase: Phase) -> Vec<(usize, &'a Numbered)> {
        let here = self.procedures(phase);
        self.state.findings.iter().enumerate().filter(|(_, f)| here.contains(&f.procedure.as_str())).collect()
    }

    /// The suspect model's line of the register.
    pub fn model(&self) -> Option<&'a Item> {
        self.state.evidence.iter().find(|i| i.role == crate::evidence::Role::Model)
    }

    /// The outcome that stands: of the last run, or of the one before while a procedure is run again.
    pub fn outcome(&self, id: &str) -> Option<(&'a Record, f64)> {
        let finished = |p: &'a ProcedureState| match &p.status {
            Status::Finished { record, seconds } => Some((record.as_ref(), *seconds)),
            _ => None,
        };
        let state = self.state;
        state.procedure(id).and_then(finished).or_else(|| state.superseded.get(id).and_then(finished))
    }

    /// The job of a procedure that is at work.
    fn job(&self, id: &str) -> Option<&'a LiveJob> {
        self.live.iter().find(|j| j.procedure == id && j.running)
    }

    /// A figure by procedure and name: as it stands now of one that runs, else of the outcome that stands.
    pub fn figure(&self, procedure: &str, name: &str) -> Shown {
        if let Some(figure) = self.job(procedure).and_then(|j| j.figures.get(name)) {
            return Shown::Partial(Arc::new(figure.clone()));
        }
        match self.outcome(procedure).and_then(|(record, _)| record.figures.get(name)) {
            Some(sha) => self.figures.get(self.source, sha).map_or_else(Shown::Broken, Shown::Final),
            None => Shown::None,
        }
    }

    /// Names of a procedure's figures.
    pub fn figure_names(&self, procedure: &str) -> Vec<String> {
        let running = self.job(procedure).into_iter().flat_map(|j| j.figures.keys());
        let mut names: Vec<String> = running.cloned().collect();
        for name in self.outcome(procedure).into_iter().flat_map(|(record, _)| record.figures.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// A measure of the outcome that stands.
    pub fn measure(&self, procedure: &str, name: &str) -> Option<&'a serde_json::Value> {
        self.outcome(procedure)?.0.measures.get(name)
    }

    /// The figure with a bar per class: the anomaly index, or, where that cannot be had (a case of data only), how well
    /// each class falls into two clusters.
    pub fn class_bars(&self) -> (&'static str, &'static str) {
        let other = ("activation-clustering", "silhouette");
        let nothing = matches!(self.standing("neural-cleanse"), Standing::Skipped(_) | Standing::NotRun);
        if nothing && self.figure(other.0, other.1).figure().is_some() {
            other
        } else {
            ("neural-cleanse", "anomaly")
        }
    }

    /// The picture of the trigger: the refined one, or the mask it is to start from while there is no other.
    pub fn trigger_figure(&self) -> (&'static str, String) {
        let mask = format!("mask/{}", self.class());
        let has = |id: &str, name: &str| self.figure(id, name).figure().is_some();
        // A wave or a warp that samples bear; a mask only stands in for it.
        let kind = self.measure("sample-recovery", "kind").and_then(serde_json::Value::as_str);
        let whole = kind.is_some_and(|k| ["sinusoid", "warp", "residual"].contains(&k));
        if has("sample-recovery", "trigger") && (whole || !has("refine-trigger", "trigger")) {
            ("sample-recovery", "trigger".into())
        } else if !has("refine-trigger", "trigger") && has("neural-cleanse", &mask) {
            ("neural-cleanse", mask)
        } else {
            ("refine-trigger", "trigger".into())
        }
    }

    /// The values of [`Self::class_bars`].
    fn class_values(&self) -> Vec<f64> {
        let (id, name) = self.class_bars();
        match self.figure(id, name).figure().map(|f| &f.body) {
            Some(Body::Bars { bars, .. }) => bars.iter().map(|b| b.value).collect(),
            _ => Vec::new(),
        }
    }

    /// Number of classes that the figures of detection know.
    pub fn classes(&self) -> usize {
        let bars = self.class_values().len();
        let scatters = self.figure_names("activation-clustering");
        let of = |name: &String| name.strip_prefix("pca/")?.parse::<usize>().ok();
        bars.max(scatters.iter().filter_map(of).max().map_or(0, |k| k.saturating_add(1)))
    }

    /// The class looked at: the analyst's choice, else the one a finding accuses, else the tallest bar, else the first.
    pub fn class(&self) -> usize {
        let last = self.classes().saturating_sub(1);
        if let Some(class) = self.ui.class {
            return class.min(last);
        }
        let accused = self.findings(Phase::Detection).iter().find_map(|(_, f)| f.finding.class);
        let tallest = || {
            let values = self.class_values().into_iter().enumerate().filter(|(_, v)| !v.is_nan());
            values.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
        };
        accused.or_else(tallest).unwrap_or(0).min(last)
    }

    /// The chosen row of a box of the pane on the screen, kept within its rows.
    pub fn cursor(&self, slot: Slot) -> usize {
        if matches!(slot, Slot::Anomaly | Slot::Clusters) {
            return self.class();
        }
        let at = self.ui.pane.slots().iter().position(|&s| s == slot).unwrap_or(0);
        let chosen = self.ui.cursor[self.ui.pane as usize][at];
        let rows = slot.rows(self);
        // A timeline is read from its end, until the analyst moves.
        let start = if slot == Slot::Events { rows.saturating_sub(1) } else { 0 };
        chosen.unwrap_or(start).min(rows.saturating_sub(1))
    }

    /// Whether a box has the focus.
    pub fn focused(&self, slot: Slot) -> bool {
        self.ui.slot() == slot
    }

    /// What the chosen row of the focused box stands for.
    pub fn subject(&self) -> Option<Subject> {
        let slot = self.ui.slot();
        slot.subject(self, self.cursor(slot))
    }

    /// The procedure behind the chosen row.
    pub fn chosen_procedure(&self) -> Option<String> {
        match self.subject()? {
            Subject::Procedure(id) | Subject::Figure(id, _) => Some(id),
            Subject::Finding(i) => Some(self.state.findings.get(i)?.procedure.clone()),
            Subject::Technique(_) => Some("taxonomy-mapping".into()),
            Subject::Toolkit(_) => Some("toolkit-match".into()),
            Subject::Item(_) | Subject::Moment(_) => None,
        }
    }

    /// Every figure there is, in the order of the panes; the chosen procedure's first.
    pub fn all_figures(&self) -> Vec<(String, String)> {
        let first = self.chosen_procedure();
        let ids = Phase::ALL.iter().flat_map(|&p| self.procedures(p)).map(str::to_owned);
        let order: Vec<String> =
            first.iter().cloned().chain(ids.filter(|id| Some(id) != first.as_ref())).collect();
        order.iter().flat_map(|id| self.figure_names(id).into_iter().map(|n| (id.clone(), n))).collect()
    }
}
