//! Owns the reading of lines through a line editor of the embedding program: when the editor is called, and what becomes of its answer.
//! Must not know how a line is edited.

use super::guest::Guest;
use super::kernel::descriptors::Object;
use super::kernel::errno::{Fault, Result};
use crate::base::interrupt::Signal;
use crate::base::line_editor::Typed;
use crate::system::completion;

/// Has a line edited if the guest is about to read the terminal and there is an editor: the guest then reads that line.
pub(crate) fn edit(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    let Object::Device(device) = &kernel.descriptors.get(fd)?.object else { return Ok(()) };
    if device.stream() != Some(0) {
        return Ok(());
    }
    let Some((editor, prompt)) = kernel.streams.editor() else { return Ok(()) };
    let Some(mut editor) = editor.lock() else {
        // The guest's own code, while completing a word for the editor, wants to read: the keyboard is the editor's.
        kernel.streams.type_in(Typed::End);
        return Ok(());
    };
    if !kernel.streams.is_for_lines() {
        return Ok(());
    }
    let mut ended = None;
    let typed = editor.read_line(&prompt, &mut |text| match completion::of(&mut guest.store(), text) {
        Ok(answer) => answer.unwrap_or_default(),
        Err(error) => {
            ended.get_or_insert(error);
            Vec::new()
        }
    });
    drop(editor);
    match (ended, typed) {
        (Some(error), _) => return Err(Fault::Ended(error)),
        // The read that follows finds nothing, and the signal ends it.
        (None, Typed::Interrupt) => guest.state().interrupt.clone().raise(Signal::Interrupt),
        (None, typed) => guest.kernel()?.streams.type_in(typed),
    }
    Ok(())
}
