//! What CPython does in pydl: the extension's test against native output, at every setting of compiler and linker;
//! interrupts; recursion. Must not know how libraries are loaded.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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

#[test]
fn ctrl_c_is_a_keyboard_interrupt_wherever_the_guest_is() {
    for wait in [
        "while True: pass",
        "import time; time.sleep(60)",
        "input()",
        "import select; select.select([0], [], [], 60)",
    ] {
        let code = format!(
            "
print('ready', flush=True)
try:
    {}
except KeyboardInterrupt:
    print('interrupted')
",
            wait.replace("; ", "\n    ")
        );
        let started = Instant::now();
        let output = interrupt(python(&code));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\ninterrupted\n", "{wait}");
        assert_eq!(output.status.code(), Some(0), "{wait}");
        assert!(started.elapsed() < Duration::from_secs(30), "{wait} did not end at once");
    }
}

#[test]
fn an_uncaught_interrupt_ends_python_as_it_does_natively() {
    let output = interrupt(python("print('ready', flush=True)\nwhile True: pass"));
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).ends_with("KeyboardInterrupt\n"));
}

/// Python with a program that prints `ready` first.
fn python(code: &str) -> Command {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(pydl_tests::python_wasm()).args(["-c", code]);
    command
}

/// Starts a command, waits until it is ready, and sends it `SIGINT`.
fn interrupt(mut command: Command) -> std::process::Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    // Keeps standard input open while the guest waits for it.
    let mut stdin = child.stdin.take().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    sleep(Duration::from_millis(200));
    send_interrupt(&child);
    let mut output = child.wait_with_output().unwrap();
    let _ = stdin.flush();
    output.stdout.splice(0..0, ready);
    output
}

fn send_interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}
