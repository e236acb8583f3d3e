//! Owns where libraries are searched for: dynamic string tokens, and the order of folders (ld.so(8)). One place for loads and for
//! `pydl deps`. Must not know file systems, or what is in files.

use std::borrow::Cow;

use indexmap::IndexSet;

use crate::link::needed::LibraryRequest;

/// The length in bytes from which no system accepts a path: `PATH_MAX` of musl, which includes the NUL at the end.
pub const PATH_LIMIT: usize = 4096;
/// What `$LIB` stands for. WebAssembly has one ABI per system, so no folder has the ABI in its name.
const LIB: &str = "lib";
/// What `$PLATFORM` stands for: the processor.
const PLATFORM: &str = "wasm32";
/// How many bytes of an impossible path are shown.
const SHOWN: usize = 100;

/// The module that requests a library: the main program, or the library that names it in NEEDED or calls `dlopen`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requester {
    /// Path of the requesting library's file.
    pub path: String,
    runtime_path: RuntimePath,
}

/// The folders of a `RUNTIME_PATH`, each once, with tokens replaced.
pub(crate) type RuntimePath = Vec<Place>;

/// One place to search.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// A path of a file, or a folder.
    Path(String),
    /// Something that cannot be a path: how it is displayed, and why it is impossible.
    Impossible(String, &'static str),
}

impl Requester {
    /// The requester of this path, with the entries of its `RUNTIME_PATH`, in order.
    pub fn new<'a>(path: &str, runtime_path: impl IntoIterator<Item = &'a String>) -> Requester {
        let origin = folder_of(path);
        let folders = runtime_path.into_iter().map(|entry| match expand(entry, Some(origin)) {
            // An empty entry means the working directory.
            Ok(folder) if folder.is_empty() => Place::Path(".".to_owned()),
            Ok(folder) => Place::Path(folder.trim_end_matches('/').to_owned()),
            Err(why) => Place::Impossible(shown(entry), why),
        });
        let folders: IndexSet<Place> = folders.collect();
        Requester { path: path.to_owned(), runtime_path: folders.into_iter().collect() }
    }

    /// The folders of the requester's `RUNTIME_PATH`, each once, without entries in which a token stands for nothing or for too
    /// much.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.runtime_path.iter().filter_map(|place| match place {
            Place::Path(folder) => Some(folder.as_str()),
            Place::Impossible(..) => None,
        })
    }

    /// All entries of the requester's `RUNTIME_PATH`, impossible ones included.
    pub(crate) fn runtime_path(&self) -> &RuntimePath {
        &self.runtime_path
    }

    /// What `$ORIGIN` stands for: the folder of the requesting library's file.
    pub fn origin(&self) -> &str {
        folder_of(&self.path)
    }
}

/// The folders searched for names without a slash that do not change while a process runs.
#[derive(Clone, Debug, Default)]
pub struct SearchPath {
    /// `LD_LIBRARY_PATH` of the guest's initial environment.
    pub environment: Vec<String>,
    /// The loader's own folders, last.
    pub own: Vec<String>,
}

impl SearchPath {
    /// What `$ORIGIN` stands for in names that the main module, which is not a file of the guest, refers to: the first of the
    /// loader's own folders.
    fn origin_of_main(&self) -> Option<&str> {
        self.own.first().map(String::as_str)
    }

