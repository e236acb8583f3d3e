//! Links main modules and side modules into one module with `pydl link`, and compares what the result prints with what processes of the
//! dynamic linker print, in pydl and in hosts that have no dynamic linker.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pydl_tests::emscripten::{CURRENT, Case, cases, main_module, package_folder, wheel};
use pydl_tests::{assert_golden, pydl, repository, skip, testdata};

/// `pydl link` of a main module with side modules.
fn link(main: &Path, sides: &[PathBuf], output: &Path, options: &[&str]) -> Result<(), String> {
    let mut command = pydl();
    command.arg("link").arg(main).arg("-o").arg(output).args(options);
    for side in sides {
        command.arg("--side").arg(side);
    }
    let done = command.output().unwrap();
    if done.status.success() {
        return Ok(());
    }
    assert!(!output.exists(), "a failed link has written {}", output.display());
    Err(String::from_utf8_lossy(&done.stderr).into_owned())
}

fn in_folders(folder: &Path, file: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.join(file).is_file()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The cases of `cases/program` that print something else when they are linked, or cannot be, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("caller_path", SEARCHED),
    ("close_in_destructor", STAYS),
    ("cxx_local_once", ONCE),
    ("deepbind", GLOBAL),
    ("destructor_opens", STAYS),
    ("dlinfo_link_map", "dlinfo is refused"),
    ("failures_in_graphs", REFUSED),
    ("global_preempts", GLOBAL),
    ("interposition", GLOBAL),
    ("iterate_phdr", "dl_iterate_phdr is refused"),
    ("lazy_binding", "everything is bound when it is linked"),
    ("nested_construction", STAYS),
    ("noload_promotes", GLOBAL),
    ("open_missing_needed", REFUSED),
    ("origin_names", SEARCHED),
    ("pinned_by_binding", GLOBAL),
    ("pinned_by_dlsym", STAYS),
    ("promotion", GLOBAL),
    ("retry_after_failure", REFUSED),
    ("rtld_local_global", GLOBAL),
    ("search_folders", SEARCHED),
    ("unload_atexit", STAYS),
    ("unload_cxx", STAYS),
    ("unload_order", STAYS),
    ("unload_reload", STAYS),
    ("unload_rounds", STAYS),
    ("weak_later", GLOBAL),
    ("wild_pointers", STAYS),
];
const SEARCHED: &str = "libraries are not searched for: one is known by the end of its path";
const ONCE: &str = "dlsym with a handle finds the library's own definition of what exists once in a process; and a library that is linked \
    in is never unloaded";
const STAYS: &str = "a library that is linked in is never unloaded: its destructors run at exit";
const GLOBAL: &str =
    "it is bound when it is linked, not to what RTLD_GLOBAL makes visible while the program runs";
const REFUSED: &str = "a library that cannot be loaded is refused when it is linked";

