"""Packs a folder into a wheel that comes out the same each time. usage: wheel.py NAME FOLDER VERSION OUT TAG..."""
import base64
import hashlib
import pathlib
import sys
import zipfile

name, folder, version, out = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
tags = sys.argv[5:]
information = f"{name}-{version}.dist-info"
files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.so"))}
files[f"{information}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
lines = "".join(f"Tag: cp312-abi3-{tag}\n" for tag in tags)
files[f"{information}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: wheel.py\nRoot-Is-Purelib: false\n{lines}".encode()
record = ""
for file, data in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    record += f"{file},sha256={digest},{len(data)}\n"
files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
with zipfile.ZipFile(out / f"{name}-{version}-cp312-abi3-{'.'.join(tags)}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
    for file, data in files.items():
        entry = zipfile.ZipInfo(file, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
