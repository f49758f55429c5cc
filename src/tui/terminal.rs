//! The terminal, borrowed: whatever happens, it is given back as it was. Leaving, an error, a panic of this thread,
//! SIGTERM, SIGHUP, SIGINT and SIGTSTP all end in [`restore`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::{SigId, flag, low_level};
use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};

/// Whether the terminal is ours at this moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The thread that draws: only its panics end the program and may touch the terminal.
static DRAWS: Mutex<Option<ThreadId>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// The terminal in raw mode on the alternate screen, until dropped.
#[derive(Debug)]
pub struct Guard {
    mouse: bool,
    signals: Signals,
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal refuses; what was changed already is undone.
    pub fn enter(mouse: bool, colour: bool) -> io::Result<Self> {
        if !colour {
            // Otherwise crossterm answers NO_COLOR by empty colour commands, which terminals read as a full reset:
            // bold and reverse would be lost. The mono theme asks for no colours anyway.
            crossterm::style::force_color_output(true);
        }
        hook_panics();
        let guard = Self { mouse, signals: Signals::new()? };
        guard.take()?;
        Ok(guard)
    }

    fn take(&self) -> io::Result<()> {
        *DRAWS.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if self.mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }

    /// A signal that came in since the last look.
    pub fn signal(&self) -> Option<Signal> {
        self.signals.take()
    }

    /// Gives the terminal to the shell and stops this process until it is continued; then takes it again.
    ///
    /// # Errors
    /// The terminal refuses, or stopping is not possible.
    pub fn suspend(&self) -> io::Result<()> {
        restore();
        low_level::emulate_default_handler(SIGTSTP)?;
        // Continued: the signal that woke us needs no second redraw.
        self.signals.resumed.store(false, Ordering::SeqCst);
        self.take()
    }

    /// After being stopped from outside without notice, the terminal may be in any state.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn retake(&self) -> io::Result<()> {
        self.take()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, once. Errors are of no use here: the terminal may be gone.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            stdout(),
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            crossterm::style::ResetColor,
            crossterm::style::SetAttribute(crossterm::style::Attribute::Reset),
            cursor::Show
        );
        let _ = stdout().flush();
        let _ = disable_raw_mode();
    }
}

/// Sends a text to the clipboard of the terminal, wherever that runs (OSC 52); inside tmux also to the terminal around
/// it, which tmux passes on where it is allowed to. Terminals do not say whether they took it.
///
/// # Errors
/// The terminal does not take the bytes.
pub fn copy(text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(clipboard(text, std::env::var_os("TMUX").is_some()).as_bytes())?;
    out.flush()
}

fn clipboard(text: &str, tmux: bool) -> String {
    let plain = format!("\x1b]52;c;{}\x1b\\", BASE64.encode(text));
    if tmux { format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")) } else { plain }
}

/// While the terminal is ours, a panic of the drawing thread restores it before the message is printed; a panic of a
/// worker prints nothing over the screen, because its job reports it.
fn hook_panics() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if TAKEN.load(Ordering::SeqCst) {
                let draws = *DRAWS.lock().unwrap_or_else(PoisonError::into_inner);
                if draws != Some(thread::current().id()) {
                    return;
                }
                restore();
            }
            before(info);
        }));
    });
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End, by this signal.
    End(i32),
    /// Stop until continued.
    Suspend,
    /// We were continued.
    Resumed,
}

/// Handlers that only set flags; removed on drop.
#[derive(Debug)]
struct Signals {
    end: Arc<AtomicUsize>,
    suspend: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
    ids: Vec<SigId>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let mut signals =
            Self { end: Arc::default(), suspend: Arc::default(), resumed: Arc::default(), ids: Vec::new() };
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            signals.ids.push(flag::register_usize(signal, Arc::clone(&signals.end), signal as usize)?);
        }
        signals.ids.push(flag::register(SIGTSTP, Arc::clone(&signals.suspend))?);
        signals.ids.push(flag::register(SIGCONT, Arc::clone(&signals.resumed))?);
        Ok(signals)
    }

    fn take(&self) -> Option<Signal> {
        match self.end.swap(0, Ordering::SeqCst) {
            0 => {}
            signal => return Some(Signal::End(signal as i32)),
        }
        if self.suspend.swap(false, Ordering::SeqCst) {
            return Some(Signal::Suspend);
        }
        self.resumed.swap(false, Ordering::SeqCst).then_some(Signal::Resumed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &id in &self.ids {
            low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_osc_52_with_nothing_of_the_text_in_the_clear() {
        assert_eq!(clipboard("a\x1b]0;x", false), "\x1b]52;c;YRtdMDt4\x1b\\");
        let wrapped = clipboard("a", true);
        assert_eq!(wrapped, "\x1b]52;c;YQ==\x1b\\\x1bPtmux;\x1b\x1b]52;c;YQ==\x1b\x1b\\\x1b\\");
    }
}
