//! `laocoon lab zoo` and `laocoon lab merge`: many models of known truth, and how often detectors err on them.
//!
//! ```text
//! OUT/recipe.json          what the recipe says, data sets in files by their digests
//! OUT/models/NAME/…        a known case: model, clean images, case.toml, truth.json
//! OUT/rows/NAME.json       what the detectors said: the record that makes a run resumable
//! ```
//!
//! A record is written whole or not at all, and names the digest of what it depends on. So a run can be stopped at any
//! moment and started again, and several machines can share a folder, or bring theirs together with `merge`.

use super::calibrate::{TAKEN, row, write};
use super::data;
use crate::cli::{Exit, Usage, say};
use crate::detect::calibration::{self, LeftOut, Origin, Row, Table, document};
use crate::detect::model_verdict;
use crate::evidence::{Limits, intake::read_text};
use crate::lab::specimen::{dataset_bytes, json_bytes, sha256};
use crate::lab::zoo::{Entry, SHIPPED, Sets, Shard, ZooRecipe, make};
use crate::network::description::Description;
use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The id of a record's form.
const SCHEMA: &str = "laocoon.zoo-row/1";

/// `laocoon lab zoo RECIPE --out DIR`.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub struct ZooArgs {
    /// The recipe (TOML), or the name of one that comes with the program.
    recipe: PathBuf,
    /// Folder of the zoo: models, records, table. One that is there already is gone on with.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only each Nth model, from the Ith: for several machines. `lab merge` makes the table.
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Computing threads; results do not depend on it [default: all cores].
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Only make the models; do not examine them.
    #[arg(long)]
    no_scan: bool,
    /// Only list the models of the recipe.
    #[arg(long)]
    list: bool,
}

/// `laocoon lab merge DIR…`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Folders of one or several zoos, or of shards of one.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// A table whose other rows are kept.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// The table [default: table.json in the first folder].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The document made from it [default: error-rates.md in the first folder].
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

fn after_help() -> String {
    let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    format!("Recipes that come with the program: {}.", names.join(", "))
}

/// What is known of one model.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: String,
    /// Digest of the entry it was made from.
    entry: String,
    /// What the detectors said; absent when the model was left out.
    #[serde(default)]
    row: Option<Row>,
    /// Why it was left out.
    #[serde(default)]
    left_out: Option<String>,
}

/// Makes and examines what is missing, a model at a time.
pub(super) fn run(args: &ZooArgs) -> anyhow::Result<Exit> {
    let (recipe, folder) = read(&args.recipe)?;
    let recipe = settled(recipe, &folder)?;
    let entries = recipe.entries().map_err(|e| Usage(e.to_string()))?;
    if args.list {
        let mut lines = String::new();
        for (n, e) in entries.iter().enumerate() {
            let _ = writeln!(lines, "{}\t{}\t{}", n + 1, e.name, e.digest());
        }
        return crate::cli::print(&lines);
    }
    let shard =
        args.shard.as_deref().map(str::parse::<Shard>).transpose().map_err(|e| Usage(e.to_string()))?;
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global().ok();
    write_whole_in(&args.out.join("recipe.json"), &json_bytes(&recipe)?)?;
    say(&format!("zoo '{}', {} models, recipe {}", recipe.name, entries.len(), recipe.digest()));
    let mine: Vec<(usize, &Entry)> =
        entries.iter().enumerate().filter(|(n, _)| shard.is_none_or(|s| s.has(*n))).collect();
    let mut sets = SetsByName { folder, known: BTreeMap::new() };
    let mut failed = 0;
    for (k, (_, entry)) in mine.iter().enumerate() {
        let place = format!("{} ({} of {})", entry.name, k + 1, mine.len());
        match one(args, entry, &mut sets) {
            Ok(told) => say(&format!("{place}: {told}")),
            Err(error) => {
                failed += 1;
                say(&format!("{place}: failed: {error:#}"));
            }
        }
    }
    if failed > 0 {
        say(&format!("{failed} of {} models failed; the same command tries them again", mine.len()));
        return Ok(Exit::Incomplete);
    }
    if args.no_scan {
        return Ok(Exit::Pass);
    }
    if shard.is_some() {
        say(&format!("the table of all shards: laocoon lab merge {}", args.out.display()));
        return Ok(Exit::Pass);
    }
    merge(&MergeArgs { folders: vec![args.out.clone()], keep: None, out: None, document: None })
}

