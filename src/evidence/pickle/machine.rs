//! Stack, marks and arguments: one pickle from its first opcode to STOP, or to where nothing more can be read.

use super::decode::{self, Number};
use super::fault::{Bound, Fault};
use super::memo::Memo;
use super::value::{Action, Event, Value};
use super::{Caps, Pickle};

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

/// Faults kept of one file.
const FAULTS: u32 = 1000;

/// What ends a run early.
pub(super) struct Halt;

pub(super) type Step<T = ()> = Result<T, Halt>;

pub(super) struct Machine<'p, 'a> {
    pub(super) pickle: &'p mut Pickle<'a>,
    pub(super) caps: &'p Caps,
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    /// The next byte.
    pub(super) at: usize,
    /// The opcode being read.
    pub(super) op: usize,
    pub(super) stack: Vec<Value>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: Memo,
    pub(super) frame_end: Option<usize>,
    pub(super) protocol: Option<u8>,
    straddled: Vec<(usize, usize)>,
    /// The opcode was followed by raw bytes that belong to no frame.
    pub(super) jumped: bool,
    pub(super) nested: u32,
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
                self.fault(Fault::Limit(Bound::Opcodes));
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

    pub(super) fn fault(&mut self, fault: Fault) {
        self.pickle.fault(self.op, fault);
    }

    // Arguments.

    pub(super) fn take(&mut self, n: u64) -> Step<&'a [u8]> {
        let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
        let Some((got, end)) = end.and_then(|end| Some((self.bytes.get(self.at..end)?, end))) else {
            self.fault(Fault::Truncated);
            return Err(Halt);
        };
        self.at = end;
        Ok(got)
    }

    pub(super) fn uint(&mut self, width: u64) -> Step<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// A four-byte length that may not be negative.
    pub(super) fn length(&mut self) -> Step<u64> {
        let n = self.uint(4)?;
        if n > i32::MAX as u64 {
            self.fault(Fault::NegativeLength);
            return Err(Halt);
        }
        Ok(n)
    }

    /// The bytes up to the next line feed, which is skipped.
    pub(super) fn line(&mut self) -> Step<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(n) = rest.iter().position(|&b| b == b'\n') else {
            self.fault(Fault::Truncated);
            return Err(Halt);
        };
        self.at += n + 1;
        Ok(rest.get(..n).unwrap_or_default())
    }

    /// A slot number in text; `None` (and a fault) when it is none.
    pub(super) fn slot(&mut self) -> Step<Option<u64>> {
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

    // Stack.

    pub(super) fn push(&mut self, value: Value) -> Step {
        if self.stack.len() >= self.caps.stack {
            self.limit(Bound::Stack);
            return Err(Halt);
        }
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Value {
        if self.stack.len() > self.marks.last().copied().unwrap_or(0) {
            return self.stack.pop().unwrap_or(Value::Unknown);
        }
        // Python stops here. What follows is still read, with the operand unknown.
        self.fault(Fault::Underflow);
        Value::Unknown
    }

    pub(super) fn top(&mut self) -> Value {
        if self.stack.len() > self.marks.last().copied().unwrap_or(0) {
            return self.stack.last().copied().unwrap_or(Value::Unknown);
        }
        self.fault(Fault::Underflow);
        Value::Unknown
    }

    /// What is above the last MARK, which is removed.
    pub(super) fn marked(&mut self) -> Vec<Value> {
        let Some(mark) = self.marks.pop() else {
            self.fault(Fault::Underflow);
            return Vec::new();
        };
        self.stack.split_off(mark.min(self.stack.len()))
    }

    pub(super) fn pairs(&mut self, flat: &[Value]) -> Vec<(Value, Value)> {
        if flat.len() % 2 == 1 {
            self.fault(Fault::Argument);
        }
        flat.chunks_exact(2).filter_map(|p| Some((*p.first()?, *p.last()?))).collect()
    }
}
