//! Owns the answer to "for which C library was this module compiled?". WebAssembly modules carry no such mark, so the
//! answer rests on names that only one of the two C libraries has. Must not know whether a load will succeed.

use std::fmt;

use crate::abi;
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

/// An ABI together with what shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AbiEvidence {
    /// The ABI.
    pub family: AbiFamily,
    /// For people: the name that shows it, such as `` it imports `env.emscripten_asm_const_int` ``.
    pub because: String,
}

/// Symbols that Emscripten's C library and compiler runtime have and wasi-libc has not.
const EMSCRIPTEN_SYMBOLS: &[&str] = &[
    "__THREW__",
    "__resumeException",
    "__small_fprintf",
    "__small_printf",
    "__small_sprintf",
    "_dlopen_js",
    "_dlsym_js",
    "_mmap_js",
    "_munmap_js",
    "fiprintf",
    "getTempRet0",
    "iprintf",
    "setTempRet0",
    "setThrew",
    "siprintf",
    "sniprintf",
    "vfiprintf",
    "vsiprintf",
    "vsniprintf",
];
const EMSCRIPTEN_PREFIXES: &[&str] =
    &["emscripten_", "_emscripten_", "__syscall_", "invoke_", "__em_js__", "__cxa_find_matching_catch_"];
const WASI_SYMBOLS: &[&str] = &["errno", "__main_void"];
const WASI_PREFIXES: &[&str] = &["__wasi_", "__wasilibc_", "__imported_wasi_"];
/// The platform part of a CPython extension module's file name (`sysconfig` variable `EXT_SUFFIX`).
const EMSCRIPTEN_FILE_TAG: &str = "-wasm32-emscripten";
const WASI_FILE_TAG: &str = "-wasm32-wasi";

impl AbiEvidence {
    /// Looks for signs of an ABI in `module`, whose file has the name `file_name`; `None` when there are none, as
    /// in a module that uses nothing in which the two C libraries differ by name.
    ///
    /// Emscripten modules may import WASI functions too, so its signs count first.
    pub fn find(module: &ParsedModule, file_name: &str) -> Option<AbiEvidence> {
        let evidence = |family, because| Some(AbiEvidence { family, because });
        if let Some(sign) = sign_in(module, is_emscripten) {
            return evidence(AbiFamily::Emscripten, sign);
        }
        if file_name.contains(EMSCRIPTEN_FILE_TAG) {
            let because = format!("its file name has the tag `{EMSCRIPTEN_FILE_TAG}`");
            return evidence(AbiFamily::Emscripten, because);
        }
        if let Some(sign) = sign_in(module, is_wasi) {
            return evidence(AbiFamily::Wasi, sign);
        }
        if file_name.contains(WASI_FILE_TAG) {
            return evidence(AbiFamily::Wasi, format!("its file name has the tag `{WASI_FILE_TAG}`"));
        }
        let wasi = [abi::WASI_PREVIEW1, abi::DLFCN].into_iter().find(|m| module.imports_from(m))?;
        evidence(AbiFamily::Wasi, format!("it imports from `{wasi}`"))
    }
}

fn is_emscripten(name: &str) -> bool {
    EMSCRIPTEN_SYMBOLS.contains(&name) || EMSCRIPTEN_PREFIXES.iter().any(|p| name.starts_with(p))
}

fn is_wasi(name: &str) -> bool {
    WASI_SYMBOLS.contains(&name) || WASI_PREFIXES.iter().any(|p| name.starts_with(p))
}

fn sign_in(module: &ParsedModule, is_sign: fn(&str) -> bool) -> Option<String> {
    let import = module.imports.iter().find(|import| is_sign(&import.name));
    if let Some(import) = import {
        return Some(format!("it imports `{}.{}`", import.module, import.name));
    }
    // A side module's exports are its own names: only a main module's tell of its C library.
    let mut exports = module.exports.keys().filter(|_| module.dylink.is_none());
    exports.find(|name| is_sign(name)).map(|name| format!("it exports `{name}`"))
}
