//! Runs the C programs of `cases/program`, which are a real compiler's output, and compares what they print with their native build:
//! `expected.txt` is what they print under glibc's loader. Where a native compiler is available, that is checked, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pydl_tests::repository;

fn folder() -> PathBuf {
    repository().join("tests/cases/program")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().flatten().map(|entry| entry.path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("expected.txt").is_file()).collect();
    cases.sort();
    assert!(cases.len() > 25, "only {} cases", cases.len());
    cases
}

#[test]
fn programs_print_what_their_native_builds_print() {
    let failed: Vec<String> = cases().iter().filter_map(|case| run(case).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn run(case: &Path) -> Result<(), String> {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(folder().join("driver/driver.wasm"));
    if has_folders(case) {
        let extra = fs::read_to_string(case.join("library_path.txt")).unwrap_or_default();
        let path = extra.lines().fold("/case".to_owned(), |path, folder| format!("{path}:/case/{folder}"));
        command.arg("--dir").arg(format!("{}::/case", case.display()));
        command.arg("--env").arg(format!("LD_LIBRARY_PATH={path}"));
    } else {
        for library in pydl_tests::files(case, ".so") {
            command.arg("--side").arg(library);
        }
    }
    let output = command.args(["--", "case.so"]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let expected = fs::read_to_string(case.join("expected.txt")).unwrap();
    if output.status.success() && stdout == expected {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{}: {}\n--- expected\n{expected}--- actual\n{stdout}{stderr}",
        case.display(),
        output.status
    ))
}

fn has_folders(case: &Path) -> bool {
    fs::read_dir(case).unwrap().flatten().any(|entry| entry.path().is_dir())
}

/// What only the loader sets to zero: static data that is not in the file, where the failed load of another library has left its data
/// behind.
// row: memory | static_data_is_zero_on_a_dirty_heap | Data that no segment fills is zero where a failed load left other bytes | tool-conventions MEM_INFO; gap.failed_load_retry
#[test]
fn static_data_is_zero_on_a_dirty_heap() {
    let dirty = format!(
        r#"(module (@dylink.0 (mem-info (memory 4096 4)))
            (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
            (data (global.get $base) "{}")
            (func (export "__wasm_apply_data_relocs") unreachable))"#,
        "\\ff".repeat(4096)
    );
    let zero = r#"(module (@dylink.0 (mem-info (memory 4096 4)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (func (export "dirty_bytes") (result i32) (local $at i32) (local $dirty i32)
            loop $next
                local.get $dirty
                global.get $base local.get $at i32.add i32.load8_u i32.const 0 i32.ne i32.add local.set $dirty
                local.get $at i32.const 1 i32.add local.tee $at
                i32.const 4096 i32.lt_u br_if $next
            end
            local.get $dirty i32.const 255 i32.and local.get $dirty i32.const 0 i32.ne i32.or))"#;
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table 1 funcref))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (type $function (func (result i32)))
        (data (global.get $base) "dirty.so\00zero.so\00dirty_bytes\00")
        (func (export "run_case") (result i32)
            global.get $base i32.const 2 call $dlopen
            if (result i32)
                i32.const 99
            else
                global.get $base i32.const 9 i32.add i32.const 2 call $dlopen
                global.get $base i32.const 17 i32.add call $dlsym
                call_indirect (type $function)
            end))"#;
    assert_eq!(run_text(&[("dirty.so", &dirty), ("zero.so", zero), ("case.so", case)]), 0);
}

/// Runs libraries in WebAssembly text, of which the last is opened; returns the status of the driver.
fn run_text(libraries: &[(&str, &str)]) -> i32 {
    run_text_printing(libraries).0
}

