//! What leaves the workbench: one neutral report model computed from [`CaseState`] and its blobs alone, one file per
//! format. The same session gives the same bytes, live or replayed.

mod build;
mod escape;
pub mod html;
pub mod json;
pub mod markdown;
pub mod model;
pub mod text;

use crate::case::{Blobs, CaseState};
use crate::figure::Figure;
use crate::procedure::About;
use crate::registry;
pub use model::Report;

/// Where the figures of a state are read from, by the hash in its records.
pub trait BlobSource {
    /// The figure.
    ///
    /// # Errors
    /// Why it is not there, in one line.
    fn figure(&self, sha256: &str) -> Result<Figure, String>;
}

impl BlobSource for Blobs {
    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        Blobs::figure(self, sha256).map_err(|e| e.to_string())
    }
}

/// Formats a report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One self-contained page for people.
    Html,
    /// For tickets and wikis.
    Markdown,
    /// The contract's `laocoon.scan/1`.
    Json,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 3] = [Format::Html, Format::Markdown, Format::Json];

    /// The name used on the command line and in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Markdown => "markdown",
            Format::Json => "json",
        }
    }

    /// A format by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// The report of a state in a format.
pub fn render(format: Format, state: &CaseState, blobs: &dyn BlobSource) -> String {
    match format {
        Format::Html => html::write(&report(state, blobs)),
        Format::Markdown => markdown::write(&report(state, blobs)),
        Format::Json => json::text(state),
    }
}

/// The report of a state, before it has a format.
pub fn report(state: &CaseState, blobs: &dyn BlobSource) -> Report {
    let known: Vec<&'static About> = registry::all().iter().map(|p| p.about()).collect();
    build::report(state, blobs, &known)
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
