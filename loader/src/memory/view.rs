//! Owns access to a guest's memory by address: every range is checked, numbers are little-endian. All reads and writes of what a
//! guest points to go through here. Must not know whose memory it is.

use wasmtime::{AsContext, AsContextMut, Memory};

/// The error that part of the requested range lies outside the guest's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("address {0:#x} is outside of the guest's memory")]
pub(crate) struct OutOfBounds(pub u32);

/// Why there is no C string at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoString {
    /// The memory ends before the string does.
    OutOfBounds,
    /// The string is longer than the limit.
    TooLong,
}

/// The bytes of a guest's memory.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(pub &'a [u8]);

impl<'a> View<'a> {
    /// A view of a memory in a store.
    pub(crate) fn of<T: 'static>(memory: Memory, store: &'a impl AsContext<Data = T>) -> View<'a> {
        View(memory.data(store))
    }

    /// `length` bytes at `address`. Errs when they are not all inside the memory.
    pub(crate) fn bytes(self, address: u32, length: u32) -> Result<&'a [u8], OutOfBounds> {
        let start = address as usize;
        let range = start.checked_add(length as usize).map(|end| start..end);
        range.and_then(|range| self.0.get(range)).ok_or(OutOfBounds(address))
    }

    /// The 32-bit number at `address`. Errs when it is not entirely inside the memory.
    pub(crate) fn word(self, address: u32) -> Result<u32, OutOfBounds> {
        let bytes = self.bytes(address, 4)?.first_chunk().ok_or(OutOfBounds(address))?;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// The 64-bit number at `address`. Errs when it is not entirely inside the memory.
    pub(crate) fn long(self, address: u32) -> Result<u64, OutOfBounds> {
        let bytes = self.bytes(address, 8)?.first_chunk().ok_or(OutOfBounds(address))?;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// A C string of fewer than `limit` bytes, without its NUL. Errs when there is no such string at `address`.
    pub(crate) fn c_string(self, address: u32, limit: usize) -> Result<&'a [u8], NoString> {
        let memory = self.0.get(address as usize..).unwrap_or_default();
        let window = memory.get(..limit).unwrap_or(memory);
        match window.iter().position(|byte| *byte == 0).and_then(|length| window.get(..length)) {
            Some(string) => Ok(string),
            None if window.len() < limit => Err(NoString::OutOfBounds),
            None => Err(NoString::TooLong),
        }
    }

    /// A C string, without its NUL, or its first `limit` bytes when it is longer, for callers that need no more; it may end with
    /// the memory. Errs when it begins outside the memory.
    pub(crate) fn c_string_within(self, address: u32, limit: usize) -> Result<&'a [u8], OutOfBounds> {
        let memory = self.0.get(address as usize..).filter(|memory| !memory.is_empty());
        let memory = memory.ok_or(OutOfBounds(address))?;
        let window = memory.get(..limit).unwrap_or(memory);
        Ok(window.split(|byte| *byte == 0).next().unwrap_or_default())
    }
}

/// `length` bytes of a memory, for writing. Errs when they are not all inside the memory.
pub(crate) fn bytes_mut(memory: &mut [u8], address: u32, length: u32) -> Result<&mut [u8], OutOfBounds> {
    let start = address as usize;
    let range = start.checked_add(length as usize).map(|end| start..end);
    range.and_then(|range| memory.get_mut(range)).ok_or(OutOfBounds(address))
}

/// Writes bytes to a memory in a store. Errs, having written nothing, when they do not fit.
pub(crate) fn write(
    memory: Memory,
    mut store: impl AsContextMut,
    address: u32,
    bytes: &[u8],
) -> Result<(), OutOfBounds> {
    let length = u32::try_from(bytes.len()).map_err(|_| OutOfBounds(address))?;
    bytes_mut(memory.data_mut(&mut store), address, length)?.copy_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_there_is_refused() {
        let view = View(b"\x01\x00\x00\x00ab\x00c");
        assert_eq!((view.word(0), view.word(5)), (Ok(1), Err(OutOfBounds(5))));
        assert_eq!(view.bytes(8, 0), Ok(&b""[..]));
        assert_eq!(view.bytes(u32::MAX, u32::MAX), Err(OutOfBounds(u32::MAX)));
        assert_eq!(view.c_string(4, 3), Ok(&b"ab"[..]));
        assert_eq!(view.c_string(4, 2), Err(NoString::TooLong));
        assert_eq!(view.c_string(7, 2), Err(NoString::OutOfBounds));
        assert_eq!(view.c_string_within(7, 9), Ok(&b"c"[..]));
        assert_eq!(view.c_string_within(8, 9), Err(OutOfBounds(8)));
    }
}
