//! Gives a real Python process every kind of bad library file there is, one after the other. Each must fail as an `ImportError` that names
//! the file and what is wrong, in the same way on a second try; afterwards the process continues and a good library loads. The messages are
//! in `cases/bad_input.txt`. `pydl deps` gets the same files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pydl_tests::wasm::{
    assemble, join, mem_info, needed, section_boundaries, sections, subsection, with_dylink,
};
use wasm_encoder::{
    CustomSection, EntityType, ExportKind, ExportSection, ImportSection, Module, TypeSection,
};

/// A file name without `.so`, and its contents.
type BadFile = (String, Vec<u8>);

// row: malformed | empty: | An empty file is refused | gap.malformed_dylink
// row: malformed | text: | A file that is not WebAssembly is refused | gap.malformed_dylink
// row: malformed | component: | A component is refused | WebAssembly component model
// row: malformed | version: | An unknown version of WebAssembly is refused | WebAssembly binary format
// row: malformed | native: | A native shared object is refused, and called what it is | ld.so
// row: malformed | cut_inside_00: | A file that ends inside dylink.0 is refused | gap.malformed_dylink
// row: malformed | cut_inside_06: | A file that ends inside its code is refused | gap.malformed_dylink
// row: malformed | cut_before_07: | A file that ends before its data is refused | gap.malformed_dylink
// row: malformed | dylink_not_first: | dylink.0 has to be the first section | tool-conventions; gap.malformed_dylink
// row: malformed | dylink_twice: | A second dylink.0 is refused | tool-conventions; gap.malformed_dylink
// row: malformed | memory_alignment_2_31: | A memory alignment of 2^31 is refused | gap.absurd_sizes
// row: malformed | memory_alignment_2_32_1: | A memory alignment of 2^(2^32-1) is refused | gap.absurd_sizes
// row: malformed | table_alignment_2_31: | A table alignment of 2^31 is refused | gap.absurd_sizes
// row: malformed | memory_4_gib: | A memory size of 4 GiB is refused | gap.absurd_sizes
// row: malformed | memory_3_gib: | A memory size that the allocator has not fails the load | gap.allocation_failure; gap.absurd_sizes
// row: malformed | table_2_32_1: | A table size of 2^32-1 is refused | gap.absurd_sizes
// row: malformed | table_size_0: | Element segments beyond a table size of 0 are refused | gap.malformed_dylink
// row: malformed | contradiction: | Two MEM_INFO subsections that differ are refused | tool-conventions; gap.malformed_dylink
// row: malformed | subsection_too_long: | A subsection longer than dylink.0 is refused | gap.malformed_dylink
// row: malformed | string_too_long: | A string longer than its subsection is refused | gap.malformed_dylink
// row: malformed | count_too_large: | A count larger than its subsection is refused | gap.malformed_dylink
// row: malformed | shared_memory: | A library built for shared memory is refused | tool-conventions
// row: malformed | own_memory: | A library with a memory of its own is refused | tool-conventions
// row: malformed | objects: | A module that defines types of objects is refused | WebAssembly GC
// row: malformed | invalid_code: | Code that does not validate is refused | WebAssembly validation
// row: failure | needed_absent: | A needed library that is not there is told with who needs it and what was tried | gap.malformed_dylink
// row: failure | missing_function: | A missing function is told with its type | POSIX RTLD_NOW; other.minimal_dynamic; other.dylink_no_autoload
// row: failure | missing_data: | Missing data is told with its name | POSIX RTLD_NOW; core.dylink_syslibs
// row: failure | other_type: | A function of another type than the main program's is refused with both types | gap.function_type_mismatch
// row: failure | start_traps: | A start function that traps fails the load, with its frames | gap.failed_load_retry
// row: failure | constructor_traps: | A constructor that traps fails the load, now and when tried again | gap.failed_load_retry
#[test]
fn bad_libraries_are_refused_and_the_process_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = bad_files();
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(pydl_tests::python_wasm());
    for (name, contents) in &files {
        let path = folder.path().join(format!("{name}.so"));
        fs::write(&path, contents).unwrap();
        command.arg("--side").arg(path);
    }
    command.arg("--side").arg(pydl_tests::testdata("fputs/fputs.so"));
    command.arg("--dir").arg(format!("{}::/out", folder.path().display()));
    command.arg("-c").arg(script(&files));
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let cases = pydl_tests::repository().join("tests/cases");
    let stdout = stdout.replace(&pydl_tests::python_wasm().display().to_string(), "PYTHON_WASM");
    pydl_tests::assert_golden(&cases.join("bad_input.txt"), &stdout);
    assert_eq!(fs::read_to_string(folder.path().join("good.txt")).unwrap(), "the next one works");
}

