//! How many classes there are and what they are called.

use crate::procedure::{Case, Skip};

/// Cap on classes: measures and figures are per class.
pub const MOST: usize = 100_000;

/// K: as many as the model has, or more when the labels say so.
///
/// # Errors
/// Labels past [`MOST`], so that a hostile label cannot ask for memory.
pub fn count(case: &Case, labels: &[usize]) -> Result<usize, Skip> {
    let of_model = case.model.as_ref().map_or(0, |m| m.class_count());
    let of_labels = labels.iter().max().map_or(0, |&l| l.saturating_add(1));
    let classes = of_model.max(of_labels);
    if classes > MOST {
        return Err(Skip(format!("labels go up to {}: more than {MOST} classes", of_labels - 1)));
    }
    Ok(classes)
}

/// What a class is called on a figure: its number, and its name where it has one of its own. Visible text.
pub fn name(case: &Case, class: usize) -> String {
    let given = case
        .model
        .as_ref()
        .and_then(|m| m.classes.get(class))
        .or_else(|| case.training().and_then(|d| d.set.classes.get(class)))
        .map(crate::evidence::Untrusted::shown)
        .unwrap_or_default();
    let number = class.to_string();
    if given.is_empty() || given == number || given == format!("class {class}") {
        number
    } else {
        format!("{number} {given}")
    }
}
