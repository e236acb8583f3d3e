//! Owns what modules learn about the C stack that they share: where it begins and ends, for code that was built to check it. Must not know
//! libraries, nor what is on the stack.

use pydl_linker::abi;
use wasmtime::{AsContextMut, Instance, StoreContextMut};

use crate::system::state::ProcessState;

/// Determines where the C stack is (Emscripten, `system/lib/compiler-rt/stack_limits.S`). A constructor does so, too; code that checks its
/// stack must not run before.
const INIT: &str = "emscripten_stack_init";

/// The C stack, from its lowest address on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    /// The lowest address.
    pub end: u32,
    /// The address just past the highest one, from which the stack grows down.
    pub base: u32,
}

impl Bounds {
    /// What a module is given when the bounds are unknown: then no push is an overflow.
    const UNKNOWN: Bounds = Bounds { end: 0, base: u32::MAX };
}

/// Lets the main module determine where its stack is, and gives it the bounds if it checks them. Errs when the guest ends.
pub(crate) fn begin(store: &mut StoreContextMut<'_, ProcessState>, main: &Instance) -> wasmtime::Result<()> {
    if let Ok(init) = main.get_typed_func::<(), ()>(&mut *store, INIT) {
        init.call(&mut *store, ())?;
    }
    limit(store, main, main)
}

/// Gives a module the bounds of the stack, if it checks them. Errs when the guest ends.
pub(crate) fn limit(
    store: &mut StoreContextMut<'_, ProcessState>,
    main: &Instance,
    module: &Instance,
) -> wasmtime::Result<()> {
    let Ok(set) = module.get_typed_func::<(u32, u32), ()>(&mut *store, abi::SET_STACK_LIMITS) else {
        return Ok(());
    };
    let bounds = bounds_in(store, main)?.unwrap_or(Bounds::UNKNOWN);
    set.call(store, (bounds.base, bounds.end))
}

/// The bounds of the stack; `None` when the main module does not report them. Errs when the guest ends.
pub(crate) fn bounds(store: &mut StoreContextMut<'_, ProcessState>) -> wasmtime::Result<Option<Bounds>> {
    match store.data().running.as_ref().map(|running| running.main) {
        Some(main) => bounds_in(store, &main),
        None => Ok(None),
    }
}

fn bounds_in(
    store: &mut StoreContextMut<'_, ProcessState>,
    main: &Instance,
) -> wasmtime::Result<Option<Bounds>> {
    let mut ask = |name: &str| -> wasmtime::Result<u32> {
        match main.get_typed_func::<(), u32>(store.as_context_mut(), name) {
            Ok(function) => function.call(store.as_context_mut(), ()),
            Err(_) => Ok(0),
        }
    };
    let (end, base) = (ask(abi::STACK_END_FUNCTION)?, ask(abi::STACK_BASE_FUNCTION)?);
    Ok((end < base).then_some(Bounds { end, base }))
}
