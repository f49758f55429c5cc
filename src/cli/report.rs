//! `laocoon report`: what leaves the workbench. Reads the session alone; the same session gives the same bytes.

use super::{Exit, Usage, deliver, say, session_dir};
use crate::case::Session;
use crate::report::{self, Format};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `laocoon report SESSION`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The session: a folder or a bundle.
    session: PathBuf,
    /// Output format.
    #[arg(long, value_enum)]
    format: FormatArg,
    /// Write to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `--format`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatArg {
    /// One self-contained page.
    Html,
    /// For tickets and wikis.
    Markdown,
    /// Schema `laocoon.scan/1`.
    Json,
}

impl From<FormatArg> for Format {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Html => Format::Html,
            FormatArg::Markdown => Format::Markdown,
            FormatArg::Json => Format::Json,
        }
    }
}

/// Writes the report.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let located = session_dir::located(&args.session)?;
    let session = Session::open(located.path()).map_err(|error| Usage(error.to_string()))?;
    for warning in session.warnings() {
        say(&format!("warning: {warning}"));
    }
    let text = report::render(args.format.into(), &session.state(), session.blobs());
    deliver(args.output.as_deref(), text.as_bytes())?;
    Ok(Exit::Pass)
}
