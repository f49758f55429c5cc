//! Is the data what its manifests say, class by class, and what was reviewed?

mod manifest;
#[cfg(test)]
mod tests;

use super::material::{self, Folder, ending};
use super::sighting::{Seen, Sighting, Words};
use crate::evidence::dataset::{DataSet, Pixels};
use crate::evidence::text::visible;
use crate::evidence::{Limits, Role, intake};
use crate::figure::{Bar, Body};
use crate::math::robust::median;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Data, Outcome, Phase, Plan, Procedure, Severity, Skip,
    Stop,
};
use manifest::{Manifest, is_manifest};
use serde_json::json;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::collections::{BTreeMap, HashMap};

/// The procedure `data-manifest`.
#[derive(Debug)]
pub struct DataManifest;

/// The one instance.
pub static DATA_MANIFEST: DataManifest = DataManifest;

static ABOUT: About = About {
    id: "data-manifest",
    title: "Data manifest",
    phase: Phase::Triage,
    version: 1,
    question: "Is the data what its manifests say, class by class, and how much of it is there twice?",
    needs: "data, with a manifest (digests, class counts, ratios); or manifests in the pipeline's folders",
    reference: "FIPS 180-4; Pearson's chi-squared test of class shares",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../data_manifest.md"),
};

/// Class shares: chance of such a difference, and the least relative difference of one class.
const CHANCE: f64 = 1e-4;

const SHARE: f64 = 0.2;

/// A ratio that changes by half and by this much.
const RATIO: f64 = 0.05;

impl Procedure for DataManifest {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let folders =
            material::item(case, Role::AsRun).is_some() && material::item(case, Role::Approved).is_some();
        if case.data.is_empty() && !folders {
            return Err(Skip(
                "there is no data that could be read, and no pipeline folders with manifests".to_owned(),
            ));
        }
        let roles = [Role::Approved, Role::AsRun];
        let items = case
            .register
            .iter()
            .filter(|i| roles.contains(&i.role) || case.data.iter().any(|d| d.item == i.id));
        let inputs = items.map(|i| i.id.clone()).collect();
        Ok(Plan { params: json!({}), units: case.data.len() as u64 + 1, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let mut compared = 0;
        for (k, data) in case.data.iter().enumerate() {
            compared += usize::from(against_manifest(case, data, cx, &mut seen)?);
            twice(data, &mut seen);
            cx.step(k as u64 + 1, plan.units)?;
        }
        compared += folders(case, &mut seen)?;
        cx.step(plan.units, plan.units)?;
        seen.measure("manifests", compared);
        let samples: usize = case.data.iter().map(|d| d.set.len()).sum();
        let looked = format!(
            "{} data sets with {samples} samples and {compared} manifests were looked at",
            case.data.len()
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "any file that differs; class shares from a chance of 1e-4 and a fifth of a class; ratios that change by half",
                limits: "A manifest that was made after the data was poisoned fits it. Poisoning that keeps all counts, as clean-label \
                         poisoning does, does not show. Duplicates are exact copies only.",
            },
            &plan.inputs,
        ))
    }
}

/// A data set against the manifest that the case file names; whether there is one.
fn against_manifest(case: &Case, data: &Data, cx: &Context, seen: &mut Seen) -> Result<bool, Stop> {
    let item = case.register.iter().find(|i| i.id == data.item);
    let entry =
        case.file.data.iter().find(|d| item.is_some_and(|i| i.path.raw() == d.path.to_string_lossy()));
    let Some((entry, path)) = entry.and_then(|e| Some((e, e.manifest.as_ref()?))) else { return Ok(false) };
    let name = path.to_string_lossy().into_owned();
    let read = case.file.locate(path).and_then(|p| intake::read_text(&p, Limits::in_force()));
    let manifest = match read.map_err(|e| e.to_string()).and_then(|(_, text)| Manifest::read(&name, &text)) {
        Ok(manifest) if manifest.says_something() => manifest,
        Ok(_) => {
            seen.unread.push(format!("{} (it lists nothing)", visible(&name)));
            return Ok(true);
        }
        Err(why) => {
            seen.unread.push(format!("{} ({why})", visible(&name)));
            return Ok(true);
        }
    };
    // Digests in sha256sum's form are held against the files by `integrity`; other forms here.
    if matches!(ending(&name).as_str(), "json" | "csv" | "yaml" | "yml") && !manifest.files.is_empty() {
        let root = case.file.locate(&entry.path).map_err(Stop::failed)?;
        let go_on = |_, _| cx.check().is_ok();
        let has: BTreeMap<String, String> = if root.is_dir() && !root.is_symlink() {
            match intake::digest_folder(&root, Limits::in_force(), &go_on) {
                Ok(d) => {
                    d.files.into_iter().map(|f| (f.path.to_string_lossy().into_owned(), f.sha256)).collect()
                }
                Err(e) if e.code == "intake.stopped" => return Err(Stop::Cancelled),
                Err(e) => return Err(Stop::failed(e)),
            }
        } else {
            let file = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            [(file, item.map(|i| i.sha256.clone()).unwrap_or_default())].into()
        };
        files(&name, &manifest.files, &has, true, seen);
    }
    let counts = class_counts(case, &data.set);
    seen.measure(&format!("class_counts_{}", data.item), json!(counts));
    classes(&name, &manifest, &counts, data.set.len() as f64, seen);
    Ok(true)
}

