//! Is the model backdoored or the data poisoned?
//!
//! ```text
//! ┌ Anomaly index per class ──────────────┐┌ class 7, two components ──────┐
//! │    6  ███▍        ┊              0.56 ││                          xxx  │
//! │ !  7  ██████████████████████     4.31 ││     ⣀⣤⣶⣦⡀                xx   │
//! └ MAD units · ┊ threshold 2.00 ─────────┘└───────────────────────────────┘
//! ┌ procedures · 3 of 4 finished ─────────┐┌ 2 findings ───────────────────┐
//! │ ! neural-cleanse  flagged  4.31 / 2.00 ││ ! high  class 7 …             │
//! └────────────────────────────────────────┘└───────────────────────────────┘
//! ```

use super::parts::{beside, figure, findings, procedures};
use super::{Slot, WIDE};
use crate::procedure::Phase;
use crate::tui::paint::Painter;
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) {
    let wide = area.width >= WIDE;
    // Rows for the classes and a frame, leaving the lists at least a third.
    let classes = (view.classes() as u16).saturating_add(2).max(10);
    let most = area.height.saturating_sub((area.height / 3).max(6));
    let [top, bottom] = Layout::vertical([
        Constraint::Length(if wide { most } else { classes.min(most) }),
        Constraint::Fill(1),
    ])
    .areas(area);
    let [bars, scatter] = Layout::horizontal([Constraint::Percentage(50), Constraint::Fill(1)]).areas(top);
    figure(view, p, bars, Slot::Anomaly, "anomaly index per class");
    figure(view, p, scatter, Slot::Clusters, &format!("activations of class {}", view.class()));
    if wide {
        let [a, b, c] =
            Layout::horizontal([Constraint::Percentage(36), Constraint::Percentage(30), Constraint::Fill(1)])
                .areas(bottom);
        procedures(view, p, a, Phase::Detection);
        findings(view, p, b, Slot::Findings);
        beside(view, p, c);
    } else {
        let [a, b] = Layout::horizontal([Constraint::Percentage(55), Constraint::Fill(1)]).areas(bottom);
        procedures(view, p, a, Phase::Detection);
        findings(view, p, b, Slot::Findings);
    }
}
