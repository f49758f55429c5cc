//! The few strokes every pane is made of: framed boxes, cut lines, wrapped text, lists with a cursor, messages.

use super::pixels::Picture;
use super::text::{cut, cut_line, first_row, wrap};
use super::theme::Theme;
use super::widget::{FigureView, Gallery, Place, Thumbnails, well_formed};
use crate::figure::{Body, Thumbnail};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{
    Block, Clear, Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget, Widget,
};

/// What a click on an area means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// The n-th tab.
    Tab(usize),
    /// The n-th box of the pane.
    Box(usize),
    /// A row of the n-th box.
    Row(usize, usize),
}

/// Draws on a buffer and remembers what is where, for the mouse.
pub struct Painter<'a> {
    /// The screen.
    pub buf: &'a mut Buffer,
    /// Colours.
    pub theme: Theme,
    /// Where a click hits what; the last entry that holds the point counts.
    pub hits: Vec<(Rect, Hit)>,
    /// Words that are looked for in scrolled texts, in lower case; empty: none.
    pub sought: String,
    /// The lines that hold them.
    pub matches: Vec<usize>,
    /// Where the terminal shows pixels: the images drawn so far that nothing covers.
    pub pictures: Option<Vec<Picture>>,
}

impl<'a> Painter<'a> {
    /// A painter on a buffer.
    pub fn new(buf: &'a mut Buffer, theme: Theme) -> Self {
        Self { buf, theme, hits: Vec::new(), sought: String::new(), matches: Vec::new(), pictures: None }
    }

    /// A figure in an area.
    pub fn figure(&mut self, view: FigureView, area: Rect) {
        let area = area.intersection(self.buf.area);
        view.render(area, self.buf);
        if let Body::Thumbnails { images } = &view.figure.body {
            let row = Thumbnails { images, first: view.cursor.unwrap_or(0), theme: view.theme };
            self.note(images, row.places(area));
        }
    }

    /// Images side by side.
    pub fn thumbnails(&mut self, row: Thumbnails, area: Rect) {
        let area = area.intersection(self.buf.area);
        row.render(area, self.buf);
        self.note(row.images, row.places(area));
    }

    /// Images in rows and columns.
    pub fn gallery(&mut self, gallery: Gallery, area: Rect) {
        let area = area.intersection(self.buf.area);
        gallery.render(area, self.buf);
        self.note(gallery.images, gallery.places(area));
    }

    /// Notes which images stand where, for pixels over their cells.
    fn note(&mut self, images: &[Thumbnail], places: Vec<Place>) {
        let Some(pictures) = &mut self.pictures else { return };
        for place in places {
            let image = images.get(place.image).filter(|i| well_formed(i) && !place.area.is_empty());
            pictures.extend(image.map(|image| Picture { area: place.area, image: image.clone() }));
        }
    }

    /// A framed box with a title above and a note below, each cut to the frame; the space inside.
    pub fn frame(&mut self, area: Rect, title: &str, below: &str, focused: bool) -> Rect {
        let area = area.intersection(self.buf.area);
        if area.width < 2 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let room = usize::from(area.width).saturating_sub(4);
        let style = if focused { self.theme.focus() } else { self.theme.dim() };
        let heading = if focused { self.theme.focus() } else { self.theme.strong() };
        let mut block = Block::bordered().border_style(style);
        if room > 0 && !title.is_empty() {
            // The arrow says where the keys go, also without colour.
            let title = if focused { format!("▸ {title}") } else { title.to_owned() };
            block = block.title(Line::styled(format!(" {} ", cut(&title, room)), heading));
        }
        if room > 0 && !below.is_empty() {
            block = block.title_bottom(Line::styled(format!(" {} ", cut(below, room)), self.theme.dim()));
        }
        let inner = block.inner(area);
        block.render(area, self.buf);
        inner
    }

    /// A box over everything else, `width × height` at most, in the middle; the space inside.
    pub fn overlay(&mut self, area: Rect, width: u16, height: u16, title: &str, below: &str) -> Rect {
        let at = area.centered(width.min(area.width).into(), height.min(area.height).into());
        Clear.render(at, self.buf);
        if let Some(pictures) = &mut self.pictures {
            // Of what is partly covered the half blocks are seen.
            pictures.retain(|p| !p.area.intersects(at));
        }
        self.frame(at, title, below, true)
    }

