//! `laocoon [open] PATH`: the workbench.

use super::{CaseOptions, Exit, Usage, print, progress::Progress, say, session_dir, target};
use crate::evidence::Limits;
use crate::investigation::{Investigation, Options};
use crate::tui;
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `laocoon open PATH`.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// A case folder, case.toml, model file, data set, or session folder. Without it: a list to pick from.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    #[command(flatten)]
    options: CaseOptions,
    /// Linear text instead of a screen: runs everything, then prints every pane.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    look: LookArgs,
}

/// How the screen looks.
#[derive(Debug, Clone, Default, Args)]
pub struct LookArgs {
    /// Colours: auto follows the terminal and NO_COLOR.
    #[arg(long, value_enum, default_value_t = ColorArg::Auto, value_name = "WHEN")]
    color: ColorArg,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorArg {
    /// The terminal's 16 colours, none when NO_COLOR is set.
    #[default]
    Auto,
    /// Colours even when NO_COLOR is set.
    Always,
    /// None: marks and words only.
    Never,
}

impl LookArgs {
    /// The workbench's theme.
    pub fn theme(&self) -> tui::Theme {
        match self.color {
            ColorArg::Always => tui::Theme::terminal(),
            ColorArg::Never => tui::Theme::mono(),
            ColorArg::Auto if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => tui::Theme::mono(),
            ColorArg::Auto => tui::Theme::terminal(),
        }
    }
}

/// Opens the workbench.
pub fn run(args: OpenArgs) -> anyhow::Result<Exit> {
    let screen = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !screen && !args.plain {
        return Err(Usage(
            "the workbench needs a terminal; without one use `laocoon scan PATH`, or --plain".into(),
        )
        .into());
    }
    let path = match args.path.clone() {
        Some(path) => path,
        None if args.plain => return Err(Usage("--plain needs a PATH".into()).into()),
        None => match pick(&args.look)? {
            Some(path) => path,
            None => return Ok(Exit::Pass),
        },
    };
    let mut investigation = investigate(&path, &args.options)?;
    if args.plain {
        investigation.run_all()?;
        let mut progress = Progress::new();
        while !investigation.finished() {
            investigation.wait(Duration::from_millis(100));
            progress.show(&investigation);
        }
        progress.end(&investigation);
        return print(&tui::plain(&investigation.state(), investigation.blobs()));
    }
    let (folder, head) = tui::run(investigation, args.look.theme())?;
    say(&format!("session: {} (head {head})", folder.display()));
    Ok(Exit::Pass)
}

fn investigate(path: &Path, options: &CaseOptions) -> anyhow::Result<Investigation> {
    if session_dir::is_session(path) {
        return Ok(Investigation::resume(path, options.threads, Limits::default())?);
    }
    let case = target::case(&[path.to_owned()], options)?;
    let session = match &options.session {
        Some(dir) => dir.clone(),
        None => session_dir::of_case(&case)?,
    };
    Ok(Investigation::open(Options::from_cli(case, session, options))?)
}

/// Recent sessions, then the shipped sample cases.
fn pick(look: &LookArgs) -> anyhow::Result<Option<PathBuf>> {
    let mut entries: Vec<tui::PickEntry> = session_dir::recent()
        .into_iter()
        .take(20)
        .filter_map(|path| {
            let state = crate::case::Session::open(&path).ok()?.state();
            let title = state.case.as_ref().map_or_else(String::new, |case| case.title.clone());
            let line = format!("{title} · {} findings · {} events", state.findings.len(), state.events);
            Some(tui::PickEntry { group: "recent sessions", path, line })
        })
        .collect();
    for path in sample_cases() {
        let Ok(case) = target::case(std::slice::from_ref(&path), &CaseOptions::default()) else { continue };
        entries.push(tui::PickEntry { group: "sample cases", path, line: case.title });
    }
    Ok(tui::pick(entries, look.theme())?)
}

/// The shipped cases: beside the current folder, or beside the program and the folders above it.
fn sample_cases() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let folders = std::iter::once(PathBuf::from(".")).chain(program.ancestors().skip(1).map(Path::to_owned));
    for folder in folders.take(6) {
        let Ok(entries) = std::fs::read_dir(folder.join("sample-cases")) else { continue };
        let mut cases: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.join("case.toml").is_file()).collect();
        cases.sort();
        return cases;
    }
    Vec::new()
}
