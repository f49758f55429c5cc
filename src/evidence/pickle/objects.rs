//! Objects of a pickle as they are made and grow: text and numbers by reference to the file, tuples, containers.

use super::fault::{Bound, Fault};
use super::machine::{Halt, Machine, Step};
use super::value::{Action, Cells, Id, Object, Span, Value};
use super::{Node, Pickle};
use std::borrow::Cow;

/// A container expands to more values than this, and to this many for each byte of the file: built to exhaust.
const EXPANSION: f32 = 1e7;
const EXPANSION_PER_BYTE: f32 = 100.0;

impl Pickle<'_> {
    /// How deep and how heavy a container of these values is.
    pub(super) fn measure(&self, children: &[Value]) -> (u32, f32) {
        let (mut depth, mut weight) = (0u32, 0.0f32);
        for &child in children {
            let (d, w) = match child {
                Value::Ref(id) => self.nodes.get(id.0 as usize).map_or((0, 1.0), |n| (n.depth, n.weight)),
                _ => (0, 1.0),
            };
            depth = depth.max(d.saturating_add(1));
            weight += w;
        }
        (depth, weight)
    }
}

impl<'a> Machine<'_, 'a> {
    pub(super) fn object(&mut self, object: Object<'a>, children: &[Value]) -> Value {
        let (depth, weight) = self.pickle.measure(children);
        self.object_of(object, children.len(), depth, weight)
    }

    /// An object with so many parts, which are so deep and heavy.
    pub(super) fn object_of(&mut self, object: Object<'a>, parts: usize, depth: u32, weight: f32) -> Value {
        if self.full(1) {
            return Value::Unknown;
        }
        let Ok(id) = u32::try_from(self.pickle.nodes.len()) else { return Value::Unknown };
        self.pickle.elements += 1;
        self.pickle.nodes.push(Node { object, depth: 1, weight: 1.0 });
        self.grow_by(Id(id), parts, depth, weight);
        Value::Ref(Id(id))
    }

    /// Whether so many values more would be too many.
    pub(super) fn full(&mut self, more: usize) -> bool {
        let full = self.pickle.elements.saturating_add(more as u64) > self.caps.values;
        if full {
            self.limit(Bound::Values);
        }
        full
    }

    /// A cap that is said once.
    pub(super) fn limit(&mut self, bound: Bound) {
        let limit = Action::Fault(Fault::Limit(bound));
        if !self.pickle.events.iter().rev().take(4).any(|e| e.action == limit) {
            self.fault(Fault::Limit(bound));
        }
    }

    /// Counts values that become part of an object.
    pub(super) fn grow(&mut self, id: Id, children: &[Value]) {
        let (depth, weight) = self.pickle.measure(children);
        self.grow_by(id, children.len(), depth, weight);
    }

    fn grow_by(&mut self, id: Id, parts: usize, depth: u32, weight: f32) {
        self.pickle.elements += parts as u64;
        let per_file = EXPANSION_PER_BYTE * self.bytes.len() as f32;
        let Some(node) = self.pickle.nodes.get_mut(id.0 as usize) else { return };
        let (was_deep, was_heavy) = (node.depth, node.weight);
        node.depth = node.depth.max(depth);
        node.weight += weight;
        let (deep, heavy) = (node.depth, node.weight);
        let most = EXPANSION.max(per_file);
        if deep > self.caps.depth && was_deep <= self.caps.depth && deep - 1 <= self.caps.depth {
            self.limit(Bound::Depth);
        }
        if heavy > most && was_heavy <= most {
            self.limit(Bound::Expansion);
        }
    }

    pub(super) fn make(&mut self, object: Object<'a>, children: &[Value]) -> Step {
        let value = self.object(object, children);
        self.push(value)
    }

    pub(super) fn span(&self, len: usize) -> Option<Span> {
        let at = self.at.checked_sub(len)? as u64;
        Some(Span::new(at, u32::try_from(len).ok()?))
    }

    /// Text that was just taken.
    pub(super) fn text(&mut self, raw: &'a [u8]) -> Step {
        match (std::str::from_utf8(raw), self.span(raw.len())) {
            (Ok(_), Some(span)) => self.push(Value::Text(span)),
            (Ok(text), None) => self.make(Object::Text(Box::new(text.to_owned())), &[]),
            (Err(_), _) => {
                // Python's decoder takes lone surrogates; nothing else is.
                if !only_surrogates_are_wrong(raw) {
                    self.fault(Fault::Utf8);
                }
                self.make(Object::Text(Box::new(String::from_utf8_lossy(raw).into_owned())), &[])
            }
        }
    }

    pub(super) fn raw(&mut self, raw: &'a [u8]) -> Step {
        match self.span(raw.len()) {
            Some(span) => self.push(Value::Bytes(span)),
            None => self.make(Object::Bytes(Box::new(Cow::Borrowed(raw))), &[]),
        }
    }

    /// A string of protocol 0 to 2: text when it is ASCII, else bytes.
    pub(super) fn old_string(&mut self, raw: &'a [u8]) -> Step {
        if raw.is_ascii() { self.text(raw) } else { self.raw(raw) }
    }

    pub(super) fn big(&mut self, len: usize, text: bool) -> Step {
        match self.span(len) {
            Some(span) => self.make(Object::BigInt { span, text }, &[]),
            None => self.push(Value::Unknown),
        }
    }

    // Tuples.

    /// Copies values to where they do not change. Beyond the cap there are none.
    pub(super) fn cells(&mut self, values: &[Value]) -> Cells {
        let (at, len) = (u32::try_from(self.pickle.cells.len()), u32::try_from(values.len()));
        let (Ok(at), Ok(len), false) = (at, len, self.full(1)) else {
            self.limit(Bound::Values);
            return Cells::default();
        };
        self.pickle.cells.extend_from_slice(values);
        Cells { at, len }
    }

    /// One object for all empty tuples: nothing can be done to them.
    pub(super) fn empty_tuple(&mut self) -> Value {
        let known = self
            .pickle
            .empty
            .filter(|id| matches!(self.pickle.object(*id), Some(Object::Tuple(cells)) if cells.len == 0));
        if let Some(id) = known {
            return Value::Ref(id);
        }
        let made = self.object(Object::Tuple(Cells::default()), &[]);
        if let Value::Ref(id) = made {
            self.pickle.empty = Some(id);
        }
        made
    }

    /// The uppermost values as a tuple.
    pub(super) fn short_tuple(&mut self, count: usize) -> Step {
        let fence = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|&from| from >= fence);
        if let Some(from) = from {
            return self.tuple_from(from);
        }
        // Too few: each that is missing is said, and unknown.
        let mut items: Vec<Value> = (0..count).map(|_| self.pop()).collect();
        items.reverse();
        let from = self.stack.len();
        self.stack.append(&mut items);
        self.tuple_from(from)
    }

    /// What is above the last MARK as a tuple.
    pub(super) fn marked_tuple(&mut self) -> Step {
        let from = if let Some(mark) = self.marks.pop() {
            mark.min(self.stack.len())
        } else {
            self.fault(Fault::Underflow);
            self.stack.len()
        };
        self.tuple_from(from)
    }

    fn tuple_from(&mut self, from: usize) -> Step {
        let stack = std::mem::take(&mut self.stack);
        let items = stack.get(from..).unwrap_or_default();
        let made = if self.full(items.len()) {
            Value::Unknown
        } else {
            let cells = self.cells(items);
            self.object(Object::Tuple(cells), items)
        };
        self.stack = stack;
        self.stack.truncate(from);
        self.push(made)
    }

    // Containers.

    pub(super) fn container(&mut self, items: Vec<Value>, kind: fn(Box<Vec<Value>>) -> Object<'a>) -> Step {
        if self.full(items.len()) {
            return self.push(Value::Unknown);
        }
        let (depth, weight) = self.pickle.measure(&items);
        let parts = items.len();
        let made = self.object_of(kind(Box::new(items)), parts, depth, weight);
        self.push(made)
    }

    pub(super) fn memoize(&mut self, slot: u64) -> Step {
        let top = self.top();
        if self.memo.used() >= self.caps.memo {
            self.limit(Bound::Memo);
            return Err(Halt);
        }
        self.memo.put(slot, top);
        Ok(())
    }

    pub(super) fn append(&mut self, items: &[Value]) {
        let target = self.top();
        let full = self.full(items.len());
        let Value::Ref(id) = target else {
            if target != Value::Unknown {
                self.fault(Fault::SetItemType);
            }
            return;
        };
        match self.pickle.nodes.get_mut(id.0 as usize).map(|n| &mut n.object) {
            Some(Object::List(list) | Object::Set(list)) if !full => list.extend_from_slice(items),
            Some(Object::List(_) | Object::Set(_)) => return,
            Some(&mut Object::Call(index)) => {
                if let Some(call) = self.pickle.calls.get_mut(index as usize).filter(|_| !full) {
                    call.more().appended.extend_from_slice(items);
                }
                self.pickle.event(self.op, Action::Append(id));
            }
            Some(Object::Global(_) | Object::Computed(_) | Object::Extension(_) | Object::Persistent(_)) => {
                self.pickle.event(self.op, Action::Append(id));
                return;
            }
            _ => {
                self.fault(Fault::SetItemType);
                return;
            }
        }
        self.grow(id, items);
    }

    pub(super) fn set_items(&mut self, flat: &[Value]) {
        let target = self.top();
        let pairs = self.pairs(flat);
        let full = self.full(flat.len());
        let Value::Ref(id) = target else {
            if target != Value::Unknown {
                self.fault(Fault::SetItemType);
            }
            return;
        };
        match self.pickle.nodes.get_mut(id.0 as usize).map(|n| &mut n.object) {
            Some(Object::Dict(dict)) if !full => dict.extend(pairs),
            Some(Object::Dict(_)) => return,
            Some(&mut Object::Call(index)) => {
                if let Some(call) = self.pickle.calls.get_mut(index as usize).filter(|_| !full) {
                    call.more().items.extend(pairs);
                }
                self.pickle.event(self.op, Action::SetItems(id));
            }
            Some(Object::Global(_) | Object::Computed(_) | Object::Extension(_) | Object::Persistent(_)) => {
                self.pickle.event(self.op, Action::SetItems(id));
                return;
            }
            _ => {
                self.fault(Fault::SetItemType);
                return;
            }
        }
        self.grow(id, flat);
    }
}

/// Whether bytes are UTF-8 but for encoded surrogates (ED A0..BF xx).
fn only_surrogates_are_wrong(mut raw: &[u8]) -> bool {
    loop {
        let Err(e) = std::str::from_utf8(raw) else { return true };
        match raw.get(e.valid_up_to()..) {
            Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => raw = rest,
            _ => return false,
        }
    }
}
