//! Owns the proof that guests are interrupted, each kind of main module wherever it is to be: Ctrl-C in the command line, and the
//! handle that programs have that embed Python.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use pydl_loader::{
    Cache, Captured, Compiler, ExitStatus, Image, Interruption, Mount, Process, ProcessOptions,
};
use pydl_tests::attacks::{self, ALLOWANCE, BUDGET, IDLE, Program};
use pydl_tests::emscripten::{CURRENT, GENERATIONS, main_module};
use pydl_tests::skip;

/// What must happen at once must have happened by then.
const AT_ONCE: Duration = Duration::from_secs(30);
/// A program that neither waits nor lets Python ask for signals.
const ASKS_NOBODY: &str = "import itertools\nprint('ready', flush=True)\nsum(itertools.repeat(1))";

/// All main modules at hand.
fn mains() -> Vec<PathBuf> {
    let emscripten = GENERATIONS.into_iter().filter_map(emscripten);
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

/// What is typed at a terminal, or lies in a file, that only output was to go to, is none of the guest's business.
#[test]
fn output_streams_are_not_read_and_input_is_not_written() {
    for main in mains() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret").unwrap();
        let both = || std::fs::File::options().read(true).write(true).open(file.path()).unwrap();
        let code = "
import os, sys
for path, flags in [('/dev/stdout', os.O_RDONLY), ('/dev/stdout', os.O_RDWR), ('/dev/tty', os.O_RDWR), ('/dev/stdin', os.O_RDWR)]:
    try:
        fd = os.open(path, flags)
        told = os.write(fd, b'x') if path == '/dev/stdin' else os.read(fd, 20)
    except OSError as error: told = 'refused'
    print(path, told, file=sys.stderr)
";
        let mut command = python(&main, code);
        let output = command.stdin(both()).stdout(both()).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let expected = "/dev/stdout refused\n/dev/stdout refused\n/dev/tty refused\n/dev/stdin refused\n";
        assert_eq!(told, expected, "{}", main.display());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "secret");
    }
}

#[test]
fn reading_that_is_not_to_wait_does_not() {
    let Some(main) = emscripten(CURRENT) else { return };
    let code = "
import os
os.set_blocking(0, False)
try: os.read(0, 1)
except BlockingIOError: print('nothing yet')
print(flush=True)
";
    // Standard input stays open.
    let mut child = python(&main, code).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = [0; 13];
    child.stdout.as_mut().unwrap().read_exact(&mut printed).unwrap();
    assert_eq!(&printed, b"nothing yet\n\n");
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_guest_whose_output_nobody_reads_is_interrupted() {
    let Some(main) = emscripten(CURRENT) else { return };
    let code = "
import os
os.write(1, b'ready\\n')
while True: os.write(1, b'x' * 100000)
";
    let mut command = python(&main, code);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    sleep(Duration::from_millis(300));
    send_interrupt(&child);
    let sent = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if sent.elapsed() > AT_ONCE => {
                child.kill().unwrap();
                panic!("it goes on");
            }
            None => sleep(Duration::from_millis(10)),
        }
    };
    assert_eq!(status.code(), Some(130));
}

/// A call whose work grows with a number of the guest's is ended in the middle: in less than half of the time that it takes.
#[test]
fn long_work_of_the_host_is_ended_in_the_middle() {
    let Some(main) = emscripten(CURRENT) else { return };
    let code = "import os\nprint('ready', flush=True)\nos.urandom(768 << 20)";
    let whole = time_from_ready(&main, code, false);
    let ended = time_from_ready(&main, code, true);
    assert!(ended < whole / 2, "it takes {whole:?}, and {ended:?} when it is ended at once");
}

/// How long a program runs from when it is ready to its end, which may be ordered then.
fn time_from_ready(main: &Path, code: &str, is_ended: bool) -> Duration {
    let compiler = Compiler::new().unwrap().with_cache(Cache::open(pydl_tests::cache_folder()).unwrap());
    let image = Image::from_file(&compiler, main).unwrap();
    let stdout = Captured::new();
    let options = ProcessOptions::python(main).args(["-c", code]).stdout(&stdout);
    let process = Process::new(&image, &options).unwrap();
    let handle = process.interrupt_handle();
    let running = thread::spawn(move || process.run());
    while stdout.contents().is_empty() {
        sleep(Duration::from_millis(1));
    }
    let started = Instant::now();
    if is_ended {
        sleep(Duration::from_millis(20));
        handle.terminate();
    }
    running.join().unwrap().unwrap();
    started.elapsed()
}

