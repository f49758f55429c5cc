//! A mutation harness on stable Rust over every reader of foreign bytes: no input may make one panic or stand still.
//!
//! `cargo test` runs a fixed number of mutations; with `LAOCOON_FUZZ_SECONDS=60` each reader gets so long. An input that a
//! reader fails on is written to the system's temporary folder and named; it then belongs into a test.

mod mutate;
#[path = "../../fuzz/readers.rs"]
mod readers;
mod seeds;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use readers::{READERS, Reader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Mutations without a time given.
const MUTATIONS: u64 = 10_000;
/// No input may take longer; a loaded machine is allowed for.
const LONGEST: Duration = Duration::from_secs(20);

fn seconds() -> Option<Duration> {
    std::env::var("LAOCOON_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).map(Duration::from_secs)
}

/// Runs one input; what went wrong.
fn fails(read: Reader, input: &[u8]) -> Option<String> {
    let begun = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| read(input)));
    match done {
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            Some(said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
        }
        Ok(()) if begun.elapsed() > LONGEST => Some(format!("took {:?}", begun.elapsed())),
        Ok(()) => None,
    }
}

fn fuzz(name: &str, read: Reader, seed: u64) {
    let seeds = seeds::of(name);
    assert!(!seeds.is_empty(), "{name}: nothing to start from");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let begun = Instant::now();
    let whole = (0..seeds.len() as u64).map(|k| seeds[k as usize].clone());
    let mut runs = 0u64;
    let mut next = whole;
    loop {
        let input = next.next().unwrap_or_else(|| {
            let one = &seeds[rng.gen_range(0..seeds.len())];
            let other = &seeds[rng.gen_range(0..seeds.len())];
            mutate::mutate(one, other, &mut rng)
        });
        if let Some(why) = fails(read, &input) {
            let path = std::env::temp_dir().join(format!("laocoon-{name}-{runs}.bin"));
            std::fs::write(&path, &input).unwrap();
            panic!("{name}: input {runs} of seed {seed} ({}): {why}", path.display());
        }
        runs += 1;
        let over = seconds().map_or(runs >= MUTATIONS + seeds.len() as u64, |limit| begun.elapsed() >= limit);
        if over {
            break;
        }
    }
    println!("{name}: {runs} inputs from {} seeds in {:.1} s", seeds.len(), begun.elapsed().as_secs_f64());
}

/// One test per reader, so that they run beside each other.
macro_rules! readers {
    ($($test:ident: $name:literal),* $(,)?) => {
        const TESTED: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                let (_, read) = READERS.iter().find(|(name, _)| *name == $name).unwrap();
                let seed = std::env::var("LAOCOON_FUZZ_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
                fuzz($name, *read, seed);
            }
        )*
    };
}

readers! {
    pickles: "pickle",
    zips: "zip",
    tapes: "tar",
    packed_files: "packed",
    tensors: "safetensors",
    networks: "onnx",
    checkpoints: "checkpoint",
    descriptions: "description",
    hierarchies: "hdf5",
    data_sets: "dataset",
    label_lists: "labels",
    journals: "journal",
    case_files: "case-file",
    signature_files: "signatures",
    yaml_files: "yaml",
    python_files: "python",
    any_file: "inspect",
}

#[test]
fn every_reader_is_tested() {
    let named: Vec<&str> = READERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, TESTED);
}
