//! Owns the page of `pydl deps --graph html`: the graph, and next to it what each module takes from which. The page is a single
//! file that loads nothing else, in HTML that is also XML. Must not know how the graph is drawn.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pydl_linker::{ImportReport, ModuleReport};
use pydl_loader::demangled;
use sha2::{Digest, Sha256};

use super::{Count, Giver, Graph, Kind, Node, by_provider, svg};
use crate::render::paths::file_name;
use crate::render::size::bytes;
use crate::render::text::external_type;
use crate::render::xml::escaped;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The most symbols that are listed for each module that provides some, and the most reasons: a browser is slow with more. `pydl
/// deps` lists all.
const LISTED: usize = 2_000;

/// Writes the page.
pub fn write(out: &mut impl Write, graph: &Graph<'_>) -> io::Result<()> {
    let style = format!("\n{}{STYLE}", svg::STYLE);
    let script = format!("\n{SCRIPT}");
    let title = escaped(&svg::summary(graph));
    writeln!(out, "<!DOCTYPE html>")?;
    writeln!(
        out,
        "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>"
    )?;
    // Nothing is fetched, and only these scripts and styles are in effect, whatever the names of files may contain.
    writeln!(
        out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'\"/>",
        hash(&style),
        hash(&script)
    )?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>")?;
    writeln!(out, "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>")?;
    writeln!(out, "<header><h1>pydl deps</h1><p>{title}</p>")?;
    writeln!(
        out,
        "<div id=\"tools\" hidden=\"hidden\"><input type=\"search\" id=\"find\" placeholder=\"find a module\" title=\"find a module (/)\" \
         aria-label=\"find a module\"/><label><input type=\"checkbox\" id=\"problems\"/> problems only</label><button type=\"button\" id=\"all\" title=\"show all (Escape)\">All</button>\
         <button type=\"button\" id=\"farther\" title=\"farther (-)\" aria-label=\"zoom out\">\u{2212}</button>\
         <button type=\"button\" id=\"nearer\" title=\"nearer (+)\" aria-label=\"zoom in\">+</button>\
         <button type=\"button\" id=\"fit\" title=\"the whole graph (0)\">Fit</button></div></header>"
    )?;
    writeln!(
        out,
        "<figure id=\"graph\" tabindex=\"0\" aria-label=\"graph: move with the arrow keys, zoom with plus and minus\">\n{}\n</figure>",
        svg::picture(graph, true)
    )?;
    writeln!(out, "<main id=\"details\">")?;
    write_files(out, graph)?;
    for (position, node) in graph.nodes.iter().enumerate() {
        write_node(out, graph, position, node)?;
    }
    writeln!(out, "</main>\n<script>{script}</script>\n</body>\n</html>")
}

/// The source expression for a script or style in a Content-Security-Policy (CSP, section 2.3.1).
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// A name for a node in a list.
fn name(node: &Node<'_>) -> String {
    if node.kind == Kind::Nobody { "nobody".to_owned() } else { escaped(file_name(node.path)) }
}

fn verdict(node: &Node<'_>) -> &'static str {
    match node.kind {
        Kind::Main => "<span class=\"faint\">main module</span>",
        Kind::File { loads: true } => "\u{2713} loads",
        Kind::File { loads: false } => "<span class=\"bad\">\u{2717} does not load</span>",
        Kind::Library => "<span class=\"faint\">library, not one of the files</span>",
        Kind::NotFound => "<span class=\"bad\">\u{2717} not found</span>",
        Kind::Nobody => "<span class=\"bad\">\u{2717} missing, or of another type</span>",
    }
}

/// Writes the list of everything in the graph, to choose from.
fn write_files(out: &mut impl Write, graph: &Graph<'_>) -> io::Result<()> {
    writeln!(out, "<section id=\"files\"><h2>Modules</h2>\n<ul>")?;
    for (position, node) in graph.nodes.iter().enumerate() {
        writeln!(
            out,
            "<li data-node=\"{position}\"><a href=\"#f{position}\">{}</a> {}</li>",
            name(node),
            verdict(node)
        )?;
    }
    writeln!(out, "</ul>")?;
    for wheel in graph.wheels {
        let verdict = match wheel.would_load() {
            Some(false) => "<span class=\"bad\">\u{2717} does not load</span>",
            _ => "\u{2713} loads",
        };
        writeln!(out, "<h2>{}</h2><p>{verdict}</p>", escaped(file_name(&wheel.path)))?;
        write_reasons(out, wheel.reasons.iter().cloned())?;
    }
    writeln!(out, "</section>")
}

fn write_node(out: &mut impl Write, graph: &Graph<'_>, position: usize, node: &Node<'_>) -> io::Result<()> {
    writeln!(out, "<section id=\"f{position}\"><h2>{}</h2>", name(node))?;
    if node.path != file_name(node.path) {
        writeln!(out, "<p class=\"faint\">{}</p>", escaped(node.path))?;
    }
    write!(out, "<p>{}", verdict(node))?;
    if let Some(report) = node.report {
        write!(out, ", {}", bytes(report.file_size))?;
    }
    writeln!(out, "</p>")?;
    if let Some(report) = node.report {
        write_reasons(out, report.reasons())?;
        write_imports(out, graph, report)?;
    }
    let needs = graph
        .edges
        .iter()
        .filter(|edge| edge.from == position && edge.count.is_zero())
        .map(|edge| (edge.to, Count::default()));
    write_links(out, graph, "Needs, and takes nothing from", needs)?;
    let users = graph.edges.iter().filter(|edge| edge.to == position).map(|edge| (edge.from, edge.count));
    write_links(out, graph, "Needed by", users)?;
    writeln!(out, "</section>")
}

fn write_reasons(out: &mut impl Write, reasons: impl Iterator<Item = String>) -> io::Result<()> {
    let mut reasons = reasons.peekable();
    if reasons.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "<h3>Reasons against loading it</h3><ul>")?;
    for reason in reasons.by_ref().take(LISTED) {
        let lines: Vec<String> = reason.lines().map(escaped).collect();
        writeln!(out, "<li>{}</li>", lines.join("<br/>"))?;
    }
    write_more(out, reasons.count())?;
    writeln!(out, "</ul>")
}

