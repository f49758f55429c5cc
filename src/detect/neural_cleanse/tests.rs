use super::*;
use crate::detect::fixture::{modelled, run};
use crate::figure::Figure;
use crate::procedure::{Monitor, Tensor, Verdict};
use ndarray::Axis;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn quick(classes: usize, backdoor: Option<usize>) -> Case {
    let mut case = modelled(classes, backdoor);
    case.effort = Effort::Quick;
    case
}

fn in_mode(mode: &str, backdoor: Option<usize>) -> Case {
    let mut case = quick(8, backdoor);
    case.overrides.insert(ABOUT.id.into(), json!({"mode": mode}));
    case
}

#[test]
fn the_class_with_a_shortcut_is_flagged_and_its_twin_is_not() {
    for mode in ["scheduled", "reference"] {
        let got = run(&NEURAL_CLEANSE, &in_mode(mode, Some(5)), 0);
        assert_eq!(got.verdict, Verdict::Flagged, "{mode}: {}", got.summary);
        assert_eq!(
            (got.measures["suspects"].clone(), got.measures["leaders"].clone()),
            (json!([5]), json!([5]))
        );
        assert_eq!((got.findings.len(), got.findings[0].class), (1, Some(5)));
        assert!(got.statistic.unwrap() > got.threshold.unwrap());
        let l1: Vec<f64> = serde_json::from_value(got.measures["l1"].clone()).unwrap();
        assert!(l1[5] < 1.5 && (0..8).all(|k| k == 5 || l1[k] > l1[5]), "{l1:?}");
        let Tensor::F32(masks) = &got.arrays["masks"] else { panic!() };
        assert_eq!((masks.shape(), got.arrays.len()), ([8, 6, 6].as_slice(), 2));
        let mask = masks.index_axis(Axis(0), 5);
        assert!(
            (mask.sum() - l1[5] as f32).abs() < 1e-3 && mask[[5, 5]] > 0.5 * mask.sum(),
            "the pixel is found"
        );
        assert!(got.figures.contains_key("mask/5") && got.figures.contains_key("anomaly"));
        let clean = run(&NEURAL_CLEANSE, &in_mode(mode, None), 0);
        assert_ne!(clean.verdict, Verdict::Flagged, "{mode}: {}", clean.summary);
    }
}

#[test]
fn the_schedule_spends_a_fraction_of_the_reference() {
    let mut case = in_mode("scheduled", Some(5));
    case.effort = Effort::Standard;
    let got = run(&NEURAL_CLEANSE, &case, 0);
    let steps: Vec<u64> = serde_json::from_value(got.measures["steps"].clone()).unwrap();
    assert!(steps.iter().all(|&s| s <= 140), "{steps:?}");
    assert_eq!(got.measures["image_gradients"], json!(8 * steps.iter().sum::<u64>()));
    let mut reference = in_mode("reference", Some(5));
    reference.effort = Effort::Standard;
    let reference = run(&NEURAL_CLEANSE, &reference, 0);
    let spent = |o: &Outcome| o.measures["image_gradients"].as_u64().unwrap();
    assert!(5 * spent(&got) <= spent(&reference), "{} of {}", spent(&got), spent(&reference));
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
}

#[test]
fn same_seed_same_bits_at_any_thread_count() {
    let mut case = quick(4, Some(1));
    case.overrides.insert(ABOUT.id.into(), json!({"steps": 8}));
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let with = |n| pool(n).install(|| run(&NEURAL_CLEANSE, &case, 3));
    let (one, three) = (with(1), with(3));
    assert_eq!((one.measures, one.arrays, one.figures), (three.measures, three.arrays, three.figures));
}

