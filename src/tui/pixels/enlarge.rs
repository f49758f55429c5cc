//! An image at the size it has on the screen: every pixel a square of whole size, none invented; where there are more pixels
//! than the screen has, the mean of squares of whole size.

use crate::figure::Thumbnail;

/// Pixels of an image at its size on the screen, row-major RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels.
    pub(super) height: usize,
    /// `width × height` colours.
    pub(super) rgb: Vec<[u8; 3]>,
}

/// Most pixels of a picture that are made at all: a screen of 8K.
const MOST: usize = 7680 * 4320;

/// The largest drawing of a well-formed image within `width × height` pixels. `None` where nothing fits, or the image's
/// numbers do not fit each other.
pub(super) fn enlarge(image: &Thumbnail, width: usize, height: usize) -> Option<Drawn> {
    let pixels = image.height.checked_mul(image.width)?;
    let values = pixels.checked_mul(image.channels)?;
    let wrong = pixels == 0 || values != image.pixels.len() || !matches!(image.channels, 1 | 3);
    if wrong || width == 0 || height == 0 || width.checked_mul(height)? > MOST {
        return None;
    }
    let grow = (width / image.width).min(height / image.height);
    if grow > 0 {
        let (w, h) = (image.width * grow, image.height * grow);
        let mut rgb = Vec::with_capacity(w * h);
        for row in 0..image.height {
            let line: Vec<[u8; 3]> = (0..image.width)
                .flat_map(|column| std::iter::repeat_n(colour(image, row, column), grow))
                .collect();
            for _ in 0..grow {
                rgb.extend_from_slice(&line);
            }
        }
        return Some(Drawn { width: w, height: h, rgb });
    }
    let shrink = image.width.div_ceil(width).max(image.height.div_ceil(height));
    let (w, h) = (image.width.div_ceil(shrink), image.height.div_ceil(shrink));
    let mut rgb = Vec::with_capacity(w * h);
    for row in 0..h {
        for column in 0..w {
            rgb.push(mean(image, row * shrink, column * shrink, shrink));
        }
    }
    Some(Drawn { width: w, height: h, rgb })
}

fn colour(image: &Thumbnail, row: usize, column: usize) -> [u8; 3] {
    let at = (row * image.width + column) * image.channels;
    match image.pixels.get(at..at + image.channels) {
        Some([grey]) => [*grey; 3],
        Some([r, g, b]) => [*r, *g, *b],
        _ => [0; 3],
    }
}

/// The mean colour of a square, cut at the edges.
fn mean(image: &Thumbnail, top: usize, left: usize, side: usize) -> [u8; 3] {
    let mut sum = [0_u64; 3];
    let mut n = 0;
    for row in top..(top + side).min(image.height) {
        for column in left..(left + side).min(image.width) {
            for (total, value) in sum.iter_mut().zip(colour(image, row, column)) {
                *total += u64::from(value);
            }
            n += 1;
        }
    }
    sum.map(|s| ((s + n / 2) / n.max(1)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(height: usize, width: usize, channels: usize, pixels: Vec<u8>) -> Thumbnail {
        Thumbnail { label: String::new(), height, width, channels, pixels }
    }

    #[test]
    fn pixels_are_squares_of_whole_size() {
        let two = image(2, 2, 1, vec![0, 255, 128, 7]);
        let drawn = enlarge(&two, 7, 9).unwrap();
        assert_eq!((drawn.width, drawn.height), (6, 6));
        assert_eq!(
            [drawn.rgb[2], drawn.rgb[3], drawn.rgb[18], drawn.rgb[35]],
            [[0; 3], [255; 3], [128; 3], [7; 3]]
        );
        let colours = enlarge(&image(1, 2, 3, vec![1, 2, 3, 4, 5, 6]), 2, 2).unwrap();
        assert_eq!(colours.rgb, [[1, 2, 3], [4, 5, 6]]);
    }

    #[test]
    fn large_ones_are_means_and_lying_ones_refused() {
        let large = image(3, 5, 1, (0..15).map(|v| v * 10).collect());
        let drawn = enlarge(&large, 2, 2).unwrap();
        assert_eq!((drawn.width, drawn.height), (2, 1));
        assert_eq!(drawn.rgb, [[60; 3], [85; 3]]);
        for lie in [
            image(2, 2, 1, vec![0; 3]),
            image(0, 2, 1, vec![]),
            image(usize::MAX, 2, 3, vec![]),
            image(1, 1, 2, vec![0; 2]),
        ] {
            assert_eq!(enlarge(&lie, 100, 100), None);
        }
        assert_eq!(enlarge(&large, 0, 9), None);
        assert_eq!(enlarge(&large, 1 << 20, 1 << 20), None);
    }
}
