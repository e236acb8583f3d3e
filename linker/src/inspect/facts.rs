//! Owns what a module says about how it was built: its tools, the features that it uses and those that its compiler was allowed
//! to use, and how its exceptions work. Must not know whether any of that can be loaded.
//!
//! Sources: tool-conventions, `ProducersSection.md` and `Linking.md` ("Target Features Section"); the exception handling
//! proposal; Emscripten's `-fexceptions`.

use wasmparser::{BinaryReader, Parser, Payload, ProducersSectionReader, WasmFeatures};

use super::used::{Reading, Used};
use crate::base::abi;
use crate::base::features;
use crate::link::error::list_features;
use crate::parse::{Import, ImportKind, ParsedModule};

const PRODUCERS: &str = "producers";
const TARGET_FEATURES: &str = "target_features";
/// The prefix of a feature that is used; other prefixes mark features that are not.
const USED: u8 = b'+';

/// A tool or language that a module names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Name of the tool or language.
    pub name: String,
    /// Version of the tool or language; empty when it has none.
    pub version: String,
}

/// How a module throws and catches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ExceptionStyle {
    /// The module does neither.
    None,
    /// The module leaves both to a host: `invoke_*`.
    JavaScript,
    /// The module uses the legacy instructions (`try`, `catch`, `rethrow`).
    Legacy,
    /// The module uses the instructions of the standard (`try_table`, `throw_ref`, `exnref`).
    Standard,
    /// The module has a tag, and catches nothing: it may throw.
    OnlyThrows,
}

impl ExceptionStyle {
    /// The style as one word.
    pub fn word(self) -> &'static str {
        match self {
            ExceptionStyle::None => "none",
            ExceptionStyle::JavaScript => "javascript",
            ExceptionStyle::Legacy => "legacy",
            ExceptionStyle::Standard => "exnref",
            ExceptionStyle::OnlyThrows => "only_throws",
        }
    }
}

/// How a module was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildFacts {
    /// The tools, in the order of the module's `producers` section.
    pub producers: Vec<Producer>,
    /// The features that the compiler was allowed to use, according to the module's `target_features` section; `None` without
    /// one.
    pub allowed: Option<Vec<String>>,
    /// How the module throws and catches.
    pub exceptions: ExceptionStyle,
    used: WasmFeatures,
}

impl BuildFacts {
    /// Reads the whole module, functions included. If the module is malformed, what precedes the error counts: the engine decides
    /// whether functions are valid.
    pub fn read(module: &ParsedModule, bytes: &[u8]) -> BuildFacts {
        let (mut made_by, mut allowed) = (Vec::new(), None);
        let mut reading = Reading::new();
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            match payload {
                Payload::CustomSection(section) if section.name() == PRODUCERS => {
                    made_by = producers(section.data()).unwrap_or_default();
                }
                Payload::CustomSection(section) if section.name() == TARGET_FEATURES => {
                    allowed = features(section.data());
                }
                other => reading.take(other),
            }
        }
        let used = reading.end();
        let features = *module.used_features.get_or_init(|| used.features);
        BuildFacts { producers: made_by, allowed, exceptions: exceptions(module, used), used: features }
    }

    /// The features that the module uses, in its functions and elsewhere, by their names in `target_features` sections, sorted.
    pub fn used(&self) -> impl Iterator<Item = &'static str> {
        features::names(self.used)
    }
}

/// Those of the features a module uses that no process accepts.
pub(super) fn refused_features(module: &ParsedModule, bytes: &[u8]) -> Vec<&'static str> {
    let used = module.used_features.get().copied();
    let used = used.unwrap_or_else(|| BuildFacts::read(module, bytes).used);
    features::names(features::refused(used)).collect()
}

/// Why no process accepts a module, if it uses WebAssembly features that processes do not support, in its functions or elsewhere:
/// a message that names them. The engine's message is less clear, and for features in functions it comes only after other
/// functions were compiled, which takes minutes.
pub fn refused_features_in_words(bytes: &[u8]) -> Option<String> {
    let mut reading = Reading::new();
    Parser::new(0).parse_all(bytes).map_while(Result::ok).for_each(|payload| reading.take(payload));
    let refused = features::refused(reading.end().features);
    (!refused.is_empty()).then(|| list_features(&features::names(refused).collect::<Vec<_>>()))
}

/// How a module throws and catches.
fn exceptions(module: &ParsedModule, used: Used) -> ExceptionStyle {
    let is_javascript = |import: &Import| {
        matches!(import.kind, ImportKind::Function(_)) && import.name.starts_with(abi::INVOKE)
    };
    if used.features.contains(WasmFeatures::LEGACY_EXCEPTIONS) {
        ExceptionStyle::Legacy
    } else if used.has_try_table {
        ExceptionStyle::Standard
    } else if module.imports.iter().any(is_javascript) {
        ExceptionStyle::JavaScript
    } else if used.features.contains(WasmFeatures::EXCEPTIONS) {
        ExceptionStyle::OnlyThrows
    } else {
        ExceptionStyle::None
    }
}

fn producers(data: &[u8]) -> Option<Vec<Producer>> {
    let mut producers = Vec::new();
    for field in ProducersSectionReader::new(BinaryReader::new(data, 0)).ok()? {
        let field = field.ok()?;
        for value in field.values {
            let value = value.ok()?;
            producers.push(Producer {
                role: field.name.to_owned(),
                name: value.name.to_owned(),
                version: value.version.to_owned(),
            });
        }
    }
    Some(producers)
}

fn features(data: &[u8]) -> Option<Vec<String>> {
    let mut reader = BinaryReader::new(data, 0);
    let mut features = Vec::new();
    for _ in 0..reader.read_var_u32().ok()? {
        let prefix = reader.read_u8().ok()?;
        let name = reader.read_string().ok()?;
        features.extend((prefix == USED).then(|| name.to_owned()));
    }
    Some(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_that_are_used() {
        assert_eq!(features(b"\x02+\x04simd-\x07atomics").unwrap(), ["simd"]);
        assert_eq!(features(b"\x02+\x04simd"), None);
        assert_eq!(features(b"\xff\xff\xff\xff\x0f"), None);
    }

    #[test]
    fn producers_have_roles() {
        let section = b"\x01\x0cprocessed-by\x01\x05clang\x0222";
        let clang =
            Producer { role: "processed-by".to_owned(), name: "clang".to_owned(), version: "22".to_owned() };
        assert_eq!(producers(section), Some(vec![clang]));
        assert_eq!(producers(b"\x01\x05other\x00"), None);
    }
}
