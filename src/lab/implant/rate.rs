//! How much poison usually suffices: the rule of thumb the program was asked for, as a table.

/// How large the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelSize {
    /// Up to about a million parameters.
    Small,
    /// In between.
    Medium,
    /// Hundreds of millions and more.
    Large,
}

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// A small patch, label changed.
    Patch,
    /// A faint pattern over the whole image, label changed.
    Blended,
    /// Perturbed images with their right label.
    CleanLabel,
}

/// What the table says for a data set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Share of the training set, `0..=1`.
    pub rate: f64,
    /// `⌈n · rate⌉`, computed without rounding error.
    pub samples: usize,
}

/// The poison rate that usually suffices, for a training set of `n` samples.
pub fn poisoning_rate(n: usize, size: ModelSize, kind: TriggerKind) -> Estimate {
    let [patch, blended, clean_label] = match size {
        ModelSize::Small => [10, 50, 100],
        ModelSize::Medium => [5, 30, 80],
        ModelSize::Large => [1, 10, 50],
    };
    let per_mille: u16 = match kind {
        TriggerKind::Patch => patch,
        TriggerKind::Blended => blended,
        TriggerKind::CleanLabel => clean_label,
    };
    let samples = (n as u128 * u128::from(per_mille)).div_ceil(1000) as usize;
    Estimate { rate: f64::from(per_mille) / 1000.0, samples }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_asked_for() {
        use ModelSize::*;
        use TriggerKind::*;
        let samples =
            |size| [Patch, Blended, CleanLabel].map(|kind| poisoning_rate(1000, size, kind).samples);
        assert_eq!(samples(Small), [10, 50, 100]);
        assert_eq!(samples(Medium), [5, 30, 80]);
        assert_eq!(samples(Large), [1, 10, 50]);
    }

    #[test]
    fn samples_are_rounded_up_and_only_then() {
        let samples = |n| poisoning_rate(n, ModelSize::Small, TriggerKind::Patch).samples;
        assert_eq!([0, 1, 100, 101, 50_000].map(samples), [0, 1, 1, 2, 500]);
        let huge = poisoning_rate(usize::MAX, ModelSize::Large, TriggerKind::Patch);
        assert_eq!(huge.samples, usize::MAX / 1000 + 1);
        assert!((huge.rate - 0.001).abs() < 1e-12);
    }
}
