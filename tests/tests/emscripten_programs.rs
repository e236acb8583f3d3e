//! Runs the cases of `cases/program`, built for Emscripten, in Pyodide's main module, where `ctypes` opens them, so that they go through
//! the guest's own `dlopen`. What they print is compared with what they print in the main module for WASI.

use std::fs;
use std::path::Path;

use pydl_tests::emscripten::{CURRENT, main_module};
use pydl_tests::{blessing, pydl, repository, skip};

/// Opens a case in the folder of its libraries, with what it needs of the main program.
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

/// The cases print what they do in the WASI main module, or what their own `expected.txt` says. The reasons are in `differences.txt`, which
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
