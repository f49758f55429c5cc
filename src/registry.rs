//! The one list of procedures.

use crate::procedure::Procedure;
use crate::{attribute, detect, impact, recover, triage};
use std::sync::LazyLock;

#[cfg(test)]
mod degenerate;

static ALL: LazyLock<Vec<&'static dyn Procedure>> = LazyLock::new(|| {
    let phases = [
        triage::procedures(),
        detect::procedures(),
        recover::procedures(),
        impact::procedures(),
        attribute::procedures(),
    ];
    phases.concat()
});

/// All procedures, in the order of work: each comes after those whose outcomes it reads.
pub fn all() -> &'static [&'static dyn Procedure] {
    &ALL
}

/// A procedure by id.
pub fn find(id: &str) -> Option<&'static dyn Procedure> {
    all().iter().copied().find(|p| p.about().id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_everything_a_procedure_reads_comes_before_it() {
        let mut seen = BTreeSet::new();
        for about in all().iter().map(|p| p.about()) {
            for other in about.after {
                assert!(seen.contains(other), "{} is after {other}, which does not come before it", about.id);
            }
            assert!(seen.insert(about.id), "{} is there twice", about.id);
            assert!(std::ptr::eq(find(about.id).unwrap().about(), about));
        }
    }

    #[test]
    fn phases_are_in_the_order_of_work_and_every_procedure_has_its_page() {
        let phases: Vec<_> = all().iter().map(|p| p.about().phase).collect();
        assert!(phases.is_sorted());
        for about in all().iter().map(|p| p.about()) {
            for part in ["Looks at", "Assumes", "Wrong when", "Costs", "Reference"] {
                assert!(about.page.contains(part), "the page of {} does not say: {part}", about.id);
            }
        }
    }
}
