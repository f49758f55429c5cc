//! `laocoon lab calibrate`: the calibration table of the model detectors, and the document made from it.

use crate::cli::{Exit, say};
use crate::detect::calibration::{self, Row, Table, document, measure};
use crate::detect::model_verdict;
use crate::evidence::{CaseFile, ItemState, Limits};
use crate::investigation::load;
use crate::procedure::{Case, Earlier, Effort};
use anyhow::{Context as _, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Success of a trigger below which a model says nothing about detectors.
pub(super) const TAKEN: f64 = 0.5;

/// `laocoon lab calibrate FOLDER… --out FILE`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Folders of known cases: each with `model-only.toml` or `case.toml`, and `truth.json`. None: only the document is made
    /// again.
    folders: Vec<PathBuf>,
    /// The table; what its rows have already is kept, detectors that they lack are measured.
    #[arg(long, value_name = "FILE", default_value = "src/detect/calibration/table.json")]
    out: PathBuf,
    /// The document made from it.
    #[arg(long, value_name = "FILE", default_value = "docs/detectors.md")]
    document: PathBuf,
    /// Measure again what the table has already.
    #[arg(long)]
    again: bool,
    /// Seed of the detectors.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Measures what is missing, a row at a time, and writes table and document.
pub fn run(args: &CalibrateArgs) -> anyhow::Result<Exit> {
    let mut table = match std::fs::read_to_string(&args.out) {
        Ok(text) => Table::parse(&text).map_err(|e| anyhow::anyhow!("{}: {e}", args.out.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Table {
            schema: calibration::SCHEMA.into(),
            made_by: String::new(),
            rows: Vec::new(),
            left_out: Vec::new(),
        },
        Err(e) => return Err(e).with_context(|| args.out.display().to_string()),
    };
    table.made_by = "laocoon lab calibrate FOLDER…".into();
    for folder in &args.folders {
        let name = name(folder);
        let before = table.rows.iter().find(|r| r.model == name && !args.again);
        // How it was made is known better by the zoo that made it.
        let made = before.and_then(|r| r.made.clone());
        let before = before.map(|r| r.detectors.clone()).unwrap_or_default();
        let Some(row) = row(folder, &name, args.seed, before)? else {
            say(&format!("{name}: left out, its trigger did not take (success below {TAKEN})"));
            continue;
        };
        table.rows.retain(|r| r.model != name);
        table.rows.push(Row { made: made.or(row.made.clone()), ..row });
        table.rows.sort_by(|a, b| a.model.cmp(&b.model));
        write(&args.out, &table.text()?)?;
    }
    write(&args.out, &table.text()?)?;
    write(&args.document, &document::document(&table, model_verdict::FLAGGED, model_verdict::DOUBT))?;
    Ok(Exit::Pass)
}

/// The last part of the folder's path.
fn name(folder: &Path) -> String {
    folder.file_name().map(|n| crate::evidence::text::visible(&n.to_string_lossy())).unwrap_or_default()
}

/// The row of a folder with a known case; `None` when its trigger did not take.
#[expect(clippy::disallowed_methods, reason = "the document has a column of seconds")]
pub(super) fn row(
    folder: &Path,
    name: &str,
    seed: u64,
    before: BTreeMap<String, calibration::Seen>,
) -> anyhow::Result<Option<calibration::Row>> {
    let truth = folder.join("truth.json");
    let truth = std::fs::read_to_string(&truth).with_context(|| truth.display().to_string())?;
    let truth = measure::Truth::parse(&truth).map_err(|e| anyhow::anyhow!("{name}: truth.json: {e}"))?;
    if truth.family.is_some() && truth.success.is_some_and(|s| s < TAKEN) {
        return Ok(None);
    }
    let alone = folder.join("model-only.toml");
    let file = if alone.is_file() { alone } else { folder.join("case.toml") };
    let file = CaseFile::read(&file, Limits::in_force())?;
    let loaded = load(&file, Limits::in_force());
    if let Some(why) = loaded.items.iter().find_map(|i| match &i.state {
        ItemState::Refused(why) => Some(why),
        ItemState::Accepted => None,
    }) {
        bail!("{name}: {why}");
    }
    let case = Case {
        file,
        register: loaded.items,
        model: loaded.model,
        data: loaded.data,
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    };
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let row = measure::measure(name, &truth, &case, (seed, before), &clock, &mut |_| Ok(()))?;
    say(&format!("{name}: {:.0} s", clock()));
    Ok(Some(row))
}

/// Writes a file, making its folder.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
