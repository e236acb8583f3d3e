//! Owns sockets: a loopback of the guest's own, which is always there and does not leave the process, and the host's sockets for what the
//! embedder permits. Must not know descriptors, nor how a guest passes its arguments.
//!
//! A socket of the host exists only in the states of [`Host`], each of which was permitted for an address when it was entered: there is
//! none that is not yet bound or connected, which the host would bind to every interface when listening. What a socket of the host then
//! receives is checked against the permissions again: who connected, and who sent a datagram.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{
    self as host, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt,
};

use super::descriptors::Readiness;
use super::errno::{Errno, Result};
use super::socket_options::SocketOptions;
use crate::base::budget::{Budget, Charge, Queue};
use crate::base::denied::DeniedNetwork;
use crate::base::options::NetworkPermission;

/// The most bytes of a datagram.
const MOST_OF_DATAGRAM: usize = 65_507;
/// The first port for sockets that ask for any port (IANA, dynamic ports).
const FIRST_FREE_PORT: u16 = 49_152;
/// The bytes of the host's memory that a socket takes besides what waits on it, and a datagram besides its contents.
const SOCKET: u64 = 1 << 10;
const DATAGRAM: u64 = 128;
/// The most datagrams from unpermitted senders that one call discards: more than that are left to the next call, so that a guest can be
/// interrupted between the calls.
const MOST_THROWN_AWAY: usize = 64;

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
    permissions: Arc<[NetworkPermission]>,
    /// The addresses that permitted names were found to have, the latest last.
    resolved: Arc<Mutex<VecDeque<NetworkPermission>>>,
    /// What the guest was denied.
    pub(crate) denied: DeniedNetwork,
    budget: Budget,
}

/// The sockets that are bound on the loopback.
#[derive(Default)]
struct Loopback {
    listeners: BTreeMap<u16, VecDeque<Connection>>,
    /// Sockets for datagrams, and what has arrived for them.
    datagrams: BTreeMap<u16, VecDeque<Arrived>>,
    /// The number of bytes of all datagrams that have arrived.
    datagram_bytes: usize,
    bound: BTreeSet<(Transport, u16)>,
    next_port: u16,
}

/// A datagram that has not been received yet.
struct Arrived {
    from: SocketAddr,
    bytes: Vec<u8>,
    _charge: Charge,
}

/// One direction of a connection.
struct Pipe {
    bytes: Queue,
    /// The writer will send no more.
    ended: bool,
    /// The reader is closed.
    broken: bool,
}

type SharedPipe = Arc<Mutex<Pipe>>;

/// One end of a connection on the loopback.
struct Connection {
    incoming: SharedPipe,
    outgoing: SharedPipe,
    local: SocketAddr,
    peer: SocketAddr,
    _charge: Charge,
}

/// A socket.
pub(crate) struct Socket {
    pub transport: Transport,
    pub is_v6: bool,
    network: Network,
    state: State,
    options: SocketOptions,
    /// The port of the loopback that is freed when the socket is dropped. An accepted socket shares its listener's.
    owns: Option<u16>,
    _charge: Charge,
}

enum State {
    New,
    /// Bound on the loopback, to this address.
    Bound(SocketAddr),
    Listening(SocketAddr),
    Connected(Connection),
    /// For datagrams, with a partner.
    Paired(SocketAddr, SocketAddr),
    /// A socket of the host.
    Host(OwnedFd, Host),
}

