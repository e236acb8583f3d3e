//! Owns the rewriting of modules before they are compiled: one walk over a module, and a [`Recipe`] of passes that determine what
//! is replaced. What no pass names stays as it is, byte for byte. Must not know which processes want which passes.
//!
//! A pass sees each function body as the preceding passes have left it. What passes add (types, functions, exports) comes after
//! what exists, so that no index changes.

mod additions;
pub mod dlfcn_of_main;
mod exceptions;
mod layout;
mod long_instructions;
pub mod state;
mod time_zone;
pub mod waiting;
pub mod waits_of_wasi;

use std::collections::BTreeMap;
use std::iter;

use wasm_encoder::{CodeSection, Module, RawSection, SectionId};

use self::additions::Additions;
use self::layout::{Body, Layout};
use crate::parse::error::ParseError;

/// One change to a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pass {
    /// Lowers the legacy exception instructions, which LLVM still writes by default, to those of the standard, which engines compile.
    LowerExceptions,
    /// Makes Emscripten's C library sleep in the host ([`waiting`]).
    SleepInHost,
    /// Makes Emscripten's `tzset` ask for the time zone each time.
    AlwaysAskForTimeZone,
    /// Makes the `dlopen` family of an Emscripten main module ask the host ([`dlfcn_of_main`]).
    AskHostForLibraries,
    /// Makes wasi-libc sleep in the host, and CPython report when it looks for signals ([`waits_of_wasi`]).
    WaitInHostOfWasi,
    /// Splits instructions that copy and fill memory into pieces, between which a guest can be interrupted.
    CutLongInstructions,
    /// Gives the host access to the state that a module keeps private, and lets it run the start function ([`state`]).
    ExportState,
}

/// What a pass does to the bodies of functions.
trait Change {
    /// The new body of a function; `None` when the body stays. Errs when the body is malformed.
    fn body(
        &mut self,
        function: u32,
        body: &Body<'_>,
        added: &mut Additions<'_>,
    ) -> Result<Option<Vec<u8>>, ParseError>;
}

impl Pass {
    /// Inspects a module, and adds to it what does not depend on bodies; `None` when no body is to change.
    fn begin<'a>(
        self,
        layout: &'a Layout<'a>,
        added: &mut Additions<'_>,
    ) -> Result<Option<Box<dyn Change + 'a>>, ParseError> {
        match self {
            Pass::LowerExceptions => Ok(Some(Box::new(exceptions::Lower::of(layout)))),
            Pass::SleepInHost => Ok(waiting::sleep_in_host(layout)),
            Pass::AlwaysAskForTimeZone => Ok(time_zone::always_ask(layout)),
            Pass::AskHostForLibraries => dlfcn_of_main::ask_host(layout),
            Pass::WaitInHostOfWasi => Ok(waits_of_wasi::ask_host(layout)),
            Pass::CutLongInstructions => Ok(Some(Box::new(long_instructions::Cut::of(layout)))),
            Pass::ExportState => state::export(layout, added).map(|()| None),
        }
    }

    /// A number computed from the sources of the pass, which changes whenever the behaviour of the pass does.
    const fn revision(self) -> u64 {
        match self {
            Pass::LowerExceptions => const { revision(&exceptions::SOURCES) },
            Pass::SleepInHost => const { revision(&[include_str!("waiting.rs")]) },
            Pass::AlwaysAskForTimeZone => const { revision(&[include_str!("time_zone.rs")]) },
            Pass::AskHostForLibraries => const { revision(&[include_str!("dlfcn_of_main.rs")]) },
            Pass::WaitInHostOfWasi => const { revision(&[include_str!("waits_of_wasi.rs")]) },
            Pass::CutLongInstructions => const { revision(&[include_str!("long_instructions.rs")]) },
            Pass::ExportState => const { revision(&[include_str!("state.rs")]) },
        }
    }
}

