//! Checks rules of linking on random inputs: what imports are bound to over several loads, against a model of ELF's lookup that shares no
//! code with the linker, and what `dlsym` finds afterwards; loads that fail at a random step of a real process, which must leave nothing
//! behind; and constructors that open and close libraries, and fail, against a model of the order in which constructors run.
//!
//! That the model detects a wrong linker was tried by breaking one rule at a time. `imports_are_bound_as_elf_binds_them` detected, after
//! this many cases: depth-first search (34), `RTLD_LOCAL` libraries in the global scope (2), the last definition instead of the first (2;
//! in the index of long scopes, 41), main searched last (0), no promotion (35) or promotion of the library alone (2), `RTLD_NEXT` starting
//! at the caller itself (3), no `RTLD_DEEPBIND` (13), `RTLD_LAZY` as `RTLD_NOW` (2), a handle without the needed libraries (1), weak
//! undefined symbols refused (1). `places_are_taken_where_they_serve` detected that alignment was not checked (11), `lifetime.rs` that what
//! is bound was not held (18), `properties.rs` an initialization in reverse order (3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};

use proptest::collection::vec;
use proptest::prelude::*;
use pydl_linker::{
    Address, FoundLibrary, LibraryNotFound, LibraryPlacement, LibraryRequest, LibrarySource, LinkError, Load,
    LoadOrder, LoadPlan, MainModule, ModuleId, Namespace, OpenMode, Opening, Placement, Reservation, Room,
    Scope, TableSlot,
};
use pydl_loader::{Captured, Compiler, ExitStatus, Image, Process, ProcessOptions, Trace, TraceTopic};
use pydl_tests::room::{FakeProcess, Opened};
use pydl_tests::wasm::assemble;

const LIBRARIES: usize = 12;
/// Functions `f0` to `f5`; the main module defines the last.
const FUNCTIONS: usize = 6;
/// Data, after the functions: a plain variable; then symbols that C++ requires to be unique in a process, of which the main module defines
/// the last.
const DATA: [&str; 4] = ["d", "_ZTS1a", "_ZZ1bvE1n", "_ZN1cIiE1nE"];
/// The number of functions and data.
const SYMBOLS: usize = FUNCTIONS + DATA.len();
/// The main module's number.
const MAIN: usize = LIBRARIES;

/// What one library is made of.
#[derive(Clone, Debug)]
struct Source {
    needed: Vec<usize>,
    /// By symbol: whether the definition is weak, which must make no difference.
    exports: BTreeMap<usize, bool>,
    /// By symbol: whether its address is taken rather than the function called, and whether the import is weak.
    imports: BTreeMap<usize, (bool, bool)>,
}

fn is_data(symbol: usize) -> bool {
    symbol >= FUNCTIONS
}

/// Whether a symbol is unique in a process.
fn is_one(symbol: usize) -> bool {
    symbol > FUNCTIONS
}

fn symbol_name(symbol: usize) -> String {
    match symbol.checked_sub(FUNCTIONS) {
        Some(data) => DATA[data].to_owned(),
        None => format!("f{symbol}"),
    }
}

fn symbol_number(name: &str) -> usize {
    (0..SYMBOLS).find(|symbol| symbol_name(*symbol) == name).unwrap()
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    let needed = prop::collection::btree_set(0..LIBRARIES, 0..3);
    let exports = prop::collection::btree_map(0..SYMBOLS, any::<bool>(), 0..5);
    let imports =
        prop::collection::btree_map(0..SYMBOLS, (any::<bool>(), any::<bool>()), 0..6).prop_map(|all| {
            all.into_iter()
                .map(|(symbol, (address, weak))| (symbol, (address || is_data(symbol), weak)))
                .collect::<BTreeMap<_, _>>()
        });
    let source = (needed, exports, imports).prop_map(|(needed, exports, imports)| Source {
        needed: needed.into_iter().collect(),
        exports,
        imports,
    });
    vec(source, LIBRARIES)
}

/// One `dlopen`.
#[derive(Clone, Copy, Debug)]
struct Open {
    library: usize,
    global: bool,
    lazy: bool,
    deep: bool,
}