fn script(files: &[BadFile]) -> String {
    let mut script = String::from(
        "
def attempt(name):
    try:
        __import__(name)
    except ImportError as error:
        return str(error).replace('/usr/local/lib/python3.13/lib-dynload/', '')
    return 'no error'
def check(name):
    first, second = attempt(name), attempt(name)
    print(name + ':', first if first == second else (first, second))
",
    );
    for (name, _) in files {
        let _ = writeln!(script, "check('{name}')");
    }
    script.push_str("import fputs\nprint(fputs.fputs('the next one works', '/out/good.txt'))\n");
    script
}

fn bad_files() -> Vec<BadFile> {
    let good = fs::read(pydl_tests::testdata("fputs/fputs.so")).unwrap();
    let mut files = Vec::new();
    let mut add = |name: &str, contents: Vec<u8>| files.push((name.to_owned(), contents));
    add("empty", Vec::new());
    add("text", b"not wasm at all\n".to_vec());
    add("component", b"\0asm\x0d\0\x01\0".to_vec());
    add("version", b"\0asm\x02\0\0\0".to_vec());
    add("native", fs::read(pydl_tests::testdata("native/native.so")).unwrap());
    add("emscripten", fs::read(pydl_tests::testdata("fputs/emscripten/fputs.so")).unwrap());
    truncations(&good, &mut add);
    broken_dylink(&good, &mut add);
    unbindable(&mut add);
    files
}

/// The real library, cut in its header, in every section, and at every boundary where what is left is not a library. The data section is
/// followed by custom sections, without which the library works.
fn truncations(good: &[u8], add: &mut impl FnMut(&str, Vec<u8>)) {
    add("cut_header", good[..6].to_vec());
    let boundaries = section_boundaries(good);
    let data = sections(good).iter().position(|(id, _)| *id == 11).unwrap();
    for (number, end) in boundaries.iter().enumerate().take(boundaries.len() - 1) {
        if number <= data {
            add(&format!("cut_before_{number:02}"), good[..*end].to_vec());
        }
        let next = boundaries[number + 1];
        add(&format!("cut_inside_{number:02}"), good[..(end + next) / 2].to_vec());
    }
}

fn broken_dylink(good: &[u8], add: &mut impl FnMut(&str, Vec<u8>)) {
    let parts = sections(good);
    let mut moved = parts.clone();
    moved.swap(0, 1);
    add("no_dylink", join(&parts[1..]));
    add("dylink_not_first", join(&moved));
    add("dylink_twice", join(&[&parts[..1], &parts[..]].concat()));
    let mut dylink = |name: &str, bytes: &[u8]| add(name, with_dylink(good, bytes));
    dylink("memory_alignment_2_31", &mem_info(16, 31, 0, 0));
    dylink("memory_alignment_2_32_1", &mem_info(16, u32::MAX, 0, 0));
    dylink("table_alignment_2_31", &mem_info(16, 0, 1, 31));
    dylink("memory_4_gib", &mem_info(u32::MAX, 0, 5, 0));
    dylink("memory_3_gib", &mem_info(3 << 30, 4, 5, 0));
    dylink("table_2_32_1", &mem_info(16, 0, u32::MAX, 0));
    dylink("table_size_0", &mem_info(592, 4, 0, 0));
    dylink("contradiction", &[mem_info(592, 4, 5, 0), mem_info(600, 4, 5, 0)].concat());
    dylink("needed_absent", &[mem_info(592, 4, 5, 0), needed(&["libabsent.so"])].concat());
    dylink("subsection_too_long", &[1, 200, 1]);
    dylink("string_too_long", &subsection(2, &[1, 100, b'x']));
    dylink("count_too_large", &subsection(2, &[0xff, 0xff, 0xff, 0xff, 0x0f]));
}

