//! Inert values: what a pickle would build, with imports and calls as plain descriptions.

use super::fault::Fault;
use std::borrow::Cow;

/// A value. Small ones are held in place, the others in the [`super::Pickle`] that made them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits; a longer one is [`Object::BigInt`].
    Int(i64),
    /// A float.
    Float(f64),
    /// UTF-8 text as it stands in the file; an escaped or damaged one is [`Object::Text`].
    Text(Span),
    /// Bytes as they stand in the file.
    Bytes(Span),
    /// Everything else.
    Ref(Id),
    /// What could not be made: the file is broken here, or a cap was reached.
    Unknown,
}

/// A range of the file. Its offset is kept as bytes, so that a [`Value`] needs no more than sixteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    len: u32,
    at: [u8; 8],
}

impl Span {
    pub(super) fn new(at: u64, len: u32) -> Self {
        Self { len, at: at.to_ne_bytes() }
    }

    /// Offset of the first byte.
    pub fn at(self) -> u64 {
        u64::from_ne_bytes(self.at)
    }

    /// How many bytes.
    pub fn count(self) -> u32 {
        self.len
    }
}

/// Values that lie one after the other in the [`super::Pickle`] that made them, and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cells {
    pub(super) at: u32,
    pub(super) len: u32,
}

/// The number of an object of one [`super::Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(super) u32);

/// A value that has parts, or that does not fit in place. Sixteen bytes: a checkpoint has hundreds of thousands.
#[derive(Debug, Clone, PartialEq)]
pub enum Object<'a> {
    /// An integer of more than 64 bits, as it stands in the file: little-endian two's complement, or digits.
    BigInt {
        /// Where.
        span: Span,
        /// Whether it is written as text.
        text: bool,
    },
    /// Text that is escaped or damaged in the file.
    Text(Box<String>),
    /// Bytes that are escaped in the file, or longer than 4 GiB.
    Bytes(Box<Cow<'a, [u8]>>),
    /// A tuple; the arguments of a call share it.
    Tuple(Cells),
    /// A list.
    List(Box<Vec<Value>>),
    /// A dict: keys and values in the order of writing; a repeated key overrides the earlier one.
    Dict(Box<Vec<(Value, Value)>>),
    /// A set.
    Set(Box<Vec<Value>>),
    /// A frozen set.
    FrozenSet(Box<Vec<Value>>),
    /// Something imported: an index into [`super::Pickle::imports`].
    Global(u32),
    /// An import whose module or name is not a constant of the file: the operands.
    Computed(Box<(Value, Value)>),
    /// What a call returned: see [`super::Pickle::call_of`].
    Call(u32),
    /// What the loader makes of a persistent id: see [`super::Pickle::persistent`].
    Persistent(Cells),
    /// An object of the copyreg extension registry, by its code: the import is not in the file.
    Extension(u32),
    /// An out-of-band buffer that the loader must supply.
    Buffer,
}

/// A call, and what was done to its result afterwards. Its arguments: [`super::Pickle::args`].
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub callee: Value,
    /// By which opcode.
    pub how: How,
    pub(super) args: Cells,
    /// Offset of the opcode.
    pub at: u64,
    /// What only few calls have.
    pub(super) more: Option<Box<More>>,
}

/// See [`Call::more`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct More {
    pub(super) kwargs: Option<Value>,
    pub(super) states: Vec<Value>,
    pub(super) items: Vec<(Value, Value)>,
    pub(super) appended: Vec<Value>,
}

impl Call {
    /// Keyword arguments, a dict (`NEWOBJ_EX` only).
    pub fn kwargs(&self) -> Option<Value> {
        self.more.as_ref().and_then(|more| more.kwargs)
    }

    /// States given by `BUILD` (`__setstate__` or attributes), in order.
    pub fn states(&self) -> &[Value] {
        self.more.as_ref().map_or(&[], |more| &more.states)
    }

    /// Items set (`result[key] = value`), in order.
    pub fn items(&self) -> &[(Value, Value)] {
        self.more.as_ref().map_or(&[], |more| &more.items)
    }

    /// Items appended or added, in order.
    pub fn appended(&self) -> &[Value] {
        self.more.as_ref().map_or(&[], |more| &more.appended)
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// The opcode of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `callee(*args)`.
    Reduce,
    /// `callee(*args)`, protocol 0.
    Inst,
    /// `callee(*args)`, protocol 1.
    Obj,
    /// `callee.__new__(callee, *args)`.
    NewObj,
    /// `callee.__new__(callee, *args, **kwargs)`.
    NewObjEx,
}

/// An imported name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The module as written.
    pub module: String,
    /// The attribute as written; dots reach further down.
    pub name: String,
    /// Offset of the first opcode that imports it.
    pub at: u64,
    /// Whether the file calls it.
    pub called: bool,
}

impl Import {
    /// Whether module and name are Python names, possibly dotted: what is none is read out of noise, or a disguise.
    pub fn is_plausible(&self) -> bool {
        super::hunt::is_word(self.module.trim_end().as_bytes())
            && super::hunt::is_word(self.name.trim_end().as_bytes())
    }
}

/// Something that a load does besides building plain values, in file order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Offset of the opcode.
    pub at: u64,
    /// What it does.
    pub action: Action,
}

/// What an [`Event`] does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Imports a module and takes an attribute; index into [`super::Pickle::imports`].
    Import(u32),
    /// Imports by a name that is computed: the object is [`Object::Computed`].
    ComputedImport(Id),
    /// Calls; the object is an [`Object::Call`].
    Call(Id),
    /// Sets the state or attributes of something: see [`super::Pickle::built`].
    Build(u32),
    /// Sets items of something that is no dict made by this file.
    SetItems(Id),
    /// Appends to something that is no list, or adds to something that is no set, made by this file.
    Append(Id),
    /// Asks the loader to resolve a persistent id; the object is an [`Object::Persistent`].
    PersistentId(Id),
    /// Takes an object of the extension registry.
    Extension(u32),
    /// Takes an out-of-band buffer.
    Buffer,
    /// The file is not as it should be here.
    Fault(Fault),
}
