// Runs a case of tests/cases/program_emscripten in Pyodide under Node: what Emscripten's own loader does with it.
//
// Owns: how a case is opened there. Must not know what it should print.
// usage: node node_program.mjs MAIN CASE LIBRARY_PATH
// MAIN is an unpacked npm package `pyodide`, CASE a folder with case.so, beside which libdriver.so lies; it is /case in
// LIBRARY_PATH, which the case has as LD_LIBRARY_PATH.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [main, folder, libraryPath] = process.argv.slice(2).map((part, at) => (at < 2 ? path.resolve(part) + '/' : part));
globalThis.require ??= createRequire(main);
const { loadPyodide } = await import(pathToFileURL(main + 'pyodide.mjs'));
const pyodide = await loadPyodide({ indexURL: main, env: { HOME: '/', LD_LIBRARY_PATH: libraryPath } });
pyodide.FS.mkdirTree('/case');
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, '/case');
pyodide.FS.writeFile('/lib/libdriver.so', fs.readFileSync(path.join(folder, '..', 'libdriver.so')));
try {
  pyodide.runPython(`
import ctypes, os
os.chdir('/case')
ctypes.CDLL('/lib/libdriver.so', ctypes.RTLD_GLOBAL)
library = ctypes.CDLL(None)
library.setenv(b'LD_LIBRARY_PATH', ${JSON.stringify(libraryPath)}.encode(), 1)
status = ctypes.CDLL('case.so').run_case()
library.fflush(None)
if status:
    print('run_case returned', status)
library.exit(0)
`);
} catch (error) {
  if (error?.name !== 'ExitStatus' && error?.name !== 'Exit') process.stderr.write(`${String(error).slice(0, 400)}\n`);
}