fn opens() -> impl Strategy<Value = Vec<Open>> {
    let open = (0..LIBRARIES, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    let open = open.prop_map(|(library, global, lazy, deep)| Open { library, global, lazy, deep });
    vec(open, 1..6)
}

fn text(source: &Source) -> String {
    let mut text = "(module (@dylink.0 (needed".to_owned();
    for needed in &source.needed {
        let _ = write!(text, " \"l{needed}\"");
    }
    text.push(')');
    for (symbol, _) in source.imports.iter().filter(|(_, (_, weak))| *weak) {
        let _ = write!(text, r#"(import-info "env" "{}" binding-weak undefined)"#, symbol_name(*symbol));
    }
    for (symbol, _) in source.exports.iter().filter(|(_, weak)| **weak) {
        let _ = write!(text, r#"(export-info "{}" binding-weak)"#, symbol_name(*symbol));
    }
    text.push(')');
    for (symbol, (address, _)) in &source.imports {
        let name = symbol_name(*symbol);
        let _ = match (is_data(*symbol), address) {
            (true, _) => write!(text, r#"(import "GOT.mem" "{name}" (global (mut i32)))"#),
            (false, true) => write!(text, r#"(import "GOT.func" "{name}" (global (mut i32)))"#),
            (false, false) => write!(text, r#"(import "env" "{name}" (func))"#),
        };
    }
    for symbol in source.exports.keys() {
        let name = symbol_name(*symbol);
        let _ = if is_data(*symbol) {
            write!(text, r#"(global (export "{name}") i32 (i32.const 0))"#)
        } else {
            write!(text, r#"(func (export "{name}"))"#)
        };
    }
    text + r#"(func (export "own")))"#
}

/// ELF's rules (System V ABI, chapter 5; dlopen(3); for `STB_GNU_UNIQUE`, those of ld.so), implemented literally, however slow that is.
struct Model<'a> {
    sources: &'a [Source],
    loaded: Vec<usize>,
    global: Vec<usize>,
    /// The `dlopen` that brought each library in.
    loaded_by: BTreeMap<usize, Open>,
}

impl Model<'_> {
    fn defines(&self, module: usize, function: usize) -> bool {
        match self.sources.get(module) {
            Some(source) => source.exports.contains_key(&function),
            None => function == FUNCTIONS - 1 || function == SYMBOLS - 1,
        }
    }

    /// A library and what it needs, in breadth-first order.
    fn breadth_first(&self, root: usize) -> Vec<usize> {
        let mut list = vec![root];
        let mut at = 0;
        while at < list.len() {
            for needed in &self.sources[list[at]].needed {
                if !list.contains(needed) {
                    list.push(*needed);
                }
            }
            at += 1;
        }
        list
    }

    /// The definition of a function: in the main program, in the global scope, in what comes with the library that was opened; with
    /// `RTLD_DEEPBIND`, the last of these first.
    fn lookup(&self, function: usize, open: Option<Open>) -> Option<usize> {
        let local = open.map(|open| self.breadth_first(open.library)).unwrap_or_default();
        let global: Vec<usize> = [MAIN].into_iter().chain(self.global.iter().copied()).collect();
        let deep = open.is_some_and(|open| open.deep);
        let scope = if deep { [local, global].concat() } else { [global, local].concat() };
        self.first(scope, function)
    }

    /// The first definition; for a symbol that is unique in a process, the first among all that are loaded.
    fn first(&self, scope: Vec<usize>, symbol: usize) -> Option<usize> {
        let found = scope.into_iter().find(|module| self.defines(*module, symbol))?;
        let mut all = [MAIN].into_iter().chain(self.loaded.iter().copied());
        let first = all.find(|module| self.defines(*module, symbol)).filter(|_| is_one(symbol));
        Some(first.unwrap_or(found))
    }

    /// What `dlsym` finds with the handle of a library.
    fn by_handle(&self, library: usize, function: usize) -> Option<usize> {
        self.first(self.breadth_first(library), function)
    }

    /// The definition that follows a library in the search order of its load, with the main program last.
    fn next(&self, library: usize, function: usize) -> Option<usize> {
        let order = self.breadth_first(self.loaded_by[&library].library);
        let place = order.iter().position(|module| *module == library).unwrap();
        let rest = order[place + 1..].iter().copied().chain([MAIN]);
        self.first(rest.collect(), function)
    }

    /// Whether the load succeeds; what it binds is added to `bindings`, by library and function.
    fn open(&mut self, open: Open, bindings: &mut BTreeMap<(usize, usize), Option<usize>>) -> bool {
        let list = self.breadth_first(open.library);
        let new: Vec<usize> = list.iter().copied().filter(|n| !self.loaded.contains(n)).collect();
        let mut bound = BTreeMap::new();
        for library in &new {
            for (function, (address, weak)) in &self.sources[*library].imports {
                let found = self.lookup(*function, Some(open));
                let may_wait = *weak || (open.lazy && !address);
                if found.is_none() && !may_wait {
                    return false;
                }
                bound.insert((*library, *function), found);
            }
        }
        bindings.extend(bound);
        self.loaded_by.extend(new.iter().map(|library| (*library, open)));
        self.loaded.extend(new);
        if open.global {
            let more: Vec<usize> = list.into_iter().filter(|n| !self.global.contains(n)).collect();
            self.global.extend(more);
        }
        true
    }
}

/// Libraries by name.
struct Files(BTreeMap<String, Arc<[u8]>>);

impl LibrarySource for Files {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let name = request.name.to_owned();
        match self.0.get(request.name) {
            Some(bytes) => Ok(FoundLibrary { path: name, identity: None, bytes: bytes.clone() }),
            None => Err(LibraryNotFound { name, requester: None, tried: Vec::new() }),
        }
    }
}

fn process() -> FakeProcess {
    let text = r#"(module (memory (export "memory") 1)
        (table (export "__indirect_function_table") 2 funcref)
        (global (export "__stack_pointer") (mut i32) (i32.const 4096))
        (global (export "_ZN1cIiE1nE") i32 (i32.const 8))
        (func (export "f5")))"#;
    FakeProcess::of(MainModule::parse("main", &assemble(text)).unwrap())
}

/// `dlopen` without an engine: returns the plan of a load that brought something in.
fn open(process: &mut FakeProcess, files: &mut Files, open: Open) -> Result<Option<LoadPlan>, LinkError> {
    let mode = OpenMode { global: open.global, lazy: open.lazy, deepbind: open.deep, ..OpenMode::default() };
    match process.open(&format!("l{}", open.library), mode, files)? {
        Opened::Already(_) => Ok(None),
        Opened::New(plan) => {
            assert_eq!(plan.check(), Ok(()));
            Ok(Some(plan))
        }
    }
}

/// The number in the name of a library.
fn number(namespace: &Namespace, id: ModuleId) -> usize {
    namespace.library(id).map_or(MAIN, |library| library.path[1..].parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn imports_are_bound_as_elf_binds_them(sources in sources(), opens in opens()) {
        let files = sources.iter().enumerate();
        let mut files =
            Files(files.map(|(n, source)| (format!("l{n}"), assemble(&text(source)).into())).collect());
        let mut process = process();
        let mut model = Model { sources: &sources, loaded: Vec::new(), global: Vec::new(), loaded_by: BTreeMap::new() };
        let mut bindings = BTreeMap::new();
        let mut lazy = Vec::new();
        for step in opens {
            let plan = self::open(&mut process, &mut files, step);
            prop_assert_eq!(plan.is_ok(), model.open(step, &mut bindings), "{:?}", step);
            if let Some(thunks) = plan.ok().flatten().as_ref().and_then(LoadPlan::thunk_module) {
                lazy.push((step, thunks.lazy.clone()));
            }
            let namespace = &*process.namespace;
            for function in 0..SYMBOLS {
                let name = symbol_name(function);
                let found = |scope| namespace.lookup(&name, scope).map(|s| number(namespace, s.definer));
                prop_assert_eq!(found(Scope::Global), model.lookup(function, None));
                for library in namespace.libraries() {
                    let from = number(namespace, library.id);
                    prop_assert_eq!(found(Scope::Library(library)), model.by_handle(from, function));
                    let seen = model.lookup(function, Some(model.loaded_by[&from]));
                    prop_assert_eq!(found(Scope::From(library.id)), seen);
                    prop_assert_eq!(found(Scope::After(library.id)), model.next(from, function));
                }
            }
        }
        let namespace = &*process.namespace;
        prop_assert_eq!(namespace.libraries().len(), model.loaded.len());
        for library in namespace.libraries() {
            let importer = number(namespace, library.id);
            for (import, binding) in library.module.imports.iter().zip(library.bindings.iter()) {
                let function = symbol_number(&import.name);
                let bound = binding.definer().map(|id| number(namespace, id));
                prop_assert_eq!(bound, bindings[&(importer, function)], "{} of {}", import.name, importer);
            }
        }
        // What was left unbound is found at the first call if it is defined by then.
        for (step, symbols) in &lazy {
            for (position, symbol) in symbols.symbols.iter().enumerate() {
                let bound = symbols.bind(namespace, position).unwrap();
                let bound = bound.ok().map(|late| number(namespace, late.from.0));
                prop_assert_eq!(bound, model.lookup(symbol_number(&symbol.name), Some(*step)));
            }
        }
    }
}

/// Gives every library the same place, whatever it requests.
struct Given(LibraryPlacement);

impl Room for Given {
    type Refusal = LinkError;

    fn ask_host(&mut self, namespace: Arc<Namespace>, _: &LoadOrder) -> Result<Arc<Namespace>, LinkError> {
        Ok(namespace)
    }

    fn reserve(&mut self, _: &Reservation) -> Result<Placement, LinkError> {
        Ok(Placement { libraries: vec![self.0], function_slots: Vec::new() })
    }
}

proptest! {
    /// The allocator belongs to the guest: what it returns must satisfy the requirements of the file.
    #[test]
    fn places_are_taken_where_they_serve(
        size in 0..10_000_u32,
        align in 0..16_u32,
        slots in 0..100_u32,
        slot_align in 0..8_u32,
        base in prop_oneof![Just(0), (0..0x10_0000_u32).prop_map(|n| n * 16), any::<u32>(), Just(u32::MAX - 100)],
        slot in prop_oneof![(0..1000_u32).prop_map(|n| n * 8), any::<u32>()],
    ) {
        let text =
            format!(r#"(module (@dylink.0 (mem-info (memory {size} {align}) (table {slots} {slot_align}))) (func (export "f")))"#);
        let mut files = Files(BTreeMap::from([("l0".to_owned(), assemble(&text).into())]));
        let place = LibraryPlacement { memory_base: Address(base), table_base: TableSlot(slot) };
        let opening = Load::open(&process().namespace, "l0", OpenMode::default(), &mut files).unwrap();
        let Opening::New(load) = opening else { panic!("loaded already") };
        let fits = |base: u32, size: u32, align: u32| {
            u64::from(base) % (1 << align) == 0 && u64::from(base) + u64::from(size) < 1 << 32
        };
        let serves = (size == 0 || base != 0 && fits(base, size, align))
            && (slots == 0 || fits(slot, slots, slot_align));
        prop_assert_eq!(load.plan(&mut Given(place)).is_ok(), serves);
    }
}

/// The step at which a load fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Start,
    Relocations,
    Undefined,
}

/// A library of a graph that is loaded in a process.
#[derive(Clone, Debug)]
struct Real {
    /// Which of the libraries before it needs it, so that all libraries are in the graph.
    parent: prop::sample::Index,
    more_needed: Vec<usize>,
    memory: u32,
    slots: u32,
    calls: BTreeSet<usize>,
    addresses: BTreeSet<usize>,
}

fn reals() -> impl Strategy<Value = Vec<Real>> {
    let numbers = || prop::collection::btree_set(0..6_usize, 0..3);
    let real = (
        any::<prop::sample::Index>(),
        vec(0..6_usize, 0..2),
        1..200_000_u32,
        0..50_u32,
        numbers(),
        numbers(),
    );
    let real = real.prop_map(|(parent, more_needed, memory, slots, calls, addresses)| Real {
        parent,
        more_needed,
        memory,
        slots,
        calls,
        addresses,
    });
    vec(real, 1..6)
}

fn real_text(all: &[Real], number: usize, failure: Option<Failure>) -> String {
    let library = &all[number];
    let mut needed: BTreeSet<usize> =
        library.more_needed.iter().copied().filter(|other| *other < all.len()).collect();
    let children = (number + 1..all.len()).filter(|child| all[*child].parent.index(*child) == number);
    needed.extend(children);
    let mut text = format!(
        "(module (@dylink.0 (mem-info (memory {} 4) (table {} 0)) (needed \"flag.so\"",
        library.memory, library.slots
    );
    for other in needed {
        let _ = write!(text, " \"l{other}.so\"");
    }
    text.push_str(
        r#")) (import "env" "memory" (memory 1)) (import "env" "fails" (func $fails (result i32)))"#,
    );
    text.push_str(r#"(import "env" "__indirect_function_table" (table 0 funcref))"#);
    text.push_str(r#"(import "env" "__table_base" (global $table_base i32))"#);
    text.push_str(r#"(import "env" "__memory_base" (global $memory_base i32))"#);
    for other in library.calls.iter().filter(|other| **other < all.len()) {
        let _ = write!(text, r#"(import "env" "f{other}" (func (result i32)))"#);
    }
    for other in library.addresses.iter().filter(|other| **other < all.len()) {
        let _ = write!(text, r#"(import "GOT.func" "f{other}" (global (mut i32)))"#);
    }
    if matches!(failure, Some(Failure::Undefined)) {
        text.push_str(r#"(import "env" "provided" (func))"#);
    }
    let _ = write!(text, r#"(func $f (export "f{number}") (result i32) i32.const {number})"#);
    if library.slots > 0 {
        let _ = write!(text, "(elem (global.get $table_base) func{})", " $f".repeat(library.slots as usize));
    }
    text.push_str(r#"(data (global.get $memory_base) "x")"#);
    let trap = "call $fails if unreachable end";
    text + &match failure {
        Some(Failure::Start) => format!("(func $start {trap}) (start $start))"),
        Some(Failure::Relocations) => format!(r#"(func (export "__wasm_apply_data_relocs") {trap}))"#),
        Some(Failure::Undefined) | None => ")".to_owned(),
    }
}

/// A library that says whether a load is to fail.
const FLAG: &str = r#"(module (@dylink.0) (global $fails (mut i32) (i32.const 1))
    (func (export "fails") (result i32) global.get $fails)
    (func (export "set_fails") (param i32) local.get 0 global.set $fails))"#;

/// Opens `l0.so` again and again while the flag makes it fail, then once without failing; reports what is wrong by its exit status.
fn retrying_case(libraries: usize, failure: Failure) -> String {
    // A load that fails before anything is reserved does not show how much would be reserved. The library that is loaded in between may lie
    // where a part of the others would fit, which then takes one page more; what twenty failed loads leave behind would take more than that.
    let sized = match failure {
        Failure::Undefined => "",
        _ => "memory.size local.get $pages i32.sub i32.const 1 i32.gt_u if i32.const 8 return end",
    };
    let absent: String = (0..libraries).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            " global.get $base i32.const {} i32.add i32.const 6 call $dlopen if i32.const 3 return end",
            64 + 16 * number
        );
        text
    });
    let names: String = (0..libraries).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            r#"(data (i32.add (global.get $base) (i32.const {})) "l{number}.so\00")"#,
            64 + 16 * number
        );
        text
    });
    format!(
        r#"(module (@dylink.0 (mem-info (memory 256 4)) (needed "flag.so"))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table $table 0 funcref))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (import "env" "set_fails" (func $set_fails (param i32)))
        (type $function (func (result i32)))
        (data (global.get $base) "provider.so\00f0\00")
        {names}
        (func $open (result i32)
            global.get $base i32.const 64 i32.add i32.const 2 call $dlopen)
        (func (export "run_case") (result i32) (local $n i32) (local $pages i32) (local $slots i32) (local $handle i32)
            call $open if i32.const 1 return end
            memory.size local.set $pages
            table.size $table local.set $slots
            loop $again
                call $open if i32.const 2 return end
                local.get $n i32.const 1 i32.add local.tee $n
                i32.const 20 i32.lt_u br_if $again
            end
            {absent}
            memory.size local.get $pages i32.ne if i32.const 4 return end
            table.size $table local.get $slots i32.ne if i32.const 5 return end
            i32.const 0 call $set_fails
            global.get $base i32.const 0x102 call $dlopen i32.eqz if i32.const 6 return end
            call $open local.tee $handle i32.eqz if i32.const 7 return end
            {sized}
            local.get $handle global.get $base i32.const 12 i32.add call $dlsym
            call_indirect (type $function)))"#
    )
}

/// Keeps the lines of a trace, for the message of a failure.
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
        Image::from_file(&Compiler::new().unwrap(), driver).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loads_that_fail_leave_nothing_and_can_be_tried_again(
        libraries in reals(),
        which in any::<prop::sample::Index>(),
        failure in prop::sample::select(vec![Failure::Start, Failure::Relocations, Failure::Undefined]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let failing = which.index(libraries.len());
        let mut texts: Vec<(String, String)> = (0..libraries.len())
            .map(|n| (format!("l{n}.so"), real_text(&libraries, n, (n == failing).then_some(failure))))
            .collect();
        texts.push(("provider.so".to_owned(), r#"(module (@dylink.0) (func (export "provided")))"#.to_owned()));
        texts.push(("flag.so".to_owned(), FLAG.to_owned()));
        texts.push(("case.so".to_owned(), retrying_case(libraries.len(), failure)));
        let mut options = ProcessOptions::new("driver").args(["case.so"]);
        for (name, text) in texts {
            fs::write(folder.path().join(&name), assemble(&text)).unwrap();
            options = options.side_module(folder.path().join(name));
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let trace = Trace::new([TraceTopic::Libs], Lines(lines.clone()));
        let options = options.trace(trace);
        let status = Process::new(image(), &options).unwrap().run().unwrap();
        let said = String::from_utf8_lossy(&lines.lock().unwrap()).into_owned();
        prop_assert_eq!(status, ExitStatus::Exited(0), "{}", said);
    }
}

/// What a constructor, or the program, does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Open {
        library: usize,
        noload: bool,
    },
    /// Closes the handle that the open with this number returned.
    Close(usize),
}

/// A library whose constructor performs acts.
#[derive(Clone, Debug)]
struct Busy {
    needed: BTreeSet<usize>,
    acts: Vec<Act>,
    traps: bool,
}

const BUSY: usize = 6;

fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let open =
        (0..BUSY, prop::bool::weighted(0.15)).prop_map(|(library, noload)| Act::Open { library, noload });
    vec(prop_oneof![2 => open, 1 => (0..most).prop_map(Act::Close)], 0..most)
}

fn busy() -> impl Strategy<Value = Vec<Busy>> {
    let needed = prop::collection::btree_set(0..BUSY, 0..3);
    let library = (needed, acts(4), prop::bool::weighted(0.1));
    vec(library.prop_map(|(needed, acts, traps)| Busy { needed, acts, traps }), BUSY)
}

/// The locals and the code of some acts; the outcome of each act is printed.
fn code(acts: &[Act]) -> (String, String) {
    let locals = (0..acts.len()).fold(String::new(), |text, at| text + &format!("(local $h{at} i32)"));
    let mut text = String::new();
    for (at, act) in acts.iter().enumerate() {
        let _ = match act {
            Act::Open { library, noload } => write!(
                text,
                "(local.set $h{at} (call $dlopen (i32.add (global.get $base) (i32.const {})) (i32.const {})))
                (drop (call $put (select (i32.const 43) (i32.const 45) (local.get $h{at}))))",
                16 * library,
                if *noload { 6 } else { 2 }
            ),
            Act::Close(which) if *which < at => write!(
                text,
                "(if (local.get $h{which}) (then
                    (drop (call $put (select (i32.const 33) (i32.const 46) (call $dlclose (local.get $h{which})))))))"
            ),
            Act::Close(_) => Ok(()),
        };
    }
    (locals, text)
}

fn busy_text(needed: &BTreeSet<usize>, body: &str) -> String {
    let needed = needed.iter().fold(String::new(), |text, number| text + &format!(" \"l{number}.so\""));
    let names = (0..BUSY).fold(String::new(), |text, number| {
        text + &format!(
            r#"(data (i32.add (global.get $base) (i32.const {})) "l{number}.so\00")"#,
            16 * number
        )
    });
    format!(
        r#"(module (@dylink.0 (mem-info (memory 256 4)) (needed{needed}))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "putchar" (func $put (param i32) (result i32)))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlclose" (func $dlclose (param i32) (result i32)))
        {names} {body})"#
    )
}

/// A library that is loaded.
#[derive(Clone, Copy)]
struct Loaded {
    /// The number of the load: another load has another handle.
    instance: usize,
    references: usize,
    is_waiting: bool,
    has_failed: bool,
}

/// The order in which constructors run: those that a library needs before its own, each once, in the first load that comes to it (System V
/// ABI, chapter 5, "Initialization and Termination Functions"; as in musl and glibc 2.41, also when a library of a load in progress is
/// opened).
struct Order<'a> {
    sources: &'a [Busy],
    loaded: BTreeMap<usize, Loaded>,
    instances: usize,
    /// The libraries whose load is in progress.
    held: Vec<usize>,
    printed: String,
}

impl Order<'_> {
    fn depth_first(&self, library: usize, order: &mut Vec<usize>, entered: &mut BTreeSet<usize>) {
        if entered.insert(library) {
            for needed in &self.sources[library].needed {
                self.depth_first(*needed, order, entered);
            }
            order.push(library);
        }
    }

    /// A library and all that it needs, dependencies first.
    fn below(&self, library: usize) -> Vec<usize> {
        let mut order = Vec::new();
        self.depth_first(library, &mut order, &mut BTreeSet::new());
        order
    }

    fn open(&mut self, library: usize, noload: bool) -> Option<usize> {
        let order = self.below(library);
        let is_new: BTreeSet<usize> =
            order.iter().copied().filter(|n| !self.loaded.contains_key(n)).collect();
        if noload && is_new.contains(&library) {
            return None;
        }
        if order.iter().any(|needed| self.loaded.get(needed).is_some_and(|it| it.has_failed)) {
            return None;
        }
        for new in &is_new {
            self.instances += 1;
            let loaded =
                Loaded { instance: self.instances, references: 0, is_waiting: true, has_failed: false };
            self.loaded.insert(*new, loaded);
        }
        self.loaded.get_mut(&library).unwrap().references += 1;
        let instance = self.loaded[&library].instance;
        let waiting: Vec<usize> = order.into_iter().filter(|n| self.loaded[n].is_waiting).collect();
        let held = self.held.len();
        self.held.extend(waiting.iter().chain(&is_new));
        let constructed = waiting.iter().all(|waiting| self.construct(*waiting));
        self.held.truncate(held);
        let root = self.loaded.get_mut(&library).unwrap();
        if !constructed {
            root.references -= 1;
            root.has_failed |= is_new.contains(&library);
            for new in is_new {
                let new = self.loaded.get_mut(&new).unwrap();
                new.has_failed |= std::mem::take(&mut new.is_waiting);
            }
            return None;
        }
        if root.references == 0 {
            self.collect();
        }
        Some(instance)
    }

    fn construct(&mut self, library: usize) -> bool {
        let loaded = self.loaded.get_mut(&library).unwrap();
        if loaded.has_failed || !std::mem::take(&mut loaded.is_waiting) {
            return !loaded.has_failed;
        }
        let letter = b'A' + u8::try_from(library).unwrap();
        self.printed.push(char::from(letter));
        self.act(&self.sources[library].acts);
        if self.sources[library].traps {
            self.loaded.get_mut(&library).unwrap().has_failed = true;
            return false;
        }
        self.printed.push(char::from(letter.to_ascii_lowercase()));
        true
    }

    fn act(&mut self, acts: &[Act]) {
        let mut handles = Vec::new();
        for act in acts {
            handles.push(match act {
                Act::Open { library, noload } => {
                    let instance = self.open(*library, *noload);
                    self.printed.push(if instance.is_some() { '+' } else { '-' });
                    instance.map(|instance| (*library, instance))
                }
                Act::Close(which) => {
                    if let Some(Some((library, instance))) = handles.get(*which).copied() {
                        let closed = self.close(library, instance);
                        self.printed.push(if closed { '.' } else { '!' });
                    }
                    None
                }
            });
        }
    }

    fn close(&mut self, library: usize, instance: usize) -> bool {
        let loaded = self.loaded.get_mut(&library);
        let Some(loaded) = loaded.filter(|it| it.instance == instance && it.references > 0) else {
            return false;
        };
        loaded.references -= 1;
        self.collect();
        true
    }

    /// Drops the libraries that nothing holds.
    fn collect(&mut self) {
        let is_held = |(_, loaded): &(&usize, &Loaded)| loaded.references > 0 || loaded.has_failed;
        let roots =
            self.loaded.iter().filter(is_held).map(|(library, _)| *library).chain(self.held.iter().copied());
        let held: BTreeSet<usize> = roots.flat_map(|root| self.below(root)).collect();
        self.loaded.retain(|library, _| held.contains(library));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    // row: dlopen | constructors_that_open_and_close_run_in_the_order_of_elf | Constructors run dependencies first and once, whatever loads, closes and failures are nested in them, in any graph | ELF gABI initialization functions; glibc; musl
    // row: dlopen | constructors_that_open_and_close_run_in_the_order_of_elf | A library of a load under way that a constructor opens by its own name is constructed before dlopen returns | musl; glibc 2.41 | glibc before 2.41 gives the library with its constructors still to run, which is its bug 31986
    #[test]
    fn constructors_that_open_and_close_run_in_the_order_of_elf(libraries in busy(), program in acts(8)) {
        let folder = tempfile::tempdir().unwrap();
        let mut options = ProcessOptions::new("driver").args(["case.so"]);
        let texts = libraries.iter().enumerate().map(|(number, library)| {
            let letter = 65 + number;
            let says = format!("(drop (call $put (i32.const {})))", letter + 32);
            let end = if library.traps { "unreachable".to_owned() } else { says };
            let (locals, code) = code(&library.acts);
            let begin = format!("(drop (call $put (i32.const {letter})))");
            let body = format!(r#"(func (export "__wasm_call_ctors") {locals} {begin} {code} {end})"#);
            (format!("l{number}.so"), busy_text(&library.needed, &body))
        });
        let mut texts: Vec<(String, String)> = texts.collect();
        let (locals, code) = code(&program);
        let run = format!(
            r#"(func (export "run_case") (result i32) {locals} {code} (drop (call $put (i32.const 124))) (i32.const 0))"#
        );
        texts.push(("case.so".to_owned(), busy_text(&BTreeSet::new(), &run)));
        for (name, text) in texts {
            fs::write(folder.path().join(&name), assemble(&text)).unwrap();
            options = options.side_module(folder.path().join(name));
        }
        let stdout = Captured::new();
        let status = Process::new(image(), &options.stdout(&stdout)).unwrap().run().unwrap();
        let printed = String::from_utf8_lossy(&stdout.contents()).into_owned();
        let mut model =
            Order { sources: &libraries, loaded: BTreeMap::new(), instances: 0, held: Vec::new(), printed: String::new() };
        model.act(&program);
        prop_assert_eq!(status, ExitStatus::Exited(0), "{}", printed);
        prop_assert_eq!(printed, model.printed + "|");
    }
}
