//! What a program that embeds the loader relies on: images shared by threads, captured streams, time limits, and that nothing
//! a guest does in its start-up reaches the host's own stack.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use pydl_loader::{Cache, Captured, Compiler, ExitStatus, Image, Input, LoadError, Process, ProcessOptions};
use pydl_tests::wasm::assemble;

fn compiler() -> Compiler {
    Compiler::new().unwrap().with_cache(Cache::open(pydl_tests::cache_folder()).unwrap())
}

fn python() -> Image {
    Image::from_file(&compiler(), pydl_tests::python_wasm()).unwrap()
}

fn run(image: &Image, code: &str) -> (ExitStatus, String) {
    let stdout = Captured::new();
    let options = ProcessOptions::python(image.path())
        .args(["-c", code])
        .side_module(pydl_tests::testdata("fputs/fputs.so"))
        .stdin(Input::Bytes(b"typed\n".to_vec()))
        .stdout(&stdout);
    let status = Process::new(image, &options).unwrap().run().unwrap();
    (status, String::from_utf8(stdout.contents()).unwrap())
}

/// Waits until a guest has printed something: it is past its start-up.
fn wait_for(stdout: &Captured) {
    let ready = (0..3000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        !stdout.contents().is_empty()
    });
    assert!(ready, "the guest does not start");
}

#[test]
fn threads_share_an_image() {
    let image = python();
    thread::scope(|scope| {
        for number in 0..4 {
            let image = image.clone();
            scope.spawn(move || {
                let code = format!("import fputs; print({number} + fputs.FPUTS_FLAG, input())");
                let (status, printed) = run(&image, &code);
                assert_eq!(status, ExitStatus::Exited(0));
                assert_eq!(printed, format!("{} typed\n", number + 64));
            });
        }
    });
}

#[test]
fn one_process_is_interrupted_and_its_neighbour_goes_on() {
    let image = python();
    let stdout = Captured::new();
    let options = |code: &str| ProcessOptions::python(image.path()).args(["-c", code]);
    let endless = options("print('ready', flush=True)\nwhile True: pass").stdout(&stdout);
    let waiting = Process::new(&image, &endless).unwrap();
    let neighbour = options("import time; time.sleep(0.5); import sys; sys.exit(5)");
    let neighbour = Process::new(&image, &neighbour).unwrap();
    let handle = waiting.interrupt_handle();
    let running = thread::spawn(move || waiting.run());
    let beside = thread::spawn(move || neighbour.run());
    wait_for(&stdout);
    handle.interrupt();
    assert_eq!(running.join().unwrap().unwrap(), ExitStatus::Exited(130));
    assert_eq!(beside.join().unwrap().unwrap(), ExitStatus::Exited(5));
}

#[test]
fn terminate_ends_what_interrupts_do_not() {
    let image = python();
    let stubborn = "
import time
print('ready', flush=True)
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
";
    for code in [
        stubborn,
        "print('ready', flush=True)\nwhile True:\n  try:\n    while True: pass\n  except BaseException: pass",
    ] {
        let stdout = Captured::new();
        let options = ProcessOptions::python(image.path()).args(["-c", code]).stdout(&stdout);
        let process = Process::new(&image, &options).unwrap();
        let handle = process.interrupt_handle();
        let running = thread::spawn(move || process.run());
        wait_for(&stdout);
        thread::sleep(Duration::from_millis(50));
        handle.interrupt();
        thread::sleep(Duration::from_millis(100));
        assert!(!running.is_finished(), "an interrupt is caught");
        handle.terminate();
        assert_eq!(running.join().unwrap().unwrap(), ExitStatus::Interrupted);
    }
}

#[test]
fn a_guest_without_python_is_ended_by_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("loop.wasm");
    std::fs::write(&main, assemble(r#"(module (func (export "_start") loop br 0 end))"#)).unwrap();
    let image = Image::from_file(&compiler(), &main).unwrap();
    let process = Process::new(&image, &ProcessOptions::new("loop")).unwrap();
    let handle = process.interrupt_handle();
    // Before it runs counts, too.
    handle.interrupt();
    assert_eq!(process.run().unwrap(), ExitStatus::Interrupted);
}

#[test]
fn endless_recursion_in_a_start_function_is_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("recursion.wasm");
    let text = r#"(module (func $f call $f call $f) (start $f) (func (export "_start")))"#;
    std::fs::write(&main, assemble(text)).unwrap();
    let image = Image::from_file(&compiler(), &main).unwrap();
    let status = Process::new(&image, &ProcessOptions::new("recursion")).unwrap().run().unwrap();
    assert!(matches!(status, ExitStatus::Trapped(trap) if trap.reason.contains("stack")));
}

/// A name of a few hundred bytes that takes gigabytes when it is demangled: each part says the one before twice.
#[test]
fn names_of_functions_are_shown_as_they_are() {
    let mut name = "_Z1f1PI1AS0_E".to_owned();
    for part in "123456789ABCDEFGHIJKLMNOP".chars() {
        let _ = write!(name, "S_IS{part}_S{part}_E");
    }
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("names.wasm");
    // The host function fails, since there is no memory.
    let text = format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (func $"{name}" (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))))
        (start $"{name}") (func (export "_start")))"#
    );
    std::fs::write(&main, assemble(&text)).unwrap();
    let image = Image::from_file(&compiler(), &main).unwrap();
    let status = Process::new(&image, &ProcessOptions::new("names")).unwrap().run().unwrap();
    let ExitStatus::Trapped(trap) = status else { panic!("{status:?}") };
    assert!(trap.frames[0].contains("_Z1f1PI1AS0_ES_IS1_S1_E"), "{trap}");
    assert!(trap.to_string().len() < 1000);
}

#[test]
fn a_guest_gets_no_more_of_the_hosts_memory_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("greedy.wasm");
    let refused = [
        r#"(module (memory 1) (memory 1) (func (export "_start")))"#,
        r#"(module (memory i64 1) (func (export "_start")))"#,
        r#"(module (type (struct (field i32))) (func (export "_start") (drop (struct.new 0 (i32.const 1)))))"#,
    ];
    for text in refused {
        std::fs::write(&main, assemble(text)).unwrap();
        let result = Image::from_file(&compiler(), &main);
        assert!(matches!(result, Err(LoadError::Compile { .. } | LoadError::Malformed { .. })), "{text}");
    }
    // A table that grows past the limit: -1, and not the host's memory.
    let table = r#"(module (table 1 funcref) (func (export "_start")
        (if (i32.ne (table.grow (ref.null func) (i32.const 100000000)) (i32.const -1)) (then unreachable))))"#;
    std::fs::write(&main, assemble(table)).unwrap();
    let image = Image::from_file(&compiler(), &main).unwrap();
    let status = Process::new(&image, &ProcessOptions::new("greedy")).unwrap().run().unwrap();
    assert_eq!(status, ExitStatus::Exited(0));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_before_the_guest_starts() {
    let options = ProcessOptions::python(&pydl_tests::python_wasm()).working_directory("/nowhere");
    let result = Process::new(&python(), &options).unwrap().run();
    assert!(matches!(result, Err(LoadError::Option(why)) if why.contains("/nowhere")));
}
