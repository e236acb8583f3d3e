//! Owns the bodies of functions in a merged module: what names something by index is written anew, everything else is copied as it is.
//! Must not know which indices are new.

use wasm_encoder::Encode as _;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{BlockType, FunctionBody, Operator, ValType};

use super::numbering::{BadIndex, Renumber, Spaces};

/// A function body with new indices, without its size.
pub(super) fn encode(spaces: &Spaces, body: &FunctionBody<'_>) -> Result<Vec<u8>, reencode::Error<BadIndex>> {
    let mut renumber = Renumber { spaces };
    let mut encoded = Vec::with_capacity(body.range().len() + 16);
    let function = renumber.new_function_with_parsed_locals(body)?;
    encoded.extend(function.into_raw_body());
    let bytes = body.as_bytes();
    let start = body.range().start;
    let copy = |from: usize, to: usize, encoded: &mut Vec<u8>| {
        let range = from.saturating_sub(start)..to.saturating_sub(start);
        encoded.extend_from_slice(bytes.get(range).unwrap_or_default());
    };
    let mut operators = body.get_operators_reader()?;
    // Where the part begins that is to be copied.
    let mut same = operators.original_position();
    while !operators.eof() {
        let at = operators.original_position();
        let operator = operators.read()?;
        if names_nothing(&operator) {
            continue;
        }
        copy(same, at, &mut encoded);
        renumber.instruction(operator)?.encode(&mut encoded);
        same = operators.original_position();
    }
    copy(same, operators.original_position(), &mut encoded);
    Ok(encoded)
}

/// Whether an immediate with this name in `wasmparser`'s list of operators never refers to something by index: what the list does not have
/// counts as an index.
macro_rules! is_plain {
    (value $immediate:ident) => {{
        let _ = $immediate;
        true
    }};
    (local_index $immediate:ident) => {{
        let _ = $immediate;
        true
    }};
    (relative_depth $immediate:ident) => {{
        let _ = $immediate;
        true
    }};
    (targets $immediate:ident) => {{
        let _ = $immediate;
        true
    }};
    (lane $immediate:ident) => {{
        let _ = $immediate;
        true
    }};
    (lanes $immediate:ident) => {{
        let _ = $immediate;
        true
    }};
    (memarg $immediate:ident) => {
        $immediate.memory == 0
    };
    (blockty $immediate:ident) => {
        matches!(
            $immediate,
            BlockType::Empty | BlockType::Type(ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
        )
    };
    ($other:ident $immediate:ident) => {{
        let _ = $immediate;
        false
    }};
}

macro_rules! define_names_nothing {
    ($( @$proposal:ident $op:ident $({ $($immediate:ident: $ty:ty),* })? => $visit:ident ($($arity:tt)*))*) => {
        /// Whether an operator refers to nothing by index, so that it stays as it is.
        fn names_nothing(operator: &Operator<'_>) -> bool {
            match operator {
                $( Operator::$op $({ $($immediate),* })? => {
                    $( $(
                        let $immediate = is_plain!($immediate $immediate);
                    )* )?
                    true $( $( && $immediate )* )?
                } )*
                // The list may become longer.
                _ => false,
            }
        }
    };
}

wasmparser::for_each_operator!(define_names_nothing);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_that_name_something_are_written_anew() {
        let memarg = |memory| wasmparser::MemArg { align: 0, max_align: 0, offset: 0, memory };
        for plain in [
            Operator::I32Const { value: 1 },
            Operator::LocalGet { local_index: 1 },
            Operator::Br { relative_depth: 1 },
            Operator::I32Load { memarg: memarg(0) },
            Operator::Block { blockty: BlockType::Type(ValType::I32) },
            Operator::I32Add,
            Operator::End,
        ] {
            assert!(names_nothing(&plain), "{plain:?}");
        }
        for naming in [
            Operator::Call { function_index: 1 },
            Operator::CallIndirect { type_index: 1, table_index: 0 },
            Operator::GlobalGet { global_index: 1 },
            Operator::I32Load { memarg: memarg(1) },
            Operator::Block { blockty: BlockType::FuncType(1) },
            Operator::MemoryInit { data_index: 1, mem: 0 },
            Operator::MemorySize { mem: 0 },
            Operator::TableGet { table: 0 },
            Operator::RefFunc { function_index: 0 },
            Operator::Throw { tag_index: 0 },
            Operator::Catch { tag_index: 0 },
            Operator::RefNull { hty: wasmparser::HeapType::FUNC },
            Operator::DataDrop { data_index: 0 },
            Operator::ElemDrop { elem_index: 0 },
        ] {
            assert!(!names_nothing(&naming), "{naming:?}");
        }
    }
}
