//! Owns the way to interrupt a running guest from another thread: as Ctrl-C does, while it computes, sleeps or waits for input. Must not know
//! what an interrupt means to the guest.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use wasmtime::Engine;

/// Where a guest notices that it is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Interruption {
    /// Whatever it does.
    #[default]
    Anywhere,
    /// Where it waits, and where it asks for signals, as Emscripten's CPython does between its byte codes. A loop of an extension
    /// that does neither goes on, as it does natively, and [`InterruptHandle::terminate`] does not end it. Code is about an eighth
    /// faster. Main modules that do not ask, those of WASI among them, are interrupted anywhere.
    WhereAsked,
}

/// Interrupts one process. Cloning makes another handle for the same process.
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

    /// Ends the guest, whatever it does, with [`Interruption::Anywhere`]: [`crate::ExitStatus::Interrupted`]. This is the way to limit
    /// its time. Only reading and writing files that block, such as FIFOs and full pipes, it does not interrupt.
    pub fn terminate(&self) {
        self.state.terminated.store(true, Ordering::SeqCst);
        self.interrupt();
    }

    /// Interrupts the guest: Python gets a `KeyboardInterrupt`; a guest without `PyErr_SetInterrupt` is ended with
    /// [`crate::ExitStatus::Interrupted`]. Has no effect once the guest has ended.
    pub fn interrupt(&self) {
        self.state.raise();
        self.engine.increment_epoch();
    }

    /// Whether the guest has not noticed yet that it was interrupted. What it has been told of while it was in an extension, it may notice
    /// only when Python goes on.
    pub fn is_pending(&self) -> bool {
        self.state.is_pending() || self.state.unnoticed.load(Ordering::SeqCst)
    }
}

/// What the two sides of an interrupt share.
#[derive(Default)]
pub(crate) struct InterruptState {
    pending: AtomicBool,
    /// Whether the guest has been told, or is to be, and has not looked since.
    unnoticed: AtomicBool,
    terminated: AtomicBool,
    sleeping: (Mutex<()>, Condvar),
    /// Becomes readable with an interrupt, for those who wait for the host's descriptors.
    alarm: OnceLock<OwnedFd>,
}

impl InterruptState {
    fn raise(&self) {
        self.unnoticed.store(true, Ordering::SeqCst);
        self.pending.store(true, Ordering::SeqCst);
        if let Some(alarm) = self.alarm.get() {
            let _ = rustix::io::write(alarm, &1_u64.to_ne_bytes());
        }
        let _guard = self.sleeping.0.lock();
        self.sleeping.1.notify_all();
    }

    /// A descriptor that is readable while an interrupt is pending.
    pub(crate) fn alarm(&self) -> io::Result<BorrowedFd<'_>> {
        if self.alarm.get().is_none() {
            let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let _ = self.alarm.set(alarm);
            if self.pending.load(Ordering::SeqCst) {
                self.raise();
            }
        }
        self.alarm.get().map(AsFd::as_fd).ok_or_else(|| io::Error::from(io::ErrorKind::Other))
    }

    /// Whether the guest is to end.
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    /// Whether an interrupt came that the guest was not told of.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Whether an interrupt came since the last call.
    pub(crate) fn take(&self) -> bool {
        if let Some(alarm) = self.alarm.get() {
            let _ = rustix::io::read(alarm, &mut [0; 8]);
        }
        self.pending.swap(false, Ordering::SeqCst)
    }

    /// Notes that the guest has looked for interrupts.
    pub(crate) fn noticed(&self) {
        if self.unnoticed.load(Ordering::SeqCst) && !self.is_pending() {
            self.unnoticed.store(false, Ordering::SeqCst);
        }
    }

    /// Sleeps for `duration` or until an interrupt comes; true in the latter case.
    pub(crate) fn sleep(&self, duration: Duration) -> bool {
        let pending = || self.pending.load(Ordering::SeqCst);
        let Ok(guard) = self.sleeping.0.lock() else { return pending() };
        let _ = self.sleeping.1.wait_timeout_while(guard, duration, |()| !pending());
        pending()
    }
}

/// The guest was interrupted and has no way to handle that: ends it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;
