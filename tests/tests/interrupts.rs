//! Owns the proof that guests are interrupted, each kind of main module wherever it is to be: Ctrl-C in the command line, and the
//! handle that programs have that embed Python.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use pydl_loader::{
    Cache, Captured, Compiler, ExitStatus, Image, Installation, Interruption, Mount, Process, ProcessOptions,
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
        // Nor does trying make one wait for what never comes.
        let mut command = python(&main, code);
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{}", main.display());
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

/// Python with a program that prints `ready` first, and with the signals that it may be sent, whatever these tests were told to ignore.
fn python(main: &Path, code: &str) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(pydl_tests::pydl_binary());
    command.env("PYDL_CACHE_DIR", pydl_tests::cache_folder());
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

/// A program that waits, and is sent `SIGINT` all the time meanwhile: with a handler that returns, with one that raises, and ignoring it.
const WAITS: &str = r"
import select, signal, sys, time
seen = []
def note(number, frame): seen.append(number)
def fail(number, frame): raise LookupError(number)
def measure(wait, seconds):
    seen.clear()
    start = time.monotonic()
    try: wait(seconds)
    except LookupError as error: return 'raised %s' % error, time.monotonic() - start < seconds - 1
    # The select of wasi-libc counts in milliseconds, and leaves out what is less.
    return time.monotonic() - start >= seconds - 0.001, bool(seen)
waits = [time.sleep, lambda seconds: select.select([0], [], [], seconds), lambda seconds: select.select([], [], [], seconds)]
signal.signal(signal.SIGINT, note)
print('ready', flush=True)
for handler, seconds in (note, 1.5), (fail, 20), (signal.SIG_IGN, 0.7):
    for wait in waits:
        signal.signal(signal.SIGINT, handler)
        result = measure(wait, seconds)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(*result)
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.stdout.flush()
time.sleep(30)
print('not reached')
";

// PEP 475; natively the same.
#[test]
fn a_handler_that_returns_and_an_ignored_signal_end_no_wait() {
    let expected = format!(
        "ready\n{}{}{}",
        "True True\n".repeat(3),
        "raised 2 True\n".repeat(3),
        "True False\n".repeat(3)
    );
    for main in mains() {
        let output = interrupt_until_the_end(python(&main, WAITS));
        let (stdout, stderr) = texts(&output);
        assert_eq!(stdout, expected, "{}: {stderr}", main.display());
        assert_eq!(output.status.code(), Some(130), "{}: {stderr}", main.display());
    }
}

#[test]
fn a_read_goes_on_after_a_handler_that_returns() {
    let code = "
import signal, time
signal.signal(signal.SIGINT, lambda *them: print('handled', flush=True))
print('ready', flush=True)
print('read', input())";
    for main in mains() {
        let mut child = start(python(&main, code));
        let mut stdout = child.stdout.take().unwrap();
        send(&child, "INT");
        let mut handled = [0; 8];
        stdout.read_exact(&mut handled).unwrap();
        assert_eq!(&handled, b"handled\n", "{}", main.display());
        child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "read a line\n", "{}", main.display());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{}", main.display());
    }
}

#[test]
fn signals_do_what_the_guest_says_and_else_what_they_do_natively() {
    for main in mains() {
        let waits = |handler: &str| {
            format!("import signal, sys, time\n{handler}\nprint('ready', flush=True)\ntime.sleep(30)")
        };
        for (handler, signal, status) in [
            ("", "TERM", 143),
            ("", "HUP", 129),
            ("", "USR1", 138),
            ("signal.signal(signal.SIGTERM, lambda *them: sys.exit(3))", "TERM", 3),
            ("signal.signal(signal.SIGINT, signal.SIG_DFL)", "INT", 130),
        ] {
            let child = start(python(&main, &waits(handler)));
            let sent = Instant::now();
            send(&child, signal);
            let output = child.wait_with_output().unwrap();
            let name = format!("{handler} {signal} {}", main.display());
            assert_eq!(output.status.code(), Some(status), "{name}: {}", texts(&output).1);
            assert!(sent.elapsed() < AT_ONCE, "{name}");
        }
    }
}

/// A signal that nothing of the guest notices ends it nevertheless.
#[test]
fn what_computes_without_end_is_ended_by_sigterm() {
    let Some(main) = emscripten(CURRENT) else { return };
    let child = start(python(&main, ASKS_NOBODY));
    send(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
}

#[test]
fn a_blocked_signal_waits() {
    let code = "
import signal, time
signal.signal(signal.SIGINT, lambda *them: print('handled', flush=True))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print('ready', flush=True)
time.sleep(1)
print('blocked', signal.sigpending(), flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
print('end')";
    let Some(main) = emscripten(CURRENT) else { return };
    let output = interrupt(python(&main, code), 1);
    let pending = "blocked {<Signals.SIGINT: 2>}";
    assert_eq!(texts(&output).0, format!("ready\n{pending}\nhandled\nend\n"), "{}", texts(&output).1);
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Starts a command and waits until it is ready.
fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    sleep(Duration::from_millis(200));
    child
}

/// Starts a command, and sends it `SIGINT` from when it is ready until it has ended.
fn interrupt_until_the_end(command: Command) -> Output {
    let mut child = start(command);
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < AT_ONCE, "it does not end");
        send(&child, "INT");
        sleep(Duration::from_millis(150));
    }
    let mut output = child.wait_with_output().unwrap();
    output.stdout.splice(0..0, *b"ready\n");
    output
}

