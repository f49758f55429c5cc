//! The report as one page: no script, no reference to anything outside, readable on paper, in the dark and aloud.

use super::escape::html as esc;
use super::model::{Block, Plate, Report, Section, Table, Tone};
use super::{Format, Write};
use crate::figure::svg;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

static STYLE: &str = include_str!("../../assets/report.css");

/// The format.
pub const FORMAT: Format = Format {
    name: "html",
    about: "one self-contained page for people",
    extension: "html",
    write: Write::Page(write),
};

/// The report as a self-contained HTML page.
pub fn write(report: &Report) -> String {
    let mut out = String::with_capacity(1 << 16);
    // The two style sheets are allowed by their hashes; everything else but embedded pictures is forbidden.
    let foot = foot(report);
    let [sheet, page] = [STYLE, foot.as_str()].map(|css| svg::base64(&Sha256::digest(css.as_bytes())));
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'sha256-{sheet}' 'sha256-{page}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>{STYLE}</style>\n<style>{foot}</style>\n</head>\n<body>\n",
        esc(&report.title)
    );
    header(&mut out, report);
    out.push_str("<main>\n");
    for (n, section) in report.sections.iter().enumerate() {
        self::section(&mut out, n + 1, section);
    }
    let _ = write!(
        out,
        "</main>\n<footer><p>Case {} · journal head <code>{}</code></p></footer>\n</body>\n</html>\n",
        esc(&report.case),
        esc(&report.head)
    );
    out
}

/// What every printed page says at its foot: case, journal head, page number.
fn foot(report: &Report) -> String {
    let safe = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '?' }).collect()
    };
    format!(
        "@page {{ @bottom-left {{ content: \"Case {} - journal head {}\"; }} \
         @bottom-right {{ content: counter(page) \" / \" counter(pages); }} }}",
        safe(&report.case),
        safe(&report.head)
    )
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Alarm => "alarm",
        Tone::Caution => "caution",
        Tone::Calm => "calm",
    }
}

/// The tone in a word for eyes and readers alike.
fn word(tone: Tone) -> &'static str {
    match tone {
        Tone::Alarm => "Flagged",
        Tone::Caution => "Undecided",
        Tone::Calm => "Nothing found",
    }
}

fn header(out: &mut String, report: &Report) {
    let _ = write!(
        out,
        "<header>\n<p class=\"case\">Case {}</p>\n<h1>{}</h1>\n\
         <div class=\"banner {}\"><p class=\"word\">{}</p><p class=\"headline\">{}</p><p>{}</p></div>\n<dl class=\"tiles\">\n",
        esc(&report.case),
        esc(&report.title),
        class(report.tone),
        word(report.tone),
        esc(&report.headline),
        esc(&report.basis)
    );
    for (name, value) in &report.facts {
        let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", esc(name), esc(value));
    }
    out.push_str("</dl>\n<dl class=\"facts head\">\n");
    pairs(out, &report.header);
    out.push_str("</dl>\n<nav aria-label=\"Contents\"><ol>\n");
    for section in &report.sections {
        let _ = writeln!(out, "<li><a href=\"#{}\">{}</a></li>", section.id, esc(section.title));
    }
    out.push_str("</ol></nav>\n</header>\n");
}

fn section(out: &mut String, number: usize, section: &Section) {
    let id = section.id;
    let _ = writeln!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\"><span>{number}</span> {}</h2>",
        esc(section.title)
    );
    for block in &section.blocks {
        self::block(out, block);
    }
    out.push_str("</section>\n");
}

