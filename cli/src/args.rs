//! Owns the command line: its grammar, its help, and where pydl's own arguments end and Python's begin. Must not know
//! what commands do.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Run Python on WebAssembly with C extensions, and inspect them.
///
/// pydl runs a CPython that was compiled to WebAssembly, in a sandbox, and loads its C extensions: side modules, which
/// are `.so` files in the format of WebAssembly dynamic linking.
#[derive(Parser, Debug)]
#[command(name = "pydl", version, max_term_width = 100, after_long_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status:
  The guest's own; for `deps`, 0 when every file would load as far as can be told, else 1.
  2    the command line is wrong
  126  a file cannot be read, or is not what it should be
  127  a file cannot be linked, or a function that was left to be bound when called
  130  the guest was interrupted
  134  the guest ended in a trap";

#[derive(Subcommand, Debug)]
pub enum Command {
    Run(Run),
    Deps(Deps),
    Build(Build),
    Link(Link),
    Dev(Dev),
    Python(Python),
}

/// Run a main module, such as python.wasm, with side modules
///
/// Python's own arguments begin at SCRIPT, at a Python option such as -c, -m or -u, or after --, and are passed on unchanged. Without
/// any, Python reads its standard input: a script, or what you type.
///
/// SCRIPT is a file, a folder with a `__main__.py`, or a zip application.
///
/// The guest sees nothing of this machine except what is given here: the standard library beside MAIN, the side modules,
/// SCRIPT itself, and what --dir and --env name.
#[derive(Args, Debug)]
#[command(
    override_usage = "pydl run MAIN [OPTIONS] [SCRIPT | -c CODE | -m MODULE | --] [ARGS]...",
    after_help = RUN_EXAMPLES
)]
pub struct Run {
    /// The main module: a python.wasm built for WASI, with lib/python3.N beside it; or a name such as python or
    /// python@3.14 for one that `pydl python fetch` has downloaded
    pub main: PathBuf,
    /// Make a side module importable (repeatable)
    #[arg(long, value_name = "FILE")]
    pub side: Vec<PathBuf>,
    /// Build a side module from a file of C or C++, as `pydl build` does, and make it importable (repeatable)
    #[arg(long, value_name = "FILE")]
    pub build: Vec<PathBuf>,
    /// Make packages importable: a wheel, or a folder that pip filled with --target (repeatable, see docs/wheels.md)
    #[arg(long, value_name = "WHEEL|DIR")]
    pub with: Vec<PathBuf>,
    /// Show a folder to the guest, for reading and writing, by default under the same path (repeatable)
    #[arg(long, value_name = "HOST[::GUEST]", value_parser = ShownFolder::parser())]
    pub dir: Vec<ShownFolder>,
    /// Set an environment variable (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,
    /// Let the guest use the network: all of it, or with `=` one host and port (repeatable), to connect to and, if the address
    /// is one of this machine's, to listen on. A name stands for public addresses only; name addresses of this machine and of
    /// private networks by number, or as localhost. By default the guest has only a loopback of its own. For Emscripten main modules
    #[arg(long, value_name = "HOST[:PORT]", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub allow_net: Vec<String>,
    /// Limit the host memory kept for the guest in addition to its own: files outside of --dir, pipes, sockets and so on. In bytes, or
    /// with the suffix K, M or G in KiB, MiB or GiB [default: 1G]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub host_memory: Option<u64>,
    /// Start in this guest folder [default: /]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Keep compiled code here [default: `$PYDL_CACHE_DIR`, or pydl in the user's cache folder]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    pub cache_dir: Option<PathBuf>,
    /// Keep no compiled code
    #[arg(long)]
    pub no_cache: bool,
    /// Everything from SCRIPT, a Python option, or -- on
    #[arg(skip)]
    pub python: Arguments,
}

