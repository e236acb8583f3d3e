//! Runs side modules for Emscripten in Pyodide's main module, where `ctypes` opens them, so that the guest's own `dlopen` does. What
//! those of `testdata/emscripten/cases` print is compared with what they print under Emscripten's own loader; what those of
//! `cases/program_emscripten` print, with their build for WASI.

use std::fs;
use std::path::Path;

use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::{blessing, files, pydl, repository, skip, testdata};

/// Opens a library where the others lie beside it, and calls it.
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

/// What is wrong with a run of a case, if anything.
fn fault(main: &Path, folder: &Path, expected: &str) -> Option<String> {
    let mut command = pydl();
    command.arg("run").arg(main);
    for library in files(folder, ".so") {
        command.arg("--side").arg(library);
    }
    let output = command.args(["-c", DRIVER, ROOT]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_right = output.status.success() && stdout == expected;
    (!is_right).then(|| format!("{}: {}\n{stdout}{stderr}", folder.display(), output.status))
}

#[test]
fn cases_print_what_they_print_under_emscripten() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let cases = testdata("emscripten/cases");
    let mut faults = Vec::new();
    for case in ["abi", "chain", "dl", "eh", "sjlj", "static_ctors", "cxx"] {
        let folder = cases.join(case);
        let read = |name: &str| fs::read_to_string(folder.join(name));
        // Destructors run when Python ends.
        let expected = read("expected-exit.txt").or_else(|_| read("expected.txt")).unwrap();
        // With exceptions as LLVM writes them unless told otherwise, and, where there is another build, as the standard has them.
        for build in [folder.clone(), folder.join("exnref")] {
            if build.join(ROOT).is_file() {
                faults.extend(fault(&main, &build, &expected));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Opens a case where its libraries lie, with what it wants of the main program.
const PROGRAM: &str = "
import ctypes, os
os.chdir('/case')
ctypes.CDLL('/usr/local/lib/python3.14/lib-dynload/libdriver.so', ctypes.RTLD_GLOBAL)
status = ctypes.CDLL('case.so').run_case()
ctypes.CDLL(None).fflush(None)
if status:
    print('run_case returned', status)
";

/// What a case of `cases/program` prints in Pyodide's main module.
fn print_program(main: &Path, built: &Path, case: &Path) -> String {
    let extra = fs::read_to_string(case.join("library_path.txt")).unwrap_or_default();
    let path = extra.lines().fold("/case".to_owned(), |path, folder| format!("{path}:/case/{folder}"));
    let mut command = pydl();
    command.arg("run").arg(main);
    command.arg("--side").arg(built.with_file_name("libdriver.so"));
    command.arg("--dir").arg(format!("{}::/case", built.display()));
    command.arg("--env").arg(format!("LD_LIBRARY_PATH={path}"));
    let output = command.args(["-c", PROGRAM]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return printed;
    }
    format!("{printed}{}\n{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// They print what they do in the WASI main module, or what their own `expected.txt` says. Why is in `differences.txt`, which
/// `conformance.rs` reads.
#[test]
fn programs_do_in_pyodides_main_what_they_do_in_ours() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let programs = repository().join("tests/cases/program");
    let entries = fs::read_dir(repository().join("tests/cases/program_emscripten")).unwrap().flatten();
    let built: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    assert!(built.len() > 40, "only {} cases", built.len());
    let mut faults = Vec::new();
    for built in built {
        let case = programs.join(built.file_name().unwrap());
        let common = fs::read_to_string(case.join("expected.txt")).unwrap();
        let own = built.join("expected.txt");
        let printed = print_program(&main, &built, &case);
        if blessing() {
            let _ = fs::remove_file(&own);
            if printed != common {
                fs::write(&own, &printed).unwrap();
            }
        } else if printed != fs::read_to_string(&own).unwrap_or(common) {
            faults.push(format!("{}:\n{printed}", built.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The slot in a closure is the guest's to change: giving back one that is none is an end of the guest, not of the host.
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
