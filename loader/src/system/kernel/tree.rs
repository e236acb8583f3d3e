//! Owns the in-memory file tree of a process: folders, files, links, devices, and the places where folders of the host are
//! mounted. Files may be backed by shared bytes or by an entry of an archive, which is read when it is opened. Must not know
//! paths nor descriptors.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::errno::{Errno, Result};
use super::files::kind;
use super::folder::HostFolder;
use super::pages::Pages;
use crate::base::budget::{Budget, Charge, Exhausted};
use crate::base::interrupt::InterruptState;
use crate::system::archive::Archive;

/// The bytes of the host's memory that a node takes, with a name of the usual length.
const NODE: u64 = 1 << 10;

/// A file, folder, link or device of the tree. Valid as long as it has a name or is open; afterwards the same id is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NodeId {
    place: usize,
    /// The number of nodes that have been at this place before.
    generation: u64,
}

/// The names in a folder.
#[derive(Default)]
pub(crate) struct Folder {
    names: BTreeMap<Arc<OsStr>, Entry>,
    /// The names in the order they were made: the position of a listing does not change when others come or go.
    order: BTreeMap<u64, Arc<OsStr>>,
    folders: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    id: NodeId,
    order: u64,
}

impl Folder {
    /// The node with a name.
    pub(crate) fn get(&self, name: &OsStr) -> Option<NodeId> {
        self.names.get(name).map(|entry| entry.id)
    }

    /// Whether it has no names.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a node.
    pub(crate) fn name_of(&self, id: NodeId) -> Option<&OsStr> {
        self.names.iter().find(|(_, entry)| entry.id == id).map(|(name, _)| &**name)
    }

    /// The names that were made after a number, with their own numbers, which count from 1 and are never used again.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &OsStr, NodeId)> {
        let names = self.order.range((Bound::Excluded(number), Bound::Unbounded));
        names.filter_map(|(number, name)| Some((*number, &**name, self.get(name)?)))
    }

    fn insert(&mut self, name: &OsStr, id: NodeId, number: u64) {
        let name: Arc<OsStr> = name.into();
        self.order.insert(number, name.clone());
        self.names.insert(name, Entry { id, order: number });
    }

    fn remove(&mut self, name: &OsStr) -> Option<NodeId> {
        let entry = self.names.remove(name)?;
        self.order.remove(&entry.order);
        Some(entry.id)
    }
}

/// What a node is.
pub(crate) enum Content {
    File(Data),
    Folder(Folder),
    Link(OsString),
    Device(Device),
    /// A folder of the host is mounted here.
    Host(Arc<HostFolder>),
}

impl Content {
    /// Whether a path may continue behind it.
    pub(crate) fn is_folder(&self) -> bool {
        matches!(self, Content::Folder(_) | Content::Host(_))
    }

    /// The file type in the mode that `stat` returns.
    pub(crate) fn kind(&self) -> u32 {
        match self {
            Content::File(_) => kind::FILE,
            Content::Folder(_) | Content::Host(_) => kind::FOLDER,
            Content::Link(_) => kind::LINK,
            Content::Device(_) => kind::DEVICE,
        }
    }
}

/// A character device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    Null,
    Zero,
    Full,
    Random,
    /// Standard input, output or error, by number.
    Stream(u32),
    /// The terminal, if there is one: the standard streams that it is read and written through.
    Terminal(Option<(u32, u32)>),
}

impl Device {
    /// The standard stream behind the device, in whatever direction.
    pub(crate) fn stream(self) -> Option<u32> {
        match self {
            Device::Stream(stream) => Some(stream),
            Device::Terminal(streams) => streams.map(|(input, _)| input),
            _ => None,
        }
    }

    /// The standard stream that the device writes to. Errs for one that is read-only.
    pub(crate) fn output(self) -> Result<Option<u32>> {
        match self {
            Device::Stream(0) => Err(Errno::BADF.into()),
            Device::Stream(stream) => Ok(Some(stream)),
            Device::Terminal(streams) => Ok(streams.map(|(_, output)| output)),
            _ => Ok(None),
        }
    }
}

