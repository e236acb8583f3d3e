//! The `pydl` program. Owns nothing: everything is in the library next to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pydl_cli::pydl()
}
