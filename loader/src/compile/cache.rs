//! Owns the directory of compiled code. An entry is keyed by the content of the WebAssembly module and by everything that
//! compiled code depends on; it is written as a whole or not at all; a damaged entry counts as absent. Must not know modules or
//! symbols.
//!
//! Compiled code is machine code that will be run, so an entry is used only if it is what was written: next to each entry lies
//! its seal, a checksum together with the size, times and inode number that the file had then. If those still agree, the file has
//! not been written to since; if they do not, the checksum decides.
//!
//! In the same way the cache remembers, for the files of main modules, the key of their contents, which is valid as long as the
//! file's stamp is the same. Along with the code it keeps an outline of the module, for the linker. For wheels it remembers that
//! their contents were found to have the hashes they should have, and it keeps what is costly to produce from them again: byte
//! code, and large files, unpacked.

use std::fs::{self, DirBuilder, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pydl_linker::rewrite::Recipe;
use rustix::fs::{AtFlags, CWD};
use wasmtime::{Engine, Module};

use crate::base::error::CacheError;
use crate::base::interrupt::Interruption;
use crate::compile::engine::ProcessKind;

/// A private directory of compiled code. Removing the directory, or any file in it, is always safe.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Uses `directory`, which is created with mode 0700 if it does not exist. Errs when it cannot be created, when it belongs to
    /// another user, and when others may write to it or replace it by another directory.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Cache, CacheError> {
        let directory = directory.into();
        let failed = |error| CacheError::Directory { path: directory.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        let real = fs::canonicalize(&directory).map_err(failed)?;
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        for (height, folder) in real.ancestors().enumerate() {
            let metadata = fs::metadata(folder).map_err(failed)?;
            let not_private = |why: String| CacheError::NotPrivate {
                path: directory.clone(),
                why: format!("{}: {why}", folder.display()),
            };
            // The administrator's folders lead to those of all users.
            if metadata.uid() != user && (height == 0 || metadata.uid() != ROOT) {
                return Err(not_private(format!("it belongs to user {}", metadata.uid())));
            }
            // In a sticky folder nobody can replace what belongs to others. The user's own group may write to the folders above:
            // with a umask of 002, each user has a group of their own.
            let is_sticky = height > 0 && metadata.mode() & STICKY != 0;
            let own_group = height > 0 && metadata.gid() == group;
            let others = if own_group { WRITABLE_BY_ALL } else { WRITABLE_BY_OTHERS };
            if metadata.mode() & others != 0 && !is_sticky {
                return Err(not_private(format!("its mode is {:o}", metadata.mode() & 0o7777)));
            }
        }
        Ok(Cache { directory: real })
    }

    /// The path of the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether `folder` contains the cache or lies inside it, by whatever path: whoever can write to one can write to the other.
    /// A folder that cannot be resolved counts as overlapping.
    pub fn overlaps(&self, folder: &Path) -> bool {
        fs::canonicalize(folder)
            .map_or(true, |real| self.directory.starts_with(&real) || real.starts_with(&self.directory))
    }

    /// The key of the code that an engine compiles from what a recipe makes of `wasm`.
    pub(crate) fn key(engine: &Engine, wasm: &[u8], recipe: &Recipe) -> CacheKey {
        let mut hasher = KeyHasher(blake3::Hasher::new());
        recipe.revisions().for_each(|revision| {
            hasher.0.update(&revision.to_le_bytes());
        });
        hasher.0.update(wasm);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        CacheKey(hasher.0.finalize().to_hex().to_string())
    }

    /// The module of an entry; `None` when there is none or it is damaged.
    pub(crate) fn load(&self, engine: &Engine, key: &CacheKey) -> Option<Module> {
        let code = self.path(key, CODE);
        if !self.is_intact(&code) {
            return None;
        }
        #[expect(unsafe_code, reason = "compiled code can be taken from a file in no other way")]
        // SAFETY: the file holds what `Module::serialize` returned. `store` wrote it and its seal, into a directory
        // that only this user can write to; the seal shows that it has not changed since.
        let module = unsafe { Module::deserialize_file(engine, &code) };
        module.ok()
    }

    /// Writes an entry. A failure does no harm: the next process compiles again.
    pub(crate) fn store(&self, key: &CacheKey, module: &Module) -> io::Result<()> {
        let bytes = module.serialize().map_err(io::Error::other)?;
        self.write_sealed(&self.path(key, CODE), &bytes)
    }

    /// The outline of a main module that was remembered; `None` when there is none or it is damaged.
    pub(crate) fn outline(&self, key: &CacheKey) -> Option<Vec<u8>> {
        let path = self.path(key, OUTLINE);
        self.is_intact(&path).then(|| fs::read(path).ok()).flatten()
    }

    /// Whether a file is what was written along with its seal.
    fn is_intact(&self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        let Some(seal) = Seal::read(&seal_path(path)) else { return false };
        if seal.stamp == Stamp::of(&metadata) {
            return true;
        }
        if !fs::read(path).is_ok_and(|bytes| Seal::checksum(&bytes) == seal.text) {
            return false;
        }
        // The file was only touched or copied: it is sealed anew, since otherwise the checksum is computed each time. It does no
        // harm if that fails.
        let _ = Seal { stamp: Stamp::of(&metadata), ..seal }.write(self, &seal_path(path));
        true
    }

    fn write_sealed(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let stamp = self.write_whole(path, bytes)?;
        Seal { text: Seal::checksum(bytes), stamp }.write(self, &seal_path(path))
    }

    /// The key of a main module's contents, if the file was remembered with this stamp as one for processes of this kind.
    pub(crate) fn recall(&self, file: &Path, stamp: &Stamp, kind: ProcessKind) -> Option<CacheKey> {
        let seal = Seal::read(&self.memory_path(file, main_ending(kind))?)?;
        (seal.stamp == *stamp).then_some(CacheKey(seal.text))
    }

    /// Remembers the key of a main module's contents, with its outline.
    pub(crate) fn remember(
        &self,
        file: &Path,
        stamp: &Stamp,
        kind: ProcessKind,
        key: &CacheKey,
        outline: &[u8],
    ) -> io::Result<()> {
        let Some(path) = self.memory_path(file, main_ending(kind)) else { return Ok(()) };
        self.write_sealed(&self.path(key, OUTLINE), outline)?;
        Seal { text: key.0.clone(), stamp: stamp.clone() }.write(self, &path)
    }

    /// Whether the contents of a file with this stamp were found to match `list`.
    pub(crate) fn is_verified(&self, file: &Path, stamp: &Stamp, list: &[u8]) -> bool {
        let seal = self.memory_path(file, VERIFIED).and_then(|path| Seal::read(&path));
        seal.is_some_and(|seal| seal.stamp == *stamp && seal.text == Seal::checksum(list))
    }

    /// Remembers that the contents of a file with this stamp match `list`, a list of hashes that are costly to compute.
    pub(crate) fn remember_verified(&self, file: &Path, stamp: &Stamp, list: &[u8]) -> io::Result<()> {
        let Some(path) = self.memory_path(file, VERIFIED) else { return Ok(()) };
        Seal { text: Seal::checksum(list), stamp: stamp.clone() }.write(self, &path)
    }

    /// The path of what was derived from files, if it was kept and the files are what they were then.
    pub(crate) fn derived(&self, from: &[(&Path, &Stamp)], what: &str) -> Option<PathBuf> {
        let path = self.derived_path(from, what)?;
        self.is_intact(&path).then_some(path)
    }

    /// Keeps what was derived from files, and returns its path.
    pub(crate) fn keep_derived(
        &self,
        from: &[(&Path, &Stamp)],
        what: &str,
        bytes: &[u8],
    ) -> io::Result<PathBuf> {
        let path = self.derived_path(from, what).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        self.write_sealed(&path, bytes)?;
        Ok(path)
    }

    fn derived_path(&self, from: &[(&Path, &Stamp)], what: &str) -> Option<PathBuf> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&FORMAT.to_le_bytes());
        for (file, stamp) in from {
            let file = fs::canonicalize(file).ok()?;
            hasher.update(&(file.as_os_str().len() as u64).to_le_bytes());
            hasher.update(file.as_os_str().as_encoded_bytes());
            hasher.update(stamp.numbers().map(|number| number.to_string()).join(" ").as_bytes());
        }
        hasher.update(what.as_bytes());
        Some(self.directory.join(format!("{}.{DERIVED}", hasher.finalize().to_hex())))
    }

    /// The path of the record about a file, which depends on the file's path and on the version of pydl, whose checks the file
    /// passed.
    fn memory_path(&self, file: &Path, ending: &str) -> Option<PathBuf> {
        let file = fs::canonicalize(file).ok()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&FORMAT.to_le_bytes());
        hasher.update(file.as_os_str().as_encoded_bytes());
        Some(self.directory.join(format!("{}.{ending}", hasher.finalize().to_hex())))
    }

    fn path(&self, key: &CacheKey, ending: &str) -> PathBuf {
        self.directory.join(format!("{}.{ending}", key.0))
    }

    /// Writes a file under a temporary name and renames it, so that a partial file is never visible. Returns the file's stamp.
    fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<Stamp> {
        // The file has no name until it is complete: a process that is killed meanwhile leaves nothing behind.
        let mut file = tempfile::tempfile_in(&self.directory)?;
        file.write_all(bytes)?;
        leave_to_disk(&file, bytes.len());
        let give_name = |name: &Path| -> io::Result<()> {
            let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(rustix::fs::linkat(CWD, unnamed, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
        };
        // A name that is taken cannot be given, so the file is first given another one.
        match tempfile::Builder::new().prefix(".new-").make_in(&self.directory, give_name) {
            Ok(named) => drop(named.into_temp_path().persist(path).map_err(|error| error.error)?),
            // The file system cannot name an unnamed file, or there is no `/proc`.
            Err(_) => return self.write_under_another_name(path, bytes),
        }
        // This is the stamp of this very file: another process may have put its own there since.
        Ok(Stamp::of(&file.metadata()?))
    }

    fn write_under_another_name(&self, path: &Path, bytes: &[u8]) -> io::Result<Stamp> {
        let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        temporary.write_all(bytes)?;
        leave_to_disk(temporary.as_file(), bytes.len());
        let file = temporary.persist(path).map_err(|error| error.error)?;
        Ok(Stamp::of(&file.metadata()?))
    }
}

/// Counts the changes of what is remembered that its key does not reflect: what makes a main module acceptable, what is in an
/// outline, how byte code is made. To be incremented with any such change. The key of compiled code contains the recipe of its
/// rewriting.
const FORMAT: u32 = 8;
/// The user who owns the folders with which all paths begin.
const ROOT: u32 = 0;
/// The sticky bit of file modes (stat(2)).
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const WRITABLE_BY_ALL: u32 = 0o002;

/// Ending of files with compiled code.
const CODE: &str = "cwasm";
/// Ending of files that were derived from others.
const DERIVED: &str = "derived";
/// Ending of the files that record main modules.
fn main_ending(kind: ProcessKind) -> &'static str {
    match kind {
        ProcessKind::Wasi => "main",
        ProcessKind::Emscripten(Interruption::Anywhere) => "emscripten",
        ProcessKind::Emscripten(Interruption::WhereAsked) => "asking",
    }
}

