//! Owns the guest's file system: one tree, in which folders of the host may be mounted, and the operations on paths. Must not know
//! descriptors, nor how a guest passes its arguments, nor how a path is walked.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::errno::{Errno, Fault, Result};
use super::folder::{HostPlace, Opened, status_of};
use super::pages::Pages;
use super::tree::{Content, Data, Folder, Node, NodeId, Tree, permission};
use super::walk::{End, Last, NamedIn, Place, Slash, Walk};
use crate::base::budget::Budget;
use crate::base::interrupt::InterruptState;

/// File types in a mode (inode(7)).
pub(crate) mod kind {
    pub(crate) const MASK: u32 = 0o170_000;
    pub(crate) const DEVICE: u32 = 0o020_000;
    pub(crate) const BLOCK_DEVICE: u32 = 0o060_000;
    pub(crate) const FOLDER: u32 = 0o040_000;
    pub(crate) const FILE: u32 = 0o100_000;
    pub(crate) const LINK: u32 = 0o120_000;
    pub(crate) const PIPE: u32 = 0o010_000;
    pub(crate) const SOCKET: u32 = 0o140_000;
}

/// What `stat` returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Status {
    pub device: u64,
    pub inode: u64,
    pub mode: u32,
    pub links: u64,
    pub size: u64,
    /// The number of units of 512 bytes that the file takes.
    pub blocks: u64,
    /// Nanoseconds since 1970, as for the other times.
    pub accessed: i128,
    pub modified: i128,
    pub changed: i128,
}

/// A new value for a time of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Time {
    /// The time stays as it is.
    Kept,
    Now,
    /// Nanoseconds since 1970.
    At(i128),
}

/// What a file system reports about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileSystem {
    pub block_size: u64,
    /// Numbers of blocks: all, free, free for the guest.
    pub blocks: [u64; 3],
    /// Numbers of files: the most that there may be, and how many more can be made.
    pub files: [u64; 2],
}

/// A path, and where it starts when it is relative.
#[derive(Clone)]
pub(crate) struct At {
    /// The working directory, unless another folder is given.
    pub from: Option<Place>,
    pub path: PathBuf,
}

impl<P: Into<PathBuf>> From<P> for At {
    fn from(path: P) -> At {
        At { from: None, path: path.into() }
    }
}

/// What a path leads to.
enum Found {
    Folder(Place),
    /// A file, link or device of the tree.
    Node(NodeId),
    /// A name in a folder of the host, with what `lstat` returned for it.
    Host(HostPlace, OsString, rustix::fs::Stat),
}

/// The file system of a process.
pub(crate) struct Files {
    pub tree: Tree,
    working: Place,
    /// The folder that something was placed in last, with its path: much is placed folder by folder, before the guest starts.
    placed_in: Option<(PathBuf, NodeId)>,
}

impl Files {
    /// An empty tree; what is put into it is charged to `budget`.
    pub(crate) fn new(budget: Budget) -> Files {
        Files { tree: Tree::new(budget), working: Place::Tree(Tree::ROOT), placed_in: None }
    }

    /// Sets the interrupt that ends work done here for the guest when the guest is to end.
    pub(crate) fn set_interrupt(&mut self, interrupt: Arc<InterruptState>) {
        self.tree.set_interrupt(interrupt);
    }

