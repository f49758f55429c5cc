//! Do the artefacts of the stages hang together: by digest, and as functions?

mod same;
mod stages;
#[cfg(test)]
mod tests;

use super::super::examine::held_back;
use super::material;
use super::sighting::{Seen, Sighting, Words};
use super::tree;
use crate::evidence::limits::cap;
use crate::evidence::text::visible;
use crate::evidence::{Bytes, EvidenceError, Item, Limits, ModelEntry, Role, SafeTensors, intake};
use crate::figure::{Bar, Body};
use crate::network::Model;
use crate::network::load::{Architecture, open_model};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Severity, Skip,
    Stop, number,
};
use same::{Conversion, conversion};
use serde_json::json;
use stages::Stage;
use std::path::{Path, PathBuf};

/// The procedure `artefact-chain`.
#[derive(Debug)]
pub struct ArtefactChain;

/// The one instance.
pub static ARTEFACT_CHAIN: ArtefactChain = ArtefactChain;

static ABOUT: About = About {
    id: "artefact-chain",
    title: "Artefact chain",
    phase: Phase::Triage,
    version: 1,
    question: "Is each stage's artefact the one that was handed on, and still the same function?",
    needs: "the list of stages (pipeline.stages) and its artefacts; images where there are some",
    reference: "SLSA v1.0 provenance (subject and materials); rounding error of uniform quantisation (Jacob et al. 2018)",
    cost: Cost::Medium,
    after: &[],
    page: include_str!("../artefact_chain.md"),
};

impl Procedure for ArtefactChain {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let mut plan = material::plan(case, Role::Stages, &[Role::Model, Role::Clean, Role::Test], 1)?;
        let images = match case.effort {
            Effort::Quick => 32,
            Effort::Standard => 128,
            Effort::Thorough => 512,
        };
        plan.params = json!({"images": images});
        // Unknown before the list is read.
        plan.units = 100;
        Ok(plan)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let Some(item) = material::item(case, Role::Stages) else {
            return Err(Stop::failed("no list of stages"));
        };
        let text = material::log(case, item).map_err(Stop::failed)?;
        let docs = tree::read(&text).map_err(|e| Stop::failed(format!("{}: {e}", item.path.shown())))?;
        let stages = docs
            .first()
            .ok_or("it is empty".to_owned())
            .and_then(stages::read)
            .map_err(|e| Stop::failed(format!("{}: {e}", item.path.shown())))?;
        if stages.len() > Limits::in_force().stages {
            let cap = cap!(Limits::in_force(), stages);
            return Err(Stop::failed(format!("{} stages, {cap}", stages.len())));
        }
        let mut seen = Seen::default();
        let wanted = plan.params["images"].as_u64().unwrap_or(128) as usize;
        let mut chain = Chain { case, item, seen: &mut seen };
        let found = chain.digests(&stages, cx)?;
        chain.links(&stages, &found);
        chain.model(&stages, &found);
        cx.step(plan.units / 3, plan.units)?;
        let compared = chain.functions(&stages, &found, wanted, cx)?;
        cx.step(plan.units, plan.units)?;
        let there = found.iter().flatten().count();
        seen.measure("stages", stages.len());
        seen.measure("artefacts_read", there);
        seen.measure("functions_compared", compared);
        let looked = format!(
            "{} stages, {there} artefacts at hand, {compared} pairs compared as functions",
            stages.len()
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "any digest that differs; as functions, 0.1 % of the spread of the logits, and for quantised stages six times \
                         what rounding the weights alone costs",
                limits: "Two artefacts that agree on the images compared may differ on others: a trigger that is in none of them does \
                         not show unless it moved the weights. An artefact that cannot be run here is compared by digest alone. Who \
                         can change the list can change the digests in it.",
            },
            &plan.inputs,
        ))
    }
}

/// An artefact that is at hand.
struct Found {
    bytes: Bytes,
}

struct Chain<'a> {
    case: &'a Case,
    item: &'a Item,
    seen: &'a mut Seen,
}

fn bad(code: &'static str, severity: Severity, line: usize, file: &str, title: impl AsRef<str>) -> Sighting {
    Sighting::new(code, severity, Concern::Substitution, (file, line), title)
}