/// Build a side module for a main module, from one file of C or C++
///
/// The compiler is the first of: wasi-sdk (in `$WASI_SDK_PATH` or /opt/wasi-sdk); clang, wasm-ld and wasi-libc as Debian has them; zig, on
/// the PATH or as the package ziglang of Python. What it prints is passed on. The side module is written only if MAIN would load it.
#[derive(Args, Debug)]
#[command(after_help = BUILD_EXAMPLES)]
pub struct Build {
    /// The source file
    pub path: PathBuf,
    /// The main module to build for; for WASI
    #[arg(long, value_name = "MAIN")]
    pub main: PathBuf,
    /// Write the side module here [default: the name of its Python module, in this folder]
    #[arg(long, short, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Take headers from this package, which `pydl dev make` has made [default: one is made for the build]
    #[arg(long, value_name = "DIR", conflicts_with = "headers")]
    pub dev: Option<PathBuf>,
    /// Take CPython's headers from this folder: a source folder, or the one that contains Python.h [default: include/python3.N beside MAIN]
    #[arg(long, value_name = "DIR")]
    pub headers: Option<PathBuf>,
    /// Show the compiler and its commands
    #[arg(long, short)]
    pub verbose: bool,
}

const BUILD_EXAMPLES: &str = "\
Examples:
  pydl build fputsmodule.c --main python.wasm && pydl run python.wasm --side fputs.so -c 'import fputs'
  pydl run python.wasm --build fputsmodule.c -c 'import fputs'";

/// Make what builds for a main module need
#[derive(Args, Debug)]
pub struct Dev {
    #[command(subcommand)]
    pub command: DevCommand,
}

#[derive(Subcommand, Debug)]
pub enum DevCommand {
    Make(DevMake),
}

/// Make a folder, or a .tar.gz file, with headers, configuration and exports of a main module
///
/// In it: CPython's headers with the `pyconfig.h` of MAIN, made of what CPython's build recorded in `_sysconfigdata`; that file; the list of
/// symbols that MAIN exports; for WASI, `dlfcn.h` and `libdl.c`; and pydl-dev.json, which says what it was made of. `pydl build --dev` refuses a
/// package that was made for another main module.
#[derive(Args, Debug)]
pub struct DevMake {
    /// The main module
    pub main: PathBuf,
    /// Write the package here: a new folder, or a file whose name ends with .tar.gz
    #[arg(long, short, value_name = "DIR|FILE.tar.gz")]
    pub output: PathBuf,
    /// Take CPython's headers from this folder: a source folder, or the one that contains Python.h [default: include/python3.N beside MAIN]
    #[arg(long, value_name = "DIR")]
    pub headers: Option<PathBuf>,
}

/// Link side modules into a main module, for hosts that have no dynamic linker
///
/// The output is one module that contains MAIN and the side modules, bound as `dlopen` would bind them. A WASI program runs in
/// any host of WASI then. Its extension modules are built-in modules of Python, and dlopen, dlsym and dladdr know the side modules.
#[derive(Args, Debug)]
#[command(after_help = LINK_EXAMPLES)]
pub struct Link {
    /// The main module
    pub main: PathBuf,
    /// Link this side module in, with what it needs (repeatable)
    #[arg(long, value_name = "FILE")]
    pub side: Vec<PathBuf>,
    /// Link the side modules of a wheel in (repeatable)
    #[arg(long, value_name = "WHEEL")]
    pub with: Vec<PathBuf>,
    /// Write the module here
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Put the standard library beside MAIN and the files of the wheels inside, as a read-only folder
    #[arg(long)]
    pub embed_lib: bool,
    /// Leave out functions that nothing reaches; dlsym then finds symbols of the side modules only
    #[arg(long)]
    pub gc: bool,
    /// Let the program ask its host for other libraries, as MAIN does; it then needs a host with a dynamic linker
    #[arg(long)]
    pub dynamic: bool,
}

const LINK_EXAMPLES: &str = "\
Examples:
  pydl link python.wasm --side fputs.so -o python-fputs.wasm
  wasmtime run --dir lib::/usr/local/lib python-fputs.wasm -c 'import fputs'
  pydl link python.wasm --side fputs.so --embed-lib --gc -o all.wasm && wasmtime run all.wasm -c 'import fputs'";

/// A folder to show to the guest, exactly as it was specified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownFolder {
    /// Path of the folder.
    pub host: PathBuf,
    /// Path of the folder in the guest, seen from the root.
    pub guest: PathBuf,
}

impl ShownFolder {
    /// A folder shown under its own path.
    pub fn as_it_is(host: &Path) -> ShownFolder {
        ShownFolder { host: host.to_owned(), guest: host.to_owned() }
    }

