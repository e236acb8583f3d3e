//! Owns the locks of a process on files: which ranges it holds, by which rules they exclude each other within the process, and, for files
//! of the host, the host's locks that represent them. Must not know descriptors, nor how waiting is done.
//!
//! A guest's record lock (`F_SETLK`) belongs to the guest as a process: all its descriptors of a file share it, and closing any of them
//! drops it. The host's record locks belong to the whole program, which may have several guests; so the guest's locks are held as locks of
//! an open file description that serves only this purpose (`F_OFD_SETLK`): those exclude other guests, and native programs, whichever of
//! the two kinds these use (fcntl(2)).

use std::collections::BTreeMap;
use std::fs::File;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::errno::{Errno, Result};
use super::folder::{HostFile, Identity};
use super::tree::NodeId;

/// The last byte that a lock may be on.
const END: u64 = i64::MAX.cast_unsigned();

/// What is locked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Locked {
    Node(NodeId),
    Host(Identity),
}

/// The owner of a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// The guest.
    Process,
    /// An open file description, by number.
    Description(usize),
}

/// How a range is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// A range of bytes of a file, the last one included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    first: u64,
    last: u64,
}

/// A lock that is in the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub range: Range,
    pub mode: Mode,
    pub owner: Option<Owner>,
}

impl Range {
    /// The range that `l_start`, counted from `base`, and `l_len` describe. Errs as fcntl(2) does.
    pub(crate) fn new(base: u64, start: i64, length: i64) -> Result<Range> {
        let start =
            i64::try_from(base).ok().and_then(|base| base.checked_add(start)).ok_or(Errno::OVERFLOW)?;
        let (first, last) = match length {
            0 => (start, i64::MAX),
            1.. => (start, start.checked_add(length - 1).ok_or(Errno::OVERFLOW)?),
            _ => (start.checked_add(length).ok_or(Errno::INVAL)?, start.checked_sub(1).ok_or(Errno::INVAL)?),
        };
        let unsigned = |place: i64| u64::try_from(place).map_err(|_| Errno::INVAL);
        Ok(Range { first: unsigned(first)?, last: unsigned(last)? })
    }

    const WHOLE: Range = Range { first: 0, last: END };

    /// `l_start` and `l_len`; the latter is 0 when the range has no end.
    pub(crate) fn start_and_length(self) -> (i64, i64) {
        let length = if self.last == END { 0 } else { self.last - self.first + 1 };
        (i64::try_from(self.first).unwrap_or(i64::MAX), i64::try_from(length).unwrap_or(0))
    }

    fn overlaps(self, other: Range) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// What is left of this range without another one.
    fn without(self, other: Range) -> impl Iterator<Item = Range> {
        let before = (self.first < other.first).then(|| Range { first: self.first, last: other.first - 1 });
        let behind = (other.last < self.last).then(|| Range { first: other.last + 1, last: self.last });
        before.into_iter().chain(behind)
    }
}

/// The locks on one file.
#[derive(Default)]
struct OfFile {
    held: Vec<Held>,
    /// The open file description that holds the guest's locks on a file of the host.
    host: Option<File>,
}

impl OfFile {
    fn conflict(&self, owner: Owner, range: Range, mode: Mode) -> Option<Held> {
        let excludes = |held: &&Held| {
            held.owner != Some(owner)
                && held.range.overlaps(range)
                && (mode == Mode::Exclusive || held.mode == Mode::Exclusive)
        };
        self.held.iter().find(excludes).copied()
    }

    /// Sets the lock of an owner on a range to this mode, or to none; what the owner had there before is replaced.
    fn set(&mut self, owner: Owner, range: Range, mode: Option<Mode>) {
        let is_changed = |held: &Held| held.owner == Some(owner) && held.range.overlaps(range);
        let changed: Vec<Held> = self.held.iter().copied().filter(is_changed).collect();
        self.held.retain(|held| !is_changed(held));
        for held in changed {
            self.held.extend(held.range.without(range).map(|range| Held { range, ..held }));
        }
        self.held.extend(mode.map(|mode| Held { range, mode, owner: Some(owner) }));
    }