fn files(
    name: &str,
    wanted: &BTreeMap<String, String>,
    has: &BTreeMap<String, String>,
    data: bool,
    seen: &mut Seen,
) {
    let changed: Vec<&str> = has
        .iter()
        .filter(|(p, d)| wanted.get(*p).is_some_and(|w| w != *d))
        .map(|(p, _)| p.as_str())
        .collect();
    let missing: Vec<&str> = wanted.keys().filter(|p| !has.contains_key(*p)).map(String::as_str).collect();
    let extra: Vec<&str> = has.keys().filter(|p| !wanted.contains_key(*p)).map(String::as_str).collect();
    let some = |list: &[&str]| list.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    for (what, list, severity) in [
        ("changed", &changed, Severity::High),
        ("missing", &missing, Severity::Medium),
        ("not listed", &extra, Severity::Medium),
    ] {
        if list.is_empty() {
            continue;
        }
        let title = format!("{} files are {what} against the manifest", list.len());
        // Between two versions of a manifest, files come and go as data grows.
        seen.push(if data || what == "changed" {
            Sighting::new("manifest.files", severity, Concern::Integrity, (name, 0), title)
                .because(some(list))
        } else {
            Sighting::note("manifest.files", (name, 0), title).because(some(list))
        });
    }
}

/// Samples by class name, else by number.
fn class_counts(case: &Case, set: &DataSet) -> BTreeMap<String, f64> {
    let names =
        case.model.as_ref().map(|m| &m.classes).filter(|_| set.classes.is_empty()).unwrap_or(&set.classes);
    let mut out = BTreeMap::new();
    for &label in &set.labels {
        let name = names.get(label).map_or_else(|| label.to_string(), |n| n.raw().to_owned());
        *out.entry(name).or_default() += 1.0;
    }
    out
}

/// Counts by class against those of a manifest, or of two manifests.
fn classes(name: &str, manifest: &Manifest, has: &BTreeMap<String, f64>, total: f64, seen: &mut Seen) {
    let wanted_total: f64 = if manifest.classes.is_empty() {
        manifest.samples.unwrap_or(0.0)
    } else {
        manifest.classes.values().sum()
    };
    if wanted_total > 0.0 && total > wanted_total {
        let title =
            format!("{total} samples, the manifest has {wanted_total}: {} were added", total - wanted_total);
        seen.push(Sighting::new("manifest.samples", Severity::Medium, Concern::Integrity, (name, 0), title));
    } else if wanted_total > total {
        seen.push(Sighting::note(
            "manifest.part",
            (name, 0),
            format!("{total} of {wanted_total} samples are here"),
        ));
    }
    if manifest.classes.is_empty() || has.is_empty() {
        return;
    }
    // A manifest may number what the data names, in the same order.
    let numbered = manifest.classes.keys().all(|k| k.parse::<usize>().is_ok())
        != has.keys().all(|k| k.parse::<usize>().is_ok());
    if numbered || manifest.classes.keys().all(|k| !has.contains_key(k)) {
        seen.push(Sighting::note("manifest.names", (name, 0), "its classes have other names: not compared"));
        return;
    }
    let title =
        |class: &str, a: f64, b: f64| format!("class '{class}' has {b} samples, the manifest has {a}");
    let keys: std::collections::BTreeSet<&String> = manifest.classes.keys().chain(has.keys()).collect();
    let pairs: Vec<(&str, f64, f64)> = keys
        .iter()
        .map(|k| {
            (
                k.as_str(),
                manifest.classes.get(*k).copied().unwrap_or(0.0),
                has.get(*k).copied().unwrap_or(0.0),
            )
        })
        .collect();
    if (total - wanted_total).abs() < 0.5 {
        let off: Vec<String> =
            pairs.iter().filter(|(_, a, b)| (a - b).abs() > 0.5).map(|(c, a, b)| title(c, *a, *b)).collect();
        if let Some(first) = off.first() {
            let s =
                Sighting::new("manifest.classes", Severity::Medium, Concern::DataPoisoning, (name, 0), first);
            seen.push(s.because(format!("as many samples as listed, in other classes: {}", off.join("; "))));
        }
    } else {
        shares(name, &pairs, wanted_total, total, seen);
    }
    let bar = |(class, a, b): &(&str, f64, f64)| Bar {
        label: visible(class),
        value: 100.0 * (b / total.max(1.0) - a / wanted_total.max(1.0)),
        flagged: (a / wanted_total.max(1.0) - b / total.max(1.0)).abs()
            > SHARE * a.max(1.0) / wanted_total.max(1.0),
        spread: None,
    };
    let bars = pairs.iter().take(100).map(bar).collect();
    seen.figure(
        "classes",
        "Share of each class against the manifest",
        Body::Bars { value_label: "percentage points more".into(), bars, threshold: None },
    );
}

