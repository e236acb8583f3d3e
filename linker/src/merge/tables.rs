//! Owns the tables from which `linker/guest/linked.c` answers: how structures, arrays and texts are laid out in memory that the
//! linker reserves, and which functions need table slots for them. Must not know what is linked.

use std::collections::HashMap;

use super::MergeError;
use super::numbering::count;

/// Static data that the linker makes, at consecutive addresses.
pub(super) struct Arena {
    base: u32,
    bytes: Vec<u8>,
    texts: HashMap<String, u32>,
}

impl Arena {
    /// An arena that begins at an address, which is a multiple of 8.
    pub(super) fn at(base: u32) -> Arena {
        Arena { base, bytes: Vec::new(), texts: HashMap::new() }
    }

    /// The address after the last byte.
    pub(super) fn end(&self) -> Result<u32, MergeError> {
        let end = u64::from(self.base) + self.bytes.len() as u64;
        u32::try_from(end).map_err(|_| MergeError::full("the tables of libraries do not fit a 32-bit memory"))
    }

    /// Adds words; returns the address of the first.
    pub(super) fn words(&mut self, words: &[u32]) -> Result<u32, MergeError> {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let address = self.end()?;
        self.bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        Ok(address)
    }

    /// Adds bytes; returns their address.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<u32, MergeError> {
        let address = self.end()?;
        self.bytes.extend_from_slice(bytes);
        Ok(address)
    }

    /// Adds a C string, once; returns its address. A NUL in the text ends it early.
    pub(super) fn text(&mut self, text: &str) -> Result<u32, MergeError> {
        if let Some(known) = self.texts.get(text) {
            return Ok(*known);
        }
        let address = self.end()?;
        self.bytes.extend(text.bytes().chain([0]));
        self.texts.insert(text.to_owned(), address);
        Ok(address)
    }

    /// Where the arena begins, and what is in it.
    pub(super) fn into_data(self) -> (u32, Vec<u8>) {
        (self.base, self.bytes)
    }
}

/// Table slots beyond those that exist, given to functions on demand.
pub(super) struct Slots {
    next: u32,
    /// Slot, part, and name of the export.
    pub given: Vec<(u32, usize, String)>,
}

impl Slots {
    /// Slots from a number on.
    pub(super) fn from(next: u32) -> Slots {
        Slots { next, given: Vec::new() }
    }

    /// Gives a slot to what a part exports.
    pub(super) fn give(&mut self, part: usize, export: &str) -> u32 {
        let slot = self.next;
        self.next = self.next.saturating_add(1);
        self.given.push((slot, part, export.to_owned()));
        slot
    }

    /// The number of slots that the table must have.
    pub(super) fn end(&self) -> u32 {
        self.next
    }
}

/// A symbol as `dlsym` finds it.
pub(super) struct TableSymbol {
    pub name: String,
    /// An address, or a table slot.
    pub value: u32,
    pub is_function: bool,
}

/// Adds a `struct symbols`, sorted by name: the words of its two fields.
pub(super) fn symbols(arena: &mut Arena, mut symbols: Vec<TableSymbol>) -> Result<[u32; 2], MergeError> {
    symbols.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    let mut words = Vec::with_capacity(symbols.len() * 3);
    for symbol in &symbols {
        words.extend([arena.text(&symbol.name)?, symbol.value, u32::from(symbol.is_function)]);
    }
    Ok([arena.words(&words)?, count(symbols.len())])
}

/// Adds a `struct indices`: the words of its two fields.
pub(super) fn indices(arena: &mut Arena, indices: &[u32]) -> Result<[u32; 2], MergeError> {
    Ok([arena.words(indices)?, count(indices.len())])
}

/// One library of the table.
pub(super) struct TableLibrary {
    pub path: String,
    pub symbols: Vec<TableSymbol>,
    /// Positions of libraries in the table: whose constructors an opening runs, and where `dlsym` searches.
    pub order: Vec<u32>,
    pub scope: Vec<u32>,
    /// The slot of `__wasm_call_ctors`, or 0.
    pub construct: u32,
    /// Start and size of the static data, in bytes.
    pub data: (u32, u32),
    /// Its own table slots: the first, and how many.
    pub slots: (u32, u32),
}

/// Adds the array of `struct library`: returns its address and the number of elements.
pub(super) fn libraries(arena: &mut Arena, all: Vec<TableLibrary>) -> Result<[u32; 2], MergeError> {
    let mut words = Vec::new();
    let number = count(all.len());
    for library in all {
        let symbols = symbols(arena, library.symbols)?;
        let order = indices(arena, &library.order)?;
        let scope = indices(arena, &library.scope)?;
        words.push(arena.text(&library.path)?);
        words.extend([symbols, order, scope].concat());
        words.extend([
            library.construct,
            library.data.0,
            library.data.1,
            library.slots.0,
            library.slots.1,
            0,
            0,
            0,
        ]);
    }
    Ok([arena.words(&words)?, number])
}
