//! Stack, marks and memo: one pickle from its first opcode to STOP, or to where nothing more can be read.

use super::arrays::{self, Follows};
use super::decode::{self, Number};
use super::memo::Memo;
use super::value::{Action, Call, Event, Fault, How, Id, Import, Object, Span, Value};
use super::{Caps, Node, Pickle};
use std::borrow::Cow;
use std::sync::Arc;

/// How a pickle ended.
pub(super) enum End {
    /// STOP, with what was on top.
    Stop(Value),
    /// A byte that is no opcode, or the end of the file.
    Broken,
}

/// What one run did.
pub(super) struct Run {
    pub end: End,
    pub at: usize,
    pub opcodes: u64,
    pub protocol: Option<u8>,
    /// Ranges of arguments that reach over the end of a frame, from that end.
    pub straddled: Vec<(usize, usize)>,
}

/// Arrays of objects inside each other (joblib).
const NESTED: u32 = 16;
/// Faults kept of one file.
const FAULTS: u32 = 1000;
/// A container expands to more values than this, and to this many for each byte of the file: built to exhaust.
const EXPANSION: f32 = 1e7;
const EXPANSION_PER_BYTE: f32 = 100.0;

/// What ends a run early.
struct Halt;

type Step<T = ()> = Result<T, Halt>;

pub(super) struct Machine<'p, 'a> {
    pickle: &'p mut Pickle<'a>,
    caps: &'p Caps,
    bytes: &'a [u8],
    start: usize,
    /// The next byte.
    at: usize,
    /// The opcode being read.
    op: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    frame_end: Option<usize>,
    protocol: Option<u8>,
    straddled: Vec<(usize, usize)>,
    /// The opcode was followed by raw bytes that belong to no frame.
    jumped: bool,
    nested: u32,
}

/// The key of an import in [`Pickle::known`].
pub(super) fn key(module: &str, name: &str) -> String {
    format!("{module}\n{name}")
}

impl Pickle<'_> {
    /// Adds an event; of faults only the first thousand are kept.
    pub(super) fn event(&mut self, at: usize, action: Action) {
        if matches!(action, Action::Fault(_)) {
            self.limited += 1;
            if self.limited > FAULTS {
                return;
            }
        }
        self.events.push(Event { at: at as u64, action });
    }

    pub(super) fn fault(&mut self, at: usize, fault: Fault) {
        self.event(at, Action::Fault(fault));
    }

    fn depth_weight(&self, value: Value) -> (u32, f32) {
        match value {
            Value::Ref(id) => self.nodes.get(id.0 as usize).map_or((0, 1.0), |n| (n.depth, n.weight)),
            _ => (0, 1.0),
        }
    }
}

impl<'p, 'a> Machine<'p, 'a> {
    pub(super) fn new(pickle: &'p mut Pickle<'a>, at: usize, caps: &'p Caps) -> Self {
        let bytes = pickle.bytes;
        Self {
            pickle,
            caps,
            bytes,
            start: at,
            at,
            op: at,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
            frame_end: None,
            protocol: None,
            straddled: Vec::new(),
            jumped: false,
            nested: 0,
        }
    }

    /// Reads to STOP, to a byte that is no opcode, to the end, or for so many opcodes.
    pub(super) fn run(mut self, most: u64) -> Run {
        let mut opcodes = 0u64;
        let end = loop {
            self.op = self.at;
            if self.frame_end.is_some_and(|end| self.at >= end) {
                self.frame_end = None;
            }
            let Some(&opcode) = self.bytes.get(self.at) else {
                self.fault(Fault::Truncated);
                break End::Broken;
            };
            if opcodes >= most {
                self.fault(Fault::Limit("pickle_opcodes"));
                break End::Broken;
            }
            opcodes += 1;
            self.at += 1;
            if opcode == b'.' {
                if self.frame_end.is_some_and(|end| self.at < end) {
                    self.fault(Fault::FrameMalformed);
                }
                let root = self.pop();
                break End::Stop(root);
            }
            let frame = self.frame_end;
            let step = self.step(opcode);
            let jumped = std::mem::take(&mut self.jumped);
            if let Some(end) = frame.filter(|&end| !jumped && self.op < end && self.at > end) {
                self.fault(Fault::FrameStraddled);
                self.straddled.push((end, self.at));
                self.frame_end = None;
            }
            if step.is_err() {
                break End::Broken;
            }
        };
        self.pickle.opcodes += opcodes;
        Run { end, at: self.at, opcodes, protocol: self.protocol, straddled: self.straddled }
    }

