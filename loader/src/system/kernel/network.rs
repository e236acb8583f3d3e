//! Owns sockets: a loopback of the guest's own, which is always there and leaves the process nowhere, and the host's sockets
//! for what the embedder permits. Must not know descriptors, nor how a guest passes its arguments.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{self as host, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};

use super::descriptors::Readiness;
use super::errno::{Errno, Result};
use crate::options::NetworkPermission;

/// The most bytes that wait on one connection, datagrams on one socket, bytes of datagrams on all, connections on one listener,
/// and listeners: what waits is the host's memory.
const CAPACITY: usize = 256 << 10;
const MOST_DATAGRAMS: usize = 256;
const MOST_OF_DATAGRAMS: usize = 16 << 20;
const MOST_PENDING: usize = 16;
const MOST_LISTENERS: usize = 256;
/// The most bytes of a datagram.
const MOST_OF_DATAGRAM: usize = 65_507;
/// The first port that is given to sockets that ask for any (IANA, dynamic ports).
const FIRST_FREE_PORT: u16 = 49_152;

/// Whether a socket carries a stream or datagrams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Transport {
    Stream,
    Datagram,
}

/// The network of a process.
#[derive(Clone)]
pub(crate) struct Network {
    loopback: Arc<Mutex<Loopback>>,
    permissions: Arc<Mutex<Vec<NetworkPermission>>>,
}

/// What is bound on the loopback.
#[derive(Default)]
struct Loopback {
    listeners: BTreeMap<u16, VecDeque<Connection>>,
    /// Sockets for datagrams, and what has arrived for them.
    datagrams: BTreeMap<u16, VecDeque<(SocketAddr, Vec<u8>)>>,
    /// Bytes of all datagrams that have arrived.
    datagram_bytes: usize,
    bound: BTreeSet<(Transport, u16)>,
    next_port: u16,
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// The writer has nothing more to say.
    ended: bool,
    /// The reader is gone.
    broken: bool,
}

type SharedPipe = Arc<Mutex<Pipe>>;

/// One end of a connection on the loopback.
struct Connection {
    incoming: SharedPipe,
    outgoing: SharedPipe,
    local: SocketAddr,
    peer: SocketAddr,
}

/// A socket.
pub(crate) struct Socket {
    pub transport: Transport,
    pub is_v6: bool,
    network: Network,
    state: State,
    /// The port of the loopback that is free again when it goes. An accepted socket shares its listener's.
    owns: Option<u16>,
}

enum State {
    New,
    /// Bound on the loopback, by this port.
    Bound(SocketAddr),
    Listening(SocketAddr),
    Connected(Connection),
    /// For datagrams, with a partner.
    Paired(SocketAddr, SocketAddr),
    /// A socket of the host.
    Host(OwnedFd),
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    pub(crate) fn new(permissions: Vec<NetworkPermission>) -> Network {
        Network { loopback: Arc::default(), permissions: Arc::new(Mutex::new(permissions)) }
    }

    /// A new socket.
    pub(crate) fn socket(&self, transport: Transport, is_v6: bool) -> Socket {
        Socket { transport, is_v6, network: self.clone(), state: State::New, owns: None }
    }

    /// Whether the guest may reach an address of the host's network.
    fn permits(&self, address: SocketAddr) -> bool {
        lock(&self.permissions).iter().any(|permission| permission.permits(address))
    }

    /// Whether a name may be looked up, for some port.
    pub(crate) fn permits_name(&self, name: &str) -> bool {
        lock(&self.permissions).iter().any(|permission| permission.permits_name(name))
    }

    /// Notes that a permitted name has these addresses.
    pub(crate) fn resolved(&self, name: &str, addresses: &[IpAddr]) {
        let mut permissions = lock(&self.permissions);
        let named: Vec<_> =
            permissions.iter().filter(|permission| permission.is_for(name)).cloned().collect();
        for permission in named {
            let resolved = addresses.iter().map(|address| permission.at(*address));
            let new: Vec<_> = resolved.filter(|permission| !permissions.contains(permission)).collect();
            permissions.extend(new);
        }
    }
}

