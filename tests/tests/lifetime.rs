//! Checks which libraries are unloaded from a process, against a plain model, on random graphs of libraries that need each other and are
//! bound to each other, opened and closed at random.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use pydl_linker::{
    FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, MainModule, ModuleId, Namespace, OpenMode,
    Scope,
};
use pydl_tests::room::FakeProcess;
use pydl_tests::wasm::assemble;

/// The number of libraries; number `n` is the file `n`, and the only one to define `s{n}`.
const LIBRARIES: usize = 6;

struct Files(Vec<Arc<[u8]>>);

impl LibrarySource for Files {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let bytes = self.0[request.name.parse::<usize>().unwrap()].clone();
        Ok(FoundLibrary { path: request.name.to_owned(), identity: None, bytes })
    }
}

/// What a library needs, and what it imports.
#[derive(Clone, Debug)]
struct Shape {
    needs: BTreeSet<usize>,
    imports: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum Action {
    Open { library: usize, global: bool },
    Close(usize),
    Keep(usize),
    Depend { user: usize, on: usize },
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let some = || btree_set(0..LIBRARIES, 0..3);
    vec((some(), some()).prop_map(|(needs, imports)| Shape { needs, imports }), LIBRARIES)
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let library = || 0..LIBRARIES;
    let action = prop_oneof![
        6 => (library(), any::<bool>()).prop_map(|(library, global)| Action::Open { library, global }),
        6 => library().prop_map(Action::Close),
        1 => library().prop_map(Action::Keep),
        1 => (library(), library()).prop_map(|(user, on)| Action::Depend { user, on }),
    ];
    vec(action, 1..60)
}

/// What is loaded, by number: how often it is open, whether it is permanent, what it uses.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<usize, (u32, bool, BTreeSet<usize>)>);

impl Model {
    fn open(&mut self, shapes: &[Shape], library: usize) {
        let mut waiting = vec![library];
        while let Some(next) = waiting.pop() {
            let Shape { needs, imports } = &shapes[next];
            if let Entry::Vacant(new) = self.0.entry(next) {
                new.insert((0, false, needs | imports));
                waiting.extend(needs);
            }
        }
        self.0.get_mut(&library).unwrap().0 += 1;
    }

    /// What one library reaches through what it uses.
    fn reach(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([from]);
        loop {
            let uses = reached.iter().filter_map(|library| self.0.get(library)).flat_map(|(_, _, uses)| uses);
            let more: BTreeSet<usize> =
                uses.copied().collect::<BTreeSet<_>>().union(&reached).copied().collect();
            if more.len() == reached.len() {
                return reached;
            }
            reached = more;
        }
    }

    fn unused(&self) -> BTreeSet<usize> {
        let held = self.0.iter().filter(|(_, (references, stays, _))| *references > 0 || *stays);
        let held: BTreeSet<usize> = held.flat_map(|(library, _)| self.reach(*library)).collect();
        self.0.keys().copied().filter(|library| !held.contains(library)).collect()
    }
}

fn file(number: usize, shape: &Shape) -> Arc<[u8]> {
    let mut text = "(module (@dylink.0".to_owned();
    for name in &shape.needs {
        let _ = write!(text, r#" (needed "{name}")"#);
    }
    text.push(')');
    for name in &shape.imports {
        let _ = write!(text, r#" (import "env" "s{name}" (func))"#);
    }
    let _ = write!(text, r#" (func (export "s{number}")))"#);
    assemble(&text).into()
}

fn process() -> FakeProcess {
    let text = r#"(module (memory (export "memory") 1) (table (export "__indirect_function_table") 2 funcref)
        (global (export "__stack_pointer") (mut i32) (i32.const 4096)))"#;
    FakeProcess::of(MainModule::parse("main", &assemble(text)).unwrap())
}

/// Opens a library; returns false when a symbol cannot be bound.
fn open(process: &mut FakeProcess, files: &mut Files, library: usize, global: bool) -> bool {
    let mode = OpenMode { global, ..OpenMode::default() };
    process.open(&library.to_string(), mode, files).is_ok()
}

fn id_of(namespace: &Namespace, library: usize) -> Option<ModuleId> {
    namespace.libraries().iter().find(|l| l.path == library.to_string()).map(|l| l.id)
}

/// Unloads everything that is not used, and compares that with the model.
fn leave(namespace: &mut Namespace, model: &mut Model, ids: &mut BTreeSet<ModuleId>) {
    let leaving = namespace.unused(&[]);
    let number = |id: &ModuleId| namespace.name(*id).parse::<usize>().unwrap();
    let numbers: Vec<usize> = leaving.iter().map(number).collect();
    assert_eq!(numbers.iter().copied().collect::<BTreeSet<_>>(), model.unused());
    for (position, used) in numbers.iter().enumerate() {
        for user in &numbers[position..] {
            let is_cycle = model.reach(*used).contains(user);
            assert!(is_cycle || !model.0[user].2.contains(used), "{user} outlives {used}");
        }
    }
    namespace.retire(&leaving);
    for (id, number) in leaving.iter().zip(&numbers) {
        assert!(namespace.lookup(&format!("s{number}"), Scope::Global).is_none());
        assert_eq!(namespace.remove(*id).unwrap().library.id, *id);
        assert!(namespace.library(*id).is_none() && ids.insert(*id), "an id is used twice");
        model.0.remove(number);
    }
}

proptest! {
    // row: dlclose | what_nothing_holds_leaves_users_first | What leaves at a dlclose is what no open or permanent library reaches by needing and being bound, in any graph | glibc
    #[test]
    fn what_nothing_holds_leaves_users_first(shapes in shapes(), actions in actions()) {
        let mut files = Files(shapes.iter().enumerate().map(|(number, shape)| file(number, shape)).collect());
        let (mut process, mut model, mut ids) = (process(), Model::default(), BTreeSet::new());
        for action in actions {
            match action {
                Action::Open { library, global } => {
                    if open(&mut process, &mut files, library, global) {
                        model.open(&shapes, library);
                    }
                }
                Action::Close(library) => {
                    let open = model.0.get_mut(&library).filter(|(references, ..)| *references > 0);
                    let namespace = process.namespace_mut();
                    let closed = id_of(namespace, library).is_some_and(|id| namespace.close(id));
                    prop_assert_eq!(closed, open.map(|(references, ..)| *references -= 1).is_some());
                    leave(namespace, &mut model, &mut ids);
                }
                Action::Keep(library) => {
                    let namespace = process.namespace_mut();
                    if let Some(id) = id_of(namespace, library) {
                        namespace.keep(id);
                        model.0.get_mut(&library).unwrap().1 = true;
                    }
                }
                Action::Depend { user, on } => {
                    let namespace = process.namespace_mut();
                    if let (Some(user_id), Some(on_id)) = (id_of(namespace, user), id_of(namespace, on)) {
                        namespace.depend(user_id, on_id);
                        model.0.get_mut(&user).unwrap().2.insert(on);
                    }
                }
            }
            let loaded: BTreeSet<usize> =
                process.namespace.libraries().iter().map(|library| library.path.parse().unwrap()).collect();
            prop_assert_eq!(loaded, model.0.keys().copied().collect::<BTreeSet<_>>());
        }
    }
}
