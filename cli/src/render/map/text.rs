//! Owns how the layout of a process is shown as text: on a terminal with bars of blocks, in a pipe with plain characters. Must
//! not know where the rows come from.

use std::io::{self, Write};

use anstyle::Style;
use pydl_linker::ProcessMap;

use super::{Row, Section, remarks, sections, steps};

/// Width of a bar, in columns.
const BAR: u64 = 24;
const HEADING: Style = Style::new().bold();

/// Writes the layout.
pub fn write(out: &mut impl Write, map: &ProcessMap, is_terminal: bool, colour: bool) -> io::Result<()> {
    for section in sections(map) {
        let (begin, end) = if colour {
            (HEADING.render().to_string(), HEADING.render_reset().to_string())
        } else {
            Default::default()
        };
        writeln!(out, "{begin}{}{end}", section.heading)?;
        if let Some(note) = section.note {
            writeln!(out, "  {note}")?;
        }
        let width = |text: fn(&Row) -> &str| {
            section.rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
        };
        let (place, size) = (width(|row| &row.place), width(|row| &row.size));
        for row in &section.rows {
            let bar = bar(row, &section, is_terminal);
            writeln!(out, "  {:<place$}  {:>size$}  {bar}  {}", row.place, row.size, row.name)?;
        }
        writeln!(out)?;
    }
    for remark in remarks(map) {
        writeln!(out, "{remark}")?;
    }
    Ok(())
}

fn bar(row: &Row, section: &Section, is_terminal: bool) -> String {
    let (begin, end) = steps(row, section, BAR);
    let (full, empty) = if is_terminal { ('\u{2588}', '\u{2591}') } else { ('#', '.') };
    (0..BAR).map(|step| if (begin..end).contains(&step) { full } else { empty }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_the_row_is() {
        let row = Row { place: String::new(), size: String::new(), name: String::new(), range: (50, 75) };
        let section = Section { heading: String::new(), note: None, size: 100, rows: Vec::new() };
        assert_eq!(bar(&row, &section, false), "............######......");
        let blocks = bar(&row, &section, true);
        assert_eq!(blocks, "\u{2591}".repeat(12) + &"\u{2588}".repeat(6) + &"\u{2591}".repeat(6));
    }
}
