//! Measures static linking: how fast modules are merged, how large the result is, how fast it starts, and what a call from a library to the
//! main module costs in it, beside the same loaded and the same within one module.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use pydl_linker::{
    FoundLibrary, Host, LibraryNotFound, LibraryRequest, LibrarySource, LinkOptions, MainModule, StaticLinker,
};
use pydl_loader::{Cache, Compiler, ExitStatus, Image, Process, ProcessOptions, SystemInterface, WheelFile};
use pydl_tests::emscripten::{CURRENT, main_module, wheel};
use pydl_tests::wasm::assemble;
use pydl_tests::{pydl_binary, python_wasm, repository, testdata};

const ROUNDS: usize = 15;
const CALLS: u32 = 200_000_000;

fn main() -> Result<()> {
    println!("| modules | MB | ms | MB/s | size / sum of parts |\n|---|---|---|---|---|");
    let fputs = vec![("fputs.so".to_owned(), fs::read(testdata("fputs/fputs.so"))?.into())];
    merge("python.wasm and fputs", &python_wasm(), &fputs)?;
    let main = main_module(CURRENT).map_err(|why| anyhow!(why))?;
    let numpy =
        wheel("numpy-2.5.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl").map_err(|why| anyhow!(why))?;
    let numpy = WheelFile::open(&numpy)?;
    let mut modules = Vec::new();
    for (path, number) in
        numpy.files().filter(|(path, _)| Path::new(path).extension().is_some_and(|it| it == "so"))
    {
        modules.push((path.to_owned(), numpy.read(number)?));
    }
    merge("main 3.14 and numpy", &main, &modules)?;
    start(&python_wasm(), &fputs)?;
    calls()
}

type Files = Vec<(String, Arc<[u8]>)>;

struct Known<'a>(&'a Files);

impl LibrarySource for Known<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let found = self.0.iter().find(|(name, _)| name.rsplit('/').next() == Some(request.name));
        let missing = LibraryNotFound { name: request.name.to_owned(), requester: None, tried: Vec::new() };
        found.map(library).ok_or(missing)
    }
}

fn library((name, bytes): &(String, Arc<[u8]>)) -> FoundLibrary {
    FoundLibrary { path: name.clone(), identity: None, bytes: bytes.clone() }
}

fn link(main: &Path, files: &Files) -> Result<Vec<u8>> {
    let wasm: Arc<[u8]> = fs::read(main)?.into();
    let module = Arc::new(MainModule::parse("main", &wasm)?);
    let host: Arc<dyn Host> = Arc::new(SystemInterface::default());
    let mut linker = StaticLinker::new(&module, wasm, &mut Known(files), &host)?;
    let given: Vec<_> = files.iter().map(|file| (library(file), file.0.clone())).collect();
    linker.add(&given, &mut Known(files))?;
    Ok(linker.link(&LinkOptions::default())?)
}

/// Prints how fast modules are merged: reading, parsing, resolving and writing.
fn merge(name: &str, main: &Path, files: &Files) -> Result<()> {
    let parts = fs::read(main)?.len() + files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let (parts, mut size) = (f64::from(u32::try_from(parts)?), 0.0);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        size = f64::from(u32::try_from(link(main, files)?.len())?);
        times.push(begin.elapsed());
    }
    let time = median(times);
    let megabytes = parts / 1e6;
    println!(
        "| {name} | {megabytes:.1} | {:.1} | {:.0} | {:.3} |",
        time.as_secs_f64() * 1e3,
        megabytes / time.as_secs_f64(),
        size / parts
    );
    Ok(())
}

/// Prints how long Python takes to start, alone, with a library loaded and imported, and with the library linked in.
fn start(main: &Path, files: &Files) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let linked = folder.path().join("python.wasm");
    fs::write(&linked, link(main, files)?)?;
    let library = testdata("python/lib");
    std::os::unix::fs::symlink(library, folder.path().join("lib"))?;
    let side = testdata("fputs/fputs.so");
    let run = |main: &Path, side: Option<&Path>, code: &str| -> Result<Duration> {
        let mut command = Command::new(pydl_binary());
        command.arg("run").arg(main).arg("--cache-dir").arg(folder.path().join("cache"));
        if let Some(side) = side {
            command.arg("--side").arg(side);
        }
        let begin = Instant::now();
        let done = command.args(["-c", code]).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(begin.elapsed())
    };
    let mut times = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let all = [
            run(main, None, "pass")?,
            run(&linked, None, "pass")?,
            run(main, Some(&side), "import fputs")?,
            run(&linked, None, "import fputs")?,
        ];
        // The first round compiles.
        if round > 0 {
            times.iter_mut().zip(all).for_each(|(times, time)| times.push(time));
        }
    }
    println!("\n| whole processes | ms |\n|---|---|");
    let names = ["main alone, `pass`", "linked, `pass`", "loaded, `import fputs`", "linked, `import fputs`"];
    for (name, times) in names.iter().zip(times) {
        println!("| {name} | {:.1} |", median(times).as_secs_f64() * 1e3);
    }
    Ok(())
}

/// Prints what a call costs: of a function of the main module, loaded and linked, and of the library's own.
fn calls() -> Result<()> {
    let text = |callee: &str| {
        format!(
            r#"(module (@dylink.0) {callee} (func (export "run_case") (result i32) (local $left i32) (local $sum i32)
                (local.set $left (i32.const {CALLS}))
                (loop $next
                    (local.set $sum (i32.add (local.get $sum) (call $f (local.get $left))))
                    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
                (i32.and (local.get $sum) (i32.const 0))))"#
        )
    };
    let of_main = text(r#"(import "env" "abs" (func $f (param i32) (result i32)))"#);
    // What the C library does.
    let own = text(
        r"(func $f (param i32) (result i32)
            (select (local.get 0) (i32.sub (i32.const 0) (local.get 0)) (i32.gt_s (local.get 0) (i32.const 0))))",
    );
    let driver = repository().join("tests/cases/program/driver/driver.wasm");
    let folder = tempfile::tempdir()?;
    let compiler = Compiler::new()?.with_cache(Cache::open(folder.path().join("cache"))?);
    let case = folder.path().join("case.so");
    println!("\n| {CALLS} calls | ms |\n|---|---|");
    for (name, text, is_linked) in [
        ("of main, loaded", &of_main, false),
        ("of main, linked", &of_main, true),
        ("within the library, loaded", &own, false),
        ("within the library, linked", &own, true),
    ] {
        fs::write(&case, assemble(text))?;
        let image = if is_linked {
            let files = vec![("case.so".to_owned(), fs::read(&case)?.into())];
            Image::from_bytes(&compiler, "linked", &link(&driver, &files)?)?
        } else {
            Image::from_file(&compiler, &driver)?
        };
        let mut times = Vec::new();
        for _ in 0..5 {
            let mut options = ProcessOptions::new("driver").args(["case.so"]);
            if !is_linked {
                options = options.side_module(&case);
            }
            let process = Process::new(&image, &options)?;
            let begin = Instant::now();
            ensure!(process.run().context("a run")? == ExitStatus::Exited(0), "it failed");
            times.push(begin.elapsed());
        }
        println!("| {name} | {:.0} |", median(times).as_secs_f64() * 1e3);
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
