//! Owns the calls on open descriptors: reading, writing, seeking, duplicating, pipes, `poll`, `select`, terminal settings. Must
//! not know paths.

use std::time::Duration;

use pydl_linker::rewrite::waiting::ASKS_TO_SLEEP;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::files::write_status;
use crate::system::kernel::descriptors::{Readiness, flag};
use crate::system::kernel::errno::{Errno, Fault, Result};
use crate::system::kernel::files::kind;
use crate::system::kernel::locks::{Mode, Owner, Range};
use crate::system::kernel::terminal;
use crate::system::sleep::{self, Request};
use crate::system::transfer;
use crate::system::wait::{Interest, pause, wait};

pub(super) const ENTRIES: &[Entry] = &[
    ("fd_read", Handler::Wasi(fd_read)),
    ("fd_write", Handler::Wasi(fd_write)),
    ("fd_pread", Handler::Wasi(fd_pread)),
    ("fd_pwrite", Handler::Wasi(fd_pwrite)),
    ("fd_seek", Handler::Wasi(fd_seek)),
    ("fd_close", Handler::Wasi(fd_close)),
    ("fd_sync", Handler::Wasi(fd_sync)),
    ("fd_fdstat_get", Handler::Wasi(fd_fdstat_get)),
    ("__syscall_fdatasync", Handler::Syscall(fdatasync)),
    ("__syscall_dup", Handler::Syscall(dup)),
    ("__syscall_dup3", Handler::Syscall(dup3)),
    ("__syscall_fcntl64", Handler::Syscall(fcntl)),
    ("__syscall_ioctl", Handler::Syscall(ioctl)),
    ("__syscall_pipe", Handler::Syscall(pipe)),
    ("__syscall_pipe2", Handler::Syscall(pipe2)),
    ("__syscall_poll", Handler::Syscall(poll)),
    ("__syscall_poll_nonblocking", Handler::Syscall(poll_at_once)),
    // There is no `epoll`, as in Emscripten's own file system; programs then use `poll`.
    ("__syscall_epoll_create1", Handler::Constant(NOT_THERE)),
    ("__syscall_epoll_ctl", Handler::Constant(NOT_THERE)),
    ("__syscall_epoll_pwait", Handler::Constant(NOT_THERE)),
    ("__syscall__newselect", Handler::Syscall(select)),
    ("__syscall_fstat64", Handler::Syscall(fstat)),
    ("__syscall_ftruncate64", Handler::Syscall(ftruncate)),
    ("__syscall_fadvise64", Handler::Syscall(fadvise)),
    ("__syscall_fallocate", Handler::Syscall(fallocate)),
];

/// The answer of a call that does not exist.
const NOT_THERE: Answer = Answer::Integer(-(Errno::NOSYS.0 as i64));

fn fd_read(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let count = transfer::read(guest, arguments.word(0)?, (arguments.word(1)?, arguments.word(2)?))?;
    guest.write(arguments.word(3)?, &count.to_le_bytes())
}

fn fd_write(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let count = transfer::write(guest, arguments.word(0)?, (arguments.word(1)?, arguments.word(2)?))?;
    guest.write(arguments.word(3)?, &count.to_le_bytes())
}

fn fd_pread(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let (fd, vectors) = (arguments.word(0)?, (arguments.word(1)?, arguments.word(2)?));
    let start = u64::try_from(arguments.long(3)?).map_err(|_| Errno::INVAL)?;
    let count = transfer::read_at(guest, fd, vectors, start)?;
    guest.write(arguments.word(4)?, &count.to_le_bytes())
}

fn fd_pwrite(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let (fd, vectors) = (arguments.word(0)?, (arguments.word(1)?, arguments.word(2)?));
    let start = u64::try_from(arguments.long(3)?).map_err(|_| Errno::INVAL)?;
    let count = transfer::write_at(guest, fd, vectors, start)?;
    guest.write(arguments.word(4)?, &count.to_le_bytes())
}

fn fd_seek(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let (fd, offset, whence) = (arguments.word(0)?, arguments.long(1)?, arguments.word(2)?);
    let system = guest.system()?;
    let position = system.kernel.descriptors.seek(&system.kernel.files, fd, offset, whence)?;
    guest.write(arguments.word(3)?, &position.to_le_bytes())
}

fn fd_close(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let system = guest.system()?;
    system.kernel.descriptors.close(&mut system.kernel.files, arguments.word(0)?)
}

fn fd_sync(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    transfer::synchronize(guest, arguments.word(0)?, false)
}

