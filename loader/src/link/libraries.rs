//! Owns what an embedding program sees of a process's libraries: which are loaded, where they are, what they define, and typed
//! calls. Must not know how libraries are linked: it makes requests as a guest does.

use pydl_linker::{Address, Library, LinkError, ModuleId, Namespace, OpenMode, Scope, Symbol, SymbolKind};
use wasmtime::{AsContextMut, Ref, StoreContextMut, WasmParams, WasmResults};

use crate::link::dlfcn::{self, Failure, Refusal};
use crate::link::ends::{ExitStatus, end_of_guest, exit_status};
use crate::link::state::Links as _;
use crate::system::state::ProcessState;

/// The libraries of a process whose guest is not running at the moment: see [`crate::Process::run_then`] and
/// [`crate::Process::with_libraries`].
pub struct Libraries<'a> {
    store: StoreContextMut<'a, ProcessState>,
}

/// A handle of an open library, as returned by `dlopen`. The handle of a closed library is refused, not mistaken for another
/// library's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LibraryHandle(u32);

/// A loaded library.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LoadedLibrary {
    /// Absolute path of the library's file in the guest.
    pub path: String,
    /// A handle of the library; valid while the library is open.
    pub handle: LibraryHandle,
    /// Paths of the libraries that this one needs, in NEEDED order, without those that the main module contains.
    pub needed: Vec<String>,
    /// Address of the library's static data in the guest's memory; meaningless when there is none.
    pub memory_base: u32,
    /// Size of the static data, in bytes.
    pub memory_size: u32,
    /// The library's first own slot in the function table; meaningless when it has none.
    pub table_base: u32,
    /// Number of the library's own table slots.
    pub table_size: u32,
    /// How many times the library was opened without being closed.
    pub references: u32,
    /// Whether later loads and `RTLD_DEFAULT` see the library's symbols.
    pub is_global: bool,
    /// Whether the library stays until the process ends, as with `RTLD_NODELETE`.
    pub is_permanent: bool,
    /// How the library's initialization failed, if it did.
    pub failure: Option<String>,
}

/// A symbol of a library or of the main module.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LibrarySymbol {
    /// Name of the symbol, as in the file: C++ names are mangled.
    pub name: String,
    /// Path of the library that defines it, or the main module's name.
    pub library: String,
    /// Where the symbol is.
    pub place: SymbolPlace,
    /// The module that defines the symbol: the slot of a function may be another's once the module is closed.
    definer: ModuleId,
}

/// Where a symbol is: the value of a C pointer to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymbolPlace {
    /// Data at this address of the guest's memory.
    Data(u32),
    /// A function in this slot of the function table.
    Function {
        /// The slot.
        slot: u32,
        /// Type of the function, such as `(i32, i32) -> i32`.
        signature: String,
    },
}

/// A load that did not succeed, or a call of a function that was deferred to be bound at its first call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RefusedLoad {
    /// The library: as it was requested, or the one that makes the call.
    pub path: String,
    /// For a call, the name of the function; `None` for a load.
    pub symbol: Option<String>,
    /// The reason, as a message.
    pub why: String,
    /// The linker's reason, when the linker refused.
    pub cause: Option<LinkError>,
}

/// Why an operation on a library did not succeed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The linker refused the library: it was not found, is not a side module, or needs symbols that are undefined or of other
    /// types.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The process refused the library, or code of the library failed, for the reason that `dlerror` would report.
    #[error("{0}")]
    Refused(String),
    /// A function is called with types other than its own.
    #[error("`{name}` of {library} is a function {signature}, and is called with other types")]
    WrongType {
        /// Name of the function.
        name: String,
        /// Path of the library that defines it.
        library: String,
        /// Type of the function.
        signature: String,
    },
    /// Something that is not a function is called.
    #[error("`{name}` of {library} is data, not a function")]
    NotAFunction {
        /// Name of the symbol.
        name: String,
        /// Path of the library that defines it.
        library: String,
    },
    /// Guest code did not return: it exited, trapped, or was interrupted.
    #[error("the guest did not return: it {0}")]
    NotReturned(ExitStatus),
}

impl From<Failure> for LibraryError {
    fn from(failure: Failure) -> LibraryError {
        match failure {
            Failure::Refused(Refusal::Link(error)) => LibraryError::Link(error),
            Failure::Refused(Refusal::Process(why)) => LibraryError::Refused(why),
            Failure::Ended(error) => LibraryError::NotReturned(end_of_guest(&error)),
        }
    }
}

