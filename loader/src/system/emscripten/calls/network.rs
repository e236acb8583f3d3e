//! Owns the calls on sockets, and name lookup. Must not know where a socket leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::super::guest::Guest;
use super::super::imports::{Answer, Arguments, Entry, Handler};
use super::clock::ended;
use super::memory::allocate;
use crate::base::interrupt::InterruptState;
use crate::system::kernel::descriptors::{Object, flag};
use crate::system::kernel::errno::{Errno, Fault, Result};
use crate::system::kernel::network::{Socket, Transport};
use crate::system::kernel::socket_options::SocketOption;
use crate::system::signals::Effect;
use crate::system::transfer::{Written, io_vectors, whole};
use crate::system::wait::{Interest, patiently, told, wait};

pub(super) const ENTRIES: &[Entry] = &[
    ("__syscall_socket", Handler::Syscall(socket)),
    ("__syscall_bind", Handler::Syscall(bind)),
    ("__syscall_listen", Handler::Syscall(listen)),
    ("__syscall_accept4", Handler::Syscall(accept)),
    ("__syscall_connect", Handler::Syscall(connect)),
    ("__syscall_getsockname", Handler::Syscall(getsockname)),
    ("__syscall_getpeername", Handler::Syscall(getpeername)),
    ("__syscall_getsockopt", Handler::Syscall(getsockopt)),
    ("__syscall_shutdown", Handler::Syscall(shutdown)),
    ("__syscall_sendto", Handler::Syscall(sendto)),
    ("__syscall_recvfrom", Handler::Syscall(recvfrom)),
    ("__syscall_sendmsg", Handler::Syscall(sendmsg)),
    ("__syscall_recvmsg", Handler::Syscall(recvmsg)),
    ("getaddrinfo", Handler::Plain(getaddrinfo)),
    ("getnameinfo", Handler::Plain(getnameinfo)),
    ("__syscall_setsockopt", Handler::Syscall(setsockopt)),
    ("_emscripten_lookup_name", Handler::Plain(lookup_name)),
];

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
/// `SOCK_NONBLOCK`, which is `O_NONBLOCK`.
const NONBLOCK: u32 = flag::NONBLOCK;
/// The most bytes of one call: more take several calls, as with any socket.
const MOST_AT_ONCE: u32 = 1 << 20;
const PEEK: u32 = 2;
const DONT_WAIT: u32 = 0x40;

fn socket(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (domain, kind) = (arguments.word(0)?, arguments.word(1)?);
    let is_v6 = match u16::try_from(domain) {
        Ok(AF_INET) => false,
        Ok(AF_INET6) => true,
        _ => return Err(Errno::AFNOSUPPORT.into()),
    };
    let transport = match kind & 0xf {
        STREAM => Transport::Stream,
        DATAGRAM => Transport::Datagram,
        _ => return Err(Errno::PROTONOSUPPORT.into()),
    };
    let system = guest.system()?;
    let socket = system.kernel.network.socket(transport, is_v6)?;
    add(guest, socket, kind & NONBLOCK)
}

fn add(guest: &mut Guest<'_>, socket: Socket, flags: u32) -> Result<i64> {
    let descriptors = &mut guest.system()?.kernel.descriptors;
    Ok(descriptors.add(Object::Socket(socket), flags | flag::READ_WRITE)?.into())
}

fn socket_of<'g>(guest: &'g mut Guest<'_>, fd: u32) -> Result<&'g mut Socket> {
    match &mut guest.system()?.kernel.descriptors.get_mut(fd)?.object {
        Object::Socket(socket) => Ok(socket),
        _ => Err(Errno::NOTSOCK.into()),
    }
}

