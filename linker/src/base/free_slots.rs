//! Owns which slots of a function table are free, and which are taken next. Must not know the table.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::base::ids::{Alignment, SlotCount, TableSlot};

/// The free slots in a table: first slot and length of each run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FreeSlots(BTreeMap<u32, u32>);

/// Slots beyond the end of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotsBeyond {
    /// The first of the slots.
    pub first: TableSlot,
    /// The size that the table must have, in slots.
    pub size: u32,
    /// The slots before them that alignment leaves free: to be given back once the table has that size.
    pub gap: Range<u32>,
}

impl FreeSlots {
    /// Takes this many consecutive slots from the first run that has room. `None` when the table has to grow.
    pub fn recycle(&mut self, count: SlotCount, alignment: Alignment) -> Option<TableSlot> {
        let fits = |(start, length): (&u32, &u32)| {
            let first = start.checked_next_multiple_of(alignment.get())?;
            let end = first.checked_add(count.get())?;
            (end <= start + length).then_some((*start, *length, first, end))
        };
        let (start, length, first, end) = self.0.iter().find_map(fits)?;
        self.0.remove(&start);
        if first > start {
            self.0.insert(start, first - start);
        }
        if start + length > end {
            self.0.insert(end, start + length - end);
        }
        Some(TableSlot(first))
    }

    /// Gives slots back. A run is merged with its neighbours.
    pub fn give(&mut self, first: TableSlot, count: u32) {
        if count == 0 {
            return;
        }
        let (mut start, mut length) = (first.0, count);
        if let Some(following) = self.0.remove(&(start + length)) {
            length += following;
        }
        let before = self.0.range(..start).next_back().map(|(s, l)| (*s, *l));
        if let Some((before, its_length)) = before.filter(|(s, l)| s + l == start) {
            start = before;
            length += its_length;
        }
        self.0.insert(start, length);
    }
}

impl SlotsBeyond {
    /// This many slots beyond the end of a table of `size` slots; `None` when no table can be that large. Slot 0 is what C knows
    /// as `NULL`.
    pub fn of(size: u32, count: SlotCount, alignment: Alignment) -> Option<SlotsBeyond> {
        let usable = size.max(1);
        let first = usable.checked_next_multiple_of(alignment.get())?;
        let grown = first.checked_add(count.get()).filter(|size| *size <= SlotCount::MAX)?;
        Some(SlotsBeyond { first: TableSlot(first), size: grown, gap: usable..first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn align(log2: u32) -> Alignment {
        Alignment::from_log2(log2).unwrap()
    }

    fn slots(count: u32) -> SlotCount {
        SlotCount::new(count).unwrap()
    }

    #[test]
    fn runs_join_with_both_neighbours() {
        let mut free = FreeSlots::default();
        free.give(TableSlot(10), 5);
        free.give(TableSlot(20), 5);
        assert_eq!(free.0, BTreeMap::from([(10, 5), (20, 5)]));
        free.give(TableSlot(15), 5);
        assert_eq!(free.0, BTreeMap::from([(10, 15)]));
        free.give(TableSlot(99), 0);
        assert_eq!(free.0, BTreeMap::from([(10, 15)]));
    }

    #[test]
    fn recycling_splits_a_run_and_honours_alignment() {
        let mut free = FreeSlots(BTreeMap::from([(3, 10)]));
        assert_eq!(free.recycle(slots(4), align(2)), Some(TableSlot(4)));
        assert_eq!(free.0, BTreeMap::from([(3, 1), (8, 5)]));
        assert_eq!(free.recycle(slots(6), align(0)), None);
        assert_eq!(free.recycle(slots(5), align(0)), Some(TableSlot(8)));
        assert_eq!(free.0, BTreeMap::from([(3, 1)]));
    }

    #[test]
    fn beyond_the_end_alignment_leaves_a_gap() {
        let beyond = SlotsBeyond::of(5, slots(3), align(2)).unwrap();
        assert_eq!((beyond.first, beyond.size, beyond.gap), (TableSlot(8), 11, 5..8));
        assert_eq!(SlotsBeyond::of(0, slots(1), align(0)).unwrap().first, TableSlot(1));
        assert_eq!(SlotsBeyond::of(SlotCount::MAX, slots(1), align(0)), None);
    }
}
