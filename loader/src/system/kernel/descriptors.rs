//! Owns file descriptors: what is open, where in it the next byte is read, and whether reading or writing would have to wait.
//! Must not know how a guest passes its arguments, nor how waiting is done.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, OFlags, SeekFrom};

use super::errno::{Errno, Result};
use super::files::{At, FileSystem, Files, Status, Time, file_system, kind};
use super::folder::{DirectoryEntry, HostFile, HostPlace, Identity};
use super::locks::{Held, Locked, Locks, Mode, Owner, Range};
use super::network::Socket;
use super::open::{How, Reached, open};
use super::streams::Streams;
use super::tree::{Device, NodeId, Tree};
use super::walk::Place;
use crate::base::budget::{Budget, Queue};

/// Flags of `open` (Emscripten, `bits/fcntl.h`: mostly those of Linux).
pub(crate) mod flag {
    pub(crate) const ACCESS: u32 = 3;
    pub(crate) const WRITE_ONLY: u32 = 1;
    pub(crate) const READ_WRITE: u32 = 2;
    pub(crate) const CREATE: u32 = 0o100;
    pub(crate) const EXCLUSIVE: u32 = 0o200;
    pub(crate) const TRUNCATE: u32 = 0o1000;
    pub(crate) const APPEND: u32 = 0o2000;
    pub(crate) const NONBLOCK: u32 = 0o4000;
    pub(crate) const DATA_SYNC: u32 = 0o10_000;
    pub(crate) const DIRECTORY: u32 = 0o200_000;
    pub(crate) const NO_FOLLOW: u32 = 0o400_000;
    pub(crate) const NO_ACCESS_TIME: u32 = 0o1_000_000;
    pub(crate) const SYNC: u32 = 0o4_010_000;
    pub(crate) const PATH: u32 = 0o10_000_000;
    pub(crate) const TEMPORARY: u32 = 0o20_200_000;
}

/// What a descriptor is open on.
pub(crate) enum Object {
    /// A file of the tree.
    Node(NodeId),
    /// A file of the host.
    Host(HostFile),
    /// A folder. The host keeps the position in the listing of one of its folders.
    Folder(Place),
    Device(Device),
    PipeReader(usize),
    PipeWriter(usize),
    Socket(Socket),
}

/// An open file description, which duplicated descriptors share.
pub(crate) struct Open {
    pub object: Object,
    /// Where the next byte is read or written.
    pub position: u64,
    /// The flags of `open`.
    pub flags: u32,
    /// The node of the tree that it keeps open.
    node: Option<NodeId>,
    /// The number of descriptors that refer to it.
    count: usize,
}

/// Bytes on their way from the writers to the readers.
struct Pipe {
    bytes: Queue,
    readers: usize,
    writers: usize,
}

/// Whether an operation can proceed without waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the events of poll(2)")]
pub(crate) struct Readiness {
    pub readable: bool,
    pub writable: bool,
    /// The other end is closed.
    pub hung_up: bool,
    pub error: bool,
}

/// The descriptors of a process.
pub(crate) struct Descriptors {
    table: Vec<Option<usize>>,
    opened: Vec<Option<Open>>,
    pipes: Vec<Pipe>,
    locks: Locks,
    budget: Budget,
}

impl Descriptors {
    /// A table without open descriptors. What waits in pipes is charged to `budget`. Descriptors are few and are not charged, so that a
    /// guest that has used everything up can still open a folder to remove what is in it.
    pub(crate) fn new(budget: Budget) -> Descriptors {
        let locks = Locks::new(budget.limits().locks);
        Descriptors { table: Vec::new(), opened: Vec::new(), pipes: Vec::new(), locks, budget }
    }

