//! What one job may take of the machine: wall time and memory. A job that takes more ends, the program goes on.
//!
//! Work inside a job is counted in steps and repeats; this is the user's own bound on top, and a job it ends has no
//! result. It is looked at where a job asks whether it was cancelled. Memory is what the process holds as the system
//! counts it (`VmRSS` of `/proc/self/status`): a counting allocator would need `unsafe`, would not see what libraries
//! map, and could not refuse an allocation without aborting the program. What is known beforehand (files, tensors,
//! values of a network) is refused by its cap before it is allocated, so between two looks there is no leap.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Memory is looked at no more often than this.
const LOOK: Duration = Duration::from_millis(20);
/// A job that found the process above its bound already (memory that an earlier job left with the allocator) may go on
/// as long as it does not add this part of the bound.
const SLACK: u64 = 64;

/// Bounds of every job; `None`: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Wall time since the job began.
    pub deadline: Option<Duration>,
    /// Bytes that the process may hold.
    pub memory: Option<u64>,
}

/// A budget as one job uses it up.
#[derive(Debug, Default)]
pub(super) struct Used {
    budget: Budget,
    begun: OnceLock<(Instant, u64)>,
    looked: AtomicU64,
    over: OnceLock<String>,
}

impl Used {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// The job begins.
    pub(super) fn begin(&self, now: Instant) {
        let held = if self.budget.memory.is_some() { resident().unwrap_or(0) } else { 0 };
        // A job begins once.
        let _ = self.begun.set((now, held));
    }

    /// Why the job has to end, once it has.
    pub(super) fn over(&self) -> Option<&str> {
        self.over.get().map(String::as_str)
    }

    /// Whether the job has to end. Cheap: a clock, and now and then a look at the memory.
    pub(super) fn check(&self, clock: impl Fn() -> Instant) -> bool {
        if self.budget == Budget::default() {
            return false;
        }
        if self.over.get().is_some() {
            return true;
        }
        let Some((start, held)) = self.begun.get() else { return false };
        let elapsed = clock().saturating_duration_since(*start);
        match self.exceeded(elapsed, *held) {
            Some(why) => {
                let _ = self.over.set(why);
                true
            }
            None => false,
        }
    }

    fn exceeded(&self, elapsed: Duration, held: u64) -> Option<String> {
        if let Some(deadline) = self.budget.deadline.filter(|d| elapsed >= *d) {
            let seconds = deadline.as_secs_f64();
            return Some(format!("ended at the deadline: it ran {seconds} s without a result (--deadline)"));
        }
        let most = self.budget.memory?;
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let last = self.looked.load(Ordering::Relaxed);
        let due = last == 0 || now.saturating_sub(last) >= LOOK.as_millis() as u64;
        // Of many threads one looks.
        let mine =
            due && self.looked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !mine {
            return None;
        }
        let holds = resident()?;
        (holds > most.max(held.saturating_add(most / SLACK))).then(|| {
            format!(
                "ended at the memory bound: the program held {} MiB, {} MiB are allowed (--max-memory)",
                holds >> 20,
                most >> 20
            )
        })
    }
}

/// A budget held against work that is no job of a queue: a command of its own.
#[derive(Debug)]
pub struct Watch(Used);

impl Watch {
    /// The work begins.
    pub fn begin(budget: Budget) -> Self {
        let used = Used::new(budget);
        used.begin(super::clock());
        Self(used)
    }

    /// Whether the work has to end.
    pub fn is_over(&self) -> bool {
        self.0.check(super::clock)
    }

    /// Why it has to end, once it has.
    pub fn why(&self) -> Option<&str> {
        self.0.over()
    }
}

/// Bytes that this process holds in memory; `None` where the system does not tell.
pub fn resident() -> Option<u64> {
    kib(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Bytes of memory there are for this process: the machine's, or its control group's if that is less.
pub fn machine_memory() -> Option<u64> {
    let machine = kib(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse::<u64>().ok()).filter(|&n| n > 0);
    Some(group.map_or(machine, |n| n.min(machine)))
}

/// A line `Name:  123 kB`, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::clock;

    #[test]
    fn memory_is_read_from_the_system() {
        assert_eq!(kib("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(kib("VmRSS:\t12 MB", "VmRSS:"), None);
        if cfg!(target_os = "linux") {
            let (held, there) = (resident().unwrap(), machine_memory().unwrap());
            assert!(held > 1 << 20 && held < there, "{held} of {there}");
        }
    }

    #[test]
    fn a_budget_is_over_once_and_for_good() {
        let none = Used::new(Budget::default());
        none.begin(clock());
        assert!(!none.check(clock) && none.over().is_none());
        let late = Used::new(Budget { deadline: Some(Duration::from_millis(1)), memory: None });
        assert!(!late.check(clock), "it has not begun");
        let start = clock();
        late.begin(start);
        assert!(late.check(|| start + Duration::from_millis(2)));
        assert!(late.over().unwrap().contains("--deadline"));
        assert!(late.check(|| start), "an end is final");
    }

    #[test]
    fn what_an_earlier_job_left_behind_does_not_end_the_next() {
        if resident().is_none() {
            return;
        }
        let used = Used::new(Budget { deadline: None, memory: Some(1) });
        // As if the process held everything already when the job began.
        assert_eq!(used.exceeded(Duration::from_secs(1), u64::MAX), None);
        let why = used.exceeded(Duration::from_secs(2), 0).unwrap();
        assert!(why.contains("--max-memory"), "{why}");
        assert_eq!(used.exceeded(Duration::from_millis(2001), 0), None, "no more than a look in 20 ms");
    }
}
