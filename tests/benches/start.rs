//! Measures how long programs take to start, as whole processes: pydl against a bare embedding of wasmtime that does
//! nothing but run the same main module from the same compiled code. Both take turns, so that a machine that gets slower
//! slows both; what counts is the median of the ratios. Needs a built pydl (`cargo build --workspace`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, anyhow, ensure};
use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// The variable that is set for the process that is the bare embedding: the file with the compiled code.
const BARE: &str = "PYDL_BENCH_BARE";
const ROUNDS: usize = 41;

fn main() -> Result<()> {
    match env::var_os(BARE) {
        Some(code) => bare(Path::new(&code)).map_err(|error| anyhow!("{error:#}")),
        None => compare(),
    }
}

/// The bare embedding: `python -c pass` with the standard library mounted as pydl mounts it.
fn bare(code: &Path) -> wasmtime::Result<()> {
    let mut config = Config::new();
    // Compiled code fits only one configuration.
    config.epoch_interruption(true).max_wasm_stack(16 << 20).async_stack_size(24 << 20);
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_exceptions(true);
    config.wasm_function_references(true).wasm_gc(true).gc_heap_initial_size(1 << 20);
    let engine = Engine::new(&config)?;
    // SAFETY: the file is an entry of the cache that pydl has just written and run from.
    let module = unsafe { Module::deserialize_file(&engine, code) }?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |state| state)?;
    linker.define_unknown_imports_as_traps(&module)?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio().allow_blocking_current_thread(true);
    wasi.args(&["/usr/local/bin/python3.13", "-c", "pass"]);
    wasi.preopened_dir(pydl_tests::testdata("python/lib"), "/usr/local/lib", FsPerms::ReadOnly)?;
    let mut store = Store::new(&engine, wasi.build_p1());
    store.set_epoch_deadline(1);
    let thread = std::thread::Builder::new().stack_size(24 << 20);
    let status = thread.spawn(move || -> wasmtime::Result<i32> {
        let instance = linker.instantiate(&mut store, &module)?;
        match instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ()) {
            Ok(()) => Ok(0),
            Err(error) => Ok(error.downcast::<I32Exit>()?.0),
        }
    })?;
    let status = status.join().map_err(|_| wasmtime::Error::msg("the guest's thread panicked"))??;
    std::process::exit(status)
}

fn compare() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let pydl = |arguments: &[&str]| {
        let mut command = Command::new(pydl_tests::pydl_binary());
        command.env("PYDL_CACHE_DIR", cache.path()).arg("run").arg(pydl_tests::python_wasm()).args(arguments);
        command
    };
    let fputs = pydl_tests::testdata("fputs/fputs.so").display().to_string();
    time(pydl(&["--", "-c", "pass"])).context("pydl does not run")?;
    time(pydl(&["--side", &fputs, "-c", "import fputs"]))?;
    let code = largest_entry(cache.path())?;
    let bare = || -> Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.env(BARE, &code);
        Ok(command)
    };
    time(bare()?)?;

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let bare = time(bare()?)?;
        let pydl_pass = time(pydl(&["--", "-c", "pass"]))?;
        let side = time(pydl(&["--side", &fputs, "-c", "pass"]))?;
        let import = time(pydl(&["--side", &fputs, "-c", "import fputs"]))?;
        rounds.push([bare, pydl_pass, side, import].map(|t| t.as_secs_f64() * 1e3));
    }
    let column = |f: &dyn Fn(&[f64; 4]) -> f64| median(rounds.iter().map(f).collect());
    println!("medians of {ROUNDS} rounds, whole processes, compiled code cached");
    println!("  bare wasmtime embedding, -c pass       {:6.2} ms", column(&|r| r[0]));
    println!("  pydl run, -c pass                      {:6.2} ms", column(&|r| r[1]));
    println!("  pydl run --side fputs.so, -c pass      {:6.2} ms", column(&|r| r[2]));
    println!("  pydl run --side fputs.so, import fputs {:6.2} ms", column(&|r| r[3]));
    println!("  pydl / bare                            {:6.3}", column(&|r| r[1] / r[0]));
    println!("  import fputs, over pass with --side    {:6.2} ms", column(&|r| r[3] - r[2]));
    println!("  import fputs, as the guest sees it     {:6.2} ms", import_in_guest(&pydl, &fputs)?);
    Ok(())
}

/// The milliseconds that `import fputs` takes by the guest's own clock: the median of a few processes.
fn import_in_guest(pydl: &dyn Fn(&[&str]) -> Command, fputs: &str) -> Result<f64> {
    let code = "import time; t = time.perf_counter_ns(); import fputs; print(time.perf_counter_ns() - t)";
    let mut times = Vec::new();
    for _ in 0..11 {
        let output = pydl(&["--side", fputs, "-c", code]).output()?;
        let nanoseconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        times.push(nanoseconds / 1e6);
    }
    Ok(median(times))
}

/// The entry of the compiled main module: by far the largest file of the cache.
fn largest_entry(cache: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(cache)?.flatten().map(|entry| entry.path());
    let sized = entries.filter_map(|path| Some((fs::metadata(&path).ok()?.len(), path)));
    Ok(sized.max().context("the cache is empty")?.1)
}

fn time(mut command: Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status()?;
    let time = started.elapsed();
    ensure!(status.success(), "{command:?}: {status}");
    Ok(time)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