#[test]
fn a_class_out_of_reach_keeps_a_finite_norm_and_is_not_accused() {
    let mut case = quick(6, Some(2));
    case.overrides.insert(ABOUT.id.into(), json!({"mode": "reference", "steps": 1, "mini_batches": 1}));
    let got = run(&NEURAL_CLEANSE, &case, 0);
    let l1: Vec<f64> = serde_json::from_value(got.measures["l1"].clone()).unwrap();
    let reached: Vec<bool> = serde_json::from_value(got.measures["reached"].clone()).unwrap();
    let success: Vec<f64> = serde_json::from_value(got.measures["success_rate"].clone()).unwrap();
    assert!(l1.iter().all(|n| n.is_finite() && *n > 0.0));
    assert!(reached.iter().zip(&success).all(|(&r, &s)| r == (s >= 0.99)) && reached.contains(&false));
    assert!(got.limits.contains("no trigger reached"));
    assert!(got.findings.iter().all(|f| reached[f.class.unwrap()]));
}

#[test]
fn without_images_it_is_a_lead_at_most_and_says_so() {
    let mut case = quick(5, Some(1));
    case.data.clear();
    let plan = NEURAL_CLEANSE.plan(&case).unwrap();
    assert_eq!(plan.params["mode"], "random-inputs");
    let got = run(&NEURAL_CLEANSE, &case, 0);
    assert_ne!(got.verdict, Verdict::Flagged);
    assert!(got.limits.contains("no images") && got.threshold == Some(PUBLISHED));
    case.overrides.insert(ABOUT.id.into(), json!({"mode": "scheduled"}));
    assert!(NEURAL_CLEANSE.plan(&case).unwrap_err().0.contains("images"));
    case.overrides.insert(ABOUT.id.into(), json!({"mode": "guess"}));
    assert!(NEURAL_CLEANSE.plan(&case).is_err());
    case.model = None;
    case.overrides.clear();
    assert!(NEURAL_CLEANSE.plan(&case).unwrap_err().0.contains("no model"));
}

#[test]
fn two_classes_cannot_be_judged() {
    let mut case = quick(2, Some(1));
    case.overrides.insert(ABOUT.id.into(), json!({"steps": 4}));
    let got = run(&NEURAL_CLEANSE, &case, 0);
    assert_eq!((got.verdict, got.threshold), (Verdict::Inconclusive, None));
}

/// Counts progress, keeps names of partial figures, asks to stop after some reports.
struct Watch {
    stop_after: u64,
    reports: AtomicU64,
    furthest: AtomicU64,
    partials: Mutex<Vec<String>>,
}

impl Monitor for Watch {
    fn progress(&self, done: u64, total: u64) {
        assert!(done <= total && done >= self.furthest.swap(done, Ordering::Relaxed), "{done} of {total}");
        self.reports.fetch_add(1, Ordering::Relaxed);
    }
    fn partial(&self, name: &str, _: Figure) {
        self.partials.lock().unwrap().push(name.to_owned());
    }
    fn log(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.reports.load(Ordering::Relaxed) >= self.stop_after
    }
}

#[test]
fn progress_grows_figures_appear_and_a_stop_is_obeyed() {
    let case = quick(4, Some(1));
    let plan = NEURAL_CLEANSE.plan(&case).unwrap();
    let watch = |stop_after| Watch {
        stop_after,
        reports: AtomicU64::new(0),
        furthest: AtomicU64::new(0),
        partials: Mutex::new(Vec::new()),
    };
    let all = watch(u64::MAX);
    NEURAL_CLEANSE.run(&case, &plan, &mut Context::new(0, ABOUT.id, &all)).unwrap();
    assert_eq!(all.furthest.load(Ordering::Relaxed), plan.units);
    let partials = all.partials.lock().unwrap();
    assert!(partials.iter().any(|n| n == "anomaly") && partials.iter().any(|n| n.starts_with("mask/")));
    let some = watch(20);
    let stopped = NEURAL_CLEANSE.run(&case, &plan, &mut Context::new(0, ABOUT.id, &some));
    assert_eq!(stopped.unwrap_err(), Stop::Cancelled);
    assert_eq!(some.reports.load(Ordering::Relaxed), 20);
}
