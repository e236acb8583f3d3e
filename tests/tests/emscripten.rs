//! Owns the proof that Emscripten's system interface does what programs expect: `tests/cases/emscripten/*.py` and what they print; and that
//! each function of the list of those that Emscripten has in JavaScript is served or known to need JavaScript.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pydl_linker::{AbiFamily, Host, ImportKind, MainModule, Signature};
use pydl_loader::SystemInterface;
use pydl_tests::emscripten::{CURRENT, GENERATIONS, Outcome, main_module, scripts};
use pydl_tests::wasm::assemble;
use pydl_tests::{assert_golden, blessing, pydl, repository, skip};

fn folder() -> PathBuf {
    repository().join("tests/cases/emscripten")
}

/// What a script printed, and the status with which it ended unless that is 0.
fn transcript(outcome: &Outcome) -> String {
    match outcome.status.code() {
        Some(0) => outcome.stdout.clone(),
        code => format!("{}\nstatus {}\n", outcome.stdout, code.unwrap_or(-1)),
    }
}

#[test]
fn scripts_do_what_is_expected() {
    let mut faults = Vec::new();
    for case in scripts(&folder()) {
        let outcome = match case.run_in_pydl() {
            Ok(outcome) => outcome,
            Err(why) => {
                skip(&format!("{}: {why}", case.name));
                continue;
            }
        };
        let actual = transcript(&outcome);
        if blessing() {
            assert_golden(&case.expected, &actual);
        }
        let expected = std::fs::read_to_string(&case.expected).unwrap_or_default();
        if expected != actual {
            let Outcome { stderr, .. } = &outcome;
            faults.push(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}\n{stderr}", case.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What `matrix.py` prints in a folder, one line of every `every`: by what comes before ` -> `.
fn calls_in(mut command: Command, folder: &Path, every: u32, modes: &str) -> BTreeMap<String, String> {
    let script = repository().join("tests/cases/files/matrix.py");
    let output = command.arg(&script).arg(folder).arg(every.to_string()).arg(modes).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", script.display());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let pairs = stdout.lines().filter_map(|line| line.split_once(" -> "));
    pairs.map(|(label, outcome)| (label.to_owned(), outcome.to_owned())).collect()
}

/// An intended difference from Linux: where, in which lines, and why.
struct Difference<'a> {
    place: &'a str,
    lines: &'a str,
    why: &'a str,
}

impl Difference<'_> {
    /// Whether the difference concerns a line: `*` stands for anything.
    fn is_of(&self, line: &str) -> bool {
        let mut parts = self.lines.split('*');
        let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
        let parts: Vec<&str> = parts.collect();
        let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
        for part in middle {
            match rest.split_once(part) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// The intended differences, from their file.
fn differences(text: &str) -> Vec<Difference<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let difference = |line| match str::splitn(line, 2, " | ").collect::<Vec<_>>()[..] {
        [place, rest] => {
            let (lines, why) = rest.rsplit_once(" | ").unwrap();
            Difference { place, lines, why }
        }
        _ => panic!("differences.txt: {line}"),
    };
    lines.map(difference).collect()
}

/// Each call on files, with each kind of file, in a folder of the host and in memory, does what it does on Linux: `tests/cases/files`. One
/// call of twelve is tried; all of them when the page about the differences is made.
#[test]
fn files_are_as_on_linux() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let every = if blessing() { 1 } else { 12 };
    let text = std::fs::read_to_string(repository().join("tests/cases/files/differences.txt")).unwrap();
    let differences = differences(&text);
    let (mut faults, mut calls) = (Vec::new(), 0);
    let mut found = vec![Vec::new(); differences.len()];
    // WASI has no permission bits.
    for (abi, main, modes) in
        [("Emscripten", main, "with-modes"), ("WASI", pydl_tests::python_wasm(), "without-modes")]
    {
        let folder = tempfile::tempdir().unwrap();
        let linux = calls_in(Command::new("python3"), folder.path(), every, modes);
        calls = linux.len();
        for (place, path) in [("host", "/data"), ("memory", "/tmp")] {
            let mut command = pydl();
            command.arg("run").arg(&main);
            if place == "host" {
                command.arg("--dir").arg(format!("{}::/data", folder.path().display()));
            }
            let here = calls_in(command, Path::new(path), every, modes);
            let place = format!("{abi}, {place}");
            assert!(here.keys().eq(linux.keys()), "{place}: other calls than on Linux");
            let others = here.iter().zip(linux.values()).filter(|(one, other)| one.1 != *other);
            for ((label, outcome), native) in others {
                let line = format!("{label} -> {outcome}");
                let is_of = |row: &Difference<'_>| [abi, &*place].contains(&row.place) && row.is_of(&line);
                match differences.iter().position(is_of) {
                    Some(row) => found[row].push((line, native.clone())),
                    None => faults.push(format!("{place}: {line}\n  Linux: {native}")),
                }
            }
        }
    }
    let stale = differences.iter().zip(&found).filter(|(_, found)| blessing() && found.is_empty());
    faults.extend(stale.map(|(row, _)| format!("no line is so any more: {} | {}", row.place, row.lines)));
    assert!(faults.is_empty(), "{} differences\n{}", faults.len(), faults.join("\n"));
    if blessing() {
        let page = document(calls, &differences, &found);
        assert_golden(&repository().join("docs/conformance-files.md"), &page);
    }
}

/// The page about the differences.
fn document(calls: usize, differences: &[Difference<'_>], found: &[Vec<(String, String)>]) -> String {
    let mut text = format!(
        "<!-- Made by tests/tests/emscripten.rs from tests/cases/files; PYDL_BLESS=1 writes it anew. -->\n\
         # Files, compared with Linux\n\n\
         `tests/cases/files/matrix.py` makes {calls} calls, or short series of calls, on each kind of file, path and flag, natively by CPython on\n\
         Linux and by Pyodide's CPython 3.14 and our CPython 3.13 for WASI, each in a folder of the host (`--dir`) and in memory (`/tmp`). What comes to\n\
         something else, counted in both places together:\n\n\
         | where | calls | of them | an example | Linux | here | why |\n|---|---|---|---|---|---|---|\n"
    );
    for (row, found) in differences.iter().zip(found) {
        let Some((line, native)) = found.first() else { continue };
        let (label, here) = line.split_once(" -> ").unwrap_or((line, ""));
        let calls = row.lines.split(" -> ").next().unwrap_or_default().replace('*', "…");
        let [calls, label, native, here] = [&calls, label, native, here].map(|text| text.replace('|', "\\|"));
        let (place, count, why) = (row.place, found.len(), row.why);
        let _ =
            writeln!(text, "| {place} | `{calls}` | {count} | `{label}` | `{native}` | `{here}` | {why} |");
    }
    text + "\nWho may do what is not compared: natively it depends on the user, here folders of the host ask the host, and the tree in memory has \
            one user\nwho is not exempt (`tests/cases/emscripten/permissions.py`). Of WASI, permission bits are not compared, of which preview 1 has none.\n"
}

/// Several programs write to one database in one folder: two guests in processes of their own, and a native program. In the end each commit
/// is there, and each program saw all commits before its own.
#[test]
fn guests_and_a_native_program_share_a_database() {
    const COUNT: usize = 40;
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let script = repository().join("tests/cases/files/writer.py");
    let folder = tempfile::tempdir().unwrap();
    let guest = || {
        let mut command = pydl();
        command.arg("run").arg(&main).arg("--dir").arg(format!("{}::/data", folder.path().display()));
        command.arg(&script).arg("/data/rows.db");
        command
    };
    let mut native = Command::new("python3");
    native.arg(&script).arg(folder.path().join("rows.db"));
    let writers = [("one", guest()), ("two", guest()), ("native", native)];
    let children = writers.map(|(name, mut command)| {
        command.args([name, &COUNT.to_string()]).stdout(Stdio::piped()).stderr(Stdio::piped());
        (name, command.spawn().unwrap())
    });
    for (name, child) in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{name} done\n"), "{said}");
    }
    let check = "import sqlite3, sys; rows = sqlite3.connect(sys.argv[1]).execute('select total from rows order by total').fetchall(); \
                 print(rows == [(number,) for number in range(len(rows))], len(rows))";
    let output =
        Command::new("python3").args(["-c", check]).arg(folder.path().join("rows.db")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("True {}\n", 3 * COUNT));
}

/// The list of Emscripten's library functions.
fn library() -> String {
    fs::read_to_string(repository().join("loader/src/system/emscripten/library.txt")).unwrap()
}

/// The names and types of the functions in the list, by topic.
fn topics(list: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut topics: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut topic = "";
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            Some((word, _)) => topic = word,
            None => topics.entry(topic).or_default().push(line.split_once(' ').unwrap()),
        }
    }
    topics
}

