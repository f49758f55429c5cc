//! HDF5, as Keras and h5py write it. Two readers over the same bytes: [`read`] looks where a file reaches out of itself
//! and never fails (triage); [`File`] reads groups, attributes and arrays, and says what it does not read.
//!
//! Read: superblocks 0 to 3; groups as symbol tables and as link messages; object headers 1 and 2 with their
//! continuations; contiguous, compact and chunked arrays (B-tree version 1, one chunk, or implicit) of whole numbers and
//! IEEE floats, shuffled, deflated and checked; attributes of text of fixed and of variable length. Not read, by name:
//! links and attributes in a fractal heap, the newer chunk indexes, other filters, anything in another file.
//!
//! Our own and not a crate: the pure-Rust readers there are are young, and were not audited for bytes made to do harm; here
//! all that is read is named by bytes that are there, within the caps of [`crate::evidence::limits`].

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

mod attribute;
mod chunks;
mod data;
mod fault;
mod file;
mod header;
mod kind;
mod links;
mod raw;
#[cfg(test)]
mod tests;
mod walk;

pub use data::Array;
pub use file::File;
pub use walk::{Hdf5, Outside, read};
