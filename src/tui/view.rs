//! What a pane sees when it draws, and what the analyst has chosen.

use super::command::Keymap;
use super::pane::{Pane, Slot};
use super::source::{Position, Source};
use super::standing::Standing;
use super::theme::Theme;
use crate::case::{CaseState, Numbered, ProcedureState, Status, Topic};
use crate::evidence::Item;
use crate::figure::{Bar, Body, Figure, Group, Thumbnail};
use crate::investigation::LiveJob;
use crate::procedure::{About, Phase, Record};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
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
    /// Per pane and box, the words its rows are filtered by.
    pub filter: [[String; Slot::MOST]; Pane::ALL.len()],
    /// Per pane and box, which of its orders the rows have.
    pub order: [[usize; Slot::MOST]; Pane::ALL.len()],
}

impl Ui {
    /// The box that has the focus.
    pub fn slot(&self) -> Slot {
        let slots = self.pane.slots();
        slots[self.focus[self.pane as usize].min(slots.len() - 1)]
    }
}

/// Divided figures by digest and by what is listed.
type Marked = HashMap<(String, u64), Option<Arc<Figure>>>;

/// Figures read so far. Reading one means reading and hashing a small file; nothing is read twice.
#[derive(Debug, Default)]
pub struct Figures {
    read: RefCell<HashMap<String, Result<Arc<Figure>, String>>>,
    /// Scatters with the listed samples in a group of their own, by figure and by what is listed; `None` where none is.
    /// A scatter of a large data set takes milliseconds to divide, and is asked for several times a frame.
    marked: RefCell<Marked>,
}

impl Figures {
    /// Enough for every figure of a case; then everything is read anew.
    const MOST: usize = 512;

    fn get(&self, source: &dyn Source, sha256: &str) -> Result<Arc<Figure>, String> {
        let mut known = self.read.borrow_mut();
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.entry(sha256.to_owned()).or_insert_with(|| source.figure(sha256).map(Arc::new)).clone()
    }

    /// Forgets what could not be read, so that it is tried again.
    pub fn retry(&self) {
        self.read.borrow_mut().retain(|_, f| f.is_ok());
    }

    /// A figure with some samples marked; `None` when it holds none of them.
    fn marked(&self, sha256: &str, figure: &Figure, listed: &BTreeSet<usize>) -> Option<Arc<Figure>> {
        let mut hasher = DefaultHasher::new();
        listed.hash(&mut hasher);
        let mut known = self.marked.borrow_mut();
        if known.len() >= Self::MOST {
            known.clear();
        }
        let key = (sha256.to_owned(), hasher.finish());
        known.entry(key).or_insert_with(|| mark(figure, listed).map(Arc::new)).clone()
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
    /// A sample of a data set, by its evidence id and its place.
    Sample(String, usize),
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
    /// Which keys mean which command.
    pub keys: &'a Keymap,
    /// Whether the screen is held still.
    pub frozen: bool,
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

    /// The picture of a class in the plane: as the fusion of the data detectors saw it, with the listed samples marked,
    /// else as the clusters lie.
    pub fn scatter(&self, class: usize) -> (&'static str, String) {
        let name = format!("pca/{class}");
        let fused = self.figure("poisoned-samples", &name).figure().is_some();
        (if fused { "poisoned-samples" } else { "activation-clustering" }, name)
    }

    /// A figure whose points say which of their samples were listed as poisoned, whoever drew it.
    pub fn marked(&self, procedure: &str, name: &str) -> Shown {
        let shown = self.figure(procedure, name);
        let listed = self.measure("poisoned-samples", "indices").and_then(serde_json::Value::as_array);
        let sha = self.outcome(procedure).and_then(|(record, _)| record.figures.get(name));
        match (&shown, listed, sha) {
            (Shown::Final(f), Some(listed), Some(sha)) if procedure != "poisoned-samples" => {
                let listed = listed.iter().filter_map(|v| usize::try_from(v.as_u64()?).ok()).collect();
                self.figures.marked(sha, f, &listed).map_or(shown, Shown::Final)
            }
            _ => shown,
        }
    }

    /// The words a box is filtered by, and its order.
    pub fn choice(&self, slot: Slot) -> (&'a str, usize) {
        match self.ui.pane.slots().iter().position(|&s| s == slot) {
            Some(at) => {
                let ui = self.ui;
                (&ui.filter[ui.pane as usize][at], ui.order[ui.pane as usize][at])
            }
            None => ("", 0),
        }
    }

    /// The order of the bars of a box, if it is not their own.
    pub fn bar_order(&self, slot: Slot) -> Option<Vec<usize>> {
        if !matches!(slot, Slot::Anomaly | Slot::Sources) || self.choice(slot).1 == 0 {
            return None;
        }
        let (id, name) = slot.figure(self)?;
        match &self.figure(id, &name).figure()?.body {
            Body::Bars { bars, .. } => Some(tallest_first(bars)),
            _ => None,
        }
    }

    /// The evidence id of the training set.
    pub fn training(&self) -> Option<&'a str> {
        let training = |i: &&Item| i.role == crate::evidence::Role::Training;
        self.state.evidence.iter().find(training).map(|i| i.id.as_str())
    }

