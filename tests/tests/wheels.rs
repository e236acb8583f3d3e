//! Owns the proof that wheels work unmodified: what `tests/cases/wheels/*/script.py` prints in pydl and in Pyodide under Node.

use std::path::PathBuf;
use std::process::Command;

use pydl_tests::emscripten::{Case, Outcome, cases};
use pydl_tests::{assert_golden, blessing, repository, skip};

/// The generations of Pyodide whose main modules pydl runs. Cases for others run in Node alone.
const RUN: [&str; 3] = ["314.0.7", "0.29.3", "0.27.7"];

fn folder() -> PathBuf {
    repository().join("tests/cases/wheels")
}

/// What is wrong with a run, if anything: it must end well and print what is expected.
fn fault(case: &Case, outcome: &Outcome) -> Option<String> {
    let expected = std::fs::read_to_string(&case.expected).unwrap_or_default();
    if outcome.status.success() && outcome.stdout == expected {
        return None;
    }
    let same = |(ours, theirs): &(&str, &str)| ours == theirs;
    let line = expected.lines().zip(outcome.stdout.lines()).take_while(same).count();
    let (wanted, got) = (expected.lines().nth(line), outcome.stdout.lines().nth(line));
    let Outcome { status, stderr, .. } = outcome;
    let line = line + 1;
    Some(format!("{}: {status}; line {line}\n  expected {wanted:?}\n  printed  {got:?}\n{stderr}", case.name))
}

// row: symbols | wheels_do_in_pydl_what_is_expected | Real libraries in wheels from PyPI do what they do under Emscripten's loader | core.dylink_zlib; other.side_module_with_ports
#[test]
fn wheels_do_in_pydl_what_is_expected() {
    if blessing() {
        return;
    }
    let mut faults = Vec::new();
    for case in cases(&folder()).into_iter().filter(|case| RUN.contains(&case.main.as_str())) {
        match case.run_in_pydl() {
            Ok(outcome) => faults.extend(fault(&case, &outcome)),
            Err(why) => skip(&format!("{}: {why}", case.name)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is expected is what Node Pyodide prints. Blessing writes it.
#[test]
fn wheels_do_in_node_what_is_expected() {
    if Command::new("node").arg("--version").output().is_err() {
        return skip("node is not installed");
    }
    for case in cases(&folder()) {
        match case.run_in_node() {
            Ok(outcome) if outcome.status.success() => assert_golden(&case.expected, &outcome.stdout),
            Ok(outcome) => panic!("{}: {}\n{}", case.name, outcome.status, outcome.stderr),
            Err(why) => skip(&format!("{}: {why}", case.name)),
        }
    }
}

/// The case of C++ exceptions, with one of its wheels: `1` has the exception instructions of Pyodide's packages, `2` the standard's.
fn through_python(main: &str, wheel: u32) -> Case {
    let mut case = cases(&folder()).into_iter().find(|case| case.name == "cpp_through_python").unwrap();
    main.clone_into(&mut case.main);
    case.wheels = vec![format!(
        "through_python-{wheel}-cp312-abi3-pyodide_2025_0_wasm32.pyemscripten_2026_0_wasm32.whl"
    )];
    case
}

// row: c++ | exceptions_pass_through_python | A C++ exception passes through the interpreter's frames, from one extension module to another one or the same, which catches it by reference to a base and finds its dynamic type; std::exception_ptr is thrown again later; the interpreter goes on as under Emscripten's loader | Itanium C++ ABI; other.dylink_exceptions_and_assertions
#[test]
fn exceptions_pass_through_python() {
    for (main, wheel, in_node) in
        [("314.0.7", 1, false), ("314.0.7", 2, false), ("0.29.3", 1, true), ("0.29.3", 2, false)]
    {
        let case = through_python(main, wheel);
        match case.run_in_pydl() {
            Ok(outcome) => assert_eq!(fault(&case, &outcome), None, "{main}, wheel {wheel}"),
            Err(why) => skip(&why),
        }
        let node = Command::new("node").arg("--version").output().is_ok();
        if let Some(Ok(outcome)) = (in_node && node).then(|| case.run_in_node()) {
            assert_eq!(fault(&case, &outcome), None, "{main} in Node");
        }
    }
}

/// By default each extension module has what it defines to itself, descriptions of classes among it.
// row: c++ | classes_of_local_modules_are_their_own | Two extension modules opened RTLD_LOCAL have each their own description of a class that both define: what is thrown is caught as a base that the main module defines, not as the class | POSIX dlopen; libc++abi | Emscripten's loader, whose GOT is global, gives both the first one's; with a library that both need, or RTLD_GLOBAL, there is one here, too
#[test]
fn classes_of_local_modules_are_their_own() {
    let mut case = through_python("314.0.7", 1);
    let folder = tempfile::tempdir().unwrap();
    case.script = folder.path().join("script.py");
    let script = "import catcher, thrower\nprint(catcher.outer(lambda: thrower.refuse(7)))\n";
    std::fs::write(&case.script, script).unwrap();
    match case.run_in_pydl() {
        Ok(outcome) => assert_eq!(outcome.stdout, "another: refused\n", "{}", outcome.stderr),
        Err(why) => skip(&why),
    }
}
