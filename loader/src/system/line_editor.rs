//! Owns the reading of lines through a line editor of the embedding program: when it is asked, and what becomes of the answer. Must not know
//! how a line is edited.

use super::guest::Guest;
use super::kernel::descriptors::Object;
use super::kernel::errno::Result;
use crate::interrupt::Signal;
use crate::line_editor::Typed;
use crate::python::completion;

/// Has a line edited if the guest is to read the terminal next and there is an editor: what is read then is that line.
pub(crate) fn edit(guest: &mut Guest<'_>, fd: u32) -> Result<()> {
    let kernel = guest.kernel()?;
    let Object::Device(device) = &kernel.descriptors.get(fd)?.object else { return Ok(()) };
    if device.stream() != Some(0) {
        return Ok(());
    }
    let Some((editor, prompt)) = kernel.streams.editor() else { return Ok(()) };
    let typed = editor
        .lock()
        .read_line(&prompt, &mut |text| completion::of(&mut guest.store(), text).unwrap_or_default());
    if typed == Typed::Interrupt {
        // The read that follows finds nothing, and the signal ends it.
        guest.state().interrupt.clone().raise(Signal::Interrupt);
        return Ok(());
    }
    guest.kernel()?.streams.type_in(typed);
    Ok(())
}
