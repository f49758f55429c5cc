//! Per-file digests as `sha256sum` prints them.

use crate::evidence::intake::Bytes;
use crate::evidence::{EvidenceError, intake, text};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Published digests by path, relative to the data set's folder.
pub type Manifest = BTreeMap<PathBuf, String>;

/// Parses lines `sha256␠␠path` or `sha256␠*path`; names with a line break or backslash are escaped and the line then
/// begins with a backslash. Empty lines and lines that begin with `#` are skipped.
///
/// # Errors
/// Not text, a line of another form, or a path twice (`manifest.malformed`), naming the line.
pub fn parse(bytes: &Bytes) -> Result<Manifest, EvidenceError> {
    let source = intake::text_of(bytes)?;
    let mut out = Manifest::new();
    for (i, line) in source.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fail = |reason: String| {
            EvidenceError::at(&bytes.path, format!("line {}", i + 1), "manifest.malformed", reason)
        };
        let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |l| (true, l));
        let entry = line.split_at_checked(64).and_then(|(digest, rest)| {
            let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
            (digest.bytes().all(|b| b.is_ascii_hexdigit()) && !name.is_empty()).then_some((digest, name))
        });
        let Some((digest, name)) = entry else {
            return Err(fail("no line of 64 hexadecimal digits, two spaces and a path".to_owned()));
        };
        let name = if escaped { unescape(name) } else { name.as_bytes().to_vec() };
        let path: PathBuf =
            PathBuf::from(OsString::from_vec(name)).components().filter(|c| !is_here(c)).collect();
        let shown = text::visible(&path.to_string_lossy());
        if out.insert(path, digest.to_ascii_lowercase()).is_some() {
            return Err(fail(format!("'{shown}' is there twice")));
        }
    }
    Ok(out)
}

fn is_here(c: &std::path::Component) -> bool {
    matches!(c, std::path::Component::CurDir)
}

fn unescape(name: &str) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::with_capacity(name.len()), name.bytes());
    while let Some(b) = bytes.next() {
        match (b, b == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b'r') => out.push(b'\r'),
                Some(other) => out.push(other),
                None => out.push(b'\\'),
            },
            (b, false) => out.push(b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<Manifest, EvidenceError> {
        parse(&Bytes {
            path: "m.sha256".into(),
            data: text.as_bytes().to_vec().into(),
            sha256: String::new(),
        })
    }

    #[test]
    fn lines_of_sha256sum() {
        let d = "AB".repeat(32);
        let m = read(&format!("# made by us\n{d}  ./a/b.png\n{d} *c d\n\\{d}  e\\nf\\\\g\n\n")).unwrap();
        assert_eq!(m[Path::new("a/b.png")], "ab".repeat(32));
        assert!(m.contains_key(Path::new("c d")) && m.contains_key(Path::new("e\nf\\g")));
        assert_eq!(read("xyz  a").unwrap_err().place, "line 1");
        assert!(read(&format!("{d}  a\n{d}  ./a\n")).unwrap_err().reason.contains("twice"));
    }
}
