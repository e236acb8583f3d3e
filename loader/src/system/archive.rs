//! Owns zip archives that are read in place: what may be in one, and how an entry is read. Names and sizes are checked when an archive is
//! opened, so that whatever holds one may use the names as paths beneath a folder. Must not know what the entries are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zip::CompressionMethod;
use zip::read::ZipArchive;
use zip::result::ZipError;

use crate::base::error::LoadError;
use crate::base::host_file::open_regular_file;
use crate::base::limits::ArchiveLimits;
use crate::compile::cache::{Cache, Stamp};

/// Deflate makes at most 258 bytes of two bits (RFC 1951); zlib's manual gives 1032 as the limit of the ratio.
const MAX_RATIO: u64 = 1032;

/// The number of bytes from which unpacking contents takes milliseconds longer than reading them from a file of their own.
const WORTH_KEEPING: u64 = 1 << 20;

/// One entry of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ArchiveEntry {
    /// Its name: components separated by `/`, none of them empty, `.` or `..`, without a `/` at either end.
    pub name: String,
    /// Its unpacked size in bytes.
    pub size: u64,
    /// Whether it is a folder, which has no contents.
    pub is_folder: bool,
    /// Whether it has to be unpacked.
    pub is_packed: bool,
    /// When it was last modified, if the archive says so. Archives have local times without a zone, taken as UTC here.
    pub modified: Option<SystemTime>,
}

/// A zip file whose entries can be read, by several threads at once.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    stamp: Stamp,
    zip: ZipArchive<Window>,
    entries: Vec<ArchiveEntry>,
    /// The cache that keeps large contents.
    cache: Option<Cache>,
}

impl Archive {
    /// Opens an archive and reads its directory, nothing else. Errs, naming the archive and the entry, when an entry could end up outside
    /// the folder that the archive is for, cannot be read, or is larger than it can be.
    pub(crate) fn open(path: &Path) -> Result<Archive, LoadError> {
        Archive::open_within(path, &ArchiveLimits::default())
    }