fn send(child: &Child, signal: &str) {
    // It may have ended meanwhile.
    let _ = Command::new("kill")
        .args([&format!("-{signal}"), &child.id().to_string()])
        .stderr(Stdio::null())
        .status();
}

/// What `tests/oracle/terminal.py` says of Python with a program in a terminal: what the steps print and the end, and the output.
fn in_terminal(main: &Path, steps: &[&str], arguments: &[&str]) -> Option<(String, String)> {
    let mut command = Command::new("python3");
    command.arg(pydl_tests::repository().join("tests/oracle/terminal.py")).args(steps).arg("--");
    command.arg(pydl_tests::pydl_binary()).arg("run").arg(main).args(arguments);
    command.env("PYDL_CACHE_DIR", pydl_tests::cache_folder()).env("TERM", "xterm-256color");
    let Ok(output) = command.output() else {
        skip("there is no python3 to make a terminal with");
        return None;
    };
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{steps:?}: {stdout}{stderr}");
    let end = stdout.find("status ").unwrap_or_else(|| panic!("{stdout}"));
    let end = stdout[end..].find('\n').map_or(stdout.len(), |length| end + length + 1);
    Some((stdout[..end].to_owned(), stdout[end..].to_owned()))
}

const RAW: &str = "import os, sys, tty\ntty.setraw(0)\nprint('ready', flush=True)\n";

#[test]
fn a_password_is_not_shown() {
    let Some(main) = emscripten(CURRENT) else { return };
    let code = "import getpass; print('got', getpass.getpass('PW: '))";
    let steps = ["wait:PW: ", "settings", "type:secret\\n", "wait:got secret"];
    let Some((said, output)) = in_terminal(&main, &steps, &["-c", code]) else { return };
    assert_eq!(said, "echo=off lines=on signals=on\nstatus 0 restored\n");
    assert_eq!(output.matches("secret").count(), 1, "{output}");
}

/// However a guest ends that changed the terminal, it is as it was.
#[test]
fn the_terminal_is_put_right() {
    let Some(main) = emscripten(CURRENT) else { return };
    let raw = "echo=off lines=off signals=off\n";
    for (rest, steps, end) in [
        ("print(os.read(0, 1), os.read(0, 1))", vec!["type:q\\x03"], "status 0 restored\n"),
        ("os.read(0, 1); os.abort()", vec!["type:q"], "status 134 restored\n"),
        ("os.read(0, 1); os._exit(7)", vec!["type:q"], "status 7 restored\n"),
        ("import time; time.sleep(60)", vec!["signal:SIGTERM"], "status 143 restored\n"),
        ("import itertools; sum(itertools.repeat(1))", vec!["signal:SIGTERM"], "status 143 restored\n"),
        (
            "import itertools; sum(itertools.repeat(1))",
            vec!["signal:SIGINT", "sleep:1.5", "signal:SIGINT"],
            "status 130 restored\n",
        ),
        ("import time; time.sleep(60)", vec!["signal:SIGQUIT"], "status -3 restored\n"),
        (
            "import time; time.sleep(8); print('end')",
            vec!["signal:SIGTSTP", "stopped", "signal:SIGCONT", "sleep:0.5", "settings"],
            "stopped, restored\necho=off lines=off signals=off\nstatus 0 restored\n",
        ),
    ] {
        let steps: Vec<&str> = ["wait:ready", "settings"].into_iter().chain(steps).collect();
        let Some((said, output)) = in_terminal(&main, &steps, &["-c", &format!("{RAW}{rest}")]) else {
            return;
        };
        assert_eq!(said, format!("{raw}{end}"), "{rest}: {output}");
    }
}

#[test]
fn terminals_answer_as_they_do_natively() {
    let code = "
import fcntl, os, signal, struct, sys, termios, time, tty
signal.signal(signal.SIGWINCH, lambda *them: seen.append(os.write(1, b'changed %r\\n' % (tuple(os.get_terminal_size()),))))
seen = []
print('ready', flush=True)
while not seen: time.sleep(0.05)
before = termios.tcgetattr(0)
print(before[6][termios.VEOF], before[3] & termios.ECHO != 0)
tty.setcbreak(0)
print(termios.tcgetattr(0)[3] & (termios.ECHO | termios.ICANON))
settings = termios.tcgetattr(0)
settings[6][termios.VMIN], settings[6][termios.VTIME] = 0, 1
termios.tcsetattr(0, termios.TCSANOW, settings)
print(os.read(0, 1))
termios.tcflush(0, termios.TCIFLUSH)
termios.tcdrain(1)
termios.tcsetattr(0, termios.TCSAFLUSH, before)
print(termios.tcgetattr(0) == before)";
    let Some(main) = emscripten(CURRENT) else { return };
    let steps = ["wait:ready", "size:30:90", "wait:changed"];
    let Some((said, output)) = in_terminal(&main, &steps, &["-c", code]) else { return };
    assert_eq!(said, "status 0 restored\n", "{output}");
    assert_eq!(output, "ready\nchanged (90, 30)\nb'\\x04' True\n0\nb''\nTrue\n\n");
}