    /// One line at `row` of an area, cut with an ellipsis. Nothing outside the area.
    pub fn line<'l>(&mut self, area: Rect, row: usize, line: impl Into<Line<'l>>) {
        let Ok(offset) = u16::try_from(row) else { return };
        if offset >= area.height || area.width == 0 {
            return;
        }
        let line = cut_line(line.into(), usize::from(area.width));
        self.buf.set_line(area.x, area.y + offset, &line, area.width);
    }

    /// Wrapped text from `row` on; the row after it.
    pub fn text(&mut self, area: Rect, row: usize, text: &str, style: Style) -> usize {
        let lines = wrap(text, usize::from(area.width));
        for (i, line) in lines.iter().enumerate() {
            self.line(area, row + i, Line::styled(line.as_str(), style));
        }
        row + lines.len()
    }

    /// Already broken lines, scrolled, with a scrollbar where they do not fit. Those that hold what is looked for stand out.
    pub fn scrolled(&mut self, area: Rect, lines: &[Line<'_>], scroll: usize) {
        let rows = usize::from(area.height);
        let top = scroll.min(lines.len().saturating_sub(rows));
        if !self.sought.is_empty() {
            let holds = |line: &Line| {
                let text: String = line.spans.iter().map(|s| s.content.as_ref()).collect();
                text.to_lowercase().contains(&self.sought)
            };
            self.matches = (0..lines.len()).filter(|&i| holds(&lines[i])).collect();
        }
        for (i, line) in lines.iter().skip(top).take(rows).enumerate() {
            self.line(area, i, line.clone());
            if self.matches.contains(&(top + i)) {
                let row = Rect { y: area.y + i as u16, height: 1, ..area };
                self.buf.set_style(row.intersection(self.buf.area), self.theme.selected(true));
            }
        }
        if lines.len() > rows && rows > 2 && area.width > 2 {
            let mut state = ScrollbarState::new(lines.len().saturating_sub(rows)).position(top);
            let edge = Rect { width: area.width + 1, ..area }.intersection(self.buf.area);
            Scrollbar::new(ScrollbarOrientation::VerticalRight)
                .begin_symbol(None)
                .end_symbol(None)
                .track_symbol(Some("│"))
                .thumb_symbol("┃")
                .style(self.theme.dim())
                .render(edge, self.buf, &mut state);
        }
    }

    /// A list: a row a line, the chosen one marked `›` and, where the list has the focus, reversed.
    pub fn list(&mut self, area: Rect, slot: usize, rows: &[Line<'_>], cursor: usize, focused: bool) {
        let shown = usize::from(area.height);
        let first = first_row(cursor, rows.len(), shown);
        for (i, row) in rows.iter().enumerate().skip(first).take(shown) {
            let at = i - first;
            let chosen = i == cursor;
            self.line(area, at, Line::styled(if chosen { "›" } else { " " }, self.theme.key()));
            let rest = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
            self.line(rest, at, row.clone());
            let whole = Rect { y: area.y + at as u16, height: 1, ..area };
            if chosen && focused {
                self.buf.set_style(rest.intersection(whole), self.theme.selected(true));
            }
            self.hits.push((whole, Hit::Row(slot, i)));
        }
    }

    /// A message in the middle of an empty box: a heading, then wrapped paragraphs.
    pub fn message(&mut self, area: Rect, heading: (&str, Style), paragraphs: &[(String, Style)]) {
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let room = usize::from(inner.width);
        let mut lines: Vec<(String, Style)> =
            wrap(heading.0, room).into_iter().map(|l| (l, heading.1)).collect();
        for (text, style) in paragraphs {
            lines.extend(wrap(text, room).into_iter().map(|l| (l, *style)));
        }
        let top = usize::from(area.height).saturating_sub(lines.len()) / 3;
        for (i, (text, style)) in lines.iter().enumerate() {
            self.line(inner, top + i, Line::styled(text.as_str(), *style));
        }
    }
}
