//! Location and scale that outliers cannot move.

/// Makes the median absolute deviation estimate the standard deviation of a normal distribution: 1 / Φ⁻¹(3/4),
/// rounded as the literature has it (Wang et al. 2019, and every implementation since).
pub const CONSISTENCY: f64 = 1.4826;

/// The median as `numpy.median` gives it: the mean of the two middle values when their number is even.
/// `None` for an empty slice.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let n = sorted.len();
    let high = *sorted.get(n / 2)?;
    Some(if n % 2 == 1 { high } else { f64::midpoint(sorted[n / 2 - 1], high) })
}

/// The lower of the two middle values when their number is even, as `torch.median` gives it: for comparing with
/// implementations that use it. `None` for an empty slice.
pub fn lower_median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Median and median absolute deviation of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Robust {
    /// The median.
    pub median: f64,
    /// The median of |value − median|, not scaled.
    pub mad: f64,
}

impl Robust {
    /// Of a sample; `None` when it is empty.
    pub fn of(values: &[f64]) -> Option<Self> {
        let median = median(values)?;
        let deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
        Some(Self { median, mad: self::median(&deviations)? })
    }

    /// The robust standard deviation, [`CONSISTENCY`] · MAD.
    pub fn scale(&self) -> f64 {
        CONSISTENCY * self.mad
    }

    /// How many robust standard deviations `value` lies **above** the median (negative below). 0 when the scale is
    /// 0 or not finite: where half of the values are equal, there is no yardstick.
    pub fn z(&self, value: f64) -> f64 {
        let scale = self.scale();
        if scale > 0.0 && scale.is_finite() { (value - self.median) / scale } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_empty() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(lower_median(&[4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(lower_median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!((median(&[]), lower_median(&[])), (None, None));
    }

    #[test]
    fn deviation_is_signed_and_safe_without_a_yardstick() {
        let r = Robust::of(&[1.0, 2.0, 3.0, 4.0, 100.0]).unwrap();
        assert_eq!((r.median, r.mad), (3.0, 1.0));
        assert!((r.z(0.0) + 3.0 / CONSISTENCY).abs() < 1e-12);
        assert!(r.z(100.0) > 60.0);
        let flat = Robust::of(&[5.0, 5.0, 5.0, 9.0]).unwrap();
        assert_eq!((flat.mad, flat.z(9.0)), (0.0, 0.0));
    }
}
