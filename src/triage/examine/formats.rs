//! Formats of other frameworks: TensorFlow's SavedModel, Keras, GGUF.

use super::reason::Reason;
use super::rules::{holds, listed};
use super::scan::Scan;
use crate::evidence::{hdf5 as h5, text, wire};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Operators of TensorFlow that read or write files, call Python, or reach the network.
const OPERATORS: &[&str] = &[
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "WholeFileReader",
    "WholeFileReaderV2",
    "FixedLengthRecordReader",
    "FixedLengthRecordReaderV2",
    "TextLineReader",
    "TextLineReaderV2",
    "TFRecordReader",
    "TFRecordReaderV2",
    "TextLineDataset",
    "TFRecordDataset",
    "TFRecordDatasetV2",
    "FixedLengthRecordDataset",
    "FixedLengthRecordDatasetV2",
    "LMDBReader",
    "LMDBDataset",
    "ExperimentalLMDBDataset",
    "SqlDataset",
    "ExperimentalSqlDataset",
    "SaveDataset",
    "SaveDatasetV2",
    "LoadDataset",
    "DatasetToTFRecord",
    "ExperimentalDatasetToTFRecord",
    "CSVDataset",
    "ExperimentalCSVDataset",
    "BigQueryReader",
    "GenerateBigQueryReaderPartitions",
    "Rpc",
    "TryRpc",
    "RpcCall",
    "RpcClient",
    "RpcServer",
    "RpcServerStart",
    "RpcServerRegister",
    "RpcGetValue",
    "RemoteFusedGraphExecute",
    "FileSystemSetConfiguration",
    "CreateSummaryFileWriter",
    "CreateSummaryDbWriter",
    "WriteSummary",
    "WriteRawProtoSummary",
    "FlushSummaryWriter",
    "LoadLibrary",
    "SnapshotDataset",
    "SnapshotDatasetV2",
    "ExperimentalParseExampleDataset",
];
/// Graphs and functions looked at.
const NODES: usize = 2_000_000;

/// A SavedModel: its operators, in the graph and in the library of functions.
pub(super) fn saved_model(scan: &mut Scan, data: &[u8]) {
    let whole = whole_message(data).and_then(|()| {
        wire::all(data, 2).try_for_each(|meta| {
            whole_message(meta)?;
            wire::all(meta, 2).try_for_each(|graph| {
                whole_message(graph)?;
                wire::all(graph, 1).try_for_each(whole_message)
            })
        })
    });
    if let Err(at) = whole {
        scan.say(Reason::new("protobuf", "the message is cut or broken").at(at));
    }
    let (mut seen, mut nodes) = (BTreeSet::new(), 0usize);
    for graph in wire::all(data, 2).flat_map(|meta| wire::all(meta, 2)) {
        let functions =
            wire::all(graph, 2).flat_map(|library| wire::all(library, 1)).flat_map(|f| wire::all(f, 3));
        for node in wire::all(graph, 1).chain(functions).take(NODES) {
            nodes += 1;
            if let Some(op) = wire::text(node, 2).filter(|op| listed("tensorflow", OPERATORS, op))
                && seen.insert(op)
            {
                let name = text::visible(wire::text(node, 1).unwrap_or_default());
                scan.say(Reason::new(
                    "tf.op",
                    format!("node '{name}': the operator {op} reaches files, Python or the network"),
                ));
            }
        }
    }
    scan.facts.insert("nodes".to_owned(), json!(nodes));
    keras_texts(scan, data);
}

/// Whether a message can be walked to its end; the offset of the break otherwise.
fn whole_message(message: &[u8]) -> Result<(), u64> {
    wire::fields(message).try_for_each(|f| f.map(drop)).map_err(|b| b.0 as u64)
}

/// An HDF5 file: links to other files, and the Keras configuration among its texts.
pub(super) fn hdf5(scan: &mut Scan, data: &[u8]) {
    let seen = h5::read(data);
    for outside in &seen.outside {
        let names: Vec<String> = outside.names.iter().map(|n| text::visible(n)).collect();
        let detail = format!("{} to {}", outside.kind, names.join(" "));
        scan.say(Reason::new("hdf5.external", detail).at(outside.at));
    }
    if let Some(why) = &seen.broken {
        scan.say(Reason::new("hdf5.malformed", why.clone()));
    }
    scan.facts.insert("objects".to_owned(), json!(seen.objects));
    keras_texts(scan, data);
}

