//! The report as Markdown: for tickets, wikis and version control. Pictures become the tables behind them.

use super::escape::markdown as esc;
use super::model::{Block, Plate, Report, Section, Table};
use super::{Format, Write};
use crate::evidence::text::visible;
use std::fmt::Write as _;

/// The format.
pub const FORMAT: Format =
    Format { name: "markdown", about: "for tickets and wikis", extension: "md", write: Write::Page(write) };

/// The report as Markdown (GitHub flavour).
pub fn write(report: &Report) -> String {
    let mut out = format!("# {}\n\n", esc(&report.title));
    // Writing to a String cannot fail, here and below.
    let _ = write!(out, "Case {}\n\n", esc(&report.case));
    let _ = write!(
        out,
        "> **{} {}**\n>\n> {}\n\n",
        report.tone.mark(),
        esc(&report.headline),
        esc(&report.basis)
    );
    facts(&mut out, &report.facts);
    facts(&mut out, &report.header);
    for (n, section) in report.sections.iter().enumerate() {
        self::section(&mut out, n + 1, section);
    }
    let _ = writeln!(out, "---\n\nJournal head: `{}`", visible(&report.head).replace('`', "'"));
    out
}

fn section(out: &mut String, number: usize, section: &Section) {
    let _ = write!(out, "## {number}. {}\n\n", esc(section.title));
    for block in &section.blocks {
        match block {
            Block::Heading(text) => {
                let _ = write!(out, "### {}\n\n", esc(text));
            }
            Block::Text(text) => {
                let _ = write!(out, "{}\n\n", paragraph(text));
            }
            Block::Statement(tone, heading, lines) => {
                let _ = write!(out, "**{} {}**\n\n", tone.mark(), esc(heading));
                list(out, lines);
            }
            Block::List(items) => list(out, items),
            Block::Facts(pairs) => facts(out, pairs),
            Block::Table(t) => table(out, t),
            Block::Figure(plate) => figure(out, plate),
            Block::Code(lines) => code(out, lines),
        }
    }
}

/// Escaped text that does not start like a list, a rule or a numbered item.
fn paragraph(text: &str) -> String {
    let text = esc(text);
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let after = text[digits..].chars().next();
    if digits > 0 && matches!(after, Some('.' | ')')) {
        format!("{}\\{}", &text[..digits], &text[digits..])
    } else if text.starts_with(['-', '+', '=', ':']) {
        format!("\\{text}")
    } else {
        text
    }
}

fn list(out: &mut String, items: &[String]) {
    for item in items {
        let _ = writeln!(out, "- {}", paragraph(item));
    }
    out.push('\n');
}

fn facts(out: &mut String, pairs: &[(String, String)]) {
    for (name, value) in pairs {
        let _ = writeln!(out, "- **{}:** {}", esc(name), esc(value));
    }
    out.push('\n');
}

fn table(out: &mut String, table: &Table) {
    let _ = write!(out, "*{}*\n\n|", esc(&table.caption));
    for column in &table.columns {
        let _ = write!(out, " {} |", esc(&column.name));
    }
    out.push_str("\n|");
    for column in &table.columns {
        out.push_str(if column.numeric { " ---: |" } else { " --- |" });
    }
    out.push('\n');
    for row in &table.rows {
        out.push('|');
        for cell in row {
            let _ = write!(out, " {} |", esc(cell));
        }
        out.push('\n');
    }
    out.push('\n');
}

fn figure(out: &mut String, plate: &Plate) {
    let what = match &plate.figure {
        Ok(figure) => esc(&figure.title),
        Err(why) => format!("not available: {}", esc(why)),
    };
    let (number, procedure, name) = (plate.number, esc(&plate.procedure), esc(&plate.name));
    let _ = write!(
        out,
        "*Figure {number}: {what}* ({procedure}, {name}; blob {}; its numbers are at the end)\n\n",
        esc(&plate.sha256)
    );
}

/// A fenced block whose fence is longer than any run of backticks inside.
fn code(out: &mut String, lines: &[String]) {
    let text = lines.iter().map(|l| visible(l)).collect::<Vec<_>>().join("\n");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = write!(out, "{fence}text\n{text}\n{fence}\n\n");
}
