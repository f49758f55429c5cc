//! The first page: the answer, what it rests on, the key figure, what is not known.

use super::super::model::{Block, Section, Tone};
use super::answers::TOPICS;
use super::{Builder, count};
use crate::evidence::{ItemState, Role};
use crate::figure::Body;
use crate::figure::label::number;
use crate::procedure::{Confidence, Phase, Verdict};

impl Builder<'_> {
    /// Tone, headline and what it rests on.
    pub(super) fn headline(&self) -> (Tone, String, String) {
        let classes: Vec<_> = self.assessment.target_classes.iter().map(ToString::to_string).collect();
        let target = match classes.len() {
            0 => String::new(),
            1 => format!(" Accused target class: {}.", classes[0]),
            _ => format!(" Accused target classes: {}.", classes.join(", ")),
        };
        let mut finished = 0;
        let mut flagged = 0;
        for (_, record) in self.finished() {
            finished += 1;
            flagged += usize::from(record.verdict == Verdict::Flagged);
        }
        let gap = if self.missing.is_empty() {
            "Everything planned for this case finished.".to_owned()
        } else {
            format!(
                "The examination is incomplete ({}, listed below).",
                count(self.missing.len(), "open point")
            )
        };
        let basis = format!("{} finished, {flagged} of them flagged. {gap}", count(finished, "procedure"));
        let (tone, headline) = match self.assessment.verdict {
            Verdict::Flagged => (Tone::Alarm, format!("{}{target}", self.accusation())),
            Verdict::NothingFound => (
                Tone::Calm,
                "Nothing was found within the limits of what was examined. This does not prove the model clean."
                    .to_owned(),
            ),
            Verdict::Inconclusive => {
                (Tone::Caution, format!("The examination could not decide.{target}"))
            }
        };
        (tone, headline, basis)
    }

    /// What the surest findings of each kind say, in one sentence each.
    fn accusation(&self) -> String {
        /// A sentence cut where "probably" goes.
        const KINDS: [(&str, &str); 3] = [
            ("The files are", "not safe, or not what they claim to be"),
            ("The model", "carries a backdoor"),
            ("The training data is", "poisoned"),
        ];
        let mut said = Vec::new();
        for ((subject, rest), topic) in KINDS.iter().zip(&TOPICS) {
            if let Some(best) = self.found(topic).first() {
                said.push(match best.finding.confidence {
                    Confidence::High => format!("{subject} {rest} (well supported)."),
                    Confidence::Medium => format!("{subject} probably {rest} (more likely than not)."),
                    Confidence::Low => format!("{subject} possibly {rest} (a lead only)."),
                });
            }
        }
        if said.is_empty() { "Something was flagged; see the results.".to_owned() } else { said.join(" ") }
    }

    /// The names and numbers under the headline.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let score = |s: Option<f64>| s.map_or_else(|| "not calibrated".to_owned(), number);
        let worst = self.state.findings.iter().map(|f| f.finding.severity).max();
        let findings = match worst {
            None => "none".to_owned(),
            Some(w) => format!("{}, worst {}", self.state.findings.len(), format!("{w:?}").to_lowercase()),
        };
        let classes: Vec<_> = self.assessment.target_classes.iter().map(ToString::to_string).collect();
        let mut facts = vec![
            ("Assessment".to_owned(), self.assessment.verdict.name().to_owned()),
            (
                "Target class".to_owned(),
                if classes.is_empty() { "none accused".to_owned() } else { classes.join(", ") },
            ),
            (
                "Attack family".to_owned(),
                self.assessment.family.clone().unwrap_or_else(|| "not named".to_owned()),
            ),
            ("Findings".to_owned(), findings),
            ("Complete".to_owned(), if self.missing.is_empty() { "yes" } else { "no" }.to_owned()),
            ("Model score".to_owned(), score(self.assessment.model_score)),
            ("Data score".to_owned(), score(self.assessment.data_score)),
        ];
        if let Some(model) = self.state.evidence.iter().find(|i| i.role == Role::Model) {
            let refused = matches!(model.state, ItemState::Refused(_));
            let mark = if refused { " (refused)" } else { "" };
            facts.push(("Model".to_owned(), format!("{}{mark}", model.path.shown())));
        }
        facts
    }

    /// The first section.
    pub(super) fn summary(&mut self) -> Section {
        let mut s = Section::new("summary", "Summary");
        let mut top: Vec<_> = self.state.findings.iter().collect();
        top.sort_by_key(|f| std::cmp::Reverse((f.finding.severity, f.finding.confidence)));
        let (shown, more) = (top.len().min(5), top.len().saturating_sub(5));
        s.list(
            top[..shown]
                .iter()
                .map(|f| {
                    let (severity, confidence) = (f.finding.severity, f.finding.confidence);
                    let sure = format!("{severity:?} severity, {confidence:?} confidence").to_lowercase();
                    format!("{} ({sure}): {}", f.id, f.finding.title)
                })
                .collect(),
        );
        if more > 0 {
            s.say(format!("{} more in the section on findings.", count(more, "finding")));
        }
        if let Some((procedure, name, sha256)) = self.key_figure()
            && let Ok(plate) = self.plate(&procedure, &name, &sha256)
        {
            s.blocks.push(Block::Figure(Box::new(plate)));
        }
        if !self.missing.is_empty() {
            s.heading("Open points");
            s.list(self.missing.clone());
        }
        s
    }

    /// The figure that says most: pictures of the recovered trigger, else the first of a flagged detection.
    fn key_figure(&self) -> Option<(String, String, String)> {
        let of = |phase: Phase| {
            self.finished()
                .filter(move |(p, r)| self.phase(p) == Some(phase) && r.verdict == Verdict::Flagged)
                .flat_map(|(p, r)| {
                    r.figures.iter().map(move |(name, hash)| (p.id.clone(), name.clone(), hash.clone()))
                })
                .collect::<Vec<_>>()
        };
        let recovery = of(Phase::Recovery);
        let pictures = recovery.iter().find(|(_, _, hash)| {
            self.blobs.figure(hash).is_ok_and(|f| matches!(f.body, Body::Thumbnails { .. }))
        });
        pictures.or(recovery.first()).cloned().or_else(|| of(Phase::Detection).first().cloned())
    }
}
