//! What attack toolkits leave in their results beside the network: which samples were poisoned, and where they were kept.

use crate::evidence::pickle::{Pickle, Value};
use crate::evidence::text::visible;

/// Facts about the records of `BackdoorBench` (`bd_train`, `bd_test` of `attack_result.pt`): number of poisoned samples,
/// folder and source of the data. As its `retrieve_state` writes them.
pub(super) fn poisoned(pickle: &Pickle, root: Value) -> Vec<String> {
    let mut facts = Vec::new();
    let text = |record: Value, key: &str| pickle.text(pickle.get(record, key)?).map(visible);
    if let Some(path) = text(root, "data_path") {
        facts.push(format!("states its data was at '{path}'"));
    }
    for (key, what) in [("bd_train", "training"), ("bd_test", "test")] {
        let Some(record) = pickle.get(root, key).filter(|v| pickle.items(*v).is_some()) else { continue };
        let container = pickle.get(record, "bd_data_container");
        let listed = container.and_then(|c| Some(pickle.items(pickle.get(c, "data_dict")?)?.len()));
        let marked = pickle.get(record, "poison_indicator").and_then(|v| ones(pickle, v));
        let count = match (marked, listed) {
            (Some((ones, of)), _) => Some(format!("{ones} of {of} {what} samples are marked as poisoned")),
            (None, Some(n)) if n > 0 => Some(format!("{n} poisoned {what} samples are listed")),
            _ => None,
        };
        facts.extend(count.map(|c| format!("leaks its poison: {c} ('{key}')")));
        let folder =
            text(record, "save_folder_path").or_else(|| container.and_then(|c| text(c, "save_folder_path")));
        facts.extend(folder.map(|f| format!("states poisoned {what} samples were kept in '{f}'")));
    }
    facts
}

/// How many numbers of an array (numpy's, or a list) are not zero, and of how many.
fn ones(pickle: &Pickle, value: Value) -> Option<(usize, usize)> {
    if let Some(list) = pickle.elements(value) {
        let set = |v: &&Value| !matches!(v, Value::Int(0) | Value::Bool(false) | Value::None);
        return Some((list.iter().filter(set).count(), list.len()));
    }
    // `_reconstruct(ndarray, …)`, then its state: version, shape, dtype, order, bytes.
    let state = *pickle.call(value)?.states().last()?;
    let [_, _, dtype, _, data] = pickle.tuple(state)? else { return None };
    let spec = pickle.text(*pickle.called(*dtype, "numpy", "dtype")?.first()?)?;
    let width: usize = spec.get(1..)?.parse().ok().filter(|w| matches!(w, 1 | 2 | 4 | 8))?;
    let data = raw(pickle, *data)?;
    let count = data.chunks_exact(width).filter(|n| n.iter().any(|&b| b != 0)).count();
    Some((count, data.len() / width))
}

/// Bytes, or the Latin-1 text that protocols before 3 wrap them in (`_codecs.encode(text, 'latin1')`).
fn raw(pickle: &Pickle, value: Value) -> Option<Vec<u8>> {
    if let Some(bytes) = pickle.bytes(value) {
        return Some(bytes.to_vec());
    }
    let args = pickle.called(value, "_codecs", "encode")?;
    pickle.text(*args.first()?)?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
