//! What we were handed: read-only, hashed, hostile. One reader per format; nothing is ever executed.
//!
//! Bytes are read once ([`intake`]), hashed as they are read, and parsed from the same bytes. Sizes are checked
//! before allocation, every cap is named in its message, and text that comes from evidence is [`Untrusted`].

pub mod archive;
pub mod array;
pub mod case_file;
pub mod dataset;
pub mod error;
pub mod format;
pub mod hdf5;
pub mod intake;
pub mod limits;
pub mod parquet;
pub mod pickle;
pub mod provenance;
pub mod register;
pub mod safetensors;
pub mod text;
pub mod torch;
pub mod wire;

pub use array::RawArray;
pub use case_file::{CaseFile, DataEntry, Deployment, Handling, InputSpec, ModelEntry, Pipeline};
pub use dataset::DataSet;
pub use error::EvidenceError;
pub use format::Format;
pub use intake::Bytes;
pub use limits::Limits;
pub use register::{Item, ItemState, Role};
pub use safetensors::SafeTensors;
pub use text::Untrusted;
