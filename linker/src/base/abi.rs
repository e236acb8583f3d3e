//! Owns every name to which the ABI gives a meaning; each is spelled here and nowhere else. Holds no logic but membership in a
//! list. Sources: tool-conventions `DynamicLinking.md`, `SetjmpLongjmp.md`, and wasm-ld.

/// Import module of functions, memory, table and other things a library shares with the process.
pub const ENV: &str = "env";
/// Import module of globals that hold the address of a data symbol.
pub const GOT_MEM: &str = "GOT.mem";
/// Import module of globals that hold the table slot of a function symbol.
pub const GOT_FUNC: &str = "GOT.func";
/// Import module of WASI preview 1.
pub const WASI_PREVIEW1: &str = "wasi_snapshot_preview1";
/// Import module of pydl's `libdl.c` for WASI mains (`loader/guest/wasi`).
pub const DLFCN: &str = "pydl_dlfcn_v1";

/// The process's linear memory.
pub const MEMORY: &str = "memory";
/// The process's function table.
pub const TABLE: &str = "__indirect_function_table";
/// The mutable global that points to the top of the C stack.
pub const STACK_POINTER: &str = "__stack_pointer";
/// The immutable global that holds the start of a library's static data.
pub const MEMORY_BASE: &str = "__memory_base";
/// The immutable global that holds a library's first own table slot.
pub const TABLE_BASE: &str = "__table_base";

/// Export that writes absolute addresses into a library's static data.
pub const APPLY_DATA_RELOCS: &str = "__wasm_apply_data_relocs";
/// Export that runs a module's static constructors.
pub const CALL_CTORS: &str = "__wasm_call_ctors";
/// Function that sets the bounds of the C stack in a module whose code checks them (`-sSTACK_OVERFLOW_CHECK=2`): `(base, end)`,
/// the base being the higher address. Until it is called, the module regards every push as an overflow. Each module keeps its own
/// copy of the bounds.
pub const SET_STACK_LIMITS: &str = "__set_stack_limits";
/// Function that a command's wrapped exports call last; see [`crate::MainDefect::CommandWrappers`].
pub const CALL_DTORS: &str = "__wasm_call_dtors";
/// The function that registers what runs at exit (Itanium C++ ABI, section 3.3.6.3).
pub const CXA_ATEXIT: &str = "__cxa_atexit";
/// The function that registers what runs at the end of a thread. What is registered with it cannot be found again, so a library
/// that uses it stays loaded, as it does in glibc as long as the thread runs.
pub const CXA_THREAD_ATEXIT: &str = "__cxa_thread_atexit";
/// The C function that registers what runs at exit.
pub const ATEXIT: &str = "atexit";
/// Functions of `<dlfcn.h>` and `<link.h>` that depend on which library calls, or that a main module may lack.
pub const DLSYM: &str = "dlsym";
/// See [`DLSYM`].
pub const DLOPEN: &str = "dlopen";
/// See [`DLSYM`].
pub const DLADDR: &str = "dladdr";
/// See [`DLSYM`].
pub const DLINFO: &str = "dlinfo";
/// See [`DLSYM`].
pub const DL_ITERATE_PHDR: &str = "dl_iterate_phdr";
/// The address that tells a library apart from others, for `__cxa_atexit`: its memory base.
pub const DSO_HANDLE: &str = "__dso_handle";
/// Export of a main module that holds the start of its static data.
pub const GLOBAL_BASE: &str = "__global_base";
/// Export of a main module that holds the end of its static data.
pub const DATA_END: &str = "__data_end";
/// Where a main module's data begins if the stack does not come first, in bytes (wasm-ld, `--global-base`).
pub(crate) const FIRST_DATA: u32 = 1024;
/// The lower bound of the C stack.
pub const STACK_LOW: &str = "__stack_low";
/// The upper bound of the C stack; see [`STACK_LOW`].
pub const STACK_HIGH: &str = "__stack_high";
/// Functions of Emscripten's C library that return the upper and the lower end of the C stack.
pub const STACK_BASE_FUNCTION: &str = "emscripten_stack_get_base";
/// See [`STACK_BASE_FUNCTION`].
pub const STACK_END_FUNCTION: &str = "emscripten_stack_get_end";
/// The start of the heap.
pub const HEAP_BASE: &str = "__heap_base";
/// The size of thread-local data, in bytes.
pub const TLS_SIZE: &str = "__tls_size";
/// The tag of C++ exceptions.
pub const CPP_EXCEPTION: &str = "__cpp_exception";
/// The tag of `longjmp`.
pub const C_LONGJMP: &str = "__c_longjmp";

