//! The chance of the largest margin, by a gamma distribution fitted to the others.

use statrs::distribution::{ContinuousCDF, Gamma};

/// A gamma distribution with a shifted origin.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    location: f64,
    gamma: Gamma,
    classes: usize,
}

impl Fit {
    /// Fitted to all margins but the largest: origin at nine tenths of the smallest, shape and rate by the moments. `None` with
    /// fewer than four margins, or when those left are all alike.
    ///
    /// Three parameters by maximum likelihood, as the authors fit them, run off to infinity on nine numbers.
    pub fn of(margins: &[f64]) -> Option<Self> {
        let mut sorted = margins.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.pop()?;
        let low = *sorted.first()?;
        if sorted.len() < 3 || !low.is_finite() {
            return None;
        }
        let location = low - 0.1 * low.abs();
        let n = sorted.len() as f64;
        let mean = sorted.iter().map(|m| m - location).sum::<f64>() / n;
        let variance = sorted.iter().map(|m| (m - location - mean).powi(2)).sum::<f64>() / (n - 1.0);
        if !(variance > 1e-12 * mean * mean && mean > 0.0) {
            return None;
        }
        let gamma = Gamma::new(mean * mean / variance, mean / variance).ok()?;
        Some(Self { location, gamma, classes: margins.len() })
    }

    /// The chance that the largest of as many margins is at least this large: 1 − F(x)ᴷ.
    pub fn chance(&self, largest: f64) -> f64 {
        let below = self.gamma.cdf((largest - self.location).max(0.0));
        // 1 − (1 − q)ᴷ without losing small q.
        let above = self.gamma.sf((largest - self.location).max(0.0));
        if below <= 0.0 { 1.0 } else { -(self.classes as f64 * (-above).ln_1p()).exp_m1() }
    }

    /// The margin whose chance is `chance`.
    pub fn quantile(&self, chance: f64) -> f64 {
        let below = (1.0 - chance).powf(1.0 / self.classes as f64);
        self.location + self.gamma.inverse_cdf(below)
    }
}

/// The chance of the largest margin of all classes; `None` when no fit can be made.
pub fn chance(margins: &[f64]) -> Option<f64> {
    let largest = margins.iter().copied().max_by(f64::total_cmp)?;
    Some(Fit::of(margins)?.chance(largest)).filter(|p| p.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_by_hand() {
        // Moments of the rest (1, 2, 3; origin 0.9): mean 1.1, variance 1: shape 1.21, rate 1.1.
        let fit = Fit::of(&[3.0, 1.0, 9.0, 2.0]).unwrap();
        let by_hand = Gamma::new(1.21, 1.1).unwrap();
        let p = 1.0 - by_hand.cdf(9.0 - 0.9).powi(4);
        assert!((fit.chance(9.0) - p).abs() < 1e-9, "{} {p}", fit.chance(9.0));
        assert!((fit.chance(fit.quantile(0.05)) - 0.05).abs() < 1e-6);
        assert!(chance(&[3.0, 1.0, 9.0, 2.0]).unwrap() < 0.01);
    }

    #[test]
    fn margins_that_cannot_be_judged() {
        assert!(chance(&[1.0, 2.0, 3.0]).is_none());
        assert!(chance(&[1.0, 1.0, 1.0, 1.0, 5.0]).is_none());
        assert!(chance(&[-4.0, -3.0, -5.0, -2.0, 20.0]).unwrap() < 0.01, "margins may be negative");
        assert!(chance(&[]).is_none());
    }
}
