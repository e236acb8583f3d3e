"""Runs a WASI command in the wasmtime package, which has no dynamic linker. usage: wasi.py MODULE FOLDER ARGUMENT...

The folder is shown as /data.
"""
import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

file, folder, *arguments = sys.argv[1:]
store = Store(Engine())
wasi = WasiConfig()
wasi.argv = ["python", *arguments]
wasi.inherit_stdout()
wasi.inherit_stderr()
wasi.preopen_dir(folder, "/data")
store.set_wasi(wasi)
linker = Linker(store.engine)
linker.define_wasi()
try:
    linker.instantiate(store, Module.from_file(store.engine, file)).exports(store)["_start"](store)
except ExitTrap as end:
    sys.exit(end.code)
