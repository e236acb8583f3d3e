//! Owns `pydl-python`: Python's own command line, for tools that start `python`. Finds the main module and the environment
//! around it, and shows the guest the current folder. Must not know how a guest is run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use crate::args::{self, Arguments, Run, ShownFolder};
use crate::commands::run;
use crate::mains;

/// The file that makes a folder a virtual environment (PEP 405).
pub const CONFIGURATION: &str = "pyvenv.cfg";
/// The key in that file that names the main module.
pub const MAIN_KEY: &str = "pydl-main";

/// The variable that names the main module when there is no environment.
const MAIN_VARIABLE: &str = "PYDL_PYTHON";

/// Prefixes of variables that tell Python and its tools how to behave. Nothing else of the environment is shown.
const VARIABLES: [&str; 9] =
    ["PYTHON", "PYTEST_", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LC_", "LANG"];
/// Those among them that name places of the machine's own Python.
const OF_THE_MACHINE: [&str; 3] = ["PYTHONHOME", "PYTHONEXECUTABLE", "PYTHONUSERBASE"];

/// Runs Python with the arguments of a whole command line, program name first.
pub fn run(mut line: Vec<OsString>) -> Result<ExitCode> {
    let program = if line.is_empty() { OsString::new() } else { line.remove(0) };
    let environment = environment(&program)?;
    let main = match (&environment, std::env::var_os(MAIN_VARIABLE).filter(|value| !value.is_empty())) {
        (Some(environment), _) => environment.main.clone(),
        (None, Some(main)) => mains::resolve(Path::new(&main))?,
        (None, None) => mains::resolve(Path::new("python"))?,
    };
    let here = std::env::current_dir().context("the current folder")?;
    let here = here.to_str().ok_or_else(|| anyhow!("the current folder: its path is not UTF-8"))?;
    let variables = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_shown));
    let script = args::script(&line);
    run::run(&Run {
        build: Vec::new(),
        host_memory: None,
        main,
        side: Vec::new(),
        with: environment.map(|environment| environment.packages).into_iter().collect(),
        dir: vec![ShownFolder::as_it_is(Path::new(here))],
        allow_net: Vec::new(),
        env: variables.map(|(name, value)| assignment(name, &value)).collect(),
        cwd: Some(here.to_owned()),
        cache_dir: None,
        no_cache: false,
        python: Arguments { words: line, script },
    })
}

fn assignment(mut name: OsString, value: &OsStr) -> OsString {
    name.push("=");
    name.push(value);
    name
}

fn is_shown(name: &str) -> bool {
    VARIABLES.iter().any(|variable| name.starts_with(variable)) && !OF_THE_MACHINE.contains(&name)
}

/// A virtual environment.
struct Environment {
    main: PathBuf,
    packages: PathBuf,
}

/// The environment that the program belongs to, according to the path by which it was called, as CPython finds its own
/// (`Modules/getpath.py`): a `pyvenv.cfg` next to it or in the folder above.
fn environment(program: &OsStr) -> Result<Option<Environment>> {
    let Some(program) = called_by(program) else { return Ok(None) };
    let folders = program.ancestors().skip(1).take(2);
    let Some(folder) = folders.into_iter().find(|folder| folder.join(CONFIGURATION).is_file()) else {
        return Ok(None);
    };
    let path = folder.join(CONFIGURATION);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(known, _)| known.trim() == key).map(|(_, value)| value.trim())
    };
    let missing = |key: &str| {
        anyhow!(
            "{}: it has no line `{key}`; make the environment again with `pydl python venv`",
            path.display()
        )
    };
    let main = value(MAIN_KEY).ok_or_else(|| missing(MAIN_KEY))?;
    let version = value("version").ok_or_else(|| missing("version"))?;
    Ok(Some(Environment { main: main.into(), packages: site_packages(folder, version) }))
}

/// The folder of packages of an environment.
pub fn site_packages(folder: &Path, version: &str) -> PathBuf {
    let minor: Vec<&str> = version.split('.').take(2).collect();
    folder.join(format!("lib/python{}/site-packages", minor.join(".")))
}

/// The path by which a program was called. If it was called by its name alone, it is the first of that name on the `PATH`.
fn called_by(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    let is_name = path.components().count() == 1 && !program.as_encoded_bytes().contains(&b'/');
    if !is_name {
        return std::path::absolute(path).ok();
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_for_python_are_shown() {
        assert!(is_shown("PYTHONPATH") && is_shown("PYTEST_ADDOPTS") && is_shown("LC_ALL"));
        assert!(!is_shown("HOME") && !is_shown("AWS_SECRET_ACCESS_KEY") && !is_shown("PYTHONHOME"));
    }
}
