//! Owns Python's prompt at a terminal: what a guest is told about the terminal, and the line editor for guests whose Python has
//! none. Must not know how the guest reads.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use pydl_loader::{Installation, LineEditor, ProcessOptions, Typed};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};

/// What the Tab key inserts at the beginning of a line, as in CPython's own prompt.
const INDENTATION: &str = "    ";

/// The settings of Python's prompt, if there is a terminal: the kind of terminal, or the request for the plain prompt, which does
/// not complain about what it lacks, with the line editor of pydl.
pub fn at_terminal(options: ProcessOptions, main: &Path) -> ProcessOptions {
    if !std::io::stdin().is_terminal() {
        return options;
    }
    if !Installation::beside(main).is_some_and(|python| python.edits_lines()) {
        return options.env("PYTHON_BASIC_REPL", "1").line_editor(Editor::default());
    }
    match std::env::var_os("TERM") {
        Some(terminal) => options.env("TERM", terminal),
        None => options,
    }
}

/// The line editor: rustyline's, on a thread of its own, where it keeps what was typed ahead. The guest's thread requests lines
/// from it, and meanwhile answers its requests for completions.
#[derive(Default)]
struct Editor {
    thread: Option<EditorThread>,
}

struct EditorThread {
    prompts: Sender<String>,
    answers: Sender<(u64, Vec<String>)>,
    events: Receiver<Event>,
}

/// How long the Tab key waits for the guest: the guest's code may run forever, and the keyboard must not wait that long.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the editor's thread sends.
enum Event {
    /// A request for the completions of this text. The number is to be repeated in the answer.
    Complete(u64, String),
    Typed(Typed),
}

impl LineEditor for Editor {
    fn read_line(&mut self, prompt: &str, complete: &mut dyn FnMut(&str) -> Vec<String>) -> Typed {
        let thread = self.thread.get_or_insert_with(EditorThread::start);
        let mut is_asked = thread.prompts.send(prompt.to_owned()).is_ok();
        while is_asked {
            match thread.events.recv() {
                Ok(Event::Complete(number, text)) => {
                    is_asked = thread.answers.send((number, complete(&text))).is_ok();
                }
                Ok(Event::Typed(typed)) => return typed,
                Err(_) => break,
            }
        }
        Typed::End
    }
}

impl EditorThread {
    /// Starts a thread that edits lines until no more are requested, or it cannot go on.
    fn start() -> EditorThread {
        let (prompts, asked) = mpsc::channel::<String>();
        let (answers, completions) = mpsc::channel();
        let (says, events) = mpsc::channel();
        let edit = move || {
            let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true);
            let mut editor = rustyline::Editor::with_history(config.build(), MemHistory::new()).ok()?;
            editor.set_helper(Some(Words { asks: says.clone(), completions, asked: Cell::new(0) }));
            loop {
                let typed = match editor.readline(&asked.recv().ok()?) {
                    Ok(line) => Typed::Line(line),
                    Err(ReadlineError::Interrupted) => Typed::Interrupt,
                    Err(_) => Typed::End,
                };
                says.send(Event::Typed(typed)).ok()?;
            }
        };
        // Without a thread, nothing answers, which means the end of input.
        let _ = thread::Builder::new().name("line editor".to_owned()).spawn(move || -> Option<()> { edit() });
        EditorThread { prompts, answers, events }
    }
}

/// Completes the word before the cursor.
struct Words {
    asks: Sender<Event>,
    completions: Receiver<(u64, Vec<String>)>,
    /// The number of requests so far.
    asked: Cell<u64>,
}

impl Words {
    /// The completions of a text; none if the answer is late. A late answer does not count for the next request.
    fn ask(&self, text: &str) -> Option<Vec<String>> {
        let number = self.asked.get().wrapping_add(1);
        self.asked.set(number);
        self.asks.send(Event::Complete(number, text.to_owned())).ok()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (of, words) = self.completions.recv_timeout(left).ok()?;
            if of == number {
                return Some(words);
            }
        }
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..position).unwrap_or_default();
        if before.trim().is_empty() {
            return Ok((position, vec![INDENTATION.to_owned()]));
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let word = before.trim_end_matches(is_word).len();
        Ok((word, self.ask(&before[word..]).unwrap_or_default()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}
