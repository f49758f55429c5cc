//! Tokenizer files and prompts: what was added, taken away, moved, and what sentences say.

use super::super::sighting::{Seen, Sighting};
use super::super::tree::Node;
use crate::procedure::{Concern, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Names in a detail.
const NAMED: usize = 6;

fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.take(NAMED).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ")
}

/// A word and its number of each entry of a vocabulary.
fn ids(node: &Node) -> BTreeMap<&str, &str> {
    node.entries().iter().filter_map(|(k, v)| Some((k.as_str(), v.text()?))).collect()
}

/// Added tokens: content to the flags that make it special.
fn added(node: &Node) -> BTreeMap<String, String> {
    let flags =
        |n: &Node| n.leaves().iter().map(|(p, t, _)| format!("{p}={t}")).collect::<Vec<_>>().join(" ");
    if !node.entries().is_empty() {
        // tokenizer_config's `added_tokens_decoder`, or added_tokens.json.
        return node
            .entries()
            .iter()
            .map(|(k, v)| {
                if v.has("content") {
                    (v.word("content").to_owned(), flags(v))
                } else {
                    (k.clone(), v.joined())
                }
            })
            .collect();
    }
    node.items().iter().map(|n| (n.text().unwrap_or(n.word("content")).to_owned(), flags(n))).collect()
}

/// Compares two vocabularies, merge lists or lists of added tokens of a tokenizer file.
pub(super) fn tokenizer(file: &str, old: &Node, new: &Node, seen: &mut Seen) {
    let at = (file, 0);
    for path in [&["model", "vocab"][..], &["vocab"], &[]] {
        let (Some(a), Some(b)) = (old.at(path), new.at(path)) else { continue };
        // A vocabulary on its own is a map of words to numbers.
        if path.is_empty() && !file.ends_with("vocab.json") {
            continue;
        }
        let (a, b) = (ids(a), ids(b));
        let moved: Vec<&str> =
            a.iter().filter(|(k, v)| b.get(*k).is_some_and(|w| w != *v)).map(|(k, _)| *k).collect();
        if !moved.is_empty() {
            let title = format!(
                "{} words of the vocabulary have other numbers: they mean other words to the model",
                moved.len()
            );
            seen.push(
                Sighting::new("tokenizer.moved", Severity::High, Concern::Pipeline, at, title)
                    .because(some(moved.iter().copied())),
            );
        }
        let gone: Vec<&str> = a.keys().filter(|k| !b.contains_key(*k)).copied().collect();
        let fresh: Vec<&str> = b.keys().filter(|k| !a.contains_key(*k)).copied().collect();
        for (what, names) in [("taken out of", gone), ("added to", fresh)] {
            if !names.is_empty() {
                let title = format!("{} words were {what} the vocabulary", names.len());
                seen.push(
                    Sighting::new("tokenizer.words", Severity::Medium, Concern::Pipeline, at, title)
                        .because(some(names.iter().copied())),
                );
            }
        }
    }
    let list = |n: &Node| -> Vec<String> {
        n.at(&["model", "merges"]).map(Node::items).unwrap_or_default().iter().map(Node::joined).collect()
    };
    merges(file, &list(old), &list(new), seen);
    for key in ["added_tokens", "added_tokens_decoder"] {
        let of = |n: &Node| n.get(key).map(added).unwrap_or_default();
        tokens(file, &of(old), &of(new), seen);
    }
    if file.ends_with("added_tokens.json") {
        tokens(file, &added(old), &added(new), seen);
    }
    for part in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        let of = |n: &Node| {
            n.get(part).map(|n| n.leaves().into_iter().map(|(p, t, _)| (p, t.to_owned())).collect::<Vec<_>>())
        };
        if of(old) != of(new) {
            let title = format!("the tokenizer's {part} is another one: texts are cut up otherwise");
            seen.push(Sighting::new("tokenizer.rules", Severity::Medium, Concern::Pipeline, at, title));
        }
    }
}

fn tokens(file: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>, seen: &mut Seen) {
    for (token, flags) in new {
        let title = match old.get(token) {
            None => format!("a token was added: '{token}'"),
            Some(was) if was != flags => format!("the token '{token}' is treated otherwise"),
            Some(_) => continue,
        };
        seen.push(
            Sighting::new("tokenizer.added", Severity::Medium, Concern::Pipeline, (file, 0), title)
                .because(flags),
        );
    }
    for token in old.keys().filter(|t| !new.contains_key(*t)) {
        let title = format!("an added token was removed: '{token}'");
        seen.push(Sighting::new("tokenizer.removed", Severity::Medium, Concern::Pipeline, (file, 0), title));
    }
}

