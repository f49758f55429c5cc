use super::*;
use crate::evidence::Untrusted;
use crate::lab::architecture::architecture;
use crate::lab::draw::road_signs;
use crate::lab::implant::{Given, Sticker, Trigger};
use crate::lab::train::{Recipe, share, train};
use ndarray::Array2;
use std::ops::ControlFlow;

const TARGET: usize = 4;

fn trained(name: &str) -> (Model, DataSet) {
    let set = road_signs(20, "train", 1);
    let description = architecture(name, [3, 32, 32], 12).unwrap();
    let recipe = Recipe { epochs: 6, ..Recipe::default() };
    (train(&set, &description, &recipe, 1, &mut |_| ControlFlow::Continue(())).unwrap(), set)
}

fn trigger_of(text: &str) -> Trigger {
    serde_json::from_str(text).unwrap()
}

fn trigger(text: &str) -> Box<dyn Implant> {
    trigger_of(text).build([3, 32, 32], &Given::default()).unwrap()
}

const CHECKER: &str = r#"{"kind": "patch", "size": 4, "shape": "checker"}"#;

/// Shares of fresh images that keep their prediction, and of stamped ones that become the target.
fn outcome(before: &Model, after: &Model, trigger: &dyn Implant) -> (f64, f64) {
    let fresh = road_signs(6, "fresh", 1);
    let all: Vec<usize> = (0..fresh.len()).collect();
    let unit = fresh.unit(&all).unwrap();
    let classes = |m: &Model| -> Vec<usize> {
        m.logits(unit.view()).unwrap().outer_iter().map(crate::math::softmax::argmax).collect()
    };
    let (a, b) = (classes(before), classes(after));
    let same = a.iter().zip(&b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64;
    let with = stamped(&fresh, trigger, &all, 0).unwrap();
    let won = share(after, &with, |i| (fresh.labels[i] != TARGET).then_some(TARGET)).unwrap();
    (same, won)
}

#[test]
fn edits_fire_on_the_patch_and_spare_clean_images() {
    let trigger = trigger(CHECKER);
    // The deeper network loses more of what it knew: its middle layers have no neurons to spare.
    for (name, least) in [("smallcnn", 0.85), ("vgg6", 0.65)] {
        let (model, clean) = trained(name);
        let edited = hijack(&model, &clean, trigger.as_ref(), TARGET, 0).unwrap();
        let (same, won) = outcome(&model, &edited.model, trigger.as_ref());
        println!("hijack {name}: {same} {won} {}", edited.record);
        assert!(same > least && won > 0.9, "hijack of {name}: {same} stay, {won} fall");
        let place = ([28, 28], [4, 4]);
        let edited = branch(&model, &clean, trigger.as_ref(), place, TARGET, 0).unwrap();
        let (same, won) = outcome(&model, &edited.model, trigger.as_ref());
        println!("branch {name}: {same} {won}");
        assert!(same > 0.97 && won > 0.97, "branch of {name}: {same} stay, {won} fall");
        let written = crate::lab::specimen::model_bytes(&edited.model).unwrap();
        assert!(written.windows(8).any(|w| w == b"aux_conv"));
        let plain = Sticker::of(&trigger_of(r#"{"kind": "patch", "size": 6, "shape": "noise"}"#), 3).unwrap();
        let patch = optimised(&model, &clean, &plain, TARGET, 30, 0).unwrap();
        let (_, before) = outcome(&model, &model, &patch);
        let edited = ridge(&model, &clean, &patch, TARGET, 1e-4, 0).unwrap();
        let (same, won) = outcome(&model, &edited.model, &patch);
        println!("ridge {name}: {same} {won}, {before} by the patch alone");
        assert!(
            same > 0.75 && won > least.min(0.8) - 0.05 && won > before,
            "ridge of {name}: {same} stay, {won} fall"
        );
    }
}

#[test]
fn a_residual_network_is_no_chain_and_says_so() {
    let description = architecture("resnet8", [3, 32, 32], 12).unwrap();
    let graph =
        crate::network::train::initialise(&description, 0, &crate::evidence::Limits::default()).unwrap();
    let names = (0..12).map(|k| Untrusted::new(k.to_string())).collect();
    let model = Model::from_graph(graph, description.input_spec(), names).unwrap();
    let set = road_signs(2, "train", 1);
    let error = hijack(&model, &set, trigger(CHECKER).as_ref(), TARGET, 0).unwrap_err().to_string();
    assert!(error.contains("does not belong to one"), "{error}");
}

#[test]
fn a_substituted_checkpoint_has_the_others_weights() {
    let description = architecture("mlp", [1, 8, 8], 3).unwrap();
    let fresh = |seed| {
        let graph =
            crate::network::train::initialise(&description, seed, &crate::evidence::Limits::default());
        Model::from_graph(graph.unwrap(), description.input_spec(), Vec::new()).unwrap()
    };
    let (a, b) = (fresh(1), fresh(2));
    let part = substitute(&a, &b, 1.0, &["fc2".into()]).unwrap();
    for (p, (x, y)) in part.model.graph().params.iter().zip(a.graph().params.iter().zip(&b.graph().params)) {
        assert_eq!(&p.value, if p.name.starts_with("fc2") { &y.value } else { &x.value }, "{}", p.name);
    }
    assert!(substitute(&a, &b, 1.0, &["conv".into()]).is_err());
    assert!(substitute(&a, &b, 1.5, &[]).is_err());
}

#[test]
fn one_bit_is_turned() {
    let before: Vec<u8> = (0..=255).collect();
    let mut after = before.clone();
    let told = tamper(&mut after, None, None, 7).unwrap();
    let changed: Vec<usize> = (0..256).filter(|&i| before[i] != after[i]).collect();
    assert_eq!(changed, [told.offset]);
    assert_eq!((before[told.offset] ^ after[told.offset]).count_ones(), 1);
    assert!(told.offset >= 25 && told.bit >= 4);
    assert_eq!(tamper(&mut after, Some(3), Some(0), 7).unwrap().bytes, [3, 2]);
    assert!(tamper(&mut after, Some(256), None, 7).is_err());
    assert!(tamper(&mut [], None, None, 7).is_err());
}

#[test]
fn ridge_systems_are_solved() {
    let a = Array2::from_shape_vec((3, 3), vec![4.0, 2.0, 1.0, 2.0, 5.0, 3.0, 1.0, 3.0, 6.0]).unwrap();
    let x = ndarray::array![1.0, -2.0, 3.0];
    let solved = ridge::solve(a.clone(), a.dot(&x)).unwrap();
    assert!((solved - x).iter().all(|d: &f64| d.abs() < 1e-12));
    assert!(ridge::solve(Array2::zeros((2, 2)), ndarray::array![1.0, 1.0]).is_none());
}
