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
            assert!(inertia < 1.005 * recorded_inertia, "{name}/{class}: {inertia} {recorded_inertia}");
            let recorded_silhouette = want["silhouette"].as_f64().unwrap();
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
