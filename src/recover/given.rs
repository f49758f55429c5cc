//! A trigger of the responder's own: a line of parameters, or mask and pattern as PNG or safetensors files.

use super::stamping::Stamp;
use crate::detect::stamp::Trigger;
use crate::evidence::Limits;
use crate::evidence::intake::{self, Bytes};
use crate::evidence::safetensors::SafeTensors;
use crate::evidence::text::visible;
use crate::procedure::Case;
use image::{ImageFormat, ImageReader};
use serde_json::{Value, json};
use std::io::Cursor;
use std::path::Path;

/// A trigger as given, and what to journal of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The trigger.
    pub stamp: Stamp,
    /// The line, or file names with their digests.
    pub record: Value,
}

/// Reads a line such as `size=3x3 at=29,29 colour=255,255,255 blend=1` or `size=4 at=bottom-right`: height × width in pixels
/// (one number: a square), row and column of the upper left pixel (0-based) or a corner, colour in levels of 255 (one number
/// for all channels; default white), opacity (default 1).
///
/// # Errors
/// An unknown or repeated key, a value that is no number, a patch that does not fit the image; says which.
pub fn line(text: &str, [c, h, w]: [usize; 3]) -> Result<Given, String> {
    let (mut size, mut at, mut colour, mut blend) = (None, None, None, None);
    for word in text.split_whitespace() {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("'{}' is not key=value", visible(word)))?;
        let slot = match key {
            "size" => &mut size,
            "at" => &mut at,
            "colour" | "color" => &mut colour,
            "blend" => &mut blend,
            _ => return Err(format!("no key '{}'; there are size, at, colour, blend", visible(key))),
        };
        if slot.replace(value).is_some() {
            return Err(format!("'{key}' is given twice"));
        }
    }
    let numbers = |text: &str, by: char, what: &str| -> Result<Vec<f64>, String> {
        let parse = |t: &str| t.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
        let all: Option<Vec<f64>> = text.split(by).map(parse).collect();
        all.filter(|v| v.len() <= 64)
            .ok_or_else(|| format!("{what} '{}' is not made of numbers", visible(text)))
    };
    let (rows, columns) = match numbers(size.unwrap_or("3"), 'x', "size")?.as_slice() {
        [side] => (*side as usize, *side as usize),
        [rows, columns] => (*rows as usize, *columns as usize),
        _ => return Err("size is height x width, as in 3x3".into()),
    };
    if rows == 0 || columns == 0 || rows > h || columns > w {
        return Err(format!("a patch of {rows}×{columns} pixels does not fit an image of {h}×{w}"));
    }
    let (bottom, right) = (h - rows, w - columns);
    let (top, left) = match at.unwrap_or("bottom-right") {
        "top-left" => (0, 0),
        "top-right" => (0, right),
        "bottom-left" => (bottom, 0),
        "bottom-right" => (bottom, right),
        "middle" => (bottom / 2, right / 2),
        place => match numbers(place, ',', "at")?.as_slice() {
            [row, column] => (*row as usize, *column as usize),
            _ => return Err("at is row,column or a corner such as bottom-right".into()),
        },
    };
    if top > bottom || left > right {
        return Err(format!(
            "a patch of {rows}×{columns} at row {top}, column {left} hangs over the edge of {h}×{w}"
        ));
    }
    let colour = numbers(colour.unwrap_or("255"), ',', "colour")?;
    if colour.iter().any(|v| *v > 255.0) || !(colour.len() == 1 || colour.len() == c) {
        return Err(format!("colour is one level of 0 to 255, or {c} of them"));
    }
    let blend = match numbers(blend.unwrap_or("1"), ',', "blend")?.as_slice() {
        [share] if *share > 0.0 && *share <= 1.0 => *share as f32,
        _ => return Err("blend is a share above 0 and up to 1".into()),
    };
    let mut mask = vec![0.0f32; h * w];
    let mut pattern = vec![0.0f32; c * h * w];
    for y in top..top + rows {
        for x in left..left + columns {
            mask[y * w + x] = blend;
            for k in 0..c {
                pattern[(k * h + y) * w + x] = (colour[k.min(colour.len() - 1)] / 255.0) as f32;
            }
        }
    }
    Ok(Given { stamp: Stamp::Blend(Trigger { mask, pattern }), record: json!({"patch": visible(text)}) })
}

