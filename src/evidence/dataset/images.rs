//! Image files to pixels: size and type checked before decoding, nothing resized, nothing recoloured unless it is
//! lossless.

use super::{DataSet, Expect, Pixels};
use crate::evidence::intake::{Bytes, FolderDigest, Progress, read};
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, Untrusted};
use image::{ColorType, DynamicImage, ImageReader};
use ndarray::Array4;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Files decoded between two reports of progress.
const BATCH: usize = 64;

/// Bad images named in one message.
const NAMED: usize = 5;

/// Where image files are read from: a folder whose files were hashed, or the folder beside a list.
pub(super) struct Source<'a> {
    pub root: &'a Path,
    /// Relative path → digest at intake; what is not in it is not in the folder.
    pub hashed: Option<BTreeMap<&'a Path, &'a str>>,
    pub limits: &'a Limits,
}

impl<'a> Source<'a> {
    pub fn folder(root: &'a Path, digest: &'a FolderDigest, limits: &'a Limits) -> Self {
        let hashed = digest.files.iter().map(|f| (f.path.as_path(), f.sha256.as_str())).collect();
        Self { root, hashed: Some(hashed), limits }
    }

    /// Reads a file, which must still be what was hashed.
    fn read(&self, relative: &Path) -> Result<Bytes, EvidenceError> {
        let bytes = read(&self.root.join(relative), self.limits)?;
        let expected = self.hashed.as_ref().map(|h| h.get(relative).copied().unwrap_or_default());
        if expected.is_some_and(|e| e != bytes.sha256) {
            return Err(EvidenceError::whole(relative, "intake.changed", "changed since it was hashed"));
        }
        Ok(bytes)
    }
}

/// Whether a name says that a file is an image this program decodes.
pub(super) fn is_image_name(path: &Path) -> bool {
    let ext = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(ext.as_deref(), Some("png" | "jpg" | "jpeg" | "bmp"))
}

/// Decodes all files into one array, in order, in parallel. All must have one size: the model's where it is known.
pub(super) fn decode_all(
    source: &Source,
    files: &[PathBuf],
    expect: &Expect,
    progress: Progress,
) -> Result<DataSet, EvidenceError> {
    let whole = |code, reason: String| EvidenceError::whole(source.root, code, reason);
    let Some(first) = files.first() else {
        return Err(whole("data.empty", "there are no images".to_owned()));
    };
    if files.len() > source.limits.samples {
        let (n, cap) = (files.len(), cap!(source.limits, samples));
        return Err(whole("data.limit", format!("{n} images, {cap}")));
    }
    let (size, reference) = match expect.shape {
        Some([_, h, w]) => ((h, w), "the model's input".to_owned()),
        None => (dimensions(source, first)?, Untrusted::new(first.to_string_lossy()).shown()),
    };
    // Two bytes per value: an image as decoded and its place in the array.
    let bytes = [files.len(), size.0, size.1, 3, 2].iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
    if bytes.is_none_or(|b| b > source.limits.unpacked_bytes) {
        let (n, (h, w), cap) = (files.len(), size, cap!(source.limits, unpacked_bytes));
        return Err(whole("data.limit", format!("{n} images of {h}×{w} take too many bytes: {cap}")));
    }
    let mut stack = Stack::new(size, reference, expect.shape.map(|s| s[0]));
    stack.reserve(files.len());
    let (mut bad, mut unfit) = (Vec::new(), None);
    for (batch, names) in files.chunks(BATCH).enumerate() {
        if !progress((batch * BATCH) as u64, files.len() as u64) {
            return Err(whole("intake.stopped", "reading was stopped".to_owned()));
        }
        let done: Vec<_> =
            names.par_iter().map(|name| decode(source, name, stack.size, &stack.reference)).collect();
        for (image, name) in done.into_iter().zip(names) {
            match image {
                // Nothing is kept of the rest once one was bad.
                Ok(image) if bad.is_empty() && unfit.is_none() => {
                    unfit = stack.push(&image, name, source.limits).err();
                }
                Ok(_) => {}
                Err(e) => bad.push(e),
            }
        }
    }
    if let Some(first) = bad.first() {
        let others: Vec<String> = bad
            .iter()
            .skip(1)
            .take(NAMED - 1)
            .map(|e| Untrusted::new(e.path.to_string_lossy()).shown())
            .collect();
        let more = match bad.len() {
            1 => String::new(),
            n => format!("; {} of {} images are bad, also: {}", n, files.len(), others.join(", ")),
        };
        return Err(EvidenceError { reason: format!("{}{more}", first.reason), ..first.clone() });
    }
    if let Some(unfit) = unfit {
        return Err(unfit);
    }
    let images = stack.finish(source.root)?;
    let names = files.iter().map(|f| Untrusted::new(f.to_string_lossy())).collect();
    Ok(DataSet { images: Some(Pixels::U8(images)), names, ..DataSet::default() })
}

