//! Owns the folder of fetched main modules: where it is, what is in it, and what `python@VERSION` stands for. Must not know how
//! they are fetched.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use pydl_loader::Installation;
use serde::Deserialize;

/// The main module in Pyodide's npm package; the files named next complete it.
pub const MAIN: &str = "pyodide.asm.wasm";
pub const STANDARD_LIBRARY: &str = "python_stdlib.zip";
pub const LOCK: &str = "pyodide-lock.json";
pub const MANIFEST: &str = "package.json";

/// The word for a fetched main module, alone or before `@VERSION`.
const WORD: &str = "python";

/// A release of Pyodide that pydl is tested with.
pub struct Release {
    /// The release's version of Python, without the last part.
    pub python: &'static str,
    pub version: Version,
    /// The hash of the release's npm package (Subresource Integrity).
    pub integrity: &'static str,
}

/// The releases, the default first; pre-releases come last.
pub const RELEASES: [Release; 4] = [
    Release {
        python: "3.14",
        version: Version::release(314, 0, 7),
        integrity: "sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==",
    },
    Release {
        python: "3.13",
        version: Version::release(0, 29, 3),
        integrity: "sha512-22UBuhOJawj7vKUnS7/F3xK+515LJdjiMAHoCfuS6/PbHiOrSQVnYwDe+2sbVwiOZ3sMMexdXICew6NqOMQGgA==",
    },
    Release {
        python: "3.12",
        version: Version::release(0, 27, 7),
        integrity: "sha512-RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA==",
    },
    Release {
        python: "3.15",
        version: Version { numbers: [315, 0, 0], stage: Stage::Alpha(2) },
        integrity: "sha512-t2S0rr9u1B2XHfooqGbOPT7EelM3kWkj1pJBgtVCn9Am6a1ByuU5FPq0wJHeapgyUM+r8MTx/1YRTXo3DaG2KA==",
    },
];

/// A version of Pyodide, as npm writes it. Older versions compare as smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version {
    numbers: [u32; 3],
    stage: Stage,
}

/// The stage of a version (Semantic Versioning 2.0.0, rule 9).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stage {
    Alpha(u32),
    Beta(u32),
    Candidate(u32),
    Release,
}

impl Version {
    const fn release(major: u32, minor: u32, patch: u32) -> Version {
        Version { numbers: [major, minor, patch], stage: Stage::Release }
    }

    /// Parses `314.0.7` or `315.0.0-alpha.2`; `None` for anything else, such as a version of Python.
    pub fn parse(text: &str) -> Option<Version> {
        let number = |text: &str| -> Option<u32> {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse().ok()).flatten()
        };
        let (numbers, stage) = match text.split_once('-') {
            None => (text, Stage::Release),
            Some((numbers, stage)) => {
                let (word, count) = stage.split_once('.')?;
                let count = number(count)?;
                let stage = match word {
                    "alpha" => Stage::Alpha(count),
                    "beta" => Stage::Beta(count),
                    "rc" => Stage::Candidate(count),
                    _ => return None,
                };
                (numbers, stage)
            }
        };
        let mut numbers = numbers.split('.').map(number);
        let version = Version { numbers: [numbers.next()??, numbers.next()??, numbers.next()??], stage };
        numbers.next().is_none().then_some(version)
    }

    /// Whether the version precedes the release of its number. Such a version is used when it is named, and never in place of
    /// another.
    pub fn is_pre_release(self) -> bool {
        self.stage != Stage::Release
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        match self.stage {
            Stage::Alpha(count) => write!(f, "-alpha.{count}"),
            Stage::Beta(count) => write!(f, "-beta.{count}"),
            Stage::Candidate(count) => write!(f, "-rc.{count}"),
            Stage::Release => Ok(()),
        }
    }
}

/// A fetched main module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    pub version: Version,
    pub folder: PathBuf,
}

impl Fetched {
    /// The file to run.
    pub fn main(&self) -> PathBuf {
        self.folder.join(MAIN)
    }

    /// The version of Python, such as `3.14.2`.
    pub fn python(&self) -> Option<String> {
        locked_python(&self.folder.join(LOCK))
    }

