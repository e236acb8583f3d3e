//! Owns the proof that `pydl deps` and `pydl run` agree: on real wheels, file by file, and on wheels that are intentionally bad, each in
//! one way that must be named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pydl_tests::emscripten::{CURRENT, GENERATIONS, cases, main_module};
use pydl_tests::wasm::assemble;
use pydl_tests::{pydl, repository, skip};
use serde_json::Value;
use sha2::{Digest, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};

/// Opens the files that its arguments name, beneath `site-packages`, and prints the outcome for each.
const OPEN: &str = r"
import ctypes, sysconfig, sys
for path in sys.argv[1:]:
    try:
        ctypes.CDLL(sysconfig.get_paths()['purelib'] + '/' + path)
        print(path, 'True')
    except OSError as error:
        print(path, 'False')
        print(path, error, file=sys.stderr)
";

fn deps(main: &Path, wheels: &[PathBuf], options: &[&str]) -> Output {
    pydl().arg("deps").arg("--main").arg(main).args(options).args(wheels).output().unwrap()
}

/// The verdict of `pydl deps` on each side module in wheels, by its path beneath `site-packages`.
fn verdicts(main: &Path, wheels: &[PathBuf]) -> BTreeMap<String, bool> {
    let output = deps(main, wheels, &["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["errors"], Value::Array(Vec::new()));
    let files = document["files"].as_array().unwrap().iter();
    let verdict = |file: &Value| {
        let path = file["path"].as_str().unwrap();
        let (_, inner) = path.split_once(".whl/").unwrap();
        (inner.to_owned(), file["would_load"].as_bool().unwrap())
    };
    files.map(verdict).collect()
}

/// The outcomes of opening them in a process.
fn openings<'a>(
    main: &Path,
    wheels: &[PathBuf],
    files: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, bool> {
    let mut command = pydl();
    command.arg("run").arg(main);
    for wheel in wheels {
        command.arg("--with").arg(wheel);
    }
    let output = command.args(["-c", OPEN]).args(files).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let opening = |line: &str| {
        let (path, opens) = line.rsplit_once(' ').unwrap();
        (path.to_owned(), opens == "True")
    };
    text.lines().map(opening).collect()
}

#[test]
fn the_verdict_on_real_wheels_is_what_a_process_does() {
    let mut seen = BTreeSet::new();
    for case in cases(&repository().join("tests/cases/wheels")) {
        if !GENERATIONS.contains(&case.main.as_str())
            || !seen.insert((case.main.clone(), case.wheels.clone()))
        {
            continue;
        }
        let (main, wheels) = match (main_module(&case.main), case.wheel_files()) {
            (Ok(main), Ok(wheels)) => (main, wheels),
            (Err(why), _) | (_, Err(why)) => {
                skip(&format!("{}: {why}", case.name));
                continue;
            }
        };
        let told = verdicts(&main, &wheels);
        assert!(!told.is_empty(), "{}", case.name);
        assert_eq!(told, openings(&main, &wheels, told.keys()), "{}", case.name);
        assert!(deps(&main, &wheels, &["--quiet"]).status.success(), "{}", case.name);
    }
}

const TAG: &str = "cp314-cp314-pyemscripten_2026_0_wasm32";
const MODULE: &str = "demo/native.cpython-314-wasm32-emscripten.so";
const LIBRARY: &str = "demo.libs/libdemo.so";
const MODULE_TEXT: &str = r#"(module
    (@dylink.0 (mem-info (memory 4 2)) (needed "libdemo.so") (runtime-path "$ORIGIN/../demo.libs"))
    (import "env" "memory" (memory 1))
    (import "env" "demo_answer" (func (param i32) (result i32)))
    (import "env" "PyLong_FromLong" (func $long (param i32) (result i32)))
    (import "GOT.mem" "PyExc_ValueError" (global (mut i32)))
    (func (export "PyInit_native") (result i32) i32.const 0))"#;
const LIBRARY_TEXT: &str = r#"(module
    (@dylink.0 (mem-info (memory 0 0)))
    (func (export "demo_answer") (param i32) (result i32) local.get 0))"#;

