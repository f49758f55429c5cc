//! Figures as PNG, text included, with no font of the machine.

use super::draw::{self, WIDTH};
use super::{Figure, RenderError};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use plotters::backend::BitMapBackend;
use plotters::drawing::IntoDrawingArea;

/// The figure as the bytes of a PNG file; the same figure gives the same bytes.
///
/// # Errors
/// [`RenderError`] when the drawing or the encoder fails.
pub fn png(figure: &Figure) -> Result<Vec<u8>, RenderError> {
    let (width, height) = draw::size(figure);
    let mut rgb = vec![0_u8; width as usize * height as usize * 3];
    let images = {
        let area = BitMapBackend::with_buffer(&mut rgb, (width, height)).into_drawing_area();
        let images = draw::draw(&area, figure)?;
        area.present().map_err(|e| RenderError(e.to_string()))?;
        images
    };
    for image in images {
        for (line, source) in image.rgb.chunks_exact(image.width as usize * 3).enumerate() {
            let start = (image.y.max(0) as usize + line) * WIDTH as usize * 3 + image.x.max(0) as usize * 3;
            if let Some(target) = rgb.get_mut(start..start + source.len()) {
                target.copy_from_slice(source);
            }
        }
    }
    encode(&rgb, width, height)
}

/// RGB bytes as a PNG file.
///
/// # Errors
/// [`RenderError`] when the encoder refuses them.
pub(super) fn encode(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, RenderError> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|e| RenderError(e.to_string()))?;
    Ok(out)
}
