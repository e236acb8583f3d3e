//! Measures what linking costs as libraries grow, and what a call costs by the way it is bound: curves with the time for each import,
//! export or library, and times of calls relative to those of wasmtime's own call from instance to instance. What counts is the fastest of
//! several rounds, since a shared machine only ever adds time. Must not know how linking is done.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use pydl_linker::{
    FoundLibrary, Inspector, LibraryNotFound, LibraryRequest, LibrarySource, MainModule, OpenMode,
    ParseError, ParsedModule,
};
use pydl_loader::{Cache, Captured, Compiler, ExitStatus, Image, Process, ProcessOptions, SystemInterface};
use pydl_tests::room::FakeProcess;
use pydl_tests::wasm::assemble;
use wasmtime::{Instance, Module, Store};

const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let driver = pydl_tests::repository().join("tests/cases/program/driver/driver.wasm");
    let folder = tempfile::tempdir()?;
    let compiler = Compiler::new()?.with_cache(Cache::open(folder.path().join("cache"))?);
    let image = Image::from_file(&compiler, &driver)?;
    calls(&compiler, &image)?;
    let main = MainModule::parse("driver.wasm", &fs::read(&driver)?)?;
    let main = Arc::new(main);
    curve(&main, &image, "self-imports", &[1_625, 3_250, 6_500, 13_000], self_imports)?;
    curve(&main, &image, "exports", &[6_250, 12_500, 25_000, 50_000], exports)?;
    curve(&main, &image, "libraries in a chain", &[125, 250, 500, 1_000], chain)?;
    deps(&main)
}

/// Runs a loop of this many calls.
type Calls<'a> = Box<dyn Fn(u32) -> Result<Duration> + 'a>;

/// Prints what calls cost, each in a loop of the guest. The kinds take turns, so that a slow moment hits all of them.
fn calls(compiler: &Compiler, image: &Image) -> Result<()> {
    const CALLS: u32 = 10_000_000;
    let function = r#"(func $own (export "f") (param i32) (result i32) local.get 0 i32.const 1 i32.sub)"#;
    let import = r#"(import "env" "f" (func $f (param i32) (result i32)))"#;
    let callee = move || ("callee.so", format!("(module (@dylink.0) {function})"));
    let kinds: [(&str, Calls<'_>); 4] = [
        (
            "wasmtime's own, from instance to instance",
            Box::new(|count| between_instances(compiler, count).map_err(|error| anyhow!("{error}"))),
        ),
        (
            "a bound import",
            Box::new(move |count| {
                let text = format!(r#"(module (@dylink.0 (needed "callee.so")) {import} {})"#, loops(count));
                run(image, &[callee(), ("user.so", text), opens("user.so", 2)])
            }),
        ),
        (
            "a function of the library itself, as an import",
            Box::new(move |count| {
                let text = format!("(module (@dylink.0) {import} {} {function})", loops(count));
                run(image, &[callee(), ("user.so", text), opens("user.so", 2)])
            }),
        ),
        (
            "a lazy import, bound at its first call",
            Box::new(move |count| {
                let text = format!("(module (@dylink.0) {import} {})", loops(count));
                run(image, &[callee(), ("user.so", text), opens("user.so", 1)])
            }),
        ),
    ];
    let mut best = [(Duration::MAX, Duration::MAX); 4];
    for _ in 0..2 * ROUNDS {
        for ((_, calls), (few, many)) in kinds.iter().zip(&mut best) {
            *few = calls(CALLS)?.min(*few);
            *many = calls(3 * CALLS)?.min(*many);
        }
    }
    let costs = best.map(|(few, many)| many.saturating_sub(few).as_secs_f64() * 1e9 / f64::from(2 * CALLS));
    println!("| call | ns | over wasmtime's own |\n|---|---|---|");
    for ((name, _), cost) in kinds.iter().zip(costs) {
        println!("| {name} | {cost:.2} | {:.2} |", cost / costs[0]);
    }
    println!();
    Ok(())
}

/// The function `loop`, which calls `f` `count` times.
fn loops(count: u32) -> String {
    format!(
        r#"(func $loop (export "loop") (result i32) (local $n i32)
        i32.const {count} local.set $n
        loop $again
            local.get $n call $f local.set $n
            local.get $n br_if $again
        end i32.const 0)"#
    )
}

/// A library that opens another one with this mode, then `callee.so` with `RTLD_GLOBAL`, and calls the first one's `loop`.
fn opens(library: &str, mode: u32) -> (&'static str, String) {
    let text = format!(
        r#"(module (@dylink.0 (mem-info (memory 64 0)))
        (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global $base i32))
        (import "env" "__indirect_function_table" (table 1 funcref))
        (import "env" "dlopen" (func $dlopen (param i32 i32) (result i32)))
        (import "env" "dlsym" (func $dlsym (param i32 i32) (result i32)))
        (type $function (func (result i32)))
        (data (global.get $base) "{library}\00")
        (data (i32.add (global.get $base) (i32.const 32)) "callee.so\00")
        (data (i32.add (global.get $base) (i32.const 48)) "loop\00")
        (func (export "run_case") (result i32) (local $handle i32)
            global.get $base i32.const {mode} call $dlopen local.tee $handle
            i32.eqz if i32.const 99 return end
            global.get $base i32.const 32 i32.add i32.const 0x102 call $dlopen drop
            local.get $handle global.get $base i32.const 48 i32.add call $dlsym
            call_indirect (type $function)))"#
    );
    ("case.so", text)
}

