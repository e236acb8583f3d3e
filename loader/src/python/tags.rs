//! Owns the names of wheels and which of them a main module accepts: compatibility tags (PEP 425), file names (PEP 427), and the
//! tags of Emscripten (PEP 783). The rule is that of `packaging.tags`, by which pip installs. Must not know files.

use std::collections::BTreeSet;
use std::fmt;

/// One combination of interpreter, ABI and platform, such as `cp314-cp314-any`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Tag {
    pub interpreter: String,
    pub abi: String,
    pub platform: String,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.interpreter, self.abi, self.platform)
    }
}

/// The combinations that `text` stands for: each of the three parts may contain several words, separated by dots (PEP 425,
/// compressed tag sets). `None` when it does not have three parts, or a word is empty.
pub(crate) fn expand(text: &str) -> Option<BTreeSet<Tag>> {
    let parts: Vec<&str> = text.split('-').collect();
    let [interpreters, abis, platforms] = parts.as_slice() else { return None };
    if parts.iter().any(|part| part.split('.').any(str::is_empty)) {
        return None;
    }
    let mut tags = BTreeSet::new();
    for interpreter in interpreters.split('.') {
        for abi in abis.split('.') {
            for platform in platforms.split('.') {
                let word = |word: &str| word.to_ascii_lowercase();
                tags.insert(Tag { interpreter: word(interpreter), abi: word(abi), platform: word(platform) });
            }
        }
    }
    Some(tags)
}

/// What the file name of a wheel says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WheelName {
    project: String,
    version: String,
    tags: BTreeSet<Tag>,
}

impl WheelName {
    /// Parses `PROJECT-VERSION(-BUILD)?-INTERPRETERS-ABIS-PLATFORMS.whl`. Errs with what is wrong.
    pub(crate) fn parse(file: &str) -> Result<WheelName, String> {
        let form = "a wheel's name is PROJECT-VERSION-PYTHON-ABI-PLATFORM.whl, perhaps with a build number after VERSION";
        let wrong = |why: &str| format!("{why}: {form}");
        let stem = file.strip_suffix(".whl").ok_or_else(|| wrong("it does not end in .whl"))?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (project, version, tag) = match parts.as_slice() {
            [project, version, tag @ ..] if tag.len() == 3 => (project, version, tag),
            [project, version, build, tag @ ..] if tag.len() == 3 => {
                if !build.starts_with(|first: char| first.is_ascii_digit()) {
                    return Err(wrong("its build number does not begin with a digit"));
                }
                (project, version, tag)
            }
            _ => return Err(wrong("its name does not have five parts, or six")),
        };
        if project.is_empty() || version.is_empty() {
            return Err(wrong("a part of its name is empty"));
        }
        let tags = expand(&tag.join("-")).ok_or_else(|| wrong("a part of its name is empty"))?;
        let (project, version) = ((*project).to_owned(), (*version).to_owned());
        Ok(WheelName { project, version, tags })
    }

    /// The combinations that the wheel is for.
    pub(crate) fn tags(&self) -> &BTreeSet<Tag> {
        &self.tags
    }

    /// Whether `stem`, as in the folder `STEM.dist-info`, names the same version of the same project.
    pub(crate) fn is_named_by(&self, stem: &str) -> bool {
        stem.rsplit_once('-').is_some_and(|(project, version)| {
            normal(project) == normal(&self.project) && normal(version) == normal(&self.version)
        })
    }
}

