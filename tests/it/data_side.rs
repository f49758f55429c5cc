//! Activation clustering and spectral signatures against recorded references, and their ranking on the zoo.

use crate::shared;
use laocoon::detect::activation_clustering::ACTIVATION_CLUSTERING;
use laocoon::detect::spectral_signatures::SPECTRAL_SIGNATURES;
use laocoon::evidence::{CaseFile, DataSet, Role};
use laocoon::math::cluster::k_means;
use laocoon::math::pca;
use laocoon::math::rng::seeded;
use laocoon::math::robust::{Robust, lower_median};
use laocoon::math::stats::roc_auc;
use laocoon::procedure::{Case, Context, Data, Earlier, Effort, Outcome, Procedure, Silent, Tensor};
use ndarray::{Array2, Axis};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

fn case(activations: Array2<f32>, labels: Vec<usize>) -> Case {
    let set = DataSet { labels, activations: Some(activations), ..DataSet::default() };
    let file = CaseFile {
        id: "parity".into(),
        title: String::new(),
        questions: vec![],
        model: None,
        data: vec![],
        artefacts: vec![],
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: vec![],
        text: String::new(),
        root: ".".into(),
    };
    Case {
        file,
        register: vec![],
        model: None,
        data: vec![Data { item: "E1".into(), role: Role::Training, set: Arc::new(set) }],
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    }
}

fn run(procedure: &dyn Procedure, case: &Case) -> Outcome {
    let plan = procedure.plan(case).unwrap();
    procedure.run(case, &plan, &mut Context::new(0, procedure.about().id, &Silent)).unwrap()
}

fn floats(outcome: &Outcome, name: &str) -> Vec<f64> {
    match &outcome.arrays[name] {
        Tensor::F32(a) => a.iter().map(|&x| f64::from(x)).collect(),
        Tensor::I64(a) => a.iter().map(|&x| x as f64).collect(),
    }
}

const SETS: [(&str, &str); 3] = [("digits", "y_train"), ("digits_lowrate", "labels"), ("gauss", "labels")];

fn input(name: &str, labels: &str) -> Option<(Case, Vec<usize>, Vec<bool>)> {
    let file = format!("parity/{name}_input.safetensors");
    let labels = shared::integers(&file, labels)?;
    let poison = shared::integers(&file, "poison")?.iter().map(|&p| p == 1).collect();
    Some((case(shared::matrix(&file, "activations")?, labels.clone()), labels, poison))
}

#[test]
fn clustering_agrees_with_the_recorded_partitions() {
    for (name, label_name) in SETS {
        let Some((case, labels, poison)) = input(name, label_name) else { return };
        let reference = shared::json(&format!("parity/{name}_seed_ac.json")).unwrap();
        let recorded = shared::integers(&format!("parity/{name}_seed_ac.safetensors"), "clusters").unwrap();
        let got = run(&ACTIVATION_CLUSTERING, &case);
        let ours = floats(&got, "assignments");
        let activations = shared::matrix(&format!("parity/{name}_input.safetensors"), "activations").unwrap();
        let (mut compared, mut near) = (0, Vec::new());
        for (class, want) in reference["per_class"].as_object().unwrap() {
            let k: usize = class.parse().unwrap();
            let members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == k).collect();
            let same = members.iter().filter(|&&i| (ours[i] == 1.0) == (recorded[i] == 1)).count();
            let agreement = same.max(members.len() - same) as f64 / members.len() as f64;
            let silhouette = got.measures["silhouette"][k].as_f64().unwrap();
            // Noise has many equally good partitions: only where the recorded one is a partition at all (silhouette
            // above 0.15) must ours be the same one, up to samples on the border; and it must be no worse anywhere.
            let class_activations = activations.select(Axis(0), &members).mapv(f64::from);
            let mut rng = seeded(0, "parity", class);
            let check = || Ok::<_, ()>(());
            let reduced = pca::scores(class_activations.view(), 10, &mut rng, check).unwrap();
            let inertia = k_means(reduced.view(), 2, 10, &mut rng, check).unwrap().inertia;
            let recorded_inertia = want["inertia"].as_f64().unwrap();
            let recorded_silhouette = want["silhouette"].as_f64().unwrap();
            let slack = if recorded_silhouette > 0.15 { 1.001 } else { 1.01 };
            assert!(inertia < slack * recorded_inertia, "{name}/{class}: {inertia} {recorded_inertia}");
            assert!(
                (silhouette - recorded_silhouette).abs() < 0.02,
                "{name}/{class}: {silhouette} {recorded_silhouette}"
            );
            if recorded_silhouette > 0.15 {
                compared += 1;
                if agreement < 1.0 {
                    near.push((k, agreement));
                }
                assert!(agreement > 0.95, "{name}/{class}: {agreement}");
            }
            let suspicious = got.measures["suspicious"].as_array().unwrap().contains(&Value::from(k));
            assert_eq!(suspicious, want["suspicious"].as_bool().unwrap(), "{name}/{class}");
        }
        println!(
            "{name}: {compared} classes compared, not identical: {near:?}, AUC {:?}",
            roc_auc(&floats(&got, "score"), &poison)
        );
        if name == "gauss" {
            let minority: Vec<usize> =
                (0..labels.len()).filter(|&i| labels[i] == 7 && ours[i] == 1.0).collect();
            let planted: Vec<usize> = (0..labels.len()).filter(|&i| poison[i]).collect();
            assert_eq!(minority, planted, "the planted samples and no other");
        }
    }
}