/// Shares of classes, where the totals differ.
fn shares(name: &str, pairs: &[(&str, f64, f64)], wanted: f64, total: f64, seen: &mut Seen) {
    let mut statistic = 0.0;
    for (_, a, b) in pairs {
        let (p, q) = ((a + b) / (wanted + total) * wanted, (a + b) / (wanted + total) * total);
        statistic += if p > 0.0 { (a - p).powi(2) / p } else { 0.0 };
        statistic += if q > 0.0 { (b - q).powi(2) / q } else { 0.0 };
    }
    let Ok(law) = ChiSquared::new((pairs.len().max(2) - 1) as f64) else { return };
    let chance = law.sf(statistic);
    seen.measure("class_chi_squared", statistic);
    seen.measure("class_chance", chance);
    let worst = pairs
        .iter()
        .filter(|(_, a, b)| a + b >= 10.0)
        .map(|(c, a, b)| (*c, (b / total) / (a / wanted).max(1e-9) - 1.0))
        .max_by(|x, y| x.1.abs().total_cmp(&y.1.abs()));
    if let Some((class, by)) = worst.filter(|(_, by)| chance < CHANCE && by.abs() > SHARE) {
        let title = format!("class '{class}' has {:+.0} % of its share in the manifest", by * 100.0);
        let s = Sighting::new("manifest.shares", Severity::Medium, Concern::DataPoisoning, (name, 0), title)
            .sure(Confidence::Medium);
        seen.push(s.because(format!("chi-squared {statistic:.1}, chance {chance:.1e}")));
    }
}

/// Exact copies, and copies under other labels.
fn twice(data: &Data, seen: &mut Seen) {
    let set = &data.set;
    let Some(pixels) = &set.images else { return };
    let n = set.len();
    let digest = |i: usize| match pixels {
        Pixels::U8(a) => {
            intake::sha256(&a.index_axis(ndarray::Axis(0), i).iter().copied().collect::<Vec<u8>>())
        }
        Pixels::F32(a) => intake::sha256(
            &a.index_axis(ndarray::Axis(0), i).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(),
        ),
    };
    let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
    for i in 0..n {
        groups.entry(digest(i)).or_default().push(i);
    }
    let mut sets: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    sets.sort();
    let copies: usize = sets.iter().map(|g| g.len() - 1).sum();
    seen.measure(&format!("duplicate_ratio_{}", data.item), copies as f64 / n.max(1) as f64);
    if set.labels.len() != n || n == 0 {
        return;
    }
    let named = format!("data {}", data.item);
    let at = (named.as_str(), 0);
    let torn: Vec<&Vec<usize>> =
        sets.iter().filter(|g| g.iter().any(|&i| set.labels[i] != set.labels[g[0]])).collect();
    if torn.len() >= 3 && torn.len() as f64 >= 0.002 * n as f64 {
        let title = format!("{} images are there under several labels", torn.len());
        let detail = torn.iter().take(5).map(|g| format!("{g:?}")).collect::<Vec<_>>().join(", ");
        seen.push(
            Sighting::new("data.conflict", Severity::Medium, Concern::DataPoisoning, at, title)
                .because(format!("samples {detail}")),
        );
    } else if !torn.is_empty() {
        seen.push(Sighting::note(
            "data.conflict",
            at,
            format!("{} images are there under several labels", torn.len()),
        ));
    }
    let classes = set.labels.iter().copied().max().map_or(0, |m| m + 1).min(100_000);
    let (mut extra, mut sizes) = (vec![0usize; classes], vec![0usize; classes]);
    for &l in set.labels.iter().filter(|l| **l < classes) {
        sizes[l] += 1;
    }
    for &i in sets.iter().flat_map(|g| &g[1..]) {
        if let Some(e) = extra.get_mut(set.labels[i]) {
            *e += 1;
        }
    }
    let share: Vec<f64> =
        (0..classes).filter(|c| sizes[*c] > 0).map(|c| extra[c] as f64 / sizes[c] as f64).collect();
    let usual = median(&share).unwrap_or(0.0);
    for c in (0..classes).filter(|c| sizes[*c] > 0) {
        let own = extra[c] as f64 / sizes[c] as f64;
        if extra[c] >= 10 && own >= 0.05 && own >= 5.0 * usual.max(0.01) {
            let title = format!(
                "{:.0} % of class {c} are copies of others in it, {:.1} % in a usual class",
                own * 100.0,
                usual * 100.0
            );
            let s = Sighting::new("data.duplicates", Severity::Medium, Concern::DataPoisoning, at, title);
            seen.push(
                s.sure(Confidence::Low)
                    .because("copies give samples weight; a deduplication that ran would have removed them"),
            );
        }
    }
}

