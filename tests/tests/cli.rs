//! Runs the cases of `cases/cli`: shell lines as a person types them, with what must appear. A line `$ COMMAND` runs in a shell in an empty
//! folder, with `pydl` on the PATH and the variables of [`SHELL_VARIABLES`]; it is followed by its output and errors as they came, and
//! `[STATUS]` when the status is not 0. Other lines are comments. `PYDL_BLESS=1` rewrites the cases.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The variables that the lines may refer to, relative to the repository.
const SHELL_VARIABLES: &[(&str, &str)] = &[
    ("MAIN", "testdata/python/python.wasm"),
    ("FPUTS", "testdata/fputs/fputs.so"),
    ("TESTDATA", "testdata"),
];

#[test]
fn the_command_line_behaves_as_recorded() {
    let mut failed = Vec::new();
    for path in pydl_tests::files(&pydl_tests::repository().join("tests/cases/cli"), ".txt") {
        let text = fs::read_to_string(&path).unwrap();
        let actual = run(&text);
        if pydl_tests::blessing() {
            fs::write(&path, actual).unwrap();
        } else if actual != text {
            failed.push(format!("{}\n--- expected\n{text}\n--- actual\n{actual}", path.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The case with the output of its commands as it is now.
fn run(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut actual = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(actual, "{line}");
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let mut command = command.to_owned();
        // A quoted argument or here-document may continue, marked as in a shell.
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            let _ = writeln!(actual, "{more}");
            let _ = write!(command, "\n{}", &more[2..]);
        }
        actual.push_str(&output(&command, folder.path()));
        while lines.next_if(|line| !line.is_empty()).is_some() {}
    }
    actual
}

fn output(command: &str, folder: &Path) -> String {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(folder).env_clear();
    let path = std::env::var("PATH").unwrap_or_default();
    let binary = pydl_tests::pydl_binary();
    let programs = binary.parent().unwrap_or(Path::new("/"));
    shell.env("PATH", format!("{}:{path}", programs.display()));
    shell.env("PYDL_CACHE_DIR", pydl_tests::cache_folder());
    for (name, file) in SHELL_VARIABLES {
        shell.env(name, pydl_tests::repository().join(file));
    }
    let result = shell.output().unwrap();
    let mut text = String::from_utf8_lossy(&result.stdout).into_owned();
    text = text.replace(&pydl_tests::repository().display().to_string(), "REPOSITORY");
    text = text.replace(&folder.display().to_string(), "FOLDER");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str("(no newline)\n");
    }
    // An empty line ends the expectation.
    text = text.replace("\n\n", "\n(empty line)\n");
    if result.status.code() != Some(0) {
        let _ = writeln!(text, "[{}]", result.status.code().map_or("signal".to_owned(), |c| c.to_string()));
    }
    text
}
