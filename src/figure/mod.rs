//! A picture as data: numbers, labels, units and thresholds; no colours, no pixels.
//!
//! Procedures make figures, the journal stores them as JSON blobs, and every surface (terminal, SVG, PNG, plain
//! rows) renders them from this one description, so that replay, report and screen agree.

pub mod csv;
mod draw;
mod ink;
pub mod label;
pub mod png;
pub mod rows;
pub mod svg;

use serde::{Deserialize, Serialize};

/// Why a figure could not be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot draw the figure: {0}")]
pub struct RenderError(pub String);

/// One picture. `title` is a whole sentence fragment that reads without the picture ("Anomaly index per class").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What the picture shows, without a full stop.
    pub title: String,
    /// The numbers.
    pub body: Body,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// Points in the plane, in named groups (clusters, flagged samples).
    Scatter {
        /// Name and unit of the horizontal axis.
        x_label: String,
        /// Name and unit of the vertical axis.
        y_label: String,
        /// Groups in drawing order: the last is on top.
        groups: Vec<Group>,
    },
    /// One bar per label, with an optional threshold.
    Bars {
        /// Name and unit of the value.
        value_label: String,
        /// The bars in natural order.
        bars: Vec<Bar>,
        /// Values above it are flagged.
        threshold: Option<f64>,
    },
    /// A matrix, row-major (confusions, source × target).
    Heat {
        /// Name of a row and of a column, and unit of a cell.
        row_label: String,
        /// See `row_label`.
        column_label: String,
        /// Unit of a cell.
        value_label: String,
        /// Names of the rows.
        rows: Vec<String>,
        /// Names of the columns.
        columns: Vec<String>,
        /// `rows.len() × columns.len()` values.
        values: Vec<f64>,
    },
    /// Curves over a common horizontal axis.
    Lines {
        /// Name and unit of the horizontal axis.
        x_label: String,
        /// Name and unit of the vertical axis.
        y_label: String,
        /// The curves.
        series: Vec<Series>,
    },
    /// Counts per bin for one or more groups over common edges.
    Histogram {
        /// Name and unit of the value.
        x_label: String,
        /// `n + 1` edges of `n` bins, ascending.
        edges: Vec<f64>,
        /// Named counts, `n` each.
        series: Vec<Counts>,
        /// A line across the bins.
        threshold: Option<f64>,
    },
    /// Small images in a row: masks, patterns, stamped examples, samples.
    Thumbnails {
        /// The images.
        images: Vec<Thumbnail>,
    },
}

/// A named set of points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name for the legend.
    pub name: String,
    /// Whether this group is what the picture accuses.
    pub flagged: bool,
    /// `(x, y)` pairs.
    pub points: Vec<[f64; 2]>,
    /// Index of each point's sample in its data set; empty or as long as `points`.
    #[serde(default)]
    pub samples: Vec<usize>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// What it stands for (a class).
    pub label: String,
    /// Its length. Never NaN.
    pub value: f64,
    /// Whether it is past the threshold.
    pub flagged: bool,
    /// Lowest and highest value of several runs (random starts, seeds) of which `value` is the summary; `None` of a single
    /// run. Neither is NaN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Name for the legend.
    pub name: String,
    /// `(x, y)` pairs in order of x.
    pub points: Vec<[f64; 2]>,
}

/// Counts of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Name for the legend.
    pub name: String,
    /// One count per bin.
    pub counts: Vec<f64>,
}

/// One small image, values in `0..=255`, row-major, interleaved channels (1 = grey, 3 = RGB).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Caption.
    pub label: String,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `height × width × channels` values.
    pub pixels: Vec<u8>,
}

#[cfg(test)]
mod tests;
