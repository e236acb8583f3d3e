//! Malicious guests, files and command lines. Whatever they do ends in an error, a trap or their own exit status, in bounded time, and the
//! host continues. The guests are `cases/hostile/main.wat` with one function that misbehaves.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pydl_linker::ParsedModule;
use pydl_loader::{Captured, ExitStatus};
use pydl_tests::guest::{Guest, PATIENCE, library, private_folder};
use pydl_tests::wasm::assemble;

fn good() -> Vec<u8> {
    library("")
}

/// Opens `/0` twice, printing the handles, and then the stack pointer.
const OPEN_TWICE: &str = "(call $tell (call $open (i32.const 0))) (call $tell (call $open (i32.const 0)))
    (call $tell (global.get $sp))";

/// What that prints when both opens fail with `message`.
fn refused_twice(message: &str) -> String {
    format!("{message}\n0\n{message}\n0\n196608\n")
}

/// The engine knows types of objects for generated code; guests must not define any.
#[test]
fn modules_that_define_types_of_objects_are_refused() {
    for ty in ["(struct (field i32))", "(array (mut i8))"] {
        let objects = format!("(type (func)) (rec (type (func)) (type {ty}))");
        let main = assemble(&format!(r#"(module {objects} (func (export "_start")))"#));
        let side = library(&objects);
        for bytes in [main, side] {
            let error = ParsedModule::parse(&bytes).unwrap_err();
            assert!(error.message.starts_with("a type of garbage-collected objects is defined"), "{error}");
            assert!(error.offset > 0 && error.offset < bytes.len(), "{error}");
        }
    }
}

// row: failure | allocators_that_lie_or_fail | A load fails where the guest's malloc fails or gives what cannot be, and the process goes on | gap.allocation_failure
#[test]
fn allocators_that_lie_or_fail() {
    assert_eq!(Guest::new(&[good()]).with("start", OPEN_TWICE).says(), "2\n2\n196608\n");
    let cases = [
        ("(return (i32.const 0))", "/0: the guest's allocator has no 16 bytes aligned to 2^4"),
        ("(return (i32.const 1))", "/0: the allocator gave an unusable place: 0x1 is not aligned"),
        (
            "(return (i32.const 0xfffffff0))",
            "/0: the guest's allocator returned 0xfffffff0, which is outside",
        ),
        ("(return (i32.const -1))", "/0: the guest's allocator returned 0xffffffff, which is outside"),
        ("unreachable", "the guest's allocator: wasm trap: wasm `unreachable` instruction executed"),
        (
            "(global.set $sp (i32.const 64)) unreachable",
            "the guest's allocator: wasm trap: wasm `unreachable`",
        ),
        ("(throw $tag)", "the guest's allocator: an exception that nothing catches"),
    ];
    for (body, message) in cases {
        let guest = Guest::new(&[good()]).with("aligned_alloc", body).with("definitions", "(tag $tag)");
        let said = guest.with("start", OPEN_TWICE).says();
        let first = said.lines().next().unwrap();
        assert!(first.starts_with(message), "{body}: {said}");
        assert_eq!(said, refused_twice(first), "{body}");
    }
    for body in ["(return (i32.const 0))", "(return (i32.const -1))", "(return (i32.const 0x7ffff0))"] {
        let said = Guest::new(&[good()]).with("malloc", body).with("start", OPEN_TWICE).says();
        assert_eq!(said, refused_twice("/0: cannot be opened: the guest is out of memory"), "{body}");
    }
}

/// A place may be anywhere: over the guest's own data, its stack, or another library. That is its own memory.
#[test]
fn allocators_may_give_the_same_place_twice() {
    for place in ["512", "1024", "0x2fff0", "0x40000"] {
        let guest =
            Guest::new(&[good(), good()]).with("aligned_alloc", format!("(return (i32.const {place}))"));
        let both = "(call $tell (call $open (i32.const 1))) (drop (call $open (i32.const 0)))";
        assert!(guest.with("start", both).says().starts_with("2\n"), "{place}");
    }
}

// row: memory | the_last_bytes_of_four_gigabytes_are_memory_too | Libraries are placed up to the last byte of 4 GiB | other.4gb_max
#[test]
fn the_last_bytes_of_four_gigabytes_are_memory_too() {
    let grown = "(drop (memory.grow (i32.sub (i32.const 0x10000) (memory.size))))";
    let cases = [
        ("0xffffffe0", "2\n2\n196608\n".to_owned()),
        (
            "0xfffffff0",
            refused_twice(
                "/0: the allocator gave an unusable place: 16 bytes at 0xfffffff0 pass the end of memory",
            ),
        ),
    ];
    for (place, expected) in cases {
        let guest = Guest::new(&[good()]).with("aligned_alloc", format!("(return (i32.const {place}))"));
        assert_eq!(guest.with("start", format!("{grown} {OPEN_TWICE}")).says(), expected);
    }
}

#[test]
fn records_of_files_that_are_broken() {
    let path = "(i32.store offset=8 (local.get $record) (local.get $path))";
    let size = |size: &str| format!("(i32.store offset=4 (local.get $record) (i32.const {size})) {path}");
    let broken = "/0: cannot be opened: the guest's pydl_read_file returned a broken record";
    let cases = [
        (String::new(), ": the file is empty"),
        (size("100"), "/0: not a WebAssembly module"),
        (size("0x800000"), "/0: not a WebAssembly module"),
        (size("0x800001"), broken),
        (size("-1"), "/0: cannot be opened: the file is larger than 1073741824 bytes"),
        (format!("(i32.store (local.get $record) (i32.const -16)) {}", size("100")), broken),
        ("(i32.store offset=8 (local.get $record) (i32.const -1))".to_owned(), broken),
        (
            "(memory.fill (i32.const 0x34000) (i32.const 65) (i32.const 0x2000))
            (i32.store offset=8 (local.get $record) (i32.const 0x34000))"
                .to_owned(),
            broken,
        ),
        (
            "(i32.store (i32.const 0x34000) (i32.const 0x00fffefd))
            (i32.store offset=8 (local.get $record) (i32.const 0x34000))"
                .to_owned(),
            "/0: cannot be opened: its path is not UTF-8",
        ),
        ("(return (i32.const -1))".to_owned(), "/0: cannot be opened: WASI error 4294967295"),
        ("unreachable".to_owned(), "reading a library: wasm trap: wasm `unreachable` instruction executed"),
    ];
    for (body, message) in cases {
        let guest = Guest::new(&[good()]).with("read_file", format!("{body} (return (i32.const 0))"));
        let said = guest.with("start", OPEN_TWICE).says();
        let first = said.lines().next().unwrap();
        assert!(first.starts_with(message), "{body}: {said}");
        assert_eq!(said, refused_twice(first), "{body}");
    }
}

/// A file system may report any inode numbers; the path is sufficient.
#[test]
fn inode_numbers_that_change_make_no_second_library() {
    let fresh = "(i64.store offset=24 (local.get $record) (i64.extend_i32_u (global.get $brk)))";
    let said = Guest::new(&[good()]).with("after_reading", fresh).with("start", OPEN_TWICE).says();
    assert_eq!(said, "2\n2\n196608\n");
}

#[test]
fn names_that_are_no_strings() {
    let fill = "(memory.fill (i32.const 0x300000) (i32.const 65) (i32.const 0x180000))";
    let set = |address: &str, byte: u8| format!("(i32.store8 (i32.const {address}) (i32.const {byte}))");
    let cases = [
        (String::new(), "-1", "the name at address 0xffffffff has no end\n"),
        (String::new(), "0x7fffffff", "the name at address 0x7fffffff has no end\n"),
        (fill.to_owned(), "0x300000", "the name at address 0x300000 has no end\n"),
        (format!("{fill} {}", set("0x400000", 0)), "0x300000", "the name at address 0x300000 has no end\n"),
        (set("0x300000", 255), "0x300000", "the name at address 0x300000 is not UTF-8\n"),
        (
            format!("{} {}", set("0x300000", b'/'), set("0x300001", b'~')),
            "0x300000",
            "/~: cannot be opened: No such file or directory\n",
        ),
    ];
    for (before, address, expected) in cases {
        let start =
            format!("{before} (drop (call $dlopen (i32.const {address}) (i32.const 2))) (call $complain)");
        assert_eq!(Guest::new(&[]).with("start", start).says(), expected, "{address}");
        let start =
            format!("{before} (drop (call $dlsym (i32.const 1) (i32.const {address}))) (call $complain)");
        let said = Guest::new(&[good()]).with("start", start).says();
        assert!(said == expected || said.starts_with("undefined symbol `/~` in "), "{address}: {said}");
    }
    let long = format!(
        "{fill} {} (drop (call $dlopen (i32.const 0x300000) (i32.const 2))) (call $tell (i32.ge_u
        (call $dlerror (i32.const 0) (i32.const 0)) (i32.const 1)))",
        set("0x3fffff", 0)
    );
    assert_eq!(Guest::new(&[]).with("start", long).says(), "1\n", "a name of a mebibyte has a message");
}

