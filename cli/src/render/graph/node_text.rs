//! Owns the text in a node, and how much room it takes. Must not know where nodes are put.
//!
//! All text is in a fixed-width font, so that its width can be computed without the font: a column is at most [`ADVANCE`] of the
//! font's size in the fonts that are requested. Characters outside ASCII count as two columns, as in East Asian text.

use pydl_linker::ModuleReport;

use super::{Count, Kind, Node};
use crate::render::paths::{file_name, folder};
use crate::render::size::bytes;
use crate::render::text::printable;

/// The font size of names; that of the rest follows.
pub const NAME: f64 = 13.0;
pub const SMALL: f64 = 11.0;
/// Width of a column, in font sizes.
const ADVANCE: f64 = 0.61;
/// The most columns of a line.
const WIDEST: usize = 40;
/// Longer file names are broken before their suffix, if the suffix is longer, too.
const SHORT_NAME: usize = 24;
const SHORT_SUFFIX: usize = 8;
/// The free space within a node's border.
pub const PADDING: f64 = 9.0;
/// The distance from one line to the next, in font sizes.
const LEADING: f64 = 1.4;

/// The role of a line in a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// The name.
    Name,
    /// Something in addition to the name.
    Small,
    /// A sign that something is wrong.
    Bad,
}

/// A line of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// How the line is styled.
    pub style: Style,
    /// The text of the line.
    pub text: String,
}

impl Line {
    fn new(style: Style, text: &str) -> Line {
        Line { style, text: shortened(text) }
    }

    /// The font size of the line.
    pub fn size(&self) -> f64 {
        if self.style == Style::Name { NAME } else { SMALL }
    }

    /// The height of the line.
    pub fn height(&self) -> f64 {
        self.size() * LEADING
    }
}

/// The line in a node that replaces an edge to another node.
pub fn instead_of_edge(to: &Node<'_>, count: Count) -> Line {
    match to.kind {
        Kind::Nobody => Line::new(Style::Bad, &format!("\u{2717} missing: {count}")),
        Kind::NotFound => Line::new(Style::Bad, &format!("\u{2717} not found: {}", file_name(to.path))),
        Kind::Main => Line::new(Style::Small, &format!("main: {count}")),
        _ if count.is_zero() => Line::new(Style::Small, &format!("needs {}", file_name(to.path))),
        _ => Line::new(Style::Small, &format!("{}: {count}", file_name(to.path))),
    }
}

/// The long suffix of names, such as `.cpython-314-wasm32-emscripten.so`, if several have one and all of these have the same.
pub fn common_suffix<'a>(paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut suffixes = paths.map(|path| suffix(file_name(path))).filter(|suffix| !suffix.is_empty());
    let (first, second) = (suffixes.next()?, suffixes.next()?);
    (first == second && suffixes.all(|suffix| suffix == first)).then_some(first)
}

/// The lines of a node. `common` is the folder that all have in common, and `suffix` the suffix of names; neither need be shown.
pub fn lines(node: &Node<'_>, common: &str, suffix: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    match node.kind {
        Kind::Nobody => {
            lines.push(Line::new(Style::Name, "nobody"));
            lines.push(Line::new(Style::Bad, "\u{2717} missing, or of another type"));
            return lines;
        }
        Kind::NotFound => {
            lines.push(Line::new(Style::Name, node.path));
            lines.push(Line::new(Style::Bad, "\u{2717} not found"));
            return lines;
        }
        Kind::Main => {
            lines.push(Line::new(Style::Name, file_name(node.path)));
            lines.push(Line::new(Style::Small, "main module"));
            return lines;
        }
        Kind::File { .. } | Kind::Library => {}
    }
    let folder = folder(node.path);
    let folder = folder.strip_prefix(common).unwrap_or(folder).trim_start_matches('/');
    if !folder.is_empty() {
        lines.push(Line { style: Style::Small, text: last_columns(&printable(folder)) });
    }
    let name = file_name(node.path);
    let (stem, own_suffix) = match name.strip_suffix(suffix) {
        Some(stem) if !suffix.is_empty() => (stem, ""),
        _ => broken(name),
    };
    lines.push(Line::new(Style::Name, stem));
    if !own_suffix.is_empty() {
        lines.push(Line::new(Style::Small, own_suffix));
    }
    match (node.kind, node.report) {
        (Kind::File { loads: true }, Some(report)) => {
            lines.push(Line::new(Style::Small, &format!("\u{2713} loads, {}", bytes(report.file_size))));
        }
        (Kind::File { loads: false }, Some(report)) => {
            lines
                .push(Line::new(Style::Bad, &format!("\u{2717} does not load, {}", bytes(report.file_size))));
            lines.push(Line::new(Style::Bad, &reasons(report)));
        }
        _ => lines.push(Line::new(Style::Small, "library, not one of the files")),
    }
    lines.extend(node.other.iter().map(|(word, count)| Line::new(Style::Small, &format!("{word}: {count}"))));
    lines
}

