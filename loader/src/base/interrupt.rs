//! Owns the way to reach a running guest from another thread: to send it signals such as that of Ctrl-C, and to end it, while it
//! computes, sleeps or waits for input. Must not know what a signal means to the guest.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use wasmtime::Engine;

/// Where a guest notices that it is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Interruption {
    /// Anywhere, whatever the guest is doing.
    #[default]
    Anywhere,
    /// Where the guest waits, and where it asks for signals, as Emscripten's CPython does between byte codes. A loop in an
    /// extension that does neither goes on, as it does natively, and [`InterruptHandle::terminate`] does not end it. Code is
    /// about an eighth faster. Main modules that do not ask, those of WASI among them, are interrupted anywhere.
    WhereAsked,
}

/// A signal that can be sent to a guest from outside. The guest determines its effect (`sigaction`); by default, all but the last
/// two end the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGHUP`: the terminal is gone.
    HangUp,
    /// `SIGINT`: Ctrl-C.
    Interrupt,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
    /// `SIGTERM`.
    Terminate,
    /// `SIGCONT`: the process was stopped and continues.
    Continue,
    /// `SIGWINCH`: the size of the terminal has changed.
    WindowChange,
}

impl Signal {
    const ALL: [Signal; 7] = [
        Signal::HangUp,
        Signal::Interrupt,
        Signal::User1,
        Signal::User2,
        Signal::Terminate,
        Signal::Continue,
        Signal::WindowChange,
    ];

    /// The signal's number on Linux, which is the same in Emscripten's C library and in wasi-libc.
    pub fn number(self) -> u8 {
        match self {
            Signal::HangUp => 1,
            Signal::Interrupt => 2,
            Signal::User1 => 10,
            Signal::User2 => 12,
            Signal::Terminate => 15,
            Signal::Continue => 18,
            Signal::WindowChange => 28,
        }
    }

    fn bit(self) -> u32 {
        1 << self.number()
    }
}

/// Interrupts one process. Cloning creates another handle for the same process.
#[derive(Clone)]
pub struct InterruptHandle {
    engine: Engine,
    state: Arc<InterruptState>,
}

impl InterruptHandle {
    pub(crate) fn new(engine: &Engine) -> InterruptHandle {
        InterruptHandle { engine: engine.clone(), state: Arc::default() }
    }

    pub(crate) fn state(&self) -> &Arc<InterruptState> {
        &self.state
    }

    /// Ends the guest, whatever it is doing, with [`Interruption::Anywhere`]; it ends with [`crate::ExitStatus::Interrupted`].
    /// This is the way to limit its running time. Only the loading of a library, above all its compilation, is completed first.
    pub fn terminate(&self) {
        self.state.terminated.store(true, Ordering::SeqCst);
        self.state.wake();
        self.engine.increment_epoch();
    }

    /// Interrupts the guest as Ctrl-C does: Python gets a `KeyboardInterrupt`, unless it has another handler for `SIGINT` or
    /// ignores it; a guest that has not set up how to handle it is ended with [`crate::ExitStatus::Interrupted`]. Has no effect
    /// once the guest has ended.
    pub fn interrupt(&self) {
        self.signal(Signal::Interrupt);
    }

    /// Sends the guest a signal. If the same signal was sent before and has not been noticed yet, it arrives once. Has no effect
    /// once the guest has ended.
    pub fn signal(&self, signal: Signal) {
        self.state.raise(signal);
        self.engine.increment_epoch();
    }

    /// Whether there is a signal that was sent to the guest and that the guest has not noticed yet. A signal that is delivered
    /// while the guest is in an extension may be noticed only when Python goes on.
    pub fn is_pending(&self) -> bool {
        self.state.is_pending() || self.state.unnoticed.load(Ordering::SeqCst)
    }
}

/// What the two sides of an interrupt share.
#[derive(Default)]
pub(crate) struct InterruptState {
    /// The signals that have not been delivered to the guest yet.
    pending: AtomicU32,
    /// Whether a signal has been delivered to the guest, or is to be, and the guest has not checked since.
    unnoticed: AtomicBool,
    terminated: AtomicBool,
    sleeping: (Mutex<()>, Condvar),
    /// Becomes readable when a signal comes, for threads that wait for the host's descriptors.
    alarm: OnceLock<OwnedFd>,
}

impl InterruptState {
    /// Records a signal, which is delivered to the guest when it next waits or is interrupted.
    pub(crate) fn raise(&self, signal: Signal) {
        self.unnoticed.store(true, Ordering::SeqCst);
        self.pending.fetch_or(signal.bit(), Ordering::SeqCst);
        self.wake();
    }

    /// Ends whatever the guest is waiting for.
    fn wake(&self) {
        if let Some(alarm) = self.alarm.get() {
            let _ = rustix::io::write(alarm, &1_u64.to_ne_bytes());
        }
        self.wake_sleeper();
    }

