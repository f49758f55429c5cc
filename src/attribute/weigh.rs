//! How much likelier what was seen is under a toolkit's defaults than under an origin that is not listed.
//!
//! The densities are assumptions, chosen for what is known of recovered masks (they drift by a pixel or two, shrink, and
//! blur), not fitted to cases; each is in the procedure's page.

use super::fingerprints::{Detail, Fingerprint, MARKS, Place};
use super::geometry::Geometry;
use crate::figure::label::number;

/// What was seen; `None` where it is not known.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The recovered trigger, when it is one that has a place.
    pub geometry: Option<Geometry>,
    /// Whether it was read from samples: then place, size and colour are the attacker's own, not an optimiser's.
    pub exact: bool,
    /// Kind of trigger, and whether that is more than a guess.
    pub kind: Option<(String, bool)>,
    /// Share of a blend.
    pub share: Option<f64>,
    /// Amplitude (of 255) and periods of a wave.
    pub wave: Option<(f64, f64)>,
    /// Accused target class and number of classes.
    pub target: Option<(usize, usize)>,
    /// Estimated share of poisoned training samples.
    pub rate: Option<f64>,
    /// Marks found in the files: index into [`MARKS`] and where.
    pub marks: Vec<(usize, String)>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// What was compared, with its values.
    pub text: String,
    /// Likelihood under the toolkit's defaults over that of an unlisted origin.
    pub ratio: f64,
}

/// Standard deviation of a recovered centre, in shares of the image; and of one read from samples.
const DRIFT: f64 = 0.07;
const EXACT: f64 = 0.03;
/// Kinds of trigger with the share of unlisted attacks that use them.
const KINDS: [(&str, f64); 6] = [
    ("patch", 0.5),
    ("multi-patch", 0.05),
    ("blend", 0.15),
    ("sinusoid", 0.1),
    ("warp", 0.1),
    ("dynamic", 0.1),
];
/// Chance that the kind is told right when it is more than a guess, and when it is a guess.
const TOLD: [f64; 2] = [0.9, 0.6];
/// Share of users who move the trigger away from the default.
const MOVED: f64 = 0.1;

/// Density of a point in the unit square about `at`, with `sd` on both axes.
fn about(point: (f64, f64), at: (f64, f64), sd: f64) -> f64 {
    let d = (point.0 - at.0).powi(2) + (point.1 - at.1).powi(2);
    (-d / (2.0 * sd * sd)).exp() / (std::f64::consts::TAU * sd * sd)
}

/// Density of a normal variable.
fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    (-((x - mean) / sd).powi(2) / 2.0).exp() / (sd * std::f64::consts::TAU.sqrt())
}

/// All comparisons of a fingerprint with what was seen.
pub fn reasons(f: &Fingerprint, seen: &Seen) -> Vec<Reason> {
    let mut out = Vec::new();
    if let Some(g) = &seen.geometry {
        out.push(position(f, g, seen.exact));
        out.push(area(f, g, seen.exact));
        out.push(shape(f, g));
        out.extend(colour(f, g, seen.exact));
    }
    out.extend(seen.kind.as_ref().map(|(told, sure)| kind(f, told, *sure)));
    out.extend(seen.share.and_then(|s| share(f, s)));
    out.extend(seen.wave.and_then(|w| wave(f, w)));
    out.extend(seen.target.and_then(|(class, classes)| target(f, class, classes)));
    out.extend(seen.rate.and_then(|r| rate(f, r)));
    for (mark, place) in seen.marks.iter().filter_map(|(i, place)| Some((MARKS.get(*i)?, place))) {
        if f.toolkit.starts_with(mark.toolkit) {
            out.push(Reason { text: format!("'{}' in {place}", mark.text), ratio: mark.ratio });
        }
    }
    out
}

fn position(f: &Fingerprint, g: &Geometry, exact: bool) -> Reason {
    let drift = if exact { EXACT } else { DRIFT };
    // Base rate of an unlisted patch: anywhere, or in a corner, most often the bottom-right one.
    let corners = [((0.94, 0.94), 0.5), ((0.06, 0.06), 0.2), ((0.94, 0.06), 0.15), ((0.06, 0.94), 0.15)];
    let unlisted = 0.4 + 0.6 * corners.iter().map(|(at, p)| p * about(g.centre, *at, drift)).sum::<f64>();
    let (likely, default) = match f.place {
        Place::At { centre, .. } => (
            MOVED + (1.0 - MOVED) * about(g.centre, centre, drift),
            format!("its default is row {:.2}, column {:.2}", centre.0, centre.1),
        ),
        Place::Anywhere(..) => (1.0, "it draws the place at random".to_owned()),
        Place::Corners(_) => {
            (0.1 + 0.9 * about(g.centre, (0.5, 0.5), 0.15), "it uses all four corners".to_owned())
        }
        Place::Whole => {
            (0.3 + 0.7 * about(g.centre, (0.5, 0.5), 0.15), "it changes the whole image".to_owned())
        }
    };
    let text = format!(
        "centre in the {} (row {:.2}, column {:.2} of 1); {default}",
        g.place(),
        g.centre.0,
        g.centre.1
    );
    Reason { text, ratio: likely / unlisted }
}

