//! The loop: input, what happened elsewhere, a picture when something changed. It never waits for work.

use super::app::{App, Next};
use super::input::{Input, Ready};
use super::terminal::{Guard, Signal};
use super::{Error, Exit};
use crossterm::event;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use signal_hook::consts::SIGHUP;
use std::io::{Stdout, stdout};
use std::time::Duration;

/// Longest wait for input: how late a picture of something that happened elsewhere can be.
const WAIT: Duration = Duration::from_millis(40);
/// Events taken in before a picture is due: a pasted page must not hold up the screen.
const BURST: usize = 256;
/// Looks at stopping jobs before leaving anyway; the journal then says `interrupted`.
const PATIENCE: usize = 50;

/// Runs the workbench until the analyst leaves or a signal ends it.
pub(super) fn run(mut app: App, guard: &Guard) -> Result<Exit, Error> {
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    let exit = turn(&mut app, guard, &mut terminal);
    app.stop_all();
    for _ in 0..PATIENCE {
        app.poll();
        if app.live().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    exit
}

/// Clears the screen and has everything drawn again. (`Terminal::clear` would ask the terminal where its cursor is, and
/// wait for an answer that not every terminal gives.)
pub(super) fn anew(terminal: &mut Terminal<CrosstermBackend<Stdout>>) -> std::io::Result<()> {
    let size = terminal.size()?;
    terminal.resize(size.into())
}

fn turn(
    app: &mut App,
    guard: &Guard,
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
) -> Result<Exit, Error> {
    let input = Input::open()?;
    loop {
        match guard.signal() {
            Some(Signal::End(signal)) => return Ok(Exit::Signal(signal)),
            Some(signal) => {
                if signal == Signal::Suspend {
                    guard.suspend()?;
                } else {
                    guard.retake()?;
                }
                anew(terminal)?;
                app.touch();
            }
            None => {}
        }
        if app.poll() {
            terminal.draw(|frame| app.draw(frame))?;
        }
        if input.wait(WAIT)? == Ready::Gone {
            return Ok(Exit::Signal(SIGHUP));
        }
        let mut more = event::poll(Duration::ZERO)?;
        for _ in 0..BURST {
            if !more {
                break;
            }
            match app.handle(&event::read()?) {
                Next::Stay => {}
                Next::Leave => return Ok(Exit::Left),
                Next::Copy(text) => super::terminal::copy(&text)?,
                next => {
                    if next == Next::Suspend {
                        guard.suspend()?;
                    }
                    anew(terminal)?;
                    app.touch();
                }
            }
            more = event::poll(Duration::ZERO)?;
        }
    }
}
