//! Owns what a kernel keeps for a process, whichever ABI asks for it: a tree of files in which folders of the host may be mounted,
//! descriptors, standard streams, sockets. Must not know how a guest passes its arguments, nor libraries.

pub(crate) mod descriptors;
pub(crate) mod errno;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod network;
pub(crate) mod streams;
pub(crate) mod tree;

use std::path::Path;
use std::sync::Arc;

use self::descriptors::{Descriptors, Object, flag};
use self::errno::{Errno, Result};
use self::files::Files;
use self::folder::HostFolder;
use self::network::Network;
use self::streams::Streams;
use self::tree::{Content, Data, Device, Node};
use crate::archive::Archive;
use crate::budget::Budget;
use crate::error::LoadError;
use crate::options::{Mount, ProcessOptions};

/// The home folder of a guest that is given none.
pub(crate) const HOME: &str = "/home";

/// The kernel of one process.
pub(crate) struct Kernel {
    pub files: Files,
    pub descriptors: Descriptors,
    pub streams: Streams,
    pub network: Network,
    /// The permission bits that new files and folders do not get.
    pub umask: u32,
    /// What the host may keep for the process.
    #[expect(dead_code, reason = "the kernel is about to charge what it keeps")]
    pub budget: Budget,
}

impl Kernel {
    /// The kernel of a process, with the streams and the network that the options name and nothing else of the host.
    pub(crate) fn new(options: &ProcessOptions) -> std::result::Result<Kernel, LoadError> {
        let mut kernel = Kernel {
            files: Files::new(),
            descriptors: Descriptors::default(),
            streams: Streams::of(options),
            network: Network::new(options.network.clone()),
            umask: 0o022,
            budget: Budget::new(options.host_memory),
        };
        kernel
            .furnish()
            .map_err(|_| LoadError::Option("the guest's file system cannot be made".to_owned()))?;
        Ok(kernel)
    }

    /// What every process finds: devices, standard streams, a folder for temporary files.
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
            self.descriptors.add(device, access, "/dev/tty".into())?;
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
        if path == Path::new("/") {
            return Err(refused("the root folder of the guest is its own".to_owned()));
        }
        // An empty folder that is there makes way.
        let _ = self.files.remove(&path, true);
        let node = Node::new(Content::Host(folder), 0o755);
        self.files
            .place(&path, node)
            .map(drop)
            .map_err(|_| refused("there is something else already".to_owned()))
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

    /// Shows a file of an archive.
    pub(crate) fn show_archived(
        &mut self,
        guest: &Path,
        archive: &Arc<Archive>,
        index: usize,
    ) -> std::result::Result<(), LoadError> {
        let size = archive.entries().get(index).map_or(0, |entry| entry.size);
        let data = Data::Archived { archive: archive.clone(), index, size };
        // The time that byte code in archives is compared with.
        let node = Node::new(Content::File(data), 0o644).modified(ARCHIVED).read_only();
        self.place(guest, node)
    }

    /// Whether there is something at a path.
    pub(crate) fn is_there(&self, guest: &Path) -> bool {
        self.files.status(guest, false).is_ok()
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

    /// Sets the working directory.
    pub(crate) fn change_directory(&mut self, folder: &str) -> std::result::Result<(), LoadError> {
        self.files.change_directory(Path::new(folder)).map_err(|_| {
            LoadError::Option(format!(
                "working directory {folder}: there is no such folder in the guest; give it with --dir"
            ))
        })
    }
}

/// When files of archives were last modified, as the guest sees it: 1980-01-01, where zip's own clock begins.
const ARCHIVED: i128 = 315_532_800 * 1_000_000_000;

/// Random bytes of the host.
pub(crate) fn random(buffer: &mut [u8]) -> Result<()> {
    use std::io::Read;
    // The kernel's source, as a file: it has no other way in the standard library.
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(buffer));
    read.map_err(|_| Errno::IO.into())
}
