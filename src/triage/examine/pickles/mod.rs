//! What a pickle would do when loaded, judged by an allow list of exact names.

mod allowed;
mod known;

use super::reason::{Reason, Ruling};
use crate::evidence::pickle::{Action, Call, Caps, Event, Fault, Import, Object, Pickle, Value};
use crate::evidence::text;
use crate::procedure::Severity;
use allowed::Rule;
use known::Standing;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Display;

/// What a pickle belongs to: what its persistent ids and imports may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// A file by itself.
    Alone,
    /// `data.pkl` of a PyTorch archive, or PyTorch's old layout.
    Torch,
    /// A pickle of a TorchScript archive, whose types are defined by the archive's own code.
    TorchScript,
}

/// Reasons of one code that are kept for one pickle.
const KEPT: usize = 50;
/// Imports listed among the facts.
const LISTED: usize = 200;
/// Elements of arguments that are looked at for what they hold.
const LOOKED: usize = 100_000;
/// A length that no saved `bytes` has.
const VAST: i64 = 1 << 32;

/// What was found in a pickle.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub reasons: Vec<Reason>,
    pub facts: BTreeMap<String, serde_json::Value>,
    /// Bytes that a loader of PyTorch files is given.
    pub torch_bytes: Vec<(u64, Vec<u8>)>,
}

/// Reads a pickle and judges it.
pub(super) fn judge(bytes: &[u8], setting: Setting) -> Judged {
    let pickle = Pickle::read(bytes, &Caps::default());
    judge_read(&pickle, setting)
}

/// Judges a pickle that was read.
pub(super) fn judge_read(pickle: &Pickle, setting: Setting) -> Judged {
    let mut judge = Judge {
        pickle,
        setting,
        standings: pickle.imports.iter().map(|i| judge_import(&i.module, &i.name, setting)).collect(),
        out: Judged::default(),
        counts: BTreeMap::new(),
        looked: LOOKED,
        open: Vec::new(),
    };
    judge.imports();
    for event in &pickle.events {
        judge.event(event);
    }
    judge.rest();
    judge.facts();
    judge.out
}

fn object<'p, 'a>(pickle: &'p Pickle<'a>, value: Value) -> Option<&'p Object<'a>> {
    let Value::Ref(id) = value else { return None };
    pickle.object(id)
}

fn judge_import(module: &str, name: &str, setting: Setting) -> Standing {
    let (module, name) = known::canonical(module, name);
    let own = module == "__torch__" || module.starts_with("__torch__.");
    let helper = module == "torch.jit._pickle"
        && matches!(
            name.as_str(),
            "build_intlist"
                | "build_tensorlist"
                | "build_doublelist"
                | "build_boollist"
                | "build_tensor_from_id"
                | "restore_type_tag"
        );
    if setting == Setting::TorchScript && (own || helper) && text::visible(&name) == name {
        return Standing::Allowed(Rule::Any);
    }
    known::standing(&module, &name)
}

struct Judge<'p, 'a> {
    pickle: &'p Pickle<'a>,
    setting: Setting,
    standings: Vec<Standing>,
    out: Judged,
    counts: BTreeMap<&'static str, usize>,
    looked: usize,
    /// What is still to be looked at; kept for its memory.
    open: Vec<(Value, u8)>,
}

impl Judge<'_, '_> {
    fn say(&mut self, code: &'static str, at: u64, detail: impl Display) {
        let count = self.counts.entry(code).or_default();
        *count += 1;
        if *count <= KEPT {
            let after = if self.pickle.after_break(at) {
                ", behind the point at which Python stops reading"
            } else {
                ""
            };
            self.out.reasons.push(Reason::new(code, format!("{detail}{after}")).at(at));
        }
    }

    /// `module.name` as visible text.
    fn pair(&self, index: u32) -> String {
        self.pickle
            .imports
            .get(index as usize)
            .map_or_else(String::new, |i| shown(&format!("{}.{}", i.module, i.name)))
    }

