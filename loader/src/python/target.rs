//! Owns how to determine which wheels a main module accepts: from the configuration that CPython's build wrote into its standard
//! library. Must not know wheels.

use std::path::{Path, PathBuf};

use super::tags::Target;
use crate::base::error::LoadError;
use crate::system::archive::Archive;

/// The file name of the standard library next to a Pyodide main module.
pub(crate) const STANDARD_LIBRARY: &str = "python_stdlib.zip";

/// Platforms had a name for each Emscripten version before they had a name for each ABI; Pyodide 0.27 accepts both.
const EMSCRIPTEN_OF_2024: (&str, &str) = ("2024_0", "emscripten_3_1_58_wasm32");
/// The first ABI that PEP 783 gives a name, though interpreters of that version do not know the name yet.
const FIRST_PYEMSCRIPTEN: &str = "2025_0";

/// A name in the configuration, as in `sysconfig.get_config_vars()`.
const VERSION: &str = "VERSION";
const MACHDEP: &str = "MACHDEP";
const PLATFORM_VERSION: &str = "PYEMSCRIPTEN_PLATFORM_VERSION";
const EXTENSION_SUFFIX: &str = "EXT_SUFFIX";
const PYODIDE_ABI: &str = "PYODIDE_ABI_VERSION";

impl Target {
    /// What the main module `main` accepts. Errs when there is no standard library next to it, and when the library does not
    /// specify it.
    pub(crate) fn of_main(main: &Path) -> Result<Target, LoadError> {
        Target::with_archive(main).map(|(target, _)| target)
    }

    /// What the main module `main` accepts, with its standard library. Errs as [`Target::of_main`] does.
    pub(super) fn with_archive(main: &Path) -> Result<(Target, Archive), LoadError> {
        let library = beside(main);
        if !library.is_file() {
            let why = format!(
                "it is not known which wheels fit: there is no {STANDARD_LIBRARY} beside it, as there is beside Pyodide's \
                 pyodide.asm.wasm"
            );
            return Err(LoadError::Archive { path: main.to_owned(), why });
        }
        let archive = Archive::open(&library)?;
        let refused = |why: String| LoadError::Archive { path: library.clone(), why };
        let is_configuration = |name: &str| {
            let rest = name.strip_prefix("_sysconfigdata_").and_then(|rest| rest.strip_suffix(".py"));
            rest.is_some_and(|rest| !rest.contains('/'))
        };
        let mut found = archive.entries().iter().enumerate().filter(|(_, e)| is_configuration(&e.name));
        let (Some((index, entry)), None) = (found.next(), found.next()) else {
            return Err(refused(
                "it does not have exactly one _sysconfigdata_*.py, so its ABI is not known".to_owned(),
            ));
        };
        let text = archive.read(index).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8_lossy(&text);
        let target = Target::of_configuration(&text);
        let target = target.map_err(|why| refused(format!("{}: {why}", entry.name)))?;
        Ok((target, archive))
    }

    /// Parses the text of a `_sysconfigdata_*.py`.
    fn of_configuration(text: &str) -> Result<Target, String> {
        if value(text, MACHDEP) != Some("emscripten") {
            return Err(format!("{MACHDEP} is not `emscripten`: wheels are for Emscripten's Python only"));
        }
        let version = value(text, VERSION).unwrap_or_default();
        let minor = version.strip_prefix("3.").and_then(|minor| minor.parse().ok());
        let minor = minor.ok_or_else(|| format!("{VERSION} is not a version of Python 3: {version:?}"))?;
        let is_abi = |abi: &&str| {
            !abi.is_empty() && abi.len() < 32 && abi.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        };
        let pyodide = value(text, PYODIDE_ABI).filter(is_abi);
        // ABIs begin with years, so that text order is chronological.
        let named_later = pyodide.filter(|abi| *abi >= FIRST_PYEMSCRIPTEN);
        let mut platforms = Vec::new();
        if let Some(abi) = value(text, PLATFORM_VERSION).filter(is_abi).or(named_later) {
            platforms.push(format!("pyemscripten_{abi}_wasm32"));
        }
        if let Some(abi) = pyodide {
            platforms.push(format!("pyodide_{abi}_wasm32"));
            let (year, alias) = EMSCRIPTEN_OF_2024;
            platforms.extend((abi == year).then(|| alias.to_owned()));
        }
        if platforms.is_empty() {
            return Err(format!(
                "neither {PLATFORM_VERSION} nor {PYODIDE_ABI} is set, so its ABI is not known"
            ));
        }
        let extension_suffix = value(text, EXTENSION_SUFFIX).map(str::to_owned);
        Ok(Target { minor, platforms, extension_suffix })
    }
}

/// Where the standard library of a main module would be.
fn beside(main: &Path) -> PathBuf {
    main.with_file_name(STANDARD_LIBRARY)
}

/// The value of a string in a dictionary that is formatted as CPython does: `'KEY': 'VALUE'`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("'{key}': '"))?;
    rest.split_once('\'').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(rest: &str) -> Result<Target, String> {
        Target::of_configuration(&format!(
            "build_time_vars = {{'ABIFLAGS': '', 'MACHDEP': 'emscripten'{rest}}}\n"
        ))
    }

    #[test]
    fn the_abi_is_what_the_build_wrote() {
        let new = target(
            ", 'VERSION': '3.14', 'PYODIDE_ABI_VERSION': '2026_0', 'PYEMSCRIPTEN_PLATFORM_VERSION': '2026_0', \
             'EXT_SUFFIX': '.cpython-314-wasm32-emscripten.so'",
        );
        let extension_suffix = Some(".cpython-314-wasm32-emscripten.so".to_owned());
        let platforms = ["pyemscripten_2026_0_wasm32", "pyodide_2026_0_wasm32"].map(str::to_owned).to_vec();
        assert_eq!(new, Ok(Target { minor: 14, platforms, extension_suffix }));
        let middle = target(", 'VERSION': '3.13', 'PYODIDE_ABI_VERSION': '2025_0'");
        let platforms = ["pyemscripten_2025_0_wasm32", "pyodide_2025_0_wasm32"].map(str::to_owned).to_vec();
        assert_eq!(middle, Ok(Target { minor: 13, platforms, extension_suffix: None }));
        let old = target(", 'VERSION': '3.12', 'PYODIDE_ABI_VERSION': '2024_0'");
        let platforms = ["pyodide_2024_0_wasm32", "emscripten_3_1_58_wasm32"].map(str::to_owned).to_vec();
        assert_eq!(old, Ok(Target { minor: 12, platforms, extension_suffix: None }));
    }

    #[test]
    fn nothing_is_guessed() {
        assert!(target(", 'VERSION': '3.14'").unwrap_err().contains("its ABI is not known"));
        assert!(target(", 'PYODIDE_ABI_VERSION': '2026_0'").unwrap_err().contains("VERSION"));
        assert!(target(", 'VERSION': '3.14', 'PYODIDE_ABI_VERSION': '../x'").is_err());
        assert!(
            Target::of_configuration("{'VERSION': '3.13', 'MACHDEP': 'wasi'}")
                .unwrap_err()
                .contains("MACHDEP")
        );
        let error = Target::of_main(Path::new("no/such/python.wasm")).unwrap_err().to_string();
        assert!(error.contains("no python_stdlib.zip beside it"), "{error}");
    }
}
