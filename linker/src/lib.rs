//! pydl-linker decides how WebAssembly side modules (`.so` files with a `dylink.0` section) are linked into a running main
//! module. It does no I/O, knows no WebAssembly engine and holds no instances: bytes go in, a [`LoadPlan`] comes out, and
//! whatever executes the plan needs no policy of its own.
//!
//! The stages of a load, in order; only a stage itself can construct its result type ([`Load`], in `driver.rs`, shows them on one
//! page):
//!
//! | stage | function | result |
//! |---|---|---|
//! | parse | [`ParsedModule::parse`] | [`ParsedModule`] |
//! | follow NEEDED | [`Load::open`], [`Load::of_main`] | [`Load`] |
//! | resolve symbols, lay out, plan | [`Load::plan`], with a [`Room`] | [`PlannedLoad`] |
//! | execute | the caller, which has an engine | instances |
//! | commit | [`PlannedLoad::commit`] | the libraries are known to later loads |
//!
//! The format is that of WebAssembly/tool-conventions, `DynamicLinking.md`; the scope rules are those of ELF.

#![forbid(unsafe_code)]

mod base;
mod inspect;
mod link;
mod merge;
mod parse;
pub mod rewrite;

pub use base::free_slots::{FreeSlots, SlotsBeyond};
pub use base::ids::{
    Address, Alignment, AlignmentTooLarge, FuncIndex, ModuleId, SlotCount, TableSlot, TooManySlots,
};
pub use base::{abi, features, trampolines};
pub use inspect::{
    BuildFacts, ExceptionStyle, ExportReport, ImportReport, Inspector, MemoryRegion, ModuleReport, Owner,
    ProcessMap, Producer, Provider, SymbolDefinition, SymbolDifference, SymbolReport, SymbolUse, TableRegion,
    refused_features_in_words,
};
pub use link::driver::{Load, Opening, PlannedLoad, Room};
pub use link::error::{LinkError, LookupError, SymbolProblem};
pub use link::forwarders::{ForwarderModule, TARGETS, export_name as forwarder_export};
pub use link::host::{Host, HostAddress, HostFunctions};
pub use link::journal::{Journal, SlotContent};
pub use link::layout::{LibraryPlacement, LibraryReservation, Placement, Reservation};
pub use link::lazy::{LateBinding, LazySymbol, LazySymbols};
pub use link::main_module::{MainDefect, MainModule};
pub use link::main_placement::MainPlacement;
pub use link::namespace::{
    Library, Namespace, PointedTo, Scope, Stage, Symbol, SymbolKind, SymbolValue, Unloaded,
};
pub use link::needed::{
    FileIdentity, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, LoadLimits, LoadOrder,
    NewLibrary, OpenMode, Searched,
};
pub use link::plan::{BoundImport, LoadPlan, LoadStep, PlannedLibrary};
pub use link::provided::Provided;
pub use link::resolve::{Binding, FunctionRef, ResolvedLibrary, ResolvedModules, TagSource};
pub use link::search_path::{PATH_LIMIT, Place, Requester, SearchPath};
pub use link::thunks::{Thunk, ThunkImport, ThunkKind, ThunkModule};
pub use merge::{EmbeddedFolder, LinkOptions, MergeError, StaticLinkError, StaticLinker};
pub use parse::abi_family::{AbiEvidence, AbiFamily};
pub use parse::error::ParseError;
pub use parse::{
    DylinkInfo, ElementSlot, ElementSlots, Export, ExportKind, Exports, Import, ImportKind, MemoryInfo,
    ParsedModule, Signature,
};
