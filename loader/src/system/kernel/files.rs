//! Owns the guest's file system: one tree, in which folders of the host may be mounted; paths, and what can be done to them.
//! Must not know descriptors, nor how a guest passes its arguments.
//!
//! A path is walked through the tree, whose links are followed here. Where it enters a folder of the host, what is left of it
//! goes to cap-std, which follows links beneath that folder only; `..` in that part is taken by name, as Emscripten's own file
//! systems do.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::MetadataExt;

use super::errno::{Errno, Result};
use super::folder::HostFolder;
use super::pages::Pages;
use super::tree::{Content, Data, Node, NodeId, Tree, permission};
use crate::budget::Budget;

/// How many links a path may lead through (`MAXSYMLINKS` of Linux).
const MOST_LINKS: usize = 40;

/// File types in a mode (inode(7)).
pub(crate) mod kind {
    pub(crate) const DEVICE: u32 = 0o020_000;
    pub(crate) const BLOCK_DEVICE: u32 = 0o060_000;
    pub(crate) const FOLDER: u32 = 0o040_000;
    pub(crate) const FILE: u32 = 0o100_000;
    pub(crate) const LINK: u32 = 0o120_000;
    pub(crate) const PIPE: u32 = 0o010_000;
    pub(crate) const SOCKET: u32 = 0o140_000;
}

/// What `stat` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Status {
    pub device: u64,
    pub inode: u64,
    pub mode: u32,
    pub links: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub accessed: i128,
    pub modified: i128,
    pub changed: i128,
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// Something of the tree.
    Node(NodeId),
    /// Nothing yet, in a folder of the tree.
    Missing { folder: NodeId, name: OsString },
    /// Something, or nothing yet, in a folder of the host that is mounted at a node.
    Host { mount: NodeId, path: PathBuf },
}

/// The end of a path, for calls that change a name.
struct Name {
    folder: NodeId,
    last: OsString,
    /// The folders that the path leads through.
    through: Vec<NodeId>,
}

/// The file system of a process.
pub(crate) struct Files {
    pub tree: Tree,
    /// The working directory: absolute.
    working: PathBuf,
}

impl Files {
    /// An empty tree; what is put there is charged to `budget`.
    pub(crate) fn new(budget: Budget) -> Files {
        Files { tree: Tree::new(budget), working: PathBuf::from("/") }
    }

