//! `explain`, `list`, `info`: what the program can do, from the procedures' own descriptions.

use super::{Exit, Usage, print, session_dir};
use crate::procedure::{Cost, Phase};
use crate::registry;
use crate::report::json;
use clap::Args;
use std::fmt::Write;

/// `laocoon explain ID`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Procedure id, as in `laocoon list`; or `laocoon.scan/1` for the schema of the JSON report.
    id: String,
}

/// Prints a procedure's page.
pub fn page(args: &ExplainArgs) -> anyhow::Result<Exit> {
    if args.id == json::SCHEMA {
        return print(json::SCHEMA_TEXT);
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

/// Prints where things are and what this build can do.
pub fn info() -> anyhow::Result<Exit> {
    let mut out = String::new();
    writeln!(out, "laocoon {} ({})", env!("CARGO_PKG_VERSION"), crate::case::build())?;
    let sessions = session_dir::home().map_or_else(|e| e.to_string(), |p| p.display().to_string());
    writeln!(out, "sessions    {sessions}")?;
    writeln!(out, "threads     {}", std::thread::available_parallelism().map_or(1, std::num::NonZero::get))?;
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| "not set".into());
    writeln!(
        out,
        "terminal    TERM {}, COLORTERM {}, NO_COLOR {}",
        var("TERM"),
        var("COLORTERM"),
        var("NO_COLOR")
    )?;
    writeln!(
        out,
        "linear algebra  {}",
        if cfg!(feature = "lapack") { "LAPACK (exact)" } else { "pure Rust" }
    )?;
    writeln!(out, "procedures  {}", registry::all().len())?;
    print(&crate::evidence::text::visible(&out).replace("\\n", "\n"))
}
