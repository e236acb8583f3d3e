//! Owns the answer to "for which C library was this module compiled?". WebAssembly modules carry no such mark, so the
//! answer rests on names that only one of the two C libraries has. Must not know whether a load will succeed.

use std::fmt;

use crate::base::abi;
use crate::parse::ParsedModule;

/// The C library, and with it the structure layouts and constants, that a module was compiled for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AbiFamily {
    /// wasi-libc.
    Wasi,
    /// Emscripten's musl.
    Emscripten,
}

impl fmt::Display for AbiFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AbiFamily::Wasi => "WASI",
            AbiFamily::Emscripten => "Emscripten",
        })
    }
}

/// An ABI together with the evidence for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AbiEvidence {
    /// The ABI.
    pub family: AbiFamily,
    /// A description for people of the name that is the evidence, such as `` it imports `env.emscripten_asm_const_int` ``.
    pub because: String,
}

/// Names that only Emscripten has: its system interface, its compiler runtime, its JavaScript bridge.
const EMSCRIPTEN_SYMBOLS: &[&str] = &[
    "__THREW__",
    "__resumeException",
    "_abort_js",
    "_dlopen_js",
    "_dlsym_js",
    "_mmap_js",
    "_munmap_js",
    "getTempRet0",
    "setTempRet0",
    "setThrew",
];
const EMSCRIPTEN_PREFIXES: &[&str] =
    &["emscripten_", "_emscripten_", "__syscall_", "__em_js__", "__cxa_find_matching_catch_"];
/// Names that wasi-libc's headers and start-up code refer to, and Emscripten's never do.
const WASI_SYMBOLS: &[&str] = &["errno", "__main_void"];
const WASI_PREFIXES: &[&str] = &["__wasi_", "__wasilibc_", "__imported_wasi_"];
/// Names that both C libraries may define, but that compilers refer to for Emscripten only: from its `<errno.h>`, and the
/// variants of `printf` without floating point or `long double` that LLVM calls there (`TargetLibraryInfo`).
const EMSCRIPTEN_REFERENCES: &[&str] = &[
    "__errno_location",
    "__small_fprintf",
    "__small_printf",
    "__small_sprintf",
    "fiprintf",
    "iprintf",
    "siprintf",
];
/// The platform part of a CPython extension module's file name (`sysconfig` variable `EXT_SUFFIX`).
const EMSCRIPTEN_FILE_TAG: &str = "-wasm32-emscripten";
const WASI_FILE_TAG: &str = "-wasm32-wasi";

impl AbiEvidence {
    /// Looks for evidence of an ABI in `module`, whose file has this path; `None` when there is none, as in a library that uses
    /// nothing in which the two C libraries differ by name.
    ///
    /// Emscripten modules may import WASI functions too, so Emscripten's own names take precedence.
    pub fn find(module: &ParsedModule, path: &str) -> Option<AbiEvidence> {
        let file_name = path.rsplit('/').next().unwrap_or_default();
        let tag = |tag: &str| file_name.contains(tag).then(|| format!("its file name has the tag `{tag}`"));
        let emscripten = |because| AbiEvidence { family: AbiFamily::Emscripten, because };
        let wasi = |because| AbiEvidence { family: AbiFamily::Wasi, because };
        let import = |is_sign: fn(&str) -> bool| {
            let mut imports = module.imports.iter();
            let sign = imports.find(|import| is_sign(&import.name))?;
            Some(format!("it imports `{}.{}`", sign.module, sign.name))
        };
        let from = || {
            let mut modules = [abi::DLFCN, abi::WASI_PREVIEW1].into_iter();
            let module = modules.find(|name| module.imports_from(name))?;
            Some(format!("it imports from `{module}`"))
        };
        import(is_emscripten)
            .map(emscripten)
            .or_else(|| tag(EMSCRIPTEN_FILE_TAG).map(emscripten))
            .or_else(|| import(is_wasi).map(wasi))
            .or_else(|| tag(WASI_FILE_TAG).map(wasi))
            .or_else(|| import(|name| EMSCRIPTEN_REFERENCES.contains(&name)).map(emscripten))
            .or_else(|| from().map(wasi))
    }
}

fn is_emscripten(name: &str) -> bool {
    // In `invoke_vii` and the like, there is a letter for each value of the called function's type.
    let types = name.strip_prefix("invoke_");
    types.is_some_and(|types| types.bytes().all(|b| b"vijfdep".contains(&b)))
        || EMSCRIPTEN_SYMBOLS.contains(&name)
        || EMSCRIPTEN_PREFIXES.iter().any(|p| name.starts_with(p))
}

fn is_wasi(name: &str) -> bool {
    WASI_SYMBOLS.contains(&name) || WASI_PREFIXES.iter().any(|p| name.starts_with(p))
}
