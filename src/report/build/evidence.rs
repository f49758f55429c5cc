//! What was handed over, and what is accused on it.

use super::super::model::{Block, Section, Table};
use super::Builder;
use crate::evidence::ItemState;
use crate::procedure::taxonomy;

impl Builder<'_> {
    /// The evidence register.
    pub(super) fn evidence(&self) -> Section {
        let mut s = Section::new("evidence", "Evidence register");
        let mut table = Table::new(
            "What was handed over, hashed when it was taken in",
            &["No.", "For", "Path", "Format", "#Bytes", "SHA-256", "State"],
        );
        for item in &self.state.evidence {
            let state = match &item.state {
                ItemState::Accepted => "accepted".to_owned(),
                ItemState::Refused(why) => format!("refused: {why}"),
            };
            let sha256 =
                if item.sha256.is_empty() { "could not be read".to_owned() } else { item.sha256.clone() };
            table.row([
                item.id.clone(),
                item.role.name().to_owned(),
                item.path.shown(),
                crate::report::json::format_name(item.format),
                item.bytes.to_string(),
                sha256,
                state,
            ]);
        }
        s.table(table, "Nothing was handed over.");
        let mut notes = Vec::new();
        for item in &self.state.evidence {
            let facts: Vec<_> = item.facts.iter().map(crate::evidence::Untrusted::shown).collect();
            if !facts.is_empty() {
                notes.push(format!("{}: {}", item.id, facts.join("; ")));
            }
            if let Some(published) = &item.published {
                let same = published.eq_ignore_ascii_case(&item.sha256);
                let word = if same { "matches" } else { "DIFFERS from" };
                notes.push(format!("{}: the digest taken in {word} the published one, {published}", item.id));
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
            &["No.", "Severity", "Confidence", "Finding", "Class", "Found by", "Evidence"],
        );
        let lower = |x: &dyn std::fmt::Debug| format!("{x:?}").to_lowercase();
        for f in &self.state.findings {
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
            ]);
        }
        s.table(
            table,
            "No procedure accused anything. What was looked at, and how far, is in the next section.",
        );
        for f in &self.state.findings {
            let named = |id: &String| taxonomy::name(id).map_or_else(|| id.clone(), |n| format!("{id} {n}"));
            let ids: Vec<_> = f.finding.atlas.iter().chain(&f.finding.owasp).map(named).collect();
            let detail =
                if f.finding.detail.is_empty() { f.finding.title.clone() } else { f.finding.detail.clone() };
            s.blocks
                .push(Block::Facts(vec![(f.id.clone(), detail), ("References".to_owned(), ids.join("; "))]));
        }
        s
    }
}