    fn is_python(&self, wanted: &str) -> bool {
        self.python().is_some_and(|python| python.strip_prefix(wanted).is_some_and(|r| r.starts_with('.')))
    }
}

/// The folder that contains fetched main modules.
pub struct Mains {
    folder: PathBuf,
}

impl Mains {
    /// The folder `python` in `$PYDL_DATA_DIR`, or in `pydl` in the user's data folder (XDG Base Directory Specification).
    pub fn of_user() -> Result<Mains> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = variable("PYDL_DATA_DIR").or_else(|| {
            let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
            Some(data?.join("pydl"))
        });
        let data = data.ok_or_else(|| {
            anyhow!("there is no folder for main modules: set HOME, or PYDL_DATA_DIR to a folder of your own")
        })?;
        Ok(Mains { folder: data.join(WORD) })
    }

    /// The path of the folder, which need not exist.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a version lies, or would lie.
    pub fn place(&self, version: Version) -> Fetched {
        Fetched { version, folder: self.folder.join(version.to_string()) }
    }

    /// The fetched main modules, the newest first.
    pub fn fetched(&self) -> Vec<Fetched> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let versions = entries.filter_map(|entry| Version::parse(entry.file_name().to_str()?));
        let mut fetched: Vec<Fetched> = versions.map(|version| self.place(version)).collect();
        fetched.retain(|fetched| fetched.main().is_file());
        fetched.sort_by_key(|fetched| std::cmp::Reverse(fetched.version));
        fetched
    }

    /// The main module that `wanted` stands for: a version of Python (`3.14`) or of Pyodide (`314.0.7`), by default the newest
    /// release. A release takes precedence over a pre-release of the same Python. Errs, with how to get it, when it has not been
    /// fetched.
    pub fn find(&self, wanted: Option<&str>) -> Result<Fetched> {
        let mut fetched = self.fetched();
        fetched.sort_by_key(|fetched| fetched.version.is_pre_release());
        let pre_release = fetched.iter().find(|fetched| fetched.version.is_pre_release()).cloned();
        let mut fetched = fetched.into_iter();
        let found = match wanted {
            None => fetched.find(|fetched| !fetched.version.is_pre_release()),
            Some(wanted) => match Version::parse(wanted) {
                Some(version) => fetched.find(|fetched| fetched.version == version),
                None => fetched.find(|fetched| fetched.is_python(wanted)),
            },
        };
        found.ok_or_else(|| match (wanted, pre_release) {
            (None, Some(pre_release)) => anyhow!(
                "only a pre-release was fetched, which is to be named: {WORD}@{}; get the newest release with `pydl python fetch`",
                pre_release.version
            ),
            (None, None) => anyhow!("no main module was fetched yet; get one with `pydl python fetch`"),
            (Some(wanted), _) => anyhow!(
                "{WORD}@{wanted} was not fetched; get it with `pydl python fetch {wanted}`, or see `pydl python list`"
            ),
        })
    }
}

/// The file that a command line means by MAIN: a path, or `python` and `python@VERSION` for a fetched main module. A file of that
/// name takes precedence.
pub fn resolve(main: &Path) -> Result<PathBuf> {
    let wanted = match main.to_str() {
        Some(WORD) => None,
        Some(text) => match text.strip_prefix(WORD).and_then(|rest| rest.strip_prefix('@')) {
            Some(version) => Some(version),
            None => return Ok(main.to_owned()),
        },
        None => return Ok(main.to_owned()),
    };
    if main.is_file() {
        return Ok(main.to_owned());
    }
    Ok(Mains::of_user()?.find(wanted)?.main())
}

/// The version of Python of a main module, such as `3.14.2` or `3.13`, according to the files next to it.
pub fn python_version(main: &Path) -> Option<String> {
    let of_installation = || Some(Installation::beside(main)?.version().to_owned());
    locked_python(&main.with_file_name(LOCK)).or_else(of_installation)
}

