//! From a finding to its evidence, and on: class bar → scatter → samples → recovered mask → impact row.

use super::overlay::{Mode, Zoom};
use super::view::{Subject, View};
use crate::figure::Body;

/// Whether a figure has something to show.
fn there(view: &View, id: &str, name: &str) -> bool {
    view.figure(id, name).figure().is_some()
}

/// A figure as a place to go, if it is there.
fn to(view: &View, id: &str, name: &str, words: &'static str) -> Option<(&'static str, Mode)> {
    there(view, id, name).then(|| (words, Mode::Zoom(Zoom::of((id.to_owned(), name.to_owned())))))
}

/// Where `enter` leads from a figure, and the words for it.
pub fn onward(view: &View, zoom: &Zoom) -> Option<(&'static str, Mode)> {
    let (id, name) = (zoom.figure.0.as_str(), zoom.figure.1.as_str());
    let class = name.rsplit_once('/').and_then(|(_, class)| class.parse::<usize>().ok());
    match (id, name) {
        ("trigger-probe", "per-source") => {
            let (words, mut mode) = to(view, "trigger-probe", "sources", "its row of the confusion")?;
            if let (Mode::Zoom(next), Some(row)) = (&mut mode, row(view, zoom)) {
                next.cursor = row;
            }
            return Some((words, mode));
        }
        ("trigger-probe", _) => return None,
        (_, "trigger") => return impact(view),
        _ => {}
    }
    match (name.split('/').next(), class) {
        (Some("pca" | "scores"), Some(class)) => samples(view, class).or_else(|| mask(view, class)),
        (Some("samples"), Some(class)) => mask(view, class),
        (Some("mask"), Some(_)) => trigger(view).or_else(|| impact(view)),
        _ => bars(view, zoom),
    }
}

/// From a bar per class to the class in the plane, or to the mask of the class.
fn bars(view: &View, zoom: &Zoom) -> Option<(&'static str, Mode)> {
    let shown = view.figure(&zoom.figure.0, &zoom.figure.1);
    let figure = shown.figure()?;
    let Body::Bars { bars, .. } = &figure.body else { return None };
    if bars.len() != view.classes() {
        return None;
    }
    of_class(view, zoom.bar(figure))
}

/// The evidence on a class.
pub fn of_class(view: &View, class: usize) -> Option<(&'static str, Mode)> {
    let (id, name) = view.scatter(class);
    to(view, id, &name, "its samples in the plane")
        .or_else(|| samples(view, class))
        .or_else(|| mask(view, class))
}

fn samples(view: &View, class: usize) -> Option<(&'static str, Mode)> {
    to(view, "poisoned-samples", &format!("samples/{class}"), "the listed samples")
}

fn mask(view: &View, class: usize) -> Option<(&'static str, Mode)> {
    trigger(view)
        .or_else(|| to(view, "patch-search", &format!("patch/{class}"), "the strongest square"))
        .or_else(|| to(view, "neural-cleanse", &format!("mask/{class}"), "the smallest mask"))
        .or_else(|| impact(view))
}

fn trigger(view: &View) -> Option<(&'static str, Mode)> {
    let words = "the recovered trigger";
    to(view, "refine-trigger", "trigger", words).or_else(|| to(view, "common-patch", "trigger", words))
}

fn impact(view: &View) -> Option<(&'static str, Mode)> {
    to(view, "trigger-probe", "per-source", "what it does, per source class")
}

/// The row of the confusion that a bar of the impact stands for: rows and bars go by their names.
fn row(view: &View, zoom: &Zoom) -> Option<usize> {
    let shown = view.figure(&zoom.figure.0, &zoom.figure.1);
    let figure = shown.figure()?;
    let Body::Bars { bars, .. } = &figure.body else { return None };
    let label = &bars.get(zoom.bar(figure))?.label;
    let heat = view.figure("trigger-probe", "sources");
    let Body::Heat { rows, .. } = &heat.figure()?.body else { return None };
    rows.iter().position(|r| r == label)
}

/// Where `enter` leads from the page of something.
pub fn evidence(view: &View, subject: &Subject) -> Option<(&'static str, Mode)> {
    let figure = |id: &str, class: Option<usize>| {
        let names = view.figure_names(id);
        let own = class.and_then(|c| names.iter().find(|n| n.ends_with(&format!("/{c}"))));
        let per_class = |n: &&String| !n.contains('/');
        let name = own.or_else(|| names.iter().find(per_class)).or_else(|| names.first())?.clone();
        let (words, mut mode) = to(view, id, &name, "its picture")?;
        // A bar per class opens at the accused one.
        if let (Mode::Zoom(zoom), Some(class)) = (&mut mode, class)
            && view.figure(id, &name).figure().map(super::widget::choices) == Some(view.classes())
        {
            zoom.cursor = class;
        }
        Some((words, mode))
    };
    match subject {
        Subject::Finding(i) => {
            let found = view.state.findings.get(*i)?;
            let class = found.finding.class;
            figure(&found.procedure, class).or_else(|| of_class(view, class?)).or_else(|| {
                let item = found.finding.evidence.first()?;
                let at = view.state.evidence.iter().position(|e| e.id == *item)?;
                Some(("the evidence", Mode::Detail { subject: Subject::Item(at), scroll: 0 }))
            })
        }
        Subject::Procedure(id) => figure(id, None),
        Subject::Sample(..) | Subject::Figure(..) => None,
        Subject::Technique(_) | Subject::Toolkit(_) | Subject::Item(_) => {
            // Findings that rest on it, the first of them.
            let Subject::Item(i) = subject else { return None };
            let id = &view.state.evidence.get(*i)?.id;
            let at = view.state.findings.iter().position(|f| f.finding.evidence.contains(id))?;
            Some(("the first finding on it", Mode::Detail { subject: Subject::Finding(at), scroll: 0 }))
        }
        Subject::Moment(i) => {
            // The procedure that the event tells of.
            let what = &view.state.timeline.get(*i)?.what;
            let id = what.split(' ').next()?;
            view.state.procedure(id)?;
            let subject = Subject::Procedure(id.to_owned());
            Some(("the procedure", Mode::Detail { subject, scroll: 0 }))
        }
    }
}