/// The contents of a wheel.
struct Parts {
    tag: String,
    files: BTreeMap<String, Vec<u8>>,
    /// A file for which RECORD has another hash.
    damaged: Option<&'static str>,
}

impl Parts {
    fn good() -> Parts {
        let files = [(MODULE, assemble(MODULE_TEXT)), (LIBRARY, assemble(LIBRARY_TEXT))];
        let files = files.map(|(name, bytes)| (name.to_owned(), bytes)).into();
        Parts { tag: TAG.to_owned(), files, damaged: None }
    }

    fn module(old: &str, new: &str) -> Parts {
        assert!(MODULE_TEXT.contains(old));
        let mut parts = Parts::good();
        parts.files.insert(MODULE.to_owned(), assemble(&MODULE_TEXT.replace(old, new)));
        parts
    }

    fn renamed(old: &str, new: &str) -> Parts {
        let mut parts = Parts::good();
        let bytes = parts.files.remove(old).unwrap();
        parts.files.insert(new.to_owned(), bytes);
        parts
    }

    fn write(mut self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("demo-1-{}.whl", self.tag));
        let wheel = format!("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {}\n", self.tag);
        self.files.insert("demo-1.dist-info/WHEEL".to_owned(), wheel.into_bytes());
        self.files.insert("demo-1.dist-info/METADATA".to_owned(), b"Name: demo\n".to_vec());
        let mut record = "demo-1.dist-info/RECORD,,\n".to_owned();
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        let mut add = |name: &str, bytes: &[u8]| {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        };
        for (name, bytes) in &self.files {
            let recorded = if self.damaged == Some(name.as_str()) { &[][..] } else { bytes };
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(recorded));
            let _ = writeln!(record, "{name},sha256={hash},{}", bytes.len());
            add(name, bytes);
        }
        add("demo-1.dist-info/RECORD", record.as_bytes());
        archive.finish().unwrap();
        path
    }
}

/// Whether a process accepts the wheel, finds the module, and opens it.
fn is_usable(main: &Path, wheel: &Path) -> bool {
    let find = "import importlib.util, ctypes; ctypes.CDLL(importlib.util.find_spec('demo.native').origin)";
    let mut command = pydl();
    let output = command.arg("run").arg(main).arg("--with").arg(wheel).args(["-c", find]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("OSError") {
        let line = format!("  pydl deps {} --main {}\n", wheel.display(), main.display());
        assert!(stderr.ends_with(&line), "what is not loaded is explained: {stderr}");
    }
    output.status.success()
}

#[test]
fn what_is_wrong_with_a_wheel_is_named() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let other_tag = Parts { tag: TAG.replace("314", "313"), ..Parts::good() };
    let damaged = Parts { damaged: Some(LIBRARY), ..Parts::good() };
    let cases = [
        (Parts::good(), None),
        (
            Parts::module("PyExc_ValueError", "PyExc_ValuableError"),
            Some("undefined symbol `PyExc_ValuableError` (data)"),
        ),
        (
            Parts::module(
                "(param i32) (result i32)))\n    (import \"GOT",
                "(param i64) (result i32)))\n    (import \"GOT",
            ),
            Some("symbol `PyLong_FromLong` has another type"),
        ),
        (
            Parts::module("demo_answer\" (func (param i32)", "demo_answer\" (func (param f64)"),
            Some("symbol `demo_answer` has another type"),
        ),
        (Parts::module("libdemo.so", "libdemos.so"), Some("libdemos.so: cannot be opened")),
        (Parts::module("demo.libs", "demo.lib"), Some("/demo/../demo.lib/libdemo.so (not in the wheel)")),
        (Parts::renamed(LIBRARY, "demo.libs/libdemo.so.1"), Some("libdemo.so: cannot be opened")),
        (
            Parts::renamed(MODULE, "demo/native.cpython-313-wasm32-emscripten.so"),
            Some("Python does not find module `native`"),
        ),
        (other_tag, Some("it is for CPython 3.13")),
        (damaged, Some("demo.libs/libdemo.so: its hash is not the one in RECORD")),
    ];
    for (parts, fault) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("wheels")).unwrap();
        let wheel = parts.write(&folder.path().join("wheels"));
        // The wheels in the folder are examined.
        let output = deps(&main, &[folder.path().to_owned()], &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(i32::from(fault.is_some())), "{fault:?}\n{text}");
        assert_eq!(is_usable(&main, &wheel), fault.is_none(), "{fault:?}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(fault.unwrap_or("loads into")), "{fault:?}\n{text}");
        let reasons: usize = text.matches("Reasons against loading it (1)").count();
        assert_eq!(reasons, usize::from(fault.is_some()), "one thing is wrong\n{text}");
    }
}

