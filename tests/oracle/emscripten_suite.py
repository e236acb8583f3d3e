"""Runs Emscripten's own tests of dynamic linking under Node and in pydl, and writes docs/conformance-emscripten.md.

Owns: how a foreign runner's programs are kept, run again and compared; must not know what a test is about but for EXCUSED.
usage: emscripten_suite.py --record CHECKOUT FOLDER [--suites core0,other] [--only PATTERN]
       emscripten_suite.py --run FOLDER [--pydl PROGRAM] [--write DOCUMENT]
CHECKOUT is a checkout of Emscripten with its toolchain set up, so that `test/runner` works there; --record is run where it works.
It runs each test under Node, as the runner does, and keeps in FOLDER what each program was: the files, the arguments, what Node
printed. --run runs the same programs in pydl. Nothing is fetched, and nothing of the checkout's is kept in this repository.
"""
import argparse
import ast
import concurrent.futures
import fnmatch
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# Which tests are about dynamic linking: those whose source names any of these.
ABOUT = re.compile(r"dylink|MAIN_MODULE|SIDE_MODULE|dlopen|dlfcn")
# Kinds of tests that are not built: threads, ports that are fetched, JavaScript and browsers alone.
LEFT_OUT = re.compile(r"pthread|emdawn|closure_full|wasm2js|sdl[23]|giflib|with_ports|tsgen|proxy_posix|cast_.*(O1|safe_heap)")
SECONDS = 100
# Why a program need not do in pydl what it does in Node: what pydl says of it, and the reason.
EXCUSED = (
    (r"called `(emscripten_asm_const_\w+|emscripten_run_script\w*)`|undefined symbol `emscripten_run_script`", "JavaScript in C (`EM_ASM`, `emscripten_run_script`)"),
    (r"called `_embind_\w+`", "embind"),
    (r"called `emscripten_promise_\w+`", "promises of JavaScript (`emscripten_promise_create`)"),
    (r"called `_wasmfs_\w+`", "WasmFS, which has its files from JavaScript"),
    (r"called `\w+`, which pydl does not have: it is a part of|first call of (?!emscripten_)\w+", "functions in JavaScript (`EM_JS`, `EM_ASYNC_JS`, JavaScript libraries)"),
    (r"exports no function `_start`", "not a dynamic program: its imports are JavaScript's alone"),
    (r"its memory is shared or 64-bit", "threads"),
)


def tests_of(checkout, module):
    """The test functions of a file that are about dynamic linking, and all of them."""
    text = pathlib.Path(checkout, "test", f"{module}.py").read_text()
    lines, about, every = text.split("\n"), set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            every.add(node.name)
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if ABOUT.search("\n".join(lines[first - 1:node.end_lineno])):
                about.add(node.name)
    return about, every


class Recorder:
    """Stands between the runner and Node, and keeps what is run."""

    def __init__(self, folder):
        self.folder, self.test, self.expected = folder, None, None

    def attach(self, common, jsrun):
        """Puts itself between them."""
        run, build_and_run = jsrun.run_js, common.RunnerCore._build_and_run

        def run_js(filename, engine, args=None, **options):
            try:
                return run(filename, engine, args, **options)
            finally:
                self.keep(jsrun.make_command(os.path.abspath(filename), engine, args), filename, args, options)

        def build_and_run_it(test, filename, expected=None, *args, **options):
            self.expected = expected
            try:
                return build_and_run(test, filename, expected, *args, **options)
            finally:
                self.expected = None
        jsrun.run_js, common.RunnerCore._build_and_run = run_js, build_and_run_it

    def keep(self, command, filename, arguments, options):
        """Runs a program once more, with its streams apart, and copies what lies beside it."""
        if not self.test:
            return
        place = self.folder / self.test
        place = place / str(len(list(place.glob("*"))))
        work = options.get("cwd") or os.getcwd()
        given = {"input": options["input"]} if options.get("input") is not None else {"stdin": subprocess.DEVNULL}
        node = subprocess.run(command, cwd=work, capture_output=True, text=True, errors="replace", timeout=SECONDS, **given)
        shutil.copytree(work, place / "files", symlinks=True, ignore=shutil.ignore_patterns("*.o", "*.a", "cache"))
        record = {"program": os.path.relpath(os.path.abspath(filename), work), "arguments": arguments or [],
                  "input": options.get("input"), "status": node.returncode, "stdout": node.stdout, "stderr": node.stderr}
        (place / "record.json").write_text(json.dumps(record, indent=1))


