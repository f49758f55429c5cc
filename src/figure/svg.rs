//! Figures as SVG, to stand alone or inside a page.

use super::png::encode;
use super::{Figure, RenderError, draw, label};
use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;
use std::fmt::Write as _;

/// The figure as an SVG document. Text is escaped, images are embedded, nothing is referred to outside; the same
/// figure gives the same bytes.
///
/// # Errors
/// [`RenderError`] when the drawing fails.
pub fn svg(figure: &Figure) -> Result<String, RenderError> {
    let mut out = String::new();
    let images = {
        let area = SVGBackend::with_string(&mut out, draw::size(figure)).into_drawing_area();
        let images = draw::draw(&area, figure)?;
        area.present().map_err(|e| RenderError(e.to_string()))?;
        images
    };
    let end = out.rfind("</svg>").ok_or_else(|| RenderError("the drawing has no end".to_owned()))?;
    out.truncate(end);
    for image in images {
        let data = base64(&encode(&image.rgb, image.width, image.height)?);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" image-rendering=\"pixelated\" href=\"data:image/png;base64,{data}\"/>",
            image.x, image.y, image.width, image.height
        );
    }
    out.push_str("</svg>\n");
    let name = escape(&label::spelt(&figure.title));
    Ok(out.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{name}\" "), 1))
}

/// Escapes text for XML content and attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Standard base64 with padding (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for k in 0..4 {
            if k <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * k) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::png::png;
    use super::super::{Bar, Body, Counts, Group, Series, Thumbnail};
    use super::*;

    pub(crate) fn samples() -> Vec<(&'static str, Figure)> {
        let figure = |title: &str, body| Figure { title: title.to_owned(), body };
        let bars = (0..10).map(|c| Bar {
            label: if c == 3 {
                "speed limit <b>30</b> & a very long untrusted name".into()
            } else {
                format!("{c} class")
            },
            value: if c == 7 { 4.31 } else { 0.3 + f64::from(c * 7 % 5) * 0.31 },
            flagged: c == 7,
        });
        let cloud = |cx: f64, cy: f64, n: usize| {
            (0..n)
                .map(|i| {
                    let (a, r) = (i as f64 * 2.4, (i as f64).sqrt() * 0.15);
                    [cx + r * a.cos(), cy + r * a.sin()]
                })
                .collect::<Vec<_>>()
        };
        let group =
            |name: &str, flagged, points| Group { name: name.into(), flagged, points, samples: vec![] };
        let square = |label: &str, channels: usize| {
            let pixels = (0..28 * 28)
                .flat_map(|i: usize| {
                    let on = i / 28 > 22 && i % 28 > 22;
                    vec![if on { 255 } else { (i * 7 % 90) as u8 }; channels]
                })
                .collect();
            Thumbnail { label: label.into(), height: 28, width: 28, channels, pixels }
        };
        let curve = |f: fn(f64) -> f64| (0..120).map(|i| [f64::from(i) * 8.0, f(f64::from(i))]).collect();
        vec![
            (
                "bars",
                figure(
                    "Anomaly index per class",
                    Body::Bars {
                        value_label: "anomaly index (MAD units)".into(),
                        bars: bars.collect(),
                        threshold: Some(2.0),
                    },
                ),
            ),
            (
                "scatter",
                figure(
                    "Class 7, first two components",
                    Body::Scatter {
                        x_label: "component 1".into(),
                        y_label: "component 2".into(),
                        groups: vec![
                            group("cluster A", false, cloud(0.0, 0.0, 300)),
                            group("cluster B", false, cloud(3.0, -1.0, 60)),
                            group("cluster C", true, cloud(4.0, 3.0, 40)),
                        ],
                    },
                ),
            ),
            (
                "heat",
                figure(
                    "Where the trigger sends each class",
                    Body::Heat {
                        row_label: "source".into(),
                        column_label: "predicted".into(),
                        value_label: "share".into(),
                        rows: (0..10).map(|c| format!("{c}")).collect(),
                        columns: (0..10).map(|c| format!("{c}")).collect(),
                        values: (0..100).map(|i| if i % 10 == 7 { 0.97 } else { 0.01 }).collect(),
                    },
                ),
            ),
            (
                "lines",
                figure(
                    "Trigger refinement",
                    Body::Lines {
                        x_label: "step".into(),
                        y_label: "value".into(),
                        series: vec![
                            Series { name: "loss".into(), points: curve(|x| 2.0 / (1.0 + x / 9.0)) },
                            Series {
                                name: "success rate".into(),
                                points: curve(|x| 1.0 - (-x / 20.0).exp()),
                            },
                        ],
                    },
                ),
            ),
            (
                "histogram",
                figure(
                    "Entropy under superimposition",
                    Body::Histogram {
                        x_label: "entropy (bits)".into(),
                        edges: (0..=24).map(|i| f64::from(i) / 8.0).collect(),
                        series: vec![
                            Counts {
                                name: "clean".into(),
                                counts: (0..24)
                                    .map(|i| 90.0 * (-(f64::from(i) - 15.0).powi(2) / 18.0).exp())
                                    .collect(),
                            },
                            Counts {
                                name: "suspect".into(),
                                counts: (0..24)
                                    .map(|i| 40.0 * (-(f64::from(i) - 3.0).powi(2) / 6.0).exp())
                                    .collect(),
                            },
                        ],
                        threshold: Some(0.9),
                    },
                ),
            ),
            (
                "thumbnails",
                figure(
                    "Recovered trigger of class 7",
                    Body::Thumbnails {
                        images: vec![
                            square("mask", 1),
                            square("pattern", 3),
                            square("class 2, stamped", 3),
                            square("a caption that is much too long for its place and must be cut", 3),
                        ],
                    },
                ),
            ),
        ]
    }

    #[test]
    fn the_same_figure_gives_the_same_bytes_in_both_formats() {
        for (name, figure) in samples() {
            assert_eq!(svg(&figure).unwrap(), svg(&figure).unwrap(), "{name}");
            assert_eq!(png(&figure).unwrap(), png(&figure).unwrap(), "{name}");
        }
    }

    #[test]
    fn hostile_names_do_not_become_markup() {
        let bars = vec![Bar { label: "<script>\"x\"'&\x1b\u{202e}".into(), value: 1.0, flagged: false }];
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
            bars: vec![Bar { label: label.into(), value: 1.0, flagged: false }],
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
                bars: vec![Bar { label: "x".repeat(5000), value: f64::INFINITY, flagged: true }],
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
            assert!(!super::super::rows::plain(&figure).is_empty());
            super::super::rows::csv(&figure).unwrap();
        }
    }

    #[test]
    fn base64_follows_the_rfc() {
        for (raw, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
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
}
