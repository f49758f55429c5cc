//! What makes known cases for validation: drawn images, implants, training, sample cases. For isolated, authorised use;
//! everything it makes carries metadata that says so. How, with what seeds and how well: `README.md` in this folder.

pub mod architecture;
pub mod case_text;
pub mod clean;
pub mod draw;
pub mod edit;
mod error;
mod exact;
pub mod expected;
pub mod implant;
pub mod measure;
pub mod sample_cases;
pub mod specimen;
pub mod train;
pub mod zoo;

pub use error::LabError;

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being made.
    pub what: &'static str,
    /// Steps done.
    pub done: u64,
    /// Of so many.
    pub total: u64,
    /// Loss of the last step.
    pub loss: f64,
}

/// Told of every step; breaking stops the work.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> std::ops::ControlFlow<()>;
