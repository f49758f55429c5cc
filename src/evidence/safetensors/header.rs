//! The JSON header of a safetensors file, read in one pass without building a tree: depth, duplicates, types and
//! caps are found while reading.

use crate::evidence::limits::cap;
use crate::evidence::{Limits, Untrusted};
use safetensors::Dtype;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is wrong, where, under which reason code.
#[derive(Debug)]
pub(super) struct Problem {
    pub place: String,
    pub code: &'static str,
    pub reason: String,
}

impl Problem {
    pub fn new(place: impl Into<String>, code: &'static str, reason: impl Into<String>) -> Self {
        Self { place: place.into(), code, reason: reason.into() }
    }

    pub fn of(tensor: &Untrusted, code: &'static str, reason: impl Into<String>) -> Self {
        Self::new(format!("tensor '{}'", short(tensor)), code, reason)
    }
}

/// A name for a message: visible, and cut when it is absurdly long.
fn short(name: &Untrusted) -> String {
    let shown = name.shown();
    match shown.char_indices().nth(80) {
        Some((cut, _)) => format!("{}… ({} bytes)", shown.get(..cut).unwrap_or_default(), name.raw().len()),
        None => shown,
    }
}

/// One tensor as the header declares it; range and shape are not yet checked against the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: Untrusted,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub begin: u64,
    pub end: u64,
}

/// The header's content.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub tensors: Vec<Entry>,
    pub metadata: BTreeMap<Untrusted, Untrusted>,
}

/// Parses header text that begins with `{`.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Parsed, Problem> {
    scan(text, limits)?;
    let slot = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = Header { slot: &slot, limits }.deserialize(&mut json).and_then(|p| json.end().map(|()| p));
    parsed.map_err(|e| {
        let place = || format!("header, column {}", e.column());
        slot.into_inner().unwrap_or_else(|| Problem::new(place(), "st.header.json", visible_error(&e)))
    })
}

fn visible_error(e: &serde_json::Error) -> String {
    crate::evidence::text::visible(&format!("the header is not JSON: {e}"))
}

/// Depth and lone surrogates, before the JSON parser sees the text. Iterative.
fn scan(text: &str, limits: &Limits) -> Result<(), Problem> {
    let bytes = text.as_bytes();
    let (mut depth, mut quoted, mut i) = (0usize, false, 0);
    while let Some(&b) = bytes.get(i) {
        i += 1;
        match (quoted, b) {
            (_, b'"') => quoted = !quoted,
            (true, b'\\') => {
                let high = escape(bytes, i - 1);
                let unit = match high {
                    Some(0xd800..=0xdbff) if matches!(escape(bytes, i + 5), Some(0xdc00..=0xdfff)) => 11,
                    Some(0xd800..=0xdfff) => {
                        let place = format!("header, column {i}");
                        return Err(Problem::new(
                            place,
                            "st.header.utf8",
                            "a name has half a surrogate pair",
                        ));
                    }
                    _ => 1,
                };
                i += unit;
            }
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > limits.json_depth {
                    let cap = cap!(limits, json_depth);
                    let reason = format!("nested too deep: {cap}; a header has 3 levels");
                    return Err(Problem::new(format!("header, column {i}"), "st.header.depth", reason));
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The code unit of an escape `\uXXXX` at `at`.
fn escape(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at.checked_add(6)?)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

type Slot<'a> = &'a RefCell<Option<Problem>>;

/// Remembers the problem and stops the parser.
fn stop<E: serde::de::Error>(slot: Slot, problem: Problem) -> E {
    slot.borrow_mut().get_or_insert(problem);
    E::custom("stopped")
}

#[derive(Clone, Copy)]
struct Header<'a> {
    slot: Slot<'a>,
    limits: &'a Limits,
}

impl<'de> DeserializeSeed<'de> for Header<'_> {
    type Value = Parsed;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Parsed, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header<'_> {
    type Value = Parsed;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut out = Parsed::default();
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let name = Untrusted::new(key);
            if !seen.insert(name.clone()) {
                return Err(stop(
                    self.slot,
                    Problem::of(&name, "st.duplicate_key", "the name is there twice"),
                ));
            }
            if name.raw() == "__metadata__" {
                out.metadata = map.next_value_seed(Metadata(self.slot))?;
                continue;
            }
            if out.tensors.len() >= self.limits.tensors {
                let reason = format!("too many tensors: {}", cap!(self.limits, tensors));
                return Err(stop(self.slot, Problem::new("header", "st.limit", reason)));
            }
            let entry = map.next_value_seed(EntrySeed { name, slot: self.slot, limits: self.limits })?;
            out.tensors.push(entry);
        }
        Ok(out)
    }
}

/// `__metadata__`: strings to strings.
struct Metadata<'a>(Slot<'a>);

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = BTreeMap<Untrusted, Untrusted>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let slot = self.0;
        let wrong =
            |what: &str| Problem::new("__metadata__", "st.metadata.type", format!("{what}, not a string"));
        match json.deserialize_any(Any { keep: usize::MAX })? {
            Value::Object(pairs) => {
                let mut out = BTreeMap::new();
                for (key, value) in pairs {
                    let Value::Text(value) = value else {
                        return Err(stop(slot, wrong(value.kind())));
                    };
                    let key = Untrusted::new(key);
                    if out.contains_key(&key) {
                        let reason = format!("the key '{}' is there twice", short(&key));
                        return Err(stop(slot, Problem::new("__metadata__", "st.duplicate_key", reason)));
                    }
                    out.insert(key, Untrusted::new(value));
                }
                Ok(out)
            }
            other => {
                let reason = format!("it is {}, not an object of strings", other.kind());
                Err(stop(slot, Problem::new("__metadata__", "st.metadata.type", reason)))
            }
        }
    }
}