fn fdatasync(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    transfer::synchronize(guest, arguments.word(0)?, true).map(|()| 0)
}

/// `struct fdstat`: file type (offset 0), flags (2), rights (8 and 16).
fn fd_fdstat_get(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<()> {
    let system = guest.system()?;
    let fd = arguments.word(0)?;
    let open = system.kernel.descriptors.get(fd)?;
    let is_terminal = system.kernel.is_terminal(&open.object);
    let mode =
        system.kernel.descriptors.status(&system.kernel.files, &system.kernel.streams, fd)?.mode & 0o170_000;
    let file_type: u8 = match mode {
        _ if is_terminal => 2,
        kind::FOLDER => 3,
        kind::FILE => 4,
        kind::SOCKET => 6,
        kind::LINK => 7,
        // Character devices count as terminals for the guest, so only terminals are reported as such.
        _ => 0,
    };
    let mut record = [0; 24];
    record[0] = file_type;
    let flags = u16::from(open.flags & flag::APPEND != 0) | u16::from(open.flags & flag::NONBLOCK != 0) << 2;
    record[2..4].copy_from_slice(&flags.to_le_bytes());
    record[8..].fill(0xff);
    guest.write(arguments.word(1)?, &record)
}

fn dup(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    Ok(guest.system()?.kernel.descriptors.duplicate(arguments.word(0)?, 0)?.into())
}

fn dup3(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, new) = (arguments.word(0)?, arguments.word(1)?);
    if fd == new {
        return Err(Errno::INVAL.into());
    }
    let system = guest.system()?;
    Ok(system.kernel.descriptors.duplicate_to(&mut system.kernel.files, fd, new)?.into())
}

/// `fcntl`; its optional argument lies in memory.
fn fcntl(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, command, further) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let argument = |guest: &Guest<'_>| if further == 0 { Ok(0) } else { guest.u32(further) };
    guest.system()?.kernel.descriptors.get(fd)?;
    match command {
        // F_DUPFD, F_DUPFD_CLOEXEC
        0 | 1030 => {
            let from = argument(guest)?;
            Ok(guest.system()?.kernel.descriptors.duplicate(fd, from)?.into())
        }
        // F_GETFD, F_SETFD, F_SETOWN: without other processes, there is nothing to close on exec and nothing to signal.
        1 | 2 | 8 => Ok(0),
        // F_GETFL
        3 => Ok(guest.system()?.kernel.descriptors.get(fd)?.flags.into()),
        // F_SETFL
        4 => {
            let flags = argument(guest)?;
            guest.system()?.kernel.descriptors.set_flags(fd, flags).map(|()| 0)
        }
        // F_GETLK, F_SETLK, F_SETLKW by their numbers with and without 64 bits, then F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW.
        5 | 12 | 36 => get_lock(guest, fd, argument(guest)?, command == 36),
        6 | 13 | 37 => set_lock(guest, fd, argument(guest)?, command == 37),
        7 | 14 | 38 => {
            let lock = argument(guest)?;
            until_free(guest, |guest| set_lock(guest, fd, lock, command == 38))
        }
        _ => Err(Errno::INVAL.into()),
    }
}

/// `struct flock`: type (offset 0), whence (2), start (8), length (16), process (24).
fn read_lock(guest: &mut Guest<'_>, fd: u32, address: u32) -> Result<(Range, Option<Mode>)> {
    let head = guest.u32(address)?;
    let (start, length) = (guest.u64(address.saturating_add(8))?, guest.u64(address.saturating_add(16))?);
    let mode = match head & 0xffff {
        0 => Some(Mode::Shared),
        1 => Some(Mode::Exclusive),
        2 => None,
        _ => return Err(Errno::INVAL.into()),
    };
    let system = guest.system()?;
    let fields = (head >> 16, start.cast_signed(), length.cast_signed());
    Ok((system.kernel.descriptors.range(&system.kernel.files, fd, fields)?, mode))
}

fn set_lock(guest: &mut Guest<'_>, fd: u32, address: u32, of_description: bool) -> Result<i64> {
    let (range, mode) = read_lock(guest, fd, address)?;
    guest.system()?.kernel.descriptors.lock(fd, of_description, range, mode).map(|()| 0)
}

