//! `laocoon scan`: the investigation without a screen; the CI gate and the batch job.

use super::{CaseOptions, Exit, SeverityArg, deliver, progress::Progress, session_dir, target};
use crate::case::gate;
use crate::investigation::{Investigation, Options};
use crate::procedure::Severity;
use crate::report;
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `laocoon scan PATH…`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// A case folder, case.toml, model file, data set, or session folder to continue.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: CaseOptions,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    format: ScanFormat,
    /// Write the result to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 on a finding of this severity or above.
    #[arg(long, value_enum, default_value_t = SeverityArg::Medium, value_name = "SEVERITY")]
    fail_on: SeverityArg,
    /// Exit with 0 instead of 3 when something planned did not finish.
    #[arg(long)]
    allow_incomplete: bool,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    /// For people.
    Text,
    /// Schema `laocoon.scan/1`.
    Json,
}

/// Runs the investigation to its end, or to a signal, and reports it.
pub fn run(args: &ScanArgs) -> anyhow::Result<Exit> {
    let mut investigation = start(args)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // A second signal of the kind ends at once; everything journaled is on disk already.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let (mut progress, mut stopping) = (Progress::new(), false);
    while !investigation.finished() {
        if stop.load(Ordering::Relaxed) && !stopping {
            stopping = true;
            investigation.stop_all();
        }
        investigation.wait(Duration::from_millis(100));
        progress.show(&investigation);
    }
    if !stopping {
        investigation.check_evidence(true);
    }
    progress.end(&investigation);
    let state = investigation.state();
    let text = match args.format {
        ScanFormat::Text => report::text::write(&state),
        ScanFormat::Json => report::json::text(&state),
    };
    deliver(args.output.as_deref(), text.as_bytes())?;
    // What is not on disk did not happen, whatever else is allowed.
    let saved = investigation.trouble().is_none() && investigation.read_only().is_none();
    let code = gate::exit_code(&state, Severity::from(args.fail_on), args.allow_incomplete && saved);
    Ok(match Exit::of(code) {
        Exit::Pass if !saved => Exit::Incomplete,
        exit => exit,
    })
}

fn start(args: &ScanArgs) -> anyhow::Result<Investigation> {
    if let [path] = args.paths.as_slice()
        && session_dir::is_session(path)
    {
        let mut investigation = Investigation::resume(path, args.options.desk())?;
        investigation.run_all()?;
        return Ok(investigation);
    }
    let case = target::case(&args.paths, &args.options)?;
    let session = match &args.options.session {
        Some(dir) => dir.clone(),
        None => session_dir::fresh(&case)?,
    };
    let mut investigation = Investigation::open(Options::from_cli(case, session, &args.options))?;
    investigation.run_all()?;
    Ok(investigation)
}