/// Prefixes of functions of a host that exceptions are left to; it has them in whatever type they are requested, since each
/// library may name others. There are those that call a table slot and return when something is thrown there, and those that
/// choose a `catch`.
const EXCEPTION_PREFIXES: &[&str] = &[INVOKE, FIND_MATCHING_CATCH];
/// Functions of such a host that a library may use even if the main module does not.
const EXCEPTION_FUNCTIONS: &[&str] = &[
    "__cxa_current_exception_type",
    "__cxa_current_primary_exception",
    "__cxa_get_exception_ptr",
    "__cxa_rethrow_primary_exception",
    "__cxa_uncaught_exceptions",
    "__resumeException",
    "_emscripten_throw_longjmp",
    "getTempRet0",
    "llvm_eh_typeid_for",
    "setTempRet0",
];
/// The prefix whose presence shows that a module leaves exceptions to the host.
pub const INVOKE: &str = "invoke_";
/// The prefix of functions that choose a `catch`; it is followed by the number of types that they choose from, plus two.
pub const FIND_MATCHING_CATCH: &str = "__cxa_find_matching_catch_";
/// The prefix of a function's own export, where the export of its plain name passes 64-bit integers in halves of 32 bits: the
/// address of the name is that of the function itself (Emscripten, `-sWASM_BIGINT=0`, `src/lib/libdylink.js`).
pub(crate) const ORIGINAL: &str = "orig$";

/// Whether a host that exceptions are left to has a function of this name.
pub fn is_of_exceptions(name: &str) -> bool {
    EXCEPTION_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || EXCEPTION_FUNCTIONS.contains(&name)
}

/// Functions and data of the C++ library that throwing and catching require, whichever instructions they are compiled to (Itanium
/// C++ ABI, Exception Handling; LLVM's libunwind for `__wasm_lpad_context`).
const EXCEPTION_RUNTIME: &[&str] = &[
    CPP_EXCEPTION,
    "_Unwind_CallPersonality",
    "_Unwind_DeleteException",
    "_Unwind_RaiseException",
    "__cxa_allocate_exception",
    "__cxa_begin_catch",
    "__cxa_end_catch",
    "__cxa_free_exception",
    "__cxa_rethrow",
    "__cxa_throw",
    "__gxx_personality_v0",
    "__gxx_wasm_personality_v0",
    "__wasm_lpad_context",
];

/// Whether the absence of this symbol shows that a main module was built without C++ exceptions.
pub fn is_of_exception_runtime(name: &str) -> bool {
    EXCEPTION_RUNTIME.contains(&name)
}

/// The exports with which a C program begins: clang gives a `main` with two parameters a name of its own (tool-conventions,
/// BasicCABI.md, User entrypoint).
pub const MAIN_FUNCTIONS: [&str; 2] = ["__main_argc_argv", "main"];

/// The custom section that makes a module a side module; must be the first section.
pub const DYLINK: &str = "dylink.0";
/// The predecessor of [`DYLINK`], from LLVM before 13.
pub const DYLINK_LEGACY: &str = "dylink";

/// Flag of an `IMPORT_INFO` entry: the symbol may stay undefined (`WASM_SYM_BINDING_WEAK`).
pub const SYMBOL_BINDING_WEAK: u32 = 0x1;
/// The bits of the flags that hold the binding (`WASM_SYM_BINDING_MASK`).
pub const SYMBOL_BINDING_MASK: u32 = 0x3;
/// Flag of an `EXPORT_INFO` entry: the symbol is thread-local (`WASM_SYM_TLS`).
pub const SYMBOL_TLS: u32 = 0x100;

/// Export of the guest's allocator with which a library's static data is allocated.
pub const ALIGNED_ALLOC: &str = "aligned_alloc";
/// Function that frees what the allocator returned.
pub const FREE: &str = "free";
/// Function for plain allocation, for strings passed to the guest.
pub const MALLOC: &str = "malloc";
/// Function that allocates zeroed memory; some Emscripten main modules export no other.
pub const CALLOC: &str = "calloc";
/// Function that reads a file with the guest's permissions (`loader/guest/wasi/libdl.c`).
pub const READ_FILE: &str = "pydl_read_file";

