//! Parquet, as far as data sets of images need it: flat columns of whole numbers and of bytes, also inside of one
//! struct, row group by row group.
//!
//! Read: data pages of both versions, plain and dictionary-coded; uncompressed, Snappy and gzip. Not read, by name: lists,
//! the delta encodings, other codecs, encryption.
//!
//! Our own and not the `parquet` crate: that one takes the file as a value of its own, makes room for lists and pages by
//! the sizes that the file states, and changes what all our deflate streams are unpacked with. Here a page is unpacked
//! into one buffer, its size having been checked, and everything else is a slice of the file.

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

mod footer;
mod levels;
mod page;
#[cfg(test)]
pub(crate) mod tests;
mod thrift;

pub use footer::{Chunk, Group, Kind, Leaf};
pub use page::Cell;

use super::limits::{Limits, cap};
use super::{Bytes, EvidenceError, text::visible};
use std::path::Path;

/// An opened file.
#[derive(Debug)]
pub struct File<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    /// Columns that hold values, in order.
    pub leaves: Vec<Leaf>,
    /// Groups of rows.
    pub groups: Vec<Group>,
    /// Texts beside the data (`huggingface`, `pandas`, …).
    pub metadata: Vec<(String, String)>,
}

/// Takes the values of a page.
pub type Take<'t> = dyn FnMut(&[Option<Cell>]) -> Result<(), EvidenceError> + 't;

/// What is wrong, before the place is known: stable code, reason.
pub(crate) type Fault = (&'static str, String);

fn bad(reason: impl Into<String>) -> Fault {
    ("parquet.malformed", reason.into())
}

fn unread(reason: impl Into<String>) -> Fault {
    ("parquet.unsupported", reason.into())
}

/// Whether a file is whole as far as its footer tells.
///
/// # Errors
/// See [`File::open`].
pub fn check(bytes: &Bytes, limits: &Limits) -> Result<(), EvidenceError> {
    File::open(&bytes.path, &bytes.data, limits).map(drop)
}

impl<'a> File<'a> {
    /// Reads what stands at the end of a file.
    ///
    /// # Errors
    /// Cut, malformed, encrypted, or beyond the caps.
    pub fn open(path: &'a Path, bytes: &'a [u8], limits: &Limits) -> Result<Self, EvidenceError> {
        let fail = |(code, reason): Fault| EvidenceError::at(path, "footer", code, reason);
        let footer = footer::bytes(bytes, limits).map_err(fail)?;
        let read = footer::read(footer).map_err(fail)?;
        let rows = read.groups.iter().try_fold(0usize, |n, g| n.checked_add(g.rows));
        if rows.is_none_or(|n| n > limits.samples) {
            let reason = format!("it states more rows than are read; {}", cap!(limits, samples));
            return Err(fail(("parquet.limit", reason)));
        }
        Ok(Self { path, bytes, leaves: read.leaves, groups: read.groups, metadata: read.metadata })
    }

    /// Rows of all groups.
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|g| g.rows).sum()
    }

    /// Hands the values of a column of a group to `take`, page by page: as many as the group has rows, in order.
    ///
    /// # Errors
    /// Damaged, a form that is not read, beyond the caps; or what `take` says.
    pub fn column(
        &self,
        group: usize,
        leaf: usize,
        limits: &Limits,
        take: &mut Take,
    ) -> Result<(), EvidenceError> {
        let name = self.leaves.get(leaf).map(|l| visible(&l.path.join("."))).unwrap_or_default();
        let place = format!("row group {group}, column '{name}'");
        let fail = |(code, reason): Fault| EvidenceError::at(self.path, &place, code, reason);
        let found =
            self.groups.get(group).and_then(|g| Some((g, self.leaves.get(leaf)?, g.chunks.get(leaf)?)));
        let Some((group, leaf, chunk)) = found else { return Err(fail(bad("is not there"))) };
        let mut pages = page::Pages::new(self.bytes, leaf, chunk, group.rows, limits).map_err(fail)?;
        let mut stopped = None;
        let walked = pages.each(&mut |cells| match take(cells) {
            Ok(()) => true,
            Err(e) => {
                stopped = Some(e);
                false
            }
        });
        match stopped {
            Some(e) => Err(e),
            None => walked.map_err(fail),
        }
    }
}
