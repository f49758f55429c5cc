//! How often the procedures are wrong, as measured on models of known truth.

use super::super::model::{Section, Table};
use super::{Builder, count};
use crate::detect::calibration::document::figures;
use crate::detect::calibration::{DETECTORS, Row, held_out, key, shipped};
use crate::detect::model_verdict::{DOUBT, FLAGGED};
use crate::figure::label::number;
use crate::math::stats::{roc_auc, wilson};
use crate::procedure::{Effort, Phase};

impl Builder<'_> {
    /// Known error rates, and who has none.
    pub(super) fn rates(&self, s: &mut Section) {
        s.heading("Error rates");
        let Some(table) = shipped() else {
            s.say("The calibration table of this program cannot be read: no error rate is known.");
            return;
        };
        let quick = self.state.effort == Effort::Quick;
        let clean = table.rows.iter().filter(|r| r.family.is_none()).count();
        let groups: std::collections::BTreeSet<&str> = table.rows.iter().map(|r| r.group.as_str()).collect();
        s.say(format!(
            "Measured on the calibration zoo of this version: {} of known truth ({clean} clean, {} backdoored; data and \
             architectures {}), made by '{}'. Rates on other data, architectures and attacks can differ; few models mean wide \
             intervals.",
            count(table.rows.len(), "model"),
            table.rows.len() - clean,
            groups.into_iter().collect::<Vec<_>>().join(", "),
            table.made_by
        ));
        let share = |(a, n): (usize, usize)| {
            if n == 0 {
                return "not measured".to_owned();
            }
            let [lo, hi] = wilson(a, n, 0.95);
            format!("{a} of {n} ({:.0} to {:.0} %)", 100.0 * lo, 100.0 * hi)
        };
        let mut fused = Table::new(
            "The fused model verdict, each model judged without itself or without its group; intervals at 95 % (Wilson)",
            &[
                "Judged without",
                "Backdoored and flagged",
                "Clean and flagged",
                "Target named rightly",
                "#Area under ROC",
            ],
        );
        let one = |a: &Row, b: &Row| a.model == b.model;
        let alike = |a: &Row, b: &Row| a.group == b.group;
        for (name, held) in [
            ("the model itself", held_out(table, quick, one)),
            ("all of its kind", held_out(table, quick, alike)),
        ] {
            let f = figures(table, &held, FLAGGED, DOUBT);
            let auc = f.auc.map_or_else(|| "-".to_owned(), number);
            fused.row([name.to_owned(), share(f.found), share(f.false_alarms), share(f.right_target), auc]);
        }
        s.table(fused, "");
        let mut single = Table::new(
            "Detectors of this case alone, by the area under the ROC curve of their statistic",
            &["Detector", "#Clean models", "#Backdoored models", "#Area under ROC"],
        );
        let mut unknown = Vec::new();
        for (p, _) in self.finished().filter(|(p, _)| self.phase(p) == Some(Phase::Detection)) {
            let names = [key(&p.id, quick), key(&p.id, false)];
            let rows = |name: &String| -> (Vec<f64>, Vec<bool>) {
                let seen = |r: &Row| Some((r.detectors.get(name)?.statistic, r.family.is_some()));
                table.rows.iter().filter_map(seen).unzip()
            };
            let measured = names.iter().map(rows).find(|(scores, _)| !scores.is_empty());
            match measured {
                Some((scores, kinds)) if DETECTORS.contains(&p.id.as_str()) => {
                    let bad = kinds.iter().filter(|k| **k).count();
                    let auc = roc_auc(&scores, &kinds).map_or_else(|| "-".to_owned(), number);
                    single.row([self.name(&p.id), (kinds.len() - bad).to_string(), bad.to_string(), auc]);
                }
                _ if p.id == "model-verdict" => {}
                _ => unknown.push(self.name(&p.id)),
            }
        }
        s.table(single, "No calibrated detector finished in this case.");
        if !unknown.is_empty() {
            s.say(format!("No error rate has been measured on this zoo for: {}.", unknown.join("; ")));
        }
    }
}
