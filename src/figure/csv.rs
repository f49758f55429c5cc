//! Figures as CSV, every number unrounded.

use super::label::spelt;
use super::{Body, Figure, RenderError};

/// Every number of the figure as CSV, unrounded. Text that a spreadsheet would take for a formula gets a leading `'`.
///
/// # Errors
/// [`RenderError`] when the writer refuses a record.
pub fn csv(figure: &Figure) -> Result<String, RenderError> {
    let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let mut put = |cells: Vec<String>| writer.write_record(&cells).map_err(|e| RenderError(e.to_string()));
    let heads = |names: &[&str]| names.iter().map(|n| cell(n)).collect::<Vec<_>>();
    match &figure.body {
        Body::Bars { value_label, bars, threshold } => {
            // The ends of several starts are columns of their own, and only where there are any.
            let several = bars.iter().any(|b| b.spread.is_some());
            let ends: &[&str] = if several { &["lowest start", "highest start"] } else { &[] };
            put(heads(&[&["name", value_label, "flagged", "threshold"], ends].concat()))?;
            for b in bars {
                let t = threshold.map(|t| t.to_string()).unwrap_or_default();
                let mut cells = vec![cell(&b.label), b.value.to_string(), b.flagged.to_string(), t];
                if several {
                    let ends = b.spread.map_or([String::new(), String::new()], |s| s.map(|v| v.to_string()));
                    cells.extend(ends);
                }
                put(cells)?;
            }
        }
        Body::Scatter { x_label, y_label, groups } => {
            put(heads(&["group", "flagged", "sample", x_label, y_label]))?;
            for g in groups {
                for (i, p) in g.points.iter().enumerate() {
                    let sample = g.samples.get(i).map(ToString::to_string).unwrap_or_default();
                    put(vec![
                        cell(&g.name),
                        g.flagged.to_string(),
                        sample,
                        p[0].to_string(),
                        p[1].to_string(),
                    ])?;
                }
            }
        }
        Body::Heat { row_label, column_label, value_label, rows, columns, values } => {
            put(heads(&[row_label, column_label, value_label]))?;
            let pairs = rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c)));
            for ((r, c), v) in pairs.zip(values) {
                put(vec![cell(r), cell(c), v.to_string()])?;
            }
        }
        Body::Lines { x_label, y_label, series } => {
            put(heads(&["series", x_label, y_label]))?;
            for s in series {
                for p in &s.points {
                    put(vec![cell(&s.name), p[0].to_string(), p[1].to_string()])?;
                }
            }
        }
        Body::Histogram { x_label, edges, series, .. } => {
            put(heads(&["series", &format!("{x_label}, from"), "to", "count"]))?;
            for s in series {
                for (edge, count) in edges.windows(2).zip(&s.counts) {
                    put(vec![cell(&s.name), edge[0].to_string(), edge[1].to_string(), count.to_string()])?;
                }
            }
        }
        Body::Thumbnails { images } => {
            put(heads(&["image", "row", "column", "values"]))?;
            for t in images {
                for (i, pixel) in t.pixels.chunks(t.channels.max(1)).enumerate() {
                    let (row, column) = (i / t.width.max(1), i % t.width.max(1));
                    let mut cells = vec![cell(&t.label), row.to_string(), column.to_string()];
                    cells.extend(pixel.iter().map(ToString::to_string));
                    put(cells)?;
                }
            }
        }
    }
    let bytes = writer.into_inner().map_err(|e| RenderError(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| RenderError(e.to_string()))
}

/// A text cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let text = spelt(text);
    if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::Bar;
    use super::*;

    #[test]
    fn every_digit_is_kept_and_formulas_are_disarmed() {
        let bar = |label: &str, value, flagged| Bar { label: label.into(), value, flagged, spread: None };
        let bars = vec![bar("=cmd|' /C calc'!A0", 0.5, false), bar("7", 4.3125, true)];
        let body = Body::Bars { value_label: "anomaly index".into(), bars, threshold: Some(2.0) };
        let figure = Figure { title: String::new(), body };
        assert_eq!(
            csv(&figure).unwrap(),
            "name,anomaly index,flagged,threshold\n'=cmd|' /C calc'!A0,0.5,false,2\n7,4.3125,true,2\n"
        );
    }
}
