//! `laocoon report`: what leaves the workbench. Reads the session alone; the same session gives the same bytes.

use super::{Exit, Usage, deliver, gate, say, session_dir};
use crate::case::Session;
use crate::report::{self, Format};
use clap::Args;
use std::path::PathBuf;

/// `laocoon report SESSION`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The session: a folder or a bundle.
    session: PathBuf,
    /// Output format.
    #[arg(long, value_parser = gate::formats())]
    format: Format,
    /// Write to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    gate: gate::GateOptions,
}

/// Writes the report.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let under = args.gate.under()?;
    let located = session_dir::located(&args.session)?;
    let session = Session::open(located.path()).map_err(|error| Usage(error.to_string()))?;
    for warning in session.warnings() {
        say(&format!("warning: {warning}"));
    }
    let text = report::render_under(args.format, &session.state(), session.blobs(), &under);
    deliver(args.output.as_deref(), text.as_bytes())?;
    Ok(Exit::Pass)
}
