//! Owns the pass that gives the host access to what a module keeps private: its mutable globals, defined or imported, and its
//! tables are exported under names of the linker's own, and its start function is exported instead of being run at instantiation.
//! In this way a module can be instantiated without running any of its code, and its state can be restored. Must not know who
//! wants that.

use wasm_encoder::ExportKind;

use super::additions::Additions;
use super::layout::Layout;
use crate::parse::error::ParseError;

/// The export of the start function, in a module that has one.
pub const START: &str = "pydl:start";
/// The prefix of the names of exported globals; the index follows.
const GLOBAL: &str = "pydl:global:";
const TABLE: &str = "pydl:table:";

/// Adds the missing exports. Errs when the module exports something else under one of the names.
pub(super) fn export(layout: &Layout<'_>, added: &mut Additions<'_>) -> Result<(), ParseError> {
    for index in layout.private_globals() {
        added.export(&format!("{GLOBAL}{index}"), ExportKind::Global, index)?;
    }
    for index in layout.private_tables() {
        added.export(&format!("{TABLE}{index}"), ExportKind::Table, index)?;
    }
    if layout.start.is_none() && layout.exports_name(START) {
        return Err(ParseError::new(0, format!("it exports `{START}`, a name that the linker needs")));
    }
    if let Some(start) = layout.start {
        let ty = layout.type_of(start);
        if !ty.is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty()) {
            let message = format!("its start function, {start}, is not a function of type () -> ()");
            return Err(ParseError::new(0, message));
        }
        added.export(START, ExportKind::Func, start)?;
        added.take_start();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, EntityType, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
        ImportSection, Module, RawSection, StartSection, TypeSection, ValType,
    };
    use wasmparser::{Validator, WasmFeatures};

    use super::*;
    use crate::base::abi::GOT_MEM;
    use crate::rewrite::{Pass, Recipe};

    fn export_state(module: &Module) -> Result<Option<Vec<u8>>, ParseError> {
        Recipe::of([Pass::ExportState]).apply(&module.clone().finish())
    }

    /// A module with one function of so many parameters.
    fn module(parameters: usize) -> (Module, CodeSection) {
        let (mut types, mut functions, mut code) =
            (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        types.ty().function(vec![ValType::I32; parameters], []);
        functions.function(0);
        let mut body = Function::new([]);
        body.instructions().end();
        code.function(&body);
        let mut module = Module::new();
        module.section(&types);
        let mut imports = ImportSection::new();
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        imports.import(GOT_MEM, "cell", EntityType::Global(ty));
        module.section(&imports).section(&functions);
        (module, code)
    }

    #[test]
    fn what_a_module_keeps_to_itself_is_exported_and_nothing_runs() {
        let (mut module, code) = module(0);
        let mut globals = GlobalSection::new();
        for mutable in [true, false] {
            let ty = GlobalType { val_type: ValType::I64, mutable, shared: false };
            globals.global(ty, &wasm_encoder::ConstExpr::i64_const(1));
        }
        module.section(&globals).section(&StartSection { function_index: 0 }).section(&code);
        let exported = export_state(&module).unwrap().unwrap();
        Validator::new_with_features(WasmFeatures::all()).validate_all(&exported).unwrap();
        let layout = Layout::read(&exported).unwrap();
        assert!(layout.exports_name("pydl:global:0") && layout.exports_name("pydl:global:1"));
        assert!(!layout.exports_name("pydl:global:2") && layout.exports_name(START));
        assert_eq!(layout.start, None);
    }

    #[test]
    fn numbers_names_and_types_are_not_believed() {
        let (mut many, code) = module(0);
        // 4,294,967,295 tables in three bytes.
        let table = RawSection { id: 4, data: &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x70, 0, 0] };
        many.section(&table).section(&code);
        export_state(&many).unwrap_err();
        let (mut typed, code) = module(1);
        typed.section(&StartSection { function_index: 0 }).section(&code);
        assert!(export_state(&typed).unwrap_err().to_string().contains("start function"));
        let (mut named, code) = module(0);
        let mut exports = ExportSection::new();
        exports.export(START, ExportKind::Func, 0);
        named.section(&exports).section(&code);
        assert!(export_state(&named).unwrap_err().to_string().contains(START));
    }
}
