//! Owns the proof that the layout that `pydl deps --map` shows is that of processes, as far as it is decided before there is one: addresses
//! are chosen by a guest's allocator.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pydl_linker::{
    FoundLibrary, Inspector, LibraryNotFound, LibraryRequest, LibrarySource, MainModule, MemoryRegion, Owner,
    ProcessMap,
};
use pydl_loader::{
    Cache, Compiler, Image, Libraries, LoadedLibrary, OpenMode, Process, ProcessOptions, SymbolPlace,
    SystemInterface,
};
use pydl_tests::wasm::assemble;
use pydl_tests::{assert_golden, emscripten, pydl, repository, skip, testdata};

/// Files of one folder.
struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn file(&self, name: &str) -> FoundLibrary {
        let bytes = fs::read(self.0.join(name)).unwrap().into();
        FoundLibrary { path: name.to_owned(), identity: None, bytes }
    }
}

impl LibrarySource for Folder<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        Ok(self.file(request.name))
    }
}

/// The linker's map for loading these files of a folder one after the other.
fn map(main: &Path, folder: &Path, names: &[&str]) -> ProcessMap {
    let bytes = fs::read(main).unwrap();
    let main = MainModule::parse("main", &bytes).unwrap();
    let mut source = Folder(folder);
    let mut map = Inspector::new(Some(Arc::new(main)), &mut source, Arc::new(SystemInterface::default()))
        .map()
        .unwrap();
    for name in names {
        let file = source.file(name);
        map.open(&file, &mut source);
    }
    assert!(map.refused.is_empty(), "{:?}", map.refused);
    map
}

fn image(main: &Path) -> Image {
    let compiler = Compiler::new().unwrap().with_cache(Cache::open(pydl_tests::cache_folder()).unwrap());
    Image::from_file(&compiler, main).unwrap()
}

fn memory_of<'a>(map: &'a ProcessMap, path: &str) -> &'a MemoryRegion {
    map.memory.iter().find(|part| part.owner == Owner::Library(path.to_owned())).unwrap()
}

/// Checks that what the map shows for a library is true of the loaded one; returns how many slots the process took for itself before.
fn check(map: &ProcessMap, library: &LoadedLibrary) -> u32 {
    let path = library.path.rsplit('/').next().unwrap();
    let memory = memory_of(map, path);
    assert_eq!(memory.size, library.memory_size, "{path}");
    let (alignment, allocated) = memory.allocation.unwrap();
    assert_eq!(library.memory_base % alignment, 0, "{path}");
    assert!(allocated >= library.memory_size, "{path}");
    assert!(map.heap.is_none_or(|heap| library.memory_base >= heap.0), "{path}");
    let slots = map.table.iter().find(|part| part.owner == Owner::Library(path.to_owned()));
    let slots = slots.map_or(0..0, |part| part.slots.clone());
    assert_eq!(slots.len(), usize::try_from(library.table_size).unwrap(), "{path}");
    if slots.is_empty() { 0 } else { library.table_base.checked_sub(slots.start).unwrap() }
}

/// A large library, with slots at multiples of 8 and an address of a function that has no slot.
const FIRST: &str = r#"(module (@dylink.0 (mem-info (memory 5000 6) (table 3 3)) (needed "second.so"))
    (import "env" "__indirect_function_table" (table 3 funcref)) (import "env" "__table_base" (global $slots i32))
    (import "GOT.func" "puts" (global (mut i32))) (import "GOT.func" "other" (global (mut i32)))
    (func (export "own")) (elem (global.get $slots) 0 0 0))"#;
/// A library whose slots fit into the gap before those of the first.
const SECOND: &str = r#"(module (@dylink.0 (mem-info (memory 10 2) (table 2 0)))
    (import "env" "__indirect_function_table" (table 2 funcref)) (import "env" "__table_base" (global $slots i32))
    (func (export "other")) (func $own) (elem (global.get $slots) $own $own))"#;
const THIRD: &str = r#"(module (@dylink.0 (mem-info (memory 100 4) (table 4 1)))
    (import "env" "__indirect_function_table" (table 4 funcref)) (import "env" "__table_base" (global $slots i32))
    (func $own (export "third")) (elem (global.get $slots) $own $own $own $own))"#;

fn libraries() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("first.so", FIRST), ("second.so", SECOND), ("third.so", THIRD)] {
        fs::write(folder.path().join(name), assemble(text)).unwrap();
    }
    folder
}

