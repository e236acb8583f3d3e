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
