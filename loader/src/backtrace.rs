//! Owns traps as people read them. Must not know what is done about one.

use std::fmt::{self, Write as _};

use wasmtime::{Trap, WasmBacktrace};

/// A guest ended in a trap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestTrap {
    /// What happened, such as `wasm trap: out of bounds memory access`.
    pub reason: String,
    /// The guest's frames, innermost first, as `module: function`.
    pub frames: Vec<String>,
}

/// The most frames that are kept.
const FRAMES: usize = 32;
/// The most characters of a name that are kept. Names are as they are in the file: demangled, a short one can take gigabytes.
const NAME: usize = 200;

fn shortened(name: &str) -> &str {
    name.char_indices().nth(NAME).map_or(name, |(end, _)| name.get(..end).unwrap_or_default())
}

impl GuestTrap {
    /// What an error of the engine says of the guest.
    pub(crate) fn of(error: &wasmtime::Error) -> GuestTrap {
        let reason = match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], |b| b.frames());
        let name = |frame: &wasmtime::FrameInfo| {
            let module = shortened(frame.module().name().unwrap_or("unnamed module"));
            match frame.func_name().map(shortened) {
                Some(function) => format!("{module}: {function}"),
                None => format!("{module}: function {}", frame.func_index()),
            }
        };
        GuestTrap { reason, frames: frames.iter().take(FRAMES).map(name).collect() }
    }

    /// The reason and the innermost frame, on one line.
    pub(crate) fn one_line(&self) -> String {
        match self.frames.first() {
            Some(frame) => format!("{} in {frame}", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl fmt::Display for GuestTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        self.frames.iter().try_for_each(|frame| {
            f.write_char('\n')?;
            write!(f, "  at {frame}")
        })
    }
}
