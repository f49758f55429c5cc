//! What a pickle does besides building plain values: imports, calls, states, persistent ids; and raw arrays that a state
//! announces.

use super::arrays::{self, Follows};
use super::fault::{Bound, Fault};
use super::machine::{End, Halt, Machine, Step, key};
use super::value::{Action, Call, Cells, How, Import, More, Object, Value};

/// Arrays of objects inside each other (joblib).
const NESTED: u32 = 16;

impl Machine<'_, '_> {
    pub(super) fn build(&mut self, target: Value, state: Value) -> Step {
        if let Ok(index) = u32::try_from(self.pickle.builds.len()) {
            self.pickle.builds.push((target, state));
            self.pickle.event(self.op, Action::Build(index));
        }
        if let Value::Ref(id) = target
            && let Some(&Object::Call(index)) = self.pickle.of(target)
            && let Some(call) = self.pickle.calls.get_mut(index as usize)
        {
            call.more().states.push(state);
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
            self.limit(Bound::Nested);
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

    pub(super) fn persistent(&mut self, id: Value) -> Step {
        let cells = self.cells(&[id]);
        let made = self.object(Object::Persistent(cells), &[id]);
        if let Value::Ref(made) = made {
            self.pickle.event(self.op, Action::PersistentId(made));
        }
        self.push(made)
    }

    // Imports and calls.

    pub(super) fn import_lines(&mut self) -> Step<Value> {
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
            let Ok(index) = u32::try_from(self.pickle.imports.len()) else { return Value::Unknown };
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

    pub(super) fn stack_global(&mut self, module: Value, name: Value) -> Value {
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
    pub(super) fn arguments(&mut self, args: Value) -> Cells {
        if let Some(Object::Tuple(cells)) = self.pickle.of(args) {
            return *cells;
        }
        if args != Value::Unknown {
            self.fault(Fault::Argument);
        }
        self.cells(&[args])
    }

    pub(super) fn call(&mut self, how: How, callee: Value, args: Cells, kwargs: Option<Value>) -> Step {
        let Ok(index) = u32::try_from(self.pickle.calls.len()) else { return self.push(Value::Unknown) };
        let (depth, weight) = self.pickle.measure(self.pickle.values(args));
        let made = self.object_of(Object::Call(index), args.len as usize, depth, weight);
        if let Value::Ref(id) = made {
            let more = kwargs.map(|_| Box::new(More { kwargs, ..Default::default() }));
            self.pickle.calls.push(Call { callee, how, args, at: self.op as u64, more });
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
