//! Owns the search for library files, in the guest's file system and with the guest's permissions: each file is read
//! by the guest's own `pydl_read_file`. Remembers what was tried. Must not know what is in the files.

use std::path::Path;

use pydl_linker::{
    Address, FileIdentity, FoundLibrary, LibraryNotFound, LibraryRequest, LibrarySource, Requester,
};
use wasmtime::{StoreContextMut, TypedFunc};

use crate::address_space::AddressSpace;
use crate::process::ProcessState;
use crate::system::kernel::errno::Fault;
use crate::system::kernel::files::Files;
use crate::trace::Trace;

/// The most bytes of a path; longer ones are an error (`PATH_MAX` of musl).
const PATH_LIMIT: usize = 4096;
/// The most bytes of a library file. What `pydl_read_file` reads must fit the guest's memory anyway.
const FILE_LIMIT: u32 = 1 << 30;
/// Bytes of `struct pydl_file` (`loader/guest/wasi/libdl.c`).
const FILE_RECORD: u32 = 32;

/// The folders of names without a slash: what does not change while a process runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct SearchPath {
    /// `LD_LIBRARY_PATH` of the guest's initial environment.
    pub environment: Vec<String>,
    /// The loader's own folders, last.
    pub own: Vec<String>,
}

impl SearchPath {
    /// The paths to try for a request, in order: as it is when it has a slash; else `LD_LIBRARY_PATH`, the requester's
    /// `RUNTIME_PATH`, and the loader's own folders (ld.so(8), without its cache and default folders). `caller` is the library that
    /// calls `dlopen`, the requester of what no library's NEEDED names.
    fn candidates(&self, request: LibraryRequest<'_>, caller: Option<&Requester>) -> Vec<String> {
        if request.name.contains('/') {
            return vec![request.name.to_owned()];
        }
        let runtime_path = request.requester.or(caller).into_iter().flat_map(|requester| {
            requester.runtime_path.iter().map(|folder| expand_origin(folder, requester))
        });
        let folders = self.environment.iter().cloned().chain(runtime_path).chain(self.own.iter().cloned());
        folders.map(|folder| format!("{}/{}", folder.trim_end_matches('/'), request.name)).collect()
    }
}

/// Replaces `$ORIGIN` and `${ORIGIN}` by the folder of the requesting library (tool-conventions, `DynamicLinking.md`).
fn expand_origin(folder: &str, requester: &Requester) -> String {
    let origin = requester.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let origin = if origin.is_empty() { "/" } else { origin };
    folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
}

/// A [`LibrarySource`] that asks the guest.
pub(crate) struct GuestSearch<'a, 'store> {
    pub store: &'a mut StoreContextMut<'store, ProcessState>,
    pub space: &'a AddressSpace,
    pub read_file: &'a TypedFunc<(u32, u32), u32>,
    pub path: &'a SearchPath,
    /// The library that calls `dlopen`.
    pub caller: Option<&'a Requester>,
    /// Set when the guest ended while it read a file.
    pub ended: Option<wasmtime::Error>,
}

impl LibrarySource for GuestSearch<'_, '_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let mut tried = Vec::new();
        let trace = self.store.data().trace.clone();
        trace.find(request);
        // Once the guest has ended, nothing of it runs any more.
        let candidates =
            if self.ended.is_some() { Vec::new() } else { self.path.candidates(request, self.caller) };
        for path in candidates {
            trace.trying(&path);
            match self.read(&path) {
                Ok(found) => return Ok(found),
                Err(ReadError::Errno(errno)) => tried.push((path, describe_errno(errno))),
                Err(ReadError::Words(why)) => tried.push((path, why.to_owned())),
                Err(ReadError::Ended(error)) => {
                    self.ended = Some(error);
                    break;
                }
            }
        }
        Err(LibraryNotFound {
            name: request.name.to_owned(),
            requester: request.requester.map(|requester| requester.path.clone()),
            tried,
        })
    }
}

/// A [`LibrarySource`] that looks into the file system of an Emscripten process, which is what the guest sees.
pub(crate) struct SystemSearch<'a> {
    pub files: &'a mut Files,
    pub path: &'a SearchPath,
    /// The library that calls `dlopen`.
    pub caller: Option<&'a Requester>,
    pub trace: &'a Trace,
}

