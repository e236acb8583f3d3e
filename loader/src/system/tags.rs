//! Owns the exception tags that all modules of a process share. Must not know what is thrown.

use wasmtime::{AsContext as _, FuncType, StoreContextMut, Tag, TagType, ValType};

use super::state::ProcessState;

/// The process's only tag of this name, of type `(i32)`: made when it is first requested.
pub(crate) fn process_tag(
    store: &mut StoreContextMut<'_, ProcessState>,
    name: &str,
) -> wasmtime::Result<Tag> {
    if let Some(tag) = store.data().tags.get(name) {
        return Ok(*tag);
    }
    let ty = TagType::new(FuncType::new(store.as_context().engine(), [ValType::I32], []));
    let tag = Tag::new(&mut *store, &ty)?;
    store.data_mut().tags.insert(name.to_owned(), tag);
    Ok(tag)
}
