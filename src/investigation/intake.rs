//! Taking the evidence in: the first job of a session. Hashes, recognises and reads every item the case names, and loads
//! the suspect network.

use crate::case::{BlobError, Blobs, CaseState};
use crate::evidence::dataset::Expect;
use crate::evidence::intake::{Fingerprint, text_of};
use crate::evidence::register::{self, Entry, Payload, Taken};
use crate::evidence::{Bytes, CaseFile, EvidenceError, Item, Limits, Role, Untrusted};
use crate::jobs::{Halt, guarded};
use crate::network::Model;
use crate::network::load::{Architecture, open_model};
use crate::procedure::{Data, Monitor, Silent, Tensor};
use crate::triage::examine::held_back;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Fingerprints at intake, by item id.
pub(super) type Prints = BTreeMap<String, Fingerprint>;
/// Arrays of finished procedures, by procedure id and array name.
pub(super) type Arrays = BTreeMap<(String, String), Arc<Tensor>>;

/// What was taken in.
#[derive(Debug, Default)]
pub(super) struct Materials {
    /// The register, in order.
    pub(super) items: Vec<Item>,
    /// The suspect model, if it could be loaded.
    pub(super) model: Option<Arc<Model>>,
    /// Data sets that could be loaded.
    pub(super) data: Vec<Data>,
    /// For noticing changes.
    pub(super) prints: Arc<Prints>,
    /// Arrays of procedures that finished before the session was opened again.
    pub(super) arrays: Arrays,
    /// Blobs that could not be read.
    pub(super) lost: Vec<BlobError>,
}

/// Parts of the progress of one item.
const PART: u64 = 1000;

/// Takes in everything the case names. An item that has another digest than `state` knows is not used: the session is
/// about the bytes it was opened with.
///
/// # Errors
/// Only when asked to stop: whatever is wrong with an item is in its register line.
pub(super) fn take_in(
    case: &CaseFile,
    state: &CaseState,
    blobs: &Blobs,
    limits: &Limits,
    monitor: &dyn Monitor,
) -> Result<Materials, Halt> {
    let entries = register::entries(case);
    let mut reader = Reader {
        case,
        state,
        limits,
        monitor,
        expect: Expect::of(case),
        parts: Parts::default(),
        prints: Prints::new(),
        total: PART * entries.len() as u64,
    };
    let (mut items, mut data) = (Vec::new(), Vec::new());
    let mut model = None;
    // The register has what makes up the model first: data sets are read against it.
    let (own, rest) = entries.split_at(entries.partition_point(|e| own(e.role)));
    for entry in own {
        let (item, payload) = reader.read(entry, items.len())?;
        match (entry.role, payload) {
            (Role::Model, Some(Payload::File(bytes))) => reader.parts.model = Some(bytes),
            (Role::Architecture, Some(Payload::File(bytes))) => reader.parts.architecture = Some(bytes),
            (Role::Labels, Some(Payload::Names(names))) => reader.parts.names = names,
            _ => {}
        }
        items.push(item);
    }
    if let Some(loaded) = reader.parts.load(case, limits) {
        match loaded {
            Ok(loaded) => {
                let facts = loaded.facts.iter().cloned();
                items
                    .iter_mut()
                    .filter(|i| i.role == Role::Model)
                    .for_each(|i| i.facts.extend(facts.clone()));
                reader.expect.shape = Some(loaded.input.shape);
                reader.expect.range = Some(loaded.input.range);
                reader.expect.classes.clone_from(&loaded.classes);
                model = Some(Arc::new(loaded));
            }
            Err(e) => items.iter_mut().filter(|i| i.role == Role::Model).for_each(|i| i.refuse(&e)),
        }
    }
    for entry in rest {
        let (item, payload) = reader.read(entry, items.len())?;
        if let Some(Payload::Data(set)) = payload {
            data.push(Data { item: item.id.clone(), role: item.role, set: Arc::new(*set) });
        }
        items.push(item);
    }
    let prints = Arc::new(reader.prints);
    let (arrays, lost) = arrays(state, blobs, monitor)?;
    Ok(Materials { items, model, data, prints, arrays, lost })
}

