//! Weight test: does some unit's weight vector stand out among its layer's, as hand-edited ones do?

use super::calibration;
use super::classes;
use super::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::math::robust::Robust;
use crate::network::op::Op;
use crate::network::{Graph, Model};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Verdict, number,
};
use serde_json::json;
use std::collections::BTreeMap;

/// The test of rows.
pub static WEIGHT_TEST: WeightTest = WeightTest;

/// See [`WEIGHT_TEST`].
#[derive(Debug)]
pub struct WeightTest;

static ABOUT: About = About {
    id: "weight-test",
    title: "Weight test",
    phase: Phase::Detection,
    version: 1,
    question: "Does some unit's weight vector stand out among its layer's, as weights edited by hand do?",
    needs: "a model; no data",
    reference: "after Fields et al. 2021, Trojan Signatures in DNN Weights; Hong, Carlini, Kurakin 2022, Handcrafted Backdoors (NeurIPS)",
    cost: Cost::Instant,
    after: &[],
    page: include_str!("weight_test.md"),
};

/// Rows a layer must have to say what is ordinary among them.
const FEWEST: usize = 8;
/// Rows without weights count as of this norm.
const FLOOR: f64 = 1e-6;
/// A layer whose rows are more alike than this in the logarithm is judged as if they were so far apart: the few rows of a
/// last layer are at times equal to a hundredth but for one class that is half as large again by nature.
const ALIKE: f64 = 0.15;

/// The rows of one layer.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    /// Visible text.
    name: String,
    /// Robust z of the log norm of each row, over what the largest of as many normal draws stays below 99 times in 100.
    excess: Vec<f64>,
    /// Largest share of zeros in a row, above the median row.
    zeros: f64,
    last: bool,
}

