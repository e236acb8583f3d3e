//! Owns the options of a guest's sockets: what the guest has set, and that a socket of the host has the same options. A guest cannot set
//! those that change who can be reached, or how much the host keeps: they are accepted without effect. Must not know which call sets them.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt;

use super::errno::Result;

/// An option, by its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SocketOption {
    /// Small pieces are sent at once (`TCP_NODELAY`).
    NoDelay,
    /// A port whose connections have just ended may be bound again (`SO_REUSEADDR`).
    ReuseAddress,
    /// A partner that is gone is noticed (`SO_KEEPALIVE`).
    KeepAlive,
    /// Datagrams may be sent to all of a network, where its address is permitted (`SO_BROADCAST`).
    Broadcast,
}

/// The options of one socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    /// A bit for each option that is set.
    set: u8,
    /// How long unsent data is still sent after the socket is closed (`SO_LINGER`).
    linger: Option<Duration>,
}

impl Default for SocketOptions {
    /// The options that servers and asyncio set, and that guests cannot request: the C library of Emscripten before version 6 does not pass
    /// `setsockopt` on, and CPython for it does not define `SO_REUSEADDR`.
    fn default() -> SocketOptions {
        SocketOptions { set: bit(SocketOption::NoDelay) | bit(SocketOption::ReuseAddress), linger: None }
    }
}

fn bit(option: SocketOption) -> u8 {
    1 << option as u8
}

impl SocketOptions {
    /// Whether an option is set.
    pub(crate) fn get(&self, option: SocketOption) -> bool {
        self.set & bit(option) != 0
    }

    /// Sets or clears an option.
    pub(crate) fn set(&mut self, option: SocketOption, value: bool) {
        self.set = self.set & !bit(option) | if value { bit(option) } else { 0 };
    }

    /// How long a closed socket continues to send, if that is set.
    pub(crate) fn linger(&self) -> Option<Duration> {
        self.linger
    }

    /// Sets how long a closed socket continues to send. Only 0 can be set, which breaks the connection off: with more, closing would wait
    /// where nothing could end it.
    pub(crate) fn set_linger(&mut self, linger: Option<Duration>) {
        self.linger = linger.filter(Duration::is_zero);
    }

    /// Sets all of the options on a socket of the host.
    pub(crate) fn apply(&self, socket: impl AsFd, is_stream: bool) -> Result<()> {
        sockopt::set_socket_reuseaddr(&socket, self.get(SocketOption::ReuseAddress) && is_stream)?;
        if is_stream {
            sockopt::set_tcp_nodelay(&socket, self.get(SocketOption::NoDelay))?;
            sockopt::set_socket_keepalive(&socket, self.get(SocketOption::KeepAlive))?;
            sockopt::set_socket_linger(&socket, self.linger)?;
        } else {
            sockopt::set_socket_broadcast(&socket, self.get(SocketOption::Broadcast))?;
        }
        Ok(())
    }
}
