//! Owns what `pydl deps --map` reports: the parts of a process's memory and table as rows, each with its place in the whole. Must
//! not know how rows look.

pub mod svg;
pub mod text;

use pydl_linker::{MemoryRegion, Owner, ProcessMap, TableRegion};

use crate::render::paths::{common_folder, within};
use crate::render::size::bytes;
use crate::render::text::printable;

/// The most columns of text in a picture; the rest is in its tooltip.
const WIDEST: usize = 110;
/// Size of a memory page, in bytes.
const PAGE: u64 = 0x1_0000;

/// Rows that are parts of one whole.
#[derive(Debug)]
pub struct Section {
    /// The name of the whole.
    pub heading: String,
    /// A further remark on the whole.
    pub note: Option<&'static str>,
    /// The size of the whole.
    pub size: u64,
    /// The parts of the whole.
    pub rows: Vec<Row>,
}

/// A part of the whole.
#[derive(Debug)]
pub struct Row {
    /// Where the part is: addresses or slots; empty when that is not determined.
    pub place: String,
    /// How large the part is.
    pub size: String,
    /// What the part is.
    pub name: String,
    /// Where the part begins and ends in the whole.
    pub range: (u64, u64),
}

/// The sections that describe a process.
pub fn sections(map: &ProcessMap) -> Vec<Section> {
    let owners = map.memory.iter().map(|part| &part.owner).chain(map.table.iter().map(|part| &part.owner));
    let common = common_folder(owners.filter_map(|owner| match owner {
        Owner::Library(path) => Some(path.as_str()),
        _ => None,
    }));
    let libraries = library_memory(map, &common);
    std::iter::once(main_memory(map)).chain(libraries).chain([table(map, &common)]).collect()
}

/// Further remarks, one per line.
pub fn remarks(map: &ProcessMap) -> Vec<String> {
    let tls = match map.tls_size {
        None | Some(0) => "Thread-local data: none. A library with any is not loaded.".to_owned(),
        Some(size) => format!(
            "Thread-local data: {} of the main module. A library with any is not loaded.",
            bytes(size.into())
        ),
    };
    let refused = map.refused.iter().map(|(path, why)| {
        let why = if why.library() == Some(path) { why.reason() } else { why.to_string() };
        format!("Not loaded: {path}: {}", why.lines().next().unwrap_or_default().trim_end_matches(':'))
    });
    std::iter::once(tls).chain(refused).map(|line| printable(&line).into_owned()).collect()
}

fn main_memory(map: &ProcessMap) -> Section {
    let (initial, maximum) = map.pages;
    let size = initial.saturating_mul(PAGE);
    let maximum = maximum.map(|most| format!(", and may grow to {}", bytes(most.saturating_mul(PAGE))));
    let mut rows: Vec<Row> = map.memory.iter().filter_map(main_row).collect();
    rows.extend(map.heap.map(|heap| Row {
        place: format!("{heap} on"),
        size: String::new(),
        name: "heap".to_owned(),
        range: (heap.0.into(), size.max(heap.0.into())),
    }));
    Section {
        heading: format!(
            "Memory of {}: {} at the start{}",
            printable(&map.main),
            bytes(size),
            maximum.unwrap_or_default()
        ),
        note: rows
            .is_empty()
            .then_some("The main module does not export where its stack, its data and its heap are."),
        size,
        rows,
    }
}

fn main_row(part: &MemoryRegion) -> Option<Row> {
    let address = part.address?.0;
    let end = u64::from(address) + u64::from(part.size);
    let name =
        if part.owner == Owner::Stack { "stack, which grows down" } else { "static data of the main module" };
    Some(Row {
        place: format!("{address:#x} to {:#x}", end.saturating_sub(1)),
        size: count(part.size.into(), "byte"),
        name: name.to_owned(),
        range: (address.into(), end),
    })
}