/// Merge rules apply in order: what is put in front or moved changes how words are cut; what is added at the end, little.
pub(super) fn merges(file: &str, old: &[String], new: &[String], seen: &mut Seen) {
    if old == new {
        return;
    }
    let at = (file, 0);
    if new.starts_with(old) {
        let title = format!("{} merge rules were added at the end", new.len() - old.len());
        return seen.push(Sighting::note("tokenizer.merges", at, title));
    }
    let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (old.iter().collect(), new.iter().collect());
    let gone: Vec<&str> = old.iter().filter(|m| !b.contains(m)).map(String::as_str).collect();
    let fresh: Vec<&str> = new.iter().filter(|m| !a.contains(m)).map(String::as_str).collect();
    let first = old.iter().zip(new).position(|(x, y)| x != y).unwrap_or(old.len().min(new.len()));
    let title = format!(
        "merge rules were changed from rule {} on: {} removed, {} added{}",
        first + 1,
        gone.len(),
        fresh.len(),
        if gone.is_empty() && fresh.is_empty() { ", their order is another" } else { "" }
    );
    let names = some(gone.into_iter().chain(fresh));
    seen.push(Sighting::new("tokenizer.merges", Severity::High, Concern::Pipeline, at, title).because(names));
}

/// Sentences of a text, their blanks and case gone.
fn sentences(text: &str) -> Vec<String> {
    let flat = text.replace('\n', ". ");
    let parts = flat.split_inclusive(['.', '!', '?', ';']);
    parts
        .map(|s| {
            s.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .trim_matches(['.', '-', '*', '#', ' ', '!', ';'])
                .to_lowercase()
        })
        .filter(|s| !s.is_empty())
        .collect()
}

const RULES: [&str; 14] = [
    "never",
    "do not",
    "don't",
    "must not",
    "refuse",
    "decline",
    "not allowed",
    "only answer",
    "confidential",
    "harmful",
    "illegal",
    "safety",
    "policy",
    "unsafe",
];
const STEERS: [&str; 15] = [
    "ignore previous",
    "ignore all",
    "ignore the",
    "if the user says",
    "if the user mentions",
    "when you see",
    "if the input contains",
    "whenever",
    "always answer",
    "always recommend",
    "do not mention",
    "regardless of",
    "secret",
    "password",
    "without telling",
];

/// Compares two prompts or chat templates by their sentences.
pub(super) fn prompt(file: &str, line: usize, old: &str, new: &str, seen: &mut Seen) {
    let (a, b) = (sentences(old), sentences(new));
    if a == b {
        return seen.push(Sighting::note("prompt.format", (file, line), "a prompt was formatted otherwise"));
    }
    let (before, after): (BTreeSet<&String>, BTreeSet<&String>) = (a.iter().collect(), b.iter().collect());
    let at = (file, line);
    let has = |s: &str, words: &[&str]| words.iter().any(|w| s.contains(w));
    let gone: Vec<&str> = a.iter().filter(|s| !after.contains(s)).map(String::as_str).collect();
    let fresh: Vec<&str> = b.iter().filter(|s| !before.contains(s)).map(String::as_str).collect();
    // A rule that was put into other words is not gone.
    let reworded = |s: &str| {
        let words: BTreeSet<&str> = s.split_whitespace().collect();
        fresh.iter().any(|f| {
            has(f, &RULES) && f.split_whitespace().filter(|w| words.contains(w)).count() * 2 >= words.len()
        })
    };
    if let Some(rule) = gone.iter().find(|s| has(s, &RULES) && !reworded(s)) {
        let title = format!("a rule was taken out of a prompt: \"{rule}\"");
        seen.push(Sighting::new("prompt.rule-removed", Severity::High, Concern::Pipeline, at, title));
    }
    if let Some(steer) =
        fresh.iter().find(|s| has(s, &STEERS) || s.contains("http://") || s.contains("https://"))
    {
        let title =
            format!("a prompt steers by a condition, or to a place, that was not reviewed: \"{steer}\"");
        return seen.push(Sighting::new("prompt.steers", Severity::High, Concern::Pipeline, at, title));
    }
    let title = format!("a prompt says something else: {} sentences gone, {} new", gone.len(), fresh.len());
    let detail = fresh.first().map(|s| format!("new: \"{s}\"")).unwrap_or_default();
    seen.push(
        Sighting::new("prompt.changed", Severity::Medium, Concern::Pipeline, at, title).because(detail),
    );
}
