//! Error rates for people: each detector and the fused verdict, by attack and by architecture, with intervals.

use super::document::around;
use super::{DETECTORS, DOUBT, FLAGGED, Held, QUICK, Row, Table, key};
use crate::math::stats::{roc_auc, wilson};
use std::fmt::Write as _;

/// `k/n (low–high)`, Wilson at 95 %.
pub fn share((k, n): (usize, usize)) -> String {
    if n == 0 {
        return "–".into();
    }
    let [lo, hi] = wilson(k, n, 0.95);
    format!("{k}/{n} ({lo:.2}–{hi:.2})")
}

/// Area under the ROC curve with its interval; "–" without both kinds.
pub fn area(scores: &[f64], positive: &[bool]) -> String {
    let count = positive.iter().filter(|p| **p).count();
    roc_auc(scores, positive).map_or_else(
        || "–".into(),
        |a| {
            let [lo, hi] = around(a, count, positive.len() - count);
            format!("{a:.3} ({lo:.2}–{hi:.2})")
        },
    )
}

/// The chance of a row's statistic by the null of the other rows.
fn chance(table: &Table, name: &str, row: &Row) -> Option<f64> {
    let seen = row.detectors.get(name)?;
    let null = table.null_without(name, row.classes, &|r| r.model == row.model)?;
    Some(null.chance(seen.statistic))
}

/// How often a detector is past a chance: among backdoored rows, and among clean ones.
pub fn rates(table: &Table, name: &str, level: f64, of: &dyn Fn(&Row) -> bool) -> [(usize, usize); 2] {
    [true, false].map(|kind| {
        let chances: Vec<f64> = table
            .rows
            .iter()
            .filter(|r| r.family.is_some() == kind && of(r))
            .filter_map(|r| chance(table, name, r))
            .collect();
        (chances.iter().filter(|&&p| p <= level).count(), chances.len())
    })
}

/// Each detector alone, judged as it judges itself, by the null of the other models.
pub fn detectors(out: &mut String, table: &Table) {
    let _ = write!(
        out,
        "\n## Each detector alone\n\nEach model is judged by the null of the others (leave one out). A detector by itself flags \
         at a chance of {:.2} % and is in doubt up to {:.0} %.\n\n| detector | AUROC | backdoored flagged | clean flagged | \
         backdoored past doubt | clean past doubt | threshold at 10 classes | median seconds |\n|---|---|---|---|---|---|---|---|\n",
        100.0 * FLAGGED,
        100.0 * DOUBT
    );
    for name in DETECTORS.iter().flat_map(|id| [key(id, false), key(id, true)]) {
        let rows: Vec<(&Row, f64)> =
            table.rows.iter().filter_map(|r| Some((r, r.detectors.get(&name)?.statistic))).collect();
        if rows.is_empty() {
            continue;
        }
        let (scores, kinds): (Vec<f64>, Vec<bool>) =
            rows.iter().map(|(r, s)| (*s, r.family.is_some())).unzip();
        let seconds: Vec<f64> = rows.iter().filter_map(|(r, _)| r.detectors[&name].seconds).collect();
        let text = |x: Option<f64>, digits: usize| x.map_or_else(|| "–".into(), |x| format!("{x:.digits$}"));
        let [found, alarms] = rates(table, &name, FLAGGED, &|_| true);
        let [found_doubt, alarms_doubt] = rates(table, &name, DOUBT, &|_| true);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            name.replace(QUICK, " (quick)"),
            area(&scores, &kinds),
            share(found),
            share(alarms),
            share(found_doubt),
            share(alarms_doubt),
            text(table.null(&name, 10).map(|n| n.quantile(FLAGGED)), 2),
            text(crate::math::robust::median(&seconds), 1)
        );
    }
}

/// A table by something that rows have: the fused verdict and each detector.
pub fn by(
    out: &mut String,
    title: &str,
    table: &Table,
    held: &[Option<Held>],
    flagged: f64,
    what: &dyn Fn(&Row) -> String,
) {
    let mut names: Vec<String> = table.rows.iter().map(what).collect();
    names.sort_unstable();
    names.dedup();
    let _ = write!(
        out,
        "\n## By {title} (leave one out, standard effort)\n\nAUROC: these backdoored models against all clean ones, or against the \
         clean ones of the line where it has some. Of each detector: backdoored and clean models past doubt ({:.0} %).\n\n| {title} \
         | models | fused AUROC | backdoored flagged | clean flagged |",
        100.0 * DOUBT
    );
    for id in DETECTORS {
        let _ = write!(out, " {id} |");
    }
    let _ = writeln!(out, "\n|---|---|---|---|---|{}", "---|".repeat(DETECTORS.len()));
    for name in names {
        let own = |r: &Row| what(r) == name;
        let judged = |of: &dyn Fn(&Row) -> bool| -> Vec<(f64, f64, bool)> {
            table
                .rows
                .iter()
                .zip(held)
                .filter(|(r, _)| of(r))
                .filter_map(|(r, h)| {
                    let fused = &h.as_ref()?.fused;
                    Some((fused.strangeness(), fused.chance, r.family.is_some()))
                })
                .collect()
        };
        let here = judged(&own);
        let count = |kind: bool| {
            let all: Vec<f64> = here.iter().filter(|(.., k)| *k == kind).map(|(_, p, _)| *p).collect();
            (all.iter().filter(|&&p| p <= flagged).count(), all.len())
        };
        let (found, alarms) = (count(true), count(false));
        let compared = match (found.1, alarms.1) {
            (0, _) => Vec::new(),
            (_, 0) => judged(&|r| own(r) || r.family.is_none()),
            _ => here.clone(),
        };
        let (scores, kinds): (Vec<f64>, Vec<bool>) = compared.iter().map(|(s, _, k)| (*s, *k)).unzip();
        let _ = write!(
            out,
            "| {name} | {} | {} | {} | {} |",
            table.rows.iter().filter(|r| own(r)).count(),
            area(&scores, &kinds),
            share(found),
            share(alarms)
        );
        for id in DETECTORS {
            let cells: Vec<String> = rates(table, id, DOUBT, &own)
                .into_iter()
                .zip(["", " clean"])
                .filter(|((_, n), _)| *n > 0)
                .map(|((k, n), kind)| format!("{k}/{n}{kind}"))
                .collect();
            let _ = write!(out, " {} |", if cells.is_empty() { "–".into() } else { cells.join(", ") });
        }
        out.push('\n');
    }
}

