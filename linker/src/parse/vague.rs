//! Owns which data C++ defines in every library that uses it although it is meant to exist once per process: the data that a
//! static linker would merge (vague linkage: Itanium C++ ABI, section 5.2). It is recognized by name, since `dylink.0` does not
//! mark definitions as weak. Must not know which definition is taken.
//!
//! The criterion is what a program can distinguish, as with g++ on Linux. There, `std::type_info` compares names by their
//! characters; libc++ compares the address of the name, so that the names have to exist once, and nothing else of a type's
//! descriptor. clang also compares addresses of vtables, in a `dynamic_cast` to a `final` class. Variables that exist once are
//! `STB_GNU_UNIQUE` there: static variables of inline functions and of templates, and the guards that show whether they are
//! initialized. The decision: `docs/decisions/0016-vague-linkage.md`.

use std::borrow::Cow;

use crate::parse::{Exports, ParsedModule, VTABLE};

/// Prefixes of the names of data that has vague linkage whenever another module can see it: names of types (`_ZTS`), static
/// variables of functions (`_ZZ`; those of functions that are not inline are not exported), initialization guards (`_ZGV`), and
/// temporaries that live as long as such a variable (`_ZGR`).
const PREFIXES: &[&str] = &["_ZTS", "_ZZ", "_ZGV", "_ZGR"];
/// The prefix of a guard, followed by the variable's name without `_Z`.
const GUARD: &str = "_ZGV";
/// The part that names of everything in an unnamed namespace contain; no other file can refer to these.
const UNNAMED_NAMESPACE: &str = "_GLOBAL__N_";

/// The identity shared by all definitions of one object of the process, where `name` is a module's definition: data that the
/// module exports. `None` for data that is the module's own.
///
/// Apart from names that show it, a variable with a guard of its own counts, since only a variable that other files define, too,
/// has an exported guard: one that is `inline` and has an initialization that runs. A variable whose value is a constant cannot
/// be distinguished from a plain variable. Vtables are the same when they belong to the same class, not merely to a class of the
/// same name.
pub(crate) fn identity<'a>(module: &ParsedModule, name: &'a str) -> Option<Cow<'a, str>> {
    if name.starts_with(VTABLE) {
        // The separator is safe, since no symbol name contains a space.
        return module.vtables.get(name).map(|class| format!("{name} {class:x}").into());
    }
    is_one_in_process(&module.exports, name).then_some(name.into())
}

/// Whether data of this name, which is not a vtable and is among these exports, is to exist once per process.
fn is_one_in_process(exports: &Exports, name: &str) -> bool {
    if name.contains(UNNAMED_NAMESPACE) {
        return false;
    }
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || is_of_template(name)
        || exports.contains(&guard_of(name))
}

/// The name of the guard that a variable would have.
fn guard_of(name: &str) -> String {
    match name.strip_prefix("_Z") {
        Some(mangled) => format!("{GUARD}{mangled}"),
        // A variable of the global namespace has its plain name.
        None => format!("{GUARD}{}{name}", name.len()),
    }
}

/// Whether a variable is an instance of a template, or a static member of one: its name contains template arguments. A variable's
/// name contains no parameter types that could have template arguments of their own.
fn is_of_template(name: &str) -> bool {
    let Some(mangled) = name.strip_prefix("_Z") else { return false };
    let mut rest = mangled.strip_prefix('N').unwrap_or(mangled).trim_start_matches(['r', 'V', 'K']);
    while let Some(kind) = rest.chars().next() {
        let after = match kind {
            'I' => return true,
            '0'..='9' => after_source_name(rest),
            'S' => after_substitution(rest),
            // These precede a name of internal linkage, an ABI tag and a module's name.
            'L' | 'B' | 'W' => rest.get(1..),
            _ => None,
        };
        match after {
            Some(after) => rest = after,
            None => return false,
        }
    }
    false
}

/// What follows a `<source-name>`, which consists of its length in bytes and that many bytes.
fn after_source_name(text: &str) -> Option<&str> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (length, rest) = text.split_at_checked(digits)?;
    rest.get(length.parse().ok()?..)
}

/// What follows a `<substitution>`: `S_`, `S0_` and so on, or `St` and other abbreviations for names in `std`.
fn after_substitution(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('S')?;
    match rest.chars().next()? {
        't' | 'a' | 'b' | 's' | 'i' | 'o' | 'd' => rest.get(1..),
        _ => {
            rest.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()).strip_prefix('_')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_one_in_a_process() {
        let exports = Exports::default();
        let one = [
            "_ZTS3Err",
            "_ZTSSt13runtime_error",
            "_ZZ7countervE1n",
            "_ZGVZ7countervE1n",
            "_ZGR3refIiE_",
            "_ZN6HolderIiE1nE",
            "_Z8variableIlE",
            "_ZN2ns6HolderISt6vectorIiSaIiEEE4textE",
            "_ZNSt3__26locale2idIcE1nE",
            "_ZN1aB3tagS_I1bE1nE",
            "_ZNK1aIiE1nE",
        ];
        assert!(one.iter().all(|name| is_one_in_process(&exports, name)));
        let not = [
            "n",
            "I",
            "_ZN2ns1nE",
            "_ZN2ns5IndexE",
            "_ZN12_GLOBAL__N_16HolderIiE1nE",
            "_ZTSN12_GLOBAL__N_13ErrE",
            "_ZTI3Err",
            "_ZTV3Err",
            "_ZSt4cout",
            "_ZN99",
            "_ZN99999999999999999999999I",
            "_ZNS",
            "_ZNSQI",
            "_ZÄI",
            "_Z1äI",
            "_Z",
            "",
        ];
        assert_eq!(not.iter().find(|name| is_one_in_process(&exports, name)), None);
    }
}
