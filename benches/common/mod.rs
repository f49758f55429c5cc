//! What every bench of this folder does alike: options, memory and time of the process, results for people or for
//! `benches/peers/run.py`.

#![allow(dead_code, clippy::print_stdout, reason = "no bench needs all of it; a bench says what it measured")]

use serde_json::Value;

/// The word after an option of the command line.
pub fn option(name: &str) -> Option<String> {
    let all: Vec<String> = std::env::args().collect();
    all.iter().position(|a| a == name).and_then(|i| all.get(i + 1)).cloned()
}

/// The number after an option of the command line.
pub fn number(name: &str, otherwise: usize) -> usize {
    option(name).map_or(otherwise, |v| v.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Whether `--json` was asked for: a line of JSON for each result.
pub fn json() -> bool {
    std::env::args().any(|a| a == "--json")
}

/// Says a result: in words, or as a line of JSON with `--json`.
pub fn tell(words: &str, facts: &Value) {
    if json() {
        println!("{facts}");
    } else {
        println!("{words}");
    }
}

/// CPU seconds of this process: what its threads have run, to the nanosecond where the system counts so.
pub fn cpu() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let run = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0)
    };
    threads.map(|t| run(t.path())).sum::<f64>() / 1e9
}

/// The most memory this process has had since it began or [`forget_peak`], in MiB.
pub fn peak_mib() -> f64 {
    status_mib("VmHWM:")
}

/// The memory this process has now, in MiB.
pub fn memory_mib() -> f64 {
    status_mib("VmRSS:")
}

/// Has the system count the peak from here.
pub fn forget_peak() {
    // Where this is not allowed the peak since the start is reported, which is no less.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn status_mib(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The value below which `share` of sorted values lie.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (share * (sorted.len().max(1) - 1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
