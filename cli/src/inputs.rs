//! Owns what the arguments of `pydl deps` stand for: files, wheels with the files in them, and folders with either; and where
//! libraries are found among them. Must not know what is in the files.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::iter;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use pydl_linker::{
    FileIdentity, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, ParseError, ParsedModule,
    Requester,
};
use pydl_loader::{LoadError, WheelFile, open_regular_file};

use crate::render::text::printable;

/// The most bytes of room that a file is given at once, whatever size it reports, and the most bytes that are read from a file
/// that reports no size.
const LARGEST: usize = 1 << 30;
/// How deep folders are searched.
pub const DEEPEST: usize = 64;

/// A file on which there is no report: it cannot be read, or is not a WebAssembly module.
#[derive(Debug)]
pub struct Unreadable {
    /// Path of the file.
    pub path: String,
    /// What is wrong with the file.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.path), printable(&self.why))
    }
}

/// A file that may be a side module.
#[derive(Debug)]
pub struct Candidate {
    /// The path shown in messages; in a wheel, the wheel's path and the file's own in `site-packages`.
    pub path: String,
    /// Where its contents are.
    pub place: Place,
}

/// Where the contents of a file are.
#[derive(Debug)]
pub enum Place {
    /// A separate file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Whether the user named the file itself, rather than a folder that contains it.
        is_named: bool,
    },
    /// A file in a wheel.
    Wheel {
        /// Index of the wheel.
        wheel: usize,
        /// Number of the file in the wheel.
        number: usize,
        /// Path of the file below `site-packages`.
        inner: String,
    },
}

/// A wheel among the arguments.
#[derive(Debug)]
pub struct GivenWheel {
    /// The path shown in messages.
    pub path: String,
    /// The opened wheel, or why a process would refuse it whatever it is for.
    pub file: Result<WheelFile, LoadError>,
}

/// What to report on, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    /// One of the candidates.
    Candidate(usize),
    /// One of the wheels, after the candidates in it.
    Wheel(usize),
}

/// What the arguments stand for.
#[derive(Debug, Default)]
pub struct Inputs {
    /// All candidates.
    pub candidates: Vec<Candidate>,
    /// All wheels.
    pub wheels: Vec<GivenWheel>,
    /// The order of reports.
    pub items: Vec<Item>,
    /// The files that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

impl Inputs {
    /// Searches folders and wheels. A file that is named itself counts whatever its name is.
    pub fn of(paths: &[PathBuf]) -> Inputs {
        let mut inputs = Inputs::default();
        for path in paths {
            if !path.is_dir() {
                inputs.add(path, true);
                continue;
            }
            let mut found = Vec::new();
            inputs.walk(path, 0, &mut found);
            if found.is_empty() {
                inputs.unreadable(path, &"there is no side module and no wheel in this folder");
            }
            for path in found {
                inputs.add(&path, false);
            }
        }
        inputs
    }

    fn unreadable(&mut self, path: &Path, why: &impl ToString) {
        self.unreadable.push(Unreadable { path: path.display().to_string(), why: why.to_string() });
    }

    /// The files of a folder and its subfolders, in sorted order. Links to folders are not followed: they may form cycles.
    fn walk(&mut self, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) if depth < DEEPEST => entries,
            Ok(_) => return self.unreadable(folder, &"folders are nested too deep"),
            Err(error) => return self.unreadable(folder, &error),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|ty| ty.is_dir());
            if is_folder {
                self.walk(&path, depth + 1, found);
            } else if is_wheel(&path) || is_library_name(&entry.file_name().to_string_lossy()) {
                found.push(path);
            }
        }
    }

    fn add(&mut self, path: &Path, is_named: bool) {
        if !is_wheel(path) {
            let place = Place::File { path: path.to_owned(), is_named };
            return self.candidate(Candidate { path: path.display().to_string(), place });
        }
        // A missing file is reported as such before its name is judged.
        if let Err(error) = fs::metadata(path) {
            return self.unreadable(path, &error);
        }
        let file = match WheelFile::open(path) {
            Ok(file) => Ok(file),
            Err(LoadError::File { error, .. }) => return self.unreadable(path, &error),
            Err(error) => Err(error),
        };
        let wheel = self.wheels.len();
        let given = GivenWheel { path: path.display().to_string(), file };
        for (inner, number) in given.file.iter().flat_map(WheelFile::files) {
            if is_library_name(inner) {
                let place = Place::Wheel { wheel, number, inner: inner.to_owned() };
                self.candidate(Candidate { path: format!("{}/{inner}", given.path), place });
            }
        }
        self.wheels.push(given);
        self.items.push(Item::Wheel(wheel));
    }

    fn candidate(&mut self, candidate: Candidate) {
        self.items.push(Item::Candidate(self.candidates.len()));
        self.candidates.push(candidate);
    }

    /// Reads one of the candidates.
    pub fn read(&self, position: usize) -> Result<FoundLibrary, Unreadable> {
        let Some(candidate) = self.candidates.get(position) else {
            return Err(Unreadable { path: String::new(), why: "no such file".to_owned() });
        };
        let read = match &candidate.place {
            Place::File { path, is_named } => open(path, *is_named).and_then(read),
            Place::Wheel { wheel, number, .. } => match self.wheels.get(*wheel).map(|wheel| &wheel.file) {
                Some(Ok(file)) => file.read(*number).map(|bytes| (None, bytes)),
                _ => Err(io::Error::other("the wheel cannot be read")),
            },
        };
        match read {
            Ok((identity, bytes)) => Ok(FoundLibrary { path: candidate.path.clone(), identity, bytes }),
            Err(error) => Err(Unreadable { path: candidate.path.clone(), why: error.to_string() }),
        }
    }
}

