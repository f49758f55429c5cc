//! Asking the terminal what it can. Bounded in time; whatever is typed meanwhile is kept; and only questions whose answers do
//! no harm when they come late: crossterm swallows both as no key.

use super::answer::{self, Read};
use super::detect::{Found, Wanted, detect};
use crate::tui::theme::Theme;
use crossterm::event::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How large a cell is in pixels, and the primary device attributes, which every terminal answers: the fence behind the
/// first question.
const QUESTIONS: &[u8] = b"\x1b[16t\x1b[c";
/// Longest wait for the answer of a terminal on this machine, and of one at the other end of a line.
const NEAR: Duration = Duration::from_millis(100);
const FAR: Duration = Duration::from_millis(500);
/// Longest wait for the rest of a sequence whose beginning is there.
const REST: Duration = Duration::from_millis(40);
/// More than anybody types or pastes meanwhile; the rest is left for the panes.
const MOST: usize = 1 << 16;

/// What the terminal said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The primary device attributes; `None`: no answer in time. 4 is sixel.
    pub attributes: Option<Vec<u16>>,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// What was typed meanwhile, in order.
    pub typed: Vec<Event>,
}

/// The size of a cell as the terminal's driver has it.
pub fn driver() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok()?;
    let (w, h) = (size.width.checked_div(size.columns)?, size.height.checked_div(size.rows)?);
    (w > 0 && h > 0).then_some((w, h))
}

/// What pictures are to be made of in the terminal that was just taken (raw mode), and what was typed meanwhile.
pub fn look(wanted: Wanted, theme: Theme) -> (Found, Vec<Event>) {
    let mut typed = Vec::new();
    let found = detect(
        wanted,
        theme,
        |name| std::env::var_os(name),
        driver(),
        || {
            let asked = here().unwrap_or_default();
            typed.clone_from(&asked.typed);
            asked
        },
    );
    (found, typed)
}

/// The same for a command that has not taken the terminal. Asks only where nobody has typed ahead, since what is typed
/// could not be given back.
pub fn ask(wanted: Wanted, theme: Theme) -> Found {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Found::blocks("no terminal here to ask");
    }
    detect(
        wanted,
        theme,
        |name| std::env::var_os(name),
        driver(),
        || {
            if waiting(stdin().as_fd(), Duration::ZERO).unwrap_or(true) {
                return Asked::default();
            }
            if crossterm::terminal::enable_raw_mode().is_err() {
                return Asked::default();
            }
            let asked = here().unwrap_or_default();
            // A terminal that stays raw would be the shell's: nothing better than to try.
            let _ = crossterm::terminal::disable_raw_mode();
            asked
        },
    )
}

fn here() -> io::Result<Asked> {
    let far = ["SSH_CONNECTION", "SSH_TTY"].iter().any(|name| std::env::var_os(name).is_some());
    let longest = if far { FAR } else { NEAR };
    let stdin = stdin();
    if stdin.is_terminal() {
        converse(stdin.as_fd(), &mut stdout(), longest)
    } else {
        converse(File::open("/dev/tty")?.as_fd(), &mut stdout(), longest)
    }
}

/// Puts the questions and reads until the answer is there or the time is over.
fn converse(tty: BorrowedFd, out: &mut impl Write, longest: Duration) -> io::Result<Asked> {
    out.write_all(QUESTIONS)?;
    out.flush()?;
    let mut bytes = Vec::new();
    let mut end = now() + longest;
    let mut extended = false;
    loop {
        let read = answer::read(&bytes);
        let over = read.attributes.is_some() || bytes.len() >= MOST;
        if over && !read.unfinished {
            return Ok(asked(read));
        }
        let mut left = end.saturating_duration_since(now());
        if over || left.is_zero() {
            // A key cut in two would be two keys: wait for its rest, once.
            if !read.unfinished || extended {
                return Ok(asked(read));
            }
            (extended, end, left) = (true, now() + REST, REST);
        }
        if waiting(tty, left)? {
            let mut chunk = [0; 1024];
            match rustix::io::read(tty, &mut chunk) {
                Ok(0) => return Ok(asked(answer::read(&bytes))),
                Ok(n) => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn now() -> Instant {
    crate::jobs::clock()
}

fn asked(read: Read) -> Asked {
    Asked { attributes: read.attributes, cell: read.cell, typed: read.typed }
}

/// Whether there is something to read within a time. A terminal that is gone reads as an end.
fn waiting(fd: BorrowedFd, longest: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let longest =
        Timespec { tv_sec: longest.as_secs().cast_signed(), tv_nsec: longest.subsec_nanos().into() };
    match poll(&mut fds, Some(&longest)) {
        Ok(n) => Ok(n > 0),
        Err(Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::os::unix::net::UnixStream;

    fn key(c: char) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
    }

    #[test]
    fn a_mute_terminal_costs_the_time_and_no_key() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"2j").unwrap();
        let mut out = Vec::new();
        let start = now();
        let asked = converse(ours.as_fd(), &mut out, Duration::from_millis(60)).unwrap();
        assert_eq!(out, QUESTIONS);
        assert!(start.elapsed() >= Duration::from_millis(60) && start.elapsed() < Duration::from_secs(2));
        assert_eq!((asked.attributes, asked.typed), (None, vec![key('2'), key('j')]));
    }

    #[test]
    fn an_answer_ends_the_wait_and_keys_around_it_stay() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"a\x1b[6;18;9tb\x1b[?62;4;22cc\x1b").unwrap();
        let rest = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(10));
            theirs.write_all(b"[A").unwrap();
            theirs
        });
        let start = now();
        let asked = converse(ours.as_fd(), &mut Vec::new(), Duration::from_secs(20)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!((asked.attributes, asked.cell), (Some(vec![62, 4, 22]), Some((9, 18))));
        let up = Event::Key(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE));
        assert_eq!(asked.typed, [key('a'), key('b'), key('c'), up]);
        drop(rest.join().unwrap());
    }

    #[test]
    fn a_terminal_that_is_gone_does_not_hang() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let asked = converse(ours.as_fd(), &mut Vec::new(), Duration::from_secs(20));
        assert!(asked.is_err() || asked.is_ok_and(|a| a == Asked::default()));
    }
}
