//! Owns the lowering of exceptions: from the legacy instructions (`try`, `catch`, `catch_all`, `rethrow`, `delegate`), which
//! LLVM still writes by default, to the ones of the standard (`try_table`, `throw_ref`), which engines compile. Function,
//! type and tag indexes stay the same; types are added behind the others, locals behind the others. Must not know symbols.
//!
//! Sources: the exception handling proposal, `proposals/exception-handling/legacy/Exceptions.md`, and the core
//! specification, version 3, section 3.4.

mod lower;
mod tree;

use indexmap::IndexSet;
use wasm_encoder::{CodeSection, Encode, Module, RawSection, SectionId, ValType};
use wasmparser::{CompositeInnerType, FuncType, FunctionBody, Parser, Payload, TypeRef};

use crate::error::{ParseError, slice};
use crate::thunks::encode_type;

/// What a function type begins with in the type section.
const FUNCTION_TYPE: u8 = 0x60;
/// The opcode of `try` in the legacy encoding.
const TRY: u8 = 0x06;

/// Rewrites a module that uses the legacy instructions; `None` for one that does not. Custom sections stay as they are, but
/// for those that refer to places in the code (`metadata.code.*`, of the branch hinting proposal), which are left out.
/// Errs when the module is malformed.
pub fn lower(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let context = Context::read(wasm)?;
    if !context.is_legacy {
        return Ok(None);
    }
    let mut types = NewTypes::new(&context);
    let mut code = CodeSection::new();
    let mut steps = tree::STEPS;
    for body in &context.bodies {
        match lower::function(body, &context, &mut types, &mut steps)? {
            Some(lowered) => code.raw(&lowered),
            None => code.raw(slice(wasm, body.range())?),
        };
    }
    assemble(wasm, &types, &code).map(Some)
}

/// What the lowering of functions needs to know of the module.
struct Context<'a> {
    types: Vec<Option<FuncType>>,
    /// The type index of each tag.
    tags: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    /// The type index of each body.
    body_types: Vec<u32>,
    is_legacy: bool,
}

impl<'a> Context<'a> {
    fn read(wasm: &'a [u8]) -> Result<Context<'a>, ParseError> {
        let mut context = Context {
            types: Vec::new(),
            tags: Vec::new(),
            bodies: Vec::new(),
            body_types: Vec::new(),
            is_legacy: false,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        context.types.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
                            CompositeInnerType::Func(func) => Some(func),
                            _ => None,
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Tag(tag) = import?.ty {
                            context.tags.push(tag.func_type_idx);
                        }
                    }
                }
                Payload::TagSection(section) => {
                    for tag in section {
                        context.tags.push(tag?.func_type_idx);
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        context.body_types.push(ty?);
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    context.is_legacy = context.is_legacy || tree::uses_legacy(&body, wasm)?;
                    context.bodies.push(body);
                }
                _ => {}
            }
        }
        Ok(context)
    }

    fn ty(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)?.as_ref()
    }

    /// The values that a tag carries.
    fn tag_values(&self, tag: u32) -> Option<&[wasmparser::ValType]> {
        Some(self.ty(*self.tags.get(tag as usize)?)?.params())
    }
}

/// The types that lowering adds, behind the module's own.
struct NewTypes {
    first: u32,
    types: IndexSet<(Vec<ValType>, Vec<ValType>)>,
}

impl NewTypes {
    fn new(context: &Context<'_>) -> NewTypes {
        NewTypes { first: u32::try_from(context.types.len()).unwrap_or(u32::MAX), types: IndexSet::new() }
    }

    /// The index of a function type.
    fn index(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let (position, _) = self.types.insert_full((params, results));
        self.first.saturating_add(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// The contents of the type section with the new types behind the others; it begins with the number of its entries.
    fn extend(&self, section: &[u8], count: u32) -> Vec<u8> {
        let entries = section.iter().position(|byte| byte & 0x80 == 0).map_or(section.len(), |last| last + 1);
        let mut extended = Vec::with_capacity(section.len() + 8 * self.types.len());
        count.saturating_add(u32::try_from(self.types.len()).unwrap_or(u32::MAX)).encode(&mut extended);
        extended.extend_from_slice(section.get(entries..).unwrap_or_default());
        for (params, results) in &self.types {
            extended.push(FUNCTION_TYPE);
            params.encode(&mut extended);
            results.encode(&mut extended);
        }
        extended
    }
}

/// Types in the encoder's terms; errs for reference types, which LLVM gives neither to tags nor to blocks with parameters.
fn encode_types(types: &[wasmparser::ValType], offset: usize) -> Result<Vec<ValType>, ParseError> {
    let encoded: Option<Vec<ValType>> = types.iter().map(|ty| encode_type(*ty)).collect();
    encoded.ok_or_else(|| {
        ParseError::new(offset, "legacy exceptions with values of reference types are not supported")
    })
}

/// The module again, with new types and code.
fn assemble(wasm: &[u8], types: &NewTypes, code: &CodeSection) -> Result<Vec<u8>, ParseError> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::TypeSection(section) => {
                let data = types.extend(slice(wasm, section.range())?, section.count());
                module.section(&RawSection { id: SectionId::Type.into(), data: &data });
            }
            Payload::CodeSectionStart { .. } => {
                module.section(code);
            }
            Payload::CustomSection(custom) if custom.name().starts_with("metadata.code.") => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: slice(wasm, range)? });
                }
            }
        }
    }
    Ok(module.finish())
}