/// A name in the form in which names are compared: lower case, with runs of separators replaced by one (PEP 503; versions differ
/// in how builders escape their separators).
fn normal(name: &str) -> String {
    let words = name.split(['-', '_', '.', '+']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// The wheels that a main module accepts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// The `N` of Python `3.N`.
    pub minor: u32,
    /// The platforms, the preferred one first; `any` is always among them.
    pub platforms: Vec<String>,
    /// The ending of the file names of the Python's own extension modules, such as `.cpython-314-wasm32-emscripten.so`, if it is
    /// specified.
    pub extension_suffix: Option<String>,
}

impl Target {
    /// Whether a wheel for this combination can be installed.
    fn takes(&self, tag: &Tag) -> bool {
        let minor =
            |prefix: &str| tag.interpreter.strip_prefix(prefix).and_then(|minor| minor.parse::<u32>().ok());
        let is_own = minor("cp3") == Some(self.minor);
        // Every later version keeps `abi3`, which began with Python 3.2.
        let is_older = minor("cp3").is_some_and(|minor| (2..=self.minor).contains(&minor));
        let is_generic = tag.interpreter == "py3" || minor("py3").is_some_and(|minor| minor <= self.minor);
        let is_platform = self.platforms.contains(&tag.platform);
        match tag.abi.as_str() {
            "none" if is_generic || is_own => is_platform || tag.platform == "any",
            "abi3" => is_older && is_platform,
            abi => is_own && is_platform && abi == format!("cp3{}", self.minor),
        }
    }

    /// Errs when the main module cannot accept the wheel, with what the wheel is for and what would fit.
    pub(crate) fn fits(&self, wheel: &WheelName) -> Result<(), String> {
        if wheel.tags.iter().any(|tag| self.takes(tag)) {
            return Ok(());
        }
        let tags: Vec<&Tag> = wheel.tags.iter().collect();
        let is_for = match tags.as_slice() {
            [tag] => described(tag),
            tags => tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        Err(format!(
            "it is for {is_for}; this main module takes cp3{}, abi3 and py3 wheels for {}, and py3 wheels for any",
            self.minor,
            self.platforms.join(" or "),
        ))
    }
}

/// A combination in words, where there are words for it.
fn described(tag: &Tag) -> String {
    let version = |word: &str| {
        let (major, minor) = word.get(2..)?.split_at_checked(1)?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(major) && is_number(minor)).then(|| format!("{major}.{minor}"))
    };
    match version(&tag.interpreter) {
        Some(version) if tag.abi == tag.interpreter && tag.interpreter.starts_with("cp") => {
            format!("CPython {version} on {}", tag.platform)
        }
        Some(version) if tag.abi == "abi3" => format!("CPython {version} or newer on {}", tag.platform),
        _ => tag.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            minor: 14,
            platforms: vec!["pyemscripten_2026_0_wasm32".to_owned(), "pyodide_2026_0_wasm32".to_owned()],
            extension_suffix: None,
        }
    }

    fn fits(tags: &str) -> bool {
        target().fits(&WheelName::parse(&format!("a-1-{tags}.whl")).unwrap()).is_ok()
    }

    #[test]
    fn wheels_fit_as_packaging_has_it() {
        for tags in [
            "cp314-cp314-pyemscripten_2026_0_wasm32",
            "cp314-cp314-pyodide_2026_0_wasm32",
            "cp314-abi3-pyemscripten_2026_0_wasm32",
            "cp310-abi3-pyemscripten_2026_0_wasm32",
            "cp32-abi3-pyemscripten_2026_0_wasm32",
            "cp314-none-pyemscripten_2026_0_wasm32",
            "cp314-none-any",
            "py3-none-any",
            "py2.py3-none-any",
            "py310-none-any",
            "py314-none-pyemscripten_2026_0_wasm32",
            "cp313.cp314-cp313.cp314-pyemscripten_2025_0_wasm32.pyemscripten_2026_0_wasm32",
        ] {
            assert!(fits(tags), "{tags}");
        }
        for tags in [
            "cp313-cp313-pyemscripten_2025_0_wasm32",
            "cp314-cp314-pyemscripten_2025_0_wasm32",
            "cp314-cp314t-pyemscripten_2026_0_wasm32",
            "cp315-abi3-pyemscripten_2026_0_wasm32",
            "cp31-abi3-pyemscripten_2026_0_wasm32",
            "cp313-none-any",
            "cp314-cp314-any",
            "cp314-abi3-any",
            "py315-none-any",
            "py2-none-any",
            "pp311-pypy311_pp73-pyemscripten_2026_0_wasm32",
            "cp314-cp314-manylinux_2_28_x86_64",
        ] {
            assert!(!fits(tags), "{tags}");
        }
    }

    #[test]
    fn a_misfit_says_what_would_fit() {
        let wheel = WheelName::parse("awkward_cpp-57-cp313-cp313-pyemscripten_2025_0_wasm32.whl").unwrap();
        assert_eq!(
            target().fits(&wheel).unwrap_err(),
            "it is for CPython 3.13 on \
             pyemscripten_2025_0_wasm32; this main module takes cp314, abi3 and py3 wheels for \
             pyemscripten_2026_0_wasm32 or pyodide_2026_0_wasm32, and py3 wheels for any"
        );
    }

    #[test]
    fn names_have_five_parts_or_six() {
        assert!(WheelName::parse("a-1-2build-py3-none-any.whl").is_ok());
        for name in
            ["a-1-py3-none-any.zip", "a-1-none-any.whl", "a-1-b-py3-none-any.whl", "a-1-2-3-py3-none-any.whl"]
        {
            assert!(WheelName::parse(name).is_err(), "{name}");
        }
        assert!(WheelName::parse("a-1-py3..py2-none-any.whl").is_err());
        assert!(WheelName::parse("-1-py3-none-any.whl").is_err());
    }

    #[test]
    fn separators_and_case_do_not_count() {
        let wheel = WheelName::parse("Ruamel.yaml_x-1.0+local-py3-none-any.whl").unwrap();
        assert!(wheel.is_named_by("ruamel_yaml_x-1.0_local"));
        assert!(!wheel.is_named_by("ruamel_yaml_x-1.1"));
        assert!(!wheel.is_named_by("other-1.0+local"));
    }
}
