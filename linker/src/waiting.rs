//! Owns a change to Emscripten main modules: `emscripten_thread_sleep` spins until its time has come, since JavaScript has no way to
//! wait on a main thread. Here it waits in the host, by the `poll` that the module imports, and spins for less than a millisecond.
//! Everything else stays as it is. Must not know what else is done to a module.

use wasm_encoder::{CodeSection, Function, Module, RawSection, SectionId};
use wasmparser::{ExternalKind, FunctionBody, Parser, Payload, TypeRef};

use crate::abi;
use crate::error::ParseError;

/// `(milliseconds: f64) -> ()` (Emscripten, `system/lib/pthread/library_pthread_stub.c`).
const SLEEP: &str = "emscripten_thread_sleep";
/// `(descriptors: i32, count: i32, milliseconds: i32) -> i32`.
const POLL: &str = "__syscall_poll";
/// The longest that one `poll` waits.
const MOST: f64 = i32::MAX as f64;

/// Rewrites a module; `None` when it has no such function, or no `poll` to wait by. Errs when it is malformed.
pub fn wait_in_host(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let Some(found) = find(wasm)? else { return Ok(None) };
    let mut module = Module::new();
    let mut code = CodeSection::new();
    let mut body_index = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::CodeSectionEntry(body) => {
                if body_index == found.sleep {
                    code.raw(&waiting(wasm, body, found.poll)?);
                } else {
                    code.raw(wasm.get(body.range()).unwrap_or_default());
                }
                body_index += 1;
                if body_index == found.bodies {
                    module.section(&code);
                }
            }
            _ => {
                if let Some((id, range)) = payload.as_section().filter(|(id, _)| *id != SectionId::Code as u8)
                {
                    module.section(&RawSection { id, data: wasm.get(range).unwrap_or_default() });
                }
            }
        }
    }
    Ok(Some(module.finish()))
}

/// Where things are in a module.
struct Found {
    /// Which of the bodies is that of the sleeping function.
    sleep: u32,
    /// The function index of the imported `poll`.
    poll: u32,
    /// How many bodies there are.
    bodies: u32,
}

fn find(wasm: &[u8]) -> Result<Option<Found>, ParseError> {
    let (mut imported, mut poll, mut sleep) = (0_u32, None, None);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if let TypeRef::Func(_) = import.ty {
                        if import.module == abi::ENV && import.name == POLL {
                            poll = Some(imported);
                        }
                        imported += 1;
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.name == SLEEP && export.kind == ExternalKind::Func {
                        sleep = export.index.checked_sub(imported);
                    }
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                return Ok(sleep.zip(poll).map(|(sleep, poll)| Found { sleep, poll, bodies: count }));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The body with a wait before it, of the whole milliseconds; what is left is for the body.
fn waiting(wasm: &[u8], body: &FunctionBody<'_>, poll: u32) -> Result<Vec<u8>, ParseError> {
    let mut locals = Vec::new();
    for local in body.get_locals_reader()? {
        let (count, ty) = local?;
        let ty = crate::thunks::encode_type(ty)
            .ok_or_else(|| ParseError::new(body.range().start, "a local of an unusual type"))?;
        locals.push((count, ty));
    }
    let mut function = Function::new(locals);
    let mut sink = function.instructions();
    sink.i32_const(0).i32_const(0);
    sink.local_get(0).f64_floor().f64_const(0.0.into()).f64_max().f64_const(MOST.into()).f64_min();
    sink.i32_trunc_sat_f64_s().call(poll).drop();
    sink.local_get(0);
    sink.local_get(0).f64_floor().f64_const(0.0.into()).f64_max().f64_const(MOST.into()).f64_min();
    sink.f64_sub().local_set(0);
    let start = body.get_operators_reader()?.original_position();
    function.raw(wasm.get(start..body.range().end).unwrap_or_default().iter().copied());
    Ok(function.into_raw_body())
}