/// Runs libraries as [`run_text`] does; also returns what is printed.
fn run_text_printing(libraries: &[(&str, &str)]) -> (i32, String) {
    let output = output_of_text(libraries, &[]);
    let status = output.status.code();
    let status = status.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (status, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs libraries as [`run_text`] does, with further options of `pydl run`; returns the whole output.
fn output_of_text(libraries: &[(&str, &str)], options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(self::folder().join("driver/driver.wasm")).args(options);
    for (name, text) in libraries {
        fs::write(folder.path().join(name), pydl_tests::wasm::assemble(text)).unwrap();
        command.arg("--side").arg(folder.path().join(name));
    }
    command.args(["--", libraries.last().unwrap().0]).output().unwrap()
}

/// Calling a pointer to a function of one type as another, which C leaves undefined, never gives another function's result.
// row: c | calls_by_pointers_of_other_types_trap | A call by a pointer of another type traps, with the frames of who called | WebAssembly call_indirect; other.bad_function_pointer_cast
// row: symbols | calls_by_pointers_of_other_types_trap | A weak function that nobody defines traps when it is called, and its name is told | ELF gABI STB_WEAK; core.dylink_weak_undef
#[test]
fn calls_by_pointers_of_other_types_trap() {
    let library = r#"(module (@dylink.0) (func (export "number") (param i32) (result i32) local.get 0))"#;
    let casts = r#"(module (@dylink.0 (mem-info (memory 64 0)) (needed "number.so"))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table 1 funcref))
        (import "GOT.func" "number" (global $number (mut i32)))
        (type $other (func (param i64) (result i32)))
        (func $caller (export "run_case") (result i32)
            (call_indirect (type $other) (i64.const 1) (global.get $number))))"#;
    let missing = r#"(module (@dylink.0 (import-info "env" "nowhere" binding-weak))
        (import "env" "nowhere" (func $nowhere))
        (func $caller (export "run_case") (result i32) (call $nowhere) (i32.const 0)))"#;
    for (case, message) in [(casts, "indirect call type mismatch"), (missing, "nowhere")] {
        let output = output_of_text(&[("number.so", library), ("case.so", case)], &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(134), "{stderr}");
        assert!(stderr.contains(message) && stderr.contains("caller"), "{stderr}");
    }
}

/// Opens `user.so` with `RTLD_LAZY` and calls its `use`; 99 when it cannot be opened.
const OPENS_LAZILY: &str = r#"(module (@dylink.0 (mem-info (memory 64 0)))
    (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
    (import "env" "__indirect_function_table" (table 1 funcref))
    (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
    (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
    (type $function (func (result i32)))
    (data (global.get $base) "user.so\00use\00")
    (func (export "run_case") (result i32) (local $handle i32)
        global.get $base i32.const 1 call $dlopen local.tee $handle
        i32.eqz if i32.const 99 return end
        local.get $handle global.get $base i32.const 8 i32.add call $dlsym
        call_indirect (type $function)))"#;

/// As in ld.so, the process ends with status 127 and a message, at the call.
// row: failure | calls_of_what_nothing_defines_end_the_process | A call that RTLD_LAZY left unbound, and that nothing defines, ends the process with status 127 and the symbol's name | glibc symbol lookup error; ld.so
// row: symbols | calls_of_what_nothing_defines_end_the_process | A function of another type is refused with RTLD_NOW, and with RTLD_LAZY when it is called, with both types | tool-conventions; gap.function_type_mismatch
// row: search | calls_of_what_nothing_defines_end_the_process | LD_BIND_NOW makes RTLD_LAZY RTLD_NOW | ld.so LD_BIND_NOW
#[test]
fn calls_of_what_nothing_defines_end_the_process() {
    let user = r#"(module (@dylink.0) (import "env" "nowhere" (func $nowhere (param i32) (result i64)))
        (func (export "use") (result i32) i32.const 5 call $nowhere i32.wrap_i64))"#;
    let other_type = r#"(module (@dylink.0) (import "env" "driver_errno" (func $errno (param f64) (result i32)))
        (func (export "use") (result i32) f64.const 5 call $errno))"#;
    for (user, message) in [
        (
            user,
            "pydl: symbol lookup error: undefined symbol `nowhere` (function (i32) -> i64), needed by \
             /usr/local/lib/pydl/user.so: neither the main module nor a library in scope exports it; searched \
             DRIVER, /usr/local/lib/pydl/user.so\n  at pydl thunks: first call of nowhere\n",
        ),
        (
            other_type,
            "pydl: symbol lookup error: symbol `driver_errno` has another type: /usr/local/lib/pydl/user.so needs \
             function (f64) -> i32, and DRIVER has function () -> i32\n  at pydl thunks: first call of driver_errno\n",
        ),
    ] {
        let output = output_of_text(&[("user.so", user), ("case.so", OPENS_LAZILY)], &[]);
        let driver = folder().join("driver/driver.wasm").display().to_string();
        let said = String::from_utf8_lossy(&output.stderr).replace(&driver, "DRIVER");
        assert_eq!(output.status.code(), Some(127), "{said}");
        assert!(said.starts_with(message), "{said}");
        let output =
            output_of_text(&[("user.so", user), ("case.so", OPENS_LAZILY)], &["--env", "LD_BIND_NOW=1"]);
        assert_eq!(output.status.code(), Some(99), "opened, though LD_BIND_NOW is set");
    }
}

