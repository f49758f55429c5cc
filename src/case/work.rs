//! The analyst's own work on a case: notes on anything, verdicts on findings, tags; and taking any of them back. Nothing
//! is ever edited: taking back is an event of its own, and so is taking that back.

use super::Numbered;
use crate::evidence::text::visible;
use serde::{Deserialize, Serialize};

/// What a note, verdict or tag is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The case as a whole.
    Case,
    /// An evidence item by its id.
    Evidence(String),
    /// A procedure by its id.
    Procedure(String),
    /// A finding. It is known by its words: a second run that says something else has made another finding, and what
    /// was said of the first does not hold of it.
    Finding {
        /// Procedure id.
        procedure: String,
        /// Its title.
        title: String,
    },
    /// A sample of a data set.
    Sample {
        /// Evidence id of the set.
        set: String,
        /// Place in the set.
        index: u64,
    },
    /// An event by its number.
    Event(u64),
}

impl Topic {
    /// The topic of a finding.
    pub fn finding(numbered: &Numbered) -> Self {
        Topic::Finding { procedure: numbered.procedure.clone(), title: numbered.finding.title.clone() }
    }

    /// Its name in visible text.
    pub fn name(&self) -> String {
        match self {
            Topic::Case => "the case".to_owned(),
            Topic::Evidence(id) => format!("evidence {}", visible(id)),
            Topic::Procedure(id) => visible(id),
            Topic::Finding { procedure, title } => {
                format!("finding of {} \"{}\"", visible(procedure), visible(title))
            }
            Topic::Sample { set, index } => format!("sample {index} of {}", visible(set)),
            Topic::Event(n) => format!("event {n}"),
        }
    }
}

/// An analyst's verdict. It stands beside what the program found and changes none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It holds.
    Confirmed,
    /// It does not: the reason says why.
    Dismissed,
    /// Not decided, or not any more.
    Open,
}

impl Judgement {
    /// All, in the order they are offered.
    pub const ALL: [Judgement; 3] = [Judgement::Confirmed, Judgement::Dismissed, Judgement::Open];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Confirmed => "confirmed",
            Judgement::Dismissed => "dismissed",
            Judgement::Open => "open",
        }
    }
}

/// One step of the analyst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A note.
    Note(String),
    /// A verdict with its reason.
    Judged(Judgement, String),
    /// A tag set (`true`) or taken off.
    Tag(String, bool),
}

/// A step with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Journal number.
    pub n: u64,
    /// RFC 3339 UTC.
    pub time: String,
    /// What it is about.
    pub about: Topic,
    /// The step.
    pub work: Work,
    /// Whether it was taken back.
    pub undone: bool,
}

impl Entry {
    /// The step in one line of visible text.
    pub fn line(&self) -> String {
        let about = self.about.name();
        match &self.work {
            Work::Note(text) if self.about == Topic::Case => text.clone(),
            Work::Note(text) => format!("on {about}: {text}"),
            Work::Judged(judgement, reason) if reason.is_empty() => format!("{about}: {}", judgement.name()),
            Work::Judged(judgement, reason) => format!("{about}: {}, {reason}", judgement.name()),
            Work::Tag(tag, true) => format!("{about}: tagged {tag}"),
            Work::Tag(tag, false) => format!("{about}: tag {tag} taken off"),
        }
    }
}

/// All steps of the analyst, those taken back included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Casework {
    entries: Vec<Entry>,
    /// Number of an event that took something back, and of what it took back.
    undos: Vec<(u64, u64)>,
}

impl Casework {
    pub(super) fn add(&mut self, n: u64, time: &str, about: &Topic, work: Work) -> &Entry {
        self.entries.push(Entry { n, time: time.to_owned(), about: about.clone(), work, undone: false });
        let last = self.entries.len() - 1;
        &self.entries[last]
    }

