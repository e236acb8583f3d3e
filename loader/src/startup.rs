//! Owns the libraries that a main module itself needs (NEEDED of its `dylink.0`), which are loaded before it runs: it is instantiated
//! with forwarders in place of their functions, and these get their targets when the libraries are there. Must not know system calls.

use std::collections::HashMap;

use pydl_linker::{ImportKind, LoadPlan, MainModule, Signature, abi, forwarders};
use wasmtime::{AsContextMut, Extern, Func, Instance, Ref, Store};

use crate::dlfcn::{self, Failure};
use crate::error::LoadError;
use crate::image::Image;
use crate::process::{ProcessState, Stop};
use crate::system;

/// The functions that a main module imports and that only libraries can define.
pub(crate) struct Forwarders {
    /// Name, type, and the host's function that fails with the name when it is called.
    wanted: Vec<(String, Signature, Func)>,
    /// The position of each name in `wanted`: a main module may import a million.
    positions: HashMap<String, usize>,
    instance: Instance,
}

impl Forwarders {
    /// Makes the forwarders that a main module has to be instantiated with; `None` when it needs no libraries, or no
    /// functions of theirs.
    pub(crate) fn of(
        store: &mut Store<ProcessState>,
        image: &Image,
    ) -> Result<Option<Forwarders>, LoadError> {
        if !image.needs_libraries {
            return Ok(None);
        }
        let main = image.main_module()?;
        let wanted: Vec<(&str, &Signature)> = functions_of_libraries(&main).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let refused = |why: String| LoadError::NotRunnable { name: main.name().to_owned(), why };
        let bytes = forwarders::generate(&wanted).ok_or_else(|| {
            refused(
                "it imports functions with reference types from libraries, for which there is no way"
                    .to_owned(),
            )
        })?;
        let compiler = store.data().compiler.clone();
        let module = compiler.compile("generated forwarders", &bytes, || {})?;
        let instance = Instance::new(&mut *store, &module, &[]).map_err(LoadError::engine)?;
        let wanted: Result<Vec<(String, Signature, Func)>, LoadError> = wanted
            .into_iter()
            .map(|(name, signature)| {
                let failing = image.host_functions.get(&mut *store, abi::ENV, name);
                let failing = failing.map_err(LoadError::engine)?.into_func();
                let failing = failing.ok_or_else(|| refused(format!("`{name}` is no function")))?;
                Ok((name.to_owned(), signature.clone(), failing))
            })
            .collect();
        let wanted = wanted?;
        let positions = wanted.iter().zip(0..).map(|((name, ..), at)| (name.clone(), at)).collect();
        Ok(Some(Forwarders { wanted, positions, instance }))
    }

    /// The forwarder for an import; `None` when the import is not one of a library's functions.
    pub(crate) fn get(&self, store: &mut Store<ProcessState>, module: &str, name: &str) -> Option<Extern> {
        let position = self.positions.get(name).filter(|_| module == abi::ENV)?;
        self.instance.get_export(store, &forwarders::export_name(*position))
    }

    /// Gives each forwarder the first definition among the libraries. A function that none of them defines fails when it is called,
    /// as every function does that nothing provides. Errs with all that are defined with another type.
    fn bind(&self, store: &mut Store<ProcessState>) -> Result<(), Failure> {
        let store = &mut store.as_context_mut();
        let linking = dlfcn::linking(store)?;
        let (namespace, instances) = (linking.namespace.clone(), linking.instances.clone());
        let wanted = self.wanted.iter().map(|(name, signature, _)| (name.as_str(), signature));
        let definers = forwarders::definers(&namespace, wanted)?;
        let lost = |what: &str| Failure::Ended(wasmtime::Error::msg(format!("a forwarder has no {what}")));
        let targets =
            self.instance.get_table(&mut *store, forwarders::TARGETS).ok_or_else(|| lost("table"))?;
        for ((name, _, failing), (element, definer)) in self.wanted.iter().zip((0_u64..).zip(definers)) {
            let definer = definer.map(|definer| instances.get(definer.index()));
            let target = match definer {
                None => Some(*failing),
                Some(definer) => definer.and_then(|definer| definer.get_func(&mut *store, name)),
            };
            let target = target.ok_or_else(|| lost("definition"))?;
            targets.set(&mut *store, element, Ref::Func(Some(target))).map_err(Failure::Ended)?;
        }
        Ok(())
    }
}

/// The functions that a main module imports and that no host has.
fn functions_of_libraries(main: &MainModule) -> impl Iterator<Item = (&str, &Signature)> {
    main.module().imports.iter().filter_map(|import| match &import.kind {
        ImportKind::Function(signature)
            if import.module == abi::ENV && !system::emscripten::serves(&import.module, &import.name) =>
        {
            Some((import.name.as_str(), signature))
        }
        _ => None,
    })
}

/// Loads what a main module needs, up to the constructors, and gives forwarders their targets. Returns the plan whose constructors
/// have still to run.
pub(crate) fn load(
    store: &mut Store<ProcessState>,
    image: &Image,
    forwarders: Option<&Forwarders>,
) -> Result<Option<LoadPlan>, Stop> {
    if !image.needs_libraries {
        return Ok(None);
    }
    let plan = dlfcn::bring_in_needed_of_main(&mut store.as_context_mut());
    let plan = plan.map_err(|failure| stop(image, failure))?;
    if let Some(forwarders) = forwarders {
        forwarders.bind(store).map_err(|failure| stop(image, failure))?;
    }
    Ok(plan)
}

/// Runs the constructors of what [`load`] has loaded.
pub(crate) fn construct(
    store: &mut Store<ProcessState>,
    image: &Image,
    plan: Option<&LoadPlan>,
) -> Result<(), Stop> {
    let Some(plan) = plan else { return Ok(()) };
    dlfcn::construct(&mut store.as_context_mut(), plan).map_err(|failure| stop(image, failure))
}

/// The program of a main module that has none itself: the `main` of a library that it needs, with its name.
pub(crate) fn program(
    store: &mut Store<ProcessState>,
    image: &Image,
) -> Result<Option<(&'static str, Func)>, Stop> {
    if !image.needs_libraries {
        return Ok(None);
    }
    let mut context = store.as_context_mut();
    let linking = dlfcn::linking(&mut context).map_err(|failure| stop(image, failure))?;
    let Some((library, name)) = linking.namespace.program_of_libraries() else { return Ok(None) };
    let instance = linking.instances.get(library.index()).copied();
    Ok(instance.and_then(|instance| instance.get_func(store, name)).map(|function| (name, function)))
}

fn stop(image: &Image, failure: Failure) -> Stop {
    match failure {
        Failure::Ended(error) => Stop::Guest(error),
        Failure::Refused(why) => {
            let name = image.path().display().to_string();
            // The linker names the module, too.
            let why = why.strip_prefix(&format!("{name}: ")).map_or(why.clone(), str::to_owned);
            Stop::Refused(LoadError::NotRunnable { name, why })
        }
    }
}
