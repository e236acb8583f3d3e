//! Owns the way from bytes to compiled code: lowering of exceptions, the compiler, the cache. Must not know what a module is for.

use std::path::Path;
use std::sync::Arc;

use pydl_linker::{MainModule, exceptions, waiting};
use wasmtime::{Engine, Module};

use crate::cache::{Cache, CacheKey, Stamp};
use crate::engine;
use crate::error::LoadError;

/// Compiles modules, and keeps what it compiled if it has a cache. Cloning shares both.
#[derive(Clone)]
pub struct Compiler {
    engine: Engine,
    cache: Option<Arc<Cache>>,
}

impl Compiler {
    /// A compiler without a cache. Errs when the engine does not support this machine.
    pub fn new() -> Result<Compiler, LoadError> {
        Ok(Compiler { engine: engine::engine()?, cache: None })
    }

    /// The same compiler with a cache.
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

    /// The compiled form and the outline of a main module that was found good earlier and whose file has not changed
    /// since.
    pub(crate) fn remembered(&self, path: &Path, stamp: &Stamp) -> Option<(Module, OutlineFile)> {
        let cache = self.cache.as_ref()?;
        let key = cache.recall(path, stamp)?;
        let module = cache.load(&self.engine, &key)?;
        Some((module, OutlineFile { cache: cache.clone(), key }))
    }

    /// Notes that the file of a main module, with these contents, is good.
    pub(crate) fn remember(&self, path: &Path, stamp: &Stamp, main: &MainModule, wasm: &[u8]) {
        if let (Some(cache), Ok(outline)) = (&self.cache, main.module().outline(wasm)) {
            // Forgetting costs some milliseconds each time.
            let _ = cache.remember(path, stamp, &Cache::key(&self.engine, wasm), &outline);
        }
    }

    /// The compiled form of `wasm`; `name` is what messages call it. `on_compile` is called before the compiler starts,
    /// which may take seconds, and not when the cache has the module. Errs when the module is invalid.
    pub fn compile(&self, name: &str, wasm: &[u8], on_compile: impl FnOnce()) -> Result<Module, LoadError> {
        let entry = self.cache.as_ref().map(|cache| (cache, Cache::key(&self.engine, wasm)));
        if let Some(module) = entry.as_ref().and_then(|(cache, key)| cache.load(&self.engine, key)) {
            return Ok(module);
        }
        on_compile();
        let refused = |why: String| LoadError::Compile { name: name.to_owned(), why };
        let lowered = exceptions::lower(wasm).map_err(|error| refused(error.to_string()))?;
        let lowered = lowered.as_deref().unwrap_or(wasm);
        let waiting = waiting::wait_in_host(lowered).map_err(|error| refused(error.to_string()))?;
        let module = Module::new(&self.engine, waiting.as_deref().unwrap_or(lowered));
        let module = module.map_err(|error| refused(error.root_cause().to_string()))?;
        if let Some((cache, key)) = entry {
            // A full disk must not keep anybody from running a program.
            let _ = cache.store(&key, &module);
        }
        Ok(module)
    }
}

/// The outline of a main module, in the cache.
pub(crate) struct OutlineFile {
    cache: Arc<Cache>,
    key: CacheKey,
}

impl OutlineFile {
    /// Reads it; `None` when it is gone or damaged.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        self.cache.outline(&self.key)
    }
}