    /// Opens an archive as [`Archive::open`] does; errs also when it contains more than `limits` allow.
    pub(crate) fn open_within(path: &Path, limits: &ArchiveLimits) -> Result<Archive, LoadError> {
        let file_error = |error| LoadError::file(path, error);
        let refused = |why: String| LoadError::Archive { path: path.to_owned(), why };
        let file = open_regular_file(path).map_err(file_error)?;
        let metadata = file.metadata().map_err(file_error)?;
        let window = Window::new(file, metadata.len());
        let zip = ZipArchive::new(window.clone().reading_at_most(limits.directory));
        let zip = zip.map_err(|error| refused(not_a_zip(&error)))?;
        if zip.has_duplicate_names() {
            let name = duplicate_name(window, zip.central_directory_start()).unwrap_or_default();
            return Err(refused(format!("entry {name}: it is there twice")));
        }
        if zip.len() > limits.entries {
            return Err(refused(format!(
                "it has {} entries, and {} is the limit",
                zip.len(),
                limits.entries
            )));
        }
        let entries = entries(&zip, metadata.len(), limits).map_err(refused)?;
        Ok(Archive { path: path.to_owned(), stamp: Stamp::of(&metadata), zip, entries, cache: None })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file system reported about the file when it was opened.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The entries, in the order of the directory.
    pub(crate) fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    /// This archive with a cache, which keeps large contents once they are unpacked.
    pub(crate) fn with_cache(self, cache: Option<&Cache>) -> Archive {
        // A file that may change unnoticed is no key for a cache.
        let cache = cache.filter(|_| !self.stamp.is_fresh()).cloned();
        Archive { cache, ..self }
    }

    /// The contents of an entry, by its index in [`Archive::entries`]; from the cache if they were unpacked before. Takes no more memory
    /// than the size of the entry. Errs when the contents are damaged or not of that size.
    pub(crate) fn read(&self, index: usize) -> io::Result<Arc<[u8]>> {
        self.read_unless(index, &|| false)
    }

    /// Reads an entry, as [`Archive::read`] does; errs with [`io::ErrorKind::Interrupted`] once `is_over` returns that the contents are no
    /// longer wanted.
    pub(crate) fn read_unless(&self, index: usize, is_over: &dyn Fn() -> bool) -> io::Result<Arc<[u8]>> {
        let entry = self.entries.get(index).filter(|entry| entry.is_packed && entry.size >= WORTH_KEEPING);
        let (Some(entry), Some(cache)) = (entry, &self.cache) else { return self.unpack(index, is_over) };
        let files = [(self.path.as_path(), &self.stamp)];
        let kept = cache.derived(&files, &entry.name).and_then(|path| File::open(path).ok());
        if let Some(bytes) = kept.and_then(|file| read_exactly(file, entry.size, is_over).ok()) {
            return Ok(bytes);
        }
        let bytes = self.unpack(index, is_over)?;
        // Failing to keep them, on a full disk for example, only costs the next process some milliseconds.
        let _ = cache.keep_derived(&files, &entry.name, &bytes);
        Ok(bytes)
    }

    /// Unpacks an entry from the archive itself, without the cache.
    fn unpack(&self, index: usize, is_over: &dyn Fn() -> bool) -> io::Result<Arc<[u8]>> {
        self.with_contents(index, |contents, size| read_exactly(contents, size, is_over))
    }

    /// Unpacks an entry and passes it to `take` in pieces, none of which is kept.
    pub(crate) fn unpack_into(&self, index: usize, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.with_contents(index, |contents, size| {
            let mut piece = vec![0; 64 << 10];
            let mut left = size;
            loop {
                let count = contents.read(&mut piece)?;
                left = left.checked_sub(count as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
                match count {
                    0 if left == 0 => return Ok(()),
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => take(&piece[..count]),
                }
            }
        })
    }

    fn with_contents<T>(
        &self,
        index: usize,
        read: impl FnOnce(&mut dyn Read, u64) -> io::Result<T>,
    ) -> io::Result<T> {
        let entry = self.entries.get(index).ok_or_else(|| io::Error::other("no such entry"))?;
        let damaged = |why: &str| {
            let text = format!("{}: {}: {why}", self.path.display(), entry.name);
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        // A clone shares the directory but has a position of its own.
        let mut zip = self.zip.clone();
        let mut contents = zip.by_index(index).map_err(|error| damaged(&error.to_string()))?;
        read(&mut contents, entry.size).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            io::ErrorKind::UnexpectedEof => {
                damaged(&format!("its contents are not the {} bytes they should be", entry.size))
            }
            _ => damaged(&error.to_string()),
        })
    }
}

/// Reads `size` bytes and then the end of the stream, where the checksum of an entry is compared.
fn read_exactly(mut from: impl Read, size: u64, is_over: &dyn Fn() -> bool) -> io::Result<Arc<[u8]>> {
    /// A number of bytes that takes some milliseconds to read.
    const PIECE: usize = 4 << 20;
    let size = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    if let Some(bytes) = Arc::get_mut(&mut bytes) {
        for piece in bytes.chunks_mut(PIECE) {
            if is_over() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            from.read_exact(piece)?;
        }
    }
    match from.read(&mut [0])? {
        0 => Ok(bytes),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The entries, checked. Errs with a description of the first bad one.
fn entries(
    zip: &ZipArchive<Window>,
    file_size: u64,
    limits: &ArchiveLimits,
) -> Result<Vec<ArchiveEntry>, String> {
    let mut entries = Vec::with_capacity(zip.len());
    let (mut total, mut packed) = (0_u64, 0_u64);
    for index in 0..zip.len() {
        let found = zip.by_index_data(index).map_err(|error| not_a_zip(&error))?;
        let raw = String::from_utf8_lossy(found.name_raw()).into_owned();
        let name = checked_name(found.name_raw()).map_err(|why| format!("entry {raw:?}: {why}"))?;
        let refused = |why: &str| Err(format!("entry {name}: {why}"));
        if found.encrypted() {
            return refused("it is encrypted");
        }
        if found.unix_mode().is_some_and(is_special) {
            return refused("it is a symbolic link or another special file");
        }
        let is_folder = raw.ends_with('/');
        let (size, compressed) = (found.size(), found.compressed_size());
        let fits = match found.compression() {
            CompressionMethod::Stored => size == compressed,
            CompressionMethod::Deflated => size <= compressed.saturating_mul(MAX_RATIO),
            other => return refused(&format!("its compression ({other}) is not supported")),
        };
        total = total.saturating_add(size);
        packed = packed.saturating_add(compressed);
        if size > limits.entry || total > limits.total {
            let ArchiveLimits { entry, total, .. } = limits;
            return refused(&format!(
                "too large: {entry} bytes is the limit for one entry, and {total} for all"
            ));
        }
        // Entries that overlap, or contents that cannot result from so few bytes, are made to fill memory.
        if !fits || packed > file_size || (is_folder && size != 0) {
            return refused("its size cannot be right");
        }
        let modified = found.last_modified().and_then(time_of);
        let is_packed = found.compression() != CompressionMethod::Stored;
        entries.push(ArchiveEntry { name, size, is_folder, is_packed, modified });
    }
    // A name with and without a `/` at its end is the same path, and a file cannot contain files.
    let paths = entries.iter().map(|entry| (entry.name.as_str(), entry.is_folder));
    check_tree(paths).map_err(|name| format!("entry {name}: it is there twice, or a file and a folder"))?;
    Ok(entries)
}

/// A name as a relative path, without the `/` that marks a folder.
fn checked_name(raw: &[u8]) -> Result<String, &'static str> {
    let name = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8")?;
    if name.contains('\0') {
        return Err("its name has a NUL byte");
    }
    if name.contains('\\') {
        return Err("its name has a backslash");
    }
    if name.starts_with('/') {
        return Err("its path is absolute");
    }
    if name.as_bytes().get(1) == Some(&b':') {
        return Err("its path has a drive letter");
    }
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Err("its path has an empty component, a `.` or a `..`");
    }
    Ok(name.to_owned())
}

/// Errs with the first path that is impossible: one that occurs twice, or a file with something inside it. The second item of each pair is
/// whether the path is a folder.
pub(crate) fn check_tree<'a>(paths: impl IntoIterator<Item = (&'a str, bool)>) -> Result<(), &'a str> {
    let mut tree: BTreeMap<&str, bool> = BTreeMap::new();
    for (path, is_folder) in paths {
        if tree.insert(path, is_folder).is_some() {
            return Err(path);
        }
    }
    let in_a_file = |path: &str| {
        let ends = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
        ends.into_iter().any(|above| tree.get(above) == Some(&false))
    };
    tree.keys().find(|path| in_a_file(path)).map_or(Ok(()), |path| Err(path))
}