/// Reports a lock that is in the way. Its owner is not disclosed unless it is the guest itself, whose number is `OWN`.
fn get_lock(guest: &mut Guest<'_>, fd: u32, address: u32, of_description: bool) -> Result<i64> {
    /// The process number of the guest (`getpid`).
    const OWN: i32 = 42;
    const NONE: u16 = 2;
    let (range, mode) = read_lock(guest, fd, address)?;
    let mode = mode.ok_or(Errno::INVAL)?;
    let held = guest.system()?.kernel.descriptors.lock_in_the_way(fd, of_description, range, mode)?;
    let Some(held) = held else { return guest.write(address, &NONE.to_le_bytes()).map(|()| 0) };
    let (start, length) = held.range.start_and_length();
    let process = match held.owner {
        Some(Owner::Process) => OWN,
        Some(Owner::Description(_)) => -1,
        None => 0,
    };
    guest.write(address, &u16::from(held.mode == Mode::Exclusive).to_le_bytes())?;
    guest.write(address.saturating_add(2), &0_u16.to_le_bytes())?;
    guest.write(address.saturating_add(8), &start.to_le_bytes())?;
    guest.write(address.saturating_add(16), &length.to_le_bytes())?;
    guest.write(address.saturating_add(24), &process.to_le_bytes())?;
    Ok(0)
}

/// Tries until no other owner has a lock: the host does not report when it is released. Interrupts end the wait.
fn until_free(guest: &mut Guest<'_>, mut attempt: impl FnMut(&mut Guest<'_>) -> Result<i64>) -> Result<i64> {
    const LONGEST: Duration = Duration::from_millis(20);
    let mut patience = Duration::from_micros(200);
    loop {
        match attempt(guest) {
            Err(Fault::Refused(Errno::AGAIN)) => pause(guest, patience)?,
            other => return other,
        }
        patience = (patience * 2).min(LONGEST);
    }
}

/// `ioctl`: the requests to terminals, and those to files and sockets.
fn ioctl(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    const FIONREAD: u32 = 21531;
    const FIONBIO: u32 = 21537;
    let (fd, request, further) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let argument = if further == 0 { 0 } else { guest.u32(further)? };
    let system = guest.system()?;
    let open = system.kernel.descriptors.get(fd)?;
    match request {
        FIONBIO => {
            let value = guest.u32(argument)?;
            let open = guest.system()?.kernel.descriptors.get_mut(fd)?;
            open.flags = open.flags & !flag::NONBLOCK | if value == 0 { 0 } else { flag::NONBLOCK };
            return Ok(0);
        }
        FIONREAD => {
            let left = u32::try_from(system.kernel.bytes_left(fd)?).unwrap_or(u32::MAX);
            return guest.write(argument, &left.to_le_bytes()).map(|()| 0);
        }
        _ => {}
    }
    let stream = system.kernel.terminal(&open.object).ok_or(Errno::NOTTY)?;
    terminal(guest, stream, request, argument)
}

/// Requests to terminals (`asm-generic/ioctls.h`).
mod request {
    pub const TCGETS: u32 = 0x5401;
    pub const TCSETS: u32 = 0x5402;
    pub const TCSETSW: u32 = 0x5403;
    pub const TCSETSF: u32 = 0x5404;
    pub const TCSBRK: u32 = 0x5409;
    pub const TCXONC: u32 = 0x540A;
    pub const TCFLSH: u32 = 0x540B;
    pub const TIOCGPGRP: u32 = 0x540F;
    pub const TIOCGWINSZ: u32 = 0x5413;
    pub const TIOCSWINSZ: u32 = 0x5414;
}

/// The process number that Emscripten's `getpid` returns.
const PROCESS: u32 = 42;

/// Serves a request to a terminal. The terminal's settings are really changed if the guest was given the terminal to read from.
fn terminal(guest: &mut Guest<'_>, stream: u32, request: u32, argument: u32) -> Result<i64> {
    match request {
        request::TIOCGWINSZ => {
            let host = guest.system()?.kernel.streams.host(stream).ok_or(Errno::NOTTY)?;
            let size = rustix::termios::tcgetwinsize(host)?;
            let fields = [size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel];
            guest.write(argument, &fields.map(u16::to_le_bytes).concat())?;
        }
        request::TIOCSWINSZ => {
            let fields = guest.bytes(argument, 8)?.as_chunks::<2>().0.to_vec();
            let field = |place: usize| fields.get(place).map_or(0, |bytes| u16::from_le_bytes(*bytes));
            let (rows, columns, width, height) = (field(0), field(1), field(2), field(3));
            let streams = &guest.system()?.kernel.streams;
            let size = rustix::termios::Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: width,
                ws_ypixel: height,
            };
            streams.settings.resize(streams.changeable(stream)?, size)?;
        }
        request::TCGETS => {
            let host = guest.system()?.kernel.streams.host(stream).ok_or(Errno::NOTTY)?;
            let record = terminal::settings(host)?;
            guest.write(argument, &record)?;
        }
        request::TCSETS | request::TCSETSW | request::TCSETSF => {
            let record = guest.bytes(argument, 60)?.first_chunk().copied().ok_or(Errno::FAULT)?;
            let streams = &guest.system()?.kernel.streams;
            streams.settings.set(streams.changeable(stream)?, &record, request == request::TCSETSF)?;
        }
        request::TCFLSH => terminal::flush(guest.system()?.kernel.streams.changeable(stream)?, argument)?,
        request::TCXONC => terminal::flow(guest.system()?.kernel.streams.changeable(stream)?, argument)?,
        // Nothing waits to be written; a break means nothing to a terminal on a screen.
        request::TCSBRK => {}
        // The process group of the only process.
        request::TIOCGPGRP => guest.write(argument, &PROCESS.to_le_bytes())?,
        _ => return Err(Errno::INVAL.into()),
    }
    Ok(0)
}

