//! Owns malicious guests: `cases/hostile/main.wat` with one function that misbehaves, and how they are run. Must not know what is expected
//! of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use pydl_loader::{Captured, Compiler, ExitStatus, Image, Process, ProcessOptions};

use crate::wasm::assemble;

/// The time after which a guest counts as hanging.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The main module: the replacements of the words in braces, by word, and the files it serves as `/0`, `/1` and so on.
#[derive(Default, Debug)]
pub struct Guest {
    parts: BTreeMap<&'static str, String>,
    libraries: Vec<Vec<u8>>,
}

impl Guest {
    /// A guest that serves these files.
    #[must_use]
    pub fn new(libraries: &[Vec<u8>]) -> Guest {
        Guest { libraries: libraries.to_vec(), parts: BTreeMap::new() }
    }

    /// This guest with a word in braces replaced.
    #[must_use]
    pub fn with(mut self, word: &'static str, text: impl Into<String>) -> Guest {
        self.parts.insert(word, text.into());
        self
    }

    fn assemble(&self) -> Vec<u8> {
        let path = crate::repository().join("tests/cases/hostile/main.wat");
        let mut text = fs::read_to_string(path).unwrap();
        let data = |address: usize, bytes: &[u8]| {
            let mut segment = format!("(data (i32.const {address}) \"");
            for byte in bytes {
                write!(segment, "\\{byte:02x}").unwrap();
            }
            segment + "\")\n"
        };
        let mut libraries = String::new();
        let mut at = 0x4_0000;
        for (number, library) in self.libraries.iter().enumerate() {
            let record = [at, library.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes()).concat();
            libraries += &data(1024 + 8 * number, &record);
            libraries += &data(at, library);
            at += library.len().next_multiple_of(16);
        }
        assert!(at < 0x20_0000, "the heap begins there");
        text = text.replace("{libraries}", &libraries).replace("{count}", &self.libraries.len().to_string());
        for word in ["definitions", "malloc", "aligned_alloc", "free", "read_file", "after_reading", "start"]
        {
            text = text.replace(&format!("{{{word}}}"), self.parts.get(word).map_or("", String::as_str));
        }
        assemble(&text)
    }

    /// The process of the guest, which does not run yet.
    ///
    /// # Panics
    ///
    /// Panics when the text is malformed.
    #[must_use]
    pub fn process(&self, stdout: &Captured) -> Process {
        static COMPILER: OnceLock<Compiler> = OnceLock::new();
        let folder = private_folder();
        let main = folder.path().join("main.wasm");
        fs::write(&main, self.assemble()).unwrap();
        let image = Image::from_file(COMPILER.get_or_init(|| Compiler::new().unwrap()), &main).unwrap();
        // What the linker has to know is read when the first library is opened, and by then the file is gone.
        image.main_module().unwrap();
        Process::new(&image, &ProcessOptions::new("hostile").stdout(stdout)).unwrap()
    }

    /// How the guest ends, and what it prints.
    ///
    /// # Panics
    ///
    /// Panics when it hangs.
    #[must_use]
    pub fn run(&self) -> (ExitStatus, String) {
        let stdout = Captured::new();
        let process = self.process(&stdout);
        let handle = process.interrupt_handle();
        let (ended, end) = mpsc::channel();
        let running = thread::spawn(move || {
            let status = process.run();
            let _ = ended.send(());
            status
        });
        if end.recv_timeout(PATIENCE).is_err() {
            handle.terminate();
            panic!("it hangs; so far: {}", String::from_utf8_lossy(&stdout.contents()));
        }
        let status = running.join().unwrap().unwrap();
        (status, String::from_utf8_lossy(&stdout.contents()).into_owned())
    }

    /// What the guest prints before it ends with status 0.
    ///
    /// # Panics
    ///
    /// Panics when it ends in another way.
    #[must_use]
    pub fn says(&self) -> String {
        let (status, text) = self.run();
        assert_eq!(status, ExitStatus::Exited(0), "{text}");
        text
    }
}

/// A side module with 16 bytes of static data and two table slots.
#[must_use]
pub fn library(text: &str) -> Vec<u8> {
    assemble(&format!(
        r#"(module (@dylink.0 (mem-info (memory 16 4) (table 2 0)))
        (import "env" "memory" (memory 1)) {text}
        (func (export "f") (result i32) i32.const 42))"#
    ))
}

/// A temporary folder that may hold a cache, whatever the umask is.
///
/// # Panics
///
/// Panics when it cannot be made.
#[must_use]
pub fn private_folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}
