//! The questions: six that every case asks, and the case's own, answered in fixed words.

use super::super::model::{Block, Section, Tone};
use super::{Builder, count, standing};
use crate::case::Numbered;
use crate::procedure::{Concern, Confidence, Phase, Verdict};

/// A question that every case asks.
pub(super) struct Topic {
    /// The question.
    pub question: &'static str,
    phase: Phase,
    /// Findings that answer it with yes.
    concerns: &'static [Concern],
    /// Only procedures that read training data (`Some(true)`), that do not (`Some(false)`), or all.
    training: Option<bool>,
    /// Words of a case's own question that ask the same.
    words: &'static [&'static str],
}

pub(super) const TOPICS: [Topic; 6] = [
    Topic {
        question: "Are the files what they claim to be, and safe to open?",
        phase: Phase::Triage,
        concerns: &[Concern::UnsafeFormat, Concern::Integrity, Concern::Malformed],
        training: None,
        words: &["file", "format", "pickle", "tamper", "integrity", "digest", "hash", "signature", "safe to"],
    },
    Topic {
        question: "Does the model carry a backdoor?",
        phase: Phase::Detection,
        concerns: &[Concern::Backdoor],
        training: Some(false),
        words: &["backdoor", "trojan", "hidden behaviour", "hidden behavior", "compromised"],
    },
    Topic {
        question: "Which training samples were planted or altered?",
        phase: Phase::Detection,
        concerns: &[Concern::DataPoisoning],
        training: Some(true),
        words: &["sample", "poison", "planted", "training data", "data set", "dataset", "label"],
    },
    Topic {
        question: "What does the trigger look like?",
        phase: Phase::Recovery,
        concerns: &[],
        training: None,
        words: &["trigger", "patch", "pattern"],
    },
    Topic {
        question: "What harm could it do?",
        phase: Phase::Impact,
        concerns: &[],
        training: None,
        words: &["harm", "impact", "damage", "consequence", "affected", "deploy"],
    },
    Topic {
        question: "Which techniques, and whose tools does it resemble?",
        phase: Phase::Attribution,
        concerns: &[],
        training: None,
        words: &["who", "attribut", "toolkit", "tool", "technique", "actor", "handiwork"],
    },
];

/// Asked where there is material about the pipeline.
const PIPELINE: Topic = Topic {
    question: "Did the pipeline run as it was reviewed?",
    phase: Phase::Triage,
    concerns: &[Concern::Pipeline, Concern::TrainingCode, Concern::Substitution, Concern::Misuse],
    training: None,
    words: &["pipeline", "workflow", "checkpoint", "training code", "egress", "compute", "reviewed"],
};

/// The fixed scale of words for how sure a yes is.
pub(super) fn wording(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "Yes: well supported by the evidence examined",
        Confidence::Medium => "Probably: more likely than not on the evidence examined",
        Confidence::Low => "Possibly: a lead only, not enough to act on alone",
    }
}

/// An answer in words.
pub(super) struct Answer {
    pub tone: Tone,
    pub verdict: String,
    pub reasons: Vec<String>,
}

