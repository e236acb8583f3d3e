//! Checks what a program that embeds the loader relies on: images shared by threads, captured streams, time limits, and that nothing a
//! guest does in its start-up reaches the host's own stack.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::thread;
use std::time::Duration;

use pydl_loader::{
    Cache, Captured, Compiler, ExitStatus, Image, Input, LibraryError, LinkError, LoadError, OpenMode,
    Process, ProcessOptions, SymbolPlace, SymbolProblem,
};
use pydl_tests::wasm::assemble;

fn compiler() -> Compiler {
    Compiler::new().unwrap().with_cache(Cache::open(pydl_tests::cache_folder()).unwrap())
}

fn python() -> Image {
    Image::from_file(&compiler(), pydl_tests::python_wasm()).unwrap()
}

fn run(image: &Image, code: &str) -> (ExitStatus, String) {
    let stdout = Captured::new();
    let options = ProcessOptions::python(image)
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
fn images_are_made_of_bytes_too() {
    let bytes = std::fs::read(pydl_tests::python_wasm()).unwrap();
    let image = Image::from_bytes(&compiler(), "python of mine", &bytes).unwrap();
    let stdout = Captured::new();
    // Its standard library is not beside it.
    let beside = ProcessOptions::python(&image).args(["-c", "pass"]);
    assert_ne!(Process::new(&image, &beside).unwrap().run().unwrap(), ExitStatus::Exited(0));
    let lib = pydl_loader::Mount {
        host: pydl_tests::testdata("python/lib"),
        guest: "/usr/local/lib".to_owned(),
        read_only: true,
    };
    let options = ProcessOptions::new("/usr/local/bin/python3.13")
        .mount(lib)
        .args(["-c", "import json; print(json.dumps([1]))"])
        .stdout(&stdout);
    assert_eq!(Process::new(&image, &options).unwrap().run().unwrap(), ExitStatus::Exited(0));
    assert_eq!(stdout.contents(), b"[1]\n");
    let error = Image::from_bytes(&compiler(), "nothing", b"").err().unwrap().to_string();
    assert!(error.starts_with("nothing: "), "{error}");
}

#[test]
fn one_process_is_interrupted_and_its_neighbour_goes_on() {
    let image = python();
    let stdout = Captured::new();
    let options = |code: &str| ProcessOptions::python(&image).args(["-c", code]);
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
        let options = ProcessOptions::python(&image).args(["-c", code]).stdout(&stdout);
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
    // An interrupt before it runs counts, too.
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

/// A name of a few hundred bytes that takes gigabytes when it is demangled: each part contains the one before twice.
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
    assert!(trap.frames[0].function.contains("_Z1f1PI1AS0_ES_IS1_S1_E"), "{trap}");
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
    // A table that grows past the limit: `table.grow` returns -1, and no memory of the host is used.
    let table = r#"(module (table 1 funcref) (func (export "_start")
        (if (i32.ne (table.grow (ref.null func) (i32.const 100000000)) (i32.const -1)) (then unreachable))))"#;
    std::fs::write(&main, assemble(table)).unwrap();
    let image = Image::from_file(&compiler(), &main).unwrap();
    let status = Process::new(&image, &ProcessOptions::new("greedy")).unwrap().run().unwrap();
    assert_eq!(status, ExitStatus::Exited(0));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_before_the_guest_starts() {
    let image = python();
    let options = ProcessOptions::python(&image).working_directory("/nowhere");
    let result = Process::new(&image, &options).unwrap().run();
    assert!(matches!(result, Err(LoadError::NoSuchFolder { folder }) if folder == "/nowhere"));
}

