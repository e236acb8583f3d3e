//! Owns standard input, output and error of a guest: this program's own, bytes, captured memory or nothing. Must not know
//! descriptors.
//!
//! Reading and writing never wait here, where no interrupt would reach the guest: what is not ready yet is `EAGAIN`, and waiting for it is
//! the caller's work. The streams of this program themselves are left unchanged, since other programs share them.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::termios::LocalModes;

use super::errno::{Errno, Result};
use super::files::kind;
use super::terminal::Terminal;
use crate::base::line_editor::{SharedEditor, Typed};
use crate::base::options::{Captured, Input, Output, ProcessOptions};

/// The three streams.
pub(crate) struct Streams {
    own: (io::Stdin, io::Stdout, io::Stderr),
    input: Source,
    outputs: [Sink; 2],
    /// The settings of the terminal that standard input is, if it is one.
    pub settings: Terminal,
    editor: Option<SharedEditor>,
    /// The text on the terminal's last line; and, of what was typed through the editor, what is still to be read.
    line: Vec<u8>,
    typed: VecDeque<u8>,
    /// Whether the end of input was typed, which the next read reports.
    is_at_end: bool,
}

/// The most bytes of a prompt; of a longer line, only the end is used.
const PROMPT: usize = 4096;

enum Source {
    Inherited(Quick),
    Bytes { bytes: Vec<u8>, position: usize },
}

enum Sink {
    Inherited(Quick),
    Captured(Captured),
    Discarded,
}

/// How a stream of this program is read or written without waiting.
enum Quick {
    /// Through another open file description of the same file, which is non-blocking.
    Reopened(OwnedFd),
    /// A socket: by flags of the call.
    Socket,
    /// A file or device that never blocks.
    Always,
    /// Only after checking whether it is ready.
    Look,
}

/// What a pipe accepts at once if it accepts anything (`PIPE_BUF`, pipe(7)).
const PIPE_BUFFER: usize = 4096;
/// The device that makes a new terminal each time it is opened (ptmx(4)).
const TERMINAL_MAKER: (u32, u32) = (5, 2);

impl Quick {
    fn of(stream: BorrowedFd<'_>, access: OFlags) -> Quick {
        let Ok(status) = rustix::fs::fstat(stream) else { return Quick::Look };
        let device = (rustix::fs::major(status.st_rdev), rustix::fs::minor(status.st_rdev));
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Socket => Quick::Socket,
            FileType::Fifo => Quick::reopen(stream, access),
            FileType::CharacterDevice if device == TERMINAL_MAKER => Quick::Look,
            FileType::CharacterDevice if stream.is_terminal() => Quick::reopen(stream, access),
            _ => Quick::Always,
        }
    }

    fn reopen(stream: BorrowedFd<'_>, access: OFlags) -> Quick {
        let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // This is the case without `/proc`, or when the terminal is another user's.
        rustix::fs::open(path, flags, Mode::empty()).map_or(Quick::Look, Quick::Reopened)
    }

    /// Reads what is available.
    fn read(&self, stream: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
        use rustix::net::{RecvFlags, recv};
        Ok(match self {
            Quick::Reopened(own) => rustix::io::read(own, buffer)?,
            Quick::Socket => recv(stream, buffer, RecvFlags::DONTWAIT)?.0,
            Quick::Always => rustix::io::read(stream, buffer)?,
            Quick::Look => {
                look(stream, PollFlags::IN)?;
                rustix::io::read(stream, buffer)?
            }
        })
    }

    /// Writes as much as there is room for.
    fn write(&self, stream: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
        use rustix::net::{SendFlags, send};
        Ok(match self {
            Quick::Reopened(own) => rustix::io::write(own, bytes)?,
            Quick::Socket => send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?,
            Quick::Always => rustix::io::write(stream, bytes)?,
            Quick::Look => {
                look(stream, PollFlags::OUT)?;
                rustix::io::write(stream, bytes.get(..PIPE_BUFFER).unwrap_or(bytes))?
            }
        })
    }
}

/// Errs with `EAGAIN` unless a stream is ready now, or broken.
fn look(stream: BorrowedFd<'_>, wanted: PollFlags) -> Result<()> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::from_borrowed_fd(stream, wanted)], Some(&at_once))? {
        0 => Err(Errno::AGAIN.into()),
        _ => Ok(()),
    }
}

