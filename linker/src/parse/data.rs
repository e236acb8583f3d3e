//! Owns active data segments: checking them, since a side module fills its own static data only, and finding what they write to
//! an address. Must not know the meaning of the data.

use wasmparser::{DataKind, DataSectionReader};

use super::elements::{ElementSlot, offset};
use crate::parse::error::ParseError;

/// What is wrong with the data segments of a module that has `memory_size` bytes of its own, starting at the imported global
/// `memory_base`; `None` when nothing is wrong.
pub(super) fn check(
    section: DataSectionReader<'_>,
    memory_base: Option<u32>,
    memory_size: u32,
) -> Result<Option<ParseError>, ParseError> {
    for segment in section.into_iter_with_offsets() {
        let (position, segment) = segment?;
        let DataKind::Active { memory_index, offset_expr } = segment.kind else { continue };
        // The expression has the same form as that of an element segment, counted in bytes.
        let problem = match offset(&offset_expr, memory_base)?.filter(|_| memory_index == 0) {
            Some(ElementSlot::FromTableBase(start)) => {
                let end = u32::try_from(segment.data.len()).ok().and_then(|size| start.checked_add(size));
                if end.is_some_and(|end| end <= memory_size) {
                    continue;
                }
                format!("a data segment at {start} passes the {memory_size} bytes that dylink.0 asks for")
            }
            Some(ElementSlot::Absolute(address)) => {
                format!("a data segment goes to address {address} of the process's memory, not into its own")
            }
            None => "a data segment goes to a place that cannot be told beforehand".to_owned(),
        };
        return Ok(Some(ParseError::new(position, problem)));
    }
    Ok(None)
}

/// The four bytes that active segments write to an address, which is counted as for exported data symbols: from the imported
/// global `memory_base` in a position-independent module. `None` when no segment writes there.
pub(super) fn word_at(
    section: DataSectionReader<'_>,
    memory_base: Option<u32>,
    address: u32,
) -> Result<Option<u32>, ParseError> {
    for segment in section {
        let segment = segment?;
        let DataKind::Active { offset_expr, .. } = segment.kind else { continue };
        let start = offset(&offset_expr, memory_base)?;
        let Some(ElementSlot::FromTableBase(start) | ElementSlot::Absolute(start)) = start else { continue };
        let at = address.checked_sub(start).and_then(|at| segment.data.get(at as usize..));
        if let Some(word) = at.and_then(<[u8]>::first_chunk::<4>) {
            return Ok(Some(u32::from_le_bytes(*word)));
        }
    }
    Ok(None)
}
