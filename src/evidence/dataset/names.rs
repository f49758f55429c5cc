//! Names of the classes.

use crate::evidence::intake::{self, Bytes};
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, Untrusted, text};

/// Class names: one a line, or a JSON list of texts.
///
/// # Errors
/// No text, an empty line among names, or JSON of another shape (code `labels.schema`).
pub fn class_names(bytes: &Bytes, limits: &Limits) -> Result<Vec<Untrusted>, EvidenceError> {
    let fail = |place: String, reason: String| EvidenceError::at(&bytes.path, place, "labels.schema", reason);
    if bytes.data.len() as u64 > limits.text_bytes {
        let reason = format!("{} bytes, {}", bytes.data.len(), cap!(limits, text_bytes));
        return Err(EvidenceError::whole(&bytes.path, "labels.limit", reason));
    }
    let source = intake::text_of(bytes)?;
    let trimmed = source.trim_end();
    if trimmed.starts_with(['{', '[']) {
        let names: Vec<String> = serde_json::from_str(trimmed).map_err(|e| {
            let words = text::visible(&e.to_string());
            fail(format!("line {}", e.line()), format!("class names in JSON are a list of texts: {words}"))
        })?;
        return Ok(names.into_iter().map(Untrusted::new).collect());
    }
    if trimmed.is_empty() {
        return Err(fail(String::new(), "there are no class names in it".to_owned()));
    }
    let name = |(i, line): (usize, &str)| match line.trim() {
        "" => Err(fail(format!("line {}", i + 1), "empty; one class name a line is needed".to_owned())),
        name => Ok(Untrusted::new(name)),
    };
    trimmed.lines().enumerate().map(name).collect()
}
