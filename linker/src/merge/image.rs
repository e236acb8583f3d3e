//! Owns the memory that a module's active segments make up, where that is known: reading words out of it. Must not know what the
//! words mean.

use std::collections::BTreeMap;

use super::assemble::constant;
use super::numbering::{Part, Spaces};

/// The static data of one module, as it is when the module has been instantiated.
pub(super) struct Image<'a> {
    /// Segments by address, in ascending order.
    segments: Vec<(u32, &'a [u8])>,
    /// Words that are written over them, by address.
    written: BTreeMap<u32, u32>,
}

impl<'a> Image<'a> {
    /// The image of a part.
    pub(super) fn of(part: &Part<'a>, spaces: &Spaces) -> Image<'a> {
        let mut segments: Vec<(u32, &[u8])> = Vec::new();
        for data in &part.contents.data {
            if let wasmparser::DataKind::Active { offset_expr, .. } = &data.kind
                && let Some(address) = constant(offset_expr, spaces)
            {
                segments.push((address, data.data));
            }
        }
        segments.sort_by_key(|(address, _)| *address);
        Image { segments, written: BTreeMap::new() }
    }

    /// The image after these words have been written.
    pub(super) fn with(mut self, writes: &[(u32, Vec<u8>)]) -> Image<'a> {
        let words = writes.iter().filter_map(|(address, bytes)| {
            Some((*address, u32::from_le_bytes(bytes.as_slice().try_into().ok()?)))
        });
        self.written.extend(words);
        self
    }

    /// The bytes from an address to the end of the segment that has it; `None` where no segment does: there is zero.
    fn from(&self, address: u32) -> Option<&'a [u8]> {
        let behind = self.segments.partition_point(|(begin, _)| *begin <= address);
        let (begin, bytes) = self.segments.get(behind.checked_sub(1)?)?;
        bytes.get((address - begin) as usize..).filter(|rest| !rest.is_empty())
    }

    /// The word at an address; bytes that no segment has are 0.
    pub(super) fn word(&self, address: u32) -> u32 {
        if let Some(written) = self.written.get(&address) {
            return *written;
        }
        let byte = |at: u32| self.from(address.wrapping_add(at)).and_then(|bytes| bytes.first()).copied();
        u32::from_le_bytes([0, 1, 2, 3].map(|at| byte(at).unwrap_or(0)))
    }
}