/// Reads a `struct sockaddr_in` or `sockaddr_in6`.
fn read_address(guest: &Guest<'_>, address: u32, length: u32) -> Result<SocketAddr> {
    let bytes = guest.bytes(address, length.min(28))?;
    let family = bytes.first_chunk::<2>().map(|family| u16::from_le_bytes(*family));
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[2], bytes[3]]);
    match family {
        Some(AF_INET) if bytes.len() >= 16 => {
            let ip = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
            Ok(SocketAddr::new(ip.into(), port(bytes)))
        }
        Some(AF_INET6) if bytes.len() >= 28 => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&bytes[8..24]);
            Ok(SocketAddr::new(Ipv6Addr::from(ip).into(), port(bytes)))
        }
        Some(AF_INET | AF_INET6) => Err(Errno::INVAL.into()),
        _ => Err(Errno::AFNOSUPPORT.into()),
    }
}

fn encode_address(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.extend(AF_INET.to_le_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(ip.octets());
            bytes.resize(16, 0);
        }
        IpAddr::V6(ip) => {
            bytes.extend(AF_INET6.to_le_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(ip.octets());
            bytes.resize(28, 0);
        }
    }
    bytes
}

/// Writes an address, as far as there is room for it, and its length.
fn write_address(guest: &mut Guest<'_>, to: u32, length_at: u32, address: SocketAddr) -> Result<()> {
    if to == 0 || length_at == 0 {
        return Ok(());
    }
    let room = guest.u32(length_at)? as usize;
    let bytes = encode_address(address);
    guest.write(to, bytes.get(..room).unwrap_or(&bytes))?;
    guest.write(length_at, &u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes())
}

fn bind(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let address = read_address(guest, arguments.word(1)?, arguments.word(2)?)?;
    socket_of(guest, arguments.word(0)?)?.bind(address).map(|()| 0)
}

fn listen(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    socket_of(guest, arguments.word(0)?)?.listen().map(|()| 0)
}

fn accept(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, address, length) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let flags = arguments.word(3)? & NONBLOCK;
    socket_of(guest, fd)?;
    let interest = Interest { fd, read: true, write: false };
    let (accepted, peer) = patiently(guest, interest, |guest| socket_of(guest, fd)?.accept())?;
    let fd = add(guest, accepted, flags)?;
    write_address(guest, address, length, peer)?;
    Ok(fd)
}

fn connect(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let fd = arguments.word(0)?;
    let address = read_address(guest, arguments.word(1)?, arguments.word(2)?)?;
    let is_patient = guest.system()?.kernel.descriptors.get(fd)?.flags & NONBLOCK == 0;
    match socket_of(guest, fd)?.connect(address) {
        Err(Fault::Refused(Errno::INPROGRESS)) if is_patient => {}
        other => return other.map(|()| 0),
    }
    wait(guest, &[Interest { fd, read: false, write: true }], None)?;
    match socket_of(guest, fd)?.pending_error()? {
        0 => Ok(0),
        error => Err(Errno(u16::try_from(error).unwrap_or(Errno::IO.0)).into()),
    }
}

fn getsockname(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let address = socket_of(guest, arguments.word(0)?)?.local()?;
    write_address(guest, arguments.word(1)?, arguments.word(2)?, address).map(|()| 0)
}

fn getpeername(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let address = socket_of(guest, arguments.word(0)?)?.peer()?;
    write_address(guest, arguments.word(1)?, arguments.word(2)?, address).map(|()| 0)
}

/// `getsockopt`: the pending error, the type, and the options that guests can set; others have their default, 0.
fn getsockopt(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    const SO_TYPE: u32 = 3;
    const SO_ERROR: u32 = 4;
    const SO_PROTOCOL: u32 = 38;
    const SO_DOMAIN: u32 = 39;
    let (level, option) = (arguments.word(1)?, arguments.word(2)?);
    let socket = socket_of(guest, arguments.word(0)?)?;
    let value = match (level, option) {
        (SOL_SOCKET, SO_ERROR) => socket.pending_error()?,
        (SOL_SOCKET, SO_TYPE) if socket.transport == Transport::Datagram => DATAGRAM,
        (SOL_SOCKET, SO_TYPE) => STREAM,
        (SOL_SOCKET, SO_DOMAIN) if socket.is_v6 => AF_INET6.into(),
        (SOL_SOCKET, SO_DOMAIN) => AF_INET.into(),
        (SOL_SOCKET, SO_PROTOCOL) if socket.transport == Transport::Datagram => IPPROTO_UDP,
        (SOL_SOCKET, SO_PROTOCOL) => IPPROTO_TCP,
        (SOL_SOCKET, SO_LINGER) => return get_linger(guest, arguments),
        _ => match option_of(level, option) {
            Some(option) => socket.options().get(option).into(),
            None if level == SOL_SOCKET || level == IPPROTO_TCP => 0,
            None => return Err(Errno::NOPROTOOPT.into()),
        },
    };
    guest.write(arguments.word(3)?, &value.to_le_bytes())?;
    guest.write(arguments.word(4)?, &4_u32.to_le_bytes())?;
    Ok(0)
}

