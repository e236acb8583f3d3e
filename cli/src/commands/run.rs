//! Owns `pydl run`: from arguments to a process, and from its end to an exit status. Must not know linking.

use std::io::{IsTerminal, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use pydl_loader::{
    Cache, Compiler, ExitStatus, Image, InterruptHandle, Interruption, Mount, NetworkPermission, Process,
    ProcessOptions,
};

use crate::args::{Arguments, Run};
use crate::commands::debug::{self, Debug};
use crate::commands::explain;
use crate::mains;
use crate::render::progress::Progress;
use crate::report::{INTERRUPTED, Usage, failure, guest_status, say, tell_denied, warn};

/// Runs the guest to its end.
pub fn run(run: &Run) -> Result<ExitCode> {
    let trace = match debug::from_environment()? {
        Debug::Trace(trace) => trace,
        Debug::Help(text) => {
            // As with any other help, a reader who has gone is no failure.
            let _ = writeln!(std::io::stdout(), "{text}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let main = mains::resolve(&run.main)?;
    let options = options(run, &main)?.trace(trace);
    let image = load(&compiler(run)?, &main)?;
    if run.dir.is_empty() && image.lacks_standard_library()? {
        warn(&missing_library(&main));
    }
    let process = Process::new(&image, &options)?;
    interrupt_on_ctrl_c(process.interrupt_handle())?;
    let denied = process.denied_network();
    let ended = process.run_then(|libraries| libraries.last_refused().cloned());
    let (ended, refused) = match ended {
        Ok(ended) => ended,
        Err(error) if image.main_module().is_ok_and(|main| main.needed().next().is_some()) => {
            let status = failure(&error.into());
            say(&explain::of_main(run));
            return Ok(status);
        }
        Err(error) => return Err(error.into()),
    };
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    let status = guest_status(&ended, |path| options.host_file(path).filter(is_wheel));
    if !matches!(ended, ExitStatus::Exited(0) | ExitStatus::Interrupted)
        && let Some(hint) = refused.and_then(|refused| explain::of_load(run, &options, &refused))
    {
        say(&hint);
    }
    if !matches!(ended, ExitStatus::Exited(0) | ExitStatus::Interrupted) {
        tell_denied(&denied.hosts());
    }
    Ok(status)
}

/// What to say of a Python that will not find its standard library.
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

/// The compiler with the cache the user wants. A cache that cannot be used costs time, not the run, unless it was asked
/// for by name.
fn compiler(run: &Run) -> Result<Compiler> {
    let compiler = Compiler::new()?.with_interruption(Interruption::WhereAsked);
    if run.no_cache {
        return Ok(compiler);
    }
    if let Some(directory) = &run.cache_dir {
        return Ok(compiler.with_cache(Cache::open(directory).map_err(pydl_loader::LoadError::from)?));
    }
    let Some(directory) = default_cache() else { return Ok(compiler) };
    match Cache::open(directory) {
        Ok(cache)
            if run.dir.iter().filter_map(|dir| mount(dir).ok()).any(|dir| cache.overlaps(&dir.host)) =>
        {
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
    let mut options = ProcessOptions::python(main).inherit_streams();
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
    let mounts = run.dir.iter().map(|dir| mount(dir)).collect::<Result<Vec<_>>>()?;
    let cwd = run.cwd.as_deref().unwrap_or("/");
    let Arguments { words, script } = &run.python;
    if let Some(script) = script.and_then(|position| words.get(position)) {
        options = give_script(options, Path::new(script), cwd, &mounts)?;
    }
    for mount in mounts {
        options = options.mount(mount);
    }
    if words.is_empty() && std::io::stdin().is_terminal() {
        // Python's new prompt needs a terminal interface that WASI has not, and would complain.
        options = options.env("PYTHON_BASIC_REPL", "1");
    }
    for assignment in &run.env {
        let (name, value) = assignment
            .split_once('=')
            .ok_or_else(|| Usage(format!("--env {assignment}: it should be NAME=VALUE")))?;
        options = options.env(name, value);
    }
    if let Some(cwd) = &run.cwd {
        options = options.working_directory(cwd);
    }
    for (position, argument) in words.iter().enumerate() {
        let plain = plain_path(cwd, Path::new(argument));
        let argument = if *script == Some(position) { plain.as_os_str() } else { argument };
        let text = argument.to_str().ok_or_else(|| {
            Usage(format!("argument {}: WASI passes UTF-8 only", argument.to_string_lossy()))
        })?;
        options = options.args([text]);
    }
    Ok(options)
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

/// Reads `HOST[:PORT]`, with brackets around an IPv6 address that has a port; nothing is everything.
fn network(text: &str) -> Result<NetworkPermission> {
    if text.is_empty() {
        return Ok(NetworkPermission::all());
    }
    let refused = || Usage(format!("--allow-net={text}: not HOST, HOST:PORT or [ADDRESS]:PORT"));
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().map_err(|_| refused())?))
        }
        _ => (text, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(refused().into());
    }
    Ok(NetworkPermission::host(host, port))
}

/// Reads `HOST[::GUEST]`.
fn mount(dir: &str) -> Result<Mount> {
    let (host, guest) = match dir.split_once("::") {
        Some((host, guest)) => (host, guest_path("/", Path::new(guest))),
        None => (dir, guest_path("/", Path::new(dir))),
    };
    let guest = guest.ok_or_else(|| {
        Usage(format!("--dir {dir}: say what its path in the guest is to be, as in --dir {host}::/data"))
    })?;
    if !Path::new(host).is_dir() {
        let why = if Path::new(host).exists() { "not a folder" } else { "no such folder" };
        return Err(Usage(format!("--dir {dir}: {host}: {why}")).into());
    }
    Ok(Mount { host: host.into(), guest, read_only: false })
}

/// The absolute form of `path` in the guest, seen from folder `from`; `None` when it leads out of the root or is not
/// UTF-8.
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

/// A script's path as wasi-libc finds it beneath the folders it knows: without `.`, and absolute if there is a `..`.
fn plain_path(cwd: &str, path: &Path) -> PathBuf {
    let is_up = |component: &Component<'_>| matches!(component, Component::ParentDir);
    let is_here = |component: &Component<'_>| matches!(component, Component::CurDir);
    match guest_path(cwd, path) {
        Some(absolute) if path.components().any(|component| is_up(&component)) => absolute.into(),
        _ => path.components().filter(|component| !is_here(component)).collect(),
    }
}

/// Shows the script to the guest under the path it is called by, unless a mounted folder does so already. Nothing else
/// of its folder becomes visible.
fn give_script(
    options: ProcessOptions,
    script: &Path,
    cwd: &str,
    mounts: &[Mount],
) -> Result<ProcessOptions> {
    let guest = guest_path(cwd, script).ok_or_else(|| {
        anyhow!(Usage(format!("script {}: its path leads out of the guest", script.display())))
    })?;
    if !script.is_file() {
        let why = if script.exists() { "not a file" } else { "no such file" };
        return Err(Usage(format!("can't open script {}: {why}", script.display())).into());
    }
    // The innermost folder counts, as it does for the guest.
    let inside = mounts.iter().filter(|mount| Path::new(&guest).starts_with(&mount.guest));
    let Some(mount) = inside.max_by_key(|mount| mount.guest.len()) else {
        return Ok(options.file(script, guest));
    };
    let rest = Path::new(&guest).strip_prefix(&mount.guest).unwrap_or(Path::new(""));
    let seen = mount.host.join(rest);
    if seen.canonicalize().ok() == script.canonicalize().ok() {
        return Ok(options);
    }
    Err(Usage(format!(
        "script {}: the guest would see {} under this path; name the script as the guest sees it",
        script.display(),
        seen.display()
    ))
    .into())
}

/// How long a guest has to notice a Ctrl-C before another one ends this program.
const PATIENCE: Duration = Duration::from_secs(1);

/// Hands Ctrl-C to the guest.
fn interrupt_on_ctrl_c(guest: InterruptHandle) -> Result<()> {
    let mut since = Instant::now();
    let handler = move || {
        if !guest.is_pending() {
            since = Instant::now();
        } else if since.elapsed() > PATIENCE {
            std::process::exit(INTERRUPTED.into());
        }
        guest.interrupt();
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be handled")
}
