//! Owns the in-memory file tree of a process: folders, files, links, devices, and the places where folders of the host are
//! mounted. Files may be backed by shared bytes or by an entry of an archive, which is read when it is opened. Must not know
//! paths nor descriptors.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::errno::{Errno, Result};
use super::folder::HostFolder;
use super::pages::Pages;
use crate::archive::Archive;
use crate::budget::{Budget, Charge, Exhausted};

/// What a node takes of the host's memory with a name of the usual length, in bytes.
const NODE: u64 = 1 << 10;

/// A file, folder, link or device of the tree. Valid as long as it has a name or is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NodeId(usize);

/// What a node is.
pub(crate) enum Content {
    File(Data),
    Folder(BTreeMap<OsString, NodeId>),
    Link(OsString),
    Device(Device),
    /// A folder of the host is mounted here.
    Host(HostFolder),
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
    /// The terminal, if there is one: the standard streams that are read and written.
    Terminal(Option<(u32, u32)>),
}

impl Device {
    /// The standard stream behind it, in whatever direction.
    pub(crate) fn stream(self) -> Option<u32> {
        match self {
            Device::Stream(stream) => Some(stream),
            Device::Terminal(streams) => streams.map(|(input, _)| input),
            _ => None,
        }
    }

    /// The standard stream that it writes to. Errs for one that is read only.
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
            Data::Archived { size, .. } => *size,
        }
    }
}

/// What is asked of a node's permission bits. The guest's one user owns all, and Emscripten's rule is that any of the three bits
/// permits (`nodePermissions` of its `FS`): there is no root.
pub(crate) mod permission {
    pub(crate) const READ: u32 = 0o444;
    pub(crate) const WRITE: u32 = 0o222;
    /// Of a folder: to look for names in it.
    pub(crate) const SEARCH: u32 = 0o111;
}

/// A node with what `stat` tells of it.
pub(crate) struct Node {
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Nanoseconds since 1970.
    pub accessed: i128,
    pub modified: i128,
    pub changed: i128,
    /// Whether neither it nor, in a folder, its names may change.
    pub read_only: bool,
    /// How many names it has.
    pub names: u32,
    /// How many descriptors are open on it.
    opened: u32,
    /// In the root of a mounted folder of the host, what of the guest's own lies over its names.
    covers: BTreeMap<OsString, NodeId>,
    /// What it takes beside its bytes, once it is in a tree.
    charge: Option<Charge>,
}

/// The tree.
pub(crate) struct Tree {
    nodes: Vec<Option<Node>>,
    free: Vec<usize>,
    budget: Budget,
}

impl Tree {
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// A tree with an empty root folder; what is put there is charged to `budget`.
    pub(crate) fn new(budget: Budget) -> Tree {
        let mut tree = Tree { nodes: Vec::new(), free: Vec::new(), budget };
        let mut root = Node::new(Content::Folder(BTreeMap::new()), 0o755);
        root.names = 1;
        tree.nodes.push(Some(root));
        tree
    }

    pub(crate) fn get(&self, id: NodeId) -> Result<&Node> {
        self.nodes.get(id.0).and_then(Option::as_ref).ok_or_else(|| Errno::NOENT.into())
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(id.0).and_then(Option::as_mut).ok_or_else(|| Errno::NOENT.into())
    }

    /// The inode number that `stat` tells.
    pub(crate) fn inode(id: NodeId) -> u64 {
        id.0 as u64 + 2
    }

