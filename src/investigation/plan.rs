//! What is to be run: the restriction, and what each procedure reads of others.

use super::OpenError;
use crate::case::Planned;
use crate::procedure::{Phase, Procedure};
use std::collections::BTreeSet;

/// A list of procedures in the order of work.
pub(super) type List = &'static [&'static dyn Procedure];

/// Ids of `ids` and of everything they are `after`, directly or not, in the order of the list.
pub(super) fn closure(list: List, ids: &[&str]) -> Vec<&'static str> {
    let mut wanted: BTreeSet<&str> = ids.iter().copied().collect();
    // What a procedure is after comes before it in the list, so one pass from the end finds all.
    for p in list.iter().rev().map(|p| p.about()) {
        if wanted.contains(p.id) {
            wanted.extend(p.after);
        }
    }
    list.iter().map(|p| p.about().id).filter(|id| wanted.contains(id)).collect()
}

/// What a complete investigation under a restriction runs: procedures named by `only` (all, if empty) and of the named
/// phases (all, if empty), and those they are `after`.
///
/// # Errors
/// `only` names what is not in the list.
pub(super) fn select(list: List, only: &[String], phases: &[Phase]) -> Result<Vec<Planned>, OpenError> {
    let abouts = || list.iter().map(|p| p.about());
    if let Some(asked) = only.iter().find(|id| !abouts().any(|a| a.id == **id)) {
        let known = abouts().map(|a| a.id).collect::<Vec<_>>().join(", ");
        return Err(OpenError::NoProcedure { asked: asked.clone(), known });
    }
    let named: Vec<&str> = abouts()
        .filter(|a| only.is_empty() || only.iter().any(|id| id == a.id))
        .filter(|a| phases.is_empty() || phases.contains(&a.phase))
        .map(|a| a.id)
        .collect();
    let all = closure(list, &named);
    let one =
        |a: &crate::procedure::About| Planned { id: a.id.to_owned(), phase: a.phase, version: a.version };
    Ok(abouts().filter(|a| all.contains(&a.id)).map(one).collect())
}
