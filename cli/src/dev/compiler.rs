//! Owns compilers for WASI: which are on this machine, and how each makes a side module. Must not know Python.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What to install when there is none.
pub const NONE: &str = "there is no compiler for WASI on this machine: `pip install ziglang` brings one; or install Debian's clang, lld, \
    wasi-libc and libclang-rt-dev-wasm32, or wasi-sdk, whose folder $WASI_SDK_PATH then names";

/// The newest version of Debian's versioned names that is looked for, and the oldest.
const CLANG: std::ops::RangeInclusive<u32> = 16..=30;

/// A compiler and a linker for WASI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Toolchain {
    name: String,
    /// The commands that compile C and C++, and the one that links.
    c: Vec<OsString>,
    cpp: Vec<OsString>,
    link: Vec<OsString>,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Toolchain {
    /// The first one on this machine: wasi-sdk, clang with wasi-libc, zig. Errs with what to install.
    pub fn find() -> Result<Toolchain> {
        let found = wasi_sdk().or_else(clang).or_else(zig);
        found.with_context(|| NONE)
    }

    /// The command that compiles a file of C or C++ to an object file.
    pub fn compile(&self, source: &Path, object: &Path, includes: &[PathBuf]) -> Vec<OsString> {
        let is_c = source.extension().is_some_and(|extension| extension == "c");
        let mut command = if is_c { self.c.clone() } else { self.cpp.clone() };
        let flags = [
            "-fPIC",
            "-fvisibility=default",
            "-O2",
            "-Wall",
            "-D_WASI_EMULATED_SIGNAL",
            "-D_WASI_EMULATED_GETPID",
        ];
        command.extend(flags.map(OsString::from));
        command.push("-D_WASI_EMULATED_PROCESS_CLOCKS".into());
        if !is_c {
            // The C++ library of WASI has no exceptions.
            command.extend(["-fno-exceptions", "-fno-rtti"].map(OsString::from));
        }
        for include in includes {
            command.extend(["-isystem".into(), include.into()]);
        }
        command.extend(["-c".into(), source.into(), "-o".into(), object.into()]);
        command
    }

    /// The command that links object files to a side module.
    pub fn link(&self, objects: &[PathBuf], output: &Path) -> Vec<OsString> {
        let mut command = self.link.clone();
        let flags = ["-shared", "--experimental-pic", "--unresolved-symbols=import-dynamic"];
        command.extend(flags.map(OsString::from));
        command.extend(objects.iter().map(|object| object.as_os_str().to_owned()));
        command.extend(["-o".into(), output.into()]);
        command
    }
}

/// Runs a command; its messages go where those of this program go. Errs when it fails.
pub fn run(command: &[OsString]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else { bail!("an empty command") };
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(|| program.display().to_string())?;
    if !status.success() {
        bail!("{} failed: {status}", Path::new(program).display());
    }
    Ok(())
}

/// A command as a shell would read it.
pub fn shown(command: &[OsString]) -> String {
    let word = |word: &OsString| {
        let text = word.to_string_lossy();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=+:,@%".contains(&byte);
        if text.bytes().all(is_plain) {
            text.into_owned()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// wasi-sdk, in `$WASI_SDK_PATH` or where it is installed by custom.
fn wasi_sdk() -> Option<Toolchain> {
    let named = env::var_os("WASI_SDK_PATH").filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from("/opt/wasi-sdk"));
    let program = |name: &str| folder.join("bin").join(name);
    let all = ["clang", "clang++", "wasm-ld"].map(program);
    let [c, cpp, link] = all.clone();
    all.iter().all(|path| path.is_file()).then(|| Toolchain {
        name: format!("wasi-sdk in {}", folder.display()),
        c: vec![c.into(), "--target=wasm32-wasip1".into()],
        cpp: vec![cpp.into(), "--target=wasm32-wasip1".into()],
        link: vec![link.into()],
    })
}

/// clang and wasm-ld of the same version, where wasi-libc is installed as Debian does, of 2024 or later.
fn clang() -> Option<Toolchain> {
    // An older wasi-libc has none, and clang would take the header of this machine's own C library.
    if !Path::new("/usr/include/wasm32-wasi/pthread.h").is_file() {
        return None;
    }
    let versions = std::iter::once(String::new()).chain(CLANG.rev().map(|version| format!("-{version}")));
    versions.into_iter().find_map(|version| {
        let c = on_path(&format!("clang{version}"))?;
        let cpp = on_path(&format!("clang++{version}"))?;
        let link = on_path(&format!("wasm-ld{version}"))?;
        let target = ["--target=wasm32-wasi", "--sysroot=/usr"].map(OsString::from);
        let with_target = |program: PathBuf| [&[program.into_os_string()][..], &target].concat();
        Some(Toolchain {
            name: format!("clang{version} with Debian's wasi-libc"),
            c: with_target(c),
            cpp: with_target(cpp),
            link: vec![link.into()],
        })
    })
}

/// zig, on the PATH or as a package of Python.
fn zig() -> Option<Toolchain> {
    let on_path = on_path("zig").map(|zig| (vec![zig.into_os_string()], "zig".to_owned()));
    let package = || {
        let python = self::on_path("python3")?;
        let found = Command::new(&python).args(["-c", "import ziglang"]).output().ok()?;
        let command = vec![python.into(), "-m".into(), "ziglang".into()];
        found.status.success().then(|| (command, "zig, of the package ziglang".to_owned()))
    };
    let (zig, name) = on_path.or_else(package)?;
    let with = |words: &[&str]| zig.iter().cloned().chain(words.iter().map(OsString::from)).collect();
    Some(Toolchain {
        name,
        c: with(&["cc", "-target", "wasm32-wasi"]),
        cpp: with(&["c++", "-target", "wasm32-wasi"]),
        link: with(&["wasm-ld"]),
    })
}

/// The program of this name on the PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(OsStr::new(name))).find(|path| path.is_file())
}
