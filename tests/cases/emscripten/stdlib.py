"""Every module of the standard library that is there can be imported."""
import importlib
import sys

expected = """_thread abc argparse array ast asyncio atexit base64 binascii bisect bz2 calendar cmath cmd code codecs collections colorsys
compileall concurrent.futures configparser contextlib contextvars copy copyreg csv ctypes dataclasses datetime decimal difflib dis doctest
email email.message encodings.idna enum errno fcntl filecmp fileinput fnmatch fractions ftplib functools gc getopt gettext glob graphlib gzip
hashlib heapq hmac html html.parser http.client http.server imaplib importlib.metadata importlib.resources inspect io ipaddress itertools
json keyword linecache locale logging logging.config lzma mailbox math mimetypes mmap modulefinder netrc numbers operator os
pathlib pdb pickle pickletools pkgutil platform plistlib poplib posixpath pprint profile pstats pyclbr py_compile queue quopri random re
runpy sched secrets select selectors shelve shlex shutil signal smtplib socket socketserver sqlite3 stat statistics string stringprep
struct subprocess symtable sys sysconfig tabnanny tarfile tempfile termios textwrap threading time timeit tokenize tomllib trace traceback tracemalloc
tty types typing unicodedata unittest unittest.mock urllib.parse urllib.request uuid wave weakref webbrowser wsgiref.simple_server xml.dom.minidom
xml.etree.ElementTree xml.sax xmlrpc.client zipapp zipfile zipimport zlib zoneinfo""".split()
failed = []
for name in expected:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed.append((name, type(error).__name__, str(error)))
print(len(expected), failed)
