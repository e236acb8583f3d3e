//! Owns the code that goes between parts: a module of small functions, each of which calls something in another part with something
//! added, or stands for something that is not there. Must not know why it is needed.

use std::collections::HashMap;

use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, InstructionSink, MemorySection, MemoryType, Module, NameMap, NameSection,
    TableSection, TableType, TagKind, TagSection, TagType,
};
use wasmparser::{FuncType, ValType};

use super::numbering::{Supply, count};
use crate::base::abi;
use crate::link::thunks::Types;
use crate::parse::Signature;

/// Functions that are made on demand; each is known by the name of its export.
pub(super) struct Glue {
    /// The position of the generated module among the parts.
    pub part: usize,
    imports: Vec<(Supply, String, String, Signature)>,
    functions: Vec<Made>,
    /// What was asked for before: the name of its export.
    exports: HashMap<String, Exported>,
    /// What the parts share and none of them defines.
    shared: Option<Shared>,
    /// Tags that none of the parts defines: names and types.
    tags: Vec<(String, Signature)>,
}

/// The memory, the table and the stack pointer of a position-independent main module, which imports them.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    /// The types that the main module asks for.
    pub memory: MemoryType,
    pub table: TableType,
    /// The upper end of the stack.
    pub stack_pointer: u32,
}

/// What an export is: an import passed on, or a function.
#[derive(Clone, Copy)]
enum Exported {
    Import(usize),
    Function(usize),
}

/// A function to generate: its type, and what it does.
struct Made {
    name: String,
    signature: Signature,
    action: Action,
}

enum Action {
    /// Traps: the function is not there.
    Trap,
    /// Passes its parameters and a number to an import.
    CallWith { import: usize, number: u32 },
    /// Passes a number to one import, and then does what another one does.
    CallBoth { first: usize, number: u32, second: usize },
    /// Passes the results of some imports to another one, and then calls a last one, if there is one.
    Pass { results: Vec<usize>, to: usize, then: Option<usize> },
    /// Calls one import, and then another one with each of some numbers.
    CallAll { first: usize, second: usize, numbers: Vec<u32> },
}

fn words(parameters: usize, results: usize) -> Signature {
    Signature::new(FuncType::new(vec![ValType::I32; parameters], vec![ValType::I32; results]))
}

impl Glue {
    /// No functions yet, of a module that will be at a position among the parts.
    pub(super) fn at(part: usize) -> Glue {
        Glue {
            part,
            imports: Vec::new(),
            functions: Vec::new(),
            exports: HashMap::new(),
            shared: None,
            tags: Vec::new(),
        }
    }

    /// A function of the host: its module, its name, and its number of parameters; parameters and result are words.
    pub(super) fn of_host(&mut self, module: &str, name: &str, parameters: usize) -> String {
        self.import_exported(Supply::Import, module, name, words(parameters, 1))
    }

    /// A function that the host has in `env`.
    pub(super) fn host_function(&mut self, name: &str, signature: &Signature) -> String {
        self.import_exported(Supply::Import, abi::ENV, name, signature.clone())
    }

    /// A function of a part, which others cannot reach any more under its own name; parameters and result are words.
    pub(super) fn original(&mut self, part: usize, name: &str, parameters: usize) -> String {
        let supply = Supply::Export { part, name: name.to_owned() };
        self.import_exported(supply, "original", name, words(parameters, 1))
    }

    /// A function that calls `pydl_NAME_from` of a part with its two parameters and the number of the library that it is for.
    pub(super) fn call_from(&mut self, part: usize, name: &str, number: u32) -> String {
        let called = format!("pydl_{name}_from");
        let import = self.import(Supply::Export { part, name: called.clone() }, "part", &called, words(3, 1));
        self.make(format!("{name} of library {number}"), words(2, 1), Action::CallWith { import, number })
    }

    /// A function that has the constructors of library `number` run, by `pydl_construct` of the part `linked`, and then does what `init`
    /// of another part does.
    pub(super) fn construct_first(&mut self, linked: usize, number: u32, part: usize, init: &str) -> String {
        let construct = "pydl_construct";
        let supply = Supply::Export { part: linked, name: construct.to_owned() };
        let first = self.import(supply, "part", construct, words(1, 0));
        let supply = Supply::Export { part, name: init.to_owned() };
        let second = self.import(supply, &format!("part{part}"), init, words(0, 1));
        let action = Action::CallBoth { first, number, second };
        self.make(format!("{init} of library {number}"), words(0, 1), action)
    }

    /// A function that runs the constructors of the main module, and then those of some libraries.
    pub(super) fn constructors(&mut self, main: usize, linked: usize, numbers: Vec<u32>) -> String {
        let supply = Supply::Export { part: main, name: abi::CALL_CTORS.to_owned() };
        let first = self.import(supply, "original", abi::CALL_CTORS, words(0, 0));
        let construct = "pydl_construct";
        let supply = Supply::Export { part: linked, name: construct.to_owned() };
        let second = self.import(supply, "part", construct, words(1, 0));
        let action = Action::CallAll { first, second, numbers };
        self.make("constructors of the program".to_owned(), words(0, 0), action)
    }

