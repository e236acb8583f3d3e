//! Owns forwarders: functions that a main module is instantiated with in place of those that libraries define, which are there only
//! later. Each calls what an element of the generated module's own table holds by then. Must not know libraries.

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, NameMap, NameSection, RefType,
    TableSection, TableType,
};

use crate::error::{LinkError, SymbolProblem};
use crate::ids::ModuleId;
use crate::namespace::{Namespace, Scope, Symbol, SymbolKind};
use crate::parse::Signature;
use crate::resolve::Want;
use crate::thunks::{Types, count, is_encodable};

/// The export of the generated module that is its table: element `n` is what forwarder `n` calls. All are null at first.
pub const TARGETS: &str = "targets";

/// The name under which the generated module exports forwarder number `index`.
pub fn export_name(index: usize) -> String {
    format!("forwarder{index}")
}

/// Generates the module of forwarders for functions of these names and types, in this order. `None` when a type is one that no code
/// can be generated for: one with references other than `funcref` and `externref`.
pub fn generate(wanted: &[(&str, &Signature)]) -> Option<Vec<u8>> {
    if !wanted.iter().all(|(_, signature)| is_encodable(signature)) {
        return None;
    }
    let mut types = Types::default();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    let mut names = NameMap::new();
    for (position, (name, signature)) in wanted.iter().enumerate() {
        let (index, ty) = (count(position), types.index(signature));
        functions.function(ty);
        exports.export(&export_name(position), ExportKind::Func, index);
        names.append(index, &format!("forwarder to {name}"));
        code.function(&body(index, ty, count(signature.params().len())));
    }
    exports.export(TARGETS, ExportKind::Table, 0);
    let size = u64::from(count(wanted.len()));
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        minimum: size,
        maximum: Some(size),
        table64: false,
        shared: false,
    });
    let mut name_section = NameSection::new();
    name_section.module("pydl forwarders");
    name_section.functions(&names);
    let mut module = Module::new();
    module
        .section(&types.section)
        .section(&functions)
        .section(&tables)
        .section(&exports)
        .section(&code)
        .section(&name_section);
    Some(module.finish())
}

/// Finds what each forwarder calls: the module that has the first definition of the function in the global scope, and `None` when there
/// is none. Errs with all functions that are defined as something else.
pub fn definers<'a>(
    namespace: &Namespace,
    wanted: impl IntoIterator<Item = (&'a str, &'a Signature)>,
) -> Result<Vec<Option<ModuleId>>, LinkError> {
    let main = namespace.main().name();
    let mut problems = Vec::new();
    let mut definers = Vec::new();
    for (name, signature) in wanted {
        let found = first_fitting(namespace, name, signature);
        definers.push(found.as_ref().map(|found| found.definer));
        match found {
            Some(found) if !matches!(&found.kind, SymbolKind::Function(_, defined) if defined == signature) =>
            {
                problems.push(SymbolProblem::WrongType {
                    importer: main.into(),
                    symbol: name.to_owned(),
                    wanted: SymbolProblem::function(signature),
                    definer: namespace.name(found.definer).to_owned(),
                    found: found.kind.describe(),
                    own: None,
                });
            }
            _ => {}
        }
    }
    if problems.is_empty() {
        return Ok(definers);
    }
    problems.sort();
    Err(LinkError::Symbols { library: main.to_owned(), problems })
}

/// The first definition of this type in the global scope, or else the first at all.
fn first_fitting(namespace: &Namespace, name: &str, signature: &Signature) -> Option<Symbol> {
    let mut all = namespace.global_scope().iter().filter_map(|id| namespace.definition(*id, name));
    let first = namespace.lookup(name, Scope::Global)?;
    all.find(|found| Want::Function(signature).fits(&found.kind)).or(Some(first))
}

fn body(element: u32, ty: u32, parameters: u32) -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    for parameter in 0..parameters {
        sink.local_get(parameter);
    }
    sink.i32_const(element.cast_signed()).call_indirect(0, ty).end();
    function
}

#[cfg(test)]
mod tests {
    use wasmparser::{FuncType, ValType, Validator};

    use super::*;

    #[test]
    fn what_is_generated_is_valid() {
        let nothing = Signature::new(FuncType::new([], []));
        let much = Signature::new(FuncType::new([ValType::I32, ValType::F64, ValType::I64], [ValType::I64]));
        let bytes = generate(&[("a", &nothing), ("b", &much), ("c", &nothing)]).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("forwarder2") && text.contains(TARGETS), "{text}");
    }
}
