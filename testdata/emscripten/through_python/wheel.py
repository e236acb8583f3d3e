"""Packs a folder into a wheel that comes out the same each time. usage: wheel.py FOLDER VERSION OUT"""
import base64
import hashlib
import pathlib
import sys
import zipfile

TAGS = ["pyodide_2025_0_wasm32", "pyemscripten_2026_0_wasm32"]
folder, version, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
information = f"through_python-{version}.dist-info"
files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.so"))}
files[f"{information}/METADATA"] = f"Metadata-Version: 2.1\nName: through_python\nVersion: {version}\n".encode()
lines = "".join(f"Tag: cp312-abi3-{tag}\n" for tag in TAGS)
files[f"{information}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: wheel.py\nRoot-Is-Purelib: false\n{lines}".encode()
record = ""
for name, data in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    record += f"{name},sha256={digest},{len(data)}\n"
files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
with zipfile.ZipFile(out / f"through_python-{version}-cp312-abi3-{'.'.join(TAGS)}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
    for name, data in files.items():
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