    /// A picture of a training sample: from the evidence, or from a figure of the session that shows it.
    pub fn sample(&self, index: usize) -> Option<Thumbnail> {
        if let Some(image) = self.source.sample(index) {
            return Some(image);
        }
        let label = format!("sample {index}");
        let names = self.figure_names("poisoned-samples");
        names.iter().filter(|n| n.starts_with("samples/")).find_map(|name| {
            match &self.figure("poisoned-samples", name).figure()?.body {
                Body::Thumbnails { images } => images.iter().find(|i| i.label == label).cloned(),
                _ => None,
            }
        })
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
        // A grave finding outweighs a few slight ones.
        let mut weights: HashMap<usize, (u32, Reverse<usize>)> = HashMap::new();
        for (_, f) in self.findings(Phase::Detection) {
            if let Some(class) = f.finding.class {
                weights.entry(class).or_insert((0, Reverse(class))).0 += 4_u32.pow(f.finding.severity as u32);
            }
        }
        let accused = weights.into_iter().max_by_key(|(_, weight)| *weight).map(|(class, _)| class);
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
        let end = slot == Slot::Events && self.choice(slot).1 == 0;
        let start = if end { rows.saturating_sub(1) } else { 0 };
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

    /// What a note, verdict or tag on a subject is about.
    pub fn topic(&self, subject: &Subject) -> Option<Topic> {
        Some(match subject {
            Subject::Item(i) => Topic::Evidence(self.state.evidence.get(*i)?.id.clone()),
            Subject::Procedure(id) | Subject::Figure(id, _) => Topic::Procedure(id.clone()),
            Subject::Finding(i) => Topic::finding(self.state.findings.get(*i)?),
            Subject::Moment(i) => Topic::Event(self.state.timeline.get(*i)?.n),
            Subject::Technique(_) => Topic::Procedure("taxonomy-mapping".into()),
            Subject::Toolkit(_) => Topic::Procedure("toolkit-match".into()),
            Subject::Sample(set, index) => Topic::Sample { set: set.clone(), index: *index as u64 },
        })
    }

    /// The procedure behind the chosen row.
    pub fn chosen_procedure(&self) -> Option<String> {
        match self.subject()? {
            Subject::Procedure(id) | Subject::Figure(id, _) => Some(id),
            Subject::Finding(i) => Some(self.state.findings.get(i)?.procedure.clone()),
            Subject::Technique(_) => Some("taxonomy-mapping".into()),
            Subject::Toolkit(_) => Some("toolkit-match".into()),
            Subject::Item(_) | Subject::Moment(_) | Subject::Sample(..) => None,
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

/// Places of bars by their value, the largest first; NaN last.
pub fn tallest_first(bars: &[Bar]) -> Vec<usize> {
    let key = |i: usize| if bars[i].value.is_nan() { f64::NEG_INFINITY } else { bars[i].value };
    let mut order: Vec<usize> = (0..bars.len()).collect();
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    order
}

/// A scatter with the listed samples in a group of their own; `None` when it holds none.
fn mark(figure: &Figure, listed: &BTreeSet<usize>) -> Option<Figure> {
    let Body::Scatter { x_label, y_label, groups } = &figure.body else { return None };
    let mut kept: Vec<Group> = Vec::new();
    let mut marked = Group {
        name: "listed by poisoned-samples".to_owned(),
        flagged: true,
        points: Vec::new(),
        samples: Vec::new(),
    };
    for group in groups {
        if group.samples.len() != group.points.len() {
            kept.push(group.clone());
            continue;
        }
        let mut rest = Group { points: Vec::new(), samples: Vec::new(), ..group.clone() };
        for (point, sample) in group.points.iter().zip(&group.samples) {
            let to = if listed.contains(sample) { &mut marked } else { &mut rest };
            to.points.push(*point);
            to.samples.push(*sample);
        }
        kept.push(rest);
    }
    if marked.points.is_empty() {
        return None;
    }
    kept.push(marked);
    let body = Body::Scatter { x_label: x_label.clone(), y_label: y_label.clone(), groups: kept };
    Some(Figure { title: figure.title.clone(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_samples_are_marked_in_any_scatter_and_none_is_lost() {
        let group = |name: &str, samples: &[usize]| Group {
            name: name.into(),
            flagged: false,
            points: samples.iter().map(|&s| [s as f64, 0.0]).collect(),
            samples: samples.to_vec(),
        };
        let body = Body::Scatter {
            x_label: String::new(),
            y_label: String::new(),
            groups: vec![group("a", &[1, 2]), group("b", &[3, 4])],
        };
        let figure = Figure { title: "t".into(), body };
        assert!(mark(&figure, &BTreeSet::from([9])).is_none());
        let marked = mark(&figure, &BTreeSet::from([2, 3])).unwrap();
        let Body::Scatter { groups, .. } = marked.body else { panic!() };
        let samples: Vec<_> = groups.iter().map(|g| (g.flagged, g.samples.clone())).collect();
        assert_eq!(samples, [(false, vec![1]), (false, vec![4]), (true, vec![2, 3])]);
        assert_eq!(groups[2].points, [[2.0, 0.0], [3.0, 0.0]]);
        // The same again is not divided again; another list is another picture.
        let figures = Figures::default();
        let of = |listed: &[usize]| figures.marked("a", &figure, &listed.iter().copied().collect());
        assert!(Arc::ptr_eq(&of(&[2, 3]).unwrap(), &of(&[3, 2]).unwrap()));
        assert!(!Arc::ptr_eq(&of(&[2, 3]).unwrap(), &of(&[2]).unwrap()) && of(&[9]).is_none());
    }
}
