//! Owns where the nodes and edges of a graph are drawn. Connected nodes are laid out in layers by `dagre`; the others stand in
//! columns below, by folder. Must not know how anything is drawn.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dagre::graph::{Graph as Layers, GraphOptions};
use dagre::layout::types::LabelPos;
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, Point, RankDir};

use super::node_text::{self, Line, SMALL};
use super::{Edge, Graph, Kind};
use crate::render::paths;

/// The number of edges to one node from which on these become lines of text in the nodes that take.
const MOST_EDGES_TO_ONE: usize = 24;
/// In a deeper graph, each edge to the main module, or to what nothing defines, would pass many nodes: there, fewer are drawn.
const SHALLOW: usize = 3;
const MOST_EDGES_TO_ONE_IF_DEEP: usize = 4;
/// The number of nodes per layer, on average, up to which a graph is mainly a chain.
const CHAIN: usize = 3;
/// The limits of layered layout: the most nodes, and the most layers that nodes and edges cross in total. Larger graphs take
/// seconds, and nobody can read them.
const MOST_NODES: usize = 200;
const MOST_CROSSED: usize = 4_000;

const NODE_GAP: f64 = 18.0;
const LAYER_GAP: f64 = 44.0;
const EDGE_GAP: f64 = 12.0;
/// The margin around everything.
const MARGIN: f64 = 14.0;
/// Room around the label of an edge.
pub const LABEL_PADDING: f64 = 4.0;
/// The aspect ratio, width to height, of what is put into columns.
const ASPECT: f64 = 1.5;

/// A node and its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The lines of text in the node.
    pub lines: Vec<Line>,
    /// Left edge of the node.
    pub x: f64,
    /// Top edge of the node.
    pub y: f64,
    /// Width of the node.
    pub width: f64,
    /// Height of the node.
    pub height: f64,
}

/// How an edge bends at its points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bend {
    /// The edge goes through its points from left to right or right to left.
    Across,
    /// The edge goes through its points downwards or upwards.
    Down,
    /// The points attract the edge.
    Free,
}

/// The course of an edge.
#[derive(Clone, Debug)]
pub struct Route {
    /// Position of the edge in the graph.
    pub edge: usize,
    /// Points from the border of one node to that of the other.
    pub points: Vec<(f64, f64)>,
    /// How the edge bends.
    pub bend: Bend,
    /// The middle of the label; `None` where the label would be in the way.
    pub label: Option<(f64, f64)>,
}

/// A graph that is laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The nodes, in the order of the graph.
    pub nodes: Vec<Placed>,
    /// The edges that are drawn.
    pub routes: Vec<Route>,
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
}

impl Layout {
    /// Lays a graph out.
    pub fn of(graph: &Graph<'_>) -> Layout {
        let is_to = |kind: Kind| move |edge: &Edge| graph.kind(edge.to) == Some(kind);
        let between: Vec<(usize, usize)> = (graph.edges.iter())
            .filter(|edge| !is_to(Kind::Main)(edge) && !is_to(Kind::Nobody)(edge))
            .map(|edge| (edge.from, edge.to))
            .collect();
        let depth = depths(graph.nodes.len(), &between).into_iter().max().unwrap_or(0);
        let most = if depth > SHALLOW { MOST_EDGES_TO_ONE_IF_DEEP } else { MOST_EDGES_TO_ONE };
        let mut edges_to = vec![0; graph.nodes.len()];
        for edge in &graph.edges {
            if let Some(edges) = edges_to.get_mut(edge.to) {
                *edges += 1;
            }
        }
        let folded: Vec<bool> = (edges_to.into_iter().enumerate())
            .map(|(node, edges)| match graph.kind(node) {
                Some(Kind::Main | Kind::Nobody) => edges > most,
                _ => edges > MOST_EDGES_TO_ONE,
            })
            .collect();
        let is_folded = |edge: &Edge| folded.get(edge.to).is_some_and(|folded| *folded);
        let drawn = graph.edges.iter().enumerate().filter(|(_, edge)| !is_folded(edge));
        let drawn: Vec<usize> = drawn.map(|(position, _)| position).collect();
        let nodes = placeless(graph, &folded);
        let mut layout = Layout { nodes, routes: Vec::new(), width: 0.0, height: 0.0 };
        let is_done = layout.connected(graph, &drawn);
        layout.columns(graph, if is_done { &drawn } else { &[] }, &folded);
        if !is_done {
            layout.straight(graph, &drawn);
        }
        layout
    }

