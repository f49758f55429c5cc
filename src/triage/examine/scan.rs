//! One file after the other, from the outside in: what it is, what is in it, and what that deserves.

use super::reason::{Reason, Ruling};
use super::{archives, documents, formats, name, npy, odd, onnx, pickles, torch};
use crate::evidence::archive::unpack::Packing;
use crate::evidence::archive::{tar, zip::Zip};
use crate::evidence::format::{self, container, describe, hidden_zip};
use crate::evidence::intake::Bytes;
use crate::evidence::limits::cap;
use crate::evidence::pickle::{Caps, Pickle};
use crate::evidence::{Format, Limits, SafeTensors};
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::path::Path;

/// No pickle that means anything is shorter.
const SHORT: usize = 4;

/// What is to be said about a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// What it is; [`Format::Unknown`] with a container name among the facts when it is packed.
    pub format: Format,
    /// The worst of the reasons.
    pub ruling: Ruling,
    /// Worst first.
    pub reasons: Vec<Reason>,
    /// Facts for people and tools; text in them is visible.
    pub facts: Map<String, Value>,
}

/// Everything that is to be said about one file whose content was recognised as `found`. Nothing is executed.
pub fn examine(bytes: &Bytes, name: &str, found: Format, limits: &Limits) -> Examined {
    let mut scan = Scan {
        path: &bytes.path,
        file: bytes,
        limits,
        reasons: Vec::new(),
        facts: Map::new(),
        left: limits.scanned_bytes,
    };
    scan.look(&bytes.data, name, found, 0);
    let mut reasons = scan.reasons;
    reasons.sort_by_key(|r| Reverse((r.ruling, r.severity)));
    let ruling = reasons.first().map_or(Ruling::Accept, |r| r.ruling);
    Examined { format: found, ruling, reasons, facts: scan.facts }
}

/// A scan of one file and all that is in it.
pub(super) struct Scan<'l> {
    pub path: &'l Path,
    /// The file itself.
    pub file: &'l Bytes,
    pub limits: &'l Limits,
    pub reasons: Vec<Reason>,
    pub facts: Map<String, Value>,
    /// Bytes that may still be unpacked.
    pub left: u64,
}

