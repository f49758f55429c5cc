//! Pictures come closer, texts are searched, pixels take the place of blocks.

use super::fixture;
use super::keys::{bottom, key, keys, start};
use super::{screen, text};
use crate::case::CaseState;
use crate::evidence::text::visible;
use crate::figure::{Body, Figure, Series, Thumbnail};
use crate::tui::app::App;
use crate::tui::overlay::{Mode, Zoom};
use crate::tui::pane::Pane;
use crate::tui::theme::{Depth, Theme};
use crate::tui::widget::Closeup;
use crate::tui::{Exported, Exporter};
use crossterm::event::KeyCode;
use std::sync::{Arc, Mutex};

fn close(app: &App) -> Closeup {
    let Mode::Zoom(zoom) = &app.mode else { panic!("{:?}", app.mode) };
    zoom.close
}

#[test]
fn every_picture_comes_closer_and_the_arrows_move_what_is_seen() {
    let mut f = fixture::full();
    let points: Vec<[f64; 2]> = (0..64).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
    let series = vec![Series { name: "loss".into(), points }];
    let body = Body::Lines { x_label: "step".into(), y_label: "loss".into(), series };
    f.figures.insert("history".into(), Figure { title: "a curve".into(), body });
    let (mut app, _) = start(f);
    for figure in app.view().all_figures() {
        app.mode = Mode::Zoom(Zoom::of(figure.clone()));
        let whole = text(&screen(&mut app, 100, 30));
        keys(&mut app, "+");
        let near = text(&screen(&mut app, 100, 30));
        assert!(close(&app).power == 1 && near.contains("2×") && near != whole, "{figure:?}:\n{near}");
        key(&mut app, KeyCode::Right);
        assert!(matches!(&app.mode, Mode::Zoom(z) if z.figure == figure || close(&app).power == 0));
        app.mode = Mode::Zoom(Zoom::of(figure.clone()));
        keys(&mut app, "+-");
        assert_eq!(text(&screen(&mut app, 100, 30)), whole, "{figure:?}: there and back");
        for _ in 0..9 {
            keys(&mut app, "+");
            screen(&mut app, 100, 30);
        }
        assert!(bottom(&mut app).contains("as close as it goes"), "{figure:?}");
    }
}

#[test]
fn a_curve_that_is_close_slides_and_a_whole_one_gives_way_to_the_next_picture() {
    let (mut app, _) = start(fixture::full());
    let history = ("refine-trigger".to_owned(), "history".to_owned());
    app.mode = Mode::Zoom(Zoom::of(history.clone()));
    keys(&mut app, "++");
    let before = text(&screen(&mut app, 100, 30));
    assert!(before.contains("←→ move"), "{before}");
    key(&mut app, KeyCode::Right);
    let Mode::Zoom(zoom) = &app.mode else { panic!() };
    assert_eq!((zoom.figure.clone(), zoom.close.power), (history.clone(), 2));
    assert_ne!(text(&screen(&mut app, 100, 30)), before);
    keys(&mut app, "--");
    key(&mut app, KeyCode::Right);
    assert!(matches!(&app.mode, Mode::Zoom(z) if z.figure != history));
}

#[test]
fn from_a_pane_closer_opens_the_picture_of_the_box_and_a_number_leaves_it() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "3+");
    assert_eq!(close(&app).power, 1);
    keys(&mut app, "2");
    assert_eq!((&app.mode, app.ui.pane), (&Mode::Browse, Pane::Detection));
}

#[test]
fn words_are_found_in_every_text_on_top() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "?");
    screen(&mut app, 80, 24);
    keys(&mut app, "/take back");
    screen(&mut app, 80, 24);
    let shown = text(&screen(&mut app, 80, 24));
    assert!(shown.contains("take back your last note") && shown.contains("enter keeps it"), "{shown}");
    key(&mut app, KeyCode::Enter);
    let Mode::Help { scroll, .. } = app.mode else { panic!("{:?}", app.mode) };
    assert!(scroll > 0, "the line was below the screen");
    keys(&mut app, "/zebra");
    screen(&mut app, 80, 24);
    assert!(app.message.as_ref().is_some_and(|m| m.text == "nothing here says zebra"), "{:?}", app.message);
    key(&mut app, KeyCode::Esc);
    assert!(matches!(app.mode, Mode::Help { .. }) && app.sought.is_empty());
    // The next place, by enter alone, and round from the end.
    keys(&mut app, "g/row");
    screen(&mut app, 80, 16);
    key(&mut app, KeyCode::Enter);
    let mut places = Vec::new();
    for _ in 0..12 {
        keys(&mut app, "/");
        key(&mut app, KeyCode::Enter);
        screen(&mut app, 80, 16);
        let Mode::Help { scroll, .. } = app.mode else { panic!() };
        places.push(scroll);
    }
    assert!(places.windows(2).any(|w| w[0] < w[1]) && places.windows(2).any(|w| w[0] > w[1]), "{places:?}");
    key(&mut app, KeyCode::Esc);
    assert_eq!(app.mode, Mode::Browse);
}