/// Ending of the files that record verified contents.
const VERIFIED: &str = "verified";
/// Ending of files with outlines of main modules.
const OUTLINE: &str = "outline";

/// The path of a file's seal.
fn seal_path(path: &Path) -> PathBuf {
    path.with_added_extension("seal")
}

/// The key by which an entry is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CacheKey(String);

/// Feeds wasmtime's compatibility hash into the key.
struct KeyHasher(blake3::Hasher);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

/// What the file system reports about a file; any write changes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Whether a file with this stamp may still be changed without its stamp changing: the file changed a moment ago, and the
    /// file system's clock has not advanced.
    pub(crate) fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        u64::try_from(self.changed.0).is_ok_and(|changed| changed.saturating_add(2) >= now)
    }

    fn numbers(&self) -> [i64; 7] {
        let Stamp { size, device, inode, modified, changed } = self;
        [
            size.cast_signed(),
            device.cast_signed(),
            inode.cast_signed(),
            modified.0,
            modified.1,
            changed.0,
            changed.1,
        ]
    }

    pub(crate) fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A line of text about a file, with the stamp that the file has as long as the line is true.
struct Seal {
    /// The checksum of an entry or of a list of hashes, or the key of a main module's contents: hexadecimal.
    text: String,
    stamp: Stamp,
}

