//! One file, looked at without running anything: what it is, whether opening it elsewhere can hurt, whether it is
//! whole, and whether its name says the truth. No case is needed.

mod archives;
mod documents;
mod formats;
mod journal;
mod json;
mod name;
mod npy;
mod odd;
mod onnx;
mod pickles;
mod reason;
mod scan;
mod torch;

#[cfg(test)]
pub(super) mod tests;

pub use reason::{Reason, Ruling, is_about_the_file};
pub use scan::{Examined, examine};

use crate::evidence::intake::Bytes;
use crate::evidence::{Format, format};

/// The format of bytes under a name.
pub fn recognise(bytes: &Bytes) -> (String, Format) {
    let name = bytes.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let found = format::sniff(&bytes.data, bytes.data.len() as u64, Some(&name));
    (name, found)
}