    /// Places all nodes that edges are drawn to or from, if the result can be read; returns whether it did.
    fn connected(&mut self, graph: &Graph<'_>, drawn: &[usize]) -> bool {
        let ends: Vec<(usize, usize)> =
            drawn.iter().filter_map(|edge| graph.edges.get(*edge)).map(|edge| (edge.from, edge.to)).collect();
        let mut members: Vec<usize> = ends.iter().flat_map(|(from, to)| [*from, *to]).collect();
        members.sort_unstable();
        members.dedup();
        let depths = depths(self.nodes.len(), &ends);
        let depth = |node: usize| depths.get(node).copied().unwrap_or(0);
        let crossed: usize = ends.iter().map(|(from, to)| 2 * depth(*from).abs_diff(depth(*to))).sum();
        let is_readable = members.len() <= MOST_NODES && members.len() + crossed <= MOST_CROSSED;
        // Nodes are wide: a graph that is not mainly a chain is smaller when laid out from left to right.
        let layers = members.iter().map(|node| depth(*node) + 1).max().unwrap_or(0);
        let across = layers <= SHALLOW + 1 || members.len() > CHAIN * layers;
        // The library asserts its assumptions; a less good picture is better than none.
        let layered = || catch_unwind(AssertUnwindSafe(|| self.layered(graph, &members, drawn, across))).ok();
        let layered = is_readable.then(layered).flatten().flatten();
        let is_done = layered.is_some();
        *self = layered.unwrap_or_else(|| self.clone());
        is_done
    }

    /// Makes the library place these nodes. `None` when it leaves a node without a place.
    fn layered(&self, graph: &Graph<'_>, members: &[usize], drawn: &[usize], across: bool) -> Option<Layout> {
        let mut layers =
            Layers::with_options(GraphOptions { directed: true, multigraph: false, compound: false });
        // Nodes are identified by number, since names may be anything.
        for node in members {
            let Placed { width, height, .. } = *self.nodes.get(*node)?;
            layers.set_node(node.to_string(), Some(NodeLabel { width, height, ..NodeLabel::default() }));
        }
        for edge in drawn.iter().filter_map(|edge| graph.edges.get(*edge)) {
            let (width, height) = label_room(&edge.label(graph));
            let label = EdgeLabel { width, height, labelpos: LabelPos::Center, ..EdgeLabel::default() };
            layers.set_edge(edge.from.to_string(), edge.to.to_string(), Some(label), None);
        }
        let options = LayoutOptions {
            rankdir: if across { RankDir::LR } else { RankDir::TB },
            nodesep: NODE_GAP,
            edgesep: EDGE_GAP,
            ranksep: LAYER_GAP,
            marginx: MARGIN,
            marginy: MARGIN,
            // This keeps the order of the files where no other is better.
            tie_keep_first: true,
            ..LayoutOptions::default()
        };
        dagre::layout(&mut layers, Some(options));
        let mut layout = self.clone();
        for node in members {
            let placed = layout.nodes.get_mut(*node)?;
            let NodeLabel { x, y, .. } = layers.node(&node.to_string())?;
            placed.x = finite((*x)?)? - placed.width / 2.0;
            placed.y = finite((*y)?)? - placed.height / 2.0;
            layout.width = layout.width.max(placed.x + placed.width + MARGIN);
            layout.height = layout.height.max(placed.y + placed.height + MARGIN);
        }
        for position in drawn {
            let edge = graph.edges.get(*position)?;
            let way = layers.edge(&edge.from.to_string(), &edge.to.to_string(), None)?;
            layout.route(*position, edge, way, across)?;
        }
        Some(layout)
    }

