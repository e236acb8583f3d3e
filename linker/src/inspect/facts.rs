//! Owns what a module tells of how it was built: its tools, the features its compiler was allowed, and how its exceptions work.
//! Must not know whether any of that can be loaded.
//!
//! Sources: tool-conventions, `ProducersSection.md` and `Linking.md` ("Target Features Section"); the exception handling
//! proposal; Emscripten's `-fexceptions`.

use wasmparser::{BinaryReader, FunctionBody, Operator, Parser, Payload, ProducersSectionReader};

use crate::abi;
use crate::parse::{ExportKind, ImportKind, ParsedModule};

const PRODUCERS: &str = "producers";
const TARGET_FEATURES: &str = "target_features";
/// The prefix of a feature that is used; the others are features that are not.
const USED: u8 = b'+';
/// The opcodes that begin a block with handlers: of the legacy encoding, and of the standard.
const TRY: u8 = 0x06;
const TRY_TABLE: u8 = 0x1f;
/// Either with the type of a block that most have: none, or an `i32`.
const LIKELY: [[u8; 2]; 4] = [[TRY, 0x40], [TRY, 0x7f], [TRY_TABLE, 0x40], [TRY_TABLE, 0x7f]];

/// A tool or language that a module tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version; empty when it has none.
    pub version: String,
}

/// How a module throws and catches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ExceptionStyle {
    /// It does neither.
    None,
    /// It leaves both to a host: `invoke_*`.
    JavaScript,
    /// With the legacy instructions (`try`, `catch`, `rethrow`).
    Legacy,
    /// With the instructions of the standard (`try_table`, `throw_ref`, `exnref`).
    Standard,
    /// It has a tag, and catches nothing: it may throw.
    OnlyThrows,
}

impl ExceptionStyle {
    /// One word for it.
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
    /// Its tools, in the order of its `producers` section.
    pub producers: Vec<Producer>,
    /// The features that its compiler was allowed, by its `target_features` section; `None` without one.
    pub features: Option<Vec<String>>,
    /// How it throws and catches.
    pub exceptions: ExceptionStyle,
}

impl BuildFacts {
    /// Reads the module's sections, and its functions up to the first that catches. What is malformed counts as absent: whether
    /// functions are valid, the engine tells.
    pub fn read(module: &ParsedModule, bytes: &[u8]) -> BuildFacts {
        let mut facts =
            BuildFacts { producers: Vec::new(), features: None, exceptions: without_code(module) };
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            match payload {
                Payload::CustomSection(section) if section.name() == PRODUCERS => {
                    facts.producers = producers(section.data()).unwrap_or_default();
                }
                Payload::CustomSection(section) if section.name() == TARGET_FEATURES => {
                    facts.features = features(section.data());
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        facts.exceptions = in_code(&bodies, bytes).unwrap_or(facts.exceptions);
        facts
    }
}

/// The instructions with which the first function that is found catches. Functions that look like it come first: reading all takes long.
fn in_code(bodies: &[FunctionBody<'_>], bytes: &[u8]) -> Option<ExceptionStyle> {
    let may_catch = |body: &&FunctionBody<'_>| {
        let code = bytes.get(body.range()).unwrap_or_default();
        code.contains(&TRY) || code.contains(&TRY_TABLE)
    };
    let possible: Vec<_> = bodies.iter().filter(may_catch).collect();
    let is_likely = |body: &&&FunctionBody<'_>| {
        let code = bytes.get(body.range()).unwrap_or_default();
        code.array_windows().any(|pair| LIKELY.contains(pair))
    };
    let likely = possible.iter().filter(is_likely);
    likely.copied().find_map(handlers).or_else(|| possible.iter().copied().find_map(handlers))
}

/// What imports and exports tell.
fn without_code(module: &ParsedModule) -> ExceptionStyle {
    let is_javascript = |name: &str, kind: &ImportKind| {
        matches!(kind, ImportKind::Function(_)) && name.starts_with(abi::INVOKE)
    };
    let mut imports = module.imports.iter();
    if imports.any(|import| is_javascript(&import.name, &import.kind)) {
        return ExceptionStyle::JavaScript;
    }
    let imports_tag = module.imports.iter().any(|import| matches!(import.kind, ImportKind::Tag(_)));
    if imports_tag || module.exports.iter().any(|(_, export)| matches!(export.kind, ExportKind::Tag(_))) {
        return ExceptionStyle::OnlyThrows;
    }
    ExceptionStyle::None
}

/// The instructions with which a function catches.
fn handlers(body: &FunctionBody<'_>) -> Option<ExceptionStyle> {
    let mut operators = body.get_operators_reader().ok()?.into_iter().map_while(Result::ok);
    operators.find_map(|operator| match operator {
        Operator::Try { .. } => Some(ExceptionStyle::Legacy),
        Operator::TryTable { .. } => Some(ExceptionStyle::Standard),
        _ => None,
    })
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
