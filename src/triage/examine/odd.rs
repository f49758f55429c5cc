//! What is well-formed and still worth a look: texts that act, values that are no numbers.

use super::Reason;
use crate::evidence::dataset::Npy;
use crate::evidence::intake::Bytes;
use crate::evidence::{Format, Limits, RawArray, SafeTensors, Untrusted, text};

/// Everything odd about a file that its reader accepts.
pub(super) fn look(bytes: &Bytes, found: Format, limits: &Limits) -> Vec<Reason> {
    match found {
        Format::Safetensors => tensors(bytes, limits),
        Format::Npy => Npy::parse(&bytes.path, Untrusted::new(""), &bytes.data, limits)
            .ok()
            .and_then(|npy| not_finite("data.nonfinite", std::iter::once(npy.raw())))
            .into_iter()
            .collect(),
        Format::Csv | Format::Text | Format::Json => words(bytes, found),
        _ => Vec::new(),
    }
}

/// Names and notes that act on a screen or in a report, and values that are no numbers.
fn tensors(bytes: &Bytes, limits: &Limits) -> Vec<Reason> {
    let Ok(file) = SafeTensors::parse(&bytes.path, &bytes.data, limits) else { return Vec::new() };
    let texts = file.iter().map(|t| t.name).chain(file.metadata().iter().flat_map(|(k, v)| [k, v]));
    let acting: Vec<&Untrusted> = texts.filter(|t| acts(t.raw())).collect();
    let unprintable = acting.first().map(|first| {
        let (n, first) = (acting.len(), cut(&first.shown()));
        let detail = format!("{n} names or notes hold invisible or acting characters, first: {first}");
        Reason::coded("st.name_unprintable", String::new(), detail)
    });
    let injects = |t: &&Untrusted| t.raw().contains(['<', '>', '`']) || t.raw().starts_with(['=', '+', '@']);
    let injection = file.iter().map(|t| t.name).find(injects).map(|name| {
        let detail = format!("a name that a page or spreadsheet would act on: {}", cut(&name.shown()));
        Reason::coded("st.name_injection", String::new(), detail)
    });
    unprintable.into_iter().chain(injection).chain(not_finite("weights.nonfinite", file.iter())).collect()
}

/// Floats that are infinite or no number.
fn not_finite<'a>(code: &str, arrays: impl Iterator<Item = RawArray<'a>>) -> Option<Reason> {
    let wild: usize = arrays.map(|a| a.not_finite()).sum();
    (wild > 0).then(|| Reason::coded(code, String::new(), format!("{wild} values are infinite or no number")))
}

/// Characters that act, and cells that a spreadsheet would take for formulas.
fn words(bytes: &Bytes, found: Format) -> Vec<Reason> {
    let Ok(source) = std::str::from_utf8(&bytes.data) else { return Vec::new() };
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let line = |test: &dyn Fn(&str) -> bool| source.lines().position(test).map(|i| format!("line {}", i + 1));
    let formula =
        |cell: &str| cell.len() > 1 && cell.starts_with(['=', '+', '@', '-']) && cell.parse::<f64>().is_err();
    let cells = |l: &str| found == Format::Csv && l.split(',').any(|c| formula(c.trim_matches(['"', ' '])));
    let acting = line(&acts)
        .map(|place| Reason::coded("name_unprintable", place, "invisible or acting characters".to_owned()));
    let formulas = line(&cells).map(|place| {
        Reason::coded("csv.formula", place, "a cell that a spreadsheet would run as a formula".to_owned())
    });
    acting.into_iter().chain(formulas).collect()
}

/// Whether text holds characters that act or hide; line breaks and tabs are ordinary.
fn acts(raw: &str) -> bool {
    raw.split(['\n', '\r', '\t']).any(|part| text::visible(part) != part)
}

fn cut(text: &str) -> String {
    text.char_indices().nth(100).map_or_else(|| text.to_owned(), |(at, _)| format!("{}…", &text[..at]))
}
