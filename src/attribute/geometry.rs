//! What a recovered mask says about size, place and colour, in shares of the image so that canvases compare.

use ndarray::{ArrayView2, ArrayView3};

/// A recovered trigger in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Height and width of the image in pixels.
    pub canvas: (usize, usize),
    /// Centre of the mask's mass, row and column, each in 0..1.
    pub centre: (f64, f64),
    /// First and last row and column between which 90 % of the mass lies along each axis.
    pub bounds: [usize; 4],
    /// The mask's mass as a share of the image (its L1 norm over the number of pixels).
    pub area: f64,
    /// Spread of the mass about its centre, over that of a filled square of the same area: about 1 for one compact patch, more
    /// for scattered masks.
    pub scatter: f64,
    /// Mean colour under the mask per channel, in 0..1.
    pub colour: Vec<f64>,
}

impl Geometry {
    /// Measures a mask (H×W, 0..1) and its pattern (C×H×W, 0..1 or 0..255). `None` when the mask is empty or the two
    /// do not fit.
    pub fn of(mask: ArrayView2<f32>, pattern: Option<ArrayView3<f32>>) -> Option<Self> {
        let (h, w) = mask.dim();
        let weight = |v: f32| if v.is_finite() { f64::from(v).clamp(0.0, 1.0) } else { 0.0 };
        let mass: f64 = mask.iter().map(|&v| weight(v)).sum();
        if mass <= 1e-6 || h == 0 || w == 0 {
            return None;
        }
        let (mut rows, mut columns) = (vec![0.0; h], vec![0.0; w]);
        for ((y, x), &v) in mask.indexed_iter() {
            rows[y] += weight(v);
            columns[x] += weight(v);
        }
        let middle = |sums: &[f64]| {
            sums.iter().enumerate().map(|(i, s)| (i as f64 + 0.5) * s).sum::<f64>() / mass / sums.len() as f64
        };
        let centre = (middle(&rows), middle(&columns));
        let spread: f64 = mask
            .indexed_iter()
            .map(|((y, x), &v)| {
                let dy = (y as f64 + 0.5) / h as f64 - centre.0;
                let dx = (x as f64 + 0.5) / w as f64 - centre.1;
                weight(v) * (dy * dy + dx * dx)
            })
            .sum();
        let area = mass / (h * w) as f64;
        // A filled square of area a has mean squared distance a/6 from its centre; a single pixel has none.
        let scatter = (spread / mass).sqrt() / (area / 6.0).sqrt();
        let (top, bottom) = inner(&rows, mass);
        let (left, right) = inner(&columns, mass);
        Some(Self {
            canvas: (h, w),
            centre,
            bounds: [top, bottom, left, right],
            area,
            scatter,
            colour: pattern.map(|p| colour(mask, p)).unwrap_or_default(),
        })
    }

    /// The place in words.
    pub fn place(&self) -> &'static str {
        const WORDS: [[&str; 3]; 3] = [
            ["top-left", "top edge", "top-right"],
            ["left edge", "middle", "right edge"],
            ["bottom-left", "bottom edge", "bottom-right"],
        ];
        let third = |v: f64| if v < 1.0 / 3.0 { 0 } else { 1 + usize::from(v >= 2.0 / 3.0) };
        WORDS[third(self.centre.0)][third(self.centre.1)]
    }
}

/// First and last index between which all but 5 % of the mass at either end lies.
fn inner(sums: &[f64], mass: f64) -> (usize, usize) {
    let (mut seen, mut first, mut last) = (0.0, 0, sums.len() - 1);
    for (i, s) in sums.iter().enumerate() {
        if seen <= 0.05 * mass {
            first = i;
        }
        seen += s;
        if seen >= 0.95 * mass {
            last = i;
            break;
        }
    }
    (first, last)
}

/// Mean of each channel, weighted by the mask; empty when the two do not fit.
fn colour(mask: ArrayView2<f32>, pattern: ArrayView3<f32>) -> Vec<f64> {
    let (_, h, w) = pattern.dim();
    if (h, w) != mask.dim() {
        return Vec::new();
    }
    let top = pattern.iter().copied().filter(|v| v.is_finite()).fold(0.0_f32, f32::max);
    let full = if top > 1.5 { 255.0 } else { 1.0 };
    let mean = |channel: ndarray::ArrayView2<f32>| {
        let (mut sum, mut mass) = (0.0, 0.0);
        for (&m, &p) in mask.iter().zip(&channel) {
            if m.is_finite() && p.is_finite() {
                sum += f64::from(m) * f64::from(p);
                mass += f64::from(m);
            }
        }
        (sum / mass / full).clamp(0.0, 1.0)
    };
    pattern.outer_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    #[test]
    fn a_patch_in_a_corner_is_measured_as_it_is() {
        let mask = Array2::from_shape_fn((32, 32), |(y, x)| if y > 28 && x > 28 { 1.0 } else { 0.0 });
        let pattern = Array3::<f32>::ones((3, 32, 32));
        let g = Geometry::of(mask.view(), Some(pattern.view())).unwrap();
        assert_eq!((g.bounds, g.place()), ([29, 31, 29, 31], "bottom-right"));
        assert!((g.centre.0 - 30.5 / 32.0).abs() < 1e-12 && (g.area - 9.0 / 1024.0).abs() < 1e-12);
        // A square of n × n pixels has spread (n² − 1)/6 about its centre, a filled one n²/6.
        assert!((g.scatter - (8.0_f64 / 9.0).sqrt()).abs() < 1e-9);
        assert_eq!(g.colour, [1.0; 3]);
    }

    #[test]
    fn scattered_masks_are_told_from_compact_ones_and_empty_ones_are_refused() {
        let mut mask = Array2::<f32>::zeros((32, 32));
        for (y, x) in [(0, 0), (0, 31), (31, 0), (31, 31)] {
            mask[(y, x)] = 1.0;
        }
        let g = Geometry::of(mask.view(), None).unwrap();
        assert!(g.scatter > 10.0 && g.place() == "middle" && g.colour.is_empty());
        assert_eq!(Geometry::of(Array2::zeros((8, 8)).view(), None), None);
        assert_eq!(Geometry::of(Array2::from_elem((8, 8), f32::NAN).view(), None), None);
    }
}