/// Whether the host has a function of this name, in Emscripten's type.
fn is_served(name: &str) -> bool {
    SystemInterface::default().address(AbiFamily::Emscripten, name).is_some_and(|address| address.is_served)
}

/// The topics whose functions a C program may expect of every host.
const SERVED: [&str; 8] = ["c", "system", "exceptions", "console", "math", "runtime", "stack", "timers"];

#[test]
fn functions_that_need_no_javascript_are_served() {
    let list = library();
    let topics = topics(&list);
    let left =
        SERVED.iter().flat_map(|topic| topics[topic].iter().copied()).filter(|(name, _)| !is_served(name));
    assert_eq!(left.collect::<Vec<_>>(), []);
    // The functions of a browser are not served, and a call says so.
    for topic in ["gl", "egl", "html", "embind", "script", "fetch", "windows", "audio", "webgpu"] {
        let served = topics[topic].iter().filter(|(name, _)| is_served(name)).collect::<Vec<_>>();
        assert!(served.is_empty(), "{topic}: {served:?}");
    }
}

/// Internal functions of the library, which C cannot name: they have no type.
const INTERNAL: [&str; 2] = ["_glGetActiveAttribOrUniform", "setNetworkCallback"];
/// Functions that once had no result: what serves them also serves the other type.
const DRIFTED: [&str; 2] = ["_gmtime_js", "_localtime_js"];