impl Chain<'_> {
    fn file(&self) -> String {
        self.item.path.raw().to_owned()
    }

    /// Where an artefact is: beside the list, or from the case's folder.
    fn locate(&self, path: &str) -> Result<PathBuf, EvidenceError> {
        let path = Path::new(path.strip_prefix("./").unwrap_or(path));
        if path.is_absolute() {
            let reason = "an absolute path; it must stay in the case's folder";
            return Err(EvidenceError::whole(path, "case.path", reason));
        }
        let beside = Path::new(self.item.path.raw()).parent().unwrap_or(Path::new("")).join(path);
        let first = self.case.file.locate(&beside);
        match &first {
            Ok(full) if std::fs::symlink_metadata(full).is_ok() => first,
            _ => self.case.file.locate(path),
        }
    }

    /// Each artefact against its own digest.
    fn digests(&mut self, stages: &[Stage], cx: &mut Context) -> Result<Vec<Option<Found>>, Stop> {
        let mut out = Vec::new();
        for (i, stage) in stages.iter().enumerate() {
            cx.check()?;
            let read = if stage.path.is_empty() {
                Err(EvidenceError::whole(&stage.name, "intake.open", "no path is named"))
            } else {
                self.locate(&stage.path)
                    .and_then(|p| intake::read_with(&p, Limits::in_force(), &|_, _| cx.check().is_ok()))
            };
            let file = self.file();
            let bytes = match read {
                Ok(bytes) => bytes,
                Err(e) if e.code == "intake.stopped" => return Err(Stop::Cancelled),
                Err(e) => {
                    // An image in a registry is rarely handed over.
                    let title = format!("stage '{}' is not at hand: {}", stage.name, e.reason);
                    self.seen.push(Sighting::note("stage.absent", (&file, stage.line), title));
                    out.push(None);
                    continue;
                }
            };
            let last = i + 1 == stages.len();
            if stage.sha256.is_empty() {
                let title = format!("stage '{}' has no digest", stage.name);
                self.seen.push(Sighting::note("stage.no-digest", (&file, stage.line), title));
            } else if stage.sha256 != bytes.sha256 {
                let severity = if last { Severity::Critical } else { Severity::High };
                let title =
                    format!("the artefact of stage '{}' is not the one that was recorded", stage.name);
                let detail =
                    format!("{}: SHA-256 is {}, {} is recorded", stage.path, bytes.sha256, stage.sha256);
                self.seen.push(bad("stage.digest", severity, stage.line, &file, title).because(detail));
            }
            out.push(Some(Found { bytes }));
        }
        Ok(out)
    }

    /// What each stage says it was made from against what came before.
    fn links(&mut self, stages: &[Stage], found: &[Option<Found>]) {
        let file = self.file();
        for (i, stage) in stages.iter().enumerate().skip(1) {
            if stage.made_from.is_empty() {
                if stage.source.is_empty() {
                    self.seen.push(Sighting::note(
                        "stage.no-link",
                        (&file, stage.line),
                        format!("stage '{}' does not say what it was made from", stage.name),
                    ));
                }
                continue;
            }
            let known = |d: &String| {
                stages[..i].iter().any(|s| s.sha256 == *d)
                    || found[..i].iter().flatten().any(|f| f.bytes.sha256 == *d)
            };
            if !stage.made_from.iter().any(known) {
                let title =
                    format!("stage '{}' was made from something that is no stage before it", stage.name);
                let detail = format!(
                    "it names {}, '{}' before it has {}",
                    stage.made_from[0],
                    stages[i - 1].name,
                    stages[i - 1].sha256
                );
                self.seen.push(bad("stage.link", Severity::High, stage.line, &file, title).because(detail));
            }
        }
    }

    /// The model under examination should be one of the chain.
    fn model(&mut self, stages: &[Stage], found: &[Option<Found>]) {
        let Some(model) = self.case.model_item().filter(|m| !m.sha256.is_empty()) else { return };
        let is = |i: usize| {
            stages[i].sha256 == model.sha256
                || found[i].as_ref().is_some_and(|f| f.bytes.sha256 == model.sha256)
        };
        let file = self.file();
        if let Some(i) = (0..stages.len()).find(|i| is(*i)) {
            return self.seen.measure("model_is_stage", visible(&stages[i].name));
        }
        let title = "the model that is examined is none of the stages";
        let sighting = bad("stage.model", Severity::Medium, 0, &file, title).sure(Confidence::Medium);
        self.seen.push(sighting.because(format!("{}: {}", model.path.raw(), model.sha256)));
    }

    fn load(&self, stage: &Stage, found: &Found) -> Result<Model, EvidenceError> {
        let own = self.case.file.model.as_ref();
        let entry = ModelEntry {
            path: PathBuf::from(&stage.path),
            architecture: None,
            sha256: None,
            signature: None,
            key: None,
            labels: None,
            input: own.and_then(|m| m.input.clone()),
            analyse_flagged: own.is_some_and(|m| m.analyse_flagged),
            external_data: false,
        };
        let limits = Limits::in_force();
        if let Some(why) = held_back(&found.bytes, limits).filter(|_| !entry.analyse_flagged) {
            return Err(why);
        }
        let named = if stage.architecture.is_empty() {
            own.and_then(|m| m.architecture.clone()).unwrap_or_default()
        } else {
            stage.architecture.clone()
        };
        let text;
        let description;
        let architecture = if named.is_empty() {
            None
        } else if named.contains('/') || named.contains('.') {
            description = self.locate(&named)?;
            text = intake::read_text(&description, limits)?.1;
            Some(Architecture::Description { path: &description, text: &text })
        } else {
            Some(Architecture::Named(&named))
        };
        open_model(&entry, &found.bytes, architecture, &[], limits)
    }

    /// Neighbours as functions; returns how many pairs were compared.
    fn functions(
        &mut self,
        stages: &[Stage],
        found: &[Option<Found>],
        wanted: usize,
        cx: &mut Context,
    ) -> Result<usize, Stop> {
        let file = self.file();
        let mut models: Vec<Option<Model>> = Vec::new();
        for (stage, found) in stages.iter().zip(found) {
            cx.check()?;
            let loaded = found.as_ref().map(|f| self.load(stage, f));
            models.push(match loaded {
                None => None,
                Some(Ok(model)) => Some(model),
                Some(Err(e)) => {
                    let network = found.as_ref().is_some_and(|f| {
                        SafeTensors::parse(&f.bytes.path, &f.bytes.data, Limits::in_force()).is_ok()
                    }) || material::ending(&stage.path) == "onnx";
                    let title = format!("stage '{}' cannot be run here: {}", stage.name, e.reason);
                    self.seen.push(Sighting::note("stage.not-run", (&file, stage.line), &title));
                    // Bare weights are compared tensor by tensor; a network that ought to run and does not stays open.
                    if network && e.code != "model.architecture" {
                        self.seen.unread.push(visible(&title));
                    }
                    None
                }
            });
        }
        let (mut bars, mut pairs, mut measured) = (Vec::new(), 0, Vec::new());
        for j in 1..stages.len() {
            cx.check()?;
            let Some(i) = (0..j).rev().find(|i| found[*i].is_some()) else { continue };
            let (Some(a), Some(b)) = (&models[i], &models[j]) else {
                pairs += usize::from(self.weights(
                    &stages[i],
                    found[i].as_ref(),
                    &stages[j],
                    found[j].as_ref(),
                    models[i].as_ref(),
                    models[j].as_ref(),
                ));
                continue;
            };
            let kind = conversion(&format!("{} {}", stages[j].name, stages[j].path));
            let set = self.case.clean().map(|d| d.set.as_ref());
            let images = same::images(set, a.input.shape, wanted, 0);
            let names = format!("'{}' and '{}'", stages[i].name, stages[j].name);
            match same::nearest(a, b, kind, &images) {
                Err(why) => self.seen.push(bad(
                    "stage.shape",
                    Severity::High,
                    stages[j].line,
                    &file,
                    format!("{names} do not take and give the same: {why}"),
                )),
                Ok(s) => {
                    pairs += 1;
                    bars.push(Bar {
                        label: visible(&stages[j].name),
                        value: if s.allowed.is_finite() { (s.apart / s.allowed).min(1e6) } else { 0.0 },
                        flagged: s.apart > s.allowed,
                        spread: None,
                    });
                    measured.push(json!({"from": visible(&stages[i].name), "to": visible(&stages[j].name), "apart": number(s.apart), "allowed": number(s.allowed), "agreement": s.agreement, "images": s.images}));
                    let detail = format!(
                        "logits differ by {:.2} % of their spread ({:.2} % are allowed), {:.1} % of {} images get the same class",
                        s.apart * 100.0,
                        s.allowed * 100.0,
                        s.agreement * 100.0,
                        s.images
                    );
                    if s.apart > s.allowed || s.apart.is_nan() {
                        let title = format!("{names} are not the same function");
                        self.seen.push(
                            bad("stage.function", Severity::High, stages[j].line, &file, title)
                                .because(detail),
                        );
                    } else if kind == Conversion::Other {
                        self.seen.push(
                            Sighting::note(
                                "stage.other",
                                (&file, stages[j].line),
                                format!("{names} are other functions on purpose"),
                            )
                            .because(detail),
                        );
                    }
                }
            }
        }
        self.seen.measure("equivalence", measured);
        if !bars.is_empty() {
            let body = Body::Bars {
                value_label: "distance over what is allowed".into(),
                bars,
                threshold: Some(1.0),
            };
            self.seen.figure("equivalence", "Distance of each stage from the one before", body);
        }
        Ok(pairs)
    }

    /// Where one side cannot be run: tensors of the same name and shape. Whether any could be compared.
    fn weights(
        &mut self,
        a: &Stage,
        fa: Option<&Found>,
        b: &Stage,
        fb: Option<&Found>,
        ma: Option<&Model>,
        mb: Option<&Model>,
    ) -> bool {
        let (Some(x), Some(y)) = (tensors(fa, ma), tensors(fb, mb)) else { return false };
        let (mut d2, mut n2, mut common) = (0.0, 0.0, 0);
        for (name, values) in &x {
            let same = y.iter().find(|(n, v)| n == name && v.len() == values.len());
            let Some((_, other)) = same else { continue };
            common += values.len();
            for (p, q) in values.iter().zip(other) {
                d2 += f64::from(p - q).powi(2);
                n2 += f64::from(*p).powi(2);
            }
        }
        let total: usize = x.iter().map(|(_, v)| v.len()).sum();
        if common * 2 < total || n2 == 0.0 {
            return false;
        }
        let apart = (d2 / n2).sqrt();
        let kind = conversion(&format!("{} {}", b.name, b.path));
        let allowed = match kind {
            Conversion::Exact => 1e-5,
            Conversion::Quantised(bits) if bits >= 8 => 0.05,
            Conversion::Quantised(_) => 0.3,
            Conversion::Other => f64::INFINITY,
        };
        let file = self.file();
        let detail = format!(
            "{common} weights of the same name differ by {:.3} % of their size, {:.3} % are allowed",
            apart * 100.0,
            allowed * 100.0
        );
        if apart > allowed {
            let title = format!("the weights of '{}' and '{}' are not the same", a.name, b.name);
            self.seen.push(bad("stage.weights", Severity::High, b.line, &file, title).because(detail));
        }
        true
    }
}

/// Weights by name: of a network that was loaded, or of a file of bare weights.
fn tensors(found: Option<&Found>, model: Option<&Model>) -> Option<Vec<(String, Vec<f32>)>> {
    if let Some(model) = model {
        return Some(model.graph().params.iter().map(|p| (p.name.clone(), p.data().to_vec())).collect());
    }
    let bytes = &found?.bytes;
    let file = SafeTensors::parse(&bytes.path, &bytes.data, Limits::in_force()).ok()?;
    Some(
        file.iter()
            .filter(crate::evidence::RawArray::is_float)
            .filter_map(|t| Some((t.name.shown(), t.to_f32().ok()?.iter().copied().collect())))
            .collect(),
    )
}