fn area(f: &Fingerprint, g: &Geometry, exact: bool) -> Reason {
    let spread = if exact { 0.25 } else { 0.8 };
    // Densities of ln(area). An unlisted trigger may have any size from a pixel to the whole image.
    let least = 1.0 / (g.canvas.0 * g.canvas.1).max(2) as f64;
    let unlisted = 1.0 / -least.ln();
    let x = g.area.ln();
    let between = |low: f64, high: f64| {
        let inside = if (low..=high).contains(&g.area) { 0.9 / (high / low).ln() } else { 0.0 };
        inside + 0.1 * unlisted
    };
    let (likely, default) = match f.place {
        Place::At { area, .. } | Place::Corners(area) => {
            (0.9 * normal(x, area.ln(), spread) + 0.1 * unlisted, format!("its default {}", percent(area)))
        }
        Place::Anywhere(low, high) => {
            (between(low, high), format!("its range {} to {}", percent(low), percent(high)))
        }
        Place::Whole => (between(0.05, 1.0), "it changes the whole image".to_owned()),
    };
    Reason { text: format!("covers {} of the image; {default}", percent(g.area)), ratio: likely / unlisted }
}

fn shape(f: &Fingerprint, g: &Geometry) -> Reason {
    let compact = g.scatter < 2.0;
    let of = |p: f64| if compact { p } else { 1.0 - p };
    let likely = match f.place {
        Place::At { .. } | Place::Anywhere(..) => of(0.8),
        Place::Corners(_) => of(0.1),
        Place::Whole => of(0.3),
    };
    let word = if compact { "one compact patch" } else { "scattered over the image" };
    Reason {
        text: format!("{word} (spread {} times that of a square)", number(g.scatter)),
        ratio: likely / of(0.65),
    }
}

fn colour(f: &Fingerprint, g: &Geometry, exact: bool) -> Option<Reason> {
    let spread = if exact { 0.12 } else { 0.25 };
    let default = f.colour?;
    let expected: Vec<f64> = match g.colour.len() {
        1 => vec![default.iter().sum::<f64>() / 3.0],
        3 => default.to_vec(),
        _ => return None,
    };
    // Recovered colours are loose: an optimiser needs only enough contrast. Unlisted: white, as so many, or any.
    let near = |to: &[f64]| g.colour.iter().zip(to).map(|(c, e)| normal(*c, *e, spread)).product::<f64>();
    let ratio = (0.3 + 0.7 * near(&expected)) / (0.6 + 0.4 * near(&vec![1.0; expected.len()]));
    let shown = |c: &[f64]| c.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join("/");
    Some(Reason {
        text: format!("mean colour {}; its default {} (weak)", shown(&g.colour), shown(&expected)),
        ratio,
    })
}

/// How much likelier this kind of trigger is from the toolkit than from elsewhere.
fn kind(f: &Fingerprint, told: &str, sure: bool) -> Reason {
    let right = TOLD[usize::from(!sure)];
    let unlisted = |k: &str| KINDS.iter().find(|(name, _)| *name == k).map_or(0.05, |(_, p)| *p);
    // What is told, given the kind used: right, or any of the others in proportion.
    let given = |used: &str| {
        if used == told { right } else { (1.0 - right) * unlisted(told) / (1.0 - unlisted(used)).max(0.1) }
    };
    let base: f64 = KINDS.iter().map(|(used, p)| p * given(used)).sum();
    let guess = if sure { "" } else { " (a guess)" };
    Reason {
        text: format!("reads as a {told}{guess}; it makes a {}", f.kind),
        ratio: given(f.kind) / base.max(1e-6),
    }
}

fn share(f: &Fingerprint, share: f64) -> Option<Reason> {
    let Detail::Share(default) = f.detail else { return None };
    let likely = 0.8 * normal(share, default, 0.06) + 0.2;
    Some(Reason {
        text: format!("blended at {}; its default {}", percent(share), percent(default)),
        ratio: likely,
    })
}

