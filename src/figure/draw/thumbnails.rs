//! Small images side by side, every pixel a sharp square, with captions.

use super::super::{RenderError, Thumbnail, ink, label};
use super::canvas::{CHAR, Canvas, Hang, Placed};
use super::{TOP, remark};
use plotters::prelude::DrawingBackend;

/// More images than this are not drawn.
const MOST: usize = 40;
/// Longest side of a drawn image.
const SIDE: usize = 140;
/// Width and height of a place with its caption.
const PLACE: (i32, i32) = (172, SIDE as i32 + 50);
const ACROSS: usize = 4;

pub fn height(images: &[Thumbnail]) -> i32 {
    let lines = images.len().clamp(1, MOST).div_ceil(ACROSS) as i32;
    TOP - 18 + lines * PLACE.1
}

/// The image at its drawn size: whole-number enlargement, or every k-th pixel when it is too large. `None` when its
/// numbers do not fit each other.
fn enlarge(image: &Thumbnail) -> Option<Placed> {
    let pixels = image.height.checked_mul(image.width)?.checked_mul(image.channels)?;
    if pixels == 0 || pixels != image.pixels.len() || !matches!(image.channels, 1 | 3) {
        return None;
    }
    let longest = image.height.max(image.width);
    let (grow, skip) = ((SIDE / longest).max(1), longest.div_ceil(SIDE));
    let (height, width) = (image.height.div_ceil(skip) * grow, image.width.div_ceil(skip) * grow);
    let mut rgb = Vec::with_capacity(height * width * 3);
    for y in 0..height {
        for x in 0..width {
            let at = ((y / grow * skip) * image.width + x / grow * skip) * image.channels;
            let pixel = image.pixels.get(at..at + image.channels)?;
            rgb.extend_from_slice(&[pixel[0], pixel[image.channels / 2], pixel[image.channels - 1]]);
        }
    }
    Some(Placed { x: 0, y: 0, width: width as u32, height: height as u32, rgb })
}

pub fn draw<DB: DrawingBackend>(canvas: &mut Canvas<DB>, images: &[Thumbnail]) -> Result<(), RenderError> {
    for (n, image) in images.iter().take(MOST).enumerate() {
        let left = 16 + PLACE.0 * (n % ACROSS) as i32;
        let top = TOP - 18 + PLACE.1 * (n / ACROSS) as i32;
        let mut below = top + SIDE as i32;
        if let Some(mut placed) = enlarge(image) {
            (placed.x, placed.y) = (left, top);
            below = top + placed.height as i32;
            canvas.image(placed)?;
        } else {
            canvas.frame((left, top), (left + SIDE as i32, top + SIDE as i32), ink::MUTED)?;
            canvas.text((left + 8, top + SIDE as i32 / 2), "unreadable image", Hang::Start, ink::MUTED)?;
        }
        let columns = ((PLACE.0 - 14) / CHAR) as usize;
        for (line, text) in label::wrap(&image.label, columns, 2).iter().enumerate() {
            canvas.text((left, below + 14 + 16 * line as i32), text, Hang::Start, ink::INK)?;
        }
    }
    if images.len() > MOST { remark(canvas, &format!("{MOST} of {} shown", images.len())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(height: usize, width: usize, channels: usize, pixels: Vec<u8>) -> Thumbnail {
        Thumbnail { label: String::new(), height, width, channels, pixels }
    }

    #[test]
    fn small_images_grow_by_whole_numbers_and_keep_their_pixels() {
        let placed = enlarge(&image(2, 2, 1, vec![0, 255, 128, 7])).unwrap();
        assert_eq!((placed.width, placed.height), (140, 140));
        assert_eq!(placed.rgb[(10 * 140 + 100) * 3..][..3], [255; 3]);
        assert_eq!(placed.rgb[(139 * 140 + 139) * 3..][..3], [7; 3]);
        let placed = enlarge(&image(1, 1, 3, vec![1, 2, 3])).unwrap();
        assert_eq!(placed.rgb[..3], [1, 2, 3]);
    }

    #[test]
    fn large_ones_are_thinned_and_lying_ones_refused() {
        let placed = enlarge(&image(300, 200, 1, vec![9; 60_000])).unwrap();
        assert!(placed.width <= 140 && placed.height <= 140);
        for lie in [
            image(2, 2, 1, vec![0; 3]),
            image(0, 2, 1, vec![]),
            image(usize::MAX, 2, 3, vec![]),
            image(1, 1, 2, vec![0; 2]),
        ] {
            assert!(enlarge(&lie).is_none());
        }
    }
}
