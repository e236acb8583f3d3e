//! Owns the check of exceptions and `longjmp` that a main module leaves to the host: `invoke_*` and its family.

use pydl_tests::{pydl, wasm};

/// Throws the object at 2048 of type 200 through `invoke_ii` and catches it, then lets a `longjmp` end a call of `invoke_vi`. Returns 42,
/// or the number of the check that fails; with `BROKEN`, the result of a trap inside `invoke_vi`.
const MAIN: &str = r#"(module
  (import "env" "emscripten_get_now" (func (result f64)))
  (import "env" "invoke_ii" (func $invoke_ii (param i32 i32) (result i32)))
  (import "env" "invoke_vi" (func $invoke_vi (param i32 i32)))
  (import "env" "__cxa_throw" (func $throw (param i32 i32 i32)))
  (import "env" "__cxa_find_matching_catch_4" (func $find (param i32 i32) (result i32)))
  (import "env" "__cxa_begin_catch" (func $begin (param i32) (result i32)))
  (import "env" "__cxa_end_catch" (func $end))
  (import "env" "__cxa_uncaught_exceptions" (func $uncaught (result i32)))
  (import "env" "_emscripten_throw_longjmp" (func $throw_longjmp))
  (memory (export "memory") 1)
  (table (export "__indirect_function_table") 8 funcref)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 60000))
  (global $threw (mut i32) (i32.const 0))
  (global $temporary (mut i32) (i32.const 0))
  (global $references (mut i32) (i32.const 0))
  (elem (i32.const 1) $thrower $jumper $returner $trapper)
  (func $thrower (param i32) (result i32)
    (global.set $sp (i32.sub (global.get $sp) (i32.const 64)))
    (call $throw (i32.const 2048) (i32.const 200) (i32.const 0))
    (i32.const 5))
  (func $jumper (param i32) (call $throw_longjmp))
  (func $returner (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $trapper (param i32) (unreachable))
  (func (export "setThrew") (param i32 i32) (global.set $threw (local.get 0)))
  (func (export "_emscripten_tempret_set") (param i32) (global.set $temporary (local.get 0)))
  (func (export "__cxa_can_catch") (param i32 i32 i32) (result i32) (i32.eq (local.get 0) (i32.const 300)))
  (func (export "__cxa_is_pointer_type") (param i32) (result i32) (i32.const 0))
  (func (export "__cxa_increment_exception_refcount") (param i32)
    (global.set $references (i32.add (global.get $references) (i32.const 1))))
  (func (export "__cxa_decrement_exception_refcount") (param i32)
    (global.set $references (i32.sub (global.get $references) (i32.const 1))))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func (export "free") (param i32))
  (func (export "aligned_alloc") (param i32 i32) (result i32) (i32.const 4096))
  (func (export "main") (result i32)
    (if (i32.ne (call $invoke_ii (i32.const 3) (i32.const 8)) (i32.const 9)) (then (return (i32.const 1))))
    (if (global.get $threw) (then (return (i32.const 2))))
    (if (call $invoke_ii (i32.const 1) (i32.const 7)) (then (return (i32.const 3))))
    (if (i32.ne (global.get $threw) (i32.const 1)) (then (return (i32.const 4))))
    (if (i32.ne (global.get $sp) (i32.const 60000)) (then (return (i32.const 5))))
    (if (i32.ne (call $uncaught) (i32.const 1)) (then (return (i32.const 6))))
    (if (i32.ne (call $find (i32.const 250) (i32.const 300)) (i32.const 2048)) (then (return (i32.const 7))))
    (if (i32.ne (global.get $temporary) (i32.const 300)) (then (return (i32.const 8))))
    (if (i32.ne (call $begin (i32.const 2048)) (i32.const 2048)) (then (return (i32.const 9))))
    (if (i32.ne (global.get $references) (i32.const 1)) (then (return (i32.const 10))))
    (if (call $uncaught) (then (return (i32.const 11))))
    (call $end)
    (if (i32.or (global.get $references) (global.get $threw)) (then (return (i32.const 12))))
    (call $invoke_vi (i32.const 2) (i32.const 0))
    (if (i32.ne (global.get $threw) (i32.const 1)) (then (return (i32.const 13))))
    BROKEN
    (i32.const 42)))"#;

fn run(broken: &str) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    std::fs::write(&main, wasm::assemble(&MAIN.replace("BROKEN", broken))).unwrap();
    pydl().arg("run").arg(main).output().unwrap()
}

// row: c++ | what_is_thrown_ends_at_the_call_that_takes_it | invoke_ functions of Emscripten's own exceptions return to the call that takes the exception | core.dylink_i64_invoke; core.dylink_exceptions_try_catch_6
#[test]
fn what_is_thrown_ends_at_the_call_that_takes_it() {
    let output = run("");
    assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn traps_pass() {
    let output = run("(call $invoke_vi (i32.const 4) (i32.const 0))");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() != Some(42) && message.contains("unreachable"), "{message}");
}