/// The names that the JavaScript of a main module offers to WebAssembly, including those for libraries; in no main module of Pyodide are
/// the keys longer than the names.
fn offered(glue: &str) -> BTreeSet<&str> {
    let names =
        glue.split("wasmImports={").nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default();
    names.split(',').filter_map(|pair| pair.split(':').next()).map(|name| name.trim_matches('"')).collect()
}

/// The functions that a main module imports, by name; the import module does not matter.
fn imported(main: &MainModule) -> BTreeMap<&str, &Signature> {
    let imports = main.module().imports.iter().filter_map(|import| match &import.kind {
        ImportKind::Function(signature) => Some((import.name.as_str(), signature)),
        _ => None,
    });
    imports.collect()
}

/// What a main module imports and nothing serves, in each generation: the bridge to JavaScript, and functions of a browser.
#[test]
fn what_is_left_of_the_imports_of_main_modules_is_known() {
    let mut left: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for version in GENERATIONS {
        let main = match main_module(version) {
            Ok(main) => main,
            Err(why) => return skip(&why),
        };
        let module = MainModule::parse(version, &fs::read(&main).unwrap()).unwrap();
        let imported = imported(&module);
        let glue =
            ["pyodide.asm.js", "pyodide.asm.mjs"].map(|file| fs::read_to_string(main.with_file_name(file)));
        let glue = glue.into_iter().flatten().next().unwrap();
        let offered = offered(&glue);
        assert!(offered.len() > 1000, "{version}: {}", offered.len());
        for name in offered.iter().copied().chain(imported.keys().copied()) {
            let address = SystemInterface::default().address(AbiFamily::Emscripten, name);
            match (imported.get(name), &address) {
                // Each type in which a main module imports a function is the one in the list, which libraries get.
                (Some(wanted), Some(address)) if **wanted != address.signature => {
                    assert_eq!(wanted.params(), address.signature.params(), "{version}: {name}");
                    assert!(DRIFTED.contains(&name), "{version}: {name} {wanted}, not {}", address.signature);
                }
                (None, None) => {
                    let is_of_linking =
                        ["memory", "__indirect_function_table", "__cpp_exception", "__c_longjmp"]
                            .contains(&name)
                            || ["_base", "_low", "_high", "_pointer"].iter().any(|end| name.ends_with(end));
                    assert!(
                        is_of_linking || INTERNAL.contains(&name),
                        "{version}: {name} is not in the list"
                    );
                }
                _ => {}
            }
            let wanted = imported.get(name).map(|wanted| (*wanted).clone());
            let is_served = |wanted: &Signature| {
                let modules = ["env", "wasi_snapshot_preview1", "sentinel"];
                let host = SystemInterface::default();
                modules
                    .iter()
                    .any(|module| host.function(AbiFamily::Emscripten, module, name, wanted).is_some())
            };
            if wanted.is_some_and(|wanted| !is_served(&wanted)) {
                left.entry(name.to_owned()).or_default().insert(version);
            }
        }
    }
    let mut text = String::from(
        "# What main modules import and nothing serves: a call ends the program, and says what is missing.\n",
    );
    for (name, versions) in left {
        let versions: Vec<_> =
            GENERATIONS.iter().copied().filter(|version| versions.contains(version)).collect();
        let all = if versions.len() == GENERATIONS.len() { "all".to_owned() } else { versions.join(" ") };
        let _ = writeln!(text, "{name}: {all}");
    }
    assert_golden(&repository().join("tests/cases/emscripten/left_to_javascript.list"), &text);
}

