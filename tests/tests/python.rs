//! Checks what CPython for WASI does in pydl: the extension's test against native output, with every setting of compiler and linker; the
//! system interface against what `tests/cases/wasi/*.py` print natively; recursion. Must not know how libraries are loaded.

use std::fs;
use std::process::{Command, Stdio};

#[test]
fn every_build_of_fputs_does_what_the_native_one_does() {
    let expected = fs::read_to_string(pydl_tests::testdata("fputs/expected.txt")).unwrap();
    for build in [
        "fputs.so",
        "variants/O0/fputs.so",
        "variants/O0-stripped/fputs.so",
        "variants/O2/fputs.so",
        "variants/O2-stripped/fputs.so",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = pydl_tests::pydl()
            .arg("run")
            .arg(pydl_tests::python_wasm())
            .arg("--side")
            .arg(pydl_tests::testdata("fputs").join(build))
            .arg("--dir")
            .arg(format!("{}::/out", folder.path().display()))
            .arg(pydl_tests::testdata("fputs/test_fputs.py"))
            .arg("/out")
            .output()
            .unwrap();
        assert!(output.status.success(), "{build}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{build}");
    }
}

#[test]
fn recursion_is_an_error_not_a_trap() {
    let code = "
def f(n): return f(n + 1)
try: f(0)
except RecursionError as error: print(error)
import sys; sys.setrecursionlimit(100_000)
try: f(0)
except RecursionError as error: print('deep', error)
import re
print(len(repr(eval('[' * 90 + ']' * 90))))
";
    let output = python(code).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.starts_with("maximum recursion depth exceeded\n"), "{stdout}");
}

