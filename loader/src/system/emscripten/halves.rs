//! Owns 64-bit integers that pass between a module and its host in two halves of 32 bits, as in modules that are built for engines whose
//! JavaScript lacks such integers (Emscripten, `-sWASM_BIGINT=0`; binaryen, `legalize-js-interface`): a parameter becomes two, the lower
//! half first, and the upper half of a result is stored in the C library. Must not know which functions are called.

use wasmtime::{Val, ValType};

/// How a function with 64-bit integers is called by a caller that only knows their halves.
pub(super) struct Halves {
    /// Which parameters of the function are whole.
    whole: Vec<bool>,
    /// Whether its result has two halves.
    pub is_result_long: bool,
}

impl Halves {
    /// The conversion between the type of a caller and a function with these parameters and results. `None` unless the former consists of
    /// halves of the latter.
    pub fn between(caller: (&[ValType], &[ValType]), function: (&[ValType], &[ValType])) -> Option<Halves> {
        let halves = |ty: &ValType| if is_long(ty) { vec![ValType::I32; 2] } else { vec![ty.clone()] };
        let parameters: Vec<ValType> = function.0.iter().flat_map(halves).collect();
        let results: Vec<ValType> = function.1.iter().flat_map(halves).take(function.1.len()).collect();
        let is_long_any = function.0.iter().chain(function.1).any(is_long);
        if !is_long_any || !are_equal(&parameters, caller.0) || !are_equal(&results, caller.1) {
            return None;
        }
        let whole = function.0.iter().map(|ty| !is_long(ty)).collect();
        Some(Halves { whole, is_result_long: function.1.iter().any(is_long) })
    }

    /// The arguments of the function, joined from its caller's.
    pub fn join(&self, values: &[Val]) -> Vec<Val> {
        let mut values = values.iter();
        let whole = self.whole.iter().map_while(|is_whole| {
            let first = values.next()?;
            if *is_whole {
                return Some(*first);
            }
            let low = first.i32()?.cast_unsigned();
            let high = values.next()?.i32()?;
            Some(Val::I64(i64::from(high) << 32 | i64::from(low)))
        });
        whole.collect()
    }
}

/// The lower and the upper half of a result.
#[expect(clippy::cast_possible_truncation, reason = "a half is what is wanted")]
pub(super) fn split(value: i64) -> (i32, u32) {
    (value as i32, ((value >> 32) as i32).cast_unsigned())
}

fn is_long(ty: &ValType) -> bool {
    matches!(ty, ValType::I64)
}

fn are_equal(one: &[ValType], other: &[ValType]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| ValType::eq(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_told_and_joined() {
        use ValType::{F64, I32, I64};
        let function = ([I32, I64, F64, I64], [I64]);
        let caller = ([I32, I32, I32, F64, I32, I32], [I32]);
        let halves = Halves::between((&caller.0, &caller.1), (&function.0, &function.1)).unwrap();
        assert!(halves.is_result_long);
        let given = [7, -1, -2].map(Val::I32).into_iter().chain([Val::F64(3), Val::I32(5), Val::I32(1)]);
        let joined = halves.join(&given.collect::<Vec<Val>>());
        let joined: Vec<String> = joined.iter().map(|value| format!("{value:?}")).collect();
        assert_eq!(joined, ["I32(7)", "I64(-4294967297)", "F64(3)", "I64(4294967301)"]);
        assert_eq!(split(-4_294_967_297), (-1, u32::MAX - 1));
        // There are no 64-bit integers, they are whole, or the number of halves differs.
        assert!(Halves::between((&[I32], &[]), (&[I32], &[])).is_none());
        assert!(Halves::between((&[I64], &[]), (&[I64], &[])).is_none());
        assert!(Halves::between((&[I32], &[]), (&[I64], &[])).is_none());
        assert!(Halves::between((&[I32, I32], &[]), (&[I64], &[I64])).is_none());
    }
}