    /// Adopts the course of an edge.
    fn route(&mut self, position: usize, edge: &Edge, way: &EdgeLabel, across: bool) -> Option<()> {
        let point = |Point { x, y }: &Point| Some((finite(*x)?, finite(*y)?));
        let mut points = way.points.iter().map(point).collect::<Option<Vec<_>>>()?;
        let middle = *points.get(points.len() / 2)?;
        let label = (way.x.and_then(finite).unwrap_or(middle.0), way.y.and_then(finite).unwrap_or(middle.1));
        for (x, y) in points.iter().chain([&label]) {
            self.width = self.width.max(x + MARGIN);
            self.height = self.height.max(y + MARGIN);
        }
        // Edges leave and reach a node in the middle of the sides that face other layers.
        let (from, to) = (self.nodes.get(edge.from)?, self.nodes.get(edge.to)?);
        let sides = |node: &Placed| {
            let (center_x, center_y) = (node.x + node.width / 2.0, node.y + node.height / 2.0);
            if across {
                ((node.x, center_y), (node.x + node.width, center_y))
            } else {
                ((center_x, node.y), (center_x, node.y + node.height))
            }
        };
        let (before_from, after_from) = sides(from);
        let (before_to, after_to) = sides(to);
        let along = |point: (f64, f64)| if across { point.0 } else { point.1 };
        let ends = match () {
            () if along(after_from) < along(before_to) => Some((after_from, before_to)),
            () if along(after_to) < along(before_from) => Some((before_from, after_to)),
            () => None,
        };
        let bend = match (ends, across) {
            (None, _) => Bend::Free,
            (Some(_), true) => Bend::Across,
            (Some(_), false) => Bend::Down,
        };
        if let (Some((begin, end)), Some(count)) = (ends, points.len().checked_sub(1)) {
            *points.get_mut(0)? = begin;
            *points.get_mut(count)? = end;
        }
        self.routes.push(Route { edge: position, points, bend, label: Some(label) });
        Some(())
    }

    /// Draws straight edges between nodes that are already placed, for graphs that are too large for layers.
    fn straight(&mut self, graph: &Graph<'_>, drawn: &[usize]) {
        for position in drawn {
            let ends =
                graph.edges.get(*position).map(|edge| (self.nodes.get(edge.from), self.nodes.get(edge.to)));
            let Some((Some(from), Some(to))) = ends else { continue };
            let middle = |node: &Placed| (node.x + node.width / 2.0, node.y + node.height / 2.0);
            let (begin, end) = (middle(from), reached(to, middle(from)));
            self.routes.push(Route {
                edge: *position,
                points: vec![begin, end],
                bend: Bend::Free,
                label: None,
            });
        }
    }

    /// Places the nodes that no edge is drawn to or from: in columns below the rest, each folder together.
    fn columns(&mut self, graph: &Graph<'_>, drawn: &[usize], folded: &[bool]) {
        let alone = self.alone(graph, drawn, folded);
        let height = |node: &usize| self.nodes.get(*node).map_or(0.0, |placed| placed.height + NODE_GAP);
        let widths = alone.iter().filter_map(|node| self.nodes.get(*node)).map(|placed| placed.width);
        let column = widths.fold(0.0, f64::max) + NODE_GAP;
        let area: f64 = alone.iter().map(|node| column * height(node)).sum();
        let limit = (area / ASPECT).sqrt();
        let folder_of = |node: &usize| graph.nodes.get(*node).map_or("", |node| paths::folder(node.path));
        let top = self.height.max(MARGIN);
        let (mut x, mut y) = (MARGIN, top);
        let mut places = Vec::with_capacity(alone.len());
        for group in alone.chunk_by(|one, next| folder_of(one) == folder_of(next)) {
            let whole: f64 = group.iter().map(height).sum();
            // A folder that fits into one column is not divided.
            if y > top && whole <= limit && y - top + whole > limit {
                (x, y) = (x + column, top);
            }
            for node in group {
                if y > top && y - top + height(node) > limit + NODE_GAP {
                    (x, y) = (x + column, top);
                }
                places.push((*node, x, y));
                y += height(node);
            }
        }
        for (node, x, y) in places {
            let Some(room) = self.nodes.get_mut(node) else { continue };
            (room.x, room.y) = (x, y);
            self.width = self.width.max(x + room.width + MARGIN);
            self.height = self.height.max(y + room.height + MARGIN);
        }
    }

    /// The nodes that no edge is drawn to or from, by folder. A node that appears only in lines of text is left out.
    fn alone(&self, graph: &Graph<'_>, drawn: &[usize], folded: &[bool]) -> Vec<usize> {
        let mut is_placed = vec![false; self.nodes.len()];
        for edge in drawn.iter().filter_map(|edge| graph.edges.get(*edge)) {
            for end in [edge.from, edge.to] {
                if let Some(placed) = is_placed.get_mut(end) {
                    *placed = true;
                }
            }
        }
        let is_told = |node: usize| graph.kind(node) == Some(Kind::Nobody) && folded.get(node) == Some(&true);
        let mut alone: Vec<usize> = (0..self.nodes.len())
            .filter(|node| is_placed.get(*node) == Some(&false) && !is_told(*node))
            .collect();
        // The main module comes first, and the files of a folder keep their order.
        alone.sort_by_key(|node| match graph.nodes.get(*node) {
            Some(node) if node.kind != Kind::Main => (1, paths::folder(node.path)),
            _ => (0, ""),
        });
        alone
    }
}