    fn imports(&mut self) {
        let buried =
            self.pickle.streams.iter().filter(|s| s.buried).map(|s| s.range.clone()).collect::<Vec<_>>();
        for (i, import) in self.pickle.imports.iter().enumerate() {
            let index = i as u32;
            let called = import.called;
            let does = if called { "imports and calls" } else { "imports" };
            let name = self.pair(index);
            let (code, why) = match self.standings.get(i).copied().unwrap_or(Standing::Unknown) {
                Standing::Allowed(_) => continue,
                Standing::Dangerous(why) => ("pickle.global.dangerous", why),
                Standing::Function if called => {
                    ("pickle.global.dangerous", "a library function that no saved model needs")
                }
                Standing::SideEffect => ("pickle.global.import_side_effect", "importing it acts by itself"),
                Standing::Unprintable => ("pickle.global.unprintable", "the name acts on a screen"),
                Standing::Function | Standing::Unknown => {
                    ("pickle.global.unknown", "nothing is known about it")
                }
            };
            let hidden =
                if buried.iter().any(|r| r.contains(&import.at)) { ", in a buried pickle" } else { "" };
            self.say(code, import.at, format!("{does} {name}: {why}{hidden}"));
            if !called && import.module.trim().ends_with("__main__") && import.module.trim() != "__main__" {
                let detail = format!("importing {name} runs a program");
                self.say("pickle.global.import_side_effect", import.at, detail);
            }
        }
        for range in buried {
            let detail = format!("a pickle lies hidden in bytes {} to {}", range.start, range.end);
            self.say("pickle.buried", range.start, detail);
        }
    }

    fn event(&mut self, event: &Event) {
        let at = event.at;
        match event.action {
            Action::Import(_) => {}
            Action::ComputedImport(id) => {
                let broken = matches!(
                    self.pickle.object(id),
                    Some(Object::Computed(named)) if matches!(**named, (Value::Unknown, _) | (_, Value::Unknown))
                );
                if !(broken && self.pickle.after_break(at)) {
                    self.say(
                        "pickle.global.computed",
                        at,
                        "imports by a name that is no constant of the file".to_owned(),
                    );
                }
            }
            Action::Call(id) => {
                if let Some(call) = self.pickle.call_of(id) {
                    self.call(call);
                }
            }
            Action::Build(index) => {
                if let Some((target, state)) = self.pickle.built(index) {
                    self.build(at, target, state);
                }
            }
            Action::SetItems(target) | Action::Append(target) => {
                if let Some(what) = self.imported(Value::Ref(target)) {
                    self.say(
                        "pickle.setitem.on_global",
                        at,
                        format!("puts items into {what}, which it did not make"),
                    );
                }
            }
            Action::PersistentId(id) => {
                let id = self.pickle.persistent(Value::Ref(id));
                self.persistent(at, id.unwrap_or(Value::Unknown));
            }
            Action::Extension(code) => {
                let detail = format!(
                    "takes number {code} of the extension registry: what it imports is not in the file"
                );
                self.say("pickle.ext_registry", at, detail);
            }
            Action::Buffer => {
                self.say(
                    "pickle.oob_buffer",
                    at,
                    "needs an out-of-band buffer that a file cannot have".to_owned(),
                );
            }
            Action::Fault(fault) => self.fault(at, fault),
        }
    }

    fn fault(&mut self, at: u64, fault: Fault) {
        // What is unknown because of a cap fails in many places; the cap is said.
        self.say(fault.code(), at, fault.says());
    }

    /// What an object is that the file did not make, if it is one.
    fn imported(&self, value: Value) -> Option<String> {
        match object(self.pickle, value)? {
            Object::Global(i) => Some(self.pair(*i)),
            Object::Computed(_) => Some("something imported by a computed name".to_owned()),
            Object::Extension(n) => Some(format!("number {n} of the extension registry")),
            Object::Persistent(_) => Some("a persistent object".to_owned()),
            _ => None,
        }
    }

    fn build(&mut self, at: u64, target: Value, state: Value) {
        if let Some(what) = self.imported(target) {
            self.say(
                "pickle.build.on_global",
                at,
                format!("sets attributes of {what}, which it did not make"),
            );
        }
        for part in std::iter::once(state).chain(self.pickle.tuple(state).unwrap_or_default().iter().copied())
        {
            let keys = self.pickle.items(part).unwrap_or_default();
            if let Some(key) =
                keys.iter().take(LOOKED).find_map(|(k, _)| self.pickle.text(*k).filter(|k| is_inner(k)))
            {
                let detail = format!("sets the inner attribute {} of an object", shown(key));
                self.say("pickle.build.inner_attribute", at, detail);
            }
        }
    }

