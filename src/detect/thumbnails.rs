//! Masks, patterns and images as small pictures.

use super::stamp::Trigger;
use crate::figure::{Body, Figure, Thumbnail};
use ndarray::ArrayView3;

/// H·W values in 0..=1 as a grey picture.
pub fn grey(label: impl Into<String>, values: &[f32], height: usize, width: usize) -> Thumbnail {
    let pixels = values.iter().take(height * width).map(|&v| level(v)).collect();
    Thumbnail { label: label.into(), height, width, channels: 1, pixels }
}

/// C·H·W values in 0..=1: three channels as colour, otherwise the first as grey.
pub fn colour(label: impl Into<String>, values: &[f32], [channels, height, width]: [usize; 3]) -> Thumbnail {
    let area = height * width;
    if channels != 3 || values.len() < 3 * area {
        return grey(label, values, height, width);
    }
    let pixels = (0..area).flat_map(|i| [0, 1, 2].map(|c| level(values[c * area + i]))).collect();
    Thumbnail { label: label.into(), height, width, channels: 3, pixels }
}

fn level(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// A trigger: its mask, its pattern, and an image without and with it.
pub fn trigger(
    title: String,
    trigger: &Trigger,
    image: Option<ArrayView3<f32>>,
    shape: [usize; 3],
) -> Figure {
    let mut images =
        vec![grey("mask", &trigger.mask, shape[1], shape[2]), colour("pattern", &trigger.pattern, shape)];
    if let Some(image) = image {
        let plain: Vec<f32> = image.iter().copied().collect();
        images.push(colour("an image", &plain, shape));
        images.push(colour("with the trigger", &trigger.on(image), shape));
    }
    Figure { title, body: Body::Thumbnails { images } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn channels_are_interleaved_and_levels_clamped() {
        let planar = [0.0, 1.0, 0.5, 2.0, -1.0, 1.0];
        let t = colour("x", &planar, [3, 1, 2]);
        assert_eq!((t.channels, t.pixels), (3, vec![0, 128, 0, 255, 255, 255]));
        assert_eq!(colour("x", &planar, [2, 1, 3]).channels, 1);
        let trigger_ = Trigger { mask: vec![1.0, 0.0], pattern: vec![1.0; 6] };
        let figure = trigger("t".into(), &trigger_, Some(Array3::zeros((3, 1, 2)).view()), [3, 1, 2]);
        let Body::Thumbnails { images } = figure.body else { panic!() };
        assert_eq!(images[3].pixels, [255, 255, 255, 0, 0, 0]);
        assert!(images.iter().all(|i| i.pixels.len() == i.height * i.width * i.channels));
    }
}
