//! Owns WASI preview 1 for a process: wasmtime-wasi's, with waits that an interrupt ends and with every exit status.
//! Must not know libraries.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use pydl_linker::abi;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory};
use wasmtime_wasi::cli::OutputFile;
use wasmtime_wasi::p1::{self, WasiP1Ctx, wasi_snapshot_preview1 as preview1};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::error::LoadError;
use crate::interrupt::Interrupted;
use crate::options::{Input, Mount, Output, ProcessOptions};
use crate::process::ProcessState;

/// How many bytes one call may read or write: a guest's memory has no more.
pub(crate) const HOST_MEMORY: usize = 4 << 30;
/// How many bytes of subscriptions and events `poll_oneoff` takes; for each the host allocates.
const POLL_MEMORY: usize = 1 << 20;

/// `EINTR`.
const EINTR: i32 = 27;

/// Makes the WASI side of a process: what `options` and `mounts` name is visible, and nothing else.
pub(crate) fn context(
    options: &ProcessOptions,
    mounts: impl IntoIterator<Item = Mount>,
) -> Result<WasiP1Ctx, LoadError> {
    let mut builder = WasiCtxBuilder::new();
    builder.args(&options.arguments).envs(&options.environment);
    // The guest has a thread of its own, which may wait for files itself.
    builder.allow_blocking_current_thread(true);
    for Mount { host, guest, read_only } in mounts {
        let permissions = if read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        builder.preopened_dir(&host, &guest, permissions).map_err(|e| refused_mount(&host, &guest, &e))?;
    }
    match &options.stdin {
        Input::Empty => {}
        Input::Inherit => drop(builder.inherit_stdin()),
        Input::Bytes(bytes) => drop(builder.stdin(MemoryInputPipe::new(bytes.clone()))),
    }
    match &options.stdout {
        Output::Discard => {}
        Output::Inherit => drop(builder.stdout(own_stream(io::stdout().as_fd())?)),
        Output::Capture(captured) => drop(builder.stdout(captured.pipe.clone())),
    }
    match &options.stderr {
        Output::Discard => {}
        Output::Inherit => drop(builder.stderr(own_stream(io::stderr().as_fd())?)),
        Output::Capture(captured) => drop(builder.stderr(captured.pipe.clone())),
    }
    Ok(builder.build_p1())
}

/// A stream of this program as a file: written through, and with errors such as a broken pipe told to the guest, which
/// wasmtime-wasi's own streams keep to themselves.
fn own_stream(stream: BorrowedFd<'_>) -> Result<OutputFile, LoadError> {
    let stream = stream.try_clone_to_owned();
    let stream =
        stream.map_err(|e| LoadError::Option(format!("an output stream cannot be passed on: {e}")))?;
    Ok(OutputFile::new(File::from(stream)))
}

fn refused_mount(host: &Path, guest: &str, error: &wasmtime::Error) -> LoadError {
    LoadError::Option(format!("cannot show {} to the guest as {guest}: {error:#}", host.display()))
}

