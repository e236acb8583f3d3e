//! Owns where the byte code of archives is kept, which the guest's own compiler has made, and where Python looks for it. Must not
//! know how it is made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compile::cache::Cache;
use crate::compile::main_file::MainFile;
use crate::system::archive::Archive;

/// The name of byte code in the cache.
const BYTE_CODE: &str = "byte code";

/// What is kept of the byte code of an archive.
pub(crate) enum Kept {
    /// An archive of `.pyc` files under the paths of their sources.
    Whole(Arc<Archive>),
    /// It has not been made yet.
    Absent,
    /// There is no cache that could keep it.
    Nowhere,
}

/// The byte code of an archive, if the cache has it.
pub(crate) fn kept(cache: Option<&Cache>, main: &MainFile, archive: &Archive) -> Kept {
    let cache = cache.filter(|_| !archive.stamp().is_fresh());
    let (Some(cache), Some(stamp)) = (cache, main.stamp()) else { return Kept::Nowhere };
    let files = [(archive.path(), archive.stamp()), (main.path.as_path(), stamp)];
    match cache.derived(&files, BYTE_CODE) {
        Some(kept) => Archive::open(&kept).map_or(Kept::Nowhere, |archive| Kept::Whole(Arc::new(archive))),
        None => Kept::Absent,
    }
}

/// Keeps an archive of `.pyc` files as the byte code of `archive`, and opens it. `None` when the cache cannot keep it.
pub(crate) fn keep(cache: &Cache, main: &MainFile, archive: &Archive, bytes: &[u8]) -> Option<Arc<Archive>> {
    let files = [(archive.path(), archive.stamp()), (main.path.as_path(), main.stamp()?)];
    let kept = cache.keep_derived(&files, BYTE_CODE, bytes).ok()?;
    Archive::open(&kept).ok().map(Arc::new)
}

/// Where a version of Python looks for the byte code of a source (PEP 3147).
pub(crate) fn path_of(source: &Path, minor: &str) -> Option<PathBuf> {
    let name = source.file_stem()?.to_str()?;
    Some(source.parent()?.join("__pycache__").join(format!("{name}.cpython-3{minor}.pyc")))
}
