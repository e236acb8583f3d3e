//! Owns the mathematical functions that programs may take from JavaScript's `Math` instead of a C library (Emscripten, `libmath.js`). Must
//! not know anything else.

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;

/// A function of one number.
macro_rules! unary {
    ($function:expr) => {
        Handler::Plain(|_, arguments| {
            let function: fn(f64) -> f64 = $function;
            Ok(Answer::Number(function(arguments.number(0)?)))
        })
    };
}

/// A function of two numbers.
macro_rules! binary {
    ($function:expr) => {
        Handler::Plain(|_, arguments| {
            let function: fn(f64, f64) -> f64 = $function;
            Ok(Answer::Number(function(arguments.number(0)?, arguments.number(1)?)))
        })
    };
}

pub(super) const ENTRIES: &[Entry] = &[
    ("emscripten_math_acos", unary!(f64::acos)),
    ("emscripten_math_acosh", unary!(f64::acosh)),
    ("emscripten_math_asin", unary!(f64::asin)),
    ("emscripten_math_asinh", unary!(f64::asinh)),
    ("emscripten_math_atan", unary!(f64::atan)),
    ("emscripten_math_atan2", binary!(f64::atan2)),
    ("emscripten_math_atanh", unary!(f64::atanh)),
    ("emscripten_math_cbrt", unary!(f64::cbrt)),
    ("emscripten_math_cos", unary!(f64::cos)),
    ("emscripten_math_cosh", unary!(f64::cosh)),
    ("emscripten_math_exp", unary!(f64::exp)),
    ("emscripten_math_expm1", unary!(f64::exp_m1)),
    ("emscripten_math_fmod", binary!(|first, second| first % second)),
    ("emscripten_math_hypot", Handler::Plain(hypot)),
    ("emscripten_math_log", unary!(f64::ln)),
    ("emscripten_math_log10", unary!(f64::log10)),
    ("emscripten_math_log1p", unary!(f64::ln_1p)),
    ("emscripten_math_log2", unary!(f64::log2)),
    ("emscripten_math_pow", binary!(power)),
    ("emscripten_math_random", Handler::Plain(random)),
    // Halves are rounded up, as in JavaScript.
    ("emscripten_math_round", unary!(round)),
    (
        "emscripten_math_sign",
        unary!(|number| if number == 0.0 || number.is_nan() { number } else { number.signum() }),
    ),
    ("emscripten_math_sin", unary!(f64::sin)),
    ("emscripten_math_sinh", unary!(f64::sinh)),
    ("emscripten_math_sqrt", unary!(f64::sqrt)),
    ("emscripten_math_tan", unary!(f64::tan)),
    ("emscripten_math_tanh", unary!(f64::tanh)),
    ("emscripten_random", Handler::Plain(random)),
];

/// The nearest whole number; halfway between two, the greater one.
fn round(number: f64) -> f64 {
    let below = number.floor();
    if number - below >= 0.5 { below + 1.0 } else { below }
}

/// JavaScript's power: 1 or -1 to the power of an infinity, and anything to the power of NaN, is NaN.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || base.abs().to_bits() == 1.0_f64.to_bits() && exponent.is_infinite() {
        f64::NAN
    } else {
        base.powf(exponent)
    }
}

/// `(count, *numbers)`: the square root of the sum of their squares. The numbers are in the guest's memory, which bounds their count.
fn hypot(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let length = arguments.word(0)?.checked_mul(8);
    let length = length.ok_or_else(|| wasmtime::Error::msg("more numbers than a memory holds"))?;
    let bytes = guest.bytes(arguments.word(1)?, length).map_err(ended)?;
    let numbers = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
    Ok(Answer::Number(numbers.fold(0.0, f64::hypot)))
}

/// A random number, at least 0 and less than 1.
#[expect(clippy::cast_precision_loss, reason = "as many bits as a double has")]
fn random(_: &mut Guest<'_>, _: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let mut bytes = [0; 8];
    crate::system::kernel::random(&mut bytes).map_err(ended)?;
    // 24 bits: both results, a float and a double, are less than 1.
    Ok(Answer::Number((u64::from_le_bytes(bytes) >> 40) as f64 / 16_777_216.0))
}
