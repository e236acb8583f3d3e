//! Owns the graph in the language of Graphviz. Must not know where the reports come from.

use std::io::{self, Write};

use super::{Graph, Kind};
use crate::render::paths::file_name;
use crate::render::size::bytes;
use crate::render::text::printable;

/// Writes the graph: an edge from each file to each module that it takes symbols from, with how many, and a dashed edge to each
/// library that it needs but takes no symbols from, or that does not exist.
pub fn write(out: &mut impl Write, graph: &Graph<'_>) -> io::Result<()> {
    writeln!(out, "digraph deps {{")?;
    writeln!(out, "  rankdir=LR;")?;
    writeln!(out, "  node [shape=box];")?;
    for (position, node) in graph.nodes.iter().enumerate() {
        let (text, wrong) = match (node.kind, node.report) {
            (Kind::Main, _) => ("main module".to_owned(), false),
            (Kind::File { loads: true }, Some(report)) => {
                (format!("loads, {}", bytes(report.file_size)), false)
            }
            (Kind::File { .. }, Some(report)) => {
                (format!("does not load, {}", bytes(report.file_size)), true)
            }
            (Kind::File { .. } | Kind::Library, _) => ("library".to_owned(), false),
            (Kind::NotFound, _) => ("not found".to_owned(), true),
            (Kind::Nobody, _) => ("missing, or of another type".to_owned(), true),
        };
        let name = if node.path.is_empty() { "nobody" } else { file_name(node.path) };
        let style = if wrong { ", color=red, style=dashed, peripheries=2" } else { "" };
        let tooltip = quoted(node.path);
        let label = format!("\"{}\\n{text}\"", inner(name));
        writeln!(out, "  n{position} [label={label}, tooltip={tooltip}{style}];")?;
    }
    for edge in &graph.edges {
        let wrong = matches!(graph.kind(edge.to), Some(Kind::Nobody | Kind::NotFound));
        let mut style: Vec<String> = Vec::new();
        if edge.count.is_zero() {
            style.push("style=dashed".to_owned());
        } else {
            style.push(format!("label={}", quoted(&edge.count.to_string())));
        }
        if wrong {
            style.push("color=red, penwidth=2".to_owned());
        }
        writeln!(out, "  n{} -> n{} [{}];", edge.from, edge.to, style.join(", "))?;
    }
    writeln!(out, "}}")
}

/// A text in Graphviz's syntax, with nothing in it that affects a terminal.
fn quoted(text: &str) -> String {
    format!("\"{}\"", inner(text))
}

fn inner(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::File;
    use super::*;
    use crate::reports::sample;

    #[test]
    fn edges_count_symbols() {
        let files = [File::of(sample::report().1, true)];
        let mut out = Vec::new();
        write(&mut out, &Graph::of(&files, &[])).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "n0 [label=\"main.wasm\\nmain module\", tooltip=\"main.wasm\"];",
            "n1 [label=\"sample.so\\ndoes not load, 183 bytes\", tooltip=\"dir/sample.so\", color=red, style=dashed, peripheries=2];",
            "n1 -> n0 [label=\"1 data\"];",
            "n1 -> n2 [label=\"2 functions\", color=red, penwidth=2];",
            "n1 -> n3 [style=dashed, color=red, penwidth=2];",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn names_stay_in_their_quotes() {
        assert_eq!(quoted("a\"; b\\"), r#""a\"; b\\""#);
    }
}
