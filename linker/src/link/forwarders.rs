//! Owns forwarders: functions that a main module is instantiated with in place of functions that libraries define, which do not
//! exist until later. Each calls what the corresponding element of the generated module's own table holds by then. Must not know
//! libraries.

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, NameMap, NameSection, RefType,
    TableSection, TableType,
};

use crate::link::thunks::{Types, count, is_encodable};
use crate::parse::Signature;

/// The generated module's table export: element `n` is what forwarder `n` calls. All elements are null at first.
pub const TARGETS: &str = "targets";

/// The name under which the generated module exports forwarder number `index`.
pub fn export_name(index: usize) -> String {
    format!("forwarder{index}")
}

/// The generated module of forwarders, for the functions that a main module imports and that only libraries can define.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwarderModule {
    /// The bytes of the module.
    pub bytes: Vec<u8>,
    /// Name and type of each function: forwarder `n` stands in for entry `n`.
    pub wanted: Vec<(String, Signature)>,
}

impl ForwarderModule {
    /// Generates the module for functions of these names and types. Errs with the name of the first function for whose type no
    /// code can be generated: a type with references other than `funcref` and `externref`.
    pub(crate) fn generate(wanted: Vec<(String, Signature)>) -> Result<ForwarderModule, String> {
        if let Some((name, _)) = wanted.iter().find(|(_, signature)| !is_encodable(signature)) {
            return Err(name.clone());
        }
        let bytes = generate(&wanted);
        Ok(ForwarderModule { bytes, wanted })
    }
}

fn generate(wanted: &[(String, Signature)]) -> Vec<u8> {
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
    module.finish()
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
        let wanted = [("a", &nothing), ("b", &much), ("c", &nothing)];
        let wanted = wanted.map(|(name, signature)| (name.to_owned(), signature.clone()));
        let ForwarderModule { bytes, .. } = ForwarderModule::generate(wanted.to_vec()).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("forwarder2") && text.contains(TARGETS), "{text}");
    }
}
