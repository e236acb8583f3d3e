//! Runs the side modules of `testdata/emscripten/cases`, which were built with Emscripten, and compares what they print with what they
//! print under Emscripten's own loader: in Pyodide's main module, where `ctypes` opens them, so that they go through the guest's own
//! `dlopen`, and in main modules of their own, which need `case.so` when they start.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use pydl_linker::ParsedModule;
use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::wasm::assemble;
use pydl_tests::{files, pydl, skip, testdata};

/// Opens a library in the folder that contains the others, and calls it.
const DRIVER: &str = "
import ctypes, os, sys
os.chdir('/usr/local/lib/python3.14/lib-dynload')
library = ctypes.CDLL('./' + sys.argv[1])
returned = library.run_case()
ctypes.CDLL(None).fflush(None)
print('run_case returned', returned)
";

/// The library that is opened.
const ROOT: &str = "case.so";
/// The library and all it needs, linked into one.
const SINGLE: &str = "single.so";

/// What is wrong with a run of a case, if anything.
fn fault(main: &Path, folder: &Path, expected: &str) -> Option<String> {
    let mut command = pydl();
    command.arg("run").arg(main);
    for library in files(folder, ".so").into_iter().filter(|file| !file.ends_with(SINGLE)) {
        command.arg("--side").arg(library);
    }
    let output = command.args(["-c", DRIVER, ROOT]).output().unwrap();
    difference(folder, &output, expected)
}

fn difference(what: &Path, output: &Output, expected: &str) -> Option<String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_right = output.status.success() && stdout == expected;
    (!is_right).then(|| {
        format!("{}: {}\n--- expected\n{expected}--- actual\n{stdout}{stderr}", what.display(), output.status)
    })
}

const CASES: [&str; 8] = ["abi", "chain", "cxx", "dl", "eh", "sjlj", "static_ctors", "threads"];

/// The builds of a case: with exceptions as LLVM writes them by default and, where there is another build, in the form of the standard.
fn builds(folder: &Path) -> impl Iterator<Item = PathBuf> {
    [folder.to_owned(), folder.join("exnref")].into_iter().filter(|build| build.join(ROOT).is_file())
}

/// What a case prints when destructors run at the end, as they do in pydl.
fn expected(folder: &Path) -> String {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    read("expected-exit.txt").or_else(|_| read("expected.txt")).unwrap()
}

/// What a case prints when it is linked into one library, whose constructors may run in another order.
fn expected_of_single(folder: &Path) -> String {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let (usual, all) = (read("expected.txt").unwrap(), expected(folder));
    let at_exit = all.strip_prefix(&usual).unwrap();
    read("expected-single.txt").unwrap_or(usual) + at_exit
}

#[test]
fn cases_print_what_they_print_under_emscripten() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folders = CASES.map(|case| testdata("emscripten/cases").join(case));
    let faults: Vec<String> = folders
        .iter()
        .flat_map(|folder| builds(folder).map(|build| (build, expected(folder))))
        .filter_map(|(build, expected)| fault(&main, &build, &expected))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Runs a main module that needs `case.so`, with the libraries of a build.
fn start_with(main: &Path, libraries: &[PathBuf]) -> Output {
    let folder = libraries[0].parent().unwrap();
    let mut command = pydl();
    command
        .arg("run")
        .arg(main)
        .arg("--dir")
        .arg(format!("{}::/case", folder.display()))
        .args(["--cwd", "/case"]);
    for library in libraries {
        command.arg("--side").arg(library);
    }
    command.output().unwrap()
}

