//! A saved session at one of its moments.

use super::source::{Position, Request, Source, Step};
use crate::case::{CaseState, Session};
use crate::figure::Figure;
use crate::investigation::LiveJob;
use crate::jobs::clock;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest pause between two events when it plays by itself: hours of waiting are not waited for again.
const IDLE: Duration = Duration::from_secs(2);
/// The speeds that the same key goes through.
const SPEEDS: [u32; 3] = [0, 1, 8];

/// A saved session, stepped or played through, read-only.
#[derive(Debug)]
pub struct Replay {
    session: Session,
    n: usize,
    state: Arc<CaseState>,
    moved: bool,
    speed: u32,
    next: Option<Instant>,
}

impl Replay {
    /// The session after its last event.
    pub fn new(session: Session) -> Self {
        let n = session.len();
        let state = Arc::new(session.state_at(n));
        Self { session, n, state, moved: false, speed: 0, next: None }
    }

    /// Goes to the moment after `n` events, or to the nearest there is.
    pub fn go_to(&mut self, n: usize) {
        self.n = n.clamp(1.min(self.session.len()), self.session.len());
        self.state = Arc::new(self.session.state_at(self.n));
        self.moved = true;
    }

    /// The moment a step leads to.
    fn target(&self, step: Step) -> usize {
        let last = self.session.len();
        let findings = |n: usize| self.session.state_at(n).findings.len();
        let here = self.state.findings.len();
        match step {
            Step::Back => self.n.saturating_sub(1).max(1),
            Step::On => (self.n + 1).min(last),
            Step::First => 1.min(last),
            Step::Last => last,
            Step::Play => self.n,
            Step::FindingOn => (self.n + 1..=last).find(|&n| findings(n) != here).unwrap_or(last),
            // The earliest moment that shows as many findings as the one before the last change.
            Step::FindingBack => {
                let Some(before) = (1..self.n).rev().find(|&n| findings(n) != here) else {
                    return 1.min(last);
                };
                let shown = findings(before);
                (1..=before).rev().take_while(|&n| findings(n) == shown).last().unwrap_or(before)
            }
        }
    }

    /// The moment that a text names: a number of events, or the last event not after a time (`11:47`, `11:47:30`,
    /// `2026-11-20 11:47`), UTC.
    fn named(&self, text: &str) -> Result<usize, String> {
        let text = text.trim().trim_end_matches(['Z', 'z']);
        if let Ok(n) = text.parse::<usize>() {
            return Ok(n);
        }
        let plain = text.replacen(' ', "T", 1);
        let digits = |c: char| c.is_ascii_digit() || matches!(c, ':' | '-' | 'T' | '.');
        if plain.is_empty() || !plain.contains(':') || !plain.chars().all(digits) {
            return Err("an event's number, or a time such as 11:47 or 2026-11-20 11:47".to_owned());
        }
        // Times of records are RFC 3339 UTC of one length: they compare as text, a shorter one with as much of them.
        let last = |part: &dyn Fn(&str) -> Option<String>| {
            let shown = self.session.records.iter().filter(|r| part(&r.time).is_some_and(|t| t <= plain));
            shown.map(|r| r.n as usize + 1).max()
        };
        let length = plain.len();
        let found = if plain.contains('T') {
            last(&|time| time.get(..length).map(str::to_owned))
        } else {
            last(&|time| time.get(11..(11 + length).min(time.len())).map(str::to_owned))
        };
        found.ok_or_else(|| "nothing happened before that time".to_owned())
    }

    /// When the next event is due, played at the present speed.
    fn schedule(&mut self) {
        let records = &self.session.records;
        let time = |n: usize| records.get(n).and_then(|r| r.time.parse::<jiff::Timestamp>().ok());
        let gap = match (self.n.checked_sub(1).and_then(time), time(self.n)) {
            (Some(a), Some(b)) => b.duration_since(a).try_into().unwrap_or(Duration::ZERO),
            _ => Duration::ZERO,
        };
        let on = self.speed > 0 && self.n < records.len();
        if !on {
            self.speed = 0;
        }
        self.next = on.then(|| clock() + gap.min(IDLE) / self.speed.max(1));
    }
}

