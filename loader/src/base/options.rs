//! Owns what an embedder may specify for a process: arguments, environment, files, streams. Must not know the host's own
//! environment or command line.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::error::LoadError;
use crate::base::limits::Limits;
use crate::base::line_editor::{LineEditor, SharedEditor};
use crate::base::trace::Trace;

/// A folder of the host that the guest sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Path of the folder on the host.
    pub host: PathBuf,
    /// Absolute path of the folder in the guest.
    pub guest: String,
    /// Whether the guest may only read it.
    pub read_only: bool,
}

/// A file of the host that the guest sees, for reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GuestFile {
    pub host: PathBuf,
    pub guest: String,
}

/// Where a guest's standard input comes from.
#[derive(Clone, Debug, Default)]
pub enum Input {
    /// Nowhere: end of file at once.
    #[default]
    Empty,
    /// The standard input of this program.
    Inherit,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Where a guest's standard output or standard error goes.
#[derive(Clone, Debug, Default)]
pub(crate) enum Output {
    #[default]
    Discard,
    Inherit,
    Capture(Captured),
}

/// Memory that receives a guest's output. Cloning creates another view of the same memory.
#[derive(Clone, Debug)]
pub struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    capacity: usize,
}

impl Captured {
    /// Room for 64 MiB, allocated as bytes arrive.
    pub fn new() -> Captured {
        Captured::with_capacity(64 << 20)
    }

    /// Room for `capacity` bytes, allocated as they arrive. A guest that writes more gets `ENOSPC`.
    pub fn with_capacity(capacity: usize) -> Captured {
        Captured { bytes: Arc::default(), capacity }
    }

    /// Stores as many of the bytes that a guest wrote as there is room for, and returns how many. Errs when there is no room.
    pub(crate) fn write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = bytes.len().min(self.capacity.saturating_sub(kept.len()));
        if count == 0 && !bytes.is_empty() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        kept.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// The bytes written so far.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Captured {
    fn default() -> Self {
        Captured::new()
    }
}

/// A part of the host's network that a guest may use: to connect to, to send to and, where the address is one of this machine's,
/// to listen on. Whoever reaches an address that a guest listens on may connect to it; unsolicited datagrams come in only from
/// where the guest may send to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkPermission {
    host: Option<String>,
    port: Option<u16>,
}

impl NetworkPermission {
    /// Every host and port: this machine's own services and its local network, too.
    pub fn all() -> NetworkPermission {
        NetworkPermission { host: None, port: None }
    }

    /// A host, by name or address, and one of its ports, or all of them. A name stands for the public Internet addresses that it
    /// has when the guest looks it up: addresses of this machine, of its link and of private networks must be named by address,
    /// since others may determine what a name means. `localhost` is this machine's loopback. All interfaces are `0.0.0.0` and
    /// `::`.
    pub fn host(host: impl Into<String>, port: Option<u16>) -> NetworkPermission {
        NetworkPermission { host: Some(host.into()), port }
    }

    /// Whether the permission covers an address, in whatever form.
    pub(crate) fn permits(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let is_host = |host: &String| {
            if let Ok(named) = host.parse::<IpAddr>() {
                return named.to_canonical() == ip;
            }
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            host.eq_ignore_ascii_case(LOCALHOST) && loopback.contains(&ip)
        };
        self.host.as_ref().is_none_or(is_host) && self.port.is_none_or(|port| port == address.port())
    }

    /// Whether the permission covers a name, for some port.
    pub(crate) fn permits_name(&self, name: &str) -> bool {
        self.host.is_none() || self.is_for(name)
    }

    /// Whether the permission is for this host in particular.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.host.as_ref().is_some_and(|host| host.eq_ignore_ascii_case(name))
    }

    /// The same permission for an address that the name has.
    pub(crate) fn at(&self, address: IpAddr) -> NetworkPermission {
        NetworkPermission { host: Some(address.to_string()), port: self.port }
    }
}

/// The name of this machine's loopback, whatever its resolver says (RFC 6761).
const LOCALHOST: &str = "localhost";

/// The folder of the guest that contains side modules when no Python installation specifies another.
pub(crate) const SIDE_FOLDER: &str = "/usr/local/lib/pydl";

/// Everything that a process is given. The guest does not see what is not named here: by default there are no files and no
/// environment variables, standard input is empty, and output goes nowhere.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) files: Vec<GuestFile>,
    pub(crate) side_folder: String,
    pub(crate) side_modules: Vec<PathBuf>,
    /// Whether the guest gets the standard library that the image knows.
    pub(crate) is_python: bool,
    pub(crate) network: Vec<NetworkPermission>,
    pub(crate) wheels: Vec<PathBuf>,
    pub(crate) package_folders: Vec<PathBuf>,
    pub(crate) working_directory: Option<String>,
    pub(crate) stdin: Input,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) editor: Option<SharedEditor>,
    pub(crate) trace: Trace,
    pub(crate) limits: Limits,
}

impl ProcessOptions {
    /// Options for any main module; `program` is its `argv[0]`.
    pub fn new(program: impl Into<OsString>) -> ProcessOptions {
        ProcessOptions {
            arguments: vec![program.into()],
            environment: Vec::new(),
            mounts: Vec::new(),
            files: Vec::new(),
            side_folder: SIDE_FOLDER.to_owned(),
            side_modules: Vec::new(),
            is_python: false,
            network: Vec::new(),
            wheels: Vec::new(),
            package_folders: Vec::new(),
            working_directory: None,
            stdin: Input::Empty,
            stdout: Output::Discard,
            stderr: Output::Discard,
            editor: None,
            trace: Trace::default(),
            limits: Limits::default(),
        }
    }

