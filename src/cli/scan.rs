//! `laocoon scan PATH…`: the same investigation without a screen: the CI gate and the batch job.

use super::{replay, sessions};
use crate::case::{CaseState, Status, gate};
use crate::evidence::{CaseFile, EvidenceError, Limits, text};
use crate::investigation::{Investigation, LiveJob, OpenError, Options, RequestError};
use crate::procedure::{Effort, Phase, Severity};
use crate::report;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is written at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// `laocoon.scan/1`.
    Json,
}

/// Arguments of `scan`.
#[derive(Debug, Clone, clap::Args)]
pub struct Scan {
    /// A case folder or case.toml, or a model and data sets
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Images: PATH, or ROLE=PATH with role training, clean, test or suspect
    #[arg(long, value_name = "[ROLE=]PATH")]
    pub data: Vec<String>,
    /// Only these procedures, and those whose outcomes they read
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only procedures of these phases, and those whose outcomes they read
    #[arg(long, value_name = "P,…", value_delimiter = ',', value_parser = phases())]
    pub phase: Vec<Phase>,
    /// How much work to do
    #[arg(long, default_value = "standard", value_parser = efforts())]
    pub effort: Effort,
    /// Seed of every random draw
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Threads to compute with [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Session folder; continued when it is there [default: a new one in the data folder]
    #[arg(long, value_name = "DIR")]
    pub session: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub format: Output,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit with 1 on findings of this severity or above
    #[arg(long, default_value = "medium", value_parser = severities())]
    pub fail_on: Severity,
    /// Exit with 0 although something was refused, failed or stopped
    #[arg(long)]
    pub allow_incomplete: bool,
}

fn phases() -> impl TypedValueParser<Value = Phase> {
    one_of(Phase::ALL.map(|p| (p.name(), p)).to_vec())
}

fn efforts() -> impl TypedValueParser<Value = Effort> {
    one_of([Effort::Quick, Effort::Standard, Effort::Thorough].map(|e| (e.name(), e)).to_vec())
}

fn severities() -> impl TypedValueParser<Value = Severity> {
    let all = [
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];
    one_of(all.to_vec())
}

fn one_of<T: Copy + Send + Sync + 'static>(all: Vec<(&'static str, T)>) -> impl TypedValueParser<Value = T> {
    let names: Vec<&'static str> = all.iter().map(|(name, _)| *name).collect();
    PossibleValuesParser::new(names).try_map(move |name| {
        let found = all.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        found.ok_or_else(|| format!("'{name}' is none of the values"))
    })
}

/// Why a scan gave no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The paths make no case.
    #[error(transparent)]
    Case(#[from] EvidenceError),
    /// The session cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The session cannot be written.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// Result or session could not be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The terminal or pipe is gone.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// Streams and circumstances of a run.
pub struct Streams<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Progress.
    pub err: &'a mut dyn Write,
    /// Whether `err` is a terminal that shows a bar.
    pub bar: bool,
    /// Set by a signal: stop, keep what there is, and say so.
    pub stop: &'a AtomicBool,
}

/// Runs a scan and gives its exit code.
///
/// # Errors
/// Wrong paths, an unusable session folder, or output that cannot be written. Evidence that cannot be used is no error:
/// it is refused in the register, and the scan is incomplete.
pub fn run(scan: &Scan, streams: &mut Streams) -> Result<u8, ScanError> {
    let limits = Limits::default();
    let target = CaseFile::from_paths(&scan.paths, &scan.data, &limits)?;
    let session = folder(scan, &target.id)?;
    let mut investigation = Investigation::open(Options {
        target,
        session: session.clone(),
        seed: scan.seed,
        effort: scan.effort,
        threads: scan.threads.unwrap_or(0),
        only: scan.only.clone(),
        phases: scan.phase.clone(),
        overrides: BTreeMap::new(),
        limits,
    })?;
    writeln!(streams.err, "session {}", text::visible(&session.display().to_string()))?;
    if let Some(why) = investigation.read_only() {
        return Err(RequestError::ReadOnly(why.to_owned()).into());
    }
    // A disk that is full just now is said by `trouble`, below.
    if let Err(e @ (RequestError::ReadOnly(_) | RequestError::Refused(_))) = investigation.run_all() {
        return Err(e.into());
    }
    follow(&mut investigation, streams)?;
    for warning in investigation.warnings() {
        writeln!(streams.err, "warning: {}", text::visible(warning))?;
    }
    let state = investigation.state();
    let answer = match scan.format {
        Output::Json => report::json::text(&state),
        Output::Text => words(&state)?,
    };
    match &scan.output {
        Some(path) => {
            let failed = |source| ScanError::Write { path: path.clone(), source };
            std::fs::write(path, answer).map_err(failed)?;
        }
        None => streams.out.write_all(answer.as_bytes())?,
    }
    streams.out.flush()?;
    if let Some(trouble) = investigation.trouble().or(investigation.read_only()) {
        writeln!(streams.err, "error: {}", text::visible(trouble))?;
        // What is not on disk did not happen, whatever else is allowed.
        return Ok(match gate::exit_code(&state, scan.fail_on, false) {
            gate::FINDINGS => gate::FINDINGS,
            _ => gate::INCOMPLETE,
        });
    }
    Ok(gate::exit_code(&state, scan.fail_on, scan.allow_incomplete))
}

