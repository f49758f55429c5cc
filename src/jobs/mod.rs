//! Background work: queue, handle, progress, cancel. Knows nothing about models.
//!
//! A [`Queue`] has few workers (std threads), each with its own rayon pool in which the work runs. One pool shared by
//! several workers would let a thread that waits inside one job steal the whole of another and hold the first up,
//! cancel included.
//!
//! A job's progress, partial results and log are kept as they stand now, not sent as a stream: nothing is lost or
//! piles up when nobody looks, and a bell (a channel of one, rung by `try_send` at most 20 times a second) wakes who
//! waits. What must not be lost, the start and the end, goes through a channel of its own.

mod budget;
mod guard;
mod queue;
mod rate;
mod worker;

pub use budget::{Budget, Watch, machine_memory, resident};
pub use guard::{guarded, quiet_panics};
pub use queue::{Queue, Ringer, Snapshot, Update, compute};
pub use rate::Rate;
pub use worker::{Halt, JobId, Status, Worker};

use std::time::Instant;

/// Threads for computing when `asked` were asked for: that many; for 0 as many as there are cores, less one kept for
/// the screen if there is one, and at least 1.
pub fn threads(asked: usize, screen: bool) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if asked > 0 { asked } else { cores.saturating_sub(usize::from(screen)).max(1) }
}

/// The one place in `jobs` that reads a clock. Nothing computed depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "progress and elapsed time are shown to people, never computed with"
)]
pub fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    #[test]
    fn thread_counts_are_at_least_one_and_as_asked() {
        assert_eq!(super::threads(3, true), 3);
        assert!(super::threads(0, true) >= 1);
        assert!(super::threads(0, false) >= super::threads(0, true));
    }
}