/// In a constructor it is a failure of the load, like every trap there.
// row: failure | constructors_that_call_what_nothing_defines_fail_the_load | A constructor that calls what nothing defines fails the load | glibc | glibc ends the process; a dlopen that says why serves its caller better
#[test]
fn constructors_that_call_what_nothing_defines_fail_the_load() {
    let user = r#"(module (@dylink.0) (import "env" "nowhere" (func $nowhere))
        (func (export "__wasm_call_ctors") call $nowhere) (func (export "use") (result i32) i32.const 0))"#;
    assert_eq!(run_text(&[("user.so", user), ("case.so", OPENS_LAZILY)]), 99);
}

/// A load that fails before the first constructor releases its memory and its slots.
// row: failure | failed_loads_leave_nothing_behind | Three hundred failed loads use no memory and no slots | gap.failed_load_retry
#[test]
fn failed_loads_leave_nothing_behind() {
    let big = r#"(module (@dylink.0 (mem-info (memory 1048576 4) (table 100 0)))
        (import "env" "memory" (memory 1)) (func $trap unreachable) (start $trap) (func (export "f")))"#;
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table $table 0 funcref))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (data (global.get $base) "big.so")
        (func $try (result i32) global.get $base i32.const 2 call $dlopen)
        (func (export "run_case") (result i32) (local $n i32) (local $pages i32) (local $slots i32)
            call $try if i32.const 97 return end
            memory.size local.set $pages
            table.size $table local.set $slots
            loop $again
                call $try if i32.const 98 return end
                local.get $n i32.const 1 i32.add local.tee $n
                i32.const 300 i32.lt_u br_if $again
            end
            memory.size local.get $pages i32.ne
            table.size $table local.get $slots i32.ne
            i32.or))"#;
    assert_eq!(run_text(&[("big.so", big), ("case.so", case)]), 0);
}

/// Whatever a trap in a start function leaves on the C stack is removed.
// row: failure | failed_loads_keep_the_stack_pointer | A trap in a start function leaves the stack pointer as it was | gap.failed_load_retry
#[test]
fn failed_loads_keep_the_stack_pointer() {
    let leaky = r#"(module (@dylink.0) (import "env" "__stack_pointer" (global $stack (mut i32)))
        (func $trap global.get $stack i32.const 4096 i32.sub global.set $stack unreachable)
        (start $trap) (func (export "f")))"#;
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__stack_pointer" (global $stack (mut i32)))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (data (global.get $base) "leaky.so")
        (func (export "run_case") (result i32) (local $before i32)
            global.get $stack local.set $before
            global.get $base i32.const 2 call $dlopen
            local.get $before global.get $stack i32.ne
            i32.or))"#;
    assert_eq!(run_text(&[("leaky.so", leaky), ("case.so", case)]), 0);
}

