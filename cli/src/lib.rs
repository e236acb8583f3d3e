//! The programs `pydl` and `pydl-python`: arguments in, one command run, an exit status out. It is a library only so that both
//! can share it. Owns nothing else.

mod args;
mod commands;
mod dev;
mod inputs;
mod mains;
mod npm;
mod outputs;
mod prompt;
mod render;
mod report;
mod reports;

use std::process::ExitCode;

use args::Command;

/// Runs `pydl` with the arguments of this process.
pub fn pydl() -> ExitCode {
    let command = match args::parse(std::env::args_os().collect()) {
        Ok(command) => command,
        Err(usage) => usage.exit(),
    };
    let status = match command {
        Command::Run(run) => commands::run::run(&run),
        Command::Deps(deps) if deps.diff => commands::diff::run(&deps),
        Command::Deps(deps) => commands::deps::run(&deps),
        Command::Dev(dev) => commands::dev::run(&dev),
        Command::Build(build) => commands::build::run(&build),
        Command::Link(link) => commands::link::run(&link),
        Command::Python(python) => commands::python::run(&python),
    };
    status.unwrap_or_else(|error| report::failure(&error))
}

/// Runs `pydl-python` with the arguments of this process.
pub fn python() -> ExitCode {
    commands::interpreter::run(std::env::args_os().collect()).unwrap_or_else(|error| report::failure(&error))
}