const COUNTER: &str = r#"(module (@dylink.0 (mem-info (memory 8 2) (table 1 0)))
    (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
    (import "env" "__table_base" (global $slots i32))
    (import "env" "__indirect_function_table" (table 1 funcref))
    (import "env" "abs" (func $abs (param i32) (result i32)))
    (global (export "count") i32 (i32.const 4))
    (func $add (export "add") (param i32) (result i32)
        global.get $base
        global.get $base i32.load offset=4 local.get 0 call $abs i32.add
        i32.store offset=4
        global.get $base i32.load offset=4)
    (func (export "half") (param f64) (result f64) local.get 0 f64.const 0.5 f64.mul)
    (func (export "trap") unreachable)
    (elem (global.get $slots) func $add))"#;
const USER: &str = r#"(module (@dylink.0 (needed "counter.so")) (import "env" "add" (func $add (param i32) (result i32)))
    (func (export "add_two") (result i32) i32.const -2 call $add))"#;

/// A process of the test programs' driver with these two libraries.
fn with_counter(folder: &std::path::Path) -> Process {
    for (name, text) in [("counter.so", COUNTER), ("user.so", USER)] {
        std::fs::write(folder.join(name), assemble(text)).unwrap();
    }
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    let image = Image::from_file(&compiler(), driver).unwrap();
    let options = ProcessOptions::new("driver")
        .side_module(folder.join("counter.so"))
        .side_module(folder.join("user.so"));
    Process::new(&image, &options).unwrap()
}

