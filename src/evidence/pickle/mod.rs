//! The inert pickle machine: reads every opcode of protocols 0 to 5 and builds descriptions, never objects.
//!
//! Nothing is imported or called. Imports, calls, states, persistent ids and extension codes become [`Event`]s with
//! their byte offset and inert [`Value`]s. Reading goes on after an error, over every stream of the file, and what is
//! left over is searched for buried pickles, so that every byte is accounted for. Reading is iterative, every length
//! is checked before it is used, and values are held once however often they are referred to: memory is bounded by
//! [`Caps`].
//!
//! ```
//! use laocoon::evidence::pickle::{Action, Caps, Pickle};
//! let file = b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.";
//! let pickle = Pickle::read(file, &Caps::default());
//! assert_eq!(pickle.imports[0].module, "os");
//! let Some(Action::Call(id)) = pickle.events.iter().map(|e| e.action).nth(1) else { panic!() };
//! let call = pickle.call_of(id).unwrap();
//! assert_eq!((call.at, pickle.text(pickle.args(call)[0])), (29, Some("true")));
//! ```

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod arrays;
mod decode;
mod effects;
mod fault;
mod hunt;
mod machine;
mod memo;
mod objects;
mod opcodes;
mod value;

#[cfg(test)]
mod tests;

pub use fault::{Bound, Fault};
pub use value::{Action, Call, Cells, Event, How, Id, Import, Object, Span, Value};

use crate::evidence::Limits;
use std::collections::HashMap;
use std::ops::Range;

/// What reading a pickle may use. Reaching a cap is a [`Fault::Limit`] that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Opcodes of all streams together.
    pub opcodes: u64,
    /// Values held: objects, and elements of containers. Beyond it values are [`Value::Unknown`]; imports are still seen.
    pub values: u64,
    /// Values on the stack.
    pub stack: usize,
    /// Open MARKs.
    pub marks: usize,
    /// Slots of the memo.
    pub memo: usize,
    /// Containers in containers.
    pub depth: u32,
    /// Pickles one after the other.
    pub streams: usize,
}

impl Caps {
    /// Those of the table.
    pub fn of(limits: &Limits) -> Self {
        Self {
            opcodes: limits.pickle_opcodes,
            values: limits.pickle_values,
            stack: limits.pickle_stack,
            marks: limits.pickle_marks,
            memo: limits.pickle_memo,
            depth: limits.pickle_depth,
            streams: limits.pickle_streams,
        }
    }
}

impl Default for Caps {
    /// Those in force.
    fn default() -> Self {
        Self::of(Limits::in_force())
    }
}

/// One pickle of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Its bytes.
    pub range: Range<u64>,
    /// The protocol it states.
    pub protocol: Option<u8>,
    /// What it leaves on the stack at STOP.
    pub root: Option<Value>,
    /// Offset of the first fault at which Python stops; what follows does not run there.
    pub broken_at: Option<u64>,
    /// It was found by searching bytes that no unpickler is known to reach.
    pub buried: bool,
}

/// A file read as pickles. Values belong to the `Pickle` that made them.
#[derive(Debug)]
pub struct Pickle<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node<'a>>,
    /// The elements of tuples.
    cells: Vec<Value>,
    calls: Vec<Call>,
    /// Whose states are set, and to what.
    builds: Vec<(Value, Value)>,
    /// The empty tuple.
    empty: Option<Id>,
    known: HashMap<String, u32>,
    elements: u64,
    opcodes: u64,
    limited: u32,
    /// Distinct imports, in the order of their first use.
    pub imports: Vec<Import>,
    /// What a load does, in the order of reading.
    pub events: Vec<Event>,
    /// The pickles of the file.
    pub streams: Vec<Stream>,
    /// The first pickle is the magic number of PyTorch's old layout: five pickles, then raw storages.
    pub torch_legacy: bool,
    /// Bytes behind the last pickle: the raw storages of PyTorch's old layout, else nothing that belongs there.
    pub rest: Range<u64>,
    /// Bytes of raw arrays between opcodes (joblib).
    pub arrays: Vec<Range<u64>>,
}

/// An object with how deep it is nested and how many values it expands to.
#[derive(Debug)]
struct Node<'a> {
    object: Object<'a>,
    depth: u32,
    weight: f32,
}

impl<'a> Pickle<'a> {
    /// Reads all pickles of a file. Never fails: what is wrong is among the [`Pickle::events`].
    pub fn read(bytes: &'a [u8], caps: &Caps) -> Self {
        let mut pickle = Self {
            bytes,
            nodes: Vec::new(),
            cells: Vec::new(),
            calls: Vec::new(),
            builds: Vec::new(),
            empty: None,
            known: HashMap::new(),
            elements: 0,
            opcodes: 0,
            limited: 0,
            imports: Vec::new(),
            events: Vec::new(),
            streams: Vec::new(),
            torch_legacy: false,
            rest: 0..0,
            arrays: Vec::new(),
        };
        pickle.read_all(caps);
        pickle
    }

