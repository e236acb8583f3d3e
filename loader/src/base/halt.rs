//! Owns the single form of the reason why an operation that involves the guest does not complete: it is refused, and everything
//! goes on, or the guest has ended meanwhile, and no call returns to it. Must not know for which reasons anything is refused.

/// Why an operation does not complete.
#[derive(Debug)]
pub(crate) enum Halt<E> {
    /// It is refused: the caller is given the reason.
    Refused(E),
    /// The guest has ended, by itself, in a trap or from outside.
    Ended(wasmtime::Error),
}

impl<E> Halt<E> {
    /// The same halt, with the reason of a refusal converted by `reason`.
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
