//! Owns the one shape of why something does not come about in which a guest has a part: it is refused, and everything goes on, or the
//! guest has ended meanwhile, and no call returns to it. Must not know for which reasons anything is refused.

/// Why something does not come about.
#[derive(Debug)]
pub(crate) enum Halt<E> {
    /// It is refused: whoever asked is told why.
    Refused(E),
    /// The guest has ended, by itself, in a trap or from outside.
    Ended(wasmtime::Error),
}

impl<E> Halt<E> {
    /// The same, with the reason of a refusal made another.
    pub(crate) fn map<F>(self, reason: impl FnOnce(E) -> F) -> Halt<F> {
        match self {
            Halt::Refused(why) => Halt::Refused(reason(why)),
            Halt::Ended(error) => Halt::Ended(error),
        }
    }
}

impl<E> From<wasmtime::Error> for Halt<E> {
    fn from(error: wasmtime::Error) -> Halt<E> {
        Halt::Ended(error)
    }
}
