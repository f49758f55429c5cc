//! The end of a file: its schema, its groups of rows, and where the chunk of each column lies.

use super::thrift::{LIST, STRUCT, Thrift};
use super::{Fault, bad, unread};
use crate::evidence::limits::{Limits, cap};

/// Structs in structs, of the schema.
const DEPTH: usize = 16;
/// Columns of a file, and bytes of a name: a name is kept for each column below it.
const COLUMNS: usize = 10_000;
const NAME: usize = 1024;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 32 bits.
    Int32,
    /// Whole numbers of 64 bits.
    Int64,
    /// Bytes of any length.
    Bytes,
    /// Anything else.
    Other,
}

/// A column that holds values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Names from the outermost struct inwards.
    pub path: Vec<String>,
    /// What it holds.
    pub kind: Kind,
    /// It, or what it is in, may be absent: so many levels.
    pub optional: u8,
    /// It, or what it is in, is a list.
    pub repeated: bool,
}

/// The values of a column in a group of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Where its first page begins.
    pub start: usize,
    /// Bytes of all its pages.
    pub bytes: usize,
    /// How they are packed.
    pub codec: i64,
    /// Its numbers lie in another file, or are encrypted.
    pub elsewhere: bool,
}

/// Rows that lie together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub rows: usize,
    /// One for each leaf.
    pub chunks: Vec<Chunk>,
}

/// The footer.
#[derive(Debug, Default)]
pub(super) struct Footer {
    pub(super) leaves: Vec<Leaf>,
    pub(super) groups: Vec<Group>,
    pub(super) metadata: Vec<(String, String)>,
}

/// The bytes of the footer of a file.
pub(super) fn bytes<'a>(file: &'a [u8], limits: &Limits) -> Result<&'a [u8], Fault> {
    let body = file.strip_prefix(b"PAR1").ok_or_else(|| bad("it does not begin as Parquet does"))?;
    let Some(body) = body.strip_suffix(b"PAR1") else {
        let encrypted = body.ends_with(b"PARE");
        return Err(if encrypted {
            unread("its footer is encrypted")
        } else {
            bad("its end is missing: it is cut")
        });
    };
    let (body, size) = body.split_last_chunk::<4>().ok_or_else(|| bad("it has no footer"))?;
    let size = u64::from(u32::from_le_bytes(*size));
    if size > limits.text_bytes {
        return Err(("parquet.limit", format!("a footer of {size} bytes; {}", cap!(limits, text_bytes))));
    }
    let at = usize::try_from(size).ok().and_then(|n| body.len().checked_sub(n));
    at.and_then(|at| body.get(at..)).ok_or_else(|| bad("its footer is longer than the file"))
}

pub(super) fn read(bytes: &[u8]) -> Result<Footer, Fault> {
    let mut from = Thrift { rest: bytes };
    let (mut schema, mut out, mut last) = (Vec::new(), Footer::default(), 0);
    while let Some((field, kind)) = from.field(&mut last)? {
        match (field, kind) {
            (2, LIST) => each(&mut from, |f| {
                schema.push(element(f)?);
                Ok(())
            })?,
            (4, LIST) => each(&mut from, |f| {
                out.groups.push(group(f)?);
                Ok(())
            })?,
            (5, LIST) => each(&mut from, |f| {
                out.metadata.extend(pair(f)?);
                Ok(())
            })?,
            _ => from.skip(kind)?,
        }
    }
    out.leaves = leaves(&schema)?;
    if let Some(g) = out.groups.iter().find(|g| g.chunks.len() != out.leaves.len()) {
        let reason =
            format!("a row group of {} columns, the schema has {}", g.chunks.len(), out.leaves.len());
        return Err(bad(reason));
    }
    Ok(out)
}

/// Reads the structs of a list.
fn each<'a>(
    from: &mut Thrift<'a>,
    mut read: impl FnMut(&mut Thrift<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (kind, count) = from.list()?;
    if kind != STRUCT {
        return Err(bad("a list of something else than structs"));
    }
    for _ in 0..count {
        read(from)?;
    }
    Ok(())
}

/// A line of the schema.
struct Element {
    kind: Option<i64>,
    repetition: i64,
    name: String,
    children: usize,
}

