//! Owns the line that tells a waiting person what takes so long. Silent when stderr is not a terminal.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A line on the terminal that counts the seconds; dropping it takes it away.
pub struct Progress {
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Tells that `main` is being compiled.
    pub fn compiling(main: &Path) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { ticker: None };
        }
        let name = main.file_name().unwrap_or(main.as_os_str()).to_string_lossy().into_owned();
        let (stop, stopped) = mpsc::channel::<()>();
        let ticker = thread::spawn(move || {
            let start = Instant::now();
            loop {
                eprint!("\rCompiling {name} for this machine, once ... {} s", start.elapsed().as_secs());
                let _ = std::io::stderr().flush();
                match stopped.recv_timeout(Duration::from_secs(1)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            // Carriage return, erase to the end of the line (ECMA-48).
            eprint!("\r\x1b[K");
        });
        Progress { ticker: Some((stop, ticker)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, ticker)) = self.ticker.take() {
            drop(stop);
            let _ = ticker.join();
        }
    }
}
