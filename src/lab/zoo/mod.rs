//! A zoo: many models of known truth from one recipe file, to measure detectors on.
//!
//! ```text
//! recipe.toml ─ZooRecipe─▶ Entry, Entry, … ─make─▶ a folder each: model.onnx, clean.safetensors, case.toml, truth.json
//! ```
//!
//! What is examined in the folders, and how often detectors err, is not the laboratory's: see
//! `detect::calibration` and `laocoon lab zoo`.

mod make;
mod recipe;
mod sets;
#[cfg(test)]
mod tests;

pub use make::{Made, make};
pub use recipe::{Edit, EditMethod, Entry, Group, Hard, SCHEMA, ZooRecipe};
pub use sets::{Drawing, Sets, Source};

use super::LabError;

/// The recipes that come with the program: name and text.
pub const SHIPPED: [(&str, &str); 1] = [("small", include_str!("small.toml"))];

/// A part of the entries: each `count`th, from the `index`th (1-based).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err(LabError::Recipe(format!(
                "shard '{}': I/N is meant, with I from 1 to N",
                crate::evidence::text::visible(text)
            ))),
        }
    }
}

impl Shard {
    /// Whether entry number `n` (from 0) is in it.
    pub fn has(self, n: usize) -> bool {
        n % self.count == self.index - 1
    }
}
