//! The queue: few workers, first come first served, unless one that waits is preferred.

use super::budget::Budget;
use super::clock;
use super::guard::{THREAD, guarded, quiet_panics};
use super::worker::{Halt, JobId, Shared, Status, Worker};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What happened to a job since the last [`Queue::drain`].
#[derive(Debug)]
pub enum Update<T> {
    /// A worker took it.
    Started(JobId),
    /// It came to an end.
    Ended {
        /// Which.
        id: JobId,
        /// Its result, or why there is none.
        result: Result<T, Halt>,
        /// Units done of `total`, as last reported.
        done: u64,
        /// See `done`.
        total: u64,
        /// Wall time since it started.
        elapsed: Duration,
    },
}

/// A job as it stands now.
#[derive(Debug, Clone)]
pub struct Snapshot<P> {
    /// Which.
    pub id: JobId,
    /// The name it was submitted under.
    pub label: String,
    /// Where it stands.
    pub status: Status,
    /// Whether it was asked to stop.
    pub stopping: bool,
    /// Units done; below `total` until it has ended.
    pub done: u64,
    /// Units planned; 0 when not known.
    pub total: u64,
    /// Since it started.
    pub elapsed: Duration,
    /// How long it may still take.
    pub eta: Option<Duration>,
    /// Partial results.
    pub partial: BTreeMap<String, P>,
    /// The last lines of its log, oldest first.
    pub log: Vec<String>,
}

type Work<P, T> = Box<dyn FnOnce(&Worker<P>) -> Result<T, Halt> + Send>;

struct Task<P, T> {
    id: JobId,
    shared: Arc<Shared<P>>,
    work: Work<P, T>,
}

/// Tasks that wait, in the order of work, and whether more can come.
struct Waiting<P, T> {
    tasks: VecDeque<Task<P, T>>,
    open: bool,
}

/// Where workers take their tasks from.
struct Inbox<P, T> {
    waiting: Mutex<Waiting<P, T>>,
    more: Condvar,
}

impl<P, T> std::fmt::Debug for Inbox<P, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl<P, T> Inbox<P, T> {
    fn change<R>(&self, change: impl FnOnce(&mut Waiting<P, T>) -> R) -> R {
        let changed = change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.more.notify_all();
        changed
    }

