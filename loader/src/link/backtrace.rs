//! Owns traps as people read them: what happened and where, by the names of files and functions. Must not know what is done about
//! a trap.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Weak};

use pydl_linker::{ExportKind, ParsedModule};
use wasmtime::{Module, ThrownException, Trap, WasmBacktrace};

use crate::base::demangle;

/// The report of a guest that ended in a trap.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct GuestTrap {
    /// What happened, such as `wasm trap: out of bounds memory access`.
    pub reason: String,
    /// The exception that was thrown, when it was a C++ exception that nothing caught.
    pub exception: Option<GuestException>,
    /// The guest's frames, innermost first.
    pub frames: Vec<GuestFrame>,
}

/// A C++ exception.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestException {
    /// Type of the exception, as `std::type_info::name` returns it: mangled, without `_Z`.
    pub type_name: String,
    /// The text that `what()` returns, when the type is derived from `std::exception`.
    pub what: Option<String>,
}

/// A function that was running.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestFrame {
    /// The file of the function: the main module's name, or a library's path in the guest.
    pub module: String,
    /// The function as the file names it, or `function` and its number.
    pub function: String,
}

/// The reason reported for a guest that throws what nothing catches; the engine's own message says less.
const UNCAUGHT: &str = "an exception that nothing catches";
/// Functions of the C++ library that throw on behalf of others.
const THROWING: [&str; 5] = [
    "__cxa_throw",
    "__cxa_rethrow",
    "_Unwind_RaiseException",
    "__throw_exception_with_stack_trace",
    "__cxa_rethrow_primary_exception",
];
/// The most frames that are kept.
const FRAMES: usize = 32;
/// The most characters of a name that are kept. Names are kept as they are in the file: demangled, a short one can take
/// gigabytes.
const NAME: usize = 200;

fn shortened(name: &str) -> &str {
    name.char_indices().nth(NAME).map_or(name, |(end, _)| name.get(..end).unwrap_or_default())
}

/// The files of a process that have code, by the address of their code.
#[derive(Default)]
pub(crate) struct CodeNames(BTreeMap<usize, CodeName>);

/// The file of a compiled module.
struct CodeName {
    name: Arc<str>,
    /// The parsed module, unless it has been dropped.
    module: Weak<ParsedModule>,
}

impl CodeNames {
    /// Records the file that a module is compiled from, before the module runs, with the parsed module if it is known. The engine
    /// keeps instances until the process ends, so there are never more of these entries than instances.
    pub(crate) fn note(&mut self, compiled: &Module, name: &str, module: Weak<ParsedModule>) {
        self.0.insert(place(compiled), CodeName { name: name.into(), module });
    }

    /// The named frames of a backtrace.
    fn frames(&self, frames: &[wasmtime::FrameInfo]) -> Vec<GuestFrame> {
        let frames = frames.get(..FRAMES).unwrap_or(frames);
        let mut exports = BTreeMap::new();
        let mut name = |frame: &wasmtime::FrameInfo| {
            let file = self.0.get(&place(frame.module()));
            let own = frame.module().name();
            let module = file.map(|file| &*file.name).or(own).unwrap_or("a module without a name");
            let index = frame.func_index();
            let function = frame.func_name().map(|name| shortened(name).to_owned()).or_else(|| {
                let exported = exports.entry(place(frame.module())).or_insert_with(|| {
                    let same = frames.iter().filter(|other| place(other.module()) == place(frame.module()));
                    let wanted = same.map(wasmtime::FrameInfo::func_index).collect();
                    let module = file.and_then(|file| file.module.upgrade());
                    module.map(|module| exported(&module, &wanted)).unwrap_or_default()
                });
                exported.get(&index).cloned()
            });
            GuestFrame {
                module: shortened(module).to_owned(),
                function: function.unwrap_or_else(|| format!("function {index}")),
            }
        };
        frames.iter().map(&mut name).collect()
    }
}

/// What identifies a compiled module: the address at which its code begins.
fn place(module: &Module) -> usize {
    module.image_range().start.addr()
}

/// The names under which functions with these indexes are exported.
fn exported(module: &ParsedModule, wanted: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let functions = module.exports.iter().filter_map(|(name, export)| match export.kind {
        ExportKind::Function { index, .. } if wanted.contains(&index.0) => {
            Some((index.0, shortened(name).to_owned()))
        }
        _ => None,
    });
    functions.collect()
}

impl GuestTrap {
    /// The report of a trap, from an error of the engine and the C++ exception that it stands for.
    pub(crate) fn of(
        error: &wasmtime::Error,
        exception: Option<GuestException>,
        names: &CodeNames,
    ) -> GuestTrap {
        let is_thrown = exception.is_some() || error.is::<ThrownException>();
        let reason = match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            None if is_thrown => UNCAUGHT.to_owned(),
            None => error.root_cause().to_string(),
        };
        let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], |b| b.frames());
        GuestTrap { reason, exception, frames: names.frames(frames) }
    }

    /// The reason and the innermost frame, on one line. For an exception, the innermost frame is the one that called the C++
    /// library to throw it.
    pub(crate) fn one_line(&self) -> String {
        let reason = self.reason_in_full();
        let throws = |frame: &&GuestFrame| self.exception.is_some() && THROWING.contains(&&*frame.function);
        match self.frames.iter().find(|frame| !throws(frame)) {
            Some(frame) => format!("{reason} in {frame}"),
            None => reason,
        }
    }

    fn reason_in_full(&self) -> String {
        match &self.exception {
            Some(exception) => format!("{}: {exception}", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl fmt::Display for GuestTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason_in_full())?;
        self.frames.iter().try_for_each(|frame| {
            f.write_char('\n')?;
            write!(f, "  at {frame}")
        })
    }
}

impl fmt::Display for GuestException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(demangle::type_name(&self.type_name).as_deref().unwrap_or(&self.type_name))?;
        self.what.iter().try_for_each(|what| write!(f, ": {what}"))
    }
}

impl fmt::Display for GuestFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.module, self.function)
    }
}
