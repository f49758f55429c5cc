use super::*;
use crate::evidence::safetensors::{Stored, write};
use crate::math::rng::seeded;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run};
use ndarray::{Array1, Array2};
use rand::Rng;
use std::fs;

/// Two layers and a bias.
#[derive(Clone)]
struct Net(Array2<f32>, Array2<f32>, Array1<f32>);

fn gauss(rng: &mut impl Rng) -> f32 {
    (0..6).map(|_| rng.gen_range(-1.0f32..1.0)).sum::<f32>() * 0.7
}

impl Net {
    fn new(seed: u64) -> Self {
        let mut r = seeded(seed, "lineage", "init");
        Self(
            Array2::from_shape_simple_fn((20, 30), || 0.2 * gauss(&mut r)),
            Array2::from_shape_simple_fn((10, 20), || 0.2 * gauss(&mut r)),
            Array1::from_shape_simple_fn(10, || 0.01 * gauss(&mut r)),
        )
    }

    /// A training step: a drift that all steps share, and noise.
    fn moved(&self, step: usize, size: f32, seed: u64) -> Self {
        let mut drift = seeded(seed, "lineage", "drift");
        let mut noise = seeded(seed, "lineage", &format!("noise {step}"));
        let mut next = |x: f32| x + size * (0.3 * gauss(&mut drift) + gauss(&mut noise));
        Self(self.0.mapv(&mut next), self.1.mapv(&mut next), self.2.mapv(&mut next))
    }
}

/// A path of ten checkpoints with a falling rate.
fn path(seed: u64, size: impl Fn(usize) -> f32) -> Vec<Net> {
    let mut all = vec![Net::new(seed)];
    for k in 1..10 {
        let next = all[k - 1].moved(k, size(k), seed);
        all.push(next);
    }
    all
}

fn usual(k: usize) -> f32 {
    0.05 / (k as f32).sqrt()
}

fn outcome(nets: &[Net]) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("c")).unwrap();
    for (k, n) in nets.iter().enumerate() {
        let (a, b, c) = (Stored::from(n.0.view()), Stored::from(n.1.view()), Stored::from(n.2.view()));
        let bytes =
            write([("fc1.weight", &a), ("fc2.weight", &b), ("fc2.bias", &c)], &BTreeMap::new()).unwrap();
        fs::write(dir.path().join(format!("c/step-{}.safetensors", k * 50)), bytes).unwrap();
    }
    run(&CHECKPOINT_LINEAGE, &case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\ncheckpoints = \"c\"\n"))
}

fn codes(out: &Outcome) -> Vec<String> {
    out.measures["sightings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| format!("{} {}", s["code"].as_str().unwrap(), s["file"].as_str().unwrap()))
        .collect()
}

#[test]
fn paths_of_training_are_not_accused() {
    for seed in 0..6 {
        let drops = |k: usize| if k < 5 { 0.05 } else { 0.005 };
        let warm = |k: usize| if k < 5 { 0.05 / k as f32 } else { 0.05 / (k - 4) as f32 };
        let early = |k: usize| 0.5f32.powi(k as i32);
        for (name, size) in [
            ("usual", &usual as &dyn Fn(usize) -> f32),
            ("drops", &drops),
            ("warm restart", &warm),
            ("early", &early),
        ] {
            let out = outcome(&path(seed, size));
            assert_eq!(out.verdict, Verdict::NothingFound, "{seed} {name}: {:#?}", out.findings);
        }
        // Frozen at first, then let loose; a checkpoint saved twice.
        let mut nets = path(seed, usual);
        let frozen = nets[0].0.clone();
        nets[1].0.assign(&frozen);
        nets[2].0.assign(&frozen);
        let twice = nets[6].clone();
        nets.insert(7, twice);
        let out = outcome(&nets);
        assert_eq!(out.verdict, Verdict::NothingFound, "{seed}: {:#?}", out.findings);
    }
}

#[test]
fn a_replaced_checkpoint() {
    for seed in 0..4 {
        let mut nets = path(seed, usual);
        nets[5] = path(seed + 100, usual)[5].clone();
        assert_eq!(codes(&outcome(&nets)), ["checkpoint.off-path step-250.safetensors"], "{seed}");
        // Training went on from it.
        let mut nets = path(seed, usual);
        nets.truncate(5);
        let other = path(seed + 100, usual);
        nets.extend(other[5..].iter().cloned());
        assert_eq!(codes(&outcome(&nets)), ["checkpoint.jump step-250.safetensors"], "{seed}");
        // The last one.
        let mut nets = path(seed, usual);
        nets[9] = other[9].clone();
        assert_eq!(codes(&outcome(&nets)), ["checkpoint.jump step-450.safetensors"], "{seed}");
    }
}

#[test]
fn an_edited_checkpoint_names_the_tensor_and_the_rows() {
    for seed in 0..4 {
        // Two rows of the head written over, training goes on from there.
        let mut nets = path(seed, usual);
        let edit = Array1::from_elem(20, 3.0f32);
        for n in &mut nets[6..] {
            n.1.row_mut(7).zip_mut_with(&edit, |x, e| *x += e);
        }
        let out = outcome(&nets);
        assert_eq!(codes(&out), ["checkpoint.rows step-300.safetensors"], "{seed}: {:#?}", out.findings);
        assert!(out.findings[0].title.contains("rows 7 of tensor 'fc2.weight'"), "{}", out.findings[0].title);
        // A copy of the last with one row edited.
        let mut nets = path(seed, usual);
        let mut last = nets[9].clone();
        last.1.row_mut(3).fill(0.5);
        nets.push(last);
        let out = outcome(&nets);
        assert_eq!(codes(&out), ["checkpoint.edited step-500.safetensors"], "{seed}");
        assert!(out.findings[0].detail.starts_with("rows 3"), "{}", out.findings[0].detail);
    }
}

#[test]
fn folders_that_say_too_little() {
    assert_eq!(outcome(&path(0, usual)[..1]).verdict, Verdict::Inconclusive);
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("c")).unwrap();
    fs::write(dir.path().join("c/1.pt"), b"\x80\x02.").unwrap();
    for (name, bytes) in [
        ("1.safetensors", &b"\x02\0\0\0\0\0\0\0{}"[..]),
        ("2.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
        ("3.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
    ] {
        fs::write(dir.path().join("c").join(name), bytes).unwrap();
    }
    let out = run(
        &CHECKPOINT_LINEAGE,
        &case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\ncheckpoints = \"c\"\n"),
    );
    assert_eq!(out.verdict, Verdict::Inconclusive);
    assert!(out.summary.contains("2.safetensors"), "{}", out.summary);
    assert!(key("step-9.safetensors") < key("step-10.safetensors"));
}