/// The scripts run both in the guest's own `/tmp` and in a folder of the host, which is empty in the end.
#[test]
fn scripts_do_what_they_do_natively() {
    let mut faults = Vec::new();
    for script in pydl_tests::files(&pydl_tests::repository().join("tests/cases/wasi"), ".py") {
        let expected = fs::read_to_string(script.with_extension("txt")).unwrap();
        let host = tempfile::tempdir().unwrap();
        for folder in ["/tmp", "/mounted/here"] {
            let mut command = pydl_tests::pydl();
            command.arg("run").arg(pydl_tests::python_wasm());
            command.arg("--dir").arg(format!("{}::/mounted/here", host.path().display()));
            let output = command.arg(&script).arg(folder).stdin(Stdio::null()).output().unwrap();
            let stdout = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() || stdout != expected {
                let stderr = String::from_utf8_lossy(&output.stderr);
                let script = script.display();
                faults.push(format!(
                    "{script} in {folder}\n--- expected\n{expected}\n--- actual\n{stdout}\n{stderr}"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_guest_has_a_root_devices_and_a_folder_for_temporary_files() {
    let code = "
import os, tempfile
print(sorted(os.listdir('/')), tempfile.gettempdir(), os.getcwd())
print(sorted(os.listdir('/dev')))
print(os.listdir('/usr/local/lib'), 'os.py' in os.listdir(os.path.dirname(os.__file__)))
with tempfile.NamedTemporaryFile() as file: print(file.name.startswith('/tmp/'), os.listdir('/tmp') == [os.path.basename(file.name)])
print(os.listdir('/tmp'), os.path.realpath('/usr/../usr/./local//lib'), os.path.isdir('/..'))
";
    let output = python(code).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "['dev', 'home', 'tmp', 'usr'] /tmp /
['full', 'null', 'random', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero']
['python3.13'] True
True True
[] /usr/local/lib True
",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What docs/main-modules.md offers for `asyncio.run`, and the time zones; the loop is the one in the document.
#[test]
fn what_preview_1_lacks_has_the_substitutes_of_the_documentation() {
    let document = fs::read_to_string(pydl_tests::repository().join("docs/main-modules.md")).unwrap();
    let (_, snippet) = document.split_once("```python\n").unwrap();
    let (snippet, _) = snippet.split_once("```").unwrap();
    let code = format!(
        "
import asyncio, datetime, zoneinfo
async def say(what, after):
    await asyncio.sleep(after)
    return what
async def main():
    print(await asyncio.gather(say('b', 0.2), say('a', 0.1)))
    try:
        async with asyncio.timeout(0.1): await asyncio.sleep(100)
    except TimeoutError: print('timeout')
{snippet}
print(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Paris')).utcoffset())
"
    );
    let output = python(&code).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout, "['b', 'a']\ntimeout\n2:00:00\n", "{stderr}");
}

/// A mounted folder, another one mounted in it (which makes the folder between them a mount of its own), and the root; what the guest has
/// of its own is not made on the host.
#[test]
fn folders_are_mounted_in_each_other() {
    let host = tempfile::tempdir().unwrap();
    for folder in ["outer/inner/deep", "other", "tmp"] {
        fs::create_dir_all(host.path().join(folder)).unwrap();
    }
    for file in ["outer/inner/hidden", "outer/inner/deep/below", "outer/seen", "other/file", "tmp/kept"] {
        fs::write(host.path().join(file), file).unwrap();
    }
    let code = "
import os
print(sorted(os.listdir('/')), sorted(os.listdir('/outer')), os.listdir('/outer/inner'), sorted(os.listdir('/new/place')))
print(open('/outer/inner/file').read(), open('/outer/seen').read(), open('/tmp/kept').read(), os.path.exists('/outer/inner/hidden'))
print(sorted(os.listdir('/second/inner')), os.listdir('/second/inner/deep'), open('/second/inner/deep/file').read())
open('/tmp/new', 'w').close(); open('/outer/inner/new', 'w').close(); open('/dev/null', 'w').close()
for doomed in ['/outer/inner', '/new/place', '/dev']:
    try: os.rename(doomed, '/moved')
    except OSError as error: print(error.errno)
    try: os.rmdir(doomed)
    except OSError as error: print(error.errno)
";
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(pydl_tests::python_wasm());
    let dir = |folder: &str, guest: &str| format!("{}/{folder}::{guest}", host.path().display());
    // The mounts work in whatever order they are given.
    for mount in [
        dir("other", "/outer/inner"),
        dir("", "/"),
        dir("outer", "/new/place"),
        dir("outer", "/second"),
        dir("other", "/second/inner/deep"),
    ] {
        command.arg("--dir").arg(mount);
    }
    let output = command.args(["-c", code]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "['dev', 'home', 'new', 'other', 'outer', 'second', 'tmp', 'usr'] ['inner', 'seen'] ['file'] ['inner', 'seen']
other/file outer/seen tmp/kept False
['deep', 'hidden'] ['file'] other/file
75
10
75
10
10
10
",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let there = |path: &str| host.path().join(path).exists();
    assert!(there("tmp/new") && there("other/new") && there("outer/inner/deep"));
    assert!(!there("dev") && !there("home") && !there("usr") && !there("new") && !there("second"));
}

/// Extension modules are linked to Python's own library on many systems.
// row: search | libraries_of_this_python_are_the_main_module | libpython3.N.so, libpython3.N.so.1.0, libpython3.so and libc.so.6 as NEEDED are the main module, if it is Python 3.N; another N is refused, and which Python it is told | CPython --enable-shared; PEP 384
#[test]
fn libraries_of_this_python_are_the_main_module() {
    let folder = tempfile::tempdir().unwrap();
    let import = |needed: &str| {
        let text = format!(
            r#"(module (@dylink.0 (needed {needed})) (import "env" "PyErr_Occurred" (func $f (result i32)))
            (func (export "g") (result i32) call $f))"#
        );
        let library = folder.path().join("ext.so");
        fs::write(&library, pydl_tests::wasm::assemble(&text)).unwrap();
        let program = "\ntry: import ext\nexcept ImportError as error: print(error)";
        let mut command = pydl_tests::pydl();
        command.arg("run").arg(pydl_tests::python_wasm()).arg("--side").arg(&library).args(["-c", program]);
        let output = command.output().unwrap();
        let deps = pydl_tests::pydl()
            .arg("deps")
            .arg(&library)
            .arg("--main")
            .arg(pydl_tests::python_wasm())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout) + &text(&output.stderr), deps.status.code(), text(&deps.stdout))
    };
    let (said, status, deps) =
        import(r#""libpython3.13.so" "libpython3.13.so.1.0" "libpython3.so" "libc.so.6" "libm.so""#);
    assert_eq!(said, "dynamic module does not define module export function (PyInit_ext)\n");
    assert_eq!(status, Some(0), "{deps}");
    for other in ["libpython3.12.so.1.0", "libpython3.14.so", "libpython3.13t.so"] {
        let (said, status, deps) = import(&format!("\"{other}\""));
        assert!(said.starts_with(&format!("{other}: cannot be opened, needed by ")), "{said}");
        assert_eq!(status, Some(1), "{deps}");
        let why = "(it is Python 3.13: rebuild the library for that)";
        assert_eq!(said.contains(why), other != "libpython3.13t.so", "{said}");
    }
}

/// Runs Python with a program.
fn python(code: &str) -> Command {
    let mut command = pydl_tests::pydl();
    command.arg("run").arg(pydl_tests::python_wasm()).args(["-c", code]);
    command
}
