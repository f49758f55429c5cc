//! The table for people: every model and detector, and what cross-validation says.

use super::{DETECTORS, Held, Row, Table, held_out, rates};
use crate::math::stats::roc_auc;
use std::fmt::Write as _;

/// What cross-validation gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Area under the ROC curve of the fused score; `None` without both kinds.
    pub auc: Option<f64>,
    /// Flagged among backdoored models, and how many there are.
    pub found: (usize, usize),
    /// Flagged among clean models, and how many there are.
    pub false_alarms: (usize, usize),
    /// Inconclusive among backdoored and among clean models.
    pub doubtful: (usize, usize),
    /// Flagged models of one target in particular, and how many of them name it.
    pub right_target: (usize, usize),
}

/// The figures of rows judged by others.
pub fn figures(table: &Table, held: &[Option<Held>], flagged: f64, doubt: f64) -> Figures {
    let judged: Vec<(&Row, &Held)> =
        table.rows.iter().zip(held).filter_map(|(r, h)| Some((r, h.as_ref()?))).collect();
    let scores: Vec<f64> = judged.iter().map(|(_, h)| h.fused.strangeness()).collect();
    let kinds: Vec<bool> = judged.iter().map(|(r, _)| r.family.is_some()).collect();
    let count = |kind: bool, test: &dyn Fn(&Row, &Held) -> bool| {
        judged.iter().filter(|(r, h)| r.family.is_some() == kind && test(r, h)).count()
    };
    let is_flagged = |h: &Held| h.fused.chance <= flagged;
    let in_doubt = |h: &Held| h.fused.chance <= doubt && !is_flagged(h);
    let one_target = |r: &Row| {
        !r.targets.is_empty() && !matches!(r.family.as_deref(), Some("all-to-all" | "source-specific"))
    };
    Figures {
        auc: roc_auc(&scores, &kinds),
        found: (count(true, &|_, h| is_flagged(h)), count(true, &|_, _| true)),
        false_alarms: (count(false, &|_, h| is_flagged(h)), count(false, &|_, _| true)),
        doubtful: (count(true, &|_, h| in_doubt(h)), count(false, &|_, h| in_doubt(h))),
        right_target: (
            count(true, &|r, h| {
                is_flagged(h) && one_target(r) && r.targets.iter().any(|t| h.fused.classes.contains(t))
            }),
            count(true, &|r, h| is_flagged(h) && one_target(r)),
        ),
    }
}

/// An interval at 95 % around an area under the ROC curve (Hanley and `McNeil` 1982).
pub(super) fn around(a: f64, positive: usize, negative: usize) -> [f64; 2] {
    let (p, n) = (positive.max(1) as f64, negative.max(1) as f64);
    let (of_positive, of_negative) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
    let variance =
        (a * (1.0 - a) + (p - 1.0) * (of_positive - a * a) + (n - 1.0) * (of_negative - a * a)) / (p * n);
    let half = 1.96 * variance.max(0.0).sqrt();
    [(a - half).max(0.0), (a + half).min(1.0)]
}

/// The document, Markdown.
pub fn document(table: &Table, flagged: f64, doubt: f64) -> String {
    let mut out = format!(
        "# Model detectors: what they show on models of known truth\n\nMade by `{}`; the numbers are those of \
         `src/detect/calibration/table.json`. Do not edit.\n",
        table.made_by
    );
    rates::origin(&mut out, table);
    let one = |a: &Row, b: &Row| a.model == b.model;
    let alike = |a: &Row, b: &Row| a.group == b.group;
    out.push_str(
        "\n## The fused verdict, cross-validated\n\nEach model is judged by nulls and a curve that were computed without it \
         (leave one out), or without any model of the same data and architecture (leave group out). Intervals at 95 % are Wilson's, of the area Hanley and McNeil's.\n\n| effort | folds | AUROC | backdoored flagged | inconclusive | clean flagged | inconclusive | target right |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (effort, quick) in [("standard", false), ("quick", true)] {
        for (folds, held) in [
            ("leave one out", held_out(table, quick, one)),
            ("leave group out", held_out(table, quick, alike)),
        ] {
            let f = figures(table, &held, flagged, doubt);
            let _ = writeln!(
                out,
                "| {effort} | {folds} | {} | {} | {} | {} | {} | {} |",
                f.auc.map_or_else(
                    || "–".into(),
                    |a| {
                        let [lo, hi] = around(a, f.found.1, f.false_alarms.1);
                        format!("{a:.3} ({lo:.2}–{hi:.2})")
                    }
                ),
                rates::share(f.found),
                f.doubtful.0,
                rates::share(f.false_alarms),
                f.doubtful.1,
                rates::share(f.right_target)
            );
        }
    }
    let held = held_out(table, false, one);
    families(&mut out, table, &held, flagged, doubt);
    rates::by(&mut out, "attack", table, &held, flagged, &rates::kind);
    rates::by(&mut out, "architecture", table, &held, flagged, &rates::architecture);
    rates::detectors(&mut out, table);
    models(&mut out, table, &held, flagged, doubt);
    out
}

