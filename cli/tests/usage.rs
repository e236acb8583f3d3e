//! What `pydl` says of its own command line. That this package has a test also makes Cargo build the program for the
//! tests of the workspace.

use std::process::{Command, Output};

#[expect(clippy::unwrap_used, reason = "a test without its program has failed")]
fn pydl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pydl")).args(arguments).output().unwrap()
}

#[test]
fn version_is_the_packages() {
    let output = pydl(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("pydl {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_has_examples_and_exit_statuses() {
    for (arguments, expected) in [
        (&["--help"][..], "Exit status:"),
        (&["run", "--help"], "pydl run python.wasm --side fputs.so"),
        (&["deps", "--help"], "pydl deps fputs.so --main python.wasm"),
    ] {
        let output = pydl(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(expected), "{text}");
    }
}

#[test]
fn a_wrong_command_line_is_status_2() {
    for arguments in [
        &[][..],
        &["walk"],
        &["run"],
        &["run", "main.wasm", "--sied", "x.so"],
        &["run", "main.wasm", "--dir", "/no/such/folder", "-c", "pass"],
        &["run", "main.wasm", "--env", "NAME", "-c", "pass"],
        &["run", "main.wasm", "no/such/script.py"],
        &["deps"],
    ] {
        let output = pydl(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
}