/// A library whose constructor failed is in no scope, though it was opened with `RTLD_GLOBAL`, and nothing can need it.
// row: failure | failed_libraries_serve_nobody | A library whose constructor trapped is in no scope, and nothing can need it | gap.failed_load_retry
#[test]
fn failed_libraries_serve_nobody() {
    let bad = r#"(module (@dylink.0) (func (export "bad") (result i32) i32.const 1)
        (func (export "__wasm_call_ctors") unreachable))"#;
    let user = r#"(module (@dylink.0) (import "env" "bad" (func (result i32))) (func (export "f")))"#;
    let needs = r#"(module (@dylink.0 (needed "bad.so")) (func (export "g")))"#;
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (data (global.get $base) "bad.so\00user.so\00needs.so\00bad\00")
        (func (export "run_case") (result i32)
            global.get $base i32.const 0x102 call $dlopen
            global.get $base i32.const 7 i32.add i32.const 2 call $dlopen
            i32.or
            global.get $base i32.const 15 i32.add i32.const 2 call $dlopen
            i32.or
            i32.const 0 global.get $base i32.const 24 i32.add call $dlsym
            i32.or
            i32.const 0 i32.ne))"#;
    assert_eq!(run_text(&[("bad.so", bad), ("user.so", user), ("needs.so", needs), ("case.so", case)]), 0);
}

/// The memory and the slots of closed libraries are used again: a thousand rounds take no more than two.
// row: dlclose | closed_libraries_give_back_memory_and_slots | The memory, the table slots and the exit handlers of a closed library are used again: 1,000 rounds take no more than two | glibc
#[test]
fn closed_libraries_give_back_memory_and_slots() {
    let big = r#"(module (@dylink.0 (mem-info (memory 1048576 4) (table 100 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__table_base" (global $slots i32))
        (import "env" "__indirect_function_table" (table 100 funcref))
        (import "env" "__cxa_atexit" (func $register (param i32 i32 i32) (result i32)))
        (func $handler (param i32)) (elem (global.get $slots) func $handler)
        (func (export "f") (result i32) i32.const 42)
        (func (export "g") (result i32) i32.const 43)
        (func (export "__wasm_call_ctors")
            global.get $slots i32.const 0 global.get $base call $register drop))"#;
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table $table 0 funcref))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (import "env" "dlclose" (func $dlclose (param i32) (result i32)))
        (type $function (func (result i32)))
        (data (global.get $base) "big.so\00f\00g\00")
        (func $round (result i32) (local $library i32)
            global.get $base i32.const 2 call $dlopen local.tee $library
            global.get $base i32.const 7 i32.add call $dlsym call_indirect (type $function) i32.const 42 i32.ne
            local.get $library global.get $base i32.const 9 i32.add call $dlsym call_indirect (type $function)
            i32.const 43 i32.ne
            i32.or
            local.get $library call $dlclose i32.or)
        (func (export "run_case") (result i32) (local $n i32) (local $pages i32) (local $slots i32)
            call $round call $round i32.or if i32.const 97 return end
            memory.size local.set $pages
            table.size $table local.set $slots
            loop $again
                call $round if i32.const 98 return end
                local.get $n i32.const 1 i32.add local.tee $n
                i32.const 1000 i32.lt_u br_if $again
            end
            memory.size local.get $pages i32.ne
            table.size $table local.get $slots i32.ne
            i32.or))"#;
    assert_eq!(run_text(&[("big.so", big), ("case.so", case)]), 0);
}

