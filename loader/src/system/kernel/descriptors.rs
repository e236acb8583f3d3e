//! Owns file descriptors: what is open, where in it the next byte is read, and whether reading or writing would have to wait.
//! Must not know how a guest passes its arguments, nor how waiting is done.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::errno::{Errno, Result};
use super::files::{Files, Found, Status, host_status, kind};
use super::folder::OpenHow;
use super::network::Socket;
use super::streams::Streams;
use super::tree::{Content, Device, NodeId, permission};
use crate::budget::{Budget, Queue};

/// The most descriptors of a process, and the most bytes that wait in a pipe (pipe(7)).
const MOST_DESCRIPTORS: usize = 4096;
const PIPE_CAPACITY: usize = 64 << 10;

/// Flags of `open` (Emscripten, `bits/fcntl.h`: those of Linux in general).
pub(crate) mod flag {
    pub(crate) const ACCESS: u32 = 3;
    pub(crate) const WRITE_ONLY: u32 = 1;
    pub(crate) const READ_WRITE: u32 = 2;
    pub(crate) const CREATE: u32 = 0o100;
    pub(crate) const EXCLUSIVE: u32 = 0o200;
    pub(crate) const TRUNCATE: u32 = 0o1000;
    pub(crate) const APPEND: u32 = 0o2000;
    pub(crate) const NONBLOCK: u32 = 0o4000;
    pub(crate) const DIRECTORY: u32 = 0o200_000;
    pub(crate) const NO_FOLLOW: u32 = 0o400_000;
}

/// What a descriptor is open on.
pub(crate) enum Object {
    /// A file of the tree.
    Node(NodeId),
    /// A file of the host, with the mount it comes from.
    Host(File),
    /// A folder, with its entries as they were when they were first asked for.
    Folder {
        listing: Option<Vec<(OsString, u8, u64)>>,
    },
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
    /// Flags of `open`.
    pub flags: u32,
    /// Absolute path it was opened by, for folders and messages.
    pub path: PathBuf,
    /// How many descriptors there are.
    count: usize,
}

/// Bytes on their way from one end to the other.
struct Pipe {
    bytes: Queue,
    readers: usize,
    writers: usize,
}

/// Whether an operation can go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the events of poll(2)")]
pub(crate) struct Readiness {
    pub readable: bool,
    pub writable: bool,
    /// The other end is gone.
    pub hung_up: bool,
    pub error: bool,
}

/// The descriptors of a process.
pub(crate) struct Descriptors {
    table: Vec<Option<usize>>,
    opened: Vec<Option<Open>>,
    pipes: Vec<Pipe>,
    budget: Budget,
}

impl Descriptors {
    /// Descriptors, of which none are open. What waits in pipes is charged to `budget`; descriptors are few, and are not, so that a guest that
    /// has used everything up can still open a folder to remove what is in it.
    pub(crate) fn new(budget: Budget) -> Descriptors {
        Descriptors { table: Vec::new(), opened: Vec::new(), pipes: Vec::new(), budget }
    }

