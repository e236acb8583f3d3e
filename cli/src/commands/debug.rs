//! Owns `PYDL_DEBUG` and `PYDL_DEBUG_OUTPUT`: from the words in the environment to a trace (ld.so(8), `LD_DEBUG`). Must not know
//! what a trace says.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::stderr;

use anyhow::Result;
use pydl_loader::{Trace, TraceTopic};

use crate::report::{Usage, warn};

/// The variable that lists the topics to trace.
const VARIABLE: &str = "PYDL_DEBUG";
/// The variable that names the file to write the trace to, instead of standard error.
const OUTPUT: &str = "PYDL_DEBUG_OUTPUT";
const ALL: &str = "all";
const HELP: &str = "help";

/// What the environment requests.
pub enum Debug {
    /// A trace, which may have no topics.
    Trace(Trace),
    /// A list of the words instead of a run.
    Help(String),
}

/// Reads the environment. An unknown word is reported, as by ld.so. Errs when the file cannot be written.
pub fn from_environment() -> Result<Debug> {
    let words = std::env::var_os(VARIABLE).unwrap_or_default();
    let words = words.to_string_lossy();
    let words: Vec<&str> = words.split([',', ' ', ':', ';', '\t']).filter(|word| !word.is_empty()).collect();
    if words.contains(&HELP) {
        return Ok(Debug::Help(help()));
    }
    let mut topics = Vec::new();
    for word in words {
        match TraceTopic::ALL.into_iter().find(|topic| topic.word() == word) {
            Some(topic) => topics.push(topic),
            None if word == ALL => topics.extend(TraceTopic::ALL),
            None => warn(&format!("{VARIABLE}: there is no {word:?}; the words are {}", list())),
        }
    }
    if topics.is_empty() {
        return Ok(Debug::Trace(Trace::default()));
    }
    let Some(path) = std::env::var_os(OUTPUT).filter(|path| !path.is_empty()) else {
        return Ok(Debug::Trace(Trace::new(topics, stderr())));
    };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let file = file.map_err(|error| Usage(format!("{OUTPUT}: {}: {error}", path.to_string_lossy())))?;
    Ok(Debug::Trace(Trace::new(topics, file)))
}

/// All words, for a message.
fn list() -> String {
    let topics = TraceTopic::ALL.map(TraceTopic::word).join(", ");
    format!("{topics}, {ALL}, {HELP}")
}

fn help() -> String {
    let mut text =
        format!("Valid words for the {VARIABLE} environment variable, separated by commas, are:\n\n");
    let topics = TraceTopic::ALL.map(|topic| (topic.word(), topic.description()));
    let others = [(ALL, "all of them"), (HELP, "display this help message and exit")];
    for (word, description) in topics.into_iter().chain(others) {
        let _ = writeln!(text, "  {word:<11} {description}");
    }
    let _ = write!(text, "\nThe lines go to standard error, or to the end of the file that {OUTPUT} names.");
    text
}