impl Seal {
    fn checksum(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    fn read(path: &Path) -> Option<Seal> {
        let line = fs::read_to_string(path).ok()?;
        let mut fields = line.split_ascii_whitespace();
        let text = fields.next()?.to_owned();
        let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut number = || fields.next()?.parse::<i64>().ok();
        let stamp = Stamp {
            size: number()?.cast_unsigned(),
            device: number()?.cast_unsigned(),
            inode: number()?.cast_unsigned(),
            modified: (number()?, number()?),
            changed: (number()?, number()?),
        };
        is_hash.then_some(Seal { text, stamp })
    }

    fn write(&self, cache: &Cache, path: &Path) -> io::Result<()> {
        let numbers = self.stamp.numbers().map(|number| number.to_string()).join(" ");
        cache.write_whole(path, format!("{} {numbers}\n", self.text).as_bytes()).map(drop)
    }
}

/// The size in bytes from which a file is left to the disk.
const LARGE: usize = 1 << 20;

/// Writes a large file out to the disk, so that whatever needs it reads it anew. For a file that was just written, the system
/// holds long runs of pages together, and maps the whole run around a page that is used: a process then counts half as much
/// memory again for the code that it runs.
fn leave_to_disk(file: &fs::File, size: usize) {
    if size >= LARGE && file.sync_data().is_ok() {
        // This affects memory use only.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    fn cache() -> (tempfile::TempDir, Cache, Engine, CacheKey) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let engine = crate::compile::engine::engine(ProcessKind::Wasi).unwrap();
        let key = Cache::key(&engine, EMPTY, &Recipe::of([]));
        let module = Module::new(&engine, EMPTY).unwrap();
        cache.store(&key, &module).unwrap();
        (directory, cache, engine, key)
    }

    #[test]
    fn stored_entries_load() {
        let (_directory, cache, engine, key) = cache();
        assert!(cache.load(&engine, &key).is_some());
    }

    #[test]
    fn every_flipped_byte_makes_an_entry_absent() {
        let (_directory, cache, engine, key) = cache();
        let path = cache.path(&key, CODE);
        let good = fs::read(&path).unwrap();
        for position in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[position] ^= 0x40;
            fs::write(&path, &bad).unwrap();
            assert!(cache.load(&engine, &key).is_none(), "byte {position}");
        }
        fs::write(&path, &good).unwrap();
        assert!(cache.load(&engine, &key).is_some(), "rewritten as it was");
    }

    #[test]
    fn truncated_or_unsealed_entries_are_absent() {
        let (_directory, cache, engine, key) = cache();
        let path = cache.path(&key, CODE);
        let good = fs::read(&path).unwrap();
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(cache.load(&engine, &key).is_none());
        fs::write(&path, &good).unwrap();
        fs::remove_file(seal_path(&path)).unwrap();
        assert!(cache.load(&engine, &key).is_none());
    }

    #[test]
    fn directories_open_to_others_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Cache::open(directory.path()), Err(CacheError::NotPrivate { .. })));
    }
}
