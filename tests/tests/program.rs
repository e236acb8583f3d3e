//! Runs the C programs of `cases/program`, real compiler's output, and compares what they print with their native build:
//! `expected.txt` is what glibc's loader gave. Where a native compiler is at hand, that is checked, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pydl_tests::repository;

fn folder() -> PathBuf {
    repository().join("tests/cases/program")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().flatten().map(|entry| entry.path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("expected.txt").is_file()).collect();
    cases.sort();
    assert!(cases.len() > 25, "only {} cases", cases.len());
    cases
}

#[test]
fn programs_print_what_their_native_builds_print() {
    let failed: Vec<String> = cases().iter().filter_map(|case| run(case).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn run(case: &Path) -> Result<(), String> {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(folder().join("driver/driver.wasm"));
    for library in pydl_tests::files(case, ".so") {
        command.arg("--side").arg(library);
    }
    let output = command.args(["--", "case.so"]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let expected = fs::read_to_string(case.join("expected.txt")).unwrap();
    if output.status.success() && stdout == expected {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{}: {}\n--- expected\n{expected}--- actual\n{stdout}{stderr}",
        case.display(),
        output.status
    ))
}

#[test]
fn expectations_are_what_native_builds_print() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
    if !["bash", "gcc", "g++"].into_iter().all(has) {
        return pydl_tests::skip("no bash, gcc and g++ to build the programs natively");
    }
    let out = tempfile::tempdir().unwrap();
    let output = Command::new("bash").arg(folder().join("native.sh")).arg(out.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().filter(|line| line.ends_with(": same")).count(), cases().len(), "{text}");
}