/// A program that embeds Python can tell for which of two reasons a library is refused, and can distinguish both from a failure in the
/// library's own code.
#[test]
fn refusals_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let libraries = [
        ("undefined.so", r#"(import "GOT.mem" "nowhere" (global (mut i32))) (func (export "f"))"#),
        ("typed.so", r#"(import "env" "malloc" (func (param f64))) (func (export "f"))"#),
        ("fails.so", r#"(func (export "__wasm_call_ctors") unreachable)"#),
    ];
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    let image = Image::from_file(&compiler(), driver).unwrap();
    let mut options = ProcessOptions::new("driver");
    for (name, body) in libraries {
        let file = folder.path().join(name);
        std::fs::write(&file, assemble(&format!("(module (@dylink.0 (mem-info)) {body})"))).unwrap();
        options = options.side_module(file);
    }
    let work = |libraries: &mut pydl_loader::Libraries<'_>| {
        let mut open = |name| libraries.open(name, OpenMode::default()).unwrap_err();
        let symbols = |error| match error {
            LibraryError::Link(LinkError::Symbols { problems, .. }) => problems,
            other => panic!("{other:?}"),
        };
        assert!(matches!(&symbols(open("undefined.so"))[..], [SymbolProblem::Undefined { .. }]));
        assert!(matches!(&symbols(open("typed.so"))[..], [SymbolProblem::WrongType { .. }]));
        let failed = open("fails.so");
        assert!(matches!(&failed, LibraryError::Refused(why) if why.contains("constructor")), "{failed:?}");
        let again = open("fails.so");
        assert!(matches!(&again, LibraryError::Link(LinkError::FailedEarlier { .. })), "{again:?}");
    };
    Process::new(&image, &options).unwrap().with_libraries(work).unwrap();
}

/// How a guest has ended is described in words.
#[test]
fn the_end_of_a_guest_has_words() {
    assert_eq!(ExitStatus::Exited(3).to_string(), "exited with status 3");
    assert_eq!(ExitStatus::Interrupted.to_string(), "was interrupted");
}

#[test]
fn libraries_are_loaded_listed_and_called_from_rust() {
    let folder = tempfile::tempdir().unwrap();
    let mode = OpenMode { global: true, ..OpenMode::default() };
    let work = |libraries: &mut pydl_loader::Libraries<'_>| {
        let user = libraries.open("user.so", OpenMode::default()).unwrap();
        let counter = libraries.open("counter.so", mode).unwrap();
        let list = libraries.list().unwrap();
        let of = |name: &str| list.iter().find(|library| library.path.ends_with(name)).unwrap();
        assert_eq!(of("user.so").needed, [of("counter.so").path.clone()]);
        assert_eq!((of("counter.so").references, of("counter.so").is_global), (1, true));
        assert_eq!((of("user.so").references, of("user.so").is_global), (1, false));
        assert_eq!((of("counter.so").memory_size, of("counter.so").table_size), (8, 1));

        let add = libraries.symbol(None, "add").unwrap();
        assert_eq!(libraries.call::<i32, i32>(&add, -3), Ok(3));
        let SymbolPlace::Function { slot, signature } = &add.place else { panic!("{add:?}") };
        assert_eq!((*slot, signature.as_str()), (of("counter.so").table_base, "(i32) -> i32"));
        let add_two = libraries.symbol(Some(user), "add_two").unwrap();
        assert_eq!(libraries.call::<(), i32>(&add_two, ()), Ok(5));
        let half = libraries.symbol(Some(user), "half").unwrap();
        assert_eq!(libraries.call::<f64, f64>(&half, 5.0), Ok(2.5));
        let wrong = libraries.call::<i32, f64>(&half, 5);
        assert!(matches!(wrong, Err(LibraryError::WrongType { .. })), "{wrong:?}");
        let trap = libraries.symbol(Some(counter), "trap").unwrap();
        let trapped = libraries.call::<(), ()>(&trap, ());
        assert!(matches!(trapped, Err(LibraryError::NotReturned(ExitStatus::Trapped(_)))), "{trapped:?}");

        let names: Vec<String> =
            libraries.symbols(counter).unwrap().into_iter().map(|symbol| symbol.name).collect();
        assert_eq!(names, ["add", "count", "half", "trap"]);
        let count = libraries.symbol(Some(counter), "count").unwrap();
        let SymbolPlace::Data(address) = count.place else { panic!("{count:?}") };
        assert_eq!(address, of("counter.so").memory_base + 4);
        assert_eq!(libraries.read(address, 4), Some(vec![5, 0, 0, 0]));
        assert_eq!(libraries.write(address, &[1, 1, 0, 0]), Some(()));
        assert_eq!(libraries.call::<i32, i32>(&add, 0), Ok(257));
        let not_called = libraries.call::<(), ()>(&count, ());
        assert!(matches!(not_called, Err(LibraryError::NotAFunction { .. })), "{not_called:?}");

        libraries.close(counter).unwrap();
        assert!(libraries.symbol(Some(counter), "add").is_err(), "the handle is closed");
        assert_eq!(libraries.list().unwrap().len(), 2, "one needs the other");
        libraries.close(user).unwrap();
        assert_eq!(libraries.list().unwrap(), []);
        assert!(matches!(libraries.call::<i32, i32>(&add, 1), Err(LibraryError::Refused(_))));
        let missing = libraries.open("nowhere.so", mode).unwrap_err();
        assert!(
            matches!(&missing, LibraryError::Link(LinkError::NotFound(all)) if all.len() == 1),
            "{missing:?}"
        );
        assert!(missing.to_string().contains("nowhere.so"), "{missing}");
        assert_eq!(libraries.last_refused().unwrap().cause.clone().map(LibraryError::from), Some(missing));
    };
    with_counter(folder.path()).with_libraries(work).unwrap();
}

/// By then, the slot of a function whose library was closed belongs to another function.
#[test]
fn a_symbol_that_was_kept_calls_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let process = with_counter(folder.path());
    let work = |libraries: &mut pydl_loader::Libraries<'_>| {
        let counter = libraries.open("counter.so", OpenMode::default()).unwrap();
        let kept = libraries.symbol(Some(counter), "add").unwrap();
        libraries.close(counter).unwrap();
        let again = libraries.open("counter.so", OpenMode::default()).unwrap();
        let add = libraries.symbol(Some(again), "add").unwrap();
        assert_eq!(kept.place, add.place, "the same slot, or the test shows nothing");
        let called = libraries.call::<i32, i32>(&kept, 1);
        assert!(
            matches!(&called, Err(LibraryError::Refused(why)) if why.contains("was closed")),
            "{called:?}"
        );
        assert!(libraries.call::<i32, i32>(&add, 1).is_ok());
    };
    process.with_libraries(work).unwrap();
}

