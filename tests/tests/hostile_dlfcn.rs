//! Malicious guests that misuse the `dlopen` family: with what runs at exit, with closing at the wrong moment, with functions that are
//! bound when first called, and with main modules that need libraries. They end as those of `hostile.rs` do.

use std::fmt::Write as _;
use std::fs;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use pydl_loader::{Captured, Compiler, ExitStatus, Image, LoadError, Process, ProcessOptions};
use pydl_tests::guest::{Guest, PATIENCE, library, private_folder};
use pydl_tests::wasm::assemble;

/// The functions that libraries import here.
const IMPORTS: &str = r#"
    (import "pydl_dlfcn_v1" "dlopen" (func $dlopen (param i32 i32) (result i32)))
    (import "pydl_dlfcn_v1" "dlclose" (func $dlclose (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "env" "atexit" (func $atexit (param i32) (result i32)))
    (import "env" "__cxa_atexit" (func $cxa_atexit (param i32 i32 i32) (result i32)))
    (import "env" "dlinfo" (func $dlinfo (param i32 i32 i32) (result i32)))
    (import "env" "dl_iterate_phdr" (func $iterate (param i32 i32) (result i32)))
    (import "env" "__table_base" (global $slots i32))
    (import "env" "__indirect_function_table" (table 1 funcref))"#;
/// A list of exit handlers that is never run through.
const FORGETS: &str = r#"(func (export "__cxa_atexit") (param i32 i32 i32) (result i32) {at_exit} (i32.const 0))
    (func (export "atexit") (param i32) (result i32) unreachable) (data (i32.const 900) "f") (elem declare func $tell)"#;

fn with_imports(text: &str) -> Vec<u8> {
    library(&format!("{IMPORTS} {text}"))
}

fn guest(libraries: &[Vec<u8>]) -> Guest {
    Guest::new(libraries).with("definitions", FORGETS.replace("{at_exit}", ""))
}

const OPEN_AND_CLOSE: &str =
    "(call $tell (call $open (i32.const 0))) (call $tell (call $dlclose (i32.const 2))) (call $complain)
    (call $tell (call $open (i32.const 0)))";

/// More handlers than fit: functions, null, and slots that are not such functions.
#[test]
fn a_million_handlers_at_exit() {
    let registers = |slot: &str| {
        with_imports(&format!(
            r#"(global $left (mut i32) (i32.const 1100000)) (func $count) (elem (global.get $slots) func $count)
            (func (export "__wasm_call_ctors") (loop $more (drop (call $atexit {slot}))
                (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $more (global.get $left))))"#
        ))
    };
    let failed = |why: &str| format!("2\n4294967295\n/0: a destructor failed: {why}\n3\n");
    for (slot, expected) in [
        ("(global.get $slots)", "2\n0\n3\n".to_owned()),
        ("(i32.const 0)", failed("wasm trap: uninitialized element")),
        ("(i32.const -1)", failed("wasm trap: undefined element: out of bounds table access")),
    ] {
        assert_eq!(guest(&[registers(slot)]).with("start", OPEN_AND_CLOSE).says(), expected, "{slot}");
    }
}

/// The main module's list may be full, or registering may trap.
#[test]
fn libraries_whose_end_cannot_be_registered_are_not_opened_later_either() {
    for (body, why) in [
        ("(return (i32.const 1))", "the program's list of exit handlers is full"),
        (
            "unreachable",
            "the program's list of exit handlers: wasm trap: wasm `unreachable` instruction executed",
        ),
    ] {
        let library = library(r#"(func (export "__wasm_call_dtors"))"#);
        let guest = Guest::new(&[library]).with("definitions", FORGETS.replace("{at_exit}", body));
        let start = "(call $tell (call $open (i32.const 0))) (call $tell (call $open (i32.const 0)))";
        let said = guest.with("start", start).says();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with(&format!("/0: {why}")), "{said}");
        assert!(
            lines[2].starts_with(&format!("/0: an earlier load failed in its initialization: {why}")),
            "{said}"
        );
        assert_eq!((lines[1], lines[3]), ("0", "0"), "{said}");
    }
}

#[test]
fn callbacks_of_dl_iterate_phdr_that_do_not_behave() {
    for (body, status, expected) in [
        ("(drop (call $dlclose (i32.const 2))) (drop (call $dlclose (i32.const 3)))", 0, "\n4\n"),
        ("(drop (call $dlopen (i32.const 544) (i32.const 2)))", 0, "\n4\n"),
        ("(call $exit (i32.const 5))", 5, ""),
        (
            "unreachable",
            0,
            "/2: a static constructor failed: wasm trap: wasm `unreachable` instruction executed",
        ),
        (
            "(drop (call $iterate (global.get $slots) (i32.const 0)))",
            0,
            "/2: a static constructor failed: wasm trap: call stack exhausted",
        ),
        ("(return (i32.const 1))", 0, "\n4\n"),
    ] {
        let text = format!(
            r#"(func $callback (param i32 i32 i32) (result i32) {body} (i32.const 0))
            (elem (global.get $slots) func $callback)
            (func (export "__wasm_call_ctors") (drop (call $iterate (global.get $slots) (i32.const 0))))"#
        );
        let libraries = [library(""), library(""), with_imports(&text)];
        let start = "(call $tell (call $open (i32.const 0))) (call $tell (call $open (i32.const 1)))
            (call $tell (call $open (i32.const 2)))";
        let (ended, said) = guest(&libraries).with("start", start).run();
        assert_eq!(ended, ExitStatus::Exited(status), "{body}: {said}");
        assert!(said.starts_with("2\n3\n") && said.contains(expected), "{body}: {said}");
    }
}

#[test]
fn pointers_of_dlinfo_that_are_wild() {
    for (request, address) in [(1, "-1"), (2, "-4"), (6, "-1"), (6, "0x7fffff"), (99, "0")] {
        let text = format!(
            r#"(func (export "__wasm_call_ctors")
            (if (i32.ne (call $dlinfo (i32.const 1) (i32.const {request}) (i32.const {address})) (i32.const -1)) (then unreachable))
            (if (i32.ne (call $dlinfo (i32.const 77) (i32.const {request}) (i32.const 4096)) (i32.const -1)) (then unreachable)))"#
        );
        let said =
            guest(&[with_imports(&text)]).with("start", "(call $tell (call $open (i32.const 0)))").says();
        assert_eq!(said, "2\n", "{request} {address}");
    }
}

/// The guest's `free`, `malloc` and `aligned_alloc` open and close the libraries that they are called for.
#[test]
fn allocators_that_close_and_open() {
    let bodies = [
        "(drop (call $dlclose (i32.const 2)))",
        "(drop (call $dlclose (i32.const 3)))",
        "(drop (call $dlopen (i32.const 512) (i32.const 2)))",
    ];
    let asks = r#"(func (export "__wasm_call_ctors") (drop (call $dlinfo (i32.const 1) (i32.const 2) (i32.const 4096)))
        (drop (call $atexit (i32.const 0))))"#;
    for body in bodies {
        for function in ["free", "malloc", "aligned_alloc"] {
            let start = "(call $tell (call $open (i32.const 0))) (call $tell (call $open (i32.const 1)))
                (call $tell (call $dlclose (i32.const 2))) (call $complain) (call $tell (call $dlclose (i32.const 3))) (call $complain)
                (call $tell (call $open (i32.const 0)))";
            let libraries = [with_imports(asks), with_imports(asks)];
            // The body does not run within itself: with two branches at each depth, that would take for ever.
            let once = format!(
                "(if (i32.eqz (global.get $busy)) (then (global.set $busy (i32.const 1)) {body} (global.set $busy (i32.const 0))))"
            );
            let definitions = FORGETS.replace("{at_exit}", "") + "(global $busy (mut i32) (i32.const 0))";
            let guest = Guest::new(&libraries).with("definitions", definitions);
            let (ended, said) = guest.with(function, once).with("start", start).run();
            assert_eq!(ended, ExitStatus::Exited(0), "{function} {body}: {said}");
            assert!(said.lines().count() >= 5, "{function} {body}: {said}");
        }
    }
}