    /// The places to search for a request, in order: its path when it has a slash; else the folders in `LD_LIBRARY_PATH`, the
    /// requester's `RUNTIME_PATH`, and the loader's own folders (ld.so(8), without its cache and default folders). `caller` is
    /// the library that calls `dlopen`: the requester of names that come from no library's NEEDED. As in glibc, tokens are
    /// replaced in NEEDED names, and in names passed to `dlopen` that have a slash.
    pub fn places<'a>(
        &'a self,
        request: LibraryRequest<'a>,
        caller: Option<&'a Requester>,
    ) -> Box<dyn Iterator<Item = Place> + 'a> {
        let requester = request.requester.or(caller);
        let origin = requester.map(Requester::origin).or_else(|| self.origin_of_main());
        let has_tokens = request.requester.is_some() || request.name.contains('/');
        let name = if has_tokens { expand(request.name, origin) } else { Ok(Cow::Borrowed(request.name)) };
        let name = match name {
            Ok(name) if name.len() < PATH_LIMIT && !name.contains('\0') => name,
            Ok(_) => return one(Place::Impossible(shown(request.name), IMPOSSIBLE)),
            Err(why) => return one(Place::Impossible(shown(request.name), why)),
        };
        if name.contains('/') {
            return one(Place::Path(name.into_owned()));
        }
        let main = self.origin_of_main();
        let environment = self.environment.iter().map(move |folder| match expand(folder, main) {
            Ok(folder) => Place::Path(folder.into_owned()),
            Err(why) => Place::Impossible(shown(folder), why),
        });
        let runtime_path = requester.into_iter().flat_map(|requester| requester.runtime_path.iter().cloned());
        let own = self.own.iter().map(|folder| Place::Path(folder.clone()));
        Box::new(environment.chain(runtime_path).chain(own).map(move |place| match place {
            Place::Path(folder) => inside(&folder, &name),
            impossible @ Place::Impossible(..) => impossible,
        }))
    }
}

const IMPOSSIBLE: &str = "not a possible path";

fn one<'a>(place: Place) -> Box<dyn Iterator<Item = Place> + 'a> {
    Box::new(std::iter::once(place))
}

/// A file inside a folder.
fn inside(folder: &str, name: &str) -> Place {
    let path = format!("{}/{name}", folder.trim_end_matches('/'));
    if path.len() < PATH_LIMIT { Place::Path(path) } else { Place::Impossible(shown(&path), IMPOSSIBLE) }
}

/// The folder that a file is in.
pub fn folder_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    }
}

/// The beginning of a text that may be of any length.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Replaces dynamic string tokens (ld.so(8)): `$ORIGIN`, `$LIB` and `$PLATFORM`, with or without braces. As in glibc, a token
/// without braces ends where a C identifier ends, and text that is not a token stays as it is. Errs, with a message, when
/// `$ORIGIN` stands for nothing and when the result is longer than a path may be.
pub fn expand<'a>(text: &'a str, origin: Option<&str>) -> Result<Cow<'a, str>, &'static str> {
    let Some((before, mut rest)) = text.split_once('$') else { return Ok(Cow::Borrowed(text)) };
    let mut expanded = before.to_owned();
    loop {
        match token(rest) {
            Some((name, length)) => {
                expanded.push_str(match name {
                    "ORIGIN" => origin.ok_or("$ORIGIN stands for nothing here")?,
                    "LIB" => LIB,
                    _ => PLATFORM,
                });
                rest = rest.get(length..).unwrap_or_default();
            }
            None => expanded.push('$'),
        }
        let (plain, next) = rest.split_once('$').map_or((rest, None), |(plain, next)| (plain, Some(next)));
        expanded.push_str(plain);
        if expanded.len() >= PATH_LIMIT {
            return Err(IMPOSSIBLE);
        }
        match next {
            Some(next) => rest = next,
            None => return Ok(Cow::Owned(expanded)),
        }
    }
}

