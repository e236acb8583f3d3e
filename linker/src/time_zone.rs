//! Owns a change to Emscripten main modules: their `tzset`, which runs before everything that has to do with local time, asks JavaScript
//! once in a process and then never again, so that a `TZ` that is set later changes nothing. Here it always asks. Everything else stays as
//! it is. Must not know what the host answers.

use wasm_encoder::{Encode as _, Instruction};
use wasmparser::{FunctionBody, Operator};

use crate::bodies::Functions;
use crate::error::{ParseError, slice};

/// `(timezone: *long, daylight: *int, standard: *char, daylight: *char)` (Emscripten, `system/lib/libc/tzset.c`).
const ASK: &str = "_tzset_js";

/// Rewrites a module; `None` when it does not ask. Errs when it is malformed.
pub fn always_ask(wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let functions = Functions::of(wasm, &[ASK])?;
    let Some(ask) = functions.imported(ASK) else { return Ok(None) };
    let mut found = false;
    let replaced = functions.replace(wasm, |_, body| {
        let asking = asking(wasm, body, ask)?;
        found |= asking.is_some();
        Ok(asking)
    })?;
    Ok(found.then_some(replaced))
}

/// A body that asks, without its look at what tells whether it has asked before: a `bool`, or a name that it has set. `None` for other
/// bodies. It loads nothing else before it asks.
fn asking(wasm: &[u8], body: &FunctionBody<'_>, ask: u32) -> Result<Option<Vec<u8>>, ParseError> {
    // Few functions are as short, and reading all of them would take long.
    const SHORT: usize = 256;
    let whole = body.range();
    if whole.len() > SHORT {
        return Ok(None);
    }
    let mut reader = body.get_operators_reader()?;
    let mut bytes = slice(wasm, whole.start..reader.original_position())?.to_vec();
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
            bytes.extend_from_slice(slice(wasm, start..reader.original_position())?);
        }
    }
    Ok(asks.then_some(bytes))
}
