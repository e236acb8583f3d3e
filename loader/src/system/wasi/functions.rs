//! Owns the list of all functions of preview 1, with their types. Must not know what any of them does.

use pydl_linker::{Signature, abi};
use wasmparser::{FuncType, ValType};
use wasmtime::{Caller, Linker};

use super::calls::{clock, descriptors, paths, poll, process, sockets};
use crate::system::guest::Guest;
use crate::system::kernel::errno::{Fault, Result};
use crate::system::state::ProcessState;

/// Makes, from a list of functions that return an error number, or 0 for none, the code that defines them and the list of their types.
macro_rules! functions {
    ($($module:ident::$name:ident($($argument:ident: $ty:ty),*);)*) => {
        fn define_all(linker: &mut Linker<ProcessState>) -> wasmtime::Result<()> {
            $(linker.func_wrap(
                abi::WASI_PREVIEW1,
                stringify!($name),
                |caller: Caller<'_, ProcessState>, $($argument: $ty),*| {
                    let mut guest = Guest::new(caller)?;
                    answer($module::$name(&mut guest, $($argument),*))
                },
            )?;)*
            Ok(())
        }

        fn types_of_all() -> Vec<(&'static str, Vec<ValType>)> {
            vec![$((stringify!($name), vec![$(<$ty as Number>::TYPE),*])),*]
        }
    };
}

/// A C number in its WebAssembly type.
trait Number {
    const TYPE: ValType;
}

impl Number for u32 {
    const TYPE: ValType = ValType::I32;
}

impl Number for u64 {
    const TYPE: ValType = ValType::I64;
}

impl Number for i64 {
    const TYPE: ValType = ValType::I64;
}

// In the order of the specification of preview 1.
#[rustfmt::skip]
functions! {
    process::args_get(vector: u32, text: u32);
    process::args_sizes_get(count: u32, size: u32);
    process::environ_get(vector: u32, text: u32);
    process::environ_sizes_get(count: u32, size: u32);
    clock::clock_res_get(clock: u32, result: u32);
    clock::clock_time_get(clock: u32, precision: u64, result: u32);
    descriptors::fd_advise(fd: u32, offset: u64, length: u64, advice: u32);
    descriptors::fd_allocate(fd: u32, offset: u64, length: u64);
    descriptors::fd_close(fd: u32);
    descriptors::fd_datasync(fd: u32);
    descriptors::fd_fdstat_get(fd: u32, result: u32);
    descriptors::fd_fdstat_set_flags(fd: u32, flags: u32);
    descriptors::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    descriptors::fd_filestat_get(fd: u32, result: u32);
    descriptors::fd_filestat_set_size(fd: u32, size: u64);
    descriptors::fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32);
    descriptors::fd_pread(fd: u32, vectors: u32, count: u32, offset: u64, result: u32);
    descriptors::fd_prestat_get(fd: u32, result: u32);
    descriptors::fd_prestat_dir_name(fd: u32, buffer: u32, size: u32);
    descriptors::fd_pwrite(fd: u32, vectors: u32, count: u32, offset: u64, result: u32);
    descriptors::fd_read(fd: u32, vectors: u32, count: u32, result: u32);
    descriptors::fd_readdir(fd: u32, buffer: u32, size: u32, cookie: u64, result: u32);
    descriptors::fd_renumber(fd: u32, to: u32);
    descriptors::fd_seek(fd: u32, offset: i64, whence: u32, result: u32);
    descriptors::fd_sync(fd: u32);
    descriptors::fd_tell(fd: u32, result: u32);
    descriptors::fd_write(fd: u32, vectors: u32, count: u32, result: u32);
    paths::path_create_directory(fd: u32, path: u32, length: u32);
    paths::path_filestat_get(fd: u32, lookup: u32, path: u32, length: u32, result: u32);
    paths::path_filestat_set_times(
        fd: u32, lookup: u32, path: u32, length: u32, accessed: u64, modified: u64, flags: u32);
    paths::path_link(
        fd: u32, lookup: u32, path: u32, length: u32, new_fd: u32, new_path: u32, new_length: u32);
    paths::path_open(
        fd: u32, lookup: u32, path: u32, length: u32, open: u32, rights: u64, inheriting: u64, flags: u32, result: u32);
    paths::path_readlink(fd: u32, path: u32, length: u32, buffer: u32, size: u32, result: u32);
    paths::path_remove_directory(fd: u32, path: u32, length: u32);
    paths::path_rename(fd: u32, path: u32, length: u32, new_fd: u32, new_path: u32, new_length: u32);
    paths::path_symlink(target: u32, target_length: u32, fd: u32, path: u32, length: u32);
    paths::path_unlink_file(fd: u32, path: u32, length: u32);
    poll::poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32);
    process::proc_raise(signal: u32);
    process::random_get(buffer: u32, size: u32);
    process::sched_yield();
    sockets::sock_accept(fd: u32, flags: u32, result: u32);
    sockets::sock_recv(fd: u32, vectors: u32, count: u32, flags: u32, size: u32, result: u32);
    sockets::sock_send(fd: u32, vectors: u32, count: u32, flags: u32, result: u32);
    sockets::sock_shutdown(fd: u32, how: u32);
}

/// Defines all functions of preview 1.
pub(crate) fn define(linker: &mut Linker<ProcessState>) -> wasmtime::Result<()> {
    define_all(linker)?;
    linker.func_wrap(abi::WASI_PREVIEW1, EXIT, process::proc_exit)?;
    Ok(())
}

/// The only function that does not return.
const EXIT: &str = "proc_exit";

/// All functions of preview 1: import module, name and type.
pub(crate) fn functions() -> Vec<(&'static str, &'static str, Signature)> {
    let of = |(name, parameters): (&'static str, Vec<ValType>)| {
        (abi::WASI_PREVIEW1, name, Signature::new(FuncType::new(parameters, [ValType::I32])))
    };
    let exit = (abi::WASI_PREVIEW1, EXIT, Signature::new(FuncType::new([ValType::I32], [])));
    types_of_all().into_iter().map(of).chain([exit]).collect()
}

/// The error number that a call returns to the guest, or 0. Errs when the guest has ended.
fn answer(result: Result<()>) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(0),
        Err(Fault::Refused(errno)) => Ok(errno.0.into()),
        Err(Fault::Ended(error)) => Err(error),
    }
}
