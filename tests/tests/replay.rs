//! Runs every case of the conformance suite in three processes, each of which continues where the one before it stopped: `case.so` is
//! opened in the first, called in the second, and ends in the third. The journal of plans is replayed twice, and what is printed must be
//! what one process prints. The same is done in Python with what it has imported.

use std::fs;
use std::path::{Path, PathBuf};

use pydl_loader::{
    Cache, Captured, Compiler, ExitStatus, Image, Libraries, LibraryError, LibraryStage, Mount, OpenMode,
    Process, ProcessOptions,
};
use pydl_tests::emscripten::{CURRENT, GENERATIONS, main_module, wheel};
use pydl_tests::{files, repository, skip, testdata};
use wasmtime::{WasmParams, WasmResults};

fn image(main: &Path) -> Image {
    let compiler = Compiler::new().unwrap();
    let compiler = compiler.with_cache(Cache::open(pydl_tests::cache_folder()).unwrap());
    Image::from_file(&compiler, main).unwrap()
}

/// A case: what is opened, and what has been printed in the end.
#[derive(Clone)]
struct Case {
    name: String,
    options: ProcessOptions,
    /// Paths of libraries, and whether they become global.
    opened: Vec<(String, bool)>,
    expected: String,
}

/// Something that is done with the libraries of a case.
type Step<'a> = Box<dyn Fn(&mut Libraries<'_>) -> Result<i32, LibraryError> + Send + 'a>;

impl Case {
    /// Opens the case.
    fn open(&self, libraries: &mut Libraries<'_>) -> Result<i32, LibraryError> {
        for (library, global) in &self.opened {
            libraries.open(library, OpenMode { global: *global, ..OpenMode::default() })?;
        }
        Ok(0)
    }

    /// Opens the case, and calls it `calls` times.
    fn steps(&self, calls: usize) -> Vec<Step<'_>> {
        let mut steps: Vec<Step<'_>> = vec![Box::new(|libraries| self.open(libraries))];
        steps.extend((0..calls).map(|_| Box::new(call) as Step<'_>));
        steps
    }

    fn process(&self, image: &Image, printed: &Captured) -> Process {
        Process::new(image, &self.options.clone().stdout(printed)).unwrap()
    }

    /// What the case prints when each step is done in a process of its own.
    fn in_stages(&self, image: &Image, calls: usize) -> String {
        let printed = Captured::new();
        let stages = self.steps(calls).into_iter().map(|step| {
            let stage: LibraryStage<'_, _> = Box::new(move |libraries: &mut Libraries<'_>| step(libraries));
            stage
        });
        let results = self.process(image, &printed).with_libraries_in_stages(stages.collect());
        told(&printed, &results.unwrap_or_else(|error| panic!("{}: {error}", self.name)))
    }

    /// What the case prints when all is done in one process.
    fn in_one(&self, image: &Image, calls: usize) -> String {
        let printed = Captured::new();
        let results = self.process(image, &printed).with_libraries(|libraries| {
            self.steps(calls).iter().map(|step| step(libraries)).collect::<Vec<_>>()
        });
        told(&printed, &results.unwrap())
    }

    /// What is wrong with the case when it is done in stages, if anything. When it is called twice, the second call finds everything that
    /// the first has left behind.
    fn fault(&self, image: &Image) -> Option<String> {
        let twice = (self.in_one(image, 2), self.in_stages(image, 2));
        let once = (self.expected.clone(), self.in_stages(image, 1));
        let wrong = [once, twice].into_iter().find(|(expected, actual)| expected != actual);
        wrong
            .map(|(expected, actual)| format!("{}:\n--- expected\n{expected}--- actual\n{actual}", self.name))
    }
}

fn call(libraries: &mut Libraries<'_>) -> Result<i32, LibraryError> {
    let all = libraries.list()?;
    let case = all.iter().find(|library| library.path.ends_with("/case.so")).map(|library| library.handle);
    let run = libraries.symbol(case, "run_case")?;
    libraries.call(&run, ())
}

/// What was printed, and how the guest ended if it ended early.
fn told(printed: &Captured, results: &[Result<i32, LibraryError>]) -> String {
    let ended = results.iter().find_map(|result| result.as_ref().err());
    let ended = ended.map_or_else(String::new, |error| match error {
        LibraryError::NotReturned(ExitStatus::Exited(0)) => String::new(),
        error => format!("{error}\n"),
    });
    String::from_utf8_lossy(&printed.contents()).into_owned() + &ended
}

fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn program() -> ProcessOptions {
    ProcessOptions::new("driver").args(["case.so"])
}

