//! Owns the proof that wheels work unmodified: that `tests/cases/wheels/*/script.py` print the same in pydl and in Pyodide under Node.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pydl_tests::emscripten::{CURRENT, Case, GENERATIONS, Outcome, cases, main_module};
use pydl_tests::guest::private_folder;
use pydl_tests::{assert_golden, blessing, files, pydl, repository, skip};

fn folder() -> PathBuf {
    repository().join("tests/cases/wheels")
}

/// What is wrong with a run, if anything: it must end with status 0 and print what is expected.
fn fault(case: &Case, outcome: &Outcome) -> Option<String> {
    let expected = std::fs::read_to_string(&case.expected).unwrap_or_default();
    if outcome.status.success() && outcome.stdout == expected {
        return None;
    }
    let same = |(ours, theirs): &(&str, &str)| ours == theirs;
    let line = expected.lines().zip(outcome.stdout.lines()).take_while(same).count();
    let (wanted, got) = (expected.lines().nth(line), outcome.stdout.lines().nth(line));
    let Outcome { status, stderr, .. } = outcome;
    let line = line + 1;
    Some(format!("{}: {status}; line {line}\n  expected {wanted:?}\n  printed  {got:?}\n{stderr}", case.name))
}

// row: symbols | wheels_do_in_pydl_what_is_expected | Real libraries in wheels from PyPI do what they do under Emscripten's loader | core.dylink_zlib; other.side_module_with_ports
#[test]
fn wheels_do_in_pydl_what_is_expected() {
    if blessing() {
        return;
    }
    let mut faults = Vec::new();
    for case in cases(&folder()).into_iter().filter(|case| GENERATIONS.contains(&case.main.as_str())) {
        match case.run_in_pydl() {
            Ok(outcome) => faults.extend(fault(&case, &outcome)),
            Err(why) => skip(&format!("{}: {why}", case.name)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is expected is what Pyodide prints under Node. Blessing writes it.
#[test]
fn wheels_do_in_node_what_is_expected() {
    if Command::new("node").arg("--version").output().is_err() {
        return skip("node is not installed");
    }
    for case in cases(&folder()) {
        match case.run_in_node() {
            Ok(outcome) if outcome.status.success() => assert_golden(&case.expected, &outcome.stdout),
            Ok(outcome) => panic!("{}: {}\n{}", case.name, outcome.status, outcome.stderr),
            Err(why) => skip(&format!("{}: {why}", case.name)),
        }
    }
}

/// The case of C++ exceptions, with one of its wheels: `1` has the exception instructions of Pyodide's packages, `2` the standard's.
fn through_python(main: &str, wheel: u32) -> Case {
    let mut case = cases(&folder()).into_iter().find(|case| case.name == "cpp_through_python").unwrap();
    main.clone_into(&mut case.main);
    case.wheels = vec![format!(
        "through_python-{wheel}-cp312-abi3-pyodide_2025_0_wasm32.pyemscripten_2026_0_wasm32.whl"
    )];
    case
}

// row: c++ | exceptions_pass_through_python | A C++ exception passes through the interpreter's frames, from one extension module to another one or the same, which catches it by reference to a base and finds its dynamic type; std::exception_ptr is thrown again later; the interpreter goes on as under Emscripten's loader | Itanium C++ ABI; other.dylink_exceptions_and_assertions
#[test]
fn exceptions_pass_through_python() {
    for (main, wheel, in_node) in
        [("314.0.7", 1, false), ("314.0.7", 2, false), ("0.29.3", 1, true), ("0.29.3", 2, false)]
    {
        let case = through_python(main, wheel);
        match case.run_in_pydl() {
            Ok(outcome) => assert_eq!(fault(&case, &outcome), None, "{main}, wheel {wheel}"),
            Err(why) => skip(&why),
        }
        let node = Command::new("node").arg("--version").output().is_ok();
        if let Some(Ok(outcome)) = (in_node && node).then(|| case.run_in_node()) {
            assert_eq!(fault(&case, &outcome), None, "{main} in Node");
        }
    }
}

/// The case of classes that two extension modules define, with one of its wheels: `1` and `2` as above, `3` leaves exceptions to the host.
fn local_types(main: &str, wheel: u32) -> Case {
    let mut case = cases(&folder()).into_iter().find(|case| case.name == "local_types").unwrap();
    main.clone_into(&mut case.main);
    let tags = match wheel {
        3 => "pyodide_2024_0_wasm32",
        _ => "pyodide_2025_0_wasm32.pyemscripten_2026_0_wasm32",
    };
    case.wheels = vec![format!("local_types-{wheel}-cp312-abi3-{tags}.whl")];
    case
}

// row: c++ | classes_are_the_same_in_local_modules | Two extension modules that Python imports by default, so RTLD_LOCAL, and that define the same classes inline: what one throws is caught by the other by value, reference, base and pointer, and after std::exception_ptr; dynamic_cast, also to a final class, typeid, std::any, std::function and std::shared_ptr know the types of the other; static variables of inline functions are one | libstdc++; glibc STB_GNU_UNIQUE; libc++abi
#[test]
fn classes_are_the_same_in_local_modules() {
    for (main, wheel) in [("314.0.7", 1), ("314.0.7", 2), ("0.29.3", 2), ("0.27.7", 3)] {
        let case = local_types(main, wheel);
        match case.run_in_pydl() {
            Ok(outcome) => assert_eq!(fault(&case, &outcome), None, "{main}, wheel {wheel}"),
            Err(why) => skip(&why),
        }
    }
}

// row: c++ | classes_that_differ_are_each_modules_own | Of two extension modules opened RTLD_LOCAL with different classes of one name, each calls the virtual functions of its own | glibc RTLD_LOCAL | Emscripten's loader, whose GOT is global, gives both the first one's vtable, and calls through it fail
#[test]
fn classes_that_differ_are_each_modules_own() {
    let mut case = local_types("314.0.7", 1);
    let folder = tempfile::tempdir().unwrap();
    case.script = folder.path().join("script.py");
    std::fs::write(
        &case.script,
        "import maker, taker\nprint(maker.different(), taker.different(), sep='; ')\n",
    )
    .unwrap();
    match case.run_in_pydl() {
        Ok(outcome) => {
            assert_eq!(
                outcome.stdout, "maker's first; taker's first, taker's second\n",
                "{}",
                outcome.stderr
            );
        }
        Err(why) => skip(&why),
    }
}

/// A wheel with these files, and those that a wheel must have.
fn wheel(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::{Digest as _, Sha256};
    let info = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let metadata = [("demo-1.dist-info/METADATA", "Name: demo\n"), ("demo-1.dist-info/WHEEL", info)];
    let mut files: Vec<(&str, String)> =
        files.iter().chain(&metadata).map(|(name, text)| (*name, (*text).to_owned())).collect();
    let line = |(name, text): &(&str, String)| {
        format!("{name},sha256={},{}\n", URL_SAFE_NO_PAD.encode(Sha256::digest(text)), text.len())
    };
    let record: String = files.iter().map(line).collect();
    files.push(("demo-1.dist-info/RECORD", record + "demo-1.dist-info/RECORD,,\n"));
    let path = folder.join("demo-1-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, text) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// Byte code is made from a wheel's sources as data: what `.pth` files and `sitecustomize` contain runs only in the guest's own process,
/// where it can be interrupted.
#[test]
fn nothing_of_a_wheel_runs_to_compile_it() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = private_folder();
    let cache = folder.path().join("cache");
    let spoil = "import builtins; builtins.compile = None";
    let large = format!("x = '{}'\n", "x".repeat(5 << 20));
    let wheel = wheel(
        folder.path(),
        &[("demo.py", "x = 7\n"), ("demo.pth", spoil), ("sitecustomize.py", spoil), ("large.py", &large)],
    );
    // A file that changed a moment ago is not a key for a cache.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let code = "import demo; print(demo.x, demo.__cached__)";
    let mut command = pydl();
    command.arg("run").arg(&main).arg("--with").arg(&wheel).arg("--cache-dir").arg(&cache);
    let output = command.args(["-c", code]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.starts_with("7 "), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let made = files(&cache, ".derived").into_iter().find_map(|file| {
        let zip = zip::ZipArchive::new(std::fs::File::open(file).unwrap()).ok()?;
        let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.iter().any(|name| name == "demo.py").then_some(names)
    });
    let names = made.expect("there is byte code");
    assert!(!names.iter().any(|name| name == "large.py"), "{names:?}");
}

/// What a script that ends with this status writes to standard error, in the main module and with the wheel of the classes.
fn said_by(script: &str, main: &str, wheel: u32, status: i32) -> Option<String> {
    let mut case = local_types(main, wheel);
    let folder = tempfile::tempdir().unwrap();
    case.script = folder.path().join("script.py");
    std::fs::write(&case.script, script).unwrap();
    match case.run_in_pydl() {
        Ok(outcome) => {
            assert_eq!(outcome.status.code(), Some(status), "{main}: {}", outcome.stderr);
            Some(outcome.stderr)
        }
        Err(why) => {
            skip(&why);
            None
        }
    }
}

// row: failure | what_nothing_catches_is_told | A C++ exception that nothing catches ends the process with its type, its text, the files and wheels of the frames, and the Python code that was running | CPython faulthandler; Pyodide's fatal errors
#[test]
fn what_nothing_catches_is_told() {
    let script = "import ctypes, maker\n\n\ndef throws(number):\n    ctypes.CFUNCTYPE(None, ctypes.c_int)(maker.address(10))(number)\n\n\nthrows(1)\n";
    for (main, wheel) in [("314.0.7", 1), ("314.0.7", 2), ("0.27.7", 3)] {
        let Some(said) = said_by(script, main, wheel, 134) else { continue };
        for part in [
            "pydl: the guest ended in a trap: an exception that nothing catches: shop::Lasting: a derived one\n".to_owned(),
            format!("/site-packages/maker.so of local_types-{wheel}-"),
            "  at pyodide.asm.wasm: ".to_owned(),
            "Stack (most recent call first):\n".to_owned(),
            ", line 5 in throws\n".to_owned(),
            ", line 8 in <module>\n".to_owned(),
        ] {
            assert!(said.contains(&part), "{main}: not {part:?} in\n{said}");
        }
    }
    let no_class = script.replace("throws(1)", "throws(6)");
    let said = said_by(&no_class, "314.0.7", 1, 134);
    assert!(said.is_none_or(|said| said.contains("an exception that nothing catches: int\n")));
}

// row: failure | functions_that_ctypes_calls_with_other_types_are_named | A function that ctypes calls with other types than it has is named, with its file and both types | tool-conventions BasicCABI.md
#[test]
fn functions_that_ctypes_calls_with_other_types_are_named() {
    let script = "import ctypes\nfunction = ctypes.pythonapi.PyLong_FromLong\nfunction.argtypes = [ctypes.c_double]\nfunction(1.5)\n";
    let Some(said) = said_by(script, "314.0.7", 1, 134) else { return };
    let message =
        "pyodide.asm.wasm is of type (i32) -> i32, and libffi is to call it as one of type (f64) -> i32: ";
    // The function has several names.
    assert!(said.contains("`PyLong_From") && said.contains(message), "{said}");
}

/// The option is what a person needs; a program that ends well does not need it.
// row: failure | what_would_permit_the_network_is_told | A program that fails after it was denied a name or an address of the network: the options that would permit it are told | pydl
#[test]
fn what_would_permit_the_network_is_told() {
    let script = "import socket\n\nfor host, port in [('host.invalid', 80), ('192.0.2.1', 443)]:\n    try:\n        socket.create_connection((host, port))\n    except OSError as error:\n        print(error)\nraise SystemExit(STATUS)\n";
    let option = "--allow-net=host.invalid --allow-net=192.0.2.1:443\n";
    let said = said_by(&script.replace("STATUS", "1"), "314.0.7", 1, 1);
    assert!(said.as_ref().is_none_or(|said| said.contains(option)), "{said:?}");
    let said = said_by(&script.replace("STATUS", "0"), "314.0.7", 1, 0);
    assert!(said.as_ref().is_none_or(String::is_empty), "{said:?}");
}
