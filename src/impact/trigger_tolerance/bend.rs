//! How a trigger, or an image that bears it, is changed.

use crate::detect::stamp::Trigger;
use crate::recover::stamping::Stamp;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat, ImageReader};
use ndarray::{Array3, ArrayView3};
use std::io::Cursor;

/// The trigger moved by whole pixels; what leaves the picture is lost. A field is moved round.
pub(super) fn shift(stamp: &Stamp, [_, h, w]: [usize; 3], down: i64, right: i64) -> Stamp {
    let moved = |values: &[f32], round: bool| -> Vec<f32> {
        (0..values.len())
            .map(|i| {
                let (plane, y, x) = (i / (h * w), (i / w % h) as i64 - down, (i % w) as i64 - right);
                let (v, u) = (y.rem_euclid(h as i64), x.rem_euclid(w as i64));
                if !round && (v, u) != (y, x) {
                    0.0
                } else {
                    values[plane * h * w + v as usize * w + u as usize]
                }
            })
            .collect()
    };
    match stamp {
        Stamp::Blend(t) => {
            Stamp::Blend(Trigger { mask: moved(&t.mask, false), pattern: moved(&t.pattern, true) })
        }
        Stamp::Add(field) => Stamp::Add(moved(field, true)),
        Stamp::Warp(field) => Stamp::Warp(moved(field, true)),
    }
}

/// A mask and its pattern made smaller (`scale` below 1) about the mask's centre; `None` for other forms.
pub(super) fn shrink(stamp: &Stamp, [_, h, w]: [usize; 3], scale: f32) -> Option<Stamp> {
    let Stamp::Blend(t) = stamp else { return None };
    let mass: f32 = t.mask.iter().sum::<f32>().max(1e-6);
    let middle = |at: &dyn Fn(usize) -> usize| {
        t.mask.iter().enumerate().map(|(i, m)| m * at(i) as f32).sum::<f32>() / mass
    };
    let (cy, cx) = (middle(&|i| i / w % h), middle(&|i| i % w));
    let sampled = |values: &[f32], outside: f32| -> Vec<f32> {
        (0..values.len())
            .map(|i| {
                let plane = i / (h * w) * h * w;
                let (y, x) = ((i / w % h) as f32, (i % w) as f32);
                let (y, x) = (cy + (y - cy) / scale, cx + (x - cx) / scale);
                if y < -0.5 || x < -0.5 || y > h as f32 - 0.5 || x > w as f32 - 0.5 {
                    return outside;
                }
                let (y, x) = (y.clamp(0.0, (h - 1) as f32), x.clamp(0.0, (w - 1) as f32));
                let (a, b) = (y as usize, x as usize);
                let (c, d) = ((a + 1).min(h - 1), (b + 1).min(w - 1));
                let (p, q) = (y - a as f32, x - b as f32);
                let at = |v: usize, u: usize| values[plane + v * w + u];
                (1.0 - p) * ((1.0 - q) * at(a, b) + q * at(a, d)) + p * ((1.0 - q) * at(c, b) + q * at(c, d))
            })
            .collect()
    };
    Some(Stamp::Blend(Trigger { mask: sampled(&t.mask, 0.0), pattern: sampled(&t.pattern, 0.0) }))
}

/// A weaker trigger: opacity, field or displacement times `level`.
pub(super) fn dim(stamp: &Stamp, level: f32) -> Stamp {
    let times = |v: &[f32]| v.iter().map(|x| x * level).collect();
    match stamp {
        Stamp::Blend(t) => Stamp::Blend(Trigger { mask: times(&t.mask), pattern: t.pattern.clone() }),
        Stamp::Add(field) => Stamp::Add(times(field)),
        Stamp::Warp(field) => Stamp::Warp(times(field)),
    }
}

/// Colours moved towards their negative: `level` 1 is the negative. `None` for a warp.
pub(super) fn recolour(stamp: &Stamp, level: f32) -> Option<Stamp> {
    match stamp {
        Stamp::Blend(t) => {
            let pattern = t.pattern.iter().map(|p| p + level * (1.0 - 2.0 * p)).collect();
            Some(Stamp::Blend(Trigger { mask: t.mask.clone(), pattern }))
        }
        Stamp::Add(field) => Some(Stamp::Add(field.iter().map(|d| d * (1.0 - 2.0 * level)).collect())),
        Stamp::Warp(_) => None,
    }
}

/// The trigger without the pixels that `kept` refuses (index over H×W).
pub(super) fn cover(stamp: &Stamp, [_, h, w]: [usize; 3], kept: &[bool]) -> Stamp {
    let only = |values: &[f32]| -> Vec<f32> {
        values.iter().enumerate().map(|(i, &v)| if kept[i % (h * w)] { v } else { 0.0 }).collect()
    };
    match stamp {
        Stamp::Blend(t) => Stamp::Blend(Trigger { mask: only(&t.mask), pattern: t.pattern.clone() }),
        Stamp::Add(field) => Stamp::Add(only(field)),
        Stamp::Warp(field) => Stamp::Warp(only(field)),
    }
}

