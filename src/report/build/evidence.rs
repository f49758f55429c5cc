//! What was handed over, and what is accused on it.

use super::super::model::{Block, Section, Table};
use super::{Builder, count};
use crate::case::gate::Standing;
use crate::procedure::taxonomy;

impl Builder<'_> {
    /// The evidence register.
    pub(super) fn evidence(&self) -> Section {
        let mut s = Section::new("evidence", "Evidence register");
        let mut table = Table::new(
            "What was handed over, hashed when it was taken in",
            &["No.", "For", "Path", "Format", "#Bytes", "SHA-256", "State"],
        );
        for item in &self.ledger.exhibits {
            let state =
                item.refused.as_ref().map_or_else(|| "accepted".to_owned(), |why| format!("refused: {why}"));
            let sha256 =
                if item.sha256.is_empty() { "could not be read".to_owned() } else { item.sha256.clone() };
            table.row([
                item.id.clone(),
                item.role.name().to_owned(),
                item.path.clone(),
                item.format.clone(),
                item.bytes.to_string(),
                sha256,
                state,
            ]);
        }
        s.table(table, "Nothing was handed over.");
        let mut notes = Vec::new();
        for item in &self.ledger.exhibits {
            if !item.facts.is_empty() {
                notes.push(format!("{}: {}", item.id, item.facts.join("; ")));
            }
            if item.folder {
                notes.push(format!(
                    "{}: a folder of {}; its digest is taken over the sorted digests of its files.",
                    item.id,
                    count(item.files as usize, "file")
                ));
            }
            if let Some(published) = &item.published {
                let same = published.eq_ignore_ascii_case(&item.sha256);
                let word = if same { "matches" } else { "DIFFERS from" };
                notes.push(format!("{}: the digest taken in {word} the published one, {published}", item.id));
            }
            if let Some((time, how)) = &item.checked {
                let same = if item.changed.is_empty() { "the same" } else { "CHANGED, see below" };
                notes.push(format!("{}: last compared with its intake at {time} by {how}: {same}.", item.id));
            } else if item.refused.is_none() {
                notes.push(format!("{}: not compared with its intake since.", item.id));
            }
        }
        s.list(notes);
        if !self.state.changed.is_empty() {
            s.heading("Changed during work");
            s.list(self.state.changed.iter().map(|(id, what)| format!("{id}: {what}")).collect());
        }
        s
    }

    /// Every finding, with its numbers and references.
    pub(super) fn findings(&self) -> Section {
        let mut s = Section::new("findings", "Findings");
        let mut table = Table::new(
            "Severity: how bad if true. Confidence: how sure. They are separate.",
            &["No.", "Severity", "Confidence", "Finding", "Class", "Found by", "Evidence", "Standing"],
        );
        let lower = |x: &dyn std::fmt::Debug| format!("{x:?}").to_lowercase();
        for f in &self.ledger.findings {
            let class = match (f.finding.class, f.finding.source_class) {
                (Some(target), Some(source)) => format!("{source} → {target}"),
                (Some(target), None) => target.to_string(),
                _ => "-".to_owned(),
            };
            table.row([
                f.id.clone(),
                lower(&f.finding.severity),
                lower(&f.finding.confidence),
                f.finding.title.clone(),
                class,
                f.procedure.clone(),
                f.finding.evidence.join(", "),
                match &f.standing {
                    Standing::Waived(w) => format!("waived until {}", w.expires),
                    other => other.name().to_owned(),
                },
            ]);
        }
        s.table(
            table,
            "No procedure accused anything. What was looked at, and how far, is in the next section.",
        );
        s.list(self.ledger.ruling.remarks.clone());
        for f in &self.ledger.findings {
            let named = |id: &String| taxonomy::name(id).map_or_else(|| id.clone(), |n| format!("{id} {n}"));
            let ids: Vec<_> = f.finding.atlas.iter().chain(&f.finding.owasp).map(named).collect();
            let detail =
                if f.finding.detail.is_empty() { f.finding.title.clone() } else { f.finding.detail.clone() };
            let mut facts = vec![
                (f.id.clone(), detail),
                ("References".to_owned(), ids.join("; ")),
                ("Fingerprint".to_owned(), f.fingerprint.clone()),
            ];
            if let Standing::Waived(w) = &f.standing {
                let by =
                    w.approved_by.as_ref().map_or_else(String::new, |who| format!(", approved by {who}"));
                facts.push(("Waiver".to_owned(), format!("until {}{by}: {}", w.expires, w.reason)));
            }
            s.blocks.push(Block::Facts(facts));
        }
        s
    }
}