/// The token at the beginning of a text, after its `$`, and its length in bytes.
fn token(text: &str) -> Option<(&'static str, usize)> {
    ["ORIGIN", "LIB", "PLATFORM"].into_iter().find_map(|name| {
        if text
            .strip_prefix('{')
            .and_then(|text| text.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('}'))
        {
            return Some((name, name.len() + 2));
        }
        let rest = text.strip_prefix(name)?;
        let goes_on = rest.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (!goes_on).then_some((name, name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: &str, runtime_path: &[&str]) -> Vec<String> {
        let path = SearchPath {
            environment: vec!["/env".to_owned(), "/env2/".to_owned()],
            own: vec!["/side".to_owned()],
        };
        let runtime_path: Vec<String> = runtime_path.iter().map(|entry| (*entry).to_owned()).collect();
        let requester = Requester::new("/a/b/user.so", &runtime_path);
        let text = |place| match place {
            Place::Path(path) => path,
            Place::Impossible(shown, why) => format!("{shown}: {why}"),
        };
        path.places(LibraryRequest { name, requester: Some(&requester) }, None).map(text).collect()
    }

    #[test]
    fn names_with_a_slash_are_not_searched() {
        assert_eq!(places("./x.so", &["/r"]), ["./x.so"]);
    }

    #[test]
    fn folders_are_tried_in_order_and_once() {
        let tried = ["/env/x.so", "/env2/x.so", "/r/x.so", "/side/x.so"];
        assert_eq!(places("x.so", &["/r", "/r/", "/r"]), tried);
    }

    #[test]
    fn the_library_that_calls_dlopen_is_asked_for_what_no_library_needs() {
        let path = SearchPath { environment: vec!["$ORIGIN/env".to_owned()], own: vec!["/side".to_owned()] };
        let requester = Requester::new("/a/b/user.so", &["$ORIGIN/r".to_owned()]);
        let places = |name, caller| {
            let places = path.places(LibraryRequest { name, requester: None }, caller);
            places.map(|place| format!("{place:?}")).collect::<Vec<_>>().join(" ")
        };
        let caller = Some(&requester);
        assert_eq!(
            places("x.so", caller),
            r#"Path("/side/env/x.so") Path("/a/b/r/x.so") Path("/side/x.so")"#
        );
        // In names passed to `dlopen`, tokens are replaced only if there is a slash.
        assert_eq!(places("$ORIGIN/x.so", caller), r#"Path("/a/b/x.so")"#);
        assert_eq!(places("$ORIGIN/x.so", None), r#"Path("/side/x.so")"#);
        assert!(places("${LIB}.so", caller).contains(r#""/a/b/r/${LIB}.so""#));
    }

    #[test]
    fn origin_is_the_folder_of_the_requester() {
        let tried = places("x.so", &["$ORIGIN/lib", "${ORIGIN}", "$ORIGIN/../c"]);
        assert_eq!(tried[2..5], ["/a/b/lib/x.so", "/a/b/x.so", "/a/b/../c/x.so"]);
        assert_eq!(places("$ORIGIN/x.so", &[]), ["/a/b/x.so"]);
        assert_eq!(places("$PLATFORM.so", &[])[0], "/env/wasm32.so");
    }

    #[test]
    fn tokens_are_those_of_glibc() {
        let expand = |text| expand(text, Some("/o")).map(Cow::into_owned);
        for (text, expanded) in [
            ("a$ORIGIN/b${ORIGIN}c$ORIGIN", "a/o/b/oc/o"),
            ("$LIB/$PLATFORM:${PLATFORM}${LIB}", "lib/wasm32:wasm32lib"),
            ("$ORIGINAL $ORIGIN_ $ORIGIN1 $LIBS", "$ORIGINAL $ORIGIN_ $ORIGIN1 $LIBS"),
            ("${ORIGIN ${ORIGIN_} $ $$ORIGIN $", "${ORIGIN ${ORIGIN_} $ $/o $"),
            ("$origin ${UNKNOWN}", "$origin ${UNKNOWN}"),
        ] {
            assert_eq!(expand(text), Ok(expanded.to_owned()));
        }
        assert_eq!(expand(&"$ORIGIN".repeat(1_000_000)), Err(IMPOSSIBLE));
        assert_eq!(super::expand("$ORIGIN", None), Err("$ORIGIN stands for nothing here"));
        assert_eq!(super::expand("$LIB", None), Ok(Cow::Borrowed("lib")));
    }

    #[test]
    fn what_cannot_be_a_path_is_shown_in_short() {
        let long = "x".repeat(5000);
        assert_eq!(places(&long, &[]), [format!("{}...: {IMPOSSIBLE}", &long[..100])]);
        let tried = places(&long[..4000], &[&long[..200]]);
        assert!(tried[2].ends_with(IMPOSSIBLE) && tried[2].len() < 200, "{}", tried[2]);
    }
}