/// Configurations of Keras lie whole and as plain JSON among other bytes.
fn keras_texts(scan: &mut Scan, data: &[u8]) {
    let (mut from, mut parsed) = (0usize, 0);
    while let Some(found) = memchr::memmem::find(data.get(from..).unwrap_or_default(), b"{\"") {
        let at = from + found;
        from = at + 2;
        let text_before =
            at.checked_sub(1).and_then(|i| data.get(i)).is_some_and(|b| (0x20..0x7f).contains(b));
        if text_before || parsed > 1000 {
            continue;
        }
        let mut values =
            serde_json::Deserializer::from_slice(data.get(at..).unwrap_or_default()).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            parsed += 1;
            from = at + values.byte_offset().max(2);
            keras(scan, &value);
        }
    }
    // A configuration that is cut or damaged still says what it wants.
    let lambda =
        [&b"\"class_name\": \"Lambda\""[..], b"\"class_name\":\"Lambda\"", b"\"class_name\": \"__lambda__\""];
    if !scan.reasons.iter().any(|r| r.code == "keras.lambda")
        && lambda.iter().any(|l| memchr::memmem::find(data, l).is_some())
    {
        scan.say(Reason::new("keras.lambda", "a Lambda layer carries Python byte code"));
    }
}

/// Whether a JSON value is a Keras configuration.
pub(super) fn is_keras(value: &Value) -> bool {
    value.get("class_name").is_some() && value.get("config").is_some()
}

/// A Keras configuration: layers that carry code, and Python objects that it names.
pub(super) fn keras(scan: &mut Scan, value: &Value) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                keras_object(scan, map);
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            Value::String(s)
                if matches!(
                    s.as_str(),
                    "get_file" | "enable_unsafe_deserialization" | "keras.utils.get_file"
                ) =>
            {
                scan.say(Reason::new("keras.guard_off", format!("it names {s}")));
            }
            _ => {}
        }
    }
}

fn keras_object(scan: &mut Scan, map: &serde_json::Map<String, Value>) {
    let field = |key: &str| map.get(key).and_then(Value::as_str);
    let class = field("class_name").unwrap_or_default();
    let registered = field("registered_name").unwrap_or_default();
    let short = registered.rsplit('>').next().unwrap_or_default();
    let lambda = [class, short].iter().any(|c| matches!(*c, "Lambda" | "__lambda__"))
        || field("function_type") == Some("lambda");
    if lambda {
        scan.say(Reason::new("keras.lambda", "a Lambda layer carries Python byte code, which Keras runs"));
    }
    if [class, short]
        .iter()
        .any(|c| matches!(*c, "TorchModuleWrapper" | "FlaxLayer" | "JaxLayer" | "TFSMLayer"))
    {
        scan.say(Reason::new(
            "keras.guard_off",
            format!("the layer {} loads another framework's model", text::visible(class)),
        ));
    }
    if map.get("safe_mode") == Some(&Value::Bool(false)) {
        scan.say(Reason::new("keras.guard_off", "it turns Keras' safe mode off"));
    }
    let Some(module) = field("module").filter(|_| map.contains_key("class_name")) else { return };
    let root = module.split('.').next().unwrap_or_default();
    let named = text::visible(&format!("{module}.{class}"));
    let own = matches!(root, "keras" | "tf_keras" | "keras_nlp" | "keras_hub" | "keras_cv" | "keras_core")
        || module.starts_with("tensorflow.keras")
        || module.starts_with("tensorflow.python.keras");
    let reaches = own
        && (module.contains("saving")
            || module.contains("utils") && class.chars().next().is_some_and(char::is_lowercase));
    let plain = module == "builtins"
        && matches!(
            class,
            "function"
                | "dict"
                | "list"
                | "tuple"
                | "set"
                | "int"
                | "float"
                | "str"
                | "bool"
                | "type"
                | "slice"
                | "range"
        );
    if reaches || !own && !plain && super::pickles::is_dangerous(module, class) {
        scan.say(Reason::new("keras.module_ref", format!("it names {named}, which Keras imports")));
    } else if !own && !plain {
        scan.say(Reason::new(
            "keras.unknown_module",
            format!("it names {named}, which Keras imports; nothing is known about it"),
        ));
    }
}

