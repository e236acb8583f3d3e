//! Owns `pydl run`: from arguments to a process, and from its end to an exit status. Must not know linking.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use pydl_linker::LinkError;
use pydl_loader::{
    Cache, Compiler, ExitStatus, Image, Interruption, LoadError, Mount, NetworkPermission, Process,
    ProcessOptions,
};

use crate::args::{Arguments, Run, ShownFolder};
use crate::commands::build::Request;
use crate::commands::debug::{self, Debug};
use crate::commands::explain;
use crate::commands::signals::Signals;
use crate::mains;
use crate::prompt;
use crate::render::progress::Progress;
use crate::report::{NOT_LINKED, Usage, failure, guest_status, say, tell_denied, warn};

/// Runs the guest to its end.
pub fn run(run: &Run) -> Result<ExitCode> {
    let trace = match debug::from_environment()? {
        Debug::Trace(trace) => trace,
        Debug::Help(text) => {
            // As with any other help, it is not a failure if the reader has gone.
            let _ = writeln!(std::io::stdout(), "{text}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let signals = Signals::take()?;
    let main = mains::resolve(&run.main)?;
    let work = tempfile::tempdir()?;
    let built = match build(run, &main, work.path())? {
        Ok(built) => built,
        Err(status) => return Ok(status),
    };
    let options = built.iter().fold(options(run, &main)?.trace(trace), ProcessOptions::side_module);
    let image = load(&compiler(run)?, &main)?;
    let options = options.for_python(&image);
    if run.dir.is_empty() && image.lacks_standard_library()? {
        warn(&missing_library(&main));
    }
    let mut process = Process::new(&image, &options)?;
    let denied = process.denied_network();
    signals.give_to(process.interrupt_handle(), process.terminal());
    prepare(&mut process)?;
    let ended = process.run_then(|libraries| libraries.last_refused().cloned());
    let (ended, refused) = match ended {
        Ok(ended) => ended,
        Err(error) if image.main_module().is_ok_and(|main| main.needed().next().is_some()) => {
            let is_missing = matches!(&error, LoadError::Link(LinkError::NotFound(_)));
            let status = failure(&error.into());
            if is_missing {
                say("libraries that a main module needs are side modules, too: give each with --side");
            }
            say(&explain::of_main(run));
            return Ok(status);
        }
        Err(error) => return Err(error.into()),
    };
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    let status = guest_status(&ended, |path| options.host_file(path).filter(is_wheel));
    if !matches!(ended, ExitStatus::Exited(0) | ExitStatus::Interrupted | ExitStatus::Killed(_))
        && let Some(hint) = refused.and_then(|refused| explain::of_load(run, &options, &refused))
    {
        say(&hint);
    }
    if !matches!(ended, ExitStatus::Exited(0) | ExitStatus::Interrupted) {
        tell_denied(&denied.hosts());
    }
    // This program ends now: the system takes its memory back as a whole, faster than piece by piece.
    std::mem::forget(image);
    Ok(status)
}

/// Builds the sources among the arguments, each in a folder of its own; the status when one of the side modules would not load.
fn build(run: &Run, main: &Path, folder: &Path) -> Result<std::result::Result<Vec<PathBuf>, ExitCode>> {
    let mut built = Vec::new();
    for (number, path) in run.build.iter().enumerate() {
        let folder = folder.join(number.to_string());
        std::fs::create_dir(&folder)?;
        let request = Request { path, main, dev: None, headers: None, verbose: false };
        match request.build(&folder)? {
            Ok(module) => built.push(module),
            Err(report) => {
                report.reasons().for_each(|reason| say(&reason));
                return Ok(Err(ExitCode::from(NOT_LINKED)));
            }
        }
    }
    Ok(Ok(built))
}

/// The warning about a Python that will not find its standard library.
fn missing_library(main: &Path) -> String {
    let folder = main.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.display();
    format!(
        "{} is a Python without its standard library: there is neither {folder}/python_stdlib.zip, which comes with Pyodide's \
         pyodide.asm.wasm, nor {folder}/lib/python3.N",
        main.display()
    )
}

fn load(compiler: &Compiler, main: &Path) -> Result<Image> {
    let mut progress = None;
    let image = Image::from_file_with(compiler, main, || progress = Some(Progress::compiling(main)));
    drop(progress);
    Ok(image?)
}

/// Makes the byte code that does not exist yet.
fn prepare(process: &mut Process) -> Result<()> {
    let mut progress = None;
    process.prepare(|archive| progress = Some(Progress::byte_code(archive)))?;
    drop(progress);
    Ok(())
}

/// The compiler, with the cache that the user wants. A cache that cannot be used costs time but does not prevent the run, unless
/// it was requested by name.
fn compiler(run: &Run) -> Result<Compiler> {
    let compiler = Compiler::new()?.with_interruption(Interruption::WhereAsked);
    if run.no_cache {
        return Ok(compiler);
    }
    if let Some(directory) = &run.cache_dir {
        return Ok(compiler.with_cache(Cache::open(directory).map_err(LoadError::from)?));
    }
    let Some(directory) = default_cache() else { return Ok(compiler) };
    match Cache::open(directory) {
        Ok(cache) if run.dir.iter().any(|dir| cache.overlaps(&dir.host)) => {
            warn(&format!(
                "compiled code is neither used nor kept: the guest could write to it, since --dir shows {}",
                cache.directory().display()
            ));
            Ok(compiler)
        }
        Ok(cache) => Ok(compiler.with_cache(cache)),
        Err(error) => {
            warn(&format!("compiled code is not kept: {error}"));
            Ok(compiler)
        }
    }
}

/// `$PYDL_CACHE_DIR`, or `pydl` in the user's cache folder (XDG Base Directory Specification).
fn default_cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("PYDL_CACHE_DIR").or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        Some(cache?.join("pydl"))
    })
}

