//! Small images in a row: two pixels a cell (`▀`, upper in the foreground, lower in the background colour), scaled by a
//! whole number so that no pixel is invented. Without colour, shades of their brightness.
//!
//! ```text
//! mask     pattern   original  stamped
//! ▀▀▀▀▀    ▀▀▀▀▀     ▀▀▀▀▀     ▀▀▀▀▀
//! ```

use super::heat::SHADES;
use crate::figure::Thumbnail;
use crate::tui::text::fit;
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;

/// Blank columns between images.
const GAP: usize = 2;
/// Narrower than this an image says nothing; then fewer images are shown.
const LEAST: usize = 7;

/// How pixels become cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Each pixel is n×n.
    Up(usize),
    /// n×n pixels become one, by their mean.
    Down(usize),
}

impl Scale {
    fn of(self, pixels: usize) -> usize {
        match self {
            Scale::Up(n) => pixels.saturating_mul(n),
            Scale::Down(n) => pixels.div_ceil(n),
        }
    }
}

/// Where an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its place in the list.
    pub image: usize,
    /// Where its caption stands; empty where there is no room for one.
    caption: Rect,
    /// The cells of its pixels.
    pub area: Rect,
    scale: Scale,
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Thumbnails<'a> {
    /// The images.
    pub images: &'a [Thumbnail],
    /// The first one to show, where not all fit.
    pub first: usize,
    /// Colours.
    pub theme: Theme,
}

impl Thumbnails<'_> {
    /// The largest whole-number scale at which `images` stand side by side in `width × height` cells.
    fn scale(images: &[Thumbnail], width: usize, height: usize) -> Option<Scale> {
        let most = images.iter().map(|i| i.width.max(i.height)).max()?;
        let fits = |s: Scale| {
            let wide = images.iter().fold(GAP * (images.len() - 1), |w, i| w.saturating_add(s.of(i.width)));
            wide <= width && images.iter().all(|i| s.of(i.height).div_ceil(2) <= height)
        };
        let up = (1..=8).rev().map(Scale::Up).find(|&s| fits(s));
        // Past this divisor an image is a single cell.
        up.or_else(|| (2..=most.min(4096)).map(Scale::Down).find(|&s| fits(s)))
    }

    /// What is shown in `width × height` cells: first image, number of images, scale.
    fn plan(&self, width: usize, height: usize) -> Option<(usize, usize, Scale)> {
        let first = self.first.min(self.images.len().checked_sub(1)?);
        if let Some(scale) = Self::scale(self.images, width, height) {
            let narrow = self.images.iter().any(|i| scale.of(i.width) < LEAST.min(i.width));
            if !narrow {
                return Some((0, self.images.len(), scale));
            }
        }
        (1..=self.images.len() - first)
            .rev()
            .filter_map(|n| Some((first, n, Self::scale(&self.images[first..first + n], width, height)?)))
            .find(|(_, n, scale)| {
                *n == 1 || self.images[first..first + n].iter().all(|i| scale.of(i.width) >= LEAST)
            })
    }
}

/// Many images in rows and columns, for a whole screen: as many as are worth a look at once, from the page of the chosen
/// one.
#[derive(Debug, Clone, Copy)]
pub struct Gallery<'a> {
    /// The images.
    pub images: &'a [Thumbnail],
    /// The chosen one.
    pub cursor: usize,
    /// Colours.
    pub theme: Theme,
}

impl Gallery<'_> {
    /// The largest scale at which the images, or eight of them, are seen at once: scale, columns, rows.
    fn plan(images: &[Thumbnail], width: usize, height: usize) -> Option<(Scale, usize, usize)> {
        let wide = images.iter().map(|i| i.width).max()?;
        let high = images.iter().map(|i| i.height).max()?;
        let grid = |s: Scale| {
            let columns = (width + GAP) / (s.of(wide) + GAP);
            // A caption above each.
            let rows = height / (s.of(high).div_ceil(2) + 1);
            (s, columns, rows)
        };
        let enough = |(_, columns, rows): &(Scale, usize, usize)| columns * rows >= images.len().min(8);
        let up = (1..=8).rev().map(Scale::Up);
        up.chain((2..=wide.max(high).min(4096)).map(Scale::Down)).map(grid).find(enough)
    }
}

