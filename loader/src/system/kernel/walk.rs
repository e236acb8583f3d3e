//! Owns how a path is walked, as in a kernel with mounts: part by part, through the tree and the folders of the host that are mounted in
//! it. Links are followed here, in the guest's names: an absolute one begins at the guest's root, wherever it lies, and `..` leads from a
//! mounted folder into the folder it is mounted in. Must not know what is done at the end of a path.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::errno::{Errno, Result};
use super::folder::{HostPlace, Identity, Step};
use super::tree::{Content, NodeId, Tree, permission};

/// How many links a path may lead through (`MAXSYMLINKS` of Linux).
const MOST_LINKS: usize = 40;
/// The most bytes of a path, with its NUL (`PATH_MAX` of Linux).
const PATH_LIMIT: usize = 4096;
/// How often one walk finds its way again when folders of the host are moved during the walk.
const MOST_MOVES: usize = 8;

/// A folder: of the tree, or of the host.
#[derive(Clone)]
pub(crate) enum Place {
    Tree(NodeId),
    /// Beneath a folder of the host that is mounted at a node.
    Host(NodeId, HostPlace),
}

impl Place {
    /// Whether it is the guest's root.
    pub(crate) fn is_root(&self) -> bool {
        match self {
            Place::Tree(node) => *node == Tree::ROOT,
            Place::Host(node, place) => *node == Tree::ROOT && place.is_root().is_ok_and(|is_root| is_root),
        }
    }

    /// Whether both belong to the same mount, so that files can be moved between them.
    pub(crate) fn is_mounted_with(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Tree(_), Place::Tree(_)) => true,
            (Place::Host(_, one), Place::Host(_, other)) => one.is_mounted_with(other),
            _ => false,
        }
    }
}

/// How a path ends.
pub(crate) enum Last {
    /// With a name in a folder, which may be there or not.
    Name(NamedIn),
    /// With a folder that has been reached.
    Folder(Place, End),
}

/// The name at the end of a path.
pub(crate) struct NamedIn {
    pub folder: Place,
    pub name: OsString,
    /// Whether a `/` follows.
    pub slash: bool,
    /// Where something of the guest's own lies over a name of a mounted folder, in `folder`: that mounted folder. The name is a mount
    /// point.
    pub covers: Option<Place>,
}

impl NamedIn {
    /// The folder that contains the name, whatever lies over it.
    pub(crate) fn parent(&self) -> &Place {
        self.covers.as_ref().unwrap_or(&self.folder)
    }
}

/// The end of a path that does not end with a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Root,
    Dot,
    DotDot,
    /// With a name and a `/`, where what is there is wanted.
    Slash,
}

/// What a `/` at the end of a path means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slash {
    /// What the path leads to is wanted, and must be a folder.
    Enters,
    /// The name itself is wanted: to be made, removed, renamed.
    Kept,
}

/// A walk in progress.
pub(crate) struct Walk {
    place: Place,
    /// The rest of the path is what follows from `at` on.
    path: Vec<u8>,
    at: usize,
    slash: Slash,
    end: End,
    links: usize,
    moves: usize,
    /// The folders of the host from the mounted one to the one that contains `place`, once `..` has been met.
    trail: Option<Vec<Identity>>,
}

/// A part of a path.
struct Part {
    name: OsString,
    is_last: bool,
    slash: bool,
}

impl Walk {
    /// A walk of a path, which starts from a folder when it is relative. Errs with `ENOENT` for an empty path.
    pub(crate) fn new(from: Place, path: &Path, slash: Slash) -> Result<Walk> {
        let path = path.as_os_str().as_bytes();
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if path.len() >= PATH_LIMIT {
            return Err(Errno::NAMETOOLONG.into());
        }
        let place = if path.starts_with(b"/") { Place::Tree(Tree::ROOT) } else { from };
        let path = path.to_vec();
        Ok(Walk { place, path, at: 0, slash, end: End::Root, links: 0, moves: 0, trail: None })
    }

    /// Walks to the end of the path.
    pub(crate) fn last(&mut self, tree: &Tree) -> Result<Last> {
        loop {
            self.settle(tree)?;
            self.stride(tree)?;
            let Some(part) = self.next() else { return Ok(Last::Folder(self.place.clone(), self.end)) };
            match part.name.as_bytes() {
                b"." => {
                    self.search(tree)?;
                    self.end = End::Dot;
                }
                b".." => {
                    self.search(tree)?;
                    self.up(tree)?;
                    self.end = End::DotDot;
                }
                _ if part.is_last && !(part.slash && self.slash == Slash::Enters) => {
                    let Part { name, slash, .. } = part;
                    let (folder, covers) = match self.cover(tree, &name)? {
                        Some((folder, _)) => (Place::Tree(folder), Some(self.place.clone())),
                        None => (self.place.clone(), None),
                    };
                    return Ok(Last::Name(NamedIn { folder, name, slash, covers }));
                }
                _ => self.down(tree, &part.name)?,
            }
        }
    }