// row: dlerror | handles_that_are_none | dlsym and dlclose of what is no handle fail with a message | POSIX dlsym
#[test]
fn handles_that_are_none() {
    for handle in ["3", "-2", "0x7fffffff"] {
        let invalid = format!(
            "invalid library handle {:#x}\n",
            match handle {
                "-2" => u32::MAX - 1,
                other => u32::from_str_radix(other.trim_start_matches("0x"), 16).unwrap(),
            }
        );
        let start = format!(
            "(drop (call $open (i32.const 0)))
            (drop (call $dlsym (i32.const {handle}) (i32.const 512))) (call $complain)
            (drop (call $dlclose (i32.const {handle}))) (call $complain)"
        );
        assert_eq!(Guest::new(&[good()]).with("start", start).says(), invalid.repeat(2));
    }
    let closed = "(call $tell (call $open (i32.const 0))) (call $tell (call $dlclose (i32.const 2)))
        (call $tell (call $dlclose (i32.const 2))) (call $complain)
        (call $tell (call $dlsym (i32.const 2) (i32.const 512))) (call $complain)
        (call $tell (call $open (i32.const 0)))";
    let said = Guest::new(&[good()]).with("start", closed).says();
    // The library is loaded again, and has another handle.
    assert_eq!(said, "2\n0\n4294967295\ninvalid library handle 0x2\n0\ninvalid library handle 0x2\n3\n");
}

