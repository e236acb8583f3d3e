//! Owns the search for library files, in the guest's file system and with the guest's permissions: each file is read by the
//! guest's own `pydl_read_file`. Records what was tried. Must not know what is in the files.

use std::path::Path;
use std::sync::Arc;

use pydl_linker::{
    Address, FileIdentity, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, PATH_LIMIT, Place,
    Requester, SearchPath,
};
use wasmtime::{StoreContextMut, TypedFunc};

use crate::base::budget::{Budget, Charge};
use crate::base::halt::Halt;
use crate::base::interrupt::{InterruptState, Interrupted};
use crate::base::trace::Trace;
use crate::memory::address_space::AddressSpace;
use crate::system::kernel::errno::Fault;
use crate::system::kernel::files::Files;
use crate::system::state::ProcessState;

/// Size of `struct pydl_file`, in bytes (`loader/guest/wasi/libdl.c`).
const FILE_RECORD: u32 = 32;

/// A [`LibrarySource`] that calls the guest.
pub(crate) struct GuestSearch<'a, 'store> {
    pub store: &'a mut StoreContextMut<'store, ProcessState>,
    pub space: &'a AddressSpace,
    pub read_file: &'a TypedFunc<(u32, u32), u32>,
    pub path: &'a Arc<SearchPath>,
    /// The library that calls `dlopen`.
    pub caller: Option<&'a Requester>,
    /// Set when the guest ended while reading a file.
    pub ended: Option<wasmtime::Error>,
}

impl LibrarySource for GuestSearch<'_, '_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let mut tried = Vec::new();
        let trace = self.store.data().trace.clone();
        trace.find(request);
        let (places, caller) = (self.path.clone(), self.caller);
        for place in places.places(request, caller) {
            // Once the guest has ended, none of its code runs any more.
            if self.ended.is_some() {
                break;
            }
            let path = match place {
                Place::Path(path) => path,
                Place::Impossible(shown, why) => {
                    LibraryNotFound::note(&mut tried, shown, why);
                    continue;
                }
            };
            trace.trying(&path);
            match self.read(&path) {
                Ok(found) => return Ok(found),
                Err(ReadError::Refused(why)) => LibraryNotFound::note(&mut tried, path, why),
                Err(ReadError::Ended(error)) => self.ended = Some(error),
            }
        }
        Err(not_found(request, tried))
    }
}

/// A [`LibrarySource`] that reads the file system of an Emscripten process, which is what the guest sees.
pub(crate) struct SystemSearch<'a> {
    pub files: &'a mut Files,
    pub path: &'a SearchPath,
    /// The library that calls `dlopen`.
    pub caller: Option<&'a Requester>,
    pub trace: &'a Trace,
    pub interrupt: &'a InterruptState,
    pub budget: &'a Budget,
    /// The charges for the files that were found, held as long as they are being loaded.
    pub kept: Vec<Charge>,
    /// Set when the guest is to end.
    pub ended: Option<wasmtime::Error>,
}

impl SystemSearch<'_> {
    /// Reads a file. Errs with a message.
    fn read(&mut self, path: &str) -> Result<FoundLibrary, String> {
        let most = self.budget.limits().load.bytes as u64;
        match self.files.read_whole(Path::new(path), most) {
            Ok((bytes, path, status)) => {
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.kept.push(self.budget.charge(size).map_err(|exhausted| exhausted.to_string())?);
                let identity = FileIdentity { device: status.device, inode: status.inode };
                let path = path.to_string_lossy().into_owned();
                Ok(FoundLibrary { path, identity: Some(identity), bytes })
            }
            Err(Fault::Refused(errno)) => Err(describe_errno(errno.0.into())),
            Err(Fault::Ended(error)) => {
                let why = error.to_string();
                self.ended = Some(error);
                Err(why)
            }
        }
    }
}

fn not_found(request: LibraryRequest<'_>, tried: Vec<(String, String)>) -> LibraryNotFound {
    LibraryNotFound {
        name: request.name.to_owned(),
        requester: request.requester.map(|requester| requester.path.clone()),
        tried,
    }
}

