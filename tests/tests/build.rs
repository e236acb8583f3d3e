//! Builds extension modules from source with `pydl build`, by whichever compiler for WASI is on this machine, or by the one among the
//! fixtures, and compares what they do loaded, built at once, and linked in for good.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pydl_tests::emscripten::{CURRENT, main_module, package_folder};
use pydl_tests::{pydl, python_wasm, repository, skip, testdata};

/// `pydl` where zig is found as a package of Python; `None` when there is no compiler.
fn pydl_with_compiler() -> Option<Command> {
    match package_folder("ziglang") {
        Ok(packages) => {
            let mut command = pydl();
            let cache = pydl_tests::cache_folder();
            command.env("PYTHONPATH", packages);
            command
                .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"))
                .env("ZIG_LOCAL_CACHE_DIR", cache.join("zig-local"));
            Some(command)
        }
        Err(why) => {
            skip(&why);
            None
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `pydl build` of a source in a folder, for the WASI Python; the output of the command.
fn build(folder: &Path, source: &Path, options: &[&str]) -> Option<Output> {
    let mut command = pydl_with_compiler()?;
    command.current_dir(folder).arg("build").arg(source).arg("--main").arg(python_wasm()).args(options);
    Some(command.output().unwrap())
}

/// The tutorial's module, built from source: imported at once, loaded with `--side`, and linked into Python, it does what it does natively.
#[test]
fn a_file_of_c_becomes_an_importable_module() {
    let folder = tempfile::tempdir().unwrap();
    let source = testdata("fputs/fputsmodule.c");
    let Some(built) = build(folder.path(), &source, &[]) else { return };
    assert!(built.status.success(), "{}", said(&built));
    assert_eq!(String::from_utf8_lossy(&built.stdout), "fputs.so\n");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::copy(testdata("fputs/test_fputs.py"), data.join("test_fputs.py")).unwrap();
    let expected = text(&testdata("fputs/expected.txt"));
    let module = folder.path().join("fputs.so");
    let linked = folder.path().join("python.wasm");
    let done = pydl()
        .arg("link")
        .arg(python_wasm())
        .arg("--side")
        .arg(&module)
        .args(["--embed-lib", "-o"])
        .arg(&linked)
        .output();
    assert!(done.unwrap().status.success());
    for (way, main, option, file) in [
        ("loaded", python_wasm(), Some("--side"), &module),
        ("built at once", python_wasm(), Some("--build"), &source),
        ("linked", linked, None, &module),
    ] {
        let mut run = pydl_with_compiler().unwrap();
        run.arg("run").arg(main);
        if let Some(option) = option {
            run.arg(option).arg(file);
        }
        run.arg("--dir").arg(format!("{}::/data", data.display()));
        let run = run.args(["/data/test_fputs.py", "/data"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout), expected, "{way}: {}", said(&run));
    }
}

#[test]
fn a_file_of_cpp_becomes_an_importable_module() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("shape.cpp");
    fs::write(
        &source,
        r#"#include <Python.h>
namespace {
struct Shape { virtual long area() const = 0; };
struct Square : Shape { long side; explicit Square(long side) : side(side) {} long area() const override { return side * side; } };
template <class T> long twice(const T &shape) { return 2 * shape.area(); }
const Square constructed(3);
PyObject *area(PyObject *, PyObject *argument) { return PyLong_FromLong(twice(Square(PyLong_AsLong(argument))) + constructed.area()); }
PyMethodDef methods[] = {{"area", area, METH_O, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "shape", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};
}
PyMODINIT_FUNC PyInit_shape(void) { return PyModuleDef_Init(&module); }
"#,
    )
    .unwrap();
    let Some(built) = build(folder.path(), &source, &["-v"]) else { return };
    assert!(built.status.success(), "{}", said(&built));
    assert!(said(&built).contains("# ") && said(&built).contains("--experimental-pic"), "{}", said(&built));
    let run = pydl()
        .arg("run")
        .arg(python_wasm())
        .arg("--side")
        .arg(folder.path().join("shape.so"))
        .args(["-c", "import shape; print(shape.area(5))"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stdout), "59\n", "{}", said(&run));
}

/// What the main module would refuse is refused with the words of `pydl deps`, what the compiler refuses with the compiler's; nothing is
/// written.
#[test]
fn what_does_not_fit_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let missing = write("missing.c", "int nowhere(int); int call(void) { return nowhere(1); }\n");
    let wrong = write("wrong.c", "#include <Python.h>\nint call(void) { return undeclared; }\n");
    let other = write("other.rs", "fn main() {}\n");
    let absent = folder.path().join("absent.c");
    for (source, status, words) in [
        (&missing, 127, "undefined symbol `nowhere` (function (i32) -> i32), needed by missing.so"),
        (&wrong, 126, "undeclared"),
        (&other, 2, "it is not a file of C or C++"),
        (&absent, 126, "absent.c: No such file"),
    ] {
        let Some(built) = build(folder.path(), source, &[]) else { return };
        assert_eq!(built.status.code(), Some(status), "{}: {}", source.display(), said(&built));
        assert!(said(&built).contains(words), "{}: {}", source.display(), said(&built));
    }
    let left: Vec<PathBuf> = pydl_tests::files(folder.path(), ".c");
    assert_eq!((left.len(), fs::read_dir(folder.path()).unwrap().count()), (2, 3));
}

/// A package for a main module: headers with that module's `pyconfig.h`, which is what `configure` has made, and what else a build needs.
#[test]
fn a_dev_package_has_what_builds_need() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("dev");
    let make = |output: &Path| {
        pydl().args(["dev", "make"]).arg(python_wasm()).arg("-o").arg(output).output().unwrap()
    };
    let first = make(&package);
    assert!(first.status.success(), "{}", said(&first));
    let own = testdata("python/include/python3.13");
    for name in ["pyconfig.h", "Python.h", "cpython/object.h"] {
        assert_eq!(text(&package.join("include/python3.13").join(name)), text(&own.join(name)), "{name}");
    }
    assert_eq!(
        text(&package.join("include/pydl/dlfcn.h")),
        text(&repository().join("loader/guest/wasi/dlfcn.h"))
    );
    assert_eq!(text(&package.join("src/libdl.c")), text(&repository().join("loader/guest/wasi/libdl.c")));
    let configuration = "_sysconfigdata__wasi_wasm32-wasi.py";
    let library = testdata("python/lib/python3.13");
    assert_eq!(text(&package.join("lib").join(configuration)), text(&library.join(configuration)));
    let exports = text(&package.join("exports.txt"));
    assert!(exports.lines().count() > 4000 && exports.contains("\nPyModuleDef_Init\n"));
    let stamp = text(&package.join("pydl-dev.json"));
    for words in
        [r#""abi": "wasi""#, r#""python": "3.13""#, r#""extension_suffix": ".cpython-313-wasm32-wasi.so""#]
    {
        assert!(stamp.contains(words), "{stamp}");
    }
    let again = make(&package);
    assert!(said(&again).contains("it is not empty"), "{}", said(&again));
    let archive = folder.path().join("dev.tar.gz");
    assert!(make(&archive).status.success());
    let listed = Command::new("tar").arg("-tzf").arg(&archive).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.contains("dev/include/python3.13/Python.h\n") && listed.contains("dev/pydl-dev.json\n"),
        "{listed}"
    );
}

/// Headers of one main module are not mixed with another, nor those of another version of Python.
#[test]
fn packages_and_main_modules_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("dev");
    let first = pydl().args(["dev", "make"]).arg(python_wasm()).arg("-o").arg(&package).output().unwrap();
    assert!(first.status.success(), "{}", said(&first));
    let other = folder.path().join("other.wasm");
    let mut bytes = fs::read(python_wasm()).unwrap();
    // A custom section at the end changes the file, and nothing else.
    bytes.extend([0, 2, 1, b'x']);
    fs::write(&other, bytes).unwrap();
    let built = pydl()
        .arg("build")
        .arg(testdata("fputs/fputsmodule.c"))
        .arg("--main")
        .arg(&other)
        .arg("--dev")
        .arg(&package)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let words = said(&built);
    assert!(
        words.contains("was made for python.wasm, with SHA-256") && words.contains("pydl dev make"),
        "{words}"
    );
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let make = |headers: Option<PathBuf>| {
        let mut command = pydl();
        command.args(["dev", "make"]).arg(&main).arg("-o").arg(folder.path().join("new"));
        if let Some(headers) = headers {
            command.arg("--headers").arg(headers);
        }
        let refused = command.output().unwrap();
        assert!(!refused.status.success() && !folder.path().join("new").exists());
        said(&refused)
    };
    let words = make(None);
    assert!(
        words.contains("it has no headers beside it") && words.contains("CPython 3.14 with --headers"),
        "{words}"
    );
    let words = make(Some(testdata("python/include/python3.13")));
    assert!(
        words.contains("these are headers of Python 3.13, and the main module is Python 3.14"),
        "{words}"
    );
    let words = make(Some(folder.path().to_owned()));
    assert!(words.contains("there is no Python.h in it"), "{words}");
}
