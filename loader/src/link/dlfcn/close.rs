//! Owns `dlclose`: what happens when nothing keeps a library any more. Its handlers run, users before what they use; then the
//! library is unloaded, and its memory and slots belong to the guest again. Its instance stays in the engine's store, which frees
//! nothing before the process ends. Must not know what keeps a library: the namespace determines that.

use pydl_linker::{ModuleId, Unloaded};

use super::{
    Failure, ProcessStore, classify, exits, introspection, invalid_handle, library_of, linking, refuse,
};
use crate::system::slots;

/// `dlclose`: gives one reference back, and unloads what nothing keeps any more.
pub(crate) fn close(store: &mut ProcessStore<'_>, handle: u32) -> Result<(), Failure> {
    let linking = linking(store)?;
    match library_of(&linking.namespace, handle)? {
        ModuleId::MAIN => return Ok(()),
        id if linking.namespace_mut().close(id) => {}
        _ => return Err(invalid_handle(handle)),
    }
    unload_unused(store)
}

/// Unloads the libraries that nothing keeps. When it is called from a handler that it is running itself, it leaves the work to
/// the outer call. Errs when a handler does not return; everything is unloaded nevertheless.
pub(crate) fn unload_unused(store: &mut ProcessStore<'_>) -> Result<(), Failure> {
    let linking = linking(store)?;
    if linking.is_unloading {
        return Ok(());
    }
    linking.is_unloading = true;
    let result = rounds(store);
    self::linking(store)?.is_unloading = false;
    result
}

fn rounds(store: &mut ProcessStore<'_>) -> Result<(), Failure> {
    let mut failed = None;
    // Handlers may close libraries, and open others.
    loop {
        let linking = linking(store)?;
        let leaving = linking.namespace.unused(&linking.initializing);
        if leaving.is_empty() {
            return failed.map_or(Ok(()), Err);
        }
        linking.namespace_mut().retire(&leaving);
        for id in &leaving {
            failed = finish(store, *id)?.or(failed);
            self::linking(store)?.namespace_mut().end(*id);
        }
        for id in &leaving {
            if let Err(failure) = reclaim(store, *id) {
                match failure {
                    Failure::Ended(_) => return Err(failure),
                    Failure::Refused(_) => failed = failed.or(Some(failure)),
                }
            }
        }
        introspection::refresh_link_maps(store)?;
    }
}

/// Runs what a library has registered to run at its end. Returns the failure of that, if any; errs when the guest has ended.
fn finish(store: &mut ProcessStore<'_>, id: ModuleId) -> Result<Option<Failure>, Failure> {
    let name = linking(store)?.namespace.name(id).to_owned();
    store.data().trace.fini(&name);
    let Err(error) = exits::run_all_of(store, id) else { return Ok(None) };
    match classify(store, error, "a destructor failed") {
        Failure::Refused(why) => {
            exits::forget(store, id);
            Ok(Some(refuse(format!("{name}: {why}"))))
        }
        ended @ Failure::Ended(_) => Err(ended),
    }
}

/// Removes a library, and gives back its memory and slots.
fn reclaim(store: &mut ProcessStore<'_>, id: ModuleId) -> Result<(), Failure> {
    // A handler of another library may have registered something for this one meanwhile.
    exits::forget(store, id);
    let linking = linking(store)?;
    let space = linking.space.clone();
    let Some(Unloaded { library, slots: given }) = linking.namespace_mut().remove(id) else { return Ok(()) };
    let strings = linking.take_strings(id);
    linking.forget(id);
    let dylink = library.module.dylink.as_ref().map(|dylink| dylink.memory).unwrap_or_default();
    space.give_slots(&mut *store, library.table_base, dylink.table_size.get());
    for slot in given {
        slots::empty(store, &space, slot);
    }
    store.data_mut().journal.forget(id);
    let memory = (dylink.memory_size > 0).then_some(library.memory_base);
    strings.into_iter().chain(memory).try_for_each(|address| {
        space.give_back(&mut *store, address).map_err(|error| classify(store, error, "free"))
    })
}