/// Whether mode bits (stat(2)) are those of something that is neither a file nor a folder.
fn is_special(mode: u32) -> bool {
    const TYPE: u32 = 0o170_000;
    const FILE: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    !matches!(mode & TYPE, 0 | FILE | FOLDER)
}

fn time_of(time: zip::DateTime) -> Option<SystemTime> {
    let small = |number: u8| i8::try_from(number).ok();
    let time = jiff::civil::DateTime::new(
        i16::try_from(time.year()).ok()?,
        small(time.month())?,
        small(time.day())?,
        small(time.hour())?,
        small(time.minute())?,
        small(time.second())?,
        0,
    );
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(time.ok()?).ok()?.as_second();
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

fn not_a_zip(error: &ZipError) -> String {
    match error {
        ZipError::Io(error) => format!("its directory of entries cannot be read: {error}"),
        error => format!("not a zip archive, or cut short: {error}"),
    }
}

/// A name that occurs twice in the directory at `start`. The `zip` crate keeps each name once, so the directory is read again.
fn duplicate_name(mut directory: impl Read + Seek, start: u64) -> Option<String> {
    // Lengths of name, extra field and comment are at these offsets of a header (APPNOTE 4.3.12).
    const LENGTHS: [usize; 3] = [28, 30, 32];
    directory.seek(SeekFrom::Start(start)).ok()?;
    let mut directory = io::BufReader::new(directory);
    let mut seen = BTreeSet::new();
    loop {
        let mut header = [0; 46];
        directory.read_exact(&mut header).ok()?;
        if !header.starts_with(b"PK\x01\x02") {
            return None;
        }
        let [name, extra, comment] = LENGTHS.map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
        let mut name = vec![0; usize::from(name)];
        directory.read_exact(&mut name).ok()?;
        directory.seek_relative(i64::from(extra) + i64::from(comment)).ok()?;
        let text = String::from_utf8_lossy(&name).into_owned();
        if !seen.insert(name) {
            return Some(text);
        }
    }
}

/// A file that is read at a position of its own, so that clones do not move one another, and in pieces: a directory of entries is read
/// field by field.
#[derive(Debug)]
struct Window {
    file: Arc<File>,
    size: u64,
    position: u64,
    /// The bytes of the file from `piece_start` on.
    piece: Vec<u8>,
    piece_start: u64,
    /// How many bytes may still be read; clones have no such limit.
    left: u64,
}

impl Window {
    /// The most bytes of a piece. Larger reads bypass it.
    const PIECE: u64 = 32 << 10;

    fn new(file: File, size: u64) -> Window {
        let (piece, left) = (Vec::new(), u64::MAX);
        Window { file: Arc::new(file), size, position: 0, piece, piece_start: 0, left }
    }

    /// This window, with a limit on the bytes that are read; reading beyond it fails.
    fn reading_at_most(self, left: u64) -> Window {
        Window { left, ..self }
    }

    /// Counts bytes that were read. Errs beyond the limit.
    fn count(&mut self, bytes: usize) -> io::Result<()> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or_else(|| io::Error::other("it is larger than 32 MiB, or not there"))?;
        Ok(())
    }

    /// The rest of the piece from the current position on.
    fn rest_of_piece(&self) -> &[u8] {
        let offset =
            self.position.checked_sub(self.piece_start).and_then(|offset| usize::try_from(offset).ok());
        offset.and_then(|offset| self.piece.get(offset..)).unwrap_or_default()
    }

    /// Reads the piece at the current position.
    fn fill(&mut self) -> io::Result<()> {
        let left = self.size.saturating_sub(self.position).min(Self::PIECE);
        self.piece.resize(usize::try_from(left).unwrap_or_default(), 0);
        let count = self.file.read_at(&mut self.piece, self.position);
        self.piece.truncate(*count.as_ref().unwrap_or(&0));
        self.piece_start = self.position;
        count.map(drop)
    }
}