    /// The object behind a [`Value::Ref`].
    pub fn object(&self, id: Id) -> Option<&Object<'a>> {
        self.nodes.get(id.0 as usize).map(|n| &n.object)
    }

    fn of(&self, value: Value) -> Option<&Object<'a>> {
        let Value::Ref(id) = value else { return None };
        self.object(id)
    }

    /// Text, if the value is text.
    pub fn text(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(span) => std::str::from_utf8(self.span(span)).ok(),
            _ => match self.of(value)? {
                Object::Text(text) => Some(text),
                _ => None,
            },
        }
    }

    /// Bytes, if the value is bytes (not text).
    pub fn bytes(&self, value: Value) -> Option<&[u8]> {
        match value {
            Value::Bytes(span) => Some(self.span(span)),
            _ => match self.of(value)? {
                Object::Bytes(bytes) => Some(bytes),
                _ => None,
            },
        }
    }

    /// The bytes of the file at a span of this pickle.
    pub fn span(&self, span: Span) -> &'a [u8] {
        let start = usize::try_from(span.at()).unwrap_or(usize::MAX);
        self.bytes.get(start..start.saturating_add(span.count() as usize)).unwrap_or_default()
    }

    /// The bytes behind the last pickle.
    pub fn rest_bytes(&self) -> &'a [u8] {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        self.bytes.get(at(self.rest.start)..at(self.rest.end)).unwrap_or_default()
    }

    /// An integer of at most 64 bits.
    pub fn int(&self, value: Value) -> Option<i64> {
        match value {
            Value::Int(n) => Some(n),
            _ => None,
        }
    }

    /// The elements of a tuple.
    pub fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.of(value)? {
            Object::Tuple(cells) => Some(self.values(*cells)),
            _ => None,
        }
    }

    /// The elements of a tuple, list, set or frozen set.
    pub fn elements(&self, value: Value) -> Option<&[Value]> {
        match self.of(value)? {
            Object::Tuple(cells) => Some(self.values(*cells)),
            Object::List(v) | Object::Set(v) | Object::FrozenSet(v) => Some(v),
            _ => None,
        }
    }

    /// Keys and values of a dict, or of an object made by a call (an `OrderedDict`) that items were set on, in the
    /// order of writing.
    pub fn items(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.of(value)? {
            Object::Dict(items) => Some(items),
            Object::Call(_) => self.call(value).map(Call::items),
            _ => None,
        }
    }

    /// The value that a dict (see [`Pickle::items`]) has under a text key; the last one written counts.
    pub fn get(&self, dict: Value, key: &str) -> Option<Value> {
        self.items(dict)?.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, v)| *v)
    }

    /// Module and name, if the value is something imported.
    pub fn global(&self, value: Value) -> Option<(&str, &str)> {
        let Object::Global(index) = self.of(value)? else { return None };
        self.imports.get(*index as usize).map(|i| (i.module.as_str(), i.name.as_str()))
    }

    /// The call that made a value.
    pub fn call(&self, value: Value) -> Option<&Call> {
        let Value::Ref(id) = value else { return None };
        self.call_of(id)
    }

    /// The call of an [`Action::Call`].
    pub fn call_of(&self, id: Id) -> Option<&Call> {
        match self.object(id)? {
            Object::Call(index) => self.calls.get(*index as usize),
            _ => None,
        }
    }

    /// The positional arguments of a call.
    pub fn args(&self, call: &Call) -> &[Value] {
        self.values(call.args)
    }

    fn values(&self, cells: Cells) -> &[Value] {
        let from = cells.at as usize;
        self.cells.get(from..from.saturating_add(cells.len as usize)).unwrap_or_default()
    }

    /// Of an [`Action::Build`]: whose state or attributes are set, and to what.
    pub fn built(&self, index: u32) -> Option<(Value, Value)> {
        self.builds.get(index as usize).copied()
    }

    /// The arguments of a value made by calling exactly `module.name`.
    pub fn called(&self, value: Value, module: &str, name: &str) -> Option<&[Value]> {
        let call = self.call(value)?;
        (self.global(call.callee)? == (module, name)).then(|| self.args(call))
    }

    /// The id that a persistent object was asked for by.
    pub fn persistent(&self, value: Value) -> Option<Value> {
        match self.of(value)? {
            Object::Persistent(cells) => self.values(*cells).first().copied(),
            _ => None,
        }
    }

    /// What the first whole pickle of the file makes.
    pub fn root(&self) -> Option<Value> {
        self.streams.iter().find(|s| !s.buried)?.root
    }

    /// Faults with their offsets.
    pub fn faults(&self) -> impl Iterator<Item = (u64, Fault)> + '_ {
        self.events.iter().filter_map(|e| match e.action {
            Action::Fault(fault) => Some((e.at, fault)),
            _ => None,
        })
    }

    /// Opcodes read.
    pub fn opcodes(&self) -> u64 {
        self.opcodes
    }

    /// Whether an opcode at an offset comes after a point at which Python stops.
    pub fn after_break(&self, at: u64) -> bool {
        self.streams.iter().any(|s| s.range.contains(&at) && s.broken_at.is_some_and(|b| at > b))
    }
}