/// A panic of an embedding program keeps its payload, and is not reported as a fault of pydl.
#[test]
fn a_panic_of_an_embedding_program_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let panics = |_: &mut pydl_loader::Libraries<'_>| -> u32 { std::panic::resume_unwind(Box::new(42_u8)) };
    let process = with_counter(folder.path());
    let payload = std::panic::catch_unwind(AssertUnwindSafe(|| process.with_libraries(panics))).unwrap_err();
    assert_eq!(payload.downcast_ref::<u8>(), Some(&42));
    let process = with_counter(folder.path());
    let payload = std::panic::catch_unwind(AssertUnwindSafe(|| process.run_then(panics))).unwrap_err();
    assert_eq!(payload.downcast_ref::<u8>(), Some(&42));
}

#[test]
fn libraries_are_seen_after_the_program_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let case = r#"(module (@dylink.0 (needed "user.so")) (import "env" "add_two" (func $add (result i32)))
        (func (export "run_case") (result i32) call $add))"#;
    std::fs::write(folder.path().join("case.so"), assemble(case)).unwrap();
    with_counter(folder.path());
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    let image = Image::from_file(&compiler(), driver).unwrap();
    let options = ["counter.so", "user.so", "case.so"]
        .iter()
        .fold(ProcessOptions::new("driver").args(["case.so"]), |options, name| {
            options.side_module(folder.path().join(name))
        });
    let (status, paths) = Process::new(&image, &options)
        .unwrap()
        .run_then(|libraries| {
            let list = libraries.list().unwrap();
            let add = libraries.symbol(Some(list[0].handle), "add").unwrap();
            assert_eq!(libraries.call::<i32, i32>(&add, 1), Ok(3));
            list.into_iter().map(|library| library.path).collect::<Vec<_>>()
        })
        .unwrap();
    assert_eq!(status, ExitStatus::Exited(2));
    let names: Vec<&str> = paths.iter().filter_map(|path| path.rsplit('/').next()).collect();
    assert_eq!(names, ["case.so", "user.so", "counter.so"]);
}

/// Opens and closes `x.so` and returns, as its status, how often that succeeded.
const OPENS_AND_CLOSES: &str = r#"(module (@dylink.0 (mem-info (memory 16 0)))
    (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
    (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
    (import "env" "dlclose" (func $dlclose (param i32) (result i32)))
    (import "env" "dlerror" (func $dlerror (result i32)))
    (import "env" "puts" (func $puts (param i32) (result i32)))
    (data (global.get $base) "x.so\00")
    (func (export "run_case") (result i32) (local $n i32) (local $x i32)
        loop $again
            global.get $base i32.const 2 call $dlopen local.tee $x
            i32.eqz if call $dlerror call $puts drop local.get $n return end
            local.get $x call $dlclose drop
            local.get $n i32.const 1 i32.add local.tee $n
            i32.const 100 i32.lt_u br_if $again
        end
        i32.const 100))"#;

// row: failure | loads_beyond_the_limit_of_instances_are_refused | A load that takes more instances than a process may make in its life is refused, with how many that are and why closed libraries count | pydl
#[test]
fn loads_beyond_the_limit_of_instances_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, mut options) = (Captured::new(), ProcessOptions::new("driver").args(["case.so"]));
    let library = r#"(module (@dylink.0) (func (export "f")))"#;
    for (name, text) in [("x.so", library), ("case.so", OPENS_AND_CLOSES)] {
        std::fs::write(folder.path().join(name), assemble(text)).unwrap();
        options = options.side_module(folder.path().join(name));
    }
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    let image = Image::from_file(&compiler(), driver).unwrap();
    let options = options.most_instances(8).stdout(&stdout);
    let status = Process::new(&image, &options).unwrap().run().unwrap();
    let said = String::from_utf8(stdout.contents()).unwrap();
    assert_eq!(status, ExitStatus::Exited(7), "{said}");
    assert!(said.contains("x.so: the load takes 1 instances, and the process has made 8 of the 8"), "{said}");
}

