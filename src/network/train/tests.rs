use super::*;
use crate::evidence::Limits;
use crate::network::check::{numbers, wide};
use crate::network::description::{Description, builtin};
use crate::network::save;
use ndarray::Array4;

fn spec(shape: [usize; 3]) -> InputSpec {
    InputSpec { shape, range: [0.0, 1.0], mean: Vec::new(), std: Vec::new() }
}

fn fresh(name: &str, shape: [usize; 3], classes: usize) -> Graph {
    let description = builtin::describe(name, shape, classes).unwrap();
    initialise(&description, 3, &Limits::default()).unwrap()
}

/// Loss and gradients of a batch in f64.
fn pass64(graph: &Graph, params: &[Vec<f64>], x: &[f64], labels: &[usize]) -> (pass::Pass, Vec<Vec<f64>>) {
    let slices: Vec<&[f64]> = params.iter().map(Vec::as_slice).collect();
    let (n, size) = (labels.len(), graph.size(0));
    let chunk = pass::chunk(n);
    let mut works = Vec::new();
    for x in x.chunks(chunk * size) {
        let mut work = Work::default();
        work.prepare(graph, x.len() / size);
        work.input(graph, x);
        works.push(work);
    }
    let mut grads = Vec::new();
    let (logits, _) = logits_of(graph);
    let packs = packs(graph);
    let weights = Weights { params: &slices, packs: &packs };
    let pass = pass::run(graph, logits, weights, &mut works, labels, &mut grads);
    (pass, grads.swap_remove(0))
}

#[test]
fn weight_gradients_through_batch_statistics_agree_with_finite_differences() {
    // 35 images: three chunks, the last of another size.
    let graph = fresh("resnet8", [1, 6, 5], 4);
    let labels: Vec<usize> = (0..35).map(|i| i * 7 % 4).collect();
    let x = numbers(35 * graph.size(0), "x");
    let params = wide(&graph);
    let (_, grads) = pass64(&graph, &params, &x, &labels);
    for (p, param) in graph.params.iter().enumerate() {
        let step = (param.len() / 3).max(1);
        for i in (0..param.len()).step_by(step) {
            let moved = |d: f64| {
                let mut params = params.clone();
                params[p][i] += d;
                pass64(&graph, &params, &x, &labels).0.loss
            };
            let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let error = (numeric - grads[p][i]).abs();
            assert!(
                error < 1e-6 * (1.0 + numeric.abs()),
                "{} {i}: {numeric} and {}",
                param.name,
                grads[p][i]
            );
        }
    }
}

#[test]
fn loss_of_equal_logits_is_the_logarithm_of_the_classes() {
    let mut graph = fresh("smallcnn", [1, 8, 8], 5);
    for p in &mut graph.params {
        p.value.fill(0.0);
    }
    let mut trainer = Trainer::new(graph, spec([1, 8, 8]), Optimizer::adam(1e-3)).unwrap();
    let report = trainer.step(Array4::zeros((5, 1, 8, 8)).view(), &[0, 1, 2, 3, 4]).unwrap();
    assert!((report.loss - 5f64.ln()).abs() < 1e-12);
    assert!((report.accuracy - 0.2).abs() < 1e-12);
}

/// Images whose class is where their bright half is.
fn halves(n: usize) -> (Array4<f32>, Vec<usize>) {
    let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
    let noise = numbers(n * 3 * 64, "noise");
    let x = Array4::from_shape_fn((n, 3, 8, 8), |(i, c, y, x)| {
        let bright = if (x < 4) == (labels[i] == 0) { 0.6 } else { 0.2 };
        bright + 0.2 * noise[((i * 3 + c) * 8 + y) * 8 + x] as f32
    });
    (x, labels)
}

