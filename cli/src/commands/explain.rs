//! Owns the hint at the end of a run that failed: the `pydl deps` line that explains more about a load that was refused. Must not
//! know how libraries are linked, or what the reports say.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use pydl_linker::{ParsedModule, Requester};
use pydl_loader::{ProcessOptions, RefusedLoad};

use crate::args::{Deps, Run};
use crate::commands::deps;

/// The hint for a load that was refused; `None` when `pydl deps` finds nothing wrong, as when it was guest code that failed.
pub fn of_load(run: &Run, options: &ProcessOptions, refused: &RefusedLoad) -> Option<String> {
    let file = options.host_file(&refused.path)?;
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    // Files that were given in the same way are found by those that need them.
    let others = if is_wheel(&file) {
        run.with.iter().filter(|path| is_wheel(path)).collect()
    } else if run.side.contains(&file) {
        run.side.iter().collect()
    } else {
        Vec::new()
    };
    let others = others.into_iter().filter(|other| **other != file);
    let library_path = if is_wheel(&file) { Vec::new() } else { folders(run, options, &file) };
    let files = std::iter::once(&file).chain(others).cloned().collect();
    let deps = Deps {
        files,
        main: Some(run.main.clone()),
        library_path,
        why: refused.symbol.clone(),
        ..Deps::default()
    };
    let what = match &refused.symbol {
        Some(symbol) => format!("`{symbol}` was not found"),
        None => format!("{} was not loaded", refused.path),
    };
    deps::has_something_to_say(&deps).then(|| format!("{what}; this tells more:\n  {}", line(&deps)))
}

/// The hint for a main module that does not get the libraries it needs.
pub fn of_main(run: &Run) -> String {
    let files = if run.side.is_empty() { vec![run.main.clone()] } else { run.side.clone() };
    let deps = Deps { files, main: Some(run.main.clone()), ..Deps::default() };
    format!("this tells more:\n  {}", line(&deps))
}

/// The folders in which a process searches for what a file needs: `LD_LIBRARY_PATH`, then the file's runtime path.
fn folders(run: &Run, options: &ProcessOptions, file: &Path) -> Vec<PathBuf> {
    let path =
        run.env.iter().rev().find_map(|assignment| assignment.to_str()?.strip_prefix("LD_LIBRARY_PATH="));
    let path = path.unwrap_or_default().split([':', ';']).filter(|folder| !folder.is_empty());
    let mut folders: Vec<PathBuf> = path.filter_map(|folder| options.host_path(folder)).collect();
    let module = fs::read(file).ok().and_then(|bytes| ParsedModule::parse(&bytes).ok());
    let dylink = module.and_then(|module| module.dylink);
    let runtime_path = dylink.iter().flat_map(|dylink| &dylink.runtime_path);
    let file = Requester::new(&file.display().to_string(), runtime_path);
    folders.extend(file.folders().map(PathBuf::from));
    folders.retain(|folder| folder.is_dir());
    folders
}

/// The command line, quoted for a shell.
fn line(deps: &Deps) -> String {
    let mut words = vec!["pydl".to_owned(), "deps".to_owned()];
    for file in &deps.files {
        // A word that begins with a dash would be taken for an option.
        let is_option = file.as_os_str().as_encoded_bytes().starts_with(b"-");
        words.push(quoted(if is_option { Path::new(".").join(file) } else { file.clone() }.as_os_str()));
    }
    let options = [("--main", deps.main.as_deref()), ("--why", deps.why.as_deref().map(Path::new))];
    let folders = deps.library_path.iter().map(|folder| ("--library-path", Some(folder.as_path())));
    for (option, value) in options.into_iter().chain(folders) {
        if let Some(value) = value {
            words.extend([option.to_owned(), quoted(value.as_os_str())]);
        }
    }
    words.join(" ")
}

/// A word, quoted for a shell.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./,:=@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_shells_want_it() {
        assert_eq!(quoted(OsStr::new("dist/a-1.whl")), "dist/a-1.whl");
        assert_eq!(quoted(OsStr::new("")), "''");
        assert_eq!(quoted(OsStr::new("it's $HOME")), r"'it'\''s $HOME'");
    }

    #[test]
    fn files_are_never_options() {
        let deps = Deps { files: vec!["--quiet".into()], main: Some("m".into()), ..Deps::default() };
        assert_eq!(line(&deps), "pydl deps ./--quiet --main m");
    }
}