    /// Continues with the target of a link, which was the last name.
    pub(crate) fn follow(&mut self, target: &OsStr) -> Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = target.as_bytes();
        if target.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if target.starts_with(b"/") {
            self.place = Place::Tree(Tree::ROOT);
            self.trail = None;
            self.end = End::Root;
        }
        let left = self.path.get(self.at..).unwrap_or_default();
        self.path = [target, left].concat();
        self.at = 0;
        Ok(())
    }

    fn next(&mut self) -> Option<Part> {
        let left = self.path.get(self.at..)?;
        let start = left.iter().position(|byte| *byte != b'/')?;
        let rest = left.get(start..)?;
        let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(length);
        let is_last = rest.iter().all(|byte| *byte == b'/');
        let slash = is_last && !rest.is_empty();
        self.at += start + length;
        Some(Part { name: OsString::from_vec(name.to_vec()), is_last, slash })
    }

    /// Where a folder of the host is mounted in the tree, moves on into that folder.
    fn settle(&mut self, tree: &Tree) -> Result<()> {
        if let Place::Tree(node) = self.place
            && let Content::Host(host) = &tree.get(node)?.content
        {
            self.place = Place::Host(node, host.place());
            self.trail = None;
        }
        Ok(())
    }

    /// What of the guest's own lies over a name of a mounted folder, if the walk is in one: the folder's node and its own.
    fn cover(&self, tree: &Tree, name: &OsStr) -> Result<Option<(NodeId, NodeId)>> {
        let Place::Host(node, place) = &self.place else { return Ok(None) };
        let covers = tree.folder(*node)?;
        if covers.is_empty() || !place.is_root()? {
            return Ok(None);
        }
        Ok(covers.get(name).map(|id| (*node, id)))
    }

    /// Goes as far as the host's kernel can go at once: through plain names, when no `..` is left that would need to know the way.
    fn stride(&mut self, tree: &Tree) -> Result<()> {
        let Place::Host(node, place) = &self.place else { return Ok(()) };
        // What lies over a name is not the host's.
        if !tree.folder(*node)?.is_empty() && place.is_root()? {
            return Ok(());
        }
        let left = self.path.get(self.at..).unwrap_or_default();
        let mut parts = left.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        if self.trail.is_some() || parts.clone().any(|part| part == b"..") || parts.clone().count() < 3 {
            return Ok(());
        }
        let Some(last) = parts.next_back() else { return Ok(()) };
        let trimmed = left.iter().rposition(|byte| *byte != b'/').map_or(0, |end| end + 1);
        let folders = trimmed.saturating_sub(last.len());
        let Some(names) = left.get(..folders) else { return Ok(()) };
        let start = names.iter().position(|byte| *byte != b'/').unwrap_or(0);
        if let Some(place) = place.stride(OsStr::from_bytes(&names[start..])) {
            self.place = Place::Host(*node, place);
            self.at += folders;
        }
        Ok(())
    }

    /// Errs unless the folder may be searched, which `.` and `..` require, too.
    fn search(&self, tree: &Tree) -> Result<()> {
        match &self.place {
            Place::Tree(folder) => tree.get(*folder)?.permits(&[permission::SEARCH]),
            Place::Host(_, place) => place.searched().map(drop),
        }
    }

    fn down(&mut self, tree: &Tree, name: &OsStr) -> Result<()> {
        self.end = End::Slash;
        let own = match (&self.place, self.cover(tree, name)?) {
            (_, Some((_, id))) => Some(id),
            (Place::Tree(folder), None) => Some(tree.look_up(*folder, name)?.ok_or(Errno::NOENT)?),
            (Place::Host(..), None) => None,
        };
        if let Some(id) = own {
            return match &tree.get(id)?.content {
                Content::Link(target) => {
                    let target = target.clone();
                    self.follow(&target)
                }
                content if content.is_folder() => {
                    self.place = Place::Tree(id);
                    self.settle(tree)
                }
                _ => Err(Errno::NOTDIR.into()),
            };
        }
        let Place::Host(node, place) = &self.place else { return Ok(()) };
        match place.step(name)? {
            Step::Link(target) => self.follow(&target),
            Step::Folder(below) => {
                if let Some(trail) = &mut self.trail {
                    trail.push(place.identity()?);
                }
                self.place = Place::Host(*node, below);
                Ok(())
            }
        }
    }

    fn up(&mut self, tree: &Tree) -> Result<()> {
        let (node, place) = match &self.place {
            Place::Tree(folder) => {
                self.place = Place::Tree(tree.parent(*folder)?);
                return Ok(());
            }
            Place::Host(node, place) => (*node, place.clone()),
        };
        if place.is_root()? {
            self.trail = None;
            self.place = Place::Tree(tree.parent(node)?);
            return Ok(());
        }
        let mut trail = match self.trail.take() {
            Some(trail) => trail,
            None => place.trail()?,
        };
        let above = place.up()?;
        if trail.pop() != Some(above.identity()?) {
            // Another program has moved the folder since: what is above it now must lie beneath the mount, too.
            self.moves += 1;
            if self.moves > MOST_MOVES {
                return Err(Errno::NOENT.into());
            }
            trail = above.trail()?;
        }
        self.trail = Some(trail);
        self.place = Place::Host(node, above);
        Ok(())
    }
}