    /// A function that tells a library the bounds of the stack, which the main module knows, and then runs its constructors, if it has any.
    pub(super) fn limit_stack(&mut self, main: usize, part: usize, constructs: bool) -> String {
        let mut of = |part: usize, name: &str, ty: Signature| {
            let supply = Supply::Export { part, name: name.to_owned() };
            self.import(supply, &format!("part{part}"), name, ty)
        };
        let results = [abi::STACK_BASE_FUNCTION, abi::STACK_END_FUNCTION]
            .map(|name| of(main, name, words(0, 1)))
            .to_vec();
        let to = of(part, abi::SET_STACK_LIMITS, words(2, 0));
        let then = constructs.then(|| of(part, abi::CALL_CTORS, words(0, 0)));
        let action = Action::Pass { results, to, then };
        self.make(format!("construct part {part}"), words(0, 0), action)
    }

    /// A function that traps, for one that nothing defines.
    pub(super) fn undefined(&mut self, name: &str, signature: &Signature) -> String {
        self.make(format!("undefined function {name}: {signature}"), signature.clone(), Action::Trap)
    }

    /// Defines what a position-independent main module imports, under the names by which it imports them.
    pub(super) fn share(&mut self, shared: Shared) {
        self.shared = Some(shared);
    }

    /// Defines a tag.
    pub(super) fn tag(&mut self, name: &str, signature: &Signature) {
        if !self.tags.iter().any(|(known, _)| known == name) {
            self.tags.push((name.to_owned(), signature.clone()));
        }
    }

    fn import(&mut self, supply: Supply, module: &str, name: &str, signature: Signature) -> usize {
        let known = self
            .imports
            .iter()
            .position(|(known, _, its, ty)| (known, its.as_str(), ty) == (&supply, name, &signature));
        known.unwrap_or_else(|| {
            self.imports.push((supply, module.to_owned(), name.to_owned(), signature));
            self.imports.len() - 1
        })
    }

    fn import_exported(&mut self, supply: Supply, module: &str, name: &str, signature: Signature) -> String {
        let export = format!("{module}.{name}: {signature}");
        let import = self.import(supply, module, name, signature);
        self.exports.insert(export.clone(), Exported::Import(import));
        export
    }

    fn make(&mut self, name: String, signature: Signature, action: Action) -> String {
        if !self.exports.contains_key(&name) {
            self.exports.insert(name.clone(), Exported::Function(self.functions.len()));
            self.functions.push(Made { name: name.clone(), signature, action });
        }
        name
    }

    /// What supplies the imports of the module.
    pub(super) fn supplies(&self) -> Vec<Supply> {
        self.imports.iter().map(|(supply, ..)| supply.clone()).collect()
    }

    /// Generates the module.
    pub(super) fn finish(&self) -> Vec<u8> {
        let mut types = Types::default();
        let mut imports = ImportSection::new();
        for (_, module, name, signature) in &self.imports {
            imports.import(module, name, EntityType::Function(types.index(signature)));
        }
        let (mut functions, mut code, mut names) =
            (FunctionSection::new(), CodeSection::new(), NameMap::new());
        let first = count(self.imports.len());
        for (position, made) in self.functions.iter().enumerate() {
            functions.function(types.index(&made.signature));
            code.function(&body(made));
            names.append(first.saturating_add(count(position)), &made.name);
        }
        let mut exports = ExportSection::new();
        let mut sorted: Vec<_> = self.exports.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        for (name, exported) in sorted {
            let index = match exported {
                Exported::Import(import) => count(*import),
                Exported::Function(function) => first.saturating_add(count(*function)),
            };
            exports.export(name, ExportKind::Func, index);
        }
        let (mut tables, mut memories, mut tags, mut globals) =
            (TableSection::new(), MemorySection::new(), TagSection::new(), GlobalSection::new());
        if let Some(shared) = &self.shared {
            tables.table(shared.table);
            memories.memory(shared.memory);
            let ty = GlobalType { val_type: wasm_encoder::ValType::I32, mutable: true, shared: false };
            globals.global(ty, &ConstExpr::i32_const(shared.stack_pointer.cast_signed()));
            exports.export(abi::TABLE, ExportKind::Table, 0);
            exports.export(abi::MEMORY, ExportKind::Memory, 0);
            exports.export(abi::STACK_POINTER, ExportKind::Global, 0);
        }
        for ((name, signature), index) in self.tags.iter().zip(0..) {
            tags.tag(TagType { kind: TagKind::Exception, func_type_idx: types.index(signature) });
            exports.export(name, ExportKind::Tag, index);
        }
        let mut name_section = NameSection::new();
        name_section.functions(&names);
        let mut module = Module::new();
        module.section(&types.section).section(&imports).section(&functions).section(&tables);
        module.section(&memories).section(&tags).section(&globals).section(&exports);
        module.section(&code).section(&name_section);
        module.finish()
    }
}

fn body(made: &Made) -> Function {
    let mut function = Function::new([]);
    let mut sink: InstructionSink<'_> = function.instructions();
    match &made.action {
        Action::Trap => {
            sink.unreachable();
        }
        Action::CallWith { import, number } => {
            for parameter in 0..count(made.signature.params().len()) {
                sink.local_get(parameter);
            }
            sink.i32_const(number.cast_signed()).call(count(*import));
        }
        Action::CallBoth { first, number, second } => {
            sink.i32_const(number.cast_signed()).call(count(*first)).call(count(*second));
        }
        Action::Pass { results, to, then } => {
            for import in results.iter().chain([to]).chain(then) {
                sink.call(count(*import));
            }
        }
        Action::CallAll { first, second, numbers } => {
            sink.call(count(*first));
            for number in numbers {
                sink.i32_const(number.cast_signed()).call(count(*second));
            }
        }
    }
    sink.end();
    function
}
