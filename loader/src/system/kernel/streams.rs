//! Owns standard input, output and error of a guest: this program's own, bytes, captured memory or nothing. Must not know
//! descriptors.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};

use super::errno::{Errno, Result};
use super::files::kind;
use crate::options::{Captured, Input, Output, ProcessOptions};

/// The three streams.
pub(crate) struct Streams {
    own: (io::Stdin, io::Stdout, io::Stderr),
    input: Source,
    outputs: [Sink; 2],
}

enum Source {
    Inherited,
    Bytes { bytes: Vec<u8>, position: usize },
}

enum Sink {
    Inherited,
    Captured(Captured),
    Discarded,
}

impl Streams {
    /// The streams that the options name.
    pub(crate) fn of(options: &ProcessOptions) -> Streams {
        let input = match &options.stdin {
            Input::Empty => Source::Bytes { bytes: Vec::new(), position: 0 },
            Input::Inherit => Source::Inherited,
            Input::Bytes(bytes) => Source::Bytes { bytes: bytes.clone(), position: 0 },
        };
        let sink = |output: &Output| match output {
            Output::Discard => Sink::Discarded,
            Output::Inherit => Sink::Inherited,
            Output::Capture(captured) => Sink::Captured(captured.clone()),
        };
        Streams {
            own: (io::stdin(), io::stdout(), io::stderr()),
            input,
            outputs: [sink(&options.stdout), sink(&options.stderr)],
        }
    }

    fn sink(&self, stream: u32) -> Option<&Sink> {
        self.outputs.get((stream as usize).checked_sub(1)?)
    }

    /// The host's own stream behind one of the guest's.
    pub(crate) fn host(&self, stream: u32) -> Option<BorrowedFd<'_>> {
        match (stream, &self.input, self.sink(stream)) {
            (0, Source::Inherited, _) => Some(self.own.0.as_fd()),
            (1, _, Some(Sink::Inherited)) => Some(self.own.1.as_fd()),
            (2, _, Some(Sink::Inherited)) => Some(self.own.2.as_fd()),
            _ => None,
        }
    }

    /// Whether the guest's stream is a terminal.
    pub(crate) fn is_terminal(&self, stream: u32) -> bool {
        self.host(stream).is_some_and(|host| host.as_fd().is_terminal())
    }

    /// The streams by which the guest has a terminal to read and to write, if it has.
    pub(crate) fn terminal(&self) -> Option<(u32, u32)> {
        let output = [1, 2].into_iter().find(|stream| self.is_terminal(*stream))?;
        self.is_terminal(0).then_some((0, output))
    }

    /// The mode that `fstat` tells.
    pub(crate) fn mode(&self, stream: u32) -> u32 {
        match self.host(stream).map(rustix::fs::fstat) {
            Some(Ok(status)) => status.st_mode,
            _ if stream == 0 => kind::PIPE | 0o400,
            _ => kind::PIPE | 0o200,
        }
    }

    /// Reads; the host's own stream may make one wait.
    pub(crate) fn read(&mut self, stream: u32, buffer: &mut [u8]) -> Result<usize> {
        match (stream, &mut self.input) {
            (0, Source::Bytes { bytes, position }) => {
                let left = bytes.get(*position..).unwrap_or_default();
                let count = left.len().min(buffer.len());
                buffer[..count].copy_from_slice(&left[..count]);
                *position += count;
                Ok(count)
            }
            _ => match self.host(stream) {
                Some(host) => Ok(rustix::io::read(host, buffer)?),
                None => Err(Errno::BADF.into()),
            },
        }
    }

    /// Writes; the host's own stream may make one wait.
    pub(crate) fn write(&mut self, stream: u32, bytes: &[u8]) -> Result<usize> {
        match self.sink(stream) {
            Some(Sink::Inherited) => match self.host(stream) {
                Some(host) => Ok(rustix::io::write(host, bytes)?),
                None => Err(Errno::BADF.into()),
            },
            Some(Sink::Captured(captured)) => Ok(captured.write(bytes)?),
            Some(Sink::Discarded) => Ok(bytes.len()),
            None => Err(Errno::BADF.into()),
        }
    }
}
