//! Owns the proof that guests are interrupted, each kind of main module wherever it is to be: Ctrl-C in the command line, and the
//! handle that programs have that embed Python.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use pydl_loader::{Cache, Captured, Compiler, ExitStatus, Image, Interruption, Process, ProcessOptions};
use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::skip;

/// What must happen at once must have happened by then.
const AT_ONCE: Duration = Duration::from_secs(30);
/// A program that neither waits nor lets Python ask for signals.
const ASKS_NOBODY: &str = "import itertools\nprint('ready', flush=True)\nsum(itertools.repeat(1))";

/// All main modules at hand.
fn mains() -> Vec<PathBuf> {
    let emscripten = [CURRENT, "0.29.3", "0.27.7"].into_iter().filter_map(emscripten);
    std::iter::once(pydl_tests::python_wasm()).chain(emscripten).collect()
}

fn emscripten(version: &str) -> Option<PathBuf> {
    main_module(version).map_err(|why| skip(&why)).ok()
}

#[test]
fn ctrl_c_is_a_keyboard_interrupt_wherever_the_guest_is() {
    for main in mains() {
        for wait in [
            // Not an empty loop: CPython 3.11 and 3.12 do not catch what is raised in one.
            "for _ in iter(int, 1): len('')",
            "asyncio.run(asyncio.sleep(60))",
            "time.sleep(60)",
            "input()",
            "select.select([0], [], [], 60)",
        ] {
            // It needs sockets, which CPython for WASI has not.
            if wait.starts_with("asyncio") && main == pydl_tests::python_wasm() {
                continue;
            }
            let code = format!(
                "
import asyncio, select, time
print('ready', flush=True)
try:
    {wait}
except KeyboardInterrupt:
    print('interrupted')
"
            );
            let output = interrupt(python(&main, &code), 1);
            let stdout = String::from_utf8_lossy(&output.stdout);
            assert_eq!(stdout, "ready\ninterrupted\n", "{wait} in {}", main.display());
            assert_eq!(output.status.code(), Some(0), "{wait} in {}", main.display());
        }
    }
}

#[test]
fn an_uncaught_interrupt_ends_python_as_it_does_natively() {
    for main in mains() {
        let output = interrupt(python(&main, "print('ready', flush=True)\nwhile True: pass"), 1);
        assert_eq!(output.status.code(), Some(130), "{}", main.display());
        assert!(
            String::from_utf8_lossy(&output.stderr).ends_with("KeyboardInterrupt\n"),
            "{}",
            main.display()
        );
    }
}

#[test]
fn a_second_ctrl_c_ends_what_does_not_notice_the_first() {
    for main in [Some(pydl_tests::python_wasm()), emscripten(CURRENT)].into_iter().flatten() {
        let output = interrupt(python(&main, ASKS_NOBODY), 2);
        assert_eq!(output.status.code(), Some(130), "{}", main.display());
    }
}

/// Python notices each one, and goes on as long as it likes.
#[test]
fn any_number_of_ctrl_c_is_handled_by_what_notices_them() {
    let code = "
import signal, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print('ready', flush=True)
while len(seen) < 3: len(seen)
print(len(seen))
";
    let output = interrupt(python(&pydl_tests::python_wasm(), code), 3);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\n3\n");
}

/// PEP 475: what a handler returns from goes on, for the time that is left.
#[test]
fn a_wait_goes_on_after_a_handler_that_returns() {
    for wait in ["time.sleep(2)", "select.select([0], [], [], 2)", "select.select([], [], [], 2)"] {
        for handler in ["lambda *_: seen.append(1)", "signal.SIG_IGN"] {
            let code = format!(
                "
import select, signal, time
seen = []
signal.signal(signal.SIGINT, {handler})
begun = time.monotonic()
print('ready', flush=True)
{wait}
print(time.monotonic() - begun >= 2, len(seen) == (0 if signal.SIG_IGN == {handler} else 1))
"
            );
            let output = interrupt(python(&pydl_tests::python_wasm(), &code), 1);
            let stdout = String::from_utf8_lossy(&output.stdout);
            assert_eq!(stdout, "ready\nTrue True\n", "{wait}, {handler}");
        }
    }
}

#[test]
fn whatever_a_guest_does_it_can_be_terminated() {
    for main in [Some(pydl_tests::python_wasm()), emscripten(CURRENT)].into_iter().flatten() {
        assert_eq!(terminate(&main, Interruption::Anywhere, ASKS_NOBODY), ExitStatus::Interrupted);
    }
}

#[test]
fn a_guest_that_asks_is_told_that_it_is_terminated() {
    let Some(main) = emscripten(CURRENT) else { return };
    for stubborn in ["[number for number in iter(int, 1)]", "__import__('time').sleep(60)"] {
        let code = format!(
            "print('ready', flush=True)\nwhile True:\n  try: {stubborn}\n  except BaseException: pass"
        );
        let status = terminate(&main, Interruption::WhereAsked, &code);
        assert_eq!(status, ExitStatus::Interrupted, "{stubborn}");
    }
}

/// Python with a program that prints `ready` first.
fn python(main: &Path, code: &str) -> Command {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(main).args(["-c", code]);
    command
}

/// Starts a command, waits until it is ready, and sends it `SIGINT` so many times.
fn interrupt(mut command: Command, times: u32) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    // Keeps standard input open while the guest waits for it.
    let mut stdin = child.stdin.take().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    sleep(Duration::from_millis(200));
    for time in 0..times {
        if time > 0 {
            sleep(Duration::from_millis(1500));
            assert!(child.try_wait().unwrap().is_none(), "it ends too early");
        }
        send_interrupt(&child);
    }
    let sent = Instant::now();
    let mut output = child.wait_with_output().unwrap();
    assert!(sent.elapsed() < AT_ONCE, "it does not end at once");
    let _ = stdin.flush();
    output.stdout.splice(0..0, ready);
    output
}

fn send_interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// How a program ends that is terminated once it is ready.
fn terminate(main: &Path, interruption: Interruption, code: &str) -> ExitStatus {
    let compiler = Compiler::new().unwrap().with_interruption(interruption);
    let compiler = compiler.with_cache(Cache::open(pydl_tests::cache_folder()).unwrap());
    let image = Image::from_file(&compiler, main).unwrap();
    let stdout = Captured::new();
    let options = ProcessOptions::python(main).args(["-c", code]).stdout(&stdout);
    let process = Process::new(&image, &options).unwrap();
    let handle = process.interrupt_handle();
    let running = thread::spawn(move || process.run());
    while stdout.contents().is_empty() && !running.is_finished() {
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(100));
    assert!(!running.is_finished(), "it runs");
    handle.terminate();
    let started = Instant::now();
    while !running.is_finished() {
        assert!(started.elapsed() < AT_ONCE, "it is not terminated");
        sleep(Duration::from_millis(10));
    }
    running.join().unwrap().unwrap()
}