/// The loop over a call from one instance to another, without pydl.
fn between_instances(compiler: &Compiler, count: u32) -> wasmtime::Result<Duration> {
    let engine = compiler.engine();
    let function =
        assemble(r#"(module (func (export "f") (param i32) (result i32) local.get 0 i32.const 1 i32.sub))"#);
    let caller = assemble(
        r#"(module (import "m" "f" (func $f (param i32) (result i32)))
        (func (export "loop") (param $n i32)
            loop $again
                local.get $n call $f local.set $n
                local.get $n br_if $again
            end))"#,
    );
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(1);
    let instance = Instance::new(&mut store, &Module::new(engine, function)?, &[])?;
    let function = instance.get_export(&mut store, "f");
    let function = function.ok_or_else(|| wasmtime::Error::msg("no function"))?;
    let caller = Instance::new(&mut store, &Module::new(engine, caller)?, &[function])?;
    let function = caller.get_typed_func::<u32, ()>(&mut store, "loop")?;
    let start = Instant::now();
    function.call(&mut store, count)?;
    Ok(start.elapsed())
}

/// Runs the driver, which opens the last of the libraries; returns the time from start to end.
fn run(image: &Image, libraries: &[(&str, String)]) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    for (name, text) in libraries {
        fs::write(folder.path().join(name), assemble(text))?;
    }
    let names: Vec<&str> = libraries.iter().map(|(name, _)| *name).collect();
    open_files(image, folder.path(), &names)
}

fn open_files(image: &Image, folder: &Path, names: &[&str]) -> Result<Duration> {
    let mut options = ProcessOptions::new("driver").args(names.last().copied());
    for name in names {
        options = options.side_module(folder.join(name));
    }
    let (stdout, stderr) = (Captured::new(), Captured::new());
    let process = Process::new(image, &options.stdout(&stdout).stderr(&stderr))?;
    let start = Instant::now();
    let status = process.run()?;
    let elapsed = start.elapsed();
    let said = String::from_utf8_lossy(&stdout.contents()).into_owned();
    ensure!(status == ExitStatus::Exited(0), "{status:?}: {said}");
    Ok(elapsed)
}

/// WebAssembly libraries by name; the last one is opened.
type Libraries = Vec<(String, Arc<[u8]>)>;

/// Prints what a load costs at several sizes: the linker's decisions, and a whole process that finds compiled code in the cache.
fn curve(
    main: &Arc<MainModule>,
    image: &Image,
    what: &str,
    sizes: &[usize],
    make: impl Fn(usize) -> Libraries,
) -> Result<()> {
    println!("| {what} | decide ms | µs each | load ms | µs each |\n|---|---|---|---|---|");
    for size in sizes {
        let libraries = make(*size);
        let decided = fastest(|| decide(main, &libraries))?;
        let folder = tempfile::tempdir()?;
        for (name, bytes) in &libraries {
            fs::write(folder.path().join(name), bytes)?;
        }
        let names: Vec<&str> = libraries.iter().map(|(name, _)| name.as_str()).collect();
        let mut loaded = Duration::MAX;
        // The first run compiles.
        for _ in 0..3 {
            loaded = loaded.min(open_files(image, folder.path(), &names)?);
        }
        println!("| {size} | {} | {} |", times(decided, *size), times(loaded, *size));
    }
    println!();
    Ok(())
}