/// What a case names, loaded without a session.
#[derive(Debug)]
pub struct Loaded {
    /// The register, in order.
    pub items: Vec<Item>,
    /// The model, if it could be loaded.
    pub model: Option<Arc<Model>>,
    /// Data sets that could be loaded.
    pub data: Vec<Data>,
}

/// Takes in everything a case names, without a session; what is wrong with an item is in its register line.
pub fn load(case: &CaseFile, limits: &Limits) -> Loaded {
    let taken = take_in(case, &CaseState::default(), &Blobs::new(Path::new("")), limits, &Silent);
    // Only a cancel ends early, and nobody here cancels.
    let Materials { items, model, data, .. } = taken.unwrap_or_default();
    Loaded { items, model, data }
}

fn own(role: Role) -> bool {
    matches!(role, Role::Model | Role::Architecture | Role::Labels)
}

struct Reader<'a> {
    case: &'a CaseFile,
    state: &'a CaseState,
    limits: &'a Limits,
    monitor: &'a dyn Monitor,
    expect: Expect,
    parts: Parts,
    prints: Prints,
    total: u64,
}

impl Reader<'_> {
    fn read(&mut self, entry: &Entry, k: usize) -> Result<(Item, Option<Payload>), Halt> {
        let at = PART * k as u64;
        let monitor = self.monitor;
        let path = Untrusted::new(entry.path.to_string_lossy()).shown();
        monitor.log(&format!("{} {}: {path}", entry.id, entry.role.name()));
        let progress = |done: u64, of: u64| {
            monitor.progress(at + PART.saturating_mul(done.min(of)).checked_div(of).unwrap_or(0), self.total);
            !monitor.cancelled()
        };
        let taken = register::take_in(entry, self.case, &self.expect, self.limits, &progress);
        let Taken { item, payload, fingerprint } = taken.ok_or(Halt::Cancelled)?;
        self.prints.extend(fingerprint.map(|f| (item.id.clone(), f)));
        let before = self.state.evidence.iter().find(|i| i.id == item.id);
        let same = before.is_none_or(|b| b.sha256 == item.sha256);
        Ok((item, payload.filter(|_| same)))
    }
}

/// What a model is made of.
#[derive(Debug, Default)]
struct Parts {
    model: Option<Bytes>,
    architecture: Option<Bytes>,
    names: Vec<Untrusted>,
}

impl Parts {
    /// The network; `None` when there is no usable model file.
    fn load(&self, case: &CaseFile, limits: &Limits) -> Option<Result<Model, EvidenceError>> {
        let (bytes, entry) = (self.model.as_ref()?, case.model.as_ref()?);
        // A panic over hostile bytes is a reason to refuse them, not to end the session.
        let loaded = guarded(|| {
            let text;
            let architecture = match (&self.architecture, entry.architecture.as_deref()) {
                (Some(description), _) => {
                    text = text_of(description)?;
                    Some(Architecture::Description { path: &description.path, text: &text })
                }
                // A description that was refused is not the name of a network.
                (None, Some(name)) if case.architecture_file().is_none() => Some(Architecture::Named(name)),
                _ => None,
            };
            // What holds a program is read as data, and only when the responder wants that.
            if let Some(why) = held_back(bytes, limits).filter(|_| !entry.analyse_flagged) {
                return Err(why);
            }
            open_model(entry, bytes, architecture, &self.names, limits)
        });
        Some(loaded.unwrap_or_else(|why| Err(EvidenceError::whole(&entry.path, "model.panic", why))))
    }
}

/// Reads the arrays of finished procedures back from their blobs.
fn arrays(state: &CaseState, blobs: &Blobs, monitor: &dyn Monitor) -> Result<(Arrays, Vec<BlobError>), Halt> {
    let (mut arrays, mut lost) = (Arrays::new(), Vec::new());
    for p in &state.procedures {
        let Some(record) = state.record(&p.id) else { continue };
        for (name, hash) in &record.blobs {
            if monitor.cancelled() {
                return Err(Halt::Cancelled);
            }
            match blobs.tensor(hash) {
                Ok((_, tensor)) => drop(arrays.insert((p.id.clone(), name.clone()), Arc::new(tensor))),
                Err(e) => lost.push(e),
            }
        }
    }
    Ok((arrays, lost))
}
