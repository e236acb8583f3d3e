//! Owns the trace of what the dynamic linker does, in lines like those of ld.so's `LD_DEBUG` (ld.so(8)), one module for all of
//! them. Must not know who reads it, nor decide anything: what is reported here was done elsewhere.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pydl_linker::{
    Binding, ImportKind, LateBinding, LibraryRequest, LoadPlan, ModuleId, Namespace, ResolvedModules, abi,
};

/// A kind of lines in a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceTopic {
    /// Which libraries are opened, where they are searched for, when they are initialized.
    Libs,
    /// Where each symbol is looked up.
    Symbols,
    /// What each import is bound to.
    Bindings,
    /// The processing of relocations.
    Reloc,
    /// The plan of each load.
    Plan,
    /// How long each load takes, and how much it consists of.
    Statistics,
}

impl TraceTopic {
    /// All topics.
    pub const ALL: [TraceTopic; 6] = [
        TraceTopic::Libs,
        TraceTopic::Symbols,
        TraceTopic::Bindings,
        TraceTopic::Reloc,
        TraceTopic::Plan,
        TraceTopic::Statistics,
    ];

    /// The word by which people select the topic.
    pub fn word(self) -> &'static str {
        match self {
            TraceTopic::Libs => "libs",
            TraceTopic::Symbols => "symbols",
            TraceTopic::Bindings => "bindings",
            TraceTopic::Reloc => "reloc",
            TraceTopic::Plan => "plan",
            TraceTopic::Statistics => "statistics",
        }
    }

    /// A short description of what the topic reports.
    pub fn description(self) -> &'static str {
        match self {
            TraceTopic::Libs => "display library search paths and initialization",
            TraceTopic::Symbols => "display symbol table processing",
            TraceTopic::Bindings => "display information about symbol binding",
            TraceTopic::Reloc => "display relocation processing",
            TraceTopic::Plan => "display the plan of each load",
            TraceTopic::Statistics => "display what each load took",
        }
    }
}

/// What a process reports about its linking, and where it writes that. The default reports nothing. Clones write to the same
/// place.
#[derive(Clone, Default)]
pub struct Trace {
    topics: Vec<TraceTopic>,
    sink: Option<Arc<Mutex<dyn Write + Send>>>,
}

impl Trace {
    /// Writes lines of these topics to `sink`. Lines that cannot be written are lost: a full disk stops no program.
    pub fn new(topics: impl IntoIterator<Item = TraceTopic>, sink: impl Write + Send + 'static) -> Trace {
        Trace { topics: topics.into_iter().collect(), sink: Some(Arc::new(Mutex::new(sink))) }
    }

    /// Whether the plan of each load is reported.
    pub(crate) fn shows_plans(&self) -> bool {
        self.tells(TraceTopic::Plan)
    }

    fn tells(&self, topic: TraceTopic) -> bool {
        self.topics.contains(&topic)
    }

    /// Writes lines, each of which begins with the process's number, as those of ld.so do.
    fn write(&self, text: fmt::Arguments<'_>) {
        let Some(sink) = &self.sink else { return };
        let process = std::process::id();
        let mut lines = String::new();
        for line in text.to_string().lines() {
            let _ = write!(lines, "{process:>10}:\t");
            for character in line.chars() {
                // Names come from files, and may be crafted to control a terminal.
                if character.is_control() && character != '\t' {
                    lines.extend(character.escape_unicode());
                } else {
                    lines.push(character);
                }
            }
            lines.push('\n');
        }
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(lines.as_bytes()).and_then(|()| sink.flush());
    }

    fn tell(&self, topic: TraceTopic, text: fmt::Arguments<'_>) {
        if self.tells(topic) {
            self.write(text);
        }
    }

    /// Reports that a search for a file begins.
    pub(crate) fn find(&self, request: LibraryRequest<'_>) {
        match request.requester {
            None => self.tell(TraceTopic::Libs, format_args!("find library={}; searching", request.name)),
            Some(by) => self.tell(
                TraceTopic::Libs,
                format_args!("find library={}, needed by {}; searching", request.name, by.path),
            ),
        }
    }

    /// Reports that a file is tried.
    pub(crate) fn trying(&self, path: &str) {
        self.tell(TraceTopic::Libs, format_args!("  trying file={path}"));
    }

    /// Reports that `dlopen` does not succeed.
    pub(crate) fn refused(&self, name: &str, why: &str) {
        self.tell(TraceTopic::Libs, format_args!("{name}: error: {why}"));
    }

    /// Reports that the constructors of a library are called.
    pub(crate) fn init(&self, path: &str) {
        self.tell(TraceTopic::Libs, format_args!("calling init: {path}"));
    }

    /// Reports that what a library has registered for its end is called.
    pub(crate) fn fini(&self, path: &str) {
        self.tell(TraceTopic::Libs, format_args!("calling fini: {path}"));
    }