fn driver() -> PathBuf {
    repository().join("tests/cases/program/driver/driver.wasm")
}

#[test]
fn the_map_is_that_of_a_process() {
    let folder = libraries();
    let map = map(&driver(), folder.path(), &["first.so", "third.so"]);
    let options = ["first.so", "second.so", "third.so"]
        .iter()
        .fold(ProcessOptions::new("driver"), |options, name| options.side_module(folder.path().join(name)));
    let work = |libraries: &mut Libraries<'_>| {
        let first = libraries.open("first.so", OpenMode::default()).unwrap();
        libraries.open("third.so", OpenMode::default()).unwrap();
        let list = libraries.list().unwrap();
        // Taking the functions' addresses takes these slots.
        let slots = [(None, "puts"), (Some(first), "other")].map(|(library, name)| {
            match libraries.symbol(library, name).unwrap().place {
                SymbolPlace::Function { slot, .. } => slot,
                SymbolPlace::Data(_) => panic!("{name} is data"),
            }
        });
        let environment = match libraries.symbol(None, "errno").unwrap().place {
            SymbolPlace::Data(address) => address,
            SymbolPlace::Function { .. } => panic!("errno is a function"),
        };
        (list, slots, environment)
    };
    let process = Process::new(&image(&driver()), &options).unwrap();
    let (list, slots, errno) = process.with_libraries(work).unwrap();
    assert_eq!(list.len(), 3);
    for library in &list {
        assert_eq!(check(&map, library), 0, "{library:?}\n{:?}", map.table);
    }
    let of_functions = map.table.iter().find(|part| matches!(part.owner, Owner::FunctionsOf(_))).unwrap();
    // The driver itself has a slot for `puts`.
    assert_eq!(of_functions.slots.clone().collect::<Vec<_>>(), [slots[1]]);
    assert!(map.table.iter().any(|part| part.owner == Owner::Main && part.slots.contains(&slots[0])));
    let main = map.memory.iter().find(|part| part.owner == Owner::Main).unwrap();
    let begin = main.address.unwrap().0;
    assert!((begin..begin + main.size).contains(&errno), "{main:?} {errno:#x}");
}

#[test]
fn in_an_emscripten_main_module_all_slots_are_as_far_from_those_of_the_map() {
    let main = match emscripten::main_module(emscripten::CURRENT) {
        Ok(main) => main,
        Err(why) => return skip(&why),
    };
    let folder = libraries();
    fs::copy(testdata("fputs/emscripten/fputs.so"), folder.path().join("fputs.so")).unwrap();
    let map = map(&main, folder.path(), &["second.so", "fputs.so"]);
    let open = "import sys, ctypes
folder = next(path for path in sys.path if path.endswith('dynload'))
for name in ('second.so', 'fputs.so'):
    ctypes.CDLL(f'{folder}/{name}')";
    let image = image(&main);
    let options = ["second.so", "fputs.so"]
        .iter()
        .fold(ProcessOptions::python(&image), |options, name| options.side_module(folder.path().join(name)))
        .args(["-c", open]);
    let process = Process::new(&image, &options).unwrap();
    let (_, list) = process.run_then(|libraries| libraries.list().unwrap()).unwrap();
    let ours =
        |library: &&LoadedLibrary| folder.path().join(library.path.rsplit('/').next().unwrap()).exists();
    let loaded: Vec<&LoadedLibrary> = list.iter().filter(ours).collect();
    assert_eq!(loaded.len(), 2, "{list:?}");
    let before: Vec<u32> = loaded.iter().map(|library| check(&map, library)).collect();
    assert!(before[0] == before[1] && before[0] < 64, "{before:?}");
}

#[test]
fn maps_look_as_recorded() {
    let folder = libraries();
    fs::copy(driver(), folder.path().join("driver.wasm")).unwrap();
    fs::write(
        folder.path().join("wrong.so"),
        assemble("(module (@dylink.0) (import \"env\" \"<gone>\" (func)) (func (export \"run\")))"),
    )
    .unwrap();
    let recorded = |name: &str| repository().join("tests/cases/pictures").join(name);
    for (format, name) in [("--map", "map.txt"), ("--map=svg", "map.svg")] {
        let output = pydl()
            .current_dir(folder.path())
            .args(["deps", "--main", "driver.wasm", "first.so", "second.so", "third.so", "wrong.so", format])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        if name.ends_with("svg") {
            roxmltree::Document::parse(&text).unwrap();
        }
        assert_golden(&recorded(name), &text);
    }
}
