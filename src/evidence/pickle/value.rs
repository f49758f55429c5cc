//! Inert values: what a pickle would build, with imports and calls as plain descriptions.

use std::sync::Arc;

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

/// A range of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Bytes.
    pub len: u32,
    /// Offset of the first byte.
    pub at: u64,
}

/// The number of an object of one [`super::Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(super) u32);

/// A value that has parts, or that does not fit in place.
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
    Text(Box<str>),
    /// Bytes that are escaped in the file, or longer than 4 GiB.
    Bytes(std::borrow::Cow<'a, [u8]>),
    /// A tuple; the arguments of a call share it.
    Tuple(Arc<[Value]>),
    /// A list.
    List(Vec<Value>),
    /// A dict: keys and values in the order of writing; a repeated key overrides the earlier one.
    Dict(Vec<(Value, Value)>),
    /// A set.
    Set(Vec<Value>),
    /// A frozen set.
    FrozenSet(Vec<Value>),
    /// Something imported: an index into [`super::Pickle::imports`].
    Global(u32),
    /// An import whose module or name is not a constant of the file: the operands.
    Computed(Box<(Value, Value)>),
    /// What a call returned.
    Call(Box<Call>),
    /// What the loader makes of a persistent id.
    Persistent(Value),
    /// An object of the copyreg extension registry, by its code: the import is not in the file.
    Extension(u32),
    /// An out-of-band buffer that the loader must supply.
    Buffer,
}

/// A call, and what was done to its result afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub callee: Value,
    /// By which opcode.
    pub how: How,
    /// Positional arguments.
    pub args: Arc<[Value]>,
    /// Keyword arguments, a dict (`NEWOBJ_EX` only).
    pub kwargs: Option<Value>,
    /// Offset of the opcode.
    pub at: u64,
    /// What was done to the result: of most, nothing.
    pub(super) after: Option<Box<After>>,
}

/// See [`Call::after`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct After {
    pub(super) states: Vec<Value>,
    pub(super) items: Vec<(Value, Value)>,
    pub(super) appended: Vec<Value>,
}

impl Call {
    /// States given by `BUILD` (`__setstate__` or attributes), in order.
    pub fn states(&self) -> &[Value] {
        self.after.as_ref().map_or(&[], |after| &after.states)
    }

    /// Items set (`result[key] = value`), in order.
    pub fn items(&self) -> &[(Value, Value)] {
        self.after.as_ref().map_or(&[], |after| &after.items)
    }

    /// Items appended or added, in order.
    pub fn appended(&self) -> &[Value] {
        self.after.as_ref().map_or(&[], |after| &after.appended)
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
    /// Sets the state or attributes of something.
    Build {
        /// Whose.
        target: Value,
        /// To what.
        state: Value,
    },
    /// Sets items of something that is no dict made by this file.
    SetItems {
        /// Whose.
        target: Value,
    },
    /// Appends to something that is no list, or adds to something that is no set, made by this file.
    Append {
        /// To what.
        target: Value,
    },
    /// Asks the loader to resolve a persistent id; the object is an [`Object::Persistent`].
    PersistentId(Id),
    /// Takes an object of the extension registry.
    Extension(u32),
    /// Takes an out-of-band buffer.
    Buffer,
    /// The file is not as it should be here.
    Fault(Fault),
}

/// Ways in which a pickle is broken, or built so that readers disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An argument ends after the file, or there is no STOP.
    Truncated,
    /// A length below zero.
    NegativeLength,
    /// A byte that is no opcode.
    UnknownOpcode(u8),
    /// An opcode with too little on the stack, or without its MARK.
    Underflow,
    /// A memo slot that was never written.
    MemoMissing,
    /// An opcode reaches over the end of its frame: unpicklers disagree on what follows.
    FrameStraddled,
    /// A frame inside a frame, beyond the file, or longer than its pickle.
    FrameMalformed,
    /// A PROTO opcode that is not the first.
    ProtoMisplaced,
    /// A protocol that no Python knows.
    ProtoUnknown(u8),
    /// An argument that the opcode does not take (a number that is none, unquoted text, an odd number of items).
    Argument,
    /// Text that is not UTF-8.
    Utf8,
    /// A cap was reached: a row of the table of limits by its name, or a fixed one in words (digits, expansion).
    Limit(&'static str),
    /// Items set on a value that takes none.
    SetItemType,
    /// An array whose wrapper promises more bytes than the file has (joblib).
    ArrayBounds,
}

impl Fault {
    /// Whether `CPython`'s unpickler stops here, so that what follows does not run.
    pub fn stops_python(self) -> bool {
        !matches!(self, Self::FrameStraddled | Self::ProtoMisplaced | Self::Utf8 | Self::Limit(_))
    }

    /// Stable reason code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Truncated => "pickle.truncated",
            Self::NegativeLength => "pickle.length.negative",
            Self::UnknownOpcode(_) => "pickle.opcode.unknown",
            Self::Underflow => "pickle.stack.underflow",
            Self::MemoMissing => "pickle.memo.missing",
            Self::FrameStraddled => "pickle.frame.divergence",
            Self::FrameMalformed => "pickle.frame.malformed",
            Self::ProtoMisplaced => "pickle.proto.misplaced",
            Self::ProtoUnknown(_) => "pickle.proto.unknown",
            Self::Argument => "pickle.argument",
            Self::Utf8 => "pickle.string.utf8",
            Self::Limit(_) => "pickle.limit",
            Self::SetItemType => "pickle.setitem.type",
            Self::ArrayBounds => "joblib.array.bounds",
        }
    }

    /// In words.
    pub fn says(self) -> String {
        match self {
            Self::Truncated => "the file ends before the pickle does".to_owned(),
            Self::NegativeLength => "a negative length".to_owned(),
            Self::UnknownOpcode(b) => format!("byte 0x{b:02x} is no opcode"),
            Self::Underflow => "an opcode finds too little on the stack".to_owned(),
            Self::MemoMissing => "a memo slot is read that was never written".to_owned(),
            Self::FrameStraddled => {
                "an opcode reaches over the end of its frame: unpicklers disagree on what follows".to_owned()
            }
            Self::FrameMalformed => {
                "a frame lies inside another, beyond the file, or goes on after STOP".to_owned()
            }
            Self::ProtoMisplaced => "a PROTO opcode that is not the first".to_owned(),
            Self::ProtoUnknown(n) => format!("protocol {n}; the highest is 5"),
            Self::Argument => "an argument that the opcode does not take".to_owned(),
            Self::Utf8 => "text that is not UTF-8".to_owned(),
            Self::Limit(row) if row.starts_with("pickle_") => {
                format!("more than the cap {row} allows; --limit {row}=N sets another")
            }
            Self::Limit(what) => format!("the limit of {what} is reached"),
            Self::SetItemType => "items are set on a value that takes none".to_owned(),
            Self::ArrayBounds => "an array is larger than what is left of the file".to_owned(),
        }
    }
}
