//! How long it may still take: a smoothed rate, silent for the first seconds.

use std::time::Duration;

/// Work units per second, smoothed over about ten seconds.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    at: Duration,
    done: u64,
    per_second: Option<f64>,
}

impl Rate {
    /// No estimate is given before this.
    pub const SILENT: Duration = Duration::from_secs(3);
    const MEMORY: f64 = 10.0;

    /// `done` units are finished `at` this time since the start.
    pub fn update(&mut self, at: Duration, done: u64) {
        let dt = at.saturating_sub(self.at).as_secs_f64();
        // Too short to tell a rate; the next update will cover this span.
        if dt < 0.05 || done < self.done {
            return;
        }
        let now = (done - self.done) as f64 / dt;
        let weight = 1.0 - (-dt / Self::MEMORY).exp();
        self.per_second = Some(self.per_second.map_or(now, |old| old + weight * (now - old)));
        (self.at, self.done) = (at, done);
    }

    /// The time left for `total - done` units, seen at `elapsed` since the start. Also counts the time since the last
    /// update, so that a job that stalls does not promise the same end for ever.
    pub fn eta(&self, elapsed: Duration, total: u64) -> Option<Duration> {
        let rate = self.per_second.filter(|r| *r > 0.0)?;
        if elapsed < Self::SILENT || total <= self.done {
            return None;
        }
        let left = (total - self.done) as f64 / rate - elapsed.saturating_sub(self.at).as_secs_f64();
        Duration::try_from_secs_f64(left.max(0.0)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn a_steady_job_ends_when_it_says() {
        let mut rate = Rate::default();
        for k in 1..=50 {
            rate.update(secs(f64::from(k) * 0.1), k as u64);
        }
        assert_eq!(rate.eta(secs(2.9), 100), None, "silent in the first seconds");
        let left = rate.eta(secs(5.0), 100).unwrap().as_secs_f64();
        assert!((left - 5.0).abs() < 0.01, "{left}");
        let stalled = rate.eta(secs(7.0), 100).unwrap().as_secs_f64();
        assert!((stalled - 3.0).abs() < 0.01, "{stalled}");
    }

    #[test]
    fn nothing_done_promises_nothing() {
        let mut rate = Rate::default();
        rate.update(secs(4.0), 0);
        assert_eq!(rate.eta(secs(4.0), 100), None);
        assert_eq!(Rate::default().eta(secs(10.0), 0), None);
    }
}
