//! Figures as rows: the table behind a picture, and aligned plain text for `--plain` and screen readers.

use super::label::{number, spelt};
use super::{Bar, Body, Counts, Figure, Group, Series, Thumbnail};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// A column of [`Rows`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it holds numbers (aligned right, never quoted against formulas).
    pub numeric: bool,
}

/// A figure as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The columns.
    pub columns: Vec<Column>,
    /// One text per column.
    pub rows: Vec<Vec<String>>,
    /// Threshold, what was left out, how to read it; empty when there is nothing to say.
    pub note: String,
}

fn word(name: impl Into<String>) -> Column {
    Column { name: spelt(&name.into()), numeric: false }
}

fn value(name: impl Into<String>) -> Column {
    Column { name: spelt(&name.into()), numeric: true }
}

/// The figure as a table for reading, of at most `most` rows: numbers are rounded, points are summed up per group,
/// and what was left out is said in the note.
pub fn rows(figure: &Figure, most: usize) -> Rows {
    let most = most.max(2);
    match &figure.body {
        Body::Bars { value_label, bars, threshold } => of_bars(value_label, bars, *threshold, most),
        Body::Scatter { x_label, y_label, groups } => of_groups(x_label, y_label, groups),
        Body::Heat { row_label, column_label, value_label, rows, columns, values } => {
            of_heat((row_label, column_label, value_label), (rows, columns), values, most)
        }
        Body::Lines { x_label, y_label, series } => of_series(x_label, y_label, series, most),
        Body::Histogram { x_label, edges, series, threshold } => {
            of_counts(x_label, (edges, series), *threshold, most)
        }
        Body::Thumbnails { images } => of_images(images, most),
    }
}

fn left_out(shown: usize, all: usize, which: &str) -> String {
    if shown < all {
        format!("{which} {shown} of {all} rows; the stored figure has them all")
    } else {
        String::new()
    }
}

fn joined(parts: &[String]) -> String {
    parts.iter().filter(|p| !p.is_empty()).cloned().collect::<Vec<_>>().join("; ")
}

fn flag_above(threshold: Option<f64>) -> String {
    threshold.map(|t| format!("threshold {}", number(t))).unwrap_or_default()
}

fn mark(flagged: bool) -> String {
    if flagged { "! flagged" } else { "-" }.to_owned()
}

fn of_bars(value_label: &str, bars: &[Bar], threshold: Option<f64>, most: usize) -> Rows {
    let mut order: Vec<usize> = (0..bars.len()).collect();
    order.sort_by(|&a, &b| bars[b].value.total_cmp(&bars[a].value).then(a.cmp(&b)));
    order.truncate(most);
    order.sort_unstable();
    let note = joined(&[flag_above(threshold), left_out(order.len(), bars.len(), "the largest")]);
    let several = bars.iter().any(|b| b.spread.is_some());
    let row = |&i: &usize| {
        let mut row = vec![spelt(&bars[i].label), number(bars[i].value)];
        if several {
            row.extend(bars[i].spread.map_or([String::new(), String::new()], |ends| ends.map(number)));
        }
        row.push(mark(bars[i].flagged));
        row
    };
    let mut columns = vec![word("name"), value(value_label)];
    if several {
        columns.extend(["lowest start", "highest start"].map(value));
    }
    columns.push(word("mark"));
    Rows { columns, rows: order.iter().map(row).collect(), note }
}

fn of_groups(x_label: &str, y_label: &str, groups: &[Group]) -> Rows {
    let rows = groups
        .iter()
        .map(|g| {
            let (x, y) = (moments(g, 0), moments(g, 1));
            let mut row = vec![spelt(&g.name), g.points.len().to_string()];
            row.extend([x.0, x.1, y.0, y.1].map(number));
            row.push(mark(g.flagged));
            row
        })
        .collect();
    let columns = vec![
        word("group"),
        value("points"),
        value(format!("{x_label}, mean")),
        value("sd"),
        value(format!("{y_label}, mean")),
        value("sd"),
        word("mark"),
    ];
    Rows { columns, rows, note: "one row a group; the stored figure has every point".to_owned() }
}

