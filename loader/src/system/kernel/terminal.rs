//! Owns the settings of the terminal that a guest was given: what the guest set, what was set before, and that the latter is restored. Must
//! not know which descriptors of the guest lead there.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::termios::{
    Action, ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector,
    SpecialCodeIndex, Termios, Winsize, tcflow, tcflush, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
    tcsetwinsize,
};

use super::errno::{Errno, Result};

/// The size of a `struct termios` of musl: modes for input (offset 0), output (4), control (8) and local (12), line discipline (16),
/// special characters (17), speeds (52, 56).
pub(crate) const TERMIOS: usize = 60;
/// The offset of the special characters.
const CODES: usize = 17;
/// Those that Linux has, in its order, which is also musl's.
const SPECIAL: [SpecialCodeIndex; 17] = [
    SpecialCodeIndex::VINTR,
    SpecialCodeIndex::VQUIT,
    SpecialCodeIndex::VERASE,
    SpecialCodeIndex::VKILL,
    SpecialCodeIndex::VEOF,
    SpecialCodeIndex::VTIME,
    SpecialCodeIndex::VMIN,
    SpecialCodeIndex::VSWTC,
    SpecialCodeIndex::VSTART,
    SpecialCodeIndex::VSTOP,
    SpecialCodeIndex::VSUSP,
    SpecialCodeIndex::VEOL,
    SpecialCodeIndex::VREPRINT,
    SpecialCodeIndex::VDISCARD,
    SpecialCodeIndex::VWERASE,
    SpecialCodeIndex::VLNEXT,
    SpecialCodeIndex::VEOL2,
];
/// The control modes that hold the speeds (`CBAUD`, `CBAUDEX`, `CIBAUD`), which are left to the machine.
const SPEEDS: u32 = 0o2_003_610_017;

/// The terminal of a process: the standard input of this program, when the process inherits it and it is a terminal. Cloning makes another
/// handle for it, with which another thread can restore it when it ends this program.
#[derive(Clone, Default)]
pub struct Terminal {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What the guest changed.
    changed: Option<Changed>,
    /// Whether changes are no longer allowed.
    ended: bool,
}

struct Changed {
    terminal: OwnedFd,
    before: Termios,
    now: Termios,
    /// The size before and after the guest set it.
    size: Option<(Winsize, Winsize)>,
}

/// Whether this program may set a terminal: in the background it would be stopped for that (`SIGTTOU`), and the settings are the shell's.
fn is_ours(terminal: &OwnedFd) -> bool {
    // If it is not the controlling terminal of this program, nothing is stopped.
    tcgetpgrp(terminal).map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

impl Terminal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Restores the settings that the terminal had before the guest changed them. The guest cannot change them any more.
    pub fn restore(&self) {
        let mut state = self.state();
        state.ended = true;
        if let Some(changed) = state.changed.take().filter(|changed| is_ours(&changed.terminal)) {
            // The terminal may be gone.
            let _ = tcsetattr(&changed.terminal, OptionalActions::Now, &changed.before);
            let is_guests =
                |now: Winsize, size: Winsize| (now.ws_row, now.ws_col) == (size.ws_row, size.ws_col);
            if let (Some((before, set)), Ok(now)) = (changed.size, tcgetwinsize(&changed.terminal))
                && is_guests(now, set)
            {
                let _ = tcsetwinsize(&changed.terminal, before);
            }
        }
    }

    /// Restores the terminal's settings while this program is stopped, runs `stop`, and then sets the guest's again.
    pub fn while_stopped(&self, stop: impl FnOnce()) {
        let state = self.state();
        let changed = || state.changed.as_ref().filter(|changed| is_ours(&changed.terminal));
        if let Some(changed) = changed() {
            let _ = tcsetattr(&changed.terminal, OptionalActions::Now, &changed.before);
        }
        stop();
        if let Some(changed) = changed() {
            let _ = tcsetattr(&changed.terminal, OptionalActions::Now, &changed.now);
        }
    }

    /// The longest time that a read waits, according to settings that the guest made; with `None`, it waits until there is something. With
    /// `VMIN` 0 the time is `VTIME` tenths of a second (termios(3)).
    pub(crate) fn patience(&self) -> Option<Duration> {
        let state = self.state();
        let now = &state.changed.as_ref()?.now;
        let is_timed =
            !now.local_modes.contains(LocalModes::ICANON) && now.special_codes[SpecialCodeIndex::VMIN] == 0;
        is_timed.then(|| Duration::from_millis(u64::from(now.special_codes[SpecialCodeIndex::VTIME]) * 100))
    }

    /// Keeps the settings for [`Terminal::restore`], because something else is about to change them.
    pub(crate) fn keep(&self, terminal: BorrowedFd<'_>) -> Result<()> {
        self.state().change(terminal).map(drop)
    }

    /// Sets a terminal's settings to those of a guest's `struct termios`, after discarding typed input if `flush`. It does not wait for
    /// output that is not written yet, since nothing could end that wait.
    pub(crate) fn set(&self, terminal: BorrowedFd<'_>, record: &[u8; TERMIOS], flush: bool) -> Result<()> {
        let mut state = self.state();
        let settings = decode(record, &tcgetattr(terminal)?);
        let changed = state.change(terminal)?;
        if flush {
            tcflush(terminal, QueueSelector::IFlush)?;
        }
        tcsetattr(terminal, OptionalActions::Now, &settings)?;
        changed.now = settings;
        Ok(())
    }

    /// Sets a terminal's size.
    pub(crate) fn resize(&self, terminal: BorrowedFd<'_>, size: Winsize) -> Result<()> {
        let mut state = self.state();
        let before = tcgetwinsize(terminal)?;
        let changed = state.change(terminal)?;
        tcsetwinsize(terminal, size)?;
        let before = changed.size.map_or(before, |(before, _)| before);
        changed.size = Some((before, size));
        Ok(())
    }
}

