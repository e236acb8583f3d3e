//! Owns error numbers as Emscripten's C library defines them, which are those of WASI preview 1 (`wasi_snapshot_preview1.witx`; Emscripten,
//! `system/lib/libc/musl/arch/emscripten/bits/errno.h`), and how the host's errors become such numbers. Must not know which call failed.

use std::io;

use rustix::io::Errno as HostErrno;

use crate::base::budget::Exhausted;
use crate::base::halt::Halt;
use crate::memory::view::{NoString, OutOfBounds};

/// An error number of the guest's C library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Errno(pub u16);

macro_rules! numbers {
    ($($name:ident = $number:literal, $host:ident;)*) => {
        impl Errno {
            $(pub(crate) const $name: Errno = Errno($number);)*
        }

        /// The guest's number for one of the host's; `EIO` for those that it has no number for.
        fn of_host(host: HostErrno) -> Errno {
            $(if host == HostErrno::$host { return Errno::$name; })*
            Errno::IO
        }
    };
}

numbers! {
    TOOBIG = 1, TOOBIG;
    ACCES = 2, ACCESS;
    ADDRINUSE = 3, ADDRINUSE;
    ADDRNOTAVAIL = 4, ADDRNOTAVAIL;
    AFNOSUPPORT = 5, AFNOSUPPORT;
    AGAIN = 6, AGAIN;
    ALREADY = 7, ALREADY;
    BADF = 8, BADF;
    BUSY = 10, BUSY;
    CONNABORTED = 13, CONNABORTED;
    CONNREFUSED = 14, CONNREFUSED;
    CONNRESET = 15, CONNRESET;
    DESTADDRREQ = 17, DESTADDRREQ;
    DQUOT = 19, DQUOT;
    EXIST = 20, EXIST;
    FAULT = 21, FAULT;
    FBIG = 22, FBIG;
    HOSTUNREACH = 23, HOSTUNREACH;
    ILSEQ = 25, ILSEQ;
    INPROGRESS = 26, INPROGRESS;
    INTR = 27, INTR;
    INVAL = 28, INVAL;
    IO = 29, IO;
    ISCONN = 30, ISCONN;
    ISDIR = 31, ISDIR;
    LOOP = 32, LOOP;
    MFILE = 33, MFILE;
    MLINK = 34, MLINK;
    MSGSIZE = 35, MSGSIZE;
    NAMETOOLONG = 37, NAMETOOLONG;
    NETDOWN = 38, NETDOWN;
    NETUNREACH = 40, NETUNREACH;
    NFILE = 41, NFILE;
    NOBUFS = 42, NOBUFS;
    NODEV = 43, NODEV;
    NOENT = 44, NOENT;
    NOLCK = 46, NOLCK;
    NOMEM = 48, NOMEM;
    NOPROTOOPT = 50, NOPROTOOPT;
    NOSPC = 51, NOSPC;
    NOSYS = 52, NOSYS;
    NOTCONN = 53, NOTCONN;
    NOTDIR = 54, NOTDIR;
    NOTEMPTY = 55, NOTEMPTY;
    NOTSOCK = 57, NOTSOCK;
    NOTTY = 59, NOTTY;
    NXIO = 60, NXIO;
    OVERFLOW = 61, OVERFLOW;
    PERM = 63, PERM;
    PIPE = 64, PIPE;
    PROTONOSUPPORT = 66, PROTONOSUPPORT;
    PROTOTYPE = 67, PROTOTYPE;
    RANGE = 68, RANGE;
    ROFS = 69, ROFS;
    SPIPE = 70, SPIPE;
    TIMEDOUT = 73, TIMEDOUT;
    XDEV = 75, XDEV;
    NOTSUP = 138, NOTSUP;
}

impl From<HostErrno> for Errno {
    fn from(host: HostErrno) -> Errno {
        of_host(host)
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        if let Some(host) = HostErrno::from_io_error(&error) {
            return of_host(host);
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied => Errno::PERM,
            io::ErrorKind::NotFound => Errno::NOENT,
            io::ErrorKind::AlreadyExists => Errno::EXIST,
            io::ErrorKind::InvalidInput => Errno::INVAL,
            io::ErrorKind::Unsupported => Errno::NOTSUP,
            io::ErrorKind::StorageFull => Errno::NOSPC,
            _ => Errno::IO,
        }
    }
}

/// Why a call does not succeed: it returns an error number to the guest, or the guest has ended.
pub(crate) type Fault = Halt<Errno>;

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Fault {
        Fault::Refused(errno)
    }
}

impl From<Exhausted> for Errno {
    fn from(_: Exhausted) -> Errno {
        Errno::NOMEM
    }
}

impl From<Exhausted> for Fault {
    fn from(error: Exhausted) -> Fault {
        Fault::Refused(error.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Refused(error.into())
    }
}

impl From<HostErrno> for Fault {
    fn from(error: HostErrno) -> Fault {
        Fault::Refused(error.into())
    }
}

impl From<OutOfBounds> for Fault {
    fn from(_: OutOfBounds) -> Fault {
        Errno::FAULT.into()
    }
}

impl From<NoString> for Fault {
    fn from(error: NoString) -> Fault {
        match error {
            NoString::OutOfBounds => Errno::FAULT.into(),
            NoString::TooLong => Errno::NAMETOOLONG.into(),
        }
    }
}

/// The result of a call.
pub(crate) type Result<T> = std::result::Result<T, Fault>;