/// How a main module ends for which the host may keep this many bytes.
fn with_host_memory(text: &str, bytes: u64) -> ExitStatus {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    std::fs::write(&main, assemble(text)).unwrap();
    let image = Image::from_file(&compiler(), &main).unwrap();
    Process::new(&image, &ProcessOptions::new("main").host_memory(bytes)).unwrap().run().unwrap()
}

/// A table of a million slots takes 8 MB, and as many exceptions that are kept take some 32 MB more.
#[test]
fn what_the_engine_keeps_for_a_guest_is_bounded() {
    let table = "(module (table 1 funcref) (func (export \"_start\")
        (if (i32.eq (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1)) (then unreachable))))";
    assert_eq!(with_host_memory(table, 16 << 20), ExitStatus::Exited(0));
    assert!(matches!(with_host_memory(table, 4 << 20), ExitStatus::Trapped(_)));
    let exceptions = "(module (tag $t) (table $kept 1000000 exnref) (func (export \"_start\") (local $i i32)
        (loop $again
            (table.set $kept (local.get $i) (block $caught (result exnref)
                (try_table (catch_all_ref $caught) (throw $t)) unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000))))))";
    assert_eq!(with_host_memory(exceptions, 1 << 30), ExitStatus::Exited(0));
    assert!(matches!(with_host_memory(exceptions, 16 << 20), ExitStatus::Trapped(_)));
}

/// A library is counted from when it is loaded until it is closed.
#[test]
fn libraries_count_to_what_the_host_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "(module (@dylink.0) (@custom \"padding\" \"{}\") (func (export \"f\")))",
        "x".repeat(1_200_000)
    );
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    let image = Image::from_file(&compiler(), driver).unwrap();
    let mut options = ProcessOptions::new("driver").host_memory(3 << 20);
    for name in ["one.so", "two.so"] {
        std::fs::write(folder.path().join(name), assemble(&text)).unwrap();
        options = options.side_module(folder.path().join(name));
    }
    let work = |libraries: &mut pydl_loader::Libraries<'_>| {
        let mode = OpenMode::default();
        let one = libraries.open("one.so", mode).unwrap();
        let why = libraries.open("two.so", mode).unwrap_err().to_string();
        assert!(
            why.contains("two.so: the memory that the host keeps for a guest is used up: 3145728 bytes"),
            "{why}"
        );
        libraries.close(one).unwrap();
        libraries.open("two.so", mode).unwrap();
    };
    Process::new(&image, &options).unwrap().with_libraries(work).unwrap();
}

/// Runs a main module with 100 MiB of memory that does `body`; it ends with `unreachable` where a word is not what it should be.
fn with_words(body: &str) -> ExitStatus {
    let text = format!(
        r#"(module (memory (export "memory") 1600)
        (func $word (param $n i32) (result i32) (i32.mul (local.get $n) (i32.const 0x9e3779b1)))
        (func $write (local $n i32)
            (loop $next
                (i32.store (i32.shl (local.get $n) (i32.const 2)) (call $word (local.get $n)))
                (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 15000000)))))
        (func $check (param $base i32) (param $count i32) (local $n i32)
            (loop $next
                (if (i32.ne (i32.load (i32.add (local.get $base) (i32.shl (local.get $n) (i32.const 2)))) (call $word (local.get $n)))
                    (then unreachable))
                (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (local.get $count)))))
        (func $same (param $from i32) (param $to i32) (param $byte i32)
            (loop $next
                (if (i32.ne (i32.load8_u (local.get $from)) (local.get $byte)) (then unreachable))
                (br_if $next (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 1))) (local.get $to)))))
        (func $copy (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func $fill (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export "_start") (call $write) {body}))"#
    );
    with_host_memory(&text, 1 << 20)
}

