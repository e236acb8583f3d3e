//! Owns the two forms of function types, the linker's and the engine's. Must not know functions.

use pydl_linker::Signature;
use wasmtime::{Engine, FuncType, ValType};

/// The linker's form of a function type; `None` for one with references, which no host function has.
#[cfg(test)]
pub(crate) fn signature(ty: &FuncType) -> Option<Signature> {
    let convert = |ty: ValType| {
        Some(match ty {
            ValType::I32 => wasmparser::ValType::I32,
            ValType::I64 => wasmparser::ValType::I64,
            ValType::F32 => wasmparser::ValType::F32,
            ValType::F64 => wasmparser::ValType::F64,
            _ => return None,
        })
    };
    let params: Vec<_> = ty.params().map(convert).collect::<Option<_>>()?;
    let results: Vec<_> = ty.results().map(convert).collect::<Option<_>>()?;
    Some(Signature::new(wasmparser::FuncType::new(params, results)))
}

/// The engine's form of a function type; `None` for one with references other than `externref`.
pub(crate) fn function_type(engine: &Engine, signature: &Signature) -> Option<FuncType> {
    let convert = |ty: &wasmparser::ValType| {
        Some(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::Ref(wasmparser::RefType::EXTERNREF) => ValType::EXTERNREF,
            _ => return None,
        })
    };
    let params: Vec<_> = signature.params().iter().map(convert).collect::<Option<_>>()?;
    let results: Vec<_> = signature.results().iter().map(convert).collect::<Option<_>>()?;
    Some(FuncType::new(engine, params, results))
}
