//! Owns the size of the memory, and files that are mapped into it: the mapped pages are copies, which are written back on request. Must not
//! know the guest's allocator except by its exports.

use std::collections::BTreeMap;

use wasmtime::TypedFunc;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use crate::base::interrupt::PIECE;
use crate::system::guest::{slice, slice_mut};
use crate::system::kernel::descriptors::{Object, flag};
use crate::system::kernel::errno::{Errno, Result};

pub(super) const ENTRIES: &[Entry] = &[
    ("emscripten_resize_heap", Handler::Plain(resize_heap)),
    ("emscripten_get_heap_max", Handler::Constant(Answer::Integer(MOST_BYTES.cast_signed()))),
    ("_mmap_js", Handler::Syscall(mmap)),
    ("_munmap_js", Handler::Syscall(munmap)),
    ("_msync_js", Handler::Syscall(msync)),
];

/// The most bytes of a memory: one page less than the address space, as in Emscripten.
const MOST_BYTES: u64 = 0xffff_0000;
/// How memory grows: by what is requested and a fifth of the present size, but by no more than 96 MiB (Emscripten, `settings.js`:
/// `MEMORY_GROWTH_GEOMETRIC_STEP`, `MEMORY_GROWTH_GEOMETRIC_CAP`).
const GROWTH_DIVISOR: u64 = 5;
const MOST_GROWTH: u64 = 96 << 20;
const PAGE: u64 = 65_536;

/// Files that are mapped, by address.
#[derive(Default)]
pub(crate) struct Mappings {
    mapped: BTreeMap<u32, Mapping>,
}

struct Mapping {
    length: u32,
    /// A descriptor of the mapping's own, because the guest may close its descriptor.
    fd: u32,
    offset: u64,
    /// Whether changes are written to the file.
    is_shared: bool,
}

fn resize_heap(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let wanted = u64::from(arguments.word(0)?);
    let memory = guest.memory();
    let size = memory.data_size(guest.store()) as u64;
    if wanted > MOST_BYTES {
        return Ok(Answer::Integer(0));
    }
    let generous = wanted.max(size + (size / GROWTH_DIVISOR).min(MOST_GROWTH)).min(MOST_BYTES);
    for target in [generous, wanted] {
        let more = target.saturating_sub(size).div_ceil(PAGE);
        if memory.grow(guest.store(), more).is_ok() {
            return Ok(Answer::Integer(1));
        }
    }
    Ok(Answer::Integer(0))
}

/// `mmap` of a file: `(length, protection, flags, fd, offset, *allocated, *address)`. The C library makes anonymous mappings itself.
fn mmap(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    const SHARED: u32 = 1;
    const WRITE: u32 = 2;
    let (length, protection, flags, fd) =
        (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?, arguments.word(3)?);
    let offset = u64::try_from(arguments.long(4)?).map_err(|_| Errno::INVAL)?;
    let is_shared = flags & SHARED != 0;
    let system = guest.system()?;
    let open = system.kernel.descriptors.get(fd)?;
    match open.object {
        Object::Node(_) | Object::Host(_) => {}
        _ => return Err(Errno::NODEV.into()),
    }
    let access = open.flags & flag::ACCESS;
    if access == flag::WRITE_ONLY || is_shared && protection & WRITE != 0 && access != flag::READ_WRITE {
        return Err(Errno::ACCES.into());
    }
    if length == 0 {
        return Err(Errno::INVAL.into());
    }
    // A program that locks parts of a file and maps it communicates with other processes through that memory, as the index of SQLite's
    // write-ahead log does. A copy would seem to work and lose what the others write.
    if is_shared && system.kernel.descriptors.shares_by_locks(fd) {
        return Err(Errno::NODEV.into());
    }
    let own = guest.system()?.kernel.descriptors.duplicate(fd, 0)?;
    let mapped = map(guest, length, own, offset);
    let system = guest.system()?;
    let address = match mapped {
        Ok(address) => address,
        Err(error) => {
            system.kernel.descriptors.close_mapped(&mut system.kernel.files, own)?;
            return Err(error);
        }
    };
    system.mappings.mapped.insert(address, Mapping { length, fd: own, offset, is_shared });
    guest.write(arguments.word(5)?, &1_u32.to_le_bytes())?;
    guest.write(arguments.word(6)?, &address.to_le_bytes())?;
    Ok(0)
}

