//! Owns what a guest may use of the host: one number for each kind of thing. Numbers that an interface fixes (`PATH_MAX`, the length of
//! a datagram, the descriptors of one `poll`) lie where the interface does. Must not know what counts it.

use std::time::Duration;

use pydl_linker::LoadLimits;

/// What a guest may use of the host. Every limit has a default that no honest program is known to reach; start from [`Limits::default`],
/// and change the limits that are to differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the guest's linear memory: 4 GiB, the whole address space.
    pub memory: usize,
    /// Bytes that the host keeps for the guest besides its linear memory, all together: 1 GiB. What exceeds it fails with the error of the
    /// operation, such as `ENOSPC`, `ENOMEM` or a refused `dlopen`.
    pub host_memory: u64,
    /// Instances that the process makes for libraries and their thunks in its life: 10,000. The engine keeps the instances of closed
    /// libraries.
    pub instances: u32,
    /// What one load may bring in.
    pub load: LoadLimits,
    /// Bytes of the name of a file or symbol that the guest passes to the `dlopen` family: 1 MiB.
    pub symbol_name: usize,
    /// Handlers that all libraries together may register to run at exit: 1,048,576.
    pub exit_handlers: usize,
    /// Open descriptors: 4,096. Beyond that, `EMFILE`.
    pub open_files: usize,
    /// Bytes that wait in a pipe: 64 KiB, as in Linux (pipe(7)).
    pub pipe: usize,
    /// Ranges of files that the process holds locked: 4,096. Beyond that, `ENOLCK`.
    pub locks: usize,
    /// Bytes that wait in one direction of a connection within the guest: 256 KiB.
    pub connection: usize,
    /// Datagrams that wait on one socket within the guest: 256. Further datagrams are lost.
    pub datagrams: usize,
    /// Bytes of datagrams that wait on all sockets within the guest: 16 MiB. Further datagrams are lost.
    pub datagram_bytes: usize,
    /// Connections that wait to be accepted by one listener within the guest: 16.
    pub pending_connections: usize,
    /// Listeners within the guest: 256.
    pub listeners: usize,
    /// Addresses that are remembered for names, for permissions by name: the latest 256.
    pub resolved_names: usize,
    /// C++ exceptions that are handled one inside the other, where the host handles them: 1,048,576.
    pub nested_exceptions: usize,
    /// What each wheel may contain.
    pub wheel: ArchiveLimits,
    /// What making the byte code of one archive may use.
    pub byte_code: ByteCodeLimits,
}

/// What a zip archive may contain; one that has more is refused when it is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ArchiveLimits {
    /// Bytes of one entry, unpacked: 1 GiB.
    pub entry: u64,
    /// Bytes of all entries together, unpacked: 4 GiB.
    pub total: u64,
    /// Entries: 200,000.
    pub entries: usize,
    /// Bytes that are read to find the entries: 32 MiB. With the shortest possible entries, a directory of that size takes 150 MB of
    /// memory, and entries are counted only when all have been read.
    pub directory: u64,
}

/// What making the byte code of an archive may use. An archive that needs more is left to Python, which compiles what is imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ByteCodeLimits {
    /// Time: two minutes.
    pub time: Duration,
    /// Bytes of linear memory: 1 GiB.
    pub memory: usize,
    /// Bytes that the host keeps besides, as in [`Limits::host_memory`]: 512 MiB.
    pub host_memory: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 4 << 30,
            host_memory: 1 << 30,
            instances: 10_000,
            load: LoadLimits::default(),
            symbol_name: 1 << 20,
            exit_handlers: 1 << 20,
            open_files: 4096,
            pipe: 64 << 10,
            locks: 4096,
            connection: 256 << 10,
            datagrams: 256,
            datagram_bytes: 16 << 20,
            pending_connections: 16,
            listeners: 256,
            resolved_names: 256,
            nested_exceptions: 1 << 20,
            wheel: ArchiveLimits::default(),
            byte_code: ByteCodeLimits::default(),
        }
    }
}

impl Default for ArchiveLimits {
    fn default() -> ArchiveLimits {
        ArchiveLimits { entry: 1 << 30, total: 4 << 30, entries: 200_000, directory: 32 << 20 }
    }
}

impl Default for ByteCodeLimits {
    fn default() -> ByteCodeLimits {
        ByteCodeLimits { time: Duration::from_mins(2), memory: 1 << 30, host_memory: 512 << 20 }
    }
}