/// GGUF: counts and sizes against the file, and the chat template.
pub(super) fn gguf(scan: &mut Scan, data: &[u8]) {
    let mut reader = Gguf { data, at: 4, wide: true, alignment: 32, templates: Vec::new(), keys: 0 };
    let read = reader.read();
    let (templates, keys) = (std::mem::take(&mut reader.templates), reader.keys);
    if let Err((code, at, why)) = read {
        scan.say(Reason::new(code, why).at(at));
    }
    scan.facts.insert("keys".to_owned(), json!(keys));
    for (key, template) in templates {
        template_text(scan, &key, &template);
    }
}

/// What a chat template has no need of.
const REACHES: &[&str] = &[
    "|attr(",
    "| attr(",
    "lipsum",
    "cycler",
    "joiner",
    "popen",
    "subprocess",
    "import os",
    "import(",
    "eval(",
    "exec(",
    "\\x5f",
    "globals",
    "getattr",
    "os.system",
    "mro(",
    "subclasses",
    "builtins",
    "request.application",
    "self._",
    "include ",
    "{% import",
    "{% extends",
    "{%- import",
];

/// A chat template that reaches for Python's inner objects.
pub(super) fn template_text(scan: &mut Scan, key: &str, template: &str) {
    let lower = template.to_ascii_lowercase();
    let inner = lower
        .match_indices("__")
        .any(|(i, _)| lower.get(i + 2..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase())));
    let found = REACHES.iter().find(|w| lower.contains(**w) && holds("template", w)).copied();
    if let Some(what) = found.or_else(|| inner.then_some("__…__")) {
        let detail = format!(
            "{}: the template reaches for '{what}', which lets it run code where it is rendered",
            text::visible(key)
        );
        scan.say(Reason::new("gguf.template", detail));
    }
}

struct Gguf<'a> {
    data: &'a [u8],
    at: usize,
    /// Lengths have 64 bits (from version 2).
    wide: bool,
    alignment: u64,
    templates: Vec<(String, String)>,
    keys: u64,
}

