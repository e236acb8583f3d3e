//! Owns what a rebuilt module offers more, less and differently than before: what modules linked against the old one would
//! notice. Must not know which modules those are.

use std::collections::BTreeMap;

use crate::base::abi;
use crate::base::ids::ModuleId;
use crate::link::namespace::definition_in;
use crate::parse::ParsedModule;

/// The differences between the symbols that two modules define, each list sorted by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SymbolDifference {
    /// Symbols that only the new module has, and what they are.
    pub added: Vec<(String, String)>,
    /// Symbols that only the old module has, and what they were.
    pub dropped: Vec<(String, String)>,
    /// Symbols that have become something else: name, what it was, what it is.
    pub changed: Vec<(String, String, String)>,
}

impl SymbolDifference {
    /// Compares what two modules define. The position of data does not count: importers learn it at each load.
    pub fn between(old: &ParsedModule, new: &ParsedModule) -> SymbolDifference {
        let (old, mut new) = (symbols(old), symbols(new));
        let mut difference = SymbolDifference::default();
        for (name, was) in old {
            match new.remove(&name) {
                None => difference.dropped.push((name, was)),
                Some(is) if is != was => difference.changed.push((name, was, is)),
                Some(_) => {}
            }
        }
        difference.added.extend(new);
        difference
    }

    /// Whether everything that was linked against the old module finds in the new one what it found in the old one.
    pub fn is_compatible(&self) -> bool {
        self.dropped.is_empty() && self.changed.is_empty()
    }
}

fn symbols(module: &ParsedModule) -> BTreeMap<String, String> {
    let names = module.exports.iter().map(|(name, _)| name).filter(|name| abi::is_symbol(name));
    names
        .filter_map(|name| {
            let symbol = definition_in(module, ModuleId::MAIN, name)?;
            Some((name.to_owned(), symbol.kind.describe()))
        })
        .collect()
}
