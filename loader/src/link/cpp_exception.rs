//! Owns what can be said about a C++ exception that nothing caught: its type and its text, as C++'s own `terminate` reports them.
//! They are read from the guest's memory; for a text that no object holds, its `what()` is called. Facts: libc++abi
//! (`cxa_exception.h`, `private_typeinfo.h`), libc++ (`__refstring`), the Itanium C++ ABI (2.5, 2.9.5), for 32-bit memory. Must
//! not know what is done about the exception.

use wasmtime::{Ref, StoreContextMut, ThrownException, Val};

use crate::link::backtrace::GuestException;
use crate::memory::address_space::AddressSpace;
use crate::memory::view::View;
use crate::system::state::ProcessState;

/// The most bytes of a text that are read.
const TEXT: usize = 1000;
/// The most bases that are visited.
const BASES: u32 = 64;
/// The `exception_class` of C++ exceptions, without its last byte, in memory order: `CLNGC++`.
const CLASS: &[u8] = b"++CGNLC";
/// Distance in bytes from the `_Unwind_Exception` that a tag carries back to the type; the next constant leads on to the object.
const TYPE: u32 = 48;
const OBJECT: u32 = 32;
/// Distance in bytes from there back to the object of an exception that is rethrown (`__cxa_dependent_exception`), which its
/// class indicates.
const PRIMARY: u32 = 4;
const IS_DEPENDENT: u8 = 1;
/// The classes whose objects hold a text, after the vtable's address.
const WITH_TEXT: [&str; 2] = ["St11logic_error", "St13runtime_error"];
/// The class from which all derived classes have `what()`: the third function of their vtables, after two destructors.
const WITH_WHAT: &str = "St9exception";
const WHAT: u32 = 8;
/// The kinds of classes with bases (Itanium C++ ABI, section 2.9.5).
const ONE_BASE: &str = "N10__cxxabiv120__si_class_type_infoE";
const SEVERAL_BASES: &str = "N10__cxxabiv121__vmi_class_type_infoE";

/// The exception behind an error of the engine; `None` when the error is a different one, or the exception is not a C++
/// exception.
pub(crate) fn uncaught(
    store: &mut StoreContextMut<'_, ProcessState>,
    error: &wasmtime::Error,
) -> Option<GuestException> {
    // This is what the host throws itself, for modules that leave exceptions to it.
    let of_host = store.data().system.emscripten().and_then(|system| system.uncaught_object(error));
    // The engine keeps what a tag carries until it is taken.
    let thrown = if of_host.is_none() && error.is::<ThrownException>() {
        match store.take_pending_exception()?.field(&mut *store, 0).ok()? {
            Val::I32(address) => Some(address.cast_unsigned()),
            _ => return None,
        }
    } else {
        None
    };
    let space = store.data().running.as_ref()?.space.clone()?;
    let memory = Objects(space.view(&*store));
    let (ty, object) = match (of_host, thrown) {
        (Some((ty, object)), _) => (memory.word(ty)?, object),
        (None, Some(thrown)) => memory.thrown(thrown)?,
        (None, None) => return None,
    };
    let type_name = memory.type_name(ty)?;
    let what = memory.what(ty, object).and_then(|what| ask(store, &space, &what).or(what.kept));
    Some(GuestException { type_name, what })
}

/// The result of `what()`; `None` when it does not return, or when the result is not a text.
fn ask(store: &mut StoreContextMut<'_, ProcessState>, space: &AddressSpace, what: &What) -> Option<String> {
    store.data().interrupt.check().ok()?;
    let Some(Ref::Func(Some(function))) = space.table.get(&mut *store, what.slot.into()) else { return None };
    let function = function.typed::<u32, u32>(&*store).ok()?;
    let Ok(text) = space.call(&mut *store, &function, what.object) else {
        // An exception that `what()` itself threw is discarded.
        store.take_pending_exception();
        return None;
    };
    Objects(space.view(&*store)).text(text)
}

/// The text of an object whose class is derived from `std::exception`.
#[derive(PartialEq, Eq, Debug)]
struct What {
    /// The table slot of the object's `what()`, and the object to pass to it.
    slot: u32,
    object: u32,
    /// The text in the object itself.
    kept: Option<String>,
}

/// The objects in a guest's memory.
struct Objects<'a>(View<'a>);

