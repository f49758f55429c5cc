//! The workbench driven without a terminal.

mod casework;
mod closer;
mod drill;
pub(crate) mod fixture;
mod hostile;
mod keys;
mod monkey;
mod panes;
mod plain;
mod readme;

use super::app::App;
use super::theme::{Depth, Theme};
use fixture::Fixture;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;

fn app(fixture: Fixture, depth: Depth) -> App {
    App::new(Box::new(fixture), Theme::of(depth), None)
}

/// The screen as drawn at a size.
pub(super) fn screen(app: &mut App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| app.draw(frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The rows of a screen as text, without trailing blanks.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let row =
        |cells: &[Cell]| cells.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned() + "\n";
    buffer.content.chunks(width).map(row).collect()
}

/// A screen with its styles: the text, then per row with any style a second line with a letter per cell, and what the
/// letters mean. Image pixels are all `#`; the widget's own tests look at their colours.
fn styled(buffer: &Buffer) -> String {
    let mut legend: Vec<String> = Vec::new();
    let mut out = String::new();
    for cells in buffer.content.chunks(usize::from(buffer.area.width)) {
        let row: String = cells.iter().map(Cell::symbol).collect();
        let _ = writeln!(out, "|{}", row.trim_end());
        let mut letters = String::new();
        for cell in cells {
            letters.push(letter(cell, &mut legend));
        }
        if !letters.trim().is_empty() {
            let _ = writeln!(out, "~{}", letters.trim_end());
        }
    }
    for (i, style) in legend.iter().enumerate() {
        let _ = writeln!(out, "{} {style}", (b'a' + i as u8) as char);
    }
    out
}

fn letter(cell: &Cell, legend: &mut Vec<String>) -> char {
    if matches!(cell.bg, Color::Rgb(..) | Color::Indexed(_))
        || matches!(cell.fg, Color::Rgb(..) | Color::Indexed(_))
    {
        return '#';
    }
    if cell.fg == Color::Reset && cell.bg == Color::Reset && cell.modifier == Modifier::empty() {
        return ' ';
    }
    let style = format!("{:?} on {:?} {:?}", cell.fg, cell.bg, cell.modifier);
    let at = legend.iter().position(|s| *s == style).unwrap_or_else(|| {
        legend.push(style);
        legend.len() - 1
    });
    (b'a' + at as u8) as char
}