/// The version of Python that a `pyodide-lock.json` is for.
fn locked_python(path: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Lock {
        info: Info,
    }
    #[derive(Deserialize)]
    struct Info {
        python: String,
    }
    let lock: Lock = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    // A release candidate has a version such as `3.15.0rc1`.
    let is_version = lock.info.python.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    is_version.then_some(lock.info.python)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mains(versions: &[(&str, &str)]) -> (tempfile::TempDir, Mains) {
        let folder = tempfile::tempdir().unwrap();
        for (version, python) in versions {
            let place = folder.path().join(version);
            fs::create_dir(&place).unwrap();
            fs::write(place.join(MAIN), "").unwrap();
            let lock = format!(r#"{{"info": {{"python": "{python}", "arch": "wasm32"}}, "packages": {{}}}}"#);
            fs::write(place.join(LOCK), lock).unwrap();
        }
        let mains = Mains { folder: folder.path().to_owned() };
        (folder, mains)
    }

    #[test]
    fn versions_are_of_python_or_of_pyodide() {
        let (folder, mains) = mains(&[("0.29.3", "3.13.2"), ("314.0.7", "3.14.2"), ("0.29.10", "3.13.2")]);
        fs::create_dir(folder.path().join(".new-1")).unwrap();
        let find = |wanted| mains.find(wanted).map(|fetched| fetched.version.to_string()).ok();
        assert_eq!(find(None).as_deref(), Some("314.0.7"));
        assert_eq!(find(Some("3.13")).as_deref(), Some("0.29.10"));
        assert_eq!(find(Some("0.29.3")).as_deref(), Some("0.29.3"));
        assert_eq!(find(Some("3.1")), None);
        let error = mains.find(Some("3.12")).unwrap_err().to_string();
        assert!(error.contains("pydl python fetch 3.12"), "{error}");
    }

    #[test]
    fn pre_releases_are_taken_when_they_are_named() {
        let (_folder, mains) = mains(&[("315.0.0-alpha.2", "3.15.0rc1"), ("314.0.7", "3.14.2")]);
        let find = |wanted| mains.find(wanted).map(|fetched| fetched.version.to_string()).ok();
        assert_eq!(find(None).as_deref(), Some("314.0.7"));
        for wanted in ["3.15", "315.0.0-alpha.2"] {
            assert_eq!(find(Some(wanted)).as_deref(), Some("315.0.0-alpha.2"));
        }
        fs::remove_dir_all(mains.folder().join("314.0.7")).unwrap();
        let error = mains.find(None).unwrap_err().to_string();
        assert!(error.contains("python@315.0.0-alpha.2"), "{error}");
        // The release comes first, though it is older than the next release's pre-release.
        for (version, python) in [("315.0.0", "3.15.0"), ("315.0.1-rc.1", "3.15.1rc1")] {
            let place = mains.folder().join(version);
            fs::create_dir(&place).unwrap();
            fs::write(place.join(MAIN), "").unwrap();
            fs::write(place.join(LOCK), format!(r#"{{"info": {{"python": "{python}"}}}}"#)).unwrap();
        }
        assert_eq!(mains.find(Some("3.15")).unwrap().version.to_string(), "315.0.0");
    }

    #[test]
    fn versions_are_in_order() {
        let versions = [
            "0.29.3",
            "314.0.7",
            "315.0.0-alpha.2",
            "315.0.0-alpha.10",
            "315.0.0-beta.1",
            "315.0.0-rc.1",
            "315.0.0",
        ];
        let parsed: Vec<Version> = versions.iter().map(|text| Version::parse(text).unwrap()).collect();
        assert!(parsed.is_sorted(), "{parsed:?}");
        assert!(parsed.iter().zip(versions).all(|(version, text)| version.to_string() == text));
    }

    #[test]
    fn versions_have_three_numbers() {
        assert_eq!(Version::parse("314.0.7").map(|v| v.to_string()).as_deref(), Some("314.0.7"));
        for text in [
            "3.14",
            "",
            "a.b.c",
            "1.2.3.4",
            "../1",
            "1.+2.3",
            "1..2",
            "1.2.3-dev.1",
            "1.2.3-alpha",
            "1.2.3-alpha.1/..",
        ] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
