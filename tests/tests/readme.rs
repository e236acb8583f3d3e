//! Runs what the documentation says: the commands of the README with the output that it shows; and checks that CI runs the README's test
//! command. Links between documents must lead somewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pydl_tests::{assert_golden, emscripten, repository, skip};

const TEST_COMMAND: &str = "cargo test --workspace";

/// A command of the README and the output it shows.
fn commands() -> Vec<(String, String)> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, output))) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    commands
}

#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    let commands = commands();
    assert!(commands.iter().any(|(command, _)| command.starts_with("cargo run -- run")));
    for (command, expected) in commands.iter().filter(|(command, _)| command != TEST_COMMAND) {
        let output = Command::new("bash")
            .args(["-c", command])
            .current_dir(repository())
            .env("PYDL_CACHE_DIR", pydl_tests::cache_folder())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), *expected, "{command}\n{stderr}");
    }
}

/// The parts of the example that the guide shows, by name.
fn snippets() -> BTreeMap<String, String> {
    let example = fs::read_to_string(repository().join("loader/examples/guide.rs")).unwrap();
    let parts = example.split("// guide: ").skip(1);
    let part = |part: &str| {
        let (name, rest) = part.split_once('\n')?;
        Some((name.to_owned(), rest.split_once("// end\n")?.0.to_owned()))
    };
    parts.map(|text| part(text).unwrap()).collect()
}

#[test]
fn the_guide_shows_what_its_example_does() {
    let path = repository().join("docs/embedding.md");
    let guide = fs::read_to_string(&path).unwrap();
    let snippets = snippets();
    let mut shown = String::new();
    let mut rest = guide.as_str();
    let mut used = 0;
    while let Some((before, after)) = rest.split_once("<!-- guide: ") {
        let (name, after) = after.split_once(" -->\n```rust\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        write!(shown, "{before}<!-- guide: {name} -->\n```rust\n{}```\n", snippets[name]).unwrap();
        used += 1;
        rest = after;
    }
    assert_eq!(used, snippets.len());
    assert_golden(&path, &(shown + rest));
}

#[test]
fn the_example_of_the_guide_does_what_it_asserts() {
    let wheel = emscripten::wheel("numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl");
    let (main, wheel) = match (emscripten::main_module("0.27.7"), wheel) {
        (Ok(main), Ok(wheel)) => (main, wheel),
        (Err(why), _) | (_, Err(why)) => return skip(&why),
    };
    let example = pydl_tests::pydl_binary().with_file_name("examples").join("guide");
    let output = Command::new(example).args([main, wheel]).current_dir(repository()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    assert!(commands().iter().any(|(command, _)| command == TEST_COMMAND));
    let ci = fs::read_to_string(repository().join(".ci/run")).unwrap();
    assert!(ci.contains(TEST_COMMAND), "{ci}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let docs = repository().join("docs");
    let mut documents = pydl_tests::files(&docs, ".md");
    documents.extend(pydl_tests::files(&docs.join("decisions"), ".md"));
    documents.extend(["README.md", "CONTRIBUTING.md"].map(|name| repository().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            let file = link.split('#').next().unwrap_or_default();
            let target: PathBuf = document.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
        }
    }
}