    fn call(&mut self, call: &Call) {
        let at = call.at;
        let index = match object(self.pickle, call.callee) {
            Some(Object::Global(i)) => *i,
            // Said already where it was imported.
            Some(Object::Computed(_) | Object::Extension(_)) => return,
            None if call.callee == Value::Unknown => return,
            _ => {
                self.say("pickle.call.computed", at, "calls what an earlier call returned".to_owned());
                return;
            }
        };
        let Some(Standing::Allowed(rule)) = self.standings.get(index as usize).copied() else {
            self.nested(call, index);
            let given = self.pickle.args(call).iter().copied().chain(call.kwargs());
            if let Some(what) = self.not_allowed_inside(given) {
                let detail = format!("hands {what} to {}", self.pair(index));
                self.say("pickle.allowlisted.bad_args", at, detail);
            }
            return;
        };
        if let Some(why) = self.bad_arguments(call, rule) {
            let detail = format!("calls {} with {why}", self.pair(index));
            self.say("pickle.allowlisted.bad_args", at, detail);
        }
    }

    /// A function that is not allowed, given bytes that are a pickle, directly or by way of another call.
    fn nested(&mut self, call: &Call, index: u32) {
        let p = self.pickle;
        let mut open: Vec<(Value, u8)> = p.args(call).iter().map(|&v| (v, 0)).collect();
        while let Some((value, depth)) = open.pop() {
            if let Some(bytes) = p.bytes(value) {
                let inner = Pickle::read(bytes, &Caps { opcodes: 1_000_000, ..Caps::default() });
                let whole = inner
                    .streams
                    .first()
                    .is_some_and(|s| s.root.is_some() && s.broken_at.is_none() && s.range.end > 1);
                if whole || !inner.imports.is_empty() {
                    let first = inner.imports.first();
                    let loads = first.map_or_else(String::new, |i| {
                        shown(&format!(", which imports {}.{}", i.module, i.name))
                    });
                    let detail = format!("hands {} a pickle inside bytes{loads}", self.pair(index));
                    self.say("pickle.nested", call.at, detail);
                    return;
                }
            }
            if depth < 3 {
                let inner = p.call(value).map(|c| p.args(c)).or_else(|| p.elements(value));
                open.extend(inner.unwrap_or_default().iter().take(64).map(|&v| (v, depth + 1)));
            }
        }
    }

    /// Why an allowed function should not get these arguments.
    fn bad_arguments(&mut self, call: &Call, rule: Rule) -> Option<String> {
        let p = self.pickle;
        let all = p.args(call);
        let first = all.first().copied().unwrap_or(Value::None);
        let global = |v: Value| p.global(v).map(|(m, n)| known::canonical(m, n));
        // The class of an array is looked at by the rule itself.
        let class =
            rule == Rule::ArrayClass && global(first).is_some_and(|(m, n)| allowed::is_array_class(&m, &n));
        let args = all.iter().copied().skip(usize::from(class)).chain(call.kwargs());
        if let Some(what) = self.not_allowed_inside(args) {
            return Some(what);
        }
        match rule {
            Rule::Any => None,
            Rule::Uncalled => Some("arguments: it opens or makes the file that they name".to_owned()),
            Rule::ArrayClass => match global(first) {
                Some((m, n)) if allowed::is_array_class(&m, &n) => None,
                _ => Some("a class that is no array".to_owned()),
            },
            Rule::Encode => {
                let codec = all.get(1).and_then(|&v| p.text(v)).unwrap_or("utf-8");
                let plain = ["latin1", "latin-1", "iso-8859-1", "utf-8", "utf8", "ascii"]
                    .contains(&codec.to_ascii_lowercase().as_str());
                (!plain || p.text(first).is_none()).then(|| format!("the codec {}", shown(codec)))
            }
            Rule::Partial => match global(first) {
                Some((m, n)) if allowed::is_plain_type(&m, &n) => None,
                _ => Some("a function that is no plain type".to_owned()),
            },
            Rule::Sized => match first {
                Value::Int(n) if n >= VAST => Some(format!("a length of {n}")),
                Value::Ref(_) if matches!(object(p, first), Some(Object::BigInt { .. })) => {
                    Some("a vast length".to_owned())
                }
                _ => None,
            },
            Rule::TorchBytes => match p.bytes(first) {
                Some(bytes) => {
                    self.out.torch_bytes.push((call.at, bytes.to_vec()));
                    None
                }
                None => match p.called(first, "_codecs", "encode").and_then(|a| p.text(*a.first()?)) {
                    Some(text) if text.chars().all(|c| u32::from(c) < 256) => {
                        self.out.torch_bytes.push((call.at, text.chars().map(|c| c as u8).collect()));
                        None
                    }
                    _ => Some("what is no bytes".to_owned()),
                },
            },
            Rule::Rebuilder => match global(first) {
                Some((m, _)) if m == "torch._utils" => None,
                _ => Some("a function that rebuilds no tensor".to_owned()),
            },
            Rule::Ufunc => {
                let text = |i: usize| all.get(i).and_then(|&v| p.text(v)).unwrap_or_default();
                let own = [
                    "numpy",
                    "numpy.core.umath",
                    "numpy.core._multiarray_umath",
                    "scipy.special",
                    "scipy.special._ufuncs",
                ]
                .contains(&text(0));
                let rule = allowed::rule("numpy", text(1))
                    .or_else(|| allowed::rule("scipy.special._ufuncs", text(1)));
                (!own || rule.is_none()).then(|| format!("{}.{}", shown(text(0)), shown(text(1))))
            }
            Rule::Scalar => {
                let code =
                    p.called(first, "numpy", "dtype").and_then(|a| p.text(*a.first()?)).unwrap_or_default();
                code.trim_start_matches(['<', '>', '|', '='])
                    .starts_with('O')
                    .then(|| "an object type".to_owned())
            }
        }
    }

