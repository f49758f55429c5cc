//! PyTorch checkpoints as data: the state dict is read by the inert pickle machine, tensors by offset. Nothing is
//! imported or called.
//!
//! Both layouts of `torch.save` are read (the zip archive, and the five pickles in a row of before 1.6), tensors with
//! strides and shared storages, state dicts inside the records of training toolkits, and modules that were pickled as
//! a whole: their parameters, and what is known of their classes.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod container;
mod layout;
mod leak;
mod tensor;
#[cfg(test)]
mod tests;

pub use tensor::{Quantised, dtype};

use super::array::{Dtype, RawArray};
use super::pickle::{Caps, Fault, Pickle};
use super::{EvidenceError, Format, Limits, Untrusted};
use crate::evidence::limits::cap;
use container::Container;
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

/// Bytes of all tensors together, over those of the file: tensors may share storages, but not to exhaust memory.
const SHARED: u64 = 16;

/// A tensor of the network, its numbers in row-major order.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    /// Its name in the state dict.
    pub name: Untrusted,
    /// Type of the numbers as stored.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The numbers; borrowed from the file where they lie in order.
    pub data: Cow<'a, [u8]>,
    /// Whether they are stored most significant byte first.
    pub big_endian: bool,
    /// What the whole numbers of a quantised tensor stand for.
    pub quantised: Option<Quantised>,
}

impl Tensor<'_> {
    /// As an array of a file.
    pub fn raw<'s>(&'s self, path: &'s Path) -> RawArray<'s> {
        RawArray {
            path,
            name: &self.name,
            dtype: self.dtype,
            shape: &self.shape,
            data: &self.data,
            big_endian: self.big_endian,
            fortran: false,
        }
    }
}

/// What a checkpoint holds of a network.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint<'a> {
    /// The tensors of the network's state dict, in the order of the file.
    pub tensors: Vec<Tensor<'a>>,
    /// Name of the architecture that the file states.
    pub architecture: Option<Untrusted>,
    /// Number of classes that the file states.
    pub classes: Option<usize>,
    /// Class names that the file states, in order; empty when it states none.
    pub class_names: Vec<Untrusted>,
    /// Channels, height, width that the file states.
    pub image: Option<[usize; 3]>,
    /// What was learnt while reading, for people, as visible text.
    pub facts: Vec<String>,
}

/// Whether a format is one of PyTorch's that are read here (also a bare pickle, which may hold tensors as arrays).
pub fn is_checkpoint(format: Format) -> bool {
    matches!(format, Format::TorchZip | Format::TorchLegacy)
}

/// Reads a checkpoint.
///
/// # Errors
/// A broken archive or pickle, no state dict or several without a sign which is meant, a tensor that does not fit its
/// storage, or beyond the caps.
pub fn read<'a>(path: &Path, bytes: &'a [u8], limits: &Limits) -> Result<Checkpoint<'a>, EvidenceError> {
    let container = Container::open(path, bytes, limits)?;
    let pickle = Pickle::read(container.pickle(), &Caps::of(limits));
    if let Some((at, fault)) = pickle.faults().find(|(_, f)| f.stops_python() || matches!(f, Fault::Limit(_)))
    {
        let place = format!("byte {at} of its pickle");
        return Err(EvidenceError::at(path, place, fault.code(), fault.says()));
    }
    let fail =
        |code: &'static str, place: String, reason: String| EvidenceError::at(path, place, code, reason);
    let root = container
        .root(&pickle)
        .ok_or_else(|| fail("torch.layout", String::new(), "its pickle makes nothing".to_owned()))?;
    let found = layout::find(&pickle, root).map_err(|reason| fail("torch.layout", String::new(), reason))?;
    let storages =
        container.storages(&pickle).map_err(|reason| fail("torch.storage.missing", String::new(), reason))?;
    let mut checkpoint = Checkpoint {
        architecture: found.architecture,
        classes: found.classes,
        class_names: found.class_names,
        image: found.image,
        facts: found.facts,
        ..Checkpoint::default()
    };
    let (mut total, mut names) = (0u64, HashSet::new());
    let most = (bytes.len() as u64).saturating_mul(SHARED).saturating_add(1 << 20).min(limits.unpacked_bytes);
    if found.tensors.len() > limits.tensors {
        let (n, cap) = (found.tensors.len(), cap!(limits, tensors));
        return Err(fail("torch.limit", String::new(), format!("{n} tensors, {cap}")));
    }
    for (name, value) in found.tensors {
        let place = format!("tensor '{}'", super::text::visible(&name));
        let view = tensor::view(&pickle, value, &storages, limits)
            .map_err(|(code, reason)| fail(code, place.clone(), reason))?;
        total = total.saturating_add(view.bytes());
        if total > most {
            let cap = if most == limits.unpacked_bytes {
                cap!(limits, unpacked_bytes)
            } else {
                format!("a file of {} bytes may share them to {most}", bytes.len())
            };
            let reason = format!("with it all tensors take {total} bytes; {cap}");
            return Err(fail("torch.limit", place, reason));
        }
        if !names.insert(name.clone()) {
            return Err(fail("torch.layout", place, "there are two of this name".to_owned()));
        }
        let data = view.numbers(&container, limits).map_err(|(code, reason)| fail(code, place, reason))?;
        checkpoint.tensors.push(Tensor {
            name: Untrusted::new(name),
            dtype: view.dtype,
            shape: view.shape,
            data,
            big_endian: container.big_endian(),
            quantised: view.quantised,
        });
    }
    Ok(checkpoint)
}