impl Gallery<'_> {
    /// Where the images of the page of the chosen one stand; those whose numbers do not fit each other included.
    pub fn places(&self, area: Rect) -> Vec<Place> {
        let (total, tall) = (usize::from(area.width), usize::from(area.height));
        let Some((scale, columns, rows)) = Self::plan(self.images, total, tall) else {
            let row = Thumbnails { images: self.images, first: self.cursor, theme: self.theme };
            return row.places(area);
        };
        let wide = self.images.iter().map(|i| scale.of(i.width)).max().unwrap_or(1);
        let high = self.images.iter().map(|i| scale.of(i.height).div_ceil(2)).max().unwrap_or(1) + 1;
        let page = columns * rows;
        let cursor = self.cursor.min(self.images.len().saturating_sub(1));
        let first = cursor / page.max(1) * page;
        let place = |(at, image): (usize, &Thumbnail)| {
            let (row, column) = ((at - first) / columns, (at - first) % columns);
            let corner = Rect {
                x: area.x + (column * (wide + GAP)) as u16,
                y: area.y + (row * high) as u16,
                width: 0,
                height: 0,
            };
            Place {
                image: at,
                caption: Rect { width: wide as u16, height: 1, ..corner },
                area: cells(image, scale, Rect { y: corner.y + 1, ..corner }).intersection(area),
                scale,
            }
        };
        self.images.iter().enumerate().skip(first).take(page).map(place).collect()
    }
}

impl Widget for Gallery<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let (total, tall) = (usize::from(area.width), usize::from(area.height));
        if Self::plan(self.images, total, tall).is_none() {
            Thumbnails { images: self.images, first: self.cursor, theme: self.theme }.render(area, buf);
            return;
        }
        let cursor = self.cursor.min(self.images.len().saturating_sub(1));
        for place in self.places(area) {
            let Some(image) = self.images.get(place.image) else { continue };
            let chosen = place.image == cursor;
            let style = if chosen { self.theme.selected(true) } else { self.theme.dim() };
            let label = if chosen { format!("›{}", image.label) } else { image.label.clone() };
            caption(&place, &label, style, buf);
            pixels(image, &place, self.theme, buf);
        }
    }
}

/// The cells of an image from a corner on.
fn cells(image: &Thumbnail, scale: Scale, corner: Rect) -> Rect {
    let side = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    Rect { width: side(scale.of(image.width)), height: side(scale.of(image.height).div_ceil(2)), ..corner }
}

fn caption(place: &Place, label: &str, style: Style, buf: &mut Buffer) {
    let room = usize::from(place.caption.width);
    if room > 0 {
        buf.set_stringn(place.caption.x, place.caption.y, fit(label, room), room, style);
    }
}

/// An image at its place, or the sign that its numbers do not fit each other.
fn pixels(image: &Thumbnail, place: &Place, theme: Theme, buf: &mut Buffer) {
    if well_formed(image) {
        draw(image, place, theme, buf);
    } else {
        let room = usize::from(place.caption.width.max(1));
        buf.set_stringn(place.area.x, place.area.y, "?", room, theme.fault());
    }
}

impl Widget for Thumbnails<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let places = self.places(area);
        if places.is_empty() {
            buf.set_stringn(area.x, area.y, "no image fits", usize::from(area.width), self.theme.dim());
        }
        for place in places {
            let Some(image) = self.images.get(place.image) else { continue };
            caption(&place, &image.label, self.theme.dim(), buf);
            pixels(image, &place, self.theme, buf);
        }
    }
}

impl Thumbnails<'_> {
    /// Where the images stand; those whose numbers do not fit each other included.
    pub fn places(&self, area: Rect) -> Vec<Place> {
        let (total, tall) = (usize::from(area.width), usize::from(area.height));
        let captions = usize::from(tall > 1);
        let Some((first, n, scale)) = self.plan(total, tall.saturating_sub(captions)) else {
            return Vec::new();
        };
        let images = self.images.get(first..first + n).unwrap_or_default();
        let wide: usize = images.iter().map(|i| scale.of(i.width)).sum::<usize>() + GAP * n.saturating_sub(1);
        let mut x = total.saturating_sub(wide) / 2;
        let mut places = Vec::with_capacity(n);
        for (at, image) in images.iter().enumerate() {
            let w = scale.of(image.width);
            let room = if n == 1 { total - x } else { w };
            let corner = Rect { x: area.x + x as u16, y: area.y, width: 0, height: 0 };
            let caption = Rect { width: (room * captions) as u16, height: captions as u16, ..corner };
            let below = Rect { y: corner.y + captions as u16, ..corner };
            let cells = cells(image, scale, below).intersection(area);
            places.push(Place { image: first + at, caption, area: cells, scale });
            x += w + GAP;
        }
        places
    }
}

fn draw(image: &Thumbnail, place: &Place, theme: Theme, buf: &mut Buffer) {
    let h = place.scale.of(image.height);
    for at in place.area.intersection(buf.area).positions() {
        let (row, col) = (usize::from(at.y - place.area.y), usize::from(at.x - place.area.x));
        let Some(cell) = buf.cell_mut(at) else { continue };
        let upper = pixel(image, place.scale, row * 2, col);
        let lower = (row * 2 + 1 < h).then(|| pixel(image, place.scale, row * 2 + 1, col));
        if theme.mono() {
            let light =
                |[r, g, b]: [u8; 3]| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
            let mean = f64::midpoint(light(upper), lower.map_or(0.0, light));
            cell.set_symbol(SHADES[((mean / 255.0 * 5.0) as usize).min(4)]);
        } else {
            let style = Style::new().fg(theme.pixel(upper));
            cell.set_symbol("▀").set_style(match lower {
                Some(lower) => style.bg(theme.pixel(lower)),
                None => style,
            });
        }
    }
}

