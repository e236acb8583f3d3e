//! Owns what a kernel keeps for a process, whichever ABI its guest has: a tree of files in which folders of the host may be mounted,
//! descriptors, standard streams, sockets. Must not know how a guest passes its arguments, nor libraries.

pub(crate) mod descriptors;
pub(crate) mod errno;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod locks;
pub(crate) mod network;
pub(crate) mod open;
pub(crate) mod pages;
pub(crate) mod socket_options;
pub(crate) mod streams;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod walk;
mod zones;

use std::path::Path;
use std::sync::Arc;

use self::descriptors::{Descriptors, Object, flag};
use self::errno::{Errno, Result};
use self::files::Files;
use self::folder::HostFolder;
use self::network::Network;
use self::streams::Streams;
use self::tree::{Content, Data, Device, Node, Tree};
use crate::base::budget::Budget;
use crate::base::error::LoadError;
use crate::base::options::{Mount, ProcessOptions};
use crate::system::archive::Archive;

/// The home folder of a guest for which none is given.
pub(crate) const HOME: &str = "/home";

/// The kernel of one process.
pub(crate) struct Kernel {
    pub files: Files,
    pub descriptors: Descriptors,
    pub streams: Streams,
    pub network: Network,
    /// The permission bits that are cleared in new files and folders.
    pub umask: u32,
    /// The memory that the host may use for the process.
    pub budget: Budget,
}

impl Kernel {
    /// Makes the kernel of a process, with the streams and the network that the options name and nothing else of the host.
    pub(crate) fn new(options: &ProcessOptions) -> std::result::Result<Kernel, LoadError> {
        let budget = Budget::of(options.limits);
        let mut kernel = Kernel {
            files: Files::new(budget.clone()),
            descriptors: Descriptors::new(budget.clone()),
            streams: Streams::of(options),
            network: Network::new(options.network.clone(), budget.clone()),
            umask: 0o022,
            budget,
        };
        kernel.furnish().map_err(|_| LoadError::HostMemory { limit: kernel.budget.limit() })?;
        Ok(kernel)
    }

    /// Adds what every process has: devices, standard streams, a folder for temporary files.
    fn furnish(&mut self) -> Result<()> {
        let devices = [
            ("/dev/null", Device::Null),
            ("/dev/zero", Device::Zero),
            ("/dev/full", Device::Full),
            ("/dev/random", Device::Random),
            ("/dev/urandom", Device::Random),
            ("/dev/stdin", Device::Stream(0)),
            ("/dev/stdout", Device::Stream(1)),
            ("/dev/stderr", Device::Stream(2)),
            ("/dev/tty", Device::Terminal(self.streams.terminal())),
        ];
        for (path, device) in devices {
            self.files.place(Path::new(path), Node::new(Content::Device(device), 0o666))?;
        }
        self.files.place_folder(Path::new(HOME))?;
        let temporary = self.files.place_folder(Path::new("/tmp"))?;
        self.files.set_node_mode(temporary, 0o1777)?;
        for (stream, access) in [(0, 0), (1, flag::WRITE_ONLY), (2, flag::WRITE_ONLY)] {
            let device = Object::Device(Device::Stream(stream));
            self.descriptors.add(device, access)?;
        }
        Ok(())
    }

    /// Mounts a folder of the host.
    pub(crate) fn mount(&mut self, mount: &Mount) -> std::result::Result<(), LoadError> {
        let refused = |why: String| {
            let (host, guest) = (mount.host.display(), &mount.guest);
            LoadError::Option(format!("cannot show {host} to the guest as {guest}: {why}"))
        };
        let folder =
            HostFolder::open(&mount.host, mount.read_only).map_err(|error| refused(error.to_string()))?;
        let path = files::tidy(Path::new(&mount.guest));
        let twice = |_| refused("there is something else already".to_owned());
        let folder = Arc::new(folder);
        if path == Path::new("/") {
            return self.files.tree.underlay(Tree::ROOT, folder).map_err(twice);
        }
        // An empty folder of the guest's own is replaced.
        let _ = self.files.make_way(&path);
        let node = Node::new(Content::Host(folder), 0o755);
        self.files.place(&path, node).map(drop).map_err(twice)
    }