    /// The next task; `None` once the queue is gone.
    fn take(&self) -> Option<Task<P, T>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !waiting.open {
                return None;
            }
            if let Some(task) = waiting.tasks.pop_front() {
                return Some(task);
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Jobs with partial results `P` and result `T`.
#[derive(Debug)]
pub struct Queue<P, T> {
    jobs: BTreeMap<JobId, Arc<Shared<P>>>,
    early: Vec<Update<T>>,
    next: u64,
    budget: Budget,
    inbox: Arc<Inbox<P, T>>,
    updates: Receiver<Update<T>>,
    bell: Receiver<()>,
    ring: SyncSender<()>,
}

/// Ends a [`Queue::wait`] from another thread.
#[derive(Debug, Clone)]
pub struct Ringer(SyncSender<()>);

impl Ringer {
    /// Ends the wait that goes on, or the next one.
    pub fn ring(&self) {
        // Full: it rings already. Gone: nobody waits any more.
        let _ = self.0.try_send(());
    }
}

impl<P: Send + 'static, T: Send + 'static> Queue<P, T> {
    /// A queue with `workers` workers, each computing with `threads` threads (both at least 1).
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn new(workers: usize, threads: usize) -> std::io::Result<Self> {
        quiet_panics();
        let (outbox, updates) = mpsc::channel();
        let (ring, bell) = mpsc::sync_channel(1);
        let waiting = Mutex::new(Waiting { tasks: VecDeque::new(), open: true });
        let inbox = Arc::new(Inbox { waiting, more: Condvar::new() });
        for k in 0..workers.max(1) {
            let pool = pool(k, threads)?;
            let (inbox, outbox, ring) = (Arc::clone(&inbox), outbox.clone(), ring.clone());
            std::thread::Builder::new()
                .name(format!("{THREAD}-{k}"))
                .spawn(move || serve(&inbox, &outbox, &ring, &pool))?;
        }
        let budget = Budget::default();
        Ok(Self { jobs: BTreeMap::new(), early: Vec::new(), next: 0, budget, inbox, updates, bell, ring })
    }

    /// Bounds every job that is added from now on.
    pub fn bound(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Adds a job at the end.
    pub fn submit(
        &mut self,
        label: &str,
        total: u64,
        work: impl FnOnce(&Worker<P>) -> Result<T, Halt> + Send + 'static,
    ) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        let shared = Arc::new(Shared::new(label, self.budget));
        shared.total.store(total, Ordering::Relaxed);
        self.jobs.insert(id, Arc::clone(&shared));
        let task = Task { id, shared, work: Box::new(work) };
        self.inbox.change(|waiting| waiting.tasks.push_back(task));
        id
    }

    /// Puts a job that waits before all others that wait.
    pub fn prefer(&mut self, id: JobId) {
        self.inbox.change(|waiting| {
            let at = waiting.tasks.iter().position(|t| t.id == id);
            if let Some(task) = at.and_then(|at| waiting.tasks.remove(at)) {
                waiting.tasks.push_front(task);
            }
        });
    }

    /// Something that ends a wait.
    pub fn ringer(&self) -> Ringer {
        Ringer(self.ring.clone())
    }

    /// Asks a job to stop. One that waits ends at once and is never started; one that runs ends when it notices.
    /// Either way its end comes with [`Self::drain`].
    pub fn cancel(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        job.cancel.store(true, Ordering::Relaxed);
        let mut inner = job.inner();
        if inner.status() == Status::Queued && inner.become_(Status::Stopped) {
            let (done, total) = (0, job.total.load(Ordering::Relaxed));
            drop(inner);
            self.jobs.remove(&id);
            let (result, elapsed) = (Err(Halt::Cancelled), Duration::ZERO);
            self.early.push(Update::Ended { id, result, done, total, elapsed });
        }
    }

    /// Asks all jobs to stop.
    pub fn cancel_all(&mut self) {
        let ids: Vec<_> = self.jobs.keys().copied().collect();
        for id in ids {
            self.cancel(id);
        }
    }

    /// What happened since the last call, in order. Never blocks.
    pub fn drain(&mut self) -> Vec<Update<T>> {
        // A ring that came before this look is answered by it.
        let _ = self.bell.try_recv();
        let mut all = std::mem::take(&mut self.early);
        loop {
            match self.updates.try_recv() {
                Ok(update) => {
                    if let Update::Ended { id, .. } = &update {
                        self.jobs.remove(id);
                    }
                    all.push(update);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return all,
            }
        }
    }

    /// Waits until a job starts, ends or shows progress, or the time is over. Whether something happened.
    pub fn wait(&self, timeout: Duration) -> bool {
        !self.early.is_empty() || self.bell.recv_timeout(timeout).is_ok()
    }

    /// Jobs that wait or run, in the order of work.
    pub fn snapshots(&self) -> Vec<Snapshot<P>>
    where
        P: Clone,
    {
        let waiting: Vec<JobId> = self.inbox.change(|w| w.tasks.iter().map(|t| t.id).collect());
        let mut all: Vec<Snapshot<P>> = self.jobs.iter().map(|(id, job)| snapshot(*id, job)).collect();
        all.sort_by_key(|shot| waiting.iter().position(|id| *id == shot.id).map_or(0, |at| at + 1));
        all
    }

    /// Whether no job waits or runs, and every end was drained.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.early.is_empty()
    }
}

impl<P, T> Drop for Queue<P, T> {
    /// Asks what runs to stop and lets the workers end by themselves: the screen never waits for them.
    fn drop(&mut self) {
        for job in self.jobs.values() {
            job.cancel.store(true, Ordering::Relaxed);
        }
        self.inbox.change(|waiting| waiting.open = false);
    }
}

fn pool(worker: usize, threads: usize) -> std::io::Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(move |i| format!("{THREAD}-{worker}-{i}"))
        .build()
        .map_err(std::io::Error::other)
}

/// Runs `work` here and now, computing with `threads` threads; a panic becomes its message.
///
/// # Errors
/// The panic's message, or that the system gives no more threads.
pub fn compute<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let pool = pool(0, threads).map_err(|e| e.to_string())?;
    guarded(|| pool.install(work))
}

fn snapshot<P: Clone>(id: JobId, job: &Shared<P>) -> Snapshot<P> {
    let inner = job.inner();
    let total = job.total.load(Ordering::Relaxed);
    let done = job.done.load(Ordering::Relaxed).min(total.saturating_sub(1));
    let elapsed = inner.started.map_or(Duration::ZERO, |s| clock().saturating_duration_since(s));
    Snapshot {
        id,
        label: job.label.clone(),
        status: inner.status(),
        stopping: job.cancel.load(Ordering::Relaxed),
        done,
        total,
        elapsed,
        eta: inner.rate.eta(elapsed, total),
        partial: inner.partial.clone(),
        log: inner.log.iter().cloned().collect(),
    }
}