fn element(from: &mut Thrift) -> Result<Element, Fault> {
    let (mut out, mut last) = (Element { kind: None, repetition: 0, name: String::new(), children: 0 }, 0);
    while let Some((field, kind)) = from.field(&mut last)? {
        match (field, kind) {
            (1, 5) => out.kind = Some(from.int()?),
            (3, 5) => out.repetition = from.int()?,
            (4, 8) => out.name = from.text()?,
            (5, 5) => out.children = from.size()?,
            _ => from.skip(kind)?,
        }
    }
    Ok(out)
}

/// The leaves of a schema, which is listed depth first.
fn leaves(schema: &[Element]) -> Result<Vec<Leaf>, Fault> {
    let (root, rest) = schema.split_first().ok_or_else(|| bad("it has no schema"))?;
    // For each open struct: children to come, and what it adds.
    let mut open: Vec<(usize, Leaf)> =
        vec![(root.children, Leaf { path: Vec::new(), kind: Kind::Other, optional: 0, repeated: false })];
    let mut out = Vec::new();
    for e in rest {
        while open.last().is_some_and(|(n, _)| *n == 0) {
            open.pop();
        }
        let Some((left, outer)) = open.last_mut() else {
            return Err(bad("its schema does not end where it says"));
        };
        *left -= 1;
        if out.len() >= COLUMNS || e.name.len() > NAME {
            return Err(unread(format!(
                "it has more than {COLUMNS} columns, or a name of more than {NAME} bytes"
            )));
        }
        let mut leaf = outer.clone();
        leaf.path.push(e.name.clone());
        leaf.optional += u8::from(e.repetition != 0);
        leaf.repeated |= e.repetition == 2;
        leaf.kind = match e.kind {
            Some(1) => Kind::Int32,
            Some(2) => Kind::Int64,
            Some(6) => Kind::Bytes,
            _ => Kind::Other,
        };
        match e.kind {
            Some(_) => out.push(leaf),
            None if open.len() > DEPTH => return Err(bad(format!("structs in more than {DEPTH} structs"))),
            None => open.push((e.children, leaf)),
        }
    }
    if open.iter().any(|(n, _)| *n > 0) {
        return Err(bad("its schema is cut"));
    }
    Ok(out)
}

fn group(from: &mut Thrift) -> Result<Group, Fault> {
    let (mut out, mut last) = (Group::default(), 0);
    while let Some((field, kind)) = from.field(&mut last)? {
        match (field, kind) {
            (1, LIST) => each(from, |f| {
                out.chunks.push(chunk(f)?);
                Ok(())
            })?,
            (3, 6) => out.rows = from.size()?,
            _ => from.skip(kind)?,
        }
    }
    Ok(out)
}

fn chunk(from: &mut Thrift) -> Result<Chunk, Fault> {
    let (mut out, mut last) = (Chunk::default(), 0);
    while let Some((field, kind)) = from.field(&mut last)? {
        match (field, kind) {
            (3, STRUCT) => {
                let mut inner = 0;
                let (mut data, mut dictionary) = (0, None);
                while let Some((field, kind)) = from.field(&mut inner)? {
                    match (field, kind) {
                        (4, 5) => out.codec = from.int()?,
                        (7, 6) => out.bytes = from.size()?,
                        (9, 6) => data = from.size()?,
                        (11, 6) => dictionary = Some(from.size()?),
                        _ => from.skip(kind)?,
                    }
                }
                // Some writers state 0 where there is no dictionary.
                out.start = dictionary.filter(|&d| d > 0 && d < data).unwrap_or(data);
            }
            (1 | 8, _) => {
                out.elsewhere = true;
                from.skip(kind)?;
            }
            _ => from.skip(kind)?,
        }
    }
    Ok(out)
}

fn pair(from: &mut Thrift) -> Result<Option<(String, String)>, Fault> {
    let (mut key, mut value, mut last) = (None, None, 0);
    while let Some((field, kind)) = from.field(&mut last)? {
        match (field, kind) {
            (1, 8) => key = Some(from.text()?),
            (2, 8) => value = String::from_utf8(from.bytes()?.to_vec()).ok(),
            _ => from.skip(kind)?,
        }
    }
    Ok(key.zip(value))
}
