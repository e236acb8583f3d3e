//! Measures `pydl deps` as whole processes, on a large module and on a folder of many, beside `wasm-tools`, which lists sections
//! (`objdump`) or every byte (`dump`). They take turns, and the fastest round of each counts, since a shared machine only ever adds time.
//! Times come from the clock, memory from the kernel's account of the process (`/usr/bin/time`), minus what a process takes that reads a
//! module of 241 bytes. Needs a built pydl (`cargo build --workspace`) and what `testdata/build/fetch-fixtures.sh` fetches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use pydl_loader::WheelFile;
use pydl_tests::emscripten::{CURRENT, main_module, wheel};

/// The variable that names the program to compare with; otherwise, it is `wasm-tools` of the `PATH`.
const WASM_TOOLS: &str = "PYDL_BENCH_WASM_TOOLS";
const ROUNDS: usize = 9;
/// The number of side modules in the folder.
const MANY: usize = 1_000;
const WHEEL: &str = "numpy-2.5.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl";
/// Lists the sections of each file of a folder: `wasm-tools` takes one file at a time.
const EACH: &str = r#"for file in "$1"/*.so; do "$0" objdump "$file" || exit 3; done"#;

/// The name of a command, and its words.
type Row = (&'static str, Vec<PathBuf>);

fn main() -> Result<()> {
    let main = main_module(CURRENT).map_err(|why| anyhow!(why))?;
    let folder = tempfile::tempdir()?;
    let largest = fill(folder.path())?;
    let pydl = pydl_tests::pydl_binary();
    let tiny = pydl_tests::testdata("emscripten/cases/chain/libchaind.so");
    let (_, base) = measure(&[pydl.clone(), "deps".into(), tiny])?;
    println!("fastest of {ROUNDS} rounds, whole processes; a module of 241 bytes takes {base:.1} MiB\n");
    let wasm_tools = wasm_tools();
    let deps = |rest: &[&Path]| -> Vec<PathBuf> {
        [pydl.as_path(), Path::new("deps")].iter().chain(rest).map(|word| word.to_path_buf()).collect()
    };
    let mut rows: Vec<Row> = vec![
        ("pydl deps --quiet", deps(&[&main, "--quiet".as_ref()])),
        ("pydl deps", deps(&[&main])),
        ("pydl deps --json", deps(&[&main, "--json".as_ref()])),
    ];
    if let Some(tools) = &wasm_tools {
        rows.push(("wasm-tools objdump", vec![tools.clone(), "objdump".into(), main.clone()]));
        rows.push(("wasm-tools dump", vec![tools.clone(), "dump".into(), main.clone()]));
    }
    table("the main module of Pyodide", &rows, size(&main)?, size(&main)?, base)?;
    let many = folder.path();
    let against = |option: &'static [&'static str]| {
        let option: Vec<&Path> = option.iter().map(Path::new).collect();
        deps(&[&[many, "--main".as_ref(), main.as_path()], option.as_slice()].concat())
    };
    let mut rows: Vec<Row> = vec![
        ("pydl deps --main --quiet", against(&["--quiet"])),
        ("pydl deps --main", against(&[])),
        ("pydl deps --main --json", against(&["--json"])),
        ("pydl deps --main --graph dot", against(&["--graph", "dot"])),
        ("pydl deps --quiet", deps(&[many, "--quiet".as_ref()])),
    ];
    if let Some(tools) = wasm_tools {
        let words = ["sh", "-c", EACH].map(PathBuf::from).into_iter().chain([tools, many.to_owned()]);
        rows.push(("wasm-tools objdump, for each file", words.collect()));
    }
    let all: u64 = files(many)?.iter().map(|file| size(file)).sum::<Result<u64>>()?;
    table("1,000 side modules", &rows, all, largest.max(size(&main)?), base)
}

/// `wasm-tools`, if it is installed.
fn wasm_tools() -> Option<PathBuf> {
    let tools = std::env::var_os(WASM_TOOLS).map_or_else(|| PathBuf::from("wasm-tools"), PathBuf::from);
    let runs = Command::new(&tools).arg("--version").output().is_ok_and(|output| output.status.success());
    if !runs {
        println!("skipped: wasm-tools, which is not there; put it on the PATH, or set {WASM_TOOLS} to it\n");
    }
    runs.then_some(tools)
}

/// Runs the commands in turns and prints a row for each: times are compared with the first, memory with the largest file.
fn table(what: &str, rows: &[Row], bytes: u64, largest: u64, base: f64) -> Result<()> {
    let mut rounds = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((name, words), results) in rows.iter().zip(&mut rounds) {
            results.push(measure(words).with_context(|| *name)?);
        }
    }
    let (size, largest) = (megabytes(bytes), megabytes(largest));
    println!("| {what}, {size:.1} MB | ms | MB/s | times as long | MiB | of the largest file |");
    println!("|---|---|---|---|---|---|");
    let mut first = None;
    for ((name, _), results) in rows.iter().zip(&rounds) {
        let time = results.iter().map(|(time, _)| *time).fold(f64::INFINITY, f64::min);
        let memory = results.iter().map(|(_, memory)| *memory).fold(0.0, f64::max);
        let over = (memory - base) * 1.048_576 / largest;
        let ratio = time / *first.get_or_insert(time);
        println!(
            "| `{name}` | {time:.1} | {:.0} | {ratio:.2} | {memory:.1} | {over:.2} |",
            size / time * 1e3
        );
    }
    println!();
    Ok(())
}

/// The milliseconds and MiB of one run, whose output is discarded.
fn measure(words: &[PathBuf]) -> Result<(f64, f64)> {
    let mut command = Command::new("/usr/bin/time");
    command.args(["-q", "-f", "%M"]).args(words);
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    let time = started.elapsed().as_secs_f64() * 1e3;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Main modules are not side modules, which counts as a failure.
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {}\n{stderr}", output.status);
    let memory = stderr.lines().next_back().and_then(|line| line.trim().parse::<f64>().ok());
    Ok((time, memory.context("no figure from /usr/bin/time")? / 1024.0))
}

/// Fills a folder with side modules of numpy, each under many names; returns the bytes of the largest.
fn fill(folder: &Path) -> Result<u64> {
    let wheel = WheelFile::open(&wheel(WHEEL).map_err(|why| anyhow!(why))?)?;
    let modules: Vec<_> = wheel
        .files()
        .filter(|(name, _)| Path::new(name).extension().is_some_and(|extension| extension == "so"))
        .collect();
    let mut largest = 0;
    for (position, (name, number)) in modules.iter().cycle().take(MANY).enumerate() {
        let file_name = name.rsplit('/').next().unwrap_or(name);
        let place = |position: usize| folder.join(format!("{position:04}-{file_name}"));
        match position.checked_sub(modules.len()) {
            None => {
                let bytes = wheel.read(*number)?;
                largest = largest.max(bytes.len());
                fs::write(place(position), bytes)?;
            }
            Some(same) => fs::hard_link(place(same), place(position))?,
        }
    }
    Ok(u64::try_from(largest)?)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file)?.len())
}

#[expect(clippy::cast_precision_loss, reason = "files are far below 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