/// Width and height of a node with these lines.
pub fn room(lines: &[Line]) -> (f64, f64) {
    let width = lines.iter().map(|line| width(&line.text, line.size())).fold(0.0, f64::max);
    let height: f64 = lines.iter().map(Line::height).sum();
    (width + 2.0 * PADDING, height + 2.0 * PADDING)
}

/// Width of text.
pub fn width(text: &str, size: f64) -> f64 {
    let columns = u32::try_from(columns(text)).unwrap_or(u32::MAX);
    f64::from(columns) * ADVANCE * size
}

fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(character: char) -> usize {
    // The marks are as wide as a letter.
    if character.is_ascii() || matches!(character, '\u{2026}' | '\u{2713}' | '\u{2717}') { 1 } else { 2 }
}

fn reasons(report: &ModuleReport) -> String {
    match report.reasons().count() {
        1 => "for 1 reason".to_owned(),
        several => format!("for {several} reasons"),
    }
}

/// Splits a file name before its suffix, such as `.cpython-314-wasm32-emscripten.so`, if that is long.
fn broken(name: &str) -> (&str, &str) {
    match suffix(name) {
        _ if name.len() <= SHORT_NAME => (name, ""),
        suffix => name.split_at(name.len() - suffix.len()),
    }
}

/// The part of a name from its first dot on, if that is long.
fn suffix(name: &str) -> &str {
    match name.find('.') {
        Some(dot) if dot > 0 && name.len() - dot > SHORT_SUFFIX => &name[dot..],
        _ => "",
    }
}

/// Text with nothing in it that affects a terminal, and no longer than a line: the middle is left out.
fn shortened(text: &str) -> String {
    let text = printable(text);
    if columns(&text) <= WIDEST {
        return text.into_owned();
    }
    let half = (WIDEST - 1) / 2;
    let end: String = last(&text, half);
    format!("{}\u{2026}{end}", first(&text, half))
}

fn last_columns(text: &str) -> String {
    if columns(text) <= WIDEST { text.to_owned() } else { format!("\u{2026}{}", last(text, WIDEST - 1)) }
}

fn first(text: &str, most: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += columns_of(*character);
        used <= most
    };
    text.chars().take_while(fits).collect()
}

fn last(text: &str, most: usize) -> String {
    let backwards: String = text.chars().rev().collect();
    first(&backwards, most).chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_middle() {
        let name = format!("begin{}end", "x".repeat(100));
        let short = shortened(&name);
        assert_eq!(columns(&short), 39);
        assert!(short.starts_with("beginx") && short.ends_with("xend") && short.contains('\u{2026}'));
        let wide = shortened(&"\u{4e00}".repeat(100));
        assert!(columns(&wide) <= WIDEST, "{wide}");
        assert_eq!(shortened("a\u{1b}"), "a\\u{1b}");
    }

    #[test]
    fn names_are_broken_before_their_suffix() {
        let name = "_umath.cpython-314-wasm32-emscripten.so";
        assert_eq!(broken(name), ("_umath", ".cpython-314-wasm32-emscripten.so"));
        assert_eq!(broken("libz.so"), ("libz.so", ""));
    }

    #[test]
    fn a_suffix_that_all_have_is_no_news() {
        let common = |paths: &[&'static str]| common_suffix(paths.iter().copied());
        let (one, other) = ("a/x.cpython-314-wasm32-emscripten.so", "b/y.cpython-314-wasm32-emscripten.so");
        assert_eq!(common(&[one, "libz.so", other]), Some(".cpython-314-wasm32-emscripten.so"));
        assert_eq!(common(&[one]), None);
        assert_eq!(common(&[one, other, "z.cpython-313-wasm32-emscripten.so"]), None);
    }
}
