//! Measures how fast exceptions are lowered, on one core: the time of `Pass::LowerExceptions` over files given by the caller, and of merely
//! reading the same code for comparison. What counts is the fastest of several rounds, since a shared machine only ever adds time. Must not
//! know what is in the files.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pydl_linker::ParsedModule;
use pydl_linker::rewrite::{Pass, Recipe};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// The variable that lists the files, separated as in `PATH`.
const MODULES: &str = "PYDL_BENCH_MODULES";
const ROUNDS: usize = 11;

fn main() -> Result<()> {
    let files = std::env::var_os(MODULES)
        .with_context(|| format!("set {MODULES} to modules with legacy exceptions, separated as in PATH"))?;
    println!("| module | bytes | parse ms | read code ms | lower ms | MB/s |\n|---|---|---|---|---|---|");
    for path in std::env::split_paths(&files) {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let recipe = Recipe::of([Pass::LowerExceptions]);
        let lowered = recipe.apply(&bytes)?.with_context(|| format!("{name} has no legacy exceptions"))?;
        Validator::new_with_features(WasmFeatures::all()).validate_all(&lowered)?;
        let parsed = fastest(|| ParsedModule::parse(&bytes).map(drop).map_err(Into::into))?;
        let read = fastest(|| read_code(&bytes))?;
        let lowered = fastest(|| recipe.apply(&bytes).map(drop).map_err(Into::into))?;
        #[expect(clippy::cast_precision_loss, reason = "files are far below 2^52 bytes")]
        let speed = bytes.len() as f64 / 1e6 / lowered.as_secs_f64();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "| {name} | {} | {:.1} | {:.1} | {:.1} | {speed:.0} |",
            bytes.len(),
            ms(parsed),
            ms(read),
            ms(lowered)
        );
    }
    Ok(())
}

/// The shortest time that the work took.
fn fastest(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    ensure!(best < Duration::MAX, "no rounds");
    Ok(best)
}

/// Reads each instruction once, which every lowering has to do.
fn read_code(bytes: &[u8]) -> Result<()> {
    let mut count = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionEntry(body) = payload? {
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                std::hint::black_box(operators.read()?);
                count += 1;
            }
        }
    }
    ensure!(count > 0, "no code");
    Ok(())
}