fn block(out: &mut String, block: &Block) {
    match block {
        Block::Heading(text) => {
            let _ = writeln!(out, "<h3>{}</h3>", esc(text));
        }
        Block::Text(text) => {
            let _ = writeln!(out, "<p>{}</p>", esc(text));
        }
        Block::Statement(tone, heading, lines) => statement(out, *tone, heading, lines),
        Block::List(items) => list(out, items),
        Block::Facts(pairs) => {
            out.push_str("<dl class=\"facts\">\n");
            self::pairs(out, pairs);
            out.push_str("</dl>\n");
        }
        Block::Table(t) => table(out, t),
        Block::Figure(plate) => figure(out, plate),
        Block::Code(lines) => {
            let lines: Vec<_> = lines.iter().map(|l| esc(l)).collect();
            let _ = writeln!(out, "<pre><code>{}</code></pre>", lines.join("\n"));
        }
    }
}

fn pairs(out: &mut String, pairs: &[(String, String)]) {
    for (name, value) in pairs {
        let code = if is_hash(value) { " class=\"hash\"" } else { "" };
        let _ = writeln!(out, "<dt>{}</dt><dd{code}>{}</dd>", esc(name), esc(value));
    }
}

fn list(out: &mut String, items: &[String]) {
    out.push_str("<ul>\n");
    for item in items {
        let _ = writeln!(out, "<li>{}</li>", esc(item));
    }
    out.push_str("</ul>\n");
}

fn statement(out: &mut String, tone: Tone, heading: &str, lines: &[String]) {
    let _ = writeln!(
        out,
        "<div class=\"statement {}{}\">\n<h4><span class=\"mark\" aria-hidden=\"true\">{}</span> {}</h4>",
        class(tone),
        if lines.len() <= 6 { " short" } else { "" },
        tone.mark(),
        esc(heading)
    );
    if let Some((first, rest)) = lines.split_first() {
        let _ = writeln!(out, "<p class=\"verdict\">{}</p>", esc(first));
        if !rest.is_empty() {
            list(out, rest);
        }
    }
    out.push_str("</div>\n");
}

/// A table in a box of its own that scrolls sideways when it is too wide.
fn table(out: &mut String, table: &Table) {
    let caption = esc(&table.caption);
    let _ = write!(
        out,
        "<div class=\"wide{}{}\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table>\n<caption>{caption}</caption>\n<thead><tr>",
        if table.rows.len() <= 6 { " short" } else { "" },
        if table.columns.len() > 9 { " many" } else { "" }
    );
    for column in &table.columns {
        let _ = write!(out, "<th scope=\"col\"{}>{}</th>", numeric(column.numeric), esc(&column.name));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (cell, column) in row.iter().zip(&table.columns) {
            if is_hash(cell) {
                let _ = write!(out, "<td class=\"hash\">{}</td>", esc(cell));
            } else if is_time(cell) {
                let _ = write!(out, "<td class=\"time\">{}</td>", esc(cell));
            } else {
                let _ = write!(out, "<td{}>{}</td>", numeric(column.numeric), esc(cell));
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn numeric(yes: bool) -> &'static str {
    if yes { " class=\"number\"" } else { "" }
}

/// An RFC 3339 time in UTC: it must not be broken.
fn is_time(text: &str) -> bool {
    text.len() <= 35
        && text.ends_with('Z')
        && text.bytes().all(|b| b.is_ascii_digit() || b"-:.TZ".contains(&b))
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn figure(out: &mut String, plate: &Plate) {
    let (number, hash) = (plate.number, esc(&plate.sha256));
    let source = format!("{}, {}", esc(&plate.procedure), esc(&plate.name));
    let drawn = match &plate.figure {
        Ok(figure) => svg::svg(figure).map_err(|e| e.to_string()).map(|svg| (svg, esc(&figure.title))),
        Err(why) => Err(why.clone()),
    };
    let _ = match drawn {
        Ok((svg, title)) => writeln!(
            out,
            "<figure>\n{svg}<figcaption>Figure {number}: {title}. {source}; <a href=\"#numbers\">numbers</a>; blob \
             <code>{hash}</code></figcaption>\n</figure>"
        ),
        Err(why) => writeln!(
            out,
            "<figure><figcaption>Figure {number} is not available: {}. {source}; blob <code>{hash}</code></figcaption></figure>",
            esc(&why)
        ),
    };
}