/// apsw 3.54.1.0 is built like this.
#[test]
fn a_package_may_be_an_extension_module_itself() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = ("native/__init__.cpython-314-wasm32-emscripten.so", "other/__init__.so");
    for (path, is_found) in [(good, true), ("native/__init__.so", true), (bad, false)] {
        let wheel = Parts::renamed(MODULE, path).write(folder.path());
        let output = deps(&main, std::slice::from_ref(&wheel), &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), is_found, "{path}: {text}");
        assert_eq!(text.contains("Python does not find module `native`"), !is_found, "{path}: {text}");
        let find = "import importlib.util, ctypes; ctypes.CDLL(importlib.util.find_spec('native').origin)";
        let run = pydl().arg("run").arg(&main).arg("--with").arg(&wheel).args(["-c", find]).output().unwrap();
        assert_eq!(run.status.success(), is_found, "{path}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn needed_entries_that_repeat_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("user.so");
    let text = r#"(module (@dylink.0 (needed "liba.so" "libc.so" "liba.so" "liba.so")) (func (export "f")))"#;
    fs::write(&file, assemble(text)).unwrap();
    let output = pydl().arg("deps").arg(&file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("  needed          liba.so (3 entries)\n                  libc.so (part of"),
        "{text}"
    );
}

#[test]
fn why_tells_who_needs_a_symbol_and_what_is_shadowed() {
    let folder = tempfile::tempdir().unwrap();
    let main = repository().join("testdata/python/python.wasm");
    let library = r#"(module (@dylink.0) (func (export "puts") (param i32) (result i32) local.get 0)
        (func (export "_ZN4demo3getEv") (result i32) i32.const 1))"#;
    let user = r#"(module (@dylink.0 (needed "liba.so" "libb.so"))
        (import "env" "puts" (func (param i32) (result i32)))
        (import "env" "_ZN4demo3getEv" (func (result i32)))
        (func (export "f")))"#;
    for (name, text) in [("user.so", user), ("liba.so", library), ("libb.so", library)] {
        fs::write(folder.path().join(name), assemble(text)).unwrap();
    }
    let why = |symbol| {
        let user = folder.path().join("user.so");
        let libraries = folder.path().to_str().unwrap();
        let options = ["--why", symbol, "--library-path", libraries];
        let output = deps(&main, &[user], &options);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let of_main = why("puts");
    for part in
        ["gets that of", "python.wasm (function (i32) -> i32) ", "liba.so (function (i32) -> i32), shadowed"]
    {
        assert!(of_main.contains(part), "{of_main}");
    }
    let of_cpp = why("_ZN4demo3getEv");
    assert!(of_cpp.contains("(demo::get())"), "{of_cpp}");
    assert!(of_cpp.contains("liba.so (function () -> i32) ") && of_cpp.contains("libb.so"), "{of_cpp}");
}