/// Images put one behind the other as they are decoded, so that no second copy of them is held.
pub(super) struct Stack {
    /// Height, width.
    pub size: (usize, usize),
    /// What has that size, for messages.
    pub reference: String,
    /// Channels: the model's, or the most of any image so far.
    channels: usize,
    fixed: bool,
    count: usize,
    /// Image by image, plane by plane.
    pixels: Vec<u8>,
    reserve: usize,
}

impl Stack {
    pub fn new(size: (usize, usize), reference: String, channels: Option<usize>) -> Self {
        let (fixed, channels) = (channels.is_some(), channels.unwrap_or(0));
        Self { size, reference, channels, fixed, count: 0, pixels: Vec::new(), reserve: 0 }
    }

    /// So many images will come; their bytes have been checked against the caps.
    pub fn reserve(&mut self, images: usize) {
        self.reserve = images;
    }

    /// Adds an image. Grey ones become colour when the first coloured one comes.
    pub fn push(&mut self, image: &Decoded, name: &Path, limits: &Limits) -> Result<(), EvidenceError> {
        let plane = self.size.0 * self.size.1;
        if !self.fixed && image.channels > self.channels {
            let grey = std::mem::take(&mut self.pixels);
            let (had, has) = (self.channels, image.channels);
            self.pixels.reserve(self.reserve.max(self.count) * has * plane);
            for one in grey.chunks_exact((had * plane).max(1)).take(self.count) {
                (0..has).for_each(|_| self.pixels.extend_from_slice(one));
            }
            self.channels = has;
        }
        let channels = self.channels;
        let bytes = (self.pixels.len() + channels * plane) as u64;
        if bytes > limits.unpacked_bytes {
            let reason = format!("with it all images take {bytes} bytes: {}", cap!(limits, unpacked_bytes));
            return Err(EvidenceError::whole(name, "data.limit", reason));
        }
        let values = image.as_channels(channels).ok_or_else(|| {
            let reason = format!("it has {} channels, {channels} are needed", image.channels);
            EvidenceError::whole(name, "data.shape", reason)
        })?;
        if self.pixels.capacity() == 0 {
            self.pixels.reserve(self.reserve * channels * plane);
        }
        for c in 0..channels {
            self.pixels.extend((0..plane).map(|at| values(c, at)));
        }
        self.count += 1;
        Ok(())
    }

    pub fn finish(self, path: &Path) -> Result<Array4<u8>, EvidenceError> {
        let shape = (self.count, self.channels, self.size.0, self.size.1);
        Array4::from_shape_vec(shape, self.pixels)
            .map_err(|e| EvidenceError::whole(path, "data.shape", e.to_string()))
    }
}

/// Interleaved bytes of one image.
pub(super) struct Decoded {
    channels: usize,
    pixels: Vec<u8>,
}

impl Decoded {
    /// Reads the image as one with `channels`, if that loses nothing: equal, grey shown as colour, or colour that is
    /// grey in every pixel.
    fn as_channels(&self, channels: usize) -> Option<impl Fn(usize, usize) -> u8 + '_> {
        let has = self.channels;
        let grey = || self.pixels.chunks_exact(3).all(|p| matches!(p, [r, g, b] if r == g && g == b));
        let fits = has == channels || (has, channels) == (1, 3) || ((has, channels) == (3, 1) && grey());
        let value =
            move |c: usize, at: usize| self.pixels.get(at * has + c.min(has - 1)).copied().unwrap_or(0);
        fits.then_some(value)
    }
}

fn reader<'a>(bytes: &'a [u8], name: &Path) -> Result<ImageReader<Cursor<&'a [u8]>>, EvidenceError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    match reader {
        Ok(reader) if reader.format().is_some() => Ok(reader),
        _ => Err(EvidenceError::whole(name, "image.format", "no PNG, JPEG or BMP image")),
    }
}

