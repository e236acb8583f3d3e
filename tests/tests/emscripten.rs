//! Owns the proof that Emscripten's system interface does what programs expect: `tests/cases/emscripten/*.py` and what they print.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pydl_tests::emscripten::{CURRENT, Outcome, main_module, scripts};
use pydl_tests::{assert_golden, blessing, pydl, repository, skip};

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

/// What a script printed that is run with a folder as its argument, and one line of so many: by what comes before ` -> `.
fn in_folder(mut command: Command, script: &Path, folder: &Path, every: u32) -> BTreeMap<String, String> {
    let output = command.arg(script).arg(folder).arg(every.to_string()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", script.display());
    let stdout = String::from_utf8_lossy(&output.stdout);
    let pairs = stdout.lines().filter_map(|line| line.split_once(" -> "));
    pairs.map(|(label, outcome)| (label.to_owned(), outcome.to_owned())).collect()
}

/// A difference from Linux that is meant: where, in which lines, and why.
struct Difference<'a> {
    place: &'a str,
    lines: &'a str,
    why: &'a str,
}

impl Difference<'_> {
    /// Whether it is about a line: `*` stands for anything.
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

/// Each call on files, with each kind of file, in a folder of the host and in memory, as on Linux: `tests/cases/files`. One of twelve; all of
/// them when the page about the differences is made.
#[test]
fn files_are_as_on_linux() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let every = if blessing() { 1 } else { 12 };
    let cases = repository().join("tests/cases/files");
    let script = cases.join("matrix.py");
    let folder = tempfile::tempdir().unwrap();
    let linux = in_folder(Command::new("python3"), &script, folder.path(), every);
    let text = std::fs::read_to_string(cases.join("differences.txt")).unwrap();
    let differences: Vec<Difference<'_>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| match line.split(" | ").collect::<Vec<_>>()[..] {
            [place, lines, why] => Difference { place, lines, why },
            _ => panic!("differences.txt: {line}"),
        })
        .collect();
    let mut on_host = pydl();
    on_host.arg("run").arg(&main).arg("--dir").arg(format!("{}::/data", folder.path().display()));
    let mut in_memory = pydl();
    in_memory.arg("run").arg(&main);
    let mut faults = Vec::new();
    let mut found = vec![Vec::new(); differences.len()];
    for (place, command, path) in [("host", on_host, "/data"), ("memory", in_memory, "/tmp")] {
        let here = in_folder(command, &script, Path::new(path), every);
        assert!(here.keys().eq(linux.keys()), "{place}: other calls than on Linux");
        for ((label, outcome), native) in
            here.iter().zip(linux.values()).filter(|(one, other)| one.1 != *other)
        {
            let line = format!("{label} -> {outcome}");
            let row =
                differences.iter().position(|row| ["both", place].contains(&row.place) && row.is_of(&line));
            match row {
                Some(row) => found[row].push((line, native.clone())),
                None => faults.push(format!("{place}: {line}\n  Linux: {native}")),
            }
        }
    }
    let stale = differences.iter().zip(&found).filter(|(_, found)| blessing() && found.is_empty());
    faults.extend(stale.map(|(row, _)| format!("no line is so any more: {} | {}", row.place, row.lines)));
    assert!(faults.is_empty(), "{} differences\n{}", faults.len(), faults.join("\n"));
    if blessing() {
        let page = document(linux.len(), &differences, &found);
        assert_golden(&repository().join("docs/conformance-files.md"), &page);
    }
}

/// The page about the differences.
fn document(calls: usize, differences: &[Difference<'_>], found: &[Vec<(String, String)>]) -> String {
    let outcome = |line: &str| line.split_once(" -> ").map_or("", |(_, outcome)| outcome).replace('|', "\\|");
    let count = |place: &str| -> usize {
        let rows = differences.iter().zip(found).filter(|(row, _)| row.place == place);
        let both = differences.iter().zip(found).filter(|(row, _)| row.place == "both");
        rows.map(|(_, found)| found.len()).sum::<usize>()
            + both.map(|(_, found)| found.len() / 2).sum::<usize>()
    };
    let mut text = format!(
        "<!-- Made by tests/tests/emscripten.rs from tests/cases/files; PYDL_BLESS=1 writes it anew. -->\n\
         # Files, compared with Linux\n\n\
         `tests/cases/files/matrix.py` makes {calls} calls, or short series of calls, on each kind of file, path and flag, natively by CPython on\n\
         Linux and by the guest, in a folder of the host (`--dir`) and in memory (`/tmp`). In a folder of the host {} come to something else,\n\
         in memory {}:\n\n\
         | where | calls | of them | an example | Linux | here | why |\n|---|---|---|---|---|---|---|\n",
        count("host"),
        count("memory"),
    );
    for (row, found) in differences.iter().zip(found) {
        let Some((line, native)) = found.first() else { continue };
        let label = line.split_once(" -> ").map_or("", |(label, _)| label).replace('|', "\\|");
        let calls = row.lines.split(" -> ").next().unwrap_or_default().replace('|', "\\|").replace('*', "…");
        let place = match row.place {
            "host" => "a folder of the host",
            place => place,
        };
        let (linux, here) = (native.replace('|', "\\|"), outcome(line));
        let _ = writeln!(
            text,
            "| {place} | `{calls}` | {} | `{label}` | `{linux}` | `{here}` | {} |",
            found.len(),
            row.why
        );
    }
    text + "\nWho may do what is not compared: natively it depends on the user, here folders of the host ask the host, and the tree in memory has \
            one user\nwho is not exempt (`tests/cases/emscripten/permissions.py`).\n"
}

/// Writers of one database in one folder: two guests in programs of their own, and a native program. Each commit is there in the end, and
/// each saw all before it.
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