/// A library that takes addresses: of a function that is served, of one that JavaScript has, and of the same functions weakly.
const TAKES_ADDRESSES: &str = r#"(module
  (@dylink.0 (mem-info) (import-info "env" "eglTerminate" binding-weak undefined)
    (import-info "env" "getprotobynumber" binding-weak undefined))
  (import "GOT.func" "strptime" (global $strptime (mut i32)))
  (import "GOT.func" "emscripten_math_sqrt" (global $sqrt (mut i32)))
  (import "GOT.func" "eglGetError" (global $egl (mut i32)))
  (import "GOT.func" "eglTerminate" (global $weak (mut i32)))
  (import "GOT.func" "getprotobynumber" (global $served (mut i32)))
  (import "GOT.func" "fd_close" (global $close (mut i32)))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (type $sqrt (func (param f64) (result f64)))
  (type $egl (func (result i32)))
  (func (export "strptime_at") (result i32) (global.get $strptime))
  (func (export "egl_at") (result i32) (global.get $egl))
  (func (export "weak_at") (result i32) (global.get $weak))
  (func (export "served_at") (result i32) (global.get $served))
  (func (export "close_at") (result i32) (global.get $close))
  (func (export "root") (param f64) (result f64) (call_indirect (type $sqrt) (local.get 0) (global.get $sqrt)))
  (func (export "draw") (result i32) (call_indirect (type $egl) (global.get $egl))))"#;

/// Runs a Python program with a library, twice in the process under different names.
fn with_library(main: &Path, library: &str, code: &str) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = pydl();
    command.arg("run").arg(main);
    for name in ["one.so", "two.so"] {
        let file = folder.path().join(name);
        fs::write(&file, assemble(&library.replace("(module", &format!("(module ${name}")))).unwrap();
        command.arg("--side").arg(file);
    }
    let folder = "import ctypes, glob\nfolder, = glob.glob('/usr/local/lib/python3.*/lib-dynload/')\n";
    let libraries = "one, two = (ctypes.CDLL(folder + name) for name in ('one.so', 'two.so'))\nlibc = ctypes.CDLL(None)\n";
    command.arg("-c").arg([folder, libraries, code].concat()).output().unwrap()
}

#[test]
fn functions_of_the_host_have_one_address() {
    let code = "
for library in one, two:
    library.root.restype, library.root.argtypes = ctypes.c_double, [ctypes.c_double]
    print(library.root(2.25))
address = lambda function: ctypes.cast(function, ctypes.c_void_p).value
print(one.strptime_at() == two.strptime_at() == address(libc.strptime) > 0)
print(one.served_at() == two.served_at() == address(libc.getprotobynumber) > 0)
print(one.egl_at() == two.egl_at() > 0, one.egl_at() != one.strptime_at(), one.weak_at(), two.weak_at())
print(one.close_at() == two.close_at() > 0, flush=True)
one.draw()
";
    for version in GENERATIONS {
        let main = match main_module(version) {
            Ok(main) => main,
            Err(why) => return skip(&why),
        };
        let output = with_library(&main, TAKES_ADDRESSES, code);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = "1.5\n1.5\nTrue\nTrue\nTrue True 0 0\nTrue\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{version}: {stderr}");
        assert_eq!(output.status.code(), Some(134), "{version}: {stderr}");
        assert!(stderr.contains("`eglGetError`") && stderr.contains("EGL"), "{version}: {stderr}");
    }
}

