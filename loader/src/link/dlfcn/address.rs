//! Owns `dladdr`, and the strings that the guest is given pointers to. Must not know what a pointer points into: the namespace
//! determines that.

use pydl_linker::{Address, ModuleId};

use super::{Failure, ProcessStore, classify, linking, refuse};

/// What `dladdr` reports: file name, base address, and the nearest symbol with its own address.
struct AddressInfo {
    file: Address,
    base: Address,
    symbol: Option<(Address, u32)>,
}

/// `dladdr(pointer, info)`: returns 1 with the four pointers of `Dl_info` filled in, or 0, without setting an error.
pub(crate) fn dladdr(store: &mut ProcessStore<'_>, pointer: u32, info: u32) -> wasmtime::Result<u32> {
    match find(store, pointer) {
        Ok(Some(AddressInfo { file, base, symbol })) => {
            let (name, value) = symbol.unwrap_or((Address(0), 0));
            let fields: Vec<u8> =
                [file.0, base.0, name.0, value].iter().flat_map(|field| field.to_le_bytes()).collect();
            let Ok(linking) = linking(store) else { return Ok(0) };
            let space = linking.space.clone();
            space.write(&mut *store, Address(info), &fields)?;
            Ok(1)
        }
        Ok(None) | Err(Failure::Refused(_)) => Ok(0),
        Err(Failure::Ended(error)) => Err(error),
    }
}

/// Finds the library that a pointer points into. A WebAssembly pointer does not show whether it is an address or a table slot; it
/// is taken for data when it lies in a library's static data, then for a function when it is a slot in use, then for data of the
/// main module.
fn find(store: &mut ProcessStore<'_>, pointer: u32) -> Result<Option<AddressInfo>, Failure> {
    let namespace = linking(store)?.namespace.clone();
    let Some(found) = namespace.find_address(pointer) else { return Ok(None) };
    let file = intern(store, found.module, namespace.name(found.module))?;
    let symbol = match &found.symbol {
        Some((name, value)) => intern(store, found.module, name)?.map(|name| (name, *value)),
        None => None,
    };
    Ok(file.map(|file| AddressInfo { file, base: found.base, symbol }))
}

/// What the record of a string takes in addition to the string, in bytes.
const STRING: u64 = 128;

/// A string in guest memory that stays there as long as the module that it describes.
pub(super) fn intern(
    store: &mut ProcessStore<'_>,
    about: ModuleId,
    text: &str,
) -> Result<Option<Address>, Failure> {
    let linking = linking(store)?;
    let key = (about, text.to_owned());
    if let Some((known, _)) = linking.strings.get(&key) {
        return Ok(Some(*known));
    }
    let space = linking.space.clone();
    let charge = store.data().budget.charge(STRING.saturating_add(text.len() as u64));
    let charge = charge.map_err(|error| refuse(error.to_string()))?;
    let bytes: Vec<u8> = text.bytes().chain([0]).collect();
    let address = space.copy_in(&mut *store, &bytes).map_err(|e| classify(store, e, "dladdr"))?;
    if let Some(address) = address {
        self::linking(store)?.strings.insert(key, (address, charge));
    }
    Ok(address)
}
