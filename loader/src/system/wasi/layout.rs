//! Owns the layout of the structures and numbers of preview 1 in a guest's memory (`typenames.witx`), all little-endian. Must not know what
//! they are used for.

use crate::system::guest::Guest;
use crate::system::kernel::errno::Result;
use crate::system::kernel::files::{Status, kind};

/// `filetype`.
pub(super) mod file_type {
    pub(crate) const UNKNOWN: u8 = 0;
    pub(crate) const BLOCK_DEVICE: u8 = 1;
    pub(crate) const CHARACTER_DEVICE: u8 = 2;
    pub(crate) const FOLDER: u8 = 3;
    pub(crate) const FILE: u8 = 4;
    pub(crate) const SOCKET: u8 = 6;
    pub(crate) const LINK: u8 = 7;
}

/// `rights`: those by which a program can tell what a descriptor permits.
pub(super) mod right {
    pub(crate) const DATASYNC: u64 = 1 << 0;
    pub(crate) const READ: u64 = 1 << 1;
    pub(crate) const SEEK: u64 = 1 << 2;
    pub(crate) const TELL: u64 = 1 << 5;
    pub(crate) const WRITE: u64 = 1 << 6;
    pub(crate) const ALLOCATE: u64 = 1 << 8;
    pub(crate) const READ_FOLDER: u64 = 1 << 14;
    pub(crate) const SET_SIZE: u64 = 1 << 22;
    /// All rights that there are.
    pub(crate) const ALL: u64 = (1 << 30) - 1;
    /// The rights that mean that a file is to be read.
    pub(crate) const READING: u64 = READ | READ_FOLDER;
    /// The rights that mean that a file is to be written.
    pub(crate) const WRITING: u64 = DATASYNC | WRITE | ALLOCATE | SET_SIZE;
}

/// `fdflags`.
pub(super) mod descriptor_flag {
    pub(crate) const APPEND: u16 = 1 << 0;
    pub(crate) const NONBLOCK: u16 = 1 << 2;
}

/// `oflags`.
pub(super) mod open_flag {
    pub(crate) const CREATE: u32 = 1 << 0;
    pub(crate) const DIRECTORY: u32 = 1 << 1;
    pub(crate) const EXCLUSIVE: u32 = 1 << 2;
    pub(crate) const TRUNCATE: u32 = 1 << 3;
}

/// `lookupflags`: links at the end of a path are followed.
pub(super) const FOLLOW: u32 = 1;

/// `fstflags`, for the time of access; two bits further left for that of modification.
pub(super) mod time_flag {
    pub(crate) const SET: u32 = 1 << 0;
    pub(crate) const NOW: u32 = 1 << 1;
}

/// The type of a file by its mode. There is no type for FIFOs.
pub(super) fn type_of_mode(mode: u32) -> u8 {
    match mode & 0o170_000 {
        kind::FILE => file_type::FILE,
        kind::FOLDER => file_type::FOLDER,
        kind::LINK => file_type::LINK,
        kind::DEVICE => file_type::CHARACTER_DEVICE,
        kind::BLOCK_DEVICE => file_type::BLOCK_DEVICE,
        kind::SOCKET => file_type::SOCKET,
        _ => file_type::UNKNOWN,
    }
}

/// The type of a file by its `d_type` (readdir(3)), which consists of bits of its mode.
pub(super) fn type_of_entry(entry_type: u8) -> u8 {
    type_of_mode(u32::from(entry_type) << 12)
}

/// Writes a `filestat`.
pub(super) fn write_status(guest: &mut Guest<'_>, address: u32, status: &Status) -> Result<()> {
    let mut record = [0; 64];
    let times = [status.accessed, status.modified, status.changed].map(timestamp);
    let fields = [(0, status.device), (8, status.inode), (24, status.links), (32, status.size)];
    for (at, value) in fields.into_iter().chain([40, 48, 56].into_iter().zip(times)) {
        record[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    record[16] = type_of_mode(status.mode);
    guest.write(address, &record)
}

/// Nanoseconds since 1970: earlier times cannot be represented.
fn timestamp(time: i128) -> u64 {
    u64::try_from(time.max(0)).unwrap_or(u64::MAX)
}

/// Writes an `fdstat`.
pub(super) fn write_descriptor(
    guest: &mut Guest<'_>,
    address: u32,
    file_type: u8,
    flags: u16,
    (base, inheriting): (u64, u64),
) -> Result<()> {
    let mut record = [0; 24];
    record[0] = file_type;
    record[2..4].copy_from_slice(&flags.to_le_bytes());
    record[8..16].copy_from_slice(&base.to_le_bytes());
    record[16..].copy_from_slice(&inheriting.to_le_bytes());
    guest.write(address, &record)
}

/// Appends a `dirent` and the name that follows it.
pub(super) fn push_entry(records: &mut Vec<u8>, next: u64, inode: u64, entry_type: u8, name: &[u8]) {
    records.extend(next.to_le_bytes());
    records.extend(inode.to_le_bytes());
    records.extend(u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
    records.extend([entry_type, 0, 0, 0]);
    records.extend(name);
}

/// What a `subscription` waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaited {
    Clock {
        clock: u32,
        timeout: u64,
        is_absolute: bool,
    },
    Readable(u32),
    Writable(u32),
    /// Anything that has no number.
    Unknown,
}

/// The bytes of a `subscription` and of an `event`.
pub(super) const SUBSCRIPTION: usize = 48;
pub(super) const EVENT: usize = 32;

/// Reads a `subscription`: the guest's name for it, and what it waits for.
pub(super) fn subscription(record: &[u8; SUBSCRIPTION]) -> ([u8; 8], Awaited) {
    let long = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&record[at..at + 8]);
        bytes
    };
    let word = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
    let awaited = match record[8] {
        CLOCK => Awaited::Clock {
            clock: word(16),
            timeout: u64::from_le_bytes(long(24)),
            is_absolute: record[40] & 1 != 0,
        },
        READABLE => Awaited::Readable(word(16)),
        WRITABLE => Awaited::Writable(word(16)),
        _ => Awaited::Unknown,
    };
    (long(0), awaited)
}

/// `eventtype`.
const CLOCK: u8 = 0;
const READABLE: u8 = 1;
const WRITABLE: u8 = 2;

/// Makes an `event`: the outcome of a subscription.
pub(super) fn event(
    name: [u8; 8],
    awaited: Awaited,
    errno: u16,
    bytes: u64,
    is_hung_up: bool,
) -> [u8; EVENT] {
    let mut record = [0; EVENT];
    record[..8].copy_from_slice(&name);
    record[8..10].copy_from_slice(&errno.to_le_bytes());
    record[10] = match awaited {
        Awaited::Clock { .. } | Awaited::Unknown => CLOCK,
        Awaited::Readable(_) => READABLE,
        Awaited::Writable(_) => WRITABLE,
    };
    record[16..24].copy_from_slice(&bytes.to_le_bytes());
    record[24] = u8::from(is_hung_up);
    record
}