/// A handle is not valid after the last close, and is not that of a library loaded later, nor of the same library loaded again; slots of a
/// closed library are empty.
// row: dlclose | handles_of_closed_libraries_are_refused | dlsym and dlclose refuse the handle of an unloaded library, also when another was loaded since | POSIX dlclose; musl
#[test]
fn handles_of_closed_libraries_are_refused() {
    let library = r#"(module (@dylink.0 (mem-info (table 1 0)))
        (import "env" "__table_base" (global $slots i32))
        (import "env" "__indirect_function_table" (table 1 funcref))
        (func $f (export "f") (result i32) i32.const 42)
        (elem (global.get $slots) func $f))"#;
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table $table 0 funcref))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (import "env" "dlclose" (func $dlclose (param i32) (result i32)))
        (data (global.get $base) "one.so\00two.so\00f\00")
        (func $f (param $library i32) (result i32)
            local.get $library global.get $base i32.const 14 i32.add call $dlsym)
        (func (export "run_case") (result i32) (local $one i32) (local $slot i32) (local $two i32) (local $again i32)
            global.get $base i32.const 2 call $dlopen local.tee $one
            call $f local.tee $slot
            table.get $table ref.is_null if i32.const 90 return end
            local.get $one call $dlclose if i32.const 91 return end
            local.get $slot table.get $table ref.is_null i32.eqz if i32.const 92 return end
            local.get $one call $f if i32.const 93 return end
            local.get $one call $dlclose i32.const -1 i32.ne if i32.const 94 return end
            global.get $base i32.const 7 i32.add i32.const 2 call $dlopen local.tee $two
            call $f local.get $slot i32.ne if i32.const 95 return end
            local.get $one call $f if i32.const 96 return end
            local.get $one call $dlclose i32.const -1 i32.ne if i32.const 97 return end
            local.get $two call $f i32.eqz if i32.const 98 return end
            global.get $base i32.const 2 call $dlopen local.tee $again
            local.get $one i32.eq if i32.const 99 return end
            local.get $one call $f if i32.const 100 return end
            local.get $one call $dlclose i32.const -1 i32.ne if i32.const 101 return end
            local.get $again call $f i32.eqz if i32.const 102 return end
            local.get $again call $dlclose))"#;
    assert_eq!(run_text(&[("one.so", library), ("two.so", library), ("case.so", case)]), 0);
}

/// Values that are not handles: `RTLD_DEFAULT` and `RTLD_NEXT`, which only `dlsym` accepts, and numbers that handles never had.
// row: dlclose | wild_handles_are_refused | dlclose refuses NULL, RTLD_NEXT, handles that were never given and addresses | POSIX dlclose; musl
#[test]
fn wild_handles_are_refused() {
    let case = r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (import "env" "dlclose" (func $dlclose (param i32) (result i32)))
        (import "env" "dlinfo" (func $dlinfo (param i32 i32 i32) (result i32)))
        (data (global.get $base) "run_case\00")
        (func $is_refused (param $handle i32) (result i32)
            local.get $handle call $dlclose i32.const -1 i32.eq
            local.get $handle i32.const 1 global.get $base i32.const 16 i32.add call $dlinfo i32.const -1 i32.eq
            i32.and)
        (func (export "run_case") (result i32)
            i32.const 0 call $is_refused i32.eqz if i32.const 90 return end
            i32.const -1 call $is_refused i32.eqz if i32.const 91 return end
            i32.const -2 call $is_refused i32.eqz if i32.const 92 return end
            i32.const 99 call $is_refused i32.eqz if i32.const 93 return end
            i32.const 0x80000000 call $is_refused i32.eqz if i32.const 94 return end
            global.get $base call $is_refused i32.eqz if i32.const 95 return end
            i32.const 99 global.get $base call $dlsym if i32.const 96 return end
            i32.const -2 global.get $base call $dlsym if i32.const 97 return end
            i32.const 0 global.get $base call $dlsym i32.eqz))"#;
    assert_eq!(run_text(&[("case.so", case)]), 0);
}