    /// What a descriptor is open on. Errs with `EBADF` when it is not open.
    pub(crate) fn get(&self, fd: u32) -> Result<&Open> {
        let open = self.table.get(fd as usize).copied().flatten();
        open.and_then(|open| self.opened.get(open)?.as_ref()).ok_or_else(|| Errno::BADF.into())
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Open> {
        let open = self.table.get(fd as usize).copied().flatten();
        open.and_then(|open| self.opened.get_mut(open)?.as_mut()).ok_or_else(|| Errno::BADF.into())
    }

    /// Adds a descriptor, the lowest that is free, and returns it.
    pub(crate) fn add(&mut self, object: Object, flags: u32) -> Result<u32> {
        self.add_reached(Reached { object, node: None }, flags)
    }

    fn add_reached(&mut self, Reached { object, node }: Reached, flags: u32) -> Result<u32> {
        let fd = self.lowest(0)?;
        let open = Open { object, position: 0, flags, node, count: 1 };
        let place = self.opened.iter().position(Option::is_none).unwrap_or(self.opened.len());
        if place == self.opened.len() {
            self.opened.push(None);
        }
        if let Some(slot) = self.opened.get_mut(place) {
            *slot = Some(open);
        }
        self.set(fd, place);
        Ok(fd)
    }

    fn lowest(&self, from: u32) -> Result<u32> {
        let taken = |fd: usize| self.table.get(fd).is_some_and(Option::is_some);
        let fd =
            (from as usize..self.budget.limits().open_files).find(|fd| !taken(*fd)).ok_or(Errno::MFILE)?;
        u32::try_from(fd).map_err(|_| Errno::MFILE.into())
    }

    fn set(&mut self, fd: u32, open: usize) {
        let fd = fd as usize;
        if self.table.len() <= fd {
            self.table.resize(fd + 1, None);
        }
        if let Some(entry) = self.table.get_mut(fd) {
            *entry = Some(open);
        }
    }

    /// Makes another descriptor, the lowest that is free from `from` on, for what `fd` is open on, and returns it.
    pub(crate) fn duplicate(&mut self, fd: u32, from: u32) -> Result<u32> {
        self.get_mut(fd)?;
        if from as usize >= self.budget.limits().open_files {
            return Err(Errno::INVAL.into());
        }
        let new = self.lowest(from)?;
        self.share(fd, new)
    }

    /// Makes `new` a descriptor for what `fd` is open on, and closes what `new` was open on before.
    pub(crate) fn duplicate_to(&mut self, files: &mut Files, fd: u32, new: u32) -> Result<u32> {
        self.get_mut(fd)?;
        if new as usize >= self.budget.limits().open_files {
            return Err(Errno::BADF.into());
        }
        if self.get(new).is_ok() {
            self.close(files, new)?;
        }
        self.share(fd, new)
    }

    fn share(&mut self, fd: u32, new: u32) -> Result<u32> {
        let open = self.table.get(fd as usize).copied().flatten().ok_or(Errno::BADF)?;
        self.get_mut(fd)?.count += 1;
        self.set(new, open);
        Ok(new)
    }

    /// Closes a descriptor, and with the last one what it is open on. Closing any descriptor of a file ends the process's locks on it.
    pub(crate) fn close(&mut self, files: &mut Files, fd: u32) -> Result<()> {
        if !self.locks.is_empty()
            && let Ok((locked, description)) = self.locked(fd)
        {
            let is_last = self.get(fd)?.count == 1;
            self.locks.closed(locked, description, is_last);
        }
        self.close_mapped(files, fd)
    }

    /// Closes a descriptor that belongs to a mapping; this does not end locks on the file.
    pub(crate) fn close_mapped(&mut self, files: &mut Files, fd: u32) -> Result<()> {
        let open = self.get_mut(fd)?;
        open.count -= 1;
        let is_last = open.count == 0;
        let place = self.table.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BADF)?;
        if !is_last {
            return Ok(());
        }
        let Some(gone) = self.opened.get_mut(place).and_then(Option::take) else { return Ok(()) };
        if let Some(node) = gone.node {
            files.tree.close(node);
        }
        match gone.object {
            Object::PipeReader(pipe) => self.pipe(pipe, |pipe| pipe.readers = 0),
            Object::PipeWriter(pipe) => self.pipe(pipe, |pipe| pipe.writers = 0),
            _ => {}
        }
        Ok(())
    }

    fn pipe(&mut self, pipe: usize, change: impl FnOnce(&mut Pipe)) {
        if let Some(pipe) = self.pipes.get_mut(pipe) {
            change(pipe);
            if pipe.readers == 0 && pipe.writers == 0 {
                pipe.bytes.clear();
            }
        }
    }

    /// Makes a pipe and returns its two ends: the one to read from and the one to write to.
    pub(crate) fn add_pipe(&mut self, files: &mut Files, flags: u32) -> Result<(u32, u32)> {
        let unused = self.pipes.iter().position(|pipe| pipe.readers == 0 && pipe.writers == 0);
        let pipe = unused.unwrap_or(self.pipes.len());
        if pipe == self.pipes.len() {
            self.pipes.push(Pipe { bytes: Queue::new(&self.budget)?, readers: 0, writers: 0 });
        }
        let nonblock = flags & flag::NONBLOCK;
        let reader = self.add(Object::PipeReader(pipe), nonblock)?;
        let writer = self.add(Object::PipeWriter(pipe), nonblock | flag::WRITE_ONLY);
        self.pipe(pipe, |pipe| (pipe.readers, pipe.writers) = (1, 1));
        match writer {
            Ok(writer) => Ok((reader, writer)),
            Err(full) => {
                self.close(files, reader)?;
                self.pipe(pipe, |pipe| pipe.writers = 0);
                Err(full)
            }
        }
    }

    /// Opens what a path leads to and returns the descriptor. `mode` holds the permission bits of what is created.
    pub(crate) fn open(&mut self, files: &mut Files, at: &At, flags: u32, mode: u32) -> Result<u32> {
        // Nothing is created or truncated unless there is a descriptor for it.
        self.lowest(0)?;
        let reached = open(files, at, How { flags, mode })?;
        let node = reached.node;
        // These flags have served their purpose (fcntl(2), F_GETFL).
        let lasting = !(flag::CREATE | flag::EXCLUSIVE | flag::TRUNCATE);
        let added = self.add_reached(reached, flags & lasting);
        if let (Err(_), Some(node)) = (&added, node) {
            files.tree.close(node);
        }
        added
    }