/// The permitted use of a socket of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Host {
    /// A stream that is connected, connecting, or was refused. The guest never bound it, so it does not listen.
    Stream,
    /// A stream bound to a permitted address: to listen there, or to connect from it.
    BoundStream,
    /// Waits for connections at a permitted address.
    Listener,
    /// For datagrams: bound to a permitted address or not, with a partner or not.
    Datagrams { is_bound: bool, partner: Option<SocketAddr> },
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// A network of which a guest may use what the permissions say, and whose waiting bytes are charged to `budget`.
    pub(crate) fn new(permissions: Vec<NetworkPermission>, budget: Budget) -> Network {
        Network {
            loopback: Arc::default(),
            permissions: permissions.into(),
            resolved: Arc::default(),
            denied: DeniedNetwork::default(),
            budget,
        }
    }

    /// Makes a socket. Errs when the host may keep no more for the guest.
    pub(crate) fn socket(&self, transport: Transport, is_v6: bool) -> Result<Socket> {
        self.socket_in(State::New, transport, is_v6)
    }

    fn socket_in(&self, state: State, transport: Transport, is_v6: bool) -> Result<Socket> {
        let charge = self.budget.charge(SOCKET)?;
        let (network, options) = (self.clone(), SocketOptions::default());
        Ok(Socket { transport, is_v6, network, state, options, owns: None, _charge: charge })
    }

    /// Whether the guest may reach an address of the host's network.
    fn permits(&self, address: SocketAddr) -> bool {
        let permits = |permission: &NetworkPermission| permission.permits(address);
        self.permissions.iter().any(permits) || lock(&self.resolved).iter().any(permits)
    }

    /// Errs with `EACCES` unless the guest may reach an address, and notes the denial.
    fn check(&self, address: SocketAddr) -> Result<()> {
        if self.permits(address) {
            return Ok(());
        }
        self.denied.note_address(address);
        Err(Errno::ACCES.into())
    }

    /// Whether a name may be looked up, for some port; a denial is noted.
    pub(crate) fn permits_name(&self, name: &str) -> bool {
        let is_permitted = self.permissions.iter().any(|permission| permission.permits_name(name));
        if !is_permitted {
            self.denied.note_name(name);
        }
        is_permitted
    }

    /// Notes that a permitted name has these addresses. The name does not permit addresses outside the public network: whoever answers for
    /// the name could use them to give the guest access to the host's own services. They have to be permitted by address.
    pub(crate) fn resolved(&self, name: &str, addresses: &[IpAddr]) {
        let mut resolved = lock(&self.resolved);
        for permission in self.permissions.iter().filter(|permission| permission.is_for(name)) {
            for address in addresses.iter().filter(|address| is_public(**address)) {
                let permission = permission.at(*address);
                resolved.retain(|known| *known != permission);
                resolved.push_back(permission);
            }
        }
        let extra = resolved.len().saturating_sub(self.budget.limits().resolved_names);
        resolved.drain(..extra);
    }
}

/// Whether an address is one of the public Internet: none of those that IANA's special-purpose registries (RFC 6890) give another meaning,
/// such as the machine itself, its link or a private network, in whatever form of IPv6 it is wrapped.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => {
            let embedded = |high: u16, low: u16| {
                let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                is_public_v4(Ipv4Addr::new(a, b, c, d))
            };
            match ip.segments() {
                // What a translator (RFC 6052) or 6to4 (RFC 3056) takes as an IPv4 address.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
                // Teredo, documentation and the addresses of other protocols (RFC 2928, RFC 3849).
                [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
                // Global unicast is 2000::/3 (RFC 4291); the rest is local, multicast or unassigned.
                [first, ..] => first >> 13 == 1,
            }
        }
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let is_other = ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        // This network, carrier-grade NAT, protocol assignments and relays, benchmarks, and what is reserved, broadcast included.
        || matches!(
            ip.octets(),
            [0 | 240.., ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..]
        );
    !is_other
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

impl Pipe {
    fn shared(budget: &Budget) -> Result<SharedPipe> {
        let bytes = Queue::new(budget)?;
        Ok(Arc::new(Mutex::new(Pipe { bytes, ended: false, broken: false })))
    }
}