/// The bytes of a file.
pub(crate) enum Data {
    Owned(Pages),
    Shared(Arc<[u8]>),
    /// Bytes of this program.
    Static(&'static [u8]),
    /// A file of an archive, which is in memory while it is open.
    Archived {
        archive: Arc<Archive>,
        index: usize,
        size: u64,
        loaded: Option<(Arc<[u8]>, Charge)>,
    },
}

impl Data {
    fn len(&self) -> u64 {
        match self {
            Data::Owned(pages) => pages.len(),
            Data::Shared(bytes) => bytes.len() as u64,
            Data::Static(bytes) => bytes.len() as u64,
            Data::Archived { size, .. } => *size,
        }
    }
}

/// Copies what some bytes have from a position on; returns the number of bytes.
fn read_slice(bytes: &[u8], position: u64, buffer: &mut [u8]) -> usize {
    let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    let count = buffer.len().min(bytes.len() - start);
    buffer[..count].copy_from_slice(&bytes[start..start + count]);
    count
}

/// The permission bits that an access requires. The guest's only user owns everything, and Emscripten's rule is that any of the three bits
/// permits the access (`nodePermissions` of its `FS`): there is no root.
pub(crate) mod permission {
    pub(crate) const READ: u32 = 0o444;
    pub(crate) const WRITE: u32 = 0o222;
    /// For a folder: looking up names in it.
    pub(crate) const SEARCH: u32 = 0o111;
}

/// A node with what `stat` returns for it.
pub(crate) struct Node {
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Nanoseconds since 1970, as for the other times.
    pub accessed: i128,
    pub modified: i128,
    pub changed: i128,
    /// Whether the node and, in a folder, its names must not change.
    pub read_only: bool,
    /// How many names it has.
    pub names: u32,
    /// How many descriptors are open on it.
    opened: u32,
    /// The folder that a folder is in, or was in.
    parent: NodeId,
    /// In a mounted folder of the host, what of the guest's own lies over its names.
    covers: Folder,
    /// The charge for what the node takes besides its bytes, once it is in a tree.
    charge: Option<Charge>,
}

/// The number of bytes that are copied at once.
const COPIED: usize = 1 << 20;

/// The tree.
pub(crate) struct Tree {
    nodes: Vec<Slot>,
    free: Vec<usize>,
    budget: Budget,
    /// Says when the guest is to end.
    interrupt: Arc<InterruptState>,
    /// The number of names that were made so far.
    made: u64,
}

/// A place for a node.
struct Slot {
    node: Option<Node>,
    generation: u64,
}

impl Tree {
    pub(crate) const ROOT: NodeId = NodeId { place: 0, generation: 0 };

    /// A tree with an empty root folder; what is put into it is charged to `budget`.
    pub(crate) fn new(budget: Budget) -> Tree {
        let interrupt = Arc::default();
        let mut tree = Tree { nodes: Vec::new(), free: Vec::new(), budget, interrupt, made: 0 };
        let mut root = Node::new(Content::Folder(Folder::default()), 0o755);
        root.names = 1;
        tree.nodes.push(Slot { node: Some(root), generation: 0 });
        tree
    }

    /// Sets the interrupt that ends work done here for the guest when the guest is to end.
    pub(crate) fn set_interrupt(&mut self, interrupt: Arc<InterruptState>) {
        self.interrupt = interrupt;
    }

    pub(crate) fn get(&self, id: NodeId) -> Result<&Node> {
        let slot = self.nodes.get(id.place).filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.node.as_ref()).ok_or_else(|| Errno::NOENT.into())
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        let slot = self.nodes.get_mut(id.place).filter(|slot| slot.generation == id.generation);
        slot.and_then(|slot| slot.node.as_mut()).ok_or_else(|| Errno::NOENT.into())
    }

    /// The inode number that `stat` returns.
    pub(crate) fn inode(id: NodeId) -> u64 {
        id.place as u64 + 2
    }