/// What opens a library for every one that it frees, or closes, runs for ever, and is ended.
#[test]
fn what_opens_libraries_without_end_is_terminated() {
    let open = "(drop (call $dlopen (i32.const 512) (i32.const 2)))";
    let again = "(drop (call $dlclose (call $dlopen (i32.const 512) (i32.const 2))))";
    let destructor = with_imports(&format!(r#"(func (export "__wasm_call_dtors") {again})"#));
    for guest in [
        guest(&[library("")]).with("free", open).with("start", open),
        guest(&[destructor]).with("start", format!("(loop $for_ever {again} (br $for_ever))")),
    ] {
        let process = guest.process(&Captured::new());
        let handle = process.interrupt_handle();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(process.run()));
        thread::sleep(Duration::from_millis(500));
        handle.terminate();
        assert_eq!(end.recv_timeout(PATIENCE).unwrap().unwrap(), ExitStatus::Interrupted);
    }
}

const OPEN_LAZILY: &str = "(call $tell (call $dlopen (i32.const 512) (i32.const 1))) (call $complain)";

/// First calls in start functions, of functions that do not exist, and of all kinds of types.
#[test]
fn first_calls_where_they_are_not_expected() {
    let many = "i32 i64 f32 f64 v128 externref funcref ".repeat(100);
    let nulls = "(i32.const 0) (i64.const 0) (f32.const 0) (f64.const 0) (v128.const i64x2 0 0) (ref.null extern) (ref.null func) ".repeat(100);
    for (ty, call) in [
        (String::new(), String::new()),
        (format!("(param {many})"), nulls),
        ("(param exnref)".to_owned(), "(ref.null exn)".to_owned()),
        ("(param (ref null $t))".to_owned(), "(ref.null $t)".to_owned()),
    ] {
        for place in ["(start $s)", r#"(export "__wasm_call_ctors" (func $s))"#] {
            let text = format!(
                r#"(module (@dylink.0) (type $t (func)) (import "env" "nowhere" (func $n {ty})) (func $s {call} (call $n)) {place})"#
            );
            let start = format!("{OPEN_LAZILY} {OPEN_LAZILY}");
            let (ended, said) = guest(&[assemble(&text)]).with("start", start).run();
            assert_eq!(ended, ExitStatus::Exited(0), "{ty} {place}: {said}");
            let lines: Vec<&str> = said.lines().collect();
            assert_eq!((lines.len(), lines[0], lines[2]), (4, "0", "0"), "{ty} {place}: {said}");
            assert!(lines[1].contains("nowhere") && lines[3].contains("nowhere"), "{ty} {place}: {said}");
        }
    }
}

/// The compiler can number no more than 65,536 things that one function touches.
#[test]
fn libraries_that_the_compiler_fails_on_are_refused() {
    let globals = "(global funcref (ref.func $f))".repeat(70_000);
    let many = assemble(&format!(r#"(module (@dylink.0) (func $f (export "f")) {globals})"#));
    let start = "(call $tell (call $open (i32.const 0))) (call $tell (call $open (i32.const 1)))";
    let said = guest(&[many, library("")]).with("start", start).says();
    assert!(said.starts_with("/0: ") && said.contains("the engine's compiler fails on it"), "{said}");
    assert!(said.ends_with("\n0\n2\n"), "{said}");
}

/// Whatever is in a function's slot by its first call is called if it has the right type, and otherwise traps.
#[test]
fn slots_that_are_spoilt_before_the_first_call() {
    let definer = library("");
    let user = assemble(
        r#"(module (@dylink.0) (import "env" "f" (func $f (result i32))) (func (export "g") (result i32) (call $f)))"#,
    );
    for (value, expected) in [("(ref.null func)", "cast failure"), ("(ref.func $tell)", "cast failure")] {
        let start = format!(
            "(local $g i32) (drop (call $dlopen (i32.const 528) (i32.const 1))) (i32.store8 (i32.const 900) (i32.const 103))
            (drop (call $dlopen (i32.const 512) (i32.const 0x102)))
            (local.set $g (call $dlsym (i32.const 2) (i32.const 900))) (i32.store8 (i32.const 900) (i32.const 102))
            (table.set $table (call $dlsym (i32.const 3) (i32.const 900)) {value})
            (call $tell (call_indirect (result i32) (local.get $g)))"
        );
        let (ended, said) = guest(&[definer.clone(), user.clone()]).with("start", start).run();
        let ExitStatus::Trapped(trap) = ended else { panic!("{ended:?}: {said}") };
        assert!(trap.reason.contains(expected), "{trap}");
    }
}

/// A library that names this many others and this many folders.
fn many_times_many(needed: usize, folders: usize) -> Vec<u8> {
    let list = |count: usize, name: &str| {
        (0..count).fold(String::new(), |text, n| text + &format!(r#" "{name}{n}""#))
    };
    let (needed, folders) = (list(needed, "n"), list(folders, "/p"));
    assemble(&format!(r#"(module (@dylink.0 (needed{needed}) (runtime-path{folders})) (func (export "f")))"#))
}

/// 46 KB name nine million files. Neither the host nor a guest that reads its files itself looks for them all, nor keeps a record of what
/// was tried.
// row: search | libraries_times_folders_are_bounded | A load looks for 65,536 files at most, whatever NEEDED and RUNTIME_PATH multiply to, and gives up after 1,000 missing libraries | pydl
#[test]
fn libraries_times_folders_are_bounded() {
    let open = "(call $tell (call $open (i32.const 0)))";
    let needs_l = emscripten(r#"(needed "l.so")"#, "", CALLOC, "(i32.const 7)");
    for (needed, folders, expected) in [
        (3000, 3000, "its RUNTIME_PATH, make more than 65536 files to look for"),
        (3000, 0, "n999: cannot be opened, needed by /"),
        (1, 3000, "/p15/n0 (No such file or directory), further places (not listed)"),
    ] {
        let library = many_times_many(needed, folders);
        let said = guest(std::slice::from_ref(&library)).with("start", open).says();
        // The buffer of this guest holds the beginning of a message.
        assert!(said.contains(expected) || folders == 0, "{needed} {folders}: {said}");
        let shown = show(run_emscripten(&needs_l, &[("l.so", library)]));
        let expected = expected.replace("by /", "by /usr/local/lib/pydl/l.so");
        assert!(shown.contains(&expected), "{needed} {folders}: {shown}");
        assert!(
            !shown.contains("n1000:") && shown.len() < 200_000,
            "{needed} {folders}: {} bytes",
            shown.len()
        );
    }
}

/// `$ORIGIN` a million times makes gigabytes; what is not a path is not tried, nor shown in full.
// row: search | tokens_make_no_long_paths | A path that tokens make longer than a path can be is not tried | pydl
#[test]
fn tokens_make_no_long_paths() {
    let path = "$ORIGIN".repeat(1_000_000);
    let name = "n".repeat(1_000_000);
    let text = format!(
        r#"(module (@dylink.0 (needed "x.so" "{path}" "{name}") (runtime-path "{path}" "/r")) (func (export "f")))"#
    );
    let main = emscripten(r#"(needed "l.so")"#, "", CALLOC, "(i32.const 7)");
    let shown = show(run_emscripten(&main, &[("l.so", assemble(&text))]));
    let short = format!("{}...", &path[..100]);
    for expected in [
        format!(
            "x.so: cannot be opened, needed by /usr/local/lib/pydl/l.so; tried {short} (not a possible path), /r/x.so"
        ),
        format!("; tried {short} (not a possible path)"),
        format!("; tried {}... (not a possible path)", &name[..100]),
    ] {
        assert!(shown.contains(&expected), "{expected}: {}", &shown[..2000.min(shown.len())]);
    }
}

/// Runs an Emscripten main module with side modules of these names.
fn run_emscripten(main: &str, sides: &[(&str, Vec<u8>)]) -> Result<(ExitStatus, String), LoadError> {
    static COMPILER: OnceLock<Compiler> = OnceLock::new();
    let folder = private_folder();
    let path = folder.path().join("main.wasm");
    fs::write(&path, assemble(main)).unwrap();
    let image = Image::from_file(COMPILER.get_or_init(|| Compiler::new().unwrap()), &path)?;
    let stdout = Captured::new();
    let mut options = ProcessOptions::new("hostile").stdout(&stdout);
    for (name, bytes) in sides {
        fs::write(folder.path().join(name), bytes).unwrap();
        options = options.side_module(folder.path().join(name));
    }
    let process = Process::new(&image, &options)?;
    let handle = process.interrupt_handle();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(process.run()));
    let Ok(status) = end.recv_timeout(PATIENCE) else {
        handle.terminate();
        panic!("it hangs");
    };
    Ok((status?, String::from_utf8_lossy(&stdout.contents()).into_owned()))
}

/// A main module with the functions of its C library, into which NEEDED entries, imports, definitions and `main` are inserted.
fn emscripten(needed: &str, imports: &str, definitions: &str, main: &str) -> String {
    format!(
        r#"(module (@dylink.0 {needed}) (import "env" "_dlopen_js" (func $dlopen_js (param i32) (result i32)))
        (import "env" "_dlsym_js" (func $dlsym_js (param i32 i32 i32) (result i32)))
        (import "env" "exit" (func $exit (param i32))) {imports}
        (memory (export "memory") 128) (table (export "__indirect_function_table") 4 funcref)
        (global (export "__stack_pointer") (mut i32) (i32.const 0x30000)) (global $brk (mut i32) (i32.const 0x100000))
        (func (export "__dl_seterr") (param i32 i32)) (func (export "__cxa_atexit") (param i32 i32 i32) (result i32) (i32.const 0))
        {definitions}
        (func (export "main") (param i32 i32) (result i32) {main}))"#
    )
}

const CALLOC: &str = r#"(func (export "calloc") (param i32 i32) (result i32) (global.get $brk)
    (global.set $brk (i32.add (global.get $brk) (i32.and (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.const 31)) (i32.const -16)))))
    (func (export "_emscripten_stack_alloc") (param i32) (result i32) (i32.const 0x20000))"#;

fn show(result: Result<(ExitStatus, String), LoadError>) -> String {
    match result {
        Ok((status, said)) => format!("{status:?} {said}"),
        Err(error) => format!("{error}"),
    }
}

#[test]
fn main_modules_that_want_much_of_libraries() {
    let mut imports = String::new();
    for n in 0..5_000 {
        write!(imports, r#"(import "env" "f{n}" (func))"#).unwrap();
    }
    let main = emscripten(r#"(needed "l.so")"#, &imports, CALLOC, "(i32.const 7)");
    assert_eq!(show(run_emscripten(&main, &[("l.so", library(""))])), "Exited(7) ");
    for (needed, expected) in [
        ("main.wasm", "main.wasm: cannot be opened, needed by "),
        ("", ": cannot be opened, needed by "),
        ("/", "/: cannot be opened, needed by "),
        ("\\00\\1b[31m", "cannot be opened, needed by "),
        (r#"l.so" "l.so" "l.so"#, "symbol `f` has another type: "),
    ] {
        let imports = r#"(import "env" "f" (func $f (param i32)))"#;
        let main = emscripten(&format!(r#"(needed "{needed}")"#), imports, CALLOC, "(i32.const 7)");
        let shown = show(run_emscripten(&main, &[("l.so", library(""))]));
        assert!(shown.contains(expected), "{needed}: {shown}");
    }
}

/// Allocators, a place for the arguments, start functions, and a `dlopen` family that are not what they should be, and the results in a
/// main module that needs a library.
#[test]
fn main_modules_that_lie() {
    let calloc = |body: &str| format!(r#"(func (export "calloc") (param i32 i32) (result i32) {body})"#);
    // The library gets a good address, and the arguments a bad one.
    let later = |address: i32| calloc(&format!("(global.get $brk) (global.set $brk (i32.const {address}))"));
    let start = |body: &str| format!("{CALLOC} (func $s {body}) (start $s)");
    let no_room = "l.so: the guest's allocator has no 16 bytes";
    let no_memory = "the guest has no memory for its arguments";
    let cases = [
        (calloc("(i32.const 0)"), no_room),
        (calloc("(i32.const 1)"), "Exited(7) "),
        (calloc("(i32.const -1)"), no_room),
        (
            calloc("(i32.const -64)"),
            "l.so: the guest's allocator returned 0xffffffc0, which is outside its memory",
        ),
        (calloc("unreachable"), "the guest's allocator: wasm trap: wasm `unreachable` instruction executed"),
        (calloc("(call $exit (i32.const 3)) (i32.const 0)"), "Exited(3) "),
        (later(-8), no_memory),
        (later(0), no_memory),
        (
            calloc(
                "(if (i32.eqz (global.get $brk)) (then unreachable)) (global.get $brk) (global.set $brk (i32.const 0))",
            ),
            "Trapped(",
        ),
        (start("unreachable"), "Trapped("),
        (start("(call $s)"), "Trapped("),
        (start("(drop (call $dlopen_js (i32.const 4096)))"), "the system was called before it was ready"),
        (start("(drop (call $dlsym_js (i32.const 0) (i32.const 0) (i32.const 2)))"), "Trapped("),
        (
            format!(
                r#"{CALLOC} (export "dlopen" (func $dlsym_js)) (export "dlsym" (func $dlsym_js)) (export "dlclose" (func $dlopen_js))"#
            ),
            "Exited(7) ",
        ),
        (
            format!(
                r#"{CALLOC} (func (export "dlopen") (export "dlsym") (param i32 i32) (result i32) (local.get 0))
                (func (export "dlclose") (param i32) (result i32) (i32.const 0))"#
            ),
            "Exited(7) ",
        ),
        (
            format!(
                r#"{CALLOC}
                (func $o (export "dlopen") (param i32 i32) (result i32) (call $y (local.get 0) (local.get 1)))
                (func $y (export "dlsym") (param i32 i32) (result i32) (call $o (local.get 0) (local.get 1)))
                (func $c (export "dlclose") (param i32) (result i32) (call $c (local.get 0)))"#
            ),
            "Exited(7) ",
        ),
    ];
    for (definitions, expected) in cases {
        let main = emscripten(r#"(needed "l.so")"#, "", &definitions, "(i32.const 7)");
        let shown = show(run_emscripten(&main, &[("l.so", library(""))]));
        assert!(shown.contains(expected), "{definitions}: {shown}");
    }
}

/// `dlopen` and the other functions, in the form in which the host takes them over.
const FAMILY: &str = r#"(func (export "dlopen") (param i32 i32) (result i32) unreachable)
    (func (export "dlsym") (param i32 i32) (result i32) unreachable) (func (export "dlclose") (param i32) (result i32) unreachable)"#;

/// The main module needs l2, which needs l1, whose constructor opens p, which also needs l2. Each constructor adds a digit.
// row: dlopen | what_the_main_module_needs_is_constructed_in_order_too | A constructor of what the main module needs opens a library that needs another of it, which is constructed before, and once | ELF gABI initialization functions; glibc
#[test]
fn what_the_main_module_needs_is_constructed_in_order_too() {
    let library = |needed: &str, digit: u32, more: &str| {
        let text = format!(
            r#"(module (@dylink.0 (mem-info (memory 16 4)) (needed {needed}))
            (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
            (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
            (data (global.get $base) "p.so")
            (func (export "__wasm_call_ctors")
                (i32.store (i32.const 0x8000) (i32.add (i32.mul (i32.load (i32.const 0x8000)) (i32.const 4)) (i32.const {digit})))
                {more}))"#
        );
        assemble(&text)
    };
    let opens = "(if (i32.eqz (call $dlopen (global.get $base) (i32.const 2))) (then unreachable))";
    let sides = [
        ("l1.so", library("", 1, opens)),
        ("l2.so", library("\"l1.so\"", 2, "")),
        ("p.so", library("\"l2.so\"", 3, "")),
    ];
    let main =
        emscripten(r#"(needed "l2.so")"#, "", &format!("{CALLOC} {FAMILY}"), "(i32.load (i32.const 0x8000))");
    assert_eq!(show(run_emscripten(&main, &sides)), format!("Exited({}) ", (4 + 2) * 4 + 3));
}

/// The import through which the host serves C's own functions is called with arguments that C never passes.
#[test]
fn the_hosts_functions_called_directly() {
    for call in 0..7 {
        for handle in ["0", "1", "2", "-1", "0x7fffff", "4096"] {
            for pointer in ["0", "-1", "0x7fffff", "4096"] {
                let body = format!(
                    "(drop (call $dlsym_js (i32.const {handle}) (i32.const {pointer}) (i32.const {call}))) (drop (call $dlopen_js (i32.const {pointer}))) (i32.const 7)"
                );
                let main = emscripten(r#"(needed "l.so")"#, "", &format!("{CALLOC} {FAMILY}"), &body);
                let (status, _) = run_emscripten(&main, &[("l.so", library(""))]).unwrap();
                let is_address = call == 4;
                assert!(
                    status == ExitStatus::Exited(7) || is_address && matches!(status, ExitStatus::Trapped(_)),
                    "{call} {handle} {pointer}: {status:?}"
                );
            }
        }
    }
}