    /// The entries of a folder.
    pub(crate) fn entries(&self, folder: NodeId) -> Result<&BTreeMap<OsString, NodeId>> {
        match &self.get(folder)?.content {
            Content::Folder(entries) => Ok(entries),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// What of the tree has a name in a folder, or lies over that name in a mounted one.
    pub(crate) fn own(&self, folder: NodeId, name: &OsStr) -> Result<Option<NodeId>> {
        let folder = self.get(folder)?;
        match &folder.content {
            Content::Folder(entries) => Ok(entries.get(name).copied()),
            Content::Host(_) => Ok(folder.covers.get(name).copied()),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// Puts a folder of the host under one of the tree, whose names lie over the host's; where both have a folder, what is in them
    /// is seen together. Errs when there is a folder of the host already.
    pub(crate) fn underlay(&mut self, id: NodeId, host: HostFolder) -> Result<()> {
        let node = self.get_mut(id)?;
        let Content::Folder(entries) = &mut node.content else { return Err(Errno::BUSY.into()) };
        node.covers = std::mem::take(entries);
        let names: Vec<_> = node.covers.iter().map(|(name, id)| (name.clone(), *id)).collect();
        for (name, below) in names {
            if matches!(self.get(below)?.content, Content::Folder(_))
                && let Some(host) = host.below(Path::new(&name))
            {
                self.underlay(below, host)?;
            }
        }
        self.get_mut(id)?.content = Content::Host(host);
        Ok(())
    }

    /// The names of a mounted folder that something of the tree lies over.
    pub(crate) fn covers(&self, folder: NodeId) -> Result<&BTreeMap<OsString, NodeId>> {
        Ok(&self.get(folder)?.covers)
    }

    /// Adds a node to a folder. Errs when the name is taken, the folder must not be changed or there is no room.
    pub(crate) fn add(&mut self, folder: NodeId, name: &OsStr, node: Node) -> Result<NodeId> {
        self.get(folder)?.changes_names()?;
        self.place(folder, name, node)
    }

    /// The same, by the host: into a read-only folder, too, and over a name of a mounted folder.
    pub(crate) fn place(&mut self, folder: NodeId, name: &OsStr, mut node: Node) -> Result<NodeId> {
        if self.own(folder, name)?.is_some() {
            return Err(Errno::EXIST.into());
        }
        let target = if let Content::Link(target) = &node.content { target.len() as u64 } else { 0 };
        node.charge = Some(self.budget.charge(NODE.saturating_add(target)).map_err(no_space)?);
        let id = NodeId(self.free.pop().unwrap_or(self.nodes.len()));
        if id.0 == self.nodes.len() {
            self.nodes.push(None);
        }
        if let Some(place) = self.nodes.get_mut(id.0) {
            *place = Some(node);
        }
        self.link(folder, name, id)?;
        Ok(id)
    }

    /// Gives a node a name.
    fn link(&mut self, folder: NodeId, name: &OsStr, id: NodeId) -> Result<()> {
        self.get_mut(id)?.names += 1;
        let folder = self.get_mut(folder)?;
        match &mut folder.content {
            Content::Folder(entries) => drop(entries.insert(name.to_owned(), id)),
            Content::Host(_) => drop(folder.covers.insert(name.to_owned(), id)),
            _ => return Err(Errno::NOTDIR.into()),
        }
        folder.touch();
        Ok(())
    }

    /// Gives a file of the tree another name. Errs for folders, which have one.
    pub(crate) fn add_name(&mut self, folder: NodeId, name: &OsStr, id: NodeId) -> Result<()> {
        self.get(folder)?.changes_names()?;
        let node = self.get(id)?;
        if matches!(node.content, Content::Folder(_) | Content::Host(_)) {
            return Err(Errno::PERM.into());
        }
        if node.read_only {
            return Err(Errno::XDEV.into());
        }
        self.link(folder, name, id)
    }

    /// Takes a name away; a node without names that is not open goes.
    pub(crate) fn unlink(&mut self, folder: NodeId, name: &OsStr) -> Result<()> {
        let parent = self.get_mut(folder)?;
        parent.changes_names()?;
        let Content::Folder(entries) = &mut parent.content else { return Err(Errno::NOTDIR.into()) };
        let id = entries.remove(name).ok_or(Errno::NOENT)?;
        parent.touch();
        let node = self.get_mut(id)?;
        node.names = node.names.saturating_sub(1);
        self.collect(id);
        Ok(())
    }

    /// Moves a name; what had the new name is unlinked.
    pub(crate) fn rename(
        &mut self,
        (folder, name): (NodeId, &OsStr),
        (new_folder, new_name): (NodeId, &OsStr),
    ) -> Result<()> {
        let id = *self.entries(folder)?.get(name).ok_or(Errno::NOENT)?;
        self.get(folder)?.changes_names()?;
        self.get(new_folder)?.changes_names()?;
        if let Some(other) = self.entries(new_folder)?.get(new_name).copied() {
            if other == id {
                return Ok(());
            }
            match (&self.get(id)?.content, &self.get(other)?.content) {
                (Content::Folder(_), Content::Folder(entries)) if entries.is_empty() => {}
                (Content::Folder(_), Content::Folder(_)) => return Err(Errno::NOTEMPTY.into()),
                (_, Content::Host(_)) | (Content::Host(_), _) => return Err(Errno::BUSY.into()),
                (Content::Folder(_), _) => return Err(Errno::NOTDIR.into()),
                (_, Content::Folder(_)) => return Err(Errno::ISDIR.into()),
                _ => {}
            }
            self.unlink(new_folder, new_name)?;
        }
        if let Content::Folder(entries) = &mut self.get_mut(folder)?.content {
            entries.remove(name);
        }
        let node = self.get_mut(id)?;
        node.names = node.names.saturating_sub(1);
        self.get_mut(folder)?.touch();
        self.link(new_folder, new_name, id)
    }

    /// Counts one more descriptor on a node.
    pub(crate) fn open(&mut self, id: NodeId) -> Result<()> {
        self.get_mut(id)?.opened += 1;
        Ok(())
    }

    /// Counts one descriptor less. What an archive has is not kept for a file that is not open.
    pub(crate) fn close(&mut self, id: NodeId) {
        if let Ok(node) = self.get_mut(id) {
            node.opened = node.opened.saturating_sub(1);
            if let (0, Content::File(Data::Archived { loaded, .. })) = (node.opened, &mut node.content) {
                *loaded = None;
            }
        }
        self.collect(id);
    }

    fn collect(&mut self, id: NodeId) {
        let Ok(node) = self.get(id) else { return };
        if node.names > 0 || node.opened > 0 {
            return;
        }
        if let Some(place) = self.nodes.get_mut(id.0) {
            *place = None;
        }
        self.free.push(id.0);
    }

    /// All bytes of a file, shared where they are.
    pub(crate) fn shared(&mut self, id: NodeId) -> Result<Arc<[u8]>> {
        let node = self.get(id)?;
        match &node.content {
            Content::File(Data::Shared(bytes)) => return Ok(bytes.clone()),
            Content::File(Data::Archived { archive, index, loaded: None, .. }) if node.opened == 0 => {
                return Ok(archive.read(*index)?);
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

    /// Reads at a position; returns how much. A file of an archive is read as a whole when it is first read from, and kept as long as it is
    /// open.
    pub(crate) fn read(&mut self, id: NodeId, position: u64, buffer: &mut [u8]) -> Result<usize> {
        self.load(id)?;
        match &self.get(id)?.content {
            Content::File(Data::Owned(pages)) => Ok(pages.read(position, buffer)),
            Content::File(Data::Shared(bytes) | Data::Archived { loaded: Some((bytes, _)), .. }) => {
                let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                let count = buffer.len().min(bytes.len() - start);
                buffer[..count].copy_from_slice(&bytes[start..start + count]);
                Ok(count)
            }
            Content::File(Data::Archived { .. }) => Err(Errno::IO.into()),
            Content::Folder(_) | Content::Host(_) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn load(&mut self, id: NodeId) -> Result<()> {
        let budget = self.budget.clone();
        let Content::File(data) = &mut self.get_mut(id)?.content else { return Ok(()) };
        if let Data::Archived { archive, index, size, loaded: loaded @ None } = data {
            let charge = budget.charge(*size)?;
            *loaded = Some((archive.read(*index)?, charge));
        }
        Ok(())
    }

    /// Changes the size of a file; new bytes are 0, and take nothing.
    pub(crate) fn resize(&mut self, id: NodeId, size: u64) -> Result<()> {
        self.owned(id)?.set_len(size).map_err(|_| Errno::FBIG)?;
        self.get_mut(id)?.touch();
        Ok(())
    }

    /// Writes into a file, which grows as needed; returns how much, which is less than asked for when there is no room for more.
    pub(crate) fn write(&mut self, id: NodeId, position: u64, bytes: &[u8]) -> Result<usize> {
        let end = position.checked_add(bytes.len() as u64).filter(|end| i64::try_from(*end).is_ok());
        end.ok_or(Errno::FBIG)?;
        let budget = self.budget.clone();
        let count = self.owned(id)?.write(&budget, position, bytes).map_err(no_space)?;
        self.get_mut(id)?.touch();
        Ok(count)
    }

    /// The bytes of a file that may be written to.
    fn owned(&mut self, id: NodeId) -> Result<&mut Pages> {
        match &mut self.get_mut(id)?.content {
            Content::File(Data::Owned(pages)) => Ok(pages),
            Content::File(_) => Err(Errno::ROFS.into()),
            Content::Folder(_) | Content::Host(_) => Err(Errno::ISDIR.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// Bytes of a file; of a link, of its target.
    pub(crate) fn size(&self, id: NodeId) -> Result<u64> {
        Ok(match &self.get(id)?.content {
            Content::File(data) => data.len(),
            Content::Link(target) => target.len() as u64,
            Content::Folder(_) | Content::Host(_) => 4096,
            Content::Device(_) => 0,
        })
    }
}

impl Node {
    /// A node without a name yet.
    pub(crate) fn new(content: Content, mode: u32) -> Node {
        let now = now();
        let (accessed, modified, changed) = (now, now, now);
        let (names, opened, charge, covers) = (0, 0, None, BTreeMap::new());
        Node { content, mode, accessed, modified, changed, read_only: false, names, opened, covers, charge }
    }

    /// The same, never to change.
    pub(crate) fn read_only(self) -> Node {
        Node { read_only: true, ..self }
    }

    /// The same, last modified then: nanoseconds since 1970.
    pub(crate) fn modified(self, modified: i128) -> Node {
        Node { accessed: modified, modified, changed: modified, ..self }
    }

    /// Errs with `EACCES` unless one of the bits of each [`permission`] is set.
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

/// What a file system without room says.
fn no_space(_: Exhausted) -> Errno {
    Errno::NOSPC
}

/// Nanoseconds since 1970, in whole microseconds: Pyodide's CPython sets no finer ones, so that a program that copies a finer time
/// would find it changed.
pub(crate) fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_micros()).map_or(i128::MAX, |micros| micros.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
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
        // A hole takes nothing, and what was cut off neither.
        for _ in 0..40 {
            tree.resize(id, 900 << 20).unwrap();
            assert_eq!(tree.write(id, 500 << 20, &vec![1; 500_000]).unwrap(), 500_000);
            tree.resize(id, 0).unwrap();
        }
        assert_eq!(tree.budget.used(), NODE);
        assert!(tree.write(id, 0, &vec![1; 2 << 20]).unwrap() < 1 << 20);
        assert!(matches!(
            tree.write(id, 1 << 20, &vec![1; 65_536]),
            Err(super::super::errno::Fault::Errno(Errno::NOSPC))
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
        let small = |entry: &crate::archive::ArchiveEntry| (1000..10_000).contains(&entry.size);
        let index = archive.entries().iter().position(small).unwrap();
        let size = archive.entries()[index].size;
        let mut tree = tree();
        let data = Data::Archived { archive, index, size, loaded: None };
        let id = tree.add(Tree::ROOT, "a".as_ref(), Node::new(Content::File(data), 0o644)).unwrap();
        assert_eq!(tree.shared(id).unwrap().len() as u64, size);
        assert_eq!(tree.budget.used(), NODE);
        tree.open(id).unwrap();
        let mut buffer = vec![0; 10_000];
        assert_eq!(tree.read(id, 10, &mut buffer).unwrap() as u64, size - 10);
        assert_eq!(tree.budget.used(), NODE + size);
        tree.close(id);
        assert_eq!(tree.budget.used(), NODE);
    }

    #[test]
    fn renaming_replaces_files_and_empty_folders_only() {
        let mut tree = tree();
        let folder = |entries| Node::new(Content::Folder(entries), 0o755);
        tree.add(Tree::ROOT, "f".as_ref(), file()).unwrap();
        tree.add(Tree::ROOT, "g".as_ref(), file()).unwrap();
        let d = tree.add(Tree::ROOT, "d".as_ref(), folder(BTreeMap::new())).unwrap();
        tree.add(Tree::ROOT, "e".as_ref(), folder(BTreeMap::new())).unwrap();
        tree.add(d, "x".as_ref(), file()).unwrap();
        let rename = |tree: &mut Tree, from: &str, to: &str| {
            tree.rename((Tree::ROOT, from.as_ref()), (Tree::ROOT, to.as_ref())).is_ok()
        };
        assert!(rename(&mut tree, "f", "g"));
        assert!(!rename(&mut tree, "g", "d"));
        assert!(!rename(&mut tree, "e", "d"));
        assert!(rename(&mut tree, "d", "e"));
        assert_eq!(tree.entries(Tree::ROOT).unwrap().len(), 2);
    }
}