    /// What a descriptor is open on.
    pub(crate) fn get(&self, fd: u32) -> Result<&Open> {
        let open = self.table.get(fd as usize).copied().flatten();
        open.and_then(|open| self.opened.get(open)?.as_ref()).ok_or_else(|| Errno::BADF.into())
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Open> {
        let open = self.table.get(fd as usize).copied().flatten();
        open.and_then(|open| self.opened.get_mut(open)?.as_mut()).ok_or_else(|| Errno::BADF.into())
    }

    /// A new descriptor, the lowest that is free.
    pub(crate) fn add(&mut self, object: Object, flags: u32, path: PathBuf) -> Result<u32> {
        let fd = self.lowest(0)?;
        let open = Open { object, position: 0, flags, path, count: 1 };
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
        let fd = (from as usize..MOST_DESCRIPTORS).find(|fd| !taken(*fd)).ok_or(Errno::MFILE)?;
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

    /// Another descriptor, the lowest from `from` on, for what `fd` is open on.
    pub(crate) fn duplicate(&mut self, fd: u32, from: u32) -> Result<u32> {
        self.get_mut(fd)?;
        if from as usize >= MOST_DESCRIPTORS {
            return Err(Errno::INVAL.into());
        }
        let new = self.lowest(from)?;
        self.share(fd, new)
    }

    /// Makes `new` a descriptor for what `fd` is open on; what it was before is closed.
    pub(crate) fn duplicate_to(&mut self, files: &mut Files, fd: u32, new: u32) -> Result<u32> {
        self.get_mut(fd)?;
        if new as usize >= MOST_DESCRIPTORS {
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

    /// Closes a descriptor, and with the last one what it is open on.
    pub(crate) fn close(&mut self, files: &mut Files, fd: u32) -> Result<()> {
        let open = self.get_mut(fd)?;
        open.count -= 1;
        let is_last = open.count == 0;
        let place = self.table.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BADF)?;
        if !is_last {
            return Ok(());
        }
        let gone = self.opened.get_mut(place).and_then(Option::take);
        match gone.map(|open| open.object) {
            Some(Object::Node(id)) => files.tree.close(id),
            Some(Object::PipeReader(pipe)) => self.pipe(pipe, |pipe| pipe.readers = 0),
            Some(Object::PipeWriter(pipe)) => self.pipe(pipe, |pipe| pipe.writers = 0),
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

    /// A pipe's two ends: to read from, to write to.
    pub(crate) fn add_pipe(&mut self, files: &mut Files, flags: u32) -> Result<(u32, u32)> {
        let unused = self.pipes.iter().position(|pipe| pipe.readers == 0 && pipe.writers == 0);
        let pipe = unused.unwrap_or(self.pipes.len());
        if pipe == self.pipes.len() {
            self.pipes.push(Pipe { bytes: Queue::new(&self.budget)?, readers: 0, writers: 0 });
        }
        let nonblock = flags & flag::NONBLOCK;
        let reader = self.add(Object::PipeReader(pipe), nonblock, PathBuf::from("pipe"))?;
        let writer = self.add(Object::PipeWriter(pipe), nonblock | flag::WRITE_ONLY, PathBuf::from("pipe"));
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

    /// Opens what a path leads to.
    pub(crate) fn open(&mut self, files: &mut Files, path: &Path, flags: u32, mode: u32) -> Result<u32> {
        let absolute = files.absolute(path);
        let is_exclusive = flags & flag::CREATE != 0 && flags & flag::EXCLUSIVE != 0;
        let follow = flags & flag::NO_FOLLOW == 0 && !is_exclusive;
        let (object, absolute) = match files.find(path, follow)? {
            Found::Host { mount, path } => {
                let how = how(flags, mode);
                let host = files.host(mount)?;
                let status = host.metadata(&path, follow).map(|metadata| host_status(&metadata));
                if status.is_ok_and(|status| status.mode & 0o170_000 == kind::FOLDER) {
                    (open_folder(flags)?, absolute)
                } else {
                    if flags & flag::DIRECTORY != 0 {
                        host.metadata(&path, follow)?;
                        return Err(Errno::NOTDIR.into());
                    }
                    (Object::Host(host.open_file(&path, how)?), absolute)
                }
            }
            Found::Missing { folder, name } => {
                if flags & flag::CREATE == 0 {
                    return Err(Errno::NOENT.into());
                }
                if flags & flag::DIRECTORY != 0 {
                    return Err(Errno::INVAL.into());
                }
                if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                    return Err(Errno::ISDIR.into());
                }
                let id = files.tree.add(folder, &name, super::files::empty_file(mode & 0o777))?;
                files.tree.open(id)?;
                (Object::Node(id), absolute)
            }
            Found::Node(_) if is_exclusive => return Err(Errno::EXIST.into()),
            Found::Node(id) => (open_node(files, id, flags)?, absolute),
        };
        let opened_node = match object {
            Object::Node(id) => Some(id),
            _ => None,
        };
        let added = self.add(object, flags, super::files::tidy(&absolute));
        if let (Err(_), Some(id)) = (&added, opened_node) {
            files.tree.close(id);
        }
        added
    }

    /// Reads into `buffer`; 0 at the end. Errs with `EAGAIN` when there is nothing yet.
    pub(crate) fn read(
        &mut self,
        files: &mut Files,
        streams: &mut Streams,
        fd: u32,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let open = self.get_mut(fd)?;
        if open.flags & flag::ACCESS == flag::WRITE_ONLY {
            return Err(Errno::BADF.into());
        }
        let count = match &mut open.object {
            Object::Node(id) => files.tree.read(*id, open.position, buffer)?,
            Object::Host(file) => {
                // The position is the host's: other descriptors of ours may share it.
                return Ok(file.read(buffer)?);
            }
            Object::Folder { .. } => return Err(Errno::ISDIR.into()),
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

    /// Writes; returns how much. Errs with `EAGAIN` when there is no room yet.
    pub(crate) fn write(
        &mut self,
        files: &mut Files,
        streams: &mut Streams,
        fd: u32,
        bytes: &[u8],
    ) -> Result<usize> {
        let open = self.get_mut(fd)?;
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
            Object::Host(file) => Ok(file.write(bytes)?),
            Object::Folder { .. } => Err(Errno::ISDIR.into()),
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
        let room = PIPE_CAPACITY.saturating_sub(pipe.bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Err(Errno::AGAIN.into());
        }
        let count = room.min(bytes.len());
        pipe.bytes.put(&bytes[..count])?;
        Ok(count)
    }

    /// Reads at a place, without moving.
    pub(crate) fn read_at(
        &mut self,
        files: &mut Files,
        fd: u32,
        buffer: &mut [u8],
        position: u64,
    ) -> Result<usize> {
        match &self.get(fd)?.object {
            Object::Node(id) => files.tree.read(*id, position, buffer),
            Object::Host(file) => Ok(file.read_at(buffer, position)?),
            Object::Folder { .. } => Err(Errno::ISDIR.into()),
            _ => Err(Errno::SPIPE.into()),
        }
    }

    /// Writes at a place, without moving.
    pub(crate) fn write_at(
        &mut self,
        files: &mut Files,
        fd: u32,
        bytes: &[u8],
        position: u64,
    ) -> Result<usize> {
        let open = self.get(fd)?;
        if open.flags & flag::ACCESS == 0 {
            return Err(Errno::BADF.into());
        }
        match &open.object {
            Object::Node(id) => files.tree.write(*id, position, bytes),
            Object::Host(file) => Ok(file.write_at(bytes, position)?),
            Object::Folder { .. } => Err(Errno::ISDIR.into()),
            _ => Err(Errno::SPIPE.into()),
        }
    }

    /// Moves; returns the new position.
    pub(crate) fn seek(&mut self, files: &Files, fd: u32, offset: i64, whence: u32) -> Result<u64> {
        let open = self.get_mut(fd)?;
        let end = match &mut open.object {
            Object::Node(id) => files.tree.size(*id)?,
            Object::Host(file) => {
                let to = match whence {
                    0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::INVAL)?),
                    1 => SeekFrom::Current(offset),
                    2 => SeekFrom::End(offset),
                    _ => return Err(Errno::INVAL.into()),
                };
                return Ok(file.seek(to)?);
            }
            Object::Folder { listing } => {
                if offset == 0 && whence == 0 {
                    *listing = None;
                }
                listing.as_ref().map_or(0, |listing| listing.len() as u64)
            }
            Object::Device(Device::Stream(_) | Device::Terminal(_))
            | Object::PipeReader(_)
            | Object::PipeWriter(_)
            | Object::Socket(_) => return Err(Errno::SPIPE.into()),
            Object::Device(_) => 0,
        };
        let base = match whence {
            0 => 0,
            1 => open.position,
            2 => end,
            _ => return Err(Errno::INVAL.into()),
        };
        let position = base.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok());
        open.position = position.ok_or(Errno::INVAL)?;
        Ok(open.position)
    }

    /// What `fstat` tells.
    pub(crate) fn status(&self, files: &Files, streams: &Streams, fd: u32) -> Result<Status> {
        let open = self.get(fd)?;
        let of = |mode: u32| Status { device: 1, inode: 1, links: 1, mode, ..Status::default() };
        match &open.object {
            Object::Node(id) => files.node_status(*id),
            Object::Host(file) => Ok(host_status(&cap_std::fs::Metadata::from_file(file)?)),
            Object::Device(Device::Stream(stream)) => Ok(of(streams.mode(*stream))),
            Object::Folder { .. } | Object::Device(_) => files.status(&open.path, true),
            Object::PipeReader(_) | Object::PipeWriter(_) => Ok(of(kind::PIPE | 0o600)),
            Object::Socket(_) => Ok(of(kind::SOCKET | 0o600)),
        }
    }

    /// Changes the size of an open file.
    pub(crate) fn resize(&mut self, files: &mut Files, fd: u32, size: u64) -> Result<()> {
        let open = self.get(fd)?;
        if open.flags & flag::ACCESS == 0 {
            return Err(Errno::INVAL.into());
        }
        match &open.object {
            Object::Node(id) => files.tree.resize(*id, size),
            Object::Host(file) => Ok(file.set_len(size)?),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// Whether reading and writing would go on at once. For a file of the host that may make one wait, see
    /// [`Descriptors::host`].
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
                let writable = pipe.bytes.len() < PIPE_CAPACITY;
                Readiness { writable, error: pipe.readers == 0, ..Readiness::default() }
            }
            Object::Socket(socket) => socket.readiness(),
            _ => both,
        })
    }

    /// The host's descriptor behind one that the host may make wait.
    pub(crate) fn host<'a>(&'a self, streams: &'a Streams, fd: u32) -> Option<BorrowedFd<'a>> {
        match &self.get(fd).ok()?.object {
            Object::Device(device) => streams.host(device.stream()?),
            Object::Host(file) => Some(file.as_fd()),
            Object::Socket(socket) => socket.host(),
            _ => None,
        }
    }
}

fn how(flags: u32, mode: u32) -> OpenHow {
    let access = flags & flag::ACCESS;
    OpenHow {
        read: access != flag::WRITE_ONLY,
        write: access == flag::WRITE_ONLY || access == flag::READ_WRITE,
        create: flags & flag::CREATE != 0,
        exclusive: flags & flag::EXCLUSIVE != 0,
        truncate: flags & flag::TRUNCATE != 0,
        append: flags & flag::APPEND != 0,
        no_follow: flags & flag::NO_FOLLOW != 0,
        mode: mode & 0o777,
    }
}

fn open_folder(flags: u32) -> Result<Object> {
    if flags & flag::ACCESS != 0 || flags & flag::CREATE != 0 {
        return Err(Errno::ISDIR.into());
    }
    Ok(Object::Folder { listing: None })
}

fn open_node(files: &mut Files, id: NodeId, flags: u32) -> Result<Object> {
    let writes = flags & flag::ACCESS != 0;
    let node = files.tree.get(id)?;
    if flags & flag::DIRECTORY != 0 && !matches!(node.content, Content::Folder(_)) {
        return Err(Errno::NOTDIR.into());
    }
    match &node.content {
        Content::Folder(_) => {
            let folder = open_folder(flags)?;
            node.permits(&[permission::READ])?;
            Ok(folder)
        }
        Content::Link(_) => Err(Errno::LOOP.into()),
        Content::Device(Device::Terminal(None)) => Err(Errno::NXIO.into()),
        Content::Device(device) => Ok(Object::Device(*device)),
        Content::Host(_) => Err(Errno::ISDIR.into()),
        Content::File(_) => {
            if (writes || flags & flag::TRUNCATE != 0) && node.read_only {
                return Err(Errno::ROFS.into());
            }
            if writes {
                node.permits(&[permission::WRITE])?;
            }
            if flags & flag::ACCESS != flag::WRITE_ONLY {
                node.permits(&[permission::READ])?;
            }
            if flags & flag::TRUNCATE != 0 && writes {
                files.tree.resize(id, 0)?;
            }
            files.tree.open(id)?;
            Ok(Object::Node(id))
        }
    }
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
