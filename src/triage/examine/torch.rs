//! PyTorch's containers: tensors against their storages, the archive's own marks, TorchScript's code.

use super::archives::is_storage;
use super::name;
use super::pickles::is_storage_class;
use super::reason::Reason;
use super::rules::holds;
use super::scan::Scan;
use crate::evidence::archive::zip::{Listed, Member, Zip};
use crate::evidence::array::not_finite;
use crate::evidence::limits::cap;
use crate::evidence::pickle::{Action, Pickle, Value};
use crate::evidence::text;
use crate::evidence::torch::dtype;
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Functions of TorchScript that reach outside of the network.
const REACHES_OUT: &[&str] = &[
    "torch.save",
    "torch.load",
    "torch.from_file",
    "ops.aten.from_file",
    "torch.ops.",
    "prim.AnyTensorToFile",
    "open(",
];
/// Branches of TorchScript's code that are listed.
const BRANCHES: usize = 20;
/// Faults of tensors that are said.
const SAID: usize = 20;

/// A storage as a pickle names it.
struct Storage<'p> {
    key: &'p str,
    class: &'p str,
    elements: u64,
}

/// Bytes of an element of a storage class or dtype.
fn width(class: &str) -> Option<u64> {
    let name = class.trim_end_matches("Storage");
    Some(match name {
        "Double" | "Long" | "ComplexFloat" | "float64" | "double" | "int64" | "long" | "complex64" => 8,
        "ComplexDouble" | "complex128" => 16,
        "Float" | "Int" | "QInt32" | "float32" | "float" | "int32" | "int" | "qint32" | "uint32"
        | "complex32" => 4,
        "Half" | "BFloat16" | "Short" | "float16" | "half" | "bfloat16" | "int16" | "short" | "uint16" => 2,
        "Char" | "Byte" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" | "Untyped" | "uint8"
        | "int8" | "bool" | "qint8" | "quint8" => 1,
        n if n.starts_with("float8") => 1,
        "uint64" => 8,
        _ => return None,
    })
}

fn storage<'p>(pickle: &'p Pickle, value: Value) -> Option<Storage<'p>> {
    let parts = pickle.tuple(pickle.persistent(value)?)?;
    let (_, class) = pickle.global(*parts.get(1)?).filter(|(m, n)| is_storage_class(m, n))?;
    let elements = pickle.int(*parts.get(4)?)?;
    Some(Storage { key: pickle.text(*parts.get(2)?)?, class, elements: u64::try_from(elements).ok()? })
}

/// Tensors whose view does not fit their storage; each with offset and code.
fn tensors(pickle: &Pickle) -> Vec<(u64, &'static str, String)> {
    let mut out = Vec::new();
    for event in &pickle.events {
        let Action::Call(id) = event.action else { continue };
        let Some(call) = pickle.call_of(id) else { continue };
        let Some((module, name)) = pickle.global(call.callee) else { continue };
        if module != "torch._utils"
            || !matches!(
                name,
                "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_qtensor"
            )
        {
            continue;
        }
        let [first, offset, size, stride, ..] = pickle.args(call)[..] else { continue };
        if let Some((code, why)) = view(pickle, first, offset, size, stride) {
            out.push((call.at, code, why));
            if out.len() >= SAID {
                break;
            }
        }
    }
    out
}

