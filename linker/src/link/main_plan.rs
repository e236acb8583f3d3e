//! Owns the plan by which a main module itself is instantiated: what it is instantiated with, before the libraries exist that it
//! needs. What these define, and what the main module refers to by address, follows with the plan of their load
//! ([`crate::Load::of_main`]). Must not know how steps are executed.

use std::collections::HashMap;
use std::sync::Arc;

use wasmparser::ValType;

use crate::base::abi;
use crate::base::ids::{Address, ModuleId};
use crate::link::error::LinkError;
use crate::link::forwarders::ForwarderModule;
use crate::link::host::Host;
use crate::link::main_module::MainModule;
use crate::link::main_placement::MainPlacement;
use crate::link::plan::{BoundImport, LoadPlan, LoadStep, has_function};
use crate::link::resolve::TagSource;
use crate::parse::abi_family::AbiFamily;
use crate::parse::{Import, ImportKind, Signature};

impl LoadPlan {
    /// The plan for the main module of a process in which nothing exists yet; `host` determines which functions libraries need
    /// not define. Errs when the main module has an import that nothing provides.
    pub fn of_main(main: &Arc<MainModule>, host: &dyn Host) -> Result<LoadPlan, LinkError> {
        let forwarders = forwarders(main, host)?;
        let binder = Binder::of(main, forwarders.as_ref());
        let imports = binder.all()?;
        let mut steps = Vec::new();
        steps.extend(main.placement().into_iter().flat_map(shared));
        steps.extend(forwarders.is_some().then_some(LoadStep::InstantiateForwarders));
        steps.push(LoadStep::Instantiate { module: ModuleId::MAIN, imports });
        steps.extend(main.module().has_start.then_some(LoadStep::Start(ModuleId::MAIN)));
        let is_emscripten = main.family() == AbiFamily::Emscripten;
        let is_whole = !is_left_open(main);
        // A position-independent main module finds its stack through GOT cells, which have no values yet.
        if is_emscripten && (is_whole || main.placement().is_none()) {
            steps.push(LoadStep::BeginStack);
        }
        // The `_start` of a WASI command calls them itself.
        let constructs = is_emscripten && is_whole && has_function(main.module(), abi::CALL_CTORS);
        let constructors = constructs.then_some(ModuleId::MAIN);
        Ok(LoadPlan {
            root: ModuleId::MAIN,
            main: Some(main.clone()),
            libraries: Vec::new(),
            forwarders: forwarders.map(Arc::new),
            thunk_module: None,
            steps,
            constructors: constructors.into_iter().collect(),
        })
    }

    /// Whether the main module has to be completed by a load ([`crate::Load::of_main`]), because its cells have no values yet or
    /// because it needs libraries.
    pub fn leaves_main_open(&self) -> bool {
        self.main.as_ref().is_some_and(|main| is_left_open(main))
    }

    /// Where the main module's static data begins; 0 when its addresses are absolute.
    pub fn base_of_main(&self) -> Address {
        let placement = self.main.as_ref().and_then(|main| main.placement());
        placement.map_or(Address(0), |placement| placement.memory_base)
    }

    /// The positions of the main module's imports that are GOT cells, in a plan that instantiates the main module.
    pub(crate) fn cells_of_main(&self) -> impl Iterator<Item = usize> + '_ {
        let imports = self.imports_of(ModuleId::MAIN).iter().enumerate();
        imports.filter(|(_, import)| is_cell(import)).map(|(position, _)| position)
    }
}

/// Whether a main module is incomplete without a load. The cells of a main module that cannot host libraries stay without values.
fn is_left_open(main: &MainModule) -> bool {
    let has_cells = main.module().imports.iter().any(is_cell);
    main.needed().next().is_some() || (has_cells && main.defects().is_empty())
}

/// What a position-independent main module shares with its libraries and is given; Emscripten's main modules export these since
/// 5.0.
fn shared(placement: &MainPlacement) -> [LoadStep; 3] {
    [
        LoadStep::MakeMemory { size: placement.stack_high.0 },
        LoadStep::MakeTable { slots: placement.table_end.0 },
        LoadStep::MakeStackPointer(placement.stack_high),
    ]
}

