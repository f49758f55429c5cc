//! Arguments, and one file per command.

pub mod replay;
pub mod scan;
pub mod sessions;