fn library_memory(map: &ProcessMap, common: &str) -> Option<Section> {
    let mut rows = Vec::new();
    let mut begin = 0_u64;
    for part in map.memory.iter().filter(|part| part.address.is_none()) {
        let (alignment, allocated) = part.allocation.unwrap_or((1, part.size));
        begin = begin.next_multiple_of(alignment.max(1).into());
        let padding = match allocated.saturating_sub(part.size) {
            0 => String::new(),
            padding => format!(", {padding} of padding"),
        };
        rows.push(Row {
            place: format!("aligned to {alignment}{padding}"),
            size: count(part.size.into(), "byte"),
            name: name(&part.owner, common),
            range: (begin, begin + u64::from(part.size)),
        });
        begin += u64::from(allocated);
    }
    (!rows.is_empty()).then(|| Section {
        heading: format!("Static data of libraries, in load order: {}", bytes(begin)),
        note: Some(
            "The guest's malloc decides the address of each when it is loaded; drawn one after the other.",
        ),
        size: begin,
        rows,
    })
}

fn table(map: &ProcessMap, common: &str) -> Section {
    let row = |part: &TableRegion| {
        let (first, end) = (part.slots.start, part.slots.end);
        let last = end.saturating_sub(1);
        Row {
            place: if first == last { first.to_string() } else { format!("{first} to {last}") },
            size: count(u64::from(end.saturating_sub(first)), "slot"),
            name: match part.alignment.map(pydl_linker::Alignment::get) {
                Some(alignment) if alignment > 1 => {
                    format!("{}, aligned to {alignment}", name(&part.owner, common))
                }
                _ => name(&part.owner, common),
            },
            range: (first.into(), end.into()),
        }
    };
    let grows = match map.table_size - map.first_table_size.min(map.table_size) {
        0 => String::new(),
        _ => format!(", {} after the loads", map.table_size),
    };
    let mut parts: Vec<&TableRegion> = map.table.iter().collect();
    parts.sort_by_key(|part| part.slots.start);
    Section {
        heading: format!(
            "Function table: {} at the start{grows}",
            count(map.first_table_size.into(), "slot")
        ),
        note: Some("Slots that the process itself takes before a load move those of the load up."),
        size: map.table_size.into(),
        rows: parts.into_iter().map(row).collect(),
    }
}

fn name(owner: &Owner, common: &str) -> String {
    let shown = match owner {
        Owner::Null => "NULL",
        Owner::Stack => "stack",
        Owner::Main => "main module",
        Owner::Library(path) => within(path, common),
        Owner::FunctionsOf(path) => {
            let path = within(path, common);
            return printable(&format!("functions whose addresses are taken, for {path}")).into_owned();
        }
    };
    printable(shown).into_owned()
}

/// Text, cut to the width that a picture has room for.
fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}

fn count(number: u64, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Where a row begins and ends, when the whole is divided into this many steps; at least one step wide.
pub fn steps(row: &Row, section: &Section, steps: u64) -> (u64, u64) {
    let whole = u128::from(section.size.max(1));
    let scaled =
        |at: u64| u64::try_from(u128::from(at) * u128::from(steps) / whole).unwrap_or(steps).min(steps);
    let (begin, end) = (scaled(row.range.0).min(steps.saturating_sub(1)), scaled(row.range.1));
    (begin, end.max(begin + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_seen_within_the_whole() {
        let row = |begin, end| Row {
            place: String::new(),
            size: String::new(),
            name: String::new(),
            range: (begin, end),
        };
        let section = |size| Section { heading: String::new(), note: None, size, rows: Vec::new() };
        assert_eq!(steps(&row(0, 50), &section(100), 10), (0, 5));
        assert_eq!(steps(&row(99, 100), &section(100), 10), (9, 10));
        assert_eq!(steps(&row(100, 100), &section(100), 10), (9, 10));
        assert_eq!(steps(&row(0, 0), &section(0), 10), (0, 1));
        assert_eq!(steps(&row(5, u64::MAX), &section(u64::MAX), 10), (0, 10));
    }
}