    fn is_unused(&self) -> bool {
        self.held.is_empty()
    }
}

/// The locks of a process.
pub(crate) struct Locks {
    files: BTreeMap<Locked, OfFile>,
    /// The most ranges that there may be: each takes memory of the host, and of its kernel.
    most: usize,
}

impl Locks {
    /// No locks yet, and at most `most`.
    pub(crate) fn new(most: usize) -> Locks {
        Locks { files: BTreeMap::new(), most }
    }

    /// Whether nothing is locked.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether the guest holds record locks on a file.
    pub(crate) fn holds(&self, locked: Locked) -> bool {
        self.files.get(&locked).is_some_and(|file| !file.held.is_empty())
    }

    /// Locks or unlocks a range. Errs with `EAGAIN` when another owner has locked it, and then changes nothing.
    pub(crate) fn set(
        &mut self,
        locked: Locked,
        host: Option<&HostFile>,
        owner: Owner,
        range: Range,
        mode: Option<Mode>,
    ) -> Result<()> {
        let total: usize = self.files.values().map(|file| file.held.len()).sum();
        // A range in the middle of another one splits that into two.
        if total + 2 > self.most {
            return Err(Errno::NOLCK.into());
        }
        if mode.is_none() && !self.files.contains_key(&locked) {
            return Ok(());
        }
        let file = self.files.entry(locked).or_default();
        let done = file.conflict_or(owner, range, mode).and_then(|()| match host {
            Some(host) => file.set_host(host, owner, range, mode),
            None => Ok(()),
        });
        if done.is_ok() {
            file.set(owner, range, mode);
        }
        if file.is_unused() {
            self.files.remove(&locked);
        }
        done
    }

    /// A lock that keeps an owner from locking a range.
    pub(crate) fn in_the_way(
        &self,
        locked: Locked,
        host: Option<&HostFile>,
        owner: Owner,
        range: Range,
        mode: Mode,
    ) -> Result<Option<Held>> {
        let file = self.files.get(&locked);
        if let Some(held) = file.and_then(|file| file.conflict(owner, range, mode)) {
            return Ok(Some(held));
        }
        let Some(host) = host else { return Ok(None) };
        let by = match (owner, file.and_then(|file| file.host.as_ref())) {
            (Owner::Process, Some(own)) => own,
            _ => &host.file,
        };
        let mut lock = record(range, Some(mode));
        fcntl(by, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(of_nix)?;
        let mode = match i32::from(lock.l_type) {
            libc::F_UNLCK => return Ok(None),
            libc::F_RDLCK => Mode::Shared,
            _ => Mode::Exclusive,
        };
        Ok(Some(Held { range: Range::new(0, lock.l_start, lock.l_len)?, mode, owner: None }))
    }

    /// Drops the locks that end when a descriptor of a file is closed: the process's, and if `last`, those of the description.
    pub(crate) fn closed(&mut self, locked: Locked, description: usize, last: bool) {
        let Some(file) = self.files.get_mut(&locked) else { return };
        file.set(Owner::Process, Range::WHOLE, None);
        // The host's locks end with their description.
        file.host = None;
        if last {
            file.set(Owner::Description(description), Range::WHOLE, None);
        }
        if file.is_unused() {
            self.files.remove(&locked);
        }
    }
}

impl OfFile {
    fn conflict_or(&self, owner: Owner, range: Range, mode: Option<Mode>) -> Result<()> {
        match mode.and_then(|mode| self.conflict(owner, range, mode)) {
            Some(_) => Err(Errno::AGAIN.into()),
            None => Ok(()),
        }
    }