    /// A descriptor that is readable while a signal is pending.
    pub(crate) fn alarm(&self) -> io::Result<BorrowedFd<'_>> {
        if self.alarm.get().is_none() {
            let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let _ = self.alarm.set(alarm);
            if self.is_pending() {
                self.wake();
            }
        }
        self.alarm.get().map(AsFd::as_fd).ok_or_else(|| io::Error::from(io::ErrorKind::Other))
    }

    /// Whether the guest is to end.
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    /// Errs when the guest is to end. Code that works for a guest on something whose size the guest chooses calls this before
    /// each [`PIECE`] of it.
    pub(crate) fn check(&self) -> wasmtime::Result<()> {
        if self.is_terminated() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Runs something that may take long and that nothing can end on a thread of its own, and waits until it is done or until,
    /// after a signal, `is_over` returns that the result is no longer wanted: then `None`. In that case the thread runs to its
    /// end, and its result is lost. Errs when this program has too many such threads.
    pub(crate) fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        is_over: impl Fn(&InterruptState) -> bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let place = Place::take().ok_or_else(|| io::Error::from(rustix::io::Errno::AGAIN))?;
        let result = Arc::new(Mutex::new(None));
        let (state, kept) = (self.clone(), result.clone());
        let done = move || {
            let made = panic::catch_unwind(AssertUnwindSafe(work));
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            drop(place);
            state.wake_sleeper();
        };
        thread::Builder::new().name("aside".to_owned()).stack_size(ASIDE_STACK).spawn(done)?;
        let take = || result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut guard = self.sleeping.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match take() {
                Some(Ok(made)) => return Ok(Some(made)),
                // The panic goes on as if the work had been done here.
                Some(Err(payload)) => panic::resume_unwind(payload),
                None => {}
            }
            if is_over(self) {
                return Ok(None);
            }
            guard = self.sleeping.1.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes a sleeping thread, so that it checks again.
    fn wake_sleeper(&self) {
        let _guard = self.sleeping.0.lock();
        self.sleeping.1.notify_all();
    }

    /// Whether a signal has come that has not been delivered to the guest, or the guest is to end: waiting is over.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst) != 0 || self.is_terminated()
    }

    /// The signals that have come since the last call.
    pub(crate) fn take(&self) -> impl Iterator<Item = Signal> + use<> {
        if let Some(alarm) = self.alarm.get() {
            let _ = rustix::io::read(alarm, &mut [0; 8]);
        }
        let pending = self.pending.swap(0, Ordering::SeqCst);
        Signal::ALL.into_iter().filter(move |signal| pending & signal.bit() != 0)
    }

    /// Records that the guest has checked for signals.
    pub(crate) fn noticed(&self) {
        if self.unnoticed.load(Ordering::SeqCst) && !self.is_pending() {
            self.unnoticed.store(false, Ordering::SeqCst);
        }
    }

    /// Sleeps for `duration` or until a signal comes. Returns true in the latter case.
    pub(crate) fn sleep(&self, duration: Duration) -> bool {
        let pending = || self.is_pending();
        let Ok(guard) = self.sleeping.0.lock() else { return pending() };
        let _ = self.sleeping.1.wait_timeout_while(guard, duration, |()| !pending());
        pending()
    }
}

/// How many bytes are read, written, copied or filled for a guest between two checks of whether it is to end: some milliseconds
/// of work.
pub(crate) const PIECE: usize = 4 << 20;

/// Stack size in bytes of the threads for work done aside.
const ASIDE_STACK: usize = 8 << 20;
/// The most threads of this program for work done aside, including those that nothing waits for any more.
const MOST_ASIDE: usize = 64;

/// A place among these threads.
struct Place;

static ASIDE: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take() -> Option<Place> {
        let one_more = |count: usize| (count < MOST_ASIDE).then_some(count + 1);
        ASIDE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        ASIDE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error that ends a guest which was interrupted and has no way to handle that.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// The error that ends a guest which was sent a signal that ends it, as most signals do by default.
#[derive(Debug, thiserror::Error)]
#[error("ended by signal {}", self.0.number())]
pub(crate) struct Killed(pub Signal);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_is_done_aside_is_waited_for_until_nobody_wants_it() {
        let state = Arc::<InterruptState>::default();
        assert_eq!(state.aside(InterruptState::is_terminated, || 5).unwrap(), Some(5));
        // A panic on that thread is raised here, instead of being waited for.
        let panics =
            || state.aside::<()>(InterruptState::is_terminated, || panic::resume_unwind(Box::new(7)));
        let payload = panic::catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(payload.downcast_ref::<i32>(), Some(&7));
        let other = state.clone();
        let interrupting = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            other.raise(Signal::Interrupt);
        });
        let started = Instant::now();
        let slow = || thread::sleep(Duration::from_secs(5));
        assert_eq!(state.aside(InterruptState::is_pending, slow).unwrap(), None);
        assert!(started.elapsed() < Duration::from_secs(4));
        interrupting.join().unwrap();
        // A signal does not end the guest.
        assert_eq!(state.aside(InterruptState::is_terminated, || 6).unwrap(), Some(6));
    }
}
