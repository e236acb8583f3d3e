//! Owns how a graph is drawn: as SVG 1.1, for a separate file or within a page. Must not know where anything is put.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::layout::{Bend, LABEL_PADDING, Layout, Placed, Route};
use super::node_text::{self, PADDING, SMALL, Style};
use super::{Edge, Graph, Kind};
use crate::render::paths::file_name;
use crate::render::xml::escaped;

/// The style of pictures.
pub const STYLE: &str = include_str!("../picture.css");

/// Writes a graph as a separate file.
pub fn write(out: &mut impl Write, graph: &Graph<'_>) -> io::Result<()> {
    writeln!(out, "{}", picture(graph, false))
}

/// A graph as an element. Within a page, nodes are links to `#f` followed by their number, and the page contains the style.
pub fn picture(graph: &Graph<'_>, is_in_page: bool) -> String {
    let layout = Layout::of(graph);
    let mut svg = String::new();
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"{}\" aria-label=\"{}\">",
        // The parts of an image are not read out by screen readers.
        if is_in_page { "group" } else { "img" },
        escaped(&summary(graph)),
    );
    if !is_in_page {
        let _ = writeln!(svg, "<title>{}</title>\n<style>\n{STYLE}</style>", escaped(&summary(graph)));
    }
    for (id, tip) in [("arrow", "M0 0 8 4 0 8z"), ("arrow-wrong", "M0 0 8 4 0 8z")] {
        let _ = writeln!(
            svg,
            "<defs><marker id=\"{id}\" markerUnits=\"userSpaceOnUse\" markerWidth=\"8\" markerHeight=\"8\" refX=\"8\" refY=\"4\" \
             orient=\"auto\"><path d=\"{tip}\"/></marker></defs>"
        );
    }
    for route in &layout.routes {
        draw_line(&mut svg, graph, route);
    }
    for (position, placed) in layout.nodes.iter().enumerate() {
        draw_node(&mut svg, graph, position, placed, is_in_page);
    }
    // Labels are above everything else, so that they can be read.
    for route in &layout.routes {
        draw_label(&mut svg, graph, route);
    }
    svg.push_str("</svg>");
    svg
}

/// What the picture shows, in a sentence.
pub fn summary(graph: &Graph<'_>) -> String {
    let files = graph.nodes.iter().filter(|node| matches!(node.kind, Kind::File { .. })).count();
    let bad = graph.nodes.iter().filter(|node| node.kind == Kind::File { loads: false }).count();
    let main = graph.nodes.iter().find(|node| node.kind == Kind::Main).map_or("", |main| main.path);
    let files = if files == 1 { "1 side module".to_owned() } else { format!("{files} side modules") };
    let bad = match bad {
        0 => String::new(),
        1 => ", 1 does not load".to_owned(),
        bad => format!(", {bad} do not load"),
    };
    let refused = match graph.wheels.iter().filter(|wheel| !wheel.reasons.is_empty()).count() {
        0 => String::new(),
        1 => ", 1 wheel is not in order".to_owned(),
        refused => format!(", {refused} wheels are not in order"),
    };
    let into = if main.is_empty() { String::new() } else { format!(" and {}", file_name(main)) };
    let paths = graph.nodes.iter().filter(|node| node.report.is_some()).map(|node| node.path);
    let suffix = node_text::common_suffix(paths).map(|suffix| format!("; names without {suffix}"));
    format!("Who takes symbols from whom: {files}{into}{bad}{refused}{}", suffix.unwrap_or_default())
}

fn draw_node(svg: &mut String, graph: &Graph<'_>, position: usize, placed: &Placed, is_in_page: bool) {
    let Some(node) = graph.nodes.get(position).filter(|_| placed.x > 0.0) else { return };
    let class = match node.kind {
        Kind::Main => "main",
        Kind::File { loads: true } => "file",
        Kind::Library => "library",
        Kind::File { loads: false } | Kind::NotFound | Kind::Nobody => "wrong",
    };
    let is_link = is_in_page;
    if is_link {
        let _ = writeln!(svg, "<a href=\"#f{position}\">");
    }
    let _ = writeln!(svg, "<g class=\"node {class}\" data-node=\"{position}\">");
    let title = if node.path.is_empty() { "what nobody has" } else { node.path };
    let _ = writeln!(svg, "<title>{}</title>", escaped(title));
    let Placed { x, y, width, height, lines } = placed;
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>"
    );
    let mut bottom = y + PADDING;
    for line in lines {
        bottom += line.height();
        let class = match line.style {
            Style::Name => "name",
            Style::Small => "small",
            Style::Bad => "bad",
        };
        // Letters stand on the baseline; descenders take a third.
        let (x, baseline) = (x + PADDING, bottom - line.size() / 3.0);
        let text = escaped(&line.text);
        let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{baseline:.1}\">{text}</text>");
    }
    svg.push_str("</g>\n");
    if is_link {
        svg.push_str("</a>\n");
    }
}