fn pipe(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    new_pipe(guest, arguments.word(0)?, 0)
}

fn pipe2(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    new_pipe(guest, arguments.word(0)?, arguments.word(1)?)
}

fn new_pipe(guest: &mut Guest<'_>, address: u32, flags: u32) -> Result<i64> {
    guest.bytes(address, 8)?;
    let system = guest.system()?;
    let (reader, writer) = system.kernel.descriptors.add_pipe(&mut system.kernel.files, flags)?;
    guest.write(address, &reader.to_le_bytes())?;
    guest.write(address.saturating_add(4), &writer.to_le_bytes())?;
    Ok(0)
}

/// Events of `poll` (Emscripten, `poll.h`).
mod event {
    pub const IN: u16 = 0x1;
    pub const OUT: u16 = 0x4;
    pub const ERR: u16 = 0x8;
    pub const HUP: u16 = 0x10;
    pub const NVAL: u16 = 0x20;
    pub const READ_NORMAL: u16 = 0x40;
    pub const WRITE_NORMAL: u16 = 0x100;
}

/// The most descriptors that one call waits for.
const MOST_POLLED: u32 = 4096;

/// `poll(records, count, milliseconds)`: there are 8 bytes for each descriptor, which are `fd`, `events` and `revents`; a negative time is
/// for ever.
fn poll(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (address, count, timeout) = (arguments.word(0)?, arguments.word(1)?, arguments.int(2)?);
    if count & ASKS_TO_SLEEP != 0 {
        return sleep_as_asked(guest, address, count, timeout.cast_unsigned());
    }
    poll_within(guest, address, count, u64::try_from(timeout).ok().map(Duration::from_millis))
}

/// `(records, count)`: `poll` without waiting.
fn poll_at_once(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    poll_within(guest, arguments.word(0)?, arguments.word(1)?, Some(Duration::ZERO))
}

/// Waits until something happens to one of the descriptors of an array of `struct pollfd`, and writes the events there. Returns the number
/// of descriptors with events.
fn poll_within(guest: &mut Guest<'_>, address: u32, count: u32, timeout: Option<Duration>) -> Result<i64> {
    if count > MOST_POLLED {
        return Err(Errno::INVAL.into());
    }
    let records = guest.bytes(address, count * 8)?.to_vec();
    let mut interests = Vec::new();
    let mut places = Vec::new();
    for (place, record) in records.as_chunks::<8>().0.iter().enumerate() {
        let fd = i32::from_le_bytes([record[0], record[1], record[2], record[3]]);
        let events = u16::from_le_bytes([record[4], record[5]]);
        if let Ok(fd) = u32::try_from(fd) {
            let read = events & (event::IN | event::READ_NORMAL) != 0;
            let write = events & (event::OUT | event::WRITE_NORMAL) != 0;
            interests.push(Interest { fd, read, write });
            places.push((place, events));
        }
    }
    let ready = match wait(guest, &interests, timeout) {
        // Emscripten's C library, from version 5 on, implements `select` with this call, and does not set `errno`.
        Err(Fault::Refused(Errno::INTR)) => {
            guest.set_errno(Errno::INTR)?;
            return Err(Errno::INTR.into());
        }
        ready => ready?,
    };
    let mut answers = vec![0_u16; count as usize];
    for ((place, events), ready) in places.into_iter().zip(ready) {
        answers[place] = poll_answer(events, ready);
    }
    let mut at = address;
    for answer in &answers {
        guest.write(at.saturating_add(6), &answer.to_le_bytes())?;
        at = at.saturating_add(8);
    }
    Ok(answers.iter().filter(|answer| **answer != 0).count().try_into().unwrap_or(0))
}