#[test]
fn the_prompt_has_a_history_and_edits_lines() {
    let Some(main) = emscripten(CURRENT) else { return };
    let steps = [
        "wait:>>> ",
        "type:6*7\\r",
        "wait:42",
        "wait:>>> ",
        // The line before, with another last character.
        "type:\\x1bOA\\x7f8\\r",
        "wait:48",
        "wait:>>> ",
        "type:\\x04",
    ];
    let Some((said, _)) = in_terminal(&main, &steps, &[]) else { return };
    assert_eq!(said, "status 0 restored\n");
}

/// Where Python has no line editor, pydl has one for it: history, arrows, completion by the guest's own names, and an interrupt.
#[test]
fn lines_are_edited_for_those_who_cannot() {
    let steps = [
        "wait:>>> ",
        "type:value = 6*7\\r",
        "wait:>>> ",
        "type:valu\\t\\r",
        "wait:\n42",
        "wait:>>> ",
        "type:\\x1b[A + 1\\r",
        "wait:\n43",
        "wait:>>> ",
        "type:print(12)\\x1b[D\\x1b[D\\x1b[D3\\r",
        "wait:\n312",
        "wait:>>> ",
        "type:input('name? ')\\r",
        "wait:name? ",
        "type:\u{e4}b\\x7fc\\r",
        "wait:'\u{e4}c'",
        "wait:>>> ",
        "type:import sys\\r",
        "wait:>>> ",
        "type:sys.maxsi\\t\\r",
        "wait:\n2147483647",
        "wait:>>> ",
        "type:for i in range(2):\\r",
        "wait:... ",
        "type:\\tprint(i + 70)\\r",
        "wait:... ",
        "type:\\r",
        "wait:\n71",
        "wait:>>> ",
        "type:abandoned\\x03",
        "wait:KeyboardInterrupt",
        "wait:>>> ",
        "type:\\x04",
    ];
    // The guest has written the prompt before the editor has the keyboard, which it tells when it has drawn the line.
    let is_prompt = |step: &str| step.ends_with("> ") || step.ends_with("... ") || step.ends_with("? ");
    let drawn = |step| if is_prompt(step) { vec![step, "wait:\\x1b[?2026l"] } else { vec![step] };
    let steps: Vec<&str> = steps.into_iter().flat_map(drawn).collect();
    let edits = |main: &Path| Installation::beside(main).is_some_and(|python| python.edits_lines());
    for main in mains().into_iter().filter(|main| !edits(main)) {
        let Some((said, output)) = in_terminal(&main, &steps, &[]) else { return };
        assert_eq!(said, "status 0 restored\n", "{}: {output}", main.display());
    }
    // What the guest does when it is asked for words: it reads, it goes on for ever, it ends.
    let class =
        |does: &str| format!("type:import os, sys; x = type('X', (), {{'__dir__': lambda x: {does}}})()\\r");
    let prompt = ["wait:>>> ", "wait:\\x1b[?2026l"];
    let (reads, turns, leaves) = (
        class("print('read', repr(sys.stdin.readline()))"),
        class("[y for y in iter(int, 1)]"),
        class("os._exit(5)"),
    );
    let (first, then) =
        (["type:x.a\\t", "wait:read ''", "type:\\x15print(80)\\r", "wait:\n80"], ["type:x.a\\t\\r"]);
    let goes_on = ["type:x.a\\t", "sleep:3", "type:\\x03", "sleep:1", "type:\\x03", "wait:KeyboardInterrupt"];
    let parts: [&[&str]; 9] =
        [&prompt, &[&reads], &prompt, &first, &prompt, &[&turns], &prompt, &goes_on, &prompt];
    let steps: Vec<&str> = parts.concat().into_iter().chain([&*leaves]).chain(prompt).chain(then).collect();
    let Some((said, output)) = in_terminal(&pydl_tests::python_wasm(), &steps, &[]) else { return };
    assert_eq!(said, "status 5 restored\n", "{output}");
    // Whoever ends it in the middle of a line finds the terminal as it was.
    let steps = ["wait:>>> ", "wait:\\x1b[?2026l", "type:unfinished", "settings", "signal:SIGTERM"];
    let Some((said, output)) = in_terminal(&pydl_tests::python_wasm(), &steps, &[]) else { return };
    assert_eq!(said, "echo=off lines=off signals=off\nstatus 143 restored\n", "{output}");
}
