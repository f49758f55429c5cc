//! A panic in a job ends the job, not the program, and never prints over the screen.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

/// Threads whose name starts so are ours: their panics are caught and reported by a job.
pub(super) const THREAD: &str = "laocoon-job";

/// Message and place of the last panic seen on a guarded thread, until [`guarded`] takes it.
static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics on guarded threads silent; others go to the hook that was there before. Idempotent.
pub fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if ours() {
                let place = info.location().map_or_else(String::new, ToString::to_string);
                *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((hook_message(info), place));
            } else {
                before(info);
            }
        }));
    });
}

fn ours() -> bool {
    GUARDED.try_with(Cell::get).unwrap_or(false)
        || std::thread::current().name().is_some_and(|n| n.starts_with(THREAD))
}

fn hook_message(info: &PanicHookInfo) -> String {
    message(info.payload())
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Runs `work`, turning a panic into `Err` with its message and place, in silence.
///
/// # Errors
/// The panic's message and, when known, where in the source it happened.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    quiet_panics();
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.map_err(|payload| {
        let what = message(payload.as_ref());
        match LAST.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some((last, place)) if last == what && !place.is_empty() => {
                format!("a bug in the program: panicked at {place}: {what}")
            }
            _ => format!("a bug in the program: panicked: {what}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        let err = guarded(|| -> u8 { panic!("index {} out of range", 7) }).unwrap_err();
        assert!(err.contains("index 7 out of range"), "{err}");
        assert_eq!(guarded(|| 3), Ok(3));
    }
}
