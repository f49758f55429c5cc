//! `laocoon diff`: two sessions side by side.

use super::{Exit, Usage, deliver, say, session_dir};
use crate::case::diff::{Diff, Pair, diff};
use crate::case::{Blobs, Session};
use crate::figure::rows;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

/// `laocoon diff SESSION SESSION`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first session (before): a folder or a bundle.
    a: PathBuf,
    /// The second session (after).
    b: PathBuf,
    /// Output format.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    format: DiffFormat,
    /// Also the figures that differ, as plain rows.
    #[arg(long)]
    figures: bool,
    /// Write to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people.
    Text,
    /// Schema `laocoon.diff/1`.
    Json,
}

/// Compares two sessions: 0 when what was found is the same, 1 when it is not.
pub fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let (a, b) = (session_dir::located(&args.a)?, session_dir::located(&args.b)?);
    let open = |path: &std::path::Path| Session::open(path).map_err(|e| Usage(e.to_string()));
    let (one, other) = (open(a.path())?, open(b.path())?);
    for warning in one.warnings().iter().chain(other.warnings()) {
        say(&format!("warning: {warning}"));
    }
    let found = diff(&one.state(), &other.state());
    let text = match args.format {
        DiffFormat::Json => format!("{:#}\n", found.json()),
        DiffFormat::Text => text(&found, args.figures.then_some((one.blobs(), other.blobs())))?,
    };
    deliver(args.output.as_deref(), text.as_bytes())?;
    Ok(if found.same() { Exit::Pass } else { Exit::Found })
}

fn text(found: &Diff, blobs: Option<(&Blobs, &Blobs)>) -> anyhow::Result<String> {
    let mut out = String::new();
    section(&mut out, "setting", &found.setting)?;
    section(&mut out, "assessment", &found.assessment)?;
    for (title, lines) in [("findings gone", &found.gone), ("new findings", &found.new)] {
        for line in lines {
            writeln!(out, "{title}: {line}")?;
        }
    }
    for p in &found.procedures {
        if p.same() {
            writeln!(out, "\n{}: the same", p.id)?;
            continue;
        }
        writeln!(out)?;
        let rows: Vec<Pair> = p.standing.iter().chain(&p.measures).filter(|p| !p.same()).cloned().collect();
        section(&mut out, &p.id, &rows)?;
        for figure in p.figures.iter().filter(|f| !f.same()) {
            writeln!(out, "  figure {} differs", figure.name)?;
            let Some((a, b)) = blobs else { continue };
            for (name, blobs, hash) in [("a", a, &figure.a), ("b", b, &figure.b)] {
                let Some(hash) = hash.as_str() else { continue };
                match blobs.figure(hash) {
                    Ok(figure) => {
                        writeln!(out, "    {name}: {}", figure.title)?;
                        for row in rows::plain(&figure).lines() {
                            writeln!(out, "      {row}")?;
                        }
                    }
                    Err(e) => writeln!(out, "    {name}: {e}")?,
                }
            }
        }
    }
    Ok(out)
}

fn section(out: &mut String, title: &str, pairs: &[Pair]) -> std::fmt::Result {
    writeln!(out, "{title}")?;
    for pair in pairs {
        let mark = if pair.same() { ' ' } else { '*' };
        let change = pair.change().filter(|d| *d != 0.0).map_or(String::new(), |d| format!("  ({d:+.4})"));
        writeln!(out, "{mark} {:<24} {:<34} {}{change}", pair.name, short(&pair.a), short(&pair.b))?;
    }
    Ok(())
}

/// A value in a cell: arrays by their length and ends.
fn short(value: &Value) -> String {
    let plain = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.len() > 4 => format!(
            "[{}, … {}] of {}",
            short(all.first().unwrap_or(&Value::Null)),
            short(all.last().unwrap_or(&Value::Null)),
            all.len()
        ),
        Value::Number(n) => {
            n.as_f64().filter(|x| x.fract() != 0.0).map_or(n.to_string(), |x| format!("{x:.4}"))
        }
        other => other.to_string(),
    };
    let cut: String = plain.chars().take(34).collect();
    crate::evidence::text::visible(&if cut.len() < plain.len() { format!("{}…", &cut) } else { cut })
}