fn options(run: &Run, main: &Path) -> Result<ProcessOptions> {
    let mut options = ProcessOptions::new("python").inherit_streams();
    for side in &run.side {
        options = options.side_module(side);
    }
    for packages in &run.with {
        options = give_packages(options, packages)?;
    }
    for part in &run.allow_net {
        options = options.network(network(part)?);
    }
    if let Some(bytes) = run.host_memory {
        options = options.host_memory(bytes);
    }
    let mut mounts = run.dir.iter().map(mount).collect::<Result<Vec<_>>>()?;
    let cwd = run.cwd.as_deref().unwrap_or("/");
    let Arguments { words, script } = &run.python;
    let mut words = words.clone();
    if let Some(word) = script.and_then(|position| words.get_mut(position)) {
        options = give_script(options, Path::new(word), cwd, &mut mounts)?;
        *word = called(cwd, Path::new(word)).into_os_string();
    }
    for mount in mounts {
        options = options.mount(mount);
    }
    options = prompt::at_terminal(options, main);
    for assignment in &run.env {
        let (name, value) = variable(assignment).ok_or_else(|| {
            Usage(format!("--env {}: it should be NAME=VALUE", assignment.to_string_lossy()))
        })?;
        options = options.env(name, value);
    }
    if let Some(cwd) = &run.cwd {
        options = options.working_directory(cwd);
    }
    Ok(options.args(words))
}

/// Parses `NAME=VALUE`; `None` when there is no name.
fn variable(assignment: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = assignment.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..])))
}

/// Adds what `--with` names.
fn give_packages(options: ProcessOptions, packages: &Path) -> Result<ProcessOptions> {
    if packages.is_dir() {
        return Ok(options.packages(packages));
    }
    let is_wheel = packages.extension().is_some_and(|extension| extension == "whl");
    if is_wheel && packages.exists() {
        return Ok(options.wheel(packages));
    }
    let why = if packages.exists() {
        "neither a wheel (a file NAME.whl) nor a folder of packages"
    } else {
        "no such file or folder"
    };
    Err(Usage(format!("--with {}: {why}", packages.display())).into())
}

/// Parses `HOST[:PORT]`, with brackets around an IPv6 address that has a port; `*`, which is also the default without a value, is
/// everything.
fn network(text: &str) -> Result<NetworkPermission> {
    if text == "*" {
        return Ok(NetworkPermission::all());
    }
    let refused = || {
        Usage(format!(
            "--allow-net={text}: not HOST, HOST:PORT or [ADDRESS]:PORT; --allow-net alone is everything, and there are no patterns"
        ))
    };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().map_err(|_| refused())?))
        }
        _ => (text, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A character that no name and no address contains would permit nothing.
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(is_host) || host.contains(':') && host.parse::<IpAddr>().is_err()
    {
        return Err(refused().into());
    }
    Ok(NetworkPermission::host(host, port))
}

