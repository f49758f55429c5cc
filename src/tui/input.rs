//! Waiting for the terminal. crossterm reads for ever from a terminal that is gone (a closed window, a dropped SSH
//! connection), so it is asked only when the terminal is still there.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, IsTerminal, stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Something to read, or the time is over: ask crossterm, without waiting.
    Ask,
    /// The terminal is gone for good.
    Gone,
}

/// The terminal that keys come from: the standard input, or the controlling terminal when that is a file.
#[derive(Debug)]
pub struct Input {
    tty: Option<File>,
}

impl Input {
    /// Finds the terminal as crossterm does.
    ///
    /// # Errors
    /// There is none.
    pub fn open() -> io::Result<Self> {
        let tty = if stdin().is_terminal() { None } else { Some(File::open("/dev/tty")?) };
        Ok(Self { tty })
    }

    /// Waits for input, a signal, or the end of the time.
    ///
    /// # Errors
    /// The system refuses to wait.
    pub fn wait(&self, longest: Duration) -> io::Result<Ready> {
        let stdin = stdin();
        wait(self.tty.as_ref().map_or_else(|| stdin.as_fd(), AsFd::as_fd), longest)
    }
}

fn wait(fd: BorrowedFd, longest: Duration) -> io::Result<Ready> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let longest =
        Timespec { tv_sec: longest.as_secs().cast_signed(), tv_nsec: longest.subsec_nanos().into() };
    match poll(&mut fds, Some(&longest)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(e) => return Err(e.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(if fds[0].revents().intersects(gone) { Ready::Gone } else { Ready::Ask })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_closed_is_gone_and_an_open_one_is_not() {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(wait(here.as_fd(), Duration::ZERO).unwrap(), Ready::Ask);
        drop(there);
        assert_eq!(wait(here.as_fd(), Duration::ZERO).unwrap(), Ready::Gone);
    }
}
