//! Measures how long Pyodide's main module takes to start, as whole processes: in pydl, and in Node with the JavaScript that comes with it.
//! They take turns, so that a machine that gets slower slows both. Needs a built pydl (`cargo build --workspace`), node, and what
//! `testdata/build/fetch-fixtures.sh` fetches. Times come from the clock, memory from the kernel's account of the process
//! (`/usr/bin/time`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use pydl_tests::emscripten::{CURRENT, main_module, wheel};

const ROUNDS: usize = 15;

/// A command with its name.
struct Runner {
    name: &'static str,
    command: Box<dyn Fn() -> Command>,
}

fn main() -> Result<()> {
    let main = main_module(CURRENT).map_err(|why| anyhow!(why))?;
    let cache = tempfile::tempdir()?;
    let runners = runners(&main, cache.path())?;
    for runner in &runners {
        measure((runner.command)()).with_context(|| runner.name)?;
    }
    let mut rounds = vec![Vec::new(); runners.len()];
    for _ in 0..ROUNDS {
        for (runner, results) in runners.iter().zip(&mut rounds) {
            results.push(measure((runner.command)())?);
        }
    }
    println!("medians of {ROUNDS} rounds, whole processes, everything cached; peak memory");
    for (runner, results) in runners.iter().zip(&rounds) {
        let time = median(results.iter().map(|(time, _)| *time).collect());
        let memory = median(results.iter().map(|(_, memory)| *memory).collect());
        println!("  {:<44} {time:8.1} ms {memory:7.1} MiB", runner.name);
    }
    Ok(())
}

fn runners(main: &Path, cache: &Path) -> Result<Vec<Runner>> {
    let folder = main.parent().context("the main module's folder")?.to_owned();
    let cache = cache.to_owned();
    let main = main.to_owned();
    let wheels = [
        "pydantic_core-2.50.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
        "typing_extensions-4.16.0-py3-none-any.whl",
    ];
    let wheels = wheels
        .map(wheel)
        .into_iter()
        .collect::<Result<Vec<PathBuf>, String>>()
        .map_err(|why| anyhow!(why))?;
    let script = tempfile::Builder::new().suffix(".py").tempfile()?.into_temp_path().keep()?;
    std::fs::write(&script, "print(1)\n")?;
    let pydl = move |code: &'static str, wheels: &[PathBuf]| {
        let (cache, main, wheels) = (cache.clone(), main.clone(), wheels.to_vec());
        Box::new(move || {
            let mut command = Command::new("/usr/bin/time");
            command.args(["-f", "%M"]).arg(pydl_tests::pydl_binary()).env("PYDL_CACHE_DIR", &cache);
            command.arg("run").arg(&main);
            for wheel in &wheels {
                command.arg("--with").arg(wheel);
            }
            command.args(["-c", code]);
            command
        })
    };
    let node = move || {
        let mut command = Command::new("/usr/bin/time");
        command
            .args(["-f", "%M", "node"])
            .arg(pydl_tests::repository().join("tests/oracle/node_pyodide.mjs"));
        command.arg("--main").arg(&folder).arg(&script);
        command
    };
    Ok(vec![
        Runner { name: "pydl, -c 'print(1)'", command: pydl("print(1)", &[]) },
        Runner { name: "pydl, with two wheels, -c 'print(1)'", command: pydl("print(1)", &wheels) },
        Runner {
            name: "pydl, with two wheels, import pydantic_core",
            command: pydl("import pydantic_core", &wheels),
        },
        Runner { name: "Pyodide in Node, print(1)", command: Box::new(node) },
    ])
}

/// The milliseconds and MiB of one run.
fn measure(mut command: Command) -> Result<(f64, f64)> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let time = started.elapsed().as_secs_f64() * 1e3;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    let memory = stderr.lines().next_back().and_then(|line| line.trim().parse::<f64>().ok());
    Ok((time, memory.context("no figure from /usr/bin/time")? / 1024.0))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
