//! Owns the graph of `pydl deps --graph`: who takes symbols from whom, in the language of Graphviz. Must not know where the reports
//! come from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use pydl_linker::{ModuleReport, Provider};

use crate::render::text::printable;

/// What stands for what nobody defines.
const NOBODY: &str = "nobody";

/// Writes the graph: an edge from each file to each module that it takes symbols from, with how many, and a dashed one to each
/// library that it needs and takes none from, or that is not there.
pub fn write(out: &mut impl Write, reports: &[ModuleReport]) -> io::Result<()> {
    writeln!(out, "digraph deps {{")?;
    writeln!(out, "  rankdir=LR;")?;
    writeln!(out, "  node [shape=box];")?;
    for report in reports {
        let colour = if report.would_load() == Some(false) { " [color=red]" } else { "" };
        writeln!(out, "  {}{colour};", quoted(&report.path))?;
    }
    for report in reports {
        let (symbols, missing) = providers(report);
        let from = quoted(&report.path);
        for (provider, count) in &symbols {
            writeln!(out, "  {from} -> {} [label=\"{count}\"];", quoted(provider))?;
        }
        if missing > 0 {
            writeln!(out, "  {from} -> {} [label=\"{missing}\", color=red];", quoted(NOBODY))?;
        }
        let files: BTreeSet<&str> = symbols.keys().map(|path| file_name(path)).collect();
        let absent: BTreeSet<&str> =
            report.needed_missing.iter().map(|missing| missing.name.as_str()).collect();
        for name in report.needed.iter().filter(|name| !files.contains(file_name(name))) {
            let colour = if absent.contains(name.as_str()) { ", color=red" } else { "" };
            writeln!(out, "  {from} -> {} [style=dashed{colour}];", quoted(name))?;
        }
    }
    writeln!(out, "}}")
}

/// How many symbols a file takes from each other module, and how many nobody has.
fn providers(report: &ModuleReport) -> (BTreeMap<&str, usize>, usize) {
    let mut symbols = BTreeMap::new();
    let mut missing = 0;
    for import in &report.imports {
        let provider = match &import.provider {
            Some(Provider::Main) => report.checked_against.as_deref().unwrap_or("main"),
            Some(Provider::Library(path)) => path.as_str(),
            Some(Provider::Missing(_)) => {
                missing += 1;
                continue;
            }
            _ => continue,
        };
        *symbols.entry(provider).or_insert(0) += 1;
    }
    (symbols, missing)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A name as Graphviz reads it, in which nothing acts on a terminal.
fn quoted(name: &str) -> String {
    let escaped = printable(name).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::deps::sample;

    #[test]
    fn edges_count_symbols() {
        let (_, report) = sample::report();
        let mut out = Vec::new();
        write(&mut out, &[report]).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "\"dir/sample.so\" [color=red];",
            "\"dir/sample.so\" -> \"main.wasm\" [label=\"1\"];",
            "\"dir/sample.so\" -> \"nobody\" [label=\"2\", color=red];",
            "\"dir/sample.so\" -> \"libz.so\" [style=dashed, color=red];",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn names_stay_in_their_quotes() {
        assert_eq!(quoted("a\"; b\\"), r#""a\"; b\\""#);
    }
}