#[test]
fn buffers_outside_of_memory() {
    let failed = "(drop (call $open (i32.const 1)))";
    let small = format!(
        "(drop (call $dlopen (i32.const 528) (i32.const 2))) (call $tell (call $dlerror (i32.const -1) (i32.const 47)))
        (call $complain) {failed}"
    );
    let message = "/1: cannot be opened: No such file or directory\n";
    assert_eq!(Guest::new(&[]).with("start", small).says(), format!("48\n{message}{message}"));
    for body in [
        "(drop (call $dlopen (i32.const 528) (i32.const 2))) (drop (call $dlerror (i32.const -10) (i32.const -1)))",
        "(drop (call $dladdr (call $dlsym (call $open (i32.const 0)) (i32.const 900)) (i32.const -4)))",
    ] {
        let guest = Guest::new(&[good()]).with("definitions", r#"(data (i32.const 900) "f")"#);
        let (status, _) = guest.with("start", body).run();
        let ExitStatus::Trapped(trap) = status else { panic!("{body}: {status:?}") };
        assert!(trap.reason.ends_with("is outside of the guest's memory"), "{body}: {}", trap.reason);
    }
}

/// Loads libraries without end from within the functions that the host calls while it loads one.
#[test]
fn endless_recursion_through_the_host() {
    for (function, body) in [
        ("read_file", "(drop (call $dlopen (call $path (i32.const 0)) (i32.const 2)))"),
        ("malloc", "(drop (call $dlopen (call $path (i32.const 0)) (i32.const 2)))"),
    ] {
        let said = Guest::new(&[good()]).with(function, body).with("start", OPEN_TWICE).says();
        assert!(said.ends_with("\n196608\n"), "{function}: {said}");
    }
    let opener = |file: u32| {
        library(&format!(
            r#"(import "pydl_dlfcn_v1" "dlopen" (func $dlopen (param i32 i32) (result i32)))
            (func (export "__wasm_call_ctors") (drop (call $dlopen (i32.const {}) (i32.const 2))))"#,
            512 + 16 * file
        ))
    };
    assert_eq!(Guest::new(&[opener(0)]).with("start", OPEN_TWICE).says(), "2\n2\n196608\n", "itself");
    assert_eq!(Guest::new(&[opener(1), opener(0)]).with("start", OPEN_TWICE).says(), "2\n2\n196608\n");
    let guest = "(func $f (call $f) (call $f))";
    let (status, _) = Guest::new(&[]).with("definitions", guest).with("start", "(call $f)").run();
    assert!(matches!(status, ExitStatus::Trapped(trap) if trap.reason.contains("call stack exhausted")));
}

// row: failure | a_guest_may_exit_wherever_the_host_calls_it | The guest may exit wherever a load calls it: in its allocator, in a start function, in a constructor | POSIX exit
#[test]
fn a_guest_may_exit_wherever_the_host_calls_it() {
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let start = library(&format!("{exit} (func $s (call $exit (i32.const 5))) (start $s)"));
    let constructor =
        library(&format!(r#"{exit} (func (export "__wasm_call_ctors") (call $exit (i32.const 5)))"#));
    let plain = |function| Guest::new(&[good()]).with(function, "(call $exit (i32.const 5))");
    let guests = [
        plain("malloc"),
        plain("aligned_alloc"),
        plain("read_file"),
        plain("free"),
        Guest::new(&[start]),
        Guest::new(&[constructor]),
    ];
    for guest in guests {
        let (status, said) = guest.with("start", OPEN_TWICE).run();
        assert_eq!((status, said.as_str()), (ExitStatus::Exited(5), ""));
    }
    let needs_two = assemble(r#"(module (@dylink.0 (needed "/1" "/2")) (func (export "g")))"#);
    let of_needed = "(if (i32.eq (i32.load8_u offset=1 (local.get $path)) (i32.const 49)) (then (call $exit (i32.const 3))))
        (if (i32.eq (i32.load8_u offset=1 (local.get $path)) (i32.const 50)) (then unreachable))";
    let guest = Guest::new(&[needs_two]).with("read_file", of_needed).with("start", OPEN_TWICE);
    assert_eq!(guest.run().0, ExitStatus::Exited(3), "nothing runs after the end");
}

// row: failure | code_of_libraries_that_ends_badly | Start functions and constructors that trap or throw fail the load, and the process goes on | gap.failed_load_retry
#[test]
fn code_of_libraries_that_ends_badly() {
    let tag = r#"(import "env" "__cpp_exception" (tag $tag (param i32)))"#;
    let endings = [
        ("unreachable", "wasm trap: wasm `unreachable` instruction executed"),
        ("(call $f)", "wasm trap: call stack exhausted"),
        ("(throw $tag (i32.const 1))", "an exception that nothing catches in /0: f"),
        ("(drop (i32.load (i32.const -1)))", "wasm trap: out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "wasm trap: integer divide by zero"),
    ];
    for (body, message) in endings {
        let start = library(&format!("{tag} (func $f {body} (call $f)) (start $f)"));
        let said = Guest::new(&[start]).with("start", OPEN_TWICE).says();
        assert!(said.starts_with(&format!("/0: {message}")), "{body}: {said}");
        assert_eq!(said, refused_twice(said.lines().next().unwrap()), "{body}");
        let constructor =
            library(&format!(r#"{tag} (func $f (export "__wasm_call_ctors") {body} (call $f))"#));
        let said = Guest::new(&[constructor]).with("start", OPEN_TWICE).says();
        let lines: Vec<&str> = said.lines().collect();
        let why = lines[0].strip_prefix("/0: ").unwrap();
        assert!(why.starts_with(&format!("a static constructor failed: {message}")), "{body}: {said}");
        let again = format!("/0: an earlier load failed in its initialization: {why}");
        assert_eq!(lines[1..], ["0", &again, "0", "196608"], "{body}");
    }
}

/// Exceptions that nothing caught in one library do not interfere with those that another throws and catches.
#[test]
fn exceptions_after_a_constructor_that_threw() {
    let tag = r#"(import "env" "__cpp_exception" (tag $tag (param i32)))"#;
    let throws = library(&format!(r#"{tag} (func (export "__wasm_call_ctors") (throw $tag (i32.const 1)))"#));
    let catches = library(&format!(
        r#"{tag} (func $throw (throw $tag (i32.const 7)))
        (func (export "__wasm_call_ctors") (block $caught (result i32)
            (try_table (catch $tag $caught) (call $throw)) (i32.const 0)) (i32.ne (i32.const 7)) (if (then unreachable)))"#
    ));
    let start = "(call $tell (call $open (i32.const 0))) (call $tell (call $open (i32.const 1)))";
    let said = Guest::new(&[throws, catches]).with("start", start).says();
    assert!(said.ends_with("\n0\n3\n"), "{said}");
}

#[test]
fn tables_that_the_guest_spoils() {
    let emptied = r"(local $slot i32) (call $tell (call $open (i32.const 0)))
        (local.set $slot (call $dlsym (i32.const 2) (i32.const 900)))
        (table.fill $table (i32.const 0) (ref.null func) (table.size $table))
        (call $tell (i32.eq (local.get $slot) (call $dlsym (i32.const 2) (i32.const 900))))
        (call $tell (call $dladdr (local.get $slot) (i32.const 2000)))
        (drop (call_indirect (result i32) (local.get $slot)))";
    let guest = Guest::new(&[good()]).with("definitions", r#"(data (i32.const 900) "f")"#);
    let (status, said) = guest.with("start", emptied).run();
    assert_eq!(said, "2\n1\n1\n");
    let ExitStatus::Trapped(trap) = status else { panic!("{status:?}") };
    assert_eq!(trap.reason, "wasm trap: uninitialized element");
    let full = format!("(drop (table.grow $table (ref.null func) (i32.const 9999998))) {OPEN_TWICE}");
    let said = Guest::new(&[good()]).with("start", full).says();
    assert_eq!(said, refused_twice("/0: the function table has no room for 2 more slots"));
}

// row: failure | whatever_loops_is_terminated | A start function or constructor without an end is interrupted | pydl
#[test]
fn whatever_loops_is_terminated() {
    let forever = "(loop $forever (br $forever))";
    let start = library(&format!("(func $s {forever}) (start $s)"));
    let constructor = library(&format!(r#"(func (export "__wasm_call_ctors") {forever})"#));
    let fails = library("(func $s unreachable) (start $s)");
    let open = "(call $tell (i32.const 1)) (loop $again (drop (call $open (i32.const 0))) (br $again))";
    let plain = |function| Guest::new(&[good()]).with(function, forever).with("start", open);
    let guests = [
        plain("malloc"),
        plain("aligned_alloc"),
        plain("read_file"),
        plain("free"),
        Guest::new(&[start]).with("start", open),
        Guest::new(&[constructor]).with("start", open),
        // What is freed after a failed load.
        Guest::new(&[fails])
            .with("definitions", "(global $static (mut i32) (i32.const -1))")
            .with("aligned_alloc", "(global.set $static (global.get $brk))")
            .with("free", format!("(if (i32.eq (local.get $p) (global.get $static)) (then {forever}))"))
            .with("start", open),
    ];
    for (number, guest) in guests.iter().enumerate() {
        let stdout = Captured::new();
        let process = guest.process(&stdout);
        let handle = process.interrupt_handle();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(process.run()));
        while stdout.contents().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(20));
        handle.terminate();
        let status = end.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("guest {number} goes on"));
        assert_eq!(status.unwrap(), ExitStatus::Interrupted, "guest {number}");
    }
}

/// Sizes that no compiler's output has, but that work.
// row: malformed | libraries_of_unusual_size | A library with ten thousand GOT entries, and one with twenty thousand imports of itself, loads | gap.absurd_sizes
#[test]
fn libraries_of_unusual_size() {
    let many = |count: u32, form: &str, import: &str| {
        let mut text = "(module (@dylink.0) (type $t (func))".to_owned();
        (0..count).for_each(|n| write!(text, r#"(import "{form}" "f{n}" {import})"#).unwrap());
        text += "(func $f)";
        (0..count).for_each(|n| write!(text, r#"(export "f{n}" (func $f))"#).unwrap());
        assemble(&(text + ")"))
    };
    let long = |length: usize| {
        let name = "n".repeat(length);
        assemble(&format!(r#"(module (@dylink.0) (import "env" "{name}" (func)) (func (export "{name}")))"#))
    };
    for (library, expected) in [
        (many(10_000, "GOT.func", "(global (mut i32))"), "2\n"),
        (many(20_000, "env", "(func)"), "2\n"),
        (long(100_000), "2\n"),
        (long(100_001), "/0: string size out of bounds (at offset 0x24)\n0\n"),
    ] {
        assert_eq!(
            Guest::new(&[library]).with("start", "(call $tell (call $open (i32.const 0)))").says(),
            expected
        );
    }
}

/// A chain of a thousand libraries, and a cycle of five hundred that take each other's addresses.
// row: search | long_chains_and_circles_of_needed_libraries | A chain of a thousand libraries loads, and a circle of five hundred | gap.needed_cycle; browser.dylink_many
#[test]
fn long_chains_and_circles_of_needed_libraries() {
    for (count, links) in [(1000, 999), (500, 500)] {
        let folder = private_folder();
        for number in 0..count {
            let next = (number + 1) % count;
            let (needed, import) = if number < links {
                let needed = format!(r#"(needed "l{next}.so")"#);
                let import = format!(
                    r#"(import "env" "f{next}" (func)) (import "GOT.func" "f{next}" (global (mut i32)))"#
                );
                (needed, import)
            } else {
                (String::new(), String::new())
            };
            let text = format!(
                r#"(module (@dylink.0 {needed}) {import} (func (export "f{number}"))
                (func (export "PyInit_l{number}") (result i32) i32.const 0))"#
            );
            fs::write(folder.path().join(format!("l{number}.so")), assemble(&text)).unwrap();
        }
        // The cache is not in the folder that the guest may write to.
        let elsewhere = private_folder();
        let output = pydl_tests::pydl()
            .args(["run", "--cache-dir"])
            .arg(warm_cache(elsewhere.path()))
            .arg(pydl_tests::python_wasm())
            .arg("--dir")
            .arg(format!("{}::/l", folder.path().display()))
            .args(["--env", "LD_LIBRARY_PATH=/l", "--env", "PYTHONPATH=/l", "-c", "import l0"])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let loaded = "SystemError: initialization of l0 failed without raising an exception\n";
        assert!(stderr.ends_with(loaded), "{count}: {stderr}");
    }
}

/// A folder of compiled code that contains the main module's already, and is removed with the test.
fn warm_cache(folder: &Path) -> std::path::PathBuf {
    let status = pydl_tests::pydl().arg("run").arg(pydl_tests::python_wasm()).args(["-c", "pass"]).status();
    assert!(status.unwrap().success());
    let cache = folder.join("cache");
    fs::DirBuilder::new().mode(0o700).create(&cache).unwrap();
    let copy = |name: &str| {
        let _ = fs::copy(pydl_tests::cache_folder().join(name), cache.join(name));
    };
    // A file `.main` begins with the key of a main module's entries.
    for main in pydl_tests::files(&pydl_tests::cache_folder(), ".main") {
        let text = fs::read_to_string(&main).unwrap_or_default();
        let key = text.split(' ').next().unwrap_or_default();
        for entry in ["cwasm", "cwasm.seal", "outline", "outline.seal"] {
            copy(&format!("{key}.{entry}"));
        }
        copy(main.file_name().and_then(|name| name.to_str()).unwrap_or_default());
    }
    cache
}

fn python() -> Command {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(pydl_tests::python_wasm()).stdin(Stdio::null());
    command
}

/// The exit status and the last line of standard error.
fn ending(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("{:?}: {stderr}", output.status));
    (code, stderr.lines().last().unwrap_or_default().to_owned())
}

/// What a sandbox lacks raises an exception; what would crash native Python is a trap.
#[test]
fn python_programs_that_ask_too_much() {
    let nest = "l=[]\nfor _ in range(10**5): l=[l]\n";
    let cases = [
        ("b'x'*10**10", 1, "OverflowError: cannot fit 'int' into an index-sized integer"),
        ("[0]*10**9", 1, "MemoryError"),
        (
            "import threading; threading.Thread(target=print).start()",
            1,
            "RuntimeError: can't start new thread",
        ),
        ("import os; os.fork()", 1, "AttributeError: module 'os' has no attribute 'fork'"),
        (
            "import subprocess; subprocess.run(['ls'])",
            1,
            "OSError: [Errno 58] wasi does not support processes.",
        ),
        ("import socket; socket.socket()", 1, "OSError: [Errno 58] Not supported"),
        ("import time; time.sleep(-1)", 1, "ValueError: sleep length must be non-negative"),
        ("import json; json.loads('['*10**6)", 1, "RecursionError: "),
        ("import ast; ast.parse('('*10**5+')'*10**5)", 1, "MemoryError: Parser stack overflowed"),
        ("import re; re.compile('('*10**4+')'*10**4)", 1, "RecursionError: "),
        (&format!("{nest}repr(l)"), 1, "RecursionError: "),
        (&format!("{nest}import pickle; pickle.dumps(l)"), 1, "RecursionError: "),
        (
            "import sys; sys.setrecursionlimit(10**9); f=lambda n: max([n], key=f); f(0)",
            1,
            "RecursionError: ",
        ),
        ("import sys; sys.exit(-1)", 255, ""),
        ("import os; os.close(1); os.close(2); print(1)", 120, ""),
        ("import os; os.abort()", 134, "  at "),
        ("import faulthandler; faulthandler._sigsegv()", 134, "  at "),
        ("t=()\nfor _ in range(10**6): t=(t,)\nhash(t)", 134, "  at python.wasm: "),
        ("import os; os.link(os.__file__, '/w/os.py')", 1, "OSError: [Errno 75] "),
        ("import os; os.rename(os.__file__, '/w/os.py')", 1, "OSError: [Errno "),
        // Links lead where the guest's paths do.
        ("import os; os.symlink('/etc', '/w/etc'); os.listdir('/w/etc')", 1, "FileNotFoundError: "),
        ("import os; os.symlink('../../../../etc', '/w/e'); os.listdir('/w/e')", 1, "FileNotFoundError: "),
        (
            "import os; os.symlink('../../..', '/w/up'); os.listdir('/w/up') == os.listdir('/') or exit(2); exit(3)",
            3,
            "",
        ),
        ("open('/usr/local/lib/../../../etc/passwd')", 1, "FileNotFoundError: "),
    ];
    let folder = private_folder();
    for (code, status, last) in cases {
        let mount = format!("{}::/w", folder.path().display());
        let (ended, line) = ending(python().args(["--dir", &mount, "-c", code]));
        assert!(ended == status && line.starts_with(last), "{code}: {ended}: {line}");
    }
}

#[test]
fn command_lines_that_make_no_sense() {
    let folder = private_folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let as_folder = format!("{file}::/x");
    let cases: [(&[&str], i32); 17] = [
        (&["--env", "NAME", "-c", "1"], 2),
        (&["--env", "", "-c", "1"], 2),
        (&["--dir", "::", "-c", "1"], 2),
        (&["--dir", "::/x", "-c", "1"], 2),
        (&["--dir", &as_folder, "-c", "1"], 2),
        (&["--dir", "..", "-c", "1"], 2),
        (&["--dir", "/tmp::..", "-c", "1"], 2),
        (&["--side", "", "-c", "1"], 2),
        (&["--side", "/", "-c", "1"], 2),
        (&["--side", "/tmp/..", "-c", "1"], 2),
        (&["--side", "/dev/null", "-c", "1"], 126),
        (&["--side", "/dev/zero", "-c", "1"], 126),
        (&["--cwd", "", "-c", "1"], 2),
        (&["--cwd", "/usr/local/lib/python3.13/os.py", "-c", "1"], 2),
        (&["../script.py"], 2),
        (&[""], 2),
        (&["/dev"], 2),
    ];
    for (arguments, status) in cases {
        let output = python().args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty() && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    let odd = std::ffi::OsString::from_vec(b"odd\xff.so".to_vec());
    // Python's own arguments are left to Python to judge.
    for (option, status) in [("-c", 1), ("--dir", 2), ("--env", 2), ("--side", 2), ("--cwd", 2), ("--", 2)] {
        assert_eq!(ending(python().arg(option).arg(&odd).args(["-c", "1"])).0, status, "{option}");
    }
}

/// Messages and traces show such names, and the terminal does not interpret anything in them as a command.
#[test]
fn names_do_not_speak_to_the_terminal() {
    let folder = private_folder();
    let side = folder.path().join("\u{1b}[31m\u{7}.so");
    fs::write(&side, good()).unwrap();
    let code = r"
import importlib.machinery, importlib.util
path = '/usr/local/lib/python3.13/lib-dynload/\x1b[31m\x07.so'
loader = importlib.machinery.ExtensionFileLoader('x', path)
try: loader.create_module(importlib.util.spec_from_loader('x', loader))
except ImportError: pass";
    let traced =
        python().env("PYDL_DEBUG", "libs").arg("--side").arg(side).args(["-c", code]).output().unwrap();
    let failed = pydl_tests::pydl().args(["run", "\u{1b}[31m\u{7}.so"]).output().unwrap();
    for output in [traced, failed] {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(r"\u{1b}[31m\u{7}.so"), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
    }
}

/// Whatever their files are named, side modules are available under that name.
#[test]
fn names_of_files_are_taken_as_they_are() {
    let folder = private_folder();
    for name in ["..so", "a\nb.so", "\u{1b}[31m.so", " .so", "json.so", &format!("{}.so", "n".repeat(252))] {
        let side = folder.path().join(name);
        fs::write(&side, good()).unwrap();
        let code = "
import json, os
names = set(os.listdir('/usr/local/lib/python3.13/lib-dynload')) - {'README'}
print(ascii(sorted(names)), json.dumps(1))";
        let output = python().arg("--side").arg(side).args(["-c", code]).output().unwrap();
        let expected = format!("['{}'] 1\n", name.replace('\n', "\\n").replace('\u{1b}', "\\x1b"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

/// A shell closes or redirects the streams.
#[test]
fn streams_that_are_closed_or_full() {
    let shell = |line: &str| {
        let mut command = Command::new("bash");
        command.env("PYDL", pydl_tests::pydl_binary()).env("MAIN", pydl_tests::python_wasm());
        command.env("PYDL_CACHE_DIR", pydl_tests::cache_folder()).args(["-c", line]).output().unwrap()
    };
    for (line, status) in [
        ("$PYDL run $MAIN -c 'print(1)' >&-", 0),
        ("$PYDL run $MAIN -c 'print(1)' > /dev/full", 120),
        ("$PYDL run $MAIN -c 'print(1)' 1< /dev/null", 120),
        ("$PYDL run $MAIN -c 'open(\"/x\")' <&- >&- 2>&-", 1),
        ("$PYDL run $MAIN -c 'import os; os.abort()' 2>&-", 134),
        ("$PYDL run absent.wasm 2>&-", 126),
        ("$PYDL run $MAIN -c 'import sys; sys.exit(len(sys.stdin.read()))' <&-", 0),
        ("$PYDL run $MAIN -c 'import sys; sys.stdin.read()' < /", 1),
        ("$PYDL run 2> /dev/full", 2),
    ] {
        let output = shell(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{line}: {stderr}");
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
    }
}

#[test]
fn caches_that_cannot_be_used_or_are_spoilt() {
    let folder = private_folder();
    let main = folder.path().join("main.wasm");
    let exit = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 7))))"#;
    fs::write(&main, assemble(exit)).unwrap();
    let run = |cache: &Path| {
        let mut command = Command::new(pydl_tests::pydl_binary());
        ending(command.env("PYDL_CACHE_DIR", cache).arg("run").arg(&main))
    };
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("nothing", path("dangling")).unwrap();
    std::os::unix::fs::symlink("circle", path("circle")).unwrap();
    for cache in [main.clone(), path("dangling"), path("circle"), "/proc/x".into(), path(&"x".repeat(300))] {
        let (status, said) = run(&cache);
        assert_eq!(status, 7);
        assert!(said.starts_with("pydl: warning: compiled code is not kept: cache directory "), "{said}");
    }
    let cache = path("cache");
    let entries = || fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let quiet = (7, String::new());
    assert_eq!(run(&cache), quiet);
    assert!(entries().len() >= 2, "code and seal");
    for entry in entries() {
        let contents = fs::read(&entry).unwrap();
        for spoilt in [&b""[..], b"garbage", &contents[..contents.len() / 2]] {
            fs::write(&entry, spoilt).unwrap();
            assert_eq!(run(&cache), quiet, "{}", entry.display());
        }
        fs::remove_file(&entry).unwrap();
        fs::create_dir(&entry).unwrap();
        assert_eq!(run(&cache), quiet, "{}", entry.display());
    }
}

#[test]
fn a_cache_may_go_while_a_program_runs() {
    let folder = private_folder();
    let cache = warm_cache(folder.path());
    let code = "print('ready', flush=True); input(); import fputs; print(fputs.FPUTS_FLAG)";
    let mut child = python()
        .arg("--cache-dir")
        .arg(&cache)
        .arg("--side")
        .arg(pydl_tests::testdata("fputs/fputs.so"))
        .args(["-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    fs::remove_dir_all(&cache).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"64\n");
}

/// Interrupts that come faster than they can be delivered to the guest count as one.
#[test]
fn many_interrupts_at_once() {
    let code = "
import signal, time
count = 0
def told(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, told)
end = time.monotonic() + 1.5
print('ready', flush=True)
while time.monotonic() < end: time.sleep(0.1)
print(count)";
    let mut command = pydl_tests::pydl_with_signals();
    command.arg("run").arg(pydl_tests::python_wasm()).args(["-c", code]).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let line = format!("for i in 1 2 3 4 5 6 7 8 9; do kill -INT {}; done", child.id());
    Command::new("bash").args(["-c", &line]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let count: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!((1..=9).contains(&count), "{count}");
}
