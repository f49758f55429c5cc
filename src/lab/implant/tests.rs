//! Attacks and damage as a whole: the poisoned sets have the statistics that were asked for.

use super::*;
use crate::evidence::DataSet;
use crate::evidence::dataset::Pixels;
use ndarray::{Array4, Axis};
use serde_json::json;
use std::collections::BTreeSet;

fn set(n: usize) -> DataSet {
    let images =
        Array4::from_shape_fn((n, 3, 16, 16), |(n, c, y, x)| (n * 31 + c * 17 + y * 5 + x * 3) as u8);
    DataSet {
        images: Some(Pixels::U8(images)),
        labels: (0..n).map(|i| i % 5).collect(),
        ..DataSet::default()
    }
}

fn images(set: &DataSet) -> &Array4<u8> {
    match &set.images {
        Some(Pixels::U8(a)) => a,
        _ => panic!("bytes"),
    }
}

/// Samples whose image, and whose label, is another than before.
fn changed(before: &DataSet, after: &DataSet) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let image = |i: &usize| images(before).index_axis(Axis(0), *i) != images(after).index_axis(Axis(0), *i);
    let label = |i: &usize| before.labels[*i] != after.labels[*i];
    ((0..before.len()).filter(image).collect(), (0..before.len()).filter(label).collect())
}

fn plant(text: &serde_json::Value, n: usize) -> (DataSet, Poisoned) {
    let clean = set(n);
    let change = recipe(text).unwrap();
    let poisoned = change.plant(&clean, &Given::default(), 3).unwrap();
    assert!(poisoned.indices.is_sorted_by(|a, b| a < b));
    let again = change.plant(&clean, &Given::default(), 3).unwrap();
    assert!(images(&again.set) == images(&poisoned.set) && again.indices == poisoned.indices);
    assert_ne!(change.plant(&clean, &Given::default(), 4).unwrap().indices, poisoned.indices);
    for (&i, &before) in poisoned.indices.iter().zip(&poisoned.true_labels) {
        assert_eq!(clean.labels[i], before);
    }
    (clean, poisoned)
}

fn set_of(all: &[usize]) -> BTreeSet<usize> {
    all.iter().copied().collect()
}

#[test]
fn all_to_one_relabels_what_it_stamps() {
    for kind in ["patch", "random-patch", "blend", "filter", "dynamic"] {
        let (clean, poisoned) = plant(&json!({"attack": kind, "target": 2, "rate": 0.07}), 100);
        assert_eq!(poisoned.indices.len(), 7, "{kind}");
        let (image, label) = changed(&clean, &poisoned.set);
        assert_eq!(label, set_of(&poisoned.indices), "{kind}");
        assert!(image.is_subset(&label) && image.len() >= 6, "{kind}");
        assert!(poisoned.indices.iter().all(|&i| poisoned.set.labels[i] == 2 && clean.labels[i] != 2));
    }
}

#[test]
fn several_triggers_share_the_planted_images() {
    let (clean, poisoned) = plant(&json!({"attack": "multi-trigger", "target": 4, "rate": 0.2}), 100);
    let at = |class: usize| poisoned.indices.iter().filter(|&&i| poisoned.set.labels[i] == class).count();
    assert_eq!((poisoned.indices.len(), at(4), at(1)), (20, 10, 10));
    assert!(poisoned.true_labels.iter().all(|l| ![1, 4].contains(l)));
    assert_eq!(changed(&clean, &poisoned.set).1.len(), 20);
}

#[test]
fn clean_labels_stay() {
    for kind in ["sinusoid", "clean-label-patch"] {
        let (clean, poisoned) = plant(&json!({"attack": kind, "target": 1, "rate": 0.08}), 200);
        let (image, label) = changed(&clean, &poisoned.set);
        assert_eq!((image, label.len()), (set_of(&poisoned.indices), 0), "{kind}");
        assert_eq!(poisoned.indices.len(), 16);
        assert!(poisoned.indices.iter().all(|&i| clean.labels[i] == 1));
    }
}

#[test]
fn a_source_specific_attack_has_covers_of_other_classes() {
    let text =
        json!({"attack": "source-specific", "sources": [0, 3], "target": 2, "rate": 0.1, "cover": 0.2});
    let (clean, poisoned) = plant(&text, 200);
    assert_eq!((poisoned.indices.len(), poisoned.covers.len()), (20, 40));
    assert!(poisoned.true_labels.iter().all(|l| [0, 3].contains(l)));
    assert!(poisoned.covers.iter().all(|&i| ![0, 3].contains(&clean.labels[i])));
    let (image, label) = changed(&clean, &poisoned.set);
    let all: BTreeSet<usize> = poisoned.indices.iter().chain(&poisoned.covers).copied().collect();
    assert!(image.is_subset(&all) && label == set_of(&poisoned.indices));
    let change = recipe(&text).unwrap();
    let trials = change.attack().unwrap().trials(&clean, &Given::default(), 0).unwrap();
    assert_eq!(trials[0].wanted[..5], [Some(2), None, None, Some(2), None]);
}

#[test]
fn all_to_all_moves_every_label_by_one() {
    let (clean, poisoned) = plant(&json!({"attack": "all-to-all", "rate": 0.3}), 100);
    assert!(poisoned.indices.iter().all(|&i| poisoned.set.labels[i] == (clean.labels[i] + 1) % 5));
    let attack = recipe(&json!({"attack": "all-to-all"})).unwrap();
    let trial = attack.attack().unwrap().trials(&clean, &Given::default(), 0).unwrap().remove(0);
    assert_eq!((trial.target, &trial.wanted[..5]), (None, &[1, 2, 3, 4, 0].map(Some)[..]));
}