fn folder(scan: &Scan, case: &str) -> Result<PathBuf, ScanError> {
    if let Some(session) = &scan.session {
        return Ok(session.clone());
    }
    let home = sessions::home()?;
    sessions::fresh(&home, case, &crate::case::now())
        .map_err(|source| ScanError::Write { path: home, source })
}

/// Waits for the end, telling what happens.
fn follow(investigation: &mut Investigation, streams: &mut Streams) -> io::Result<()> {
    let (mut told, mut stopping) = (investigation.state().timeline.len(), false);
    let mut bar = Bar::default();
    loop {
        let end = investigation.finished();
        let state = investigation.state();
        for moment in state.timeline.get(told..).unwrap_or_default() {
            bar.clear(streams)?;
            writeln!(streams.err, "{}", moment.what)?;
        }
        told = state.timeline.len();
        if end {
            return bar.clear(streams);
        }
        if streams.bar {
            bar.draw(&investigation.live(), streams)?;
        }
        if streams.stop.load(Ordering::Relaxed) && !stopping {
            stopping = true;
            investigation.stop_all();
        }
        investigation.wait(Duration::from_millis(100));
    }
}

/// One line that is drawn over.
#[derive(Debug, Default)]
struct Bar {
    drawn: usize,
}

impl Bar {
    fn draw(&mut self, live: &[LiveJob], streams: &mut Streams) -> io::Result<()> {
        let Some(job) = live.iter().find(|j| j.running) else { return Ok(()) };
        let line = line(job, live.len() - 1);
        let width = line.chars().count();
        write!(streams.err, "\r{line}{}", " ".repeat(self.drawn.saturating_sub(width)))?;
        self.drawn = width;
        streams.err.flush()
    }

    fn clear(&mut self, streams: &mut Streams) -> io::Result<()> {
        if self.drawn > 0 {
            write!(streams.err, "\r{}\r", " ".repeat(self.drawn))?;
            self.drawn = 0;
        }
        Ok(())
    }
}

/// `neural-cleanse [#####...............]  25% 0:38 left, 3 more`; below 80 columns.
fn line(job: &LiveJob, more: usize) -> String {
    const WIDTH: u64 = 20;
    let done = (WIDTH * job.done).checked_div(job.total).unwrap_or(0).min(WIDTH);
    let (full, empty) = ("#".repeat(done as usize), ".".repeat((WIDTH - done) as usize));
    let percent = (100 * job.done).checked_div(job.total).unwrap_or(0).min(99);
    let left = job
        .eta
        .map_or(String::new(), |eta| format!(" {}:{:02} left", eta.as_secs() / 60, eta.as_secs() % 60));
    let more = if more == 0 { String::new() } else { format!(", {more} more") };
    let name: String = text::visible(&job.procedure).chars().take(24).collect();
    format!("{name} [{full}{empty}] {percent:>3}%{left}{more}")
}

