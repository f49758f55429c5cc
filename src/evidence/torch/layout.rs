//! Where in a checkpoint the network is: a state dict by itself, or in the record of a training toolkit, or a module
//! pickled as a whole.

use super::leak;
use super::tensor::is_tensor;
use crate::evidence::Untrusted;
use crate::evidence::pickle::{Pickle, Value};
use crate::evidence::text::visible;

/// Levels of records that are looked into for a state dict.
const LEVELS: usize = 4;
/// Entries of records that are looked at.
const ENTRIES: usize = 1_000_000;
/// Class names that are taken.
const CLASSES: usize = 100_000;

/// Keys that toolkits keep the classifier under, the first that is there counts: `BackdoorBench`, `BackdoorBox`, and the
/// usual training scripts; `net` (I-BAU); `netC` (`WaNet`, input-aware attacks); `clsmodel` (LIRA).
const NETWORK: [&str; 16] = [
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "net",
    "netC",
    "clsmodel",
    "classifier",
    "network",
    "net_state_dict",
    "weights",
    "params",
    "module",
    "student",
    "model_ema",
    "state_dict_ema",
];

/// Keys whose presence says who wrote the file.
const WRITERS: [(&[&str], &str); 8] = [
    (&["model_name", "num_classes", "model", "bd_train"], "BackdoorBench attack result"),
    (&["model_name", "num_classes", "model"], "BackdoorBench defence result"),
    (&["netC", "identity_grid", "noise_grid"], "WaNet checkpoint"),
    (&["netC", "netG", "netM"], "checkpoint of an input-aware attack"),
    (&["model", "modelG", "modelM"], "BackdoorBox checkpoint of an input-aware attack"),
    (&["atkmodel", "clsmodel"], "BackdoorBox LIRA model"),
    (&["model", "nc_model"], "BackdoorBox blind-backdoor checkpoint"),
    (&["encoder_state_dict", "decoder_state_dict"], "BackdoorBox ISSBA encoder"),
];

/// Keys of what makes triggers.
const TRIGGERS: [&str; 9] = [
    "identity_grid",
    "noise_grid",
    "netG",
    "netM",
    "modelG",
    "modelM",
    "atkmodel",
    "encoder_state_dict",
    "trigger",
];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tensors: Vec<(String, Value)>,
    pub(super) architecture: Option<Untrusted>,
    pub(super) classes: Option<usize>,
    pub(super) class_names: Vec<Untrusted>,
    pub(super) image: Option<[usize; 3]>,
    pub(super) facts: Vec<String>,
}

/// Finds the network.
///
/// # Errors
/// There is none, or several and nothing says which is meant.
pub(super) fn find(pickle: &Pickle, root: Value) -> Result<Found, String> {
    let mut found = Found::default();
    let (network, path) = locate(pickle, root)?;
    if let Some(keys) = keys(pickle, root) {
        record(pickle, root, &keys, &mut found);
    }
    let mut place = match path.as_slice() {
        [] => "its state dict is the whole file".to_owned(),
        path => format!("its state dict is under '{}'", visible(&path.join("."))),
    };
    if module_state(pickle, network).is_some() {
        module(pickle, network, &mut found)?;
        let class = class_of(pickle, network);
        place = format!("a whole module of class {class} was pickled; its class was not loaded");
    } else {
        let items = pickle.items(network).unwrap_or_default();
        let named = items.iter().filter_map(|(k, v)| Some((pickle.text(*k)?.to_owned(), *v)));
        // A key written twice: the last counts, as in Python.
        let mut last: Vec<(String, Value)> = Vec::new();
        let mut at = std::collections::HashMap::new();
        for (name, value) in named.filter(|(_, v)| is_tensor(pickle, *v)) {
            if let Some(slot) = at.get(&name).and_then(|&i: &usize| last.get_mut(i)) {
                *slot = (name, value);
            } else {
                at.insert(name.clone(), last.len());
                last.push((name, value));
            }
        }
        found.tensors = last;
    }
    found.facts.insert(0, place);
    Ok(found)
}

/// Text keys of a dict-like value.
fn keys<'p>(pickle: &'p Pickle, value: Value) -> Option<Vec<&'p str>> {
    Some(pickle.items(value)?.iter().filter_map(|(k, _)| pickle.text(*k)).collect())
}