/// A lock that somebody else has is waited for, and the wait ends with the guest; locks of two guests in one program exclude each other.
#[test]
fn waits_for_locks_are_interrupted() {
    let Some(main) = emscripten(CURRENT) else { return };
    let folder = tempfile::tempdir().unwrap();
    let compiler = Compiler::new().unwrap().with_cache(Cache::open(pydl_tests::cache_folder()).unwrap());
    let image = Image::from_file(&compiler, &main).unwrap();
    let start = |code: &str| {
        let stdout = Captured::new();
        let options = ProcessOptions::python(&main).args(["-c", code]).stdout(&stdout);
        let mount = Mount { host: folder.path().to_owned(), guest: "/data".to_owned(), read_only: false };
        let process = Process::new(&image, &options.mount(mount)).unwrap();
        let handle = process.interrupt_handle();
        let running = thread::spawn(move || process.run());
        let started = Instant::now();
        while stdout.contents().is_empty() && started.elapsed() < AT_ONCE {
            sleep(Duration::from_millis(10));
        }
        assert_eq!(stdout.contents(), b"ready\n");
        (handle, running)
    };
    let holds = "import fcntl, time\nfile = open('/data/file', 'w')\nfcntl.lockf(file, fcntl.LOCK_EX)\n\
                 print('ready', flush=True)\ntime.sleep(600)";
    let waits = "import fcntl\nfile = open('/data/file', 'a')\nprint('ready', flush=True)\n\
                 fcntl.lockf(file, fcntl.LOCK_EX)";
    let (holder, held) = start(holds);
    let (waiter, waiting) = start(waits);
    let (_, granted) = start(waits);
    sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished() && !granted.is_finished());
    waiter.terminate();
    assert_eq!(waiting.join().unwrap().unwrap(), ExitStatus::Interrupted);
    assert!(!granted.is_finished());
    holder.terminate();
    assert_eq!(held.join().unwrap().unwrap(), ExitStatus::Interrupted);
    assert_eq!(granted.join().unwrap().unwrap(), ExitStatus::Exited(0));
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

#[test]
#[ignore = "run by the tests of hostile programs, each in a process of its own"]
fn one_hostile_program() {
    attacks::run_named();
}

/// A few of them; the next test has all.
#[test]
fn hostile_programs_take_what_they_may() {
    let few = attacks::programs().into_iter().step_by(16).collect::<Vec<_>>();
    let worst = board(&few, Duration::from_millis(300));
    assert!(worst < AT_ONCE, "one ran on for {worst:?}");
}

/// Prints a line for each program, which takes minutes, on an idle machine. What it printed last is in docs/security.md.
#[test]
#[ignore = "takes minutes"]
fn all_hostile_programs_take_what_they_may() {
    let worst = board(&attacks::programs(), Duration::from_secs(1));
    assert!(worst < Duration::from_millis(100), "one ran on for {worst:?}");
}

/// Runs programs in the main modules that they are for, and returns for how long the slowest ran on when it was to end.
fn board(programs: &[Program], time: Duration) -> Duration {
    let mains = [("W", Some(pydl_tests::python_wasm())), ("E", emscripten(CURRENT))];
    let (mut worst, mut faults, mut count) = (Duration::ZERO, Vec::new(), 0);
    for (letter, main) in mains.into_iter().filter_map(|(letter, main)| Some((letter, main?))) {
        let idle = attacks::run(&main, IDLE, time).unwrap();
        for program in programs.iter().filter(|program| program.letters.contains(letter)) {
            let cost = match attacks::run(&main, &program.name, time) {
                Ok(cost) => cost,
                Err(why) => {
                    faults.push(format!("{} {letter}: {why}", program.name));
                    continue;
                }
            };
            count += 1;
            worst = worst.max(cost.ending);
            let extra = cost.memory.saturating_sub(idle.memory);
            println!("{letter} {:40} {:6} MiB {:8.1?}", program.name, extra >> 20, cost.ending);
            if extra > BUDGET + ALLOWANCE + program.memory {
                faults.push(format!("{} {letter}: {} MiB", program.name, extra >> 20));
            }
        }
    }
    println!("{count} programs, the slowest end after {worst:?}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    worst
}
