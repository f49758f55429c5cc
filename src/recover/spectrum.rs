//! The strongest single wave of a picture, by the fast Fourier transform.

use ndarray::{Array2, Array3};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use std::f64::consts::TAU;

/// A plane wave A·sin(2π(f↓·y/H + f→·x/W) + phase).
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// Periods over the height.
    pub down: f64,
    /// Periods over the width; negative when it runs the other way.
    pub across: f64,
    /// Its height in unit pixels.
    pub amplitude: f64,
    /// Phase of the sine in radians, in −π..=π.
    pub phase: f64,
    /// Share of the picture's energy (mean left out) that it takes.
    pub share: f64,
}

impl Wave {
    /// The wave over an image of `shape`, the same in every channel.
    pub fn field(&self, [c, h, w]: [usize; 3]) -> Array3<f32> {
        Array3::from_shape_fn((c, h, w), |(_, y, x)| (self.amplitude * self.turn(y, x, [h, w]).sin()) as f32)
    }

    fn turn(&self, y: usize, x: usize, [h, w]: [usize; 2]) -> f64 {
        TAU * (self.down * y as f64 / h as f64 + self.across * x as f64 / w as f64) + self.phase
    }
}

/// The strongest wave of the channels' mean (C×H×W). Starts at the strongest whole frequency and looks half a bin around it,
/// since an attacker's frequency need not be whole. `None` for a picture without variation or side.
pub fn strongest(field: &Array3<f32>) -> Option<Wave> {
    let (_, h, w) = field.dim();
    let mut grey: Array2<f64> = field.mapv(f64::from).mean_axis(ndarray::Axis(0))?;
    let mean = grey.mean()?;
    grey -= mean;
    let energy: f64 = grey.iter().map(|v| v * v).sum();
    if energy <= 1e-12 || h < 2 || w < 2 {
        return None;
    }
    let spectrum = transform(&grey);
    let signed = |k: usize, n: usize| if k > n / 2 { k as f64 - n as f64 } else { k as f64 };
    let best = spectrum
        .indexed_iter()
        .filter(|((ky, kx), _)| *ky <= h / 2 && (*ky, *kx) != (0, 0))
        .map(|((ky, kx), v)| ((ky, kx), v.norm_sqr()))
        .fold(((0, 0), 0.0), |a, b| if b.1 > a.1 { b } else { a });
    let (ky, kx) = best.0;
    let (down, across) = (signed(ky, h), signed(kx, w));
    let mut found = fit(&grey, down, across, energy);
    // A wave between two bins: steps of a tenth around the best one.
    for dy in -5..=5 {
        for dx in -5..=5 {
            let wave = fit(&grey, down + f64::from(dy) / 10.0, across + f64::from(dx) / 10.0, energy);
            if wave.share > found.share + 1e-3 {
                found = wave;
            }
        }
    }
    Some(found)
}

/// Least squares of sine and cosine at one frequency.
fn fit(grey: &Array2<f64>, down: f64, across: f64, energy: f64) -> Wave {
    let (h, w) = grey.dim();
    let (mut ss, mut cc, mut sc, mut sv, mut cv) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((y, x), &v) in grey.indexed_iter() {
        let (s, c) = (TAU * (down * y as f64 / h as f64 + across * x as f64 / w as f64)).sin_cos();
        ss += s * s;
        cc += c * c;
        sc += s * c;
        sv += s * v;
        cv += c * v;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = if det.abs() > 1e-9 * (ss + cc).powi(2) {
        ((cc * sv - sc * cv) / det, (ss * cv - sc * sv) / det)
    } else if cc > ss {
        (0.0, cv / cc)
    } else {
        (sv / ss.max(1e-12), 0.0)
    };
    let explained = a * sv + b * cv;
    let share = (explained / energy).clamp(0.0, 1.0);
    Wave { down, across, amplitude: a.hypot(b), phase: b.atan2(a), share }
}

/// The two-dimensional discrete Fourier transform, rows then columns.
fn transform(grey: &Array2<f64>) -> Array2<Complex<f64>> {
    let (h, w) = grey.dim();
    let mut planner = FftPlanner::new();
    let (rows, columns) = (planner.plan_fft_forward(w), planner.plan_fft_forward(h));
    let mut out = grey.mapv(|v| Complex::new(v, 0.0));
    for mut row in out.rows_mut() {
        let mut line = row.to_vec();
        rows.process(&mut line);
        row.iter_mut().zip(line).for_each(|(to, v)| *to = v);
    }
    for mut column in out.columns_mut() {
        let mut line = column.to_vec();
        columns.process(&mut line);
        column.iter_mut().zip(line).for_each(|(to, v)| *to = v);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_measured_as_it_was_made() {
        for (down, across, phase) in [(0.0, 6.0, 0.0), (3.0, 0.0, 1.0), (2.0, -4.0, -2.0), (0.0, 5.5, 0.3)] {
            let made = Wave { down, across, amplitude: 0.15, phase, share: 1.0 };
            let got = strongest(&made.field([3, 32, 32])).unwrap();
            let same = (got.down - down).abs() < 0.06 && (got.across - across).abs() < 0.06;
            let turned = (got.down + down).abs() < 0.06 && (got.across + across).abs() < 0.06;
            assert!(same || turned, "{got:?} of {made:?}");
            assert!((got.amplitude - 0.15).abs() < 0.01 && got.share > 0.98, "{got:?}");
            let (a, b) = (made.field([1, 32, 32]), got.field([1, 32, 32]));
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 0.02, "{worst} {got:?}");
        }
    }

    #[test]
    fn noise_has_no_wave_and_a_flat_picture_none_at_all() {
        use rand::Rng;
        let mut rng = crate::math::rng::seeded(3, "t", "noise");
        let noise = Array3::from_shape_simple_fn((3, 24, 24), || rng.gen_range(-0.2..0.2f32));
        assert!(strongest(&noise).unwrap().share < 0.1);
        assert_eq!(strongest(&Array3::from_elem((1, 8, 8), 0.3)), None);
        assert_eq!(strongest(&Array3::zeros((1, 1, 8))), None);
    }
}