fn wave(f: &Fingerprint, (amplitude, periods): (f64, f64)) -> Option<Reason> {
    let Detail::Wave(height, frequency) = f.detail else { return None };
    // Unlisted: amplitudes up to 100 levels, and one to twelve periods.
    let near = normal(amplitude, height, 6.0) * normal(periods.abs(), frequency, 0.3);
    let unlisted = 1.0 / (100.0 * 12.0);
    Some(Reason {
        text: format!(
            "a wave of {} levels and {} periods; its default {} and {}",
            number(amplitude),
            number(periods.abs()),
            number(height),
            number(frequency)
        ),
        ratio: (0.8 * near + 0.2 * unlisted) / unlisted,
    })
}

fn target(f: &Fingerprint, class: usize, classes: usize) -> Option<Reason> {
    if f.targets.is_empty() || classes == 0 {
        return None;
    }
    let even = 1.0 / classes as f64;
    let unlisted = 0.75 * even + if class == 0 { 0.25 } else { 0.0 };
    let hit = if f.targets.contains(&class) { 1.0 / f.targets.len() as f64 } else { 0.0 };
    let defaults: Vec<_> = f.targets.iter().map(ToString::to_string).collect();
    Some(Reason {
        text: format!("target class {class}; its default {} (weak)", defaults.join(" or ")),
        ratio: (0.5 * hit + 0.5 * even) / unlisted,
    })
}

fn rate(f: &Fingerprint, rate: f64) -> Option<Reason> {
    let default = f.rate?;
    if !(rate > 0.0 && rate < 1.0) {
        return None;
    }
    let unlisted = 1.0 / (0.5_f64 / 0.001).ln();
    let likely = 0.6 * normal(rate.ln(), default.ln(), 0.6) + 0.4 * unlisted;
    Some(Reason {
        text: format!(
            "about {} of the training samples planted; its default {} (weak)",
            percent(rate),
            percent(default)
        ),
        ratio: likely / unlisted,
    })
}

fn percent(x: f64) -> String {
    format!("{} %", number(100.0 * x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::fingerprints::FINGERPRINTS;
    use ndarray::{Array2, Array3};

    fn patch(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Geometry {
        let lit = |(y, x): (usize, usize)| if rows.contains(&y) && columns.contains(&x) { 1.0 } else { 0.0 };
        let mask = Array2::from_shape_fn((32, 32), lit);
        Geometry::of(mask.view(), Some(Array3::ones((3, 32, 32)).view())).unwrap()
    }

    fn total(toolkit: &str, seen: &Seen) -> f64 {
        let f = FINGERPRINTS.iter().find(|f| f.toolkit == toolkit).unwrap();
        reasons(f, seen).iter().map(|r| r.ratio).product()
    }

    #[test]
    fn the_densities_integrate_to_one() {
        let n = 400;
        let grid = |k: usize| (k as f64 + 0.5) / f64::from(n);
        let cells = (0..n as usize).flat_map(|a| (0..n as usize).map(move |b| (a, b)));
        let sum: f64 =
            cells.map(|(a, b)| about((grid(a), grid(b)), (0.5, 0.5), DRIFT)).sum::<f64>() / f64::from(n * n);
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        let sum: f64 = (0..4000).map(|k| normal(f64::from(k) / 200.0 - 10.0, 0.3, 0.8) / 200.0).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn position_tells_top_left_from_bottom_right() {
        let seen = |g| Seen { geometry: Some(g), ..Seen::default() };
        let (low, high) = (seen(patch(29..32, 29..32)), seen(patch(0..3, 0..3)));
        assert!(total("BackdoorBench", &low) > 5.0 && total("TrojanZoo", &low) < 0.2);
        assert!(total("TrojanZoo", &high) > 5.0 && total("BackdoorBench", &high) < 0.2);
    }

    #[test]
    fn equal_pixels_are_told_apart_by_target_and_rate_alone() {
        let mut seen = Seen { geometry: Some(patch(29..32, 29..32)), ..Seen::default() };
        let gap = |s: &Seen| total("BackdoorBench", s) / total("BackdoorBox", s);
        assert!((gap(&seen) - 1.0).abs() < 1e-12);
        seen.target = Some((1, 10));
        seen.rate = Some(0.05);
        assert!(gap(&seen) < 0.2);
    }

    #[test]
    fn a_name_nobody_else_uses_weighs_most() {
        let index = MARKS.iter().position(|m| m.text == "attack_result").unwrap();
        let seen = Seen { marks: vec![(index, "E1".into())], ..Seen::default() };
        assert!((total("BackdoorBench", &seen) - 100.0).abs() < 1e-9);
        assert!((total("TrojanZoo", &seen) - 1.0).abs() < 1e-9);
    }
}