    /// The folder that a descriptor is open on, from which paths begin.
    pub(crate) fn folder(&self, fd: u32) -> Result<Place> {
        match &self.get(fd)?.object {
            Object::Folder(place) => Ok(place.clone()),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// What a descriptor is open on, like [`Descriptors::get`], for calls that read or change more than where the descriptor leads.
    fn usable(&mut self, fd: u32) -> Result<&mut Open> {
        let open = self.get_mut(fd)?;
        if open.flags & flag::PATH == 0 { Ok(open) } else { Err(Errno::BADF.into()) }
    }

    /// Reads into `buffer`; returns the number of bytes, 0 at the end. Errs with `EAGAIN` when there is nothing yet.
    pub(crate) fn read(
        &mut self,
        files: &mut Files,
        streams: &mut Streams,
        fd: u32,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let open = self.usable(fd)?;
        if open.flags & flag::ACCESS == flag::WRITE_ONLY {
            return Err(Errno::BADF.into());
        }
        let count = match &mut open.object {
            Object::Node(id) => files.tree.read(*id, open.position, buffer)?,
            // The host keeps the position.
            Object::Host(host) => return Ok(host.file.read(buffer)?),
            Object::Folder(_) => return Err(Errno::ISDIR.into()),
            Object::Device(device) => return read_device(*device, streams, buffer),
            Object::PipeReader(pipe) => {
                let pipe = *pipe;
                return self.read_pipe(pipe, buffer);
            }
            Object::PipeWriter(_) => return Err(Errno::BADF.into()),
            Object::Socket(socket) => return socket.receive(buffer, false).map(|(count, _)| count),
        };
        open.position += count as u64;
        Ok(count)
    }

    fn read_pipe(&mut self, pipe: usize, buffer: &mut [u8]) -> Result<usize> {
        let pipe = self.pipes.get_mut(pipe).ok_or(Errno::BADF)?;
        if pipe.bytes.is_empty() && pipe.writers > 0 && !buffer.is_empty() {
            return Err(Errno::AGAIN.into());
        }
        Ok(pipe.bytes.take(buffer))
    }

    /// Writes; returns the number of bytes written. Errs with `EAGAIN` when there is no room yet.
    pub(crate) fn write(
        &mut self,
        files: &mut Files,
        streams: &mut Streams,
        fd: u32,
        bytes: &[u8],
    ) -> Result<usize> {
        let open = self.usable(fd)?;
        if open.flags & flag::ACCESS == 0 && !matches!(open.object, Object::Socket(_)) {
            return Err(Errno::BADF.into());
        }
        match &mut open.object {
            Object::Node(id) => {
                if open.flags & flag::APPEND != 0 {
                    open.position = files.tree.size(*id)?;
                }
                let count = files.tree.write(*id, open.position, bytes)?;
                open.position += count as u64;
                Ok(count)
            }
            Object::Host(host) => Ok(host.file.write(bytes)?),
            Object::Folder(_) => Err(Errno::ISDIR.into()),
            Object::Device(Device::Full) => Err(Errno::NOSPC.into()),
            Object::Device(device) => match device.output()? {
                Some(stream) => streams.write(stream, bytes),
                None => Ok(bytes.len()),
            },
            Object::PipeReader(_) => Err(Errno::BADF.into()),
            Object::PipeWriter(pipe) => {
                let pipe = *pipe;
                self.write_pipe(pipe, bytes)
            }
            Object::Socket(socket) => socket.send(bytes, None),
        }
    }

    fn write_pipe(&mut self, pipe: usize, bytes: &[u8]) -> Result<usize> {
        let pipe = self.pipes.get_mut(pipe).ok_or(Errno::BADF)?;
        if pipe.readers == 0 {
            return Err(Errno::PIPE.into());
        }
        let room = self.budget.limits().pipe.saturating_sub(pipe.bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Err(Errno::AGAIN.into());
        }
        let count = room.min(bytes.len());
        pipe.bytes.put(&bytes[..count])?;
        Ok(count)
    }

    /// Reads at an offset, without moving the position; returns the number of bytes.
    pub(crate) fn read_at(
        &mut self,
        files: &mut Files,
        fd: u32,
        buffer: &mut [u8],
        position: u64,
    ) -> Result<usize> {
        let open = self.usable(fd)?;
        match &open.object {
            Object::Node(_) | Object::Host(_) if open.flags & flag::ACCESS == flag::WRITE_ONLY => {
                Err(Errno::BADF.into())
            }
            Object::Node(id) => files.tree.read(*id, position, buffer),
            Object::Host(host) => Ok(host.file.read_at(buffer, position)?),
            Object::Folder(_) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::SPIPE.into()),
        }
    }

    /// Writes at an offset, without moving the position; at the end if the file is open for appending, as in Linux (pwrite(2), BUGS).
    /// Returns the number of bytes.
    pub(crate) fn write_at(
        &mut self,
        files: &mut Files,
        fd: u32,
        bytes: &[u8],
        position: u64,
    ) -> Result<usize> {
        let open = self.usable(fd)?;
        if open.flags & flag::ACCESS == 0 {
            return Err(Errno::BADF.into());
        }
        match &open.object {
            Object::Node(id) => {
                let appends = open.flags & flag::APPEND != 0;
                let position = if appends { files.tree.size(*id)? } else { position };
                files.tree.write(*id, position, bytes)
            }
            Object::Host(host) => Ok(host.file.write_at(bytes, position)?),
            Object::Folder(_) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::SPIPE.into()),
        }
    }