#[test]
fn a_warp_has_noisy_covers() {
    let text = json!({"attack": "warp", "rate": 0.1, "trigger": {"strength": 4.0}});
    let (clean, poisoned) = plant(&text, 100);
    assert_eq!((poisoned.indices.len(), poisoned.covers.len()), (10, 20));
    let (image, label) = changed(&clean, &poisoned.set);
    assert!(poisoned.covers.iter().all(|i| image.contains(i) && !label.contains(i)));
}

#[test]
fn flips_go_where_they_are_told() {
    let (clean, poisoned) = plant(&json!({"attack": "label-flip", "rate": 0.1}), 200);
    assert_eq!(changed(&clean, &poisoned.set), (BTreeSet::new(), set_of(&poisoned.indices)));
    assert_eq!(poisoned.indices.len(), 20);
    let (clean, poisoned) = plant(&json!({"attack": "label-flip", "rate": 0.5, "from": 3, "to": 1}), 200);
    assert_eq!(poisoned.indices.len(), 20);
    assert!(poisoned.indices.iter().all(|&i| clean.labels[i] == 3 && poisoned.set.labels[i] == 1));
}

#[test]
fn copies_are_near_their_originals() {
    let (clean, poisoned) = plant(&json!({"attack": "duplicates", "rate": 0.1, "noise": 2}), 100);
    assert_eq!(poisoned.indices.len(), 10);
    for &i in &poisoned.indices {
        let copy = images(&poisoned.set).index_axis(Axis(0), i);
        let near = |j: &usize| {
            copy.iter().zip(images(&clean).index_axis(Axis(0), *j)).all(|(a, b)| a.abs_diff(*b) <= 2)
        };
        let of: Vec<usize> =
            (0..100).filter(|j| poisoned.indices.binary_search(j).is_err()).filter(near).collect();
        assert!(of.iter().any(|&j| clean.labels[j] == poisoned.set.labels[i]), "copy {i} of {of:?}");
    }
}

#[test]
fn outliers_take_the_place_of_images() {
    for what in ["noise", "flat", "scrambled"] {
        let (clean, poisoned) = plant(&json!({"attack": "outliers", "rate": 0.05, "what": what}), 100);
        assert_eq!(changed(&clean, &poisoned.set), (set_of(&poisoned.indices), BTreeSet::new()), "{what}");
        assert_eq!(poisoned.indices.len(), 5);
    }
}

#[test]
fn the_first_samples_are_images_with_their_labels() {
    let (all, few) = (set(50), super::damage::first(&set(50), 7));
    assert_eq!((few.len(), few.labels.len()), (7, 7));
    assert_eq!(few.labels[..], all.labels[..7]);
    assert!(images(&few) == images(&all).slice_axis(Axis(0), ndarray::Slice::from(..7)));
}

#[test]
fn a_long_tail_is_a_straight_line() {
    let long = unbalance(&set(500), 10.0).unwrap();
    let counts: Vec<usize> = (0..5).map(|c| long.labels.iter().filter(|&&l| l == c).count()).collect();
    assert_eq!(counts, [100, 78, 55, 33, 10]);
    assert_eq!(images(&long).shape()[0], long.labels.len());
}

#[test]
fn recipes_are_names_with_changes() {
    let of = |value| recipe(&value);
    let blend = of(json!({"attack": "blend", "target": 3, "trigger": {"ratio": 0.3}})).unwrap();
    let attack = blend.attack().unwrap();
    assert_eq!((attack.target, attack.rate, blend.family()), (3, 0.1, Some("blend")));
    assert!(matches!(attack.trigger, Trigger::Blend { ratio, pattern: Pattern::Noise, .. } if ratio == 0.3));
    let other = of(json!({"attack": "source-specific", "trigger": {"kind": "warp"}})).unwrap();
    assert_eq!(other.attack().unwrap().trigger.kind(), "warp");
    for name in NAMES {
        let change = of(json!({"attack": name})).unwrap();
        assert_eq!(change.name(), name);
        // What a truth file says of an attack can be read back.
        if let Some(attack) = change.attack() {
            let text = serde_json::to_string(attack).unwrap();
            assert_eq!(&serde_json::from_str::<Attack>(&text).unwrap(), attack);
        }
    }
    for bad in [
        json!({"attack": "smoke"}),
        json!({"attack": "patch", "ratio": 0.1}),
        json!({"attack": "patch", "trigger": {"sise": 3}}),
        json!({"attack": "label-flip", "trigger": {}}),
        json!([]),
    ] {
        assert!(of(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn what_cannot_be_planted_is_refused() {
    let clean = set(50);
    for (text, said) in [
        (json!({"attack": "patch", "rate": 0.9}), "only 40 can be"),
        (json!({"attack": "patch", "rate": 1.5}), "between 0 and 1"),
        (json!({"attack": "patch", "target": 5}), "class 5 is named"),
        (json!({"attack": "source-specific", "sources": []}), "needs source classes"),
        (json!({"attack": "all-to-all", "shift": 5}), "moves no label"),
        (json!({"attack": "label-consistent"}), "give one"),
        (json!({"attack": "label-flip", "from": 1, "to": 1}), "another class"),
        (json!({"attack": "clean-label-patch", "rate": 0.3}), "only 10 can be"),
    ] {
        let error = recipe(&text).unwrap().plant(&clean, &Given::default(), 0).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn pixels_that_were_floats_become_levels() {
    let floats = DataSet {
        images: Some(Pixels::F32(Array4::from_shape_vec((1, 1, 1, 3), vec![0.0, 0.5, 1.0]).unwrap())),
        labels: vec![0],
        ..DataSet::default()
    };
    assert_eq!(images(&in_bytes(floats)).as_slice().unwrap(), [0, 128, 255]);
}
