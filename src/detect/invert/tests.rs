use super::*;
use crate::detect::fixture::{linear, modelled};
use crate::evidence::{InputSpec, Limits};
use crate::math::rng::seeded;
use crate::network::Builder;
use crate::network::op::{Linear, Op, View};
use crate::procedure::Silent;
use ndarray::{Array2, Array3};
use rand::Rng;

const SHAPE: [usize; 3] = [2, 7, 6];

fn drawn(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = seeded(seed, "invert", "test");
    (0..n).map(|_| rng.gen_range(-0.9..0.9)).collect()
}

/// Σ c·x', for any image: a function whose gradient in x' is c.
fn value(form: Form, raw: &[f32], image: &Array3<f32>, c: &Array3<f32>) -> f64 {
    let mut out = Array3::zeros(image.raw_dim());
    form.apply(&form.field(raw, SHAPE), image.view(), out.view_mut());
    out.iter().zip(c).map(|(&x, &c)| f64::from(x) * f64::from(c)).sum()
}

#[test]
fn gradients_of_every_form_agree_with_differences() {
    let mut rng = seeded(1, "invert", "image");
    // Away from 0 and 1, where clipping bends the line.
    let image = Array3::from_shape_simple_fn(SHAPE, || rng.gen_range(0.45..0.55));
    let c = Array3::from_shape_simple_fn(SHAPE, || rng.gen_range(-1.0..1.0f32));
    for form in [Form::Mask, Form::Image, Form::Feature, Form::Flow] {
        let scale = if form == Form::Image { 0.3 } else { 1.0 };
        let raw: Vec<f32> = drawn(2, form.parameters(SHAPE)).iter().map(|x| x * scale).collect();
        let field = form.field(&raw, SHAPE);
        let mut pulled = vec![0.0; field.len()];
        form.pull(&field, image.view(), c.view(), &mut pulled);
        let mut gradient = form.back(&field, pulled, SHAPE);
        let weight = 0.7;
        form.size(&raw, SHAPE, weight, &mut gradient);
        let total = |raw: &[f32]| {
            let size = form.size(raw, SHAPE, 0.0, &mut vec![0.0; raw.len()]);
            value(form, raw, &image, &c) + f64::from(weight) * size
        };
        let (mut wrong, step) = (0, 1e-2);
        for i in 0..raw.len() {
            let at = |d: f32| {
                let mut moved = raw.clone();
                moved[i] += d;
                total(&moved)
            };
            let difference = (at(step) - at(-step)) / f64::from(2.0 * step);
            wrong +=
                usize::from((difference - f64::from(gradient[i])).abs() > 0.02 * (1.0 + difference.abs()));
        }
        // A displacement that crosses a pixel's border between the two points has another slope on either side.
        let allowed = if form == Form::Flow { raw.len() / 5 } else { 0 };
        assert!(wrong <= allowed, "{form:?}: {wrong} of {}", raw.len());
    }
}