/// The answer for people.
fn words(state: &CaseState) -> io::Result<String> {
    let mut out = Vec::new();
    for item in &state.evidence {
        let how = if item.accepted() { "accepted" } else { "refused" };
        writeln!(out, "{:<4} {:<12} {how:<8} {}", item.id, item.role.name(), item.path.shown())?;
    }
    for p in &state.procedures {
        let (how, why) = match &p.status {
            Status::Finished { record, .. } => (record.verdict.name(), record.summary.as_str()),
            Status::Skipped(why) => ("skipped", why.as_str()),
            Status::Failed(why) => ("failed", why.as_str()),
            Status::Stopped { .. } => ("stopped", ""),
            Status::Queued | Status::Running => ("unfinished", ""),
        };
        writeln!(out, "{:<22} {how:<13} {}", text::visible(&p.id), text::visible(why))?;
    }
    replay::standing(state, &mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::safetensors::{Stored, write};
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        scan: Scan,
    }

    fn parse(args: &[&str]) -> Result<Scan, clap::Error> {
        Line::try_parse_from([&["scan"], args].concat()).map(|l| l.scan)
    }

    /// Exit code, standard output and progress of a scan.
    fn scanned(args: &[&str]) -> (Result<u8, ScanError>, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let stop = AtomicBool::new(false);
        let mut streams = Streams { out: &mut out, err: &mut err, bar: true, stop: &stop };
        let code = run(&parse(args).unwrap(), &mut streams);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// A data set of eight images of two classes, all of one brightness.
    fn images(path: &std::path::Path, brightness: u8) {
        let images = ndarray::Array4::<u8>::from_elem((8, 1, 4, 4), brightness).into();
        let labels = ndarray::Array1::from_iter((0..8i64).map(|i| i % 2)).into();
        let arrays: [(&str, &Stored); 2] = [("images", &images), ("labels", &labels)];
        std::fs::write(path, write(arrays, &BTreeMap::new()).unwrap()).unwrap();
    }

    #[test]
    fn arguments_are_the_contracts() {
        let scan =
            parse(&["m.onnx", "--only", "a,b", "--phase", "triage,impact", "--fail-on", "high"]).unwrap();
        assert_eq!(scan.only, ["a", "b"]);
        assert_eq!(scan.phase, [Phase::Triage, Phase::Impact]);
        assert_eq!((scan.fail_on, scan.effort, scan.seed), (Severity::High, Effort::Standard, 0));
        assert_eq!(parse(&["m.onnx"]).unwrap().fail_on, Severity::Medium);
        assert!(parse(&[]).is_err() && parse(&["m", "--effort", "huge"]).is_err());
    }

    #[test]
    fn a_scan_of_a_file_answers_in_json_and_a_changed_file_never_passes_as_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train\u{202e}.safetensors");
        let session = folder.path().join("session");
        images(&file, 3);
        let sha256 = crate::case::line::sha256(&std::fs::read(&file).unwrap());
        let args = [
            file.to_str().unwrap(),
            "--session",
            session.to_str().unwrap(),
            "--format",
            "json",
            "--phase",
            "triage",
        ];
        let (code, out, err) = scanned(&args);
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["schema"], "laocoon.scan/1");
        assert_eq!(answer["evidence"][0]["sha256"], sha256);
        assert!(answer["procedures"].as_array().unwrap().iter().any(|p| p["id"] == "integrity"), "{out}");
        assert_eq!(answer["complete"], true, "{out}");
        assert_eq!(code.unwrap(), gate::PASS);
        assert!(!err.contains('\u{202e}') && err.contains("integrity"), "{err:?}");
        // The same session again is the same answer, without running anything again.
        let (code, again, _) = scanned(&args);
        let again: serde_json::Value = serde_json::from_str(&again).unwrap();
        assert_eq!((code.unwrap(), &again["procedures"]), (gate::PASS, &answer["procedures"]));
        images(&file, 4);
        let (code, out, _) = scanned(&args);
        assert_eq!(code.unwrap(), gate::INCOMPLETE, "{out}");
        assert_eq!(scanned(&[&args[..], &["--allow-incomplete"]].concat()).0.unwrap(), gate::PASS);
        let mut replayed = Vec::new();
        replay::plain(&crate::case::Session::open(&session).unwrap(), &mut replayed).unwrap();
        let replayed = String::from_utf8(replayed).unwrap();
        assert!(
            replayed.contains("E1 changed") && replayed.contains("head ") && !replayed.contains('\u{202e}')
        );
    }

    #[test]
    fn wrong_paths_are_errors_and_make_no_session() {
        let folder = tempfile::tempdir().unwrap();
        let session = folder.path().join("session");
        let gone = folder.path().join("gone.onnx");
        let (code, out, _) = scanned(&[gone.to_str().unwrap(), "--session", session.to_str().unwrap()]);
        assert!(matches!(&code, Err(ScanError::Case(e)) if e.to_string().contains("gone.onnx")), "{code:?}");
        assert!(out.is_empty() && !session.exists());
    }

    #[test]
    fn a_signal_stops_and_an_interrupted_scan_is_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.safetensors");
        images(&file, 3);
        let session = folder.path().join("session");
        let scan = parse(&[file.to_str().unwrap(), "--session", session.to_str().unwrap()]).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let stop = AtomicBool::new(true);
        let mut streams = Streams { out: &mut out, err: &mut err, bar: false, stop: &stop };
        assert_eq!(run(&scan, &mut streams).unwrap(), gate::INCOMPLETE);
        assert!(String::from_utf8(out).unwrap().contains("incomplete"));
    }
}