    /// The names in a folder; for a folder of the host, those that lie over the host's.
    pub(crate) fn folder(&self, folder: NodeId) -> Result<&Folder> {
        let node = self.get(folder)?;
        match &node.content {
            Content::Folder(folder) => Ok(folder),
            Content::Host(_) => Ok(&node.covers),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn folder_mut(&mut self, folder: NodeId) -> Result<&mut Folder> {
        let node = self.get_mut(folder)?;
        match &mut node.content {
            Content::Folder(folder) => Ok(folder),
            Content::Host(_) => Ok(&mut node.covers),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// Puts a folder of the host under one of the tree, whose names lie over the host's; where both have a folder of the same name, the
    /// contents of both are seen together. Errs when there is a folder of the host already.
    pub(crate) fn underlay(&mut self, id: NodeId, host: Arc<HostFolder>) -> Result<()> {
        let node = self.get_mut(id)?;
        let Content::Folder(names) = &mut node.content else { return Err(Errno::BUSY.into()) };
        node.covers = std::mem::take(names);
        let names: Vec<_> = node.covers.names.iter().map(|(name, entry)| (name.clone(), entry.id)).collect();
        for (name, below) in names {
            if matches!(self.get(below)?.content, Content::Folder(_))
                && let Some(host) = host.place().below(&name)
            {
                self.underlay(below, Arc::new(host))?;
            }
        }
        self.get_mut(id)?.content = Content::Host(host);
        Ok(())
    }

    /// The node that has a name in a folder. Errs when the folder must not be searched.
    pub(crate) fn look_up(&self, folder: NodeId, name: &OsStr) -> Result<Option<NodeId>> {
        /// `NAME_MAX` of Linux.
        const LONGEST_NAME: usize = 255;
        let names = self.folder(folder)?;
        self.get(folder)?.permits(&[permission::SEARCH])?;
        if name.len() > LONGEST_NAME {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(names.get(name))
    }

    /// The folder that contains a folder, or contained it before it was removed; the root's is the root itself.
    pub(crate) fn parent(&self, folder: NodeId) -> Result<NodeId> {
        let parent = self.get(folder)?.parent;
        self.get(parent).map(|_| parent)
    }

    /// Whether `folder` is `other`, or in it at any depth.
    pub(crate) fn is_beneath(&self, folder: NodeId, other: NodeId) -> Result<bool> {
        let mut current = folder;
        while current != other {
            if current == Tree::ROOT {
                return Ok(false);
            }
            current = self.parent(current)?;
        }
        Ok(true)
    }

    /// Adds a node to a folder. Errs when the name is taken, the folder must not be changed or is gone, or the tree is full.
    pub(crate) fn add(&mut self, folder: NodeId, name: &OsStr, node: Node) -> Result<NodeId> {
        self.may_name(folder, name)?;
        self.place(folder, name, node)
    }

    /// Errs unless a new name may be made in a folder.
    fn may_name(&self, folder: NodeId, name: &OsStr) -> Result<()> {
        if self.look_up(folder, name)?.is_some() {
            return Err(Errno::EXIST.into());
        }
        if self.get(folder)?.names == 0 {
            return Err(Errno::NOENT.into());
        }
        self.changes_names(folder)
    }

    /// Adds a node as [`Tree::add`] does, but on behalf of the host: also into a read-only folder, and over a name of a mounted folder.
    pub(crate) fn place(&mut self, folder: NodeId, name: &OsStr, node: Node) -> Result<NodeId> {
        if self.folder(folder)?.get(name).is_some() {
            return Err(Errno::EXIST.into());
        }
        let id = self.keep(node)?;
        self.link(folder, name, id)?;
        Ok(id)
    }

    /// Makes room for this many nodes that are about to come.
    pub(crate) fn expect(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
    }

    /// Keeps a node that has no name: it is removed when its last descriptor is closed. Errs when the tree is full.
    pub(crate) fn keep(&mut self, mut node: Node) -> Result<NodeId> {
        let target = if let Content::Link(target) = &node.content { target.len() as u64 } else { 0 };
        node.charge = Some(self.budget.charge(NODE.saturating_add(target)).map_err(no_space)?);
        let place = self.free.pop().unwrap_or(self.nodes.len());
        if place == self.nodes.len() {
            self.nodes.push(Slot { node: None, generation: 0 });
        }
        let slot = self.nodes.get_mut(place).ok_or(Errno::NOSPC)?;
        slot.node = Some(node);
        Ok(NodeId { place, generation: slot.generation })
    }

    /// Gives a node a further name. Errs as [`Tree::add`] does.
    pub(crate) fn add_name(&mut self, folder: NodeId, name: &OsStr, id: NodeId) -> Result<()> {
        self.may_name(folder, name)?;
        let node = self.get(id)?;
        if node.content.is_folder() {
            return Err(Errno::PERM.into());
        }
        if node.read_only {
            return Err(Errno::ROFS.into());
        }
        let node = self.get_mut(id)?;
        if let Some(charge) = &mut node.charge {
            charge.resize(charge.bytes().saturating_add(NODE)).map_err(no_space)?;
        }
        node.changed = now();
        self.link(folder, name, id)
    }

    /// Gives a node a name.
    fn link(&mut self, folder: NodeId, name: &OsStr, id: NodeId) -> Result<()> {
        self.made += 1;
        let number = self.made;
        let node = self.get_mut(id)?;
        node.names += 1;
        let is_folder = node.content.is_folder();
        if is_folder {
            node.parent = folder;
        }
        let names = self.folder_mut(folder)?;
        names.insert(name, id, number);
        names.folders += u64::from(is_folder);
        self.get_mut(folder)?.touch();
        Ok(())
    }

    /// Removes a name but keeps the node.
    fn detach(&mut self, folder: NodeId, name: &OsStr) -> Result<NodeId> {
        let id = self.folder_mut(folder)?.remove(name).ok_or(Errno::NOENT)?;
        let node = self.get_mut(id)?;
        node.names = node.names.saturating_sub(1);
        node.changed = now();
        // One name is included in the charge of the node.
        if let (1.., Some(charge)) = (node.names, &mut node.charge) {
            charge.resize(charge.bytes().saturating_sub(NODE)).map_err(no_space)?;
        }
        if node.content.is_folder() {
            let names = self.folder_mut(folder)?;
            names.folders = names.folders.saturating_sub(1);
        }
        self.get_mut(folder)?.touch();
        Ok(id)
    }

    /// Errs when the names in a folder must not change. What lies over a name of a folder of the host stays.
    fn changes_names(&self, folder: NodeId) -> Result<()> {
        let node = self.get(folder)?;
        match &node.content {
            Content::Folder(_) => node.changes_names(),
            Content::Host(_) => Err(Errno::BUSY.into()),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// Removes a name; a node that has no name left and is not open is removed.
    pub(crate) fn unlink(&mut self, folder: NodeId, name: &OsStr) -> Result<()> {
        self.changes_names(folder)?;
        let id = self.detach(folder, name)?;
        self.collect(id);
        Ok(())
    }

    /// Moves a name; what had the new name is unlinked.
    pub(crate) fn rename(
        &mut self,
        (folder, name): (NodeId, &OsStr),
        (new_folder, new_name): (NodeId, &OsStr),
    ) -> Result<()> {
        let id = self.folder(folder)?.get(name).ok_or(Errno::NOENT)?;
        self.changes_names(folder)?;
        self.changes_names(new_folder)?;
        if self.get(new_folder)?.names == 0 {
            return Err(Errno::NOENT.into());
        }
        if let Some(other) = self.folder(new_folder)?.get(new_name) {
            if other == id {
                return Ok(());
            }
            match (&self.get(id)?.content, &self.get(other)?.content) {
                (_, Content::Host(_)) | (Content::Host(_), _) => return Err(Errno::BUSY.into()),
                (Content::Folder(_), Content::Folder(names)) if names.is_empty() => {}
                (Content::Folder(_), Content::Folder(_)) => return Err(Errno::NOTEMPTY.into()),
                (Content::Folder(_), _) => return Err(Errno::NOTDIR.into()),
                (_, Content::Folder(_)) => return Err(Errno::ISDIR.into()),
                _ => {}
            }
            self.unlink(new_folder, new_name)?;
        }
        self.detach(folder, name)?;
        self.link(new_folder, new_name, id)
    }

    /// The most bytes that everything kept for the guest may take together, and the bytes that it takes now.
    pub(crate) fn room(&self) -> (u64, u64) {
        (self.budget.limit(), self.budget.used())
    }

    /// Counts one more descriptor on a node.
    pub(crate) fn open(&mut self, id: NodeId) -> Result<()> {
        self.get_mut(id)?.opened += 1;
        Ok(())
    }

    /// Counts one descriptor fewer. The contents of an archive's file are not kept when it is not open.
    pub(crate) fn close(&mut self, id: NodeId) {
        if let Ok(node) = self.get_mut(id) {
            node.opened = node.opened.saturating_sub(1);
            if let (0, Content::File(Data::Archived { loaded, .. })) = (node.opened, &mut node.content) {
                *loaded = None;
            }
        }
        self.collect(id);
    }

    /// The number of links that `stat` returns: the names, and for a folder the `.` in it and the `..` in each folder in it.
    pub(crate) fn links(&self, id: NodeId) -> Result<u64> {
        let node = self.get(id)?;
        Ok(match &node.content {
            Content::Folder(_) | Content::Host(_) if node.names == 0 => 0,
            Content::Folder(names) => 2 + names.folders,
            Content::Host(_) => 2,
            _ => node.names.into(),
        })
    }

    fn collect(&mut self, id: NodeId) {
        let Ok(node) = self.get(id) else { return };
        if node.names > 0 || node.opened > 0 {
            return;
        }
        if let Some(slot) = self.nodes.get_mut(id.place) {
            slot.node = None;
            slot.generation += 1;
        }
        self.free.push(id.place);
    }

    /// All bytes of a file, shared where they are shared already.
    pub(crate) fn shared(&mut self, id: NodeId) -> Result<Arc<[u8]>> {
        let node = self.get(id)?;
        match &node.content {
            Content::File(Data::Shared(bytes)) => return Ok(bytes.clone()),
            Content::File(Data::Archived { archive, index, size, loaded: None }) if node.opened == 0 => {
                let _room = self.budget.charge(*size)?;
                return unpacked(archive, *index, &self.interrupt);
            }
            _ => {}
        }
        let size = self.size(id)?;
        let _room = self.budget.charge(size)?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| Errno::FBIG)?];
        let count = self.read(id, 0, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes.into())
    }

    /// Reads at a position; returns the number of bytes. A file of an archive is unpacked as a whole when it is first read from, and kept
    /// as long as it is open.
    pub(crate) fn read(&mut self, id: NodeId, position: u64, buffer: &mut [u8]) -> Result<usize> {
        self.load(id)?;
        match &self.get(id)?.content {
            Content::File(Data::Owned(pages)) => Ok(pages.read(position, buffer)),
            Content::File(Data::Shared(bytes) | Data::Archived { loaded: Some((bytes, _)), .. }) => {
                Ok(read_slice(bytes, position, buffer))
            }
            Content::File(Data::Static(bytes)) => Ok(read_slice(bytes, position, buffer)),
            Content::File(Data::Archived { .. }) => Err(Errno::IO.into()),
            Content::Folder(_) | Content::Host(_) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn load(&mut self, id: NodeId) -> Result<()> {
        let (budget, interrupt) = (self.budget.clone(), self.interrupt.clone());
        let Content::File(data) = &mut self.get_mut(id)?.content else { return Ok(()) };
        if let Data::Archived { archive, index, size, loaded: loaded @ None } = data {
            let charge = budget.charge(*size)?;
            *loaded = Some((unpacked(archive, *index, &interrupt)?, charge));
        }
        Ok(())
    }

    /// Changes the size of a file; new bytes are 0, and take no memory.
    pub(crate) fn resize(&mut self, id: NodeId, size: u64) -> Result<()> {
        self.owned(id, size)?.set_len(size).map_err(|_| Errno::FBIG)?;
        self.get_mut(id)?.touch();
        Ok(())
    }

    /// Writes into a file, which grows as needed; returns the number of bytes, which is less than requested when there is no room for more.
    pub(crate) fn write(&mut self, id: NodeId, position: u64, bytes: &[u8]) -> Result<usize> {
        let end = position.checked_add(bytes.len() as u64).filter(|end| i64::try_from(*end).is_ok());
        end.ok_or(Errno::FBIG)?;
        let budget = self.budget.clone();
        let count = self.owned(id, u64::MAX)?.write(&budget, position, bytes).map_err(no_space)?;
        self.get_mut(id)?.touch();
        Ok(count)
    }

    /// The bytes of a file that may be written to: the guest's own, for which shared contents are copied first, as far as they are kept.
    fn owned(&mut self, id: NodeId, kept: u64) -> Result<&mut Pages> {
        if matches!(
            self.get(id)?.content,
            Content::File(Data::Shared(_) | Data::Static(_) | Data::Archived { .. })
        ) {
            let copy = self.copy(id, kept);
            let node = self.get_mut(id)?;
            if let (Err(_), 0, Content::File(Data::Archived { loaded, .. })) =
                (&copy, node.opened, &mut node.content)
            {
                *loaded = None;
            }
            node.content = Content::File(Data::Owned(copy?));
        }
        match &mut self.get_mut(id)?.content {
            Content::File(Data::Owned(pages)) => Ok(pages),
            Content::Folder(_) | Content::Host(_) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// A copy of the first bytes of a file, made in pieces; an archive's contents that are in memory for this are charged as for any
    /// reader.
    fn copy(&mut self, id: NodeId, size: u64) -> Result<Pages> {
        let size = size.min(self.size(id)?);
        let (mut pages, mut position, mut buffer) = (Pages::default(), 0, vec![0; COPIED]);
        while position < size {
            let piece = usize::try_from(size - position).unwrap_or(COPIED).min(COPIED);
            let count = self.read(id, position, &mut buffer[..piece])?;
            if count == 0 {
                return Err(Errno::IO.into());
            }
            if pages.write(&self.budget, position, &buffer[..count]).map_err(no_space)? < count {
                return Err(Errno::NOSPC.into());
            }
            position += count as u64;
        }
        Ok(pages)
    }

    /// The size of a file in bytes; for a link, that of its target.
    pub(crate) fn size(&self, id: NodeId) -> Result<u64> {
        Ok(match &self.get(id)?.content {
            Content::File(data) => data.len(),
            Content::Link(target) => target.len() as u64,
            Content::Folder(_) | Content::Host(_) => 4096,
            Content::Device(_) => 0,
        })
    }
}

/// The contents of a file of an archive. Errs when the guest is to end before they are complete.
fn unpacked(archive: &Archive, index: usize, interrupt: &InterruptState) -> Result<Arc<[u8]>> {
    let contents = archive.read_unless(index, &|| interrupt.is_terminated());
    interrupt.check()?;
    Ok(contents?)
}

impl Node {
    /// A node without a name yet.
    pub(crate) fn new(content: Content, mode: u32) -> Node {
        let now = now();
        let (accessed, modified, changed) = (now, now, now);
        let (names, opened, parent) = (0, 0, Tree::ROOT);
        let (charge, covers) = (None, Folder::default());
        Node {
            content,
            mode,
            accessed,
            modified,
            changed,
            read_only: false,
            names,
            opened,
            parent,
            covers,
            charge,
        }
    }

    /// This node, made read-only.
    pub(crate) fn read_only(self) -> Node {
        Node { read_only: true, ..self }
    }

    /// This node with this time of its last modification, in nanoseconds since 1970.
    pub(crate) fn modified(self, modified: i128) -> Node {
        Node { accessed: modified, modified, changed: modified, ..self }
    }

    /// Errs with `EACCES` unless, for each [`permission`], one of its bits is set.
    pub(crate) fn permits(&self, permissions: &[u32]) -> Result<()> {
        let is_permitted = permissions.iter().all(|bits| self.mode & bits != 0);
        if is_permitted { Ok(()) } else { Err(Errno::ACCES.into()) }
    }

    /// Errs when the names in this folder must not change.
    fn changes_names(&self) -> Result<()> {
        if self.read_only {
            return Err(Errno::ROFS.into());
        }
        self.permits(&[permission::WRITE, permission::SEARCH])
    }

    /// Notes a modification.
    pub(crate) fn touch(&mut self) {
        self.modified = now();
        self.changed = self.modified;
    }
}

/// The error of a file system without room.
fn no_space(_: Exhausted) -> Errno {
    Errno::NOSPC
}

/// Nanoseconds since 1970, in whole microseconds: Pyodide's CPython sets no finer times, so that a program that copies a finer time would
/// find it changed.
pub(crate) fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_micros()).map_or(i128::MAX, |micros| micros.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn file() -> Node {
        Node::new(Content::File(Data::Owned(Pages::default())), 0o644)
    }

    fn tree() -> Tree {
        Tree::new(Budget::new(1 << 20))
    }

    #[test]
    fn an_open_file_outlives_its_name() {
        let mut tree = tree();
        let id = tree.add(Tree::ROOT, "a".as_ref(), file()).unwrap();
        tree.open(id).unwrap();
        tree.unlink(Tree::ROOT, "a".as_ref()).unwrap();
        assert_eq!(tree.write(id, 2, b"xy").unwrap(), 2);
        let mut buffer = [9; 8];
        assert_eq!(tree.read(id, 0, &mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"\0\0xy");
        tree.close(id);
        assert!(tree.get(id).is_err());
        assert_eq!(tree.budget.used(), 0);
    }

    #[test]
    fn files_and_names_are_bounded_together() {
        let mut tree = tree();
        let id = tree.add(Tree::ROOT, "a".as_ref(), file()).unwrap();
        assert!(tree.write(id, u64::MAX, b"x").is_err());
        assert!(tree.resize(id, u64::MAX).is_err());
        assert_eq!(tree.size(id).unwrap(), 0);
        // A hole takes no memory, and neither does what was cut off.
        for _ in 0..40 {
            tree.resize(id, 900 << 20).unwrap();
            assert_eq!(tree.write(id, 500 << 20, &vec![1; 500_000]).unwrap(), 500_000);
            tree.resize(id, 0).unwrap();
        }
        assert_eq!(tree.budget.used(), NODE);
        assert!(tree.write(id, 0, &vec![1; 2 << 20]).unwrap() < 1 << 20);
        assert!(matches!(
            tree.write(id, 1 << 20, &vec![1; 65_536]),
            Err(super::super::errno::Fault::Refused(Errno::NOSPC))
        ));
        tree.unlink(Tree::ROOT, "a".as_ref()).unwrap();
        let names = (0..).take_while(|name| tree.add(Tree::ROOT, name.to_string().as_ref(), file()).is_ok());
        assert_eq!(names.count(), 1024);
        let long = Node::new(Content::Link("x".repeat(4000).into()), 0o777);
        tree.unlink(Tree::ROOT, "0".as_ref()).unwrap();
        assert!(tree.add(Tree::ROOT, "link".as_ref(), long).is_err());
        assert!(tree.add(Tree::ROOT, "link".as_ref(), file()).is_ok());
    }

    #[test]
    fn files_of_archives_are_in_memory_while_they_are_open() {
        let wheel = "../testdata/wheels/pydantic_core-2.50.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl";
        let wheel = Path::new(env!("CARGO_MANIFEST_DIR")).join(wheel);
        let archive = Arc::new(Archive::open(&wheel).unwrap());
        let small = |entry: &crate::system::archive::ArchiveEntry| (1000..10_000).contains(&entry.size);
        let index = archive.entries().iter().position(small).unwrap();
        let size = archive.entries()[index].size;
        let mut tree = tree();
        let data = Data::Archived { archive: archive.clone(), index, size, loaded: None };
        let id = tree.add(Tree::ROOT, "a".as_ref(), Node::new(Content::File(data), 0o644)).unwrap();
        assert_eq!(tree.shared(id).unwrap().len() as u64, size);
        assert_eq!(tree.budget.used(), NODE);
        tree.open(id).unwrap();
        let mut buffer = vec![0; 10_000];
        assert_eq!(tree.read(id, 10, &mut buffer).unwrap() as u64, size - 10);
        assert_eq!(tree.budget.used(), NODE + size);
        tree.close(id);
        assert_eq!(tree.budget.used(), NODE);
        // What is written to is the guest's own from then on, and the archive's file is unchanged.
        let original = archive.read(index).unwrap();
        assert_eq!(tree.write(id, 1, b"?").unwrap(), 1);
        assert_eq!(tree.read(id, 0, &mut buffer).unwrap() as u64, size);
        assert_eq!((buffer[0], buffer[1], &buffer[2..5]), (original[0], b'?', &original[2..5]));
        assert_eq!(archive.read(index).unwrap(), original);
        tree.resize(id, 0).unwrap();
        assert_eq!(tree.read(id, 0, &mut buffer).unwrap(), 0);
        assert_eq!(tree.budget.used(), NODE);
        // Where there is no room for a copy, nothing of it remains.
        let data = Data::Archived { archive, index, size, loaded: None };
        let id = tree.add(Tree::ROOT, "b".as_ref(), Node::new(Content::File(data), 0o644)).unwrap();
        let left = tree.budget.limit() - tree.budget.used() - size;
        let taken = tree.budget.charge(left).unwrap();
        assert!(tree.write(id, 0, b"?").is_err());
        drop(taken);
        assert_eq!(tree.budget.used(), 2 * NODE);
        assert_eq!(tree.read(id, 0, &mut buffer).unwrap() as u64, size);
    }

    #[test]
    fn renaming_replaces_files_and_empty_folders_only() {
        let mut tree = tree();
        let folder = || Node::new(Content::Folder(Folder::default()), 0o755);
        tree.add(Tree::ROOT, "f".as_ref(), file()).unwrap();
        tree.add(Tree::ROOT, "g".as_ref(), file()).unwrap();
        let d = tree.add(Tree::ROOT, "d".as_ref(), folder()).unwrap();
        tree.add(Tree::ROOT, "e".as_ref(), folder()).unwrap();
        tree.add(d, "x".as_ref(), file()).unwrap();
        let rename = |tree: &mut Tree, from: &str, to: &str| {
            tree.rename((Tree::ROOT, from.as_ref()), (Tree::ROOT, to.as_ref())).is_ok()
        };
        assert!(rename(&mut tree, "f", "g"));
        assert!(!rename(&mut tree, "g", "d"));
        assert!(!rename(&mut tree, "e", "d"));
        assert!(rename(&mut tree, "d", "e"));
        assert_eq!(tree.folder(Tree::ROOT).unwrap().names.len(), 2);
        assert_eq!(tree.links(Tree::ROOT).unwrap(), 3);
    }

    #[test]
    fn a_listing_goes_on_where_it_was_whatever_comes_and_goes() {
        let mut tree = tree();
        for name in ["c", "a", "b"] {
            tree.add(Tree::ROOT, name.as_ref(), file()).unwrap();
        }
        let names = |tree: &Tree, after: u64| -> Vec<String> {
            let folder = tree.folder(Tree::ROOT).unwrap();
            folder.after(after).map(|(_, name, _)| name.to_string_lossy().into_owned()).collect()
        };
        let first = tree.folder(Tree::ROOT).unwrap().after(0).next().unwrap().0;
        tree.unlink(Tree::ROOT, "c".as_ref()).unwrap();
        tree.unlink(Tree::ROOT, "a".as_ref()).unwrap();
        tree.add(Tree::ROOT, "a".as_ref(), file()).unwrap();
        assert_eq!(names(&tree, first), ["b", "a"]);
    }

    #[test]
    fn what_is_gone_is_not_taken_for_what_came_after() {
        let mut tree = tree();
        let old = tree.add(Tree::ROOT, "a".as_ref(), file()).unwrap();
        tree.unlink(Tree::ROOT, "a".as_ref()).unwrap();
        let new = tree.add(Tree::ROOT, "a".as_ref(), file()).unwrap();
        assert!(tree.get(old).is_err() && tree.get(new).is_ok());
    }

    #[test]
    fn further_names_count() {
        let mut tree = tree();
        let id = tree.add(Tree::ROOT, "a".as_ref(), file()).unwrap();
        tree.add_name(Tree::ROOT, "b".as_ref(), id).unwrap();
        assert_eq!((tree.links(id).unwrap(), tree.budget.used()), (2, 2 * NODE));
        tree.unlink(Tree::ROOT, "a".as_ref()).unwrap();
        assert_eq!((tree.links(id).unwrap(), tree.budget.used()), (1, NODE));
        let names = (0..).take_while(|name| tree.add_name(Tree::ROOT, name.to_string().as_ref(), id).is_ok());
        assert_eq!(names.count(), 1023);
    }
}