impl<'a> Libraries<'a> {
    pub(crate) fn of(store: StoreContextMut<'a, ProcessState>) -> Libraries<'a> {
        Libraries { store }
    }

    /// The loaded libraries, in load order, without the main module. Errs when the main module cannot load libraries.
    pub fn list(&mut self) -> Result<Vec<LoadedLibrary>, LibraryError> {
        let namespace = dlfcn::namespace(&mut self.store)?;
        Ok(namespace.libraries().iter().map(|library| describe(&namespace, library)).collect())
    }

    /// Opens a library as the guest's main program would with `dlopen`, and runs its constructors. Errs when the library cannot
    /// be found, linked or initialized.
    pub fn open(&mut self, name: &str, mode: OpenMode) -> Result<LibraryHandle, LibraryError> {
        let id = dlfcn::open(&mut self.store, name, mode)?;
        Ok(LibraryHandle(dlfcn::handle_of(id)))
    }

    /// Closes a library, as `dlclose` does: when it is closed for the last time, it is unloaded, unless something keeps it. Errs
    /// when the library is not open, and when a destructor fails.
    pub fn close(&mut self, library: LibraryHandle) -> Result<(), LibraryError> {
        Ok(dlfcn::close(&mut self.store, library.0)?)
    }

    /// Looks a symbol up in a library and what it needs, or in the global scope, as `dlsym` does. Errs when there is no symbol of
    /// this name, and for symbols that C has no pointers to.
    pub fn symbol(
        &mut self,
        library: Option<LibraryHandle>,
        name: &str,
    ) -> Result<LibrarySymbol, LibraryError> {
        let handle = library.map_or(dlfcn::RTLD_DEFAULT, |library| library.0);
        let (symbol, value) = dlfcn::find(&mut self.store, ModuleId::MAIN, handle, name)?;
        let namespace = dlfcn::namespace(&mut self.store)?;
        Ok(place(&namespace, &symbol, name, value))
    }

    /// All symbols that a library itself defines, by name. A function whose address has never been requested is given a table
    /// slot. Errs when the library is not open, and when the function table is full.
    pub fn symbols(&mut self, library: LibraryHandle) -> Result<Vec<LibrarySymbol>, LibraryError> {
        let namespace = dlfcn::namespace(&mut self.store)?;
        let id = dlfcn::library_of(&namespace, library.0)?;
        let names = namespace.module(id).map(|module| module.exports.iter().map(|(name, _)| name.to_owned()));
        let mut symbols = Vec::new();
        for name in names.into_iter().flatten().collect::<Vec<String>>() {
            let own = match namespace.library(id) {
                Some(library) => namespace.lookup(&name, Scope::Library(library)),
                None => namespace.lookup(&name, Scope::Global),
            };
            let own = own.filter(|symbol| symbol.definer == id && is_pointable(&symbol.kind));
            if own.is_some() {
                symbols.push(self.symbol(Some(library), &name)?);
            }
        }
        symbols.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(symbols)
    }

    /// Calls a function; `P` and `R` are tuples of the Rust types of WebAssembly's numbers, or one of these types. Errs when the
    /// function has other types, when it no longer exists, and when it does not return.
    pub fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &LibrarySymbol,
        parameters: P,
    ) -> Result<R, LibraryError> {
        let (name, library) = (function.name.clone(), function.library.clone());
        let SymbolPlace::Function { slot, signature } = &function.place else {
            return Err(LibraryError::NotAFunction { name, library });
        };
        let is_there = function.definer == ModuleId::MAIN
            || dlfcn::namespace(&mut self.store)?.library(function.definer).is_some();
        let space = dlfcn::space(&mut self.store)?;
        let code = match space.table.get(&mut self.store, u64::from(*slot)) {
            Some(Ref::Func(Some(code))) if is_there => code,
            _ => {
                let why = format!("`{name}` of {library} is there no more: the library was closed");
                return Err(LibraryError::Refused(why));
            }
        };
        let signature = signature.clone();
        let wrong_type = |_| LibraryError::WrongType { name, library, signature };
        let code = code.typed::<P, R>(&mut self.store).map_err(wrong_type)?;
        let result = space.call(&mut self.store, &code, parameters);
        result.map_err(|error| LibraryError::NotReturned(exit_status(&mut self.store, &error)))
    }

    /// What was refused most recently, if anything was; whether the guest could do without it is not considered.
    pub fn last_refused(&self) -> Option<&RefusedLoad> {
        self.store.data().link()?.refused.as_ref()
    }

    /// A copy of `size` bytes of the guest's memory, starting at `address`; `None` when the memory ends before that.
    pub fn read(&mut self, address: u32, size: u32) -> Option<Vec<u8>> {
        let space = dlfcn::space(&mut self.store).ok()?;
        space.view(&self.store).bytes(address, size).ok().map(<[u8]>::to_vec)
    }

    /// Writes to the guest's memory; `None` when the memory ends before that, and then nothing is written.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Option<()> {
        let space = dlfcn::space(&mut self.store).ok()?;
        space.write(self.store.as_context_mut(), Address(address), bytes).ok()
    }
}

fn describe(namespace: &Namespace, library: &Library) -> LoadedLibrary {
    let memory = library.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
    LoadedLibrary {
        path: library.path.clone(),
        handle: LibraryHandle(dlfcn::handle_of(library.id)),
        needed: library.needed.iter().map(|id| namespace.name(*id).to_owned()).collect(),
        memory_base: library.memory_base.0,
        memory_size: memory.memory_size,
        table_base: library.table_base.0,
        table_size: memory.table_size.get(),
        references: library.references,
        is_global: namespace.global_scope().contains(&library.id),
        is_permanent: library.is_permanent,
        failure: library.failure.clone(),
    }
}

fn is_pointable(kind: &SymbolKind) -> bool {
    matches!(kind, SymbolKind::Function(..) | SymbolKind::Data(_))
}

fn place(namespace: &Namespace, symbol: &Symbol, name: &str, value: u32) -> LibrarySymbol {
    let place = match &symbol.kind {
        SymbolKind::Function(_, signature) => {
            SymbolPlace::Function { slot: value, signature: signature.to_string() }
        }
        SymbolKind::Data(_) | SymbolKind::Global(_) | SymbolKind::Tag(_) => SymbolPlace::Data(value),
    };
    let library = namespace.name(symbol.definer).to_owned();
    LibrarySymbol { name: name.to_owned(), library, place, definer: symbol.definer }
}
