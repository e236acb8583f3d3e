//! Owns how the layout of a process is drawn, as SVG. Must not know where the rows come from.

use std::fmt::Write as _;
use std::io::{self, Write};

use pydl_linker::ProcessMap;

use super::{cut, remarks, sections, steps};
use crate::render::graph::node_text::{NAME, SMALL, width};
use crate::render::graph::svg::STYLE;
use crate::render::xml::escaped;

const MARGIN: f64 = 14.0;
const GAP: f64 = 14.0;
/// The distance from one line to the next.
const LINE: f64 = 19.0;
const BAR: u32 = 360;
const BAR_HEIGHT: f64 = 13.0;

/// Writes the layout.
pub fn write(out: &mut impl Write, map: &ProcessMap) -> io::Result<()> {
    let sections = sections(map);
    let rows = || sections.iter().flat_map(|section| &section.rows);
    let widest =
        |text: &mut dyn Iterator<Item = &str>| text.map(|text| width(text, SMALL)).fold(0.0, f64::max);
    let place = widest(&mut rows().map(|row| row.place.as_str()));
    let size = widest(&mut rows().map(|row| row.size.as_str()));
    let name = rows().map(|row| width(&cut(&row.name), SMALL)).fold(0.0, f64::max);
    let (size_end, bar) = (MARGIN + place + GAP + size, MARGIN + place + size + 2.0 * GAP);
    let name_begin = bar + f64::from(BAR) + GAP;
    let mut body = String::new();
    let (mut y, mut right) = (MARGIN, name_begin + name);
    let mut line = |body: &mut String, y: &mut f64, class: &str, text: &str| {
        *y += LINE;
        let shown = cut(text);
        right = right.max(MARGIN + width(&shown, if class == "name" { NAME } else { SMALL }));
        let _ = writeln!(
            body,
            "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{:.1}\"><title>{}</title>{}</text>",
            *y - 5.0,
            escaped(text),
            escaped(&shown)
        );
    };
    for section in &sections {
        line(&mut body, &mut y, "name", &section.heading);
        if let Some(note) = section.note {
            line(&mut body, &mut y, "small", note);
        }
        for row in &section.rows {
            y += LINE;
            let (begin, end) = steps(row, section, u64::from(BAR));
            let (top, baseline) = (y - BAR_HEIGHT - 2.0, y - 5.0);
            let (place, size, name) = (escaped(&row.place), escaped(&row.size), escaped(&row.name));
            let shown = escaped(&cut(&row.name));
            let _ = writeln!(
                body,
                "<g class=\"row\"><title>{name}: {size}, {place}</title>\
                 <rect class=\"whole\" x=\"{bar:.1}\" y=\"{top:.1}\" width=\"{BAR}\" height=\"{BAR_HEIGHT}\"/>\
                 <rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{}\" height=\"{BAR_HEIGHT}\"/>\
                 <text x=\"{MARGIN}\" y=\"{baseline:.1}\">{place}</text>\
                 <text class=\"end\" x=\"{size_end:.1}\" y=\"{baseline:.1}\">{size}</text>\
                 <text x=\"{name_begin:.1}\" y=\"{baseline:.1}\">{shown}</text></g>",
                bar + f64::from(u32::try_from(begin).unwrap_or(BAR)),
                end - begin,
            );
        }
        y += GAP;
    }
    for remark in remarks(map) {
        line(&mut body, &mut y, if remark.starts_with("Not loaded") { "bad" } else { "small" }, &remark);
    }
    let (width, height) = ((right + MARGIN).ceil(), (y + MARGIN).ceil());
    let title = escaped(&format!("The memory and the table of a process of {}", map.main));
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n{body}</svg>"
    )
}