/// The recipe of a file or of the program, and the folder that its paths are relative to.
fn read(path: &Path) -> anyhow::Result<(ZooRecipe, PathBuf)> {
    let shipped = SHIPPED.iter().find(|(name, _)| path == Path::new(name) && !path.exists());
    let (text, folder) = match shipped {
        Some((_, text)) => ((*text).to_owned(), PathBuf::new()),
        None => {
            (read_text(path, Limits::in_force())?.1, path.parent().map(Path::to_owned).unwrap_or_default())
        }
    };
    let recipe = ZooRecipe::parse(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
    Ok((recipe, folder))
}

/// The recipe with what lies in files: networks as they are written there, data sets by their digests.
fn settled(mut recipe: ZooRecipe, folder: &Path) -> anyhow::Result<ZooRecipe> {
    for (name, source) in &mut recipe.data {
        let Some(path) = &source.path else { continue };
        let set = data(&folder.join(path))?;
        let digest = sha256(&dataset_bytes(&set)?);
        if source.sha256.as_ref().is_some_and(|given| *given != digest) {
            return Err(
                Usage(format!("data set '{name}': its SHA-256 is {digest}, not that of the recipe")).into()
            );
        }
        source.sha256 = Some(digest);
    }
    for network in recipe.network.values_mut() {
        if let Some(path) = network.get("path").and_then(Value::as_str) {
            let (_, text) = read_text(&folder.join(path), Limits::in_force())?;
            *network = serde_json::from_str(&Description::parse(&text)?.to_json()?)?;
        }
    }
    Ok(recipe)
}

/// Data sets, each drawn or read once.
struct SetsByName {
    folder: PathBuf,
    known: BTreeMap<String, Sets>,
}

impl SetsByName {
    fn of(&mut self, entry: &Entry) -> anyhow::Result<&Sets> {
        if !self.known.contains_key(&entry.data) {
            let given = entry.source.path.as_ref().map(|p| data(&self.folder.join(p))).transpose()?;
            let sets = entry.source.sets(given.as_ref(), entry.data_seed)?;
            self.known.insert(entry.data.clone(), sets);
        }
        self.known.get(&entry.data).context("the data set is gone")
    }
}

fn record_path(out: &Path, name: &str) -> PathBuf {
    out.join("rows").join(format!("{name}.json"))
}

/// The record of an entry, if there is one of this very entry.
fn recorded(out: &Path, entry: &Entry) -> Option<Record> {
    let text = std::fs::read_to_string(record_path(out, &entry.name)).ok()?;
    let record: Record = serde_json::from_str(&text).ok()?;
    (record.schema == SCHEMA && record.entry == entry.digest()).then_some(record)
}

/// Makes and examines one model, as far as that is not done.
#[expect(clippy::disallowed_methods, reason = "the document says how long it took")]
fn one(args: &ZooArgs, entry: &Entry, sets: &mut SetsByName) -> anyhow::Result<String> {
    if recorded(&args.out, entry).is_some() {
        return Ok("done before".into());
    }
    let folder = args.out.join("models").join(&entry.name);
    let start = Instant::now();
    let mut told = if made_before(&folder, entry).is_some() {
        "made before".to_owned()
    } else {
        let made = make(entry, sets.of(entry)?, &mut |_| std::ops::ControlFlow::Continue(()))?;
        let seconds = start.elapsed().as_secs_f64();
        for (name, bytes) in &made.files {
            if *name == "truth.json" {
                let mut truth: Value = serde_json::from_slice(bytes)?;
                truth["seconds"] = seconds.round().into();
                write_whole_in(&folder.join(name), &json_bytes(&truth)?)?;
            } else {
                write_whole_in(&folder.join(name), bytes)?;
            }
        }
        let success = made.attack_success.map_or_else(String::new, |s| format!(", success {s:.3}"));
        format!("accuracy {:.3}{success}, {seconds:.0} s", made.clean_accuracy)
    };
    if args.no_scan {
        return Ok(told);
    }
    let start = Instant::now();
    let row = row(&folder, &entry.name, 0, BTreeMap::new())?;
    let _ = write!(told, ", examined in {:.0} s", start.elapsed().as_secs_f64());
    let seconds = made_before(&folder, entry).and_then(|t| t["seconds"].as_f64());
    let row = row.map(|row| Row { made: row.made.map(|m| Origin { seconds, ..m }), ..row });
    let left_out = row.is_none().then(|| format!("its trigger did not take (success below {TAKEN})"));
    if let Some(why) = &left_out {
        let _ = write!(told, ", left out: {why}");
    }
    let record = Record { schema: SCHEMA.into(), entry: entry.digest(), row, left_out };
    write_whole_in(&record_path(&args.out, &entry.name), &json_bytes(&record)?)?;
    Ok(told)
}

/// The truth of a model that is whole and of this very entry.
fn made_before(folder: &Path, entry: &Entry) -> Option<Value> {
    let truth = std::fs::read(folder.join("truth.json")).ok()?;
    let truth: Value = serde_json::from_slice(&truth).ok()?;
    (truth["entry"] == entry.digest()).then_some(truth)
}

/// Writes a file whole or not at all, making its folder. Several shards may write the same file at once.
fn write_whole_in(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let put = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file =
            tempfile::Builder::new().prefix(".laocoon").permissions(permissions()).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    put().with_context(|| path.display().to_string())
}

/// Those of ordinary files, less what the user's mask takes: shards of other users are to read them too.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

/// Brings the records of zoos together: table and document.
pub(super) fn merge(args: &MergeArgs) -> anyhow::Result<Exit> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut left_out: BTreeMap<String, LeftOut> = BTreeMap::new();
    let mut wanted: BTreeMap<String, Entry> = BTreeMap::new();
    let mut recipes: BTreeMap<String, String> = BTreeMap::new();
    for folder in &args.folders {
        let path = folder.join("recipe.json");
        let (_, text) = read_text(&path, Limits::in_force())?;
        let recipe: ZooRecipe =
            serde_json::from_str(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
        for entry in recipe.entries().map_err(|e| Usage(format!("{}: {e}", path.display())))? {
            recipes.insert(entry.name.clone(), recipe.digest());
            if let Some(other) = wanted.insert(entry.name.clone(), entry.clone()).filter(|o| *o != entry) {
                return Err(Usage(format!("{}: the folders mean different models", other.name)).into());
            }
        }
    }
    for (name, entry) in &wanted {
        for record in args.folders.iter().filter_map(|folder| recorded(folder, entry)) {
            if let Some(row) = record.row {
                let recipe = recipes.get(name).cloned();
                let row = Row { made: row.made.map(|m| Origin { recipe, ..m }), ..row };
                rows.insert(name.clone(), row);
            }
            if let Some(why) = record.left_out {
                left_out.insert(name.clone(), LeftOut { model: name.clone(), why });
            }
        }
    }
    let missing: Vec<&str> = wanted
        .keys()
        .filter(|name| !rows.contains_key(*name) && !left_out.contains_key(*name))
        .map(String::as_str)
        .collect();
    let mut made_by = "laocoon lab merge DIR…".to_owned();
    if let Some(path) = &args.keep {
        let text = read_text(path, Limits::in_force())?.1;
        let kept = Table::parse(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
        if !kept.made_by.is_empty() && kept.made_by != made_by {
            made_by = format!(
                "{}; {made_by}",
                kept.made_by.split("; laocoon lab merge").next().unwrap_or_default()
            );
        }
        for row in kept.rows {
            rows.entry(row.model.clone()).or_insert(row);
        }
        for left in kept.left_out.into_iter().filter(|l| !wanted.contains_key(&l.model)) {
            left_out.insert(left.model.clone(), left);
        }
    }
    let table = Table {
        schema: calibration::SCHEMA.into(),
        made_by,
        rows: rows.into_values().collect(),
        left_out: left_out.into_values().collect(),
    };
    let first = args.folders.first().map_or(Path::new(""), PathBuf::as_path);
    let out = args.out.clone().unwrap_or_else(|| first.join("table.json"));
    let text = args.document.clone().unwrap_or_else(|| first.join("error-rates.md"));
    write(&out, &table.text()?)?;
    write(&text, &document::document(&table, model_verdict::FLAGGED, model_verdict::DOUBT))?;
    say(&format!(
        "{} of {} models, {} rows: {}, {}",
        wanted.len() - missing.len(),
        wanted.len(),
        table.rows.len(),
        out.display(),
        text.display()
    ));
    if missing.is_empty() {
        return Ok(Exit::Pass);
    }
    say(&format!("not done yet: {}", missing.join(", ")));
    Ok(Exit::Incomplete)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"
        schema = "laocoon.zoo/1"
        name = "tiny"
        data.few = { draw = "signs", side = 16, classes = 3, train = 20, clean = 6, fresh = 10 }
        training = { epochs = 12, batch = 8, rate = 0.02 }
        [[model]]
        name = "clean"
        data = ["few"]
        architecture = ["mlp"]
        [[model]]
        name = "patch"
        data = ["few"]
        architecture = ["mlp"]
        attack = { attack = "patch", rate = 0.2, trigger = { kind = "patch", size = 4 } }
        [[model]]
        name = "weak"
        data = ["few"]
        architecture = ["mlp"]
        attack = { attack = "blend", rate = 0.0 }
    "#;

    fn args(folder: &Path, out: &str, shard: Option<&str>) -> ZooArgs {
        ZooArgs {
            recipe: folder.join("recipe.toml"),
            out: folder.join(out),
            shard: shard.map(str::to_owned),
            threads: 0,
            no_scan: false,
            list: false,
        }
    }

    #[test]
    fn shards_come_together_and_nothing_is_done_twice() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::write(folder.join("recipe.toml"), TINY).unwrap();
        assert_eq!(run(&args(folder, "a", Some("1/2"))).unwrap(), Exit::Pass);
        let merge_args = MergeArgs {
            folders: vec![folder.join("a"), folder.join("b")],
            keep: None,
            out: Some(folder.join("table.json")),
            document: Some(folder.join("doc.md")),
        };
        assert!(run(&args(folder, "a", Some("3/2"))).unwrap_err().is::<Usage>());
        // The second machine has another folder; one model of it was made before, and its record was lost.
        assert_eq!(run(&ZooArgs { no_scan: true, ..args(folder, "b", Some("2/2")) }).unwrap(), Exit::Pass);
        assert_eq!(merge(&merge_args).unwrap(), Exit::Incomplete);
        let model = folder.join("b/models/patch-few-mlp-1/model.onnx");
        let before = std::fs::metadata(&model).unwrap().modified().unwrap();
        assert_eq!(run(&args(folder, "b", Some("2/2"))).unwrap(), Exit::Pass);
        assert_eq!(std::fs::metadata(&model).unwrap().modified().unwrap(), before, "trained again");
        let record = record_path(&folder.join("b"), "patch-few-mlp-1");
        let examined = std::fs::metadata(&record).unwrap().modified().unwrap();
        assert_eq!(run(&args(folder, "b", Some("2/2"))).unwrap(), Exit::Pass);
        assert_eq!(std::fs::metadata(&record).unwrap().modified().unwrap(), examined, "examined again");

        assert_eq!(merge(&merge_args).unwrap(), Exit::Pass);
        let table = std::fs::read_to_string(folder.join("table.json")).unwrap();
        let table = Table::parse(&table).unwrap();
        let names: Vec<&str> = table.rows.iter().map(|r| r.model.as_str()).collect();
        assert_eq!(names, ["clean-few-mlp-1", "patch-few-mlp-1"]);
        assert_eq!(table.left_out[0].model, "weak-few-mlp-1", "its trigger was never planted");
        let made = table.rows[1].made.as_ref().unwrap();
        assert_eq!((made.kind.as_str(), table.recipes().len()), ("patch", 1));
        assert!(made.success.unwrap() > 0.8 && made.seconds.is_some());
        assert_eq!(
            (table.rows[1].group.as_str(), table.rows[1].family.as_deref()),
            ("few/mlp", Some("patch"))
        );
        assert!(
            table.rows[1].detectors.contains_key("neural-cleanse"),
            "{:?}",
            table.rows[1].detectors.keys()
        );
        let text = std::fs::read_to_string(folder.join("doc.md")).unwrap();
        assert!(text.contains("weak-few-mlp-1: its trigger did not take"), "{text}");

        // Kept rows stay where the zoo has none of that name.
        let old = Table {
            rows: vec![
                Row { model: "old".into(), ..table.rows[0].clone() },
                Row { classes: 99, ..table.rows[1].clone() },
            ],
            ..table.clone()
        };
        std::fs::write(folder.join("old.json"), old.text().unwrap()).unwrap();
        let keep = MergeArgs { keep: Some(folder.join("old.json")), ..merge_args };
        assert_eq!(merge(&keep).unwrap(), Exit::Pass);
        let both = Table::parse(&std::fs::read_to_string(folder.join("table.json")).unwrap()).unwrap();
        let kept: Vec<(&str, usize)> = both.rows.iter().map(|r| (r.model.as_str(), r.classes)).collect();
        assert_eq!(kept, [("clean-few-mlp-1", 3), ("old", 3), ("patch-few-mlp-1", 3)]);
    }
}