    /// The working directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.working
    }

    /// Changes it.
    pub(crate) fn change_directory(&mut self, path: &Path) -> Result<()> {
        let path = self.absolute(path);
        if self.status(&path, true)?.mode & 0o170_000 != kind::FOLDER {
            return Err(Errno::NOTDIR.into());
        }
        self.working = tidy(&path);
        Ok(())
    }

    /// The absolute form of a path.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.working.join(path)
    }

    /// Walks a path. Errs when a folder on the way is not there.
    pub(crate) fn find(&self, path: &Path, follow: bool) -> Result<Found> {
        self.walk(path, follow).map(|(found, _)| found)
    }

    fn walk(&self, path: &Path, follow: bool) -> Result<(Found, Vec<NodeId>)> {
        if path.as_os_str().is_empty() {
            return Err(Errno::NOENT.into());
        }
        let mut stack = vec![Tree::ROOT];
        let mut left = components(self.absolute(path).as_os_str());
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            let current = stack.last().copied().unwrap_or(Tree::ROOT);
            let entries = match &self.tree.get(current)?.content {
                Content::Folder(entries) => entries,
                Content::Host(_) => {
                    let Some(path) = beneath(name, &mut left) else {
                        stack.truncate(stack.len().saturating_sub(1).max(1));
                        continue;
                    };
                    let mut parts = path.iter();
                    let first = parts.next().unwrap_or_default();
                    let Some(over) = self.tree.own(current, first)? else {
                        return Ok((Found::Host { mount: current, path }, stack));
                    };
                    left = parts.map(OsStr::to_owned).collect();
                    stack.push(over);
                    continue;
                }
                _ => return Err(Errno::NOTDIR.into()),
            };
            if name == ".." {
                stack.truncate(stack.len().saturating_sub(1).max(1));
                continue;
            }
            if name == "." {
                continue;
            }
            if name.len() > 255 {
                return Err(Errno::NAMETOOLONG.into());
            }
            self.tree.get(current)?.permits(&[permission::SEARCH])?;
            let Some(id) = entries.get(&name).copied() else {
                left.retain(|more| more != ".");
                if left.is_empty() {
                    return Ok((Found::Missing { folder: current, name }, stack));
                }
                return Err(Errno::NOENT.into());
            };
            match &self.tree.get(id)?.content {
                Content::Link(target) if follow || !left.is_empty() => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    if target.as_bytes().starts_with(b"/") {
                        stack.truncate(1);
                    }
                    let mut target = components(target);
                    target.append(&mut left);
                    left = target;
                }
                _ => stack.push(id),
            }
        }
        let last = stack.last().copied().unwrap_or(Tree::ROOT);
        let found = match &self.tree.get(last)?.content {
            Content::Host(_) => Found::Host { mount: last, path: PathBuf::from(".") },
            _ => Found::Node(last),
        };
        Ok((found, stack))
    }

    /// A folder of the host that is mounted.
    pub(crate) fn host(&self, mount: NodeId) -> Result<&HostFolder> {
        match &self.tree.get(mount)?.content {
            Content::Host(folder) => Ok(folder),
            _ => Err(Errno::NOENT.into()),
        }
    }

    /// `stat` and `lstat`.
    pub(crate) fn status(&self, path: &Path, follow: bool) -> Result<Status> {
        match self.find(path, follow)? {
            Found::Node(id) => self.node_status(id),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Host { mount, path } => Ok(host_status(&self.host(mount)?.metadata(&path, follow)?)),
        }
    }

    /// What `stat` tells of a node.
    pub(crate) fn node_status(&self, id: NodeId) -> Result<Status> {
        let node = self.tree.get(id)?;
        let (kind, links) = match &node.content {
            Content::File(_) => (kind::FILE, u64::from(node.names)),
            Content::Folder(_) | Content::Host(_) => (kind::FOLDER, 2),
            Content::Link(_) => (kind::LINK, 1),
            Content::Device(_) => (kind::DEVICE, 1),
        };
        Ok(Status {
            device: 1,
            inode: Tree::inode(id),
            mode: kind | node.mode & 0o7777,
            links,
            size: self.tree.size(id)?,
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    /// The name at the end of a path in the tree. Errs for the root and for paths that end in `..`.
    fn name(&self, path: &Path) -> Result<Option<Name>> {
        let (found, mut through) = self.walk(path, false)?;
        match found {
            Found::Missing { folder, name } => Ok(Some(Name { folder, last: name, through })),
            Found::Host { path, .. } if path != Path::new(".") => Ok(None),
            Found::Node(id) | Found::Host { mount: id, .. } => {
                through.pop();
                let folder = *through.last().ok_or(Errno::BUSY)?;
                // What lies over a name of a mounted folder stays.
                let Content::Folder(entries) = &self.tree.get(folder)?.content else {
                    return Err(Errno::BUSY.into());
                };
                let name = path.file_name().filter(|name| entries.get(*name) == Some(&id));
                let name = match name {
                    Some(name) => name.to_owned(),
                    None => entries.iter().find(|entry| *entry.1 == id).ok_or(Errno::NOENT)?.0.clone(),
                };
                Ok(Some(Name { folder, last: name, through }))
            }
        }
    }

    /// Makes a folder.
    pub(crate) fn make_folder(&mut self, path: &Path, mode: u32) -> Result<()> {
        match self.find(path, false)? {
            Found::Node(_) => Err(Errno::EXIST.into()),
            Found::Missing { folder, name } => {
                let node = Node::new(Content::Folder(BTreeMap::new()), mode & 0o1777);
                self.tree.add(folder, &name, node).map(drop)
            }
            Found::Host { mount, path } => self.host(mount)?.make_folder(&path),
        }
    }

    /// Makes a symbolic link.
    pub(crate) fn make_link(&mut self, target: &OsStr, path: &Path) -> Result<()> {
        match self.find(path, false)? {
            Found::Node(_) => Err(Errno::EXIST.into()),
            Found::Missing { folder, name } => {
                let node = Node::new(Content::Link(target.to_owned()), 0o777);
                self.tree.add(folder, &name, node).map(drop)
            }
            Found::Host { mount, path } => self.host(mount)?.link(Path::new(target), &path),
        }
    }

    /// The target of a symbolic link.
    pub(crate) fn read_link(&self, path: &Path) -> Result<OsString> {
        match self.find(path, false)? {
            Found::Node(id) => match &self.tree.get(id)?.content {
                Content::Link(target) => Ok(target.clone()),
                _ => Err(Errno::INVAL.into()),
            },
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Host { mount, path } => self.host(mount)?.read_link(&path),
        }
    }

    /// Removes a file, link or, if `folder`, an empty folder.
    pub(crate) fn remove(&mut self, path: &Path, folder: bool) -> Result<()> {
        match self.find(path, false)? {
            Found::Host { mount, path: inner } if inner != Path::new(".") => {
                let host = self.host(mount)?;
                if folder { host.remove_folder(&inner) } else { host.remove_file(&inner) }
            }
            Found::Host { .. } => Err(Errno::BUSY.into()),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Node(id) => {
                match (&self.tree.get(id)?.content, folder) {
                    (Content::Folder(entries), true) if entries.is_empty() => {}
                    (Content::Folder(_), true) => return Err(Errno::NOTEMPTY.into()),
                    (Content::Folder(_), false) => return Err(Errno::ISDIR.into()),
                    (_, true) => return Err(Errno::NOTDIR.into()),
                    (_, false) => {}
                }
                let name = self.name(path)?.ok_or(Errno::BUSY)?;
                self.tree.unlink(name.folder, &name.last)
            }
        }
    }

    /// Gives a file another name (`link`).
    pub(crate) fn make_name(&mut self, from: &Path, to: &Path, follow: bool) -> Result<()> {
        match (self.find(from, follow)?, self.find(to, false)?) {
            (Found::Missing { .. }, _) => Err(Errno::NOENT.into()),
            (_, Found::Node(_)) => Err(Errno::EXIST.into()),
            (Found::Node(id), Found::Missing { folder, name }) => self.tree.add_name(folder, &name, id),
            // Even where the host could: a file that is only for reading must not get a name under which it can be written.
            (Found::Host { mount, path }, Found::Host { mount: other, path: to }) if mount == other => {
                self.host(mount)?.make_name(&path, &to)
            }
            _ => Err(Errno::XDEV.into()),
        }
    }

    /// Moves a file or folder.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        let (from_name, to_name) = (self.name(from)?, self.name(to)?);
        match (from_name, to_name) {
            (Some(from), Some(to)) => {
                let id = *self.tree.entries(from.folder)?.get(&from.last).ok_or(Errno::NOENT)?;
                if matches!(self.tree.get(id)?.content, Content::Host(_)) {
                    return Err(Errno::BUSY.into());
                }
                if to.through.contains(&id) {
                    return Err(Errno::INVAL.into());
                }
                self.tree.rename((from.folder, &from.last), (to.folder, &to.last))
            }
            (None, None) => match (self.find(from, false)?, self.find(to, false)?) {
                (Found::Host { mount, path }, Found::Host { mount: other, path: to }) => {
                    self.host(mount)?.rename(&path, self.host(other)?, &to)
                }
                _ => Err(Errno::XDEV.into()),
            },
            _ => Err(Errno::XDEV.into()),
        }
    }

    /// Sets permission bits.
    pub(crate) fn set_mode(&mut self, path: &Path, mode: u32, follow: bool) -> Result<()> {
        match self.find(path, follow)? {
            Found::Node(id) => self.set_node_mode(id, mode),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Host { mount, path } => self.host(mount)?.set_mode(&path, mode),
        }
    }

    /// The same for a node.
    pub(crate) fn set_node_mode(&mut self, id: NodeId, mode: u32) -> Result<()> {
        let node = self.writable(id)?;
        node.mode = mode & 0o7777;
        node.changed = super::tree::now();
        Ok(())
    }

    /// Sets the times of access and modification, where given.
    pub(crate) fn set_times(&mut self, path: &Path, times: [Option<i128>; 2], follow: bool) -> Result<()> {
        match self.find(path, follow)? {
            Found::Node(id) => self.set_node_times(id, times),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Host { mount, path } => self.host(mount)?.set_times(&path, times),
        }
    }

    /// The same for a node.
    pub(crate) fn set_node_times(
        &mut self,
        id: NodeId,
        [accessed, modified]: [Option<i128>; 2],
    ) -> Result<()> {
        let node = self.writable(id)?;
        node.accessed = accessed.unwrap_or(node.accessed);
        node.modified = modified.unwrap_or(node.modified);
        node.changed = super::tree::now();
        Ok(())
    }

    fn writable(&mut self, id: NodeId) -> Result<&mut Node> {
        let node = self.tree.get_mut(id)?;
        if node.read_only { Err(Errno::ROFS.into()) } else { Ok(node) }
    }

    /// Whether a path can be read, written, executed (`access`; 4, 2, 1).
    pub(crate) fn access(&self, path: &Path, mode: u32, follow: bool) -> Result<()> {
        let status = self.status(path, follow)?;
        let read_only = match self.find(path, follow)? {
            Found::Node(id) => self.tree.get(id)?.read_only,
            Found::Host { mount, .. } => self.host(mount)?.is_read_only(),
            Found::Missing { .. } => return Err(Errno::NOENT.into()),
        };
        if mode & 2 != 0 && read_only {
            return Err(Errno::ROFS.into());
        }
        let denied = |bit: u32, bits: u32| mode & bit != 0 && status.mode & bits == 0;
        if denied(4, permission::READ) || denied(2, permission::WRITE) || denied(1, permission::SEARCH) {
            return Err(Errno::ACCES.into());
        }
        Ok(())
    }

    /// Names with the type and inode number of each entry of a folder, without `.` and `..`.
    pub(crate) fn list(&self, path: &Path) -> Result<Vec<(OsString, u8, u64)>> {
        match self.find(path, true)? {
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Host { mount, path } => {
                let mut entries = self.host(mount)?.entries(&path)?;
                if path == Path::new(".") {
                    let covers = self.tree.covers(mount)?;
                    entries.retain(|(name, _, _)| !covers.contains_key(name));
                    entries.extend(self.listed(covers));
                }
                Ok(entries)
            }
            Found::Node(id) => Ok(self.listed(self.tree.entries(id)?)),
        }
    }

    fn listed(&self, entries: &BTreeMap<OsString, NodeId>) -> Vec<(OsString, u8, u64)> {
        let entries = entries.iter().filter_map(|(name, id)| {
            let status = self.node_status(*id).ok()?;
            Some((name.clone(), super::folder::entry_type(status.mode), status.inode))
        });
        entries.collect()
    }

    /// Puts something at an absolute path, by the host, making the folders that lead there. Errs when there is something.
    pub(crate) fn place(&mut self, path: &Path, node: Node) -> Result<NodeId> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let folder = self.place_folder(parent)?;
        let name = path.file_name().ok_or(Errno::INVAL)?;
        self.tree.place(folder, name, node)
    }

    /// The folder of an absolute path, made with those that lead there. What is made in a mounted folder of the host lies over it,
    /// and nothing is made on the host.
    pub(crate) fn place_folder(&mut self, path: &Path) -> Result<NodeId> {
        let mut folder = Tree::ROOT;
        for name in components(path.as_os_str()) {
            folder = if let Some(known) = self.tree.own(folder, &name)? {
                known
            } else {
                let above = self.tree.get(folder)?;
                let read_only = above.read_only;
                let of_host = match &above.content {
                    Content::Host(host) => host.below(Path::new(&name)).map(Content::Host),
                    _ => None,
                };
                let node = Node::new(of_host.unwrap_or_else(|| Content::Folder(BTreeMap::new())), 0o755);
                self.tree.place(folder, &name, if read_only { node.read_only() } else { node })?
            };
        }
        match self.tree.get(folder)?.content {
            Content::Folder(_) | Content::Host(_) => Ok(folder),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// The whole file at a path, with its absolute path and what `stat` tells of it.
    pub(crate) fn read_whole(&mut self, path: &Path, limit: u64) -> Result<(Arc<[u8]>, PathBuf, Status)> {
        let status = self.status(path, true)?;
        if status.mode & 0o170_000 != kind::FILE {
            return Err(
                if status.mode & 0o170_000 == kind::FOLDER { Errno::ISDIR } else { Errno::INVAL }.into()
            );
        }
        if status.size > limit {
            return Err(Errno::FBIG.into());
        }
        let absolute = tidy(&self.absolute(path));
        match self.find(path, true)? {
            Found::Node(id) => Ok((self.tree.shared(id)?, absolute, status)),
            Found::Missing { .. } => Err(Errno::NOENT.into()),
            Found::Host { mount, path } => {
                use std::io::Read;
                let how = super::folder::OpenHow { read: true, ..Default::default() };
                let mut bytes = Vec::new();
                self.host(mount)?.open_file(&path, how)?.take(limit).read_to_end(&mut bytes)?;
                Ok((bytes.into(), absolute, status))
            }
        }
    }
}

/// An empty file.
pub(crate) fn empty_file(mode: u32) -> Node {
    Node::new(Content::File(Data::Owned(Pages::default())), mode & 0o7777)
}

/// What `stat` tells of a file of the host. Owners are not the guest's business.
pub(crate) fn host_status(metadata: &cap_std::fs::Metadata) -> Status {
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Status {
        // Apart from the tree's.
        device: metadata.dev().wrapping_add(2),
        inode: metadata.ino(),
        mode: metadata.mode(),
        links: metadata.nlink(),
        size: metadata.size(),
        accessed: time(metadata.atime(), metadata.atime_nsec()),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// The parts of a path. A `/` at the end counts as `.`, so that what it leads to must be a folder.
fn components(path: &OsStr) -> VecDeque<OsString> {
    let bytes = path.as_bytes();
    let parts = bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let mut parts: VecDeque<OsString> = parts.map(|part| OsStr::from_bytes(part).to_owned()).collect();
    if bytes.ends_with(b"/") && !parts.is_empty() {
        parts.push_back(".".into());
    }
    parts
}

/// What `first` and the parts in `left` lead to beneath a folder; `None`, with what comes after, when they lead out of it.
fn beneath(first: OsString, left: &mut VecDeque<OsString>) -> Option<PathBuf> {
    let mut path = Vec::new();
    left.push_front(first);
    while let Some(part) = left.pop_front() {
        if part == ".." {
            path.pop()?;
        } else if part != "." {
            path.push(part);
        }
    }
    Some(if path.is_empty() { PathBuf::from(".") } else { path.into_iter().collect() })
}

/// An absolute path without `.`, `..` and doubled `/`.
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
    use super::*;

    fn file(text: &str) -> Node {
        Node::new(Content::File(Data::Shared(text.as_bytes().into())), 0o644)
    }

    fn files() -> Files {
        let mut files = Files::new(Budget::new(1 << 20));
        files.place(Path::new("/a/b/file"), file("text")).unwrap();
        files.make_link(OsStr::new("../b/file"), Path::new("/a/b/link")).unwrap();
        files.make_link(OsStr::new("/a/b"), Path::new("/short")).unwrap();
        files.make_link(OsStr::new("loop"), Path::new("/loop")).unwrap();
        files
    }

    #[test]
    fn links_are_followed_wherever_they_stand() {
        let mut files = files();
        for path in ["/a/b/file", "/a/b/link", "/short/link", "/short/../b/file", "a/./b//file"] {
            assert_eq!(files.read_whole(Path::new(path), 100).unwrap().0[..], *b"text", "{path}");
        }
        assert!(files.find(Path::new("/loop"), true).is_err());
        assert!(files.find(Path::new("/a/b/file/"), true).is_err());
        assert!(files.find(Path::new("/a/x/file"), true).is_err());
    }

    #[test]
    fn a_mounted_folder_is_never_left_through_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), "in").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("out")).unwrap();
        let mut files = files();
        let host = HostFolder::open(folder.path(), true).unwrap();
        files.place(Path::new("/host"), Node::new(Content::Host(host), 0o755)).unwrap();
        assert_eq!(files.read_whole(Path::new("/host/in"), 100).unwrap().0[..], *b"in");
        assert_eq!(files.read_whole(Path::new("/host/x/../../a/b/file"), 100).unwrap().0[..], *b"text");
        assert!(files.status(Path::new("/host/out/passwd"), true).is_err());
        assert!(files.make_folder(Path::new("/host/new"), 0o755).is_err());
        assert!(files.remove(Path::new("/host/in"), false).is_err());
        assert!(files.rename(Path::new("/host"), Path::new("/other")).is_err());
    }

    #[test]
    fn a_folder_forbids_what_its_mode_does() {
        let mut files = files();
        let folder = Path::new("/a/b");
        files.set_mode(folder, 0o500, true).unwrap();
        assert!(files.status(Path::new("/a/b/file"), true).is_ok());
        assert!(files.make_folder(Path::new("/a/b/new"), 0o755).is_err());
        assert!(files.remove(Path::new("/a/b/file"), false).is_err());
        assert!(files.rename(Path::new("/a/b/file"), Path::new("/file")).is_err());
        files.set_mode(folder, 0o600, true).unwrap();
        assert!(files.status(Path::new("/a/b/file"), true).is_err());
        files.set_mode(folder, 0o700, true).unwrap();
        assert!(files.rename(Path::new("/a/b/file"), Path::new("/file")).is_ok());
    }

    #[test]
    fn a_folder_does_not_move_into_itself() {
        let mut files = files();
        assert!(files.rename(Path::new("/a"), Path::new("/a/b/c")).is_err());
        assert!(files.rename(Path::new("/a/b"), Path::new("/c")).is_ok());
        assert!(files.status(Path::new("/c/file"), true).is_ok());
    }
}
