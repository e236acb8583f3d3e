//! Owns what the tests share: the places of files, the built `pydl`, golden text, skips. Must not know any case.

pub mod attacks;
pub mod browser;
pub mod emscripten;
pub mod guest;
pub mod imports;
pub mod room;
pub mod wasm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Set to 1 to write the actual results into the files that they are compared with.
pub const BLESS: &str = "PYDL_BLESS";
/// Set to 1 to make skipped tests fail.
pub const NO_SKIP: &str = "PYDL_NO_SKIP";

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// A file of `testdata/`.
pub fn testdata(path: &str) -> PathBuf {
    repository().join("testdata").join(path)
}

/// The main module of most tests.
pub fn python_wasm() -> PathBuf {
    testdata("python/python.wasm")
}

/// The built program, which `cargo test --workspace` builds for the tests of the `pydl` package.
///
/// # Panics
///
/// Panics when it is missing, or older than its sources: testing only some packages does not build it.
pub fn pydl_binary() -> PathBuf {
    let binary = target_folder().join("pydl");
    let built = modified(&binary).unwrap_or_else(|| panic!("{}: not built", binary.display()));
    let sources = ["linker/src", "loader/src", "cli/src"].map(|folder| newest(&repository().join(folder)));
    let is_current = sources.into_iter().flatten().all(|changed| changed <= built);
    assert!(is_current, "{}: older than its sources; run `cargo build --workspace`", binary.display());
    binary
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// When the newest file below a folder was modified.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let changes = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() { newest(&path) } else { modified(&path) }
    });
    changes.max()
}

/// The command `pydl`, without arguments. Its compiled code is kept with the build, so that each module is compiled once.
pub fn pydl() -> Command {
    let mut command = Command::new(pydl_binary());
    command.env("PYDL_CACHE_DIR", cache_folder());
    command
}

/// The command `pydl` with the default action for all signals, whatever these tests ignore: a signal that is ignored when a program starts
/// stays ignored.
pub fn pydl_with_signals() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(pydl_binary()).env("PYDL_CACHE_DIR", cache_folder());
    command
}

/// The folder in which the tests keep compiled code: one for each build of `pydl`, so that no test runs code that another build made.
pub fn cache_folder() -> PathBuf {
    let built = modified(&target_folder().join("pydl")).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let caches = target_folder().join("pydl-test-cache");
    let current = caches.join(built.unwrap_or_default().as_nanos().to_string());
    for old in fs::read_dir(&caches).into_iter().flatten().flatten().filter(|old| old.path() != current) {
        let _ = fs::remove_dir_all(old.path());
    }
    let _ = fs::create_dir_all(&caches);
    current
}

/// The folder of the build: `target/debug`.
fn target_folder() -> PathBuf {
    // A test runs from `target/debug/deps/NAME`.
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

/// Compares text with a golden file, or writes the file when blessing.
///
/// # Panics
///
/// Panics when they differ, showing both.
pub fn assert_golden(path: &Path, actual: &str) {
    if blessing() {
        fs::write(path, actual).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs; bless with {BLESS}=1\n--- expected\n{expected}\n--- actual\n{actual}",
        path.display()
    );
}

/// Whether golden files are to be written.
pub fn blessing() -> bool {
    std::env::var_os(BLESS).is_some_and(|value| value == "1")
}

/// Reports that a test cannot run here, and why.
///
/// # Panics
///
/// Panics when skips count as failures.
pub fn skip(why: &str) {
    assert!(std::env::var_os(NO_SKIP).is_none_or(|value| value != "1"), "skipped: {why}");
    eprintln!("skipped: {why}");
}

/// The files of a folder with an ending, sorted.
///
/// # Panics
///
/// Panics when there are none: a test over nothing proves nothing.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_str().is_some_and(|path| path.ends_with(ending)))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no *{ending}", folder.display());
    files
}