    /// Parses `HOST[::GUEST]`.
    fn parser() -> impl TypedValueParser<Value = ShownFolder> {
        OsStringValueParser::new().map(|text| {
            let bytes = text.as_bytes();
            let place = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
            match bytes.windows(2).position(|two| two == b"::") {
                Some(at) => ShownFolder { host: place(&bytes[..at]), guest: place(&bytes[at + 2..]) },
                None => ShownFolder::as_it_is(Path::new(&text)),
            }
        })
    }
}

const RUN_EXAMPLES: &str = "\
Examples:
  pydl run python.wasm -c 'print(1)'
  pydl run python.wasm --side fputs.so -c 'import fputs; print(fputs.__file__)'
  pydl run python.wasm --dir . script.py --verbose
  pydl run python.wasm --dir data::/data --cwd /data -m json.tool in.json
  pydl run python@3.14 --with NAME.whl -c 'import NAME'
  echo 'print(2)' | pydl run python.wasm

PYDL_DEBUG=libs,symbols,bindings,reloc,plan,statistics,all,help tells what the dynamic linker does (see docs/debugging.md).";

/// Parses a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']) {
        digits if digits.len() + 1 < text.len() => ("", 0),
        digits => match text.as_bytes().last() {
            Some(b'K' | b'k') => (digits, 1_u64 << 10),
            Some(b'M' | b'm') => (digits, 1 << 20),
            Some(b'G' | b'g') => (digits, 1 << 30),
            _ => (digits, 1),
        },
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| "not a number of bytes, such as 67108864, 64M or 2G".to_owned())
}

/// Python's part of the command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Arguments {
    /// The arguments after `argv[0]`.
    pub words: Vec<OsString>,
    /// The index of SCRIPT among them, which the guest is to see.
    pub script: Option<usize>,
}

/// Show what side modules need and offer, and whether they load
///
/// For each side module: its memory and table needs, the libraries it needs, how it was built, imports by kind, exports, the
/// Python modules it defines, and a verdict. With --main, every import is marked with the module that provides it, by the rules of a real load.
/// A wheel is checked as `pydl run --with` does, with every side module in it. Folders are searched
/// for side modules and wheels, in sorted order. NEEDED libraries are looked for in --library-path, along the runtime paths of files in
/// wheels, and among the FILEs.
#[derive(Args, Debug, Default)]
#[command(after_help = DEPS_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the command line")]
pub struct Deps {
    /// Side modules, wheels, and folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// The main module to check against, as for `pydl run`
    #[arg(long, value_name = "MAIN")]
    pub main: Option<PathBuf>,
    /// Look for NEEDED libraries here first (repeatable)
    #[arg(long, value_name = "DIR")]
    pub library_path: Vec<PathBuf>,
    /// Explain one symbol: which modules need it, which would provide it, and which definitions that one shadows
    #[arg(long, value_name = "SYMBOL", requires = "main")]
    pub why: Option<String>,
    /// Compare two main modules or libraries, OLD and NEW: which symbols NEW adds, drops and changes
    #[arg(long, conflicts_with_all = ["main", "why", "library_path", "graph", "map"])]
    pub diff: bool,
    /// Draw how many symbols each module takes from which others: a picture, an interactive page, or text for Graphviz
    #[arg(long, value_name = "FORMAT", value_enum, requires = "main", conflicts_with_all = ["why", "json", "quiet"])]
    pub graph: Option<GraphFormat>,
    /// Show the memory and the function table of a process that loads all the files, in order: as text, or with =svg as a picture
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        requires = "main",
        conflicts_with_all = ["why", "json", "quiet", "graph"]
    )]
    pub map: Option<MapFormat>,
    /// Print everything: each import with its provider, and each export
    #[arg(long, short, conflicts_with_all = ["why", "json", "quiet", "graph", "map", "diff"])]
    pub all: bool,
    /// Print JSON (see docs/deps.md)
    #[arg(long)]
    pub json: bool,
    /// Print only what cannot be read; the exit status gives the verdict
    #[arg(long, short, conflicts_with_all = ["json", "why"])]
    pub quiet: bool,
}

/// The format of a graph.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum GraphFormat {
    Svg,
    Html,
    Dot,
}

/// The format of a map.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapFormat {
    Text,
    Svg,
}

