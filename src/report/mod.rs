//! What leaves the workbench: one neutral report model computed from [`CaseState`] and its blobs alone, one file per
//! format. The same session gives the same bytes, live or replayed.
//!
//! To add a format: a file with a `pub const FORMAT`, and a line in [`Format::ALL`]. The command line, the workbench's
//! export and the tests that go over all formats read that list.

mod build;
pub mod cyclonedx;
mod escape;
pub mod html;
pub mod in_toto;
pub mod json;
pub mod ledger;
pub mod markdown;
pub mod misp;
pub mod model;
pub mod navigator;
pub mod sarif;
pub mod stix;
pub mod text;
pub mod thehive;
pub mod timesketch;
mod uuid;

use crate::case::gate::{self, Terms};
use crate::case::{Blobs, CaseState};
use crate::figure::Figure;
use crate::procedure::About;
use crate::registry;
pub use ledger::Ledger;
pub use model::Report;
use std::path::{Path, PathBuf};

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

/// What a format is written from: prose with its figures where people read it, else data alone.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// From the sections.
    Page(fn(&Report) -> String),
    /// From the ledger; figures are not even read.
    Data(fn(&Ledger) -> String),
}

/// A format a report can be written in.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    name: &'static str,
    about: &'static str,
    extension: &'static str,
    write: Write,
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Format {
    /// All formats, the usual one first.
    pub const ALL: [Format; 12] = [
        html::FORMAT,
        markdown::FORMAT,
        json::FORMAT,
        sarif::FORMAT,
        stix::FORMAT,
        timesketch::FORMAT,
        thehive::FORMAT,
        misp::FORMAT,
        in_toto::FORMAT,
        cyclonedx::FORMAT,
        navigator::FORMAT,
        text::FORMAT,
    ];

    /// The name used on the command line and in the journal.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What it is, in a few words.
    pub fn about(self) -> &'static str {
        self.about
    }

    /// What files of it end in, without the leading dot.
    pub fn extension(self) -> &'static str {
        self.extension
    }

    /// A format by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name == name)
    }
}

/// Under what a report is written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Under {
    /// What the gate decides by.
    pub terms: Terms,
    /// Folder that the paths in SARIF are relative to; the case's own, if absent.
    pub root: Option<PathBuf>,
}

/// The report of a state in a format, under the usual terms.
pub fn render(format: Format, state: &CaseState, blobs: &dyn BlobSource) -> String {
    render_under(format, state, blobs, &Under::default())
}

/// The report of a state in a format.
pub fn render_under(format: Format, state: &CaseState, blobs: &dyn BlobSource, under: &Under) -> String {
    match format.write {
        Write::Page(write) => write(&build::report(&ledger(state, under), state, blobs, &known())),
        Write::Data(write) => write(&ledger(state, under)),
    }
}

/// The state as data.
pub fn ledger(state: &CaseState, under: &Under) -> Ledger {
    Ledger::of(state, &known(), gate::rule(state, &under.terms), under.root.as_deref())
}

/// The report of a state, before it has a format.
pub fn report(state: &CaseState, blobs: &dyn BlobSource) -> Report {
    build::report(&ledger(state, &Under::default()), state, blobs, &known())
}

fn known() -> Vec<&'static About> {
    registry::all().iter().map(|p| p.about()).collect()
}

/// The folder that paths are shown relative to when a scan is run from it; `None` when it cannot be told.
pub fn here() -> Option<PathBuf> {
    std::env::current_dir()
        .ok()
        .and_then(|dir| std::fs::canonicalize(dir).ok())
        .filter(|d| d != Path::new("/"))
}

#[cfg(test)]
mod exchange_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