const SOL_SOCKET: u32 = 1;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
const SO_LINGER: u32 = 13;

/// The option with a level and a number (`sys/socket.h`, `netinet/tcp.h`); `None` for those that guests cannot set.
fn option_of(level: u32, option: u32) -> Option<SocketOption> {
    match (level, option) {
        (SOL_SOCKET, 2) => Some(SocketOption::ReuseAddress),
        (SOL_SOCKET, 6) => Some(SocketOption::Broadcast),
        (SOL_SOCKET, 9) => Some(SocketOption::KeepAlive),
        (IPPROTO_TCP, 1) => Some(SocketOption::NoDelay),
        _ => None,
    }
}

/// `(descriptor, level, option, value, length)`: unsupported options that programs commonly set without checking have no effect.
fn setsockopt(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (level, option, value) = (arguments.word(1)?, arguments.word(2)?, arguments.word(3)?);
    socket_of(guest, arguments.word(0)?)?;
    if (level, option) == (SOL_SOCKET, SO_LINGER) {
        let (is_on, seconds) = (guest.u32(value)? != 0, guest.u32(value.saturating_add(4))?);
        let linger = is_on.then(|| Duration::from_secs(seconds.into()));
        socket_of(guest, arguments.word(0)?)?.set_options(|options| options.set_linger(linger))?;
        return Ok(0);
    }
    match (option_of(level, option), level) {
        (Some(option), _) => {
            let is_set = guest.u32(value)? != 0;
            socket_of(guest, arguments.word(0)?)?.set_options(|options| options.set(option, is_set))?;
            Ok(0)
        }
        (None, SOL_SOCKET | IPPROTO_TCP) => Ok(0),
        _ => Err(Errno::NOPROTOOPT.into()),
    }
}

/// Writes the value of `SO_LINGER`: a `struct linger`.
fn get_linger(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let linger = socket_of(guest, arguments.word(0)?)?.options().linger();
    let value = arguments.word(3)?;
    guest.write(value, &u32::from(linger.is_some()).to_le_bytes())?;
    guest.write(value.saturating_add(4), &[0; 4])?;
    guest.write(arguments.word(4)?, &8_u32.to_le_bytes())?;
    Ok(0)
}

fn shutdown(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    shut(guest, arguments.word(0)?, arguments.word(1)?).map(|()| 0)
}

fn shut(guest: &mut Guest<'_>, fd: u32, how: u32) -> Result<()> {
    let socket = socket_of(guest, fd)?;
    match how {
        0 => socket.shutdown(true, false),
        1 => socket.shutdown(false, true),
        2 => socket.shutdown(true, true),
        _ => Err(Errno::INVAL.into()),
    }
}

/// Pyodide's hook in front of `shutdown(fd, how)`, which its C library lacks: the result goes to the third argument.
pub(super) fn try_shutdown(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let result = match shut(guest, arguments.word(0)?, arguments.word(1)?) {
        Ok(()) => 0,
        Err(Fault::Refused(errno)) => -i32::from(errno.0),
        Err(Fault::Ended(error)) => return Err(error),
    };
    guest.write(arguments.word(2)?, &result.to_le_bytes()).map_err(ended)?;
    Ok(Answer::Integer(1))
}

