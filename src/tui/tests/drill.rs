//! From a finding to its evidence, and back.

use super::fixture;
use super::keys::{bottom, key, keys, start};
use super::{screen, text};
use crate::figure::{Body, Figure, Group};
use crate::tui::app::App;
use crate::tui::overlay::{Mode, Zoom};
use crate::tui::pane::Slot;
use crossterm::event::KeyCode;
use serde_json::json;

fn on(app: &App) -> String {
    match &app.mode {
        Mode::Zoom(Zoom { figure, .. }) => format!("{} {}", figure.0, figure.1),
        Mode::Detail { .. } => "page".into(),
        Mode::Browse => "panes".into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn enter_leads_from_a_bar_to_the_harm_and_esc_back_step_by_step() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "2");
    assert_eq!(app.ui.slot(), Slot::Anomaly);
    let way = [
        "activation-clustering pca/7",
        "refine-trigger trigger",
        "trigger-probe per-source",
        "trigger-probe sources",
    ];
    for stop in way {
        key(&mut app, KeyCode::Enter);
        assert_eq!(on(&app), stop);
        assert!(text(&screen(&mut app, 80, 24)).contains("esc back"));
    }
    key(&mut app, KeyCode::Enter);
    assert!(bottom(&mut app).contains("this is where the evidence ends"));
    for stop in way.iter().rev().skip(1) {
        key(&mut app, KeyCode::Esc);
        assert_eq!(on(&app), *stop);
    }
    key(&mut app, KeyCode::Esc);
    assert_eq!(on(&app), "panes");
}

#[test]
fn a_row_of_the_impact_is_found_by_its_name() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "4");
    key(&mut app, KeyCode::Tab);
    assert_eq!(app.ui.slot(), Slot::Sources);
    screen(&mut app, 80, 24);
    keys(&mut app, "G");
    key(&mut app, KeyCode::Enter);
    assert_eq!(on(&app), "trigger-probe per-source");
    key(&mut app, KeyCode::Enter);
    let Mode::Zoom(zoom) = &app.mode else { panic!() };
    assert_eq!((on(&app).as_str(), zoom.cursor), ("trigger-probe sources", 9), "the last bar is class 9");
}

#[test]
fn a_finding_leads_to_its_page_and_from_there_to_its_picture() {
    let (mut app, _) = start(fixture::full());
    key(&mut app, KeyCode::Tab);
    key(&mut app, KeyCode::Tab);
    keys(&mut app, "j");
    key(&mut app, KeyCode::Enter);
    assert_eq!(on(&app), "page");
    assert!(text(&screen(&mut app, 100, 30)).contains("enter: its picture"));
    key(&mut app, KeyCode::Enter);
    assert_eq!(on(&app), "neural-cleanse anomaly");
    let Mode::Zoom(zoom) = &app.mode else { panic!() };
    assert_eq!(zoom.cursor, 7, "at the accused class");
    keys(&mut app, "q");
    assert_eq!(on(&app), "panes", "q closes all of it");
}

/// A case whose scatter names its samples, with a quarantine list.
fn with_samples() -> fixture::Fixture {
    let mut f = fixture::full();
    let group = |name: &str, from: usize, n: usize| Group {
        name: name.into(),
        flagged: false,
        points: (0..n).map(|i| [i as f64, from as f64]).collect(),
        samples: (from..from + n).collect(),
    };
    let body = Body::Scatter {
        x_label: "component 1".into(),
        y_label: "component 2".into(),
        groups: vec![group("cluster 0", 0, 30), group("cluster 1", 100, 6)],
    };
    f.figures.insert("pca/7".into(), Figure { title: "Class 7".into(), body });
    let p = f.state.procedures.iter_mut().find(|p| p.id == "spectral-signatures").unwrap();
    let mut named = p.clone();
    named.id = "poisoned-samples".into();
    if let crate::case::Status::Finished { record, .. } = &mut named.status {
        record.measures.insert("indices".into(), json!([102, 101]));
    }
    f.state.procedures.push(named);
    f
}

#[test]
fn the_cursor_of_a_scatter_names_samples_and_begins_with_the_listed_ones() {
    let (mut app, asked) = start(with_samples());
    keys(&mut app, "2");
    key(&mut app, KeyCode::Enter);
    let seen = text(&screen(&mut app, 100, 30));
    assert!(seen.contains("sample 101") && seen.contains("listed by poisoned-samples"), "{seen}");
    assert!(seen.contains("1 of 36") && seen.contains("its picture is not in the"), "{seen}");
    keys(&mut app, "jj");
    assert!(text(&screen(&mut app, 100, 30)).contains("sample 0"), "then the others");
    keys(&mut app, "knlook at it");
    key(&mut app, KeyCode::Enter);
    let note = format!("{:?}", asked.try_recv().unwrap());
    assert!(note.contains("Sample { set: \"E2\", index: 102 }"), "{note}");
    assert_eq!(on(&app), "activation-clustering pca/7", "the picture is still there");
}