/// Copying and filling more than some megabytes is done in pieces, so that it can be interrupted; the result is the same.
#[test]
fn long_copies_and_fills_are_as_if_done_at_once() {
    for body in [
        // The ranges overlap in both directions, by little and by much; the sizes are at and around those of the pieces.
        "(call $copy (i32.const 5) (i32.const 0) (i32.const 50000000)) (call $check (i32.const 5) (i32.const 12500000))",
        "(call $copy (i32.const 20000000) (i32.const 0) (i32.const 50000000)) (call $check (i32.const 20000000) (i32.const 12500000))",
        "(call $copy (i32.const 0x1000000) (i32.const 0) (i32.const 0x1000000)) (call $check (i32.const 0x1000000) (i32.const 0x400000))",
        "(call $copy (i32.const 0x2000000) (i32.const 0) (i32.const 0x2000000)) (call $check (i32.const 0x2000000) (i32.const 0x800000))
         (call $check (i32.const 0) (i32.const 0x800000))",
        "(call $copy (i32.const 60000001) (i32.const 0) (i32.const 0x1000001)) (call $copy (i32.const 3) (i32.const 60000001) (i32.const 0x1000001))
         (call $check (i32.const 3) (i32.const 0x400000))",
        "(call $copy (i32.const 40000000) (i32.const 0) (i32.const 0)) (call $check (i32.const 0) (i32.const 15000000))",
        "(call $copy (i32.const 0) (i32.const 0) (i32.const 60000000)) (call $check (i32.const 0) (i32.const 15000000))",
        "(call $fill (i32.const 60000001) (i32.const 0x1ff) (i32.const 40000000)) (call $same (i32.const 60000001) (i32.const 100000001) (i32.const 255))
         (call $same (i32.const 100000001) (i32.const 104857600) (i32.const 0)) (call $check (i32.const 0) (i32.const 15000000))",
        "(call $copy (i32.const 20000000) (i32.const 0) (i32.const 50000000)) (call $copy (i32.const 5) (i32.const 20000000) (i32.const 50000000))
         (call $check (i32.const 5) (i32.const 12500000))",
        // This one goes to the last byte.
        "(call $copy (i32.const 54857600) (i32.const 0) (i32.const 50000000)) (call $check (i32.const 54857600) (i32.const 12500000))",
    ] {
        assert_eq!(with_words(body), ExitStatus::Exited(0), "{body}");
    }
    // A function that has no room for further local variables.
    let locals = "i32 ".repeat(49_999);
    let text = format!(
        r#"(module (memory (export "memory") 1) (data (i32.const 0) "text")
        (func (export "_start") (local {locals}) (memory.copy (i32.const 8) (i32.const 0) (local.tee 49998 (i32.const 4)))
            (if (i32.ne (i32.load (i32.const 8)) (i32.load (i32.const 0))) (then unreachable))))"#
    );
    assert_eq!(with_host_memory(&text, 1 << 20), ExitStatus::Exited(0));
    for body in [
        "(call $copy (i32.const 54857601) (i32.const 0) (i32.const 50000000))",
        "(call $copy (i32.const 0) (i32.const 54857601) (i32.const 50000000))",
        "(call $copy (i32.const -8) (i32.const 0) (i32.const 20000000))",
        "(call $fill (i32.const 100000000) (i32.const 1) (i32.const 20000000))",
        "(call $fill (i32.const 8) (i32.const 1) (i32.const -1))",
    ] {
        match with_words(body) {
            ExitStatus::Trapped(trap) => {
                assert!(trap.to_string().contains("out of bounds"), "{body}: {trap}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}
