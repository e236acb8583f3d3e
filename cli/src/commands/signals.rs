//! Owns what happens to this program's signals while it runs a guest: the guest gets them, and a signal that the guest does not
//! notice ends this program. Must not know what the guest does with them.

use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal as Number, raise};
use pydl_loader::{InterruptHandle, Signal, Terminal};

/// How long a guest has to notice a signal that ends programs. For Ctrl-C, another one after that time ends this program.
const PATIENCE: Duration = Duration::from_secs(1);

/// The receiver of this program's signals.
#[derive(Clone, Default)]
pub struct Signals {
    guest: Arc<Mutex<Option<Guest>>>,
}

#[derive(Clone)]
struct Guest {
    interrupt: InterruptHandle,
    terminal: Terminal,
}

impl Signals {
    /// Takes over this program's signals, which end it until there is a guest. To be called before there are other threads, to
    /// which signals would be delivered otherwise.
    pub fn take() -> Result<Signals> {
        let all = [
            Number::SIGHUP,
            Number::SIGINT,
            Number::SIGTERM,
            Number::SIGQUIT,
            Number::SIGUSR1,
            Number::SIGUSR2,
            Number::SIGWINCH,
            Number::SIGCONT,
            Number::SIGTSTP,
        ];
        // What nohup(1) ignores stays ignored, and so does what a shell ignores for programs that it starts in the background.
        let wanted: SigSet = all.into_iter().filter(|number| !is_ignored(*number)).collect();
        wanted.thread_block().context("signals cannot be handled")?;
        let signals = Signals::default();
        let mut hand = Hand { signals: signals.clone(), interrupted: Instant::now() };
        let wait = move || {
            while let Ok(number) = wanted.wait() {
                hand.hand_on(number);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).context("signals cannot be handled")?;
        Ok(signals)
    }

    /// Passes signals to a guest from now on.
    pub fn give_to(&self, interrupt: InterruptHandle, terminal: Terminal) {
        *self.guest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Guest { interrupt, terminal });
    }

    fn guest(&self) -> Option<Guest> {
        self.guest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The state of the thread that passes signals on.
struct Hand {
    signals: Signals,
    /// The time of the Ctrl-C that the guest may not have noticed yet.
    interrupted: Instant,
}

impl Hand {
    fn hand_on(&mut self, number: Number) {
        let Some(guest) = self.signals.guest() else { return without_guest(number) };
        let is_pending = guest.interrupt.is_pending();
        match number {
            Number::SIGQUIT => {
                guest.terminal.restore();
                as_by_default(number);
            }
            Number::SIGTSTP => guest.terminal.while_stopped(stop),
            Number::SIGINT if is_pending && self.interrupted.elapsed() > PATIENCE => guest.end(number),
            _ => {}
        }
        if number == Number::SIGINT && !is_pending {
            self.interrupted = Instant::now();
        }
        if let Some(signal) = signal(number) {
            guest.interrupt.signal(signal);
        }
        if is_end(number) && number != Number::SIGINT {
            guest.end_unless_noticed(number);
        }
    }
}

impl Guest {
    /// Ends this program with the status that a shell shows for a signal.
    fn end(&self, number: Number) -> ! {
        self.terminal.restore();
        process::exit(128 + number as i32)
    }

    /// Ends this program if the guest does not notice a signal in time: natively, such a signal has its effect without any help.
    fn end_unless_noticed(self, number: Number) {
        // Without another thread, the guest still has the signal.
        let _ = thread::Builder::new().spawn(move || {
            let started = Instant::now();
            while started.elapsed() < PATIENCE {
                if !self.interrupt.is_pending() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            self.end(number);
        });
    }
}

/// What signals do before there is a guest.
fn without_guest(number: Number) {
    match number {
        Number::SIGTSTP => stop(),
        Number::SIGQUIT => as_by_default(number),
        other if is_end(other) => process::exit(128 + other as i32),
        _ => {}
    }
}

/// Whether a signal ends a process that has not arranged otherwise.
fn is_end(number: Number) -> bool {
    !matches!(number, Number::SIGWINCH | Number::SIGCONT | Number::SIGTSTP)
}

/// Stops this program until it is told to continue; does nothing where nothing could tell it that (a process group without a
/// shell).
fn stop() {
    as_by_default(Number::SIGTSTP);
}

/// Does what a signal does by default.
fn as_by_default(number: Number) {
    let mut one = SigSet::empty();
    one.add(number);
    let _ = one.thread_unblock();
    let _ = raise(number);
    let _ = one.thread_block();
}

/// The signal with this number, as guests know it.
fn signal(number: Number) -> Option<Signal> {
    Some(match number {
        Number::SIGINT => Signal::Interrupt,
        Number::SIGTERM => Signal::Terminate,
        Number::SIGHUP => Signal::HangUp,
        Number::SIGUSR1 => Signal::User1,
        Number::SIGUSR2 => Signal::User2,
        Number::SIGWINCH => Signal::WindowChange,
        Number::SIGCONT => Signal::Continue,
        _ => return None,
    })
}

/// Whether this program was started with a signal ignored (proc(5), `SigIgn`).
fn is_ignored(number: Number) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    u32::try_from(number as i32 - 1).is_ok_and(|bit| mask.checked_shr(bit).is_some_and(|mask| mask & 1 != 0))
}