impl Scan<'_> {
    pub(super) fn say(&mut self, reason: Reason) {
        self.reasons.push(reason);
    }

    /// Looks at a part of the file as at a file; its reasons carry the part's name.
    pub(super) fn inside(&mut self, member: &str, data: &[u8], depth: u32) {
        let shown = crate::evidence::text::visible(member);
        if depth > self.limits.archive_depth {
            let cap = cap!(self.limits, archive_depth);
            let detail = format!("containers nest too deep; {cap}; this one was not opened");
            self.say(Reason::new("zip.depth", detail).inside(&shown));
            return;
        }
        let base = member.rsplit(['/', '\\']).next().unwrap_or(member);
        let found = format::sniff(data, data.len() as u64, Some(base));
        let first = self.reasons.len();
        self.look(data, base, found, depth);
        self.below(&shown, first);
    }

    /// Bytes that one more member may unpack to.
    pub(super) fn cap(&self) -> u64 {
        self.limits.member_bytes.min(self.left)
    }

    /// Looks at a whole file (depth 0) or at a member.
    fn look(&mut self, data: &[u8], name: &str, found: Format, depth: u32) {
        if found == Format::Unknown && depth == 0 && documents::promised(name) {
            // No text at all: the reader of what the name promises says why.
            documents::look(self, data, name, found);
            self.disguised(data, found, depth);
            return;
        }
        self.what_it_is(data, name, found, depth);
        match found {
            Format::Empty | Format::LfsPointer | Format::Executable => {}
            Format::Pickle | Format::TorchLegacy => self.pickle(data, depth),
            Format::Zip | Format::Npz | Format::TorchZip | Format::TorchScript | Format::KerasV3 => {
                archives::zip(self, &Zip::read(data), data, depth);
            }
            Format::Npy => npy::look(self, data, name, depth),
            Format::Safetensors => self.refuse(SafeTensors::parse(self.path, data, self.limits).map(drop)),
            Format::Onnx => onnx::look(self, data),
            Format::SavedModel => formats::saved_model(self, data),
            Format::Gguf => formats::gguf(self, data),
            Format::KerasH5 => formats::hdf5(self, data),
            Format::Json | Format::Toml | Format::Csv | Format::Text if depth == 0 => {
                documents::look(self, data, name, found);
            }
            Format::Json | Format::Text | Format::Toml => documents::inner(self, data, name),
            Format::Image if depth == 0 => {
                self.refuse(crate::evidence::dataset::check_image(self.file, self.limits));
            }
            Format::Parquet if depth == 0 => {
                self.refuse(crate::evidence::parquet::check(self.file, self.limits));
            }
            Format::Gzip
            | Format::Unknown
            | Format::Parquet
            | Format::Csv
            | Format::Image
            | Format::Idx
            | Format::CifarBinary
            | Format::ImageFolder
            | Format::Folder => {
                self.packed(data, name, found, depth);
            }
        }
        self.disguised(data, found, depth);
        if depth == 0
            && (1..SHORT).contains(&data.len())
            && name::promises_pickle(name)
            && !self.reasons.is_empty()
        {
            self.say(Reason::new("file.empty_or_short", format!("{} bytes are no pickle", data.len())));
        }
        if depth == 0 && !self.reasons.iter().any(|r| r.ruling >= Ruling::Reject) {
            let more = odd::look(self.file, found, self.limits);
            self.reasons.extend(more);
        }
    }

    pub(super) fn refuse(&mut self, read: Result<(), crate::evidence::EvidenceError>) {
        if let Err(e) = read {
            self.say(Reason::refused(&e));
        }
    }

    /// What the format alone means, and whether the name says the truth.
    fn what_it_is(&mut self, data: &[u8], name: &str, found: Format, depth: u32) {
        match found {
            Format::Executable => self.say(Reason::new("format.executable", describe(found).what)),
            Format::LfsPointer => self.say(Reason::new("format.lfs_pointer", describe(found).what)),
            Format::Empty if depth == 0 => self.say(name::empty(name)),
            _ => {}
        }
        if depth == 0 {
            let packed = Packing::of(data).is_some() || tar::is_tar(data);
            let reason = name::misnamed(name, found, packed);
            self.reasons.extend(reason);
        }
    }

    /// A pickle, and what it hands to loaders of its own.
    fn pickle(&mut self, data: &[u8], depth: u32) {
        let pickle = Pickle::read(data, &Caps::of(self.limits));
        let judged = pickles::judge_read(&pickle, pickles::Setting::Alone);
        if pickle.torch_legacy {
            torch::legacy(self, &pickle);
        }
        self.take(judged, depth);
    }

    /// Puts what was said since `first` below a member.
    pub(super) fn below(&mut self, member: &str, first: usize) {
        for reason in self.reasons.iter_mut().skip(first) {
            let own = std::mem::replace(reason, Reason::new("", ""));
            *reason = own.inside(member);
        }
    }

    /// Takes over what was found in a pickle.
    pub(super) fn take(&mut self, judged: pickles::Judged, depth: u32) {
        self.reasons.extend(judged.reasons);
        for (key, value) in judged.facts {
            self.facts.entry(key).or_insert(value);
        }
        for (at, bytes) in judged.torch_bytes {
            let first = self.reasons.len();
            self.inside(&format!("bytes at {at}"), &bytes, depth + 1);
            if self.reasons.iter().skip(first).any(|r| r.ruling == Ruling::Flag) {
                self.say(
                    Reason::new(
                        "pickle.nested",
                        "hands torch.storage._load_from_bytes a hostile file inside bytes",
                    )
                    .at(at),
                );
            }
        }
    }

    /// Compressed files and tar archives, and files of an unknown format.
    fn packed(&mut self, data: &[u8], name: &str, found: Format, depth: u32) {
        if tar::is_tar(data) {
            archives::tar(self, data, depth);
            return;
        }
        if let Some(packing) = Packing::of(data) {
            archives::compressed(self, packing, data, name, depth);
            return;
        }
        if let Some((code, what)) = container(data) {
            self.say(Reason::new(code, format!("{what}: what is in it cannot be seen here")));
            return;
        }
        if depth == 0 && found == Format::Unknown {
            self.unknown(data, name);
        }
    }

    /// A file that is nothing known.
    fn unknown(&mut self, data: &[u8], name: &str) {
        let about = describe(Format::Unknown);
        let short = data.len() < 16;
        if name::promises_pickle(name) {
            // The reader of what the name promises says best what is wrong.
            let judged = pickles::judge(data, pickles::Setting::Alone);
            self.take(judged, 0);
            self.say(Reason::new("format.mismatch", "its name promises a pickle, its content is none"));
        } else {
            let record =
                is_record_file(name) && !data.len().is_multiple_of(3073) && !data.len().is_multiple_of(3074);
            let code = if short || record { "data.size" } else { "format.unknown" };
            self.say(Reason::new(code, format!("{}: {}", about.what, about.danger)));
        }
    }

    /// What the file is besides what it seems to be: an archive at its end, a pickle under text or noise.
    fn disguised(&mut self, data: &[u8], found: Format, depth: u32) {
        let archive = hidden_zip(data, found).then(|| Zip::read(data)).filter(|z| !z.members.is_empty());
        if let Some(archive) = archive {
            let detail = format!("it reads as {} and, from its end, as a zip archive", describe(found).what);
            let code = if matches!(found, Format::Pickle | Format::TorchLegacy) {
                "polyglot.pickle_zip"
            } else {
                "polyglot.zip"
            };
            self.say(Reason::new(code, detail));
            archives::zip(self, &archive, data, depth);
        }
        let plain = matches!(
            found,
            Format::Unknown
                | Format::Text
                | Format::Csv
                | Format::Json
                | Format::Toml
                | Format::Image
                | Format::Idx
                | Format::CifarBinary
        );
        let packed = Packing::of(data).is_some() || tar::is_tar(data) || container(data).is_some();
        if plain && !packed && data.len() <= 64 << 20 {
            let judged = pickles::unsuspected(data);
            if let Some(judged) = judged {
                self.say(Reason::new("format.mismatch", "it reads as a pickle that imports something"));
                self.take(judged, depth);
            }
        }
    }
}

/// Whether a name is that of CIFAR's binary batches, whose records have 3,073 bytes (3,074 with two labels).
fn is_record_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".bin").is_some()
        && ["cifar", "data_batch", "test_batch"].iter().any(|w| name.contains(w))
}