#[test]
fn no_displacement_changes_nothing_and_a_whole_pixel_moves_the_image() {
    let mut rng = seeded(3, "invert", "image");
    let image = Array3::from_shape_simple_fn(SHAPE, || rng.r#gen::<f32>());
    let warped = |down: f32| {
        let knots = KNOTS * KNOTS;
        let raw: Vec<f32> = (0..2 * knots).map(|i| if i < knots { down } else { 0.0 }).collect();
        let mut out = Array3::zeros(SHAPE);
        Form::Flow.apply(&Form::Flow.field(&raw, SHAPE), image.view(), out.view_mut());
        out
    };
    assert!((&warped(0.0) - &image).iter().all(|d| d.abs() < 1e-6));
    let moved = warped(1.0);
    for y in 0..SHAPE[1] {
        let from = (y + 1).min(SHAPE[1] - 1);
        assert!((moved[[1, y, 2]] - image[[1, from, 2]]).abs() < 1e-5);
    }
}

#[test]
fn the_smallest_pattern_for_a_linear_network_is_the_closed_form() {
    // Three classes, logits 0, w·x and −5: images lose to class 0 by m, and the smallest δ that sends the worst of them to
    // class 1 has norm max(m) / ‖w‖.
    let w: Vec<f32> = drawn(5, 16);
    let mut rows = Array2::<f32>::zeros((3, 16));
    rows.row_mut(1).assign(&ndarray::ArrayView1::from(&w));
    let mut b = Builder::new("input", &[1, 4, 4], &Limits::default()).unwrap();
    let flat = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
    let weight = b.param("w", rows.into_dyn(), false);
    let bias = b.param("b", ndarray::arr1(&[0.0f32, -2.0, -5.0]).into_dyn(), false);
    let out = b.push("out", Op::Linear(Linear { weight, bias: Some(bias) }), &[flat]).unwrap();
    let input = InputSpec { shape: [1, 4, 4], range: [0.0, 1.0], mean: vec![], std: vec![] };
    let model = Model::from_graph(b.finish(out).unwrap(), input, vec![]).unwrap();
    let mut rng = seeded(6, "invert", "pool");
    let pool = Array4::from_shape_simple_fn((20, 1, 4, 4), || rng.gen_range(-0.1..0.1f32));
    let norm = w.iter().map(|x| x * x).sum::<f32>().sqrt();
    let need = pool
        .outer_iter()
        .map(|x| 2.0 - x.iter().zip(&w).map(|(a, b)| a * b).sum::<f32>())
        .fold(0.0f32, f32::max);
    let want = f64::from(need / norm);
    let settings = Settings { form: Form::Feature, batch: 20, rate: 0.02, first_weight: 0.1, success: 0.9 };
    let mut cx = Context::new(0, "test", &Silent);
    let budget = Budget { steps: 400, restarts: 2 };
    let aims = [Aim::class(1, 0..20)];
    let found = run(&model, &pool, &aims, &settings, budget, &mut cx, &mut |_, _, _| Ok(())).unwrap();
    // Nine in ten need not be reached, and the search turns around the bound.
    assert!(
        found[0].reached && (0.75 * want..1.15 * want).contains(&found[0].size),
        "{} {want}",
        found[0].size
    );
    assert!(found[0].spread < 1.3 && found[0].steps == 800);
    // The two starts lie around their geometric mean, and the bar of the mean says by how much.
    let [low, high] = found[0].range;
    assert!(low < high && (low * high).sqrt() - found[0].size < 1e-9 * high);
    let [a, b] = found[0].around(1.5, 1e-9).unwrap();
    assert!((b - a - found[0].spread.ln()).abs() < 1e-9 && (f64::midpoint(a, b) - 1.5).abs() < 1e-9);
    assert_eq!(around(1.5, 3.0, [3.0, 3.0], 0.5), None, "one start has no range");
}

#[test]
fn the_class_with_a_shortcut_is_smallest_for_every_form_that_can_reach_it() {
    let case = modelled(8, Some(5));
    let Some(crate::evidence::dataset::Pixels::F32(pool)) = &case.data[0].set.images else { panic!() };
    let labels = &case.data[0].set.labels;
    let aims: Vec<Aim> =
        (0..8).map(|k| Aim::class(k, (0..labels.len()).filter(|&i| labels[i] != k))).collect();
    for (form, rate, first_weight) in [(Form::Mask, 0.2, 0.02), (Form::Image, 0.02, 0.1)] {
        let settings = Settings { form, batch: 8, rate, first_weight, success: 0.9 };
        let search = |threads| {
            let pool_of = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool_of.install(|| {
                let mut cx = Context::new(0, "test", &Silent);
                let budget = Budget { steps: 60, restarts: 1 };
                run(&linear(8, Some(5)), pool, &aims, &settings, budget, &mut cx, &mut |_, _, _| Ok(()))
                    .unwrap()
            })
        };
        let found = search(1);
        let sizes: Vec<f64> = found.iter().map(|f| f.size).collect();
        let gap = gap::gap(&gap::smallness(sizes.iter().copied(), 0.05), gap::MOST).unwrap();
        assert_eq!(gap.leaders, [5], "{form:?} {sizes:?}");
        let again: Vec<f64> = search(3).iter().map(|f| f.size).collect();
        assert_eq!(sizes, again, "the bits depend on the number of threads");
    }
}

#[test]
fn a_class_that_everything_is_in_already_has_size_nothing() {
    let settings = Settings::mask(4);
    let arm = Arm::new(Aim::class(3, []), [1, 4, 4], &settings, seeded(0, "invert", "empty"));
    assert!(!arm.live && arm.size() == 0.0 && arm.found().success == 1.0);
}
