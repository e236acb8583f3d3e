# Run by pydl in a process of its own, with nothing but the files to compile: writes the byte code of every module below a
# folder to standard output, each as its path below the folder and the contents of its .pyc file, each of these after its length
# (32 bits, little-endian). What does not compile is left out, and so are sources of more than 4 MiB, since compiling them takes
# too long at a time.
import importlib.util
import os
import sys
from importlib._bootstrap_external import _code_to_hash_pyc

root, *excluded = sys.argv[1:]
out = sys.stdout.buffer


def put(data):
    out.write(len(data).to_bytes(4, "little"))
    out.write(data)


for folder, folders, files in os.walk(root):
    folders[:] = sorted(name for name in folders if os.path.join(folder, name) not in excluded)
    for name in sorted(files):
        if not name.endswith(".py"):
            continue
        path = os.path.join(folder, name)
        try:
            if os.path.getsize(path) > 4 << 20:
                continue
            with open(path, "rb") as file:
                source = file.read()
            code = compile(source, path, "exec", dont_inherit=True)
            # Not checked against the source: neither of them can change.
            pyc = _code_to_hash_pyc(code, importlib.util.source_hash(source), False)
        except Exception:
            continue
        put(os.path.relpath(path, root).encode())
        put(bytes(pyc))
