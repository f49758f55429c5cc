//! `explain`, `list`, `info`: what the program can do, from the procedures' own descriptions.

use super::{CaseOptions, Exit, Usage, open, print, session_dir, target};
use crate::evidence::{ItemState, Limits};
use crate::investigation::{Loaded, load};
use crate::procedure::{Case, Cost, Earlier, Effort, Phase};
use crate::registry;
use crate::report::json;
use crate::tui::pixels::{self, Wanted};
use crate::tui::theme::Theme;
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// `laocoon explain ID`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Procedure id, as in `laocoon list`; `limits` for the table of caps; `laocoon.scan/1` for the schema of the JSON report.
    id: String,
}

/// Prints a procedure's page.
pub fn page(args: &ExplainArgs) -> anyhow::Result<Exit> {
    if args.id == json::SCHEMA {
        return print(json::SCHEMA_TEXT);
    }
    if args.id == "limits" {
        return print(&super::bounds::table()?);
    }
    let Some(procedure) = registry::find(&args.id) else {
        let known: Vec<&str> = registry::all().iter().map(|p| p.about().id).collect();
        return Err(Usage(format!("no procedure '{}'; there are: {}", args.id, known.join(", "))).into());
    };
    print(procedure.about().page)
}

/// Prints all procedures by phase.
pub fn list() -> anyhow::Result<Exit> {
    let mut out = String::new();
    for phase in Phase::ALL {
        writeln!(out, "{}", phase.name())?;
        for about in registry::all().iter().map(|p| p.about()).filter(|a| a.phase == phase) {
            writeln!(out, "  {:<24} {}", about.id, about.question)?;
            writeln!(out, "  {:<24} needs {}; {}", "", about.needs, cost(about.cost))?;
        }
    }
    print(&out)
}

fn cost(cost: Cost) -> &'static str {
    match cost {
        Cost::Instant => "takes milliseconds",
        Cost::Low => "takes seconds",
        Cost::Medium => "takes up to a minute or so",
        Cost::High => "takes minutes",
    }
}

/// `laocoon info [PATH]`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A case folder, case.toml or model: what of the program would apply to it. It is read, and nothing is run.
    path: Option<PathBuf>,
    /// Data to use, as in `laocoon open`.
    #[arg(long, value_name = "PATH")]
    data: Vec<String>,
}

/// Prints where things are, what this build and this terminal can do, and what applies to a case.
pub fn info(args: &InfoArgs) -> anyhow::Result<Exit> {
    let mut out = String::new();
    writeln!(out, "laocoon {} ({})", env!("CARGO_PKG_VERSION"), crate::case::build())?;
    let sessions = session_dir::home().map_or_else(|e| e.to_string(), |p| p.display().to_string());
    writeln!(out, "sessions    {sessions} ({} there)", session_dir::recent().len())?;
    let (mut look, mut symbols, mut wanted) = (None, None, Wanted::default());
    let config = match open::config_path() {
        None => "no home folder to look for it in".to_owned(),
        Some(path) if !path.exists() => {
            format!("{} (not there: the defaults hold; `laocoon config` prints them)", path.display())
        }
        Some(path) => match crate::tui::config::Config::read(&path) {
            Ok(config) => {
                (look, symbols) = (config.look, config.symbols);
                wanted = config.figures.unwrap_or_default();
                format!("{} (read)", path.display())
            }
            Err(why) => format!("WRONG: {why}"),
        },
    };
    writeln!(out, "config      {config}")?;
    writeln!(out, "threads     {}", std::thread::available_parallelism().map_or(1, std::num::NonZero::get))?;
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| "not set".into());
    writeln!(
        out,
        "terminal    TERM {}, COLORTERM {}, NO_COLOR {}",
        var("TERM"),
        var("COLORTERM"),
        var("NO_COLOR")
    )?;
    let theme = Theme::detect(None, |name| std::env::var_os(name)).look(look.unwrap_or_default());
    let theme = symbols.map_or(theme, |symbols| theme.symbols(symbols));
    writeln!(out, "            colours {:?}, symbols {:?}", theme.depth, theme.symbols)?;
    let remote = if std::env::var_os("SSH_CONNECTION").is_some() { "yes" } else { "no" };
    let tmux = if std::env::var_os("TMUX").is_some() {
        "yes (copying needs `set -g set-clipboard on`)"
    } else {
        "no"
    };
    writeln!(out, "            SSH {remote}, tmux {tmux}")?;
    writeln!(out, "            pictures as {}", pixels::ask(wanted, theme).words())?;
    writeln!(
        out,
        "linear algebra  {}",
        if cfg!(feature = "lapack") { "LAPACK (exact)" } else { "pure Rust" }
    )?;
    writeln!(out, "procedures  {}", registry::all().len())?;
    let changed = Limits::in_force().changed().len();
    writeln!(
        out,
        "limits      {} ({changed} not at their usual value): `laocoon explain limits`",
        Limits::in_force().rows().len()
    )?;
    if let Some(path) = &args.path {
        applies(&mut out, path, &args.data)?;
    }
    print(&crate::evidence::text::visible(&out).replace("\\n", "\n"))
}

/// What a case has, and which procedures can run on it; those that read others' outcomes are told of as such.
fn applies(out: &mut String, path: &std::path::Path, data: &[String]) -> anyhow::Result<()> {
    let options = CaseOptions { data: data.to_vec(), ..CaseOptions::default() };
    let case = target::case(&[path.to_owned()], &options)?;
    let Loaded { items, model, data } = load(&case, Limits::in_force());
    writeln!(out, "\ncase {}", case.id)?;
    for item in &items {
        let state = match &item.state {
            ItemState::Accepted => "accepted".to_owned(),
            ItemState::Refused(why) => format!("refused: {why}"),
        };
        writeln!(out, "  {:<4} {:<12} {} {state}", item.id, item.role.name(), item.path.shown())?;
    }
    let case = Case {
        file: case,
        register: items,
        model,
        data,
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    };
    writeln!(out)?;
    for procedure in registry::all() {
        let about = procedure.about();
        let answer = match procedure.plan(&case) {
            Ok(_) => "can run".to_owned(),
            // It may want what these find, which a doctor does not know.
            Err(why) if !about.after.is_empty() => {
                format!("as it stands: {why} (reads {})", about.after.join(", "))
            }
            Err(why) => format!("cannot: {why}"),
        };
        writeln!(out, "  {:<24} {answer}", about.id)?;
    }
    Ok(())
}