type Trouble = (&'static str, u64, String);

impl<'a> Gguf<'a> {
    fn fail<T>(&self, code: &'static str, why: impl Into<String>) -> Result<T, Trouble> {
        Err((code, self.at as u64, why.into()))
    }

    fn take(&mut self, n: u64, code: &'static str) -> Result<&'a [u8], Trouble> {
        let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
        match end.and_then(|end| Some((self.data.get(self.at..end)?, end))) {
            Some((got, end)) => {
                self.at = end;
                Ok(got)
            }
            None => self.fail(
                code,
                format!(
                    "{n} bytes are needed, the file has {} left",
                    self.data.len().saturating_sub(self.at)
                ),
            ),
        }
    }

    fn number(&mut self, width: u64, code: &'static str) -> Result<u64, Trouble> {
        Ok(self.take(width, code)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    fn length(&mut self, code: &'static str) -> Result<u64, Trouble> {
        self.number(if self.wide { 8 } else { 4 }, code)
    }

    fn string(&mut self, code: &'static str) -> Result<String, Trouble> {
        let n = self.length(code)?;
        Ok(String::from_utf8_lossy(self.take(n, code)?).into_owned())
    }

    fn read(&mut self) -> Result<(), Trouble> {
        let version = self.number(4, "gguf.header")?;
        if !(1..=3).contains(&version) {
            return self.fail("gguf.header", format!("version {version}; 1 to 3 are known"));
        }
        self.wide = version > 1;
        let (tensors, keys) = (self.length("gguf.count")?, self.length("gguf.count")?);
        let left = (self.data.len() - self.at) as u64;
        // The smallest tensor takes 24 bytes here, the smallest key 13.
        if tensors > left / 24
            || keys > left / 9
            || tensors
                .checked_mul(24)
                .and_then(|t| t.checked_add(keys.checked_mul(9)?))
                .is_none_or(|n| n > left)
        {
            return self
                .fail("gguf.count", format!("{tensors} tensors and {keys} keys cannot be in {left} bytes"));
        }
        for _ in 0..keys {
            self.key()?;
        }
        if self.alignment == 0 || !self.alignment.is_power_of_two() {
            return self.fail("gguf.header", format!("alignment {}", self.alignment));
        }
        self.tensors(tensors)
    }

    fn key(&mut self) -> Result<(), Trouble> {
        let key = self.string("gguf.header")?;
        if key.len() > 65_535 {
            return self.fail("gguf.header", "a key longer than 65,535 bytes");
        }
        self.keys += 1;
        let kind = self.number(4, "gguf.header")?;
        if kind == 8 {
            let value = self.string("gguf.header")?;
            if key.contains("chat_template") {
                self.templates.push((key, value));
            }
            return Ok(());
        }
        if key == "general.alignment" && kind == 4 {
            self.alignment = self.number(4, "gguf.header")?;
            return Ok(());
        }
        self.value(kind)
    }

    /// Steps over a value; arrays of arrays are followed with a list of their own, not by recursion.
    fn value(&mut self, kind: u64) -> Result<(), Trouble> {
        let mut open = vec![(kind, 1u64)];
        while let Some((kind, count)) = open.pop() {
            let width = match kind {
                0 | 1 | 7 => 1,
                2 | 3 => 2,
                4..=6 => 4,
                10..=12 => 8,
                8 => {
                    for _ in 0..count {
                        self.string("gguf.header")?;
                    }
                    continue;
                }
                9 => {
                    if count > 1 {
                        open.push((9, count - 1));
                    }
                    let inner = self.number(4, "gguf.header")?;
                    let n = self.length("gguf.count")?;
                    if n > (self.data.len() - self.at) as u64 {
                        return self
                            .fail("gguf.count", format!("an array of {n} elements is larger than the file"));
                    }
                    if open.len() > 64 {
                        return self.fail("gguf.header", "arrays nest deeper than 64 levels");
                    }
                    if n > 0 {
                        open.push((inner, n));
                    }
                    continue;
                }
                _ => return self.fail("gguf.header", format!("value type {kind}")),
            };
            let Some(bytes) = count.checked_mul(width) else {
                return self.fail("gguf.count", "an array overflows 64 bits");
            };
            self.take(bytes, "gguf.count")?;
        }
        Ok(())
    }

    fn tensors(&mut self, count: u64) -> Result<(), Trouble> {
        let mut placed = Vec::new();
        for _ in 0..count {
            let name = text::visible(&self.string("gguf.tensor")?);
            let dims = self.number(4, "gguf.tensor")?;
            if dims > 4 {
                return self
                    .fail("gguf.tensor", format!("tensor '{name}' has {dims} dimensions; 4 are the most"));
            }
            let mut elements = 1u64;
            for _ in 0..dims {
                let d = self.length("gguf.tensor")?;
                let Some(n) = elements.checked_mul(d) else {
                    return self
                        .fail("gguf.tensor", format!("the shape of tensor '{name}' overflows 64 bits"));
                };
                elements = n;
            }
            let kind = self.number(4, "gguf.tensor")?;
            let offset = self.number(8, "gguf.tensor")?;
            let Some((block, bytes)) = block(kind) else {
                return self.fail("gguf.tensor", format!("tensor '{name}' has the unknown type {kind}"));
            };
            let Some(size) = elements.div_ceil(block).checked_mul(bytes) else {
                return self.fail("gguf.tensor", format!("the size of tensor '{name}' overflows 64 bits"));
            };
            if !offset.is_multiple_of(self.alignment) {
                return self.fail("gguf.tensor", format!("tensor '{name}' is not aligned"));
            }
            placed.push((name, offset, size));
        }
        let start = (self.at as u64).next_multiple_of(self.alignment);
        for (name, offset, size) in placed {
            let end = start.checked_add(offset).and_then(|s| s.checked_add(size));
            if end.is_none_or(|e| e > self.data.len() as u64) {
                return self.fail("gguf.tensor", format!("tensor '{name}' reaches beyond the file"));
            }
        }
        Ok(())
    }
}

/// Elements and bytes of a block of a ggml type.
fn block(kind: u64) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    })
}

/// The tables of names, for the test that switches single ones off.
#[cfg(test)]
pub(super) fn tables() -> [(&'static str, Vec<&'static str>); 2] {
    [("tensorflow", OPERATORS.to_vec()), ("template", REACHES.to_vec())]
}