/// Writes what a file takes, by provider.
fn write_imports(out: &mut impl Write, graph: &Graph<'_>, report: &ModuleReport) -> io::Result<()> {
    let groups = by_provider(report);
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>Takes from</h3>")?;
    for (giver, imports) in groups {
        let (path, word) = match giver {
            Giver::Nobody => ("", "\u{2717} nobody"),
            Giver::Main => (report.checked_against.as_deref().unwrap_or_default(), "main"),
            Giver::Library(path) => (path, file_name(path)),
            Giver::Other(word) => ("", word),
        };
        let node = graph.nodes.iter().position(|node| !path.is_empty() && node.path == path);
        let class = if giver == Giver::Nobody { " class=\"bad\"" } else { "" };
        let count = Count::of(imports.iter().copied());
        writeln!(out, "<details><summary{class}>{}: {count}</summary>", escaped(word))?;
        if let Some(node) = node {
            writeln!(out, "<p><a href=\"#f{node}\">{}</a></p>", escaped(path))?;
        }
        write_symbols(out, &imports)?;
        writeln!(out, "</details>")?;
    }
    Ok(())
}

fn write_symbols(out: &mut impl Write, imports: &[&ImportReport]) -> io::Result<()> {
    let mut sorted = imports.to_vec();
    sorted.sort_by_key(|report| &report.import.name);
    writeln!(out, "<ul>")?;
    for ImportReport { import, weak, .. } in sorted.iter().take(LISTED) {
        let weak = if *weak { ", weak" } else { "" };
        let what = match import.module.as_str() {
            pydl_linker::abi::GOT_MEM => "data".to_owned(),
            pydl_linker::abi::GOT_FUNC => "address of a function".to_owned(),
            _ => external_type(&import.kind),
        };
        write!(
            out,
            "<li><code>{}</code> <span class=\"faint\">{}{weak}</span>",
            escaped(&import.name),
            escaped(&what)
        )?;
        if let Some(readable) = demangled(&import.name) {
            write!(out, "<br/><span class=\"faint\">= {}</span>", escaped(&readable))?;
        }
        writeln!(out, "</li>")?;
    }
    write_more(out, sorted.len().saturating_sub(LISTED))?;
    writeln!(out, "</ul>")
}

/// Ends a list that is incomplete.
fn write_more(out: &mut impl Write, more: usize) -> io::Result<()> {
    if more == 0 { Ok(()) } else { writeln!(out, "<li class=\"faint\">and {more} more</li>") }
}

fn write_links(
    out: &mut impl Write,
    graph: &Graph<'_>,
    heading: &str,
    nodes: impl Iterator<Item = (usize, Count)>,
) -> io::Result<()> {
    let mut nodes = nodes.peekable();
    if nodes.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "<h3>{heading}</h3><ul>")?;
    for (position, count) in nodes {
        let name = graph.nodes.get(position).map(name).unwrap_or_default();
        let count = if count.is_zero() { String::new() } else { format!(": {count}") };
        writeln!(out, "<li><a href=\"#f{position}\">{name}</a>{count}</li>")?;
    }
    writeln!(out, "</ul>")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script in XML may contain neither of these characters, and one in HTML may not contain this word.
    #[test]
    fn the_script_and_the_styles_need_no_escapes() {
        for part in [STYLE, SCRIPT, svg::STYLE] {
            assert!(!part.contains(['<', '&']));
        }
    }
}
