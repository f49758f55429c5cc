//! Adam (Kingma and Ba 2015).

/// Step sizes and decay rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// Learning rate.
    pub rate: f32,
    /// Decay of the first and the second moment.
    pub betas: (f32, f32),
    /// Added to the root of the second moment. 1e-7 in Keras, 1e-8 in `PyTorch`.
    pub epsilon: f32,
}

/// Moments of a parameter vector.
#[derive(Debug, Clone)]
pub struct Adam {
    settings: AdamSettings,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    /// For `parameters` values.
    pub fn new(parameters: usize, settings: AdamSettings) -> Self {
        Self { settings, first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }

    /// One step against `gradient`. Values past the shortest of the slices are left alone.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32]) {
        let AdamSettings { rate, betas: (b1, b2), epsilon } = self.settings;
        self.steps = self.steps.saturating_add(1);
        let (c1, c2) = (1.0 - b1.powi(self.steps), 1.0 - b2.powi(self.steps));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((p, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *p -= rate * (*m / c1) / ((*v / c2).sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_step_is_the_rate_and_the_second_by_hand() {
        let mut adam = Adam::new(2, AdamSettings { rate: 0.1, betas: (0.5, 0.9), epsilon: 1e-8 });
        let mut p = [1.0, -2.0];
        adam.step(&mut p, &[4.0, -0.01]);
        assert!((p[0] - 0.9).abs() < 1e-6 && (p[1] + 1.9).abs() < 1e-5, "{p:?}");
        // m = .5·2 + .5·1 = 1.5 → /.75 = 2; v = .9·1.6 + .1 = 1.54 → /.19 = 8.10526
        adam.step(&mut p, &[1.0, 0.0]);
        let want = 0.9 - 0.1 * 2.0 / 8.105_263f32.sqrt();
        assert!((p[0] - want).abs() < 1e-5, "{} {want}", p[0]);
    }

    #[test]
    fn finds_the_minimum_of_a_bowl() {
        let mut adam = Adam::new(2, AdamSettings { rate: 0.05, betas: (0.9, 0.999), epsilon: 1e-8 });
        let mut p = [3.0, -4.0];
        for _ in 0..2000 {
            let g = [2.0 * (p[0] - 1.0), 20.0 * (p[1] - 0.5)];
            adam.step(&mut p, &g);
        }
        assert!((p[0] - 1.0).abs() < 1e-2 && (p[1] - 0.5).abs() < 1e-2, "{p:?}");
    }
}
