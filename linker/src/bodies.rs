//! Owns the replacement of function bodies of a module by others of the same type: everything else stays as it is, byte for byte. Must
//! not know why a body is replaced.

use std::collections::BTreeMap;

use wasm_encoder::{CodeSection, Function, InstructionSink, Module, RawSection, SectionId};
use wasmparser::{ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef};

use crate::abi;
use crate::error::{ParseError, slice};

/// What replacing bodies takes to know of a module.
#[derive(Default)]
pub(crate) struct Functions {
    types: Vec<Option<FuncType>>,
    /// The type index of each function, imported ones first.
    type_of: Vec<u32>,
    /// The functions imported from `env` and from WASI, by name.
    imported: BTreeMap<String, u32>,
    imports: u32,
    /// The functions that are exported, by name.
    exported: BTreeMap<String, u32>,
}

impl Functions {
    /// Reads a module, up to its code; imports and exports only of these names. Errs when it is malformed.
    pub(crate) fn of(wasm: &[u8], names: &[&str]) -> Result<Functions, ParseError> {
        let mut found = Functions::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        let types = group?.into_types();
                        found.types.extend(types.map(|ty| match ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let TypeRef::Func(ty) = import.ty else { continue };
                        let is_known = [abi::ENV, abi::WASI_PREVIEW1].contains(&import.module);
                        if is_known && names.contains(&import.name) {
                            found.imported.insert(import.name.to_owned(), found.imports);
                        }
                        found.imports += 1;
                        found.type_of.push(ty);
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        found.type_of.push(ty?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func && names.contains(&export.name) {
                            found.exported.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        Ok(found)
    }

    /// The function index of an import from `env` or from WASI.
    pub(crate) fn imported(&self, name: &str) -> Option<u32> {
        self.imported.get(name).copied()
    }

    /// The function index of an export that is not an import passed on.
    pub(crate) fn defined(&self, name: &str) -> Option<u32> {
        self.exported.get(name).copied().filter(|index| *index >= self.imports)
    }

    /// How many functions are imported.
    pub(crate) fn imports(&self) -> u32 {
        self.imports
    }

    /// The type of a function.
    pub(crate) fn type_of(&self, function: u32) -> Option<&FuncType> {
        self.types.get(*self.type_of.get(function as usize)? as usize)?.as_ref()
    }

    /// The function that a function does nothing but call, with its own parameters as the first arguments: what is left of a short
    /// C function whose callers may have it inlined, and then call the other one themselves. `None` when it does anything else.
    pub(crate) fn wrapped(&self, wasm: &[u8], function: u32) -> Result<Option<u32>, ParseError> {
        let mut next = self.imports;
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::CodeSectionEntry(body) = payload? else { continue };
            if next != function {
                next += 1;
                continue;
            }
            let operators: Vec<Operator<'_>> =
                body.get_operators_reader()?.into_iter().take(8).collect::<Result<_, _>>()?;
            let parameters = self.type_of(function).map_or(0, |ty| ty.params().len());
            let passed = operators.iter().zip(0_u32..).take(parameters);
            let passes_all = passed.clone().count() == parameters
                && passed.into_iter().all(|(operator, position)| {
                    matches!(operator, Operator::LocalGet { local_index } if *local_index == position)
                });
            let called = match operators.get(parameters..) {
                Some(
                    [Operator::Call { function_index }, Operator::End]
                    | [Operator::I32Const { .. }, Operator::Call { function_index }, Operator::End],
                ) => Some(*function_index),
                _ => None,
            };
            return Ok(called.filter(|called| passes_all && *called >= self.imports));
        }
        Ok(None)
    }

    /// The module with other bodies for these functions, each made of the one that is there.
    pub(crate) fn replace(
        &self,
        wasm: &[u8],
        mut body_of: impl FnMut(u32, &FunctionBody<'_>) -> Result<Option<Vec<u8>>, ParseError>,
    ) -> Result<Vec<u8>, ParseError> {
        let mut module = Module::new();
        let mut code = CodeSection::new();
        let (mut function, mut left) = (self.imports, 0);
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            match &payload {
                Payload::CodeSectionStart { count, .. } => {
                    left = *count;
                    if left == 0 {
                        module.section(&code);
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    match body_of(function, body)? {
                        Some(other) => code.raw(&other),
                        None => code.raw(slice(wasm, body.range())?),
                    };
                    function += 1;
                    left -= 1;
                    if left == 0 {
                        module.section(&code);
                    }
                }
                _ => {
                    if let Some((id, range)) =
                        payload.as_section().filter(|(id, _)| *id != SectionId::Code as u8)
                    {
                        module.section(&RawSection { id, data: slice(wasm, range)? });
                    }
                }
            }
        }
        Ok(module.finish())
    }
}

/// A body with instructions before it, which `write` appends and which leave nothing on the stack.
pub(crate) fn prefixed(
    wasm: &[u8],
    body: &FunctionBody<'_>,
    write: impl FnOnce(&mut InstructionSink<'_>),
) -> Result<Vec<u8>, ParseError> {
    let mut locals = Vec::new();
    for local in body.get_locals_reader()? {
        let (count, ty) = local?;
        let ty = crate::thunks::encode_type(ty)
            .ok_or_else(|| ParseError::new(body.range().start, "a local of an unusual type"))?;
        locals.push((count, ty));
    }
    let mut function = Function::new(locals);
    write(&mut function.instructions());
    let start = body.get_operators_reader()?.original_position();
    function.raw(slice(wasm, start..body.range().end)?.iter().copied());
    Ok(function.into_raw_body())
}