/// The class of an edge, according to what it shows.
fn class(graph: &Graph<'_>, edge: &Edge) -> &'static str {
    match graph.kind(edge.to) {
        Some(Kind::Nobody | Kind::NotFound) => "edge wrong",
        _ if edge.count.is_zero() => "edge needed",
        _ => "edge",
    }
}

fn draw_line(svg: &mut String, graph: &Graph<'_>, route: &Route) {
    let Some(edge) = graph.edges.get(route.edge) else { return };
    let _ = writeln!(
        svg,
        "<g class=\"{}\" data-from=\"{}\" data-to=\"{}\"><title>{}</title><path d=\"{}\"/></g>",
        class(graph, edge),
        edge.from,
        edge.to,
        escaped(&sentence(graph, edge)),
        curve(&route.points, route.bend)
    );
}

/// What an edge says, as a sentence.
fn sentence(graph: &Graph<'_>, edge: &Edge) -> String {
    let name = |node: usize| graph.nodes.get(node).map_or("", |node| file_name(node.path));
    let (from, to) = (name(edge.from), name(edge.to));
    match graph.kind(edge.to) {
        Some(Kind::Nobody) => format!("{from} takes {} that nobody has", edge.count),
        Some(Kind::NotFound) => format!("{from} needs {to}, which was not found"),
        _ if edge.count.is_zero() => format!("{from} needs {to}, and takes nothing from it"),
        _ => format!("{from} takes {} from {to}", edge.count),
    }
}

fn draw_label(svg: &mut String, graph: &Graph<'_>, route: &Route) {
    let (Some(edge), Some((x, y))) = (graph.edges.get(route.edge), route.label) else { return };
    let label = edge.label(graph);
    if label.is_empty() {
        return;
    }
    let (class, Edge { from, to, .. }) = (class(graph, edge), edge);
    let (width, height) = (node_text::width(&label, SMALL) + LABEL_PADDING, SMALL + LABEL_PADDING);
    let (left, top, baseline) = (x - width / 2.0, y - height / 2.0, y + SMALL / 3.0);
    let _ = writeln!(
        svg,
        "<g class=\"{class}\" data-from=\"{from}\" data-to=\"{to}\">\
         <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>\
         <text x=\"{x:.1}\" y=\"{baseline:.1}\">{}</text></g>",
        escaped(&label)
    );
}

/// The path of a curve that begins at the first point and ends at the last.
fn curve(points: &[(f64, f64)], bend: Bend) -> String {
    let mut path = String::new();
    let Some(((x, y), rest)) = points.split_first() else { return path };
    let _ = write!(path, "M{x:.1} {y:.1}");
    if bend == Bend::Free {
        bend_freely(&mut path, rest);
        return path;
    }
    for ((from_x, from_y), (x, y)) in points.iter().zip(rest) {
        let (middle_x, middle_y) = (f64::midpoint(*from_x, *x), f64::midpoint(*from_y, *y));
        let _ = match bend {
            Bend::Down => write!(path, "C{from_x:.1} {middle_y:.1} {x:.1} {middle_y:.1} {x:.1} {y:.1}"),
            _ => write!(path, "C{middle_x:.1} {from_y:.1} {middle_x:.1} {y:.1} {x:.1} {y:.1}"),
        };
    }
    path
}

/// Continues to the last of these points; the others attract the curve.
fn bend_freely(path: &mut String, points: &[(f64, f64)]) {
    let mut points = points.iter().peekable();
    while let Some((x, y)) = points.next() {
        let _ = match points.peek() {
            None => write!(path, "L{x:.1} {y:.1}"),
            Some((next_x, next_y)) => {
                let (middle_x, middle_y) = (f64::midpoint(*x, *next_x), f64::midpoint(*y, *next_y));
                write!(path, "Q{x:.1} {y:.1} {middle_x:.1} {middle_y:.1}")
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// librsvg and programs that make PDF files do not know variables.
    #[test]
    fn every_colour_stands_there_before_its_variable() {
        let mut before = "";
        let mut variables = 0;
        for part in STYLE.split(['{', ';', '}']).map(str::trim) {
            if let Some((property, value)) = part.split_once(':').filter(|(_, value)| value.contains("var("))
            {
                variables += 1;
                let colour = before.strip_prefix(property).and_then(|rest| rest.strip_prefix(": #"));
                assert!(colour.is_some_and(|digits| digits.len() == 6), "{property}:{value} after {before}");
            }
            before = part;
        }
        assert!(variables > 15);
    }

    #[test]
    fn curves_begin_and_end_at_their_points() {
        let points = [(0.0, 0.0), (10.0, 4.0)];
        assert_eq!(curve(&points, Bend::Free), "M0.0 0.0L10.0 4.0");
        assert_eq!(curve(&points, Bend::Across), "M0.0 0.0C5.0 0.0 5.0 4.0 10.0 4.0");
        assert_eq!(curve(&points, Bend::Down), "M0.0 0.0C0.0 2.0 10.0 2.0 10.0 4.0");
        let bent = curve(&[(0.0, 0.0), (10.0, 0.0), (20.0, 10.0), (30.0, 10.0)], Bend::Free);
        assert_eq!(bent, "M0.0 0.0Q10.0 0.0 15.0 5.0Q20.0 10.0 25.0 10.0L30.0 10.0");
    }
}