impl Loopback {
    fn take_port(&mut self, transport: Transport, port: u16) -> Result<u16> {
        if port != 0 {
            let is_free = self.bound.insert((transport, port));
            return if is_free { Ok(port) } else { Err(Errno::ADDRINUSE.into()) };
        }
        for _ in FIRST_FREE_PORT..=u16::MAX {
            let port = self.next_port.max(FIRST_FREE_PORT);
            self.next_port = port.checked_add(1).unwrap_or(FIRST_FREE_PORT);
            if self.bound.insert((transport, port)) {
                return Ok(port);
            }
        }
        Err(Errno::ADDRINUSE.into())
    }
}

/// Whether an address is one of the guest's own.
fn is_own(address: SocketAddr) -> bool {
    address.ip().is_loopback() || address.ip().is_unspecified()
}

impl Socket {
    fn loopback_address(&self) -> IpAddr {
        if self.is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
    }

    /// The host's descriptor behind it.
    pub(crate) fn host(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Host(socket) => Some(socket.as_fd()),
            _ => None,
        }
    }

    /// Makes it a socket of the host; never one that makes the guest wait.
    fn make_host(&mut self, address: SocketAddr) -> Result<&OwnedFd> {
        if !self.network.permits(address) {
            return Err(Errno::ACCES.into());
        }
        if !matches!(self.state, State::Host(_)) {
            let family = if self.is_v6 { AddressFamily::INET6 } else { AddressFamily::INET };
            let ty = match self.transport {
                Transport::Stream => SocketType::STREAM,
                Transport::Datagram => SocketType::DGRAM,
            };
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            self.state = State::Host(host::socket_with(family, ty, flags, None)?);
        }
        match &self.state {
            State::Host(socket) => Ok(socket),
            _ => Err(Errno::BADF.into()),
        }
    }

    /// `bind`: the loopback and, with permission for the address, the host's interfaces.
    pub(crate) fn bind(&mut self, address: SocketAddr) -> Result<()> {
        if !matches!(self.state, State::New) {
            return Err(Errno::INVAL.into());
        }
        if !is_own(address) || self.network.permits(address) {
            let socket = self.make_host(address)?;
            return Ok(host::bind(socket, &address)?);
        }
        let mut loopback = lock(&self.network.loopback);
        let port = loopback.take_port(self.transport, address.port())?;
        if self.transport == Transport::Datagram {
            loopback.datagrams.insert(port, VecDeque::new());
        }
        drop(loopback);
        self.owns = Some(port);
        self.state = State::Bound(SocketAddr::new(address.ip(), port));
        Ok(())
    }

    fn bind_to_any(&mut self) -> Result<SocketAddr> {
        match self.state {
            State::Bound(address) | State::Paired(address, _) => Ok(address),
            State::New => {
                self.bind(SocketAddr::new(self.loopback_address(), 0))?;
                match self.state {
                    State::Bound(address) => Ok(address),
                    _ => Err(Errno::INVAL.into()),
                }
            }
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// `listen`.
    pub(crate) fn listen(&mut self) -> Result<()> {
        if self.transport != Transport::Stream {
            return Err(Errno::NOTSUP.into());
        }
        if let State::Host(socket) = &self.state {
            return Ok(host::listen(socket, 128)?);
        }
        if matches!(self.state, State::Listening(_)) {
            return Ok(());
        }
        let address = self.bind_to_any()?;
        let mut loopback = lock(&self.network.loopback);
        if loopback.listeners.len() >= MOST_LISTENERS {
            return Err(Errno::NOBUFS.into());
        }
        loopback.listeners.insert(address.port(), VecDeque::new());
        drop(loopback);
        self.state = State::Listening(address);
        Ok(())
    }

    /// `accept`: a new socket. Errs with `EAGAIN` when nobody has called.
    pub(crate) fn accept(&mut self) -> Result<(Socket, SocketAddr)> {
        let (state, peer) = match &self.state {
            State::Host(socket) => {
                let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                let (accepted, peer) = host::acceptfrom_with(socket, flags)?;
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok()).ok_or(Errno::IO)?;
                (State::Host(accepted), peer)
            }
            State::Listening(address) => {
                let mut loopback = lock(&self.network.loopback);
                let pending = loopback.listeners.get_mut(&address.port()).ok_or(Errno::INVAL)?;
                let connection = pending.pop_front().ok_or(Errno::AGAIN)?;
                let peer = connection.peer;
                (State::Connected(connection), peer)
            }
            _ => return Err(Errno::INVAL.into()),
        };
        let network = self.network.clone();
        Ok((Socket { transport: self.transport, is_v6: self.is_v6, network, state, owns: None }, peer))
    }

    /// `connect`. On the loopback it succeeds or fails at once; with the host's network it may be `EINPROGRESS`.
    pub(crate) fn connect(&mut self, address: SocketAddr) -> Result<()> {
        if matches!(self.state, State::Connected(_)) {
            return Err(Errno::ISCONN.into());
        }
        let to_host = matches!(self.state, State::Host(_)) || !is_own(address) || {
            let loopback = lock(&self.network.loopback);
            !loopback.bound.contains(&(self.transport, address.port())) && self.network.permits(address)
        };
        if to_host {
            let socket = self.make_host(address)?;
            return Ok(host::connect(socket, &address)?);
        }
        let local = self.bind_to_any()?;
        let local = SocketAddr::new(self.loopback_address(), local.port());
        let address = SocketAddr::new(self.loopback_address(), address.port());
        if self.transport == Transport::Datagram {
            self.state = State::Paired(local, address);
            return Ok(());
        }
        let mut loopback = lock(&self.network.loopback);
        let pending = loopback.listeners.get_mut(&address.port()).ok_or(Errno::CONNREFUSED)?;
        if pending.len() >= MOST_PENDING {
            return Err(Errno::CONNREFUSED.into());
        }
        let (to, from) = (SharedPipe::default(), SharedPipe::default());
        pending.push_back(Connection {
            incoming: to.clone(),
            outgoing: from.clone(),
            local: address,
            peer: local,
        });
        drop(loopback);
        self.state = State::Connected(Connection { incoming: from, outgoing: to, local, peer: address });
        Ok(())
    }

    /// Reads what has arrived, with its sender if it is a datagram; 0 bytes at the end of a stream. Errs with `EAGAIN` when
    /// nothing has.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], peek: bool) -> Result<(usize, Option<SocketAddr>)> {
        match &mut self.state {
            State::Host(socket) => {
                let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
                let (count, _, from) = host::recvfrom(&*socket, buffer, flags)?;
                Ok((count, from.and_then(|from| SocketAddr::try_from(from).ok())))
            }
            State::Connected(connection) => {
                let mut pipe = lock(&connection.incoming);
                if pipe.bytes.is_empty() && !pipe.ended && !buffer.is_empty() {
                    return Err(Errno::AGAIN.into());
                }
                let count = buffer.len().min(pipe.bytes.len());
                for (to, from) in buffer.iter_mut().zip(&pipe.bytes) {
                    *to = *from;
                }
                if !peek {
                    pipe.bytes.drain(..count);
                }
                Ok((count, Some(connection.peer)))
            }
            State::Bound(local) | State::Paired(local, _) if self.transport == Transport::Datagram => {
                let mut loopback = lock(&self.network.loopback);
                let arrived = loopback.datagrams.get_mut(&local.port()).ok_or(Errno::NOTCONN)?;
                let (from, bytes) = arrived.front().ok_or(Errno::AGAIN)?;
                let from = *from;
                let count = buffer.len().min(bytes.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                let whole = bytes.len();
                if !peek {
                    arrived.pop_front();
                    loopback.datagram_bytes = loopback.datagram_bytes.saturating_sub(whole);
                }
                Ok((count, Some(from)))
            }
            _ => Err(Errno::NOTCONN.into()),
        }
    }

    /// Sends, a datagram to `to` if given; returns how many bytes. Errs with `EAGAIN` when there is no room.
    pub(crate) fn send(&mut self, bytes: &[u8], to: Option<SocketAddr>) -> Result<usize> {
        if let (State::New | State::Bound(_) | State::Paired(..), Transport::Datagram) =
            (&self.state, self.transport)
        {
            return self.send_datagram(bytes, to);
        }
        match &self.state {
            State::Host(socket) => Ok(match to {
                Some(to) if self.network.permits(to) => {
                    host::sendto(socket, bytes, SendFlags::NOSIGNAL, &to)?
                }
                Some(_) => return Err(Errno::ACCES.into()),
                None => host::send(socket, bytes, SendFlags::NOSIGNAL)?,
            }),
            State::Connected(connection) => {
                let mut pipe = lock(&connection.outgoing);
                if pipe.broken || pipe.ended {
                    return Err(Errno::PIPE.into());
                }
                let room = CAPACITY.saturating_sub(pipe.bytes.len());
                if room == 0 && !bytes.is_empty() {
                    return Err(Errno::AGAIN.into());
                }
                let count = room.min(bytes.len());
                pipe.bytes.extend(&bytes[..count]);
                Ok(count)
            }
            _ => Err(Errno::NOTCONN.into()),
        }
    }

    fn send_datagram(&mut self, bytes: &[u8], to: Option<SocketAddr>) -> Result<usize> {
        if bytes.len() > MOST_OF_DATAGRAM {
            return Err(Errno::MSGSIZE.into());
        }
        let to = match (to, &self.state) {
            (Some(to), _) => to,
            (None, State::Paired(_, peer)) => *peer,
            (None, _) => return Err(Errno::DESTADDRREQ.into()),
        };
        if !is_own(to) {
            let socket = self.make_host(to)?;
            return Ok(host::sendto(socket, bytes, SendFlags::NOSIGNAL, &to)?);
        }
        let local = self.bind_to_any()?;
        let from = SocketAddr::new(self.loopback_address(), local.port());
        let mut loopback = lock(&self.network.loopback);
        // Nobody listening, or a full queue: the datagram is lost, as they may be.
        let total = loopback.datagram_bytes + bytes.len();
        let arrived = loopback.datagrams.get_mut(&to.port()).filter(|arrived| arrived.len() < MOST_DATAGRAMS);
        if let Some(arrived) = arrived.filter(|_| total <= MOST_OF_DATAGRAMS) {
            arrived.push_back((from, bytes.to_vec()));
            loopback.datagram_bytes = total;
        }
        Ok(bytes.len())
    }

    /// `shutdown`: of reading, writing or both.
    pub(crate) fn shutdown(&mut self, reading: bool, writing: bool) -> Result<()> {
        match &self.state {
            State::Host(socket) => {
                let how = match (reading, writing) {
                    (true, true) => Shutdown::Both,
                    (true, false) => Shutdown::Read,
                    _ => Shutdown::Write,
                };
                Ok(host::shutdown(socket, how)?)
            }
            State::Connected(connection) => {
                if reading {
                    let mut pipe = lock(&connection.incoming);
                    pipe.ended = true;
                    pipe.broken = true;
                }
                if writing {
                    lock(&connection.outgoing).ended = true;
                }
                Ok(())
            }
            _ => Err(Errno::NOTCONN.into()),
        }
    }

    /// Its own address.
    pub(crate) fn local(&self) -> Result<SocketAddr> {
        match &self.state {
            State::Host(socket) => {
                SocketAddr::try_from(host::getsockname(socket)?).map_err(|_| Errno::INVAL.into())
            }
            State::Connected(connection) => Ok(connection.local),
            State::Bound(address) | State::Listening(address) | State::Paired(address, _) => Ok(*address),
            State::New if self.is_v6 => Ok(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)),
            State::New => Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
        }
    }

    /// The other end's address.
    pub(crate) fn peer(&self) -> Result<SocketAddr> {
        match &self.state {
            State::Host(socket) => {
                let peer = host::getpeername(socket)?.ok_or(Errno::NOTCONN)?;
                SocketAddr::try_from(peer).map_err(|_| Errno::INVAL.into())
            }
            State::Connected(connection) => Ok(connection.peer),
            State::Paired(_, peer) => Ok(*peer),
            _ => Err(Errno::NOTCONN.into()),
        }
    }

    /// What went wrong since it was asked last: how a connection that was in progress ended.
    pub(crate) fn pending_error(&self) -> Result<u32> {
        match &self.state {
            State::Host(socket) => Ok(match host::sockopt::socket_error(socket)? {
                Ok(()) => 0,
                Err(error) => Errno::from(error).0.into(),
            }),
            _ => Ok(0),
        }
    }

    /// What can be done at once; for a socket of the host, see [`Socket::host`].
    pub(crate) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::default();
        match &self.state {
            State::Connected(connection) => {
                let incoming = lock(&connection.incoming);
                ready.readable = !incoming.bytes.is_empty() || incoming.ended;
                ready.hung_up = incoming.ended && incoming.bytes.is_empty();
                let outgoing = lock(&connection.outgoing);
                ready.writable = outgoing.bytes.len() < CAPACITY || outgoing.broken;
                ready.hung_up &= outgoing.ended || outgoing.broken;
            }
            State::Listening(address) => {
                let loopback = lock(&self.network.loopback);
                ready.readable = loopback.listeners.get(&address.port()).is_some_and(|p| !p.is_empty());
            }
            State::Bound(address) | State::Paired(address, _) => {
                let loopback = lock(&self.network.loopback);
                ready.readable = loopback.datagrams.get(&address.port()).is_some_and(|a| !a.is_empty());
                ready.writable = true;
            }
            State::New | State::Host(_) => ready.writable = true,
        }
        ready
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let State::Connected(connection) = &self.state {
            lock(&connection.outgoing).ended = true;
            let mut incoming = lock(&connection.incoming);
            incoming.broken = true;
            incoming.bytes.clear();
        }
        let Some(port) = self.owns else { return };
        let mut loopback = lock(&self.network.loopback);
        loopback.bound.remove(&(self.transport, port));
        match self.transport {
            Transport::Datagram => {
                let lost = loopback.datagrams.remove(&port).unwrap_or_default();
                let lost: usize = lost.iter().map(|(_, bytes)| bytes.len()).sum();
                loopback.datagram_bytes = loopback.datagram_bytes.saturating_sub(lost);
            }
            // Those that wait to be accepted learn that nobody will.
            Transport::Stream => {
                for connection in loopback.listeners.remove(&port).unwrap_or_default() {
                    lock(&connection.outgoing).ended = true;
                    lock(&connection.incoming).broken = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bytes_go_both_ways_and_end() {
        let network = Network::new(Vec::new());
        let mut server = network.socket(Transport::Stream, false);
        server.bind(address("127.0.0.1:0")).unwrap();
        server.listen().unwrap();
        let mut client = network.socket(Transport::Stream, false);
        assert!(server.accept().is_err());
        client.connect(server.local().unwrap()).unwrap();
        let (mut accepted, peer) = server.accept().unwrap();
        assert_eq!(peer, client.local().unwrap());
        client.send(b"hello", None).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(accepted.receive(&mut buffer, true).unwrap().0, 5);
        assert_eq!(accepted.receive(&mut buffer, false).unwrap().0, 5);
        assert!(accepted.receive(&mut buffer, false).is_err());
        accepted.send(b"bye", None).unwrap();
        drop(accepted);
        assert_eq!(client.receive(&mut buffer, false).unwrap().0, 3);
        assert_eq!(client.receive(&mut buffer, false).unwrap().0, 0);
        assert!(client.send(b"x", None).is_err());
    }

    #[test]
    fn nothing_but_the_loopback_is_reached_without_permission() {
        let network = Network::new(Vec::new());
        let mut client = network.socket(Transport::Stream, false);
        assert!(matches!(
            client.connect(address("192.0.2.1:80")),
            Err(super::super::errno::Fault::Errno(Errno::ACCES))
        ));
        assert!(matches!(
            client.connect(address("127.0.0.1:80")),
            Err(super::super::errno::Fault::Errno(Errno::CONNREFUSED))
        ));
    }

    #[test]
    fn ports_are_taken_once_and_given_back() {
        let network = Network::new(Vec::new());
        let mut first = network.socket(Transport::Stream, false);
        first.bind(address("127.0.0.1:5000")).unwrap();
        let mut second = network.socket(Transport::Stream, false);
        assert!(second.bind(address("127.0.0.1:5000")).is_err());
        drop(first);
        second.bind(address("127.0.0.1:5000")).unwrap();
    }
}
