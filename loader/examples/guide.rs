//! Owns the snippets of `docs/embedding.md`: each section between `// guide:` and `// end` is one of them. Run it in the repository:
//! `cargo run --example guide -- PYODIDE_MAIN_MODULE NUMPY_WHEEL`, or without arguments to leave out what needs numpy.

use std::path::Path;
use std::time::Duration;

use pydl_loader::{
    Cache, Captured, Compiler, ExitStatus, Image, LibraryError, Limits, LinkError, LoadError, Mount,
    NetworkPermission, OpenMode, Process, ProcessOptions,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("pydl-guide-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("data"))?;
    std::fs::create_dir_all(folder.join("cache"))?;
    let image = image(Path::new("testdata/python/python.wasm"), &folder.join("cache"))?;
    run_once(&image)?;
    files(&image, &folder.join("data"))?;
    limits(&image)?;
    time(&image)?;
    libraries(&image)?;
    errors(&image)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [main, wheel] = arguments.as_slice() {
        packages(Path::new(main), wheel, &folder.join("cache"))?;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

// guide: image
/// Once for a program: compiling takes seconds the first time, milliseconds from the cache.
fn image(main: &Path, cache: &Path) -> Result<Image> {
    let compiler = Compiler::new()?.with_cache(Cache::open(cache)?);
    Ok(Image::from_file(&compiler, main)?)
}
// end

// guide: run
/// Once for each piece of code: a process that sees what its options name, and nothing else.
fn run_once(image: &Image) -> Result<()> {
    let stdout = Captured::new();
    let options = ProcessOptions::python(image)
        .args(["-c", "import fputs; print(6 * 7, fputs.FPUTS_FLAG)"])
        .side_module("testdata/fputs/fputs.so")
        .stdout(&stdout);
    let status = Process::new(image, &options)?.run()?;
    assert_eq!(status, ExitStatus::Exited(0));
    assert_eq!(stdout.contents(), b"42 64\n");
    Ok(())
}
// end

// guide: packages
/// Published wheels need one of Pyodide's main modules. `prepare` compiles their sources ahead of the first import, once for a machine.
fn packages(main: &Path, wheel: &str, cache: &Path) -> Result<()> {
    let image = image(main, cache)?;
    let stdout = Captured::new();
    let options = ProcessOptions::python(&image)
        .args(["-c", "import numpy; print(numpy.arange(4).sum())"])
        .wheel(wheel)
        .stdout(&stdout);
    image.prepare(&options, &image.interrupt_handle(), |archive| {
        println!("compiling the sources of {}", archive.display());
    })?;
    let status = Process::new(&image, &options)?.run()?;
    assert_eq!((status, stdout.contents()), (ExitStatus::Exited(0), b"6\n".to_vec()));
    Ok(())
}
// end

// guide: files
/// Folders of the host are shown under a path of the guest's, and parts of the network are permitted by name.
fn files(image: &Image, folder: &Path) -> Result<()> {
    let options = ProcessOptions::python(image)
        .args(["-c", "open('/data/answer', 'w').write('42')"])
        .mount(Mount { host: folder.to_owned(), guest: "/data".to_owned(), read_only: false })
        .network(NetworkPermission::host("localhost", Some(8080)))
        .env("LANG", "C.UTF-8");
    Process::new(image, &options)?.run()?;
    assert_eq!(std::fs::read_to_string(folder.join("answer"))?, "42");
    Ok(())
}
// end

// guide: limits
/// Whatever the host keeps for a guest has a limit; the guest gets the error that the thing has for it.
fn limits(image: &Image) -> Result<()> {
    let mut limits = Limits::default();
    limits.host_memory = 64 << 20;
    limits.open_files = 16;
    limits.load.libraries = 0;
    let code = "
import errno
files = []
try:
    while True: files.append(open('/dev/null'))
except OSError as error: print(errno.errorcode[error.errno], len(files) < 16)
files.clear()
try: import fputs
except ImportError as error: print('0 libraries' in str(error))
";
    let stdout = Captured::new();
    let options = ProcessOptions::python(image)
        .args(["-c", code])
        .side_module("testdata/fputs/fputs.so")
        .limits(limits)
        .stdout(&stdout);
    let status = Process::new(image, &options)?.run()?;
    assert_eq!((status, stdout.contents()), (ExitStatus::Exited(0), b"EMFILE True\nTrue\n".to_vec()));
    Ok(())
}
// end

// guide: time
/// A handle ends a guest from another thread, whatever the guest does.
fn time(image: &Image) -> Result<()> {
    let options = ProcessOptions::python(image).args(["-c", "while True: pass"]);
    let process = Process::new(image, &options)?;
    let handle = process.interrupt_handle();
    let running = std::thread::spawn(move || process.run());
    std::thread::sleep(Duration::from_millis(500));
    handle.terminate();
    let status = running.join().map_err(|_| "the thread of the guest panicked")??;
    assert_eq!(status, ExitStatus::Interrupted);
    Ok(())
}
// end

// guide: libraries
/// The main module as the C library of side modules: its program does not run.
fn libraries(image: &Image) -> Result<()> {
    let options = ProcessOptions::python(image).side_module("testdata/fputs/fputs.so");
    let found = Process::new(image, &options)?.with_libraries(|libraries| {
        let library = libraries.open("fputs.so", OpenMode::default())?;
        let names: Vec<String> = libraries.symbols(library)?.into_iter().map(|symbol| symbol.name).collect();
        let (malloc, strlen) = (libraries.symbol(None, "malloc")?, libraries.symbol(None, "strlen")?);
        let address: u32 = libraries.call(&malloc, 6_u32)?;
        libraries.write(address, b"hello\0");
        let length: u32 = libraries.call(&strlen, address)?;
        libraries.close(library)?;
        Ok::<_, LibraryError>((names, length))
    })??;
    assert!(found.0.contains(&"PyInit_fputs".to_owned()));
    assert_eq!(found.1, 5);
    Ok(())
}
// end

// guide: errors
/// What goes wrong keeps its type.
fn errors(image: &Image) -> Result<()> {
    let options = ProcessOptions::python(image).working_directory("/nowhere");
    match Process::new(image, &options)?.run() {
        Err(LoadError::NoSuchFolder { folder }) => assert_eq!(folder, "/nowhere"),
        other => return Err(format!("{other:?}").into()),
    }
    let process = Process::new(image, &ProcessOptions::python(image))?;
    let refused = process.with_libraries(|libraries| libraries.open("nowhere.so", OpenMode::default()))?;
    assert!(matches!(refused, Err(LibraryError::Link(LinkError::NotFound(_)))));
    Ok(())
}
// end