/// `{"dtype", "shape", "data_offsets"}`.
struct EntrySeed<'a> {
    name: Untrusted,
    slot: Slot<'a>,
    limits: &'a Limits,
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Entry;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Entry, D::Error> {
        let value = json.deserialize_any(Any { keep: self.limits.rank.max(2) })?;
        self.entry(value).map_err(|problem| stop(self.slot, problem))
    }
}

impl EntrySeed<'_> {
    fn entry(&self, value: Value) -> Result<Entry, Problem> {
        let problem = |code, reason: String| Problem::of(&self.name, code, reason);
        let Value::Object(pairs) = value else {
            return Err(problem("st.field.type", format!("its entry is {}, not an object", value.kind())));
        };
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        for (key, value) in pairs {
            let place = match key.as_str() {
                "dtype" => &mut dtype,
                "shape" => &mut shape,
                "data_offsets" => &mut offsets,
                _ => {
                    let reason = format!("unknown field '{}'", short(&Untrusted::new(key)));
                    return Err(problem("st.field.unknown", reason));
                }
            };
            if place.replace(value).is_some() {
                return Err(problem("st.duplicate_key", format!("the field '{key}' is there twice")));
            }
        }
        let need = |field: Option<Value>, name: &str| {
            field.ok_or_else(|| problem("st.field.missing", format!("the field '{name}' is missing")))
        };
        let dtype = match need(dtype, "dtype")? {
            Value::Text(text) => Dtype::deserialize(text.as_str().into_deserializer()).map_err(
                |_: serde::de::value::Error| {
                    problem("st.dtype", format!("unknown dtype '{}'", short(&Untrusted::new(text))))
                },
            )?,
            other => {
                return Err(problem("st.field.type", format!("dtype is {}, not a string", other.kind())));
            }
        };
        let shape = self.integers(need(shape, "shape")?, "shape", self.limits.rank)?;
        let offsets = self.integers(need(offsets, "data_offsets")?, "data_offsets", 2)?;
        let [begin, end] = offsets[..] else {
            return Err(problem(
                "st.field.type",
                format!("data_offsets has {} numbers, not 2", offsets.len()),
            ));
        };
        let shape = shape.into_iter().map(|d| {
            usize::try_from(d).map_err(|_| problem("st.field.range", format!("extent {d} is too large")))
        });
        Ok(Entry { name: self.name.clone(), dtype, shape: shape.collect::<Result<_, _>>()?, begin, end })
    }

    fn integers(&self, value: Value, field: &str, cap: usize) -> Result<Vec<u64>, Problem> {
        let problem = |code, reason: String| Err(Problem::of(&self.name, code, reason));
        let Value::List { items, more } = value else {
            return problem("st.field.type", format!("{field} is {}, not a list of integers", value.kind()));
        };
        if items.len() + more > cap {
            let n = items.len() + more;
            return if field == "shape" {
                problem("st.rank", format!("shape has {n} numbers; {}", cap!(self.limits, rank)))
            } else {
                problem("st.field.type", format!("{field} has {n} numbers, not {cap}"))
            };
        }
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::Integer(n) => out.push(n),
                Value::OutOfRange => {
                    return problem("st.field.range", format!("{field} has a number outside 0..2^64"));
                }
                other => {
                    return problem("st.field.type", format!("{field} has {}, not an integer", other.kind()));
                }
            }
        }
        Ok(out)
    }
}

/// A JSON value of the little that a header entry may hold; everything else is only named.
enum Value {
    Text(String),
    Integer(u64),
    OutOfRange,
    Object(Vec<(String, Value)>),
    List { items: Vec<Value>, more: usize },
    Other(&'static str),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) | Value::OutOfRange => "a number",
            Value::Object(_) => "an object",
            Value::List { .. } => "a list",
            Value::Other(kind) => kind,
        }
    }
}

/// Reads any JSON value; of a list only the first `keep` items are kept, the rest is counted.
#[derive(Clone, Copy)]
struct Any {
    keep: usize,
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Integer(v))
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::OutOfRange)
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        // Integers too large for 64 bits arrive here as floats.
        Ok(if v >= 2f64.powi(64) || v <= -(2f64.powi(63)) {
            Value::OutOfRange
        } else {
            Value::Other("a fraction")
        })
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("a truth value"))
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Other("null"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (mut items, mut more) = (Vec::new(), 0);
        while items.len() < self.keep.min(64) {
            match seq.next_element_seed(self)? {
                Some(item) => items.push(item),
                None => return Ok(Value::List { items, more }),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        Ok(Value::List { items, more })
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key()? {
            if pairs.len() >= self.keep.max(16) {
                return Err(A::Error::custom("an entry has more fields than any reader knows"));
            }
            pairs.push((key, map.next_value_seed(self)?));
        }
        Ok(Value::Object(pairs))
    }
}
