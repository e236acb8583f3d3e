//! The `pydl-python` program: Python's own command line, in the sandbox. Owns nothing: everything is in the library next to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pydl_cli::python()
}
