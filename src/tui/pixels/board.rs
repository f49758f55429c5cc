//! What lies over the cells: which pictures stand where, and the bytes that put them there and take them away.

use super::enlarge::{Drawn, enlarge};
use super::{Found, Picture, Protocol, sixel};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crossterm::cursor::MoveTo;
use crossterm::queue;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use std::io::{self, Write};

/// Most bytes of base64 in one message of kitty's protocol.
const CHUNK: usize = 4096;
/// Numbers of our images begin here, so that those of other programs in the same terminal are left alone.
const FIRST: u32 = 0x001a_0c00;

/// The pictures on the screen.
#[derive(Debug)]
pub struct Board {
    found: Found,
    shown: Vec<(Picture, u32)>,
    next: u32,
}

impl Board {
    /// An empty one.
    pub fn new(found: Found) -> Self {
        Self { found, shown: Vec::new(), next: FIRST }
    }

    /// Whether there is a protocol at all.
    pub fn on(&self) -> bool {
        self.found.protocol.is_some()
    }

    /// The size of a cell has changed (another font); everything is drawn anew afterwards.
    pub fn cell(&mut self, cell: (u16, u16)) {
        self.found.cell = cell;
    }

    /// Takes away what is no longer there and puts what is new. To be called after the cells of `buffer` are on the screen;
    /// writes nothing where nothing changed.
    ///
    /// # Errors
    /// The terminal does not take the bytes.
    pub fn update(&mut self, pictures: &[Picture], buffer: &Buffer, out: &mut impl Write) -> io::Result<()> {
        let Some(protocol) = self.found.protocol else { return Ok(()) };
        let mut kept = Vec::new();
        for (picture, id) in std::mem::take(&mut self.shown) {
            if pictures.contains(&picture) {
                kept.push((picture, id));
            } else {
                erase(protocol, &picture, id, buffer, out)?;
            }
        }
        for picture in pictures {
            if kept.iter().any(|(p, _)| p == picture) {
                continue;
            }
            let id = self.next;
            self.next = self.next.checked_add(1).unwrap_or(FIRST);
            if put(protocol, self.found.cell, picture, id, out)? {
                kept.push((picture.clone(), id));
            }
        }
        self.shown = kept;
        Ok(())
    }

    /// The screen was cleared, or somebody else drew on it: what was there is gone, and kitty is told so.
    ///
    /// # Errors
    /// The terminal does not take the bytes.
    pub fn forget(&mut self, out: &mut impl Write) -> io::Result<()> {
        for (_, id) in std::mem::take(&mut self.shown) {
            if self.found.protocol == Some(Protocol::Kitty) {
                delete(id, out)?;
            }
        }
        Ok(())
    }
}

fn delete(id: u32, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
}

/// Takes a picture away. Pixels of sixel and iTerm2 live in the cells: these are written again.
fn erase(
    protocol: Protocol,
    picture: &Picture,
    id: u32,
    buffer: &Buffer,
    out: &mut impl Write,
) -> io::Result<()> {
    if protocol == Protocol::Kitty {
        return delete(id, out);
    }
    let area = picture.area.intersection(buffer.area);
    let cells = area.positions().filter_map(|at| Some((at.x, at.y, buffer.cell(at)?)));
    CrosstermBackend::new(out).draw(cells)
}

/// Puts a picture; whether it could be made.
fn put(
    protocol: Protocol,
    cell: (u16, u16),
    picture: &Picture,
    id: u32,
    out: &mut impl Write,
) -> io::Result<bool> {
    let area = picture.area;
    let (width, height) =
        (usize::from(area.width) * usize::from(cell.0), usize::from(area.height) * usize::from(cell.1));
    let Some(drawn) = enlarge(&picture.image, width, height) else { return Ok(false) };
    match protocol {
        Protocol::Sixel => {
            queue!(out, MoveTo(area.x, area.y))?;
            sixel::write(&drawn, out)?;
        }
        Protocol::Kitty => {
            let Some(png) = png(&drawn, width, height) else { return Ok(false) };
            queue!(out, MoveTo(area.x, area.y))?;
            let data = BASE64.encode(png);
            let chunks: Vec<&[u8]> = data.as_bytes().chunks(CHUNK).collect();
            for (n, chunk) in chunks.iter().enumerate() {
                let more = u8::from(n + 1 < chunks.len());
                if n == 0 {
                    // Show at once, as PNG, in exactly these cells; the cursor stays; no answers.
                    let (c, r) = (area.width, area.height);
                    write!(out, "\x1b_Ga=T,f=100,t=d,i={id},c={c},r={r},C=1,q=2,m={more};")?;
                } else {
                    write!(out, "\x1b_Gq=2,m={more};")?;
                }
                out.write_all(chunk)?;
                out.write_all(b"\x1b\\")?;
            }
        }
        Protocol::Iterm2 => {
            let Some(png) = png(&drawn, width, height) else { return Ok(false) };
            queue!(out, MoveTo(area.x, area.y))?;
            write!(
                out,
                "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=0;doNotMoveCursor=1:{}\x07",
                png.len(),
                area.width,
                area.height,
                BASE64.encode(&png)
            )?;
        }
    }
    Ok(true)
}

