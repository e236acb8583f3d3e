//! Owns what is known about the functions that Emscripten's library has in JavaScript (`library.txt`): their types, which an import of an
//! address does not give, and what they are part of. Must not know which of them are served.

use std::collections::HashMap;
use std::sync::OnceLock;

use pydl_linker::{Signature, abi};
use wasmparser::{FuncType, RefType, ValType};

/// A topic begins with `[WORD] WHAT IT IS`; the lines that follow contain names and types.
const LIST: &str = include_str!("library.txt");

/// The functions of the list with their types, one letter each for the result and the parameters.
fn list() -> &'static HashMap<&'static str, &'static str> {
    /// Fewer bytes than a line has on average: every start makes the map, and one that has to grow takes longer.
    const LEAST_LINE: usize = 24;
    static PARSED: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let mut functions = HashMap::with_capacity(LIST.len() / LEAST_LINE);
        functions.extend(lines().filter(|(name, _)| !name.starts_with('[')));
        functions
    })
}

/// The lines of the list, each divided at its first space.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '))
}

/// What a function of Emscripten's library is part of; `None` for a name that the library does not have. Only reports ask.
pub(super) fn topic(name: &str) -> Option<&'static str> {
    static PARSED: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let topics = PARSED.get_or_init(|| {
        let mut topic = "";
        let mut topics = HashMap::new();
        for (word, rest) in lines() {
            if word.starts_with('[') {
                topic = rest;
            } else {
                topics.insert(word, topic);
            }
        }
        topics
    });
    topics.get(name).copied()
}

/// The type of a function of Emscripten's library; `None` for a name that the library does not have.
pub(super) fn signature(name: &str) -> Option<Signature> {
    match list().get(name) {
        Some(letters) => of_letters(letters),
        None => of_pattern(name),
    }
}

/// The type of those functions of which there is one for each type. They take a slot, then what is passed on; or the types to catch, which
/// are two fewer than the number in the name.
fn of_pattern(name: &str) -> Option<Signature> {
    /// The most parameters of a function (WebAssembly JavaScript API, implementation limitations).
    const MOST: usize = 1000;
    if let Some(letters) = name.strip_prefix(abi::INVOKE) {
        let called = of_letters(letters).filter(|called| called.params().len() < MOST)?;
        let parameters = [&[ValType::I32], called.params()].concat();
        return Some(Signature::new(FuncType::new(parameters, called.results().to_vec())));
    }
    let count = name.strip_prefix(abi::FIND_MATCHING_CATCH)?.parse::<usize>().ok()?;
    let count = count.checked_sub(2).filter(|count| *count <= MOST)?;
    Some(Signature::new(FuncType::new(vec![ValType::I32; count], [ValType::I32])))
}

/// The type that Emscripten writes with these letters.
fn of_letters(letters: &str) -> Option<Signature> {
    let ty = |letter: char| {
        Some(match letter {
            'i' | 'p' => ValType::I32,
            'j' => ValType::I64,
            'f' => ValType::F32,
            'd' => ValType::F64,
            'e' => ValType::Ref(RefType::EXTERNREF),
            _ => return None,
        })
    };
    let (result, parameters) = letters.split_at_checked(1)?;
    let results: Vec<ValType> = match result {
        "v" => Vec::new(),
        result => result.chars().map(ty).collect::<Option<_>>()?,
    };
    let parameters: Vec<ValType> = parameters.chars().map(ty).collect::<Option<_>>()?;
    Some(Signature::new(FuncType::new(parameters, results)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_type_and_a_topic() {
        let lines = LIST.lines().filter(|line| !line.starts_with(['#', '[']));
        assert_eq!(lines.clone().count(), list().len(), "a name is there twice");
        for line in lines {
            let (name, _) = line.split_once(' ').unwrap();
            assert!(
                signature(name).is_some() && topic(name).is_some_and(|topic| !topic.is_empty()),
                "{line}"
            );
        }
    }

    #[test]
    fn types_are_told_by_letters_and_by_names() {
        let text = |name| signature(name).map(|signature| signature.to_string());
        assert_eq!(text("strptime").as_deref(), Some("(i32, i32, i32) -> i32"));
        assert_eq!(text("invoke_viijd").as_deref(), Some("(i32, i32, i32, i64, f64) -> ()"));
        assert_eq!(text("invoke_i").as_deref(), Some("(i32) -> i32"));
        assert_eq!(text("__cxa_find_matching_catch_4").as_deref(), Some("(i32, i32) -> i32"));
        for name in [
            "invoke_",
            "invoke_x",
            "__cxa_find_matching_catch_1",
            "__cxa_find_matching_catch_99999",
            "printf",
        ] {
            assert_eq!(text(name), None, "{name}");
        }
    }
}
