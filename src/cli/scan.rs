//! `laocoon scan`: the investigation without a screen; the CI gate and the batch job.

use super::{
    CaseOptions, Exit, bounds, deliver,
    gate::{self, GateOptions},
    progress::Progress,
    say, session_dir, target,
};
use crate::investigation::{Investigation, Options};
use crate::report::{self, Format, Under};
use clap::Args;
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
    pub(super) options: CaseOptions,
    /// Output format.
    #[arg(long, value_parser = gate::formats(), default_value = "text")]
    format: Format,
    /// Write the result to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    gate: GateOptions,
}

/// Runs the investigation to its end, or to a signal, and reports it.
pub fn run(args: &ScanArgs) -> anyhow::Result<Exit> {
    // Wrong terms are found out before the work, not after it.
    let mut under = args.gate.under()?;
    under.root = under.root.or_else(report::here);
    let mut investigation = start(args)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // A second signal of the kind ends at once; everything journaled is on disk already.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    bounds::record(&mut investigation, &args.options);
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
    record_waivers(&mut investigation, &under);
    let state = investigation.state();
    let text = report::render_under(args.format, &state, investigation.blobs(), &under);
    deliver(args.output.as_deref(), text.as_bytes())?;
    // What is not on disk did not happen, whatever else is allowed.
    let saved = investigation.trouble().is_none() && investigation.read_only().is_none();
    under.terms.allow_incomplete &= saved;
    Ok(match Exit::of(crate::case::gate::rule(&state, &under.terms).code) {
        Exit::Pass if !saved => Exit::Incomplete,
        exit => exit,
    })
}

/// Writes into the journal what is let pass, once.
fn record_waivers(investigation: &mut Investigation, under: &Under) {
    let state = investigation.state();
    for line in gate::applied(&report::ledger(&state, under)) {
        if !state.notes.iter().any(|(_, note)| *note == line)
            && let Err(why) = investigation.note(&line)
        {
            say(&format!("warning: the waiver could not be recorded: {why}"));
        }
    }
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