fn families(out: &mut String, table: &Table, held: &[Option<Held>], flagged: f64, doubt: f64) {
    out.push_str("\n## By family (leave one out, standard effort)\n\n| family | models | flagged | inconclusive | nothing found |\n|---|---|---|---|---|\n");
    let mut names: Vec<Option<&str>> = table.rows.iter().map(|r| r.family.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let chances: Vec<f64> = table
            .rows
            .iter()
            .zip(held)
            .filter(|(r, _)| r.family.as_deref() == name)
            .filter_map(|(_, h)| Some(h.as_ref()?.fused.chance))
            .collect();
        let past = |level: f64| chances.iter().filter(|&&p| p <= level).count();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            name.unwrap_or("clean"),
            chances.len(),
            past(flagged),
            past(doubt) - past(flagged),
            chances.len() - past(doubt)
        );
    }
}

fn models(out: &mut String, table: &Table, held: &[Option<Held>], flagged: f64, doubt: f64) {
    out.push_str("\n## Model by detector (standard effort)\n\nStatistic and leading class, `*` where that is a target; the verdict is the fused one, leave one out.\n\n| model | truth | accuracy, success |");
    for id in DETECTORS {
        let _ = write!(out, " {id} |");
    }
    out.push_str(" verdict | probability | seconds |\n|---|---|---|");
    out.push_str(&"---|".repeat(DETECTORS.len() + 3));
    out.push('\n');
    for (row, held) in table.rows.iter().zip(held) {
        let targets: Vec<String> = row.targets.iter().map(ToString::to_string).collect();
        let truth =
            row.family.as_ref().map_or_else(|| "clean".into(), |f| format!("{f} →{}", targets.join(",")));
        let part = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.2}"));
        let made = row.made.as_ref();
        let (accuracy, success) = (part(made.and_then(|m| m.accuracy)), part(made.and_then(|m| m.success)));
        let _ = write!(out, "| {} | {truth} | {accuracy}, {success} |", row.model);
        for id in DETECTORS {
            match row.detectors.get(id) {
                Some(s) => {
                    let class = s.classes.first().map_or_else(String::new, |c| format!(" {c}"));
                    let star =
                        if s.classes.first().is_some_and(|c| row.targets.contains(c)) { "*" } else { "" };
                    let _ = write!(out, " {:.2}{class}{star} |", s.statistic);
                }
                None => out.push_str(" – |"),
            }
        }
        let seconds: f64 = DETECTORS.iter().filter_map(|id| row.detectors.get(*id)?.seconds).sum();
        let (verdict, probability) = held.as_ref().map_or(("–", "–".to_owned()), |h| {
            let verdict = match h.fused.chance {
                p if p <= flagged => "flagged",
                p if p <= doubt => "inconclusive",
                _ => "nothing found",
            };
            (verdict, format!("{:.2}", h.probability))
        });
        let _ = writeln!(out, " {verdict} | {probability} | {seconds:.0} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::calibration::Seen;
    use std::collections::BTreeMap;

    #[test]
    fn the_interval_of_an_area_by_hand() {
        // A = .8, ten of each: Q₁ = .6667, Q₂ = .7111; variance (.16 + 9·.0267 + 9·.0711) / 100.
        let [lo, hi] = around(0.8, 10, 10);
        let half = 1.96 * ((0.16 + 9.0 * (2.0 / 3.0 - 0.64) + 9.0 * (1.28 / 1.8 - 0.64)) / 100.0f64).sqrt();
        assert!((lo - (0.8 - half)).abs() < 1e-12 && (hi - (0.8 + half)).abs() < 1e-12);
        assert_eq!(around(1.0, 5, 5), [1.0, 1.0]);
    }

    #[test]
    fn the_figures_by_hand() {
        let row = |i: usize, family: Option<&str>, statistic: f64, class: usize| Row {
            model: format!("m{i}"),
            group: format!("g{i}"),
            classes: 10,
            family: family.map(str::to_owned),
            targets: family.map(|_| 4).into_iter().collect(),
            detectors: BTreeMap::from([(
                "neural-cleanse".to_owned(),
                Seen { statistic, classes: vec![class], seconds: Some(2.0) },
            )]),
            made: None,
        };
        let mut rows: Vec<Row> = (0..10).map(|i| row(i, None, 0.2, 1)).collect();
        rows.extend([
            row(10, Some("patch"), 3.0, 4),
            row(11, Some("patch"), 2.5, 9),
            row(12, Some("warp"), 0.1, 4),
        ]);
        let table =
            Table { schema: super::super::SCHEMA.into(), made_by: "a test".into(), rows, left_out: vec![] };
        let held = held_out(&table, false, |a, b| a.model == b.model);
        let f = figures(&table, &held, 0.02, 0.2);
        assert_eq!((f.found, f.false_alarms, f.right_target), ((2, 3), (0, 10), (1, 2)));
        assert!((f.auc.unwrap() - 20.0 / 30.0).abs() < 1e-9);
        let text = document(&table, 0.02, 0.2);
        assert!(
            text.contains("| patch | 2 | 2 | 0 | 0 |")
                && text.contains("| m10 | patch →4 | –, – | – | 3.00 4* |"),
            "{text}"
        );
        assert_eq!(text, document(&table, 0.02, 0.2));
    }
}
