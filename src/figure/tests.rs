use super::png::png;
use super::svg::{base64, svg};
use super::{Bar, Body, Counts, Figure, Group, Series, Thumbnail};
use super::{csv, rows};

/// Every kind of figure, with the name of its file.
fn samples() -> Vec<(&'static str, Figure)> {
    let named = |name, title: &str, body| (name, Figure { title: title.to_owned(), body });
    vec![
        named("bars", "Anomaly index per class", bars()),
        named("scatter", "Class 7, first two components", scatter()),
        named("heat", "Where the trigger sends each class", heat()),
        named("lines", "Trigger refinement", lines()),
        named("histogram", "Entropy under superimposition", histogram()),
        named("thumbnails", "Recovered trigger of class 7", thumbnails()),
    ]
}

fn bars() -> Body {
    let bars = (0..10).map(|c| Bar {
        label: if c == 3 {
            "speed limit <b>30</b> & a very long untrusted name".into()
        } else {
            format!("{c} class")
        },
        value: if c == 7 { 4.31 } else { 0.3 + f64::from(c * 7 % 5) * 0.31 },
        flagged: c == 7,
        spread: (c != 4).then(|| if c == 7 { [3.9, 4.9] } else { [0.2, 0.4 + f64::from(c * 7 % 5) * 0.31] }),
    });
    Body::Bars { value_label: "anomaly index (MAD units)".into(), bars: bars.collect(), threshold: Some(2.0) }
}

fn scatter() -> Body {
    let cloud = |cx: f64, cy: f64, n: usize| {
        (0..n)
            .map(|i| {
                let (a, r) = (i as f64 * 2.4, (i as f64).sqrt() * 0.15);
                [cx + r * a.cos(), cy + r * a.sin()]
            })
            .collect::<Vec<_>>()
    };
    let group = |name: &str, flagged, points| Group { name: name.into(), flagged, points, samples: vec![] };
    let groups = vec![
        group("cluster A", false, cloud(0.0, 0.0, 300)),
        group("cluster B", false, cloud(3.0, -1.0, 60)),
        group("cluster C", true, cloud(4.0, 3.0, 40)),
    ];
    Body::Scatter { x_label: "component 1".into(), y_label: "component 2".into(), groups }
}

fn heat() -> Body {
    let names: Vec<_> = (0..10).map(|c| c.to_string()).collect();
    Body::Heat {
        row_label: "source".into(),
        column_label: "predicted".into(),
        value_label: "share".into(),
        rows: names.clone(),
        columns: names,
        values: (0..100).map(|i| if i % 10 == 7 { 0.97 } else { 0.01 }).collect(),
    }
}

fn lines() -> Body {
    let curve = |name: &str, f: fn(f64) -> f64| {
        let points = (0..120).map(|i| [f64::from(i) * 8.0, f(f64::from(i))]).collect();
        Series { name: name.into(), points }
    };
    let series =
        vec![curve("loss", |x| 2.0 / (1.0 + x / 9.0)), curve("success rate", |x| 1.0 - (-x / 20.0).exp())];
    Body::Lines { x_label: "step".into(), y_label: "value".into(), series }
}

fn histogram() -> Body {
    let hill = |name: &str, height: f64, middle: f64, wide: f64| Counts {
        name: name.into(),
        counts: (0..24).map(|i| height * (-(f64::from(i) - middle).powi(2) / wide).exp()).collect(),
    };
    Body::Histogram {
        x_label: "entropy (bits)".into(),
        edges: (0..=24).map(|i| f64::from(i) / 8.0).collect(),
        series: vec![hill("clean", 90.0, 15.0, 18.0), hill("suspect", 40.0, 3.0, 6.0)],
        threshold: Some(0.9),
    }
}

fn thumbnails() -> Body {
    let square = |label: &str, channels: usize| {
        let pixels = (0..28 * 28)
            .flat_map(|i: usize| {
                let on = i / 28 > 22 && i % 28 > 22;
                vec![if on { 255 } else { (i * 7 % 90) as u8 }; channels]
            })
            .collect();
        Thumbnail { label: label.into(), height: 28, width: 28, channels, pixels }
    };
    let long = "a caption that is much too long for its place and must be cut";
    let images =
        vec![square("mask", 1), square("pattern", 3), square("class 2, stamped", 3), square(long, 3)];
    Body::Thumbnails { images }
}

#[test]
fn the_same_figure_gives_the_same_bytes_in_both_formats() {
    for (name, figure) in samples() {
        assert_eq!(svg(&figure).unwrap(), svg(&figure).unwrap(), "{name}");
        assert_eq!(png(&figure).unwrap(), png(&figure).unwrap(), "{name}");
    }
}

