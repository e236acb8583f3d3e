//! Runs `pydl python fetch` with the machine's npm, where npm can reach its registry. Everything else about fetching is in
//! `cases/cli/python.txt`, with an npm that fails.

use std::fs;
use std::process::Command;

/// The size of Pyodide 314.0.7's main module, in the package whose hash is in `cli/src/mains.rs`.
const SIZE: u64 = 9_598_218;

#[test]
fn a_main_module_is_fetched_with_npm() {
    let reached =
        Command::new("npm").args(["view", "pyodide@314.0.7", "version", "--fetch-retries=0"]).output();
    if !reached.is_ok_and(|output| output.status.success()) {
        return pydl_tests::skip("npm is not there or does not reach its registry");
    }
    let data = tempfile::tempdir().unwrap();
    let pydl = |arguments: &[&str]| {
        let mut command = pydl_tests::pydl();
        let output = command.args(arguments).env("PYDL_DATA_DIR", data.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let main = data.path().join("python/314.0.7/pyodide.asm.wasm");
    assert_eq!(pydl(&["python", "fetch", "3.14"]).trim_end(), main.display().to_string());
    assert_eq!(fs::metadata(&main).unwrap().len(), SIZE);
    assert!(pydl(&["python", "list"]).starts_with("314.0.7    Python 3.14.2"));
    let mut files: Vec<_> =
        fs::read_dir(main.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["package.json", "pyodide-lock.json", "pyodide.asm.wasm", "python_stdlib.zip"]);
    assert_eq!(fs::read_dir(data.path().join("python")).unwrap().count(), 1);
    let code = "import sys; print(sys.version_info[:2], sys.platform)";
    assert_eq!(pydl(&["run", "python@3.14", "-c", code]), "(3, 14) emscripten\n");
    let environment = data.path().join("env");
    pydl(&["python", "venv", environment.to_str().unwrap(), "--python", "python@3.14"]);
    fs::write(environment.join("lib/python3.14/site-packages/thing.py"), "x = 'installed'\n").unwrap();
    let mut python = Command::new(environment.join("bin/python"));
    python.args(["-c", "import thing; print(thing.x)"]).current_dir(&environment);
    let output = python.env("PYDL_CACHE_DIR", pydl_tests::cache_folder()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "installed\n", "{output:?}");
    pydl(&["python", "remove", "3.14"]);
    assert_eq!(fs::read_dir(data.path().join("python")).unwrap().count(), 0);
}