fn sendto(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, buffer, length) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let (to, to_length) = (arguments.word(4)?, arguments.word(5)?);
    let to = if to == 0 { None } else { Some(read_address(guest, to, to_length)?) };
    let flags = arguments.word(3)?;
    let part = |guest: &Guest<'_>, done: u32| -> Result<Vec<u8>> {
        let rest = (length - done).min(MOST_AT_ONCE);
        Ok(guest.bytes(buffer.saturating_add(done), rest)?.to_vec())
    };
    if socket_of(guest, fd)?.transport == Transport::Datagram || length == 0 || flags & DONT_WAIT != 0 {
        let bytes = part(guest, 0)?;
        return send(guest, fd, &bytes, to, flags);
    }
    let sent = whole(guest, Interest { fd, read: false, write: true }, |guest, done| {
        let bytes = part(guest, done)?;
        let count = u32::try_from(socket_of(guest, fd)?.send(&bytes, to)?).map_err(|_| Errno::INVAL)?;
        Ok(Written { count, is_part: done.saturating_add(count) < length })
    })?;
    Ok(sent.into())
}

fn send(guest: &mut Guest<'_>, fd: u32, bytes: &[u8], to: Option<SocketAddr>, flags: u32) -> Result<i64> {
    socket_of(guest, fd)?;
    let interest = Interest { fd, read: false, write: true };
    let sent = if flags & DONT_WAIT != 0 {
        socket_of(guest, fd)?.send(bytes, to)?
    } else {
        patiently(guest, interest, |guest| socket_of(guest, fd)?.send(bytes, to))?
    };
    Ok(i64::try_from(sent).unwrap_or(i64::MAX))
}

