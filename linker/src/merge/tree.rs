//! Owns how a read-only folder is laid out in a program: the nodes and contents that `linker/guest/tree.c` reads. Must not know what the
//! files are for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::MergeError;
use super::numbering::count;
use super::tables::Arena;

/// A folder that becomes part of a program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EmbeddedFolder {
    /// Absolute path of the folder in the program.
    pub path: String,
    /// Contents of the files, by their paths below the folder; folders are those that the paths name.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

/// One file or folder, by name.
enum Entry<'a> {
    File(&'a [u8]),
    Folder(BTreeMap<&'a [u8], Entry<'a>>),
}

/// The words of one `struct node`.
const NODE: u32 = 6;

impl EmbeddedFolder {
    /// Lays the folder out; returns the words of a `struct tree`. Errs when a path is not one of a file below a folder, and when a file
    /// would lie in a file.
    pub(super) fn place(&self, arena: &mut Arena) -> Result<Vec<u32>, MergeError> {
        let mut root = BTreeMap::new();
        for (path, contents) in &self.files {
            insert(&mut root, path, contents)
                .ok_or_else(|| MergeError::new(path, "it is not the path of a file below a folder"))?;
        }
        let mut words = vec![0; NODE as usize];
        let mut open = VecDeque::from([(0_u32, &root)]);
        let name = arena.text("")?;
        fill(&mut words, 0, [name, 0, 1, 0, 0, 0]);
        while let Some((number, children)) = open.pop_front() {
            let first = count(words.len()) / NODE;
            let at = number.saturating_mul(NODE) as usize;
            words[at + 3] = first;
            words[at + 4] = count(children.len());
            words.resize(words.len() + children.len() * NODE as usize, 0);
            for (child, (name, entry)) in (first..).zip(children) {
                let text = arena.bytes(name)?;
                let (is_folder, start, size) = match entry {
                    Entry::File(contents) => (0, arena.bytes(contents)?, count(contents.len())),
                    Entry::Folder(children) => {
                        open.push_back((child, children));
                        (1, 0, 0)
                    }
                };
                fill(&mut words, child, [text, count(name.len()), is_folder, start, size, number]);
            }
        }
        let path = arena.text(&self.path)?;
        Ok(vec![path, count(self.path.len()), arena.words(&words)?])
    }
}

fn fill(words: &mut [u32], node: u32, fields: [u32; NODE as usize]) {
    let at = node.saturating_mul(NODE) as usize;
    if let Some(place) = words.get_mut(at..at + fields.len()) {
        place.copy_from_slice(&fields);
    }
}

/// Enters a file; `None` when its path is impossible.
fn insert<'a>(
    mut folder: &mut BTreeMap<&'a [u8], Entry<'a>>,
    path: &'a str,
    contents: &'a [u8],
) -> Option<()> {
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") || part.contains('\0') {
            return None;
        }
        if parts.peek().is_none() {
            let new = folder.insert(part.as_bytes(), Entry::File(contents));
            return new.is_none().then_some(());
        }
        folder = match folder.entry(part.as_bytes()).or_insert_with(|| Entry::Folder(BTreeMap::new())) {
            Entry::Folder(children) => children,
            Entry::File(_) => return None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> EmbeddedFolder {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().into()));
        EmbeddedFolder { path: "/lib".to_owned(), files: files.collect() }
    }

    #[test]
    fn children_stand_together_sorted_by_name() {
        let mut arena = Arena::at(64);
        let files = [("b/two", "22"), ("a", "1"), ("b/one", ""), ("b/c/d", "4")];
        let tree = folder(&files).place(&mut arena).unwrap();
        let (base, bytes) = arena.into_data();
        let word = |address: u32| {
            let at = (address - base) as usize;
            u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
        };
        let text = |address: u32, length: u32| {
            let at = (address - base) as usize;
            String::from_utf8(bytes[at..at + length as usize].to_vec()).unwrap()
        };
        assert_eq!(text(tree[0], tree[1]), "/lib");
        let node = |number: u32| {
            let at = tree[2] + number * 4 * NODE;
            let name = text(word(at), word(at + 4));
            let rest = if word(at + 8) == 1 {
                format!("{}+{}", word(at + 12), word(at + 16))
            } else {
                text(word(at + 12), word(at + 16))
            };
            format!("{name} {rest} {}", word(at + 20))
        };
        let nodes: Vec<String> = (0..7).map(node).collect();
        assert_eq!(nodes, [" 1+2 0", "a 1 0", "b 3+3 0", "c 6+1 2", "one  2", "two 22 2", "d 4 3"]);
    }

    #[test]
    fn impossible_paths_are_refused() {
        for path in ["", "/a", "a/", "a//b", "../a", "a/./b"] {
            assert!(folder(&[(path, "")]).place(&mut Arena::at(0)).is_err(), "{path}");
        }
        assert!(folder(&[("a", ""), ("a/b", "")]).place(&mut Arena::at(0)).is_err());
    }
}
