"""Runs test modules in pydl and in Pyodide under Node, each in a process of its own, and compares what became of each test.

Owns: the running, counting and comparing of foreign test suites; must not know what is in them.
usage: regrtest.py --suite FOLDER --list FILE --out RESULTS.json [--runner pydl] [--runner node] [--pydl PROGRAM]
                   [--fixtures FOLDER] [--with WHEEL]... [--timeout SECONDS] [--jobs N] [MODULE]...
       regrtest.py --report RESULTS.json
FOLDER holds what is imported, `test/` for CPython's tests. FILE lists the modules, one a line; one that ends in `.py` is a file for
pytest. A run that dies is resumed after the
test it died of, at most five times. Results of earlier runs in RESULTS.json are kept, those of the same module and runner replaced.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OUTCOMES = ("passed", "failed", "skipped", "expected", "crashed", "hung")
MAIN = "314.0.7"


def command(options, runner, work, arguments):
    """The command line that runs the guest's side: the one place that knows both runners."""
    main = options.fixtures / "pyodide" / MAIN
    wheels = [word for wheel in options.wheels for word in ("--with", wheel)]
    script = str(HERE / ("pytest_guest.py" if arguments[0].endswith(".py") else "regrtest_guest.py"))
    if runner == "node":
        folders = ["--dir", f"{options.suite}:/suite", "--dir", f"{work}:/regrtest"]
        return ["node", str(HERE / "node_pyodide.mjs"), "--main", str(main), *wheels, *folders, script, *arguments]
    folders = ["--dir", f"{options.suite}::/suite", "--dir", f"{work}::/regrtest"]
    return [options.pydl, "run", str(main / "pyodide.asm.wasm"), *wheels, *folders, script, *arguments]


def run_once(options, runner, module, done):
    """Runs what is left of a module; gives {test: (outcome, detail)} and whether it came to its end."""
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "done").write_text("\n".join(done))
        out = open(pathlib.Path(work, "out"), "w+b")
        line = command(options, runner, work, [module, "/regrtest/done"])
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=work)
        try:
            status = process.wait(options.timeout)
            ended = f"status {status}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = "hung"
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
        out.close()
    tests, current, complete = {}, None, False
    for line in text.split("\n"):
        if not line.startswith("@"):
            continue
        outcome, _, rest = line[1:].partition(" ")
        test, _, detail = rest.partition(" ")
        if outcome == "start":
            current = test
        elif outcome == "end":
            complete = True
        elif outcome in OUTCOMES:
            tests[test], current = (outcome, detail), None
    if not complete:
        last = [line for line in text.strip().split("\n") if line and not line.startswith("@")][-3:]
        outcome = "hung" if ended == "hung" else "crashed"
        tests[current or module] = (outcome, f"{ended}: {' / '.join(last)[:300]}")
    return tests, complete


def run(options, runner, module):
    tests = {}
    for _ in range(6):
        more, complete = run_once(options, runner, module, list(tests))
        known = len(tests)
        tests.update(more)
        if complete or module in more or len(tests) == known:
            break
    counts = collections.Counter(outcome for outcome, _ in tests.values())
    print(f"{runner:5} {module:40} {dict(counts)}", flush=True)
    return tests


def counted(tests):
    """What a table shows of some tests: passed (as expected failures have), failed, skipped, crashed or over the time limit."""
    counts = collections.Counter(outcome for outcome, _ in tests.values())
    return (counts["passed"] + counts["expected"], counts["failed"], counts["skipped"], counts["crashed"] + counts["hung"])


def totals(results, runner, modules):
    columns = zip(*(counted(results[module][runner]) for module in modules))
    return " | ".join(str(sum(column)) for column in columns)


def report(results):
    """The tables of the documents, then each test whose outcomes differ."""
    ran = {runner: [module for module in sorted(results) if runner in results[module]] for runner in ("pydl", "node")}
    both = [module for module in ran["pydl"] if module in ran["node"]]
    print("| | modules | passed | failed | skipped | crashed or over the time limit |\n|---|---|---|---|---|---|")
    for runner, modules in ran.items():
        print(f"| {runner} | {len(modules)} | {totals(results, runner, modules)} |")
    for runner in ran:
        print(f"| {runner}, what both ran | {len(both)} | {totals(results, runner, both)} |")
    print("\n| module | pydl | Node |\n|---|---|---|")
    for module in sorted(results):
        cells = [counted(results[module][runner]) if runner in results[module] else None for runner in ran]
        if any(cell and (cell[1] or cell[3]) for cell in cells) or cells[0] != cells[1]:
            print(f"| {module} | {' | '.join(', '.join(map(str, cell)) if cell else 'not run' for cell in cells)} |")
    print()
    for module in both:
        ours, theirs = results[module]["pydl"], results[module]["node"]
        for test in sorted(set(ours) | set(theirs)):
            one, other = ours.get(test, ("not run", "")), theirs.get(test, ("not run", ""))
            if one[0] != other[0]:
                print(f"{one[0]:8} {other[0]:8} {test}: {one[1][:150]} | {other[1][:150]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", type=pathlib.Path)
    parser.add_argument("--list", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--runner", action="append", choices=("pydl", "node"))
    parser.add_argument("--pydl", default=str(HERE.parent.parent / "target/debug/pydl"))
    parser.add_argument("--fixtures", type=pathlib.Path, default=HERE.parent.parent / "target/fixtures")
    parser.add_argument("--with", dest="wheels", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=180)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    if options.report:
        return report(json.loads(options.report.read_text()))
    modules = options.modules or [line for line in options.list.read_text().split("\n") if line and line[0] != "#"]
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.suite = options.suite.resolve()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {pool.submit(run, options, runner, module): (runner, module)
                for runner in options.runner or ("pydl", "node") for module in modules}
        for future in concurrent.futures.as_completed(runs):
            runner, module = runs[future]
            results.setdefault(module, {})[runner] = future.result()
            options.out.write_text(json.dumps(results, indent=1, sort_keys=True))


sys.exit(main())