/// Defines WASI preview 1. Three functions are pydl's own: the two in which a guest waits, and `proc_exit`.
pub(crate) fn add_to_linker(linker: &mut Linker<ProcessState>) -> wasmtime::Result<()> {
    p1::add_to_linker_sync(linker, |state: &mut ProcessState| &mut state.wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap(abi::WASI_PREVIEW1, "fd_read", fd_read)?;
    linker.func_wrap(abi::WASI_PREVIEW1, "poll_oneoff", poll_oneoff)?;
    linker.func_wrap(abi::WASI_PREVIEW1, "proc_exit", proc_exit)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// wasmtime-wasi takes statuses from 126 on for errors; Python exits with 130 after a `KeyboardInterrupt`.
fn proc_exit(_: Caller<'_, ProcessState>, status: i32) -> wasmtime::Result<()> {
    Err(I32Exit(status).into())
}

fn fd_read(
    mut guest: Caller<'_, ProcessState>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    nread: i32,
) -> wasmtime::Result<i32> {
    let interrupt = guest.data().interrupt.clone();
    let (mut memory, state) = guest_memory(&mut guest, HOST_MEMORY)?;
    let read = preview1::fd_read(&mut state.wasi, &mut memory, fd, iovs, iovs_len, nread);
    match in_tokio(interrupt.race(read)) {
        Some(result) => result,
        None => interrupted(&mut guest),
    }
}

fn poll_oneoff(
    mut guest: Caller<'_, ProcessState>,
    subscriptions: i32,
    events: i32,
    count: i32,
    nevents: i32,
) -> wasmtime::Result<i32> {
    let interrupt = guest.data().interrupt.clone();
    let sleep = Sleep::read(&mut guest, subscriptions, count)?;
    if let Some(Sleep { relative: Some(duration), .. }) = sleep {
        // wasmtime-wasi would sleep in a way that nothing can end.
        if interrupt.sleep(duration) {
            told(&mut guest)?;
        }
        return sleep.map_or(Ok(0), |sleep| sleep.over(&mut guest, events, nevents));
    }
    let (mut memory, state) = guest_memory(&mut guest, POLL_MEMORY)?;
    let poll = preview1::poll_oneoff(&mut state.wasi, &mut memory, subscriptions, events, count, nevents);
    match (in_tokio(interrupt.race(poll)), sleep) {
        (Some(result), _) => result,
        (None, Some(sleep)) => {
            told(&mut guest)?;
            sleep.over(&mut guest, events, nevents)
        }
        (None, None) => interrupted(&mut guest),
    }
}

/// The memory of the caller, as WASI finds it, and the state, which may use `fuel` bytes of the host's memory in this call.
/// wasmtime-wasi's own functions are given theirs by their wrappers; without, a call has what the last one left.
fn guest_memory<'a>(
    guest: &'a mut Caller<'_, ProcessState>,
    fuel: usize,
) -> wasmtime::Result<(wiggle::GuestMemory<'a>, &'a mut ProcessState)> {
    let (bytes, state) = own_memory(guest)?.data_and_store_mut(guest);
    preview1::WasiSnapshotPreview1::set_hostcall_fuel(&mut state.wasi, fuel);
    Ok((wiggle::GuestMemory::Unshared(bytes), state))
}

fn own_memory(guest: &mut Caller<'_, ProcessState>) -> wasmtime::Result<Memory> {
    let memory = guest.get_export(abi::MEMORY).and_then(Extern::into_memory);
    memory.ok_or_else(|| wasmtime::Error::msg("missing required memory export"))
}

/// A `poll_oneoff` that waits for nothing but one timeout. When it is interrupted, it ends as if its time had come:
/// wasi-libc turns `EINTR` into `ENOTSUP` there, and Python, which was told, raises `KeyboardInterrupt` either way.
struct Sleep {
    /// How long, if the timeout is not a point in time.
    relative: Option<Duration>,
    userdata: [u8; 8],
}

/// Offsets and sizes of `subscription` and `event` (`wasi_snapshot_preview1.witx`).
mod layout {
    pub const SUBSCRIPTION: usize = 48;
    pub const TAG: usize = 8;
    pub const TIMEOUT: usize = 24;
    pub const FLAGS: usize = 40;
    pub const EVENT: usize = 32;
    pub const EVENT_TYPE: usize = 10;
    pub const TAG_CLOCK: u8 = 0;
    pub const ABSTIME: u8 = 1;
}

impl Sleep {
    fn read(
        guest: &mut Caller<'_, ProcessState>,
        subscriptions: i32,
        count: i32,
    ) -> wasmtime::Result<Option<Sleep>> {
        if count != 1 {
            return Ok(None);
        }
        let mut subscription = [0; layout::SUBSCRIPTION];
        let memory = own_memory(guest)?;
        memory.read(guest, subscriptions.cast_unsigned() as usize, &mut subscription)?;
        if subscription[layout::TAG] != layout::TAG_CLOCK {
            return Ok(None);
        }
        let long = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&subscription[at..at + 8]);
            bytes
        };
        let is_relative = subscription[layout::FLAGS] & layout::ABSTIME == 0;
        let timeout = Duration::from_nanos(u64::from_le_bytes(long(layout::TIMEOUT)));
        Ok(Some(Sleep { relative: is_relative.then_some(timeout), userdata: long(0) }))
    }

    /// Tells the guest that the time has come.
    fn over(&self, guest: &mut Caller<'_, ProcessState>, events: i32, nevents: i32) -> wasmtime::Result<i32> {
        let mut event = [0; layout::EVENT];
        event[..8].copy_from_slice(&self.userdata);
        event[layout::EVENT_TYPE] = layout::TAG_CLOCK;
        let memory = own_memory(guest)?;
        memory.write(&mut *guest, events.cast_unsigned() as usize, &event)?;
        memory.write(guest, nevents.cast_unsigned() as usize, &1_u32.to_le_bytes())?;
        Ok(0)
    }
}

/// Ends a wait with `EINTR`, after telling the guest why.
fn interrupted(guest: &mut Caller<'_, ProcessState>) -> wasmtime::Result<i32> {
    told(guest)?;
    Ok(EINTR)
}

/// Tells the guest of a pending interrupt.
fn told(guest: &mut Caller<'_, ProcessState>) -> wasmtime::Result<()> {
    if guest.data().interrupt.is_terminated() {
        return Err(Interrupted.into());
    }
    if guest.data().interrupt.take() {
        super::deliver_interrupt(&mut guest.as_context_mut())?;
    }
    Ok(())
}