fn view(
    pickle: &Pickle,
    first: Value,
    offset: Value,
    size: Value,
    stride: Value,
) -> Option<(&'static str, String)> {
    let bounds = "torch.tensor.bounds";
    let Some(storage) = storage(pickle, first) else {
        // A storage of a foreign class or a broken id is said where it is asked for.
        return pickle.persistent(first).is_none().then(|| (bounds, "a tensor without a storage".to_owned()));
    };
    let int = |v: &Value| pickle.int(*v);
    let (Some(sizes), Some(strides), Some(offset)) =
        (pickle.elements(size), pickle.elements(stride), pickle.int(offset))
    else {
        return Some((bounds, "a shape, stride or offset that is no integer".to_owned()));
    };
    if sizes.iter().chain(strides).any(|v| int(v).is_none()) {
        return Some((bounds, "a shape, stride or offset that is no integer".to_owned()));
    }
    // There may be very many tensors: numbers are collected for a message only.
    let (size, stride) = (|| sizes.iter().filter_map(int), || strides.iter().filter_map(int));
    let shown = |all: &[Value]| format!("{:?}", all.iter().filter_map(int).collect::<Vec<_>>());
    if sizes.len() != strides.len() || offset < 0 || size().chain(stride()).any(|n| n < 0) {
        let (shape, stride) = (shown(sizes), shown(strides));
        return Some((bounds, format!("offset {offset}, shape {shape}, stride {stride}")));
    }
    if size().try_fold(1i64, i64::checked_mul).is_none() {
        return Some(("torch.tensor.overflow", format!("shape {} overflows 64 bits", shown(sizes))));
    }
    if size().any(|n| n == 0) {
        return None;
    }
    let last = size().zip(stride()).try_fold(offset, |at, (d, s)| at.checked_add((d - 1).checked_mul(s)?));
    match last.and_then(|n| u64::try_from(n).ok()) {
        Some(last) if last < storage.elements => None,
        _ => {
            let (n, shape, stride) = (storage.elements, shown(sizes), shown(strides));
            Some((
                bounds,
                format!(
                    "shape {shape} with stride {stride} from {offset} reaches beyond its storage of {n} elements"
                ),
            ))
        }
    }
}

/// Storages that a pickle asks for, with the offset of the opcode, in the order of their first use; of a key that is asked
/// for twice the last.
fn storages<'p>(pickle: &'p Pickle) -> Vec<(Storage<'p>, u64)> {
    let (mut out, mut known) = (Vec::new(), HashMap::new());
    for event in &pickle.events {
        let Action::PersistentId(id) = event.action else { continue };
        let Some(storage) = storage(pickle, Value::Ref(id)) else { continue };
        match known.entry(storage.key) {
            Entry::Vacant(free) => {
                free.insert(out.len());
                out.push((storage, event.at));
            }
            Entry::Occupied(taken) => {
                if let Some(slot) = out.get_mut(*taken.get()) {
                    *slot = (storage, event.at);
                }
            }
        }
    }
    out
}

/// The members of an archive by name.
pub(super) struct Beside<'z, 'a> {
    zip: &'z Zip<'a>,
    members: HashMap<&'z str, &'z Member>,
}

impl<'z, 'a> Beside<'z, 'a> {
    pub(super) fn of(zip: &'z Zip<'a>) -> Self {
        let listed = zip.members.iter().filter(|m| m.listed == Listed::Central);
        Self { zip, members: listed.map(|m| (m.name.as_str(), m)).collect() }
    }
}

/// The tensors of a pickle against the storages beside it.
pub(super) fn tensors_beside(scan: &mut Scan, beside: &Beside, member: &str, pickle: &Pickle) {
    let Some(root) = member.strip_suffix("data.pkl") else { return };
    for (at, code, why) in tensors(pickle) {
        scan.say(Reason::new(code, why).at(at));
    }
    let (mut wild, mut missing) = (0, Vec::new());
    let mut path = format!("{root}data/");
    let folder = path.len();
    for (storage, at) in storages(pickle) {
        path.truncate(folder);
        path.push_str(storage.key);
        let found = beside.members.get(path.as_str());
        let needs = width(storage.class).and_then(|w| w.checked_mul(storage.elements));
        match (found, needs) {
            (None, _) => missing.push((storage.key, at, "is not in the archive".to_owned())),
            (Some(m), Some(needs)) if m.size < needs => {
                missing.push((storage.key, at, format!("has {} bytes and should have {needs}", m.size)));
            }
            (Some(m), Some(_)) if m.method == 0 => {
                wild += dtype(storage.class).map_or(0, |d| not_finite(beside.zip.packed(m), d));
            }
            _ => {}
        }
    }
    missing.sort_by_key(|m| m.0);
    for (key, at, what) in missing {
        let detail = format!("storage {} {what}", text::visible(key));
        scan.say(Reason::new("torch.storage.missing", detail).at(at));
    }
    if wild > 0 {
        scan.say(Reason::new("weights.nonfinite", format!("{wild} values are infinite or no number")));
    }
}