/// Module fragments, each with the feature that it uses.
const FEATURES: [(&str, &str); 20] = [
    ("atomics", r"(func i32.const 0 i32.atomic.load drop)"),
    ("atomics", r"(func atomic.fence)"),
    ("bulk-memory", r"(func i32.const 0 i32.const 0 i32.const 0 memory.copy)"),
    ("custom-page-sizes", r#"(import "env" "memory" (memory 1 (pagesize 1)))"#),
    ("exception-handling", r"(tag $t) (func throw $t)"),
    ("exception-handling", r"(func (block $b (try_table (catch_all $b))))"),
    ("exception-handling", r"(func try catch_all end)"),
    ("extended-const", r"(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
    ("function-references", r"(type $t (func)) (func (local (ref null $t)) local.get 0 call_ref $t)"),
    ("gc", r"(func i32.const 0 ref.i31 drop)"),
    ("memory64", r"(table i64 1 funcref)"),
    ("multimemory", r#"(import "env" "memory" (memory 1))"#),
    ("multivalue", r"(func (result i32 i32) i32.const 0 i32.const 0)"),
    ("nontrapping-fptoint", r"(func f32.const 0 i32.trunc_sat_f32_s drop)"),
    ("reference-types", r"(func (param externref))"),
    ("relaxed-simd", r"(func (param v128) local.get 0 i32x4.relaxed_trunc_f32x4_s drop)"),
    ("sign-ext", r"(func i32.const 0 i32.extend8_s drop)"),
    ("simd128", r"(func i32.const 0 i32x4.splat drop)"),
    ("tail-call", r"(func (result i32) return_call 0)"),
    (
        "wide-arithmetic",
        r"(func (result i64 i64) i64.const 0 i64.const 0 i64.const 0 i64.const 0 i64.add128)",
    ),
];

/// Imports modules whose initialization returns nothing, and prints which of them get that far.
const IMPORT: &str = r"
import sys
for name in sys.argv[1:]:
    try:
        __import__(name)
    except SystemError:
        print(name, 'True')
    except ImportError as error:
        print(name, 'False')
        print(error, file=sys.stderr)
";

#[test]
fn features_are_found_in_the_code_and_refused_as_a_process_refuses_them() {
    let folder = tempfile::tempdir().unwrap();
    let main = repository().join("testdata/python/python.wasm");
    let mut run = pydl();
    run.arg("run").arg(&main);
    let mut names = Vec::new();
    let mut files = Vec::new();
    for (number, (_, part)) in FEATURES.iter().enumerate() {
        let name = format!("probe{number}");
        let start = format!(r#"(func (export "PyInit_{name}") (result i32) i32.const 0)"#);
        let text = format!(r#"(module (@dylink.0) (import "env" "memory" (memory 1)) {part} {start})"#);
        let file = folder.path().join(format!("{name}.so"));
        fs::write(&file, assemble(&text)).unwrap();
        run.arg("--side").arg(&file);
        names.push(name);
        files.push(file);
    }
    let output = run.args(["-c", IMPORT]).args(&names).output().unwrap();
    let ran = String::from_utf8(output.stdout).unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    let told = deps(&main, &files, &["--json"]);
    let document: Value = serde_json::from_slice(&told.stdout).unwrap();
    let mut verdicts = String::new();
    for ((name, (feature, _)), file) in names.iter().zip(&FEATURES).zip(document["files"].as_array().unwrap())
    {
        let used = file["features_used"].as_array().unwrap();
        assert!(used.iter().any(|used| used == feature), "{feature}: {used:?}");
        let loads = file["would_load"].as_bool().unwrap();
        let _ = writeln!(verdicts, "{name} {}", if loads { "True" } else { "False" });
        let is_named = file["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .all(|reason| reason.as_str().unwrap().contains(feature));
        assert!(is_named, "{feature}: {}", file["reasons"]);
    }
    assert_eq!(verdicts, ran, "{messages}");
    // A process names the feature, and checks before it compiles.
    for (feature, _) in FEATURES.iter().zip(verdicts.lines()).filter(|(_, line)| line.ends_with("False")) {
        let feature = feature.0;
        let is_named = messages
            .lines()
            .any(|line| line.contains("of WebAssembly that processes do not have") && line.contains(feature));
        // A module that only has such a memory or table is refused earlier, by the linker.
        assert!(
            is_named || ["memory64", "multimemory", "custom-page-sizes"].contains(&feature),
            "{feature}: {messages}"
        );
    }
    assert!(verdicts.contains("True") && verdicts.contains("False"));
}

/// Functions that a library for Emscripten imports, with their types and what provides them.
const OF_HOST: [(&str, &str, &str); 5] = [
    ("emscripten_date_now", "(result f64)", "host"),
    // The main module does not import this one.
    ("emscripten_performance_now", "(result f64)", "host"),
    ("emscripten_asm_const_int", "(param i32 i32 i32) (result i32)", "javascript"),
    ("written_in_javascript", "", "javascript"),
    ("written_nowhere", "", "undefined_until_called"),
];

#[test]
fn what_only_javascript_has_is_told_and_fails_when_called() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut imports, mut calls) = (String::new(), String::new());
    for (name, ty, _) in OF_HOST {
        let _ = write!(imports, r#"(import "env" "{name}" (func ${name} {ty}))"#);
        let arguments = "i32.const 0 ".repeat(ty.matches("i32").count().saturating_sub(1));
        let result = if ty.contains("result") { "drop" } else { "" };
        let _ = write!(calls, r#"(func (export "call_{name}") {arguments} call ${name} {result})"#);
    }
    let text = r#"(global (export "__em_js__written_in_javascript") i32 (i32.const 0))"#;
    let file = folder.path().join("case.so");
    fs::write(&file, assemble(&format!("(module (@dylink.0) {imports} {text} {calls})"))).unwrap();
    let output = deps(&main, std::slice::from_ref(&file), &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = document["files"][0]["imports"].as_array().unwrap();
    for ((name, _, provider), told) in OF_HOST.iter().zip(told) {
        assert_eq!((&told["name"], &told["provider"]), (&(*name).into(), &(*provider).into()));
        let call = format!("import ctypes; ctypes.CDLL('/case/case.so').call_{name}()");
        let mount = format!("{}::/case", folder.path().display());
        let output =
            pydl().arg("run").arg("--dir").arg(mount).arg(&main).args(["-c", &call]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), *provider == "host", "{name}: {stderr}");
        assert!(output.status.success() || stderr.contains(name), "{name}: {stderr}");
    }
}

/// perspective-python 5.6.1 is built like this.
#[test]
fn constructors_that_call_what_only_javascript_has_are_found() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = tempfile::tempdir().unwrap();
    let call = "i32.const 0 i32.const 0 i32.const 0 call $asm drop";
    let maybe = "global.get $never if i32.const 0 i32.const 0 i32.const 0 call $asm drop end";
    let cases = [
        (
            "constructor",
            format!(r#"(func (export "__wasm_call_ctors") call $inner) (func $inner {call})"#),
            false,
        ),
        ("start", format!("(start $s) (func $s {call})"), false),
        ("condition", format!(r#"(func (export "__wasm_call_ctors") {maybe})"#), true),
        ("nobody", r#"(func (export "__wasm_call_ctors") call $nobody)"#.to_owned(), false),
    ];
    for (name, functions, loads) in cases {
        let text = format!(
            r#"(module (@dylink.0) (global $never i32 (i32.const 0))
                (import "env" "emscripten_asm_const_int" (func $asm (param i32 i32 i32) (result i32)))
                (import "env" "written_nowhere" (func $nobody)) {functions})"#
        );
        // In a module, imports come first.
        let global = "(global $never i32 (i32.const 0))";
        let text =
            text.replacen(global, "", 1).replacen("(func $nobody))", &format!("(func $nobody)) {global}"), 1);
        let file = folder.path().join(format!("{name}.so"));
        fs::write(&file, assemble(&text)).unwrap();
        let output = deps(&main, std::slice::from_ref(&file), &[]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), loads, "{name}: {told}");
        assert_eq!(told.contains("when it is initialized"), !loads, "{name}: {told}");
        let open = format!("import ctypes; ctypes.CDLL('/case/{name}.so')");
        let mount = format!("{}::/case", folder.path().display());
        let run = pydl().arg("run").arg("--dir").arg(mount).arg(&main).args(["-c", &open]).output().unwrap();
        assert_eq!(run.status.success(), loads, "{name}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn a_main_module_for_threads_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    let text = r#"(module (import "env" "emscripten_date_now" (func (result f64))) (memory (export "memory") 1 1 shared)
        (func (export "main") (param i32 i32) (result i32) i32.const 0))"#;
    fs::write(&main, assemble(text)).unwrap();
    assert!(!pydl().arg("run").arg(&main).output().unwrap().status.success());
    let side = folder.path().join("side.so");
    fs::write(&side, assemble("(module (@dylink.0) (func (export \"f\")))")).unwrap();
    let output = deps(&main, std::slice::from_ref(&side), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("its memory is shared or 64-bit"), "{text}");
}
