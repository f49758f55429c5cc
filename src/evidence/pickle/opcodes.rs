//! The table of opcodes of protocols 0 to 5.

use super::decode::{self, Number};
use super::fault::{Bound, Fault};
use super::machine::{Halt, Machine, Step};
use super::value::{Action, How, Object, Value};
use std::borrow::Cow;

impl Machine<'_, '_> {
    #[expect(clippy::too_many_lines, reason = "one table, a line or two for each opcode")]
    pub(super) fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            b'(' => {
                if self.marks.len() == self.caps.marks {
                    self.limit(Bound::Marks);
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
                        self.fault(Fault::Limit(Bound::Digits));
                        self.push(Value::Unknown)?;
                    }
                    Number::Not => {
                        self.fault(Fault::Argument);
                        self.push(Value::Unknown)?;
                    }
                }
            }
            b'J' => {
                let n = (self.uint(4)? & 0xffff_ffff) as u32;
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
                        self.make(Object::Text(Box::new(String::from_utf8_lossy(&raw).into_owned())), &[])?;
                    }
                    Some(raw) => self.make(Object::Bytes(Box::new(Cow::Owned(raw))), &[])?,
                    None => {
                        self.fault(Fault::Argument);
                        self.push(Value::Unknown)?;
                    }
                }
            }
            b'V' => {
                let line = self.line()?;
                if let Some(text) = decode::raw_unicode(line) {
                    self.make(Object::Text(Box::new(text)), &[])?;
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
            b')' => {
                let empty = self.empty_tuple();
                self.push(empty)?;
            }
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84))?,
            b't' => self.marked_tuple()?,
            b'l' => {
                let items = self.marked();
                self.container(items, Object::List)?;
            }
            0x91 => {
                let items = self.marked();
                self.container(items, Object::FrozenSet)?;
            }
            b']' => self.make(Object::List(Box::default()), &[])?,
            b'}' => self.make(Object::Dict(Box::default()), &[])?,
            0x8f => self.make(Object::Set(Box::default()), &[])?,
            b'd' => {
                let flat = self.marked();
                let pairs = self.pairs(&flat);
                let full = self.full(flat.len());
                let pairs = if full { Vec::new() } else { pairs };
                self.make(Object::Dict(Box::new(pairs)), if full { &[] } else { &flat })?;
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
                let args = self.cells(&args);
                self.call(How::Inst, callee, args, None)?;
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
                let args = self.cells(&all);
                self.call(How::Obj, callee.unwrap_or(Value::Unknown), args, None)?;
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
                let text = String::from_utf8_lossy(line).into_owned();
                let id = self.object(Object::Text(Box::new(text)), &[]);
                self.persistent(id)?;
            }
            b'Q' => {
                let id = self.pop();
                self.persistent(id)?;
            }
            0x82..=0x84 => {
                let code = (self.uint(1 << (opcode - 0x82))? & 0xffff_ffff) as u32;
                self.pickle.event(self.op, Action::Extension(code));
                self.make(Object::Extension(code), &[])?;
            }
            0x80 => {
                let version = (self.uint(1)? & 0xff) as u8;
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
}