/// Opens a file. A file that a user has named may also be a pipe, such as `/dev/stdin`; in folders, only regular files count.
pub fn open(path: &Path, is_named: bool) -> io::Result<File> {
    if is_named { File::open(path) } else { open_regular_file(path) }
}

/// Reads the whole of a file that a user has named. Errs as [`read`] does, and names the file.
pub fn read_named(path: &Path) -> anyhow::Result<Arc<[u8]>> {
    let (_, bytes) = open(path, true).and_then(read).with_context(|| path.display().to_string())?;
    Ok(bytes)
}

/// Reads the text of a regular file. Errs as [`read_named`] does, and when it is not UTF-8.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let (_, bytes) = open(path, false).and_then(read).with_context(|| path.display().to_string())?;
    String::from_utf8(bytes.to_vec()).with_context(|| path.display().to_string())
}

/// Reads a file, with the identity by which it is recognized under another path. Errs when it has far more bytes than the size that it
/// reports: above all, when it has no end.
pub fn read(mut file: File) -> io::Result<(Option<FileIdentity>, Arc<[u8]>)> {
    let metadata = file.metadata()?;
    let identity = FileIdentity { device: metadata.dev(), inode: metadata.ino() };
    // The bytes are read to where they stay: a large file should not be in memory twice. A pipe reports a size of 0, and a file
    // may grow.
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(LARGEST);
    let mut bytes: Arc<[u8]> = iter::repeat_n(0, size).collect();
    let count = Arc::get_mut(&mut bytes).map_or(Ok(0), |room| fill(&mut file, room))?;
    let mut rest = Vec::new();
    file.take(LARGEST as u64 + 1).read_to_end(&mut rest)?;
    if rest.len() > LARGEST {
        return Err(io::Error::other(format!("it has more than {LARGEST} bytes")));
    }
    if count < size || !rest.is_empty() {
        bytes = [bytes.get(..count).unwrap_or_default(), &rest].concat().into();
    }
    Ok((Some(identity), bytes))
}