/// Options that show the folder of a case to the guest, with the folders where it searches.
fn in_folder(folder: &Path, case: &Path) -> ProcessOptions {
    let extra = fs::read_to_string(case.join("library_path.txt")).unwrap_or_default();
    let path = extra.lines().fold("/case".to_owned(), |path, folder| format!("{path}:/case/{folder}"));
    let mount = Mount { host: folder.to_owned(), guest: "/case".to_owned(), read_only: false };
    program().mount(mount).env("LD_LIBRARY_PATH", path)
}

fn report(cases: Vec<Case>, image: &Image, least: usize) {
    let count = cases.len();
    assert!(count >= least, "only {count} cases");
    let faults: Vec<String> = cases.into_iter().filter_map(|case| case.fault(image)).collect();
    println!("{} of {count} cases go on in other processes", count - faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

// row: memory | programs_go_on_in_other_processes_with_wasi | What is linked is made again in another process from the plans of the first, and goes on there | pydl
#[test]
fn programs_go_on_in_other_processes_with_wasi() {
    let programs = repository().join("tests/cases/program");
    let with_case = |folder: &PathBuf| folder.join("expected.txt").is_file();
    let cases = folders_of(&programs).into_iter().filter(with_case).map(|folder| {
        let has_folders = !folders_of(&folder).is_empty();
        let options = if has_folders {
            in_folder(&folder, &folder)
        } else {
            files(&folder, ".so").into_iter().fold(program(), ProcessOptions::side_module)
        };
        Case {
            name: folder.display().to_string(),
            options,
            opened: vec![("case.so".to_owned(), false)],
            expected: fs::read_to_string(folder.join("expected.txt")).unwrap(),
        }
    });
    report(cases.collect(), &image(&programs.join("driver/driver.wasm")), 60);
}

#[test]
fn programs_go_on_in_other_processes_with_emscripten() {
    let main = match main_module(CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let programs = repository().join("tests/cases/program");
    let built = repository().join("tests/cases/program_emscripten");
    let mut cases: Vec<Case> = folders_of(&built)
        .into_iter()
        .map(|folder| {
            let case = programs.join(folder.file_name().unwrap());
            let own = fs::read_to_string(folder.join("expected.txt"));
            Case {
                name: folder.display().to_string(),
                options: in_folder(&folder, &case)
                    .side_module(built.join("libdriver.so"))
                    .working_directory("/case"),
                opened: vec![("libdriver.so".to_owned(), true), ("case.so".to_owned(), false)],
                expected: own.unwrap_or_else(|_| fs::read_to_string(case.join("expected.txt")).unwrap()),
            }
        })
        .collect();
    for folder in ["abi", "chain", "cxx", "dl", "eh", "sjlj", "static_ctors", "threads"] {
        let folder = testdata("emscripten/cases").join(folder);
        let read = |name: &str| fs::read_to_string(folder.join(name));
        let expected = read("expected-exit.txt").or_else(|_| read("expected.txt")).unwrap();
        // This line is the driver's own.
        let lines = expected.lines().filter(|line| !line.starts_with("run_case returned"));
        let expected = lines.fold(String::new(), |all, line| all + line + "\n");
        let builds = [folder.clone(), folder.join("exnref")];
        for build in builds.into_iter().filter(|build| build.join("case.so").is_file()) {
            let libraries = files(&build, ".so").into_iter().filter(|file| !file.ends_with("single.so"));
            let options = libraries.fold(program(), ProcessOptions::side_module);
            cases.push(Case {
                name: build.display().to_string(),
                options: options.working_directory("/usr/local/lib/pydl"),
                opened: vec![("case.so".to_owned(), false)],
                expected: expected.clone(),
            });
        }
    }
    report(cases, &image(&main), 60);
}

/// Runs scripts in `__main__`, each in a process of its own; returns what they print, and Python's error messages.
fn python(image: &Image, options: ProcessOptions, scripts: &[&str]) -> (String, String) {
    let (printed, errors) = (Captured::new(), Captured::new());
    let options = options.stdout(&printed).stderr(&errors);
    let last = scripts.len() - 1;
    let stages = scripts.iter().enumerate().map(|(number, code)| {
        let stage: LibraryStage<'_, _> = Box::new(move |libraries: &mut Libraries<'_>| {
            if number == 0 {
                call_python::<(), ()>(libraries, "Py_Initialize", ())?;
            }
            let status = run_python(libraries, code)?;
            let end =
                if number == last { call_python::<(), i32>(libraries, "Py_FinalizeEx", ())? } else { 0 };
            Ok::<i32, LibraryError>(status | end)
        });
        stage
    });
    let results = Process::new(image, &options).unwrap().with_libraries_in_stages(stages.collect());
    let text = |captured: &Captured| String::from_utf8_lossy(&captured.contents()).into_owned();
    let errors = format!("{results:?}: {}", text(&errors));
    (text(&printed), errors)
}

fn run_python(libraries: &mut Libraries<'_>, code: &str) -> Result<i32, LibraryError> {
    let text: Vec<u8> = code.bytes().chain([0]).collect();
    let address: u32 = call_python(libraries, "malloc", u32::try_from(text.len()).unwrap())?;
    libraries.write(address, &text).unwrap();
    call_python(libraries, "PyRun_SimpleStringFlags", (address, 0))
}

/// Calls a function of the main module.
fn call_python<P: WasmParams, R: WasmResults>(
    libraries: &mut Libraries<'_>,
    name: &str,
    parameters: P,
) -> Result<R, LibraryError> {
    let function = libraries.symbol(None, name)?;
    libraries.call(&function, parameters)
}

/// What Python has imported, defined and opened is there in the next process: extensions, libffi closures that C calls, open files, exit
/// handlers. Nothing is imported twice.
#[test]
fn python_goes_on_in_other_processes() {
    let scripts = [
        "
import atexit, ctypes, decimal, sys
atexit.register(print, 'the end')
kept = decimal.Decimal(42)
file = open('/tmp/file', 'w+')
file.write('written before')
library = ctypes.CDLL(None)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
closure = compare(lambda one, other: one[0] - other[0])
loaded = len(sys.modules)
",
        "
numbers = (ctypes.c_int * 3)(3, 1, 2)
library.qsort(numbers, 3, 4, closure)
print('sorted', list(numbers))
file.seek(0)
print('file:', file.read())
",
        "
print(f'kept {kept}, modules', int(len(sys.modules) == loaded))
other = compare(lambda one, other: one[0] - other[0])
numbers = (ctypes.c_int * 3)(5, 6, 4)
library.qsort(numbers, 3, 4, other)
print('sorted', list(numbers))
",
    ];
    for generation in GENERATIONS {
        let main = match main_module(generation) {
            Ok(main) => main,
            Err(why) => return skip(&why),
        };
        let image = image(&main);
        let options = ProcessOptions::python(&image).env("PYTHONHOME", "/usr/local");
        let (printed, told) = python(&image, options, &scripts);
        let expected =
            "sorted [1, 2, 3]\nfile: written before\nkept 42, modules 1\nsorted [4, 5, 6]\nthe end\n";
        assert_eq!(printed, expected, "{generation}: {told}");
    }
}

#[test]
fn python_for_wasi_goes_on_in_other_processes() {
    let image = image(&pydl_tests::python_wasm());
    let options = ProcessOptions::python(&image).side_module(testdata("fputs/fputs.so"));
    let scripts = [
        "import fputs, decimal; kept = decimal.Decimal(42) + fputs.FPUTS_FLAG; print('before')",
        "print(kept, fputs.FPUTS_FLAG)",
        "import json; print(json.dumps([int(kept)]))",
    ];
    let (printed, told) = python(&image, options, &scripts);
    assert_eq!(printed, "before\n106 64\n[106]\n", "{told}");
}

/// A wheel with thousands of functions in slots, which throws and has constructors.
#[test]
fn numpy_goes_on_in_other_processes() {
    let (main, wheel) =
        match (main_module("0.27.7"), wheel("numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl")) {
            (Ok(main), Ok(wheel)) => (main, wheel),
            (Err(why), _) | (_, Err(why)) => return skip(&why),
        };
    let image = image(&main);
    let options = ProcessOptions::python(&image).env("PYTHONHOME", "/usr/local").wheel(wheel);
    let scripts = [
        "import numpy; matrix = numpy.array([[2.0, 1.0], [1.0, 3.0]]); random = numpy.random.default_rng(1)
expected = numpy.random.default_rng(1).integers(1000, size=4).tolist(); first = random.integers(1000, size=2).tolist()",
        "print(numpy.linalg.inv(matrix).round(3).tolist(), first + random.integers(1000, size=2).tolist() == expected)",
        "import numpy.fft; print(numpy.fft.fft([1, 0, 0, 0]).real.tolist())",
    ];
    let (printed, told) = python(&image, options, &scripts);
    assert_eq!(printed, "[[0.6, -0.2], [-0.2, 0.4]] True\n[1.0, 1.0, 1.0, 1.0]\n", "{told}");
}
