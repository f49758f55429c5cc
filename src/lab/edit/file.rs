//! Checkpoints exchanged, bits turned.

use super::{Edited, finished};
use crate::lab::LabError;
use crate::math::rng::seeded;
use crate::network::Model;
use ndarray::Zip;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Replaces weights by those of another checkpoint of the same network: `(1 − share)·own + share·other`, in the tensors
/// whose name begins with one of `only` (all, if it is empty).
///
/// # Errors
/// Another network, a share outside `0..=1`, or names that are not there.
pub fn substitute(model: &Model, other: &Model, share: f32, only: &[String]) -> Result<Edited, LabError> {
    if !(0.0..=1.0).contains(&share) {
        return Err(LabError::Edit(format!("the share of the other checkpoint is {share}, 0 to 1 is meant")));
    }
    let mut graph = model.graph().clone();
    let chosen = |name: &str| only.is_empty() || only.iter().any(|o| name.starts_with(o.as_str()));
    let mut replaced = Vec::new();
    for param in graph.params.iter_mut().filter(|p| chosen(&p.name)) {
        let twin = other.graph().params.iter().find(|p| p.name == param.name);
        let Some(twin) = twin.filter(|t| t.value.shape() == param.value.shape()) else {
            let name = &param.name;
            return Err(LabError::Edit(format!("the other checkpoint has no '{name}' of the same shape")));
        };
        Zip::from(&mut param.value).and(&twin.value).for_each(|w, &o| *w = (1.0 - share) * *w + share * o);
        replaced.push(param.name.clone());
    }
    if replaced.is_empty() {
        return Err(LabError::Edit(format!("no tensor is named {}", only.join(", "))));
    }
    let record = json!({"edit": "checkpoint-substitution", "share": share, "tensors": replaced});
    Ok(Edited { model: finished(graph, model)?, record })
}

/// A bit that was turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tampered {
    /// Byte, from 0.
    pub offset: usize,
    /// Bit, 0 the lowest.
    pub bit: u8,
    /// The byte before and after.
    pub bytes: [u8; 2],
}

/// Turns one bit of a file: the one named, or one drawn among the last nine tenths (behind the header of any weights
/// file of some size), of a byte's upper half.
///
/// # Errors
/// An empty file, or a place behind its end.
pub fn tamper(bytes: &mut [u8], at: Option<usize>, bit: Option<u8>, seed: u64) -> Result<Tampered, LabError> {
    let mut draw = seeded(seed, "lab/edit", "tamper");
    let drawn = draw.gen_range(bytes.len() / 10..bytes.len().max(1));
    let offset = at.unwrap_or(drawn);
    let bit = bit.unwrap_or(draw.gen_range(4..8)) % 8;
    let length = bytes.len();
    let byte = bytes
        .get_mut(offset)
        .ok_or_else(|| LabError::Edit(format!("byte {offset} lies behind the end, at {length}")))?;
    let before = *byte;
    *byte ^= 1 << bit;
    Ok(Tampered { offset, bit, bytes: [before, *byte] })
}