    fn fault(&mut self, fault: Fault) {
        self.pickle.fault(self.op, fault);
    }

    // Arguments.

    fn take(&mut self, n: u64) -> Step<&'a [u8]> {
        let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
        let Some((got, end)) = end.and_then(|end| Some((self.bytes.get(self.at..end)?, end))) else {
            self.fault(Fault::Truncated);
            return Err(Halt);
        };
        self.at = end;
        Ok(got)
    }

    fn uint(&mut self, width: u64) -> Step<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// A four-byte length that may not be negative.
    fn length(&mut self) -> Step<u64> {
        let n = self.uint(4)?;
        if n > i32::MAX as u64 {
            self.fault(Fault::NegativeLength);
            return Err(Halt);
        }
        Ok(n)
    }

    /// The bytes up to the next line feed, which is skipped.
    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(n) = rest.iter().position(|&b| b == b'\n') else {
            self.fault(Fault::Truncated);
            return Err(Halt);
        };
        self.at += n + 1;
        Ok(rest.get(..n).unwrap_or_default())
    }

    /// A slot number in text; `None` (and a fault) when it is none.
    fn slot(&mut self) -> Step<Option<u64>> {
        let line = self.line()?;
        let slot = match decode::integer(line, false) {
            Number::Int(n) => u64::try_from(n).ok(),
            _ => None,
        };
        if slot.is_none() {
            self.fault(Fault::Argument);
        }
        Ok(slot)
    }

    // Values.

    fn object(&mut self, object: Object<'a>, children: &[Value]) -> Value {
        if self.full(1) {
            return Value::Unknown;
        }
        let Ok(id) = u32::try_from(self.pickle.nodes.len()) else { return Value::Unknown };
        self.pickle.elements += 1;
        self.pickle.nodes.push(Node { object, depth: 1, weight: 1.0 });
        self.grow(Id(id), children);
        Value::Ref(Id(id))
    }

    /// Whether so many values more would be too many.
    fn full(&mut self, more: usize) -> bool {
        let full = self.pickle.elements.saturating_add(more as u64) > self.caps.values;
        if full {
            self.limit("pickle_values");
        }
        full
    }

    /// A cap that is said once.
    fn limit(&mut self, what: &'static str) {
        let limit = Action::Fault(Fault::Limit(what));
        if !self.pickle.events.iter().rev().take(4).any(|e| e.action == limit) {
            self.fault(Fault::Limit(what));
        }
    }

    /// Counts values that become part of an object.
    fn grow(&mut self, id: Id, children: &[Value]) {
        let (mut depth, mut weight) = (0u32, 0.0f32);
        for &child in children {
            let (d, w) = self.pickle.depth_weight(child);
            depth = depth.max(d.saturating_add(1));
            weight += w;
        }
        self.pickle.elements += children.len() as u64;
        let per_file = EXPANSION_PER_BYTE * self.bytes.len() as f32;
        let Some(node) = self.pickle.nodes.get_mut(id.0 as usize) else { return };
        let (was_deep, was_heavy) = (node.depth, node.weight);
        node.depth = node.depth.max(depth);
        node.weight += weight;
        let (deep, heavy) = (node.depth, node.weight);
        let most = EXPANSION.max(per_file);
        if deep > self.caps.depth && was_deep <= self.caps.depth && deep - 1 <= self.caps.depth {
            self.limit("pickle_depth");
        }
        if heavy > most && was_heavy <= most {
            self.limit("values after expansion");
        }
    }

    fn push(&mut self, value: Value) -> Step {
        if self.stack.len() >= self.caps.stack {
            self.limit("pickle_stack");
            return Err(Halt);
        }
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, object: Object<'a>, children: &[Value]) -> Step {
        let value = self.object(object, children);
        self.push(value)
    }

    fn span(&self, len: usize) -> Option<Span> {
        let at = self.at.checked_sub(len)? as u64;
        Some(Span { len: u32::try_from(len).ok()?, at })
    }

    /// Text that was just taken.
    fn text(&mut self, raw: &'a [u8]) -> Step {
        match (std::str::from_utf8(raw), self.span(raw.len())) {
            (Ok(_), Some(span)) => self.push(Value::Text(span)),
            (Ok(text), None) => self.make(Object::Text(text.into()), &[]),
            (Err(_), _) => {
                // Python's decoder takes lone surrogates; nothing else is.
                if !only_surrogates_are_wrong(raw) {
                    self.fault(Fault::Utf8);
                }
                self.make(Object::Text(String::from_utf8_lossy(raw).into()), &[])
            }
        }
    }

    fn raw(&mut self, raw: &'a [u8]) -> Step {
        match self.span(raw.len()) {
            Some(span) => self.push(Value::Bytes(span)),
            None => self.make(Object::Bytes(Cow::Borrowed(raw)), &[]),
        }
    }

    /// A string of protocol 0 to 2: text when it is ASCII, else bytes.
    fn old_string(&mut self, raw: &'a [u8]) -> Step {
        if raw.is_ascii() { self.text(raw) } else { self.raw(raw) }
    }

    fn big(&mut self, len: usize, text: bool) -> Step {
        match self.span(len) {
            Some(span) => self.make(Object::BigInt { span, text }, &[]),
            None => self.push(Value::Unknown),
        }
    }

    fn pop(&mut self) -> Value {
        if self.stack.len() > self.marks.last().copied().unwrap_or(0) {
            return self.stack.pop().unwrap_or(Value::Unknown);
        }
        // Python stops here. What follows is still read, with the operand unknown.
        self.fault(Fault::Underflow);
        Value::Unknown
    }

    fn top(&mut self) -> Value {
        if self.stack.len() > self.marks.last().copied().unwrap_or(0) {
            return self.stack.last().copied().unwrap_or(Value::Unknown);
        }
        self.fault(Fault::Underflow);
        Value::Unknown
    }

    /// What is above the last MARK, which is removed.
    fn marked(&mut self) -> Vec<Value> {
        let Some(mark) = self.marks.pop() else {
            self.fault(Fault::Underflow);
            return Vec::new();
        };
        self.stack.split_off(mark.min(self.stack.len()))
    }

    fn pairs(&mut self, flat: &[Value]) -> Vec<(Value, Value)> {
        if flat.len() % 2 == 1 {
            self.fault(Fault::Argument);
        }
        flat.chunks_exact(2).filter_map(|p| Some((*p.first()?, *p.last()?))).collect()
    }

    // Opcodes.

    #[expect(clippy::too_many_lines, reason = "one table, a line or two for each opcode")]
    fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            b'(' => {
                if self.marks.len() == self.caps.marks {
                    self.limit("pickle_marks");
                }
                if self.marks.len() >= self.caps.stack {
                    return Err(Halt);
                }
                self.marks.push(self.stack.len());
            }
            b'0' => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop();
                }
            }
            b'1' => drop(self.marked()),
            b'2' => {
                let top = self.top();
                self.push(top)?;
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'I' | b'L' => {
                let line = self.line()?;
                match decode::integer(line, opcode == b'I') {
                    Number::Bool(b) => self.push(Value::Bool(b))?,
                    Number::Int(n) => self.push(Value::Int(n))?,
                    Number::Long => {
                        // The span ends in front of the line feed.
                        self.at -= 1;
                        let made = self.big(line.len(), true);
                        self.at += 1;
                        made?;
                    }
                    Number::TooLong => {
                        self.fault(Fault::Limit("4,300 digits"));
                        self.push(Value::Unknown)?;
                    }
                    Number::Not => {
                        self.fault(Fault::Argument);
                        self.push(Value::Unknown)?;
                    }
                }
            }
            b'J' => {
                let n = self.uint(4)? as u32;
                self.push(Value::Int(i64::from(n.cast_signed())))?;
            }
            b'K' | b'M' => {
                let n = self.uint(if opcode == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(n.cast_signed()))?;
            }
            0x8a | 0x8b => {
                let n = if opcode == 0x8a { self.uint(1)? } else { self.length()? };
                let raw = self.take(n)?;
                match decode::small_long(raw) {
                    Some(n) => self.push(Value::Int(n))?,
                    None => self.big(raw.len(), false)?,
                }
            }
            b'F' => {
                let line = self.line()?;
                let number = std::str::from_utf8(line).ok().and_then(|t| t.trim().parse().ok());
                if number.is_none() {
                    self.fault(Fault::Argument);
                }
                self.push(number.map_or(Value::Unknown, Value::Float))?;
            }
            b'G' => {
                let n = self.uint(8)?;
                self.push(Value::Float(f64::from_bits(n.swap_bytes())))?;
            }
            b'S' => {
                let line = self.line()?;
                match decode::quoted(line) {
                    Some(raw) if raw.is_ascii() => {
                        self.make(Object::Text(String::from_utf8_lossy(&raw).into()), &[])?;
                    }
                    Some(raw) => self.make(Object::Bytes(Cow::Owned(raw)), &[])?,
                    None => {
                        self.fault(Fault::Argument);
                        self.push(Value::Unknown)?;
                    }
                }
            }
            b'V' => {
                let line = self.line()?;
                if let Some(text) = decode::raw_unicode(line) {
                    self.make(Object::Text(text.into()), &[])?;
                } else {
                    self.fault(Fault::Argument);
                    self.push(Value::Unknown)?;
                }
            }
            b'T' | b'U' => {
                let n = if opcode == b'T' { self.length()? } else { self.uint(1)? };
                let raw = self.take(n)?;
                self.old_string(raw)?;
            }
            b'X' | 0x8c | 0x8d => {
                let n = self.uint(if opcode == b'X' {
                    4
                } else if opcode == 0x8c {
                    1
                } else {
                    8
                })?;
                let raw = self.take(n)?;
                self.text(raw)?;
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let n = self.uint(if opcode == b'B' {
                    4
                } else if opcode == b'C' {
                    1
                } else {
                    8
                })?;
                let raw = self.take(n)?;
                self.raw(raw)?;
            }
            b')' => self.make(Object::Tuple(Arc::default()), &[])?,
            0x85..=0x87 => {
                let mut items = Vec::with_capacity(3);
                for _ in 0..=opcode - 0x85 {
                    items.push(self.pop());
                }
                items.reverse();
                self.tuple(&items)?;
            }
            b't' => {
                let items = self.marked();
                self.tuple(&items)?;
            }
            b'l' => {
                let items = self.marked();
                self.container(items, Object::List)?;
            }
            0x91 => {
                let items = self.marked();
                self.container(items, Object::FrozenSet)?;
            }
            b']' => self.make(Object::List(Vec::new()), &[])?,
            b'}' => self.make(Object::Dict(Vec::new()), &[])?,
            0x8f => self.make(Object::Set(Vec::new()), &[])?,
            b'd' => {
                let flat = self.marked();
                let pairs = self.pairs(&flat);
                let full = self.full(flat.len());
                let pairs = if full { Vec::new() } else { pairs };
                self.make(Object::Dict(pairs), if full { &[] } else { &flat })?;
            }
            b'a' => {
                let item = self.pop();
                self.append(&[item]);
            }
            b'e' | 0x90 => {
                let items = self.marked();
                self.append(&items);
            }
            b's' => {
                let value = self.pop();
                let key = self.pop();
                self.set_items(&[key, value]);
            }
            b'u' => {
                let flat = self.marked();
                self.set_items(&flat);
            }
            b'p' | b'q' | b'r' => {
                let slot = match opcode {
                    b'p' => self.slot()?,
                    b'q' => Some(self.uint(1)?),
                    _ => Some(self.uint(4)?),
                };
                if let Some(slot) = slot {
                    self.memoize(slot)?;
                }
            }
            0x94 => self.memoize(self.memo.used() as u64)?,
            b'g' | b'h' | b'j' => {
                let slot = match opcode {
                    b'g' => self.slot()?,
                    b'h' => Some(self.uint(1)?),
                    _ => Some(self.uint(4)?),
                };
                let value = slot.and_then(|s| self.memo.get(s));
                if value.is_none() && slot.is_some() {
                    self.fault(Fault::MemoMissing);
                }
                self.push(value.unwrap_or(Value::Unknown))?;
            }
            b'c' => {
                let global = self.import_lines()?;
                self.push(global)?;
            }
            b'i' => {
                let callee = self.import_lines()?;
                let args = self.marked();
                self.call(How::Inst, callee, args.into(), None)?;
            }
            0x93 => {
                let name = self.pop();
                let module = self.pop();
                let global = self.stack_global(module, name);
                self.push(global)?;
            }
            b'R' => {
                let args = self.pop();
                let callee = self.pop();
                let args = self.arguments(args);
                self.call(How::Reduce, callee, args, None)?;
            }
            b'o' => {
                let mut all = self.marked();
                let callee = if all.is_empty() { None } else { Some(all.remove(0)) };
                if callee.is_none() {
                    self.fault(Fault::Underflow);
                }
                self.call(How::Obj, callee.unwrap_or(Value::Unknown), all.into(), None)?;
            }
            0x81 => {
                let args = self.pop();
                let callee = self.pop();
                let args = self.arguments(args);
                self.call(How::NewObj, callee, args, None)?;
            }
            0x92 => {
                let kwargs = self.pop();
                let args = self.pop();
                let callee = self.pop();
                let args = self.arguments(args);
                self.call(How::NewObjEx, callee, args, Some(kwargs))?;
            }
            b'b' => {
                let state = self.pop();
                let target = self.top();
                self.build(target, state)?;
            }
            b'P' => {
                let line = self.line()?;
                let text = String::from_utf8_lossy(line).into();
                let id = self.object(Object::Text(text), &[]);
                self.persistent(id)?;
            }
            b'Q' => {
                let id = self.pop();
                self.persistent(id)?;
            }
            0x82..=0x84 => {
                let code = self.uint(1 << (opcode - 0x82))? as u32;
                self.pickle.event(self.op, Action::Extension(code));
                self.make(Object::Extension(code), &[])?;
            }
            0x80 => {
                let version = self.uint(1)? as u8;
                if self.op != self.start {
                    self.fault(Fault::ProtoMisplaced);
                }
                if version > 5 {
                    self.fault(Fault::ProtoUnknown(version));
                }
                self.protocol.get_or_insert(version);
            }
            0x95 => {
                let n = self.uint(8)?;
                let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
                let end = end.filter(|&end| end <= self.bytes.len());
                if end.is_none() || self.frame_end.is_some() {
                    self.fault(Fault::FrameMalformed);
                }
                self.frame_end = end;
            }
            0x97 => {
                self.pickle.event(self.op, Action::Buffer);
                self.make(Object::Buffer, &[])?;
            }
            0x98 => drop(self.top()),
            other => {
                self.fault(Fault::UnknownOpcode(other));
                return Err(Halt);
            }
        }
        Ok(())
    }

    fn container(&mut self, items: Vec<Value>, kind: fn(Vec<Value>) -> Object<'a>) -> Step {
        if self.full(items.len()) {
            return self.push(Value::Unknown);
        }
        let children = items.clone();
        self.make(kind(items), &children)
    }

    fn tuple(&mut self, items: &[Value]) -> Step {
        if self.full(items.len()) {
            return self.push(Value::Unknown);
        }
        self.make(Object::Tuple(items.into()), items)
    }

    fn memoize(&mut self, slot: u64) -> Step {
        let top = self.top();
        if self.memo.used() >= self.caps.memo {
            self.limit("pickle_memo");
            return Err(Halt);
        }
        self.memo.put(slot, top);
        Ok(())
    }

    fn append(&mut self, items: &[Value]) {
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
            Some(Object::Call(call)) => {
                if !full {
                    call.after.get_or_insert_default().appended.extend_from_slice(items);
                }
                self.pickle.event(self.op, Action::Append { target });
            }
            Some(Object::Global(_) | Object::Computed(_) | Object::Extension(_) | Object::Persistent(_)) => {
                self.pickle.event(self.op, Action::Append { target });
                return;
            }
            _ => {
                self.fault(Fault::SetItemType);
                return;
            }
        }
        self.grow(id, items);
    }

    fn set_items(&mut self, flat: &[Value]) {
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
            Some(Object::Call(call)) => {
                if !full {
                    call.after.get_or_insert_default().items.extend(pairs);
                }
                self.pickle.event(self.op, Action::SetItems { target });
            }
            Some(Object::Global(_) | Object::Computed(_) | Object::Extension(_) | Object::Persistent(_)) => {
                self.pickle.event(self.op, Action::SetItems { target });
                return;
            }
            _ => {
                self.fault(Fault::SetItemType);
                return;
            }
        }
        self.grow(id, flat);
    }

    fn build(&mut self, target: Value, state: Value) -> Step {
        self.pickle.event(self.op, Action::Build { target, state });
        if let Value::Ref(id) = target
            && let Some(Object::Call(call)) = self.pickle.nodes.get_mut(id.0 as usize).map(|n| &mut n.object)
        {
            call.after.get_or_insert_default().states.push(state);
            self.grow(id, &[state]);
        }
        match arrays::follows(self.pickle, target, state) {
            None => Ok(()),
            Some(Follows::Raw { padded, bytes }) => self.skip_array(padded, bytes),
            Some(Follows::Pickle) => self.nested_pickle(),
        }
    }

    /// Steps over the raw bytes of an array.
    fn skip_array(&mut self, padded: bool, bytes: u64) -> Step {
        self.jumped = true;
        let padding = match self.bytes.get(self.at) {
            Some(&n) if padded => 1 + usize::from(n),
            _ => 0,
        };
        let start = self.at.saturating_add(padding);
        let end = usize::try_from(bytes).ok().and_then(|n| start.checked_add(n));
        let Some(end) = end.filter(|&end| end <= self.bytes.len()) else {
            self.fault(Fault::ArrayBounds);
            return Err(Halt);
        };
        self.pickle.arrays.push(start as u64..end as u64);
        // joblib closes the frame in front of an array; one that is open hides what the array covers.
        if self.frame_end.is_some_and(|frame| self.at < frame) {
            self.fault(Fault::FrameStraddled);
        }
        self.frame_end = None;
        self.at = end;
        Ok(())
    }

    /// An array of objects is the next pickle in the file.
    fn nested_pickle(&mut self) -> Step {
        if self.nested >= NESTED {
            self.limit("arrays of objects inside each other");
            return Err(Halt);
        }
        self.jumped = true;
        let mut inner = Machine::new(self.pickle, self.at, self.caps);
        inner.nested = self.nested + 1;
        let left = self.caps.opcodes.saturating_sub(inner.pickle.opcodes);
        let run = inner.run(left);
        self.frame_end = None;
        self.at = run.at;
        match run.end {
            End::Stop(_) => Ok(()),
            End::Broken => Err(Halt),
        }
    }

    fn persistent(&mut self, id: Value) -> Step {
        let made = self.object(Object::Persistent(id), &[id]);
        if let Value::Ref(made) = made {
            self.pickle.event(self.op, Action::PersistentId(made));
        }
        self.push(made)
    }

    // Imports and calls.

    fn import_lines(&mut self) -> Step<Value> {
        let module = self.line()?;
        let name = self.line()?;
        if std::str::from_utf8(module).is_err() || std::str::from_utf8(name).is_err() {
            self.fault(Fault::Utf8);
        }
        Ok(self.import(&String::from_utf8_lossy(module), &String::from_utf8_lossy(name)))
    }

    fn import(&mut self, module: &str, name: &str) -> Value {
        let key = key(module, name);
        let index = if let Some(&index) = self.pickle.known.get(&key) {
            index
        } else {
            let index = self.pickle.imports.len() as u32;
            let import = Import {
                module: module.to_owned(),
                name: name.to_owned(),
                at: self.op as u64,
                called: false,
            };
            self.pickle.imports.push(import);
            self.pickle.known.insert(key, index);
            index
        };
        self.pickle.event(self.op, Action::Import(index));
        self.object(Object::Global(index), &[])
    }

    fn stack_global(&mut self, module: Value, name: Value) -> Value {
        // Bytes are not taken by Python, and are read here as if they were: they say what is meant.
        let word = |v: Value| {
            let text = self.pickle.text(v).map(str::to_owned);
            text.or_else(|| self.pickle.bytes(v).map(|b| String::from_utf8_lossy(b).into_owned()))
        };
        if let (Some(m), Some(n)) = (word(module), word(name)) {
            if self.pickle.text(module).is_none() || self.pickle.text(name).is_none() {
                self.fault(Fault::Argument);
            }
            return self.import(&m, &n);
        }
        let made = self.object(Object::Computed(Box::new((module, name))), &[module, name]);
        if let Value::Ref(id) = made {
            self.pickle.event(self.op, Action::ComputedImport(id));
        }
        made
    }

    /// The elements of an argument tuple. What is no tuple is an argument by itself.
    fn arguments(&mut self, args: Value) -> Arc<[Value]> {
        if let Some(Object::Tuple(items)) = self.pickle.of(args) {
            Arc::clone(items)
        } else {
            if args != Value::Unknown {
                self.fault(Fault::Argument);
            }
            Arc::new([args])
        }
    }

    fn call(&mut self, how: How, callee: Value, args: Arc<[Value]>, kwargs: Option<Value>) -> Step {
        let parts = Arc::clone(&args);
        let call = Call { callee, how, args, kwargs, at: self.op as u64, after: None };
        let made = self.object(Object::Call(Box::new(call)), &parts);
        if let Value::Ref(id) = made {
            self.grow(id, kwargs.as_slice());
            self.pickle.event(self.op, Action::Call(id));
            if let Some(&Object::Global(index)) = self.pickle.of(callee)
                && let Some(import) = self.pickle.imports.get_mut(index as usize)
            {
                import.called = true;
            }
        }
        self.push(made)
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