impl Objects<'_> {
    fn bytes(&self, address: u32, size: u32) -> Option<&[u8]> {
        self.0.bytes(address, size).ok()
    }

    fn word(&self, address: u32) -> Option<u32> {
        self.0.word(address).ok()
    }

    /// A C string, truncated when it is too long.
    fn text(&self, address: u32) -> Option<String> {
        let text = self.0.c_string_within(address, TEXT).ok().filter(|_| address != 0)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The type and the object of what a C++ tag carries.
    fn thrown(&self, header: u32) -> Option<(u32, u32)> {
        let (dependent, class) = self.bytes(header, 8)?.split_first()?;
        if class != CLASS {
            return None;
        }
        let object = match *dependent {
            IS_DEPENDENT => self.word(header.checked_sub(PRIMARY)?)?,
            _ => header.checked_add(OBJECT)?,
        };
        Some((self.word(header.checked_sub(TYPE)?)?, object))
    }

    /// The name of a type, as `std::type_info::name` returns it.
    fn type_name(&self, ty: u32) -> Option<String> {
        self.text(self.word(ty.checked_add(4)?)?).filter(|name| !name.is_empty())
    }

    /// The text of an object whose class is derived from `std::exception`; `None` for other objects.
    fn what(&self, ty: u32, object: u32) -> Option<What> {
        let mut classes = vec![(ty, object)];
        let mut looked_at = 0;
        while let Some((ty, object)) = classes.pop() {
            if let Some(what) = self.own_what(ty, object) {
                return Some(what);
            }
            looked_at += 1;
            if looked_at > BASES {
                return None;
            }
            classes.extend(self.bases(ty, object).unwrap_or_default());
        }
        None
    }

    /// The text of an object that is of one of the classes that define it themselves; `None` for other objects.
    fn own_what(&self, ty: u32, object: u32) -> Option<What> {
        let name = self.type_name(ty)?;
        let keeps = WITH_TEXT.contains(&name.as_str());
        if !keeps && name != WITH_WHAT {
            return None;
        }
        let slot = self.word(self.word(object)?.checked_add(WHAT)?)?;
        let kept = if keeps { self.text(self.word(object.checked_add(4)?)?) } else { None };
        Some(What { slot, object, kept })
    }

    /// The bases of a class, with the corresponding parts of the object, the last first.
    fn bases(&self, ty: u32, object: u32) -> Option<Vec<(u32, u32)>> {
        // The kind of a type descriptor is identified by the word before the functions of its vtable.
        let kind = self.word(self.word(ty)?.checked_sub(4)?)?;
        match self.type_name(kind)?.as_str() {
            ONE_BASE => Some(vec![(self.word(ty.checked_add(8)?)?, object)]),
            SEVERAL_BASES => {
                // The layout is flags and a count, then for each base its type and its position: an offset above eight bits of
                // flags, the first of which means that the base is virtual. In that case the offset is that of the entry in the
                // object's vtable that holds the position (2.5.2, virtual base offsets).
                let count = self.word(ty.checked_add(12)?)?.min(BASES);
                let base = |number: u32| {
                    let at = ty.checked_add(16 + 8 * number)?;
                    let place = self.word(at.checked_add(4)?)?.cast_signed();
                    let offset = match place & 1 {
                        0 => place >> 8,
                        _ => self.word(self.word(object)?.checked_add_signed(place >> 8)?)?.cast_signed(),
                    };
                    Some((self.word(at)?, object.checked_add_signed(offset)?))
                };
                Some((0..count).rev().filter_map(base).collect())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory with words and texts at addresses.
    fn memory(words: &[(usize, u32)], texts: &[(usize, &str)]) -> Vec<u8> {
        let mut memory = vec![0; 1024];
        for (address, word) in words {
            memory[*address..address + 4].copy_from_slice(&word.to_le_bytes());
        }
        for (address, text) in texts {
            memory[*address..address + text.len()].copy_from_slice(text.as_bytes());
        }
        memory
    }

    #[test]
    fn texts_are_found_behind_bases() {
        let words = [
            // The header at 148 has the type 300; the object is at 180.
            (100, 300),
            (180, 800),
            (180 + 4, 700),
            (800 + 8, 77),
            // This is a class with one base, which is a runtime_error.
            (300, 404),
            (304, 500),
            (308, 320),
            (320, 404),
            (324, 520),
            // This is the vtable of descriptors with one base, at 404, and the descriptor of that class.
            (400, 420),
            (424, 600),
        ];
        let texts = [
            (148, "\0++CGNLC"),
            (500, "3Err"),
            (520, "St13runtime_error"),
            (600, ONE_BASE),
            (700, "what it says"),
        ];
        let memory = memory(&words, &texts);
        let view = Objects(View(&memory));
        assert_eq!(view.thrown(148), Some((300, 180)));
        assert_eq!(view.type_name(300).as_deref(), Some("3Err"));
        let kept = Some("what it says".to_owned());
        assert_eq!(view.what(300, 180), Some(What { slot: 77, object: 180, kept }));
    }

    #[test]
    fn memory_that_makes_no_sense_says_nothing() {
        // This is a class that is its own base, and addresses at both ends.
        let memory = memory(
            &[(300, 404), (304, 500), (308, 300), (400, 420), (424, 600)],
            &[(500, "3Err"), (600, ONE_BASE)],
        );
        let view = Objects(View(&memory));
        assert_eq!(view.what(300, 0), None);
        for address in [0, 3, 1020, 1023, 1024, u32::MAX - 3, u32::MAX] {
            assert_eq!(view.thrown(address), None);
            assert_eq!(view.what(address, address), None);
        }
    }
}
