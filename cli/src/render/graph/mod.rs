//! Owns the graph of `pydl deps --graph`: which modules take how many symbols from which, as nodes and edges. Must not know how
//! either is drawn, or where the reports come from.

pub mod dot;
pub mod html;
mod layout;
pub mod node_text;
pub mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pydl_linker::{ImportKind, ImportReport, ModuleReport, Provider, abi};

use crate::render::paths::file_name;
use crate::reports::WheelReport;

/// What a node stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The main module.
    Main,
    /// One of the files, which has a report.
    File {
        /// Whether it would load.
        loads: bool,
    },
    /// A library that is not one of the files, found in a folder of libraries.
    Library,
    /// A library that is needed and was not found.
    NotFound,
    /// A stand-in for symbols that nothing defines.
    Nobody,
}

/// A module, or a stand-in for one.
#[derive(Debug)]
pub struct Node<'a> {
    /// Path of the module, or the name by which a file needs it; empty for [`Kind::Nobody`].
    pub path: &'a str,
    /// What the node stands for.
    pub kind: Kind,
    /// The report on the module, if there is one.
    pub report: Option<&'a ModuleReport>,
    /// What the module takes that no other node has: from itself, from the host, and what may stay undefined; with a word for the
    /// provider.
    pub other: Vec<(&'static str, Count)>,
}

/// An edge: one node takes symbols from another, or needs it.
#[derive(Debug)]
pub struct Edge {
    /// The node that takes: its position.
    pub from: usize,
    /// The node that provides: its position.
    pub to: usize,
    /// How many symbols are taken; none when a library is needed and provides nothing.
    pub count: Count,
}

impl Edge {
    /// The text on the edge; empty when nothing is taken.
    pub fn label(&self, graph: &Graph<'_>) -> String {
        match graph.kind(self.to) {
            Some(Kind::Nobody) => format!("\u{2717} {}", self.count),
            _ => self.count.to_string(),
        }
    }
}

/// How many symbols of each kind. A symbol whose address is taken and that is also called counts once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// Functions.
    pub functions: usize,
    /// Data symbols.
    pub data: usize,
    /// Tags and globals.
    pub others: usize,
}

impl Count {
    /// Counts the symbols among imports.
    pub fn of<'a>(imports: impl Iterator<Item = &'a ImportReport>) -> Count {
        let (mut functions, mut data, mut others) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for ImportReport { import, .. } in imports {
            let kind = match (import.module.as_str(), &import.kind) {
                (abi::GOT_MEM, _) => &mut data,
                (abi::GOT_FUNC, _) | (_, ImportKind::Function(_)) => &mut functions,
                _ => &mut others,
            };
            kind.insert((
                import.module == abi::ENV || import.module.starts_with("GOT."),
                import.name.as_str(),
            ));
        }
        Count { functions: functions.len(), data: data.len(), others: others.len() }
    }

    /// Whether there are none.
    pub fn is_zero(self) -> bool {
        self == Count::default()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |number: usize| if number == 1 { "" } else { "s" };
        let parts = [
            (self.functions, format!("{} function{}", self.functions, plural(self.functions))),
            (self.data, format!("{} data", self.data)),
            (self.others, format!("{} other{}", self.others, plural(self.others))),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
        f.write_str(&parts.join(", "))
    }
}

/// What a graph keeps of a file: the report, and the counts of what it takes.
#[derive(Debug)]
pub struct File {
    report: ModuleReport,
    taken: Vec<(Giver<String>, Count)>,
}

impl File {
    /// Counts what a file takes. The file's symbols are then dropped, except imports that are to be shown: there may be thousands
    /// of files.
    pub fn of(mut report: ModuleReport, shows_imports: bool) -> File {
        let taken = by_provider(&report).into_iter();
        let taken = taken.map(|(giver, imports)| (giver.owned(), Count::of(imports.into_iter()))).collect();
        report.exports = Vec::new();
        if !shows_imports {
            report.imports = Vec::new();
        }
        File { report, taken }
    }
}

/// Modules, and which of them take symbols from which.
#[derive(Debug)]
pub struct Graph<'a> {
    /// The main module first, if anything was checked against one; then the files in their order.
    pub nodes: Vec<Node<'a>>,
    /// The edges, in the order of the nodes that take.
    pub edges: Vec<Edge>,
    /// The wheels that contain some of the files; they may be refused themselves.
    pub wheels: &'a [WheelReport],
}

impl<'a> Graph<'a> {
    /// What a node stands for.
    pub fn kind(&self, node: usize) -> Option<Kind> {
        self.nodes.get(node).map(|node| node.kind)
    }