/// The archive's root (the name under which it was saved), its format version, byte order and serialization id.
pub(super) fn marks(scan: &mut Scan, zip: &Zip, depth: u32) {
    // Of very many members all but a few are storages.
    let own: Vec<&Member> =
        zip.members.iter().filter(|m| m.listed == Listed::Central && !is_storage(&m.name)).collect();
    let read = |suffix: &str| {
        let is =
            |name: &str| name.strip_suffix(suffix).is_some_and(|root| root.is_empty() || root.ends_with('/'));
        let m = own.iter().find(|m| is(&m.name))?;
        Some(String::from_utf8_lossy(zip.unpack(m, 256)?.bytes()).into_owned())
    };
    let root = zip.members.first().and_then(|m| m.name.split_once('/')).map(|(r, _)| r.to_owned());
    if let Some(version) = read("version")
        && !version.trim().parse::<u32>().is_ok_and(|v| v <= 100)
    {
        scan.say(Reason::new(
            "torch.version",
            format!("the format version is '{}'", text::visible(version.trim())),
        ));
    }
    if let Some(order) = read("byteorder")
        && !matches!(order.trim(), "little" | "big")
    {
        scan.say(Reason::new(
            "torch.version",
            format!("the byte order is '{}'", text::visible(order.trim())),
        ));
    }
    let id = read(".data/serialization_id");
    let edited = id.as_deref().and_then(|id| serialization_edited(zip, id));
    if edited == Some(true) {
        let detail =
            "the serialization id does not fit the members: the archive was edited after PyTorch wrote it";
        scan.say(Reason::new("torch.serialization_id", detail));
    }
    if depth == 0 {
        let mark = |v: Option<String>| v.map(|v| text::visible(v.trim()));
        scan.facts.insert(
            "torch".to_owned(),
            json!({"saved_as": root.map(|r| text::visible(&r)), "version": mark(read("version")), "byteorder": mark(read("byteorder")),
                "storage_alignment": mark(read(".storage_alignment")), "serialization_id": mark(id), "edited_after_saving": edited}),
        );
    }
}

/// PyTorch's id is two numbers of 20 digits: a hash of the names, and one of the checksums of all members in order. Whether
/// the second differs; `None` when the id has another form.
fn serialization_edited(zip: &Zip, id: &str) -> Option<bool> {
    let stated = id.trim().get(20..40)?;
    stated.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    let listed = zip
        .members
        .iter()
        .filter(|m| m.listed == Listed::Central && !m.name.ends_with(".data/serialization_id"));
    let sum = listed.fold(0u64, |seed, m| {
        seed ^ u64::from(m.crc).wrapping_add(0x9e37_79b9).wrapping_add(seed << 6).wrapping_add(seed >> 2)
    });
    Some(format!("{sum:020}") != stated)
}

/// PyTorch's old layout: the sizes of the storages behind the pickles.
pub(super) fn legacy(scan: &mut Scan, pickle: &Pickle) {
    for (at, code, why) in tensors(pickle) {
        scan.say(Reason::new(code, why).at(at));
    }
    let named = storages(pickle);
    let left = pickle.rest.end - pickle.rest.start;
    let needs = named
        .iter()
        .try_fold(0u64, |n, (s, _)| n.checked_add(8)?.checked_add(width(s.class)?.checked_mul(s.elements)?));
    if pickle.streams.iter().filter(|s| !s.buried).count() < 5 {
        return;
    }
    match needs {
        Some(needs) if needs > left => {
            let detail = format!("storages of {needs} bytes are named, {left} bytes are there");
            scan.say(Reason::new("torch.storage.missing", detail).at(pickle.rest.start));
        }
        Some(needs) if needs < left => {
            let detail = format!("{} bytes behind the last storage", left - needs);
            scan.say(Reason::new("pickle.trailing_data", detail).at(pickle.rest.start + needs));
        }
        _ => {}
    }
}

