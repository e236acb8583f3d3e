//! Owns how the names of C++ and Rust are shown to people. Must not know what the names belong to.

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// The most bytes of a readable name: a short symbol can stand for an endless one.
const LONGEST: usize = 2048;

/// The name as it was written in C++ or Rust; `None` for a name that is from neither, and for a name that would be too long.
pub fn demangled(name: &str) -> Option<String> {
    let looks_mangled = ["_Z", "__Z", "_R"].iter().any(|prefix| name.starts_with(prefix));
    if !looks_mangled || name.len() > LONGEST {
        return None;
    }
    let mut text = Bounded(String::new());
    // The old names of Rust are C++ names with a hash, so Rust is tried first.
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return write!(text, "{rust:#}").is_ok().then_some(text.0);
    }
    let symbol = Symbol::new(name).ok()?;
    symbol.structured_demangle(&mut text, &DemangleOptions::new()).is_ok().then_some(text.0)
}

/// The name of a C++ type, given what `std::type_info::name` returns for it.
pub(crate) fn type_name(mangled: &str) -> Option<String> {
    let symbol = demangled(&format!("_ZTS{mangled}"))?;
    symbol.strip_prefix("typeinfo name for ").map(str::to_owned)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len().saturating_add(part.len()) > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cpp_and_rust_are_readable() {
        assert_eq!(demangled("_ZN5space4funcEi").as_deref(), Some("space::func(int)"));
        let old = "_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE";
        assert_eq!(demangled(old).as_deref(), Some("core::fmt::Formatter::write_str"));
        assert_eq!(demangled("_RNvC6_123foo3bar").as_deref(), Some("123foo::bar"));
    }

    #[test]
    fn other_names_stay() {
        for name in ["printf", "PyInit_x", "_Zebra", "_ZN", "_R", ""] {
            assert_eq!(demangled(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_without_end_is_none() {
        // Each substitution contains the one before it twice.
        let mut name = "_Z1fSt4pairIiiE".to_owned();
        for level in 0..30_u8 {
            let last = match level {
                0 => "S0_".to_owned(),
                level => {
                    format!("S{}_", char::from_digit(u32::from(level), 36).unwrap().to_ascii_uppercase())
                }
            };
            let _ = write!(name, "St4pairI{last}{last}E");
        }
        assert_eq!(demangled(&name), None);
    }
}
