//! Owns the answer to "which table slot already holds this function?", read from active element segments. The
//! compiler takes a function's address through these slots, so any other slot for it would break `==` on function
//! pointers. Must not know symbols.

use wasmparser::{ConstExpr, ElementItems, ElementKind, ElementSectionReader, Operator};

use crate::base::ids::{FuncIndex, TableSlot};
use crate::parse::error::ParseError;

/// Where an element segment puts a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElementSlot {
    /// At this slot, as in a main module that is not position-independent.
    Absolute(u32),
    /// At this many slots after the module's `__table_base`.
    FromTableBase(u32),
}

impl ElementSlot {
    /// The slot itself, in a module whose own slots begin at `table_base`.
    pub fn resolve(self, table_base: TableSlot) -> TableSlot {
        match self {
            ElementSlot::Absolute(slot) => TableSlot(slot),
            ElementSlot::FromTableBase(offset) => table_base.plus(offset),
        }
    }

    fn plus(self, delta: u32) -> Option<ElementSlot> {
        match self {
            ElementSlot::Absolute(n) => n.checked_add(delta).map(ElementSlot::Absolute),
            ElementSlot::FromTableBase(n) => n.checked_add(delta).map(ElementSlot::FromTableBase),
        }
    }
}

/// The slot of each function that has one; if it has several, the first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ElementSlots {
    /// Absolute slots, by function index; [`ElementSlots::NONE`] for a function that has none.
    pub(super) absolute: Vec<u32>,
    /// Slots relative to the table base, by function index; [`ElementSlots::NONE`] for a function that has none.
    pub(super) from_table_base: Vec<u32>,
}

impl ElementSlots {
    /// The marker for a missing slot; no table is this large.
    const NONE: u32 = u32::MAX;

    /// The slot of a function.
    pub fn get(&self, function: FuncIndex) -> Option<ElementSlot> {
        let slot = |slots: &[u32]| slots.get(function.0 as usize).copied().filter(|slot| *slot != Self::NONE);
        let own = || slot(&self.from_table_base).map(ElementSlot::FromTableBase);
        slot(&self.absolute).map(ElementSlot::Absolute).or_else(own)
    }

    /// Whether some function has this slot.
    pub fn is_filled(&self, slot: ElementSlot) -> bool {
        let (slots, slot) = match slot {
            ElementSlot::Absolute(slot) => (&self.absolute, slot),
            ElementSlot::FromTableBase(slot) => (&self.from_table_base, slot),
        };
        slot != Self::NONE && slots.contains(&slot)
    }

    /// Gives a slot to `function`, one of `count` functions, unless it has one. `None` when there is no such function.
    fn set(&mut self, function: u32, slot: ElementSlot, count: usize) -> Option<()> {
        let (slots, number) = match slot {
            ElementSlot::Absolute(slot) => (&mut self.absolute, slot),
            ElementSlot::FromTableBase(slot) => (&mut self.from_table_base, slot),
        };
        slots.resize(count, Self::NONE);
        let place = slots.get_mut(function as usize)?;
        if *place == Self::NONE {
            *place = number;
        }
        Some(())
    }
}

/// What the element section says about the table.
#[derive(Default)]
pub(super) struct Elements {
    pub slots: ElementSlots,
    /// The last slot that is filled relative to `__table_base`, and a slot that is filled at an absolute position.
    pub last_own: Option<u32>,
    pub absolute: Option<u32>,
    /// Whether a segment goes to a position that cannot be determined.
    pub unknown: bool,
}

impl Elements {
    /// Adds a slot. `None` when there is no such function among `count`.
    fn add(&mut self, slot: ElementSlot, function: Option<u32>, count: usize) -> Option<()> {
        match slot {
            ElementSlot::FromTableBase(offset) => self.last_own = self.last_own.max(Some(offset)),
            ElementSlot::Absolute(slot) => self.absolute = Some(slot),
        }
        function.map_or(Some(()), |function| self.slots.set(function, slot, count))
    }
}

/// Parses the element section; `table_base` is the index of the imported global `__table_base`.
pub(super) fn read(
    section: ElementSectionReader<'_>,
    table_base: Option<u32>,
    functions_count: usize,
) -> Result<Elements, ParseError> {
    let mut elements = Elements::default();
    for element in section.into_iter_with_offsets() {
        let (position, element) = element?;
        let ElementKind::Active { table_index, offset_expr } = element.kind else { continue };
        let first = offset(&offset_expr, table_base)?.filter(|_| table_index.unwrap_or(0) == 0);
        let Some(first) = first else {
            elements.unknown = true;
            continue;
        };
        for (delta, function) in functions(element.items)?.into_iter().enumerate() {
            let slot = u32::try_from(delta).ok().and_then(|delta| first.plus(delta));
            let slot = slot
                .ok_or_else(|| ParseError::new(position, "an element segment passes the end of the table"))?;
            elements.add(slot, function, functions_count).ok_or_else(|| {
                ParseError::new(position, "an element segment names a function that does not exist")
            })?;
        }
    }
    Ok(elements)
}

/// The value of a segment's offset, when it has a form that linkers write: a constant, `base` (the index of a global), or their
/// sum.
pub(super) fn offset(expr: &ConstExpr<'_>, base: Option<u32>) -> Result<Option<ElementSlot>, ParseError> {
    let mut slot: Option<ElementSlot> = None;
    for operator in expr.get_operators_reader() {
        let operand = match operator? {
            Operator::I32Const { value } => ElementSlot::Absolute(value.cast_unsigned()),
            Operator::GlobalGet { global_index } if Some(global_index) == base => {
                ElementSlot::FromTableBase(0)
            }
            Operator::I32Add | Operator::End => continue,
            _ => return Ok(None),
        };
        slot = match (slot, operand) {
            (None, only) => Some(only),
            (Some(ElementSlot::Absolute(n)), other) | (Some(other), ElementSlot::Absolute(n)) => {
                other.plus(n)
            }
            (Some(ElementSlot::FromTableBase(_)), ElementSlot::FromTableBase(_)) => None,
        };
        if slot.is_none() {
            return Ok(None);
        }
    }
    Ok(slot)
}

/// The functions of a segment in order; `None` for an item that is not a plain function reference.
fn functions(items: ElementItems<'_>) -> Result<Vec<Option<u32>>, ParseError> {
    match items {
        ElementItems::Functions(section) => {
            section.into_iter().map(|f| Ok(Some(f?))).collect::<Result<_, ParseError>>()
        }
        ElementItems::Expressions(_, section) => section
            .into_iter()
            .map(|expr| {
                let first = expr?.get_operators_reader().read()?;
                Ok(match first {
                    Operator::RefFunc { function_index } => Some(function_index),
                    _ => None,
                })
            })
            .collect(),
    }
}
