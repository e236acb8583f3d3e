//! Checks that lowering preserves what a program does. Hand-written modules have their results written beside them; random programs are run
//! by Node, whose engine knows the legacy instructions, and by wasmtime after lowering, and must do the same.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use pydl_linker::ParseError;
use pydl_linker::rewrite::{Pass, Recipe};
use pydl_tests::wasm::assemble;
use wasmtime::{Engine, Instance, Module, Store};

/// A call: export, argument, and the result, or `throws`.
type Call = (String, i32, String);

fn shapes() -> (Vec<u8>, Vec<Call>) {
    let path = pydl_tests::repository().join("tests/cases/exceptions/shapes.wat");
    let text = fs::read_to_string(path).unwrap();
    let calls = text.lines().filter_map(|line| {
        let mut words = line.trim().strip_prefix(";; => ")?.split(' ');
        let (name, argument, result) = (words.next()?, words.next()?, words.next()?);
        Some((name.to_owned(), argument.parse().unwrap(), result.to_owned()))
    });
    let calls: Vec<Call> = calls.collect();
    assert!(calls.len() > 30);
    (assemble(&text), calls)
}

/// The module without legacy instructions; `None` for one that has none.
fn lower(module: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    Recipe::of([Pass::LowerExceptions]).apply(module)
}

/// What the calls return in wasmtime, after lowering.
fn run_lowered(module: &[u8], calls: &[Call]) -> Vec<String> {
    let lowered = lower(module).unwrap().expect("legacy instructions");
    assert!(lower(&lowered).unwrap().is_none(), "lowered twice");
    let engine = Engine::default();
    let module = Module::new(&engine, &lowered).unwrap_or_else(|e| panic!("{e:?}"));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let call = |(name, argument, _): &Call| {
        let function = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        match function.call(&mut store, *argument) {
            Ok(result) => result.to_string(),
            Err(error) if error.is::<wasmtime::ThrownException>() => "throws".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    };
    calls.iter().map(call).collect()
}

/// What the calls return in Node, without lowering; `None` where there is no Node.
fn run_legacy(module: &[u8], calls: &[Call]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let wasm = write("module.wasm", module);
    let lines: String = calls.iter().fold(String::new(), |mut lines, (name, argument, _)| {
        let _ = writeln!(lines, "{name} {argument}");
        lines
    });
    let calls = write("calls.txt", lines.as_bytes());
    let script = write("run.js", NODE.as_bytes());
    let run = |program: &Path| Command::new("node").arg(program).arg(&wasm).arg(&calls).output();
    let output = run(&script).ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

const NODE: &str = "
const fs = require('fs');
const [wasm, calls] = process.argv.slice(2);
const instance = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(wasm)));
for (const line of fs.readFileSync(calls, 'utf8').trim().split('\\n')) {
  const [name, argument] = line.split(' ');
  try {
    console.log(instance.exports[name](Number(argument)));
  } catch (error) {
    console.log(error instanceof WebAssembly.Exception ? 'throws' : String(error));
  }
}
";

#[test]
fn shapes_do_what_is_written_beside_them() {
    let (module, calls) = shapes();
    for (call, result) in calls.iter().zip(run_lowered(&module, &calls)) {
        assert_eq!(result, call.2, "{call:?}");
    }
}

#[test]
fn what_is_written_beside_them_is_what_an_engine_with_the_legacy_instructions_does() {
    let (module, calls) = shapes();
    let Some(results) = run_legacy(&module, &calls) else {
        return pydl_tests::skip("no Node to run legacy exceptions");
    };
    for (call, result) in calls.iter().zip(results) {
        assert_eq!(result, call.2, "{call:?}");
    }
}

/// If each of many delegations past many handlers listed them all, the module would grow with the square of the file: it is refused
/// instead.
#[test]
fn delegations_cannot_blow_a_module_up() {
    let depth = 1500;
    let mut text = "(module (tag $t) (func (export \"f\")".to_owned();
    text.push_str(&" try".repeat(depth));
    // Each delegates past one handler to all that surround it.
    text.push_str(&" try delegate 1 catch $t end".repeat(depth));
    text.push_str("))");
    let error = lower(&assemble(&text)).unwrap_err();
    assert!(error.to_string().contains("too many `try` instructions"), "{error}");
}