/// Functions of exceptions have addresses in a main module that leaves exceptions to the host, and in no other.
#[test]
fn functions_of_exceptions_have_addresses_where_the_host_has_them() {
    let library = r#"(module (@dylink.0 (mem-info))
      (import "GOT.func" "invoke_vijd" (global $invoke (mut i32)))
      (import "GOT.func" "__cxa_find_matching_catch_7" (global $find (mut i32)))
      (import "GOT.func" "__cxa_get_exception_ptr" (global $get (mut i32)))
      (func (export "at") (result i32) (i32.add (i32.add (global.get $invoke) (global.get $find)) (global.get $get))))"#;
    for (version, works) in [("0.27.7", true), (CURRENT, false)] {
        let main = match main_module(version) {
            Ok(main) => main,
            Err(why) => return skip(&why),
        };
        let output = with_library(&main, library, "print(one.at() == two.at() > 0)");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(stdout == "True\n", works, "{version}: {stderr}");
        assert_eq!(stderr.contains("undefined symbol `invoke_vijd`"), !works, "{version}: {stderr}");
    }
}

/// A call of a JavaScript function that a library imports names what the function is part of.
#[test]
fn calls_of_javascript_say_what_is_missing() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let library = r#"(module (@dylink.0 (mem-info))
      (import "env" "emscripten_set_main_loop" (func $loop (param i32 i32 i32)))
      (func (export "begin") (call $loop (i32.const 0) (i32.const 0) (i32.const 0))))"#;
    let output = with_library(&main, library, "one.begin()");
    let stderr = String::from_utf8_lossy(&output.stderr);
    for words in ["`emscripten_set_main_loop`", "the main loop", "no JavaScript"] {
        assert!(stderr.contains(words), "{stderr}");
    }
}

/// Sets timers, of which some set others or are cleared, and returns 7; each timer prints a letter when it fires.
const TIMERS: &str = r#"(module
  (import "env" "emscripten_set_timeout" (func $timeout (param i32 f64 i32) (result i32)))
  (import "env" "emscripten_clear_timeout" (func $clear (param i32)))
  (import "env" "emscripten_set_interval" (func $interval (param i32 f64 i32) (result i32)))
  (import "env" "emscripten_set_immediate" (func $immediate (param i32 i32) (result i32)))
  (import "env" "emscripten_set_timeout_loop" (func $loop (param i32 f64 i32)))
  (import "env" "emscripten_out" (func $out (param i32)))
  (memory (export "memory") 1)
  (table (export "__indirect_function_table") 8 funcref)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 60000))
  (global $every (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))
  (elem (i32.const 1) $print $again $tick $times)
  (data (i32.const 16) "a\00b\00c\00d\00e\00f\00g\00")
  (func $print (param i32) (call $out (local.get 0)))
  (func $again (param i32) (call $out (local.get 0)) (drop (call $timeout (i32.const 1) (f64.const 1) (i32.const 26))))
  (func $tick (param i32)
    (call $out (local.get 0))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (if (i32.eq (global.get $count) (i32.const 2)) (then (call $clear (global.get $every)))))
  (func $times (param f64 i32) (result i32)
    (call $out (local.get 1)) (f64.lt (local.get 0) (f64.const 0)))
  (func (export "main") (result i32)
    (drop (call $timeout (i32.const 1) (f64.const 40) (i32.const 20)))
    (drop (call $timeout (i32.const 2) (f64.const 120) (i32.const 18)))
    (call $clear (call $timeout (i32.const 1) (f64.const 10) (i32.const 22)))
    (drop (call $immediate (i32.const 1) (i32.const 16)))
    (call $loop (i32.const 4) (f64.const 5) (i32.const 28))
    (global.set $every (call $interval (i32.const 3) (f64.const 500) (i32.const 24)))
    (call $out (i32.const 22))
    (i32.const STATUS)))"#;

/// As under Node, `main` returns before the first timer fires.
#[test]
fn timers_fire_when_main_has_returned() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    fs::write(&main, assemble(&TIMERS.replace("STATUS", "7"))).unwrap();
    let output = pydl().arg("run").arg(&main).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    // d comes first of all; a and g at once, c at 40, b at 120, f after it, e at 500 and 1000.
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.concat(), "dagcbfee", "{stderr}");
    assert_eq!(output.status.code(), Some(7), "{stderr}");
}

