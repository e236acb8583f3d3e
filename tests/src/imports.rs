//! Owns which files of a crate import which others, by reading their sources: `use` declarations and paths that begin with `crate`, `self`
//! or `super`, except in tests. Must not know which imports are right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module in its crate: `["link", "plan"]` is `crate::link::plan`.
pub type ModulePath = Vec<String>;

/// The modules of a crate that have a file of their own, each with those that it imports from. The crate's root is not among them.
///
/// # Panics
///
/// Panics when a file cannot be read.
pub fn of_crate(sources: &Path) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
    let mut files = BTreeMap::new();
    find(sources, &mut Vec::new(), &mut files);
    let modules: BTreeSet<ModulePath> = files.keys().cloned().collect();
    let imports = |module: &ModulePath, file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let text = without_comments(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
        let paths = paths(&text).into_iter().map(|path| absolute(module, &path));
        let of_files = paths.filter_map(|path| nearest(&modules, &path));
        of_files.filter(|imported| imported != module).collect()
    };
    files.iter().map(|(module, file)| (module.clone(), imports(module, file))).collect()
}

/// The cycles among the files of a crate: each is a set of modules of which every one imports every other, directly or indirectly.
pub fn circles(imports: &BTreeMap<ModulePath, BTreeSet<ModulePath>>) -> Vec<BTreeSet<ModulePath>> {
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        imports.keys().map(|module| (module, reachable(imports, module))).collect();
    let mut circles: Vec<BTreeSet<ModulePath>> = Vec::new();
    for (module, others) in &reached {
        let back = others.iter().filter(|other| reached.get(**other).is_some_and(|it| it.contains(*module)));
        let circle: BTreeSet<ModulePath> = back.map(|other| (*other).clone()).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// All modules that a module imports, directly or indirectly.
fn reachable<'a>(
    imports: &'a BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    from: &ModulePath,
) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&ModulePath> = imports.get(from).into_iter().flatten().collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(imports.get(module).into_iter().flatten());
        }
    }
    reached
}

fn find(folder: &Path, module: &mut ModulePath, files: &mut BTreeMap<ModulePath, PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            module.push(name);
            find(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_folder = name == "mod";
            let is_root = module.is_empty() && (name == "lib" || name == "main");
            let own = module.iter().cloned().chain((!is_folder && !is_root).then_some(name)).collect();
            if !is_root {
                files.insert(own, path);
            }
        }
    }
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// All paths that begin in the crate; those of `use` trees are listed individually.
fn paths(text: &str) -> Vec<ModulePath> {
    let mut paths = Vec::new();
    for begin in ["crate::", "self::", "super::"] {
        for (at, _) in text.match_indices(begin) {
            let before = text.get(..at).unwrap_or_default();
            let is_inner = before.ends_with("::")
                || before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
            if !is_inner {
                expand(&[], text.get(at..).unwrap_or_default(), &mut paths);
            }
        }
    }
    paths
}

/// The paths of a tree; returns what follows it.
fn expand<'a>(prefix: &[String], tree: &'a str, paths: &mut Vec<ModulePath>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = tree.trim_start();
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.trim_start().starts_with('}') && !rest.trim_start().is_empty() {
                rest = expand(&path, rest, paths).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            return rest.trim_start().strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return rest.strip_prefix('*').unwrap_or_else(|| rest.get(1..).unwrap_or_default());
        }
        path.push(name.to_owned());
        if let Some(next) = after.strip_prefix("::") {
            rest = next;
            continue;
        }
        paths.push(path);
        // `as` gives another name to what has been named.
        let after = after.trim_start();
        let Some(renamed) = after.strip_prefix("as ") else { return after };
        return renamed.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    }
}

/// A path from the crate's root, as a module refers to it.
fn absolute(module: &ModulePath, path: &[String]) -> ModulePath {
    let (mut base, mut rest) = match path.split_first() {
        Some((first, rest)) if first == "crate" => (Vec::new(), rest),
        Some((first, rest)) if first == "self" => (module.clone(), rest),
        _ => (module.clone(), path),
    };
    while let Some((first, after)) = rest.split_first().filter(|(first, _)| *first == "super") {
        let _ = first;
        base.pop();
        rest = after;
    }
    base.extend_from_slice(rest);
    base
}

/// The innermost module with a file that a path leads through.
fn nearest(modules: &BTreeSet<ModulePath>, path: &ModulePath) -> Option<ModulePath> {
    (1..=path.len())
        .rev()
        .filter_map(|length| path.get(..length))
        .map(<[String]>::to_vec)
        .find(|it| modules.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<ModulePath> {
        paths.iter().map(|path| path.split("::").map(str::to_owned).collect()).collect()
    }

    #[test]
    fn trees_are_expanded() {
        let text = "use crate::a::{self, b::C, d as e};\nfn f() { super::g::h(); other::crate_like() }";
        assert_eq!(paths(text), names(&["crate::a::self", "crate::a::b::C", "crate::a::d", "super::g::h"]));
    }

    #[test]
    fn circles_are_found() {
        let path = |name: &str| vec![name.to_owned()];
        let imports = BTreeMap::from([
            (path("a"), BTreeSet::from([path("b")])),
            (path("b"), BTreeSet::from([path("c")])),
            (path("c"), BTreeSet::from([path("a")])),
            (path("d"), BTreeSet::from([path("a")])),
        ]);
        assert_eq!(circles(&imports), [BTreeSet::from([path("a"), path("b"), path("c")])]);
    }
}
