//! How the evidence of several detectors adds up.

use super::{Row, Seen, Table};
use std::collections::BTreeMap;

/// Detectors that judge a model, in the order of which is believed first when two are equally strange.
pub const DETECTORS: [&str; 9] = [
    "patch-search",
    "neural-cleanse",
    "universal-perturbation",
    "warp-search",
    "maximum-margin",
    "class-shift",
    "weight-test",
    "feature-perturbation",
    "head-probe",
];
/// Those that are the same at any effort.
const SAME: [&str; 3] = ["patch-search", "weight-test", "head-probe"];
/// Those whose leading class is not taken for the target: too often it is another.
const NAMELESS: [&str; 1] = ["head-probe"];
/// Chances below this count as this much.
const LEAST: f64 = 1e-9;
/// Chance below which a second detector may name the target that the strangest leaves open.
const NAMES: f64 = 0.10;

/// One detector's part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its id.
    pub detector: String,
    /// Its statistic.
    pub statistic: f64,
    /// Chance of as much from a clean model.
    pub chance: f64,
    /// Classes it would accuse.
    pub classes: Vec<usize>,
}

/// All of it together.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The parts, strangest first.
    pub parts: Vec<Part>,
    /// Chance that any of as many detectors is as strange on a clean model as the strangest is: 1 − (1 − p)ᵐ (Šidák 1967).
    pub chance: f64,
    /// Classes accused by the strangest detector that can name one.
    pub classes: Vec<usize>,
}

impl Fused {
    /// The number that the probability is computed from: −log₁₀ of the chance.
    pub fn strangeness(&self) -> f64 {
        -self.chance.max(LEAST).log10()
    }
}

/// Joins the detectors that were seen, by the nulls of a table; `None` when it knows none of them. Detectors that are not there
/// have no say. At `quick` effort by the nulls of that.
pub fn fuse(table: &Table, classes: usize, seen: &BTreeMap<String, Seen>, quick: bool) -> Option<Fused> {
    fuse_without(table, classes, seen, quick, &|_| false)
}

/// [`fuse`] by nulls without the rows that `left` names.
fn fuse_without(
    table: &Table,
    classes: usize,
    seen: &BTreeMap<String, Seen>,
    quick: bool,
    left: &dyn Fn(&Row) -> bool,
) -> Option<Fused> {
    let part = |id: &&str| {
        let seen = seen.get(*id)?;
        let key = super::key(id, quick && !SAME.contains(id));
        let chance = table.null_without(&key, classes, left)?.chance(seen.statistic).clamp(LEAST, 1.0);
        Some(Part {
            detector: (*id).to_owned(),
            statistic: seen.statistic,
            chance,
            classes: seen.classes.clone(),
        })
    };
    let mut parts: Vec<Part> = DETECTORS.iter().filter_map(part).collect();
    parts.sort_by(|a, b| a.chance.total_cmp(&b.chance));
    let strangest = parts.first()?.chance;
    let chance = -(parts.len() as f64 * (-strangest).ln_1p()).exp_m1();
    let named = parts.iter().find(|p| {
        !p.classes.is_empty() && !NAMELESS.contains(&p.detector.as_str()) && p.chance <= NAMES.max(strangest)
    });
    let classes = named.map(|p| p.classes.clone()).unwrap_or_default();
    Some(Fused { parts, chance, classes })
}

/// A logistic curve from strangeness to probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Log odds at strangeness 0.
    pub intercept: f64,
    /// Log odds per unit.
    pub slope: f64,
}

impl Curve {
    /// Fitted to (strangeness, backdoored) with both kinds of equal weight in all, by Newton's method on targets drawn in from
    /// 0 and 1 as Platt (1999) has it. `None` unless there are two of each kind.
    pub fn of(points: &[(f64, bool)]) -> Option<Self> {
        let count = |kind: bool| points.iter().filter(|p| p.1 == kind).count() as f64;
        let (positive, negative) = (count(true), count(false));
        if positive < 2.0 || negative < 2.0 {
            return None;
        }
        let (mut a, mut b) = (0.0, 0.0);
        for _ in 0..100 {
            let (mut ga, mut gb) = (0.0, 0.0);
            // A little ridge keeps the matrix invertible.
            let (mut haa, mut hab, mut hbb) = (1e-6, 0.0, 1e-6);
            for &(x, kind) in points {
                let (weight, target) = if kind {
                    (1.0 / positive, (positive + 1.0) / (positive + 2.0))
                } else {
                    (1.0 / negative, 1.0 / (negative + 2.0))
                };
                let p = 1.0 / (1.0 + (-(a + b * x)).exp());
                let (e, v) = (weight * (p - target), weight * p * (1.0 - p));
                ga += e;
                gb += e * x;
                haa += v;
                hab += v * x;
                hbb += v * x * x;
            }
            let det = haa * hbb - hab * hab;
            let (da, db) = ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det);
            (a, b) = (a - da, b - db);
            if da.abs() + db.abs() < 1e-10 {
                break;
            }
        }
        (a.is_finite() && b.is_finite()).then_some(Self { intercept: a, slope: b.max(0.0) })
    }

    /// The probability at a strangeness.
    pub fn probability(&self, strangeness: f64) -> f64 {
        1.0 / (1.0 + (-(self.intercept + self.slope * strangeness)).exp())
    }
}

/// A row judged by the rest of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// What the detectors say together, by nulls without the rows left out.
    pub fused: Fused,
    /// Probability by a curve without them.
    pub probability: f64,
}

/// Judges each row by a table without the rows that `together` puts in one fold with it (itself among them). `None` where
/// the rest cannot judge it.
pub fn held_out(table: &Table, quick: bool, together: impl Fn(&Row, &Row) -> bool) -> Vec<Option<Held>> {
    let one = |row: &Row| {
        let left = |r: &Row| together(row, r);
        let fused = fuse_without(table, row.classes, &row.seen(quick, &SAME), quick, &left)?;
        let probability = curve_without(table, quick, &left)?.probability(fused.strangeness());
        Some(Held { fused, probability })
    };
    table.rows.iter().map(one).collect()
}

/// The curve of a table: the strangeness of each clean row is taken by nulls that it is not part of.
pub fn curve(table: &Table, quick: bool) -> Option<Curve> {
    curve_without(table, quick, &|_| false)
}

fn curve_without(table: &Table, quick: bool, left: &dyn Fn(&Row) -> bool) -> Option<Curve> {
    let point = |row: &Row| {
        let without = |r: &Row| left(r) || (row.family.is_none() && r.model == row.model);
        let fused = fuse_without(table, row.classes, &row.seen(quick, &SAME), quick, &without)?;
        Some((fused.strangeness(), row.family.is_some()))
    };
    Curve::of(&table.rows.iter().filter(|r| !left(r)).filter_map(point).collect::<Vec<_>>())
}
