#!/usr/bin/env python3
"""Compares the lowering of legacy exceptions with binaryen's, by what programs do.

Owns: the runs of tests/cases/wheels with modules that binaryen has lowered. Must not know how either lowers.
usage: binaryen.py WASM_OPT [CASE]...

Every .so of a case's wheels and the main module are rewritten by `wasm-opt --translate-to-exnref`, and the case's script runs
with them. pydl loads what has the standard's instructions as it is, so that what differs from expected.txt (which pydl's own lowering
is tested against) is a difference between the two lowerings. Prints a table in Markdown.
Needs: a built pydl (cargo build --workspace), the fixtures of testdata/build/fetch-fixtures.sh, npm's `binaryen`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = Path(os.environ.get("PYDL_FIXTURES", REPOSITORY / "target/fixtures"))
PYDL = REPOSITORY / "target/debug/pydl"
# Those that the modules use; others would change what is written.
FEATURES = ["exception-handling", "reference-types", "bulk-memory", "sign-ext", "nontrapping-float-to-int", "mutable-globals", "multivalue"]
CURRENT = "314.0.7"


def lower(wasm_opt, source, target):
    """Rewrites a module; returns how many seconds that took."""
    started = time.monotonic()
    flags = [f"--enable-{feature}" for feature in FEATURES]
    subprocess.run([wasm_opt, "--translate-to-exnref", *flags, source, "-o", target], check=True)
    return time.monotonic() - started


def wheel(name):
    kept = REPOSITORY / "testdata/wheels" / name
    return kept if kept.exists() else FIXTURES / "wheels" / name


def run(main, packages, script):
    command = [PYDL, "run", main, "--with", packages, script]
    return subprocess.run(command, capture_output=True, text=True)


def main(wasm_opt, wanted):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        pyodide = FIXTURES / "pyodide" / CURRENT
        lowered = folder / "main"
        lowered.mkdir()
        shutil.copy(pyodide / "python_stdlib.zip", lowered)
        seconds = lower(wasm_opt, pyodide / "pyodide.asm.wasm", lowered / "pyodide.asm.wasm")
        print("| case | modules | binaryen, seconds | prints the same |\n|---|---|---|---|")
        print(f"| (the main module) | 1 | {seconds:.1f} | |")
        different = 0
        for case in sorted((REPOSITORY / "tests/cases/wheels").iterdir()):
            if not case.is_dir() or wanted and case.name not in wanted:
                continue
            lines = (case / "wheels.txt").read_text().split("\n")
            if f"main {CURRENT}" not in lines:
                continue
            packages = folder / case.name
            for line in lines:
                if line.startswith("wheel "):
                    with zipfile.ZipFile(wheel(line[6:])) as archive:
                        archive.extractall(packages)
            seconds, modules = 0.0, sorted(packages.rglob("*.so"))
            for module in modules:
                rewritten = module.with_suffix(".new")
                seconds += lower(wasm_opt, module, rewritten)
                rewritten.replace(module)
            result = run(lowered / "pyodide.asm.wasm", packages, case / "script.py")
            same = result.returncode == 0 and result.stdout == (case / "expected.txt").read_text()
            different += not same
            print(f"| {case.name} | {len(modules)} | {seconds:.1f} | {'yes' if same else 'no'} |", flush=True)
            if not same:
                print(re.sub(r"\n+", "\n", result.stderr)[-2000:], file=sys.stderr)
        return 1 if different else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