/// Mean and standard deviation (n − 1) of one coordinate.
fn moments(group: &Group, axis: usize) -> (f64, f64) {
    let n = group.points.len() as f64;
    let mean = group.points.iter().map(|p| p[axis]).sum::<f64>() / n;
    let squares = group.points.iter().map(|p| (p[axis] - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0)).sqrt())
}

fn of_heat(
    (row_label, column_label, value_label): (&str, &str, &str),
    (names, columns): (&[String], &[String]),
    values: &[f64],
    most: usize,
) -> Rows {
    if columns.len() <= 12 && names.len() <= most {
        let mut heads = vec![word(format!("{row_label} \\ {column_label}"))];
        heads.extend(columns.iter().map(|c| value(c.as_str())));
        let wide = columns.len().max(1);
        let rows = names
            .iter()
            .zip(values.chunks(wide))
            .map(|(name, line)| std::iter::once(spelt(name)).chain(line.iter().map(|&v| number(v))).collect())
            .collect();
        return Rows { columns: heads, rows, note: value_label.to_owned() };
    }
    let mut order: Vec<usize> = (0..values.len().min(names.len().saturating_mul(columns.len()))).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let all = order.len();
    order.truncate(most);
    let rows = order
        .iter()
        .map(|&i| {
            vec![spelt(&names[i / columns.len()]), spelt(&columns[i % columns.len()]), number(values[i])]
        })
        .collect();
    let note = left_out(order.len(), all, "the largest");
    Rows { columns: vec![word(row_label), word(column_label), value(value_label)], rows, note }
}

/// Indices of at most `most` of `n` rows, evenly spread, first and last among them.
fn spread(n: usize, most: usize) -> Vec<usize> {
    if n <= most { (0..n).collect() } else { (0..most).map(|k| k * (n - 1) / (most - 1)).collect() }
}

fn of_series(x_label: &str, y_label: &str, series: &[Series], most: usize) -> Rows {
    let shared = series.windows(2).all(|w| {
        w[0].points.len() == w[1].points.len()
            && w[0].points.iter().zip(&w[1].points).all(|(a, b)| a[0].total_cmp(&b[0]).is_eq())
    });
    if let (true, Some(first)) = (shared, series.first()) {
        let picked = spread(first.points.len(), most);
        let rows = picked
            .iter()
            .map(|&i| {
                let ys = series.iter().map(|s| number(s.points[i][1]));
                std::iter::once(number(first.points[i][0])).chain(ys).collect()
            })
            .collect();
        let mut columns = vec![value(x_label)];
        columns.extend(series.iter().map(|s| value(s.name.as_str())));
        let note =
            joined(&[y_label.to_owned(), left_out(picked.len(), first.points.len(), "every so many:")]);
        return Rows { columns, rows, note };
    }
    let each = (most / series.len().max(1)).max(2);
    let mut rows = Vec::new();
    for s in series {
        for i in spread(s.points.len(), each) {
            rows.push(vec![spelt(&s.name), number(s.points[i][0]), number(s.points[i][1])]);
        }
    }
    let note = left_out(rows.len(), series.iter().map(|s| s.points.len()).sum(), "every so many:");
    Rows { columns: vec![word("series"), value(x_label), value(y_label)], rows, note }
}

fn of_counts(
    x_label: &str,
    (edges, series): (&[f64], &[Counts]),
    threshold: Option<f64>,
    most: usize,
) -> Rows {
    let bins: Vec<_> = edges.windows(2).collect();
    let rows = bins
        .iter()
        .take(most)
        .enumerate()
        .map(|(i, edge)| {
            let counts = series.iter().map(|s| s.counts.get(i).map_or_else(String::new, |&c| number(c)));
            [number(edge[0]), number(edge[1])].into_iter().chain(counts).collect()
        })
        .collect();
    let mut columns = vec![value(format!("{x_label}, from")), value("to")];
    columns.extend(series.iter().map(|s| value(s.name.as_str())));
    Rows {
        columns,
        rows,
        note: joined(&[flag_above(threshold), left_out(bins.len().min(most), bins.len(), "the first")]),
    }
}