impl Streams {
    /// The streams that the options name.
    pub(crate) fn of(options: &ProcessOptions) -> Streams {
        let own = (io::stdin(), io::stdout(), io::stderr());
        let input = match &options.stdin {
            Input::Empty => Source::Bytes { bytes: Vec::new(), position: 0 },
            Input::Inherit => Source::Inherited(Quick::of(own.0.as_fd(), OFlags::RDONLY)),
            Input::Bytes(bytes) => Source::Bytes { bytes: bytes.clone(), position: 0 },
        };
        let sink = |output: &Output, stream: BorrowedFd<'_>| match output {
            Output::Discard => Sink::Discarded,
            Output::Inherit => Sink::Inherited(Quick::of(stream, OFlags::WRONLY)),
            Output::Capture(captured) => Sink::Captured(captured.clone()),
        };
        let outputs = [sink(&options.stdout, own.1.as_fd()), sink(&options.stderr, own.2.as_fd())];
        Streams {
            own,
            input,
            outputs,
            settings: Terminal::default(),
            editor: options.editor.clone(),
            line: Vec::new(),
            typed: VecDeque::new(),
            is_at_end: false,
        }
    }

    fn sink(&self, stream: u32) -> Option<&Sink> {
        self.outputs.get((stream as usize).checked_sub(1)?)
    }

    /// The host's stream behind one of the guest's.
    pub(crate) fn host(&self, stream: u32) -> Option<BorrowedFd<'_>> {
        match (stream, &self.input, self.sink(stream)) {
            (0, Source::Inherited(_), _) => Some(self.own.0.as_fd()),
            (1, _, Some(Sink::Inherited(_))) => Some(self.own.1.as_fd()),
            (2, _, Some(Sink::Inherited(_))) => Some(self.own.2.as_fd()),
            _ => None,
        }
    }

    /// Whether the guest's stream is a terminal.
    pub(crate) fn is_terminal(&self, stream: u32) -> bool {
        self.host(stream).is_some_and(|host| host.as_fd().is_terminal())
    }

    /// The streams through which the guest reads and writes a terminal, if it has one.
    pub(crate) fn terminal(&self) -> Option<(u32, u32)> {
        let output = [1, 2].into_iter().find(|stream| self.is_terminal(*stream))?;
        self.is_terminal(0).then_some((0, output))
    }

    /// The host's terminal behind a stream, to change its settings: only when the guest was given it to read from.
    pub(crate) fn changeable(&self, stream: u32) -> Result<BorrowedFd<'_>> {
        let host = self.host(stream).filter(|host| host.as_fd().is_terminal()).ok_or(Errno::NOTTY)?;
        if self.is_terminal(0) { Ok(host) } else { Err(Errno::PERM.into()) }
    }

    /// The editor for lines that are read, and the prompt that the next line follows. `None` without an editor, without a terminal, and
    /// while something typed is still to be read.
    pub(crate) fn editor(&self) -> Option<(SharedEditor, String)> {
        let editor = self.editor.clone().filter(|_| self.typed.is_empty() && !self.is_at_end)?;
        self.terminal()?;
        Some((editor, String::from_utf8_lossy(&self.line).into_owned()))
    }

    /// Whether the terminal's settings are such that lines are read, and echoed. The settings are kept in order to be restored, since the
    /// editor sets others, and may be in the middle of a line when the program ends.
    pub(crate) fn is_for_lines(&self) -> bool {
        let Ok(settings) = rustix::termios::tcgetattr(self.own.0.as_fd()) else { return false };
        settings.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
            && self.settings.keep(self.own.0.as_fd()).is_ok()
    }

    /// Takes what was typed through the editor, which is read next.
    pub(crate) fn type_in(&mut self, typed: Typed) {
        self.line.clear();
        match typed {
            Typed::Line(line) => self.typed.extend(line.as_bytes().iter().chain(b"\n")),
            Typed::End => self.is_at_end = true,
            Typed::Interrupt => {}
        }
    }

    /// Notes the text on the terminal's last line.
    fn note_line(&mut self, written: &[u8]) {
        match written.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => self.line = written[end + 1..].to_vec(),
            None => self.line.extend_from_slice(written),
        }
        if let Some(more) = self.line.len().checked_sub(PROMPT) {
            self.line.drain(..more);
        }
    }

    /// The mode that `fstat` returns.
    pub(crate) fn mode(&self, stream: u32) -> u32 {
        match self.host(stream).map(rustix::fs::fstat) {
            Some(Ok(status)) => status.st_mode,
            _ if stream == 0 => kind::PIPE | 0o400,
            _ => kind::PIPE | 0o200,
        }
    }

    /// Reads standard input; returns the number of bytes. Errs with `EAGAIN` when there is nothing yet, and with `EBADF` for the other
    /// streams: what is typed at a terminal that output goes to is not for the guest unless it is given as input.
    pub(crate) fn read(&mut self, stream: u32, buffer: &mut [u8]) -> Result<usize> {
        match (stream, &mut self.input) {
            // musl first reads into an empty buffer.
            (0, Source::Inherited(_)) if !buffer.is_empty() && std::mem::take(&mut self.is_at_end) => Ok(0),
            (0, Source::Inherited(_)) if !self.typed.is_empty() => {
                let count = self.typed.len().min(buffer.len());
                buffer.iter_mut().zip(self.typed.drain(..count)).for_each(|(byte, typed)| *byte = typed);
                Ok(count)
            }
            (0, Source::Bytes { bytes, position }) => {
                let left = bytes.get(*position..).unwrap_or_default();
                let count = left.len().min(buffer.len());
                buffer[..count].copy_from_slice(&left[..count]);
                *position += count;
                Ok(count)
            }
            (0, Source::Inherited(quick)) => quick.read(self.own.0.as_fd(), buffer),
            _ => Err(Errno::BADF.into()),
        }
    }

    /// Writes to standard output or error; returns the number of bytes. Errs with `EAGAIN` when there is no room yet.
    pub(crate) fn write(&mut self, stream: u32, bytes: &[u8]) -> Result<usize> {
        match (self.sink(stream), self.host(stream)) {
            (Some(Sink::Inherited(quick)), Some(host)) => {
                let count = quick.write(host, bytes)?;
                if self.editor.is_some() {
                    self.note_line(&bytes[..count]);
                }
                Ok(count)
            }
            (Some(Sink::Captured(captured)), _) => Ok(captured.write(bytes)?),
            (Some(Sink::Discarded), _) => Ok(bytes.len()),
            _ => Err(Errno::BADF.into()),
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.settings.restore();
    }
}
