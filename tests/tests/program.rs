//! Runs the C programs of `cases/program`, real compiler's output, and compares what they print with their native build:
//! `expected.txt` is what glibc's loader gave. Where a native compiler is at hand, that is checked, too.

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
    for library in pydl_tests::files(case, ".so") {
        command.arg("--side").arg(library);
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

/// What only the loader makes zero: static data that is not in the file, where the failed load of another library has left
/// its data behind.
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

/// The status of the driver with libraries in WebAssembly text, of which the last is opened.
fn run_text(libraries: &[(&str, &str)]) -> i32 {
    let output = output_of_text(libraries, &[]);
    output.status.code().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The same with further options of `pydl run`, and with all that it says.
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

/// What ld.so does, too: the process ends with status 127 and a message, at the call.
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
             DRIVER, /usr/local/lib/pydl/user.so\n  at pydl thunks: thunk of nowhere\n",
        ),
        (
            other_type,
            "pydl: symbol lookup error: symbol `driver_errno` has another type: /usr/local/lib/pydl/user.so needs \
             function (f64) -> i32, and DRIVER has function () -> i32\n  at pydl thunks: thunk of driver_errno\n",
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

/// In a constructor it is a failure of the load, as every trap there is.
#[test]
fn constructors_that_call_what_nothing_defines_fail_the_load() {
    let user = r#"(module (@dylink.0) (import "env" "nowhere" (func $nowhere))
        (func (export "__wasm_call_ctors") call $nowhere) (func (export "use") (result i32) i32.const 0))"#;
    assert_eq!(run_text(&[("user.so", user), ("case.so", OPENS_LAZILY)]), 99);
}

/// A load that fails before the first constructor gives back its memory and its slots.
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

/// Whatever a trap in a start function leaves on the C stack is taken off again.
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

/// A library whose constructor fails is in no scope, though it was opened `RTLD_GLOBAL`, and nothing can need it.
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