/// `clock_nanosleep`, in the form in which the linker makes Emscripten's C library request it.
fn sleep_as_asked(guest: &mut Guest<'_>, request: u32, count: u32, remaining: u32) -> Result<i64> {
    let record = guest.bytes(request, 12)?.first_chunk().copied().ok_or(Errno::FAULT)?;
    let request = Request::read(count, record, |clock| super::clock::nanoseconds(guest, clock))?;
    let Some(left) = sleep::sleep(&mut guest.store(), request.time)? else { return Ok(0) };
    if request.is_relative && remaining != 0 {
        guest.write(remaining, &sleep::timespec(left))?;
    }
    Err(Errno::INTR.into())
}

fn poll_answer(events: u16, ready: Option<Readiness>) -> u16 {
    let Some(ready) = ready else { return event::NVAL };
    let mut answer = 0;
    if ready.readable {
        answer |= events & (event::IN | event::READ_NORMAL);
    }
    if ready.writable {
        answer |= events & (event::OUT | event::WRITE_NORMAL);
    }
    if ready.hung_up {
        answer |= event::HUP;
    }
    if ready.error {
        answer |= event::ERR;
    }
    answer
}

/// `select`: sets of descriptors as bits, and a `struct timeval`; a null pointer means no limit.
fn select(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    const SET: usize = 128;
    let count = arguments.word(0)?.min(1024);
    let sets = [arguments.word(1)?, arguments.word(2)?, arguments.word(3)?];
    let has = |guest: &Guest<'_>, set: u32, fd: u32| -> Result<bool> {
        Ok(set != 0 && guest.bytes(set.saturating_add(fd / 8), 1)?[0] & 1 << (fd % 8) != 0)
    };
    let mut interests = Vec::new();
    for fd in 0..count {
        let (read, write) = (has(guest, sets[0], fd)?, has(guest, sets[1], fd)?);
        if read || write || has(guest, sets[2], fd)? {
            guest.system()?.kernel.descriptors.get(fd)?;
            interests.push(Interest { fd, read, write });
        }
    }
    let timeout = match arguments.word(4)? {
        0 => None,
        // It is not a `struct timeval`: musl passes two longs (`src/select/select.c`), of 32 bits each.
        at => {
            let (seconds, microseconds) = (guest.u32(at)?, guest.u32(at.saturating_add(4))?);
            Some(Duration::from_secs(seconds.into()) + Duration::from_micros(microseconds.into()))
        }
    };
    let ready = wait(guest, &interests, timeout)?;
    let mut answers = [[0_u8; SET]; 3];
    let mut total = 0;
    for (interest, ready) in interests.iter().zip(ready) {
        let Some(ready) = ready else { continue };
        let over = ready.hung_up || ready.error;
        let is_in =
            [interest.read && (ready.readable || over), interest.write && (ready.writable || ready.error)];
        for (answer, is_in) in answers.iter_mut().zip(is_in) {
            if is_in {
                answer[interest.fd as usize / 8] |= 1 << (interest.fd % 8);
                total += 1;
            }
        }
    }
    for (set, answer) in sets.into_iter().zip(answers) {
        if set != 0 {
            guest.write(set, &answer[..(count as usize).div_ceil(8)])?;
        }
    }
    Ok(total)
}

fn fstat(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let system = guest.system()?;
    let status =
        system.kernel.descriptors.status(&system.kernel.files, &system.kernel.streams, arguments.word(0)?)?;
    write_status(guest, arguments.word(1)?, &status)
}

fn ftruncate(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let size = u64::try_from(arguments.long(1)?).map_err(|_| Errno::INVAL)?;
    let system = guest.system()?;
    system.kernel.descriptors.resize(&mut system.kernel.files, arguments.word(0)?, size).map(|()| 0)
}

fn fadvise(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    guest.system()?.kernel.descriptors.get(arguments.word(0)?).map(|_| 0)
}

fn fallocate(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, mode) = (arguments.word(0)?, arguments.word(1)?);
    let unsigned = |value: i64| u64::try_from(value).map_err(|_| Errno::INVAL);
    let part = (unsigned(arguments.long(2)?)?, unsigned(arguments.long(3)?)?);
    let system = guest.system()?;
    system.kernel.descriptors.allocate(&mut system.kernel.files, fd, part, mode).map(|()| 0)
}