    /// Reports that the imports of the libraries of a load have been bound.
    pub(crate) fn resolved(&self, namespace: &Namespace, resolved: &ResolvedModules) {
        if !self.tells(TraceTopic::Symbols) && !self.tells(TraceTopic::Bindings) {
            return;
        }
        let new = resolved.libraries().iter().map(|library| &library.library);
        let new: BTreeMap<ModuleId, &str> = new.map(|new| (new.id, new.file.path.as_str())).collect();
        let name = |id: ModuleId| new.get(&id).copied().unwrap_or_else(|| namespace.name(id));
        for library in resolved.libraries() {
            let importer = &library.library.file.path;
            let imports = library.library.module.imports.iter().zip(library.bindings.iter());
            for (import, binding) in imports {
                let Some(bound) = Bound::of(binding, import.module.as_str()) else { continue };
                if self.tells(TraceTopic::Symbols) {
                    let searched: Vec<ModuleId> = resolved.scope().modules(namespace).collect();
                    let found = searched.iter().position(|id| bound == Bound::To(*id));
                    let searched = searched.iter().take(found.map_or(searched.len(), |found| found + 1));
                    searched.for_each(|id| self.lookup(&import.name, name(*id)));
                    if let (Bound::To(id), None) = (&bound, found) {
                        // Data that exists once per process is where it was defined first.
                        self.lookup(&import.name, name(*id));
                    }
                }
                let kind = match (import.module.as_str(), &import.kind) {
                    (abi::GOT_MEM, _) => "data",
                    (abi::GOT_FUNC, _) => "address of function",
                    (_, ImportKind::Function(_)) => "function",
                    _ => "symbol",
                };
                match bound {
                    Bound::To(id) => self.bound(importer, name(id), kind, &import.name),
                    Bound::Nothing => self.bound(importer, "nothing", kind, &import.name),
                }
            }
        }
    }

    fn lookup(&self, symbol: &str, file: &str) {
        self.tell(TraceTopic::Symbols, format_args!("symbol={symbol};  lookup in file={file}"));
    }

    fn bound(&self, importer: &str, definer: &str, kind: &str, symbol: &str) {
        self.tell(
            TraceTopic::Bindings,
            format_args!("binding file {importer} to {definer}: {kind} `{symbol}'"),
        );
    }

    /// Reports that a function has been bound at its first call.
    pub(crate) fn bound_late(&self, namespace: &Namespace, binding: &LateBinding) {
        let (importer, definer) = (namespace.name(binding.importer), namespace.name(binding.from.0));
        self.bound(importer, definer, "function at its first call", &binding.from.1);
    }

    /// Reports that `dlsym` looks a symbol up in a place.
    pub(crate) fn symbol(&self, symbol: &str, place: &str) {
        self.lookup(symbol, place);
    }

    /// Reports that a load has been planned.
    pub(crate) fn plan(&self, plan: &LoadPlan) {
        self.tell(TraceTopic::Plan, format_args!("{plan}"));
    }

    /// Reports that a library is relocated.
    pub(crate) fn relocate(&self, path: &str) {
        self.tell(TraceTopic::Reloc, format_args!("relocation processing: {path}"));
    }

    /// Starts timing a load.
    pub(crate) fn watch(&self) -> Watch<'_> {
        let now = self.tells(TraceTopic::Statistics).then(Instant::now);
        Watch { trace: self, start: now, last: now, laps: Vec::new() }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("topics", &self.topics).finish_non_exhaustive()
    }
}

/// Where an import's definition is.
#[derive(PartialEq, Eq)]
enum Bound {
    To(ModuleId),
    Nothing,
}

impl Bound {
    /// The definition of an import; `None` for what is not a symbol, because the loader or the host provides it.
    fn of(binding: &Binding, module: &str) -> Option<Bound> {
        match (binding.definer(), binding) {
            (Some(definer), _) => Some(Bound::To(definer)),
            (None, Binding::Thunk(_)) if module == abi::ENV => Some(Bound::Nothing),
            (None, Binding::Null) => Some(Bound::Nothing),
            (None, _) => None,
        }
    }
}

/// Times a load, if the topic is wanted.
pub(crate) struct Watch<'a> {
    trace: &'a Trace,
    start: Option<Instant>,
    last: Option<Instant>,
    laps: Vec<(&'static str, Duration)>,
}

impl Watch<'_> {
    /// Records what was done since the last lap.
    pub(crate) fn lap(&mut self, what: &'static str) {
        let Some(last) = &mut self.last else { return };
        let now = Instant::now();
        self.laps.push((what, now.duration_since(*last)));
        *last = now;
    }

    /// Reports what the load took.
    pub(crate) fn end(mut self, name: &str, plan: &LoadPlan) {
        self.lap("constructors");
        let Some(start) = self.start else { return };
        let imports: usize =
            plan.libraries().iter().map(|planned| planned.library.module.imports.len()).sum();
        let memory: u64 = plan.libraries().iter().map(|planned| u64::from(planned.memory_size)).sum();
        let mut text = format!(
            "load statistics of {name}:\n  total time in dlopen: {} us\n  number of libraries: {}\n  number of imports: {imports}\n  \
             number of table slots given: {}\n  bytes of static data: {memory}\n",
            start.elapsed().as_micros(),
            plan.libraries().len(),
            plan.new_slots().count(),
        );
        for (what, time) in &self.laps {
            let _ = writeln!(text, "  time for {what}: {} us", time.as_micros());
        }
        self.trace.write(format_args!("{text}"));
    }
}