#[test]
fn spectral_scores_agree_with_the_recorded_ones() {
    for (name, label_name) in SETS {
        let Some((case, labels, poison)) = input(name, label_name) else { return };
        let reference = shared::json(&format!("parity/{name}_seed_spectral.json")).unwrap();
        let (_, recorded) =
            shared::tensor(&format!("parity/{name}_seed_spectral.safetensors"), "score_abs").unwrap();
        let got = run(&SPECTRAL_SIGNATURES, &case);
        let ours = floats(&got, "scores");
        let worst =
            ours.iter().zip(&recorded).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: {worst}");
        let rule = reference
            .as_object()
            .unwrap()
            .iter()
            .find(|(key, _)| key.starts_with("abs") && key.contains("1.4826"))
            .map(|(_, rule)| rule)
            .unwrap();
        for (class, want) in rule["per_class"].as_object().unwrap() {
            let k: usize = class.parse().unwrap();
            let threshold = got.measures["threshold"][k].as_f64().unwrap();
            let recorded = want["threshold"].as_f64().unwrap();
            assert!((threshold - recorded).abs() < 1e-4 * recorded, "{name}/{class}: {threshold} {recorded}");
            assert_eq!(got.measures["flagged"][k], want["n_flagged"], "{name}/{class}");
        }
        assert_eq!(got.measures["flagged_samples"], rule["flagged"], "{name}");
        let own: Vec<usize> = (0..labels.len())
            .filter(|&i| poison.iter().zip(&labels).any(|(&p, &l)| p && l == labels[i]))
            .collect();
        let of = |v: &[f64]| own.iter().map(|&i| v[i]).collect::<Vec<_>>();
        let positive: Vec<bool> = own.iter().map(|&i| poison[i]).collect();
        println!(
            "{name}: largest difference {worst:.1e}, AUC in the target class {:?}, {}",
            roc_auc(&of(&ours), &positive),
            got.summary
        );
    }
}

#[test]
fn anomaly_indices_agree_with_the_recorded_vectors() {
    let Some(vectors) = shared::json("parity/mad_vectors.json") else { return };
    let mut compared = 0;
    for (name, vector) in vectors.as_object().unwrap() {
        let Some(norms) =
            vector["norms"].as_array().unwrap().iter().map(Value::as_f64).collect::<Option<Vec<f64>>>()
        else {
            continue;
        };
        let robust = Robust::of(&norms).unwrap();
        let (median, scale) = (vector["median"].as_f64().unwrap(), vector["mad_scaled"].as_f64().unwrap());
        assert!(
            (robust.median - median).abs() < 1e-9 && (robust.scale() - scale).abs() < 1e-8,
            "{name}: {robust:?}"
        );
        for (norm, want) in norms.iter().zip(vector["anomaly_index"].as_array().unwrap()) {
            match want.as_f64() {
                Some(want) if scale > 0.0 => {
                    assert!((robust.z(*norm).abs() - want).abs() < 1e-6, "{name}");
                    compared += 1;
                }
                _ => assert!(robust.z(*norm) == 0.0, "{name}: without a yardstick the index is 0"),
            }
        }
        let lower = vector["alt"]["backdoorbench"]["median"].as_f64().unwrap();
        assert!((lower_median(&norms).unwrap() - lower).abs() < 1e-4, "{name}");
    }
    assert!(compared > 50, "{compared}");
}

