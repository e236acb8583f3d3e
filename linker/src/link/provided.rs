//! Owns the functions that the loader provides to each library itself, in place of the main module's: those whose result depends
//! on which library calls, and those that the main module lacks. Must not know what they do.

use wasmparser::{FuncType, ValType};

use crate::base::abi;
use crate::link::namespace::{Namespace, Symbol};
use crate::parse::Signature;
use crate::parse::abi_family::AbiFamily;

/// A function that the loader makes for each library that imports it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Provided {
    /// `dlopen(file, mode)`: the main module's function, with the caller recorded; the caller's `RUNTIME_PATH` is searched for
    /// names without a slash.
    Dlopen,
    /// `dlsym(handle, name)`: the main module's function, with the caller recorded; `RTLD_NEXT` and `RTLD_DEFAULT` start from the
    /// caller.
    Dlsym,
    /// `__cxa_atexit(function, argument, dso)`: recorded for the library, and entered in the main module's list.
    CxaAtexit,
    /// `atexit(function)`: recorded in the same way as [`Provided::CxaAtexit`]. In ELF, it is linked into each library from the C
    /// library.
    Atexit,
    /// `dladdr(pointer, info)`.
    Dladdr,
    /// `dlinfo(handle, request, argument)`.
    Dlinfo,
    /// `dl_iterate_phdr(callback, data)`.
    DlIteratePhdr,
}

impl Provided {
    /// All provided functions.
    pub const ALL: [Provided; 7] = [
        Provided::Dlopen,
        Provided::Dlsym,
        Provided::CxaAtexit,
        Provided::Atexit,
        Provided::Dladdr,
        Provided::Dlinfo,
        Provided::DlIteratePhdr,
    ];

    /// The C name of the function.
    pub fn name(self) -> &'static str {
        match self {
            Provided::Dlopen => abi::DLOPEN,
            Provided::Dlsym => abi::DLSYM,
            Provided::CxaAtexit => abi::CXA_ATEXIT,
            Provided::Atexit => abi::ATEXIT,
            Provided::Dladdr => abi::DLADDR,
            Provided::Dlinfo => abi::DLINFO,
            Provided::DlIteratePhdr => abi::DL_ITERATE_PHDR,
        }
    }

    /// The type of the function: its parameters are 32-bit numbers and pointers, and it has one 32-bit result.
    pub fn signature(self) -> Signature {
        let parameters = match self {
            Provided::Atexit => 1,
            Provided::Dlopen | Provided::Dlsym | Provided::Dladdr | Provided::DlIteratePhdr => 2,
            Provided::CxaAtexit | Provided::Dlinfo => 3,
        };
        Signature::new(FuncType::new(vec![ValType::I32; parameters], [ValType::I32]))
    }

    /// The function of this name and type, when the loader is to provide it instead of the definition found in scope. A library's
    /// own definition takes precedence, as for other symbols.
    pub(crate) fn instead_of(
        found: Option<&Symbol>,
        name: &str,
        signature: &Signature,
        namespace: &Namespace,
    ) -> Option<Provided> {
        let provided = Provided::ALL.into_iter().find(|provided| provided.name() == name)?;
        if provided.signature() != *signature
            || found.is_some_and(|found| found.definer != crate::ModuleId::MAIN)
        {
            return None;
        }
        let is_emscripten = namespace.family() == AbiFamily::Emscripten;
        let serves = match provided {
            Provided::Dlopen | Provided::Dlsym => found.is_some(),
            // Without the main module's list of handlers, nothing would run at exit.
            Provided::CxaAtexit | Provided::Atexit => {
                found.is_some() && namespace.main_has(Provided::CxaAtexit)
            }
            // The function of Emscripten itself answers `unknown`.
            Provided::Dladdr => is_emscripten,
            Provided::Dlinfo | Provided::DlIteratePhdr => found.is_none() || is_emscripten,
        };
        serves.then_some(provided)
    }
}

impl Namespace {
    /// Whether the main module exports a function of this name and type.
    fn main_has(&self, function: Provided) -> bool {
        let export = self.main().module().exports.get(function.name());
        export.is_some_and(|export| match &export.kind {
            crate::ExportKind::Function { signature, .. } => *signature == function.signature(),
            _ => false,
        })
    }
}