    /// Moves the position; returns the new one.
    pub(crate) fn seek(&mut self, files: &Files, fd: u32, offset: i64, whence: u32) -> Result<u64> {
        let open = self.usable(fd)?;
        let end = match &open.object {
            Object::Node(id) => files.tree.size(*id)?,
            Object::Host(host) => return Ok(rustix::fs::seek(&host.file, host_seek(offset, whence)?)?),
            Object::Folder(Place::Host(_, place)) => {
                let is_cover =
                    whence == whence::START && u64::try_from(offset).is_ok_and(|to| COVERS.contains(&to));
                open.position = if is_cover { offset.unsigned_abs() } else { 0 };
                if is_cover {
                    return Ok(open.position);
                }
                return place.seek(host_seek(offset, whence)?);
            }
            // The positions in a listing have no end.
            Object::Folder(_) if whence > whence::CURRENT => return Err(Errno::INVAL.into()),
            Object::Device(Device::Stream(_) | Device::Terminal(_))
            | Object::PipeReader(_)
            | Object::PipeWriter(_)
            | Object::Socket(_) => return Err(Errno::SPIPE.into()),
            Object::Folder(_) | Object::Device(_) => 0,
        };
        let base = match whence {
            whence::START => 0,
            whence::CURRENT => open.position,
            whence::END => end,
            // All of a file in memory is data, followed by a hole.
            whence::DATA | whence::HOLE => {
                let from = u64::try_from(offset).ok().filter(|from| *from < end).ok_or(Errno::NXIO)?;
                open.position = if whence == whence::DATA { from } else { end };
                return Ok(open.position);
            }
            _ => return Err(Errno::INVAL.into()),
        };
        let position = base.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok());
        open.position = position.ok_or(Errno::INVAL)?;
        Ok(open.position)
    }

    /// The next entries of a folder, as many as fit into `size` bytes of Linux's records; none at the end. The listing is right even for a
    /// folder that others change meanwhile: what is there all the time comes exactly once. Errs with `EINVAL` when not even one entry fits.
    pub(crate) fn entries(&mut self, files: &Files, fd: u32, size: usize) -> Result<Vec<DirectoryEntry>> {
        let open = self.usable(fd)?;
        match &open.object {
            Object::Folder(Place::Tree(folder)) => {
                let entries = tree_entries(&files.tree, *folder, open.position, size)?;
                open.position = entries.last().map_or(open.position, |entry| entry.next);
                Ok(entries)
            }
            Object::Folder(Place::Host(node, place)) if place.is_root()? => {
                let entries = root_entries(&files.tree, *node, place, open.position, size)?;
                // The host keeps the position in the listing of its own entries.
                open.position = entries.last().map_or(open.position, |entry| entry.next);
                if !COVERS.contains(&open.position) {
                    open.position = 0;
                }
                Ok(entries)
            }
            Object::Folder(Place::Host(_, place)) => place.entries(size),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// What `fstat` returns.
    pub(crate) fn status(&self, files: &Files, streams: &Streams, fd: u32) -> Result<Status> {
        let open = self.get(fd)?;
        let of = |mode: u32| Status { device: 1, inode: 1, links: 1, mode, ..Status::default() };
        match (&open.object, open.node) {
            (Object::Node(id), _) => files.node_status(*id),
            (Object::Host(host), _) => host.status(),
            (Object::Folder(place), _) => files.place_status(place),
            (Object::Device(Device::Stream(stream)), _) => Ok(of(streams.mode(*stream))),
            (Object::Device(_), Some(node)) => files.node_status(node),
            (Object::Device(_), None) => Ok(of(kind::DEVICE | 0o666)),
            (Object::PipeReader(_) | Object::PipeWriter(_), _) => Ok(of(kind::PIPE | 0o600)),
            (Object::Socket(_), _) => Ok(of(kind::SOCKET | 0o600)),
        }
    }

    /// What `fstatfs` returns.
    pub(crate) fn file_system(&self, files: &Files, fd: u32) -> Result<FileSystem> {
        match &self.get(fd)?.object {
            Object::Host(host) => file_system(&host.file),
            Object::Folder(Place::Host(_, place)) => file_system(place.descriptor()),
            _ => Ok(files.own_file_system()),
        }
    }

    /// Sets permission bits.
    pub(crate) fn set_mode(&mut self, files: &mut Files, fd: u32, mode: u32) -> Result<()> {
        let open = self.usable(fd)?;
        match (&open.object, open.node) {
            (Object::Host(host), _) => host.set_mode(mode),
            (Object::Folder(place), _) => files.set_place_mode(place, mode),
            (_, Some(node)) => files.set_node_mode(node, mode),
            _ => Ok(()),
        }
    }

    /// Sets the times of access and modification.
    pub(crate) fn set_times(&mut self, files: &mut Files, fd: u32, times: [Time; 2]) -> Result<()> {
        let open = self.usable(fd)?;
        match (&open.object, open.node) {
            (Object::Host(host), _) => host.set_times(times),
            (Object::Folder(place), _) => files.set_place_times(place, times),
            (_, Some(node)) => files.set_node_times(node, times),
            _ => Ok(()),
        }
    }

    /// Changes the flags that can be changed while a file is open: `O_APPEND` and `O_NONBLOCK`.
    pub(crate) fn set_flags(&mut self, fd: u32, flags: u32) -> Result<()> {
        let changeable = flag::APPEND | flag::NONBLOCK;
        let open = self.usable(fd)?;
        if let Object::Host(host) = &open.object {
            // The host's own descriptor never waits, whatever the guest wants: see `folder.rs`.
            let mut own = rustix::fs::fcntl_getfl(&host.file)?;
            own.set(OFlags::APPEND, flags & flag::APPEND != 0);
            rustix::fs::fcntl_setfl(&host.file, own)?;
        }
        open.flags = open.flags & !changeable | flags & changeable;
        Ok(())
    }

    /// Has the host write to the disk what it has not written yet: all, or what is needed to read the file again.
    pub(crate) fn sync(&mut self, fd: u32, only_data: bool) -> Result<()> {
        match &self.usable(fd)?.object {
            Object::Host(host) if only_data => Ok(rustix::fs::fdatasync(&host.file)?),
            Object::Host(host) => Ok(rustix::fs::fsync(&host.file)?),
            Object::Folder(Place::Host(_, place)) => place.sync(),
            Object::Node(_) | Object::Folder(_) => Ok(()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// Changes the size of an open file.
    pub(crate) fn resize(&mut self, files: &mut Files, fd: u32, size: u64) -> Result<()> {
        let open = self.usable(fd)?;
        if open.flags & flag::ACCESS == 0 {
            return Err(Errno::INVAL.into());
        }
        match &open.object {
            Object::Node(id) => files.tree.resize(*id, size),
            Object::Host(host) => Ok(rustix::fs::ftruncate(&host.file, size)?),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// Makes sure that there is room for a part of a file, which grows unless the mode says that it keeps its size (fallocate(2); other
    /// modes are `ENOTSUP`).
    pub(crate) fn allocate(&mut self, files: &mut Files, fd: u32, part: (u64, u64), mode: u32) -> Result<()> {
        let (offset, length) = part;
        let open = self.usable(fd)?;
        if open.flags & flag::ACCESS == 0 {
            return Err(Errno::BADF.into());
        }
        let end = offset.checked_add(length).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::FBIG)?;
        if length == 0 {
            return Err(Errno::INVAL.into());
        }
        let kept = FallocateFlags::KEEP_SIZE.bits();
        if mode & !kept != 0 {
            return Err(Errno::NOTSUP.into());
        }
        match &open.object {
            Object::Node(id) if mode == 0 && end > files.tree.size(*id)? => files.tree.resize(*id, end),
            Object::Node(_) => Ok(()),
            Object::Host(host) => {
                let mode = FallocateFlags::from_bits_truncate(mode);
                Ok(rustix::fs::fallocate(&host.file, mode, offset, length)?)
            }
            Object::PipeReader(_) | Object::PipeWriter(_) | Object::Socket(_) => Err(Errno::SPIPE.into()),
            _ => Err(Errno::NODEV.into()),
        }
    }

    /// Whether reading and writing would proceed at once. For a file of the host that may block, see [`Descriptors::host`].
    pub(crate) fn readiness(&self, fd: u32) -> Result<Readiness> {
        let open = self.get(fd)?;
        let both = Readiness { readable: true, writable: true, ..Readiness::default() };
        Ok(match &open.object {
            Object::PipeReader(pipe) => {
                let pipe = self.pipes.get(*pipe).ok_or(Errno::BADF)?;
                let hung_up = pipe.writers == 0;
                Readiness { readable: !pipe.bytes.is_empty(), hung_up, ..Readiness::default() }
            }
            Object::PipeWriter(pipe) => {
                let pipe = self.pipes.get(*pipe).ok_or(Errno::BADF)?;
                let writable = pipe.bytes.len() < self.budget.limits().pipe;
                Readiness { writable, error: pipe.readers == 0, ..Readiness::default() }
            }
            Object::Socket(socket) => socket.readiness(),
            _ => both,
        })
    }

    /// The host's descriptor behind one on which the host may block.
    pub(crate) fn host<'a>(&'a self, streams: &'a Streams, fd: u32) -> Option<BorrowedFd<'a>> {
        let open = self.get(fd).ok()?;
        if open.flags & flag::PATH != 0 {
            return None;
        }
        match &open.object {
            Object::Device(device) => streams.host(device.stream()?),
            Object::Host(host) if !host.is_plain => Some(host.file.as_fd()),
            Object::Socket(socket) => socket.host(),
            _ => None,
        }
    }
}

/// The locks of descriptors.
impl Descriptors {
    /// What the locks of a descriptor are on, and the number of its open file description.
    fn locked(&self, fd: u32) -> Result<(Locked, usize)> {
        let description = self.table.get(fd as usize).copied().flatten().ok_or(Errno::BADF)?;
        let open = self.get(fd)?;
        let locked = match (&open.object, open.node) {
            (Object::Host(host), _) => Locked::Host(Identity::of(&host.file)?),
            (Object::Folder(Place::Host(_, place)), _) => Locked::Host(place.identity()?),
            (_, Some(node)) => Locked::Node(node),
            _ => return Err(Errno::INVAL.into()),
        };
        Ok((locked, description))
    }

    /// The range that the fields of a `struct flock` describe.
    pub(crate) fn range(&mut self, files: &Files, fd: u32, fields: (u32, i64, i64)) -> Result<Range> {
        let (whence, start, length) = fields;
        let base = match whence {
            whence::START => 0,
            whence::CURRENT => self.seek(files, fd, 0, whence::CURRENT)?,
            whence::END => match &self.usable(fd)?.object {
                Object::Node(id) => files.tree.size(*id)?,
                Object::Host(host) => host.status()?.size,
                _ => 0,
            },
            _ => return Err(Errno::INVAL.into()),
        };
        Range::new(base, start, length)
    }

    /// Locks a range of a file for the process or, if `of_description`, for the open file description; or unlocks it. Errs with `EAGAIN`
    /// when another owner has locked it.
    pub(crate) fn lock(
        &mut self,
        fd: u32,
        of_description: bool,
        range: Range,
        mode: Option<Mode>,
    ) -> Result<()> {
        let access = self.usable(fd)?.flags & flag::ACCESS;
        match mode {
            Some(Mode::Shared) if access == flag::WRITE_ONLY => return Err(Errno::BADF.into()),
            Some(Mode::Exclusive) if access == 0 => return Err(Errno::BADF.into()),
            _ => {}
        }
        let (locked, description) = self.locked(fd)?;
        let owner = if of_description { Owner::Description(description) } else { Owner::Process };
        let host = match self.opened.get(description).and_then(Option::as_ref).map(|open| &open.object) {
            Some(Object::Host(host)) => Some(host),
            _ => None,
        };
        self.locks.set(locked, host, owner, range, mode)
    }

    /// A lock that keeps the process, or the description, from locking a range.
    pub(crate) fn lock_in_the_way(
        &self,
        fd: u32,
        of_description: bool,
        range: Range,
        mode: Mode,
    ) -> Result<Option<Held>> {
        let (locked, description) = self.locked(fd)?;
        let owner = if of_description { Owner::Description(description) } else { Owner::Process };
        let host = match &self.get(fd)?.object {
            Object::Host(host) => Some(host),
            _ => None,
        };
        self.locks.in_the_way(locked, host, owner, range, mode)
    }

    /// Whether the guest holds record locks on a file of the host, by whichever descriptor.
    pub(crate) fn shares_by_locks(&self, fd: u32) -> bool {
        matches!(self.locked(fd), Ok((locked @ Locked::Host(_), _)) if self.locks.holds(locked))
    }
}

/// The third argument of `lseek`.
mod whence {
    pub(super) const START: u32 = 0;
    pub(super) const CURRENT: u32 = 1;
    pub(super) const END: u32 = 2;
    pub(super) const DATA: u32 = 3;
    pub(super) const HOLE: u32 = 4;
}

fn host_seek(offset: i64, whence: u32) -> Result<SeekFrom> {
    let unsigned = |otherwise: Errno| u64::try_from(offset).map_err(|_| otherwise);
    Ok(match whence {
        whence::START => SeekFrom::Start(unsigned(Errno::INVAL)?),
        whence::CURRENT => SeekFrom::Current(offset),
        whence::END => SeekFrom::End(offset),
        whence::DATA => SeekFrom::Data(unsigned(Errno::NXIO)?),
        whence::HOLE => SeekFrom::Hole(unsigned(Errno::NXIO)?),
        _ => return Err(Errno::INVAL.into()),
    })
}

/// The positions of what lies over the names of a mounted folder: ones that the host's file systems almost certainly do not use (those of
/// ext4 are hashes, and `i64::MAX` is the end).
const COVERS: std::ops::Range<u64> = 0x7fff_fffe_0000_0000..0x7fff_ffff_0000_0000;

/// The next entries of a mounted folder: the host's, and then, at the positions `COVERS`, those that lie over it.
fn root_entries(
    tree: &Tree,
    node: NodeId,
    place: &HostPlace,
    position: u64,
    size: usize,
) -> Result<Vec<DirectoryEntry>> {
    let covers = tree.folder(node)?;
    if !COVERS.contains(&position) {
        // Read until some entries are left: no entries would mean the end.
        loop {
            let mut entries = place.entries(size)?;
            if entries.is_empty() {
                break;
            }
            entries.retain(|entry| covers.get(&entry.name).is_none());
            // What is above the mounted folder is the guest's, not the host's.
            let above = Tree::inode(tree.parent(node)?);
            entries.iter_mut().filter(|entry| entry.name == "..").for_each(|entry| entry.inode = above);
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }
    let names = covers.after(position.saturating_sub(COVERS.start));
    fitting(
        names.map(|(number, name, id)| tree_entry(tree, name, id, COVERS.start.saturating_add(number))),
        size,
    )
}

fn tree_entry(tree: &Tree, name: &OsStr, id: NodeId, next: u64) -> DirectoryEntry {
    let kind = tree.get(id).map_or(0, |node| super::folder::entry_type(node.content.kind()));
    DirectoryEntry { name: name.to_owned(), kind, inode: Tree::inode(id), next }
}

/// As many entries as fit into records of `size` bytes. Errs with `EINVAL` when there are some, but not even the first fits.
fn fitting(all: impl Iterator<Item = DirectoryEntry>, size: usize) -> Result<Vec<DirectoryEntry>> {
    let mut left = size;
    let mut entries = Vec::new();
    for entry in all {
        let Some(rest) = left.checked_sub(DirectoryEntry::record_size(&entry.name)) else {
            if entries.is_empty() {
                return Err(Errno::INVAL.into());
            }
            break;
        };
        left = rest;
        entries.push(entry);
    }
    Ok(entries)
}

/// The entries of a folder of the tree after a position: 0 is before `.`, 1 before `..`, 2 before the names; from there on, a position is
/// the number of the last name plus 2.
fn tree_entries(tree: &Tree, folder: NodeId, position: u64, size: usize) -> Result<Vec<DirectoryEntry>> {
    const NAMES: u64 = 2;
    if tree.get(folder)?.names == 0 {
        return Err(Errno::NOENT.into());
    }
    let own = [(".", folder), ("..", tree.parent(folder)?)];
    let own = own.into_iter().zip(1..).filter(|(_, next)| *next > position);
    let own = own.map(|((name, id), next)| tree_entry(tree, name.as_ref(), id, next));
    let names = tree.folder(folder)?.after(position.saturating_sub(NAMES));
    let names = names.map(|(number, name, id)| tree_entry(tree, name, id, number.saturating_add(NAMES)));
    fitting(own.chain(names), size)
}

fn read_device(device: Device, streams: &mut Streams, buffer: &mut [u8]) -> Result<usize> {
    match device {
        Device::Null => Ok(0),
        Device::Zero | Device::Full => {
            buffer.fill(0);
            Ok(buffer.len())
        }
        Device::Random => {
            super::random(buffer)?;
            Ok(buffer.len())
        }
        Device::Stream(stream) | Device::Terminal(Some((stream, _))) => streams.read(stream, buffer),
        Device::Terminal(None) => Err(Errno::NXIO.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    use super::super::folder::HostFolder;
    use super::super::tree::{Content, Node};
    use super::*;

    /// A guest with a folder of the host at /host.
    fn guest(folder: &Path) -> (Files, Descriptors) {
        let budget = Budget::new(1 << 20);
        let mut files = Files::new(budget.clone());
        files.place_folder(Path::new("/tmp")).unwrap();
        let host = Content::Host(Arc::new(HostFolder::open(folder, false).unwrap()));
        files.place(Path::new("/host"), Node::new(host, 0o755)).unwrap();
        (files, Descriptors::new(budget))
    }

    const CREATE: u32 = flag::CREATE | flag::READ_WRITE;

    fn whole() -> Range {
        Range::new(0, 0, 0).unwrap()
    }

    /// Two guests of one program, and a lock of the program itself, which acts like a native program's.
    #[test]
    fn locks_exclude_other_guests_and_native_programs() {
        let folder = tempfile::tempdir().unwrap();
        let ((mut files, mut one), (mut other_files, mut other)) =
            (guest(folder.path()), guest(folder.path()));
        let fd = one.open(&mut files, &"/host/file".into(), CREATE, 0o644).unwrap();
        let fd2 = other.open(&mut other_files, &"/host/file".into(), CREATE, 0o644).unwrap();
        let second = one.open(&mut files, &"/host/file".into(), CREATE, 0o644).unwrap();
        one.lock(fd, false, whole(), Some(Mode::Exclusive)).unwrap();
        // The guest is one process.
        one.lock(second, false, whole(), Some(Mode::Exclusive)).unwrap();
        assert!(other.lock(fd2, false, whole(), Some(Mode::Shared)).is_err());
        assert!(other.lock(fd2, true, whole(), Some(Mode::Shared)).is_err());
        let held = other.lock_in_the_way(fd2, false, whole(), Mode::Shared).unwrap().unwrap();
        assert_eq!((held.mode, held.range, held.owner), (Mode::Exclusive, whole(), None));
        let native =
            std::fs::OpenOptions::new().read(true).write(true).open(folder.path().join("file")).unwrap();
        let mut record = libc::flock { l_type: 1, l_whence: 0, l_start: 5, l_len: 1, l_pid: 0 };
        assert!(fcntl(&native, FcntlArg::F_SETLK(&record)).is_err());
        // The process's lock ends with any descriptor of the file that is closed.
        one.close(&mut files, second).unwrap();
        other.lock(fd2, false, whole(), Some(Mode::Shared)).unwrap();
        one.lock(fd, false, whole(), Some(Mode::Shared)).unwrap();
        assert!(fcntl(&native, FcntlArg::F_SETLK(&record)).is_err());
        drop((other, other_files));
        one.lock(fd, false, whole(), None).unwrap();
        // Record locks of this program's own cannot serve: they would be lost with the first descriptor of the file that the guest closes.
        fcntl(&native, FcntlArg::F_OFD_SETLK(&record)).unwrap();
        assert!(one.lock(fd, false, whole(), Some(Mode::Shared)).is_err());
        assert!(one.lock_in_the_way(fd, false, whole(), Mode::Shared).unwrap().is_some());
        record.l_type = 2;
        fcntl(&native, FcntlArg::F_OFD_SETLK(&record)).unwrap();
        one.lock(fd, false, whole(), Some(Mode::Exclusive)).unwrap();
    }

    /// Whether a listing by small buffers brings each name that is there all the time exactly once, while others come and go.
    #[test]
    fn listings_are_whole_while_the_folder_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, mut descriptors) = guest(folder.path());
        for place in ["/host", "/tmp"] {
            for number in 0..300 {
                let path = format!("{place}/{number}");
                let fd = descriptors.open(&mut files, &path.into(), CREATE, 0o644).unwrap();
                descriptors.close(&mut files, fd).unwrap();
            }
            let fd = descriptors.open(&mut files, &place.into(), 0, 0).unwrap();
            let mut seen = Vec::new();
            loop {
                let entries = descriptors.entries(&files, fd, 200).unwrap();
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    let name = entry.name.into_string().unwrap();
                    if name.parse::<u32>().is_ok_and(|number| number % 2 == 0) {
                        files.remove(&format!("{place}/{name}").into(), false).unwrap();
                        files.make_folder(&format!("{place}/new{name}").into(), 0o755).unwrap();
                    }
                    seen.push(name);
                }
            }
            let mut old: Vec<u32> = seen.iter().filter_map(|name| name.parse().ok()).collect();
            old.sort_unstable();
            assert!(old.into_iter().eq(0..300), "{place}");
            // A file system of the host may list neither when it rearranges the folder.
            assert!(place == "/host" || seen.iter().filter(|name| name.starts_with('.')).count() == 2);
            // List again from the start, and from a position in the middle.
            descriptors.seek(&files, fd, 0, 0).unwrap();
            let first = descriptors.entries(&files, fd, 400).unwrap();
            let next = descriptors.entries(&files, fd, 400).unwrap();
            let last = first.last().unwrap().next;
            descriptors.seek(&files, fd, last.cast_signed(), 0).unwrap();
            assert_eq!(descriptors.entries(&files, fd, 400).unwrap(), next);
            assert!(descriptors.entries(&files, fd, 8).is_err());
        }
    }

    /// What the host shows over the names of a mounted folder is listed with the other names, each once, and is found.
    #[test]
    fn what_lies_over_a_mounted_folder_is_listed_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("lib/inner")).unwrap();
        std::fs::write(folder.path().join("file"), "host").unwrap();
        let (mut files, mut descriptors) = guest(folder.path());
        let shown = |text: &str| {
            Node::new(Content::File(super::super::tree::Data::Shared(text.as_bytes().into())), 0o644)
        };
        for path in ["/host/lib/shown.so", "/host/new/shown.so", "/host/file"] {
            files.place(Path::new(path), shown("own")).unwrap();
        }
        let mut list = |files: &mut Files, path: &str| {
            let fd = descriptors.open(files, &path.into(), 0, 0).unwrap();
            let mut names = Vec::new();
            loop {
                let entries = descriptors.entries(files, fd, 50).unwrap();
                let Some(last) = entries.last().map(|entry| entry.next) else { break };
                names.extend(entries.into_iter().map(|entry| entry.name.into_string().unwrap()));
                descriptors.seek(files, fd, last.cast_signed(), 0).unwrap();
            }
            names.retain(|name| !name.starts_with('.'));
            names.sort();
            names
        };
        assert_eq!(list(&mut files, "/host"), ["file", "lib", "new"]);
        assert_eq!(list(&mut files, "/host/lib"), ["inner", "shown.so"]);
        assert_eq!(list(&mut files, "/host/lib/../new"), ["shown.so"]);
        assert_eq!(files.read_whole(Path::new("/host/file"), 9).unwrap().0[..], *b"own");
        assert!(files.remove(&"/host/file".into(), false).is_err());
        assert!(files.rename(&"/host/new".into(), &"/host/newer".into()).is_err());
        assert_eq!(std::fs::read(folder.path().join("file")).unwrap(), b"host");
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn nothing_is_made_when_no_descriptor_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, mut descriptors) = guest(folder.path());
        while descriptors.add(Object::Device(Device::Null), 0).is_ok() {}
        for path in ["/host/new", "/tmp/new"] {
            assert!(descriptors.open(&mut files, &path.into(), CREATE, 0o644).is_err());
            assert!(files.status(&path.into(), false).is_err());
        }
    }
}