/// The forwarders for functions that a main module imports and that no host provides; `None` when there are none, or when the
/// main module needs no libraries.
fn forwarders(main: &MainModule, host: &dyn Host) -> Result<Option<ForwarderModule>, LinkError> {
    if main.needed().next().is_none() {
        return Ok(None);
    }
    let family = main.family();
    let wanted = main.module().imports.iter().filter_map(|import| match &import.kind {
        ImportKind::Function(signature) if import.module == abi::ENV => Some((&import.name, signature)),
        _ => None,
    });
    let wanted = wanted.filter(|(name, ty)| host.function(family, abi::ENV, name, ty).is_none());
    let wanted: Vec<(String, Signature)> = wanted.map(|(name, ty)| (name.clone(), ty.clone())).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let module = ForwarderModule::generate(wanted).map_err(|function| LinkError::MainImports {
        main: main.name().to_owned(),
        why: format!("it imports `{function}` from a library with a type that has references, for which there is no way"),
    })?;
    Ok(Some(module))
}

/// Binds the imports of a main module.
struct Binder<'a> {
    main: &'a MainModule,
    /// The position of each forwarder, by name: a main module may import a million functions.
    forwarders: HashMap<&'a str, usize>,
}

impl<'a> Binder<'a> {
    fn of(main: &'a MainModule, forwarders: Option<&'a ForwarderModule>) -> Binder<'a> {
        let wanted = forwarders.into_iter().flat_map(|module| &module.wanted);
        let positions = wanted.zip(0..).map(|((name, _), position)| (name.as_str(), position));
        Binder { main, forwarders: positions.collect() }
    }

    fn all(&self) -> Result<Vec<BoundImport>, LinkError> {
        let mut bound = Vec::with_capacity(self.main.module().imports.len());
        for import in &self.main.module().imports {
            bound.push(self.bind(import).ok_or_else(|| LinkError::MainImports {
                main: self.main.name().to_owned(),
                why: format!("it imports `{}.{}`, which nothing provides", import.module, import.name),
            })?);
        }
        Ok(bound)
    }

    /// What an import is bound to; `None` when nothing provides it.
    fn bind(&self, import: &Import) -> Option<BoundImport> {
        let of_env = import.module == abi::ENV;
        match &import.kind {
            ImportKind::Function(_) => {
                let forwarder = self.forwarders.get(import.name.as_str()).filter(|_| of_env);
                Some(forwarder.map_or(BoundImport::Host, |position| BoundImport::Forwarder(*position)))
            }
            ImportKind::Global(_) if is_cell(import) => Some(BoundImport::GotCell(0)),
            _ if of_env => self.given(import),
            _ => None,
        }
    }

    /// The imports that only a position-independent main module is given.
    fn given(&self, import: &Import) -> Option<BoundImport> {
        let placement = self.main.placement()?;
        match (import.name.as_str(), &import.kind) {
            (abi::MEMORY, ImportKind::Memory(_)) => Some(BoundImport::Memory),
            (abi::TABLE, ImportKind::Table(_)) => Some(BoundImport::Table),
            (abi::STACK_POINTER, ImportKind::Global(_)) => Some(BoundImport::StackPointer),
            (abi::MEMORY_BASE, ImportKind::Global(_)) => Some(BoundImport::Constant(placement.memory_base.0)),
            (abi::TABLE_BASE, ImportKind::Global(_)) => Some(BoundImport::Constant(placement.table_base.0)),
            // Libraries get the same tags.
            (name @ (abi::CPP_EXCEPTION | abi::C_LONGJMP), ImportKind::Tag(_)) => {
                Some(BoundImport::Tag(TagSource::Process(name.to_owned())))
            }
            _ => None,
        }
    }
}

/// Whether an import is a GOT cell.
fn is_cell(import: &Import) -> bool {
    let ImportKind::Global(ty) = &import.kind else { return false };
    let is_cell = ty.mutable && !ty.shared && ty.content_type == ValType::I32;
    is_cell && matches!(import.module.as_str(), abi::GOT_FUNC | abi::GOT_MEM)
}
