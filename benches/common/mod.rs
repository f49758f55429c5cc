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

/// CPU seconds of this process.
pub fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        text.rsplit(')').next().unwrap_or("").split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // utime and stime, in ticks of 10 ms, are the 12th and 13th after the state letter, which is no number.
    fields.get(10).zip(fields.get(11)).map_or(0.0, |(u, s)| (u + s) / 100.0)
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