/// Manifests of the reviewed pipeline against those of the one that ran; returns how many were compared.
fn folders(case: &Case, seen: &mut Seen) -> Result<usize, Stop> {
    let open = |role| Folder::open(case, role).map_err(Stop::failed);
    let (Some(old), Some(new)) = (open(Role::Approved)?, open(Role::AsRun)?) else { return Ok(0) };
    let (a, b) = (old.texts(is_manifest, &mut seen.unread), new.texts(is_manifest, &mut seen.unread));
    let mut compared = 0;
    for (name, text) in &b {
        let Some(was) = a.get(name) else { continue };
        let (old, new) = match (Manifest::read(name, was), Manifest::read(name, text)) {
            (Ok(old), Ok(new)) => (old, new),
            (old, new) => {
                let why = old.err().or(new.err()).unwrap_or_default();
                seen.unread.push(format!("{name} ({why})"));
                continue;
            }
        };
        compared += 1;
        files(name, &old.files, &new.files, false, seen);
        let total =
            if new.classes.is_empty() { new.samples.unwrap_or(0.0) } else { new.classes.values().sum() };
        if !new.classes.is_empty() && !old.classes.is_empty() {
            let wanted: f64 = old.classes.values().sum();
            let keys: std::collections::BTreeSet<&String> =
                old.classes.keys().chain(new.classes.keys()).collect();
            let of = |m: &Manifest, k: &str| m.classes.get(k).copied().unwrap_or(0.0);
            let pairs: Vec<(&str, f64, f64)> =
                keys.iter().map(|k| (k.as_str(), of(&old, k), of(&new, k))).collect();
            shares(name, &pairs, wanted, total, seen);
        }
        for (key, is) in &new.numbers {
            let Some(was) = old.numbers.get(key) else { continue };
            let (low, high) = (was.abs().min(is.abs()), was.abs().max(is.abs()));
            let ratio = low < 1.0 + 1e-9 && high <= 1.0 + 1e-9;
            let grown = total / old.samples.unwrap_or(total).max(1.0);
            if high > 1.5 * low
                && (if ratio {
                    high - low > RATIO
                } else {
                    high > 2.0 * low * grown.max(1.0) && high >= 10.0
                })
            {
                let title = format!("{key} is {is}, was {was}");
                let s = Sighting::new(
                    "manifest.ratio",
                    Severity::Medium,
                    Concern::DataPoisoning,
                    (name, 0),
                    title,
                )
                .sure(Confidence::Medium);
                seen.push(s.because("deduplication, filtering or augmentation did something else"));
            } else if was.total_cmp(is).is_ne() {
                seen.push(Sighting::note("manifest.ratio", (name, 0), format!("{key} is {is}, was {was}")));
            }
        }
    }
    for name in a.keys().filter(|n| !b.contains_key(*n)) {
        seen.push(Sighting::note("manifest.removed", (name, 0), "a reviewed manifest is not there any more"));
    }
    Ok(compared)
}