/// The mount that `--dir` specifies. Errs when it is not a folder, or would have no place in the guest.
fn mount(shown: &ShownFolder) -> Result<Mount> {
    let ShownFolder { host, guest } = shown;
    let refused = |why: String| Usage(format!("--dir {}: {why}", host.display()));
    let guest = guest_path("/", guest).ok_or_else(|| {
        refused(format!("say what its path in the guest is to be, as in --dir {}::/data", host.display()))
    })?;
    if !host.is_dir() {
        return Err(refused(if host.exists() { "not a folder" } else { "no such folder" }.to_owned()).into());
    }
    Ok(Mount { host: host.clone(), guest, read_only: false })
}

/// The absolute form of `path` in the guest, seen from the folder `from`; `None` when it leads above the root or is not UTF-8.
fn guest_path(from: &str, path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let whole = Path::new(from).join(path);
    for component in whole.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// The absolute path of a script in the guest, seen from the folder `from`: `..` of the root is the root, as everywhere. Errs
/// when it is not UTF-8.
fn script_path(from: &str, script: &Path) -> Result<String> {
    let mut parts: Vec<&str> = Vec::new();
    let whole = Path::new(from).join(script);
    for component in whole.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| {
                Usage(format!("script {}: its path is not UTF-8; give it with --dir", script.display()))
            })?),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The path by which a script is called in the guest: without `.`, in the form in which wasi-libc finds it below the folders it
/// knows, and absolute if it contains a `..` or lies in the root, where Python would otherwise call it `//NAME`.
fn called(cwd: &str, script: &Path) -> PathBuf {
    let is_up = |component: &Component<'_>| matches!(component, Component::ParentDir);
    let is_here = |component: &Component<'_>| matches!(component, Component::CurDir);
    match script_path(cwd, script) {
        Ok(absolute) if cwd == "/" || script.components().any(|component| is_up(&component)) => {
            absolute.into()
        }
        _ if script.components().all(|component| is_here(&component)) => script.into(),
        _ => script.components().filter(|component| !is_here(component)).collect(),
    }
}

/// The file that makes a folder a program.
const MAIN: &str = "__main__.py";

/// Shows the script to the guest under the path by which it is called, unless a mounted folder does so already. Nothing else in
/// its folder becomes visible. A folder with a `__main__.py` is shown as a whole, for reading.
fn give_script(
    options: ProcessOptions,
    script: &Path,
    cwd: &str,
    mounts: &mut Vec<Mount>,
) -> Result<ProcessOptions> {
    let refused = |why: &str| Usage(format!("can't open script {}: {why}", script.display()));
    let guest = script_path(cwd, script)?;
    // The innermost folder counts, as it does for the guest.
    let inside = mounts.iter().filter(|mount| Path::new(&guest).starts_with(&mount.guest));
    let mount = inside.max_by_key(|mount| mount.guest.len());
    let seen = mount
        .map(|mount| mount.host.join(Path::new(&guest).strip_prefix(&mount.guest).unwrap_or(Path::new(""))));
    let is_seen = seen.as_ref().is_some_and(|seen| seen.is_file() || seen.join(MAIN).is_file());
    // The script is what the guest sees, whatever exists by that name here.
    if is_seen && !script.exists() {
        return Ok(options);
    }
    if script.is_dir() && !script.join(MAIN).is_file() {
        return Err(refused("a folder without a __main__.py").into());
    }
    if !script.is_file() && !script.is_dir() {
        return Err(refused(if script.exists() { "not a file" } else { "no such file" }).into());
    }
    let Some(seen) = seen else {
        if !script.is_dir() {
            return Ok(options.file(script, guest));
        }
        if guest == "/" {
            let why =
                "it would be the root of the guest; show it with --dir, as in --dir .::/app, and run /app";
            return Err(refused(why).into());
        }
        mounts.push(Mount { host: script.into(), guest, read_only: true });
        return Ok(options);
    };
    if seen.canonicalize().ok() == script.canonicalize().ok() {
        return Ok(options);
    }
    let what = if is_seen { "another file" } else { "nothing" };
    Err(Usage(format!(
        "script {}: under this path the guest sees {what}, {}; name the script as the guest sees it",
        script.display(),
        seen.display()
    ))
    .into())
}
