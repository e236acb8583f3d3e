//! Owns how numbers of bytes are shown to people. Must not know what they are the size of.

/// A number of bytes with a unit: `448 bytes`, `1.5 KiB`, `2.0 MiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if number < 1024 {
        return format!("{number} byte{}", if number == 1 { "" } else { "s" });
    }
    // The number is kept in tenths of a unit, so that rounding is done once.
    let mut unit = 0;
    let mut divisor = 1024_u64;
    while unit + 1 < UNITS.len() && number >= divisor.saturating_mul(1024) {
        unit += 1;
        divisor = divisor.saturating_mul(1024);
    }
    let tenths = u128::from(number) * 10 / u128::from(divisor);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_digit_behind_the_point() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
    }
}