impl Builder<'_> {
    /// The topics of this case.
    fn topics(&self) -> Vec<&'static Topic> {
        let pipeline = self.state.case.as_ref().is_some_and(|c| c.pipeline.is_some());
        TOPICS.iter().chain(pipeline.then_some(&PIPELINE)).collect()
    }

    /// Findings that answer a topic with yes, the surest first.
    pub(super) fn found(&self, topic: &Topic) -> Vec<&Numbered> {
        let mut found: Vec<_> =
            self.state.findings.iter().filter(|f| topic.concerns.contains(&f.finding.concern)).collect();
        found.sort_by_key(|f| std::cmp::Reverse((f.finding.confidence, f.finding.severity)));
        found
    }

    fn concerns(&self, topic: &Topic, id: &str) -> bool {
        topic.training.is_none_or(|wanted| {
            self.about(id).is_some_and(|a| a.needs.to_lowercase().contains("training")) == wanted
        })
    }

    /// The answer to a topic.
    pub(super) fn answer(&self, topic: &Topic) -> Answer {
        let records: Vec<_> = self
            .finished()
            .filter(|(p, _)| self.phase(p) == Some(topic.phase) && self.concerns(topic, &p.id))
            .collect();
        let said = |verdict: Verdict| {
            records
                .iter()
                .filter(move |(_, r)| r.verdict == verdict)
                .map(|(p, r)| format!("{}: {}", self.name(&p.id), r.summary))
        };
        let mut open = Vec::new();
        let mut not_applicable = Vec::new();
        for p in &self.state.procedures {
            let (word, why) = standing(&p.status);
            if self.phase(p) != Some(topic.phase) || !self.concerns(topic, &p.id) || word == "finished" {
                continue;
            }
            if word == "skipped" {
                not_applicable.push(format!("{} ({why})", self.name(&p.id)));
            } else {
                open.push(format!("Not determined by {} ({word}): {why}", self.name(&p.id)));
            }
        }
        if !not_applicable.is_empty() {
            let n = count(not_applicable.len(), "procedure");
            open.push(format!("Not determined by {n} that did not apply: {}", not_applicable.join("; ")));
        }

        let found = self.found(topic);
        let (tone, verdict) = if let Some(best) = found.first() {
            (Tone::Alarm, format!("{}.", wording(best.finding.confidence)))
        } else if said(Verdict::Flagged).next().is_some() {
            (Tone::Alarm, "Shown by the examination.".to_owned())
        } else if said(Verdict::Inconclusive).next().is_some() {
            let hypotheses = topic.phase == Phase::Attribution;
            (Tone::Caution, if hypotheses { "Hypotheses only." } else { "Undecided." }.to_owned())
        } else if said(Verdict::NothingFound).next().is_some() {
            (Tone::Calm, "Nothing found within the limits stated. This is not proof of absence.".to_owned())
        } else {
            (Tone::Caution, "Not determined: no examination that could answer it has finished.".to_owned())
        };
        let mut reasons: Vec<String> =
            found.iter().map(|f| format!("{}: {}", f.id, f.finding.title)).collect();
        for verdict in [Verdict::Flagged, Verdict::Inconclusive, Verdict::NothingFound] {
            reasons.extend(said(verdict));
        }
        reasons.extend(open);
        Answer { tone, verdict, reasons }
    }

    /// The section of questions and answers.
    pub(super) fn answers(&self) -> Section {
        let mut s = Section::new("answers", "Questions and answers");
        s.say(
            "Each answer starts with one of a fixed set of wordings; what was not determined is said under it. For a yes: \
             'Yes: well supported' (high confidence: would stand alone), 'Probably' (medium: more likely than not), 'Possibly' \
             (low: a lead only). Otherwise: 'Undecided', 'Nothing found within the limits stated', or 'Not determined'.",
        );
        let own = self.ledger.questions.as_slice();
        if !own.is_empty() {
            s.heading("Asked in this case");
            for question in own {
                let asked = question.to_lowercase();
                let mut lines = Vec::new();
                let mut tone = Tone::Calm;
                let same: Vec<_> =
                    self.topics().into_iter().filter(|t| t.words.iter().any(|w| asked.contains(w))).collect();
                for &topic in &same {
                    let answer = self.answer(topic);
                    tone = worse(tone, answer.tone);
                    let which = if same.len() > 1 { format!("{} ", topic.question) } else { String::new() };
                    lines.push(format!("{which}{}", answer.verdict));
                    lines.extend(answer.reasons.into_iter().take(1));
                }
                if lines.is_empty() {
                    tone = Tone::Caution;
                    lines.push(
                        "No examination of this version answers this question by itself; the answers below are what \
                         can be said."
                            .to_owned(),
                    );
                }
                s.blocks.push(Block::Statement(tone, question.clone(), lines));
            }
        }
        s.heading("Asked in every case");
        for topic in self.topics() {
            let Answer { tone, verdict, reasons } = self.answer(topic);
            let mut lines = vec![verdict];
            lines.extend(reasons);
            s.blocks.push(Block::Statement(tone, topic.question.to_owned(), lines));
        }
        s
    }
}

/// The more alarming of two tones.
fn worse(a: Tone, b: Tone) -> Tone {
    match (a, b) {
        (Tone::Alarm, _) | (_, Tone::Alarm) => Tone::Alarm,
        (Tone::Caution, _) | (_, Tone::Caution) => Tone::Caution,
        _ => Tone::Calm,
    }
}