impl State {
    /// The record of a change that is about to be made.
    fn change(&mut self, terminal: BorrowedFd<'_>) -> Result<&mut Changed> {
        if self.ended {
            return Err(Errno::IO.into());
        }
        let changed = if let Some(changed) = self.changed.take() {
            changed
        } else {
            let before = tcgetattr(terminal)?;
            let terminal = terminal.try_clone_to_owned()?;
            Changed { terminal, now: before.clone(), before, size: None }
        };
        Ok(self.changed.insert(changed))
    }
}

/// A terminal's settings as a `struct termios`.
pub(crate) fn settings(terminal: BorrowedFd<'_>) -> Result<[u8; TERMIOS]> {
    let settings = tcgetattr(terminal)?;
    let mut record = [0; TERMIOS];
    let control = settings.control_modes.bits();
    let speed = control & 0o010_017;
    let words = [
        (0, settings.input_modes.bits()),
        (4, settings.output_modes.bits()),
        (8, control),
        (12, settings.local_modes.bits()),
        (52, speed),
        (56, speed),
    ];
    for (offset, word) in words {
        record[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }
    for (place, index) in SPECIAL.into_iter().enumerate() {
        record[CODES + place] = settings.special_codes[index];
    }
    Ok(record)
}

/// The settings that a `struct termios` describes; what the guest may not set stays as it is now.
fn decode(record: &[u8; TERMIOS], now: &Termios) -> Termios {
    let word = |at: usize| {
        let bytes = record.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let mut settings = now.clone();
    settings.input_modes = InputModes::from_bits_retain(word(0));
    settings.output_modes = OutputModes::from_bits_retain(word(4));
    let control = word(8) & !SPEEDS | now.control_modes.bits() & SPEEDS;
    settings.control_modes = ControlModes::from_bits_retain(control);
    settings.local_modes = LocalModes::from_bits_retain(word(12));
    for (place, index) in SPECIAL.into_iter().enumerate() {
        settings.special_codes[index] = record[CODES + place];
    }
    settings
}

/// `tcflush`: discards typed input (0), unwritten output (1), or both (2).
pub(crate) fn flush(terminal: BorrowedFd<'_>, queue: u32) -> Result<()> {
    let queue = match queue {
        0 => QueueSelector::IFlush,
        1 => QueueSelector::OFlush,
        2 => QueueSelector::IOFlush,
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(tcflush(terminal, queue)?)
}

/// `tcflow`: suspends output (0), restarts it (1), or asks the other end to stop (2) or continue (3).
pub(crate) fn flow(terminal: BorrowedFd<'_>, action: u32) -> Result<()> {
    let action = match action {
        0 => Action::OOff,
        1 => Action::OOn,
        2 => Action::IOff,
        3 => Action::IOn,
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(tcflow(terminal, action)?)
}