#[test]
fn several_starts_are_in_every_form_and_a_single_one_adds_nothing() {
    let figure = |spread| {
        let bars = vec![Bar { label: "7".into(), value: 4.5, flagged: true, spread }];
        let body = Body::Bars { value_label: "index".into(), bars, threshold: None };
        Figure { title: "t".into(), body }
    };
    let (with, without) = (figure(Some([4.125, 5.0])), figure(None));
    assert_eq!(
        csv::csv(&with).unwrap(),
        "name,index,flagged,threshold,lowest start,highest start\n7,4.5,true,,4.125,5\n"
    );
    assert_eq!(csv::csv(&without).unwrap(), "name,index,flagged,threshold\n7,4.5,true,\n");
    let table = rows::rows(&with, 9);
    assert_eq!(table.rows, [["7", "4.50", "4.12", "5", "! flagged"]]);
    assert_eq!(rows::rows(&without, 9).columns.len(), 3);
    assert!(svg(&with).unwrap().contains("highest of several starts"));
    assert!(!svg(&without).unwrap().contains("starts"));
    // A session written before there were ranges reads as it did, and is written with the same bytes.
    let old = serde_json::to_string(&without).unwrap();
    assert!(!old.contains("spread"));
    assert_eq!(serde_json::from_str::<Figure>(&old).unwrap(), without);
    assert_eq!(serde_json::from_str::<Figure>(&serde_json::to_string(&with).unwrap()).unwrap(), with);
}

#[test]
fn hostile_names_do_not_become_markup() {
    let bars =
        vec![Bar { label: "<script>\"x\"'&\x1b\u{202e}".into(), value: 1.0, flagged: false, spread: None }];
    let body = Body::Bars { value_label: "</svg><script>".into(), bars, threshold: None };
    let drawn = svg(&Figure { title: "\"><script>alert(1)</script>".into(), body }).unwrap();
    assert!(!drawn.contains("<script") && !drawn.contains('\x1b') && !drawn.contains('\u{202e}'));
    assert!(drawn.contains("&lt;script&gt;") && drawn.contains("\\u{202e}"));
    assert_eq!(drawn.matches("</svg>").count(), 1);
}

#[test]
fn text_is_really_drawn_in_png() {
    let body = |label: &str| Body::Bars {
        value_label: String::new(),
        bars: vec![Bar { label: label.into(), value: 1.0, flagged: false, spread: None }],
        threshold: None,
    };
    let dark = |title: &str| {
        let bytes = png(&Figure { title: title.into(), body: body("aa") }).unwrap();
        let shown = image::load_from_memory(&bytes).unwrap().to_luma8();
        // The strip that holds the title alone.
        shown.rows().take(30).flatten().filter(|p| p.0[0] < 128).count()
    };
    assert_eq!(dark(""), 0);
    assert!(dark("W") > 10);
    assert!(dark("WWWW") > 3 * dark("W"), "each letter adds ink");
}

#[test]
fn broken_figures_are_drawn_without_a_panic() {
    let nan = f64::NAN;
    let bodies = [
        Body::Bars { value_label: String::new(), bars: vec![], threshold: Some(nan) },
        Body::Bars {
            value_label: String::new(),
            bars: vec![Bar { label: "x".repeat(5000), value: f64::INFINITY, flagged: true, spread: None }],
            threshold: Some(1e308),
        },
        Body::Scatter {
            x_label: String::new(),
            y_label: String::new(),
            groups: vec![Group {
                name: String::new(),
                flagged: false,
                points: vec![[nan, 1.0], [1e308, -1e308]],
                samples: vec![4],
            }],
        },
        Body::Heat {
            row_label: String::new(),
            column_label: String::new(),
            value_label: String::new(),
            rows: vec![String::new(); 3],
            columns: vec![],
            values: vec![1.0; 7],
        },
        Body::Heat {
            row_label: String::new(),
            column_label: String::new(),
            value_label: String::new(),
            rows: vec![String::new(); 300],
            columns: vec!["q".into(); 200],
            values: vec![nan; 7],
        },
        Body::Lines {
            x_label: String::new(),
            y_label: String::new(),
            series: vec![Series { name: String::new(), points: vec![] }],
        },
        Body::Histogram {
            x_label: String::new(),
            edges: vec![],
            series: vec![Counts { name: String::new(), counts: vec![nan] }],
            threshold: None,
        },
        Body::Thumbnails {
            images: vec![Thumbnail {
                label: String::new(),
                height: 5,
                width: usize::MAX,
                channels: 3,
                pixels: vec![1; 9],
            }],
        },
    ];
    for body in bodies {
        let figure = Figure { title: "broken".into(), body };
        assert!(svg(&figure).unwrap().ends_with("</svg>\n"));
        assert!(png(&figure).unwrap().starts_with(b"\x89PNG"));
        assert!(!rows::plain(&figure).is_empty());
        csv::csv(&figure).unwrap();
    }
}

#[test]
fn base64_follows_the_rfc() {
    for (raw, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(raw.as_bytes()), coded);
    }
}

/// Writes every kind of figure to `$LAOCOON_LOOK` for looking at; does nothing otherwise.
#[test]
fn show() {
    let Some(folder) = std::env::var_os("LAOCOON_LOOK") else { return };
    let folder = std::path::PathBuf::from(folder);
    for (name, figure) in samples() {
        std::fs::write(folder.join(name).with_extension("svg"), svg(&figure).unwrap()).unwrap();
        std::fs::write(folder.join(name).with_extension("png"), png(&figure).unwrap()).unwrap();
    }
}
