use super::search::{Windows, gradients, units};
use super::*;
use crate::detect::fixture::{modelled, run};
use crate::procedure::{Severity, Tensor};
use serde_json::json;

#[test]
fn a_pixel_that_decides_is_found_in_its_window_and_the_twin_is_not_accused() {
    let found = run(&PATCH_SEARCH, &modelled(8, Some(5)), 0);
    assert_eq!(found.measures["leaders"], json!([5]), "{}", found.summary);
    assert_eq!(found.measures["success_rate"][5], 1.0);
    // The window that ends in the corner where the pixel is.
    assert_eq!(found.measures["place"][5], json!([3, 3]));
    let Tensor::F32(masks) = &found.arrays["masks"] else { panic!() };
    assert_eq!(masks.shape(), [8, 6, 6]);
    assert_eq!(masks.index_axis(ndarray::Axis(0), 5).sum(), 9.0, "three by three pixels, opaque");
    let Tensor::F32(patterns) = &found.arrays["patterns"] else { panic!() };
    assert!(patterns[[5, 0, 5, 5]] > 0.6, "the pixel that decides is bright: {}", patterns[[5, 0, 5, 5]]);
    assert!(found.figures.contains_key("strength") && found.figures.contains_key("patch/5"));
    let twin = run(&PATCH_SEARCH, &modelled(8, None), 0);
    assert_ne!(twin.verdict, Verdict::Flagged, "{}", twin.summary);
    assert!(twin.statistic.unwrap() < 0.5 * found.statistic.unwrap());
}

#[test]
fn same_seed_same_bits_at_any_number_of_threads_and_another_seed_another_start() {
    let case = modelled(6, Some(2));
    let on = |threads: usize, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&PATCH_SEARCH, &case, seed))
    };
    let (one, three) = (on(1, 0), on(3, 0));
    assert_eq!(one.measures, three.measures);
    assert_eq!(one.arrays["patterns"], three.arrays["patterns"]);
    assert_ne!(one.arrays["patterns"], on(1, 1).arrays["patterns"]);
}

#[test]
fn windows_cover_the_image_to_its_edge() {
    let windows = Windows::of([3, 32, 40], 0.16, 1.6).unwrap();
    assert_eq!(windows.side, 5);
    let rows: Vec<usize> = windows.places.iter().filter(|p| p.1 == 0).map(|p| p.0).collect();
    assert_eq!(rows, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    assert_eq!(windows.places.last(), Some(&(27, 35)));
    assert_eq!(Windows::of([1, 5, 9], 0.16, 1.6), None, "three pixels are more than half of five");
    assert_eq!(Windows::of([1, 6, 6], 0.16, 1.6).unwrap().places.len(), 9);
}

#[test]
fn the_work_is_counted_round_by_round() {
    // 10 classes, 100 places: 2·1000 + 5·150 + 8·30 steps, of 2, 4 and 8 images.
    assert_eq!(units(10, 100, &ROUNDS), 2_000 + 750 + 240);
    assert_eq!(gradients(10, 100, &ROUNDS), 4_000 + 3_000 + 1_920);
    // 43 classes: 22 go on, then 12.
    assert_eq!(units(43, 100, &ROUNDS), 2 * 4_300 + 5 * 22 * 15 + 8 * 12 * 3);
}

#[test]
fn margins_far_below_nothing_count_as_nothing() {
    assert!((softplus(0.0) - 2f64.ln()).abs() < 1e-15);
    assert!(softplus(-800.0) == 0.0 && softplus(800.0) == 800.0);
    assert_eq!(softplus(f64::NEG_INFINITY), 0.0);
    let patch =
        |margin, success| Some(Patch { place: (0, 0), colours: vec![], margin, success: Some(success) });
    let found =
        [patch(-2.0, 0.1), patch(8.0, 0.9), None, patch(-4.0, 0.0), patch(2.0, 0.6), patch(-2.0, 0.1)];
    let seen = |found: &[Option<Patch>], unit| Seen { found: found.to_vec(), unit };
    let decision = decide(&seen(&found, 2.0));
    assert_eq!(decision.gap.as_ref().unwrap().leaders, [1]);
    assert_eq!((decision.accused.as_slice(), decision.strength[2]), ([1].as_slice(), 0.0));
    assert!(decide(&seen(&found, 0.0)).gap.is_none(), "without a margin there is no unit");
    // A leader whose patch moves few images is not accused.
    let weak = [patch(-2.0, 0.1), patch(8.0, 0.4), patch(-2.0, 0.1)];
    let weak = decide(&seen(&weak, 2.0));
    assert_eq!(weak.accused.len(), 0);
    assert_ne!(weak.verdict, Verdict::Flagged);
}

#[test]
fn what_does_not_apply_is_said() {
    let refuse = |case: &Case| PATCH_SEARCH.plan(case).unwrap_err().0;
    assert!(refuse(&modelled(2, None)).contains("3 to 100"));
    let bare = Case { data: vec![], ..modelled(8, None) };
    assert!(refuse(&bare).contains("no images"));
    let mut large = modelled(8, None);
    large.overrides.insert(ID.into(), json!({"share": 0.9}));
    assert!(refuse(&large).contains("share"), "{}", refuse(&large));
    let mut longer = modelled(8, None);
    longer.overrides.insert(ID.into(), json!({"steps": 3}));
    assert_eq!(PATCH_SEARCH.plan(&longer).unwrap().params["rounds"][2]["steps"], 24);
}

#[test]
fn a_finding_says_where_and_how_surely() {
    let found = run(&PATCH_SEARCH, &modelled(8, Some(5)), 0);
    assert_ne!(found.verdict, Verdict::NothingFound, "{}", found.summary);
    let finding = &found.findings[0];
    assert_eq!(finding.class, Some(5));
    assert!(
        finding.detail.contains("row 3, column 3") && finding.severity >= Severity::Low,
        "{}",
        finding.detail
    );
}