/// Whether an image file says a size within the caps. Formats that are not decoded here are only recognised.
///
/// # Errors
/// A header that cannot be read, or a size beyond [`Limits::image_side`].
pub fn check(bytes: &Bytes, limits: &Limits) -> Result<(), EvidenceError> {
    match reader(&bytes.data, &bytes.path) {
        Ok(_) => size_of_bytes(&bytes.data, &bytes.path, limits).map(drop),
        Err(_) => Ok(()),
    }
}

fn bad(name: &Path, e: &image::ImageError) -> EvidenceError {
    let words = crate::evidence::text::visible(&e.to_string());
    EvidenceError::whole(name, "image.malformed", format!("cannot be decoded: {words}"))
}

/// Height and width by the header alone.
fn dimensions(source: &Source, name: &Path) -> Result<(usize, usize), EvidenceError> {
    size_of_bytes(&source.read(name)?.data, name, source.limits)
}

/// Height and width of an image file's bytes, by its header alone.
pub(super) fn size_of_bytes(
    bytes: &[u8],
    name: &Path,
    limits: &Limits,
) -> Result<(usize, usize), EvidenceError> {
    let (w, h) = match png_size(bytes).filter(|(w, h)| *w.max(h) > limits.image_side) {
        Some(vast) => vast,
        None => reader(bytes, name)?.into_dimensions().map_err(|e| bad(name, &e))?,
    };
    if w.max(h) > limits.image_side {
        let reason = format!("it says it is {w}×{h} pixels; of a side, {}", cap!(limits, image_side));
        return Err(EvidenceError::whole(name, "image.size", reason));
    }
    Ok((h as usize, w as usize))
}

/// Width and height as a PNG's first chunk says them, also when nothing follows it.
fn png_size(data: &[u8]) -> Option<(u32, u32)> {
    let (_, rest) = data.strip_prefix(b"\x89PNG\r\n\x1a\n")?.split_first_chunk::<4>()?;
    let (w, rest) = rest.strip_prefix(b"IHDR")?.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*w), u32::from_be_bytes(*rest.first_chunk::<4>()?)))
}

fn decode(
    source: &Source,
    name: &Path,
    size: (usize, usize),
    reference: &str,
) -> Result<Decoded, EvidenceError> {
    let named = |mut e: EvidenceError| {
        name.clone_into(&mut e.path);
        e
    };
    let bytes = source.read(name).map_err(named)?;
    decode_bytes(&bytes.data, name, size, reference, source.limits)
}

/// The pixels of an image file's bytes, which must have a size.
pub(super) fn decode_bytes(
    bytes: &[u8],
    name: &Path,
    size: (usize, usize),
    reference: &str,
    limits: &Limits,
) -> Result<Decoded, EvidenceError> {
    let (h, w) = size_of_bytes(bytes, name, limits)?;
    if (h, w) != size {
        let reason = format!("{h}×{w} pixels, {reference} is {}×{}; images are not resized", size.0, size.1);
        return Err(EvidenceError::whole(name, "data.shape", reason));
    }
    let mut reader = reader(bytes, name)?;
    let mut caps = image::Limits::default();
    caps.max_image_width = Some(limits.image_side);
    caps.max_image_height = Some(limits.image_side);
    // 16 bytes a pixel is the widest pixel there is; small images still get room for tables.
    caps.max_alloc = Some((h * w * 16).max(1 << 20) as u64);
    reader.limits(caps);
    bytes_of(reader.decode().map_err(|e| bad(name, &e))?, name)
}

/// Interleaved 8-bit pixels, without an alpha channel that hides nothing.
fn bytes_of(image: DynamicImage, name: &Path) -> Result<Decoded, EvidenceError> {
    let colour = image.color();
    let fault = |reason: &str| EvidenceError::whole(name, "image.type", reason);
    let (pixels, has) = match colour {
        ColorType::L8 | ColorType::Rgb8 | ColorType::La8 | ColorType::Rgba8 => {
            (image.into_bytes(), usize::from(colour.channel_count()))
        }
        _ => return Err(fault("more than 8 bits a channel; 8-bit images are read")),
    };
    if !colour.has_alpha() {
        return Ok(Decoded { channels: has, pixels });
    }
    if pixels.chunks_exact(has).any(|p| p.last() != Some(&255)) {
        return Err(fault("it has transparent pixels, which have no one colour"));
    }
    let pixels = pixels.chunks_exact(has).flat_map(|p| p.iter().take(has - 1)).copied().collect();
    Ok(Decoded { channels: has - 1, pixels })
}
