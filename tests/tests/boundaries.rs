//! Checks the boundaries that a machine can check: which crate knows which, that every source file says what it owns, and that ABI names
//! are spelled in one place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pydl_tests::imports::{ModulePath, circles, of_crate};
use pydl_tests::{files, repository};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![repository().join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!sources.is_empty(), "{folder} has no sources");
    sources
}

#[test]
fn every_source_file_says_what_it_owns() {
    for folder in [
        "linker/src",
        "loader/src",
        "loader/examples",
        "cli/src",
        "cli/tests",
        "tests/src",
        "tests/tests",
        "tests/benches",
    ] {
        for (path, text) in sources(folder) {
            assert!(text.starts_with("//! "), "{} does not begin with what it owns", path.display());
        }
    }
}

#[test]
fn only_the_loader_knows_the_engine() {
    for folder in ["linker/src", "cli/src"] {
        for (path, text) in sources(folder) {
            for word in ["wasmtime::", "wasmtime_wasi"] {
                assert!(!text.contains(word), "{} knows {word}", path.display());
            }
        }
    }
    let manifest = fs::read_to_string(repository().join("linker/Cargo.toml")).unwrap();
    assert!(!manifest.contains("wasmtime"), "the linker depends on the engine");
}

#[test]
fn the_linker_does_no_input_or_output() {
    for (path, text) in sources("linker/src") {
        for word in ["std::fs", "std::io", "std::env", "std::process", "println!"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn the_loader_reads_no_environment_and_prints_nothing() {
    for (path, text) in sources("loader/src") {
        for word in ["env::var", "println!", "eprintln!", "clap"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

/// Commands know the code that shows reports, not the other way round.
#[test]
fn what_shows_reports_knows_no_command() {
    for (path, text) in sources("cli/src/render").into_iter().chain(sources("cli/src/reports")) {
        assert!(!text.contains("crate::commands"), "{} knows a command", path.display());
    }
}

/// The folders of the crates, from the ground up: a file imports nothing from a folder above its own.
const FLOORS: [(&str, &[&str]); 3] = [
    ("linker/src", &["base", "parse", "rewrite", "link", "inspect", "merge"]),
    ("loader/src", &["base", "memory", "compile", "system", "link", "python", "process"]),
    ("cli/src", &[]),
];

#[test]
fn imports_go_down_the_floors() {
    for (folder, floors) in FLOORS {
        let floor = |module: &ModulePath| {
            floors.iter().position(|floor| module.first().is_some_and(|it| it == floor))
        };
        for (module, imported) in of_crate(&repository().join(folder)) {
            let above: Vec<_> = imported.iter().filter(|other| floor(other) > floor(&module)).collect();
            let name = module.join("::");
            assert!(above.is_empty(), "{folder}: {name} imports from floors above: {above:?}");
            assert!(
                floors.is_empty() || floor(&module).is_some(),
                "{folder}: {} is on no floor",
                module.join("::")
            );
        }
    }
}

/// Files that import each other are read together, so they must be in one folder.
#[test]
fn circles_of_imports_stay_inside_one_folder() {
    for (folder, _) in FLOORS {
        for circle in circles(&of_crate(&repository().join(folder))) {
            let mut tops: BTreeMap<&str, &ModulePath> = BTreeMap::new();
            for module in &circle {
                tops.entry(module.first().map_or("", String::as_str)).or_insert(module);
            }
            assert!(tops.len() == 1, "{folder}: these import each other: {circle:?}");
        }
    }
}

/// What the header of a file says that it must not know, for other folders of its crate.
#[test]
fn the_system_knows_nothing_of_libraries_nor_of_python() {
    for (path, text) in sources("loader/src/system") {
        for word in ["crate::link", "crate::python", "crate::process"] {
            assert!(!text.contains(word), "{} knows {word}", path.display());
        }
    }
}

#[test]
fn abi_names_are_spelled_once() {
    for (path, text) in sources("linker/src").into_iter().chain(sources("loader/src")) {
        if path.ends_with(Path::new("linker/src/base/abi.rs")) {
            continue;
        }
        for name in [
            "\"GOT.mem\"",
            "\"GOT.func\"",
            "\"__memory_base\"",
            "\"__wasm_call_ctors\"",
            "\"dylink.0\"",
            "\"pydl_dlfcn_v1\"",
        ] {
            assert!(!text.contains(name), "{} spells {name} itself", path.display());
        }
    }
}

/// Every path of a source file or folder that a document names exists.
#[test]
fn documents_name_files_that_exist() {
    let mut documents = vec![repository().join("README.md"), repository().join("CONTRIBUTING.md")];
    documents.extend(files(&repository().join("docs"), ".md"));
    documents.extend(files(&repository().join("docs/decisions"), ".md"));
    let mut named = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for path in text.split('`').filter(|word| is_source(word)) {
            assert!(repository().join(path).exists(), "{}: {path} is not there", document.display());
            named += 1;
        }
    }
    assert!(named > 40, "only {named} paths");
}

/// Whether a word is a path of the sources, without a pattern in it.
fn is_source(word: &str) -> bool {
    let folders = ["linker/", "loader/", "cli/src/", "tests/src/", "tests/tests/", "tests/oracle/"];
    folders.iter().any(|folder| word.starts_with(folder))
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}
