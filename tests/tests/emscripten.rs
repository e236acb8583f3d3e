//! Owns the proof that Emscripten's system interface does what programs expect: `tests/cases/emscripten/*.py` and what they print.

use std::path::PathBuf;

use pydl_tests::emscripten::{Outcome, scripts};
use pydl_tests::{assert_golden, blessing, repository, skip};

fn folder() -> PathBuf {
    repository().join("tests/cases/emscripten")
}

/// What a script printed, and with which status it ended unless that is 0.
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
