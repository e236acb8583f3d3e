//! Owns hostile Python programs, `cases/hostile/programs.txt`: how one is run in a process of its own, and what it costs its host. Must not
//! know which of them are run when.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pydl_loader::{Cache, Captured, Compiler, Image, Process, ProcessOptions};

use crate::guest::PATIENCE;

/// The bytes that the host may keep for a program, and the bytes that it may take beyond that, whatever the program does.
pub const BUDGET: u64 = 64 << 20;
pub const ALLOWANCE: u64 = 200 << 20;

/// The test that runs one program, and the variable that describes it: its main module, its name and how long it runs.
const RUNNER: &str = "one_hostile_program";
const VARIABLE: &str = "PYDL_HOSTILE_PROGRAM";
/// The beginning of the report's line.
const REPORT: &str = "cost:";
/// The name of a program that does nothing, to compare with.
pub const IDLE: &str = "idle";
const BEGINNING: &str = "import os, sys, time\nprint('ready', flush=True)\n";

/// A hostile program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// The main modules that it is for: `E` for Emscripten's, `W` for WASI.
    pub letters: String,
    /// The most bytes of the guest's own memory that it uses, beyond what Python takes anyway.
    pub memory: u64,
    code: String,
}

/// What a program has cost its host.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The most bytes of memory that its process had, including the guest's own memory.
    pub memory: u64,
    /// How long it continued to run after it was to end.
    pub ending: Duration,
}

/// All hostile programs.
///
/// # Panics
///
/// Panics when their file is malformed.
pub fn programs() -> Vec<Program> {
    let text = fs::read_to_string(crate::repository().join("tests/cases/hostile/programs.txt")).unwrap();
    let program = |section: &str| {
        let (head, code) = section.split_once('\n').unwrap();
        let mut words = head.split(' ');
        let (name, letters) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let memory = words.next().map_or(0, |word| word.strip_prefix("memory=").unwrap().parse().unwrap());
        Program { name, letters, memory: memory << 20, code: code.to_owned() }
    };
    text.split("\n=== ").skip(1).map(program).collect()
}

/// Runs a program for some time in a process of its own, ends it, and returns what it has cost.
///
/// # Errors
///
/// Errs with a description of what went wrong.
///
/// # Panics
///
/// Panics when this test program cannot be started again.
pub fn run(main: &Path, name: &str, time: Duration) -> Result<Cost, String> {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", RUNNER, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, format!("{}\n{name}\n{}", main.display(), time.as_millis()));
    // With a backtrace, writing down an error of a guest that has called itself a thousand times through its host takes its time.
    command.env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text.lines().find_map(|line| line.split_once(REPORT)).map(|(_, report)| report);
    let numbers: Vec<u64> = report.into_iter().flat_map(str::split_whitespace).flat_map(str::parse).collect();
    match numbers.as_slice() {
        [memory, ending] => Ok(Cost { memory: *memory, ending: Duration::from_micros(*ending) }),
        _ => Err(format!("{}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

/// Runs the program that the variable names, and prints what it has cost: the counterpart of [`run`] in the process that it starts.
///
/// # Panics
///
/// Panics when the program does not end.
pub fn run_named() {
    let Ok(named) = std::env::var(VARIABLE) else { return };
    let mut lines = named.lines();
    let (main, name) = (PathBuf::from(lines.next().unwrap()), lines.next().unwrap());
    let time = Duration::from_millis(lines.next().unwrap().parse().unwrap());
    let known = programs().into_iter().find(|program| program.name == name);
    let code = known.map_or_else(|| BEGINNING.to_owned(), |program| BEGINNING.to_owned() + &program.code);
    let compiler = Compiler::new().unwrap().with_cache(Cache::open(crate::cache_folder()).unwrap());
    let image = Image::from_file(&compiler, &main).unwrap();
    let stdout = Captured::new();
    let options = ProcessOptions::python(&image).args(["-c", &code]).stdout(&stdout).host_memory(BUDGET);
    let process = Process::new(&image, &options).unwrap();
    let handle = process.interrupt_handle();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (ended, end) = mpsc::channel();
    let running = thread::spawn(move || {
        let status = process.run();
        let _ = ended.send(Instant::now());
        status
    });
    let started = Instant::now();
    while stdout.contents().is_empty() && !running.is_finished() {
        assert!(started.elapsed() < PATIENCE, "it does not start");
        thread::sleep(Duration::from_millis(10));
    }
    let early = end.recv_timeout(time).is_ok();
    let told = Instant::now();
    handle.terminate();
    let over = if early { Ok(told) } else { end.recv_timeout(PATIENCE) };
    let memory = peak();
    println!("{REPORT} {memory} {}", over.map_or(PATIENCE, |over| over.duration_since(told)).as_micros());
    if over.is_ok() {
        let _ = running.join();
    }
}

/// The most bytes of memory that this process has had since the figure was last reset (`proc_pid_status(5)`).
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