const ZOO: [&str; 15] =
    ["d01", "d02", "d03", "d04", "d05", "d06", "d07", "d08", "d09", "d10", "d11", "d12", "d13", "d14", "d15"];

/// Ranking of the planted samples by recorded penultimate activations. Prints the table; asserts only what the
/// methods can be held to: the order of magnitude of the published prototypes' means.
#[test]
fn planted_samples_of_the_zoo_are_ranked() {
    let (mut clustering, mut spectral) = (Vec::new(), Vec::new());
    for id in ZOO {
        let Some(activations) = shared::npy(&format!("zoo/{id}/penult_train.npy")) else { return };
        let labels = shared::integers(&format!("zoo/{id}/train_subset.safetensors"), "labels").unwrap();
        let truth = shared::json(&format!("zoo/{id}/truth.json")).unwrap();
        let planted: Vec<u64> =
            truth["poison_indices"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let planted: Vec<bool> = (0..labels.len() as u64).map(|i| planted.contains(&i)).collect();
        let case = case(activations, labels);
        let ac = run(&ACTIVATION_CLUSTERING, &case);
        let ss = run(&SPECTRAL_SIGNATURES, &case);
        let auc = [roc_auc(&floats(&ac, "score"), &planted), roc_auc(&floats(&ss, "scores"), &planted)];
        clustering.extend(auc[0]);
        spectral.extend(auc[1]);
        println!(
            "{id} target {:?} AUC ac {:.3} ss {:.3} | ac {} {} | ss {} {:?} ({:.2} of {:.2}) classes {:?}",
            truth["target"].as_i64(),
            auc[0].unwrap_or(f64::NAN),
            auc[1].unwrap_or(f64::NAN),
            ac.verdict.name(),
            ac.measures["suspicious"],
            ss.verdict.name(),
            ss.findings.iter().map(|f| f.class).collect::<Vec<_>>(),
            ss.statistic.unwrap(),
            ss.threshold.unwrap(),
            ac.findings.len(),
        );
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    println!(
        "mean AUC: activation clustering {:.3}, spectral signatures {:.3}",
        mean(&clustering),
        mean(&spectral)
    );
    assert!(mean(&clustering) > 0.65 && mean(&spectral) > 0.65);
}

/// Confident learning against cleanlab 2.9's recorded outputs: thresholds, joints, every filter, every score.
#[test]
fn label_issues_agree_with_the_recorded_ones() {
    use laocoon::detect::label_issues::confident::{Filter, Quality, adjusted, issues, quality, study};
    for (name, tolerance) in [("digits", 2e-7), ("imbalanced", 1e-9)] {
        let file = format!("parity/{name}_cleanlab.safetensors");
        let Some(reference) = shared::json(&format!("parity/{name}_cleanlab.json")) else { return };
        let labels = shared::integers(&file, "labels").unwrap();
        let (shape, values) = shared::tensor(&file, "pred_probs").unwrap();
        let p = Array2::from_shape_vec((shape[0], shape[1]), values).unwrap();
        let got = study(p.view(), &labels);
        for (ours, want) in got.thresholds.iter().zip(reference["confident_thresholds"].as_array().unwrap()) {
            assert!((ours - want.as_f64().unwrap()).abs() < tolerance, "{name}: {ours} {want}");
        }
        let matrix = |key: &str| serde_json::from_value::<Vec<Vec<i64>>>(reference[key].clone()).unwrap();
        let rows = |m: &Array2<i64>| m.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>();
        assert_eq!(rows(&got.joint), matrix("confident_joint_uncalibrated"), "{name}");
        // Entries that tie in rounding may trade places: numpy's sort is not stable.
        let sorted = |mut m: Vec<Vec<i64>>| {
            for row in &mut m {
                row.sort_unstable();
            }
            m
        };
        let (ours, theirs) = (rows(&got.calibrated), matrix("confident_joint_calibrated"));
        let traded = ours.iter().flatten().zip(theirs.iter().flatten()).filter(|(a, b)| a != b).count();
        assert_eq!(sorted(ours), sorted(theirs), "{name}");
        for filter in Filter::ALL {
            let ours = issues(p.view(), &labels, &got, filter, 1.0);
            let want = &reference["find_label_issues"][filter.name()]["mask_indices"];
            let want: Vec<usize> = serde_json::from_value(want.clone()).unwrap();
            let apart = ours.iter().filter(|i| !want.contains(i)).count()
                + want.iter().filter(|i| !ours.contains(i)).count();
            println!(
                "{name} {}: {} issues, {apart} apart ({traded} counts traded by ties)",
                filter.name(),
                ours.len()
            );
            let by_counts = matches!(filter, Filter::PruneByNoiseRate | Filter::Both);
            assert!(apart <= if by_counts { traded } else { 0 }, "{name} {}", filter.name());
        }
        let half = issues(p.view(), &labels, &got, Filter::PruneByNoiseRate, 0.5);
        let want: Vec<usize> =
            serde_json::from_value(reference["prune_by_noise_rate.frac_noise=0.5"].clone()).unwrap();
        let apart = half.iter().filter(|i| !want.contains(i)).count();
        assert!(apart <= traded && half.len().abs_diff(want.len()) <= traded, "{name}: {half:?} {want:?}");
        let mut worst: f64 = 0.0;
        let even = adjusted(p.view(), &got.thresholds);
        for method in Quality::ALL {
            let mut compare = |ours: Vec<f64>, key: String| {
                let (_, want) = shared::tensor(&file, &key).unwrap();
                let off = ours.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(
                    off < tolerance.max(if name == "digits" { 2e-6 } else { 0.0 }),
                    "{name} {key}: {off}"
                );
                worst = worst.max(off);
            };
            compare(quality(p.view(), &labels, method), format!("score.{}", method.name()));
            if method != Quality::ConfidenceWeightedEntropy {
                compare(quality(even.view(), &labels, method), format!("score.{}.adjusted", method.name()));
            }
        }
        println!("{name}: seven filters equal, largest difference of a score {worst:.1e}");
    }
}

/// Outliers and near-duplicates against Datalab's recorded outputs.
#[test]
fn neighbours_agree_with_the_recorded_ones() {
    use laocoon::detect::neighbours::{duplicates, outlying};
    use laocoon::math::neighbours::{Metric, nearest};
    let file = "parity/datalab.safetensors";
    let Some(reference) = shared::json("parity/datalab.json") else { return };
    let features = shared::matrix(file, "features").unwrap();
    for (name, metric, tolerance) in
        [("default_cosine", Metric::Cosine, 1e-6), ("euclidean", Metric::Euclidean, 1e-5)]
    {
        let found = nearest(features.view(), 10, metric, &|| Ok::<_, ()>(())).unwrap();
        let (_, distances) = shared::tensor(file, &format!("{name}.knn_dist")).unwrap();
        let off = found.distances.iter().zip(&distances).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < tolerance, "{name}: distances differ by {off}");
        let seen = outlying(&found, metric);
        let want: Vec<usize> = serde_json::from_value(reference[name]["outliers"].clone()).unwrap();
        assert_eq!(seen.outliers, want, "{name}");
        let copies = duplicates(&found);
        let want = reference[name]["near_duplicate_sets"].as_object().unwrap();
        for (i, set) in copies.of.iter().enumerate() {
            let mut theirs: Vec<usize> = want
                .get(&i.to_string())
                .map(|s| serde_json::from_value(s.clone()).unwrap())
                .unwrap_or_default();
            theirs.sort_unstable();
            // Of more equal samples than neighbours each has only some as its own; sets are their links.
            if theirs.len() > 10 {
                assert!(set.iter().all(|j| theirs.contains(j)) && set.len() >= 10, "{name} {i}");
            } else {
                assert_eq!(*set, theirs, "{name} {i}");
            }
        }
        assert!(copies.sets().contains(&(100..113).collect()), "{name}");
        for (ours, key) in [(&seen.score, "outlier_score"), (&copies.score, "near_duplicate_score")] {
            let (_, theirs) = shared::tensor(file, &format!("{name}.{key}")).unwrap();
            let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-5, "{name} {key}: {off}");
        }
        println!("{name}: largest difference of a distance {off:.1e}");
    }
}

