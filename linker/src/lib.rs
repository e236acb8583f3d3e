//! pydl-linker decides how WebAssembly side modules (`.so` files with a `dylink.0` section) are linked into a
//! running main module. It does no I/O, knows no WebAssembly engine and holds no instances: bytes go in, a
//! [`LoadPlan`] comes out, and whoever executes the plan needs no policy of its own.
//!
//! A load, in order; a stage's type can only be made by its stage ([`Load`], in `driver.rs`, has them on a page):
//!
//! | stage | function | result |
//! |---|---|---|
//! | parse | [`ParsedModule::parse`] | [`ParsedModule`] |
//! | follow NEEDED | [`Load::open`], [`Load::of_main`] | [`Load`] |
//! | resolve symbols, lay out, plan | [`Load::plan`], with a [`Room`] | [`PlannedLoad`] |
//! | execute | whoever has an engine | instances |
//! | commit | [`PlannedLoad::commit`] | the libraries are known to later loads |
//!
//! The format is the one of WebAssembly/tool-conventions, `DynamicLinking.md`; the scope rules are those of ELF.

#![forbid(unsafe_code)]

pub mod abi;
mod abi_family;
mod driver;
mod error;
pub mod features;
mod forwarders;
mod free_slots;
mod host;
mod ids;
mod inspect;
mod journal;
mod layout;
mod lazy;
mod main_module;
mod main_placement;
mod main_plan;
mod namespace;
mod needed;
mod parse;
mod plan;
mod provided;
mod resolve;
pub mod rewrite;
mod search_path;
mod thunks;
pub mod trampolines;
mod vague;

pub use abi_family::{AbiEvidence, AbiFamily};
pub use driver::{Load, Opening, PlannedLoad, Room};
pub use error::{LinkError, LookupError, ParseError, SymbolProblem};
pub use forwarders::{ForwarderModule, TARGETS, export_name as forwarder_export};
pub use free_slots::{FreeSlots, SlotsBeyond};
pub use host::{Host, HostAddress, HostFunctions};
pub use ids::{
    Address, Alignment, AlignmentTooLarge, FuncIndex, ModuleId, SlotCount, TableSlot, TooManySlots,
};
pub use inspect::{
    BuildFacts, ExceptionStyle, ExportReport, ImportReport, Inspector, MemoryRegion, ModuleReport, Owner,
    ProcessMap, Producer, Provider, SymbolDefinition, SymbolDifference, SymbolReport, SymbolUse, TableRegion,
    refused_features_in_words,
};
pub use journal::{Journal, SlotContent};
pub use layout::{LibraryPlacement, LibraryReservation, Placement, Reservation};
pub use lazy::{LateBinding, LazySymbol, LazySymbols};
pub use main_module::{MainDefect, MainModule};
pub use main_placement::MainPlacement;
pub use namespace::{Library, Namespace, PointedTo, Scope, Stage, Symbol, SymbolKind, SymbolValue, Unloaded};
pub use needed::{
    FileIdentity, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, LoadOrder, NewLibrary,
    OpenMode, Start,
};
pub use parse::{
    DylinkInfo, ElementSlot, ElementSlots, Export, ExportKind, Exports, Import, ImportKind, MemoryInfo,
    ParsedModule, Signature,
};
pub use plan::{BoundImport, LoadPlan, LoadStep, PlannedLibrary};
pub use provided::Provided;
pub use resolve::{Binding, FunctionRef, ResolvedLibrary, ResolvedModules, TagSource};
pub use search_path::{PATH_LIMIT, Place, Requester, SearchPath};
pub use thunks::{Thunk, ThunkImport, ThunkKind, ThunkModule};