    /// Appends arguments after `argv[0]` and those given before.
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> ProcessOptions {
        self.arguments.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable. The last value set for a name counts.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> ProcessOptions {
        let name = name.into();
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.into()));
        self
    }

    /// Shows a folder of the host to the guest.
    pub fn mount(mut self, mount: Mount) -> ProcessOptions {
        self.mounts.push(mount);
        self
    }

    /// Shows one file of the host to the guest under an absolute path, for reading. Nothing else in its folder is visible. The
    /// guest gets the file's contents as they are when the process is made.
    pub fn file(mut self, host: impl Into<PathBuf>, guest: impl Into<String>) -> ProcessOptions {
        self.files.push(GuestFile { host: host.into(), guest: guest.into() });
        self
    }

    /// Makes a side module available to `dlopen` and, in Python, to `import`, under its own file name.
    pub fn side_module(mut self, host: impl Into<PathBuf>) -> ProcessOptions {
        self.side_modules.push(host.into());
        self
    }

    /// Lets the guest use the host's network, as far as `permission` goes. Without any permission, the guest has a loopback of
    /// its own and nothing else. For Emscripten main modules only.
    pub fn network(mut self, permission: NetworkPermission) -> ProcessOptions {
        self.network.push(permission);
        self
    }

    /// Makes the packages of a wheel importable, without unpacking it. The wheel must fit the main module (its version of Python
    /// and its platform, PEP 425 and PEP 783), and its contents must be what its RECORD says (PEP 427); otherwise the process is
    /// not made. Its scripts, headers and data files, which installers put outside of `site-packages`, are not visible.
    pub fn wheel(mut self, host: impl Into<PathBuf>) -> ProcessOptions {
        self.wheels.push(host.into());
        self
    }

    /// Makes the packages in a folder importable: one that `pip install --target` filled, or the `site-packages` of a
    /// virtual environment. The guest may only read it. Folders are searched in the order in which they are given.
    pub fn packages(mut self, folder: impl Into<PathBuf>) -> ProcessOptions {
        self.package_folders.push(folder.into());
        self
    }

    /// Sets the folder that the guest starts in; `/` unless given.
    pub fn working_directory(mut self, guest: impl Into<String>) -> ProcessOptions {
        self.working_directory = Some(guest.into());
        self
    }

    /// Sets where standard input comes from.
    pub fn stdin(mut self, stdin: Input) -> ProcessOptions {
        self.stdin = stdin;
        self
    }

    /// Captures standard output.
    pub fn stdout(mut self, stdout: &Captured) -> ProcessOptions {
        self.stdout = Output::Capture(stdout.clone());
        self
    }

    /// Captures standard error.
    pub fn stderr(mut self, stderr: &Captured) -> ProcessOptions {
        self.stderr = Output::Capture(stderr.clone());
        self
    }

    /// Uses this program's own standard input, output and error.
    pub fn inherit_streams(mut self) -> ProcessOptions {
        self.stdin = Input::Inherit;
        self.stdout = Output::Inherit;
        self.stderr = Output::Inherit;
        self
    }

    /// Makes an editor edit the lines that the guest reads from the terminal: where standard input and an output are inherited
    /// and are terminals, as long as the guest leaves the terminal's settings such that lines are read. For a Python that has no
    /// editor of its own ([`Installation::edits_lines`]).
    pub fn line_editor(mut self, editor: impl LineEditor + 'static) -> ProcessOptions {
        self.editor = Some(SharedEditor::new(editor));
        self
    }

    /// Reports what the dynamic linker does.
    pub fn trace(mut self, trace: Trace) -> ProcessOptions {
        self.trace = trace;
        self
    }

    /// What the guest may use of the host; [`Limits::default`] unless given.
    pub fn limits(mut self, limits: Limits) -> ProcessOptions {
        self.limits = limits;
        self
    }

    /// [`Limits::instances`] alone. Each load takes one instance for each library, and one for the load if something in it needs thunks; the
    /// engine keeps the instances of closed libraries and of failed loads until the process ends, at some 10 KB and three mappings of memory
    /// each: Linux gives a process 65,530 of those (`vm.max_map_count`), so that above 20,000 the system's limit comes first. A load beyond
    /// the limit is refused, and what is loaded works on.
    pub fn most_instances(mut self, count: u32) -> ProcessOptions {
        self.limits.instances = count;
        self
    }

    /// [`Limits::host_memory`] alone, in bytes. Everything counts that the guest causes to be kept, such as files outside of mounted folders,
    /// pipes, sockets and lists of names. A call that would need more fails with an error of the guest's own kind, such as `ENOSPC` or
    /// `ENOMEM`.
    pub fn host_memory(mut self, bytes: u64) -> ProcessOptions {
        self.limits.host_memory = bytes;
        self
    }

    /// The guest's files, side modules included, with their absolute paths. Errs when two have the same path, or when a name is
    /// not possible in the guest.
    pub(crate) fn guest_files(&self) -> Result<Vec<GuestFile>, LoadError> {
        let mut files = self.files.clone();
        for host in &self.side_modules {
            let name = host.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
                let host = host.display();
                LoadError::Option(format!("side module {host}: the path has no file name in UTF-8"))
            })?;
            let guest = format!("{}/{name}", self.side_folder);
            files.push(GuestFile { host: host.clone(), guest });
        }
        for (position, file) in files.iter().enumerate() {
            if let Some(other) = files[..position].iter().find(|other| other.guest == file.guest) {
                return Err(LoadError::Option(format!(
                    "{} and {} would both be {} in the guest",
                    other.host.display(),
                    file.host.display(),
                    file.guest
                )));
            }
        }
        Ok(files)
    }

    /// An environment variable of the guest, if it is UTF-8.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str())
    }
}
