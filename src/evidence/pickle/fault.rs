//! Ways in which a pickle is broken, and the bounds that a reading stops at.

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
    /// A bound was reached.
    Limit(Bound),
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
            Self::Limit(bound) if bound.is_row() => {
                let row = bound.name();
                format!("more than the cap {row} allows; --limit {row}=N sets another")
            }
            Self::Limit(bound) => format!("the limit of {} is reached", bound.name()),
            Self::SetItemType => "items are set on a value that takes none".to_owned(),
            Self::ArrayBounds => "an array is larger than what is left of the file".to_owned(),
        }
    }
}

/// What a reading may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`super::Caps::opcodes`].
    Opcodes,
    /// [`super::Caps::values`].
    Values,
    /// [`super::Caps::stack`].
    Stack,
    /// [`super::Caps::marks`].
    Marks,
    /// [`super::Caps::memo`].
    Memo,
    /// [`super::Caps::depth`].
    Depth,
    /// [`super::Caps::streams`].
    Streams,
    /// Digits that Python itself converts.
    Digits,
    /// Values that a container stands for when everything it shares is written out.
    Expansion,
    /// Arrays of objects inside each other.
    Nested,
    /// The search for buried pickles.
    Search,
}

impl Bound {
    /// The row of the table of limits, or, of a fixed bound, what it is in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opcodes => "pickle_opcodes",
            Self::Values => "pickle_values",
            Self::Stack => "pickle_stack",
            Self::Marks => "pickle_marks",
            Self::Memo => "pickle_memo",
            Self::Depth => "pickle_depth",
            Self::Streams => "pickle_streams",
            Self::Digits => "4,300 digits",
            Self::Expansion => "values after expansion",
            Self::Nested => "arrays of objects inside each other",
            Self::Search => "the search for buried pickles",
        }
    }

    /// Whether it is a row of the table, which `--limit` sets.
    pub fn is_row(self) -> bool {
        !matches!(self, Self::Digits | Self::Expansion | Self::Nested | Self::Search)
    }
}