/// The nodes with their lines of text, not placed yet. Edges to nodes that are `folded` become lines.
fn placeless(graph: &Graph<'_>, folded: &[bool]) -> Vec<Placed> {
    let mut instead: Vec<Vec<Line>> = vec![Vec::new(); graph.nodes.len()];
    for edge in graph.edges.iter().filter(|edge| folded.get(edge.to) == Some(&true)) {
        if let (Some(lines), Some(to)) = (instead.get_mut(edge.from), graph.nodes.get(edge.to)) {
            lines.push(node_text::instead_of_edge(to, edge.count));
        }
    }
    let files = || graph.nodes.iter().filter(|node| node.report.is_some());
    let common = paths::common_folder(files().map(|node| node.path));
    let suffix = node_text::common_suffix(files().map(|node| node.path)).unwrap_or_default();
    let placed = |(node, instead): (_, Vec<Line>)| {
        let mut lines = node_text::lines(node, &common, suffix);
        lines.extend(instead);
        let (width, height) = node_text::room(&lines);
        Placed { lines, x: 0.0, y: 0.0, width, height }
    };
    graph.nodes.iter().zip(instead).map(placed).collect()
}

/// Width and height of the label of an edge.
fn label_room(label: &str) -> (f64, f64) {
    if label.is_empty() {
        return (0.0, 0.0);
    }
    let width = node_text::width(label, SMALL);
    (width + 2.0 * LABEL_PADDING, SMALL + 2.0 * LABEL_PADDING)
}