impl Source for Replay {
    fn poll(&mut self) -> bool {
        if self.next.is_some_and(|at| clock() >= at) {
            self.go_to(self.n + 1);
            self.schedule();
        }
        std::mem::take(&mut self.moved)
    }

    fn state(&self) -> Arc<CaseState> {
        Arc::clone(&self.state)
    }

    fn live(&self) -> Vec<LiveJob> {
        Vec::new()
    }

    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        self.session.blobs().figure(sha256).map_err(|e| e.to_string())
    }

    fn ask(&mut self, request: Request) -> Result<String, String> {
        match request {
            Request::Step(Step::Play) => {
                let at = SPEEDS.iter().position(|s| *s == self.speed).unwrap_or(0);
                self.speed = SPEEDS[(at + 1) % SPEEDS.len()];
                if self.speed > 0 && self.n == self.session.len() {
                    self.go_to(1);
                }
                self.schedule();
                self.moved = true;
                Ok(if self.speed == 0 { "stands still".into() } else { format!("plays, {}×", self.speed) })
            }
            Request::Step(step) => {
                let n = self.target(step);
                if n != self.n {
                    self.go_to(n);
                }
                self.schedule();
                Ok(String::new())
            }
            Request::Go(text) => {
                let n = self.named(&text)?;
                self.go_to(n);
                self.schedule();
                Ok(String::new())
            }
            Request::Exported { format, .. } => Ok(format!("{format} exported")),
            _ => Err("a replay is read-only: open the session with `laocoon open` to go on".into()),
        }
    }

    fn position(&self) -> Option<Position> {
        Some(Position { n: self.n, total: self.session.len(), speed: self.speed })
    }

    fn read_only(&self) -> Option<String> {
        Some("a replay is read-only".into())
    }

    fn warnings(&self) -> Vec<String> {
        self.session.warnings().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Event;
    use crate::case::fixture;
    use crate::case::journal::Journal;

    fn replay() -> (Replay, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap().journal.unwrap();
        let note = |text: &str| Event::Noted { text: text.into() };
        for (time, event) in [
            ("2026-03-01T11:47:00.000Z", fixture::opened("x")),
            ("2026-03-01T11:47:00.010Z", note("one")),
            ("2026-03-01T12:30:00.000Z", note("two")),
            ("2026-03-02T09:00:00.000Z", note("three")),
        ] {
            journal.append(time, &event).unwrap();
        }
        (Replay::new(Session::open(folder.path()).unwrap()), folder)
    }

    #[test]
    fn a_moment_is_found_by_number_and_by_time() {
        let (mut replay, _folder) = replay();
        for (text, n) in [
            ("2", 2),
            ("99", 4),
            ("2026-03-01 11:47", 2),
            ("2026-03-01T12:30:00Z", 3),
            ("11:47", 4),
            ("08:00", 1),
        ] {
            let got = replay.ask(Request::Go(text.into()));
            if text == "08:00" {
                assert!(got.is_err(), "nothing before");
                continue;
            }
            assert_eq!(got, Ok(String::new()), "{text}");
            assert_eq!(replay.position().unwrap().n, n, "{text}");
        }
        assert!(replay.ask(Request::Go("noon".into())).is_err());
    }

    #[test]
    fn it_plays_to_the_end_without_waiting_out_the_pauses() {
        let (mut replay, _folder) = replay();
        replay.ask(Request::Step(Step::Play)).unwrap();
        assert_eq!((replay.n, replay.speed), (1, 1), "from the start when it stands at the end");
        replay.ask(Request::Step(Step::Play)).unwrap();
        assert_eq!(replay.speed, 8);
        let start = clock();
        while replay.position().unwrap().speed > 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "it does not end");
            replay.poll();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(replay.n, 4);
        replay.ask(Request::Step(Step::Back)).unwrap();
        assert_eq!((replay.n, replay.poll()), (3, true));
    }
}