/// Whether the pixels are as many as the sides say, in 1 or 3 channels.
pub(in crate::tui) fn well_formed(image: &Thumbnail) -> bool {
    let Thumbnail { height, width, channels, pixels, .. } = image;
    let expected = height.checked_mul(*width).and_then(|n| n.checked_mul(*channels));
    matches!(channels, 1 | 3) && *height > 0 && *width > 0 && expected == Some(pixels.len())
}

/// Colour at a scaled position of a well-formed image.
fn pixel(image: &Thumbnail, scale: Scale, row: usize, col: usize) -> [u8; 3] {
    let (rows, cols) = match scale {
        Scale::Up(n) => (row / n..row / n + 1, col / n..col / n + 1),
        Scale::Down(n) => (row * n..(row * n + n).min(image.height), col * n..(col * n + n).min(image.width)),
    };
    let mut sum = [0_u64; 3];
    let mut n = 0;
    for r in rows {
        for c in cols.clone() {
            let at = (r * image.width + c) * image.channels;
            for (k, s) in sum.iter_mut().enumerate() {
                *s += u64::from(image.pixels.get(at + k.min(image.channels - 1)).copied().unwrap_or(0));
            }
            n += 1;
        }
    }
    sum.map(|s| ((s + n / 2) / n.max(1)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crate::tui::widget::tests::drawn;
    use ratatui::style::Color;

    fn image(side: usize) -> Thumbnail {
        let pixels = (0..side * side).map(|i| if i % side < side / 2 { 255 } else { 0 }).collect();
        Thumbnail { label: "mask".into(), height: side, width: side, channels: 1, pixels }
    }

    #[test]
    fn scales_are_whole_numbers_that_fit() {
        let four = vec![image(28); 4];
        assert_eq!(Thumbnails::scale(&four, 118, 14), Some(Scale::Up(1)));
        assert_eq!(Thumbnails::scale(&four, 76, 14), Some(Scale::Down(2)));
        assert_eq!(Thumbnails::scale(&four[..1], 70, 30), Some(Scale::Up(2)));
        assert_eq!(Thumbnails::scale(&[image(224)], 60, 14), Some(Scale::Down(8)));
    }

    #[test]
    fn images_that_do_not_fit_together_are_shown_from_the_chosen_one() {
        let images = vec![image(28); 4];
        let view = Thumbnails { images: &images, first: 2, theme: Theme::of(Depth::Mono) };
        assert_eq!(view.plan(24, 10), Some((2, 2, Scale::Down(3))));
    }

    #[test]
    fn a_gallery_shows_many_at_once_and_turns_to_the_page_of_the_chosen_one() {
        let images = vec![image(32); 14];
        assert_eq!(Gallery::plan(&images, 78, 18), Some((Scale::Down(2), 4, 2)));
        assert_eq!(Gallery::plan(&images[..2], 78, 18), Some((Scale::Up(1), 2, 1)));
        assert_eq!(Gallery::plan(&[], 78, 18), None);
        let theme = Theme::of(Depth::Mono);
        let marked = |cursor: usize| {
            let rows = drawn(Gallery { images: &images, cursor, theme }, 78, 18);
            let marks = rows.iter().map(|r| r.matches('›').count()).sum::<usize>();
            (marks, rows.iter().map(|r| r.matches("mask").count()).sum::<usize>())
        };
        assert_eq!((marked(0), marked(7), marked(13)), ((1, 8), (1, 8), (1, 6)));
        for (w, h) in [(0, 0), (1, 1), (3, 2), (9, 30)] {
            drawn(Gallery { images: &images, cursor: 99, theme }, w, h);
        }
    }

    #[test]
    fn two_pixels_a_cell_in_colour_and_shades_in_mono() {
        let images = [Thumbnail {
            label: "ab".into(),
            height: 2,
            width: 1,
            channels: 3,
            pixels: vec![1, 2, 3, 4, 5, 6],
        }];
        let mut buf = Buffer::empty(Rect::new(0, 0, 1, 2));
        Thumbnails { images: &images, first: 0, theme: Theme::of(Depth::True) }.render(buf.area, &mut buf);
        assert_eq!(buf[(0, 0)].symbol(), "…");
        let cell = &buf[(0, 1)];
        assert_eq!((cell.symbol(), cell.fg, cell.bg), ("▀", Color::Rgb(1, 2, 3), Color::Rgb(4, 5, 6)));
        let view = Thumbnails { images: &[image(4)], first: 0, theme: Theme::of(Depth::Mono) };
        assert_eq!(drawn(view, 4, 3), ["mask", "██", "██"]);
    }
}
