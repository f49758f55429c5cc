//! Which commits changed the accused files, and whether they were signed and reviewed.

use super::super::git::{Commit, Oid, Repository, blob, short};
use super::super::material::Folder;
use super::super::moment;
use super::super::sighting::{Seen, Sighting};
use crate::evidence::limits::{Limits, cap};
use crate::evidence::{EvidenceError, text::visible};
use crate::figure::{Body, Group};
use crate::procedure::{Concern, Confidence, Severity};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};

/// Files that are followed.
const FILES: usize = 50;

/// Share of other commits that must be signed (or reviewed) before one that is not stands out.
const PRACTICE: f64 = 0.8;

/// Follows the files that differ between both folders through the repository of the second.
pub(super) fn follow(old: &Folder, new: &Folder, seen: &mut Seen) {
    let followed = match Repository::open(&new.root) {
        Ok(None) => return,
        Ok(Some(repository)) => walk(repository, old, new, seen),
        Err(e) => Err(e),
    };
    if let Err(e) = followed {
        seen.push(Sighting::note(
            "history.unread",
            (".git", 0),
            format!("the history was not read: {}", e.reason),
        ));
    }
}

/// A file on its way back through the history.
struct Path {
    name: String,
    /// What it was when it was reviewed.
    reviewed: Option<Oid>,
    open: bool,
}

fn walk(
    mut repository: Repository,
    old: &Folder,
    new: &Folder,
    seen: &mut Seen,
) -> Result<(), EvidenceError> {
    let Some(head) = repository.head()? else { return Ok(()) };
    let accused: BTreeSet<String> = seen.accused().map(|s| s.file.clone()).collect();
    let names: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
    let tip = repository.commit(&head)?;
    let mut paths = Vec::new();
    for name in names {
        let (was, is) = (old.text(name).ok(), new.text(name).ok());
        if was == is || paths.len() == FILES {
            continue;
        }
        if let Some(text) = &is {
            let committed = repository.find(&tip.tree, name)?;
            let unix = text.replace("\r\n", "\n");
            if committed.is_some_and(|id| id != blob(text.as_bytes()) && id != blob(unix.as_bytes())) {
                let title = "what ran is not what the repository holds: the change was never committed";
                let at = (name.as_str(), 0);
                seen.push(if accused.contains(name) {
                    Sighting::new("history.uncommitted", Severity::Medium, Concern::Pipeline, at, title)
                } else {
                    Sighting::note("history.uncommitted", at, title)
                });
            }
        }
        paths.push(Path { name: name.clone(), reviewed: was.map(|t| blob(t.as_bytes())), open: true });
    }
    let (mut queue, mut done) = (BinaryHeap::from([(tip.time, head)]), HashSet::from([head]));
    let mut changed: Vec<(Commit, Vec<String>)> = Vec::new();
    let mut others = Vec::new();
    while let Some((_, id)) = queue.pop() {
        if done.len() > Limits::in_force().commits {
            seen.push(Sighting::note(
                "history.cut",
                (".git", 0),
                format!("not all commits were walked: {}", cap!(Limits::in_force(), commits)),
            ));
            break;
        }
        // A shallow copy ends here.
        let Ok(commit) = repository.commit(&id) else { break };
        let parents: Vec<Commit> = commit.parents.iter().filter_map(|p| repository.commit(p).ok()).collect();
        let mut files = Vec::new();
        for path in paths.iter_mut().filter(|p| p.open) {
            let is = repository.find(&commit.tree, &path.name)?;
            let mut same = false;
            for parent in &parents {
                same |= repository.find(&parent.tree, &path.name)? == is;
            }
            if !same && is != path.reviewed {
                files.push(path.name.clone());
            }
            // From what was reviewed backwards, everything was reviewed.
            path.open = is != path.reviewed;
        }
        for parent in &parents {
            if done.insert(parent.id) {
                queue.push((parent.time, parent.id));
            }
        }
        if files.is_empty() { others.push(commit) } else { changed.push((commit, files)) }
    }
    report(&changed, &others, &accused, seen);
    Ok(())
}

fn report(changed: &[(Commit, Vec<String>)], others: &[Commit], accused: &BTreeSet<String>, seen: &mut Seen) {
    let share = |test: &dyn Fn(&Commit) -> bool| {
        if others.len() < 3 {
            0.0
        } else {
            others.iter().filter(|c| test(c)).count() as f64 / others.len() as f64
        }
    };
    let (signed, reviewed) = (share(&|c| c.signed), share(&|c| c.review().is_some() || c.parents.len() > 1));
    let mut list = Vec::new();
    for (commit, files) in changed {
        let sign = if commit.signed { "signed (the signature was not checked)" } else { "not signed" };
        let review = commit.review().map_or("no review named".to_owned(), |r| format!("'{}'", visible(r)));
        let detail = format!(
            "{} by {} on {}: '{}'; {sign}, {review}; changed {}",
            short(&commit.id),
            visible(&commit.author),
            moment::shown(commit.time as f64),
            visible(commit.subject()),
            files.join(", ")
        );
        let file = files.iter().find(|f| accused.contains(*f));
        let odd: Vec<&str> = [
            (signed >= PRACTICE && !commit.signed).then_some("is not signed, as the others are"),
            (reviewed >= PRACTICE && commit.review().is_none() && commit.parents.len() < 2)
                .then_some("names no review, as the others do"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let at = (file.or(files.first()).map_or("", String::as_str), 0);
        seen.push(if odd.is_empty() || file.is_none() {
            Sighting::note("history.commit", at, format!("changed by commit {}", short(&commit.id)))
                .because(detail)
        } else {
            let title = format!("the commit that changed it {}: {}", odd.join(" and "), short(&commit.id));
            Sighting::new("history.unreviewed", Severity::Medium, Concern::Pipeline, at, title)
                .because(detail)
                .sure(Confidence::Medium)
        });
        list.push(json!({"commit": short(&commit.id), "author": visible(&commit.author), "committer": visible(&commit.committer),
                         "time": commit.time, "signed": commit.signed, "review": commit.review().map(visible), "files": files,
                         "subject": visible(commit.subject())}));
    }
    seen.measure("commits", list);
    seen.measure("commits_signed", signed);
    seen.measure("commits_reviewed", reviewed);
    let day = |c: &Commit| c.time as f64 / 86_400.0;
    let Some(first) = others.iter().chain(changed.iter().map(|(c, _)| c)).map(day).reduce(f64::min) else {
        return;
    };
    let mut by_kind: BTreeMap<bool, Vec<[f64; 2]>> = BTreeMap::new();
    for (commit, accuses) in others.iter().map(|c| (c, false)).chain(changed.iter().map(|(c, _)| (c, true))) {
        by_kind.entry(accuses).or_default().push([day(commit) - first, f64::from(u8::from(commit.signed))]);
    }
    let groups = by_kind.into_iter().map(|(flagged, points)| Group {
        name: if flagged { "changed what ran".into() } else { "other commits".into() },
        flagged,
        points,
        samples: Vec::new(),
    });
    let body = Body::Scatter {
        x_label: "days".into(),
        y_label: "signed (1) or not (0)".into(),
        groups: groups.collect(),
    };
    seen.figure("history", "Commits since the reviewed version, by day", body);
}
