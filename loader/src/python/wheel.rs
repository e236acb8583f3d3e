//! Owns wheels (PEP 427): archives whose contents are what their RECORD says, and where each file of them goes. A wheel is used
//! as it is; nothing is unpacked. Must not know main modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::record::{self, Recorded};
use super::tags::{Tag, WheelName, expand};
use crate::base::error::LoadError;
use crate::base::limits::ArchiveLimits;
use crate::compile::cache::Cache;
use crate::system::archive::{Archive, check_tree};

/// Files of the `dist-info` folder. The last two are signatures, which RECORD cannot list since they are created after it.
const RECORD: &str = "RECORD";
const EXEMPT: [&str; 3] = [RECORD, "RECORD.jws", "RECORD.p7s"];

/// A wheel whose names, sizes and list of files are correct. Whether the contents are, too, is checked by [`Wheel::verify`].
#[derive(Debug)]
pub(crate) struct Wheel {
    archive: Arc<Archive>,
    name: WheelName,
    /// The tags in its `WHEEL` file.
    inner_tags: BTreeSet<String>,
    /// The size and hash that each file must have, by its name in the archive.
    recorded: BTreeMap<String, Recorded>,
    /// The destination of each file, below `site-packages`, with its index in the archive.
    files: Vec<(String, usize)>,
    record: Arc<[u8]>,
}

impl Wheel {
    /// Opens a wheel and checks everything but the contents of its files, large ones of which a cache keeps. Errs, naming the
    /// wheel and the entry.
    pub(crate) fn open(
        path: &Path,
        limits: &ArchiveLimits,
        cache: Option<&Cache>,
    ) -> Result<Wheel, LoadError> {
        let refused = |why: String| LoadError::Archive { path: path.to_owned(), why };
        let file = path.file_name().and_then(|name| name.to_str());
        let file = file.ok_or_else(|| refused("its name is not UTF-8".to_owned()))?;
        let name = WheelName::parse(file).map_err(refused)?;
        let archive = Arc::new(Archive::open_within(path, limits)?.with_cache(cache));
        let contents = Contents::of(&archive, &name).map_err(refused)?;
        let inner_tags = contents.metadata().map_err(refused)?;
        let record = contents.read(RECORD).map_err(refused)?;
        let recorded = contents.recorded(&record).map_err(refused)?;
        let files = contents.files().map_err(refused)?;
        Ok(Wheel { archive, name, inner_tags, recorded, files, record })
    }

    /// What the wheel's file name says.
    pub(crate) fn name(&self) -> &WheelName {
        &self.name
    }

    /// The tags in the wheel's `WHEEL` file, where they are not those of its name; no installer follows them.
    pub(crate) fn differing_tags(&self) -> Option<impl Iterator<Item = &str>> {
        let differs = self.inner_tags != shown(self.name.tags());
        differs.then(|| self.inner_tags.iter().map(String::as_str))
    }

    /// The archive of the wheel.
    pub(crate) fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// The destination of each file, below `site-packages`, with its index in [`Archive::entries`]. Files that an installer puts
    /// elsewhere (scripts, headers and data of a `.data` folder) are left out.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.files.iter().map(|(path, index)| (path.as_str(), *index))
    }

    /// Errs unless all contents have the hashes in RECORD. That requires reading everything, so the cache remembers which files
    /// were found correct.
    pub(crate) fn verify(&self, cache: Option<&Cache>) -> Result<(), LoadError> {
        let (path, stamp) = (self.archive.path(), self.archive.stamp());
        if cache.is_some_and(|cache| cache.is_verified(path, stamp, &self.record)) {
            return Ok(());
        }
        // This is checked before the contents are read: any later write yields a different stamp.
        let was_fresh = stamp.is_fresh();
        for (index, entry) in self.archive.entries().iter().enumerate() {
            let Some(recorded) = self.recorded.get(&entry.name) else { continue };
            let mut hasher = recorded.hasher();
            let read = self.archive.unpack_into(index, |piece| hasher.update(piece));
            read.map_err(|error| LoadError::file(path, error))?;
            if !recorded.is_of(hasher) {
                let why = format!("{}: its hash is not the one in RECORD; get the wheel again", entry.name);
                return Err(LoadError::Archive { path: path.to_owned(), why });
            }
        }
        if let Some(cache) = cache.filter(|_| !was_fresh) {
            // It does no harm if that fails: the next process computes the hashes again.
            let _ = cache.remember_verified(path, stamp, &self.record);
        }
        Ok(())
    }
}