    /// The path of the working directory. Errs with `ENOENT` when it was removed.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        self.path_of(&self.working)
    }

    /// The path of a folder, by the names that it has now. Errs with `ENOENT` when it was removed.
    fn path_of(&self, folder: &Place) -> Result<PathBuf> {
        let (mut node, beneath) = match folder {
            Place::Tree(node) => (*node, PathBuf::new()),
            Place::Host(node, place) => (*node, place.path()?),
        };
        let mut names = VecDeque::new();
        while node != Tree::ROOT {
            let parent = self.tree.parent(node)?;
            let name = self.tree.folder(parent)?.name_of(node).ok_or(Errno::NOENT)?;
            names.push_front(name);
            node = parent;
        }
        let mut path: PathBuf = [OsStr::new("/")].into_iter().chain(names).collect();
        if !beneath.as_os_str().is_empty() {
            path.push(beneath);
        }
        Ok(path)
    }

    /// Changes the working directory.
    pub(crate) fn change_directory(&mut self, at: &At) -> Result<()> {
        let folder = self.folder(at)?;
        self.work_in(folder)
    }

    /// Makes a folder the working directory. Errs with `EACCES` when the guest must not search it.
    pub(crate) fn work_in(&mut self, folder: Place) -> Result<()> {
        match &folder {
            Place::Tree(id) => {
                self.tree.get(*id)?.permits(&[permission::SEARCH])?;
                self.tree.open(*id)?;
            }
            Place::Host(_, place) => drop(place.searched()?),
        }
        if let Place::Tree(before) = std::mem::replace(&mut self.working, folder) {
            self.tree.close(before);
        }
        Ok(())
    }

    /// The absolute form of a path, from its names alone, for messages.
    fn absolute(&self, path: &Path) -> PathBuf {
        self.directory().unwrap_or_else(|_| PathBuf::from("/")).join(path)
    }

    /// Starts a walk of a path.
    pub(crate) fn walk(&self, at: &At, slash: Slash) -> Result<Walk> {
        let from = at.from.as_ref().unwrap_or(&self.working);
        Walk::new(from.clone(), &at.path, slash)
    }

    /// The name at the end of a path, for calls that change the name.
    fn last(&self, at: &At) -> Result<Last> {
        self.walk(at, Slash::Kept)?.last(&self.tree)
    }

    /// The folder that a path leads to.
    pub(crate) fn folder(&self, at: &At) -> Result<Place> {
        let mut at = at.clone();
        // An additional `/` requires every path but the empty one to be a folder.
        if !at.path.as_os_str().is_empty() {
            at.path.as_mut_os_string().push("/");
        }
        match self.walk(&at, Slash::Enters)?.last(&self.tree)? {
            Last::Folder(place, _) => Ok(place),
            Last::Name(_) => Err(Errno::NOTDIR.into()),
        }
    }

    /// What a path leads to.
    fn find(&self, at: &At, follow: bool) -> Result<Found> {
        let mut walk = self.walk(at, Slash::Enters)?;
        loop {
            let NamedIn { folder, name, .. } = match walk.last(&self.tree)? {
                Last::Folder(place, _) => return Ok(Found::Folder(place)),
                Last::Name(name) => name,
            };
            match folder {
                Place::Tree(folder) => {
                    let id = self.tree.look_up(folder, &name)?.ok_or(Errno::NOENT)?;
                    match &self.tree.get(id)?.content {
                        Content::Link(target) if follow => walk.follow(target)?,
                        Content::Folder(_) => return Ok(Found::Folder(Place::Tree(id))),
                        Content::Host(host) => return Ok(Found::Folder(Place::Host(id, host.place()))),
                        _ => return Ok(Found::Node(id)),
                    }
                }
                Place::Host(_, place) => {
                    let stat = place.look(&name)?;
                    if !(follow && stat.st_mode & kind::MASK == kind::LINK) {
                        return Ok(Found::Host(place, name, stat));
                    }
                    if let Some(target) = link_at(&place, &name)? {
                        walk.follow(&target)?;
                    } else {
                        return Ok(Found::Host(place.clone(), name.clone(), place.look(&name)?));
                    }
                }
            }
        }
    }

    /// What `stat` and, without `follow`, `lstat` return.
    pub(crate) fn status(&self, at: &At, follow: bool) -> Result<Status> {
        match self.find(at, follow)? {
            Found::Folder(place) => self.place_status(&place),
            Found::Node(id) => self.node_status(id),
            Found::Host(_, _, stat) => Ok(status_of(&stat)),
        }
    }

    /// What `stat` returns for a folder.
    pub(crate) fn place_status(&self, place: &Place) -> Result<Status> {
        match place {
            Place::Tree(id) => self.node_status(*id),
            Place::Host(_, place) => place.status(),
        }
    }

    /// What `stat` returns for a node.
    pub(crate) fn node_status(&self, id: NodeId) -> Result<Status> {
        let node = self.tree.get(id)?;
        let size = self.tree.size(id)?;
        Ok(Status {
            device: 1,
            inode: Tree::inode(id),
            mode: node.content.kind() | node.mode & 0o7777,
            links: self.tree.links(id)?,
            size,
            blocks: size.div_ceil(512),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    /// Makes a folder.
    pub(crate) fn make_folder(&mut self, at: &At, mode: u32) -> Result<()> {
        let Last::Name(last) = self.last(at)? else { return Err(Errno::EXIST.into()) };
        match last.folder {
            Place::Tree(folder) => {
                let node = Node::new(Content::Folder(Folder::default()), mode & 0o1777);
                self.tree.add(folder, &last.name, node).map(drop)
            }
            Place::Host(_, place) => place.make_folder(&last.name, mode),
        }
    }

    /// The name that a path gives to something new. Errs with `EEXIST` when the name exists, and with `ENOENT` when a `/` follows: only
    /// folders may be named so.
    fn new_name(&self, at: &At) -> Result<(Place, OsString)> {
        let Last::Name(NamedIn { folder, name, slash, .. }) = self.last(at)? else {
            return Err(Errno::EXIST.into());
        };
        let is_there = match &folder {
            Place::Tree(folder) => self.tree.look_up(*folder, &name)?.is_some(),
            Place::Host(_, place) => match place.look(&name) {
                Ok(_) => true,
                Err(Fault::Refused(Errno::NOENT)) => false,
                Err(error) => return Err(error),
            },
        };
        match (is_there, slash) {
            (true, _) => Err(Errno::EXIST.into()),
            (false, true) => Err(Errno::NOENT.into()),
            (false, false) => Ok((folder, name)),
        }
    }

    /// Makes a symbolic link.
    pub(crate) fn make_link(&mut self, target: &OsStr, at: &At) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::NOENT.into());
        }
        match self.new_name(at)? {
            (Place::Tree(folder), name) => {
                let node = Node::new(Content::Link(target.to_owned()), 0o777);
                self.tree.add(folder, &name, node).map(drop)
            }
            (Place::Host(_, place), name) => place.make_link(target, &name),
        }
    }

    /// Makes an empty file, or a FIFO in a folder of the host: in the tree, nobody could be at its other end. There are no other devices
    /// than those that the process began with.
    pub(crate) fn make_node(&mut self, at: &At, mode: u32) -> Result<()> {
        let file = if mode & kind::MASK == 0 { kind::FILE } else { mode & kind::MASK };
        let (folder, name) = self.new_name(at)?;
        match (folder, file) {
            (Place::Tree(folder), kind::FILE) => {
                self.tree.add(folder, &name, empty_file(mode & 0o777)).map(drop)
            }
            (Place::Host(_, place), kind::FILE | kind::PIPE) => place.make_node(&name, file | mode & 0o777),
            _ => Err(Errno::PERM.into()),
        }
    }

    /// Gives a file a further name; a symbolic link is followed if `follow`.
    pub(crate) fn link(&mut self, from: &At, to: &At, follow: bool) -> Result<()> {
        let found = self.find(from, follow)?;
        let (folder, name) = self.new_name(to)?;
        match (found, folder) {
            (Found::Node(id), Place::Tree(folder)) => self.tree.add_name(folder, &name, id),
            (Found::Host(place, old, _), Place::Host(_, other)) if place.is_mounted_with(&other) => {
                place.link(&old, &other, &name)
            }
            (Found::Folder(place), other) if place.is_mounted_with(&other) => Err(Errno::PERM.into()),
            _ => Err(Errno::XDEV.into()),
        }
    }

    /// The target of a symbolic link.
    pub(crate) fn read_link(&self, at: &At) -> Result<OsString> {
        match self.find(at, false)? {
            Found::Node(id) => match &self.tree.get(id)?.content {
                Content::Link(target) => Ok(target.clone()),
                _ => Err(Errno::INVAL.into()),
            },
            Found::Folder(_) => Err(Errno::INVAL.into()),
            Found::Host(place, name, _) => place.read_link(&name),
        }
    }

    /// Removes a file, link or, if `folder`, an empty folder.
    pub(crate) fn remove(&mut self, at: &At, folder: bool) -> Result<()> {
        let NamedIn { folder: place, name, slash, covers } = match (self.last(at)?, folder) {
            (Last::Name(name), _) => name,
            (Last::Folder(_, End::Dot), true) => return Err(Errno::INVAL.into()),
            (Last::Folder(_, End::DotDot), true) => return Err(Errno::NOTEMPTY.into()),
            (Last::Folder(..), true) => return Err(Errno::BUSY.into()),
            (Last::Folder(..), false) => return Err(Errno::ISDIR.into()),
        };
        let parent = match place {
            Place::Host(_, place) => return place.remove(&name, slash, folder),
            Place::Tree(parent) => parent,
        };
        let id = self.tree.look_up(parent, &name)?.ok_or(Errno::NOENT)?;
        match (&self.tree.get(id)?.content, folder) {
            (Content::Folder(_), true) if covers.is_some() => return Err(Errno::BUSY.into()),
            (Content::Folder(names), true) if names.is_empty() => {}
            (Content::Folder(_), true) => return Err(Errno::NOTEMPTY.into()),
            (Content::Host(_), true) => return Err(Errno::BUSY.into()),
            (Content::Folder(_) | Content::Host(_), false) => return Err(Errno::ISDIR.into()),
            (_, true) => return Err(Errno::NOTDIR.into()),
            (_, false) if slash => return Err(Errno::NOTDIR.into()),
            (_, false) if covers.is_some() => return Err(Errno::BUSY.into()),
            (_, false) => {}
        }
        self.tree.unlink(parent, &name)
    }

    /// Moves a file or folder.
    pub(crate) fn rename(&mut self, from: &At, to: &At) -> Result<()> {
        let (from, to) = (self.last(from)?, self.last(to)?);
        if !place_of(&from).is_mounted_with(place_of(&to)) {
            return Err(Errno::XDEV.into());
        }
        let (Last::Name(from), Last::Name(to)) = (from, to) else { return Err(Errno::BUSY.into()) };
        if from.covers.is_some() || to.covers.is_some() {
            return Err(Errno::BUSY.into());
        }
        match (&from.folder, &to.folder) {
            (Place::Host(_, place), Place::Host(_, other)) => {
                place.rename((&from.name, from.slash), other, (&to.name, to.slash))
            }
            (Place::Tree(folder), Place::Tree(new_folder)) => {
                self.may_rename((*folder, &from), (*new_folder, &to))?;
                self.tree.rename((*folder, &from.name), (*new_folder, &to.name))
            }
            _ => Err(Errno::XDEV.into()),
        }
    }

    /// Errs when a name of the tree cannot be moved; the checks are in the order of Linux (`do_renameat2`).
    fn may_rename(
        &self,
        (folder, from): (NodeId, &NamedIn),
        (new_folder, to): (NodeId, &NamedIn),
    ) -> Result<()> {
        let id = self.tree.look_up(folder, &from.name)?.ok_or(Errno::NOENT)?;
        let other = self.tree.look_up(new_folder, &to.name)?;
        let is_folder = self.tree.get(id)?.content.is_folder();
        if !is_folder && (from.slash || to.slash) {
            return Err(Errno::NOTDIR.into());
        }
        if is_folder && self.tree.is_beneath(new_folder, id)? {
            return Err(Errno::INVAL.into());
        }
        if let Some(other) = other
            && self.tree.get(other)?.content.is_folder()
            && self.tree.is_beneath(folder, other)?
        {
            return Err(Errno::NOTEMPTY.into());
        }
        for id in [Some(id), other].into_iter().flatten() {
            if matches!(self.tree.get(id)?.content, Content::Host(_)) {
                return Err(Errno::BUSY.into());
            }
        }
        Ok(())
    }

    /// Sets permission bits.
    pub(crate) fn set_mode(&mut self, at: &At, mode: u32, follow: bool) -> Result<()> {
        match self.find(at, follow)? {
            Found::Folder(place) => self.set_place_mode(&place, mode),
            Found::Node(id) if matches!(self.tree.get(id)?.content, Content::Link(_)) => {
                Err(Errno::NOTSUP.into())
            }
            Found::Node(id) => self.set_node_mode(id, mode),
            Found::Host(place, name, _) => place.set_mode(Some(&name), mode),
        }
    }

    /// Sets the permission bits of a folder.
    pub(crate) fn set_place_mode(&mut self, place: &Place, mode: u32) -> Result<()> {
        match place {
            Place::Tree(id) => self.set_node_mode(*id, mode),
            Place::Host(_, place) => place.set_mode(None, mode),
        }
    }

    /// Sets the permission bits of a node.
    pub(crate) fn set_node_mode(&mut self, id: NodeId, mode: u32) -> Result<()> {
        let node = self.writable(id)?;
        node.mode = mode & 0o7777;
        node.changed = super::tree::now();
        Ok(())
    }

    /// Sets the times of access and modification.
    pub(crate) fn set_times(&mut self, at: &At, times: [Time; 2], follow: bool) -> Result<()> {
        match self.find(at, follow)? {
            Found::Folder(place) => self.set_place_times(&place, times),
            Found::Node(id) => self.set_node_times(id, times),
            Found::Host(place, name, _) => place.set_times(Some(&name), times),
        }
    }

    /// Sets the times of access and modification of a folder.
    pub(crate) fn set_place_times(&mut self, place: &Place, times: [Time; 2]) -> Result<()> {
        match place {
            Place::Tree(id) => self.set_node_times(*id, times),
            Place::Host(_, place) => place.set_times(None, times),
        }
    }

    /// Sets the times of access and modification of a node.
    pub(crate) fn set_node_times(&mut self, id: NodeId, [accessed, modified]: [Time; 2]) -> Result<()> {
        let now = super::tree::now();
        let set = |time: &mut i128, to: Time| match to {
            Time::Kept => {}
            Time::Now => *time = now,
            Time::At(to) => *time = to,
        };
        let node = self.writable(id)?;
        set(&mut node.accessed, accessed);
        set(&mut node.modified, modified);
        node.changed = now;
        Ok(())
    }

    fn writable(&mut self, id: NodeId) -> Result<&mut Node> {
        let node = self.tree.get_mut(id)?;
        if node.read_only { Err(Errno::ROFS.into()) } else { Ok(node) }
    }

    /// Errs unless what a path leads to can be read, written, executed (`access`; 4, 2, 1).
    pub(crate) fn access(&self, at: &At, mode: u32, follow: bool) -> Result<()> {
        match self.find(at, follow)? {
            Found::Folder(Place::Host(_, place)) => place.access(None, mode),
            Found::Host(place, name, _) => place.access(Some(&name), mode),
            Found::Folder(Place::Tree(id)) | Found::Node(id) => {
                let node = self.tree.get(id)?;
                let wanted = [(4, permission::READ), (2, permission::WRITE), (1, permission::SEARCH)];
                if mode & 2 != 0 && node.read_only {
                    return Err(Errno::ROFS.into());
                }
                let wanted = wanted.into_iter().filter(|(bit, _)| mode & bit != 0);
                node.permits(&wanted.map(|(_, permission)| permission).collect::<Vec<_>>())
            }
        }
    }

    /// What the file system at a path reports about itself.
    pub(crate) fn file_system(&self, at: &At) -> Result<FileSystem> {
        match self.find(at, true)? {
            Found::Folder(Place::Host(_, place)) | Found::Host(place, ..) => file_system(place.descriptor()),
            _ => Ok(self.own_file_system()),
        }
    }

    /// What the tree reports about itself.
    pub(crate) fn own_file_system(&self) -> FileSystem {
        const BLOCK: u64 = 4096;
        /// The least memory that a file takes.
        const FILE: u64 = 1024;
        let (all, used) = self.tree.room();
        let free = all.saturating_sub(used);
        let blocks = [all / BLOCK, free / BLOCK, free / BLOCK];
        FileSystem { block_size: BLOCK, blocks, files: [all / FILE, free / FILE] }
    }

    /// Puts something at an absolute path on behalf of the host, making the folders that lead there. Errs when the path exists.
    pub(crate) fn place(&mut self, path: &Path, node: Node) -> Result<NodeId> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let known = self.placed_in.as_ref().filter(|(path, _)| path == parent).map(|(_, folder)| *folder);
        let folder = match known.filter(|folder| self.tree.folder(*folder).is_ok()) {
            Some(folder) => folder,
            None => self.place_folder(parent)?,
        };
        if known != Some(folder) {
            self.placed_in = Some((parent.to_owned(), folder));
        }
        let name = path.file_name().ok_or(Errno::INVAL)?;
        self.tree.place(folder, name, node)
    }

    /// The folder at an absolute path, made together with those that lead there. What is made in a mounted folder of the host lies over it,
    /// and nothing is made on the host.
    pub(crate) fn place_folder(&mut self, path: &Path) -> Result<NodeId> {
        let mut folder = Tree::ROOT;
        for name in components(path.as_os_str()) {
            let known = self.tree.folder(folder)?.get(&name);
            folder = if let Some(known) = known {
                known
            } else {
                let above = self.tree.get(folder)?;
                let read_only = above.read_only;
                let of_host = match &above.content {
                    Content::Host(host) => host.place().below(&name).map(Arc::new).map(Content::Host),
                    _ => None,
                };
                let node = Node::new(of_host.unwrap_or_else(|| Content::Folder(Folder::default())), 0o755);
                self.tree.place(folder, &name, if read_only { node.read_only() } else { node })?
            };
        }
        self.tree.folder(folder)?;
        Ok(folder)
    }

    /// Removes an empty folder of the guest's own, so that something else can take its name.
    pub(crate) fn make_way(&mut self, path: &Path) -> Result<()> {
        let Last::Name(NamedIn { folder: Place::Tree(folder), name, .. }) = self.last(&path.into())? else {
            return Ok(());
        };
        match self
            .tree
            .look_up(folder, &name)?
            .map(|id| self.tree.get(id))
            .transpose()?
            .map(|node| &node.content)
        {
            Some(Content::Folder(names)) if names.is_empty() => self.tree.unlink(folder, &name),
            _ => Ok(()),
        }
    }

    /// The whole file at a path, with its absolute path and what `stat` returns for it.
    pub(crate) fn read_whole(&mut self, path: &Path, limit: u64) -> Result<(Arc<[u8]>, PathBuf, Status)> {
        let absolute = tidy(&self.absolute(path));
        let readable = |status: &Status| match status.mode & kind::MASK {
            kind::FILE if status.size <= limit => Ok(()),
            kind::FILE => Err(Errno::FBIG),
            kind::FOLDER => Err(Errno::ISDIR),
            _ => Err(Errno::INVAL),
        };
        match self.find(&path.into(), true)? {
            Found::Folder(_) => Err(Errno::ISDIR.into()),
            Found::Node(id) => {
                let status = self.node_status(id)?;
                readable(&status)?;
                Ok((self.tree.shared(id)?, absolute, status))
            }
            Found::Host(place, name, stat) => {
                use std::io::Read;
                readable(&status_of(&stat))?;
                let flags = rustix::fs::OFlags::RDONLY;
                let Opened::File(host) = place.open(&name, flags, 0)? else {
                    return Err(Errno::INVAL.into());
                };
                // The status is that of what was opened, which may be another file by now.
                let status = host.status()?;
                readable(&status)?;
                let mut bytes = Vec::new();
                host.file.take(limit).read_to_end(&mut bytes)?;
                Ok((bytes.into(), absolute, status))
            }
        }
    }
}