def record(options):
    checkout, folder = options.record[0].resolve(), options.record[1].resolve()
    os.chdir(checkout)
    sys.path[:0] = [str(checkout / "test"), str(checkout)]
    os.environ.update(_EM_TEST_RUNNER="1", EMTEST_CORES="1")
    import runner
    import common
    import jsrun
    recorder = Recorder(folder)
    recorder.attach(common, jsrun)
    runner.configure()
    for suite in options.suites.split(","):
        module = "test_other" if suite == "other" else "test_core"
        about, every = tests_of(checkout, module)
        tests = getattr(__import__(module), suite)
        for name in sorted(name for name in dir(tests) if name.startswith("test_")):
            source = max((known for known in every if name == known or name.startswith(known + "_")), key=len, default=None)
            outcome = folder / f"{suite}.{name}.result"
            if source not in about or LEFT_OUT.search(name) or outcome.exists() or not fnmatch.fnmatch(name, options.only):
                continue
            recorder.test = f"{suite}.{name}"
            with open(folder / f"{suite}.{name}.log", "w") as log:
                result = unittest.TextTestRunner(stream=log, verbosity=2).run(unittest.TestSuite([tests(name)]))
            recorder.test = None
            words = f"skipped: {result.skipped[0][1]}" if result.skipped else "passed" if result.wasSuccessful() else "failed"
            outcome.write_text(words)
            print(suite, name, words, flush=True)


def needed_of(module):
    """The libraries that a module says that it needs (tool-conventions, `DynamicLinking.md`)."""
    data = module.read_bytes()

    def number(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7f) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value, at

    def text(at):
        size, at = number(at)
        return data[at:at + size].decode(), at + size
    size, at = number(9)
    if data[8] != 0 or text(at)[0] != "dylink.0":
        return []
    end, at = at + size, text(at)[1]
    needed = []
    while at < end:
        kind = data[at]
        size, at = number(at + 1)
        following = at + size
        if kind == 2:
            count, at = number(at)
            for _ in range(count):
                name, at = text(at)
                needed.append(name)
        at = following
    return needed