    /// Something among arguments, or among the elements of their tuples and lists, that was imported and is not
    /// allowed.
    fn not_allowed_inside(&mut self, args: impl Iterator<Item = Value>) -> Option<String> {
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        open.extend(args.filter(|v| matches!(v, Value::Ref(_))).map(|v| (v, 0)));
        let found = self.first_not_allowed(&mut open);
        self.open = open;
        found
    }

    fn first_not_allowed(&mut self, open: &mut Vec<(Value, u8)>) -> Option<String> {
        while let Some((value, depth)) = open.pop() {
            match object(self.pickle, value)? {
                Object::Global(i)
                    if match self.standings.get(*i as usize) {
                        Some(Standing::Allowed(rule)) => *rule == Rule::Uncalled,
                        other => other != Some(&Standing::Unknown),
                    } =>
                {
                    return Some(self.pair(*i));
                }
                Object::Computed(_) => return Some("something imported by a computed name".to_owned()),
                Object::Extension(_) => return Some("something of the extension registry".to_owned()),
                Object::Tuple(_) | Object::List(_) if depth < 3 => {
                    let items = self.pickle.elements(value).filter(|items| items.len() <= 64);
                    let items = items.unwrap_or_default();
                    self.looked = self.looked.saturating_sub(items.len());
                    if self.looked > 0 {
                        let parts = items.iter().filter(|v| matches!(v, Value::Ref(_)));
                        open.extend(parts.map(|&v| (v, depth + 1)));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// PyTorch's persistent ids are `("storage", storage class, key, device, elements)`.
    fn persistent(&mut self, at: u64, id: Value) {
        let p = self.pickle;
        let torch = self.setting != Setting::Alone || p.torch_legacy;
        let parts = p.tuple(id).unwrap_or_default();
        let storage = parts.first().and_then(|&v| p.text(v)) == Some("storage") && parts.len() >= 5;
        if !torch || !storage {
            let what = if torch {
                "a persistent id that is no storage"
            } else {
                "a persistent id outside of a PyTorch file"
            };
            self.say("pickle.persid.unexpected", at, format!("{what}: what it means is up to the loader"));
            return;
        }
        let class = parts.get(1).and_then(|&v| p.global(v));
        if !class.is_some_and(|(m, n)| is_storage_class(m, n)) {
            let what = class.map_or_else(|| "no class".to_owned(), |(m, n)| shown(&format!("{m}.{n}")));
            self.say("torch.storage.type", at, format!("a storage of the class {what}"));
        }
        let key = parts.get(2).and_then(|&v| p.text(v)).unwrap_or_default();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_digit()) {
            self.say("torch.storage.key", at, format!("the storage key '{}' is no number", shown(key)));
        }
    }

    fn rest(&mut self) {
        let rest = self.pickle.rest.clone();
        let done = self.pickle.streams.iter().filter(|s| !s.buried).all(|s| s.root.is_some());
        if self.pickle.torch_legacy || rest.is_empty() || !done {
            return;
        }
        let (at, len) = (rest.start, rest.end - rest.start);
        let blank = self.pickle.rest_bytes().iter().all(|b| matches!(b, 0 | b' ' | b'\n' | b'\r'));
        self.say("pickle.trailing_data", at, format!("{len} bytes behind the last pickle"));
        if blank && let Some(reason) = self.out.reasons.last_mut() {
            // Padding hides nothing.
            reason.ruling = Ruling::Review;
            reason.severity = Severity::Low;
        }
    }

    fn facts(&mut self) {
        let p = self.pickle;
        let imports: Vec<_> = p
            .imports
            .iter()
            .take(LISTED)
            .map(|i| json!({"module": shown(&i.module), "name": shown(&i.name), "offset": i.at}))
            .collect();
        let protocol = p.streams.iter().find_map(|s| s.protocol);
        let calls = p.events.iter().filter(|e| matches!(e.action, Action::Call(_))).count();
        for (key, value) in [
            ("imports", json!(imports)),
            ("calls", json!(calls)),
            ("opcodes", json!(p.opcodes())),
            ("streams", json!(p.streams.iter().filter(|s| !s.buried).count())),
            ("protocol", json!(protocol)),
        ] {
            self.out.facts.insert(key.to_owned(), value);
        }
    }
}

/// Whether a class is one of PyTorch's storages.
pub(super) fn is_storage_class(module: &str, name: &str) -> bool {
    let place = matches!(module, "torch" | "torch.storage" | "torch.cuda");
    let dtype = module == "torch" && name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    place && allowed::rule(module, name).is_some() && (name.ends_with("Storage") || dtype)
}

/// Attributes that change how an object behaves.
fn is_inner(key: &str) -> bool {
    [
        "__class__",
        "__setstate__",
        "__reduce__",
        "__reduce_ex__",
        "__getattr__",
        "__getattribute__",
        "__dict__",
        "__code__",
        "__globals__",
        "__builtins__",
        "__bases__",
        "__init__",
        "__new__",
        "__call__",
        "__del__",
        "__wrapped__",
        "__subclasses__",
        "__mro__",
        "__import__",
        "__loader__",
        "__spec__",
    ]
    .contains(&key)
}

/// Text from a pickle, visible and cut.
fn shown(raw: &str) -> String {
    let shown = text::visible(raw);
    match shown.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &shown[..at]),
        None => shown,
    }
}

/// A file that does not look like a pickle but is one: from its first byte to STOP it imports something, or what it
/// imports is known to be dangerous.
pub(super) fn unsuspected(bytes: &[u8]) -> Option<Judged> {
    let head = &bytes[..bytes.len().min(1 << 20)];
    let pickle = Pickle::read(head, &Caps { opcodes: 200_000, values: 200_000, ..Caps::default() });
    if !pickle.imports.iter().any(Import::is_plausible) {
        return None;
    }
    let first = pickle.streams.first();
    let whole = first.is_some_and(|s| !s.buried && s.root.is_some() && s.broken_at.is_none());
    // Noise reads as imports too: one counts only where it is a known danger and is called.
    let dangerous = |value: Value| {
        pickle.global(value).is_some_and(|(m, n)| {
            let (m, n) = known::canonical(m, n);
            allowed::is_name(&m)
                && allowed::is_name(&n)
                && matches!(known::standing(&m, &n), Standing::Dangerous(_))
        })
    };
    let acts = pickle.events.iter().any(|e| match e.action {
        Action::Call(id) => pickle.call_of(id).is_some_and(|c| dangerous(c.callee)),
        _ => false,
    });
    (whole || acts).then(|| judge_read(&pickle, Setting::Alone))
}

/// Whether a name that a configuration refers to can run code, as far as is known.
pub(super) fn is_dangerous(module: &str, name: &str) -> bool {
    let (module, name) = known::canonical(module, name);
    matches!(
        known::standing(&module, &name),
        Standing::Dangerous(_) | Standing::SideEffect | Standing::Unprintable | Standing::Function
    )
}

/// The tables of names, for the test that switches single ones off.
#[cfg(test)]
pub(super) fn tables() -> Vec<(&'static str, Vec<String>)> {
    let known = known::tables().into_iter();
    let owned = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
    allowed::tables().into_iter().chain(known.map(|(table, all)| (table, owned(all)))).collect()
}
