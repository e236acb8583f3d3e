//! Owns binding at the first call: what a load defers, and what defines it by then. Must not know how a call gets here, or where
//! slots are kept.

use std::sync::Arc;

use indexmap::IndexSet;

use crate::base::ids::ModuleId;
use crate::link::error::{LookupError, SymbolProblem};
use crate::link::namespace::{Namespace, Symbol, SymbolKind};
use crate::link::resolve::{FunctionRef, LoadScope, Want};
use crate::parse::Signature;

/// A function that a library imports and that is bound when it is first called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LazySymbol {
    /// The library that imports it.
    pub importer: ModuleId,
    /// Path of the importing library's file, for messages: a start function may call before the library is in the namespace.
    pub path: Arc<str>,
    /// Name of the function.
    pub name: String,
    /// The type that the importer calls it with.
    pub signature: Signature,
}

/// The functions that a load defers to their first calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LazySymbols {
    /// The functions, indexed by the number that their thunks pass.
    pub symbols: Vec<LazySymbol>,
    /// Where they are looked up.
    pub scope: LoadScope,
}

/// What a function is bound to at its first call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateBinding {
    /// The library that calls it.
    pub importer: ModuleId,
    /// The function.
    pub function: FunctionRef,
    /// The module to take it from, and the name of its export there.
    pub from: (ModuleId, String),
}

impl LazySymbols {
    /// Binds function `number` in the scope of its importer as it is now; libraries may have become global since the load. `None`
    /// for a number that no thunk passes. Errs when nothing in scope defines the symbol, or when all its definitions are of
    /// another kind or type.
    pub fn bind(&self, namespace: &Namespace, number: usize) -> Option<Result<LateBinding, LookupError>> {
        let wanted = self.symbols.get(number)?;
        let problem = match self.find(namespace, wanted) {
            None => wanted.undefined(),
            Some(Symbol { definer, kind: SymbolKind::Function(index, found) })
                if found == wanted.signature =>
            {
                return Some(Ok(LateBinding {
                    importer: wanted.importer,
                    function: namespace.canonical(FunctionRef { definer, index }),
                    from: (definer, wanted.name.clone()),
                }));
            }
            Some(found) => wanted.wrong_type(namespace, &found),
        };
        let searched = self.modules(namespace).into_iter().map(|id| namespace.name(id).to_owned()).collect();
        Some(Err(LookupError { problem, searched, note: None }))
    }

    /// The first definition of the type that is called, or else the first one of any type.
    fn find(&self, namespace: &Namespace, wanted: &LazySymbol) -> Option<Symbol> {
        let all = || self.scope.modules(namespace).filter_map(|id| namespace.definition(id, &wanted.name));
        let fits = |found: &Symbol| Want::Function(&wanted.signature).fits(&found.kind);
        all().find(fits).or_else(|| all().next())
    }

    /// The modules to search, each once.
    fn modules(&self, namespace: &Namespace) -> IndexSet<ModuleId> {
        self.scope.modules(namespace).filter(|id| namespace.module(*id).is_some()).collect()
    }
}

impl LazySymbol {
    fn undefined(&self) -> SymbolProblem {
        SymbolProblem::Undefined {
            importer: self.path.clone(),
            symbol: self.name.clone(),
            wanted: SymbolProblem::function(&self.signature),
        }
    }

    fn wrong_type(&self, namespace: &Namespace, found: &Symbol) -> SymbolProblem {
        let own = namespace.definition(self.importer, &self.name);
        SymbolProblem::WrongType {
            importer: self.path.clone(),
            symbol: self.name.clone(),
            wanted: SymbolProblem::function(&self.signature),
            definer: namespace.name(found.definer).to_owned(),
            found: found.kind.describe(),
            own: own.map(|own| own.kind.describe()),
        }
    }
}
