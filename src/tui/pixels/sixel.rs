//! Sixel: bands of six rows, one run per colour of at most 256. Colours are hundredths in the format; an image of few colours
//! keeps each of them, one of many gets the 256 of a median cut.

use super::enlarge::Drawn;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Colours of a palette.
const COLOURS: usize = 256;

/// A colour in hundredths of each part.
type Hundredths = [u8; 3];

/// Writes the image at the place of the cursor. What the image does not reach is left as it is.
pub(super) fn write(image: &Drawn, out: &mut impl Write) -> io::Result<()> {
    let (palette, indices) = quantise(image);
    // Background stays; pixels are square; the size is known beforehand.
    write!(out, "\x1bP0;1;0q\"1;1;{};{}", image.width, image.height)?;
    for (i, [r, g, b]) in palette.iter().enumerate() {
        write!(out, "#{i};2;{r};{g};{b}")?;
    }
    for (n, band) in indices.chunks(image.width.max(1) * 6).enumerate() {
        if n > 0 {
            out.write_all(b"-")?;
        }
        write_band(band, image.width, out)?;
    }
    out.write_all(b"\x1b\\")
}

/// Six rows, colour by colour.
fn write_band(band: &[u8], width: usize, out: &mut impl Write) -> io::Result<()> {
    let mut columns: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (row, line) in band.chunks(width.max(1)).enumerate() {
        for (at, &colour) in line.iter().enumerate() {
            let bits = columns.entry(colour).or_insert_with(|| vec![0; width]);
            if let Some(column) = bits.get_mut(at) {
                *column |= 1 << row;
            }
        }
    }
    for (n, (colour, bits)) in columns.iter().enumerate() {
        if n > 0 {
            out.write_all(b"$")?;
        }
        write!(out, "#{colour}")?;
        let end = bits.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
        let mut at = 0;
        while at < end {
            let value = bits.get(at).copied().unwrap_or(0);
            let run = bits.iter().take(end).skip(at).take_while(|&&b| b == value).count().max(1);
            let sign = char::from(b'?' + value);
            if run > 3 {
                write!(out, "!{run}{sign}")?;
            } else {
                for _ in 0..run {
                    write!(out, "{sign}")?;
                }
            }
            at += run;
        }
    }
    Ok(())
}

fn hundredths([r, g, b]: [u8; 3]) -> Hundredths {
    [r, g, b].map(|v| ((u16::from(v) * 100 + 127) / 255) as u8)
}

/// The palette, and the place in it of every pixel.
fn quantise(image: &Drawn) -> (Vec<Hundredths>, Vec<u8>) {
    let mut counts: BTreeMap<Hundredths, u64> = BTreeMap::new();
    for &pixel in &image.rgb {
        *counts.entry(hundredths(pixel)).or_default() += 1;
    }
    let boxes = cut(counts.iter().map(|(&c, &n)| (c, n)).collect());
    let mut palette = Vec::with_capacity(boxes.len());
    let mut places: BTreeMap<Hundredths, u8> = BTreeMap::new();
    for colours in &boxes {
        places.extend(colours.iter().map(|&(c, _)| (c, palette.len() as u8)));
        palette.push(mean(colours));
    }
    let index = |&pixel: &[u8; 3]| places.get(&hundredths(pixel)).copied().unwrap_or(0);
    let indices = image.rgb.iter().map(index).collect();
    (palette, indices)
}

/// The mean colour of a box, by count.
fn mean(colours: &[(Hundredths, u64)]) -> Hundredths {
    let total: u64 = colours.iter().map(|c| c.1).sum::<u64>().max(1);
    [0, 1, 2].map(|part: usize| {
        let sum: u64 = colours.iter().map(|(c, n)| u64::from(c[part]) * n).sum();
        ((sum + total / 2) / total) as u8
    })
}

/// The widest part of a box, and by how much.
fn widest(colours: &[(Hundredths, u64)]) -> (u8, usize) {
    let width = |part: usize| {
        let of = || colours.iter().map(|(c, _)| c[part]);
        of().max().unwrap_or(0) - of().min().unwrap_or(0)
    };
    (0..3).map(|part| (width(part), part)).max().unwrap_or((0, 0))
}