const DEPS_EXAMPLES: &str = "\
Examples:
  pydl deps fputs.so
  pydl deps fputs.so --main python.wasm
  pydl deps dist/NAME.whl --main python@3.14
  pydl deps build --main python.wasm --library-path libs --json
  pydl deps build --main python.wasm --why inflate
  pydl deps dist --main python@3.14 --quiet && echo good
  pydl deps build --main python.wasm --graph html > build.html
  pydl deps build --main python.wasm --map
  pydl deps --diff python@3.13 python@3.14

Exit status:
  0    everything loads, as far as can be told
  1    something does not load; with --diff, something is gone or changed
  126  a file cannot be read, or is not a WebAssembly module";

/// Fetch Python main modules, and make environments around them
///
/// Main modules come from Pyodide's npm package, unmodified, by the machine's own npm. They are kept in `$PYDL_DATA_DIR`, or pydl
/// in the user's data folder. `pydl run python@3.14` runs one.
#[derive(Args, Debug)]
#[command(after_help = PYTHON_EXAMPLES)]
pub struct Python {
    #[command(subcommand)]
    pub command: PythonCommand,
}

#[derive(Subcommand, Debug)]
pub enum PythonCommand {
    /// Download a main module and check that it is the published one
    Fetch {
        /// A version of Python (3.14, 3.13, 3.12) or of Pyodide (314.0.7, or a pre-release as 315.0.0-alpha.2) [default: 3.14]
        version: Option<String>,
    },
    /// List the fetched main modules, newest first
    List,
    /// Print the path of a fetched main module
    Path {
        /// A version of Python or of Pyodide [default: the newest]
        version: Option<String>,
    },
    /// Remove a fetched main module
    Remove {
        /// A version of Python or of Pyodide
        version: String,
    },
    /// Make an environment: a folder with a python program for other tools to call, and with its own packages
    Venv {
        /// The folder to make
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The main module, as for `pydl run` [default: the newest that was fetched]
        #[arg(long, value_name = "MAIN", default_value = "python", hide_default_value = true)]
        python: PathBuf,
    },
}

const PYTHON_EXAMPLES: &str = "\
Examples:
  pydl python fetch
  pydl run python@3.14 -c 'print(1)'
  pydl python venv env --python python@3.14
  env/bin/python -m json.tool in.json";

/// Parses a whole command line, program name first.
pub fn parse(mut line: Vec<OsString>) -> Result<Command, clap::Error> {
    let python = match line.get(1).and_then(|word| word.to_str()) {
        Some("run") => split_python(&mut line),
        _ => Arguments::default(),
    };
    let mut matches = Cli::command().try_get_matches_from(line)?;
    let mut command = Cli::from_arg_matches_mut(&mut matches)?.command;
    if let Command::Run(run) = &mut command {
        run.python = python;
    }
    Ok(command)
}

/// Splits a `run` line where Python's arguments begin: after the main module, at the first word that is neither an option of pydl
/// nor the value of one. pydl has no one-letter options except `-h`, so all others belong to Python. A `--` at that place belongs
/// to neither.
fn split_python(line: &mut Vec<OsString>) -> Arguments {
    let command = Cli::command();
    let run = command.find_subcommand("run");
    let takes_next = |word: &OsStr| {
        let name = word.to_str().and_then(|word| word.strip_prefix("--")).unwrap_or_default();
        let mut options = run.into_iter().flat_map(clap::Command::get_arguments);
        let takes = |o: &clap::Arg| o.get_action().takes_values() && !o.is_require_equals_set();
        options.any(|o| o.get_long() == Some(name) && takes(o))
    };
    let mut at = 2;
    let mut has_main = false;
    while let Some(word) = line.get(at) {
        let bytes = word.as_encoded_bytes();
        let is_long = bytes.starts_with(b"--") && bytes.len() > 2;
        if !bytes.starts_with(b"-") && !has_main {
            has_main = true;
            at += 1;
        } else if has_main && !is_long && bytes != b"-h" {
            break;
        } else {
            at += if takes_next(word) { 2 } else { 1 };
        }
    }
    let mut words = line.split_off(at.min(line.len()));
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
        return Arguments { words, script: None };
    }
    let script = script(&words);
    Arguments { words, script }
}