/// `PYDL_BLESS=1` writes `docs/linking-differences.md`.
#[test]
fn programs_print_the_same_when_linked() {
    let folder = repository().join("tests/cases/program");
    let (mut faults, mut same) = (Vec::new(), 0);
    for case in in_folders(&folder, "expected.txt") {
        let name = name(&case);
        let excuse = DIFFERENT.iter().find(|(different, _)| *different == name);
        match (run_program(&folder, &case), excuse) {
            (Ok(()), None) => same += 1,
            (Ok(()), Some(_)) => faults.push(format!("{name}: prints the same, though it is excused")),
            (Err(why), None) => faults.push(format!("{name}: {why}")),
            (Err(_), Some(_)) => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let mut table = format!(
        "<!-- Owns: which programs do something else when they are linked. Written by tests/tests/linked.rs. -->\n\
         # What linked programs do differently\n\n\
         Of the {} programs of `tests/cases/program`, {same} print the same when they are linked. The others do not, and why:\n\n\
         | program | why |\n|---|---|\n",
        same + DIFFERENT.len()
    );
    for (name, why) in DIFFERENT {
        writeln!(table, "| {name} | {why} |").unwrap();
    }
    assert_golden(&repository().join("docs/linking-differences.md"), &table);
}

fn run_program(folder: &Path, case: &Path) -> Result<(), String> {
    let output = tempfile::tempdir().unwrap();
    let linked = output.path().join("linked.wasm");
    link(&folder.join("driver/driver.wasm"), &pydl_tests::files(case, ".so"), &linked, &[])?;
    let run = pydl().arg("run").arg(&linked).args(["--", "case.so"]).output().unwrap();
    let expected = fs::read_to_string(case.join("expected.txt")).unwrap();
    if run.status.success() && String::from_utf8_lossy(&run.stdout) == expected {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&run.stdout);
    Err(format!("{}\n--- expected\n{expected}--- printed\n{printed}{}", run.status, said(&run)))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whole programs of today's Emscripten, whose main modules need libraries and whose libraries may have `main`, with checks of the stack,
/// and with exceptions in each of three ways.
#[test]
fn programs_of_emscripten_print_the_same_when_linked() {
    let (mut faults, mut builds) = (Vec::new(), 0);
    for program in in_folders(&testdata("emscripten/programs"), "runs.txt") {
        let expected = fs::read_to_string(program.join("node.txt")).unwrap();
        for build in in_folders(&program, "main.wasm") {
            let excused = match name(&program).as_str() {
                "embed" => Some("there is no library"),
                "halves" => Some("it passes 64-bit integers in halves"),
                "later" => Some("emscripten_dlopen asks the host"),
                _ => None,
            };
            let outcome = run_of_emscripten(&program, &build);
            match excused {
                None if outcome.as_ref() != Ok(&expected) => {
                    faults.push(format!("{}\n--- Node\n{expected}--- linked\n{outcome:?}", build.display()));
                }
                None => builds += 1,
                Some(why) => assert_ne!(outcome, Ok(expected.clone()), "{}: {why}", build.display()),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(builds > 14, "only {builds} builds");
}

fn run_of_emscripten(program: &Path, build: &Path) -> Result<String, String> {
    let output = tempfile::tempdir().unwrap();
    let linked = output.path().join("linked.wasm");
    let entries = fs::read_dir(build).unwrap().flatten().map(|entry| entry.path());
    let sides: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "so")).collect();
    link(&build.join("main.wasm"), &sides, &linked, &[])?;
    let mut printed = String::new();
    for arguments in fs::read_to_string(program.join("runs.txt")).unwrap().lines() {
        let line = format!("\"$0\" run '{}' -- {arguments}", linked.display());
        let pydl = pydl();
        let mut shell = Command::new("bash");
        shell.envs(pydl.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let run = shell.args(["-c", &line]).arg(pydl.get_program()).output().unwrap();
        let status = match run.status.code() {
            Some(134) => "of an error".to_owned(),
            Some(status) => status.to_string(),
            None => "of a signal".to_owned(),
        };
        writeln!(printed, "$ {arguments}\n{}status {status}", String::from_utf8_lossy(&run.stdout)).unwrap();
    }
    Ok(printed)
}

/// What `test_fputs.py` prints under native Python.
fn fputs_expected() -> String {
    fs::read_to_string(testdata("fputs/expected.txt")).unwrap()
}

/// Hosts of WASI: a name, and the command that runs a module in which Python's standard library is embedded; a module and a folder to show
/// as `/data` follow. Errs with the reason why a host is not on this machine.
fn hosts() -> [(&'static str, Result<Command, String>); 3] {
    let has_node = Command::new("node").arg("--version").output().is_ok();
    let node = has_node.then(|| {
        let mut node = Command::new("node");
        node.arg("--no-warnings").arg(repository().join("tests/oracle/wasi.mjs"));
        node
    });
    let wasmtime = package_folder("wasmtime").map(|packages| {
        let mut python = Command::new("python3");
        python.arg(repository().join("tests/oracle/wasi.py")).env("PYTHONPATH", packages);
        python
    });
    let mut own = pydl();
    own.arg("run");
    let node = node.ok_or_else(|| "node is not installed".to_owned());
    [("node:wasi", node), ("wasmtime", wasmtime), ("pydl", Ok(own))]
}

/// Runs a linked Python in each host, with a folder as `/data`; returns the name of each host with what was printed.
fn in_all_hosts(linked: &Path, data: &Path, arguments: &[&str]) -> Vec<(&'static str, Output)> {
    let mut outputs = Vec::new();
    for (name, host) in hosts() {
        let mut host = match host {
            Ok(host) => host,
            Err(why) => {
                skip(&why);
                continue;
            }
        };
        host.arg(linked);
        match name {
            "pydl" => host.arg("--dir").arg(format!("{}::/data", data.display())),
            _ => host.arg(data),
        };
        outputs.push((name, host.args(arguments).output().unwrap()));
    }
    outputs
}

/// The extension module and its own test, with everything embedded, in hosts without a dynamic linker: no file of Python's is shown to them.
#[test]
fn python_with_fputs_runs_in_hosts_without_a_dynamic_linker() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::copy(testdata("fputs/test_fputs.py"), data.join("test_fputs.py")).unwrap();
    let linked = folder.path().join("python.wasm");
    let fputs = [testdata("fputs/fputs.so")];
    for options in [&["--embed-lib"][..], &["--embed-lib", "--gc"]] {
        link(&pydl_tests::python_wasm(), &fputs, &linked, options).unwrap();
        for (name, run) in in_all_hosts(&linked, &data, &["/data/test_fputs.py", "/data"]) {
            assert_eq!(
                String::from_utf8_lossy(&run.stdout),
                fputs_expected(),
                "{name} {options:?}: {}",
                said(&run)
            );
        }
        fs::remove_file(&linked).unwrap();
    }
}

/// The folder inside is found among others of the host's, can be listed and read, and not written.
#[test]
fn an_embedded_library_is_a_read_only_folder() {
    let folder = tempfile::tempdir().unwrap();
    let linked = folder.path().join("python.wasm");
    link(&pydl_tests::python_wasm(), &[testdata("fputs/fputs.so")], &linked, &["--embed-lib"]).unwrap();
    let program = "\
import os, errno, json, select
library = '/usr/local/lib/python3.13'
print(os.__file__, len(os.listdir(library)) > 150, os.path.isdir(library + '/json'))
text = open(json.__file__).read()
with open(json.__file__, 'rb') as file:
    file.seek(-20, os.SEEK_END)
    print(file.read().decode() == text[-20:], file.tell() == os.stat(json.__file__).st_size)
def refused(work):
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno]
for work in [
    lambda: open(library + '/new', 'w'), lambda: open(json.__file__, 'a'), lambda: os.unlink(json.__file__),
    lambda: os.mkdir(library + '/new'), lambda: os.rename(json.__file__, library + '/x'), lambda: os.rmdir(library + '/json'),
    lambda: os.open(json.__file__ + '/x', os.O_RDONLY), lambda: open(library + '/none'), lambda: os.listdir(json.__file__),
    lambda: os.read(os.open(library, os.O_RDONLY | os.O_DIRECTORY), 1),
]:
    print(refused(work), end=' ')
print()
with open('/data/own', 'w') as file: file.write('written')
print(open('/data/own').read(), sorted(os.listdir('/data')))
os.unlink('/data/own')
files = [open(json.__file__) for _ in range(600)]
print(len({file.fileno() for file in files}), all(file.read() == text for file in files))
";
    let expected = "/usr/local/lib/python3.13/os.py True True\nTrue True\n\
        EROFS EROFS EROFS EROFS EROFS EROFS ENOTDIR ENOENT ENOTDIR EISDIR \nwritten ['own']\n600 True\n";
    let data = tempfile::tempdir().unwrap();
    for (name, run) in in_all_hosts(&linked, data.path(), &["-c", program]) {
        assert_eq!(String::from_utf8_lossy(&run.stdout), expected, "{name}: {}", said(&run));
    }
}

/// A program that may ask its host still loads what is not linked in, and each kind of library sees the other's handles as its own.
#[test]
fn a_dynamic_program_loads_other_libraries() {
    let folder = tempfile::tempdir().unwrap();
    let linked = folder.path().join("driver.wasm");
    let programs = repository().join("tests/cases/program");
    let case = programs.join("dlopen_nested");
    let sides: Vec<PathBuf> =
        pydl_tests::files(&case, ".so").into_iter().filter(|side| !side.ends_with("case.so")).collect();
    link(&programs.join("driver/driver.wasm"), &sides, &linked, &["--dynamic"]).unwrap();
    let mut run = pydl();
    run.arg("run").arg(&linked).arg("--side").arg(case.join("case.so"));
    let run = run.args(["--", "case.so"]).output().unwrap();
    let expected = fs::read_to_string(case.join("expected.txt")).unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stdout), expected, "{}", said(&run));
}

/// A library that came with an earlier load gets a slot when a later one takes the address of its function.
#[test]
fn functions_of_earlier_loads_get_slots() {
    let folder = tempfile::tempdir().unwrap();
    let sides = [
        ("first.so", r#"(module (@dylink.0) (func (export "f") (result i32) (i32.const 7)))"#),
        (
            "a.so",
            r#"(module (@dylink.0 (needed "first.so")) (import "env" "f" (func (result i32))) (export "a" (func 0)))"#,
        ),
        (
            "b.so",
            r#"(module (@dylink.0 (needed "first.so")) (import "GOT.func" "f" (global $f (mut i32)))
                (func (export "address") (result i32) (global.get $f)))"#,
        ),
        (
            "case.so",
            r#"(module (@dylink.0 (needed "a.so" "b.so")) (import "env" "address" (func $address (result i32)))
                (import "env" "__indirect_function_table" (table 1 funcref)) (type $f (func (result i32)))
                (func (export "run_case") (result i32) (call_indirect (type $f) (call $address))))"#,
        ),
    ];
    let paths: Vec<PathBuf> = sides.iter().map(|(name, _)| folder.path().join(name)).collect();
    for (path, (_, text)) in paths.iter().zip(sides) {
        fs::write(path, pydl_tests::wasm::assemble(text)).unwrap();
    }
    let driver = repository().join("tests/cases/program/driver/driver.wasm");
    // Without `case.so`, whose load would bring in all others at once, `a.so` and `b.so` are loads of their own.
    for sides in [&paths[..], &paths[..3]] {
        let linked = folder.path().join("linked.wasm");
        link(&driver, sides, &linked, &["--dynamic"]).unwrap();
        let mut run = pydl();
        run.arg("run").arg(&linked);
        if sides.len() == 4 {
            let run = run.args(["--", "case.so"]).output().unwrap();
            assert_eq!(run.status.code(), Some(7), "{}", said(&run));
            continue;
        }
        let asks = r#"(module (@dylink.0 (mem-info (memory 32 0)))
            (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
            (import "env" "__indirect_function_table" (table 1 funcref)) (type $f (func (result i32)))
            (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
            (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
            (data (global.get $base) "b.so\00address\00")
            (func (export "run_case") (result i32)
                (call_indirect (type $f) (call_indirect (type $f)
                    (call $dlsym (call $dlopen (global.get $base) (i32.const 2)) (i32.add (global.get $base) (i32.const 5)))))))"#;
        fs::write(&paths[3], pydl_tests::wasm::assemble(asks)).unwrap();
        let run = run.arg("--side").arg(&paths[3]).args(["--", "case.so"]).output().unwrap();
        assert_eq!(run.status.code(), Some(7), "{}", said(&run));
    }
}

/// The wheels of all cases for the current main module in one program: each case prints what it does with the dynamic linker.
#[test]
fn wheels_do_the_same_when_linked() {
    let all = cases(&repository().join("tests/cases/wheels"));
    let of_current = |case: &&Case| case.main == CURRENT && !case.name.starts_with("awkward");
    if let Err(why) = run_wheels(CURRENT, &all.iter().filter(of_current).collect::<Vec<_>>()) {
        skip(&why);
    }
}

/// A position-independent main module, as Emscripten linked them up to 4.0, becomes one with a memory and a table of its own.
#[test]
fn a_position_independent_main_module_is_linked() {
    let mut all = cases(&repository().join("tests/cases/wheels"));
    for case in &mut all {
        if case.name == "cpp_through_python" {
            "0.29.3".clone_into(&mut case.main);
        }
    }
    let chosen = ["cpp_through_python", "xxhash_029", "msgpack_029"];
    let chosen: Vec<&Case> = all.iter().filter(|case| chosen.contains(&case.name.as_str())).collect();
    assert_eq!(chosen.len(), 3);
    if let Err(why) = run_wheels("0.29.3", &chosen) {
        skip(&why);
    }
}

/// Links all side modules of the wheels of some cases into one main module, and runs the cases. Errs when something is not on this machine.
fn run_wheels(main: &str, cases: &[&Case]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let main = main_module(main)?;
    let library = main.with_file_name("python_stdlib.zip");
    std::os::unix::fs::symlink(library, folder.path().join("python_stdlib.zip")).unwrap();
    let linked = folder.path().join("linked.wasm");
    let mut names: Vec<&String> = cases.iter().flat_map(|case| &case.wheels).collect();
    names.sort();
    names.dedup();
    let mut command = pydl();
    command.arg("link").arg(&main).arg("-o").arg(&linked);
    for name in names {
        command.arg("--with").arg(wheel(name)?);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    for case in cases {
        let mut run = pydl();
        run.arg("run").arg(&linked);
        for wheel in case.wheel_files()? {
            run.arg("--with").arg(wheel);
        }
        let run = run.arg(&case.script).output().unwrap();
        let expected = fs::read_to_string(&case.expected).unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout), expected, "{}: {}", case.name, said(&run));
    }
    Ok(())
}

/// What cannot be linked is refused by name, and nothing is written.
#[test]
fn what_cannot_be_linked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let assembled = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, pydl_tests::wasm::assemble(text)).unwrap();
        path
    };
    let python = pydl_tests::python_wasm();
    let output = folder.path().join("out.wasm");
    let refusal = |sides: &[PathBuf], options: &[&str]| link(&python, sides, &output, options).unwrap_err();
    let fputs = testdata("fputs/fputs.so");
    let missing = assembled(
        "missing.so",
        r#"(module (@dylink.0) (import "env" "nowhere" (func)) (import "GOT.mem" "nothing" (global (mut i32))) (func (export "f")))"#,
    );
    let why = refusal(&[missing], &[]);
    assert!(why.contains("2 symbols cannot be bound") && why.contains("`nowhere`"), "{why}");
    let again = folder.path().join("again");
    fs::create_dir(&again).unwrap();
    fs::copy(testdata("fputs/variants/O0/fputs.so"), again.join("fputs.so")).unwrap();
    let why = refusal(&[fputs.clone(), again.join("fputs.so")], &[]);
    assert!(why.contains("it has the Python module `fputs`, and so has"), "{why}");
    let why = refusal(&[testdata("fputs/emscripten/fputs.so")], &[]);
    assert!(why.contains("Emscripten") && why.contains("WASI"), "{why}");
    let threads = assembled(
        "tls.so",
        r#"(module (@dylink.0 (export-info "x" tls)) (global (export "x") i32 (i32.const 0)))"#,
    );
    let why = refusal(&[threads], &[]);
    assert!(why.contains("thread-local"), "{why}");
    let two = assembled(
        "two.so",
        r#"(module (@dylink.0) (import "env" "memory" (memory 0)) (memory 1) (func (export "f")))"#,
    );
    let why = refusal(&[two], &[]);
    assert!(why.contains("it has a memory of its own"), "{why}");
    let writes = assembled(
        "writes.so",
        r#"(module (@dylink.0 (mem-info (memory 16 4))) (import "GOT.mem" "own" (global $own (mut i32)))
            (global (export "own") i32 (i32.const 0)) (func (export "f") (global.set $own (i32.const 1))))"#,
    );
    let why = refusal(&[writes], &[]);
    assert!(why.contains("its code writes global 0"), "{why}");
    let why = refusal(&[], &[]);
    assert!(why.contains("there is nothing to link"), "{why}");
    let why = link(&fputs, std::slice::from_ref(&fputs), &output, &[]).unwrap_err();
    assert!(why.contains("it is a side module"), "{why}");
    let why = link(Path::new("/dev/zero"), std::slice::from_ref(&fputs), &output, &[]).unwrap_err();
    assert!(why.contains("/dev/zero: it has more than"), "{why}");
    let driver = repository().join("tests/cases/program/driver/driver.wasm");
    let why = link(&driver, std::slice::from_ref(&fputs), &output, &["--embed-lib"]).unwrap_err();
    assert!(why.contains("--embed-lib needs a Python for WASI"), "{why}");
}