fn recvfrom(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let (fd, buffer, length, flags) =
        (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?, arguments.word(3)?);
    let length = length.min(MOST_AT_ONCE);
    guest.bytes(buffer, length)?;
    let (bytes, from) = receive(guest, fd, length, flags)?;
    guest.write(buffer, &bytes)?;
    if let Some(from) = from {
        write_address(guest, arguments.word(4)?, arguments.word(5)?, from)?;
    }
    Ok(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

fn receive(guest: &mut Guest<'_>, fd: u32, length: u32, flags: u32) -> Result<(Vec<u8>, Option<SocketAddr>)> {
    socket_of(guest, fd)?;
    let mut bytes = vec![0; length as usize];
    let peek = flags & PEEK != 0;
    let (count, from) = if flags & DONT_WAIT != 0 {
        socket_of(guest, fd)?.receive(&mut bytes, peek)?
    } else {
        let interest = Interest { fd, read: true, write: false };
        patiently(guest, interest, |guest| socket_of(guest, fd)?.receive(&mut bytes, peek))?
    };
    bytes.truncate(count);
    Ok((bytes, from))
}

/// A `struct msghdr`: name (offset 0), its length (4), buffers (8), their count (12).
struct Message {
    name: u32,
    name_length: u32,
    buffers: Vec<(u32, u32)>,
}

impl Message {
    fn read(guest: &mut Guest<'_>, at: u32) -> Result<Message> {
        let field = |guest: &Guest<'_>, offset: u32| guest.u32(at.saturating_add(offset));
        let (name, name_length) = (field(guest, 0)?, field(guest, 4)?);
        let (vectors, count) = (field(guest, 8)?, field(guest, 12)?);
        let buffers = io_vectors(guest.split()?.0, (vectors, count))?;
        Ok(Message { name, name_length, buffers })
    }
}

fn sendmsg(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let message = Message::read(guest, arguments.word(1)?)?;
    let mut bytes = Vec::new();
    for (address, length) in &message.buffers {
        let room = MOST_AT_ONCE.saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(guest.bytes(*address, (*length).min(room))?);
    }
    let to = match message.name {
        0 => None,
        name => Some(read_address(guest, name, message.name_length)?),
    };
    send(guest, arguments.word(0)?, &bytes, to, arguments.word(2)?)
}

fn recvmsg(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> Result<i64> {
    let at = arguments.word(1)?;
    let message = Message::read(guest, at)?;
    let mut length = 0_u32;
    for (address, more) in &message.buffers {
        guest.bytes(*address, *more)?;
        length = length.saturating_add(*more).min(MOST_AT_ONCE);
    }
    let (bytes, from) = receive(guest, arguments.word(0)?, length, arguments.word(2)?)?;
    let mut rest = bytes.as_slice();
    for (address, length) in &message.buffers {
        let (part, more) = rest.split_at(rest.len().min(*length as usize));
        guest.write(*address, part)?;
        rest = more;
    }
    if let Some(from) = from {
        write_address(guest, message.name, at.saturating_add(4), from)?;
    }
    // No control data, no flags.
    guest.write(at.saturating_add(20), &[0; 8])?;
    Ok(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

/// Error numbers of `getaddrinfo` (`netdb.h`).
mod lookup {
    pub const NONAME: i64 = -2;
    pub const AGAIN: i64 = -3;
    pub const FAMILY: i64 = -6;
    pub const SOCKET_TYPE: i64 = -7;
    pub const MEMORY: i64 = -10;
    pub const OVERFLOW: i64 = -12;
}

/// The addresses of a name: numeric addresses and `localhost` always, others with permission.
fn addresses_of(guest: &mut Guest<'_>, name: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    if name == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let network = guest.system()?.kernel.network.clone();
    if !network.permits_name(name) {
        return Err(Errno::ACCES.into());
    }
    let interrupt = guest.state().interrupt.clone();
    let found = loop {
        let asked = name.to_owned();
        let resolve = move || (asked.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
        if let Some(found) = interrupt.aside(InterruptState::is_pending, resolve)? {
            break found;
        }
        told(guest, Effect::Restarts)?;
    };
    let found: Vec<IpAddr> = found?.into_iter().map(|address| address.ip()).collect();
    network.resolved(name, &found);
    Ok(found)
}

fn text(guest: &Guest<'_>, address: u32) -> wasmtime::Result<Option<String>> {
    if address == 0 {
        return Ok(None);
    }
    let text = guest.c_string(address, 1024).map_err(ended)?;
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

/// `getaddrinfo(node, service, hints, *result)`: writes a list in one piece of memory, which the C library's `freeaddrinfo` frees.
fn getaddrinfo(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    const PASSIVE: u32 = 1;
    const NUMERIC_HOST: u32 = 4;
    let (node, service) = (text(guest, arguments.word(0)?)?, text(guest, arguments.word(1)?)?);
    let hints = arguments.word(2)?;
    let hint = |guest: &Guest<'_>, offset: u32| -> wasmtime::Result<u32> {
        if hints == 0 { Ok(0) } else { guest.u32(hints.saturating_add(offset)).map_err(ended) }
    };
    let (flags, family, kind, protocol) =
        (hint(guest, 0)?, hint(guest, 4)?, hint(guest, 8)?, hint(guest, 12)?);
    let mut kinds = vec![(STREAM, IPPROTO_TCP), (DATAGRAM, IPPROTO_UDP)];
    kinds.retain(|(ty, by)| (kind == 0 || kind == *ty) && (protocol == 0 || protocol == *by));
    if kinds.is_empty() {
        return Ok(Answer::Integer(lookup::SOCKET_TYPE));
    }
    let is_number = |name: &str| name.parse::<IpAddr>().is_ok();
    if node.as_deref().is_some_and(|name| flags & NUMERIC_HOST != 0 && !is_number(name))
        || node.is_none() && service.is_none()
    {
        return Ok(Answer::Integer(lookup::NONAME));
    }
    let port = match service.as_deref().map(str::parse::<u16>) {
        None => 0,
        Some(Ok(port)) => port,
        Some(Err(_)) => match service.as_deref() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Ok(Answer::Integer(-8)),
        },
    };
    let found = match node.as_deref() {
        None if flags & PASSIVE != 0 => Ok(vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]),
        None => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        Some(name) => addresses_of(guest, name),
    };
    let found = match found {
        Ok(found) => found,
        Err(Fault::Refused(Errno::INTR | Errno::AGAIN)) => return Ok(Answer::Integer(lookup::AGAIN)),
        Err(Fault::Refused(_)) => return Ok(Answer::Integer(lookup::NONAME)),
        Err(Fault::Ended(error)) => return Err(error),
    };
    let wanted = |ip: &IpAddr| match u16::try_from(family) {
        Ok(0) => true,
        Ok(AF_INET) => ip.is_ipv4(),
        Ok(AF_INET6) => ip.is_ipv6(),
        _ => false,
    };
    if found.is_empty() || !matches!(u16::try_from(family), Ok(0 | AF_INET | AF_INET6)) {
        return Ok(Answer::Integer(lookup::FAMILY));
    }
    // CPython is built without IPv6, as Pyodide's is, and decodes such addresses wrongly: callers that ask for any family get them only
    // where there are no others.
    let has_v4 = family == 0 && found.iter().any(IpAddr::is_ipv4);
    let wanted = |ip: &IpAddr| wanted(ip) && (ip.is_ipv4() || !has_v4);
    let found: Vec<SocketAddr> =
        found.into_iter().filter(wanted).map(|ip| SocketAddr::new(ip, port)).collect();
    if found.is_empty() {
        return Ok(Answer::Integer(lookup::NONAME));
    }
    write_list(guest, &found, &kinds, arguments.word(3)?)
}

/// Makes a list of `struct addrinfo`: flags, family, type, protocol, length, address, name, next, of 4 bytes each. Each lies in memory of
/// its own, followed by its address, as Emscripten's `freeaddrinfo` expects.
fn write_list(
    guest: &mut Guest<'_>,
    found: &[SocketAddr],
    kinds: &[(u32, u32)],
    result: u32,
) -> wasmtime::Result<Answer> {
    const RECORD: u32 = 32;
    let mut next = 0_u32;
    let mut all = Vec::new();
    for address in found {
        all.extend(kinds.iter().map(|kind| (*address, *kind)));
    }
    for (address, (kind, protocol)) in all.into_iter().rev() {
        let bytes = encode_address(address);
        let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let length = u32::try_from(bytes.len())?;
        let place = allocate(guest, &[0; 32 + 28])?;
        let Some(place) = place else { return Ok(Answer::Integer(lookup::MEMORY)) };
        let fields = [0, family.into(), kind, protocol, length, place.saturating_add(RECORD), 0, next];
        let record = [fields.map(u32::to_le_bytes).concat(), bytes].concat();
        guest.write(place, &record).map_err(ended)?;
        next = place;
    }
    guest.write(result, &next.to_le_bytes()).map_err(ended)?;
    Ok(Answer::Integer(0))
}

/// `getnameinfo(address, length, node, size, service, size, flags)`: writes numbers, since names are not disclosed.
fn getnameinfo(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    const NAME_REQUIRED: u32 = 8;
    let Ok(address) = read_address(guest, arguments.word(0)?, arguments.word(1)?) else {
        return Ok(Answer::Integer(lookup::FAMILY));
    };
    if arguments.word(6)? & NAME_REQUIRED != 0 {
        return Ok(Answer::Integer(lookup::NONAME));
    }
    let texts = [address.ip().to_string(), address.port().to_string()];
    for (text, index) in texts.into_iter().zip([2, 4]) {
        let (buffer, size) = (arguments.word(index)?, arguments.word(index + 1)?);
        if buffer == 0 || size == 0 {
            continue;
        }
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        if bytes.len() > size as usize {
            return Ok(Answer::Integer(lookup::OVERFLOW));
        }
        guest.write(buffer, &bytes).map_err(ended)?;
    }
    Ok(Answer::Integer(0))
}

/// The IPv4 address of a name, as a number in network order; 0 when there is none.
fn lookup_name(guest: &mut Guest<'_>, arguments: &Arguments<'_>) -> wasmtime::Result<Answer> {
    let name = text(guest, arguments.word(0)?)?.unwrap_or_default();
    let found = match addresses_of(guest, &name) {
        Ok(found) => found,
        Err(Fault::Refused(_)) => Vec::new(),
        Err(Fault::Ended(error)) => return Err(error),
    };
    let v4 = found.iter().find_map(|ip| match ip {
        IpAddr::V4(ip) => Some(u32::from_le_bytes(ip.octets())),
        IpAddr::V6(_) => None,
    });
    Ok(v4.unwrap_or(0).into())
}