#[test]
fn training_learns_and_the_trained_model_classifies() {
    for (name, optimizer) in [
        ("smallcnn", Optimizer::adam(3e-3)),
        ("resnet8", Optimizer::Sgd { rate: 0.05, momentum: 0.9, weight_decay: 5e-4 }),
    ] {
        let mut trainer = Trainer::new(fresh(name, [3, 8, 8], 2), spec([3, 8, 8]), optimizer).unwrap();
        let (x, labels) = halves(40);
        let first = trainer.step(x.view(), &labels).unwrap();
        let last = (0..25).map(|_| trainer.step(x.view(), &labels).unwrap()).last().unwrap();
        assert!(last.loss < 0.2 * first.loss && last.accuracy > 0.95, "{name}: {first:?} {last:?}");
        // Running statistics, folded: the network at rest agrees.
        let logits = trainer.model(Vec::new()).unwrap().logits(x.view()).unwrap();
        let right = logits.outer_iter().zip(&labels).filter(|(r, l)| (r[1] > r[0]) == (**l == 1)).count();
        assert!(right >= 36, "{name}: {right} of 40");
    }
}

#[test]
fn weights_have_the_same_bits_at_any_number_of_threads_and_another_seed_gives_others() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let optimizer = Optimizer::Sgd { rate: 0.05, momentum: 0.9, weight_decay: 5e-4 };
            let mut trainer =
                Trainer::new(fresh("resnet8", [3, 8, 8], 2), spec([3, 8, 8]), optimizer).unwrap();
            let (x, labels) = halves(70);
            for _ in 0..3 {
                trainer.step(x.view(), &labels).unwrap();
            }
            save::safetensors(trainer.graph()).unwrap()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
    let description = builtin::describe("smallcnn", [3, 8, 8], 2).unwrap();
    let weights =
        |seed| save::safetensors(&initialise(&description, seed, &Limits::default()).unwrap()).unwrap();
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn optimisers_follow_their_formulas() {
    let text = r#"{"format": "laocoon-network-1", "input": {"shape": [1, 1, 1]}, "output": "fc", "nodes": [
        {"name": "flat", "op": "flatten", "inputs": ["input"]},
        {"name": "fc", "op": "linear", "inputs": ["flat"], "out_features": 2, "params": {"weight": "w"}}]}"#;
    let description = Description::parse(text).unwrap();
    let build = || {
        description
            .build(&Limits::default(), &mut |w| {
                Ok(ndarray::Array::from_shape_vec(w.shape.clone(), vec![0.5, -0.5]).unwrap())
            })
            .unwrap()
    };
    let train = |optimizer| {
        let mut trainer = Trainer::new(build(), spec([1, 1, 1]), optimizer).unwrap();
        let mut w = [0.5f64, -0.5];
        let (mut m, mut v) = ([0f64; 2], [0f64; 2]);
        for t in 1..=4 {
            trainer.step(Array4::ones((1, 1, 1, 1)).view(), &[1]).unwrap();
            let p = 1.0 / (1.0 + (w[1] - w[0]).exp());
            for (i, g) in [p, -p].into_iter().enumerate() {
                match optimizer {
                    Optimizer::Sgd { rate, momentum, weight_decay } => {
                        m[i] = f64::from(momentum) * m[i] + g + f64::from(weight_decay) * w[i];
                        w[i] -= f64::from(rate) * m[i];
                    }
                    Optimizer::Adam { rate, weight_decay, .. } => {
                        let g = g + f64::from(weight_decay) * w[i];
                        m[i] = 0.9 * m[i] + 0.1 * g;
                        v[i] = 0.999 * v[i] + 0.001 * g * g;
                        let hat = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.999f64.powi(t)));
                        w[i] -= f64::from(rate) * hat.0 / (hat.1.sqrt() + 1e-8);
                    }
                }
            }
        }
        for (a, b) in trainer.graph().params[0].data().iter().zip(w) {
            assert!((f64::from(*a) - b).abs() < 1e-6, "{optimizer:?}: {a} and {b}");
        }
    };
    train(Optimizer::Sgd { rate: 0.1, momentum: 0.9, weight_decay: 0.01 });
    train(Optimizer::Adam { rate: 0.05, betas: [0.9, 0.999], weight_decay: 0.01 });
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let mut trainer =
        Trainer::new(fresh("smallcnn", [1, 8, 8], 2), spec([1, 8, 8]), Optimizer::adam(1e-3)).unwrap();
    let x = Array4::<f32>::zeros((2, 1, 8, 8));
    for (labels, said) in [(&[0, 2][..], "label 2 with 2 classes"), (&[0], "1 labels for 2 images")] {
        let error = trainer.step(x.view(), labels).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(trainer.step(Array4::zeros((2, 1, 8, 9)).view(), &[0, 1]).is_err());
}
