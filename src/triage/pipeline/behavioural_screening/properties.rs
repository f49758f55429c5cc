//! What images have in common, measured without a model.

use ndarray::{ArrayView3, Axis};

/// Names of the properties of an image; the first four are of the whole, the others of one of nine parts.
pub(super) fn names(channels: usize) -> Vec<String> {
    let mut out = vec!["brightness".to_owned(), "contrast".to_owned(), "sharpness".to_owned()];
    out.push(if channels == 3 { "colour" } else { "range" }.to_owned());
    for y in ["top", "middle", "bottom"] {
        for x in ["left", "centre", "right"] {
            out.push(format!("brightness {y} {x}"));
            out.push(format!("contrast {y} {x}"));
        }
    }
    out
}

/// How many of them are of the whole image.
pub(super) const WHOLE: usize = 4;

/// Mean and standard deviation.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    (mean, (values.map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// The properties of a C×H×W image, as many as [`names`].
pub(super) fn of(image: ArrayView3<f32>) -> Vec<f64> {
    let (c, h, w) = image.dim();
    let at = |k: usize, y: usize, x: usize| f64::from(image[[k, y, x]]);
    let (mean, spread) = moments(image.iter().map(|v| f64::from(*v)));
    let (mut sharp, mut steps) = (0.0, 0usize);
    for k in 0..c {
        for y in 0..h {
            for x in 0..w {
                if x + 1 < w {
                    sharp += (at(k, y, x + 1) - at(k, y, x)).abs();
                    steps += 1;
                }
                if y + 1 < h {
                    sharp += (at(k, y + 1, x) - at(k, y, x)).abs();
                    steps += 1;
                }
            }
        }
    }
    let range = |v: &mut dyn Iterator<Item = f32>| {
        let (low, high) = v.fold((f32::MAX, f32::MIN), |(a, b), x| (a.min(x), b.max(x)));
        f64::from(high - low)
    };
    let colour = if c == 3 {
        let lanes = image.lanes(Axis(0));
        lanes.into_iter().map(|l| range(&mut l.iter().copied())).sum::<f64>() / (h * w).max(1) as f64
    } else {
        range(&mut image.iter().copied())
    };
    let mut out = vec![mean, spread, sharp / steps.max(1) as f64, colour];
    for y in 0..3 {
        for x in 0..3 {
            let (rows, columns) = (y * h / 3..(y + 1) * h / 3, x * w / 3..(x + 1) * w / 3);
            let part = (0..c).flat_map(|k| {
                let columns = columns.clone();
                rows.clone().flat_map(move |y| columns.clone().map(move |x| (k, y, x)))
            });
            let (mean, spread) = moments(part.map(|(k, y, x)| at(k, y, x)));
            out.extend([mean, spread]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn as_many_as_names_and_a_corner_shows_where_it_is() {
        let mut image = Array3::<f32>::zeros((3, 9, 9));
        for ((_, y, x), v) in image.indexed_iter_mut() {
            *v = f32::from(u8::from(y >= 6 && x >= 6));
        }
        let (p, n) = (of(image.view()), names(3));
        assert_eq!(p.len(), n.len());
        let at = n.iter().position(|n| n == "brightness bottom right").unwrap();
        assert!((p[at] - 1.0).abs() < 1e-6 && p[4] == 0.0 && (p[0] - 1.0 / 9.0).abs() < 1e-6);
        assert_eq!(of(Array3::<f32>::zeros((1, 1, 1)).view()).len(), n.len());
    }
}