/// The point at which the way from a point to the middle of a node reaches the node's border.
fn reached(node: &Placed, from: (f64, f64)) -> (f64, f64) {
    let (x, y) = (node.x + node.width / 2.0, node.y + node.height / 2.0);
    let (dx, dy) = (from.0 - x, from.1 - y);
    let part = |half: f64, distance: f64| if distance == 0.0 { 1.0 } else { half / distance.abs() };
    let part = part(node.width / 2.0, dx).min(part(node.height / 2.0, dy)).min(1.0);
    (x + dx * part, y + dy * part)
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// The longest path along edges from each of this many nodes, without edges that close a cycle.
fn depths(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut targets = vec![Vec::new(); nodes];
    for (from, to) in edges {
        if let Some(targets) = targets.get_mut(*from) {
            targets.push(*to);
        }
    }
    // `None` marks a node that is still being visited: an edge to it closes a cycle.
    let mut depths = vec![None; nodes];
    let mut entered = vec![false; nodes];
    for start in 0..nodes {
        let mut way = vec![(start, 0)];
        if std::mem::replace(&mut entered[start], true) {
            continue;
        }
        while let Some((node, next)) = way.last_mut() {
            let Some(target) = targets[*node].get(*next).copied() else {
                let below =
                    targets[*node].iter().filter_map(|target| depths[*target]).map(|depth: usize| depth + 1);
                depths[*node] = Some(below.max().unwrap_or(0));
                way.pop();
                continue;
            };
            *next += 1;
            if target < nodes && !std::mem::replace(&mut entered[target], true) {
                way.push((target, 0));
            }
        }
    }
    depths.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::graph::{Count, Node};

    /// A graph of files without reports.
    fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph<'static> {
        let node = |_| Node { path: "lib.so", kind: Kind::Library, report: None, other: Vec::new() };
        let count = Count { functions: 1, ..Count::default() };
        let edges = edges.iter().map(|(from, to)| Edge { from: *from, to: *to, count }).collect();
        Graph { nodes: (0..nodes).map(node).collect(), edges, wheels: &[] }
    }

    /// Lays a graph out, and checks that nodes do not overlap, and that everything lies within the picture.
    fn check(nodes: usize, edges: &[(usize, usize)]) -> Layout {
        let layout = Layout::of(&graph(nodes, edges));
        let within = |x: f64, y: f64| x >= 0.0 && y >= 0.0 && x <= layout.width && y <= layout.height;
        for (position, one) in layout.nodes.iter().enumerate() {
            assert!(within(one.x, one.y) && within(one.x + one.width, one.y + one.height), "{one:?}");
            for other in &layout.nodes[..position] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "{one:?} {other:?}");
            }
        }
        let edges_to = |node: usize| edges.iter().filter(|(_, to)| *to == node).count();
        let drawn = edges
            .iter()
            .filter(|(_, to)| edges.len() <= MOST_EDGES_TO_ONE || edges_to(*to) <= MOST_EDGES_TO_ONE);
        assert_eq!(layout.routes.len(), drawn.count());
        assert!(layout.routes.iter().flat_map(|route| &route.points).all(|(x, y)| within(*x, *y)));
        layout
    }

    #[test]
    fn nothing_covers_anything() {
        check(0, &[]);
        check(1, &[]);
        check(1, &[(0, 0)]);
        check(2, &[(0, 1), (1, 0)]);
        check(4, &[(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 3)]);
        let chain: Vec<(usize, usize)> = (0..29).map(|node| (node, node + 1)).collect();
        check(30, &chain);
        let cycle: Vec<(usize, usize)> = (0..30).map(|node| (node, (node + 1) % 30)).collect();
        check(30, &cycle);
        let all: Vec<(usize, usize)> = (0..12).flat_map(|from| (0..12).map(move |to| (from, to))).collect();
        check(12, &all);
    }

    #[test]
    fn graphs_of_all_kinds_are_laid_out() {
        let mut state = 1_u64;
        // This is Knuth's MMIX generator.
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..60 {
            let nodes = 1 + random(20);
            let mut edges: Vec<_> = (0..random(40)).map(|_| (random(nodes), random(nodes))).collect();
            edges.sort_unstable();
            edges.dedup();
            check(nodes, &edges);
        }
    }

    #[test]
    fn what_is_too_much_stands_in_columns() {
        let edges: Vec<(usize, usize)> = (0..500).map(|node| (node, 500 + node)).collect();
        let layout = check(1000, &edges);
        assert!(layout.routes.iter().all(|route| route.label.is_none()));
        assert!(layout.width < 3.0 * layout.height && layout.height < 3.0 * layout.width);
        // Edges that all lead to one node become lines.
        let edges: Vec<(usize, usize)> = (1..1000).map(|node| (node, 0)).collect();
        let layout = check(1000, &edges);
        assert!(layout.nodes[1].lines.iter().any(|line| line.text == "lib.so: 1 function"));
        assert!(layout.width < 3.0 * layout.height && layout.height < 3.0 * layout.width);
        // The same holds for nodes that no edge is drawn to.
        let layout = check(1000, &[]);
        assert!(layout.width < 3.0 * layout.height && layout.height < 3.0 * layout.width);
    }

    #[test]
    fn folders_stay_together() {
        let paths = ["b/x.so", "a/x.so", "b/y.so", "a/y.so", "b/z.so", "c/x.so", "c/y.so", "c/z.so"];
        let mut graph = graph(paths.len(), &[]);
        for (node, path) in graph.nodes.iter_mut().zip(paths) {
            node.path = path;
        }
        let layout = Layout::of(&graph);
        let mut order: Vec<usize> = (0..paths.len()).collect();
        order.sort_by(|one, other| {
            let place = |node: &usize| (layout.nodes[*node].x, layout.nodes[*node].y);
            place(one).partial_cmp(&place(other)).unwrap()
        });
        let order: Vec<&str> = order.into_iter().map(|node| paths[node]).collect();
        assert_eq!(order, ["a/x.so", "a/y.so", "b/x.so", "b/y.so", "b/z.so", "c/x.so", "c/y.so", "c/z.so"]);
        let column = |node: usize| layout.nodes[node].x.to_bits();
        assert!(column(0) == column(2) && column(2) == column(4), "a folder that fits is one column");
    }

    #[test]
    fn depths_are_those_of_the_longest_way() {
        assert_eq!(depths(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]), [3, 2, 1, 0]);
        assert_eq!(depths(3, &[(0, 1), (1, 2), (2, 0)]), [2, 1, 0]);
        let chain: Vec<(usize, usize)> = (0..99_999).map(|node| (node, node + 1)).collect();
        assert_eq!(depths(100_000, &chain).first(), Some(&99_999));
    }

    #[test]
    fn a_graph_is_laid_out_the_same_way_each_time() {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 0), (5, 3)];
        let layout = || format!("{:?}", check(7, &edges));
        assert_eq!(layout(), layout());
    }
}
