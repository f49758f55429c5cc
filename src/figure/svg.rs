//! Figures as SVG, to stand alone or inside a page.

use super::png::encode;
use super::{Figure, RenderError, draw, label};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;
use std::fmt::Write as _;

/// The figure as an SVG document. Text is escaped, images are embedded, nothing is referred to outside; the same
/// figure gives the same bytes.
///
/// # Errors
/// [`RenderError`] when the drawing fails.
pub fn svg(figure: &Figure) -> Result<String, RenderError> {
    let mut out = String::new();
    let images = {
        let area = SVGBackend::with_string(&mut out, draw::size(figure)).into_drawing_area();
        let images = draw::draw(&area, figure)?;
        area.present().map_err(|e| RenderError(e.to_string()))?;
        images
    };
    let end = out.rfind("</svg>").ok_or_else(|| RenderError("the drawing has no end".to_owned()))?;
    out.truncate(end);
    for image in images {
        let data = base64(&encode(&image.rgb, image.width, image.height)?);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" image-rendering=\"pixelated\" href=\"data:image/png;base64,{data}\"/>",
            image.x, image.y, image.width, image.height
        );
    }
    out.push_str("</svg>\n");
    let name = escape(&label::spelt(&figure.title));
    Ok(out.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{name}\" "), 1))
}

/// Escapes text for XML content and attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Standard base64 with padding (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