fn serve<P: Send, T: Send>(
    inbox: &Inbox<P, T>,
    outbox: &Sender<Update<T>>,
    ring: &SyncSender<()>,
    pool: &ThreadPool,
) {
    while let Some(task) = inbox.take() {
        let Task { id, shared, work } = task;
        let start = clock();
        {
            let mut inner = shared.inner();
            // Cancelled while it waited: its end was told by `cancel`.
            if !inner.become_(Status::Running) {
                continue;
            }
            inner.started = Some(start);
        }
        shared.used.begin(start);
        if outbox.send(Update::Started(id)).is_err() {
            return;
        }
        let _ = ring.try_send(());
        let worker = Worker { shared: Arc::clone(&shared), bell: ring.clone() };
        let result = guarded(|| pool.install(|| work(&worker))).unwrap_or_else(|why| Err(Halt::Failed(why)));
        // Whatever it made of being told to stop: what it gives is not its whole result.
        let result = shared.used.over().map_or(result, |why| Err(Halt::Failed(why.to_owned())));
        let elapsed = clock().saturating_duration_since(start);
        shared.inner().become_(match &result {
            Ok(_) => Status::Finished,
            Err(Halt::Cancelled) => Status::Stopped,
            Err(Halt::Failed(_)) => Status::Failed,
        });
        let done = shared.done.load(Ordering::Relaxed);
        let total = shared.total.load(Ordering::Relaxed);
        if outbox.send(Update::Ended { id, result, done, total, elapsed }).is_err() {
            return;
        }
        let _ = ring.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    type Ends = Vec<(JobId, Result<u32, Halt>)>;

    /// Waits until `n` jobs have ended. Fails the test after a generous time.
    fn ends(queue: &mut Queue<u32, u32>, n: usize) -> Ends {
        let (start, mut all) = (clock(), Vec::new());
        while all.len() < n {
            assert!(start.elapsed() < LONG, "jobs did not end");
            queue.wait(Duration::from_millis(50));
            for update in queue.drain() {
                if let Update::Ended { id, result, .. } = update {
                    all.push((id, result));
                }
            }
        }
        all
    }

    #[test]
    fn jobs_run_in_order_and_a_panic_fails_only_its_own() {
        let mut queue = Queue::<u32, u32>::new(1, 2).unwrap();
        let a = queue.submit("a", 1, |_| Ok(1));
        let b = queue.submit("b", 1, |_| panic!("out of cheese"));
        let c = queue.submit("c", 1, |_| Err(Halt::Failed("no".into())));
        let d = queue.submit("d", 1, |_| Ok(rayon::current_num_threads() as u32));
        let got = ends(&mut queue, 4);
        assert_eq!(got[0], (a, Ok(1)));
        let (id, Err(Halt::Failed(why))) = &got[1] else { panic!("{got:?}") };
        assert_eq!(*id, b);
        assert!(why.contains("out of cheese") && why.contains("queue.rs"), "{why}");
        assert_eq!(got[2], (c, Err(Halt::Failed("no".into()))));
        assert_eq!(got[3], (d, Ok(2)), "work runs in the pool");
        assert!(queue.is_idle());
    }

    #[test]
    fn a_panic_on_a_pool_thread_is_caught_too() {
        let mut queue = Queue::<u32, u32>::new(1, 2).unwrap();
        queue.submit("a", 1, |_| {
            use rayon::prelude::*;
            (0..64u32).into_par_iter().for_each(|i| assert!(i != 40, "bad {i}"));
            Ok(0)
        });
        let got = ends(&mut queue, 1);
        assert!(matches!(&got[0].1, Err(Halt::Failed(why)) if why.contains("bad 40")), "{got:?}");
    }

    #[test]
    fn a_cancel_is_seen_by_the_running_job_and_keeps_the_waiting_one_from_starting() {
        let mut queue = Queue::<u32, u32>::new(1, 1).unwrap();
        let (tell, told) = mpsc::channel();
        let a = queue.submit("a", 10, move |w| {
            w.progress(3, 10);
            tell.send(()).unwrap();
            while !w.cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(Halt::Cancelled)
        });
        let b = queue.submit("b", 1, |_| panic!("a cancelled job must not start"));
        told.recv_timeout(LONG).unwrap();
        queue.cancel(b);
        assert_eq!(ends(&mut queue, 1), [(b, Err(Halt::Cancelled))], "ends although the worker is busy");
        queue.cancel(a);
        assert_eq!(ends(&mut queue, 1), [(a, Err(Halt::Cancelled))]);
    }

    #[test]
    fn a_job_past_its_deadline_fails_with_the_reason_and_the_next_one_runs() {
        let mut queue = Queue::<u32, u32>::new(1, 2).unwrap();
        queue.bound(Budget { deadline: Some(Duration::from_millis(20)), memory: None });
        let a = queue.submit("a", 1, |w| {
            use rayon::prelude::*;
            // Many threads at once, none of which makes an error of it.
            (0..4u32).into_par_iter().for_each(|_| {
                while !w.cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            Ok(1)
        });
        let b = queue.submit("b", 1, |_| Ok(2));
        let got = ends(&mut queue, 2);
        let (id, Err(Halt::Failed(why))) = &got[0] else { panic!("{got:?}") };
        assert!(*id == a && why.contains("--deadline"), "{why}");
        assert_eq!(got[1], (b, Ok(2)));
    }

    #[test]
    fn a_job_that_takes_too_much_memory_fails_and_gives_it_back() {
        let Some(before) = super::super::resident() else { return };
        let mut queue = Queue::<u32, u32>::new(1, 1).unwrap();
        queue.bound(Budget { deadline: None, memory: Some(before + (96 << 20)) });
        let hungry = |w: &Worker<u32>| {
            let mut held: Vec<Vec<u8>> = Vec::new();
            while !w.cancelled() {
                assert!(held.len() < 4096, "nobody minds");
                held.push(vec![1; 4 << 20]);
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(Halt::Cancelled)
        };
        let a = queue.submit("a", 1, hungry);
        let b = queue.submit("b", 1, |_| Ok(2));
        let got = ends(&mut queue, 2);
        let (id, Err(Halt::Failed(why))) = &got[0] else { panic!("{got:?}") };
        assert!(*id == a && why.contains("--max-memory"), "{why}");
        assert_eq!(got[1], (b, Ok(2)));
    }

    #[test]
    fn a_preferred_job_begins_before_those_that_waited_longer() {
        let mut queue = Queue::<u32, u32>::new(1, 1).unwrap();
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let a = queue.submit("a", 1, move |_| {
            tell.send(()).unwrap();
            wait.recv_timeout(LONG).unwrap();
            Ok(0)
        });
        told.recv_timeout(LONG).unwrap();
        let [b, c, d] = ["b", "c", "d"].map(|name| queue.submit(name, 1, |_| Ok(0)));
        queue.prefer(d);
        queue.prefer(JobId(99));
        let order: Vec<String> = queue.snapshots().into_iter().map(|s| s.label).collect();
        assert!(order.ends_with(&["d", "b", "c"].map(String::from)), "{order:?}");
        go.send(()).unwrap();
        let done: Vec<JobId> = ends(&mut queue, 4).into_iter().map(|(id, _)| id).collect();
        assert_eq!(done, [a, d, b, c]);
    }

    #[test]
    fn progress_partials_and_log_are_seen_as_they_stand_and_never_full_while_running() {
        let mut queue = Queue::<u32, u32>::new(1, 1).unwrap();
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        queue.submit("a", 4, move |w| {
            (0..=4).for_each(|k| w.progress(k, 4));
            (0..300).for_each(|k| w.log(format!("line {k}")));
            w.partial("x", 1);
            w.partial("x", 2);
            tell.send(()).unwrap();
            wait.recv_timeout(LONG).unwrap();
            Ok(0)
        });
        told.recv_timeout(LONG).unwrap();
        let seen = queue.snapshots().remove(0);
        assert_eq!((seen.status, seen.done, seen.total), (Status::Running, 3, 4));
        assert_eq!(seen.partial, BTreeMap::from([("x".to_owned(), 2)]));
        assert_eq!((seen.log.len(), seen.log.last().unwrap().as_str()), (200, "line 299"));
        assert_eq!(seen.eta, None, "no promise in the first seconds");
        go.send(()).unwrap();
        assert_eq!(ends(&mut queue, 1)[0].1, Ok(0));
    }
}
