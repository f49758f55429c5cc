//! Where a procedure stands, in a mark, a word and a colour, for live work and replay alike.

use super::text::{json_num, num};
use super::theme::Theme;
use super::view::View;
use crate::case::Status;
use crate::investigation::LiveJob;
use crate::procedure::{Record, Verdict};
use ratatui::style::Style;

/// Where a procedure stands.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'a> {
    /// Planned for this case, never asked for.
    NotRun,
    /// Waits for its turn.
    Queued,
    /// Runs; the job is known in live work only.
    Running(Option<&'a LiveJob>),
    /// The journal ends while it ran.
    Interrupted,
    /// Has an outcome.
    Finished(&'a Record, f64),
    /// Does not apply: what is missing.
    Skipped(&'a str),
    /// Stopped by the analyst after so many units of so many.
    Stopped(u64, u64),
    /// Could not finish: why.
    Failed(&'a str),
}

impl<'a> Standing<'a> {
    /// Where `id` stands.
    pub fn of(view: &View<'a>, id: &str) -> Self {
        if let Some(job) = view.live.iter().find(|j| j.procedure == id) {
            return if job.running { Self::Running(Some(job)) } else { Self::Queued };
        }
        match view.state.procedure(id).map(|p| &p.status) {
            None if view.state.requested.iter().any(|r| r == id) => Self::Queued,
            None => Self::NotRun,
            Some(Status::Queued) => Self::Queued,
            Some(Status::Running) if view.position.is_some_and(|p| p.n < p.total) => Self::Running(None),
            Some(Status::Running) => Self::Interrupted,
            Some(Status::Finished { record, seconds }) => Self::Finished(record, *seconds),
            Some(Status::Skipped(why)) => Self::Skipped(why),
            Some(Status::Stopped { done, units }) => Self::Stopped(*done, *units),
            Some(Status::Failed(why)) => Self::Failed(why),
        }
    }

    /// One character that says it without colour.
    pub fn mark(&self) -> &'static str {
        match self {
            Self::NotRun => " ",
            Self::Queued => "·",
            Self::Running(_) => "…",
            Self::Interrupted | Self::Stopped(..) => "■",
            Self::Finished(r, _) => match r.verdict {
                Verdict::Flagged => "!",
                Verdict::NothingFound => "-",
                Verdict::Inconclusive => "?",
            },
            Self::Skipped(_) => "○",
            Self::Failed(_) => "×",
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotRun => "not run",
            Self::Queued => "waiting",
            Self::Running(Some(job)) if job.stopping => "stopping",
            Self::Running(_) => "running",
            Self::Interrupted => "interrupted",
            Self::Stopped(..) => "stopped",
            Self::Finished(r, _) => match r.verdict {
                Verdict::Flagged => "flagged",
                Verdict::NothingFound => "nothing found",
                Verdict::Inconclusive => "inconclusive",
            },
            Self::Skipped(_) => "skipped",
            Self::Failed(_) => "failed",
        }
    }

    /// Its colour.
    pub fn style(&self, theme: Theme) -> Style {
        match self {
            Self::NotRun | Self::Queued | Self::Skipped(_) => theme.dim(),
            Self::Running(_) => theme.busy(),
            Self::Interrupted | Self::Stopped(..) | Self::Failed(_) => theme.fault(),
            Self::Finished(r, _) => match r.verdict {
                Verdict::Flagged => theme.alarm(),
                Verdict::NothingFound => theme.calm(),
                Verdict::Inconclusive => theme.strong(),
            },
        }
    }

    /// The deciding number, the progress or the reason, in a few characters or a line.
    pub fn remark(&self) -> String {
        match self {
            Self::NotRun | Self::Queued | Self::Interrupted | Self::Running(None) => String::new(),
            Self::Running(Some(job)) => {
                let left = job.eta.map_or(String::new(), |d| format!(" {} left", super::text::clock(d)));
                format!("{}{left}", share_text(job))
            }
            Self::Finished(r, _) => match (r.statistic.is_null(), r.threshold.is_null()) {
                (true, _) => String::new(),
                (false, true) => json_num(&r.statistic),
                (false, false) => format!("{} / {}", json_num(&r.statistic), json_num(&r.threshold)),
            },
            Self::Skipped(why) | Self::Failed(why) => (*why).to_owned(),
            Self::Stopped(done, units) => format!("at {done} of {units}"),
        }
    }
}

/// Share of a job's work that is done; never all of it while it runs.
pub fn share(job: &LiveJob) -> f64 {
    if job.total == 0 { 0.0 } else { (job.done as f64 / job.total as f64).clamp(0.0, 0.9999) }
}

/// [`share`] as `41%`; empty while the amount of work is not known.
pub fn share_text(job: &LiveJob) -> String {
    if job.total == 0 { String::new() } else { format!("{}%", (share(job) * 100.0) as u32) }
}

/// A statistic held against its threshold, in words.
pub fn decision(record: &Record) -> String {
    use super::text::json_f64;
    match (json_f64(&record.statistic), json_f64(&record.threshold)) {
        (Some(s), Some(t)) => {
            let sign = if s > t { ">" } else { "≤" };
            format!("{} {sign} threshold {}", num(s), num(t))
        }
        (Some(s), None) => num(s),
        _ => "no single number decides".into(),
    }
}