/// The revision of the code that all passes use.
const COMMON: u64 =
    revision(&[include_str!("mod.rs"), include_str!("layout.rs"), include_str!("additions.rs")]);

/// A hash of texts (FNV-1a, 64 bits).
const fn revision(texts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut text = 0;
    while text < texts.len() {
        let bytes = texts[text].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        text += 1;
    }
    hash
}

/// A sequence of passes, in the order in which they are applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipe {
    passes: Vec<Pass>,
}

impl Recipe {
    /// A recipe that consists of these passes.
    pub fn of(passes: impl IntoIterator<Item = Pass>) -> Recipe {
        Recipe { passes: passes.into_iter().collect() }
    }

    /// Numbers that differ between recipes that produce different results, of this version of the linker and of others: part of
    /// the key of code compiled from a recipe's output.
    pub fn revisions(&self) -> impl Iterator<Item = u64> + '_ {
        iter::once(COMMON).chain(self.passes.iter().map(|pass| pass.revision()))
    }

    /// Rewrites a module; `None` when there is nothing to change. Errs when the module is malformed.
    pub fn apply(&self, wasm: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
        if self.passes.is_empty() {
            return Ok(None);
        }
        let layout = Layout::read(wasm)?;
        let mut added = Additions::to(&layout);
        let mut changes = Vec::new();
        for pass in &self.passes {
            changes.extend(pass.begin(&layout, &mut added)?);
        }
        let bodies = change_bodies(&layout, &mut changes, &mut added)?;
        if bodies.is_empty() && added.is_empty() {
            return Ok(None);
        }
        assemble(&layout, &bodies, &added).map(Some)
    }
}

/// The changed bodies, by function.
fn change_bodies(
    layout: &Layout<'_>,
    changes: &mut [Box<dyn Change + '_>],
    added: &mut Additions<'_>,
) -> Result<BTreeMap<u32, Vec<u8>>, ParseError> {
    let mut bodies = BTreeMap::new();
    for (function, body) in layout.defined_functions() {
        let mut current: Option<Vec<u8>> = None;
        for change in &mut *changes {
            let body = current.as_deref().map_or(*body, |bytes| Body { bytes, offset: body.offset });
            if let Some(other) = change.body(function, &body, added)? {
                current = Some(other);
            }
        }
        bodies.extend(current.map(|body| (function, body)));
    }
    Ok(bodies)
}

/// Assembles the module from the changed bodies and the additions. Custom sections that refer to positions in the code
/// (`metadata.code.*`, of the branch hinting proposal) are left out when the code differs.
fn assemble(
    layout: &Layout<'_>,
    bodies: &BTreeMap<u32, Vec<u8>>,
    added: &Additions<'_>,
) -> Result<Vec<u8>, ParseError> {
    let mut module = Module::new();
    let mut last = SectionId::Custom as u8;
    for section in &layout.sections {
        if section.is_of_code && !bodies.is_empty() {
            continue;
        }
        if section.id != SectionId::Custom as u8 {
            added.sections_between(last, Some(section.id), &mut module);
            last = section.id;
        }
        if section.id == SectionId::Code as u8 {
            module.section(&code(layout, bodies, added));
        } else if !(section.id == SectionId::Start as u8 && added.takes_start()) {
            let longer = added.longer(section.id, section.data)?;
            module.section(&RawSection { id: section.id, data: longer.as_deref().unwrap_or(section.data) });
        }
    }
    added.sections_between(last, None, &mut module);
    Ok(module.finish())
}

fn code(layout: &Layout<'_>, bodies: &BTreeMap<u32, Vec<u8>>, added: &Additions<'_>) -> CodeSection {
    let mut code = CodeSection::new();
    for (function, body) in layout.defined_functions() {
        code.raw(bodies.get(&function).map_or(body.bytes, Vec::as_slice));
    }
    added.functions().for_each(|body| {
        code.raw(body);
    });
    code
}