/// The index of the script among Python's arguments: the first that is not an option, unless an option before it takes the place
/// of a script. The options with a value are those of CPython's manual.
pub fn script(arguments: &[OsString]) -> Option<usize> {
    let mut position = 0;
    loop {
        let word = arguments.get(position)?.as_encoded_bytes();
        match word {
            b"-" => return None,
            b"--check-hash-based-pycs" => position = position.checked_add(2)?,
            [b'-', b'-', ..] => position = position.checked_add(1)?,
            [b'-', flags @ ..] => {
                // One-letter flags may be combined; the first that takes a value takes the rest of the word, or the next word.
                match flags.iter().position(|flag| b"cmWX".contains(flag)) {
                    Some(at) if matches!(flags.get(at), Some(b'c' | b'm')) => return None,
                    Some(at) if at.checked_add(1)? == flags.len() => position = position.checked_add(2)?,
                    _ => position = position.checked_add(1)?,
                }
            }
            _ => return Some(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &str) -> Run {
        let line = std::iter::once("pydl").chain(words.split(' ')).map(OsString::from).collect();
        match parse(line) {
            Ok(Command::Run(run)) => run,
            other => panic!("{other:?}"),
        }
    }

    fn python(words: &str) -> Vec<String> {
        run(words).python.words.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn python_begins_at_script_c_m_or_dashes() {
        assert_eq!(python("run main.wasm script.py --side x"), ["script.py", "--side", "x"]);
        assert_eq!(python("run main.wasm -c pass -- --help"), ["-c", "pass", "--", "--help"]);
        assert_eq!(python("run main.wasm -m json.tool -h"), ["-m", "json.tool", "-h"]);
        assert_eq!(python("run main.wasm -- -I -c pass"), ["-I", "-c", "pass"]);
        assert_eq!(python("run main.wasm -"), ["-"]);
        assert!(python("run main.wasm --").is_empty());
        assert!(python("run main.wasm").is_empty());
        assert_eq!(python("run main.wasm -Ic pass --side x"), ["-Ic", "pass", "--side", "x"]);
        assert_eq!(python("run main.wasm --env A=1 -X dev s.py"), ["-X", "dev", "s.py"]);
    }

    #[test]
    fn an_option_whose_value_needs_an_equals_sign_takes_no_other_word() {
        assert_eq!(python("run main.wasm --allow-net -c 1"), ["-c", "1"]);
        assert_eq!(python("run main.wasm --allow-net script.py"), ["script.py"]);
        let run = run("run --allow-net main.wasm --allow-net=a:1 --allow-net= -c 1");
        assert_eq!(run.allow_net, ["*", "a:1", ""]);
        assert_eq!(run.main, PathBuf::from("main.wasm"));
    }

    fn script_of(line: &str) -> Option<usize> {
        script(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_script_is_the_first_word_that_is_no_option() {
        assert_eq!(script_of("script.py -m x"), Some(0));
        assert_eq!(script_of("-I -u script.py"), Some(2));
        assert_eq!(script_of("-X dev -W error script.py"), Some(4));
        assert_eq!(script_of("-Xdev -IW error script.py"), Some(3));
        assert_eq!(script_of("--check-hash-based-pycs never script.py"), Some(2));
        for line in ["-m pytest tests", "-c pass a", "-Ic pass a", "-", "-V", "-Im pip x", "-"] {
            assert_eq!(script_of(line), None, "{line}");
        }
        assert_eq!(script(&[]), None);
    }

    #[test]
    fn options_stand_before_and_after_main() {
        let run = run("run --side a.so main.wasm --side=b.so --dir . --no-cache s.py");
        assert_eq!(run.side, [PathBuf::from("a.so"), PathBuf::from("b.so")]);
        assert_eq!(run.main, PathBuf::from("main.wasm"));
        assert_eq!(run.dir, [ShownFolder::as_it_is(Path::new("."))]);
        assert_eq!(run.python.script, Some(0));
        assert_eq!(run.python.words, ["s.py"]);
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, number) in [("0", 0), ("10", 10), ("3K", 3 << 10), ("64m", 64 << 20), ("2G", 2 << 30)] {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        for text in
            ["", "K", "1KK", "-1", "1.5G", "1T", "99999999999999999999", "18446744073709551615K", "0x10"]
        {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(run("run --host-memory 64M main.wasm -c 1").host_memory, Some(64 << 20));
    }

    #[test]
    fn unknown_options_are_errors() {
        let line = ["pydl", "run", "main.wasm", "--sied", "x.so"].map(OsString::from).to_vec();
        assert!(parse(line).is_err());
    }
}