#[test]
fn what_a_main_module_needs_is_loaded_before_it_runs() {
    let mut faults = Vec::new();
    for folder in CASES.map(|case| testdata("emscripten/cases").join(case)) {
        let main = folder.join("main2.wasm");
        if !main.is_file() {
            continue;
        }
        for build in builds(&folder) {
            let libraries: Vec<PathBuf> =
                files(&build, ".so").into_iter().filter(|file| !file.ends_with(SINGLE)).collect();
            faults.extend(difference(&build, &start_with(&main, &libraries), &expected(&folder)));
            // The same case in one library.
            if build.join(SINGLE).is_file() {
                let copy = tempfile::tempdir().unwrap();
                let root = copy.path().join(ROOT);
                fs::copy(build.join(SINGLE), &root).unwrap();
                let expected = expected_of_single(&folder);
                faults.extend(difference(&build.join(SINGLE), &start_with(&main, &[root]), &expected));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Two libraries side by side, one of which uses the other without needing it; functions and data by name and by address; arguments and
/// exit status.
#[test]
fn what_a_main_module_needs_is_one_load() {
    let folder = testdata("emscripten/cases/beside");
    let mut command = pydl();
    command.arg("run").arg(folder.join("main2.wasm"));
    for library in files(&folder, ".so") {
        command.arg("--side").arg(library);
    }
    let output = command.args(["--", "hello"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        fs::read_to_string(folder.join("expected.txt")).unwrap()
    );
}

/// A main module does not run when something that it needs is missing, malformed or unsuitable; the message names all of it.
#[test]
fn main_modules_do_not_run_without_what_they_need() {
    let main = testdata("emscripten/cases/abi/main2.wasm");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(ROOT);
    let cases = [
        ("(func (export \"run_case\") (result i64) i64.const 0)", 127, "needs function () -> i32, and"),
        ("(func (export \"other\"))", 134, "the guest called `run_case`"),
        (
            "(func (export \"run_case\") (result i32) i32.const 0) (func (export \"__wasm_call_ctors\") unreachable)",
            126,
            "a static constructor failed",
        ),
        ("(import \"GOT.mem\" \"nowhere\" (global (mut i32))) (func (export \"f\"))", 127, "nowhere"),
    ];
    for (body, status, words) in cases {
        fs::write(&root, assemble(&format!("(module (@dylink.0 (mem-info)) {body})"))).unwrap();
        let output = start_with(&main, std::slice::from_ref(&root));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{body}: {stderr}");
        assert!(stderr.contains(words), "{body}: {stderr}");
    }
    let output = pydl().arg("run").arg(&main).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(127), "{stderr}");
    for words in ["case.so: cannot be opened, needed by", "main2.wasm; tried /", "give each with --side"] {
        assert!(stderr.contains(words), "{stderr}");
    }
}

/// The guest can change the slot in a closure: freeing a closure whose slot is not one ends the guest, not the host.
#[test]
fn a_closure_that_is_none_cannot_be_freed() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let code =
        "import ctypes; ctypes.CDLL(None).ffi_closure_free(ctypes.create_string_buffer(b'\\xff' * 16))";
    let output = pydl().arg("run").arg(main).args(["-c", code]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(134), "{stderr}");
    assert!(stderr.contains("slot 4294967295 is not that of a closure"), "{stderr}");
}

/// The status of a run, its standard output and its standard error.
fn run_of(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

// row: symbols | main_modules_need_nothing_of_emcc_s_post_processing | A main module that emcc leaves as the linker wrote it, and one whose exports JavaScript does not name, share functions and data with a library | core.dylink_basics_no_modify; core.dylink_basics_no_export
#[test]
fn main_modules_need_nothing_of_emcc_s_post_processing() {
    for case in ["no_modify", "no_export"] {
        let folder = testdata("emscripten/cases").join(case);
        let output = start_with(&folder.join("main2.wasm"), &files(&folder, ".so"));
        let printed = "side: 11\nafter a change of its data: 38\n".to_owned();
        assert_eq!(run_of(&output), (Some(0), printed, String::new()), "{case}");
    }
}

/// What remains of emcc's `-l` is a name, which the loader looks for in its own folders, whatever the folders of the link were.
// row: search | what_l_of_the_linker_finds_is_searched_for_by_its_name | A library linked by -L and -l is needed by its file name, though an archive lay beside it, and found by LD_LIBRARY_PATH, not where the linker found it | other.library_search
#[test]
fn what_l_of_the_linker_finds_is_searched_for_by_its_name() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = testdata("emscripten/cases/library_search");
    let module = ParsedModule::parse(&fs::read(folder.join(ROOT)).unwrap()).unwrap();
    assert!(module.dylink.unwrap().needed.iter().eq(["libwhich.so"]));
    let driver = "import ctypes; ctypes.CDLL('/case/case.so').run_case(); ctypes.CDLL(None).fflush(None)";
    for (path, status, printed) in [
        ("/case/first:/case/second", 0, "which: first\n"),
        ("/case/second:/case/first", 0, "which: second\n"),
        ("", 1, ""),
    ] {
        let mut command = pydl();
        command.arg("run").arg(&main).arg("--dir").arg(format!("{}::/case", folder.display()));
        command.arg("--env").arg(format!("LD_LIBRARY_PATH={path}"));
        let (code, stdout, stderr) = run_of(&command.args(["-c", driver]).output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(status), printed), "{path}: {stderr}");
        assert_eq!(stderr.contains("libwhich.so: cannot be opened, needed by /case/case.so"), status != 0);
    }
}

/// Emscripten's loader runs it; pydl has no JavaScript.
// row: c | javascript_in_a_library_is_refused_when_it_is_called | A library with EM_ASM loads and its other functions work; calling the one with JavaScript ends the process, naming what it needs | core.dlfcn_em_asm | There is no JavaScript engine, on purpose
#[test]
fn javascript_in_a_library_is_refused_when_it_is_called() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let calls = "import ctypes; library = ctypes.CDLL('/usr/local/lib/python3.14/lib-dynload/case.so')
print(library.adds(3), flush=True); library.asks_javascript(4); print('no JavaScript was needed')";
    let library = testdata("emscripten/cases/em_asm").join(ROOT);
    let mut command = pydl();
    command.arg("run").arg(main).arg("--side").arg(library).args(["-c", calls]);
    let (code, stdout, stderr) = run_of(&command.output().unwrap());
    assert_eq!((code, stdout.as_str()), (Some(134), "4\n"), "{stderr}");
    assert!(stderr.contains("`emscripten_asm_const_int`") && stderr.contains("no JavaScript"), "{stderr}");
}

// row: failure | libraries_that_throw_need_a_main_module_with_exceptions | A library that throws is refused by a main module built without exceptions; the message names what is missing and how to build the main module | other.main_module_without_exceptions_message
#[test]
fn libraries_that_throw_need_a_main_module_with_exceptions() {
    let folder = testdata("emscripten/cases/no_exceptions");
    for (library, symbol) in [("side.so", "__cxa_throw"), ("wasm/side.so", "__wasm_lpad_context")] {
        let output = start_with(&folder.join("main2.wasm"), &[folder.join(library)]);
        let (code, stdout, stderr) = run_of(&output);
        assert_eq!((code, stdout.as_str()), (Some(127), ""), "{library}: {stderr}");
        for words in [
            &format!("undefined symbol `{symbol}`"),
            "needed by /usr/local/lib/pydl/side.so",
            "the main module is built without C++ exceptions",
            "-fwasm-exceptions",
        ] {
            assert!(stderr.contains(words), "{library}: {stderr}");
        }
    }
}

/// What a program printed and how it ended, for each line of arguments in its `runs.txt`, in the form in which `build.sh` records it under
/// Node.
fn transcript(build: &Path, runs: &str) -> (String, String) {
    let (mut printed, mut errors) = (String::new(), String::new());
    for arguments in runs.lines() {
        let command = pydl();
        let sides = fs::read_dir(build).unwrap().flatten().map(|entry| entry.path());
        let sides: Vec<PathBuf> =
            sides.filter(|path| path.extension().is_some_and(|it| it == "so")).collect();
        let sides =
            sides.iter().map(|side| format!("--side '{}'", side.display())).collect::<Vec<_>>().join(" ");
        let line = format!("\"$0\" run '{}' {sides} -- {arguments}", build.join("main.wasm").display());
        let mut shell = std::process::Command::new("bash");
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        let output = shell.args(["-c", &line]).arg(command.get_program()).output().unwrap();
        let status = match output.status.code() {
            Some(134) => "of an error".to_owned(),
            Some(status) => status.to_string(),
            None => "of a signal".to_owned(),
        };
        let stdout = String::from_utf8_lossy(&output.stdout);
        writeln!(printed, "$ {arguments}\n{stdout}status {status}").unwrap();
        errors += &String::from_utf8_lossy(&output.stderr);
    }
    (printed, errors)
}

/// Whole programs built with today's Emscripten, with its default options and with its checks, do under pydl what they do under Node.
#[test]
fn programs_of_todays_emscripten_do_what_they_do_under_node() {
    let mut faults = Vec::new();
    let mut builds = 0;
    let programs = fs::read_dir(testdata("emscripten/programs")).unwrap().flatten().map(|entry| entry.path());
    for program in programs.filter(|program| program.join("runs.txt").is_file()) {
        let runs = fs::read_to_string(program.join("runs.txt")).unwrap();
        let expected = fs::read_to_string(program.join("node.txt")).unwrap();
        let folders = fs::read_dir(&program).unwrap().flatten().map(|entry| entry.path());
        for build in folders.filter(|folder| folder.join("main.wasm").is_file()) {
            builds += 1;
            let (printed, errors) = transcript(&build, &runs);
            if printed != expected {
                faults.push(format!("{}\n--- Node\n{expected}--- pydl\n{printed}{errors}", build.display()));
            }
        }
    }
    assert!(builds > 14, "only {builds} builds");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// When a program that was built with checks is ended by one, the message says what went wrong, and what to do.
#[test]
fn checks_of_todays_emscripten_say_what_is_wrong() {
    let cases = [
        ("stack/O0", "library 1000", "stack overflow: the guest wants its C stack to reach to"),
        ("stack/O0", "main 1000", "link the main module with a larger -sSTACK_SIZE"),
        ("safe_heap/O1", "0", "segmentation fault"),
        ("safe_heap/O1", "1", "-sSAFE_HEAP"),
    ];
    for (build, arguments, words) in cases {
        let (_, errors) = transcript(&testdata("emscripten/programs").join(build), arguments);
        assert!(errors.contains(words), "{build} {arguments}: {errors}");
    }
}

/// An uncaught exception is reported with the text of its `what()`, for each way in which exceptions are compiled.
#[test]
fn uncaught_exceptions_say_what_they_say() {
    let told = [
        "Own: number 7",
        "Corrected: but this",
        "Second: number 2",
        // The `what()` of this one does not return.
        "Stuck",
        "Plain",
        "std::bad_alloc: std::bad_alloc",
        "std::runtime_error: plainly",
        "Far: from a library",
        "Virtual: a virtual base",
        "Diamond: a virtual base that keeps it",
    ];
    for build in ["O1", "O1_exnref", "O1_javascript"] {
        let folder = testdata("emscripten/programs/uncaught").join(build);
        for (number, told) in told.into_iter().enumerate() {
            let (_, errors) = transcript(&folder, &number.to_string());
            let line =
                format!("pydl: the guest ended in a trap: an exception that nothing catches: {told}\n");
            assert!(errors.starts_with(&line), "{build} {number}: {errors}");
        }
    }
}

/// A program's `main` may be a library's; where there is none, or one with a type that C does not permit, the message says so.
#[test]
fn programs_without_main_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let side = folder.path().join("side.so");
    let cases = [
        (
            "(func (export \"other\"))",
            "it exports no function `main`, nor does any of the libraries that it needs",
        ),
        ("(func (export \"main\") (param f64) (result i32) i32.const 0)", "which C's `main` never has"),
    ];
    for (body, words) in cases {
        fs::write(&side, assemble(&format!("(module (@dylink.0 (mem-info)) {body})"))).unwrap();
        let main = testdata("emscripten/programs/main_in_library/O0/main.wasm");
        let output = pydl().arg("run").arg(main).arg("--side").arg(&side).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(126), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}

/// A main module for which the table has no slots is refused for that reason.
#[test]
fn a_full_table_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    let text = "(module
        (@dylink.0 (mem-info (memory 16 4) (table 2 0)))
        (import \"env\" \"memory\" (memory 1))
        (import \"env\" \"__indirect_function_table\" (table 3 3 funcref))
        (import \"env\" \"__stack_pointer\" (global (mut i32)))
        (import \"env\" \"__memory_base\" (global i32))
        (import \"env\" \"emscripten_resize_heap\" (func (param i32) (result i32)))
        (import \"GOT.func\" \"own\" (global (mut i32)))
        (func (export \"own\"))
        (func (export \"calloc\") (param i32 i32) (result i32) (i32.const 64))
        (func (export \"main\") (result i32) (i32.const 0)))";
    fs::write(&main, assemble(text)).unwrap();
    let output = pydl().arg("run").arg(&main).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(127), "{stderr}");
    assert!(stderr.contains("the function table has no room for 1 more slots"), "{stderr}");
    // With room, it runs.
    fs::write(&main, assemble(&text.replace("table 3 3", "table 3"))).unwrap();
    let output = pydl().arg("run").arg(&main).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Kinds of programs that pydl has no processes for: the message says which kind it is, before anything is compiled.
#[test]
fn programs_for_threads_and_for_wasm64_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.wasm");
    for (kind, memory) in [("threads", "1 1 shared"), ("wasm64", "i64 1")] {
        let text = format!(
            "(module (import \"env\" \"emscripten_resize_heap\" (func (param i32) (result i32)))
              (memory (export \"memory\") {memory}) (func (export \"main\") (result i32) i32.const 0))"
        );
        fs::write(&main, assemble(&text)).unwrap();
        let output = pydl().arg("run").arg(&main).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(126), "{kind}: {stderr}");
        assert!(stderr.contains("its memory is shared or 64-bit"), "{kind}: {stderr}");
    }
}

/// What the host keeps for a guest is one account: whatever exhausts it, the guest gets an appropriate error, and what it releases can be
/// used again.
#[test]
fn what_the_host_keeps_for_a_guest_is_bounded() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let code = "
import ctypes, errno, os, shutil, socket

def fill(kind, step, limit):
    for count in range(limit):
        try: step(count)
        except (OSError, MemoryError, RuntimeError) as error:
            name = errno.errorcode.get(getattr(error, 'errno', None), type(error).__name__)
            return print(kind, name, 10 < count)
    print(kind, 'is not bounded')

os.mkdir('/tmp/d')
f = os.open('/tmp/d/f', os.O_RDWR | os.O_CREAT)
fill('bytes of a file', lambda count: os.write(f, bytes(100000)) == 100000 or os.write(f, b'x'), 1000)
os.ftruncate(f, 0)
fill('names', lambda count: os.mkdir(f'/tmp/d/{count:0240}'), 10**6)
shutil.rmtree('/tmp/d')
os.mkdir('/tmp/d')
fill('links', lambda count: os.symlink('x' * 4000, f'/tmp/d/{count}'), 10**5)
shutil.rmtree('/tmp/d')
pipes = []
def pipe(count):
    pipes.append(os.pipe())
    os.set_blocking(pipes[-1][1], False)
    os.write(pipes[-1][1], bytes(65536))
fill('pipes', pipe, 2000)
for pipe in pipes: os.close(pipe[0]); os.close(pipe[1])
server = socket.create_server(('127.0.0.1', 0))
clients = []
def connect(count):
    clients.append(socket.create_connection(server.getsockname()))
    clients.append(server.accept()[0])
    clients[-1].setblocking(False)
    clients[-1].send(bytes(256 << 10))
fill('sockets', connect, 500)
for client in clients: client.close()
closures = []
fill('closures', lambda count: closures.append(ctypes.CFUNCTYPE(None)(id)), 10**6)
closures.clear()
for count in range(1000): ctypes.CFUNCTYPE(None)(id)
print('closures again')
";
    let mut command = pydl();
    command.arg("run").arg(main).args(["--host-memory", "24M", "-c", code]);
    let (status, stdout, stderr) = run_of(&command.output().unwrap());
    let expected = "bytes of a file ENOSPC True\nnames ENOSPC True\nlinks ENOSPC True\npipes ENOMEM True\nsockets ENOMEM True\n\
                    closures RuntimeError True\nclosures again\n";
    assert_eq!((status, stdout.as_str()), (Some(0), expected), "{stderr}");
}
