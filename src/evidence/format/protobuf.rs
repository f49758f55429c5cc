//! Telling ONNX and SavedModel from noise: both are protobuf without a signature.

use super::Format;

/// Fields looked at.
const FIELDS: usize = 4096;

/// ONNX, SavedModel or neither, from the fields of the outermost message. A message cut short still counts by what is
/// there, so that a truncated model is called that.
pub(super) fn kind(head: &[u8]) -> Option<Format> {
    let mut fields = Fields { rest: head, done: 0 };
    let (mut version, mut onnx, mut saved, mut producer) = (None, false, false, false);
    for field in fields.by_ref() {
        match (field.number, field.value) {
            // ModelProto.ir_version; SavedModel.saved_model_schema_version
            (1, Value::Number(n)) => version = Some(n),
            // ModelProto.producer_name is text; SavedModel.meta_graphs is a message that begins with a message.
            (2, Value::Bytes { data, .. }) if is_meta_graph(data) => saved = true,
            (2..=4 | 6, Value::Bytes { .. }) => producer = true,
            // ModelProto.graph, opset_import
            (7 | 8, Value::Bytes { .. }) => onnx = true,
            (5, Value::Number(_)) | (14 | 20 | 25 | 26, Value::Bytes { .. }) => {}
            // What follows a graph is appended; what comes before one is another format.
            _ if onnx && version.is_some() => break,
            _ => return None,
        }
    }
    match (version, onnx, saved) {
        (Some(1), false, true) => Some(Format::SavedModel),
        (_, true, false) if version.is_some() || fields.rest.is_empty() => Some(Format::Onnx),
        (Some(3..=1000), false, false) if producer => Some(Format::Onnx),
        _ => None,
    }
}

/// Whether bytes can begin a `MetaGraphDef`: `meta_info_def` (1) or `graph_def` (2), each a message.
fn is_meta_graph(data: &[u8]) -> bool {
    let first = Fields { rest: data, done: 0 }.next();
    matches!(first, Some(Field { number: 1 | 2, value: Value::Bytes { data, .. } })
        if matches!(data.first(), None | Some(0x0a | 0x12 | 0x1a | 0x22 | 0x2a | 0x38)))
}

struct Field<'a> {
    number: u64,
    value: Value<'a>,
}

enum Value<'a> {
    Number(u64),
    Bytes { data: &'a [u8] },
    Fixed,
}

/// The fields of one message, not entered. Stops silently at the end or at what is no protobuf; `rest` is then what is
/// left.
struct Fields<'a> {
    rest: &'a [u8],
    done: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.done += 1;
        if self.done > FIELDS {
            return None;
        }
        let (key, rest) = varint(self.rest)?;
        let number = key >> 3;
        let (value, rest) = match key & 7 {
            0 => {
                let (n, rest) = varint(rest)?;
                (Value::Number(n), rest)
            }
            1 => (Value::Fixed, rest.get(8..)?),
            2 => {
                let (length, rest) = varint(rest)?;
                // A length past the end: the file is cut short, or `head` is only its beginning.
                let cut = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                let (data, rest) = rest.split_at(cut);
                (Value::Bytes { data }, rest)
            }
            5 => (Value::Fixed, rest.get(4..)?),
            _ => return None,
        };
        self.rest = rest;
        (number != 0).then_some(Field { number, value })
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (i, &b) in bytes.iter().enumerate().take(10) {
        value |= u64::from(b & 0x7f) << (7 * i);
        if b & 0x80 == 0 {
            return Some((value, bytes.get(i + 1..)?));
        }
    }
    None
}