#[test]
fn random_programs_do_the_same_lowered() {
    let functions = 400;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut text = "(module (tag $t0 (param i32)) (tag $t1 (param i32)) (tag $t2)".to_owned();
    for number in 0..functions {
        let mut program = Program { random: &mut random, out: String::new(), frames: Vec::new(), budget: 60 };
        program.statements(0);
        let body = program.out;
        let _ = write!(
            text,
            "(func (export \"f{number}\") (param $p i32) (result i32) (local $x i32)\n{body} local.get $x)\n"
        );
    }
    text.push(')');
    let module = assemble(&text);
    let calls = (0..functions).flat_map(|n| (0..8).map(move |p| (format!("f{n}"), p, String::new())));
    let calls: Vec<Call> = calls.collect();
    let lowered = run_lowered(&module, &calls);
    assert!(lowered.iter().any(|r| r == "throws") && lowered.iter().any(|r| r != "throws"));
    let Some(legacy) = run_legacy(&module, &calls) else {
        return pydl_tests::skip("no Node to run legacy exceptions");
    };
    for ((call, lowered), legacy) in calls.iter().zip(lowered).zip(legacy) {
        assert_eq!(lowered, legacy, "{call:?}");
    }
}

/// A generator of numbers that are the same on every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// A random function body. It keeps a number in `$x` that shows which path was taken; blocks have no values.
struct Program<'a> {
    random: &'a mut Random,
    out: String,
    /// The open blocks; true for handlers, which can be rethrown from.
    frames: Vec<bool>,
    budget: usize,
}

impl Program<'_> {
    fn statements(&mut self, depth: usize) {
        for _ in 0..=self.random.below(3) {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: usize) {
        let choice = if depth > 5 { self.random.below(4) } else { self.random.below(9) };
        match choice {
            0 => self.step(),
            1 => {
                let condition = self.condition();
                let throw = match self.random.below(3) {
                    2 => "throw $t2".to_owned(),
                    tag => format!("local.get $x throw $t{tag}"),
                };
                let _ = writeln!(self.out, "{condition} if {throw} end");
            }
            2 if !self.frames.is_empty() => {
                let condition = self.condition();
                let label = self.random.below(self.frames.len());
                let _ = writeln!(self.out, "{condition} br_if {label}");
            }
            3 if self.frames.contains(&true) => {
                let condition = self.condition();
                let handlers: Vec<usize> =
                    (0..self.frames.len()).filter(|d| self.frames[self.frames.len() - 1 - d]).collect();
                let depth = handlers[self.random.below(handlers.len())];
                let _ = writeln!(self.out, "{condition} if rethrow {} end", depth + 1);
            }
            4 => self.block("block", depth),
            5 => self.delegating(depth),
            _ => self.catching(depth),
        }
    }

    /// Makes the path visible in the result.
    fn step(&mut self) {
        let k = self.random.below(1000);
        let _ = writeln!(self.out, "local.get $x i32.const 31 i32.mul i32.const {k} i32.add local.set $x");
    }

    fn condition(&mut self) -> String {
        format!("local.get $p i32.const {} i32.shr_u i32.const 1 i32.and", self.random.below(3))
    }

    fn block(&mut self, opening: &str, depth: usize) {
        let _ = writeln!(self.out, "{opening}");
        self.frames.push(false);
        self.statements(depth + 1);
        self.frames.pop();
        self.out.push_str("end\n");
    }

    fn delegating(&mut self, depth: usize) {
        self.out.push_str("try\n");
        self.frames.push(false);
        self.statements(depth + 1);
        self.frames.pop();
        let label = self.random.below(self.frames.len() + 1);
        let _ = writeln!(self.out, "delegate {label}");
    }

    fn catching(&mut self, depth: usize) {
        self.out.push_str("try\n");
        self.frames.push(false);
        self.statements(depth + 1);
        self.frames.pop();
        for tag in 0..3 {
            if self.random.below(2) == 0 {
                let _ = writeln!(self.out, "catch $t{tag}");
                if tag < 2 {
                    self.out.push_str("local.get $x i32.add local.set $x\n");
                }
                self.handler(depth);
            }
        }
        if self.random.below(3) == 0 {
            self.out.push_str("catch_all\n");
            self.handler(depth);
        }
        self.out.push_str("end\n");
    }

    fn handler(&mut self, depth: usize) {
        self.frames.push(true);
        self.step();
        self.statements(depth + 1);
        self.frames.pop();
    }
}
