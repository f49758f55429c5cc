//! A program on a pseudo-terminal, read by a terminal emulator. Waits for what is on the screen, never for time alone.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The terminal emulator, woken on every output.
struct Shared {
    parser: Mutex<vt100::Parser>,
    /// Everything that was written, as it came.
    raw: Mutex<Vec<u8>>,
    news: Condvar,
}

/// A running program and its screen.
pub(super) struct Screen {
    shared: Arc<Shared>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    reader: Option<JoinHandle<()>>,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Screen {
    /// Starts the program with arguments on a screen of `rows × cols`.
    pub(super) fn start(args: &[&OsStr], env: &[(&str, &str)], rows: u16, cols: u16) -> Self {
        Self::run(OsStr::new(env!("CARGO_BIN_EXE_laocoon")), args, env, rows, cols)
    }

    /// Starts any program.
    pub(super) fn run(program: &OsStr, args: &[&OsStr], env: &[(&str, &str)], rows: u16, cols: u16) -> Self {
        let pair = native_pty_system().openpty(size(rows, cols)).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        command.env_remove("COLORTERM");
        // Nor is the terminal they are run in.
        for name in [
            "TMUX",
            "STY",
            "ZELLIJ",
            "TERM_PROGRAM",
            "LC_TERMINAL",
            "KONSOLE_VERSION",
            "SSH_CONNECTION",
            "SSH_TTY",
        ] {
            command.env_remove(name);
        }
        // The configuration of whoever runs the tests is not what is tested.
        command.env("LAOCOON_CONFIG", "/nonexistent/config.toml");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shared = Arc::new(Shared {
            parser: Mutex::new(vt100::Parser::new(rows, cols, 0)),
            raw: Mutex::default(),
            news: Condvar::new(),
        });
        let mut output = pair.master.try_clone_reader().unwrap();
        let feed = Arc::clone(&shared);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            // The read fails when the program has closed its side: the end.
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                feed.raw.lock().unwrap().extend_from_slice(&bytes[..n]);
                feed.parser.lock().unwrap().process(&bytes[..n]);
                feed.news.notify_all();
            }
            feed.news.notify_all();
        });
        let keys = pair.master.take_writer().unwrap();
        Self { shared, child, master: pair.master, keys, reader: Some(reader) }
    }

    /// What the screen shows.
    pub(super) fn text(&self) -> String {
        self.shared.parser.lock().unwrap().screen().contents()
    }

    /// Whether the program has written some bytes.
    pub(super) fn wrote(&self, bytes: &str) -> bool {
        let raw = self.shared.raw.lock().unwrap();
        raw.windows(bytes.len()).any(|w| w == bytes.as_bytes())
    }

    /// Waits until the program has written some bytes.
    pub(super) fn wait_for_bytes(&self, bytes: &str) {
        self.wait(&format!("the bytes {bytes:?}"), |_| self.wrote(bytes));
    }

    /// Whether the alternate screen is shown.
    pub(super) fn alternate(&self) -> bool {
        self.shared.parser.lock().unwrap().screen().alternate_screen()
    }

    fn wait(&self, what: &str, done: impl Fn(&vt100::Screen) -> bool) {
        self.wait_within(PATIENCE, what, done);
    }

    /// Waits for a text that work of minutes leads to.
    pub(super) fn wait_long_for(&self, text: &str) {
        self.wait_within(PATIENCE * 10, &format!("{text:?}"), |screen| screen.contents().contains(text));
    }

    fn wait_within(&self, patience: Duration, what: &str, done: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + patience;
        let mut parser = self.shared.parser.lock().unwrap();
        while !done(parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what}; the screen shows:\n{}",
                parser.screen().contents()
            );
            parser = self.shared.news.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// Waits until the screen shows a text.
    pub(super) fn wait_for(&self, text: &str) {
        self.wait(&format!("{text:?}"), |screen| screen.contents().contains(text));
    }

    /// Waits until something holds of the screen's text.
    pub(super) fn wait_until(&self, what: &str, done: impl Fn(&str) -> bool) {
        self.wait(what, |screen| done(&screen.contents()));
    }

    /// Waits until the alternate screen is left.
    pub(super) fn wait_until_main(&self, what: &str) {
        self.wait(what, |screen| !screen.alternate_screen());
    }

    /// Whether any cell of the screen is so.
    pub(super) fn any_cell(&self, is: impl Fn(&vt100::Cell) -> bool) -> bool {
        let parser = self.shared.parser.lock().unwrap();
        let (rows, cols) = parser.screen().size();
        (0..rows).any(|r| (0..cols).any(|c| parser.screen().cell(r, c).is_some_and(&is)))
    }

    /// Types.
    pub(super) fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Gives the terminal another size.
    pub(super) fn resize(&self, rows: u16, cols: u16) {
        self.shared.parser.lock().unwrap().screen_mut().set_size(rows, cols);
        self.master.resize(size(rows, cols)).unwrap();
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: i32) {
        let id = self.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }

    /// Waits until the program stands still: a signal to go on that comes before is lost.
    pub(super) fn wait_until_stopped(&self) {
        let stat = format!("/proc/{}/stat", self.child.process_id().unwrap());
        let end = Instant::now() + PATIENCE;
        // The state is the first word behind the program's name, which is in parentheses.
        let state = || {
            let text = std::fs::read_to_string(&stat).unwrap();
            text.rsplit_once(") ").map(|(_, rest)| rest.starts_with('T'))
        };
        while state() != Some(true) {
            assert!(Instant::now() < end, "it was not suspended");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end; the exit code.
    pub(super) fn end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            assert!(Instant::now() < end, "it did not end; the screen shows:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        code
    }

    /// Checks that the terminal is as it was: main screen, cursor shown, no mouse, no bracketed paste, echo on.
    pub(super) fn assert_restored(&self) {
        let parser = self.shared.parser.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let modes = self.master.get_termios().unwrap();
        let flags = format!("{:?}", modes.local_flags);
        assert!(flags.contains("ECHO") && flags.contains("ICANON"), "still raw: {flags}");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A failed assertion must not leave the program running.
        let _ = self.child.kill();
    }
}
