//! Owns the number types of linking: each kind of number is its own type, and a number read from a file becomes
//! one only through a check. Must not know where the numbers come from.

use std::fmt;

/// A module of a process: the main module or a library. Numbers are assigned in load order and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ModuleId(u32);

impl ModuleId {
    /// The main module of the process.
    pub const MAIN: ModuleId = ModuleId(0);

    /// The id `steps` after `self` in load order; `None` when the ids are used up.
    pub(crate) fn following(self, steps: usize) -> Option<ModuleId> {
        self.0.checked_add(u32::try_from(steps).ok()?).map(ModuleId)
    }

    /// The id as a vector index: 0 is the main module, libraries count from 1 in load order.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ModuleId::MAIN => f.write_str("main"),
            ModuleId(n) => write!(f, "library {n}"),
        }
    }
}

/// An index into a module's function index space, imports first (core specification, section 2.5.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FuncIndex(pub u32);

/// A slot of the process's one function table; this is what a C function pointer holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableSlot(pub u32);

impl TableSlot {
    /// The slot `count` after this one. Wraps as the guest's own arithmetic does; the engine checks every use.
    pub(crate) fn plus(self, count: u32) -> TableSlot {
        TableSlot(self.0.wrapping_add(count))
    }
}

impl fmt::Display for TableSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

/// An address, in bytes, in the process's one linear memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address(pub u32);

impl Address {
    /// The address `bytes` after this one. Wraps as the guest's own arithmetic does; the engine checks every use.
    pub fn plus(self, bytes: u32) -> Address {
        Address(self.0.wrapping_add(bytes))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A power of two, in bytes or in slots. `dylink.0` stores the exponent as an unchecked 32-bit number
/// (tool-conventions, `DynamicLinking.md`, "The dylink.0 section").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Alignment(u8);

/// The error that the exponent of an alignment is above [`Alignment::MAX_LOG2`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("2^{log2} is above the largest supported alignment, 2^{}", Alignment::MAX_LOG2)]
pub struct AlignmentTooLarge {
    /// The requested exponent.
    pub log2: u32,
}

impl Alignment {
    /// The largest exponent accepted: 2^24, 16 MiB. No linker emits a larger one, and a guest's allocator would waste that much
    /// for each library.
    pub const MAX_LOG2: u32 = 24;

    /// Alignment 1: anywhere.
    pub const ONE: Alignment = Alignment(0);

    /// An alignment of 2^`log2`. Errs when `log2` is above [`Alignment::MAX_LOG2`].
    pub fn from_log2(log2: u32) -> Result<Alignment, AlignmentTooLarge> {
        match u8::try_from(log2) {
            Ok(small) if log2 <= Self::MAX_LOG2 => Ok(Alignment(small)),
            _ => Err(AlignmentTooLarge { log2 }),
        }
    }

    /// The alignment itself, in bytes or slots; never 0.
    pub fn get(self) -> u32 {
        1 << self.0
    }

    /// Whether `value` is a multiple of the alignment.
    pub fn divides(self, value: u32) -> bool {
        value & (self.get() - 1) == 0
    }
}

impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2^{}", self.0)
    }
}

/// A number of table slots that a module may request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SlotCount(u32);

/// The error that a number of slots is above [`SlotCount::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{count} table slots are above the limit of {}", SlotCount::MAX)]
pub struct TooManySlots {
    /// The requested number.
    pub count: u32,
}

impl SlotCount {
    /// The most slots a table may have: 10,000,000, the limit that engines agreed on
    /// (WebAssembly JavaScript Interface, "Implementation-defined Limits").
    pub const MAX: u32 = 10_000_000;

    /// `count` slots. Errs above [`SlotCount::MAX`].
    pub fn new(count: u32) -> Result<SlotCount, TooManySlots> {
        if count <= Self::MAX { Ok(SlotCount(count)) } else { Err(TooManySlots { count }) }
    }

    /// The number of slots.
    pub fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_is_checked_at_the_limit() {
        assert_eq!(Alignment::from_log2(24).map(Alignment::get), Ok(1 << 24));
        assert_eq!(Alignment::from_log2(25), Err(AlignmentTooLarge { log2: 25 }));
        assert_eq!(Alignment::from_log2(256 + 4), Err(AlignmentTooLarge { log2: 260 }));
        assert_eq!(Alignment::from_log2(u32::MAX), Err(AlignmentTooLarge { log2: u32::MAX }));
    }

    #[test]
    fn alignment_divides_its_multiples_only() {
        let four = Alignment::from_log2(2).unwrap();
        assert!(four.divides(0) && four.divides(8) && !four.divides(6));
        assert!(Alignment::ONE.divides(7));
    }

    #[test]
    fn slot_count_is_checked_at_the_limit() {
        assert!(SlotCount::new(SlotCount::MAX).is_ok());
        assert_eq!(SlotCount::new(u32::MAX), Err(TooManySlots { count: u32::MAX }));
    }
}
