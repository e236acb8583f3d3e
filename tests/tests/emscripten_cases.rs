//! Runs the side modules of `testdata/emscripten/cases`, which Emscripten made, in Pyodide's main module, and compares what they print
//! with what they print under Emscripten's own loader. `ctypes` opens them, so that the guest's own `dlopen` does.

use std::fs;
use std::path::Path;

use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::{files, pydl, skip, testdata};

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
