//! Owns the proof that the `pydl deps` line at the end of a failed run explains the failure: a shell runs exactly that line.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::wasm::assemble;
use pydl_tests::{pydl, pydl_binary, python_wasm, skip, testdata};

/// A Python module that imports a function, and that needs a library.
fn python_module(function: &str, dylink: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (@dylink.0 {dylink}) (import "env" "{function}" (func $f (param i32) (result i32)))
            (func (export "call") i32.const 0 call $f drop)
            (func (export "PyInit_case") (result i32) i32.const 0 call $f))"#
    );
    assemble(&text)
}

fn run(main: &Path, options: &[&str], script: &str) -> Output {
    pydl().arg("run").args(options).arg(main).args(["-c", script]).output().unwrap()
}

/// What the line at the end of a run prints when a shell runs it, with white space collapsed; `None` when there is no such line.
fn explained(output: &Output) -> Option<String> {
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.lines().find(|line| line.starts_with("  pydl deps "))?;
    let programs = pydl_binary().parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", line]).env("PATH", path).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
}

fn assert_explained(output: &Output, problem: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let explained = explained(output).unwrap_or_else(|| panic!("no line in {stderr}"));
    assert!(explained.contains(problem), "{explained}\nfor {stderr}");
}

#[test]
fn a_side_module_that_is_not_loaded() {
    let folder = tempfile::Builder::new().prefix("it's $here ").tempdir().unwrap();
    let file = folder.path().join("case.so");
    fs::write(&file, python_module("no_such_function", "")).unwrap();
    let side = ["--side", file.to_str().unwrap()];
    let problem = "undefined symbol `no_such_function` (function (i32) -> i32)";
    assert_explained(&run(&python_wasm(), &side, "import case"), problem);
    let caught = "try: import case\nexcept ImportError: pass\nraise SystemExit(1)";
    assert_explained(&run(&python_wasm(), &side, caught), problem);
    let coped = run(&python_wasm(), &side, "try: import case\nexcept ImportError: pass");
    assert!(coped.status.success() && coped.stderr.is_empty(), "who copes is told nothing");
    let missing = run(&python_wasm(), &[], "import case");
    assert_eq!(explained(&missing), None, "no file, nothing to tell");
}

#[test]
fn code_that_fails_is_not_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.so");
    let text = r#"(module (@dylink.0) (func (export "__wasm_call_ctors") unreachable))"#;
    fs::write(&file, assemble(text)).unwrap();
    let output = run(&python_wasm(), &["--side", file.to_str().unwrap()], "import case");
    assert_eq!(explained(&output), None, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn files_in_folders_and_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("lib")).unwrap();
    let dylink = r#"(needed "libone.so") (runtime-path "$ORIGIN/lib")"#;
    fs::write(root.join("case.so"), python_module("strlen", dylink)).unwrap();
    let one = r#"(module (@dylink.0) (import "env" "lost" (func)) (func (export "one")))"#;
    fs::write(root.join("lib/libone.so"), assemble(one)).unwrap();
    let mount = format!("{}::/here", root.display());
    let script = "import sys; sys.path.insert(0, '/here'); import case";
    let lost = "undefined symbol `lost` (function () -> ())";
    assert_explained(&run(&python_wasm(), &["--dir", &mount], script), lost);
    let packages = ["--with", root.to_str().unwrap()];
    assert_explained(&run(&python_wasm(), &packages, "import case"), lost);
    fs::rename(root.join("lib"), root.join("other")).unwrap();
    assert_explained(&run(&python_wasm(), &packages, "import case"), "needs libone.so");
    let options = ["--dir", &mount, "--env", "LD_LIBRARY_PATH=/here/other"];
    assert_explained(&run(&python_wasm(), &options, script), lost);
}

#[test]
fn a_function_that_is_not_there_when_it_is_called() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("case.so"), python_module("no_such_function", "")).unwrap();
    let mount = format!("{}::/here", folder.path().display());
    let output = run(&main, &["--dir", &mount], "import ctypes; ctypes.CDLL('/here/case.so').call()");
    assert_eq!(output.status.code(), Some(127));
    assert_explained(&output, "(function (i32) -> i32): gets none now");
}

#[test]
fn what_a_main_module_needs() {
    let main = testdata("emscripten/cases/abi/main2.wasm");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.so");
    let text = r#"(module (@dylink.0) (import "GOT.mem" "nowhere" (global (mut i32))) (func (export "f")))"#;
    fs::write(&file, assemble(text)).unwrap();
    let output = pydl().arg("run").arg(&main).output().unwrap();
    assert_explained(&output, "case.so: cannot be opened, needed by");
    let output = pydl().arg("run").arg(&main).arg("--side").arg(&file).output().unwrap();
    assert_explained(&output, "undefined symbol `nowhere` (data)");
}