/// Reads mask and pattern from files of the case's folder (or absolute paths): PNGs, the mask's levels its opacity; or
/// safetensors with `mask` (H×W or C×H×W) and `pattern` (C×H×W), both 0..=1, in one file or in one each (as blobs are).
///
/// # Errors
/// A path that leaves the folder, a file that cannot be read, other shapes than the network's; says which.
pub fn files(case: &Case, mask: &str, pattern: Option<&str>, shape: [usize; 3]) -> Result<Given, String> {
    let limits = Limits::in_force();
    let read = |name: &str| {
        let path = case.file.locate(Path::new(name)).map_err(|e| e.to_string())?;
        intake::read_capped(&path, limits.trigger_bytes, "trigger_bytes", &intake::quiet)
            .map_err(|e| e.to_string())
    };
    let first = read(mask)?;
    let named = |name: &str, digest: &str| json!({"file": visible(name), "sha256": digest});
    let [c, h, w] = shape;
    if first.data.starts_with(b"\x89PNG") {
        let Some(pattern) = pattern else {
            return Err("a PNG mask needs a PNG pattern: set 'pattern' too".into());
        };
        let second = read(pattern)?;
        let mask_values = png(&first.data, [1, h, w]).map_err(|e| format!("{}: {e}", visible(mask)))?;
        let pattern_values = png(&second.data, shape).map_err(|e| format!("{}: {e}", visible(pattern)))?;
        let stamp = Stamp::Blend(Trigger { mask: mask_values, pattern: pattern_values });
        let record = json!({"mask": named(mask, &first.sha256), "pattern": named(pattern, &second.sha256)});
        return Ok(Given { stamp, record });
    }
    // As blobs are kept, each array in a file of its own; or both in one.
    let second = pattern.map(read).transpose()?;
    let array = |name: &str, from: &Bytes, shapes: &[&[usize]]| -> Result<Vec<f32>, String> {
        let tensors = SafeTensors::parse(&from.path, &from.data, limits).map_err(|e| e.to_string())?;
        let array = tensors.require(name).and_then(|a| a.to_f32()).map_err(|e| e.to_string())?;
        if !shapes.contains(&array.shape()) {
            return Err(format!("{name} has shape {:?}, the network takes {shape:?}", array.shape()));
        }
        if array.iter().any(|v| !(0.0..=1.0).contains(v)) {
            return Err(format!("{name} has a value outside 0..1"));
        }
        Ok(array.iter().copied().collect())
    };
    let stamp = Stamp::Blend(Trigger {
        mask: array("mask", &first, &[&[h, w], &[c, h, w]])?,
        pattern: array("pattern", second.as_ref().unwrap_or(&first), &[&[c, h, w]])?,
    });
    let mut record = json!({"mask": named(mask, &first.sha256)});
    if let (Some(pattern), Some(second), Value::Object(all)) = (pattern, &second, &mut record) {
        all.insert("pattern".into(), named(pattern, &second.sha256));
    }
    Ok(Given { stamp, record })
}

/// A PNG as C×H×W values in 0..=1; its size is checked before it is decoded.
fn png(bytes: &[u8], [c, h, w]: [usize; 3]) -> Result<Vec<f32>, String> {
    let reader = || ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let (width, height) = reader().into_dimensions().map_err(|e| visible(&e.to_string()))?;
    if (height as usize, width as usize) != (h, w) {
        return Err(format!("it is {height}×{width}, the network takes {h}×{w}"));
    }
    let image = reader().decode().map_err(|e| visible(&e.to_string()))?;
    if c == 3 {
        let rgb = image.to_rgb8();
        let at = |k: usize, i: usize| f32::from(rgb.as_raw().get(3 * i + k).copied().unwrap_or(0)) / 255.0;
        Ok((0..3 * h * w).map(|j| at(j / (h * w), j % (h * w))).collect())
    } else {
        let grey = image.to_luma8();
        let one: Vec<f32> = grey.as_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
        Ok((0..c).flat_map(|_| one.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;

    static ZEROS: [u8; 240] = [0; 240];

    #[test]
    fn a_line_is_put_where_it_says() {
        let got = line("size=2x3 at=1,0 colour=255,0,51 blend=0.5", [3, 4, 5]).unwrap();
        let Stamp::Blend(t) = &got.stamp else { panic!() };
        let lit: Vec<usize> = (0..20).filter(|&i| t.mask[i] > 0.0).collect();
        assert_eq!(lit, [5, 6, 7, 10, 11, 12]);
        assert_eq!((t.mask[5], t.pattern[5], t.pattern[25], t.pattern[45]), (0.5, 1.0, 0.0, 0.2));
        let corner = line("size=2", [1, 4, 5]).unwrap();
        let Stamp::Blend(t) = &corner.stamp else { panic!() };
        assert!(t.mask[19] == 1.0 && t.mask[13] == 1.0 && t.l1() == 4.0 && t.pattern[19] == 1.0);
        for bad in [
            "size",
            "size=0",
            "size=9",
            "at=4,4 size=2",
            "colour=300",
            "colour=1,2",
            "blend=0",
            "tint=1",
            "size=2 size=3",
            "at=nan,1",
        ] {
            assert!(line(bad, [3, 4, 5]).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_read_and_held_to_the_networks_shape() {
        let folder = tempfile::tempdir().unwrap();
        let mut case = fixture::case();
        case.file.root = folder.path().canonicalize().unwrap();
        let save = |name: &str, h: u32, w: u32, lit: (u32, u32)| {
            let mut image = image::GrayImage::new(w, h);
            image.put_pixel(lit.1, lit.0, image::Luma([255]));
            image.save(folder.path().join(name)).unwrap();
        };
        save("mask.png", 4, 5, (2, 3));
        save("pattern.png", 4, 5, (2, 3));
        save("small.png", 3, 5, (0, 0));
        let got = files(&case, "mask.png", Some("pattern.png"), [3, 4, 5]).unwrap();
        let Stamp::Blend(t) = &got.stamp else { panic!() };
        assert!((t.l1() - 1.0).abs() < 1e-6 && t.mask[13] == 1.0 && t.pattern[53] == 1.0);
        assert_eq!(got.record["mask"]["sha256"].as_str().unwrap().len(), 64);
        assert!(
            files(&case, "mask.png", Some("small.png"), [3, 4, 5])
                .unwrap_err()
                .contains("small.png: it is 3×5")
        );
        assert!(files(&case, "mask.png", None, [3, 4, 5]).unwrap_err().contains("pattern"));
        assert!(files(&case, "../x.png", None, [3, 4, 5]).is_err());
        let view = |shape: Vec<usize>, data: &'static [u8]| {
            ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F32, shape, data).unwrap()
        };
        let all = vec![("mask", view(vec![4, 5], &ZEROS[..80])), ("pattern", view(vec![3, 4, 5], &ZEROS))];
        std::fs::write(folder.path().join("t.safetensors"), ::safetensors::serialize(all, None).unwrap())
            .unwrap();
        assert!(files(&case, "t.safetensors", None, [3, 4, 5]).is_ok());
        assert!(files(&case, "t.safetensors", None, [3, 5, 4]).unwrap_err().contains("shape"));
    }
}
