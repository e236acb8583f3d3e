//! Makes `docs/conformance.md` from the rows that the cases contain, and refuses rows that no case proves. Owns the form of a row
//! (`tests/cases/program/README.md`) and its checks. Must not run a case: the other tests in this folder do.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pydl_tests::{assert_golden, files, repository, testdata};

/// The beginning of a row, after the comment signs.
const MARK: &str = "row: ";

/// The sections of the document, in order: the word in a row, and the heading.
const TOPICS: [(&str, &str); 12] = [
    ("dlopen", "dlopen: modes, handles, scopes"),
    ("search", "Search and NEEDED"),
    ("dlsym", "dlsym"),
    ("dlclose", "dlclose and exit"),
    ("dladdr", "dladdr and introspection"),
    ("dlerror", "dlerror"),
    ("symbols", "Symbols: binding, weak, interposition, identity"),
    ("memory", "Relocations, memory, stack"),
    ("c++", "C++ across libraries"),
    ("c", "C across libraries: the ABI and the C library"),
    ("malformed", "Malformed input"),
    ("failure", "Failure and retry"),
];

/// Prefixes of the sources that `tests/cases/emscripten_tests.txt` lists.
const LISTED: [&str; 4] = ["core.", "other.", "browser.", "gap."];

/// The folder of the cases that also run natively.
const PROGRAMS: &str = "tests/cases/program";

/// The most characters of a case's output in the document.
const SHOWN: usize = 100;

struct Row {
    topic: String,
    behaviour: String,
    sources: String,
    difference: Option<String>,
    /// The name of the case, and a path to it from `docs/`.
    case: String,
    link: String,
    /// The line of output that proves the row, or the name of a test function.
    proof: String,
    /// The main modules in which it is printed.
    mains: &'static str,
    /// Whether it is printed under Emscripten's own loader.
    emscripten: &'static str,
}

/// A case: sources that have rows, and what a test compares with what the case prints.
struct Case {
    name: String,
    link: String,
    sources: Vec<PathBuf>,
    /// Lines of output and names of tests.
    proofs: Vec<String>,
    /// What the native build prints, where it prints something else.
    native: Option<Vec<String>>,
    /// The main modules in which it runs.
    mains: Mains,
    /// What it prints under Emscripten's own loader, where that is recorded.
    emscripten: Option<Vec<String>>,
}

/// The main modules that a case runs in.
enum Mains {
    /// No main module, or one that a test makes.
    None,
    Wasi,
    Emscripten,
    /// In both, with what it prints in Emscripten's.
    Both(Vec<String>),
}

