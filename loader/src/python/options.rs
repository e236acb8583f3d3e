//! Owns which file of the host a path of the guest stands for, packages included. Must not know how the guest finds it.

use std::path::{Path, PathBuf};

use super::WheelFile;
use super::packages::PACKAGE_FOLDERS;
use crate::base::options::ProcessOptions;

impl ProcessOptions {
    /// The file of the host that a guest sees under an absolute path, or the wheel that contains it; `None` for what the guest
    /// has made itself, and for what does not exist.
    pub fn host_file(&self, guest: &str) -> Option<PathBuf> {
        let mut files = self.guest_files().unwrap_or_default().into_iter();
        if let Some(file) = files.find(|file| file.guest == guest) {
            return Some(file.host);
        }
        let is_in = |wheel: &Path, inner: &str| {
            let wheel = WheelFile::open(wheel);
            wheel.is_ok_and(|wheel| wheel.files().any(|(file, _)| file == inner))
        };
        if let Some((_, inner)) = guest.split_once("/site-packages/")
            && let Some(wheel) = self.wheels.iter().find(|wheel| is_in(wheel, inner))
        {
            return Some(wheel.clone());
        }
        self.host_path(guest).filter(|path| path.is_file())
    }

    /// The file or folder of the host that a guest sees under an absolute path, in a folder that is shown to it.
    pub fn host_path(&self, guest: &str) -> Option<PathBuf> {
        let packages = self.package_folders.iter().enumerate();
        let packages = packages.map(|(position, host)| (host, format!("{PACKAGE_FOLDERS}/{position}")));
        let mounts = self.mounts.iter().map(|mount| (&mount.host, mount.guest.clone()));
        let inside = packages.chain(mounts).filter_map(|(host, folder)| {
            Some((folder.len(), host.join(Path::new(guest).strip_prefix(&folder).ok()?)))
        });
        // The innermost folder counts, as it does for the guest.
        let path = inside.max_by_key(|(length, _)| *length).map(|(_, path)| path);
        path.filter(|path| path.exists())
    }
}