fn pixels(f: fixture::Fixture) -> App {
    let mut app = App::new(Box::new(f), Theme::of(Depth::True), None).pixels(true);
    app.ui.pane = Pane::Recovery;
    app
}

#[test]
fn pixels_have_their_cells_to_themselves_and_go_under_what_covers_them() {
    let mut app = pixels(fixture::full());
    let buffer = screen(&mut app, 130, 40);
    assert_eq!(app.pictures().len(), 4);
    for picture in app.pictures() {
        assert!(picture.area.positions().all(|at| buffer[at].symbol() == " "), "{:?}", picture.area);
    }
    assert!(!text(&buffer).contains('▀'));
    keys(&mut app, "?");
    let covered = text(&screen(&mut app, 130, 40));
    assert!(app.pictures().is_empty() && covered.contains('▀'), "blocks beside the help:\n{covered}");
    app.mode = Mode::Browse;
    app.ui.pane = Pane::Triage;
    screen(&mut app, 130, 40);
    assert!(app.pictures().is_empty(), "another pane has none of them");
}

#[test]
fn pixels_keep_the_sweep_and_lying_images_stay_away_from_them() {
    let mut f = fixture::hostile(fixture::full());
    let lying = Thumbnail { label: "a\x1b[2J".into(), height: 9, width: 9, channels: 3, pixels: vec![1; 5] };
    f.figures.insert(
        "trigger".into(),
        Figure { title: "t".into(), body: Body::Thumbnails { images: vec![lying] } },
    );
    let mut app = pixels(f);
    for (w, h) in [(60, 16), (80, 24), (130, 40), (1, 1)] {
        for pane in Pane::ALL {
            app.ui.pane = pane;
            let buffer = screen(&mut app, w, h);
            assert!(buffer.content.iter().all(|c| visible(c.symbol()) == c.symbol()));
            assert!(app.pictures().iter().all(|p| p.image.pixels.len() != 5));
        }
    }
}

/// Remembers what it was asked to write.
#[derive(Default)]
struct Written(Mutex<Vec<String>>);

impl Exporter for Written {
    fn formats(&self) -> &[&'static str] {
        &["html", "json"]
    }

    fn export(&self, format: &str, _: &CaseState) -> Result<Exported, String> {
        self.0.lock().unwrap().push(format.to_owned());
        Err("only a test".into())
    }

    fn picture(&self, name: &str, format: &str, figure: &Figure) -> Result<Exported, String> {
        self.0.lock().unwrap().push(format!("{name} {format} {}", figure.title));
        Err("only a test".into())
    }
}

#[test]
fn export_offers_the_picture_of_the_box_behind_the_reports() {
    let written = Arc::new(Written::default());
    let theme = Theme::of(Depth::Mono);
    let mut app = App::new(Box::new(fixture::full()), theme, Some(Arc::clone(&written) as Arc<dyn Exporter>));
    let export = |app: &mut App, way: &str| {
        keys(app, "e");
        let shown = text(&screen(app, 80, 24));
        keys(app, way);
        screen(app, 80, 24);
        key(app, KeyCode::Enter);
        while app.message.as_ref().is_none_or(|m| m.text != "only a test") {
            std::thread::yield_now();
            app.poll();
        }
        app.message = None;
        shown
    };
    let shown = export(&mut app, "G");
    assert!(
        shown.contains("html") && !shown.contains("this picture"),
        "no picture in the register:\n{shown}"
    );
    keys(&mut app, "2");
    let shown = export(&mut app, "G");
    assert!(shown.contains("html") && shown.contains("csv        this picture: its numbers"), "{shown}");
    export(&mut app, "j");
    keys(&mut app, "z");
    let shown = export(&mut app, "j");
    assert!(!shown.contains("html") && shown.contains("export this picture"), "{shown}");
    let title = "Anomaly index per class";
    let want = [
        "json".to_owned(),
        format!("neural-cleanse-anomaly csv {title}"),
        "json".to_owned(),
        format!("neural-cleanse-anomaly png {title}"),
    ];
    assert_eq!(*written.0.lock().unwrap(), want);
}