/// Reads until there is no more room, or nothing more to read; returns the number of bytes read.
fn fill(file: &mut File, room: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(left) = room.get_mut(count..).filter(|left| !left.is_empty()) {
        match file.read(left) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn is_wheel(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "whl")
}

/// Whether files of this name are side modules, judging by the name: `x.so`, `libx.so.1`, `x.wasm`.
pub fn is_library_name(path: &str) -> bool {
    let (_, name) = split(path);
    let versioned = name.split_once(".so.").is_some_and(|(_, version)| {
        version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let extension = Path::new(name).extension();
    versioned || extension.is_some_and(|extension| extension == "so" || extension == "wasm")
}

/// The folder and the file name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Finds NEEDED libraries, and caches their parsed contents.
pub struct Libraries<'a> {
    inputs: &'a Inputs,
    /// The folders of `--library-path`.
    folders: &'a [PathBuf],
    by_path: BTreeMap<&'a str, usize>,
    by_folder_and_name: BTreeMap<(&'a str, &'a str), usize>,
    by_name: BTreeMap<&'a str, usize>,
    /// Files in wheels, by their path below `site-packages`, which wheels share.
    in_wheels: BTreeMap<&'a str, usize>,
    known: BTreeMap<String, (FoundLibrary, Option<Arc<ParsedModule>>)>,
}

impl<'a> Libraries<'a> {
    /// Searches `folders` first, and then `inputs`.
    pub fn new(inputs: &'a Inputs, folders: &'a [PathBuf]) -> Libraries<'a> {
        let mut libraries = Libraries {
            inputs,
            folders,
            by_path: BTreeMap::new(),
            by_folder_and_name: BTreeMap::new(),
            by_name: BTreeMap::new(),
            in_wheels: BTreeMap::new(),
            known: BTreeMap::new(),
        };
        for (position, candidate) in inputs.candidates.iter().enumerate() {
            libraries.by_path.entry(&candidate.path).or_insert(position);
            match &candidate.place {
                Place::Wheel { inner, .. } => {
                    libraries.in_wheels.entry(inner).or_insert(position);
                }
                Place::File { .. } => {
                    let (folder, name) = split(&candidate.path);
                    libraries.by_folder_and_name.entry((folder, name)).or_insert(position);
                    libraries.by_name.entry(name).or_insert(position);
                }
            }
        }
        libraries
    }

    /// The first file in a folder of `--library-path`.
    fn in_folders(&mut self, name: &str, tried: &mut Vec<(String, String)>) -> Option<FoundLibrary> {
        for folder in self.folders {
            let path = folder.join(name);
            let shown = path.display().to_string();
            if let Some((known, _)) = self.known.get(&shown) {
                return Some(known.clone());
            }
            match open_regular_file(&path).and_then(read) {
                Ok((identity, bytes)) => {
                    let found = FoundLibrary { path: shown.clone(), identity, bytes };
                    self.known.insert(shown, (found.clone(), None));
                    return Some(found);
                }
                Err(error) => LibraryNotFound::note(tried, shown, error.to_string()),
            }
        }
        None
    }

    /// The file that a runtime path leads to, from a library in a wheel.
    fn along_runtime_path(
        &self,
        requester: &Requester,
        name: &str,
        tried: &mut Vec<(String, String)>,
    ) -> Option<usize> {
        let candidate = self.inputs.candidates.get(*self.by_path.get(requester.path.as_str())?)?;
        let Place::Wheel { inner, .. } = &candidate.place else { return None };
        let wheel = candidate.path.strip_suffix(inner.as_str())?;
        for folder in requester.folders() {
            let path = format!("{folder}/{name}");
            let resolved = path.strip_prefix(wheel).and_then(|path| beneath("", path));
            match resolved.as_deref().and_then(|path| self.in_wheels.get(path)) {
                Some(position) => return Some(*position),
                None => LibraryNotFound::note(tried, path, "not in the wheel"),
            }
        }
        None
    }

    /// The file in the same folder, or the first one of that name.
    fn among_files(&self, requester: &Requester, name: &str) -> Option<usize> {
        let (folder, _) = split(&requester.path);
        self.by_folder_and_name.get(&(folder, name)).or_else(|| self.by_name.get(name)).copied()
    }
}

impl LibrarySource for Libraries<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let (_, name) = split(request.name);
        let mut tried = Vec::new();
        if let Some(found) = self.in_folders(name, &mut tried) {
            return Ok(found);
        }
        let found = request.requester.and_then(|requester| {
            let beside = self.along_runtime_path(requester, name, &mut tried);
            beside.or_else(|| self.among_files(requester, name))
        });
        if let Some(position) = found {
            let known =
                self.inputs.candidates.get(position).and_then(|candidate| self.known.get(&candidate.path));
            if let Some((known, _)) = known {
                return Ok(known.clone());
            }
            match self.inputs.read(position) {
                Ok(found) => {
                    self.known.insert(found.path.clone(), (found.clone(), None));
                    return Ok(found);
                }
                Err(error) => LibraryNotFound::note(&mut tried, error.path, error.why),
            }
        }
        let requester = request.requester.map(|requester| requester.path.clone());
        Err(LibraryNotFound { name: request.name.to_owned(), requester, tried })
    }

    /// Libraries that satisfy NEEDED entries are parsed once; there are too many other files to cache them.
    fn parse(&mut self, found: &FoundLibrary) -> Result<Arc<ParsedModule>, ParseError> {
        let Some((_, known)) = self.known.get_mut(&found.path) else {
            return ParsedModule::parse(&found.bytes).map(Arc::new);
        };
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let module = Arc::new(ParsedModule::parse(&found.bytes)?);
        *known = Some(module.clone());
        Ok(module)
    }
}

/// The path that `rest` leads to from `folder`; `None` when it leads above the top.
fn beneath(folder: &str, rest: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in rest.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_libraries() {
        for name in ["a.so", "dir/a.cpython-314-wasm32-emscripten.so", "libz.so.1.2", "x.wasm"] {
            assert!(is_library_name(name), "{name}");
        }
        for name in ["a.sox", "a.so.py", "a.so.", "a.py", "so"] {
            assert!(!is_library_name(name), "{name}");
        }
    }

    #[test]
    fn runtime_paths_stay_beneath_site_packages() {
        assert_eq!(beneath("a/b", "/../../a.libs/x.so").as_deref(), Some("a.libs/x.so"));
        assert_eq!(beneath("a", "/./x.so").as_deref(), Some("a/x.so"));
        assert_eq!(beneath("a", "/../../x.so"), None);
    }

    #[test]
    fn folders_are_walked_in_sorted_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("b")).unwrap();
        for name in ["b/x.so", "c.so", "a.wasm", "b/readme.txt"] {
            fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b/again")).unwrap();
        let inputs = Inputs::of(&[root.to_owned()]);
        let paths: Vec<_> = inputs.candidates.iter().map(|found| Path::new(&found.path)).collect();
        assert_eq!(paths, ["a.wasm", "b/x.so", "c.so"].map(|name| root.join(name)));
        assert!(inputs.unreadable.is_empty());
        let empty = root.join("empty");
        fs::create_dir(&empty).unwrap();
        assert_eq!(Inputs::of(&[empty]).unreadable.len(), 1);
    }
}