    /// The graph of these files and of what they take symbols from.
    pub fn of(files: &'a [File], wheels: &'a [WheelReport]) -> Graph<'a> {
        let mut builder = Builder::default();
        if let Some(main) = files.iter().find_map(|file| file.report.checked_against.as_deref()) {
            builder.node(main, Kind::Main, None);
        }
        for File { report, .. } in files {
            builder.node(
                &report.path,
                Kind::File { loads: report.would_load() != Some(false) },
                Some(report),
            );
        }
        for file in files {
            builder.take_symbols(file);
            builder.need_libraries(&file.report);
        }
        Graph { nodes: builder.nodes, edges: builder.edges, wheels }
    }
}

/// Groups a file's imports by provider: the path of a node, or a word for a provider that has no node.
pub fn by_provider(report: &ModuleReport) -> BTreeMap<Giver<&str>, Vec<&ImportReport>> {
    let mut groups: BTreeMap<Giver<&str>, Vec<&ImportReport>> = BTreeMap::new();
    for import in &report.imports {
        let giver = match &import.provider {
            Some(Provider::Main) => Giver::Main,
            Some(Provider::Library(path)) => Giver::Library(path.as_str()),
            Some(Provider::Missing(_)) => Giver::Nobody,
            Some(Provider::Itself) => Giver::Other("itself"),
            Some(Provider::Host) => Giver::Other("host"),
            Some(Provider::JavaScript) => Giver::Other("JavaScript"),
            Some(Provider::UndefinedUntilCalled) => Giver::Other("nobody, until called"),
            Some(Provider::WeakUndefined) => Giver::Other("weak, undefined"),
            // What pydl gives to every library is not a dependency; if the provider is unknown, there is none to show.
            Some(Provider::Loader) | None => continue,
        };
        groups.entry(giver).or_default().push(import);
    }
    groups
}

/// The provider of an import.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Giver<P> {
    /// Nothing, which is an error.
    Nobody,
    /// The main module.
    Main,
    /// A library, by path.
    Library(P),
    /// A provider, or the lack of one, that is not a node: as a word.
    Other(&'static str),
}

impl Giver<&str> {
    fn owned(self) -> Giver<String> {
        match self {
            Giver::Nobody => Giver::Nobody,
            Giver::Main => Giver::Main,
            Giver::Library(path) => Giver::Library(path.to_owned()),
            Giver::Other(word) => Giver::Other(word),
        }
    }
}

#[derive(Default)]
struct Builder<'a> {
    nodes: Vec<Node<'a>>,
    edges: Vec<Edge>,
    by_path: BTreeMap<&'a str, usize>,
    by_file_name: BTreeMap<&'a str, usize>,
}

impl<'a> Builder<'a> {
    /// The node of a path, created when there is none.
    fn node(&mut self, path: &'a str, kind: Kind, report: Option<&'a ModuleReport>) -> usize {
        if let Some(known) = self.by_path.get(path) {
            return *known;
        }
        let position = self.nodes.len();
        self.by_path.insert(path, position);
        if kind != Kind::Main {
            self.by_file_name.entry(file_name(path)).or_insert(position);
        }
        self.nodes.push(Node { path, kind, report, other: Vec::new() });
        position
    }

    fn take_symbols(&mut self, File { report, taken }: &'a File) {
        let Some(from) = self.by_path.get(report.path.as_str()).copied() else { return };
        for (giver, count) in taken {
            let to = match giver {
                Giver::Main => {
                    self.node(report.checked_against.as_deref().unwrap_or("main"), Kind::Main, None)
                }
                Giver::Library(path) => self.node(path, Kind::Library, None),
                Giver::Nobody => self.node("", Kind::Nobody, None),
                Giver::Other(word) => {
                    if let Some(node) = self.nodes.get_mut(from) {
                        node.other.push((*word, *count));
                    }
                    continue;
                }
            };
            self.edges.push(Edge { from, to, count: *count });
        }
    }

    /// Adds edges to libraries that provide no symbols, or do not exist.
    fn need_libraries(&mut self, report: &'a ModuleReport) {
        let Some(from) = self.by_path.get(report.path.as_str()).copied() else { return };
        let own =
            report.needed_missing.iter().filter(|missing| missing.requester.as_deref() == Some(&report.path));
        let absent: BTreeSet<&str> = own.map(|missing| missing.name.as_str()).collect();
        for name in report.needed.iter().filter(|name| !abi::is_in_main(name)) {
            if abi::python_of(name).is_some() && !absent.contains(name.as_str()) {
                continue;
            }
            let to = match self.by_file_name.get(file_name(name)) {
                _ if absent.contains(name.as_str()) => self.node(name, Kind::NotFound, None),
                Some(known) => *known,
                None => self.node(name, Kind::Library, None),
            };
            if !self.edges.iter().rev().take_while(|edge| edge.from == from).any(|edge| edge.to == to) {
                self.edges.push(Edge { from, to, count: Count::default() });
            }
        }
    }
}
