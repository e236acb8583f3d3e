//! Owns a change to Emscripten main modules: their `tzset`, which runs before everything that deals with local time, asks
//! JavaScript once in a process and then never again, so that a `TZ` that is set later has no effect. After the change, it always
//! asks. Everything else stays as it is. Must not know what the host answers.

use wasm_encoder::{Encode as _, Instruction};
use wasmparser::Operator;

use super::Change;
use super::additions::Additions;
use super::layout::{Body, Layout};
use crate::parse::error::ParseError;

/// `(timezone: *long, daylight: *int, standard: *char, daylight: *char)` (Emscripten, `system/lib/libc/tzset.c`).
const ASK: &str = "_tzset_js";

/// The pass, with the import through which the module asks.
struct AlwaysAsk {
    ask: u32,
}

impl Change for AlwaysAsk {
    fn body(
        &mut self,
        _: u32,
        body: &Body<'_>,
        _: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError> {
        asking(body, self.ask)
    }
}

/// Creates the pass; `None` when the module does not ask.
pub(super) fn always_ask(layout: &Layout<'_>) -> Option<Box<dyn Change>> {
    Some(Box::new(AlwaysAsk { ask: layout.imported(ASK)? }))
}

/// A body that always asks, without the check of the flag that shows whether it has asked before: a `bool`, or a name that it has
/// set. `None` for other bodies. The function loads nothing else before it asks.
fn asking(body: &Body<'_>, ask: u32) -> Result<Option<Vec<u8>>, ParseError> {
    // Only few functions are that short, and reading all of them would take long.
    const SHORT: usize = 256;
    if body.bytes.len() > SHORT {
        return Ok(None);
    }
    let mut reader = body.reader().get_operators_reader()?;
    let mut bytes = body.part(body.offset, reader.original_position())?.to_vec();
    let mut asks = false;
    while !reader.eof() {
        let start = reader.original_position();
        let operator = reader.read()?;
        asks |= matches!(operator, Operator::Call { function_index } if function_index == ask);
        let is_load = matches!(
            operator,
            Operator::I32Load { .. }
                | Operator::I32Load8U { .. }
                | Operator::I32AtomicLoad { .. }
                | Operator::I32AtomicLoad8U { .. }
        );
        if is_load && !asks {
            Instruction::Drop.encode(&mut bytes);
            Instruction::I32Const(0).encode(&mut bytes);
        } else {
            bytes.extend_from_slice(body.part(start, reader.original_position())?);
        }
    }
    Ok(asks.then_some(bytes))
}
