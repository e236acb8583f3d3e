//! Owns how files that a user has asked for are written: whole or not at all, for all who may read what is in the folder. Must not know what
//! is in them.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file. Errs, naming it, when that fails; nothing is left then, and a file that was there stays.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let context = || path.display().to_string();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    // A temporary file is for its owner alone.
    fs::set_permissions(file.path(), Permissions::from_mode(0o644)).with_context(context)?;
    file.persist(path).map_err(|error| error.error).with_context(context)?;
    Ok(())
}