/// Median cut: the box of the widest part is halved there by its pixels, until there are enough.
fn cut(all: Vec<(Hundredths, u64)>) -> Vec<Vec<(Hundredths, u64)>> {
    if all.len() <= COLOURS {
        return all.into_iter().map(|c| vec![c]).collect();
    }
    let mut boxes = vec![all];
    while boxes.len() < COLOURS {
        let Some((at, part)) = boxes
            .iter()
            .enumerate()
            .map(|(at, colours)| (widest(colours), at))
            .max_by_key(|&((width, _), at)| (width, std::cmp::Reverse(at)))
            .filter(|&((width, _), _)| width > 0)
            .map(|((_, part), at)| (at, part))
        else {
            break;
        };
        let mut colours = boxes.swap_remove(at);
        colours.sort_by_key(|&(c, _)| (c[part], c));
        let half = colours.iter().map(|c| c.1).sum::<u64>() / 2;
        let mut seen = 0;
        let middle = colours.iter().position(|&(_, n)| {
            seen += n;
            seen > half
        });
        let upper = colours.split_off(middle.unwrap_or(0).clamp(1, colours.len() - 1));
        boxes.extend([colours, upper]);
    }
    boxes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a terminal would show: its pixels as written, `None` where nothing is.
    pub(in crate::tui::pixels) fn shown(bytes: &[u8]) -> (usize, usize, Vec<Option<Hundredths>>) {
        let text = std::str::from_utf8(bytes).unwrap();
        let body = text.strip_prefix("\x1bP0;1;0q\"1;1;").unwrap().strip_suffix("\x1b\\").unwrap();
        let mut at = body.find('#').unwrap();
        let size: Vec<usize> = body[..at].split(';').map(|n| n.parse().unwrap()).collect();
        let (w, h) = (size[0], size[1]);
        let mut pixels = vec![None; w * h];
        let mut palette = BTreeMap::new();
        let (mut x, mut y, mut colour) = (0, 0, 0);
        let number = |at: &mut usize| {
            let end = body[*at..].find(|c: char| !c.is_ascii_digit()).map_or(body.len(), |e| *at + e);
            let n: usize = body[*at..end].parse().unwrap();
            *at = end;
            n
        };
        while at < body.len() {
            let sign = body.as_bytes()[at];
            at += 1;
            let mut paint = |run: usize, value: u8| {
                for _ in 0..run {
                    for row in 0..6 {
                        if value >> row & 1 == 1 {
                            assert!(x < w && y + row < h, "outside of the picture");
                            pixels[(y + row) * w + x] = Some(palette[&colour]);
                        }
                    }
                    x += 1;
                }
            };
            match sign {
                b'#' => {
                    colour = number(&mut at);
                    if body[at..].starts_with(";2;") {
                        at += 3;
                        let mut part = || {
                            let n = number(&mut at);
                            if body[at..].starts_with(';') {
                                at += 1;
                            }
                            n as u8
                        };
                        let parts = [part(), part(), part()];
                        palette.insert(colour, parts);
                    }
                }
                b'!' => {
                    let run = number(&mut at);
                    let value = body.as_bytes()[at] - b'?';
                    at += 1;
                    paint(run, value);
                }
                b'$' => x = 0,
                b'-' => (x, y) = (0, y + 6),
                sign @ b'?'..=b'~' => paint(1, sign - b'?'),
                other => panic!("{other}"),
            }
        }
        assert!(palette.len() <= COLOURS);
        (w, h, pixels)
    }

    fn drawn(width: usize, height: usize, of: impl Fn(usize, usize) -> [u8; 3]) -> Drawn {
        let rgb = (0..width * height).map(|i| of(i % width, i / width)).collect();
        Drawn { width, height, rgb }
    }

    fn written(image: &Drawn) -> Vec<u8> {
        let mut out = Vec::new();
        write(image, &mut out).unwrap();
        out
    }

    #[test]
    fn few_colours_are_kept_to_a_hundredth() {
        let image = drawn(13, 8, |x, y| [(x * 20) as u8, if y > 3 { 255 } else { 0 }, 7]);
        let (w, h, pixels) = shown(&written(&image));
        assert_eq!((w, h), (13, 8));
        for (shown, &meant) in pixels.iter().zip(&image.rgb) {
            assert_eq!(*shown, Some(hundredths(meant)));
        }
    }

    #[test]
    fn many_colours_become_256_near_ones() {
        let image = drawn(64, 64, |x, y| [(x * 4) as u8, (y * 4) as u8, ((x ^ y) * 4) as u8]);
        let bytes = written(&image);
        let (_, _, pixels) = shown(&bytes);
        let far = pixels.iter().zip(&image.rgb).map(|(shown, &meant)| {
            let (a, b) = (shown.unwrap(), hundredths(meant));
            (0..3).map(|k| a[k].abs_diff(b[k])).max().unwrap()
        });
        let far: Vec<u8> = far.collect();
        assert!(far.iter().all(|&d| d < 25), "{:?}", far.iter().max());
        assert!(far.iter().map(|&d| f64::from(d)).sum::<f64>() / (far.len() as f64) < 8.0);
        assert_eq!(bytes, written(&image), "the same image gives the same bytes");
    }

    #[test]
    fn runs_are_short_and_a_single_pixel_works() {
        assert_eq!(written(&drawn(1, 1, |_, _| [255; 3])), b"\x1bP0;1;0q\"1;1;1;1#0;2;100;100;100#0@\x1b\\");
        let flat = written(&drawn(200, 12, |_, _| [0; 3]));
        assert_eq!(flat, b"\x1bP0;1;0q\"1;1;200;12#0;2;0;0;0#0!200~-#0!200~\x1b\\");
    }
}