/// The image after JPEG at a quality of 1 to 100; `None` for other than 1 or 3 channels.
pub(super) fn jpeg(image: ArrayView3<f32>, quality: u8) -> Option<Array3<f32>> {
    let (c, h, w) = image.dim();
    let colour = match c {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return None,
    };
    let level = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let bytes: Vec<u8> = (0..h * w)
        .flat_map(|i| (0..c).map(move |k| (k, i)))
        .map(|(k, i)| level(image[[k, i / w, i % w]]))
        .collect();
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality).encode(&bytes, w as u32, h as u32, colour).ok()?;
    let decoded = ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg).decode().ok()?;
    let raw = if c == 1 { decoded.to_luma8().into_raw() } else { decoded.to_rgb8().into_raw() };
    Some(Array3::from_shape_fn((c, h, w), |(k, y, x)| f32::from(raw[(y * w + x) * c + k]) / 255.0))
}

/// The image made smaller by `scale` and brought back to its size, bilinear with the mean over what a small pixel covers.
pub(super) fn resize(image: ArrayView3<f32>, scale: f64) -> Array3<f32> {
    let (c, h, w) = image.dim();
    let small = |n: usize| ((n as f64 * scale).round() as usize).clamp(1, n);
    let (sh, sw) = (small(h), small(w));
    let down = Array3::from_shape_fn((c, sh, sw), |(k, y, x)| {
        let range = |i: usize, s: usize, n: usize| (i * n / s)..((i + 1) * n).div_ceil(s).min(n);
        let (ys, xs) = (range(y, sh, h), range(x, sw, w));
        let cells = (ys.len() * xs.len()).max(1) as f32;
        ys.flat_map(|v| xs.clone().map(move |u| (v, u))).map(|(v, u)| image[[k, v, u]]).sum::<f32>() / cells
    });
    Array3::from_shape_fn((c, h, w), |(k, y, x)| {
        let place = |i: usize, n: usize, s: usize| {
            let at = ((i as f32 + 0.5) * s as f32 / n as f32 - 0.5).clamp(0.0, (s - 1) as f32);
            (at as usize, (at as usize + 1).min(s - 1), at - (at as usize) as f32)
        };
        let ((a, b, p), (l, r, q)) = (place(y, h, sh), place(x, w, sw));
        let row = |v: usize| (1.0 - q) * down[[k, v, l]] + q * down[[k, v, r]];
        (1.0 - p) * row(a) + p * row(b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch() -> Stamp {
        let mut mask = vec![0.0; 64];
        for i in [27, 28, 35, 36] {
            mask[i] = 1.0;
        }
        Stamp::Blend(Trigger { mask, pattern: (0..192).map(|i| i as f32 / 192.0).collect() })
    }

    fn mask(stamp: &Stamp) -> &[f32] {
        let Stamp::Blend(t) = stamp else { panic!() };
        &t.mask
    }

    #[test]
    fn triggers_are_moved_shrunk_dimmed_recoloured_and_covered() {
        let shape = [3, 8, 8];
        let moved = shift(&patch(), shape, 1, -2);
        assert_eq!((0..64).filter(|&i| mask(&moved)[i] > 0.5).collect::<Vec<_>>(), [33, 34, 41, 42]);
        let Stamp::Blend(t) = &moved else { panic!() };
        assert_eq!(t.pattern[33], 27.0 / 192.0, "colours come along");
        assert!(mask(&shift(&patch(), shape, 6, 0)).iter().sum::<f32>() == 0.0, "out of the picture");
        let small = shrink(&patch(), shape, 0.5).unwrap();
        let sum: f32 = mask(&small).iter().sum();
        assert!(sum < 3.0 && sum > 0.5, "{sum}");
        assert_eq!(shrink(&patch(), shape, 1.0), Some(patch()));
        assert_eq!(mask(&dim(&patch(), 0.25))[27], 0.25);
        let Some(Stamp::Blend(t)) = recolour(&patch(), 1.0) else { panic!() };
        assert!((t.pattern[27] - (1.0 - 27.0 / 192.0)).abs() < 1e-6);
        let mut kept = vec![true; 64];
        kept[27] = false;
        assert_eq!(mask(&cover(&patch(), shape, &kept)).iter().sum::<f32>(), 3.0);
    }

    #[test]
    fn jpeg_and_resize_leave_a_flat_image_alone_and_blur_an_edge() {
        let flat = Array3::from_elem((3, 16, 16), 0.5);
        for got in [jpeg(flat.view(), 50).unwrap(), resize(flat.view(), 0.5)] {
            assert!(got.iter().all(|v| (v - 0.5).abs() < 0.02));
        }
        let edge = Array3::from_shape_fn((1, 16, 16), |(_, _, x)| f32::from(u8::from(x % 2 == 0)));
        let soft = resize(edge.view(), 0.5);
        assert!(soft.iter().all(|v| (v - 0.5).abs() < 0.3), "stripes of a pixel vanish");
        assert_eq!(resize(edge.view(), 1.0), edge);
        assert!(jpeg(Array3::zeros((2, 8, 8)).view(), 50).is_none());
    }
}
