//! Owns the RECORD of a wheel: which files there are, and the size and hash that each must have (PEP 376, PEP 427). Must not
//! know archives.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::digest::DynDigest;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// The size and hash that a file must have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Recorded {
    pub size: u64,
    algorithm: Algorithm,
    hash: Vec<u8>,
}

/// The hashes that a wheel may use: neither md5 nor sha1 (PEP 427).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Recorded {
    /// A hasher that is to be fed the contents, for [`Recorded::is_of`].
    pub(crate) fn hasher(&self) -> Box<dyn DynDigest> {
        match self.algorithm {
            Algorithm::Sha256 => Box::new(Sha256::new()),
            Algorithm::Sha384 => Box::new(Sha384::new()),
            Algorithm::Sha512 => Box::new(Sha512::new()),
        }
    }

    /// Whether the contents that were fed to a hasher have the hash they should have.
    pub(crate) fn is_of(&self, hasher: Box<dyn DynDigest>) -> bool {
        self.hash == *hasher.finalize()
    }

    /// Parses the second and third fields of a line.
    fn parse(hash: &str, size: &str) -> Result<Recorded, String> {
        let size = size.parse().map_err(|_| format!("its size is not a number: {size:?}"))?;
        let (name, text) = hash.split_once('=').ok_or_else(|| format!("it has no hash: {hash:?}"))?;
        let (algorithm, length) = match name {
            "sha256" => (Algorithm::Sha256, 32),
            "sha384" => (Algorithm::Sha384, 48),
            "sha512" => (Algorithm::Sha512, 64),
            other => return Err(format!("its hash is of the kind {other:?}; sha256 or longer is needed")),
        };
        let hash = URL_SAFE_NO_PAD.decode(text).ok().filter(|hash| hash.len() == length);
        let hash =
            hash.ok_or_else(|| format!("its hash is not one of {name} in base64 without padding: {text:?}"))?;
        Ok(Recorded { size, algorithm, hash })
    }
}

/// Parses a RECORD: lines of path, hash and size, separated by commas (RFC 4180). Lines for which `is_exempt` holds need neither
/// hash nor size, and are left out. Errs with the first line that is wrong.
pub(crate) fn parse(
    text: &str,
    is_exempt: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Recorded>, String> {
    let mut files = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let wrong = |why: &str| format!("line {}: {why}", number.saturating_add(1));
        let fields = fields(line).ok_or_else(|| wrong("a quote does not end"))?;
        let [path, hash, size] = fields.as_slice() else {
            return Err(wrong("it does not have three fields: path, hash and size"));
        };
        if is_exempt(path) {
            continue;
        }
        let recorded = Recorded::parse(hash, size).map_err(|why| wrong(&format!("{path}: {why}")))?;
        if files.get(path).is_some_and(|known| *known != recorded) {
            return Err(wrong(&format!("{path}: it is there twice, and not the same")));
        }
        files.insert(path.clone(), recorded);
    }
    Ok(files)
}

/// The fields of a line; `None` when a quote is left open.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut()?;
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    (!is_quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of empty contents.
    const EMPTY: &str = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    fn parse_all(text: &str) -> Result<BTreeMap<String, Recorded>, String> {
        parse(text, |path| path == "RECORD")
    }

    #[test]
    fn lines_are_paths_hashes_and_sizes() {
        let files = parse_all(&format!("a.py,{EMPTY},0\r\n\"b,\"\"c.py\",{EMPTY},0\nRECORD,,\n")).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.py", "b,\"c.py"]);
        let is_of = |contents: &[u8]| {
            let mut hasher = files["a.py"].hasher();
            hasher.update(contents);
            files["a.py"].is_of(hasher)
        };
        assert!(is_of(b"") && !is_of(b"x"));
    }

    #[test]
    fn wrong_lines_are_errors() {
        for (line, why) in [
            ("a.py,,", "its size is not a number"),
            ("a.py,,0", "it has no hash"),
            ("a.py,md5=AAAA,0", "sha256 or longer"),
            ("a.py,sha1=AAAA,0", "sha256 or longer"),
            ("a.py,sha256=AAAA,0", "not one of sha256"),
            ("a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=,0", "without padding"),
            ("a.py,x", "three fields"),
            ("\"a.py,x,0", "a quote"),
        ] {
            let error = parse_all(line).unwrap_err();
            assert!(error.starts_with("line 1: ") && error.contains(why), "{line}: {error}");
        }
        let twice = format!("a,{EMPTY},0\na,{EMPTY},1\n");
        assert!(parse_all(&twice).unwrap_err().contains("line 2: a: it is there twice"));
    }
}
