//! Owns the folder of fetched main modules: where it is, what is in it, and what `python@VERSION` stands for. Must not know
//! how they are fetched.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use pydl_loader::Installation;
use serde::Deserialize;

/// The files of Pyodide's npm package that make a main module.
pub const MAIN: &str = "pyodide.asm.wasm";
pub const STANDARD_LIBRARY: &str = "python_stdlib.zip";
pub const LOCK: &str = "pyodide-lock.json";
pub const MANIFEST: &str = "package.json";

/// The word for a fetched main module, alone or before `@VERSION`.
const WORD: &str = "python";

/// A release of Pyodide that pydl is tested with.
pub struct Release {
    /// Its version of Python, without the last part.
    pub python: &'static str,
    pub version: Version,
    /// The hash of its npm package (Subresource Integrity).
    pub integrity: &'static str,
}

/// The releases, the default first.
pub const RELEASES: [Release; 3] = [
    Release {
        python: "3.14",
        version: Version([314, 0, 7]),
        integrity: "sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==",
    },
    Release {
        python: "3.13",
        version: Version([0, 29, 3]),
        integrity: "sha512-22UBuhOJawj7vKUnS7/F3xK+515LJdjiMAHoCfuS6/PbHiOrSQVnYwDe+2sbVwiOZ3sMMexdXICew6NqOMQGgA==",
    },
    Release {
        python: "3.12",
        version: Version([0, 27, 7]),
        integrity: "sha512-RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA==",
    },
];

/// A version of Pyodide: three numbers. Older ones are smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version([u32; 3]);

impl Version {
    /// Reads `314.0.7`; `None` for anything else, such as a version of Python.
    pub fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split('.').map(|number| {
            let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| number.parse().ok()).flatten()
        });
        let version = Version([numbers.next()??, numbers.next()??, numbers.next()??]);
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
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

    /// Its version of Python, such as `3.14.2`.
    pub fn python(&self) -> Option<String> {
        locked_python(&self.folder.join(LOCK))
    }

    fn is_python(&self, wanted: &str) -> bool {
        self.python().is_some_and(|python| python.strip_prefix(wanted).is_some_and(|r| r.starts_with('.')))
    }
}

/// The folder in which fetched main modules lie.
pub struct Mains {
    folder: PathBuf,
}

impl Mains {
    /// `$PYDL_DATA_DIR`, or `pydl` in the user's data folder (XDG Base Directory Specification), and `python` in it.
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

    /// The folder. It need not be there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a version lies, or would.
    pub fn place(&self, version: Version) -> Fetched {
        Fetched { version, folder: self.folder.join(version.to_string()) }
    }

    /// What is there, the newest first.
    pub fn fetched(&self) -> Vec<Fetched> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let versions = entries.filter_map(|entry| Version::parse(entry.file_name().to_str()?));
        let mut fetched: Vec<Fetched> = versions.map(|version| self.place(version)).collect();
        fetched.retain(|fetched| fetched.main().is_file());
        fetched.sort_by_key(|fetched| std::cmp::Reverse(fetched.version));
        fetched
    }

    /// What `wanted` stands for: a version of Python (`3.14`) or of Pyodide (`314.0.7`), by default the newest. Errs, saying
    /// how to get it, when it is not there.
    pub fn find(&self, wanted: Option<&str>) -> Result<Fetched> {
        let mut fetched = self.fetched().into_iter();
        let found = match wanted {
            None => fetched.next(),
            Some(wanted) => match Version::parse(wanted) {
                Some(version) => fetched.find(|fetched| fetched.version == version),
                None => fetched.find(|fetched| fetched.is_python(wanted)),
            },
        };
        found.ok_or_else(|| match wanted {
            None => anyhow!("no main module was fetched yet; get one with `pydl python fetch`"),
            Some(wanted) => anyhow!(
                "{WORD}@{wanted} was not fetched; get it with `pydl python fetch {wanted}`, or see `pydl python list`"
            ),
        })
    }
}

/// The file that a command line means by MAIN: a path, or `python` and `python@VERSION` for one that was fetched. A file of
/// that name counts first.
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

/// The version of Python of a main module, such as `3.14.2` or `3.13`, by what lies beside it.
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
    let is_version = lock.info.python.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
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
    fn versions_have_three_numbers() {
        assert_eq!(Version::parse("314.0.7").map(|v| v.to_string()).as_deref(), Some("314.0.7"));
        for text in ["3.14", "", "a.b.c", "1.2.3.4", "../1", "1.+2.3", "1..2", "1.2.3-alpha.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
