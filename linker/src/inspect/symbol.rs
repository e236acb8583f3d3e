//! Owns the account of one symbol in a load: which modules need it, which define it, and which definition counts. Must not know
//! files.

use indexmap::IndexSet;

use super::path_of;
use crate::base::abi;
use crate::base::ids::ModuleId;
use crate::link::namespace::{Namespace, definition_in};
use crate::link::needed::LoadOrder;
use crate::link::resolve::Binding;
use crate::parse::{Import, ImportKind, ParsedModule};

/// A module of the load that imports the symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolUse {
    /// Path of the importing module.
    pub path: String,
    /// The import module: `env`, `GOT.mem`, `GOT.func` or a host's import module.
    pub module: String,
    /// What the module needs: `function (i32) -> i32`, `address of data` and so on.
    pub wanted: String,
    /// Whether the symbol may stay undefined.
    pub weak: bool,
    /// Path of the module whose definition is used; `None` when none of them is.
    pub provider: Option<String>,
    /// Why no definition is used.
    pub problem: Option<String>,
}

/// A module that exports the symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolDefinition {
    /// Path of the exporting module.
    pub path: String,
    /// What the symbol is in that module: `function (i32) -> i32`, `data` and so on.
    pub kind: String,
}

/// The account of one symbol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolReport {
    /// Name of the symbol.
    pub symbol: String,
    /// Path of the file that is loaded.
    pub path: String,
    /// The modules that import the symbol, in the order of initialization.
    pub uses: Vec<SymbolUse>,
    /// The modules that define the symbol, in search order: the first definition of the required type counts.
    pub definitions: Vec<SymbolDefinition>,
    /// Whether a host has a function of this name for the modules that import it.
    pub of_host: bool,
    /// Whether only JavaScript has the function; there is no JavaScript here, so a call fails.
    pub of_javascript: bool,
}

impl SymbolReport {
    pub(super) fn of(namespace: &Namespace, order: &LoadOrder, symbol: &str) -> SymbolReport {
        let mut uses = Vec::new();
        for (id, bindings) in order.explain(namespace).results {
            let Some(library) = order.new_library(id) else { continue };
            for (import, binding) in library.module.imports.iter().zip(bindings) {
                if import.name == symbol {
                    let binding = binding.as_ref().map_err(ToString::to_string);
                    let path = |id| path_of(namespace, order, id);
                    uses.push(use_of(&library.module, &library.file.path, import, binding, path));
                }
            }
        }
        let mut scope: IndexSet<_> = namespace.global_scope().iter().copied().collect();
        scope.extend(order.search.iter().copied());
        let definition = |id| {
            let new = order.new_library(id).map(|library| &library.module);
            definition(new.or_else(|| namespace.module(id))?, id, path_of(namespace, order, id), symbol)
        };
        SymbolReport {
            definitions: scope.into_iter().filter_map(definition).collect(),
            uses,
            ..SymbolReport::empty(namespace, order.root_name(namespace), symbol)
        }
    }

    /// The account of a symbol for a library that the main module needs itself.
    pub(super) fn of_loaded(namespace: &Namespace, path: &str, symbol: &str) -> SymbolReport {
        let mut uses = Vec::new();
        for library in namespace.libraries().iter().filter(|library| library.path == path) {
            for (import, binding) in library.module.imports.iter().zip(library.bindings.iter()) {
                if import.name == symbol {
                    uses.push(use_of(&library.module, path, import, Ok(binding), |id| namespace.name(id)));
                }
            }
        }
        let scope = namespace.global_scope().iter().copied();
        let definition = |id| definition(namespace.module(id)?, id, namespace.name(id), symbol);
        SymbolReport {
            definitions: scope.filter_map(definition).collect(),
            uses,
            ..SymbolReport::empty(namespace, path, symbol)
        }
    }

    fn empty(namespace: &Namespace, path: &str, symbol: &str) -> SymbolReport {
        SymbolReport {
            symbol: symbol.to_owned(),
            path: path.to_owned(),
            uses: Vec::new(),
            definitions: Vec::new(),
            of_host: namespace.host_function(abi::ENV, symbol).is_some()
                || namespace.host_function(abi::WASI_PREVIEW1, symbol).is_some()
                || namespace.host_address(symbol).is_some(),
            of_javascript: namespace.host_address(symbol).is_some_and(|address| !address.is_served),
        }
    }
}

fn use_of<'a>(
    module: &ParsedModule,
    path: &str,
    import: &Import,
    binding: Result<&Binding, String>,
    path_of: impl Fn(ModuleId) -> &'a str,
) -> SymbolUse {
    let wanted = match (import.module.as_str(), &import.kind) {
        (abi::GOT_MEM, _) => "address of data".to_owned(),
        (abi::GOT_FUNC, _) => "address of a function".to_owned(),
        (_, ImportKind::Function(signature)) => format!("function {signature}"),
        (_, kind) => kind.word().to_owned(),
    };
    let dylink = module.dylink.as_ref();
    let definer = binding.as_ref().ok().and_then(|binding| binding.definer());
    SymbolUse {
        path: path.to_owned(),
        module: import.module.clone(),
        wanted,
        weak: dylink.is_some_and(|dylink| dylink.weak_imports.contains(&import.name)),
        provider: definer.map(|id| path_of(id).to_owned()),
        problem: binding.err(),
    }
}

fn definition(module: &ParsedModule, id: ModuleId, path: &str, symbol: &str) -> Option<SymbolDefinition> {
    let found = abi::is_symbol(symbol).then(|| definition_in(module, id, symbol)).flatten()?;
    Some(SymbolDefinition { path: path.to_owned(), kind: found.kind.describe() })
}