def run_in_pydl(pydl, place):
    """Status, stdout and stderr of a kept program."""
    kept = json.loads((place / "record.json").read_text())
    files = place / "files"
    program = os.path.splitext(kept["program"])[0] + ".wasm"
    if not (files / program).exists():
        return kept, None
    script = (files / kept["program"]).read_text(errors="replace")
    # Arguments and environment that JavaScript gives.
    given = re.search(r"Module\['arguments'\] = (\[[^\]]*\])", script)
    arguments = kept["arguments"] or (ast.literal_eval(given[1]) if given else [])
    environment = [word for name, value in re.findall(r"\bENV\['(\w+)'\] *= *'([^']*)'", script) for word in ("--env", f"{name}={value}")]
    needed = needed_of(files / program)
    found = sorted(name for ending in ("so", "so.*", "wasm")
                   for name in glob.glob(f"**/*.{ending}", root_dir=files, recursive=True))
    found += [name for name in needed if name not in found and (files / name).exists()]
    # One of a name, the nearest.
    nearest = {os.path.basename(name): name for name in sorted(found, key=len, reverse=True) if name != program}
    sides = [word for name in sorted(nearest.values()) for word in ("--side", name)]
    stdin = {"input": kept["input"]} if kept["input"] is not None else {"stdin": subprocess.DEVNULL}
    line = [pydl, "run", program, *sides, *environment, "--", *arguments]
    try:
        done = subprocess.run(line, cwd=files, capture_output=True, text=True, errors="replace", timeout=SECONDS, **stdin)
        return kept, (done.returncode, done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        return kept, (124, "", f"no end within {SECONDS} s")


# Differences that are none of JavaScript's functions, by test, and what they are.
KNOWN = (
    ("core*.test_dlfcn_rtld_local", "JavaScript is told not to load what the main module needs (`-sNO_AUTOLOAD_DYLIBS`); the module says that it needs it"),
    ("other.test_dylink_no_autoload", "JavaScript is told not to load what the main module needs (`-sNO_AUTOLOAD_DYLIBS`); the module says that it needs it"),
    ("other.test_dlopen_rpath", "JavaScript is told not to load what the main module needs (`-sNO_AUTOLOAD_DYLIBS`); the module says that it needs it"),
    ("other.test_ld_library_path*", "a name without a slash is not looked for in the working directory, as in ELF"),
    ("core*.test_dlfcn_handle_alloc", "`dlclose` unloads: the constructor of a library that is opened again runs again, as in ELF"),
    ("core*.test_dlfcn_missing", "the message of `dlerror` is Node's there"),
    ("core*.test_dlfcn_preload", "`--preload-file`: JavaScript reads the files"),
    ("other.test_preload_module*", "`--preload-file`: JavaScript reads the files"),
    ("other.test_dlsym_rtld_default_js_symbol", "functions in JavaScript (`EM_JS`, `EM_ASYNC_JS`, JavaScript libraries)"),
    ("other.test_export_all", "no `main`: JavaScript calls its functions"),
    ("other.test_main_module_without_main", "no `main`: JavaScript calls its functions"),
    ("other.test_split_main_module", "no `main`: JavaScript calls its functions"),
)
ADDRESS = re.compile(r"0x[0-9a-f]+")


def judged(test, kept, done):
    """What became of a program: `same`, or why not."""
    if done is None:
        return "JavaScript alone"
    status, stdout, stderr = done
    if ADDRESS.sub("0x", stdout) == ADDRESS.sub("0x", kept["stdout"]):
        if status == kept["status"]:
            return "same"
        if status in (126, 127, 134) and kept["status"] != 0:
            return "same: an error in both"
    reason = next((reason for sign, reason in EXCUSED if re.search(sign, stderr)), None)
    known = next((reason for pattern, reason in KNOWN if fnmatch.fnmatch(test, pattern)), None)
    reason = reason or known
    last = (stderr.strip().split("\n") or [""])[0]
    return reason or f"DIFFERS: {last[:160] or 'output'}"


def run(options):
    folder, pydl = options.run.resolve(), str(pathlib.Path(options.pydl).resolve())
    rows, counts = [], {}
    outcomes = sorted(folder.glob("*.result"))
    places = [place for outcome in outcomes for place in sorted((folder / outcome.stem).glob("*"))]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        verdict_of = dict(zip(places, pool.map(lambda place: judged(place.parent.name, *run_in_pydl(pydl, place)), places)))
    for outcome in outcomes:
        test, words = outcome.name.removesuffix(".result"), outcome.read_text()
        places = sorted((folder / test).glob("*"))
        if words.startswith("skipped"):
            verdict = f"skipped by the runner: {words.removeprefix('skipped: ')}"
        elif not places:
            verdict = "builds only" if words == "passed" else "fails before it runs anything"
        else:
            verdicts = [verdict_of[place] for place in places]
            worst = [verdict for verdict in verdicts if not verdict.startswith("same")]
            verdict = worst[0] if worst else "same"
        kind = "differs" if verdict.startswith("DIFFERS") else re.split(": |; ", verdict)[0] if verdict[:4] in ("same", "skip") else verdict
        counts[kind] = counts.get(kind, 0) + 1
        rows.append(f"| `{test}` | {words.split(':')[0]} | {verdict} |".replace("`core0.test_", "`core0.").replace("`other.test_", "`other."))
        print(rows[-1], flush=True)
    if options.write:
        text = options.write.read_text()
        head = text.split("<!-- made by")[0]
        total = "".join(f"| {kind} | {count} |\n" for kind, count in sorted(counts.items(), key=lambda it: -it[1]))
        options.write.write_text(
            f"{head}<!-- made by tests/oracle/emscripten_suite.py --run -->\n| in pydl | tests |\n|---|---|\n{total}\n"
            "| test | under Node | in pydl |\n|---|---|---|\n" + "\n".join(rows) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", nargs=2, type=pathlib.Path)
    parser.add_argument("--suites", default="core0,other")
    parser.add_argument("--only", default="*")
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--pydl", default=str(HERE.parent.parent / "target/debug/pydl"))
    parser.add_argument("--write", type=pathlib.Path)
    options = parser.parse_args()
    if options.record:
        record(options)
    if options.run:
        run(options)


main()
