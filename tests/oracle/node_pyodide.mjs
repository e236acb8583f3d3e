// Runs a script in Pyodide under Node: what pydl's output is compared with.
//
// Owns: how Pyodide is started, and given wheels and folders. Must not know any test.
// usage: node node_pyodide.mjs [--main FOLDER] [--with WHEEL]... [--dir HOST:GUEST]... [--env NAME=VALUE]... SCRIPT [ARGUMENT]...
// FOLDER is an unpacked npm package `pyodide`. Wheels are unpacked into site-packages by Python's own zipfile. Standard
// output, standard error and the status are the script's, as if Python had been started with it.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const options = { main: '', with: [], dir: [], env: [] };
const rest = process.argv.slice(2);
while (rest[0]?.startsWith('--')) {
  const name = rest.shift().slice(2);
  if (!(name in options) || rest.length === 0) fail(`unknown option --${name}`);
  if (Array.isArray(options[name])) options[name].push(rest.shift());
  else options[name] = rest.shift();
}
const [script, ...scriptArguments] = rest;
if (!script || !options.main) fail('usage: node_pyodide.mjs --main FOLDER [--with WHEEL]... SCRIPT');

function fail(why) {
  process.stderr.write(`node_pyodide.mjs: ${why}\n`);
  process.exit(2);
}

const main = path.resolve(options.main) + '/';
const { loadPyodide } = await import(pathToFileURL(main + 'pyodide.mjs'));
// Before 314 the glue is a classic script that Pyodide loads with `require`.
globalThis.require ??= createRequire(main);
const env = { HOME: '/home/pyodide', ...Object.fromEntries(options.env.map((pair) => splitAt(pair, '='))) };
const pyodide = await loadPyodide({ indexURL: main, env, fullStdLib: false });

function splitAt(text, mark) {
  const at = text.indexOf(mark);
  return [text.slice(0, at), text.slice(at + 1)];
}

for (const pair of options.dir) {
  const [host, guest] = splitAt(pair, ':');
  pyodide.FS.mkdirTree(guest);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: path.resolve(host) }, guest);
}
pyodide.FS.mkdirTree('/oracle');
const wheels = options.with.map((file) => {
  const guest = '/oracle/' + path.basename(file);
  pyodide.FS.writeFile(guest, fs.readFileSync(file));
  return guest;
});
const guestScript = '/oracle/' + path.basename(script);
pyodide.FS.writeFile(guestScript, fs.readFileSync(script));

pyodide.globals.set('oracle_wheels', pyodide.toPy(wheels));
pyodide.globals.set('oracle_argv', pyodide.toPy([guestScript, ...scriptArguments]));
const status = pyodide.runPython(`
def oracle_run(wheels, argv):
    import atexit, importlib, os, runpy, sys, sysconfig, traceback, zipfile
    for wheel in wheels:
        zipfile.ZipFile(wheel).extractall(sysconfig.get_path("purelib"))
        os.unlink(wheel)
    importlib.invalidate_caches()
    sys.argv[:] = argv
    status = 0
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as exit:
        if isinstance(exit.code, int):
            status = exit.code & 255
        elif exit.code is not None:
            print(exit.code, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status
oracle_run(list(oracle_wheels), list(oracle_argv))
`);
process.exit(status);
