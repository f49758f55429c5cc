//! Progress on stderr: a bar on a terminal, sparse lines otherwise.

use super::{say, stderr_is_screen};
use crate::case::{CaseState, Status};
use crate::investigation::Investigation;
use std::collections::BTreeSet;
use std::io::Write;

/// Remembers what was said already.
#[derive(Debug)]
pub struct Progress {
    screen: bool,
    said: BTreeSet<String>,
    tenth: (String, u64),
}

impl Progress {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self { screen: stderr_is_screen(), said: BTreeSet::new(), tenth: (String::new(), 0) }
    }

    /// Says what is new since the last call.
    pub fn show(&mut self, investigation: &Investigation) {
        self.ended(&investigation.state());
        let Some(job) = investigation.live().into_iter().find(|job| job.running) else { return };
        let percent = (job.done * 100).checked_div(job.total).unwrap_or(0).min(99);
        if self.screen {
            let eta = job.eta.map_or(String::new(), |eta| format!(", {} s left", eta.as_secs()));
            let filled = percent as usize / 5;
            self.draw(&format!(
                "{:<22} [{}{}] {percent:>2}%{eta}",
                job.procedure,
                "#".repeat(filled),
                ".".repeat(20 - filled)
            ));
        } else if self.tenth != (job.procedure.clone(), percent / 25) && percent >= 25 {
            self.tenth = (job.procedure.clone(), percent / 25);
            say(&format!("{}: {percent}%", job.procedure));
        }
    }

    /// The last words: what ended since, and what is wrong with saving.
    pub fn end(&mut self, investigation: &Investigation) {
        self.ended(&investigation.state());
        for warning in investigation.warnings() {
            say(&format!("warning: {warning}"));
        }
        if let Some(trouble) = investigation.trouble() {
            say(&format!("warning: {trouble}"));
        }
        let state = investigation.state();
        say(&format!("session: {} (head {})", investigation.folder().display(), state.head));
    }

    fn ended(&mut self, state: &CaseState) {
        for procedure in &state.procedures {
            let line = match &procedure.status {
                Status::Queued | Status::Running => continue,
                Status::Finished { record, seconds } => {
                    format!("{}: {} ({seconds:.1} s)", procedure.id, record.verdict.name())
                }
                Status::Skipped(why) => format!("{}: skipped: {why}", procedure.id),
                Status::Stopped { done, units } => format!("{}: stopped at {done} of {units}", procedure.id),
                Status::Failed(why) => format!("{}: failed: {why}", procedure.id),
            };
            if self.said.insert(line.clone()) {
                self.draw("");
                say(&line);
            }
        }
    }

    /// Replaces the bar line.
    fn draw(&self, text: &str) {
        if self.screen {
            let text = crate::evidence::text::visible(text);
            // A screen that went away is noticed when the result is written.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}").and_then(|()| std::io::stderr().flush());
        }
    }
}