    /// Sets the lock of an owner on a range of a file of the host, or removes it.
    fn set_host(&mut self, host: &HostFile, owner: Owner, range: Range, mode: Option<Mode>) -> Result<()> {
        let by = match owner {
            Owner::Description(_) => &host.file,
            Owner::Process => {
                if self.host.is_none() {
                    self.host = Some(host.opened_again()?);
                }
                self.host.as_ref().ok_or(Errno::NOLCK)?
            }
        };
        match fcntl(by, FcntlArg::F_OFD_SETLK(&record(range, mode))) {
            Ok(_) => Ok(()),
            // The guest's own descriptor permits it, but the host's file may not be opened again in this mode.
            Err(nix::errno::Errno::EBADF) => Err(Errno::NOLCK.into()),
            Err(error) => Err(of_nix(error)),
        }
    }
}

/// A `struct flock` for the host.
fn record(range: Range, mode: Option<Mode>) -> libc::flock {
    let kind = match mode {
        None => libc::F_UNLCK,
        Some(Mode::Shared) => libc::F_RDLCK,
        Some(Mode::Exclusive) => libc::F_WRLCK,
    };
    let (l_start, l_len) = range.start_and_length();
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start,
        l_len,
        // For these locks it must be 0.
        l_pid: 0,
    }
}

fn of_nix(error: nix::errno::Errno) -> super::errno::Fault {
    match error {
        nix::errno::Errno::EACCES => Errno::AGAIN.into(),
        other => std::io::Error::from(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    const MOST: usize = 100;

    const FILE: Locked = Locked::Node(Tree::ROOT);

    fn range(start: i64, length: i64) -> Range {
        Range::new(0, start, length).unwrap()
    }

    #[test]
    fn ranges_are_those_of_fcntl() {
        assert_eq!(range(10, -4).start_and_length(), (6, 4));
        assert_eq!(range(5, 0).start_and_length(), (5, 0));
        assert!(Range::new(0, 3, -4).is_err() && Range::new(0, -1, 5).is_err());
        assert!(Range::new(u64::MAX, 0, 1).is_err() && Range::new(0, i64::MAX, 2).is_err());
        assert!(Range::new(0, i64::MIN, i64::MIN).is_err());
    }

    #[test]
    fn descriptions_exclude_each_other_and_the_process_does_not_exclude_itself() {
        let mut locks = Locks::new(MOST);
        let (one, other) = (Owner::Description(1), Owner::Description(2));
        locks.set(FILE, None, one, range(0, 10), Some(Mode::Exclusive)).unwrap();
        assert!(locks.set(FILE, None, other, range(9, 1), Some(Mode::Shared)).is_err());
        assert!(locks.set(FILE, None, Owner::Process, range(9, 1), Some(Mode::Shared)).is_err());
        assert!(locks.in_the_way(FILE, None, one, range(0, 0), Mode::Exclusive).unwrap().is_none());
        // Unlock in the middle: both sides are left.
        locks.set(FILE, None, one, range(4, 2), None).unwrap();
        locks.set(FILE, None, other, range(4, 2), Some(Mode::Exclusive)).unwrap();
        let held = locks.in_the_way(FILE, None, other, range(0, 0), Mode::Shared).unwrap().unwrap();
        assert_eq!(held.range.start_and_length(), (0, 4));
        locks.closed(FILE, 1, true);
        locks.set(FILE, None, Owner::Process, range(6, 0), Some(Mode::Exclusive)).unwrap();
        locks.closed(FILE, 2, true);
        assert!(locks.is_empty());
    }

    #[test]
    fn ranges_are_bounded() {
        let mut locks = Locks::new(MOST);
        let results: Vec<bool> = (0..i64::try_from(MOST).unwrap())
            .map(|at| locks.set(FILE, None, Owner::Process, range(at * 2, 1), Some(Mode::Shared)).is_ok())
            .collect();
        assert_eq!(results.iter().filter(|is_ok| **is_ok).count(), MOST - 1);
    }
}
