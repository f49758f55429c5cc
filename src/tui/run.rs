//! The loop: input, what happened elsewhere, a picture when something changed. It never waits for work.

use super::app::{App, Next};
use super::input::{Input, Ready};
use super::pixels::{self, Board};
use super::terminal::{Guard, Signal};
use super::{Error, Exit};
use crossterm::event::{self, Event};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use signal_hook::consts::SIGHUP;
use std::io::{BufWriter, Stdout, Write, stdout};
use std::time::Duration;

/// Longest wait for input: how late a picture of something that happened elsewhere can be.
const WAIT: Duration = Duration::from_millis(40);
/// Events taken in before a picture is due: a pasted page must not hold up the screen.
const BURST: usize = 256;
/// Looks at stopping jobs before leaving anyway; the journal then says `interrupted`.
const PATIENCE: usize = 50;

/// Runs the workbench until the analyst leaves or a signal ends it. `typed` came in before the loop.
pub(super) fn run(mut app: App, guard: &Guard, mut board: Board, typed: Vec<Event>) -> Result<Exit, Error> {
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    let exit = turn(&mut app, guard, &mut terminal, &mut board, typed);
    app.stop_all();
    for _ in 0..PATIENCE {
        app.poll();
        if app.live().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // The terminal may be gone.
    let _ = board.forget(&mut stdout());
    exit
}

/// Clears the screen and has everything drawn again. (`Terminal::clear` would ask the terminal where its cursor is, and
/// wait for an answer that not every terminal gives.)
pub(super) fn anew(
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
    board: &mut Board,
) -> std::io::Result<()> {
    board.forget(&mut stdout())?;
    let size = terminal.size()?;
    terminal.resize(size.into())
}

/// Draws the cells, then the pixels over them; a terminal that can shows both at once.
fn draw(
    app: &mut App,
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
    board: &mut Board,
    size: &mut Size,
) -> std::io::Result<()> {
    if !board.on() {
        terminal.draw(|frame| app.draw(frame))?;
        return Ok(());
    }
    let now = terminal.size()?;
    if *size != now {
        // Another size clears the screen, and may come of another font.
        *size = now;
        board.forget(&mut stdout())?;
        if let Some(cell) = pixels::driver() {
            board.cell(cell);
        }
    }
    let mut out = BufWriter::new(stdout());
    queue!(out, BeginSynchronizedUpdate)?;
    out.flush()?;
    let done = terminal.draw(|frame| app.draw(frame))?;
    board.update(app.pictures(), done.buffer, &mut out)?;
    queue!(out, EndSynchronizedUpdate)?;
    out.flush()
}

/// Does what an event asked for; the way out, if that is it.
fn follow(
    next: Next,
    app: &mut App,
    guard: &Guard,
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
    board: &mut Board,
) -> Result<Option<Exit>, Error> {
    match next {
        Next::Stay => {}
        Next::Leave => return Ok(Some(Exit::Left)),
        Next::Copy(text) => super::terminal::copy(&text)?,
        next => {
            if next == Next::Suspend {
                // Pixels of ours are nothing for the shell's screen.
                board.forget(&mut stdout())?;
                guard.suspend()?;
            }
            anew(terminal, board)?;
            app.touch();
        }
    }
    Ok(None)
}

fn turn(
    app: &mut App,
    guard: &Guard,
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
    board: &mut Board,
    typed: Vec<Event>,
) -> Result<Exit, Error> {
    let input = Input::open()?;
    // crossterm hears of new sizes only once it was asked: before the first picture, or a window that is drawn larger at
    // that moment stays small.
    event::poll(Duration::ZERO)?;
    let mut size = terminal.size()?;
    for event in typed {
        let next = app.handle(&event);
        if let Some(exit) = follow(next, app, guard, terminal, board)? {
            return Ok(exit);
        }
    }
    loop {
        match guard.signal() {
            Some(Signal::End(signal)) => return Ok(Exit::Signal(signal)),
            Some(signal) => {
                if signal == Signal::Suspend {
                    board.forget(&mut stdout())?;
                    guard.suspend()?;
                } else {
                    guard.retake()?;
                }
                anew(terminal, board)?;
                app.touch();
            }
            None => {}
        }
        if app.poll() {
            draw(app, terminal, board, &mut size)?;
        }
        if input.wait(WAIT)? == Ready::Gone {
            return Ok(Exit::Signal(SIGHUP));
        }
        let mut more = event::poll(Duration::ZERO)?;
        for _ in 0..BURST {
            if !more {
                break;
            }
            let next = app.handle(&event::read()?);
            if let Some(exit) = follow(next, app, guard, terminal, board)? {
                return Ok(exit);
            }
            more = event::poll(Duration::ZERO)?;
        }
    }
}