impl LibrarySource for SystemSearch<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let mut tried = Vec::new();
        self.trace.find(request);
        for place in self.path.places(request, self.caller) {
            if self.interrupt.is_terminated() {
                self.ended = Some(Interrupted.into());
            }
            if self.ended.is_some() {
                break;
            }
            let path = match place {
                Place::Path(path) => path,
                Place::Impossible(shown, why) => {
                    LibraryNotFound::note(&mut tried, shown, why);
                    continue;
                }
            };
            self.trace.trying(&path);
            match self.read(&path) {
                Ok(found) => return Ok(found),
                Err(why) => LibraryNotFound::note(&mut tried, path, why),
            }
        }
        Err(not_found(request, tried))
    }
}

/// Why a file is not read: a message, or the fact that the guest has ended.
type ReadError = Halt<String>;

impl GuestSearch<'_, '_> {
    fn read(&mut self, path: &str) -> Result<FoundLibrary, ReadError> {
        if path.len() >= PATH_LIMIT || path.contains('\0') {
            return Err(ReadError::Refused("not a possible path".to_owned()));
        }
        let out_of_memory = ReadError::Refused("the guest is out of memory".to_owned());
        // The record comes first, aligned as malloc aligns; the path follows it.
        let mut request = vec![0; FILE_RECORD as usize];
        request.extend_from_slice(path.as_bytes());
        request.push(0);
        let Some(record) = self.space.copy_in(&mut *self.store, &request)? else {
            return Err(out_of_memory);
        };
        let name = record.plus(FILE_RECORD);
        let errno = self.space.call(&mut *self.store, self.read_file, (name.0, record.0))?;
        let result =
            if errno == 0 { self.take(record) } else { Err(ReadError::Refused(describe_errno(errno))) };
        if let Err(ReadError::Ended(_)) = result {
            return result;
        }
        self.space.give_back(&mut *self.store, record)?;
        result
    }

    /// Copies what `pydl_read_file` left in `struct pydl_file` from the guest, and frees it there.
    fn take(&mut self, record: Address) -> Result<FoundLibrary, ReadError> {
        let broken = || ReadError::Refused("the guest's pydl_read_file returned a broken record".to_owned());
        let fields =
            self.space.view(&*self.store).bytes(record.0, FILE_RECORD).map_err(|_| broken())?.to_vec();
        let word = |at: usize| fields.get(at..at + 4).map_or(0, le_u32);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let (data, size, path) = (Address(word(0)), word(4), Address(word(8)));
        let most = self.store.data().budget.limits().load.bytes;
        if size as usize > most {
            return Err(ReadError::Refused(format!("the file is larger than {most} bytes")));
        }
        let bytes = self.space.view(&*self.store).bytes(data.0, size).map_err(|_| broken())?.to_vec();
        let name = self.space.view(&*self.store).c_string(path.0, PATH_LIMIT).map_err(|_| broken())?.to_vec();
        self.space.give_back(&mut *self.store, data)?;
        self.space.give_back(&mut *self.store, path)?;
        let path =
            String::from_utf8(name).map_err(|_| ReadError::Refused("its path is not UTF-8".to_owned()))?;
        let identity = FileIdentity { device: long(16), inode: long(24) };
        // A file system without inode numbers reports 0 for every file.
        let identity = (identity.inode != 0).then_some(identity);
        Ok(FoundLibrary { path, identity, bytes: bytes.into() })
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// The meaning of an errno of WASI preview 1 (`wasi_snapshot_preview1.witx`), for those that opening a file can yield.
fn describe_errno(errno: u32) -> String {
    match errno {
        2 => "Permission denied".to_owned(),
        8 => "Bad file descriptor".to_owned(),
        22 => "File too large".to_owned(),
        28 => "Invalid argument: not a regular file".to_owned(),
        29 => "I/O error".to_owned(),
        31 => "Is a directory".to_owned(),
        32 => "Too many levels of symbolic links".to_owned(),
        33 | 41 => "Too many open files".to_owned(),
        37 => "Filename too long".to_owned(),
        44 => "No such file or directory".to_owned(),
        48 => "Out of memory".to_owned(),
        54 => "Not a directory".to_owned(),
        63 => "Operation not permitted".to_owned(),
        76 => "No such file or directory: outside the folders given to the guest".to_owned(),
        other => format!("WASI error {other}"),
    }
}
