//! Owns the line that shows to a waiting person what takes so long. Silent when stderr is not a terminal.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A line on the terminal that counts the seconds; dropping it erases it.
pub struct Progress {
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Shows that a main module is being compiled.
    pub fn compiling(main: &Path) -> Progress {
        Progress::of(format!("Compiling {} for this machine, once", name(main)))
    }

    /// Shows that byte code is being made for the sources in an archive.
    pub fn byte_code(archive: &Path) -> Progress {
        Progress::of(format!("Compiling the Python sources of {}, once", name(archive)))
    }

    /// Shows that a module is being linked.
    pub fn linking(output: &Path) -> Progress {
        Progress::of(format!("Linking {}", name(output)))
    }

    fn of(work: String) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { ticker: None };
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let ticker = thread::spawn(move || {
            let start = Instant::now();
            loop {
                eprint!("\r{work} ... {} s", start.elapsed().as_secs());
                let _ = std::io::stderr().flush();
                match stopped.recv_timeout(Duration::from_secs(1)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            // The sequence is a carriage return, and erase to the end of the line (ECMA-48).
            eprint!("\r\x1b[K");
        });
        Progress { ticker: Some((stop, ticker)) }
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, ticker)) = self.ticker.take() {
            drop(stop);
            let _ = ticker.join();
        }
    }
}