/// A library that opens and closes `other.so` once, and returns the result of `dlclose`.
const OPENS_AND_CLOSES: &str = r#"(module (@dylink.0 (mem-info (memory 64 0)))
    (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
    (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
    (import "env" "dlclose" (func $dlclose (param i32) (result i32)))
    (import "env" "putchar" (func $put (param i32) (result i32)))
    (data (global.get $base) "other.so\00bad.so\00")
    (func (export "run_case") (result i32) (local $status i32)
        global.get $base i32.const 9 i32.add i32.const 2 call $dlopen drop
        global.get $base i32.const 2 call $dlopen call $dlclose local.set $status
        i32.const 46 call $put drop
        global.get $base i32.const 6 call $dlopen if i32.const 99 return end
        local.get $status))"#;

/// A library that registers a handler, which runs `body` and may print with `$put`.
fn registering(body: &str, more: &str) -> String {
    format!(
        r#"(module (@dylink.0 (mem-info (memory 8 0) (table 1 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__table_base" (global $slots i32))
        (import "env" "__indirect_function_table" (table 1 funcref))
        (import "env" "__cxa_atexit" (func $register (param i32 i32 i32) (result i32)))
        (import "env" "putchar" (func $put (param i32) (result i32)))
        (import "env" "exit" (func $exit (param i32)))
        (func $handler (param i32) {body}) (elem (global.get $slots) func $handler)
        (func $begin global.get $slots i32.const 104 global.get $base call $register drop)
        {more})"#
    )
}

// row: dlclose | a_library_s_last_function_runs_after_its_handlers | The termination function of a library runs at its end, after the handlers it has registered | ELF gABI, termination functions
#[test]
fn a_library_s_last_function_runs_after_its_handlers() {
    let other = registering(
        "local.get 0 call $put drop",
        r#"(export "__wasm_call_ctors" (func $begin))
        (func (export "__wasm_call_dtors") i32.const 102 call $put drop)"#,
    );
    assert_eq!(
        run_text_printing(&[("other.so", &other), ("case.so", OPENS_AND_CLOSES)]),
        (0, "hf.".to_owned())
    );
}

// row: failure | a_destructor_that_traps_fails_the_close | dlclose fails when a destructor traps, and the library leaves nevertheless | pydl
#[test]
fn a_destructor_that_traps_fails_the_close() {
    let other = registering("unreachable", r#"(export "__wasm_call_ctors" (func $begin))"#);
    assert_eq!(run_text(&[("other.so", &other), ("case.so", OPENS_AND_CLOSES)]), 255);
}

// row: dlclose | a_destructor_may_end_the_program | exit may be called by a destructor within dlclose | glibc
#[test]
fn a_destructor_may_end_the_program() {
    let other = registering("i32.const 7 call $exit", r#"(export "__wasm_call_ctors" (func $begin))"#);
    assert_eq!(run_text_printing(&[("other.so", &other), ("case.so", OPENS_AND_CLOSES)]), (7, String::new()));
}

/// A handler that a library has registered before its load failed is not taken for the next library's.
// row: failure | handlers_of_failed_loads_do_not_run | What a library has registered to run at exit does not run when its load fails | pydl
#[test]
fn handlers_of_failed_loads_do_not_run() {
    let bad =
        registering("i32.const 98 call $put drop", "(func $fail call $begin unreachable) (start $fail)");
    let other = registering("local.get 0 call $put drop", r#"(export "__wasm_call_ctors" (func $begin))"#);
    let libraries = [("bad.so", bad.as_str()), ("other.so", &other), ("case.so", OPENS_AND_CLOSES)];
    assert_eq!(run_text_printing(&libraries), (0, "h.".to_owned()));
}

#[test]
fn expectations_are_what_native_builds_print() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
    if !["bash", "gcc", "g++"].into_iter().all(has) {
        return pydl_tests::skip("no bash, gcc and g++ to build the programs natively");
    }
    let out = tempfile::tempdir().unwrap();
    let output = Command::new("bash").arg(folder().join("native.sh")).arg(out.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().filter(|line| line.ends_with(": same")).count(), cases().len(), "{text}");
}
