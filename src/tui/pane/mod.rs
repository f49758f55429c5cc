//! The panes: five phases and the timeline. Each file opens with a sketch of its region.

mod attribution;
pub mod detail;
mod detection;
mod impact;
pub mod listing;
pub(super) mod parts;
mod recovery;
mod timeline;
mod triage;

use super::paint::Painter;
use super::view::{Subject, View};
use super::widget::choices;
use crate::procedure::Phase;
use ratatui::layout::Rect;

/// From this width on a pane shows the chosen row in detail beside its lists.
const WIDE: u16 = 120;

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    /// Evidence register, formats, all findings.
    #[default]
    Triage,
    /// Anomaly per class, clusters, procedures.
    Detection,
    /// The trigger as recovered.
    Recovery,
    /// What it could do.
    Impact,
    /// Techniques and toolkits.
    Attribution,
    /// What happened when.
    Timeline,
}

impl Pane {
    /// All panes in the order of their keys.
    pub const ALL: [Pane; 6] =
        [Pane::Triage, Pane::Detection, Pane::Recovery, Pane::Impact, Pane::Attribution, Pane::Timeline];

    /// The name on its tab.
    pub fn name(self) -> &'static str {
        match self {
            Pane::Recovery => "trigger",
            Pane::Timeline => "timeline",
            other => other.phase().map_or("", Phase::name),
        }
    }

    /// The phase it shows; the timeline shows none.
    pub fn phase(self) -> Option<Phase> {
        match self {
            Pane::Triage => Some(Phase::Triage),
            Pane::Detection => Some(Phase::Detection),
            Pane::Recovery => Some(Phase::Recovery),
            Pane::Impact => Some(Phase::Impact),
            Pane::Attribution => Some(Phase::Attribution),
            Pane::Timeline => None,
        }
    }

    /// Its boxes in the order of `tab`.
    pub fn slots(self) -> &'static [Slot] {
        match self {
            Pane::Triage => &[Slot::Evidence, Slot::Procedures, Slot::AllFindings],
            Pane::Detection => &[Slot::Anomaly, Slot::Clusters, Slot::Procedures, Slot::Findings],
            Pane::Recovery => &[Slot::Trigger, Slot::History, Slot::Procedures],
            Pane::Impact => &[Slot::Effect, Slot::Sources, Slot::Heat, Slot::Procedures],
            Pane::Attribution => &[Slot::Techniques, Slot::Toolkits, Slot::Procedures],
            Pane::Timeline => &[Slot::Events],
        }
    }

    /// Draws it.
    pub fn draw(self, view: &View, p: &mut Painter, area: Rect) {
        match self {
            Pane::Triage => triage::draw(view, p, area),
            Pane::Detection => detection::draw(view, p, area),
            Pane::Recovery => recovery::draw(view, p, area),
            Pane::Impact => impact::draw(view, p, area),
            Pane::Attribution => attribution::draw(view, p, area),
            Pane::Timeline => timeline::draw(view, p, area),
        }
    }
}

/// A box of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The evidence register.
    Evidence,
    /// Anomaly index per class.
    Anomaly,
    /// Samples of the chosen class in the plane.
    Clusters,
    /// Mask, pattern, original, stamped.
    Trigger,
    /// Loss and success over the steps.
    History,
    /// Baseline, success, control.
    Effect,
    /// Success per source class.
    Sources,
    /// Source × prediction.
    Heat,
    /// Mapped techniques.
    Techniques,
    /// Toolkit candidates.
    Toolkits,
    /// Procedures of the phase.
    Procedures,
    /// Findings of the phase.
    Findings,
    /// Findings of all phases.
    AllFindings,
    /// The timeline.
    Events,
}

impl Slot {
    /// The most boxes a pane has.
    pub const MOST: usize = 4;

    /// The figure it shows: procedure and name.
    pub fn figure(self, view: &View) -> Option<(&'static str, String)> {
        match self {
            Slot::Anomaly => {
                let (id, name) = view.class_bars();
                Some((id, name.into()))
            }
            Slot::Clusters => Some(view.scatter(view.class())),
            Slot::Trigger => Some(view.trigger_figure()),
            Slot::History => Some(("refine-trigger", "history".into())),
            Slot::Sources => Some(("trigger-probe", "per-source".into())),
            Slot::Heat => Some(("trigger-probe", "sources".into())),
            _ => None,
        }
    }

    /// How many rows a cursor can choose.
    pub fn rows(self, view: &View) -> usize {
        match self {
            Slot::Anomaly | Slot::Clusters => view.classes(),
            Slot::Trigger | Slot::History | Slot::Sources | Slot::Heat => self
                .figure(view)
                .and_then(|(id, name)| view.figure(id, &name).figure().map(choices))
                .unwrap_or(0),
            Slot::Effect => 0,
            list => listing::listed(view, list).len(),
        }
    }

    /// What its n-th row stands for.
    pub fn subject(self, view: &View, n: usize) -> Option<Subject> {
        let row = |n: usize| listing::listed(view, self).get(n).copied();
        match self {
            Slot::Evidence => row(n).map(Subject::Item),
            Slot::Procedures => {
                let ids = view.procedures(view.ui.pane.phase()?);
                ids.get(row(n)?).map(|id| Subject::Procedure((*id).to_owned()))
            }
            Slot::Findings | Slot::AllFindings => {
                listing::numbered(self, view).get(row(n)?).map(|(i, _)| Subject::Finding(*i))
            }
            Slot::Events => row(n).map(Subject::Moment),
            Slot::Techniques => row(n).map(Subject::Technique),
            Slot::Toolkits => row(n).map(Subject::Toolkit),
            Slot::Effect => Some(Subject::Procedure("trigger-probe".into())),
            _ => self.figure(view).map(|(id, name)| Subject::Figure(id.to_owned(), name)),
        }
    }
}

/// The place of a box in its pane, for the mouse.
fn place(view: &View, slot: Slot) -> usize {
    view.ui.pane.slots().iter().position(|&s| s == slot).unwrap_or(0)
}