/// The target of a link of the host; `None` when it is not a link any more.
fn link_at(place: &HostPlace, name: &OsStr) -> Result<Option<OsString>> {
    match place.read_link(name) {
        Ok(target) => Ok(Some(target)),
        Err(Fault::Refused(Errno::INVAL)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn place_of(last: &Last) -> &Place {
    match last {
        Last::Name(name) => name.parent(),
        Last::Folder(place, _) => place,
    }
}

/// What the file system of the host reports about itself for one of its descriptors.
pub(crate) fn file_system(host: impl std::os::fd::AsFd) -> Result<FileSystem> {
    let told = rustix::fs::fstatvfs(host)?;
    Ok(FileSystem {
        block_size: told.f_frsize,
        blocks: [told.f_blocks, told.f_bfree, told.f_bavail],
        files: [told.f_files, told.f_ffree],
    })
}

/// An empty file.
pub(crate) fn empty_file(mode: u32) -> Node {
    Node::new(Content::File(Data::Owned(Pages::default())), mode & 0o7777)
}

/// The parts of a path. A `/` at the end counts as `.`, so that the path must lead to a folder.
fn components(path: &OsStr) -> VecDeque<OsString> {
    let bytes = path.as_bytes();
    let parts = bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let mut parts: VecDeque<OsString> = parts.map(|part| OsStr::from_bytes(part).to_owned()).collect();
    if bytes.ends_with(b"/") && !parts.is_empty() {
        parts.push_back(".".into());
    }
    parts
}

/// An absolute path without `.`, `..` and repeated `/`.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::from("/");
    for part in components(path.as_os_str()) {
        if part == ".." {
            tidy.pop();
        } else if part != "." {
            tidy.push(part);
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::super::folder::HostFolder;
    use super::*;

    fn file(text: &str) -> Node {
        Node::new(Content::File(Data::Shared(text.as_bytes().into())), 0o644)
    }

    fn at(path: &str) -> At {
        path.into()
    }

    fn files() -> Files {
        let mut files = Files::new(Budget::new(1 << 20));
        files.place(Path::new("/a/b/file"), file("text")).unwrap();
        files.make_link(OsStr::new("../b/file"), &at("/a/b/link")).unwrap();
        files.make_link(OsStr::new("/a/b"), &at("/short")).unwrap();
        files.make_link(OsStr::new("loop"), &at("/loop")).unwrap();
        files
    }

    fn read(files: &mut Files, path: &str) -> std::result::Result<Vec<u8>, Errno> {
        files.read_whole(Path::new(path), 100).map(|(bytes, ..)| bytes.to_vec()).map_err(
            |fault| match fault {
                Fault::Refused(errno) => errno,
                Fault::Ended(error) => panic!("{error}"),
            },
        )
    }

    #[test]
    fn links_are_followed_wherever_they_stand() {
        let mut files = files();
        for path in ["/a/b/file", "/a/b/link", "/short/link", "/short/../b/file", "a/./b//file"] {
            assert_eq!(read(&mut files, path).unwrap(), b"text", "{path}");
        }
        assert!(files.status(&at("/loop"), true).is_err());
        assert!(files.status(&at("/a/b/file/"), true).is_err());
        assert!(files.status(&at("/a/x/file"), true).is_err());
        assert_eq!(files.status(&at("/short/"), false).unwrap().mode & kind::MASK, kind::FOLDER);
        assert_eq!(files.status(&at("/short"), false).unwrap().mode & kind::MASK, kind::LINK);
    }

    /// A folder of the host, mounted at /host, and the object that keeps it alive.
    fn mounted(read_only: bool) -> (Files, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("mounted/deep/er")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.path().join("mounted/in"), "in").unwrap();
        let mut files = files();
        let host = HostFolder::open(&folder.path().join("mounted"), read_only).unwrap();
        files.place(Path::new("/host"), Node::new(Content::Host(Arc::new(host)), 0o755)).unwrap();
        (files, folder)
    }

    #[test]
    fn a_mounted_folder_is_never_left_through_it() {
        let (mut files, folder) = mounted(true);
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, folder.path().join("mounted").join(name)).unwrap();
        };
        link("/etc", "out");
        link("../secret", "up");
        link(&format!("{}/secret", folder.path().display()), "absolute");
        assert_eq!(read(&mut files, "/host/in").unwrap(), b"in");
        assert_eq!(read(&mut files, "/host/deep/er/../../in").unwrap(), b"in");
        assert_eq!(read(&mut files, "/host/deep/../../a/b/file").unwrap(), b"text");
        assert_eq!(read(&mut files, "/host/x/../../a/b/file"), Err(Errno::NOENT));
        for path in ["/host/out/passwd", "/host/up", "/host/absolute", "/host/../secret"] {
            assert_eq!(read(&mut files, path), Err(Errno::NOENT), "{path}");
        }
        assert!(files.make_folder(&at("/host/new"), 0o755).is_err());
        assert!(files.remove(&at("/host/in"), false).is_err());
        assert!(files.rename(&at("/host"), &at("/other")).is_err());
    }

    /// Links are the guest's: absolute ones begin at its root, and `..` continues in the tree.
    #[test]
    fn a_link_in_a_mounted_folder_is_a_path_of_the_guest() {
        let (mut files, _folder) = mounted(false);
        for (target, name) in
            [("/host/in", "absolute"), ("../a/b/file", "up"), ("er/../../in", "deep/around")]
        {
            files.make_link(OsStr::new(target), &format!("/host/{name}").into()).unwrap();
        }
        assert_eq!(read(&mut files, "/host/absolute").unwrap(), b"in");
        assert_eq!(read(&mut files, "/host/up").unwrap(), b"text");
        assert_eq!(read(&mut files, "/host/deep/around").unwrap(), b"in");
        files.rename(&at("/host/deep/around"), &at("/host/around")).unwrap();
        assert_eq!(read(&mut files, "/host/around"), Err(Errno::NOENT));
    }

    #[test]
    fn going_up_from_a_folder_that_was_moved_out_leads_nowhere() {
        let (mut files, folder) = mounted(false);
        files.change_directory(&at("/host/deep/er")).unwrap();
        assert_eq!(read(&mut files, "../../in").unwrap(), b"in");
        std::fs::rename(folder.path().join("mounted/deep"), folder.path().join("moved")).unwrap();
        assert_eq!(read(&mut files, "../../secret"), Err(Errno::NOENT));
        assert_eq!(read(&mut files, "../er/../../secret"), Err(Errno::NOENT));
        assert!(files.directory().is_err());
        std::fs::rename(folder.path().join("moved"), folder.path().join("mounted/again")).unwrap();
        assert_eq!(read(&mut files, "../../in").unwrap(), b"in");
        assert_eq!(files.directory().unwrap(), Path::new("/host/again/er"));
    }

    /// A thread swaps a folder and a link that leads out, as fast as it can.
    #[test]
    fn a_race_of_links_leads_nowhere() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let (mut files, folder) = mounted(false);
        let mounted = folder.path().join("mounted");
        std::fs::create_dir(mounted.join("real")).unwrap();
        std::fs::write(mounted.join("real/secret"), "fine").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::fs::rename(mounted.join("real"), mounted.join("x")).unwrap();
                    std::os::unix::fs::symlink(folder.path(), mounted.join("real")).unwrap();
                    std::fs::remove_file(mounted.join("real")).unwrap();
                    std::os::unix::fs::symlink("..", mounted.join("real")).unwrap();
                    std::fs::remove_file(mounted.join("real")).unwrap();
                    std::fs::rename(mounted.join("x"), mounted.join("real")).unwrap();
                }
            });
            let mut outcomes = [0_usize; 2];
            for _ in 0..20_000 {
                match read(&mut files, "/host/real/secret") {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"fine");
                        outcomes[0] += 1;
                    }
                    Err(_) => outcomes[1] += 1,
                }
                // If this were made where a link might have led to, it would be seen.
                let _ = files.make_folder(&at("/host/real/made"), 0o755);
                let _ = files.remove(&at("/host/real/made"), true);
            }
            done.store(true, Ordering::Relaxed);
            assert!(outcomes[0] > 0, "{outcomes:?}");
        });
        assert!(!folder.path().join("made").exists());
    }

    #[test]
    fn a_folder_forbids_what_its_mode_does() {
        let mut files = files();
        let folder = at("/a/b");
        files.set_mode(&folder, 0o500, true).unwrap();
        assert!(files.status(&at("/a/b/file"), true).is_ok());
        assert!(files.make_folder(&at("/a/b/new"), 0o755).is_err());
        assert!(files.remove(&at("/a/b/file"), false).is_err());
        assert!(files.rename(&at("/a/b/file"), &at("/file")).is_err());
        files.set_mode(&folder, 0o600, true).unwrap();
        assert!(files.status(&at("/a/b/file"), true).is_err());
        files.set_mode(&folder, 0o700, true).unwrap();
        assert!(files.rename(&at("/a/b/file"), &at("/file")).is_ok());
    }

    #[test]
    fn a_folder_does_not_move_into_itself() {
        let mut files = files();
        assert!(files.rename(&at("/a"), &at("/a/b/c")).is_err());
        assert!(files.rename(&at("/a/b"), &at("/c")).is_ok());
        assert!(files.status(&at("/c/file"), true).is_ok());
    }

    #[test]
    fn the_working_folder_is_the_folder_whatever_it_is_called() {
        let mut files = files();
        files.change_directory(&at("/a/b")).unwrap();
        files.rename(&at("/a"), &at("/c")).unwrap();
        assert_eq!(files.directory().unwrap(), Path::new("/c/b"));
        assert_eq!(read(&mut files, "../b/file").unwrap(), b"text");
        files.remove(&at("file"), false).unwrap();
        files.remove(&at("link"), false).unwrap();
        files.remove(&at("/c/b"), true).unwrap();
        assert!(files.directory().is_err());
        assert!(files.make_folder(&at("new"), 0o755).is_err());
        assert!(files.status(&at("."), true).is_ok());
    }
}
