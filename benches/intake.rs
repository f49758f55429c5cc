//! What taking evidence in costs, without the program around it: digests, and one inspection.
//!
//! ```text
//! cargo bench --bench intake -- digest FILE | folder DIR | inspect FILE [--rounds N] [--threads N] [--json]
//! ```

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod common;

use laocoon::evidence::{Limits, intake};
use laocoon::triage::inspect;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn step(part: &str, path: &Path) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match part {
        "digest" => intake::digest_file(path, &intake::quiet)?.0,
        "folder" => intake::digest_folder(path, &Limits::default(), &intake::quiet)?.sha256,
        "inspect" => {
            let file = inspect::one(path, &Limits::default());
            format!("{}, {} reasons", file.format, file.reasons.len())
        }
        _ => return Err(format!("no part '{part}'").into()),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).filter(|a| a != "--bench");
    let (Some(part), Some(path)) = (words.next(), words.next().map(PathBuf::from)) else {
        common::tell("nothing to do: see the head of benches/intake.rs", &json!({}));
        return Ok(());
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common::number("--threads", 1)).build()?;
    for _ in 0..common::number("--rounds", 1) {
        common::forget_peak();
        let (start, used) = (Instant::now(), common::cpu());
        let said = pool.install(|| step(&part, &path).map_err(|e| e.to_string()))?;
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), common::cpu() - used);
        common::tell(
            &format!("{part}: {seconds:.4} s, {cpu:.2} s of CPU, peak {:.0} MiB, {said}", common::peak_mib()),
            &json!({"part": part, "seconds": seconds, "cpu": cpu, "peak_mib": common::peak_mib(), "said": said}),
        );
    }
    Ok(())
}
