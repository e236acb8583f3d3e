//! Owns how a path becomes an open file: the flags, and what they mean for each kind of file, as in open(2). Must not know what is done
//! with the file afterwards.

use std::ffi::OsStr;

use rustix::fs::OFlags;

use super::descriptors::{Object, flag};
use super::errno::{Errno, Result};
use super::files::{At, Files, empty_file};
use super::folder::{HostPlace, Opened};
use super::tree::{Content, Device, NodeId, permission};
use super::walk::{Last, NamedIn, Place, Slash};

/// How to open: flags and, for what is created, permission bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct How {
    pub flags: u32,
    pub mode: u32,
}

/// What is open, and the node of the tree behind it, if there is one.
pub(crate) struct Reached {
    pub object: Object,
    pub node: Option<NodeId>,
}

/// The outcome of opening a name.
enum Outcome {
    Reached(Reached),
    Link(std::ffi::OsString),
}

impl How {
    /// Whether all of these flags are set.
    fn has(self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// Whether the file is only reached: nothing is read or written through it (`O_PATH`).
    fn reaches(self) -> bool {
        self.has(flag::PATH)
    }

    fn creates(self) -> bool {
        self.has(flag::CREATE) && !self.reaches()
    }

    fn writes(self) -> bool {
        self.flags & flag::ACCESS != 0 && !self.reaches()
    }

    fn truncates(self) -> bool {
        self.has(flag::TRUNCATE) && !self.reaches()
    }

    fn is_exclusive(self) -> bool {
        self.creates() && self.has(flag::EXCLUSIVE)
    }

    fn follows(self) -> bool {
        !self.has(flag::NO_FOLLOW) && !self.is_exclusive()
    }

    /// The host's flags. The guest's have the values of Linux, but not those of every processor.
    fn of_host(self) -> OFlags {
        let mut host = match self.flags & flag::ACCESS {
            flag::WRITE_ONLY => OFlags::WRONLY,
            flag::READ_WRITE => OFlags::RDWR,
            _ => OFlags::RDONLY,
        };
        let known = [
            (flag::CREATE, OFlags::CREATE),
            (flag::EXCLUSIVE, OFlags::EXCL),
            (flag::TRUNCATE, OFlags::TRUNC),
            (flag::APPEND, OFlags::APPEND),
            (flag::DATA_SYNC, OFlags::DSYNC),
            (flag::SYNC, OFlags::SYNC),
            (flag::DIRECTORY, OFlags::DIRECTORY),
            (flag::NO_ACCESS_TIME, OFlags::NOATIME),
            (flag::PATH, OFlags::PATH),
        ];
        for (guest, flag) in known {
            host.set(flag, self.has(guest));
        }
        if self.reaches() { host & (OFlags::PATH | OFlags::DIRECTORY) } else { host }
    }
}

/// Opens what a path leads to. A node that is returned counts as opened.
pub(crate) fn open(files: &mut Files, at: &At, how: How) -> Result<Reached> {
    if how.has(flag::TEMPORARY) && !how.reaches() {
        return open_unnamed(files, at, how);
    }
    if how.flags & flag::ACCESS == flag::ACCESS && !how.reaches() || how.creates() && how.has(flag::DIRECTORY)
    {
        return Err(Errno::INVAL.into());
    }
    let slash = if how.creates() { Slash::Kept } else { Slash::Enters };
    let mut walk = files.walk(at, slash)?;
    loop {
        let outcome = match walk.last(&files.tree)? {
            Last::Folder(place, _) => Outcome::Reached(open_place(files, &place, how)?),
            // Only folders may be followed by a `/`, and those are made by `mkdir`.
            Last::Name(NamedIn { slash: true, .. }) => return Err(Errno::ISDIR.into()),
            Last::Name(NamedIn { folder: Place::Tree(folder), name, .. }) => {
                open_node(files, folder, &name, how)?
            }
            Last::Name(NamedIn { folder: Place::Host(node, place), name, .. }) => {
                open_host(node, &place, &name, how)?
            }
        };
        match outcome {
            Outcome::Reached(reached) => return Ok(reached),
            Outcome::Link(target) => walk.follow(&target)?,
        }
    }
}

/// Opens a folder that has been reached.
fn open_place(files: &mut Files, place: &Place, how: How) -> Result<Reached> {
    if how.is_exclusive() {
        return Err(Errno::EXIST.into());
    }
    if how.writes() || how.creates() || how.truncates() {
        return Err(Errno::ISDIR.into());
    }
    match place {
        Place::Tree(id) => {
            if !how.reaches() {
                files.tree.get(*id)?.permits(&[permission::READ])?;
            }
            files.tree.open(*id)?;
            Ok(Reached { object: Object::Folder(place.clone()), node: Some(*id) })
        }
        Place::Host(node, place) => {
            let flags = if how.reaches() { OFlags::PATH } else { OFlags::RDONLY };
            let folder = Place::Host(*node, place.reopen(flags)?);
            Ok(Reached { object: Object::Folder(folder), node: None })
        }
    }
}

fn open_host(node: NodeId, place: &HostPlace, name: &OsStr, how: How) -> Result<Outcome> {
    let object = match place.open(name, how.of_host(), how.mode)? {
        Opened::Folder(folder) => Object::Folder(Place::Host(node, folder)),
        Opened::File(file) => Object::Host(file),
        Opened::Link(target) if how.follows() => return Ok(Outcome::Link(target)),
        Opened::Link(_) if how.on_link()? => Object::Host(place.open_link(name)?),
        Opened::Link(_) => return Err(Errno::LOOP.into()),
    };
    Ok(Outcome::Reached(Reached { object, node: None }))
}

impl How {
    /// Whether a link itself may be opened. Errs when a folder is required.
    fn on_link(self) -> Result<bool> {
        if self.has(flag::DIRECTORY) { Err(Errno::NOTDIR.into()) } else { Ok(self.reaches()) }
    }
}

fn open_node(files: &mut Files, folder: NodeId, name: &OsStr, how: How) -> Result<Outcome> {
    let Some(id) = files.tree.look_up(folder, name)? else {
        if !how.creates() {
            return Err(Errno::NOENT.into());
        }
        let id = files.tree.add(folder, name, empty_file(how.mode & 0o777))?;
        files.tree.open(id)?;
        return Ok(Outcome::Reached(Reached { object: Object::Node(id), node: Some(id) }));
    };
    if how.is_exclusive() {
        return Err(Errno::EXIST.into());
    }
    let place = match &files.tree.get(id)?.content {
        Content::Link(target) if how.follows() => return Ok(Outcome::Link(target.clone())),
        Content::Link(_) => {
            let is_wanted = how.on_link()?;
            return if is_wanted {
                opened_node(files, id, Object::Node(id))
            } else {
                Err(Errno::LOOP.into())
            };
        }
        Content::Folder(_) => Some(Place::Tree(id)),
        Content::Host(host) => Some(Place::Host(id, host.place())),
        _ => None,
    };
    if let Some(place) = place {
        return open_place(files, &place, how).map(Outcome::Reached);
    }
    open_file(files, id, how)
}

fn opened_node(files: &mut Files, id: NodeId, object: Object) -> Result<Outcome> {
    files.tree.open(id)?;
    Ok(Outcome::Reached(Reached { object, node: Some(id) }))
}

/// Opens a file or device of the tree.
fn open_file(files: &mut Files, id: NodeId, how: How) -> Result<Outcome> {
    let node = files.tree.get(id)?;
    if how.has(flag::DIRECTORY) {
        return Err(Errno::NOTDIR.into());
    }
    if how.reaches() {
        return opened_node(files, id, Object::Node(id));
    }
    let is_file = match &node.content {
        Content::Device(Device::Terminal(None)) => return Err(Errno::NXIO.into()),
        Content::Device(device) => {
            let device = *device;
            return opened_node(files, id, Object::Device(device));
        }
        Content::File(_) => true,
        _ => false,
    };
    if !is_file {
        return Err(Errno::INVAL.into());
    }
    let changes = how.writes() || how.truncates();
    if changes && node.read_only {
        return Err(Errno::ROFS.into());
    }
    if changes {
        node.permits(&[permission::WRITE])?;
    }
    if how.flags & flag::ACCESS != flag::WRITE_ONLY {
        node.permits(&[permission::READ])?;
    }
    if how.truncates() {
        files.tree.resize(id, 0)?;
    }
    opened_node(files, id, Object::Node(id))
}

/// Makes a file without a name in the folder that a path leads to (`O_TMPFILE`).
fn open_unnamed(files: &mut Files, at: &At, how: How) -> Result<Reached> {
    if how.creates() || !how.writes() {
        return Err(Errno::INVAL.into());
    }
    match files.folder(at)? {
        Place::Host(_, place) => {
            let unwanted = OFlags::DIRECTORY | OFlags::TRUNC | OFlags::EXCL;
            let file = place.open_unnamed(how.of_host() & !unwanted, how.mode)?;
            Ok(Reached { object: Object::Host(file), node: None })
        }
        Place::Tree(folder) => {
            let folder = files.tree.get(folder)?;
            if folder.read_only {
                return Err(Errno::ROFS.into());
            }
            folder.permits(&[permission::WRITE, permission::SEARCH])?;
            let id = files.tree.keep(empty_file(how.mode & 0o777))?;
            files.tree.open(id)?;
            Ok(Reached { object: Object::Node(id), node: Some(id) })
        }
    }
}