/// Which samples of every zoo case are listed, and how all are ranked. Prints the table, and writes it to the file that
/// `LAOCOON_SAMPLES` names (docs/samples.md); holds the medians to what the list promises.
#[test]
#[ignore = "minutes: LAOCOON_SHARED=… cargo test --release --test it poisoned_samples_of_the_zoo -- --ignored --nocapture"]
fn poisoned_samples_of_the_zoo() {
    use laocoon::detect::poisoned::POISONED_SAMPLES;
    use laocoon::evidence::Limits;
    let external = ["external/xd1", "external/xd2", "external/xd3", "external/xd4"];
    let (mut areas, mut precisions, mut recalls) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = String::new();
    for id in ZOO.iter().chain(&external) {
        let Some(path) = shared::path(&format!("zoo/{id}/case.toml")) else { return };
        let truth = shared::json(&format!("zoo/{id}/truth.json")).unwrap();
        let file = CaseFile::read(&path, &Limits::default()).unwrap();
        let loaded = laocoon::investigation::load(&file, &Limits::default());
        let labels = loaded.data.iter().find(|d| d.role == Role::Training).unwrap().set.labels.clone();
        let case = Case {
            model: loaded.model,
            data: loaded.data,
            register: loaded.items,
            ..case(Array2::zeros((0, 0)), vec![])
        };
        let got = run(&POISONED_SAMPLES, &case);
        let planted: std::collections::BTreeSet<usize> = truth["poison_indices"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_u64()?.try_into().ok())
            .collect();
        let listed: Vec<usize> = serde_json::from_value(got.measures["indices"].clone()).unwrap();
        let hits = listed.iter().filter(|i| planted.contains(i)).count() as f64;
        if planted.is_empty() {
            println!("{id:14} clean: {} listed, {}", listed.len(), got.verdict.name());
            let (all, verdict) = (labels.len(), got.verdict.name());
            writeln!(rows, "| {id} | {all} | 0 | {} | | | | {verdict} |", listed.len()).unwrap();
            assert!(listed.len() * 100 <= labels.len() && got.findings.is_empty(), "{id}: {}", got.summary);
            continue;
        }
        let truth: Vec<bool> = (0..labels.len()).map(|i| planted.contains(&i)).collect();
        let area = roc_auc(&floats(&got, "score"), &truth).unwrap();
        let (precision, recall) = (hits / listed.len().max(1) as f64, hits / planted.len() as f64);
        println!(
            "{id:14} planted {:4} AUC {area:.4} precision {precision:.3} recall {recall:.3} | {}",
            planted.len(),
            got.summary
        );
        let (all, bad, verdict) = (labels.len(), planted.len(), got.verdict.name());
        let rates = format!("{area:.4} | {precision:.3} | {recall:.3}");
        writeln!(rows, "| {id} | {all} | {bad} | {} | {rates} | {verdict} |", listed.len()).unwrap();
        areas.push(area);
        precisions.push(precision);
        recalls.push(recall);
    }
    let middle = |v: &[f64]| laocoon::math::robust::median(v).unwrap();
    if let Ok(page) = std::env::var("LAOCOON_SAMPLES") {
        let medians = format!(
            "| median | | | | {:.4} | {:.3} | {:.3} | |\n",
            middle(&areas),
            middle(&precisions),
            middle(&recalls)
        );
        let text = std::fs::read_to_string(&page).unwrap();
        let head = text.split("<!-- made -->").next().unwrap();
        let columns = "| case | samples | planted | listed | ROC-AUC | precision | recall | verdict |\n|---|---|---|---|---|---|---|---|\n";
        std::fs::write(&page, format!("{head}<!-- made -->\n{columns}{rows}{medians}")).unwrap();
    }
    println!(
        "medians: AUC {:.4}, precision {:.3}, recall {:.3}",
        middle(&areas),
        middle(&precisions),
        middle(&recalls)
    );
    assert!(middle(&areas) >= 0.98 && middle(&precisions) >= 0.9 && middle(&recalls) >= 0.9);
}