    /// Shows bytes as a file that cannot be changed.
    pub(crate) fn show(
        &mut self,
        guest: &str,
        bytes: Arc<[u8]>,
        mode: u32,
    ) -> std::result::Result<(), LoadError> {
        let node = Node::new(Content::File(Data::Shared(bytes)), mode).read_only();
        self.place(Path::new(guest), node)
    }

    /// Makes room for this many files that are about to be shown.
    pub(crate) fn expect(&mut self, files: usize) {
        self.files.tree.expect(files);
    }

    /// Shows a file of an archive, of which the guest gets a copy of its own once it writes to the file.
    pub(crate) fn show_archived(
        &mut self,
        guest: &Path,
        archive: &Arc<Archive>,
        index: usize,
    ) -> std::result::Result<(), LoadError> {
        let size = archive.entries().get(index).map_or(0, |entry| entry.size);
        let data = Data::Archived { archive: archive.clone(), index, size, loaded: None };
        // The time that byte code in archives is compared with.
        let node = Node::new(Content::File(data), 0o644).modified(ARCHIVED);
        self.place(guest, node)
    }

    /// Whether there is something at a path.
    pub(crate) fn is_there(&self, guest: &Path) -> bool {
        self.files.status(&guest.into(), false).is_ok()
    }

    /// Makes a folder, and those that lead to it.
    pub(crate) fn show_folder(&mut self, guest: &Path) -> std::result::Result<(), LoadError> {
        let made = self.files.place_folder(guest);
        made.map(drop).map_err(|_| LoadError::Option(format!("{} cannot be a folder", guest.display())))
    }

    fn place(&mut self, path: &Path, node: Node) -> std::result::Result<(), LoadError> {
        self.files.place(path, node).map(drop).map_err(|_| {
            LoadError::Option(format!(
                "{}: there would be two files of this name in the guest",
                path.display()
            ))
        })
    }

    /// Whether an open object is a terminal.
    pub(crate) fn is_terminal(&self, object: &Object) -> bool {
        self.terminal(object).is_some()
    }

    /// The standard stream behind an open object, if that is a terminal.
    pub(crate) fn terminal(&self, object: &Object) -> Option<u32> {
        let Object::Device(device) = object else { return None };
        device.stream().filter(|stream| self.streams.is_terminal(*stream))
    }

    /// The number of bytes that are left to read in an open file or a stream, as far as that can be determined.
    pub(crate) fn bytes_left(&self, fd: u32) -> Result<u64> {
        let open = self.descriptors.get(fd)?;
        Ok(match &open.object {
            Object::Node(id) => self.files.tree.size(*id)?.saturating_sub(open.position),
            Object::Host(host) if host.is_plain => {
                let left = rustix::io::ioctl_fionread(&host.file).ok();
                left.unwrap_or(0)
            }
            Object::Host(_) | Object::Device(_) => {
                let host = self.descriptors.host(&self.streams, fd);
                host.and_then(|host| rustix::io::ioctl_fionread(host).ok()).unwrap_or(0)
            }
            _ => 0,
        })
    }

    /// Sets the working directory.
    pub(crate) fn change_directory(&mut self, folder: &str) -> std::result::Result<(), LoadError> {
        let changed = self.files.change_directory(&folder.into());
        changed.map_err(|_| LoadError::NoSuchFolder { folder: folder.to_owned() })
    }
}

/// When files of archives were last modified, as the guest sees it: 1980-01-01, where zip's own clock begins.
const ARCHIVED: i128 = 315_532_800 * 1_000_000_000;

/// Fills a buffer with random bytes of the host.
pub(crate) fn random(buffer: &mut [u8]) -> Result<()> {
    use std::io::Read;
    // The kernel's source is read as a file: the standard library has no other access to it.
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(buffer));
    read.map_err(|_| Errno::IO.into())
}
