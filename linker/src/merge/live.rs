//! Owns which functions of a merged module something reaches: those of parts that are pruned only count if they are called, exported, in the
//! table, or supplied to another part. Must not know what parts are.

use wasmparser::{ElementItems, Operator};

use super::MergeError;
use super::assemble::Extras;
use super::numbering::{Numbering, Part};
use crate::parse::error::ParseError;

/// What something reaches.
pub(super) struct Live {
    /// Whether each function of the merged module is reached, by index.
    pub functions: Vec<bool>,
    /// Whether code may throw or catch exceptions: a module without tags also runs where there are none.
    pub uses_tags: bool,
}

/// Finds what is reached.
pub(super) fn find(parts: &[Part<'_>], numbering: &Numbering, extras: &Extras) -> Result<Live, MergeError> {
    let mut search = Search::of(parts, numbering);
    for (position, part) in parts.iter().enumerate() {
        search.enter_part(position).map_err(|error| MergeError::malformed(&part.name, &error))?;
    }
    let named = extras.exports.iter().map(|(_, part, export)| (part, export));
    let in_slots = extras.slots.iter().map(|(_, part, export)| (part, export));
    let at_start = extras.starts.iter().map(|(part, export)| (part, export));
    for (part, export) in named.chain(in_slots).chain(at_start) {
        if let Some((wasmparser::ExternalKind::Func, index)) = numbering.export(parts, *part, export) {
            search.enter(index);
        }
    }
    while let Some(function) = search.next.pop() {
        search.follow(function)?;
    }
    Ok(Live { functions: search.live, uses_tags: search.uses_tags })
}

struct Search<'a, 'b> {
    parts: &'a [Part<'b>],
    numbering: &'a Numbering,
    live: Vec<bool>,
    uses_tags: bool,
    /// Where the function of each index is defined: part, and position among its bodies.
    places: Vec<Option<(usize, usize)>>,
    /// Functions that are reached and whose bodies are to be read.
    next: Vec<u32>,
}

impl<'a, 'b> Search<'a, 'b> {
    fn of(parts: &'a [Part<'b>], numbering: &'a Numbering) -> Search<'a, 'b> {
        let size = numbering.counts.functions as usize;
        let mut places = vec![None; size];
        for (part, spaces) in numbering.spaces.iter().enumerate() {
            for (position, index) in spaces.defined.iter().enumerate() {
                if let Some(place) = index.and_then(|index| places.get_mut(index as usize)) {
                    *place = Some((part, position));
                }
            }
        }
        Search { parts, numbering, live: vec![false; size], uses_tags: false, places, next: Vec::new() }
    }

    fn enter(&mut self, function: u32) {
        if let Some(live) = self.live.get_mut(function as usize)
            && !std::mem::replace(live, true)
        {
            self.next.push(function);
        }
    }

    /// Enters what a part reaches in any case: the functions in its tables and its start function; and, if it is not pruned, all that it
    /// defines or is supplied with.
    fn enter_part(&mut self, position: usize) -> Result<(), ParseError> {
        let (part, spaces) = (&self.parts[position], &self.numbering.spaces[position]);
        let target = |index: u32| spaces.functions.get(index as usize).copied().unwrap_or(u32::MAX);
        if !part.is_pruned {
            self.uses_tags = true;
            let all = spaces.functions.iter().copied().chain(spaces.defined.iter().copied().flatten());
            all.for_each(|function| self.enter(function));
            return Ok(());
        }
        part.contents.start.map(target).into_iter().for_each(|function| self.enter(function));
        for element in &part.contents.elements {
            match &element.items {
                ElementItems::Functions(functions) => {
                    for function in functions.clone() {
                        self.enter(target(function?));
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions.clone() {
                        self.enter_all(position, expression?.get_operators_reader())?;
                    }
                }
            }
        }
        for global in &part.contents.globals {
            self.enter_all(position, global.init_expr.get_operators_reader())?;
        }
        Ok(())
    }

    /// Enters the functions that a body names.
    fn follow(&mut self, function: u32) -> Result<(), MergeError> {
        let Some((part, position)) = self.places.get(function as usize).copied().flatten() else {
            return Ok(());
        };
        let malformed = |error: ParseError| MergeError::malformed(&self.parts[part].name, &error);
        if !self.parts[part].is_pruned {
            return Ok(());
        }
        let Some(body) = self.parts[part].contents.bodies.get(position) else { return Ok(()) };
        let operators = body.get_operators_reader().map_err(|error| malformed(error.into()))?;
        self.enter_all(part, operators).map_err(|error| MergeError::malformed(&self.parts[part].name, &error))
    }

    fn enter_all<'c>(
        &mut self,
        part: usize,
        operators: impl IntoIterator<Item = wasmparser::Result<Operator<'c>>>,
    ) -> Result<(), ParseError> {
        for operator in operators {
            match operator? {
                Operator::Call { function_index }
                | Operator::ReturnCall { function_index }
                | Operator::RefFunc { function_index } => {
                    let target = self.numbering.spaces[part].functions.get(function_index as usize).copied();
                    if let Some(function) = target {
                        self.enter(function);
                    }
                }
                Operator::Throw { .. }
                | Operator::ThrowRef
                | Operator::TryTable { .. }
                | Operator::Try { .. }
                | Operator::Catch { .. }
                | Operator::Rethrow { .. } => self.uses_tags = true,
                _ => {}
            }
        }
        Ok(())
    }
}
