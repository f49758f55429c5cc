//! How far the leading classes stand apart from the others.

/// Leaders considered at most: targets of several backdoors in one model.
pub const MOST: usize = 3;

/// The largest gap below the leaders of values of which higher is stranger.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// Last leader minus first of the rest.
    pub size: f64,
    /// The leaders, strangest first.
    pub leaders: Vec<usize>,
    /// The largest gap with this class among the leaders, for each class; 0 for a class that no gap sets apart.
    pub of_class: Vec<f64>,
}

/// The largest gap that sets one to `most` leaders apart (a third of the classes at most, at least one). `None` with fewer than
/// three values, of which none could be called ordinary, or one that is not finite.
pub fn gap(values: &[f64], most: usize) -> Option<Gap> {
    if values.len() < 3 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let most = most.min(values.len() / 3).max(1);
    let below: Vec<f64> = (1..=most).map(|m| values[order[m - 1]] - values[order[m]]).collect();
    let leaders = (1..most).fold(0, |best, m| if below[m] > below[best] { m } else { best }) + 1;
    let mut of_class = vec![0.0; values.len()];
    for (place, &class) in order.iter().take(most).enumerate() {
        of_class[class] = below[place..].iter().copied().fold(0.0, f64::max);
    }
    Some(Gap { size: below[leaders - 1], leaders: order[..leaders].to_vec(), of_class })
}

/// The logarithm of one over each size: small changes are strange. Sizes below `floor` count as that much.
pub fn smallness(sizes: impl IntoIterator<Item = f64>, floor: f64) -> Vec<f64> {
    sizes.into_iter().map(|s| -s.max(floor).ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_sets_the_leaders_apart() {
        let one = gap(&[1.0, 1.1, 4.0, 0.9, 1.05, 1.0, 0.8, 1.2, 1.0, 1.1], 3).unwrap();
        assert_eq!(one.leaders, [2]);
        assert!((one.size - 2.8).abs() < 1e-12 && (one.of_class[2] - 2.8).abs() < 1e-12);
        let two = gap(&[1.0, 5.0, 1.1, 4.5, 0.9, 1.2, 1.0], 3).unwrap();
        assert_eq!(two.leaders, [1, 3]);
        assert!((two.size - 3.3).abs() < 1e-12);
        // The second leader is set apart by the same gap; others by none.
        assert!((two.of_class[3] - 3.3).abs() < 1e-12 && two.of_class[0] == 0.0);
    }

    #[test]
    fn few_classes_and_values_that_are_not_numbers() {
        assert_eq!(gap(&[1.0, 9.0], 3), None);
        assert_eq!(gap(&[1.0, f64::NAN, 2.0], 3), None);
        let three = gap(&[1.0, 5.0, 4.0], 3).unwrap();
        assert_eq!((three.leaders.as_slice(), three.size), ([1].as_slice(), 1.0));
        assert_eq!(smallness([1.0, 0.1], 0.5), [0.0, 0.5f64.ln().abs()]);
    }
}