impl Mains {
    /// The main modules in which a line is printed.
    fn of(&self, proof: &String) -> &'static str {
        match self {
            Mains::None => "",
            Mains::Emscripten => "Emscripten",
            Mains::Both(printed) if printed.contains(proof) => "both",
            Mains::Wasi | Mains::Both(_) => "WASI",
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn lines(path: &Path) -> Vec<String> {
    read(path).lines().map(|line| line.trim().to_owned()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders with an `expected.txt` below a folder.
fn folders(parent: &Path, shown: &str) -> Vec<Case> {
    let entries = fs::read_dir(parent).unwrap().flatten().map(|entry| entry.path());
    let folders = entries.filter(|path| path.join("expected.txt").is_file());
    folders
        .map(|folder| {
            let name = name_of(&folder);
            let at_exit = folder.join("expected-exit.txt");
            let expected = if at_exit.is_file() { at_exit } else { folder.join("expected.txt") };
            let native = folder.join("native.txt");
            let is_source = |path: &PathBuf| {
                path.extension().is_some_and(|ending| ["c", "cpp", "h"].iter().any(|known| ending == *known))
            };
            let inside = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
            Case {
                mains: mains(&name, shown, &expected),
                emscripten: under_emscripten(&name, shown, &expected),
                link: format!("../{shown}/{name}"),
                name,
                sources: inside.filter(is_source).collect(),
                proofs: lines(&expected),
                native: native.is_file().then(|| lines(&native)),
            }
        })
        .collect()
}

/// What a case of these folders prints under Emscripten's own loader, as `tests/oracle/emscripten_loader.sh` records it.
fn under_emscripten(name: &str, shown: &str, expected: &Path) -> Option<Vec<String>> {
    if shown != PROGRAMS {
        return Some(lines(expected));
    }
    let built = repository().join("tests/cases/program_emscripten").join(name);
    let recorded = built.join("emscripten_loader.txt");
    recorded.is_file().then(|| lines(&recorded))
}

/// The main modules in which a case of these folders runs.
fn mains(name: &str, shown: &str, expected: &Path) -> Mains {
    let built = repository().join("tests/cases/program_emscripten").join(name);
    let own = built.join("expected.txt");
    match (shown == PROGRAMS, built.is_dir(), own.is_file()) {
        (false, _, _) => Mains::Emscripten,
        (true, false, _) => Mains::Wasi,
        (true, true, false) => Mains::Both(lines(expected)),
        (true, true, true) => Mains::Both(lines(&own)),
    }
}

/// The plan cases: sources and output are in one file.
fn plans() -> Vec<Case> {
    let files = files(&repository().join("tests/cases/plan"), ".txt");
    let case = |path: PathBuf| Case {
        name: format!("plan/{}", name_of(&path)),
        link: format!("../tests/cases/plan/{}.txt", name_of(&path)),
        proofs: lines(&path).into_iter().filter(|line| !line.starts_with([';', '('])).collect(),
        sources: vec![path],
        native: None,
        mains: Mains::None,
        emscripten: None,
    };
    files.into_iter().map(case).collect()
}

/// The tests in Rust: proofs are the names of their functions, and the lines of the golden file with the name of the test file.
fn rust_tests() -> Vec<Case> {
    let files = files(&repository().join("tests/tests"), ".rs");
    let case = |path: PathBuf| {
        let name = name_of(&path);
        let text = read(&path);
        let mut proofs: Vec<String> = text
            .split("#[test]\n")
            .skip(1)
            .filter_map(|test| test.trim_start().strip_prefix("fn ")?.split('(').next().map(str::to_owned))
            .collect();
        let golden = repository().join(format!("tests/cases/{name}.txt"));
        if golden.is_file() {
            proofs.extend(lines(&golden));
        }
        let (link, sources) = (format!("../tests/tests/{name}.rs"), vec![path]);
        Case { link, name, sources, proofs, native: None, mains: Mains::None, emscripten: None }
    };
    files.into_iter().filter(|path| !path.ends_with("conformance.rs")).map(case).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = folders(&repository().join(PROGRAMS), PROGRAMS);
    for mut case in folders(&testdata("emscripten/cases"), "testdata/emscripten/cases") {
        case.name.insert_str(0, "emscripten/");
        cases.push(case);
    }
    cases.extend(plans());
    cases.extend(rust_tests());
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// The texts of the rows in a source, each with the name of the source.
fn declarations(source: &Path) -> Vec<String> {
    let is_sign = |sign: char| sign.is_whitespace() || "/*;#".contains(sign);
    let text = read(source);
    let texts = text.lines().filter(|line| line.trim_start().starts_with(['/', '*', ';', '#']));
    texts.filter_map(|line| line.trim_start_matches(is_sign).strip_prefix(MARK).map(str::to_owned)).collect()
}

impl Case {
    /// The rows of the case; what is wrong with them is added to `faults`.
    fn rows(&self, faults: &mut Vec<String>) -> Vec<Row> {
        let mut rows = Vec::new();
        for text in self.sources.iter().flat_map(|source| declarations(source)) {
            match self.row(&text) {
                Ok(row) => rows.push(row),
                Err(why) => faults.push(format!("{}: {why}: {text}", self.name)),
            }
        }
        self.check_differences(&rows, faults);
        rows
    }

    fn row(&self, text: &str) -> Result<Row, String> {
        let fields: Vec<&str> = text.trim_end_matches("*/").split(" | ").map(str::trim).collect();
        let (topic, line, behaviour, sources, difference) = match fields[..] {
            [topic, line, behaviour, sources] => (topic, line, behaviour, sources, None),
            [topic, line, behaviour, sources, difference] => {
                (topic, line, behaviour, sources, Some(difference.to_owned()))
            }
            _ => return Err("not TOPIC | LINE | BEHAVIOUR | SOURCES [| DIFFERENCE]".to_owned()),
        };
        if !TOPICS.iter().any(|(known, _)| *known == topic) {
            return Err(format!("no topic `{topic}`"));
        }
        if [line, behaviour, sources].contains(&"") || difference.as_deref() == Some("") {
            return Err("an empty field".to_owned());
        }
        let mut found = self.proofs.iter().filter(|proof| proof.starts_with(line));
        let proof = found.next().ok_or_else(|| format!("no line begins with `{line}`"))?.clone();
        if found.next().is_some() {
            return Err(format!("several lines begin with `{line}`"));
        }
        Ok(Row {
            topic: topic.to_owned(),
            behaviour: behaviour.to_owned(),
            sources: sources.to_owned(),
            difference,
            case: self.name.clone(),
            link: self.link.clone(),
            mains: self.mains.of(&proof),
            emscripten: match &self.emscripten {
                None => "",
                Some(printed) if printed.contains(&proof) => "yes",
                Some(_) => "no",
            },
            proof,
        })
    }

    /// Rows say why the native build prints something else where it does, and only there.
    fn check_differences(&self, rows: &[Row], faults: &mut Vec<String>) {
        let Some(native) = &self.native else { return };
        for proof in self.proofs.iter().filter(|proof| !native.contains(proof)) {
            let explained = rows.iter().any(|row| row.proof == *proof && row.difference.is_some());
            if !explained {
                faults.push(format!("{}: no row says why `{proof}` is not in native.txt", self.name));
            }
        }
        for row in rows.iter().filter(|row| row.difference.is_some() && native.contains(&row.proof)) {
            faults.push(format!("{}: `{}` is in native.txt, too", self.name, row.proof));
        }
    }
}

/// The tests of Emscripten and the gaps that need a row.
fn listed_tests(faults: &mut Vec<String>) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for line in lines(&repository().join("tests/cases/emscripten_tests.txt")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] | ["#", ..] => {}
            [_, name] => {
                needed.insert(name.to_owned());
            }
            _ => faults.push(format!("emscripten_tests.txt: not CLASS TEST: {line}")),
        }
    }
    needed
}

/// The names of listed tests that a row's sources mention.
fn mentioned(row: &Row) -> impl Iterator<Item = &str> {
    let words = row.sources.split([' ', ',', ';', '(', ')']);
    words.filter(|word| LISTED.iter().any(|prefix| word.starts_with(prefix)))
}

#[test]
fn the_document_is_what_the_cases_prove() {
    let mut faults = Vec::new();
    let cases = cases();
    let rows: Vec<Row> = cases.iter().flat_map(|case| case.rows(&mut faults)).collect();
    let elsewhere = elsewhere(&cases, &mut faults);
    let mut seen = BTreeSet::new();
    for row in rows.iter().filter(|row| !seen.insert(&row.behaviour)) {
        faults.push(format!("{}: a second row with this behaviour: {}", row.case, row.behaviour));
    }
    let needed = listed_tests(&mut faults);
    let covered: BTreeSet<&str> = rows.iter().flat_map(mentioned).collect();
    for test in needed.iter().filter(|test| !covered.contains(test.as_str())) {
        faults.push(format!("{test}: no row mentions it"));
    }
    for test in covered.iter().filter(|test| !needed.contains(**test)) {
        faults.push(format!("{test}: mentioned, but no test that emscripten_tests.txt wants a row for"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_golden(&repository().join("docs/conformance.md"), &document(&rows, &elsewhere, &needed));
}

/// A line that is printed differently in Pyodide's main module, and the reason.
struct Elsewhere {
    case: String,
    line: String,
    printed: String,
    why: String,
}

/// The lines that cases do not print in Pyodide's main module, each with the reason given in `differences.txt`.
fn elsewhere(cases: &[Case], faults: &mut Vec<String>) -> Vec<Elsewhere> {
    let text = lines(&repository().join("tests/cases/program_emscripten/differences.txt"));
    let reasons: Vec<Vec<&str>> =
        text.iter().filter(|line| !line.starts_with('#')).map(|line| line.split(" | ").collect()).collect();
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for case in cases {
        let Mains::Both(printed) = &case.mains else { continue };
        for line in case.proofs.iter().filter(|line| !printed.contains(line)) {
            let reason = reasons.iter().find(|reason| {
                matches!(reason[..], [name, begin, _] if name == case.name && (begin == "*" || line.starts_with(begin)))
            });
            let Some(reason) = reason else {
                faults.push(format!("differences.txt: not why {} does not print `{line}`", case.name));
                continue;
            };
            used.insert(reason);
            let label = line.split(':').next().unwrap_or_default();
            let instead = printed
                .iter()
                .find(|other| other.split(':').next() == Some(label) && !case.proofs.contains(other));
            found.push(Elsewhere {
                case: case.name.clone(),
                line: line.clone(),
                printed: instead.cloned().unwrap_or_default(),
                why: (*reason.last().unwrap_or(&"")).to_owned(),
            });
        }
    }
    for reason in reasons.iter().filter(|reason| !used.contains(reason)) {
        faults.push(format!("differences.txt: nothing differs: {}", reason.join(" | ")));
    }
    found
}

fn document(rows: &[Row], elsewhere: &[Elsewhere], needed: &BTreeSet<String>) -> String {
    let mut text = introduction(rows);
    for (topic, heading) in TOPICS {
        let _ = write!(
            text,
            "\n## {heading}\n\n| behaviour | source | case | main | Emscripten | proof |\n|---|---|---|---|---|---|\n"
        );
        for row in rows.iter().filter(|row| row.topic == topic) {
            let difference = row.difference.as_ref().map(|why| format!(" **Differs:** {}", cell(why)));
            let _ = writeln!(
                text,
                "| {}{} | {} | [{}]({}) | {} | {} | {} |",
                cell(&row.behaviour),
                difference.unwrap_or_default(),
                cell(&row.sources),
                row.case,
                row.link,
                row.mains,
                row.emscripten,
                code(&row.proof),
            );
        }
    }
    text += "\n## In Pyodide's main module\n\nLines of `cases/program` that are not printed there:\n\n\
        | case | line | printed there | why |\n|---|---|---|---|\n";
    for line in elsewhere {
        let Elsewhere { case, line, printed, why } = line;
        let _ = writeln!(text, "| {case} | {} | {} | {} |", code(line), code(printed), cell(why));
    }
    let _ = write!(
        text,
        "\n## Emscripten's tests\n\nEach of the {} tests and gaps that `tests/cases/emscripten_tests.txt` lists has a row about its subject.\n",
        needed.len()
    );
    text
}

fn introduction(rows: &[Row]) -> String {
    let count = |is_counted: fn(&Row) -> bool| rows.iter().filter(|row| is_counted(row)).count();
    let differences = count(|row| row.difference.is_some());
    let recorded = count(|row| !row.emscripten.is_empty());
    let same = count(|row| row.emscripten == "yes");
    format!(
        "# What the dynamic linker does, and what proves it\n\n\
        Made from the cases by `tests/tests/conformance.rs`; do not edit. Each row is declared in the source of a case, and its\n\
        proof is a line of that case's output, which the tests compare with what pydl does: a program's with what the native build\n\
        of the same source prints under glibc as well; for tests in Rust it is the test's name. The form of a row is in\n\
        [tests/cases/program/README.md](../tests/cases/program/README.md).\n\n\
        Sources: `core.X`, `other.X` and `browser.X` name tests of Emscripten (`test_X` of `test/test_core.py` and its\n\
        neighbours) that are about the same behaviour. What is proven is what the case does, built as the case is; that Emscripten's own\n\
        program runs, in all the ways in which Emscripten builds it, is not said here. `gap.X` is what Emscripten's tests leave out;\n\
        tool-conventions is `DynamicLinking.md`; ld.so is ld.so(8).\n\n\
        Main: which main modules the line is printed in, ours for WASI, Pyodide's for Emscripten, or both; nothing where the case has\n\
        none, or makes its own.\n\n\
        Emscripten: whether Emscripten's own loader gives the line, in Pyodide 314.0.7 under Node 20, for the same libraries, as\n\
        `tests/oracle/emscripten_loader.sh` has recorded it. Not every \"no\" is the loader's: a case that it cannot go on with\n\
        prints nothing further, nothing runs at exit there, and Node 20 lacks extended constant expressions.\n\n\
        {} rows. In {differences} of them pydl differs on purpose from what the native build does. Of the {recorded} whose case\n\
        has run under Emscripten's loader, it gives {same}.\n",
        rows.len()
    )
}

/// A text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Output for a cell of a table, shortened.
fn code(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let rest = if text.chars().count() > SHOWN { " ..." } else { "" };
    format!("`` {} ``{rest}", cell(&shown))
}
