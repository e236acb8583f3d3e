//! Owns the error for a file that is not well-formed. Must not know what was being read.

/// The error that a file is not a well-formed WebAssembly module.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message} (at offset {offset:#x})")]
pub struct ParseError {
    /// Position in the file, in bytes from its beginning.
    pub offset: usize,
    /// What is wrong at that position.
    pub message: String,
}

impl ParseError {
    /// An error at `offset` bytes into the file.
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> ParseError {
        ParseError { offset, message: message.into() }
    }
}

/// The bytes of a range that the parser found in `wasm`. Errs when the range is out of bounds, which is a bug in the linker.
pub(crate) fn slice(wasm: &[u8], range: std::ops::Range<usize>) -> Result<&[u8], ParseError> {
    let start = range.start;
    let lost = || ParseError::new(start, "internal error: a part of the file that was read is not there");
    wasm.get(range).ok_or_else(lost)
}

impl From<wasmparser::Error> for ParseError {
    fn from(error: wasmparser::Error) -> Self {
        ParseError::new(error.offset(), error.message())
    }
}