/// Tags as they are written.
fn shown(tags: &BTreeSet<Tag>) -> BTreeSet<String> {
    tags.iter().map(ToString::to_string).collect()
}

/// The archive of a wheel, with its folders identified.
struct Contents<'a> {
    archive: &'a Archive,
    /// The indices of all files, by name.
    places: BTreeMap<&'a str, usize>,
    /// The `NAME-VERSION` of `NAME-VERSION.dist-info` and `NAME-VERSION.data`.
    stem: &'a str,
}

impl<'a> Contents<'a> {
    /// Identifies the folders. Errs unless there is exactly one `dist-info` folder, with the same name and version as the file.
    fn of(archive: &'a Archive, name: &WheelName) -> Result<Contents<'a>, String> {
        let files = archive.entries().iter().enumerate().filter(|(_, entry)| !entry.is_folder);
        let places: BTreeMap<&str, usize> =
            files.map(|(index, entry)| (entry.name.as_str(), index)).collect();
        let stems = |ending: &str| {
            let folders = places.keys().filter_map(|path| Some(path.split_once('/')?.0));
            let mut stems: Vec<&str> = folders.filter_map(|folder| folder.strip_suffix(ending)).collect();
            stems.dedup();
            stems
        };
        let infos = stems(".dist-info");
        let [stem] = infos.as_slice() else {
            let found = if infos.is_empty() { "none".to_owned() } else { infos.join(", ") };
            return Err(format!("not a wheel: it should have one .dist-info folder, and has {found}"));
        };
        if !name.is_named_by(stem) {
            return Err(format!(
                "its folder {stem}.dist-info is of another project or version than its name"
            ));
        }
        if let Some(other) = stems(".data").iter().find(|data| *data != stem) {
            return Err(format!("its folder {other}.data is of another project or version than its name"));
        }
        let stem = *stem;
        Ok(Contents { archive, places, stem })
    }

    /// The contents of a file of the `dist-info` folder.
    fn read(&self, file: &str) -> Result<Arc<[u8]>, String> {
        let path = format!("{}.dist-info/{file}", self.stem);
        let index = self.places.get(path.as_str()).ok_or_else(|| format!("not a wheel: it has no {path}"))?;
        self.archive.read(*index).map_err(|error| error.to_string())
    }

    /// Checks `WHEEL`, and that there is a `METADATA`; returns the tags in `WHEEL`. They may differ from the file's name, which
    /// is what installers follow, and entries that have a default may be missing (pip, `utils/wheel.py`: `check_compatibility`,
    /// `wheel_root_is_purelib`).
    fn metadata(&self) -> Result<BTreeSet<String>, String> {
        self.read("METADATA")?;
        let text = self.read("WHEEL")?;
        let text = String::from_utf8_lossy(&text);
        let wrong = |why: &str| Err(format!("{}.dist-info/WHEEL: {why}", self.stem));
        let fields =
            || text.lines().filter_map(|line| line.split_once(':').map(|(k, v)| (k.trim(), v.trim())));
        let field = |key: &str| fields().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, v)| v);
        let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match field("Wheel-Version").map(major) {
            Some(Some(0 | 1)) => {}
            Some(_) => return wrong("its Wheel-Version is not 1.x, which is the one that is known"),
            None => return wrong("it has no Wheel-Version"),
        }
        let tags = fields().filter(|(key, _)| key.eq_ignore_ascii_case("Tag"));
        Ok(tags
            .flat_map(|(_, tag)| expand(tag).map_or_else(|| [tag.to_owned()].into(), |tags| shown(&tags)))
            .collect())
    }

    /// What `RECORD` says about the files. Errs unless it lists all of them and no others, each with the size it has.
    fn recorded(&self, record: &[u8]) -> Result<BTreeMap<String, Recorded>, String> {
        let path = format!("{}.dist-info/{RECORD}", self.stem);
        let wrong = |why: String| format!("{path}: {why}");
        let text = std::str::from_utf8(record).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let is_exempt = |path: &str| {
            EXEMPT.iter().any(|file| path.strip_prefix(self.stem) == Some(&format!(".dist-info/{file}")))
        };
        let recorded = record::parse(text, is_exempt).map_err(wrong)?;
        if let Some(absent) = recorded.keys().find(|path| !self.places.contains_key(path.as_str())) {
            return Err(wrong(format!("it lists {absent}, which is not in the wheel")));
        }
        for (name, index) in self.places.iter().filter(|(name, _)| !is_exempt(name)) {
            let size = self.archive.entries().get(*index).map(|entry| entry.size);
            match recorded.get(*name) {
                None => return Err(wrong(format!("it does not list {name}, which is in the wheel"))),
                Some(recorded) if Some(recorded.size) != size => {
                    return Err(wrong(format!(
                        "{name} should have {} bytes, and has {}",
                        recorded.size,
                        size.unwrap_or_default()
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(recorded)
    }

    /// The destination of each file.
    fn files(&self) -> Result<Vec<(String, usize)>, String> {
        let data = format!("{}.data/", self.stem);
        let mut files = Vec::with_capacity(self.places.len());
        for (name, index) in &self.places {
            match name.strip_prefix(&data).map(|rest| rest.split_once('/')) {
                None => files.push(((*name).to_owned(), *index)),
                Some(Some(("purelib" | "platlib", path))) => files.push((path.to_owned(), *index)),
                Some(Some(("scripts" | "headers" | "data", _))) => {}
                Some(_) => return Err(format!("entry {name}: this kind of data is not known")),
            }
        }
        check_tree(files.iter().map(|(path, _)| (path.as_str(), false)))
            .map_err(|path| format!("{path} would be in site-packages twice, or a file and a folder"))?;
        Ok(files)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::{Digest, Sha256};
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    const WHEEL: &str = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";

    /// A line of RECORD.
    fn line(name: &str, contents: &[u8]) -> String {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(contents));
        format!("{name},sha256={hash},{}\n", contents.len())
    }

    /// The files of a correct wheel `demo-1` that contains `files`.
    pub(in crate::python) fn good(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [("demo-1.dist-info/METADATA", "Name: demo\n"), ("demo-1.dist-info/WHEEL", WHEEL)];
        let all = files.iter().chain(&own).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let mut all: Vec<_> = all.collect();
        let record: String = all.iter().map(|(name, text)| line(name, text.as_bytes())).collect();
        all.push(("demo-1.dist-info/RECORD".to_owned(), record + "demo-1.dist-info/RECORD,,\n"));
        all
    }

    /// Writes an archive.
    pub(in crate::python) fn write(folder: &Path, name: &str, files: &[(String, String)]) -> PathBuf {
        let path = folder.join(name);
        let mut writer = ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, text) in files {
            writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    const NAME: &str = "demo-1-py3-none-any.whl";

    /// Why a wheel is refused whose files were changed by `change`.
    fn refusal(change: impl FnOnce(&mut Vec<(String, String)>)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut files = good(&[("demo/__init__.py", "x = 1\n")]);
        change(&mut files);
        let path = write(folder.path(), NAME, &files);
        match Wheel::open(&path, &ArchiveLimits::default(), None).and_then(|wheel| wheel.verify(None)) {
            Ok(()) => panic!("not refused"),
            Err(error) => error.to_string(),
        }
    }

    fn file<'a>(files: &'a mut [(String, String)], ending: &str) -> &'a mut String {
        &mut files.iter_mut().find(|(name, _)| name.ends_with(ending)).unwrap().1
    }

    #[test]
    fn files_go_where_installers_put_them() {
        let folder = tempfile::tempdir().unwrap();
        let files = good(&[
            ("demo/__init__.py", "x = 1\n"),
            ("demo-1.data/purelib/pure.py", "p"),
            ("demo-1.data/platlib/sub/plat.py", "q"),
            ("demo-1.data/scripts/tool", "#!python\n"),
            ("demo-1.data/data/share/man/x.1", "x"),
        ]);
        let wheel =
            Wheel::open(&write(folder.path(), NAME, &files), &ArchiveLimits::default(), None).unwrap();
        wheel.verify(None).unwrap();
        let mut paths: Vec<&str> = wheel.files().map(|(path, _)| path).collect();
        paths.sort_unstable();
        let info = ["demo-1.dist-info/METADATA", "demo-1.dist-info/RECORD", "demo-1.dist-info/WHEEL"];
        assert_eq!(paths, [&info[..], &["demo/__init__.py", "pure.py", "sub/plat.py"]].concat());
        let (_, index) = wheel.files().find(|(path, _)| *path == "sub/plat.py").unwrap();
        assert_eq!(*wheel.archive().read(index).unwrap(), *b"q");
    }

    #[test]
    fn what_record_does_not_say_is_refused() {
        for (change, why) in [
            (
                refusal(|files| *file(files, "__init__.py") = "x = 2\n".to_owned()),
                "demo/__init__.py: its hash",
            ),
            (
                refusal(|files| *file(files, "__init__.py") = "x\n".to_owned()),
                "should have 6 bytes, and has 2",
            ),
            (refusal(|files| files.push(("more.py".to_owned(), String::new()))), "does not list more.py"),
            (
                refusal(|files| files.retain(|(name, _)| name != "demo/__init__.py")),
                "which is not in the wheel",
            ),
            (
                refusal(|files| files.retain(|(name, _)| !name.ends_with("RECORD"))),
                "it has no demo-1.dist-info/RECORD",
            ),
            (refusal(|files| file(files, "RECORD").push_str("x,md5=AAAA,0\n")), "sha256 or longer"),
        ] {
            assert!(change.contains(why), "{change}");
            assert!(change.contains(NAME), "{change}");
        }
    }

    #[test]
    fn folders_and_tags_must_be_those_of_the_name() {
        let rename = |files: &mut Vec<(String, String)>, new: &str| {
            for (name, _) in files {
                *name = name.replace("demo-1.dist-info", new);
            }
        };
        for (change, why) in [
            (refusal(|files| rename(files, "demo-2.dist-info")), "of another project or version"),
            (refusal(|files| rename(files, "other")), "has none"),
            (refusal(|files| files.push(("x-1.dist-info/a".to_owned(), String::new()))), "has demo-1, x-1"),
            (refusal(|files| *file(files, "/WHEEL") = "Tag: py3-none-any\n".to_owned()), "no Wheel-Version"),
            (refusal(|files| *file(files, "/WHEEL") = WHEEL.replace("1.0", "2.0")), "is not 1.x"),
            (
                refusal(|files| files.retain(|(name, _)| !name.ends_with("METADATA"))),
                "it has no demo-1.dist-info/METADATA",
            ),
        ] {
            assert!(change.contains(why), "{change}");
        }
    }

    #[test]
    fn tags_are_those_of_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let open = |text: &str| {
            let mut files = good(&[]);
            file(&mut files, "/WHEEL").replace_range(.., text);
            let record = line("demo-1.dist-info/WHEEL", text.as_bytes());
            let lines = file(&mut files, "/RECORD");
            let lines_of_others = lines.lines().filter(|line| !line.contains("/WHEEL,"));
            *lines = lines_of_others.chain([record.trim_end(), ""]).collect::<Vec<_>>().join("\n");
            let wheel =
                Wheel::open(&write(folder.path(), NAME, &files), &ArchiveLimits::default(), None).unwrap();
            wheel.verify(None).unwrap();
            wheel.differing_tags().map(|tags| tags.map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(open(WHEEL), None);
        assert_eq!(open(&WHEEL.replace("py3-none", "py3.py3-none")), None);
        assert_eq!(open(&WHEEL.replace("py3-none", "cp314-none")).unwrap(), ["cp314-none-any"]);
        // This is as in fcx-image 0.1.0.
        let platform = WHEEL.replace("py3-none-any", "pyodide_2026_0");
        assert_eq!(open(&platform).unwrap(), ["pyodide_2026_0"]);
        // These are entries that have a default, or that are older.
        assert_eq!(open("Wheel-Version: 0.9\nTag: py3-none-any\n"), None);
    }

    #[test]
    fn a_verified_wheel_is_remembered_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let path = write(folder.path(), NAME, &good(&[("demo.py", "x = 1\n")]));
        let wheel = Wheel::open(&path, &ArchiveLimits::default(), None).unwrap();
        let (stamp, record) = (wheel.archive().stamp().clone(), wheel.record.clone());
        assert!(!cache.is_verified(&path, &stamp, &record));
        cache.remember_verified(&path, &stamp, &record).unwrap();
        assert!(cache.is_verified(&path, &stamp, &record));
        assert!(!cache.is_verified(&path, &stamp, b"another"));
        write(folder.path(), NAME, &good(&[("demo.py", "x = 12\n")]));
        let wheel = Wheel::open(&path, &ArchiveLimits::default(), None).unwrap();
        assert!(!cache.is_verified(&path, wheel.archive().stamp(), &wheel.record));
    }
}
