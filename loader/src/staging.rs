//! Owns the temporary folders through which single files of the host become visible to a guest: WASI can show folders
//! only. They hold copies, are private to this user, and go when the process goes. Must not know what the files are.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::error::LoadError;
use crate::options::{GuestFile, Mount};

/// The folders of one process; dropping removes them.
pub(crate) struct Staging {
    folders: BTreeMap<String, TempDir>,
}

impl Staging {
    /// Copies `files` into one folder for each folder of the guest. Errs, naming the file, when one cannot be read.
    pub(crate) fn of(files: &[GuestFile]) -> Result<Staging, LoadError> {
        let mut staging = Staging { folders: BTreeMap::new() };
        for file in files {
            staging.add(file)?;
        }
        Ok(staging)
    }

    fn add(&mut self, file: &GuestFile) -> Result<(), LoadError> {
        let (folder, name) = file.guest.rsplit_once('/').unwrap_or(("", &file.guest));
        let folder = if folder.is_empty() { "/" } else { folder };
        if !self.folders.contains_key(folder) {
            let new =
                tempfile::Builder::new().prefix("pydl-").permissions(Permissions::from_mode(0o700)).tempdir();
            let new = new.map_err(|e| LoadError::file(&std::env::temp_dir(), e))?;
            self.folders.insert(folder.to_owned(), new);
        }
        let host = self.folders[folder].path();
        copy(&file.host, &host.join(name)).map_err(|e| LoadError::file(&file.host, e))
    }

    /// The folders as mounts.
    pub(crate) fn mounts(&self) -> impl Iterator<Item = Mount> + '_ {
        self.folders.iter().map(|(guest, host)| Mount {
            host: host.path().to_owned(),
            guest: guest.clone(),
            read_only: true,
        })
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    // Opening a FIFO would wait for somebody to write to it.
    if !fs::metadata(from)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    fs::copy(from, to).map(drop)
}
