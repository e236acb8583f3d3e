//! Owns the bytes of files in memory: in pages, of which those that were never written to take no memory. What they take is charged. Must
//! not know names.

use std::collections::BTreeMap;

use crate::base::budget::{Budget, Charge, Exhausted};

/// The bytes of a page. Trailing bytes that are 0 need not be stored.
const PAGE: usize = 64 << 10;
/// The bytes that a page takes besides its contents.
const ENTRY: u64 = 64;
/// The smallest capacity that is given to a page, in bytes.
const LEAST_ROOM: usize = 64;

/// The bytes of one file.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    written: BTreeMap<u64, Vec<u8>>,
    size: u64,
    /// `None` as long as nothing has been written.
    charge: Option<Charge>,
}

/// The number of the page that a position lies in, and the offset in it.
#[expect(clippy::cast_possible_truncation, reason = "a rest is smaller than a page")]
fn place(position: u64) -> (u64, usize) {
    (position / PAGE as u64, (position % PAGE as u64) as usize)
}

impl Pages {
    /// The size of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.size
    }

    /// Reads what there is at a position; returns the number of bytes.
    pub(crate) fn read(&self, position: u64, buffer: &mut [u8]) -> usize {
        let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        let mut done = 0;
        while done < count {
            let (page, start) = place(position + done as u64);
            let length = (PAGE - start).min(count - done);
            let to = &mut buffer[done..done + length];
            let page = self.written.get(&page).and_then(|page| page.get(start..)).unwrap_or_default();
            let there = page.len().min(length);
            to[..there].copy_from_slice(&page[..there]);
            to[there..].fill(0);
            done += length;
        }
        count
    }

    /// Writes; returns the number of bytes, which is less than requested when there is no room for more. Errs when there is no room at all,
    /// and for positions beyond those that a file can have.
    pub(crate) fn write(&mut self, budget: &Budget, position: u64, bytes: &[u8]) -> Result<usize, Exhausted> {
        let end = position.checked_add(bytes.len() as u64).filter(|end| i64::try_from(*end).is_ok());
        end.ok_or(Exhausted)?;
        let mut done = 0;
        while done < bytes.len() {
            let (page, start) = place(position + done as u64);
            let length = (PAGE - start).min(bytes.len() - done);
            match self.room(budget, page, start + length) {
                Ok(page) => page[start..start + length].copy_from_slice(&bytes[done..done + length]),
                Err(exhausted) if done == 0 => return Err(exhausted),
                Err(_) => break,
            }
            done += length;
            self.size = self.size.max(position + done as u64);
        }
        Ok(done)
    }

    /// A page with room for at least `length` bytes.
    fn room(&mut self, budget: &Budget, number: u64, length: usize) -> Result<&mut Vec<u8>, Exhausted> {
        let page = self.written.get(&number);
        let (known, before) = (page.is_some(), page.map_or(0, Vec::capacity));
        if !known || before < length {
            let room = length.next_power_of_two().clamp(LEAST_ROOM, PAGE);
            let more = (room - before) as u64 + if known { 0 } else { ENTRY };
            match &mut self.charge {
                Some(charge) => charge.resize(charge.bytes().saturating_add(more))?,
                charge => *charge = Some(budget.charge(more)?),
            }
            let page = self.written.entry(number).or_default();
            page.reserve_exact(room - page.len());
        }
        let page = self.written.entry(number).or_default();
        if page.len() < length {
            page.resize(length, 0);
        }
        Ok(page)
    }

    /// Changes the size of the file; new bytes are 0. Errs for more bytes than a file can have.
    pub(crate) fn set_len(&mut self, size: u64) -> Result<(), Exhausted> {
        if i64::try_from(size).is_err() {
            return Err(Exhausted);
        }
        if size < self.size {
            let (last, rest) = place(size);
            self.written.split_off(&last.saturating_add(u64::from(rest > 0)));
            if let Some(page) = self.written.get_mut(&last) {
                page.truncate(rest);
                page.shrink_to(LEAST_ROOM);
            }
            let taken = self.written.values().map(|page| page.capacity() as u64 + ENTRY).sum();
            if let Some(charge) = &mut self.charge {
                charge.resize(taken)?;
            }
        }
        self.size = size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(pages: &Pages) -> Vec<u8> {
        let mut bytes = vec![9; usize::try_from(pages.len()).unwrap()];
        assert_eq!(pages.read(0, &mut bytes), bytes.len());
        bytes
    }

    #[test]
    fn pages_are_as_one_piece_of_memory() {
        let (budget, mut pages, mut model) = (Budget::new(1 << 30), Pages::default(), Vec::<u8>::new());
        let mut random = 1_u32;
        let mut next = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        for step in 0..400_u32 {
            if next(4) == 0 {
                let size = next(5 * PAGE);
                pages.set_len(size as u64).unwrap();
                model.resize(size, 0);
            } else {
                let (at, bytes) = (next(4 * PAGE), vec![step.to_le_bytes()[0]; next(2 * PAGE)]);
                assert_eq!(pages.write(&budget, at as u64, &bytes), Ok(bytes.len()));
                model.resize(model.len().max(if bytes.is_empty() { 0 } else { at + bytes.len() }), 0);
                let at = at.min(model.len());
                model[at..][..bytes.len()].copy_from_slice(&bytes);
            }
            assert!(contents(&pages) == model, "step {step}");
            let taken: u64 = pages.written.values().map(|page| page.capacity() as u64 + ENTRY).sum();
            assert_eq!(budget.used(), taken, "step {step}");
        }
        drop(pages);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_was_never_written_takes_nothing_and_what_is_cut_off_is_given_back() {
        let (budget, mut pages) = (Budget::new(1 << 20), Pages::default());
        pages.set_len(1 << 40).unwrap();
        assert_eq!(budget.used(), 0);
        assert_eq!(pages.write(&budget, 1 << 39, &vec![1; 3 * PAGE]), Ok(3 * PAGE));
        assert!(budget.used() > 3 * PAGE as u64);
        let mut byte = [9];
        assert_eq!((pages.read((1 << 40) - 1, &mut byte), byte), (1, [0]));
        pages.set_len(0).unwrap();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_write_that_does_not_fit_is_cut_short_and_then_refused() {
        let (budget, mut pages) = (Budget::new(2 * PAGE as u64 + 1000), Pages::default());
        assert_eq!(pages.write(&budget, 0, &vec![1; 4 * PAGE]), Ok(2 * PAGE));
        assert_eq!(pages.len(), 2 * PAGE as u64);
        assert_eq!(pages.write(&budget, 2 * PAGE as u64, &vec![1; PAGE]), Err(Exhausted));
        assert_eq!(pages.write(&budget, i64::MAX as u64, b"x"), Err(Exhausted));
        assert_eq!(pages.len(), 2 * PAGE as u64);
    }
}