/// Whether a dict is a state dict: named tensors, and more of them than of anything else.
fn is_state_dict(pickle: &Pickle, value: Value) -> bool {
    let Some(items) = pickle.items(value) else { return false };
    let tensors = items.iter().filter(|(k, v)| pickle.text(*k).is_some() && is_tensor(pickle, *v)).count();
    tensors > 0 && 2 * tensors > items.len()
}

fn is_network(pickle: &Pickle, value: Value) -> bool {
    is_state_dict(pickle, value) || module_state(pickle, value).is_some()
}

/// The state dict or module, and the keys that lead to it.
fn locate(pickle: &Pickle, root: Value) -> Result<(Value, Vec<String>), String> {
    if is_network(pickle, root) {
        return Ok((root, Vec::new()));
    }
    let mut level = vec![(root, Vec::<String>::new())];
    let mut looked = 0usize;
    for _ in 0..LEVELS {
        let mut next = Vec::new();
        let mut networks = Vec::new();
        for (record, path) in &level {
            // A tuple or list is a record too, its keys are positions.
            let entries: Vec<(String, Value)> = match (pickle.items(*record), pickle.elements(*record)) {
                (Some(items), _) => {
                    items.iter().filter_map(|(k, v)| Some((pickle.text(*k)?.to_owned(), *v))).collect()
                }
                (None, Some(all)) if all.len() <= 64 => {
                    all.iter().enumerate().map(|(i, v)| (i.to_string(), *v)).collect()
                }
                _ => continue,
            };
            looked += entries.len();
            if looked > ENTRIES {
                return Err(format!("more than {ENTRIES} entries in records around a state dict"));
            }
            for (key, value) in entries {
                let aside = key.to_ascii_lowercase();
                if aside.contains("optim") || aside.contains("sched") {
                    continue;
                }
                let mut longer = path.clone();
                longer.push(key);
                if is_network(pickle, value) {
                    networks.push((value, longer));
                } else {
                    next.push((value, longer));
                }
            }
        }
        let last = |p: &[String], key: &str| p.last().is_some_and(|k| k == key);
        let preferred = NETWORK.iter().find_map(|key| networks.iter().find(|(_, path)| last(path, key)));
        match (preferred, networks.as_slice()) {
            (Some((value, path)), _) | (None, [(value, path)]) => return Ok((*value, path.clone())),
            (None, []) => level = next,
            (None, several) => {
                let names: Vec<String> = several.iter().take(8).map(|(_, p)| visible(&p.join("."))).collect();
                return Err(format!(
                    "has several state dicts and none is named as the network: {}",
                    names.join(", ")
                ));
            }
        }
    }
    Err("holds no state dict: no named tensors were found in it".to_owned())
}

/// The attributes of a pickled `nn.Module`.
fn module_state(pickle: &Pickle, value: Value) -> Option<Value> {
    let states = pickle.call(value)?.states();
    states
        .iter()
        .rev()
        .copied()
        .find(|s| pickle.get(*s, "_modules").is_some() && pickle.get(*s, "_parameters").is_some())
}

fn class_of(pickle: &Pickle, value: Value) -> String {
    let callee = pickle.call(value).map(|c| c.callee);
    match callee.and_then(|c| pickle.global(c)) {
        Some((module, name)) => format!("'{}'", visible(&format!("{module}.{name}"))),
        None => "of unknown name".to_owned(),
    }
}

/// Parameters and buffers of a module and of all below it, by the names of its state dict.
fn module(pickle: &Pickle, root: Value, found: &mut Found) -> Result<(), String> {
    let mut open = vec![(root, String::new(), 0usize)];
    let mut classes = std::collections::BTreeMap::<String, usize>::new();
    let mut visited = 0usize;
    if let Some(state) = module_state(pickle, root) {
        class_names(pickle, state, found);
    }
    while let Some((value, prefix, depth)) = open.pop() {
        visited += 1;
        if visited > ENTRIES || depth > 64 {
            return Err("its modules nest too deep, or are too many".to_owned());
        }
        let Some(state) = module_state(pickle, value) else { continue };
        *classes.entry(class_of(pickle, value)).or_default() += 1;
        for part in ["_parameters", "_buffers"] {
            let items = pickle.get(state, part).and_then(|v| pickle.items(v)).unwrap_or_default();
            for (key, value) in items {
                let Some(name) = pickle.text(*key) else { continue };
                if is_tensor(pickle, *value) {
                    found.tensors.push((format!("{prefix}{name}"), *value));
                }
            }
        }
        let below = pickle.get(state, "_modules").and_then(|v| pickle.items(v)).unwrap_or_default();
        for (key, value) in below.iter().rev() {
            let Some(name) = pickle.text(*key) else { continue };
            open.push((*value, format!("{prefix}{name}."), depth + 1));
        }
    }
    let own: Vec<String> = classes
        .iter()
        .filter(|(name, _)| !name.starts_with("'torch.nn."))
        .take(8)
        .map(|(name, n)| if *n == 1 { name.clone() } else { format!("{name} ({n} times)") })
        .collect();
    let standard: usize =
        classes.iter().filter(|(name, _)| name.starts_with("'torch.nn.")).map(|(_, n)| n).sum();
    found.facts.push(format!(
        "{visited} modules: {standard} standard layers, and the classes {}",
        if own.is_empty() { "of torch.nn only".to_owned() } else { own.join(", ") }
    ));
    Ok(())
}

