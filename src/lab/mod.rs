//! What makes known cases for validation: drawn images, implants, training, sample cases. For isolated, authorised use;
//! everything it makes carries metadata that says so. How, with what seeds and how well: `README.md` in this folder.

pub mod draw;
mod error;
pub mod expected;
pub mod implant;
pub mod specimen;

pub use error::LabError;
