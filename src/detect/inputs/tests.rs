use super::*;
use crate::detect::fixture::{modelled, run};
use crate::evidence::{DataSet, Role, dataset::Pixels};
use crate::procedure::{Data, Procedure, Tensor, Verdict};
use ndarray::{Array1, Array2};
use std::sync::Arc;

/// The fixture's case with its clean images as suspects, every second with the pixel that the backdoor answers to.
fn suspects(stamped: bool) -> Case {
    let mut case = modelled(8, Some(5));
    let Some(Pixels::F32(clean)) = &case.data[0].set.images else { panic!() };
    let mut images = clean.slice_axis(ndarray::Axis(0), ndarray::Slice::from(..80)).to_owned();
    if stamped {
        for mut image in images.outer_iter_mut().step_by(2) {
            image[[0, 5, 5]] = 1.0;
        }
    }
    let set = DataSet { images: Some(Pixels::F32(images)), ..DataSet::default() };
    case.data.push(Data { item: "E3".into(), role: Role::Suspect, set: Arc::new(set) });
    case
}

#[test]
fn entropy_by_hand() {
    assert!((strip::entropy(Array1::from(vec![0.5f32, 0.25, 0.25, 0.0]).view()) - 1.5).abs() < 1e-6);
    assert_eq!(strip::entropy(Array1::from(vec![1.0f32, 0.0]).view()), 0.0);
}

#[test]
fn stamped_inputs_keep_their_class_under_overlays_and_clean_ones_do_not() {
    let got = run(&STRIP, &suspects(true), 0);
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
    assert_eq!(got.findings[0].class, Some(5));
    let Tensor::F32(entropy) = &got.arrays["entropy"] else { panic!() };
    let mean = |odd: usize| entropy.iter().skip(odd).step_by(2).sum::<f32>() / 40.0;
    assert!(entropy.len() == 80 && mean(0) < 0.5 * mean(1), "{} {}", mean(0), mean(1));
    let caught: Vec<usize> = serde_json::from_value(got.measures["caught"].clone()).unwrap();
    assert!(caught.len() >= 36 && caught.iter().filter(|i| *i % 2 == 0).count() >= 36, "{caught:?}");
    for name in ["entropy_clean_mean", "entropy_clean_sd", "threshold", "false_rejection_rate"] {
        assert!(got.measures[name].is_number(), "{name}");
    }
    let twin = run(&STRIP, &suspects(false), 0);
    assert_ne!(twin.verdict, Verdict::Flagged, "{}", twin.summary);
}

#[test]
fn what_is_missing_is_said() {
    assert!(STRIP.plan(&modelled(8, None)).unwrap_err().0.contains("suspect"));
    assert!(IBD_PSC.plan(&suspects(true)).unwrap_err().0.contains("amplify"));
    let mut case = suspects(true);
    case.data.remove(0);
    assert!(SCALE_UP.plan(&case).unwrap_err().0.contains("clean"));
    for filter in [&STRIP, &SCALE_UP, &IBD_PSC] {
        assert!(std::ptr::eq(filter.about(), &raw const filter.about));
    }
}

#[test]
fn scaling_keeps_a_linear_class_and_counts_the_multipliers() {
    let case = suspects(true);
    let got = run(&SCALE_UP, &case, 0);
    let Tensor::F32(score) = &got.arrays["score"] else { panic!() };
    let fifths = |s: f32| ((s * 5.0).round() / 5.0 - s).abs() < 1e-6;
    assert!(score.len() == 80 && score.iter().all(|&s| (0.0..=1.0001).contains(&s) && fifths(s)));
}

#[test]
fn amplifying_a_convolution_is_amplifying_its_output() {
    use crate::network::description::builtin;
    use crate::network::train::initialise;
    let description = builtin::describe("resnet8", [3, 16, 16], 5).unwrap();
    let graph = initialise(&description, 3, &crate::evidence::Limits::default()).unwrap();
    let model = Model::from_graph(graph, description.input_spec(), vec![]).unwrap();
    let layers = ibd_psc::layers(model.graph());
    // Scale and shift of each of the nine normalisations.
    assert!(layers.len() == 9 && layers.iter().all(|l| l.len() == 2), "{layers:?}");
    let (one, all) =
        (ibd_psc::amplified(&model, &layers, 1).unwrap(), ibd_psc::amplified(&model, &layers, 9).unwrap());
    let changed = |m: &Model| {
        m.graph().params.iter().zip(&model.graph().params).filter(|(a, b)| a.value != b.value).count()
    };
    assert!(changed(&one) >= 1 && changed(&all) > changed(&one));
    let id = layers[0][0];
    let ratio: Array2<f32> = Array2::from_shape_fn((1, 4), |(_, i)| {
        one.graph().params[id].data()[i] / model.graph().params[id].data()[i]
    });
    assert!(ratio.iter().all(|r| (r - 1.5).abs() < 1e-6));
}