impl Layer {
    fn top(&self) -> Option<(usize, f64)> {
        self.excess.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Robust z (median, 1.4826·MAD) of the largest of n normal draws that is exceeded once in a hundred: of few draws the MAD is
/// so uncertain that it is far more than √(2 ln n). By simulation (40,000 samples per n); `the_largest_by_simulation` repeats it.
const LARGEST: [(usize, f64); 13] = [
    (8, 6.43),
    (9, 6.97),
    (10, 5.97),
    (12, 5.57),
    (14, 5.12),
    (16, 4.96),
    (20, 4.82),
    (24, 4.59),
    (32, 4.37),
    (48, 4.18),
    (64, 4.17),
    (128, 4.09),
    (512, 4.21),
];

/// [`LARGEST`] for any number of rows, between its lines by the logarithm.
fn largest(rows: usize) -> f64 {
    let after = LARGEST.iter().position(|(n, _)| *n >= rows).unwrap_or(LARGEST.len() - 1).max(1);
    let ((n, low), (m, high)) = (LARGEST[after - 1], LARGEST[after]);
    let log = |n: usize| (n.max(1) as f64).ln();
    low + (high - low) * ((log(rows) - log(n)) / (log(m) - log(n))).clamp(0.0, 1.0)
}

/// All layers of weights but the first: its few filters differ by nature.
fn layers(graph: &Graph) -> Vec<Layer> {
    let weights: Vec<usize> = graph
        .nodes
        .iter()
        .filter_map(|n| match &n.op {
            Op::Conv2d(c) => Some(c.weight),
            Op::Linear(l) => Some(l.weight),
            _ => None,
        })
        .collect();
    let count = weights.len();
    let of = |(i, &id): (usize, &usize)| {
        let param = graph.params.get(id)?;
        let value = &param.value;
        let rows = value.shape().first().copied().unwrap_or(0);
        if rows < FEWEST || (i == 0 && count > 1) {
            return None;
        }
        let logs: Vec<f64> = value
            .outer_iter()
            .map(|r| r.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt().max(FLOOR).ln())
            .collect();
        let robust = Robust::of(&logs)?;
        let expected = largest(rows);
        let excess =
            logs.iter().map(|x| (x - robust.median) / robust.scale().max(ALIKE) / expected).collect();
        let shares: Vec<f64> = value
            .outer_iter()
            .map(|r| r.iter().filter(|&&x| x == 0.0).count() as f64 / r.len().max(1) as f64)
            .collect();
        let zeros = shares.iter().copied().fold(0.0, f64::max) - Robust::of(&shares)?.median;
        Some(Layer { name: param.name.clone(), excess, zeros, last: i + 1 == count })
    };
    weights.iter().enumerate().filter_map(of).collect()
}

fn model(case: &Case) -> Result<(&Model, Vec<Layer>), Skip> {
    Params::of(case, ABOUT.id, &[])?;
    let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
    let layers = layers(model.graph());
    if layers.is_empty() {
        return Err(Skip(format!("no layer of weights behind the first has {FEWEST} rows or more")));
    }
    Ok((model, layers))
}

impl Procedure for WeightTest {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        model(case)?;
        let inputs = case.model_item().map(|item| item.id.clone()).into_iter().collect();
        let params =
            json!({"flagged_at": calibration::FLAGGED, "doubt": calibration::DOUBT, "fewest_rows": FEWEST});
        Ok(Plan { params, units: 1, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let (model, layers) = model(case).map_err(Stop::failed)?;
        cx.step(1, 1)?;
        if layers.iter().any(|l| l.excess.iter().any(|z| !z.is_finite())) {
            return Err(Stop::failed("a weight is not a finite number"));
        }
        Ok(outcome(case, plan, model.class_count(), &layers))
    }
}

fn outcome(case: &Case, plan: &Plan, class_count: usize, layers: &[Layer]) -> Outcome {
    let tops: Vec<(usize, f64)> = layers.iter().filter_map(Layer::top).collect();
    let (at, &(row, top)) =
        tops.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1)).unwrap_or((0, &(0, 0.0)));
    let statistic = top.max(0.0);
    let judged = calibration::judge(ABOUT.id, class_count, statistic);
    let verdict = calibration::verdict(judged.as_ref(), true);
    // Only a row of the last layer is a class: the one that stands out there too, if one does.
    let class = layers
        .iter()
        .zip(&tops)
        .find(|(l, t)| l.last && l.excess.len() == class_count && t.1 > 1.0)
        .map(|(_, t)| t.0);
    let name = &layers[at].name;
    let chance = judged.map_or_else(String::new, |j| format!(", chance {:.4}", j.chance));
    let summary = format!(
        "the largest row norm among its likes is row {row} of '{name}', {top:.2} times as far out as the largest of as \
         many ordinary rows is but once in a hundred{chance}"
    );
    let findings = match verdict {
        Verdict::NothingFound => vec![],
        _ if judged.is_none() => vec![],
        _ => vec![finding(case, plan, verdict, class, &summary)],
    };
    let bar = |(l, t): (&Layer, &(usize, f64))| Bar {
        label: l.name.clone(),
        value: t.1,
        flagged: judged.is_some_and(|j| t.1 > j.threshold),
        spread: None,
    };
    let figure = Figure {
        title: "How far each layer's largest row stands out among its likes".into(),
        body: Body::Bars {
            value_label:
                "robust z of the log norm, over what the largest of as many normal draws stays below".into(),
            bars: layers.iter().zip(&tops).map(bar).collect(),
            threshold: judged.map(|j| j.threshold),
        },
    };
    let per_layer: Vec<_> = layers
        .iter()
        .zip(&tops)
        .map(|(l, t)| json!({"layer": l.name, "row": t.0, "excess": number(t.1), "zero_share": number(l.zeros)}))
        .collect();
    let mut measures = BTreeMap::from([
        ("layers".to_owned(), json!(per_layer)),
        ("gap".to_owned(), number(statistic)),
        ("leaders".to_owned(), json!(class.into_iter().collect::<Vec<_>>())),
        ("zero_share".to_owned(), number(layers.iter().map(|l| l.zeros).fold(0.0, f64::max))),
    ]);
    if let Some(j) = judged {
        measures.insert("p_value".to_owned(), number(j.chance));
    }
    Outcome {
        verdict,
        summary,
        statistic: Some(statistic),
        threshold: judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(judged.as_ref(), |j| {
            j.origin("the ratio")
        }),
        findings,
        measures,
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([("rows".to_owned(), figure)]),
        limits: "Sees weights that were made larger by hand. Blind to backdoors that were trained in, and to edits that keep the \
                 norms. A network that was pruned by units or put together from parts may look the same."
            .into(),
    }
}

fn finding(case: &Case, plan: &Plan, verdict: Verdict, class: Option<usize>, detail: &str) -> Finding {
    let (severity, confidence, title) = match verdict {
        Verdict::Flagged => {
            (Severity::High, Confidence::Medium, "A unit's weights stand out as if edited by hand".to_owned())
        }
        _ => (Severity::Low, Confidence::Low, "Lead: a unit's weights are rather large".to_owned()),
    };
    let finding = Finding::new(Concern::Backdoor, severity, confidence, title, detail).on(&plan.inputs);
    match class {
        Some(k) => Finding {
            title: format!("{} (class {})", finding.title, classes::name(case, k)),
            ..finding.class(k)
        },
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{case, modelled, run};
    use crate::evidence::{InputSpec, Limits};
    use crate::network::Builder;
    use crate::network::op::{Activation, Linear, View};
    use ndarray::Array2;
    use rand::Rng;
    use std::sync::Arc;

    /// Three linear layers of uniform weights; `edit` multiplies row 5 of the second and row 7 of the last.
    fn network(edit: f32) -> Case {
        let mut rng = crate::math::rng::seeded(4, "weights", "test");
        let mut b = Builder::new("input", &[1, 4, 4], &Limits::default()).unwrap();
        let mut value = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
        for (name, rows, columns) in [("a", 32, 16), ("b", 32, 32), ("c", 10, 32)] {
            let mut w = Array2::<f32>::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0..1.0));
            if name != "a" {
                w.row_mut(if name == "b" { 5 } else { 7 }).mapv_inplace(|x| x * edit);
            }
            let weight = b.param(name, w.into_dyn(), true);
            value = b.push(name, Op::Linear(Linear { weight, bias: None }), &[value]).unwrap();
            if name != "c" {
                value = b.push("relu", Op::Activation(Activation::Relu), &[value]).unwrap();
            }
        }
        let input = InputSpec { shape: [1, 4, 4], range: [0.0, 1.0], mean: vec![], std: vec![] };
        let model = Model::from_graph(b.finish(value).unwrap(), input, vec![]).unwrap();
        Case { model: Some(Arc::new(model)), ..case() }
    }