/// Exports that are parts of the ABI and never symbols: they have no slot or address that another module could request by name.
const NOT_SYMBOLS: &[&str] = &[
    MEMORY,
    TABLE,
    STACK_POINTER,
    MEMORY_BASE,
    TABLE_BASE,
    APPLY_DATA_RELOCS,
    CALL_CTORS,
    CALL_DTORS,
    CPP_EXCEPTION,
    C_LONGJMP,
    DSO_HANDLE,
    STACK_LOW,
    STACK_HIGH,
    HEAP_BASE,
    "__heap_end",
    GLOBAL_BASE,
    DATA_END,
    "__main_void",
    "__main_argc_argv",
    "__tls_base",
    TLS_SIZE,
    "__tls_align",
    SET_STACK_LIMITS,
    "_emscripten_tls_init",
    "__wasm_init_tls",
    "__wasm_init_memory",
    "__start_em_asm",
    "__stop_em_asm",
    "__start_em_js",
    "__stop_em_js",
    "_start",
    "_initialize",
];

/// Names by which the linker of a main module knows the bounds of its static data, stack and heap. They always refer to the main
/// module, whichever module imports them.
const BOUNDS: &[&str] = &[GLOBAL_BASE, DATA_END, STACK_LOW, STACK_HIGH, HEAP_BASE, "__heap_end"];

/// Whether a name is that of a bound of the main module's memory.
pub fn is_bound(name: &str) -> bool {
    BOUNDS.contains(&name)
}

/// The prefix of an export at whose address the text of a JavaScript function lies (`EM_JS`); the function's name follows.
pub const EM_JS: &str = "__em_js__";

/// Whether an export of this name is a symbol that other modules may bind to.
pub fn is_symbol(name: &str) -> bool {
    !NOT_SYMBOLS.contains(&name) && !name.starts_with(EM_JS)
}

/// Libraries whose symbols a static main module contains itself, so that a NEEDED entry of this name is satisfied by the main
/// module: the parts of the C library, as wasi-libc, musl and glibc divide it.
const IN_MAIN: &[&str] = &[
    "libc.so",
    "libm.so",
    "libdl.so",
    "libpthread.so",
    "librt.so",
    "libutil.so",
    "libcrypt.so",
    "libresolv.so",
    "libxnet.so",
    "libwasi-emulated-getpid.so",
    "libwasi-emulated-mman.so",
    "libwasi-emulated-process-clocks.so",
    "libwasi-emulated-signal.so",
];

/// Whether a NEEDED entry of this name is satisfied by every main module: `libc.so`, or the name with a version as on other
/// systems (`libc.so.6`), by which `ctypes` programs open it.
pub fn is_in_main(needed: &str) -> bool {
    let bare = without_version(needed);
    IN_MAIN.contains(&bare)
}

/// A file name without the version at its end: `libc.so` for `libc.so.6`.
fn without_version(name: &str) -> &str {
    let Some((bare, version)) = name.split_once(".so.") else { return name };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if version.split('.').all(is_number) {
        name.get(..bare.len() + ".so".len()).unwrap_or(name)
    } else {
        name
    }
}

/// Recognizes names of libraries with Python's own functions, and returns the minor version of Python 3: `libpython3.13.so` and
/// `libpython3.13.so.1.0`, which extension modules need where Python itself is linked to it, yield `Some(Some(13))`;
/// `libpython3.so` (PEP 384), which is for any version, yields `Some(None)`. `None` for other names.
pub fn python_of(name: &str) -> Option<Option<u8>> {
    match without_version(name).strip_prefix("libpython3")?.strip_suffix(".so")? {
        "" => Some(None),
        minor => {
            let minor =
                minor.strip_prefix('.').filter(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))?;
            minor.parse().ok().map(Some)
        }
    }
}

/// The variable of CPython that holds its version, `0x030d05f0` for 3.13.5 (since 3.11).
pub const PYTHON_VERSION: &str = "Py_Version";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_what_is_in_main() {
        for name in ["libc.so", "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1.2"] {
            assert!(is_in_main(name), "{name}");
        }
        for name in
            ["libc", "libc.so.", "libc.so.x", "libc.so.6.", "libc.so.6a", "c.so", "libcc.so.6", "/libc.so"]
        {
            assert!(!is_in_main(name), "{name}");
        }
    }

    #[test]
    fn names_of_pythons() {
        for (name, python) in [
            ("libpython3.13.so", Some(Some(13))),
            ("libpython3.14.so.1.0", Some(Some(14))),
            ("libpython3.so", Some(None)),
            ("libpython3.so.1", Some(None)),
            ("libpython3.13t.so", None),
            ("libpython3.13d.so.1.0", None),
            ("libpython2.7.so", None),
            ("libpython3..so", None),
            ("libpython3.999.so", None),
            ("libpython3.+1.so", None),
        ] {
            assert_eq!(python_of(name), python, "{name}");
        }
    }
}