fn unbindable(add: &mut impl FnMut(&str, Vec<u8>)) {
    let module = |import: &str| {
        assemble(&format!(
            r#"(module (@dylink.0) {import} (func (export "PyInit_x") (result i32) i32.const 0))"#
        ))
    };
    add("unknown_import_module", module(r#"(import "js" "eval" (func))"#));
    add("missing_function", module(r#"(import "env" "no_such_function" (func (param i32) (result i64)))"#));
    add("missing_data", module(r#"(import "GOT.mem" "no_such_data" (global (mut i32)))"#));
    add("other_type", module(r#"(import "env" "strlen" (func (param i64) (result i32)))"#));
    add("own_memory", module("(memory 1)"));
    add("shared_memory", module(r#"(import "env" "memory" (memory 1 1 shared))"#));
    add("large_table", module(r#"(import "env" "__indirect_function_table" (table 100000 funcref))"#));
    add("objects", module("(type (array i8))"));
    let invalid = r#"(module (@dylink.0) (func (export "PyInit_x") (result i32) i64.const 0))"#;
    add("invalid_code", assemble(invalid));
    let traps = r#"(module (@dylink.0) (func (export "f")) (func $start unreachable) (start $start))"#;
    add("start_traps", assemble(traps));
    let constructor = r#"(module (@dylink.0) (func (export "__wasm_call_ctors") unreachable))"#;
    add("constructor_traps", assemble(constructor));
    add("python_x", module(""));
}

/// Files that only a process refuses: its engine, which validates code and compares tables, its allocator, its guest's own code, or Python.
const REFUSED_BY_PROCESSES: [&str; 6] =
    ["constructor_traps", "invalid_code", "large_table", "memory_3_gib", "python_x", "start_traps"];

#[test]
fn bad_libraries_are_inspected() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in bad_files() {
        fs::write(folder.path().join(format!("{name}.so")), contents).unwrap();
    }
    let inspect = |options: &[&str]| {
        let mut command = pydl_tests::pydl();
        command.arg("deps").arg(folder.path()).args(options).arg("--main").arg(pydl_tests::python_wasm());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(126), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let document: serde_json::Value = serde_json::from_slice(&inspect(&["--json"])).unwrap();
    let files = document["files"].as_array().unwrap();
    let errors = document["errors"].as_array().unwrap();
    let name = |file: &serde_json::Value| {
        let path = Path::new(file["path"].as_str().unwrap());
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(files.len() + errors.len(), bad_files().len(), "each is told of");
    let mut loads: Vec<String> = files.iter().filter(|file| file["would_load"] == true).map(name).collect();
    loads.sort();
    assert_eq!(loads, REFUSED_BY_PROCESSES);
    for options in [&[][..], &["--quiet"], &["--graph", "dot"], &["--why", "puts"]] {
        inspect(options);
    }
}

#[test]
fn a_million_imports_are_inspected() {
    const COUNT: usize = 1_000_000;
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    for number in 0..COUNT {
        imports.import("env", &format!("import_{number}"), EntityType::Function(0));
    }
    let mut exports = ExportSection::new();
    exports.export("passed_on", ExportKind::Func, 0);
    let dylink = CustomSection { name: "dylink.0".into(), data: Vec::new().into() };
    let mut module = Module::new();
    module.section(&dylink).section(&types).section(&imports).section(&exports);
    let file = tempfile::Builder::new().suffix(".so").tempfile().unwrap();
    fs::write(file.path(), module.finish()).unwrap();
    let inspect = |options: &[&str]| {
        let main = pydl_tests::python_wasm();
        let mut command = pydl_tests::pydl();
        command.arg("deps").arg(file.path()).arg("--main").arg(main).args(options).output().unwrap()
    };
    let output = inspect(&["--why", "import_7"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("undefined symbol `import_7`"), "{text}");
    let output = inspect(&[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Imported functions, env (1000000)"));
    assert!(text.ends_with("python.wasm: 1000000 reasons\n"), "{}", text.lines().next_back().unwrap());
}

#[test]
fn a_bad_main_module_is_told_apart_from_a_bad_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let objects = "(module (type (struct)) (func (export \"_start\")))";
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("objects", assemble(objects), "a type of garbage-collected objects is defined"),
        ("elf", fs::read(pydl_tests::testdata("native/native.so")).unwrap(), "native ELF file"),
        ("side", fs::read(pydl_tests::testdata("fputs/fputs.so")).unwrap(), "side module"),
        ("bare", assemble("(module)"), "`_start`"),
        (
            "cut",
            fs::read(pydl_tests::python_wasm()).unwrap()[..1_000_000].to_vec(),
            "ends inside the code section",
        ),
    ];
    for (name, contents, expected) in cases {
        let path = folder.path().join(format!("{name}.wasm"));
        fs::write(&path, contents).unwrap();
        assert_refused(&path, 126, expected);
    }
    assert_refused(&folder.path().join("absent.wasm"), 126, "No such file or directory");
    let path = folder.path().join("imports.wasm");
    let text = r#"(module (import "odd" "one" (func)) (import "wasi_snapshot_preview1" "fd_close" (func))
        (func (export "_start")))"#;
    fs::write(&path, assemble(text)).unwrap();
    assert_refused(&path, 127, "odd.one: function () -> ()");
}

#[test]
fn a_trap_is_told_with_its_frames() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("trap.wasm");
    let unreachable = "pydl: the guest ended in a trap: wasm trap: wasm `unreachable` instruction executed\n";
    // The names come from the name section, or else from the exports, or else are numbers; the file is always known.
    for (text, frames) in [
        (
            r#"(module $demo (func $inner unreachable) (func (export "_start") call $inner))"#,
            "  at trap.wasm: inner\n  at trap.wasm: _start\n",
        ),
        (
            r#"(module (func unreachable) (func (export "_start") call 0))"#,
            "  at trap.wasm: function 0\n  at trap.wasm: _start\n",
        ),
        (r#"(module (func unreachable) (start 0) (func (export "_start")))"#, "  at trap.wasm: function 0\n"),
        (
            r#"(module (func (export "_ZN1a1bEv") unreachable) (func (export "_start") call 0))"#,
            "  at trap.wasm: a::b()\n  at trap.wasm: _start\n",
        ),
    ] {
        fs::write(&main, assemble(text)).unwrap();
        let output = pydl_tests::pydl().arg("run").arg(&main).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(134), "{stderr}");
        assert_eq!(stderr, format!("{unreachable}{frames}"));
    }
}

// row: failure | a_trap_tells_the_python_code | A trap tells the Python code that was running, as a fatal signal does natively | CPython faulthandler
#[test]
fn a_trap_tells_the_python_code() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("crash.py");
    fs::write(&script, "import os\n\n\ndef crash():\n    os.abort()\n\n\ncrash()\n").unwrap();
    let output = pydl_tests::pydl()
        .arg("run")
        .arg(pydl_tests::testdata("python/python.wasm"))
        .arg("crash.py")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(134), "{stderr}");
    assert!(stderr.contains(", line 5 in crash\n") && stderr.contains(", line 8 in <module>\n"), "{stderr}");
}

// row: failure | a_main_module_that_cannot_host_libraries_says_what_to_link | A main module without dynamic linking says how to link it | other.unimplemented_dlopen
#[test]
fn a_main_module_that_cannot_host_libraries_says_what_to_link() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("plain.wasm");
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (memory (export "memory") 1)
        (table (export "__indirect_function_table") 1 1 funcref)
        (func $ctors) (func $dtors)
        (func (export "aligned_alloc") (param i32 i32) (result i32) i32.const 0)
        (func (export "malloc") (param i32) (result i32) call $ctors i32.const 0 call $dtors)
        (func (export "free") (param i32) call $ctors call $dtors)
        (func (export "_start")))"#;
    fs::write(&main, assemble(text)).unwrap();
    let side = pydl_tests::testdata("fputs/fputs.so");
    let output = pydl_tests::pydl().arg("run").arg(&main).arg("--side").arg(side).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&main.display().to_string(), "plain.wasm");
    assert_eq!(output.status.code(), Some(127), "{stderr}");
    pydl_tests::assert_golden(&pydl_tests::repository().join("tests/cases/main_defects.txt"), &stderr);
    let alone = pydl_tests::pydl().arg("run").arg(&main).status().unwrap();
    assert_eq!(alone.code(), Some(0), "without side modules it runs");
}

fn assert_refused(main: &Path, status: i32, expected: &str) {
    let output = pydl_tests::pydl().arg("run").arg(main).args(["--", "-c", "pass"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(stderr.contains(expected) && stderr.contains(&main.display().to_string()), "{stderr}");
}