impl Clone for Window {
    fn clone(&self) -> Window {
        let Window { file, size, position, .. } = self;
        let (piece, left) = (Vec::new(), u64::MAX);
        Window { file: file.clone(), size: *size, position: *position, piece, piece_start: 0, left }
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest_of_piece().is_empty() {
            if buffer.len() as u64 >= Self::PIECE {
                let count = self.file.read_at(buffer, self.position)?;
                self.count(count)?;
                self.position = self.position.saturating_add(count as u64);
                return Ok(count);
            }
            self.fill()?;
            self.count(self.piece.len())?;
        }
        let count = self.rest_of_piece().read(buffer)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.size.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek outside of the file"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn plain() -> SimpleFileOptions {
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
    }

    /// An archive of files with these names; the contents of each file are its name.
    fn zip_of(names: &[&str], options: SimpleFileOptions) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = ZipWriter::new(file.as_file_mut());
        for name in names {
            writer.start_file(*name, options).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn refusal(file: &Path) -> String {
        Archive::open(file).unwrap_err().to_string()
    }

    #[test]
    fn an_archive_beyond_its_limits_is_refused() {
        let file = zip_of(&["one", "other"], plain());
        let within = |change: fn(&mut ArchiveLimits)| {
            let mut limits = ArchiveLimits::default();
            change(&mut limits);
            Archive::open_within(file.path(), &limits).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(within(|limits| (limits.entry, limits.total, limits.entries) = (5, 8, 2)), Ok(()));
        let refusals: [(fn(&mut ArchiveLimits), _); 4] = [
            (|limits| limits.entry = 4, "entry other: too large: 4 bytes is the limit for one entry"),
            (|limits| limits.total = 7, "and 7 for all"),
            (|limits| limits.entries = 1, "it has 2 entries, and 1 is the limit"),
            (|limits| limits.directory = 10, "directory"),
        ];
        for (change, why) in refusals {
            let error = within(change).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn entries_are_read_in_place() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let file = zip_of(&["a/b.txt", "c"], SimpleFileOptions::default().compression_method(method));
            let archive = Arc::new(Archive::open(file.path()).unwrap());
            assert_eq!(
                archive.entries().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(),
                ["a/b.txt", "c"]
            );
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        assert_eq!(*archive.read(1).unwrap(), *b"c");
                        assert_eq!(*archive.read(0).unwrap(), *b"a/b.txt");
                    });
                }
            });
            assert!(archive.read(2).is_err());
        }
    }

    #[test]
    fn a_directory_that_would_take_gigabytes_is_not_read_to_its_end() {
        // As many entries as 64 MiB have room for, in the zip64 form, all of them the same empty file.
        const ENTRY: usize = 47;
        let count = (64 << 20) / ENTRY;
        let mut header = [0_u8; ENTRY];
        header[..4].copy_from_slice(b"PK\x01\x02");
        (header[28], header[46]) = (1, b'a');
        let directory = header.repeat(count);
        let (count, size) = ((count as u64).to_le_bytes(), (directory.len() as u64).to_le_bytes());
        let zeros = [0; 8];
        let end64 = [
            &b"PK\x06\x06"[..],
            &44_u64.to_le_bytes(),
            &[45, 0, 45, 0],
            &zeros,
            &count,
            &count,
            &size,
            &zeros,
        ];
        let locator = [&b"PK\x06\x07"[..], &[0; 4], &size, &[1, 0, 0, 0]];
        let end = [&b"PK\x05\x06"[..], &[0; 4], &[0xff; 12], &[0; 2]];
        let file = tempfile::NamedTempFile::new().unwrap();
        let parts = [directory, end64.concat(), locator.concat(), end.concat()];
        std::fs::write(file.path(), parts.concat()).unwrap();
        let refusal = refusal(file.path());
        assert!(refusal.contains("larger than 32 MiB"), "{refusal}");
    }

    #[test]
    fn large_contents_are_unpacked_once() {
        let wheel = "../testdata/wheels/pydantic_core-2.50.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl";
        let wheel = Path::new(env!("CARGO_MANIFEST_DIR")).join(wheel);
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let archive = Archive::open(&wheel).unwrap().with_cache(Some(&cache));
        let large = archive.entries().iter().position(|entry| entry.size >= WORTH_KEEPING).unwrap();
        let contents = archive.unpack(large, &|| false).unwrap();
        let kept = || {
            let files = std::fs::read_dir(cache.directory()).unwrap().map(|file| file.unwrap().path());
            files.filter(|file| file.extension().is_some_and(|it| it == "derived")).collect::<Vec<_>>()
        };
        assert!(kept().is_empty());
        for _ in 0..2 {
            assert!(archive.read(large).unwrap() == contents);
            assert_eq!(kept().len(), 1);
        }
        std::fs::write(&kept()[0], b"damaged").unwrap();
        assert!(archive.read(large).unwrap() == contents, "what was damaged counts as absent");
        // Unpacking stops once the contents are no longer wanted.
        let ended = archive.unpack(large, &|| true).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::Interrupted);
        assert!(std::fs::read(&kept()[0]).unwrap() == *contents, "and is made again");
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in [
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/./x",
            "./x",
            "a//x",
            "a\\x",
            "C:/x",
            "c:x",
            "a\0b",
            "a/..",
        ] {
            let file = zip_of(&[name], plain());
            let why = refusal(file.path());
            assert!(why.contains("entry "), "{name}: {why}");
        }
    }

    #[test]
    fn a_file_is_no_folder_and_nothing_is_there_twice() {
        let file = zip_of(&["a", "a/b"], plain());
        assert!(refusal(file.path()).contains("a file and a folder"));
        // The writer refuses to write a name twice, so an entry is renamed to another of the same length.
        let file = zip_of(&["one.py", "two.py"], plain());
        let text = std::fs::read(file.path()).unwrap();
        let mut text = text;
        for at in 0..text.len() - 6 {
            if text[at..].starts_with(b"two.py") {
                text[at..at + 6].copy_from_slice(b"one.py");
            }
        }
        std::fs::write(file.path(), text).unwrap();
        assert!(refusal(file.path()).contains("entry one.py: it is there twice"), "{}", refusal(file.path()));
    }

    #[test]
    fn symbolic_links_are_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = ZipWriter::new(file.as_file_mut());
        writer.add_symlink("link", "/etc/passwd", plain()).unwrap();
        writer.finish().unwrap();
        assert!(refusal(file.path()).contains("entry link: it is a symbolic link"));
    }

    #[test]
    fn sizes_that_cannot_be_right_are_refused() {
        let file = zip_of(&["entry"], plain());
        let good = std::fs::read(file.path()).unwrap();
        let header = (0..good.len()).find(|&at| good[at..].starts_with(b"PK\x01\x02")).unwrap();
        // The size in the central directory is at offset 24 of a header, the compressed size at 20 (APPNOTE 4.3.12).
        for (offset, size) in [(24, 0x7fff_ffff_u32), (24, 6), (20, 0x7fff_ffff)] {
            let mut bad = good.clone();
            bad[header + offset..header + offset + 4].copy_from_slice(&size.to_le_bytes());
            std::fs::write(file.path(), bad).unwrap();
            let why = refusal(file.path());
            assert!(why.contains("its size cannot be right") || why.contains("too large"), "{why}");
        }
    }

    #[test]
    fn what_is_damaged_is_an_error_not_other_contents() {
        let file = zip_of(&["some/entry.py"], plain());
        let good = std::fs::read(file.path()).unwrap();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            std::fs::write(file.path(), bad).unwrap();
            let Ok(archive) = Archive::open(file.path()) else { continue };
            if archive.entries()[0].name == "some/entry.py"
                && let Ok(contents) = archive.read(0)
            {
                assert_eq!(*contents, *b"some/entry.py", "byte {position}");
            }
        }
        for length in 0..good.len() {
            std::fs::write(file.path(), &good[..length]).unwrap();
            assert!(Archive::open(file.path()).is_err(), "{length}");
        }
    }
}