/// What was done to a model: as its maker says, else its family.
pub fn kind(row: &Row) -> String {
    let told = row.made.as_ref().map(|m| m.kind.as_str()).or(row.family.as_deref());
    crate::evidence::text::visible(told.unwrap_or("clean"))
}

/// The architecture: the second part of the group.
pub fn architecture(row: &Row) -> String {
    let name = row.group.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "(not told)".into() } else { name.to_owned() }
}

/// How long it took, by which recipes, and what was left out.
pub fn origin(out: &mut String, table: &Table) {
    let made: Vec<f64> = table.rows.iter().filter_map(|r| r.made.as_ref()?.seconds).collect();
    let examined: f64 = table.rows.iter().flat_map(|r| r.detectors.values().filter_map(|s| s.seconds)).sum();
    let clean = table.rows.iter().filter(|r| r.family.is_none()).count();
    let _ = write!(
        out,
        "\n{clean} clean and {} backdoored models. Examining them took {:.0} minutes in all",
        table.rows.len() - clean,
        examined / 60.0
    );
    if !made.is_empty() {
        let _ = write!(
            out,
            "; {} of them were made by `laocoon lab zoo`, in {:.0} minutes in all",
            made.len(),
            made.iter().sum::<f64>() / 60.0
        );
    }
    out.push_str(" (sums over models, each on as many threads as its run had).\n");
    for recipe in table.recipes() {
        let _ = writeln!(out, "\nRecipe of a zoo: SHA-256 `{}`.", crate::evidence::text::visible(recipe));
    }
    if !table.left_out.is_empty() {
        out.push_str("\nMade and left out:\n\n");
        for left in &table.left_out {
            let _ = writeln!(out, "- {}: {}", left.model, left.why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::calibration::{Origin, SCHEMA, Seen, held_out};
    use std::collections::BTreeMap;

    fn row(i: usize, family: Option<&str>, statistic: f64) -> Row {
        let seen = Seen { statistic, classes: vec![4], seconds: Some(30.0) };
        let made = Origin {
            kind: family.map_or("clean-noise".into(), |f| format!("{f} 4×4")),
            recipe: Some("ab12".into()),
            accuracy: Some(0.9),
            success: family.map(|_| 1.0),
            seconds: Some(60.0),
        };
        Row {
            model: format!("m{i}"),
            group: format!("digits/{}", if i.is_multiple_of(2) { "bn" } else { "cnn" }),
            classes: 10,
            family: family.map(str::to_owned),
            targets: vec![],
            detectors: BTreeMap::from([("neural-cleanse".to_owned(), seen)]),
            made: Some(made),
        }
    }

    fn table() -> Table {
        let mut rows: Vec<Row> = (0..10).map(|i| row(i, None, 0.2)).collect();
        rows.extend([row(10, Some("patch"), 4.0), row(11, Some("patch"), 0.1), row(12, Some("patch"), 4.0)]);
        Table { schema: SCHEMA.into(), made_by: "a test".into(), rows, left_out: vec![] }
    }

    #[test]
    fn rates_are_by_the_null_of_the_others() {
        let t = table();
        // Every clean one is the mean of the other nine: about as likely as not, and the small patch is likelier still.
        assert_eq!(rates(&t, "neural-cleanse", FLAGGED, &|_| true), [(2, 3), (0, 10)]);
        assert_eq!(rates(&t, "neural-cleanse", 0.6, &|_| true), [(2, 3), (10, 10)]);
        assert_eq!(rates(&t, "neural-cleanse", 0.2, &|_| true), [(2, 3), (0, 10)]);
        assert_eq!(rates(&t, "warp-search", 0.38, &|_| true), [(0, 0), (0, 0)]);
        assert_eq!(share((1, 29)), "1/29 (0.01–0.17)");
    }

    #[test]
    fn the_tables_say_who_was_found_by_attack_and_by_architecture() {
        let t = table();
        let held = held_out(&t, false, |a, b| a.model == b.model);
        let mut out = String::new();
        detectors(&mut out, &t);
        by(&mut out, "attack", &t, &held, 0.02, &kind);
        by(&mut out, "architecture", &t, &held, 0.02, &architecture);
        origin(&mut out, &t);
        // Two of three above all ten clean ones, the other below: two thirds of the pairs.
        assert!(out.contains("| neural-cleanse | 0.667 ("), "{out}");
        assert!(out.contains("| clean-noise | 10 | – | – | 0/10 (0.00–0.28) | – | 0/10 clean |"), "{out}");
        assert!(out.contains("| patch 4×4 | 3 | 0.667 ("), "{out}");
        assert!(out.contains("| bn | 7 | 1.000 ("), "five clean and the two that stand out: {out}");
        assert!(out.contains("in 13 minutes in all") && out.contains("`ab12`"), "{out}");
    }
}
