//! A file to read from: its objects by path, their texts and arrays.

use super::data::{self, Array};
use super::fault::Fault;
use super::raw::Raw;
use super::{attribute, header, links};
use crate::evidence::EvidenceError;
use crate::evidence::limits::{Limits, cap};
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Groups in groups.
const DEPTH: usize = 32;

/// An opened file.
#[derive(Debug)]
pub struct File<'a> {
    path: &'a Path,
    raw: Raw<'a>,
    limits: &'a Limits,
    objects: BTreeMap<String, u64>,
    /// Bytes that arrays may still take.
    budget: Cell<u64>,
    /// Bytes that texts may still take: several times the cap of one text file.
    texts: Cell<u64>,
}

impl<'a> File<'a> {
    /// Reads the superblock and walks all groups; arrays and attributes are read when asked for.
    ///
    /// # Errors
    /// A damaged file, a form that is not read, or beyond the caps: names the place.
    pub fn open(path: &'a Path, bytes: &'a [u8], limits: &'a Limits) -> Result<Self, EvidenceError> {
        let raw = Raw::open(bytes).ok_or_else(|| {
            EvidenceError::whole(path, "hdf5.malformed", "its HDF5 superblock is damaged or unknown")
        })?;
        // What is packed may unpack as well as in any other file; what is shared may be shared as often.
        let most =
            (bytes.len() as u64).saturating_mul(limits.archive_ratio).saturating_add(limits.bomb_bytes);
        let budget = Cell::new(most.min(limits.unpacked_bytes));
        let objects = walk(&raw, limits).map_err(|fault| fault.of(path, ""))?;
        let texts = Cell::new(limits.text_bytes.saturating_mul(4));
        Ok(Self { path, raw, limits, objects, budget, texts })
    }

    /// Paths of all objects, without a leading slash; the root is "".
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    /// As [`Self::paths`], those that begin with a text.
    pub fn below<'s>(&'s self, lead: &'s str) -> impl Iterator<Item = &'s str> {
        let from =
            self.objects.range::<str, _>((std::ops::Bound::Included(lead), std::ops::Bound::Unbounded));
        from.map(|(path, _)| path.as_str()).take_while(move |p| p.starts_with(lead))
    }

    /// Whether there is an object of a path.
    pub fn has(&self, path: &str) -> bool {
        self.objects.contains_key(path)
    }

    fn messages(&self, path: &str) -> Result<(u64, Vec<header::Message<'a>>), EvidenceError> {
        let Some(&at) = self.objects.get(path) else {
            let reason = format!("no object '{}'", crate::evidence::text::visible(path));
            return Err(EvidenceError::whole(self.path, "hdf5.missing", reason));
        };
        Ok((at, header::messages(&self.raw, at).map_err(|fault| fault.of(self.path, path))?))
    }

    /// The texts of an attribute of an object; `None` when it has none of that name.
    ///
    /// # Errors
    /// No such object; a damaged attribute, one that is no text, or beyond the caps.
    pub fn texts(&self, path: &str, name: &str) -> Result<Option<Vec<String>>, EvidenceError> {
        let (_, messages) = self.messages(path)?;
        let mut budget = self.texts.get();
        let read = attribute::texts(&self.raw, &messages, name, &mut budget, self.limits);
        self.texts.set(budget);
        read.map_err(|fault| fault.of(self.path, path))
    }

    /// The array of an object.
    ///
    /// # Errors
    /// No such object; no array of numbers, damaged, a form that is not read, or beyond the caps.
    pub fn array(&self, path: &str) -> Result<Array<'a>, EvidenceError> {
        let (at, messages) = self.messages(path)?;
        let mut budget = self.budget.get();
        let read = data::read(&self.raw, at, &messages, &mut budget, self.limits);
        self.budget.set(budget);
        read.map_err(|fault| fault.of(self.path, path))
    }

    /// Whether an object is an array (and not a group).
    pub fn is_array(&self, path: &str) -> bool {
        self.messages(path).is_ok_and(|(_, all)| all.iter().any(|m| m.kind == 0x08))
    }
}

static NONE: Vec<(String, u64)> = Vec::new();

/// Messages of all headers together, for each object that there may be.
const MESSAGES: usize = 64;

/// All objects by path. A group that is linked twice is there twice; circles end at the depth.
fn walk(raw: &Raw, limits: &Limits) -> Result<BTreeMap<String, u64>, Fault> {
    let mut objects = BTreeMap::from([(String::new(), raw.root)]);
    let (mut open, mut text) = (vec![(String::new(), raw.root, 0)], 0u64);
    // What an address holds, once however often it is linked.
    let (mut known, mut left) = (HashMap::new(), limits.hdf5_objects.saturating_mul(MESSAGES));
    while let Some((path, at, depth)) = open.pop() {
        if let Entry::Vacant(place) = known.entry(at) {
            let messages = header::messages(raw, at)?;
            let members = links::links(raw, &messages, limits)?.unwrap_or_default();
            left = left.checked_sub(messages.len() + members.len()).ok_or_else(|| {
                Fault::limit(at, format!("too many messages in its headers; {}", cap!(limits, hdf5_objects)))
            })?;
            place.insert(members);
        }
        let members: &Vec<(String, u64)> = known.get(&at).map_or(&NONE, |m| m);
        if depth >= DEPTH && !members.is_empty() {
            return Err(Fault::bad(at, format!("groups in more than {DEPTH} groups")));
        }
        for &(ref name, to) in members {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            text += inner.len() as u64;
            if objects.len() >= limits.hdf5_objects {
                return Err(Fault::limit(at, format!("too many objects; {}", cap!(limits, hdf5_objects))));
            }
            if text > limits.text_bytes {
                return Err(Fault::limit(at, format!("paths too long; {}", cap!(limits, text_bytes))));
            }
            if objects.insert(inner.clone(), to).is_some() {
                let shown = crate::evidence::text::visible(&inner);
                return Err(Fault::bad(at, format!("two objects are called '{shown}'")));
            }
            open.push((inner, to, depth + 1));
        }
    }
    Ok(objects)
}
