//! What CPython does in pydl: the extension's test against native output, at every setting of compiler and linker;
//! recursion. Must not know how libraries are loaded.

use std::fs;
use std::process::Command;

#[test]
fn every_build_of_fputs_does_what_the_native_one_does() {
    let expected = fs::read_to_string(pydl_tests::testdata("fputs/expected.txt")).unwrap();
    for build in [
        "fputs.so",
        "variants/O0/fputs.so",
        "variants/O0-stripped/fputs.so",
        "variants/O2/fputs.so",
        "variants/O2-stripped/fputs.so",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = pydl_tests::pydl()
            .arg("run")
            .arg(pydl_tests::python_wasm())
            .arg("--side")
            .arg(pydl_tests::testdata("fputs").join(build))
            .arg("--dir")
            .arg(format!("{}::/out", folder.path().display()))
            .arg(pydl_tests::testdata("fputs/test_fputs.py"))
            .arg("/out")
            .output()
            .unwrap();
        assert!(output.status.success(), "{build}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{build}");
    }
}

#[test]
fn recursion_is_an_error_not_a_trap() {
    let code = "
def f(n): return f(n + 1)
try: f(0)
except RecursionError as error: print(error)
import sys; sys.setrecursionlimit(100_000)
try: f(0)
except RecursionError as error: print('deep', error)
import re
print(len(repr(eval('[' * 90 + ']' * 90))))
";
    let output = python(code).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.starts_with("maximum recursion depth exceeded\n"), "{stdout}");
}

/// Python with a program.
fn python(code: &str) -> Command {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(pydl_tests::python_wasm()).args(["-c", code]);
    command
}