    /// Takes a step back, or takes back that one was. An event that is neither is left alone.
    pub(super) fn undo(&mut self, n: u64, event: u64) {
        let (at, undone) = match self.undos.iter().find(|(undo, _)| *undo == event) {
            Some(&(_, step)) => (step, false),
            None => (event, true),
        };
        if let Some(entry) = self.entries.iter_mut().find(|e| e.n == at) {
            entry.undone = undone;
            self.undos.push((n, event));
        }
    }

    /// The steps that stand, in order.
    pub fn standing(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|e| !e.undone)
    }

    /// The steps that stand on a topic, in order.
    pub fn on<'a>(&'a self, topic: &'a Topic) -> impl DoubleEndedIterator<Item = &'a Entry> {
        self.standing().filter(move |e| e.about == *topic)
    }

    /// The analyst's verdict on a topic and its reason, if there is one.
    pub fn judgement<'a>(&'a self, topic: &Topic) -> Option<(Judgement, &'a str)> {
        self.standing().rev().filter(|e| e.about == *topic).find_map(|e| match &e.work {
            Work::Judged(judgement, reason) => Some((*judgement, reason.as_str())),
            _ => None,
        })
    }

    /// The tags on a topic, in the order they were set.
    pub fn tags<'a>(&'a self, topic: &Topic) -> Vec<&'a str> {
        let mut tags: Vec<&str> = Vec::new();
        for entry in self.standing().filter(|e| e.about == *topic) {
            if let Work::Tag(tag, on) = &entry.work {
                tags.retain(|t| t != tag);
                if *on {
                    tags.push(tag);
                }
            }
        }
        tags
    }

    /// What an undo takes back: the number of the last step that stands.
    pub fn undoable(&self) -> Option<u64> {
        self.standing().next_back().map(|e| e.n)
    }

    /// What a redo takes back: the last undo whose step has not come back.
    pub fn redoable(&self) -> Option<u64> {
        let undone = |n: u64| self.entries.iter().any(|e| e.n == n && e.undone);
        self.undos.iter().rev().find(|(_, step)| undone(*step)).map(|(n, _)| *n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Work {
        Work::Note(text.into())
    }

    #[test]
    fn steps_are_taken_back_and_brought_back_from_the_last_on() {
        let mut work = Casework::default();
        work.add(1, "t", &Topic::Case, note("one"));
        work.add(2, "t", &Topic::Case, note("two"));
        let shown = |w: &Casework| w.standing().map(Entry::line).collect::<Vec<_>>();
        assert_eq!((work.undoable(), work.redoable()), (Some(2), None));
        work.undo(3, 2);
        work.undo(4, 1);
        assert!(shown(&work).is_empty() && work.undoable().is_none());
        assert_eq!(work.redoable(), Some(4));
        work.undo(5, 4);
        assert_eq!((shown(&work), work.redoable()), (vec!["one".to_owned()], Some(3)));
        work.undo(6, 3);
        assert_eq!((shown(&work), work.redoable()), (vec!["one".to_owned(), "two".to_owned()], None));
        work.undo(7, 99);
        assert_eq!(shown(&work).len(), 2, "what is no step is left alone");
    }

    #[test]
    fn the_last_verdict_counts_and_tags_come_and_go() {
        let topic = Topic::Finding { procedure: "p".into(), title: "t".into() };
        let mut work = Casework::default();
        assert_eq!(work.judgement(&topic), None);
        work.add(1, "t", &topic, Work::Judged(Judgement::Confirmed, String::new()));
        work.add(2, "t", &topic, Work::Judged(Judgement::Dismissed, "a natural feature".into()));
        assert_eq!(work.judgement(&topic), Some((Judgement::Dismissed, "a natural feature")));
        work.undo(3, 2);
        assert_eq!(work.judgement(&topic), Some((Judgement::Confirmed, "")));
        for (n, tag, on) in [(4, "a", true), (5, "b", true), (6, "a", false), (7, "b", true)] {
            work.add(n, "t", &topic, Work::Tag(tag.into(), on));
        }
        assert_eq!(work.tags(&topic), ["b"]);
        assert!(work.tags(&Topic::Case).is_empty());
    }
}
