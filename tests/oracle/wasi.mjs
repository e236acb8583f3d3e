// Runs a WASI command in Node's node:wasi, which has no dynamic linker. usage: wasi.mjs MODULE FOLDER ARGUMENT...
// The folder is shown as /data.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [file, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: ['python', ...args], env: {}, preopens: { '/data': folder } });
const module = await WebAssembly.compile(await readFile(file));
process.exit(wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject())));
