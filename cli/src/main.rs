//! The `pydl` program: arguments in, one command run, an exit status out. Owns nothing else.

mod args;
mod commands;
mod render;
mod report;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os().collect()) {
        Ok(command) => command,
        Err(usage) => usage.exit(),
    };
    let status = match command {
        Command::Run(run) => commands::run::run(&run),
        Command::Deps(deps) => commands::deps::run(&deps),
    };
    status.unwrap_or_else(|error| report::failure(&error))
}