/// The milliseconds in all, and the microseconds for each.
fn times(time: Duration, count: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let each = time.as_secs_f64() * 1e6 / count as f64;
    format!("{:.1} | {each:.2}", time.as_secs_f64() * 1e3)
}

fn fastest(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// Goes from file to plan.
fn decide(main: &MainModule, libraries: &Libraries) -> Result<()> {
    let mut process = FakeProcess { next_slot: 0x1_0000, ..FakeProcess::of(main.clone()) };
    let mut files = Files(libraries.iter().cloned().collect());
    let root = libraries.last().context("no library")?;
    let plan = process.plan(&root.0, OpenMode::default(), &mut files)?.context("loaded")?;
    ensure!(!plan.steps().is_empty(), "an empty plan");
    Ok(())
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

/// Libraries by name with a memory of what is in them, as in `pydl deps`.
struct Known {
    files: Files,
    parsed: BTreeMap<String, Arc<ParsedModule>>,
}

impl LibrarySource for Known {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        self.files.find(request)
    }

    fn parse(&mut self, found: &FoundLibrary) -> Result<Arc<ParsedModule>, ParseError> {
        if let Some(known) = self.parsed.get(&found.path) {
            return Ok(known.clone());
        }
        let module = self.files.parse(found)?;
        self.parsed.insert(found.path.clone(), module.clone());
        Ok(module)
    }
}

const RUN_CASE: &str = r#"(func (export "run_case") (result i32) i32.const 0)"#;

/// One library that imports `count` of its own functions, as C++ does with templates.
fn self_imports(count: usize) -> Libraries {
    let mut text = "(module (@dylink.0)".to_owned();
    for number in 0..count {
        let _ =
            write!(text, r#"(import "env" "_ZN5space8template{number}Ev" (func (param i32) (result i32)))"#);
    }
    for number in 0..count {
        let _ = write!(
            text,
            r#"(func (export "_ZN5space8template{number}Ev") (param i32) (result i32) local.get 0)"#
        );
    }
    vec![("case.so".to_owned(), assemble(&format!("{text} {RUN_CASE})")).into())]
}

/// One library that exports `count` functions.
fn exports(count: usize) -> Libraries {
    let mut text = "(module (@dylink.0)".to_owned();
    for number in 0..count {
        let _ = write!(text, r#"(func (export "function_{number}") (param i32) (result i32) local.get 0)"#);
    }
    vec![("case.so".to_owned(), assemble(&format!("{text} {RUN_CASE})")).into())]
}

/// Libraries each of which needs the next one and calls it, and calls a function of the last one.
fn chain(count: usize) -> Libraries {
    let library = |number: usize| {
        let mut text = "(module (@dylink.0 (mem-info (memory 16 4))".to_owned();
        if number > 0 {
            let _ = write!(text, r#"(needed "l{}.so"))"#, number - 1);
            let _ = write!(text, r#"(import "env" "f{}" (func (param i32) (result i32)))"#, number - 1);
            text.push_str(r#"(import "env" "f0" (func (param i32) (result i32)))"#);
            text.push_str(r#"(import "GOT.func" "f0" (global (mut i32)))"#);
        } else {
            text.push(')');
        }
        let _ = write!(text, r#"(func (export "f{number}") (param i32) (result i32) local.get 0)"#);
        if number + 1 == count {
            text.push_str(RUN_CASE);
        }
        (format!("l{number}.so"), assemble(&format!("{text})")).into())
    };
    (0..count).map(library).collect()
}

/// Prints what it costs to inspect every file of a chain, as `pydl deps` does.
fn deps(main: &Arc<MainModule>) -> Result<()> {
    println!("| `pydl deps` of a chain | ms | µs each |\n|---|---|---|");
    for size in [125, 250, 500, 1_000] {
        let files = Files(chain(size).into_iter().collect());
        let mut files = Known { files, parsed: BTreeMap::new() };
        let all: Vec<FoundLibrary> = files
            .files
            .0
            .iter()
            .map(|(path, bytes)| FoundLibrary { path: path.clone(), identity: None, bytes: bytes.clone() })
            .collect();
        let start = Instant::now();
        let inspector = Inspector::new(Some(main.clone()), &mut files, Arc::new(SystemInterface::default()));
        for file in &all {
            ensure!(inspector.inspect(file, &mut files)?.problems.is_empty(), "problems");
        }
        println!("| {size} | {} |", times(start.elapsed(), size));
    }
    Ok(())
}