    #[test]
    fn edited_rows_stand_out_and_name_the_class() {
        let edited = run(&WEIGHT_TEST, &network(8.0), 0);
        assert_eq!(edited.verdict, Verdict::Flagged, "{}", edited.summary);
        assert_eq!(edited.findings[0].class, Some(7));
        let twin = run(&WEIGHT_TEST, &network(1.0), 0);
        assert_ne!(twin.verdict, Verdict::Flagged, "{}", twin.summary);
        assert!(twin.statistic < edited.statistic);
    }

    #[test]
    fn the_excess_by_hand() {
        let case = network(8.0);
        let layers = layers(case.model.as_ref().unwrap().graph());
        assert_eq!(
            layers.iter().map(|l| (l.name.as_str(), l.last)).collect::<Vec<_>>(),
            [("b", false), ("c", true)]
        );
        let value = &case.model.as_ref().unwrap().graph().params[2].value;
        let logs: Vec<f64> =
            value.outer_iter().map(|r| f64::from(r.iter().map(|x| x * x).sum::<f32>()).sqrt().ln()).collect();
        let robust = Robust::of(&logs).unwrap();
        let by_hand = (logs[7] - robust.median) / robust.scale().max(ALIKE) / 5.97;
        assert_eq!(layers[1].top().unwrap().0, 7);
        assert!((layers[1].top().unwrap().1 - by_hand).abs() < 1e-3 * by_hand);
    }

    #[test]
    fn the_largest_by_simulation() {
        let mut rng = crate::math::rng::seeded(9, "weights", "largest");
        let normal = |rng: &mut rand_chacha::ChaCha8Rng| -> f64 {
            let (u, v): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        for n in [10, 32] {
            let mut tops: Vec<f64> = (0..8000)
                .map(|_| {
                    let draws: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
                    let robust = Robust::of(&draws).unwrap();
                    draws.iter().map(|&x| robust.z(x)).fold(f64::MIN, f64::max)
                })
                .collect();
            tops.sort_by(f64::total_cmp);
            assert!((tops[7920] / largest(n) - 1.0).abs() < 0.12, "{n}: {}", tops[7920]);
        }
        assert_eq!((largest(8), largest(4096)), (6.43, 4.21));
        assert!((largest(40) - (4.37 + (4.18 - 4.37) * (40f64 / 32.0).ln() / 1.5f64.ln())).abs() < 1e-12);
    }

    #[test]
    fn a_network_of_one_small_layer_is_not_judged() {
        assert!(WEIGHT_TEST.plan(&modelled(4, None)).unwrap_err().0.contains("rows"));
        assert!(WEIGHT_TEST.plan(&case()).unwrap_err().0.contains("no model"));
    }
}
