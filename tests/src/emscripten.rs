//! Owns how the tests get Pyodide's main modules and wheels, and run scripts with them in pydl and in Node. Must not know any
//! case.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{files, pydl, repository, testdata};

/// The variable that names the folder for files that are fetched instead of kept in the repository.
pub const FIXTURES: &str = "PYDL_FIXTURES";
/// The generation of Pyodide that most cases are about.
pub const CURRENT: &str = "314.0.7";
/// All generations whose main modules pydl runs, the oldest first. The last one is a pre-release.
pub const GENERATIONS: [&str; 4] = ["0.27.7", "0.29.3", CURRENT, "315.0.0-alpha.2"];
/// How long a run may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_mins(5);

/// A script with the main module and the wheels that it is run with.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its folder, or of its file.
    pub name: String,
    /// The Python file.
    pub script: PathBuf,
    /// The file with the expected output.
    pub expected: PathBuf,
    /// The version of the npm package `pyodide`.
    pub main: String,
    /// The file names of its wheels.
    pub wheels: Vec<String>,
    /// Variables of the script's environment.
    pub env: Vec<(String, String)>,
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The status with which it ended.
    pub status: ExitStatus,
}

/// The cases of a folder whose subfolders have `script.py`, `wheels.txt` and `expected.txt`, by name.
///
/// # Panics
///
/// Panics when there are none, or when a `wheels.txt` has a line of another kind than `main VERSION` and `wheel FILE`.
pub fn cases(folder: &Path) -> Vec<Case> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut cases: Vec<Case> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .map(|path| case(&path))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!cases.is_empty(), "{}: no cases", folder.display());
    cases
}

fn case(folder: &Path) -> Case {
    let list = folder.join("wheels.txt");
    let text = fs::read_to_string(&list).unwrap_or_else(|e| panic!("{}: {e}", list.display()));
    let (mut main, mut wheels) = (String::new(), Vec::new());
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("main", version)) => version.clone_into(&mut main),
            Some(("wheel", file)) => wheels.push(file.to_owned()),
            _ => panic!("{}: {line}", list.display()),
        }
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (script, expected) = (folder.join("script.py"), folder.join("expected.txt"));
    Case { name, script, expected, main, wheels, env: Vec::new() }
}

/// The cases of a folder of single files `NAME.py` with `NAME.txt`, for the current generation and without wheels. The first line of a
/// script may set variables of its environment: `# env: NAME=VALUE NAME=VALUE`.
pub fn scripts(folder: &Path) -> Vec<Case> {
    files(folder, ".py").into_iter().map(script_case).collect()
}

fn script_case(script: PathBuf) -> Case {
    let text = fs::read_to_string(&script).unwrap_or_default();
    let variables = text.lines().next().and_then(|line| line.strip_prefix("# env: ")).unwrap_or_default();
    let env = variables.split_whitespace().filter_map(|word| word.split_once('='));
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let expected = script.with_extension("txt");
    Case { name, script, expected, main: CURRENT.to_owned(), wheels: Vec::new(), env }
}

/// The main module of a version of the npm package `pyodide`.
///
/// # Errors
///
/// Errs with the reason why it is not here and could not be fetched.
pub fn main_module(version: &str) -> Result<PathBuf, String> {
    fetched(&Path::new("pyodide").join(version).join("pyodide.asm.wasm"))
}

impl Case {
    /// The folder of its main module.
    ///
    /// # Errors
    ///
    /// Errs with the reason why the main module is not here and could not be fetched.
    pub fn main_folder(&self) -> Result<PathBuf, String> {
        main_module(&self.main)?;
        fetched(&Path::new("pyodide").join(&self.main))
    }

    /// Its wheels, in the order in which they are given.
    ///
    /// # Errors
    ///
    /// Errs with the reason why one of them is not here and could not be fetched.
    pub fn wheel_files(&self) -> Result<Vec<PathBuf>, String> {
        self.wheels.iter().map(|name| wheel(name)).collect()
    }

    /// Runs the case in pydl: the only place that knows the command line.
    ///
    /// # Errors
    ///
    /// Errs with the reason why something it needs is not here and could not be fetched.
    pub fn run_in_pydl(&self) -> Result<Outcome, String> {
        let mut command = pydl();
        command.arg("run").arg(self.main_folder()?.join("pyodide.asm.wasm"));
        for wheel in self.wheel_files()? {
            command.arg("--with").arg(wheel);
        }
        for (name, value) in &self.env {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        Ok(finish(command.arg(&self.script)))
    }

    /// Runs the case in Pyodide under Node.
    ///
    /// # Errors
    ///
    /// Errs with the reason why something it needs is not here and could not be fetched.
    pub fn run_in_node(&self) -> Result<Outcome, String> {
        let mut command = Command::new("node");
        command.arg(repository().join("tests/oracle/node_pyodide.mjs"));
        command.arg("--main").arg(self.main_folder()?);
        for wheel in self.wheel_files()? {
            command.arg("--with").arg(wheel);
        }
        for (name, value) in &self.env {
            command.arg("--env").arg(format!("{name}={value}")).env(name, value);
        }
        Ok(finish(command.arg(&self.script)))
    }
}

/// A wheel, kept in the repository or fetched.
///
/// # Errors
///
/// Errs with the reason why it is not here and could not be fetched.
pub fn wheel(name: &str) -> Result<PathBuf, String> {
    let kept = testdata("wheels").join(name);
    if kept.exists() { Ok(kept) } else { fetched(&Path::new("wheels").join(name)) }
}

/// The folder that contains a package for this machine's Python.
///
/// # Errors
///
/// Errs with the reason why it is not here and could not be fetched.
pub fn package_folder(name: &str) -> Result<PathBuf, String> {
    let package = fetched(&Path::new("packages").join(name))?;
    Ok(package.parent().map(Path::to_owned).unwrap_or_default())
}

/// A file or folder of the fixtures, which are fetched when it is missing.
fn fetched(path: &Path) -> Result<PathBuf, String> {
    static FETCH: OnceLock<Result<(), String>> = OnceLock::new();
    let default = || repository().join("target/fixtures");
    let path = std::env::var_os(FIXTURES).map_or_else(default, PathBuf::from).join(path);
    if !path.exists() {
        FETCH.get_or_init(fetch).clone().map_err(|why| format!("{} is not here: {why}", path.display()))?;
    }
    if path.exists() { Ok(path) } else { Err(format!("{} is not among what is fetched", path.display())) }
}

fn fetch() -> Result<(), String> {
    let script = testdata("build/fetch-fixtures.sh");
    let output = Command::new("bash").arg(&script).output().map_err(|e| format!("bash: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.trim().to_owned()) }
}

/// Runs a command to its end, or kills it when it hangs.
///
/// # Panics
///
/// Panics when it cannot be started, or hangs.
fn finish(command: &mut Command) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    command
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", command.get_program().display()));
    let end = Instant::now() + PATIENCE;
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Outcome { stdout: read(&stdout), stderr: read(&stderr), status };
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} hangs; so far it printed\n{}\n{}", read(&stdout), read(&stderr));
        }
        sleep(Duration::from_millis(20));
    }
}
