//! Owns the way from bytes to compiled code: rewriting by a recipe, the compiler, the cache. Must not know what a module is for:
//! the caller specifies the recipe (`recipes.rs`).

use std::borrow::Cow;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use pydl_linker::rewrite::Recipe;
use pydl_linker::{MainModule, refused_features_in_words};
use wasmtime::{Engine, Module};

use super::cache::{Cache, CacheKey, Stamp};
use super::engine::{self, ProcessKind};
use super::kind::can_ask_for_signals;
use crate::base::error::LoadError;
use crate::base::interrupt::Interruption;

/// The kind that is used only on request.
const WHERE_ASKED: ProcessKind = ProcessKind::Emscripten(Interruption::WhereAsked);

/// Compiles modules, and keeps the compiled code if it has a cache. Clones share the engine and the cache.
#[derive(Clone)]
pub struct Compiler {
    kind: ProcessKind,
    engine: Engine,
    /// The engine for each kind of processes, created when it is first needed.
    engines: Arc<[OnceLock<Engine>; ProcessKind::ALL.len()]>,
    interruption: Interruption,
    cache: Option<Arc<Cache>>,
}

impl Compiler {
    /// A compiler without a cache, for guests that are interrupted anywhere. Errs when the engine does not support this machine.
    pub fn new() -> Result<Compiler, LoadError> {
        let (kind, interruption) = (ProcessKind::Wasi, Interruption::default());
        let engine = engine::engine(kind)?;
        Ok(Compiler { kind, engine, engines: Arc::default(), interruption, cache: None })
    }

    /// The same compiler, for guests that are to notice interrupts in these places.
    pub fn with_interruption(self, interruption: Interruption) -> Compiler {
        Compiler { interruption, ..self }
    }

    /// Where guests are to notice interrupts, if they can.
    pub(crate) fn interruption(&self) -> Interruption {
        self.interruption
    }

    /// The same compiler, for a kind of processes. Errs when the engine cannot be created.
    pub(crate) fn for_kind(&self, kind: ProcessKind) -> Result<Compiler, LoadError> {
        if kind == self.kind {
            return Ok(self.clone());
        }
        let mut known = ProcessKind::ALL.iter().zip(&*self.engines);
        let place = known.find_map(|(known, engine)| (*known == kind).then_some(engine));
        let engine = match place.and_then(OnceLock::get) {
            Some(engine) => engine.clone(),
            None => engine::engine(kind)?,
        };
        // The engine of another thread serves as well.
        let engine = place.map_or(engine.clone(), |place| place.get_or_init(|| engine).clone());
        Ok(Compiler { kind, engine, ..self.clone() })
    }

    /// The kind of processes that it compiles for.
    pub(crate) fn kind(&self) -> ProcessKind {
        self.kind
    }

    /// The same compiler, with a cache.
    pub fn with_cache(self, cache: Cache) -> Compiler {
        Compiler { cache: Some(Arc::new(cache)), ..self }
    }

    /// The cache, if there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// The engine that all modules of a process share.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A main module that was accepted earlier and whose file has not changed since: the compiler for its kind, its compiled form
    /// and its outline. `None` when there is none in the cache.
    pub(crate) fn remembered(&self, path: &Path, stamp: &Stamp) -> Option<(Compiler, Module, OutlineFile)> {
        let cache = self.cache.as_ref()?;
        let wanted =
            |kind: &ProcessKind| self.interruption == Interruption::WhereAsked || *kind != WHERE_ASKED;
        ProcessKind::ALL.into_iter().filter(wanted).find_map(|kind| {
            let key = cache.recall(path, stamp, kind)?;
            let compiler = self.for_kind(kind).ok()?;
            let module = cache.load(&compiler.engine, &key)?;
            let outline = OutlineFile { cache: cache.clone(), key };
            // Another program may have wanted it interrupted anywhere; this program does not if the module can ask.
            let is_others = self.interruption == Interruption::WhereAsked
                && kind == ProcessKind::Emscripten(Interruption::Anywhere)
                && outline.read().is_none_or(can_ask);
            (!is_others).then_some((compiler, module, outline))
        })
    }

    /// Records that the file of a main module with these contents is acceptable; the module was compiled by this recipe.
    pub(crate) fn remember(
        &self,
        path: &Path,
        stamp: &Stamp,
        main: &MainModule,
        wasm: &[u8],
        recipe: &Recipe,
    ) {
        if let (Some(cache), Ok(outline)) = (&self.cache, main.module().outline(wasm)) {
            let key = Cache::key(&self.engine, wasm, recipe);
            // A missing record costs some milliseconds each time.
            let _ = cache.remember(path, stamp, self.kind, &key, &outline);
        }
    }

    /// The compiled form of what a recipe makes of `wasm`; `None` when the cache does not have it.
    pub(crate) fn kept(&self, wasm: &[u8], recipe: &Recipe) -> Option<Module> {
        let cache = self.cache.as_ref()?;
        cache.load(&self.engine, &Cache::key(&self.engine, wasm, recipe))
    }

    /// Compiles what a recipe makes of `wasm`; `name` is the module's name in messages. `on_compile` is called before the
    /// compiler starts, which may take seconds, and is not called when the cache has the module. Errs when the module is invalid.
    pub(crate) fn compile(
        &self,
        name: &str,
        wasm: &[u8],
        recipe: &Recipe,
        on_compile: impl FnOnce(),
    ) -> Result<Module, LoadError> {
        let entry = self.cache.as_ref().map(|cache| (cache, Cache::key(&self.engine, wasm, recipe)));
        if let Some(module) = entry.as_ref().and_then(|(cache, key)| cache.load(&self.engine, key)) {
            return Ok(module);
        }
        let refused = |why: String| LoadError::Compile { name: name.to_owned(), why };
        if let Some(why) = refused_features_in_words(wasm) {
            return Err(refused(why));
        }
        on_compile();
        let rewritten = recipe.apply(wasm).map_err(|error| refused(error.to_string()))?;
        let rewritten = rewritten.map_or(Cow::Borrowed(wasm), Cow::Owned);
        let module = self.translate(&rewritten).map_err(refused)?;
        if let Some((cache, key)) = entry {
            // A full disk must not prevent a program from running.
            let _ = cache.store(&key, &module);
        }
        Ok(module)
    }

    /// Compiles a module with the engine. The engine's compiler panics where a function, or the code that sets a module up,
    /// accesses more different things, such as globals, than the compiler has numbers for (`MemFlagsSet`, 65,536 with Cranelift
    /// 0.135): here, that is an error.
    fn translate(&self, wasm: &[u8]) -> Result<Module, String> {
        match panic::catch_unwind(AssertUnwindSafe(|| Module::new(&self.engine, wasm))) {
            Ok(module) => module.map_err(|error| error.root_cause().to_string()),
            Err(_) => {
                Err("the engine's compiler fails on it; it may have too many globals or imports".to_owned())
            }
        }
    }
}

/// Whether the main module with this outline can ask for signals. If the outline cannot be read, the answer is yes, and the
/// module is examined anew.
fn can_ask(outline: Vec<u8>) -> bool {
    MainModule::from_outline("main", outline).map_or(true, |main| can_ask_for_signals(&main))
}

/// The outline of a main module, as a file in the cache.
pub(crate) struct OutlineFile {
    cache: Arc<Cache>,
    key: CacheKey,
}

impl OutlineFile {
    /// Reads the outline; `None` when the file is gone or damaged.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        self.cache.outline(&self.key)
    }
}
