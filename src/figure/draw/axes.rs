//! A plot's box: two scales, their ticks, grid and names.

use super::super::{RenderError, ink, label};
use super::canvas::{CHAR, Canvas, Hang};
use plotters::prelude::DrawingBackend;

/// A finite, non-empty interval mapped to pixels.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

impl Scale {
    /// The interval of the finite `values`, widened a little (never past zero), onto `from..to` pixels.
    pub fn around(values: impl Iterator<Item = f64>, from: i32, to: i32) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.filter(|v| v.is_finite()) {
            let v = v.clamp(-1e300, 1e300);
            low = low.min(v);
            high = high.max(v);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let least = (low.abs().max(high.abs()) * 1e-6).max(1e-300);
        if high - low < least {
            let half = if low == 0.0 { 0.5 } else { low.abs() * 0.1 };
            (low, high) = (low - half, high + half);
        }
        let air = (high - low) * 0.04;
        let widened = |v: f64, by: f64| if v == 0.0 { v } else { v + by };
        Self { low: widened(low, -air), high: widened(high, air), from, to }
    }

    /// Where `v` falls; values outside stick to the nearer end.
    pub fn at(self, v: f64) -> i32 {
        let part = ((v - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let part = if part.is_nan() { 0.0 } else { part };
        self.from + (f64::from(self.to - self.from) * part).round() as i32
    }

    /// Round values inside the interval, about `count` of them, all with as many decimals as their step needs.
    pub fn ticks(self, count: usize) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        let raw = span / count.max(1) as f64;
        let unit = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * unit).find(|s| *s >= raw).unwrap_or(raw);
        if !(step.is_finite() && step > 0.0) {
            return [self.low, self.high].map(|v| (v, label::number(v))).to_vec();
        }
        let first = (self.low / step).ceil();
        let plain = (1e-5..1e6).contains(&step) && self.low.abs().max(self.high.abs()) < 1e6;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        (0..=2 * count)
            .map(|k| (first + k as f64) * step)
            .take_while(|v| *v <= self.high)
            .map(|v| if v.abs() < step * 1e-6 { 0.0 } else { v })
            .map(|v| (v, if plain { format!("{v:.decimals$}") } else { label::number(v) }))
            .collect()
    }
}

/// A plot's box in pixels.
pub struct Axes {
    /// Horizontal scale.
    pub x: Scale,
    /// Vertical scale (its `from` is the bottom).
    pub y: Scale,
    /// Left, top, right, bottom.
    pub frame: [i32; 4],
}

impl Axes {
    /// Draws grid, ticks and names.
    pub fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        x_label: &str,
        y_label: &str,
    ) -> Result<(), RenderError> {
        let [left, top, right, bottom] = self.frame;
        for (v, said) in self.x.ticks(7) {
            let x = self.x.at(v);
            canvas.path(vec![(x, top), (x, bottom)], ink::GRID, 1)?;
            canvas.text((x, bottom + 12), &said, Hang::Middle, ink::MUTED)?;
        }
        for (v, said) in self.y.ticks(5) {
            let y = self.y.at(v);
            canvas.path(vec![(left, y), (right, y)], ink::GRID, 1)?;
            canvas.text((left - 6, y), &said, Hang::End, ink::MUTED)?;
        }
        canvas.path(vec![(left, top), (left, bottom), (right, bottom)], ink::MUTED, 1)?;
        let wide = ((right - left) / CHAR).max(4) as usize;
        canvas.text(
            (i32::midpoint(left, right), bottom + 31),
            &label::fit(x_label, wide),
            Hang::Middle,
            ink::INK,
        )?;
        let tall = ((bottom - top) / CHAR).max(4) as usize;
        canvas.upright((14, i32::midpoint(top, bottom)), &label::fit(y_label, tall), Hang::Middle, ink::INK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::around([0.0, 9.3].into_iter(), 0, 100);
        let said = |scale: Scale, count| scale.ticks(count).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(said(scale, 5), ["0", "2", "4", "6", "8"]);
        assert_eq!(said(Scale::around([0.0, 1.9].into_iter(), 0, 9), 5), ["0.0", "0.5", "1.0", "1.5"]);
        assert_eq!((scale.at(-5.0), scale.at(1e9)), (0, 100));
    }

    #[test]
    fn hostile_values_neither_hang_nor_panic() {
        for values in [
            vec![],
            vec![f64::NAN],
            vec![1e308, -1e308],
            vec![5.0; 3],
            vec![f64::INFINITY, 1.0],
            vec![1e-320],
        ] {
            let scale = Scale::around(values.into_iter(), 0, 100);
            assert!(scale.ticks(5).len() <= 12);
            for v in [0.0, f64::NAN, f64::MAX, f64::MIN, f64::INFINITY] {
                assert!((0..=100).contains(&scale.at(v)));
            }
        }
    }
}
