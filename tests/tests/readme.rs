//! Runs what the documentation says: the commands of the README with the output it shows, and that CI runs the README's
//! test command. Links between documents must lead somewhere.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pydl_tests::repository;

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
