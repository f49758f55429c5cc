//! Digests by which a finding is known again, and by which the results of a session are.

use crate::case::{CaseState, Numbered, Status};
use crate::evidence::intake::hex;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// First line of what a fingerprint is taken over: a change of its form is a change of this.
const FORM: &str = "laocoon.finding/1";

/// The fingerprint of a finding: SHA-256 over the procedure, the kind of trouble, the classes, the title with its numbers
/// left out, and the digests of the evidence it rests on (of all accepted evidence, if it names none).
///
/// So other bytes, another class or another kind of accusation are another finding, while another seed or effort, which
/// change the numbers only, are not.
pub fn fingerprint(state: &CaseState, of: &Numbered) -> String {
    let finding = &of.finding;
    let named: Vec<_> = state.evidence.iter().filter(|item| finding.evidence.contains(&item.id)).collect();
    let items =
        if named.is_empty() { state.evidence.iter().filter(|item| item.accepted()).collect() } else { named };
    // An item that could not be read has no digest: its path stands for it.
    let mut digests: Vec<String> = items
        .iter()
        .map(|item| if item.sha256.is_empty() { item.path.shown() } else { item.sha256.clone() })
        .collect();
    digests.sort_unstable();
    digests.dedup();
    let concern = serde_json::to_string(&finding.concern).unwrap_or_default();
    let mut text = format!("{FORM}\n{}\n{concern}\n", of.procedure);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:?} {:?}\n{}", finding.source_class, finding.class, unnumbered(&finding.title));
    for digest in digests {
        let _ = writeln!(text, "{digest}");
    }
    hex(&Sha256::digest(text.as_bytes()))
}

/// The text with every run of digits (and of dots and commas between them) as one `#`.
fn unnumbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if !c.is_ascii_digit() {
            out.push(c);
            continue;
        }
        out.push('#');
        loop {
            let mut ahead = rest.clone();
            match ahead.next() {
                Some(d) if d.is_ascii_digit() => drop(rest.next()),
                Some('.' | ',') if ahead.next().is_some_and(|d| d.is_ascii_digit()) => drop(rest.next()),
                _ => break,
            }
        }
    }
    out
}

/// One digest over what every finished procedure found, in the order of the plan and without times: the same evidence,
/// version, seed and effort give the same one. SHA-256 over the lines `id version sha256(record as JSON)`.
pub fn results(state: &CaseState) -> String {
    let mut hash = Sha256::new();
    for p in &state.procedures {
        let p = state.superseded.get(&p.id).unwrap_or(p);
        if let Status::Finished { record, .. } = &p.status {
            // Maps in a record are sorted and its fields have an order: one byte sequence per record.
            let record = serde_json::to_vec(record).unwrap_or_default();
            hash.update(format!("{} {} {}\n", p.id, p.version, hex(&Sha256::digest(&record))));
        }
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture;
    use crate::evidence::ItemState;
    use crate::procedure::Severity;

    fn state(digest: &str, title: &str, class: usize) -> CaseState {
        let mut item = fixture::item("E1", ItemState::Accepted);
        item.sha256 = digest.repeat(32);
        let mut record = fixture::flagged(class, Severity::High);
        title.clone_into(&mut record.findings[0].title);
        let mut state = CaseState::default();
        let events = [
            fixture::opened("x"),
            fixture::planned(&["a"]),
            crate::case::Event::EvidenceAdded { item },
            fixture::ended("a", record),
        ];
        for (n, e) in events.iter().enumerate() {
            state.apply(n as u64, fixture::TIME, "", e);
        }
        state
    }

    fn print(digest: &str, title: &str, class: usize) -> String {
        let state = state(digest, title, class);
        fingerprint(&state, &state.findings[0])
    }

    #[test]
    fn numbers_do_not_make_another_finding_and_bytes_do() {
        let one = print("ab", "class 7: index 4.31 of 1,800", 7);
        assert_eq!(one.len(), 64);
        assert_eq!(one, print("ab", "class 7: index 3.9 of 2", 7));
        assert_ne!(one, print("cd", "class 7: index 4.31 of 1,800", 7));
        assert_ne!(one, print("ab", "class 7: index 4.31 of 1,800", 6));
        assert_ne!(one, print("ab", "class 7: a file that runs code", 7));
        assert_eq!(unnumbered("1,800 images. 3.5, 2"), "# images. #, #");
    }

    #[test]
    fn results_are_what_was_found_and_not_when() {
        let one = state("ab", "t", 7);
        let mut later = one.clone();
        for p in &mut later.procedures {
            if let Status::Finished { seconds, .. } = &mut p.status {
                *seconds += 9.0;
            }
        }
        later.events += 1;
        assert_eq!(results(&one), results(&later));
        assert_ne!(results(&one), results(&state("ab", "u", 7)));
    }
}