fn of_images(images: &[Thumbnail], most: usize) -> Rows {
    let rows = images
        .iter()
        .take(most)
        .map(|t| {
            let size = format!("{}×{}×{}", t.height, t.width, t.channels);
            let mean = t.pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / t.pixels.len().max(1) as f64;
            vec![spelt(&t.label), size, number(mean), bright(t)]
        })
        .collect();
    let columns = vec![
        word("image"),
        word("height × width × channels"),
        value("mean of 0–255"),
        word("bright part (at least half the maximum)"),
    ];
    Rows { columns, rows, note: left_out(images.len().min(most), images.len(), "the first") }
}

/// Where the pixels of at least half the largest value are.
fn bright(t: &Thumbnail) -> String {
    let top = t.pixels.iter().copied().max().unwrap_or(0);
    let (wide, channels) = (t.width.max(1), t.channels.max(1));
    let lit: Vec<usize> = t
        .pixels
        .chunks(channels)
        .enumerate()
        .filter(|(_, p)| p.iter().any(|&v| v > 0 && v >= top.div_ceil(2)))
        .map(|(i, _)| i)
        .collect();
    let bounds = |f: fn(usize, usize) -> usize| {
        let of = || lit.iter().map(|&i| f(i, wide));
        of().min().zip(of().max())
    };
    match (bounds(|i, w| i / w), bounds(|i, w| i % w)) {
        (Some((a, b)), Some((c, d))) => format!("rows {a}–{b}, columns {c}–{d}, {} px", lit.len()),
        _ => "none".to_owned(),
    }
}

/// The figure as aligned text: title, table, note.
pub fn plain(figure: &Figure) -> String {
    let table = rows(figure, 200);
    let heads: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    let mut wide: Vec<usize> = heads.iter().map(|h| h.width()).collect();
    for row in &table.rows {
        for (w, cell) in wide.iter_mut().zip(row) {
            *w = (*w).max(cell.width());
        }
    }
    let line = |cells: &[String]| {
        let mut out = String::new();
        for ((cell, column), w) in cells.iter().zip(&table.columns).zip(&wide) {
            let fill = " ".repeat(w.saturating_sub(cell.width()));
            out.push_str(if out.is_empty() { "  " } else { "   " });
            if column.numeric {
                out.push_str(&fill);
                out.push_str(cell);
            } else {
                out.push_str(cell);
                out.push_str(&fill);
            }
        }
        format!("{}\n", out.trim_end())
    };
    let mut out = format!("{}\n{}", spelt(&figure.title), line(&heads));
    for row in &table.rows {
        out.push_str(&line(row));
    }
    if !table.note.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  ({})", spelt(&table.note));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(label: &str) -> Figure {
        let bar = |label: &str, value, flagged| Bar { label: label.into(), value, flagged, spread: None };
        Figure {
            title: "Anomaly index per class".into(),
            body: Body::Bars {
                value_label: "anomaly index".into(),
                bars: vec![bar(label, 0.5, false), bar("7", 4.3125, true)],
                threshold: Some(2.0),
            },
        }
    }

    #[test]
    fn plain_rows_are_aligned_and_carry_the_threshold() {
        assert_eq!(
            plain(&bars("stop\u{202e}")),
            "Anomaly index per class\n  name           anomaly index   mark\n  \
             stop\\u{202e}           0.500   -\n  7                       4.31   ! flagged\n  (threshold 2)\n"
        );
    }

    #[test]
    fn long_tables_say_what_they_leave_out() {
        let many = (0..500)
            .map(|i| Bar { label: i.to_string(), value: f64::from(i), flagged: false, spread: None })
            .collect();
        let figure = Figure {
            title: String::new(),
            body: Body::Bars { value_label: "v".into(), bars: many, threshold: None },
        };
        let table = rows(&figure, 10);
        assert_eq!((table.rows.len(), table.rows[0][0].as_str()), (10, "490"));
        assert_eq!(table.note, "the largest 10 of 500 rows; the stored figure has them all");
    }
}