/// A timer that never ends is ended from outside.
#[test]
fn timers_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    let endless = "(drop (call $timeout (i32.const 1) (f64.const 1e300) (i32.const 16)))
      (drop (call $interval (i32.const 1) (f64.const 3600000) (i32.const 16))) (i32.const 0)";
    fs::write(&main, assemble(&TIMERS.replace("(i32.const STATUS)", endless))).unwrap();
    let mut command = pydl_tests::pydl_with_signals();
    let mut child = command.arg("run").arg(&main).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its timer");
    let sent = Instant::now();
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(sent.elapsed() < Duration::from_secs(30));
}

/// Opens a library by the C library's record, and asks for the folder of a handle.
const OPENS_BY_RECORD: &str = r#"(module (@dylink.0)
  (import "env" "_dlopen_js" (func $open (param i32) (result i32)))
  (import "env" "dlinfo" (func $dlinfo (param i32 i32 i32) (result i32)))
  (func (export "open") (param i32) (result i32) (call $open (local.get 0)))
  (func (export "origin") (param i32 i32) (result i32) (call $dlinfo (local.get 0) (i32.const 6) (local.get 1))))"#;

/// The two kinds of handles are distinguished where both occur: pydl's own, and records, which `emscripten_dlopen` passes to its callers.
#[test]
fn handles_of_both_kinds_are_told_apart() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let code = "
import os, shutil
os.mkdir('/tmp/other')
shutil.copy(folder + 'two.so', '/tmp/other/other.so')
other = ctypes.CDLL('/tmp/other/other.so')
def origin(handle):
    text = ctypes.create_string_buffer(100)
    return one.origin(ctypes.c_void_p(handle), text) or text.value
path = os.fsencode(folder + 'one.so')
record = ctypes.create_string_buffer(b'\\0' * 4 + b'\\2'.ljust(32, b'\\0') + path)
main = ctypes.create_string_buffer(b'\\0' * 36 + b'__main__')
print(origin(other._handle), one.open(record), origin(ctypes.addressof(record)) == os.path.dirname(path))
print(origin(other._handle), origin(ctypes.addressof(main)), origin(ctypes.addressof(main) + 4), origin(12345))";
    let output = with_library(&main, OPENS_BY_RECORD, code);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expected = "b'/tmp/other' 1 True\nb'/tmp/other' b'/' -1 -1\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{stderr}");
}

/// `dladdr` knows the main module's data by name, whichever of its bounds the module exports, and does not know what is on the stack or the
/// heap.
// row: dladdr | data_of_every_main_module_is_known | A pointer into the main module's data is the symbol's, one into the heap or the stack is nobody's; in every generation | dladdr(3)
#[test]
fn data_of_every_main_module_is_known() {
    let code = "import ctypes as c
libc = c.CDLL(None)
def name(address):
    info = (c.c_void_p * 4)()
    found = libc.dladdr(c.c_void_p(address), info)
    return c.string_at(info[2]).decode() if found and info[2] else found
data = c.addressof(c.c_int.in_dll(libc, 'PyLong_Type'))
libc.malloc.restype = c.c_void_p
print(name(data) == name(data + 4) == 'PyLong_Type', name(c.addressof(c.c_int.in_dll(libc, 'PyTuple_Type'))), name(libc.malloc(64)))";
    for main in GENERATIONS.into_iter().filter_map(|version| main_module(version).ok()) {
        let output = pydl().arg("run").arg(&main).args(["-c", code]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(told, "True PyTuple_Type 0\n", "{}: {stderr}", main.display());
    }
}

/// The name of a time zone may be as long as the guest likes, and may occur in a format many times: the host keeps little of it.
#[test]
fn strftime_keeps_little_for_long_names() {
    let main = match main_module("0.27.7") {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let code = "import ctypes
libc = ctypes.CDLL(None)
class Tm(ctypes.Structure):
    _fields_ = [(f'f{i}', ctypes.c_int) for i in range(10)] + [('zone', ctypes.c_char_p)]
tm = Tm(1, 2, 3, 4, 5, 99, 6, 7, 0, 0, b'z' * 65000)
buffer = ctypes.create_string_buffer(1 << 20)
print(libc.strftime(buffer, 1 << 20, b'%Z' * 30000, ctypes.byref(tm)))
print(libc.strftime(buffer, 1 << 20, b'%Z', ctypes.byref(tm)) > 100)
print(libc.strftime(buffer, 1 << 20, b'%c', ctypes.byref(tm)), buffer.value)";
    let output = pydl().arg("run").arg(main).args(["-c", code]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expected = "0\nTrue\n24 b'Sat Jun  4 03:02:01 1999'\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{stderr}");
}