/// The code of a TorchScript archive: what reaches out, and branches that depend on what is computed.
pub(super) fn script(scan: &mut Scan, zip: &Zip, depth: u32) {
    let mut listing = Vec::new();
    for member in zip
        .members
        .iter()
        .filter(|m| m.name.contains("code/") && name::extension(&m.name).as_deref() == Some("py"))
    {
        let Some(content) = zip.unpack(member, scan.cap()) else { continue };
        let name = text::visible(&member.name);
        if content.is_cut() {
            let cap = cap!(scan.limits, member_bytes);
            scan.say(Reason::new("zip.limit", format!("not all of the code was read; {cap}")).inside(&name));
        }
        let source = String::from_utf8_lossy(content.bytes()).into_owned();
        listing.push(json!({"file": name, "lines": source.lines().count()}));
        for (i, line) in source.lines().enumerate() {
            let line = line.trim();
            if let Some(what) = REACHES_OUT.iter().find(|w| line.contains(**w) && holds("torchscript", w)) {
                let detail = format!("line {}: {what} reaches outside of the network", i + 1);
                scan.say(Reason::new("code.dangerous", detail).inside(&name));
            }
        }
        let branches = branches(&source);
        for (line, condition) in branches.iter().take(BRANCHES) {
            let detail = format!("line {line}: a branch on computed values: {}", text::visible(condition));
            scan.say(Reason::new("torchscript.branch", detail).inside(&name));
        }
    }
    scan.facts.insert("code".to_owned(), json!(listing));
    marks(scan, zip, depth);
}

/// `if` and `while` whose condition comes from tensors: it calls `bool(…)` or a comparison of tensors, directly or by a
/// name that was assigned so.
fn branches(source: &str) -> Vec<(usize, String)> {
    let from_tensor = |expression: &str| {
        [
            "bool(",
            ".item(",
            "torch.eq(",
            "torch.gt(",
            "torch.lt(",
            "torch.ge(",
            "torch.le(",
            "torch.ne(",
            "torch.equal(",
            "torch.allclose(",
            "torch.any(",
            "torch.all(",
        ]
        .iter()
        .any(|w| expression.contains(w))
    };
    let mut tainted: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for (i, line) in source.lines().enumerate() {
        let line = line.trim();
        let uses = |text: &str| from_tensor(text) || words(text).any(|w| tainted.iter().any(|t| t == w));
        if let Some(condition) = line
            .strip_prefix("if ")
            .or_else(|| line.strip_prefix("while "))
            .or_else(|| line.strip_prefix("elif "))
        {
            if uses(condition) {
                out.push((i + 1, condition.trim_end_matches(':').to_owned()));
            }
        } else if let Some((name, value)) = line.split_once(" = ")
            && uses(value)
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        {
            tainted.push(name.to_owned());
        }
    }
    out
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// The table of names, for the test that switches single ones off.
#[cfg(test)]
pub(super) fn tables() -> (&'static str, Vec<&'static str>) {
    ("torchscript", REACHES_OUT.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_on_tensors_are_told_from_branches_on_settings() {
        let source = "def forward(self, x):\n  if self.training:\n    pass\n  c = torch.eq(x, 1.)\n  d = bool(torch.all(c))\n  if d:\n    return x\n  if bool(torch.gt(x, 2)):\n    return y\n";
        let lines: Vec<usize> = branches(source).into_iter().map(|b| b.0).collect();
        assert_eq!(lines, [6, 8]);
    }
}