/// Copies a part of a file into new memory, padded with zeros.
fn map(guest: &mut Guest<'_>, length: u32, fd: u32, offset: u64) -> Result<u32> {
    const ALIGNMENT: u32 = 65_536;
    let size = length.checked_next_multiple_of(ALIGNMENT).ok_or(Errno::NOMEM)?;
    let running = guest.state().running.clone().ok_or(Errno::NOMEM)?;
    let allocator = ["emscripten_builtin_memalign", "memalign"].into_iter().find_map(|name| {
        let function: TypedFunc<(u32, u32), u32> = running.main.get_typed_func(guest.store(), name).ok()?;
        Some(function)
    });
    let address = allocator.ok_or(Errno::NOMEM)?.call(guest.store(), (ALIGNMENT, size))?;
    if address == 0 {
        return Err(Errno::NOMEM.into());
    }
    let interrupt = guest.state().interrupt.clone();
    let (memory, system) = guest.split()?;
    let mut buffer = slice_mut(memory, address, size)?;
    let mut position = Some(offset);
    let mut left = length as usize;
    while !buffer.is_empty() {
        interrupt.check()?;
        let (piece, rest) = buffer.split_at_mut(buffer.len().min(PIECE));
        let wanted = piece.len().min(left);
        let mut filled = 0;
        while let Some(at) = position.filter(|_| filled < wanted) {
            let to = &mut piece[filled..wanted];
            let count = system.kernel.descriptors.read_at(&mut system.kernel.files, fd, to, at)?;
            filled += count;
            position = at.checked_add(count as u64).filter(|_| count > 0);
        }
        piece[filled..].fill(0);
        left -= wanted;
        buffer = rest;
    }
    Ok(address)
}

/// `munmap`: `(address, length, protection, flags, fd, offset)`. The C library frees the memory.
fn munmap(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let address = arguments.word(0)?;
    write_back(guest, address, arguments.word(1)?)?;
    let system = guest.system()?;
    if let Some(mapping) = system.mappings.mapped.remove(&address) {
        system.kernel.descriptors.close_mapped(&mut system.kernel.files, mapping.fd)?;
    }
    Ok(0)
}

fn msync(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    write_back(guest, arguments.word(0)?, arguments.word(1)?).map(|()| 0)
}

/// Writes a shared mapping to its file, whose size does not change.
fn write_back(guest: &mut Guest<'_>, address: u32, length: u32) -> Result<()> {
    let interrupt = guest.state().interrupt.clone();
    let (memory, system) = guest.split()?;
    let Some(mapping) = system.mappings.mapped.get(&address).filter(|mapping| mapping.is_shared) else {
        return Ok(());
    };
    if system.kernel.descriptors.get(mapping.fd)?.flags & flag::ACCESS != flag::READ_WRITE {
        return Ok(());
    }
    let size =
        system.kernel.descriptors.status(&system.kernel.files, &system.kernel.streams, mapping.fd)?.size;
    let left = u32::try_from(size.saturating_sub(mapping.offset)).unwrap_or(u32::MAX);
    let bytes = slice(memory, address, length.min(mapping.length).min(left))?;
    let mut position = mapping.offset;
    for piece in bytes.chunks(PIECE) {
        interrupt.check()?;
        system.kernel.descriptors.write_at(&mut system.kernel.files, mapping.fd, piece, position)?;
        position = position.saturating_add(piece.len() as u64);
    }
    Ok(())
}

/// Allocates memory of the guest and writes `bytes` to it; the guest frees it. `None` when the guest has no memory left.
pub(super) fn allocate(guest: &mut Guest<'_>, bytes: &[u8]) -> wasmtime::Result<Option<u32>> {
    let running = guest.state().running.clone();
    let running = running.ok_or_else(|| wasmtime::Error::msg("the process has not started"))?;
    let malloc: TypedFunc<u32, u32> = running.main.get_typed_func(guest.store(), "malloc")?;
    let size = u32::try_from(bytes.len())?;
    let address = malloc.call(guest.store(), size.max(1))?;
    if address == 0 {
        return Ok(None);
    }
    guest.write(address, bytes).map_err(ended)?;
    Ok(Some(address))
}