/// Whether an address is one of the guest's own.
fn is_own(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// Whether two addresses are the same, in whatever form.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

impl Socket {
    fn loopback_address(&self) -> IpAddr {
        if self.is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
    }

    /// The host's descriptor behind the socket, if there is one.
    pub(crate) fn host(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Host(socket, _) => Some(socket.as_fd()),
            _ => None,
        }
    }

    /// Errs with `EAFNOSUPPORT` for an address of another family than the socket's.
    fn check_family(&self, address: SocketAddr) -> Result<()> {
        if self.is_v6 == address.is_ipv6() { Ok(()) } else { Err(Errno::AFNOSUPPORT.into()) }
    }

    /// Makes a socket of the host, which is not used until it is in a state of [`Host`]. It never blocks the guest.
    fn make_host(&self) -> Result<OwnedFd> {
        let family = if self.is_v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let ty = match self.transport {
            Transport::Stream => SocketType::STREAM,
            Transport::Datagram => SocketType::DGRAM,
        };
        let socket = host::socket_with(family, ty, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        self.options.apply(&socket, self.transport == Transport::Stream)?;
        Ok(socket)
    }

    /// The options that the guest has set.
    pub(crate) fn options(&self) -> &SocketOptions {
        &self.options
    }

    /// Changes the options that the guest has set, also on the host's socket behind it.
    pub(crate) fn set_options(&mut self, change: impl FnOnce(&mut SocketOptions)) -> Result<()> {
        change(&mut self.options);
        match &self.state {
            State::Host(socket, _) => self.options.apply(socket, self.transport == Transport::Stream),
            _ => Ok(()),
        }
    }

    /// `bind`: binds to the loopback and, with permission for the address, to the host's interfaces.
    pub(crate) fn bind(&mut self, address: SocketAddr) -> Result<()> {
        self.check_family(address)?;
        if !matches!(self.state, State::New) {
            return Err(Errno::INVAL.into());
        }
        if !is_own(address) || self.network.permits(address) {
            return self.bind_host(address);
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

    fn bind_host(&mut self, address: SocketAddr) -> Result<()> {
        self.network.check(address)?;
        let socket = self.make_host()?;
        // A permission for all IPv6 addresses does not include IPv4 addresses.
        let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        if address.ip() == Ipv6Addr::UNSPECIFIED && !self.network.permits(v4) {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        host::bind(&socket, &address)?;
        self.state = State::Host(
            socket,
            match self.transport {
                Transport::Stream => Host::BoundStream,
                Transport::Datagram => Host::Datagrams { is_bound: true, partner: None },
            },
        );
        Ok(())
    }

    fn bind_to_any(&mut self) -> Result<SocketAddr> {
        match self.state {
            State::Bound(address) | State::Paired(address, _) => Ok(address),
            State::New => {
                let mut loopback = lock(&self.network.loopback);
                let port = loopback.take_port(self.transport, 0)?;
                if self.transport == Transport::Datagram {
                    loopback.datagrams.insert(port, VecDeque::new());
                }
                drop(loopback);
                let address = SocketAddr::new(self.loopback_address(), port);
                self.owns = Some(port);
                self.state = State::Bound(address);
                Ok(address)
            }
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// `listen`: waits for connections.
    pub(crate) fn listen(&mut self) -> Result<()> {
        if self.transport != Transport::Stream {
            return Err(Errno::NOTSUP.into());
        }
        match &mut self.state {
            State::Host(socket, state @ (Host::BoundStream | Host::Listener)) => {
                host::listen(&*socket, 128)?;
                *state = Host::Listener;
                return Ok(());
            }
            State::Listening(_) => return Ok(()),
            _ => {}
        }
        let address = self.bind_to_any()?;
        let mut loopback = lock(&self.network.loopback);
        if loopback.listeners.len() >= self.network.budget.limits().listeners {
            return Err(Errno::NOBUFS.into());
        }
        loopback.listeners.insert(address.port(), VecDeque::new());
        drop(loopback);
        self.state = State::Listening(address);
        Ok(())
    }

    /// `accept`: returns a new socket and the address of its peer. Errs with `EAGAIN` when nobody has connected.
    pub(crate) fn accept(&mut self) -> Result<(Socket, SocketAddr)> {
        // The socket is made before a connection is taken, which would otherwise be lost.
        let mut accepted = self.network.socket(self.transport, self.is_v6)?;
        let (state, peer) = match &self.state {
            State::Host(socket, Host::Listener) => accept_host(socket)?,
            State::Listening(address) => {
                let mut loopback = lock(&self.network.loopback);
                let pending = loopback.listeners.get_mut(&address.port()).ok_or(Errno::INVAL)?;
                let connection = pending.pop_front().ok_or(Errno::AGAIN)?;
                let peer = connection.peer;
                (State::Connected(connection), peer)
            }
            _ => return Err(Errno::INVAL.into()),
        };
        (accepted.state, accepted.options) = (state, self.options);
        Ok((accepted, peer))
    }

    /// `connect`: on the loopback it succeeds or fails at once; on the host's network it may return `EINPROGRESS`.
    pub(crate) fn connect(&mut self, address: SocketAddr) -> Result<()> {
        self.check_family(address)?;
        if matches!(self.state, State::Connected(_)) {
            return Err(Errno::ISCONN.into());
        }
        if matches!(self.state, State::Host(..)) || self.leads_to_host(address) {
            return self.connect_host(address);
        }
        let local = self.bind_to_any()?;
        let local = SocketAddr::new(self.loopback_address(), local.port());
        let address = SocketAddr::new(self.loopback_address(), address.port());
        if self.transport == Transport::Datagram {
            self.state = State::Paired(local, address);
            return Ok(());
        }
        let budget = &self.network.budget;
        let (to, from) = (Pipe::shared(budget)?, Pipe::shared(budget)?);
        let (theirs, ours) = (budget.charge(SOCKET)?, budget.charge(SOCKET)?);
        let mut loopback = lock(&self.network.loopback);
        let pending = loopback.listeners.get_mut(&address.port()).ok_or(Errno::CONNREFUSED)?;
        if pending.len() >= budget.limits().pending_connections {
            return Err(Errno::CONNREFUSED.into());
        }
        pending.push_back(Connection {
            incoming: to.clone(),
            outgoing: from.clone(),
            local: address,
            peer: local,
            _charge: theirs,
        });
        drop(loopback);
        let connection = Connection { incoming: from, outgoing: to, local, peer: address, _charge: ours };
        self.state = State::Connected(connection);
        Ok(())
    }

    /// Whether an address leads to the host rather than to the guest's own loopback: of the loopback addresses, those that the guest has
    /// not bound itself, if they are permitted.
    fn leads_to_host(&self, address: SocketAddr) -> bool {
        !is_own(address) || {
            let loopback = lock(&self.network.loopback);
            !loopback.bound.contains(&(self.transport, address.port())) && self.network.permits(address)
        }
    }

    /// Makes a socket new again that is bound to no particular address, which is no reason to stay on the guest's loopback.
    fn unbind(&mut self) {
        if matches!(self.state, State::Bound(address) if address.ip().is_unspecified()) {
            self.leave_loopback();
            self.state = State::New;
        }
    }

    /// Frees the port of the loopback.
    fn leave_loopback(&mut self) {
        let Some(port) = self.owns.take() else { return };
        let mut loopback = lock(&self.network.loopback);
        loopback.bound.remove(&(self.transport, port));
        match self.transport {
            Transport::Datagram => {
                let lost = loopback.datagrams.remove(&port).unwrap_or_default();
                let lost: usize = lost.iter().map(|arrived| arrived.bytes.len()).sum();
                loopback.datagram_bytes = loopback.datagram_bytes.saturating_sub(lost);
            }
            // The connections that wait to be accepted are ended.
            Transport::Stream => {
                for connection in loopback.listeners.remove(&port).unwrap_or_default() {
                    lock(&connection.outgoing).ended = true;
                    lock(&connection.incoming).broken = true;
                }
            }
        }
    }

    /// Connects a socket of the host, in whatever state it is, to an address that is checked for permission.
    fn connect_host(&mut self, address: SocketAddr) -> Result<()> {
        self.network.check(address)?;
        self.unbind();
        match &mut self.state {
            State::Host(_, Host::Listener) => return Err(Errno::ISCONN.into()),
            State::Host(socket, state @ (Host::Stream | Host::BoundStream)) => {
                // From here on it cannot listen, whatever the outcome.
                *state = Host::Stream;
                return Ok(host::connect(&*socket, &address)?);
            }
            State::Host(socket, Host::Datagrams { partner, .. }) => {
                host::connect(&*socket, &address)?;
                *partner = Some(address);
                return Ok(());
            }
            State::New => {}
            // A socket of the guest's loopback leads nowhere else.
            _ => return Err(Errno::INVAL.into()),
        }
        let socket = self.make_host()?;
        let connected = host::connect(&socket, &address).map_err(Errno::from);
        let state = match (self.transport, connected) {
            (Transport::Stream, Ok(()) | Err(Errno::INPROGRESS)) => Host::Stream,
            (Transport::Datagram, Ok(())) => Host::Datagrams { is_bound: false, partner: Some(address) },
            // The new socket is dropped, and the guest's stays as it was.
            (_, Err(error)) => return Err(error.into()),
        };
        self.state = State::Host(socket, state);
        Ok(connected?)
    }

    /// Reads what has arrived, with the sender of a datagram; returns 0 bytes at the end of a stream. Errs with `EAGAIN` when nothing has
    /// arrived.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], peek: bool) -> Result<(usize, Option<SocketAddr>)> {
        match &mut self.state {
            State::Host(socket, Host::Datagrams { is_bound, partner }) => {
                let (is_bound, partner, network) = (*is_bound, *partner, &self.network);
                receive_host(socket, buffer, peek, |from| match partner {
                    Some(partner) => is_same(partner, from),
                    None => is_bound || network.permits(from),
                })
            }
            State::Host(socket, _) => {
                let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
                let (count, _) = host::recv(&*socket, buffer, flags)?;
                Ok((count, None))
            }
            State::Connected(connection) => {
                let mut pipe = lock(&connection.incoming);
                if pipe.bytes.is_empty() && !pipe.ended && !buffer.is_empty() {
                    return Err(Errno::AGAIN.into());
                }
                let count = if peek { pipe.bytes.peek(buffer) } else { pipe.bytes.take(buffer) };
                Ok((count, Some(connection.peer)))
            }
            State::Bound(local) | State::Paired(local, _) if self.transport == Transport::Datagram => {
                let mut loopback = lock(&self.network.loopback);
                let arrived = loopback.datagrams.get_mut(&local.port()).ok_or(Errno::NOTCONN)?;
                let Arrived { from, bytes, .. } = arrived.front().ok_or(Errno::AGAIN)?;
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

    /// Sends, a datagram to `to` if given; returns the number of bytes. Errs with `EAGAIN` when there is no room.
    pub(crate) fn send(&mut self, bytes: &[u8], to: Option<SocketAddr>) -> Result<usize> {
        if let (State::New | State::Bound(_) | State::Paired(..), Transport::Datagram) =
            (&self.state, self.transport)
        {
            return self.send_datagram(bytes, to);
        }
        match (&self.state, to) {
            (State::Host(socket, Host::Datagrams { .. }), Some(to)) => {
                self.check_family(to)?;
                self.network.check(to)?;
                Ok(host::sendto(socket, bytes, SendFlags::NOSIGNAL, &to)?)
            }
            // It goes to the address that the socket is connected to.
            (State::Host(socket, _), _) => Ok(host::send(socket, bytes, SendFlags::NOSIGNAL)?),
            (State::Connected(connection), _) => {
                let mut pipe = lock(&connection.outgoing);
                if pipe.broken || pipe.ended {
                    return Err(Errno::PIPE.into());
                }
                let room = self.network.budget.limits().connection.saturating_sub(pipe.bytes.len());
                if room == 0 && !bytes.is_empty() {
                    return Err(Errno::AGAIN.into());
                }
                let count = room.min(bytes.len());
                pipe.bytes.put(&bytes[..count])?;
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
        self.check_family(to)?;
        if self.leads_to_host(to) && !matches!(self.state, State::Paired(..)) {
            return self.send_first_to_host(bytes, to);
        }
        let local = self.bind_to_any()?;
        let from = SocketAddr::new(self.loopback_address(), local.port());
        // Nobody is listening, or the queue is full: the datagram is lost, as datagrams may be.
        let charge = self.network.budget.charge(DATAGRAM.saturating_add(bytes.len() as u64));
        let limits = self.network.budget.limits();
        let mut loopback = lock(&self.network.loopback);
        let total = loopback.datagram_bytes.saturating_add(bytes.len());
        let arrived =
            loopback.datagrams.get_mut(&to.port()).filter(|arrived| arrived.len() < limits.datagrams);
        if let (Some(arrived), Ok(charge)) = (arrived.filter(|_| total <= limits.datagram_bytes), charge) {
            arrived.push_back(Arrived { from, bytes: bytes.to_vec(), _charge: charge });
            loopback.datagram_bytes = total;
        }
        Ok(bytes.len())
    }

    /// Sends a datagram from a socket that was not a socket of the host before.
    fn send_first_to_host(&mut self, bytes: &[u8], to: SocketAddr) -> Result<usize> {
        self.network.check(to)?;
        self.unbind();
        if !matches!(self.state, State::New) {
            return Err(Errno::NETUNREACH.into());
        }
        let socket = self.make_host()?;
        let sent = host::sendto(&socket, bytes, SendFlags::NOSIGNAL, &to)?;
        self.state = State::Host(socket, Host::Datagrams { is_bound: false, partner: None });
        Ok(sent)
    }

    /// `shutdown`: ends reading, writing or both.
    pub(crate) fn shutdown(&mut self, reading: bool, writing: bool) -> Result<()> {
        match &self.state {
            State::Host(socket, _) => {
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

    /// The socket's own address.
    pub(crate) fn local(&self) -> Result<SocketAddr> {
        match &self.state {
            State::Host(socket, _) => {
                SocketAddr::try_from(host::getsockname(socket)?).map_err(|_| Errno::INVAL.into())
            }
            State::Connected(connection) => Ok(connection.local),
            State::Bound(address) | State::Listening(address) | State::Paired(address, _) => Ok(*address),
            State::New if self.is_v6 => Ok(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)),
            State::New => Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
        }
    }

    /// The address of the other end.
    pub(crate) fn peer(&self) -> Result<SocketAddr> {
        match &self.state {
            State::Host(socket, _) => {
                let peer = host::getpeername(socket)?.ok_or(Errno::NOTCONN)?;
                SocketAddr::try_from(peer).map_err(|_| Errno::INVAL.into())
            }
            State::Connected(connection) => Ok(connection.peer),
            State::Paired(_, peer) => Ok(*peer),
            _ => Err(Errno::NOTCONN.into()),
        }
    }

    /// The error since the last call: how a connection in progress has ended.
    pub(crate) fn pending_error(&self) -> Result<u32> {
        match &self.state {
            State::Host(socket, _) => Ok(match sockopt::socket_error(socket)? {
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
                ready.writable =
                    outgoing.bytes.len() < self.network.budget.limits().connection || outgoing.broken;
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
            State::New | State::Host(..) => ready.writable = true,
        }
        ready
    }
}

/// Accepts a connection on a listening socket of the host. Whoever reaches the address may connect; only the machine itself reaches its own
/// loopback, whatever its routes are.
fn accept_host(listener: &OwnedFd) -> Result<(State, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (accepted, peer) = host::acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok()).ok_or(Errno::CONNABORTED)?;
    let local = SocketAddr::try_from(host::getsockname(&accepted)?).map_err(|_| Errno::CONNABORTED)?;
    let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    if is_loopback(local) && !is_loopback(peer) {
        return Err(Errno::CONNABORTED.into());
    }
    Ok((State::Host(accepted, Host::Stream), peer))
}

/// Receives a datagram from a permitted sender; those of others are discarded. Errs with `EAGAIN` when there is none.
fn receive_host(
    socket: &OwnedFd,
    buffer: &mut [u8],
    peek: bool,
    is_welcome: impl Fn(SocketAddr) -> bool,
) -> Result<(usize, Option<SocketAddr>)> {
    for _ in 0..MOST_THROWN_AWAY {
        // Nothing from other senders gets into the buffer.
        let (_, _, from) = host::recvfrom(socket, &mut [0_u8; 0][..], RecvFlags::PEEK)?;
        let from = from.and_then(|from| SocketAddr::try_from(from).ok());
        if !from.is_some_and(&is_welcome) {
            host::recvfrom(socket, &mut [0_u8; 0][..], RecvFlags::empty())?;
            continue;
        }
        let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
        let (count, _) = host::recv(socket, buffer, flags)?;
        return Ok((count, from));
    }
    Err(Errno::AGAIN.into())
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let State::Connected(connection) = &self.state {
            lock(&connection.outgoing).ended = true;
            let mut incoming = lock(&connection.incoming);
            incoming.broken = true;
            incoming.bytes.clear();
        }
        self.leave_loopback();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::{Duration, Instant};

    use super::super::errno::Fault;
    use super::super::socket_options::SocketOption;
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn network(permissions: &[SocketAddr]) -> Network {
        let at =
            |address: &SocketAddr| NetworkPermission::host(address.ip().to_string(), Some(address.port()));
        Network::new(permissions.iter().map(at).collect(), Budget::new(1 << 20))
    }

    fn stream(network: &Network) -> Socket {
        network.socket(Transport::Stream, false).unwrap()
    }

    fn datagrams(network: &Network) -> Socket {
        network.socket(Transport::Datagram, false).unwrap()
    }

    fn refusal<T>(result: Result<T>) -> Errno {
        match result {
            Err(Fault::Refused(errno)) => errno,
            Err(Fault::Ended(error)) => panic!("{error}"),
            Ok(_) => panic!("it succeeds"),
        }
    }

    /// Tries until the host has something.
    fn patiently<T>(mut attempt: impl FnMut() -> Result<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match attempt() {
                Ok(result) => return result,
                Err(Fault::Refused(Errno::AGAIN)) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    #[test]
    fn bytes_go_both_ways_and_end() {
        let network = network(&[]);
        let mut server = stream(&network);
        server.bind(address("127.0.0.1:0")).unwrap();
        server.listen().unwrap();
        let mut client = stream(&network);
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
        let network = network(&[]);
        let mut client = stream(&network);
        assert_eq!(refusal(client.connect(address("192.0.2.1:80"))), Errno::ACCES);
        assert_eq!(refusal(client.connect(address("127.0.0.1:80"))), Errno::CONNREFUSED);
        assert_eq!(refusal(datagrams(&network).send(b"x", Some(address("192.0.2.1:80")))), Errno::ACCES);
        assert_eq!(refusal(stream(&network).bind(address("192.0.2.1:80"))), Errno::ACCES);
    }

    #[test]
    fn ports_are_taken_once_and_given_back() {
        let network = network(&[]);
        let mut first = stream(&network);
        first.bind(address("127.0.0.1:5000")).unwrap();
        let mut second = stream(&network);
        assert!(second.bind(address("127.0.0.1:5000")).is_err());
        drop(first);
        second.bind(address("127.0.0.1:5000")).unwrap();
    }

    /// A port of the host that nothing listens on, as long as it is not assigned to anything else.
    fn unused() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn a_refused_connection_leaves_nothing_that_listens() {
        let port = unused();
        let network = network(&[port]);
        let mut socket = stream(&network);
        for _ in 0..2 {
            let _ = socket.connect(port);
            std::thread::sleep(Duration::from_millis(20));
            // Where the kernel refuses at once, the socket is a new one, and it listens on the guest's own loopback.
            let listens = socket.listen().is_ok();
            assert!(!listens || socket.host().is_none());
            assert!(socket.accept().is_err());
        }
        // An address of the other family is refused before a socket of the host is made.
        let mut v6 = network.socket(Transport::Stream, true).unwrap();
        assert_eq!(refusal(v6.connect(port)), Errno::AFNOSUPPORT);
        assert!(v6.host().is_none());
        v6.listen().unwrap();
        assert!(v6.host().is_none(), "it listens on the guest's own loopback");
        let mut v6 = network.socket(Transport::Datagram, true).unwrap();
        assert_eq!(refusal(v6.send(b"x", Some(port))), Errno::AFNOSUPPORT);
        assert!(v6.host().is_none());
    }

    #[test]
    fn a_connected_socket_does_not_listen() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap();
        let network = network(&[port]);
        let mut socket = stream(&network);
        let _ = socket.connect(port);
        let (peer, _) = server.accept().unwrap();
        assert_eq!(refusal(socket.connect(address("127.0.0.2:1"))), Errno::ACCES);
        assert_eq!(refusal(socket.bind(address("0.0.0.0:0"))), Errno::INVAL);
        assert_eq!(refusal(socket.accept()), Errno::INVAL);
        assert_eq!(refusal(socket.listen()), Errno::INVAL);
        drop(peer);
        socket.shutdown(true, true).unwrap();
        assert_eq!(refusal(socket.listen()), Errno::INVAL);
    }

    #[test]
    fn a_permission_for_an_address_is_one_to_listen_there_alone() {
        let port = unused();
        let network = network(&[port]);
        let mut server = stream(&network);
        server.bind(port).unwrap();
        server.listen().unwrap();
        assert_eq!(server.local().unwrap(), port);
        let client = TcpStream::connect(port).unwrap();
        let (accepted, peer) = patiently(|| server.accept());
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(accepted.local().unwrap(), port);
        // Bound elsewhere, it is on the guest's own loopback.
        let mut everywhere = stream(&network);
        everywhere.bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port.port())).unwrap();
        everywhere.listen().unwrap();
        assert!(everywhere.host().is_none());
    }

    #[test]
    fn options_are_those_of_the_hosts_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let network = network(&[to]);
        let mut client = stream(&network);
        // The options have their defaults, and are as set before and after there is a socket of the host.
        let mut other = stream(&network);
        let _ = other.connect(to);
        assert!(sockopt::tcp_nodelay(other.host().unwrap()).unwrap());
        listener.accept().unwrap();
        client.set_options(|options| options.set(SocketOption::NoDelay, false)).unwrap();
        let _ = client.connect(to);
        let (mut accepted, _) = listener.accept().unwrap();
        assert!(!sockopt::tcp_nodelay(client.host().unwrap()).unwrap());
        client.set_options(|options| options.set(SocketOption::KeepAlive, true)).unwrap();
        assert!(sockopt::socket_keepalive(client.host().unwrap()).unwrap());
        // Lingering for no time breaks the connection off.
        client.set_options(|options| options.set_linger(Some(Duration::ZERO))).unwrap();
        drop(client);
        let error = std::io::Read::read(&mut accepted, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_server_comes_back_at_once() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let network = network(&[port]);
        for _ in 0..2 {
            let mut server = stream(&network);
            server.bind(port).unwrap();
            server.listen().unwrap();
            let client = TcpStream::connect(port).unwrap();
            // The side that ends a connection first keeps what remains of it.
            drop(patiently(|| server.accept()));
            assert_eq!(std::io::Read::read(&mut &client, &mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn datagrams_come_in_from_permitted_addresses_only() {
        let (friend, stranger) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let network = network(&[friend.local_addr().unwrap()]);
        let mut socket = datagrams(&network);
        socket.send(b"hello", friend.local_addr().ok()).unwrap();
        let own = socket.local().unwrap();
        let own = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), own.port());
        stranger.send_to(b"one", own).unwrap();
        stranger.send_to(b"two", own).unwrap();
        friend.send_to(b"three", own).unwrap();
        let mut buffer = [0; 16];
        for peek in [true, false] {
            let (count, from) = patiently(|| socket.receive(&mut buffer, peek));
            assert_eq!((&buffer[..count], from), (&b"three"[..], friend.local_addr().ok()));
        }
        stranger.send_to(b"four", own).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(refusal(socket.receive(&mut buffer, false)), Errno::AGAIN);
        assert_eq!(refusal(socket.send(b"x", stranger.local_addr().ok())), Errno::ACCES);
        assert_eq!(refusal(socket.connect(stranger.local_addr().unwrap())), Errno::ACCES);
        // What came before there was a partner is not from the partner.
        stranger.send_to(b"five", own).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        socket.connect(friend.local_addr().unwrap()).unwrap();
        assert_eq!(refusal(socket.receive(&mut buffer, false)), Errno::AGAIN);
    }

    /// Programs bind to any address and port before they connect.
    #[test]
    fn what_is_bound_to_nothing_in_particular_can_connect_anywhere() {
        let friend = UdpSocket::bind("127.0.0.1:0").unwrap();
        let friend = friend.local_addr().unwrap();
        let network = network(&[friend]);
        for connects in [true, false] {
            let mut socket = datagrams(&network);
            socket.bind(address("0.0.0.0:0")).unwrap();
            assert!(socket.host().is_none());
            if connects {
                socket.connect(friend).unwrap();
            } else {
                socket.send(b"x", Some(friend)).unwrap();
            }
            assert!(socket.host().is_some());
            assert!(lock(&network.loopback).bound.is_empty());
        }
        let mut socket = datagrams(&network);
        socket.bind(address("127.0.0.1:0")).unwrap();
        assert_eq!(refusal(socket.connect(friend)), Errno::INVAL);
    }

    #[test]
    fn a_name_does_not_stand_for_the_hosts_own_network() {
        let permission = NetworkPermission::host("example.test", Some(80));
        let network = Network::new(vec![permission], Budget::new(1 << 20));
        let local = [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "::ffff:0:127.0.0.1",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
        ];
        let public = ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"];
        for (text, is_permitted) in local.map(|ip| (ip, false)).into_iter().chain(public.map(|ip| (ip, true)))
        {
            let ip: IpAddr = text.parse().unwrap();
            network.resolved("example.test", &[ip]);
            assert_eq!(network.permits(SocketAddr::new(ip, 80)), is_permitted, "{text}");
            assert!(!network.permits(SocketAddr::new(ip, 81)), "{text}");
        }
        for number in 0..2000_u32 {
            network.resolved("example.test", &[Ipv4Addr::from(0x0800_0000 + number).into()]);
        }
        assert_eq!(lock(&network.resolved).len(), network.budget.limits().resolved_names);
        assert!(network.permits(address("8.0.7.207:80")));
    }

    #[test]
    fn what_is_named_by_address_or_localhost_is_permitted_in_every_form() {
        let permission = |host: &str| NetworkPermission::host(host, Some(80));
        for (host, ip) in [
            ("localhost", "127.0.0.1"),
            ("LOCALHOST", "::1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert!(permission(host).permits(SocketAddr::new(ip.parse().unwrap(), 80)), "{host} {ip}");
        }
        for (host, ip) in [("localhost", "127.0.0.2"), ("127.0.0.1", "::1"), ("0.0.0.0", "127.0.0.1")] {
            assert!(!permission(host).permits(SocketAddr::new(ip.parse().unwrap(), 80)), "{host} {ip}");
        }
    }

    #[test]
    fn what_waits_on_sockets_is_charged() {
        let budget = Budget::new(1 << 20);
        let network = Network::new(Vec::new(), budget.clone());
        let mut server = stream(&network);
        server.bind(address("127.0.0.1:5000")).unwrap();
        server.listen().unwrap();
        // Clients that nobody accepts are closed, and what they have sent waits.
        let full = (0..budget.limits().pending_connections).find_map(|_| {
            let mut client = stream(&network);
            client.connect(address("127.0.0.1:5000")).ok()?;
            client.send(&vec![0; budget.limits().connection], None).err()
        });
        assert!(matches!(full, Some(Fault::Refused(Errno::NOMEM))), "{full:?}");
        assert!(budget.used() > 3 * budget.limits().connection as u64);
        drop(server);
        assert_eq!(budget.used(), 0);
        let mut receiver = datagrams(&network);
        receiver.bind(address("127.0.0.1:5000")).unwrap();
        let mut sender = datagrams(&network);
        for _ in 0..budget.limits().datagrams {
            sender.send(&vec![0; 60_000], Some(address("127.0.0.1:5000"))).unwrap();
        }
        assert!(budget.used() > 900_000 && budget.used() <= budget.limit());
        drop((receiver, sender));
        assert_eq!(budget.used(), 0);
    }
}
