//! `laocoon replay`: a saved session, step by step, read-only; the model is not needed.

use super::{Exit, Usage, open::LookArgs, print, say, session_dir};
use crate::case::Session;
use crate::tui::{self, Replay};
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;

/// `laocoon replay SESSION`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The session: a folder or a bundle.
    session: PathBuf,
    /// Print it instead: the timeline, then every pane as it stands at the end.
    #[arg(long)]
    plain: bool,
    /// Start after this many events instead of at the end.
    #[arg(long, value_name = "N")]
    at: Option<usize>,
    #[command(flatten)]
    look: LookArgs,
}

/// Replays a session.
pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let located = session_dir::located(&args.session)?;
    let session = Session::open(located.path()).map_err(|error| Usage(error.to_string()))?;
    for warning in session.warnings() {
        say(&format!("warning: {warning}"));
    }
    let mut replay = Replay::new(session);
    if let Some(n) = args.at {
        replay.go_to(n);
    }
    if args.plain {
        return print(&tui::plain(&replay));
    }
    if !std::io::stdout().is_terminal() {
        return Err(Usage("replay needs a terminal; without one use --plain".into()).into());
    }
    Ok(Exit::left(tui::show(Box::new(replay), &args.look.options(None)?)?))
}