impl LibrarySource for SystemSearch<'_> {
    fn find(&mut self, request: LibraryRequest<'_>) -> Result<FoundLibrary, LibraryNotFound> {
        let mut tried = Vec::new();
        self.trace.find(request);
        for candidate in self.path.candidates(request, self.caller) {
            self.trace.trying(&candidate);
            match self.files.read_whole(Path::new(&candidate), FILE_LIMIT.into()) {
                Ok((bytes, path, status)) => {
                    let identity = FileIdentity { device: status.device, inode: status.inode };
                    let path = path.to_string_lossy().into_owned();
                    return Ok(FoundLibrary { path, identity: Some(identity), bytes });
                }
                Err(Fault::Errno(errno)) => tried.push((candidate, describe_errno(errno.0.into()))),
                Err(Fault::Ended(error)) => tried.push((candidate, error.to_string())),
            }
        }
        Err(LibraryNotFound {
            name: request.name.to_owned(),
            requester: request.requester.map(|requester| requester.path.clone()),
            tried,
        })
    }
}

enum ReadError {
    Errno(u32),
    Words(&'static str),
    Ended(wasmtime::Error),
}

impl From<wasmtime::Error> for ReadError {
    fn from(error: wasmtime::Error) -> Self {
        ReadError::Ended(error)
    }
}

impl GuestSearch<'_, '_> {
    fn read(&mut self, path: &str) -> Result<FoundLibrary, ReadError> {
        if path.len() >= PATH_LIMIT || path.contains('\0') {
            return Err(ReadError::Words("not a possible path"));
        }
        let out_of_memory = ReadError::Words("the guest is out of memory");
        // The record comes first, aligned as malloc aligns; the path follows it.
        let mut request = vec![0; FILE_RECORD as usize];
        request.extend_from_slice(path.as_bytes());
        request.push(0);
        let Some(record) = self.space.copy_in(&mut *self.store, &request)? else {
            return Err(out_of_memory);
        };
        let name = record.plus(FILE_RECORD);
        let errno = self.space.call(&mut *self.store, self.read_file, (name.0, record.0))?;
        let result = if errno == 0 { self.take(record) } else { Err(ReadError::Errno(errno)) };
        if let Err(ReadError::Ended(_)) = result {
            return result;
        }
        self.space.give_back(&mut *self.store, record)?;
        result
    }

    /// Copies what `pydl_read_file` left in `struct pydl_file` out of the guest, and frees it there.
    fn take(&mut self, record: Address) -> Result<FoundLibrary, ReadError> {
        let broken = || ReadError::Words("the guest's pydl_read_file returned a broken record");
        let fields = self.space.copy_out(&mut *self.store, record, FILE_RECORD).ok_or_else(broken)?;
        let word = |at: usize| fields.get(at..at + 4).map_or(0, le_u32);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let (data, size, path) = (Address(word(0)), word(4), Address(word(8)));
        if size > FILE_LIMIT {
            return Err(ReadError::Words("the file is larger than 1 GiB"));
        }
        let bytes = self.space.copy_out(&mut *self.store, data, size).ok_or_else(broken)?;
        let name = self.space.string(&mut *self.store, path, PATH_LIMIT).ok_or_else(broken)?;
        self.space.give_back(&mut *self.store, data)?;
        self.space.give_back(&mut *self.store, path)?;
        let path = String::from_utf8(name).map_err(|_| ReadError::Words("its path is not UTF-8"))?;
        let identity = FileIdentity { device: long(16), inode: long(24) };
        // A file system without inode numbers says 0 for every file.
        let identity = (identity.inode != 0).then_some(identity);
        Ok(FoundLibrary { path, identity, bytes: bytes.into() })
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// What an errno of WASI preview 1 means (`wasi_snapshot_preview1.witx`), for those that opening a file can give.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(name: &str, runtime_path: &[&str]) -> Vec<String> {
        let path = SearchPath {
            environment: vec!["/env".to_owned(), "/env2/".to_owned()],
            own: vec!["/side".to_owned()],
        };
        let requester = Requester {
            path: "/a/b/user.so".to_owned(),
            runtime_path: runtime_path.iter().map(|s| (*s).to_owned()).collect(),
        };
        let asked = path.candidates(LibraryRequest { name, requester: Some(&requester) }, None);
        // The library that calls `dlopen` is asked for what no library needs.
        let called = path.candidates(LibraryRequest { name, requester: None }, Some(&requester));
        assert_eq!(asked, called);
        asked
    }

    #[test]
    fn names_with_a_slash_are_not_searched() {
        assert_eq!(candidates("./x.so", &["/r"]), ["./x.so"]);
    }

    #[test]
    fn folders_are_tried_in_order() {
        assert_eq!(candidates("x.so", &["/r"]), ["/env/x.so", "/env2/x.so", "/r/x.so", "/side/x.so"]);
    }

    #[test]
    fn origin_is_the_folder_of_the_requester() {
        let tried = candidates("x.so", &["$ORIGIN/lib", "${ORIGIN}", "$ORIGIN/../c"]);
        assert_eq!(tried[2..5], ["/a/b/lib/x.so", "/a/b/x.so", "/a/b/../c/x.so"]);
    }
}