/// What a record says besides the state dict.
fn record(pickle: &Pickle, root: Value, keys: &[&str], found: &mut Found) {
    let has = |key: &&str| keys.contains(key);
    if let Some((_, writer)) = WRITERS.iter().find(|(wanted, _)| wanted.iter().all(has)) {
        found.facts.push(format!("laid out as a {writer}"));
    }
    let held: Vec<&str> = TRIGGERS.iter().copied().filter(|k| has(k)).collect();
    if !held.is_empty() {
        found.facts.push(format!("also holds what makes triggers: {}", held.join(", ")));
    }
    found.architecture = ["model_name", "arch", "architecture"]
        .iter()
        .find_map(|k| pickle.text(pickle.get(root, k)?))
        .map(Untrusted::new);
    found.classes = pickle
        .get(root, "num_classes")
        .and_then(|v| usize::try_from(pickle.int(v)?).ok())
        .filter(|n| (1..=CLASSES).contains(n));
    let size = pickle.get(root, "img_size").and_then(|v| {
        pickle
            .elements(v)?
            .iter()
            .map(|&d| usize::try_from(pickle.int(d)?).ok())
            .collect::<Option<Vec<usize>>>()
    });
    // Height, width, channels in BackdoorBench.
    found.image = match size.as_deref() {
        Some(&[h, w, c @ (1 | 3)]) => Some([c, h, w]),
        _ => None,
    };
    for (key, what) in
        [("epoch", "epoch"), ("epoch_current", "epoch"), ("acc", "accuracy"), ("best_acc", "accuracy")]
    {
        match pickle.get(root, key) {
            Some(Value::Int(n)) => found.facts.push(format!("states {what} {n}")),
            Some(Value::Float(x)) if x.is_finite() => found.facts.push(format!("states {what} {x:.4}")),
            _ => {}
        }
    }
    class_names(pickle, root, found);
    found.facts.extend(leak::poisoned(pickle, root));
}

/// Class names under the usual keys: a list of texts, or a dict from text to index.
fn class_names(pickle: &Pickle, record: Value, found: &mut Found) {
    if !found.class_names.is_empty() {
        return;
    }
    for key in ["classes", "class_names", "idx_to_class", "class_to_idx"] {
        let Some(value) = pickle.get(record, key) else { continue };
        let names = match (pickle.elements(value), pickle.items(value)) {
            (Some(all), _) => {
                all.iter().map(|v| pickle.text(*v).map(Untrusted::new)).collect::<Option<Vec<_>>>()
            }
            (None, Some(pairs)) => indexed(pickle, pairs),
            _ => None,
        };
        if let Some(names) = names.filter(|n| !n.is_empty() && n.len() <= CLASSES) {
            found.facts.push(format!("names {} classes under '{key}'", names.len()));
            found.class_names = names;
            return;
        }
    }
}

/// Names in the order of their indices, which must be 0, 1, 2, ….
fn indexed(pickle: &Pickle, pairs: &[(Value, Value)]) -> Option<Vec<Untrusted>> {
    let mut all = Vec::with_capacity(pairs.len().min(CLASSES));
    for (k, v) in pairs.iter().take(CLASSES + 1) {
        let (index, name) = match (pickle.int(*k), pickle.int(*v)) {
            (Some(i), None) => (i, pickle.text(*v)?),
            (None, Some(i)) => (i, pickle.text(*k)?),
            _ => return None,
        };
        all.push((index, name));
    }
    all.sort_by_key(|(i, _)| *i);
    let counted = all.iter().enumerate().all(|(at, (i, _))| usize::try_from(*i) == Ok(at));
    counted.then(|| all.into_iter().map(|(_, name)| Untrusted::new(name)).collect())
}