/// The drawing on a transparent ground of exactly the pixels of its cells, so that the terminal has nothing to scale, and
/// where the size of a cell was guessed nothing spills over.
fn png(drawn: &Drawn, width: usize, height: usize) -> Option<Vec<u8>> {
    let mut rgba = vec![0; width.checked_mul(height)?.checked_mul(4)?];
    for (row, line) in drawn.rgb.chunks(drawn.width.max(1)).enumerate() {
        for (column, [r, g, b]) in line.iter().enumerate() {
            let at = (row * width + column) * 4;
            rgba.get_mut(at..at + 4)?.copy_from_slice(&[*r, *g, *b, 255]);
        }
    }
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Up)
        .write_image(&rgba, u32::try_from(width).ok()?, u32::try_from(height).ok()?, ExtendedColorType::Rgba8)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Thumbnail;
    use ratatui::layout::Rect;

    const HOSTILE: &str = "a\x1b]0;owned\x07\u{202e}\x1b[2J";

    fn picture(x: u16, light: u8) -> Picture {
        let pixels = vec![0, light, 128, 7];
        let image = Thumbnail { label: HOSTILE.into(), height: 2, width: 2, channels: 1, pixels };
        Picture { area: Rect { x, y: 3, width: 4, height: 2 }, image }
    }

    fn board(protocol: Protocol) -> Board {
        Board::new(Found { protocol: Some(protocol), cell: (5, 10), why: String::new() })
    }

    fn update(board: &mut Board, pictures: &[Picture]) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 10));
        for cell in &mut buffer.content {
            cell.set_symbol("w");
        }
        let mut out = Vec::new();
        board.update(pictures, &buffer, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The pixels of a PNG that was sent, as red values; `None` where it is transparent.
    fn decoded(data: &str) -> (u32, u32, Vec<Option<u8>>) {
        let png = BASE64.decode(data).unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgba8();
        let pixels = image.pixels().map(|p| (p.0[3] > 0).then_some(p.0[0])).collect();
        (image.width(), image.height(), pixels)
    }

    /// Two pixels of 10×10 a row in cells of 20×20.
    fn assert_shown((w, h, pixels): (u32, u32, Vec<Option<u8>>), light: u8) {
        assert_eq!((w, h), (20, 20));
        let at = |x: usize, y: usize| pixels[y * 20 + x];
        assert_eq!([at(0, 0), at(19, 9), at(9, 10), at(19, 19)], [Some(0), Some(light), Some(128), Some(7)]);
    }

    #[test]
    fn kitty_is_told_of_pictures_once_and_of_their_end() {
        let mut board = board(Protocol::Kitty);
        let sent = update(&mut board, &[picture(1, 255)]);
        let body = sent.strip_prefix("\x1b[4;2H\x1b_Ga=T,f=100,t=d,i=1707008,c=4,r=2,C=1,q=2,m=0;").unwrap();
        assert_shown(decoded(body.strip_suffix("\x1b\\").unwrap()), 255);
        assert_eq!(update(&mut board, &[picture(1, 255)]), "", "nothing changed, nothing is written");
        let changed = update(&mut board, &[picture(1, 254)]);
        assert!(changed.starts_with("\x1b_Ga=d,d=I,i=1707008,q=2\x1b\\\x1b[4;2H\x1b_Ga=T,"), "{changed:?}");
        assert_eq!(update(&mut board, &[]), "\x1b_Ga=d,d=I,i=1707009,q=2\x1b\\");
        assert_eq!(update(&mut board, &[]), "");
    }

    #[test]
    fn long_ones_are_cut_for_kitty() {
        let side = 96;
        let pixels = (0..side * side * 3).map(|i| (i * i % 251) as u8).collect();
        let image = Thumbnail { label: String::new(), height: side, width: side, channels: 3, pixels };
        let large = Picture { area: Rect::new(0, 0, 20, 10), image: image.clone() };
        let sent = update(&mut board(Protocol::Kitty), &[large]);
        let messages: Vec<&str> = sent.split("\x1b_G").skip(1).collect();
        assert!(messages.len() > 2, "{}", messages.len());
        let mut data = String::new();
        for (n, message) in messages.iter().enumerate() {
            let (head, rest) = message.split_once(';').unwrap();
            let body = rest.strip_suffix("\x1b\\").unwrap();
            assert!(body.len() <= CHUNK && head.contains("q=2"));
            assert_eq!(head.ends_with("m=1"), n + 1 < messages.len(), "{head}");
            data += body;
        }
        let (w, h, shown) = decoded(&data);
        assert_eq!((w, h), (100, 100));
        assert_eq!(shown[101], Some(image.pixels[(side + 1) * 3]));
        assert_eq!(shown[99], None, "transparent where the image does not reach");
    }

    #[test]
    fn iterm2_and_sixel_live_in_the_cells_and_go_with_them() {
        let mut iterm = board(Protocol::Iterm2);
        let sent = update(&mut iterm, &[picture(1, 200)]);
        let (head, data) = sent.split_once(':').unwrap();
        assert!(head.starts_with("\x1b[4;2H\x1b]1337;File=inline=1;size="), "{head:?}");
        assert!(head.ends_with(";width=4;height=2;preserveAspectRatio=0;doNotMoveCursor=1"), "{head:?}");
        assert_shown(decoded(data.strip_suffix('\x07').unwrap()), 200);
        let mut six = board(Protocol::Sixel);
        let sent = update(&mut six, &[picture(1, 255), picture(9, 255)]);
        let first = sent.strip_prefix("\x1b[4;2H").unwrap().split("\x1b[4;10H").next().unwrap();
        let (w, h, pixels) = sixel::tests::shown(first.as_bytes());
        assert_eq!((w, h, pixels[0], pixels[399]), (20, 20, Some([0; 3]), Some([3; 3])));
        for board in [&mut iterm, &mut six] {
            assert_eq!(update(board, &[picture(1, 0), picture(9, 255)]).matches("wwww").count(), 2);
        }
        // The one that stayed is not drawn again.
        assert_eq!(update(&mut six, &[picture(9, 255)]).matches("\x1bP").count(), 0);
    }

    #[test]
    fn nothing_of_the_evidence_but_pixels_is_written() {
        for protocol in [Protocol::Kitty, Protocol::Iterm2, Protocol::Sixel] {
            let mut board = board(protocol);
            let mut all = update(&mut board, &[picture(1, 255)]);
            all += &update(&mut board, &[picture(2, 9)]);
            all += &update(&mut board, &[]);
            assert!(!all.contains("owned") && !all.contains('\u{202e}') && !all.contains("[2J"), "{all:?}");
        }
    }

    #[test]
    fn what_is_forgotten_is_drawn_again() {
        let mut kitty = board(Protocol::Kitty);
        update(&mut kitty, &[picture(1, 255)]);
        let mut out = Vec::new();
        kitty.forget(&mut out).unwrap();
        assert_eq!(out, b"\x1b_Ga=d,d=I,i=1707008,q=2\x1b\\");
        assert!(update(&mut kitty, &[picture(1, 255)]).contains("a=T"));
        let mut none = Board::new(Found::blocks("a test"));
        assert_eq!(update(&mut none, &[picture(1, 255)]), "");
        assert!(!none.on());
    }

    #[test]
    fn what_is_no_image_is_left_to_the_blocks() {
        let mut broken = picture(1, 255);
        broken.image.width = usize::MAX;
        assert_eq!(update(&mut board(Protocol::Sixel), &[broken]), "");
    }
}
