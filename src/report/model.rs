//! The report before it has a format: sections of paragraphs, tables and figures. Texts are plain and may hold
//! anything; each writer escapes for its own sink.

use crate::figure::Figure;
use crate::figure::rows::Column;

/// How a statement is marked: a word and a colour, never the colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something was found.
    Alarm,
    /// Undecided, incomplete.
    Caution,
    /// Nothing found, or plain information.
    Calm,
}

impl Tone {
    /// The word that carries the tone without colour.
    pub fn mark(self) -> &'static str {
        match self {
            Tone::Alarm => "!",
            Tone::Caution => "?",
            Tone::Calm => "-",
        }
    }
}

/// A whole report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// "Model forensics report: …".
    pub title: String,
    /// Case id.
    pub case: String,
    /// How the headline is marked.
    pub tone: Tone,
    /// The answer in one sentence.
    pub headline: String,
    /// What the sentence rests on, and what it does not say.
    pub basis: String,
    /// Numbers and names for the first look.
    pub facts: Vec<(String, String)>,
    /// Who asked what of whom, when, and what answered.
    pub header: Vec<(String, String)>,
    /// The rest, in order.
    pub sections: Vec<Section>,
    /// Hash of the last journal event: printed on every page.
    pub head: String,
}

/// A numbered part of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Anchor: lower-case letters and dashes.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What is in it.
    pub blocks: Vec<Block>,
}

impl Section {
    /// An empty section.
    pub fn new(id: &'static str, title: &'static str) -> Self {
        Self { id, title, blocks: Vec::new() }
    }

    /// Adds a paragraph.
    pub fn say(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds a subheading.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    /// Adds a list, unless it is empty.
    pub fn list(&mut self, items: Vec<String>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    /// Adds a table, or a sentence instead when it has no rows.
    pub fn table(&mut self, table: Table, when_empty: &str) {
        self.blocks.push(if table.rows.is_empty() {
            Block::Text(when_empty.to_owned())
        } else {
            Block::Table(table)
        });
    }
}

/// One block of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A subheading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A marked statement: heading, then sentences.
    Statement(Tone, String, Vec<String>),
    /// Bullets.
    List(Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A figure.
    Figure(Box<Plate>),
    /// Something to type, one line each.
    Code(Vec<String>),
}

/// A table of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// One text per column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with `columns`; a name that starts with `#` holds numbers.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns
            .iter()
            .map(|c| Column { name: c.trim_start_matches('#').to_owned(), numeric: c.starts_with('#') })
            .collect();
        Self { caption: caption.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Vec::from(cells));
    }
}

/// A figure with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Plate {
    /// Running number, from 1.
    pub number: usize,
    /// Procedure id.
    pub procedure: String,
    /// Its name in the outcome.
    pub name: String,
    /// Hash of the blob that holds its numbers.
    pub sha256: String,
    /// The picture, or why it is not there.
    pub figure: Result<Figure, String>,
}
