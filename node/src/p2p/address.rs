//! Addresses of peers: which multiaddresses this transport can use.

use std::fmt;
use std::net::IpAddr;

use dronechain_chain_spec::key::PublicKey;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::behaviour::peer_id;

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a multiaddress at all.
    #[error("not a multiaddress: {0}")]
    Malformed(String),
    /// Not where this node could listen.
    #[error("/ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT is wanted")]
    Listen,
    /// Not where a peer could be.
    #[error("/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT, with or without /p2p/ID, is wanted")]
    Peer,
}

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At an IP address: the address to dial.
    Known(Multiaddr),
    /// At a name that has to be looked up.
    Named {
        /// The name.
        host: String,
        /// The TCP port.
        port: u16,
        /// Which addresses will do.
        family: Family,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => write!(f, "{address}"),
            Self::Named { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}

/// Families of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Both.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Whether `ip` is of this family.
    pub(crate) fn has(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// Reads an address to listen on.
pub fn parse_listen(text: &str) -> Result<Multiaddr, AddressError> {
    let address = parse(text)?;
    let parts: Vec<_> = address.iter().collect();
    match parts[..] {
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)] => Ok(address),
        _ => Err(AddressError::Listen),
    }
}

/// Reads a peer's address.
pub fn parse_peer(text: &str) -> Result<Multiaddr, AddressError> {
    let address = parse(text)?;
    split(&address)?;
    Ok(address)
}

/// A peer's place, and who it is to be if the address says so.
pub(crate) fn split(address: &Multiaddr) -> Result<(Place, Option<PeerId>), AddressError> {
    let parts: Vec<_> = address.iter().collect();
    let (host, port, peer) = match &parts[..] {
        [host, Protocol::Tcp(port)] => (host, *port, None),
        [host, Protocol::Tcp(port), Protocol::P2p(peer)] => (host, *port, Some(*peer)),
        _ => return Err(AddressError::Peer),
    };
    let named = |host: &str, family| Place::Named { host: host.into(), port, family };
    let place = match host {
        Protocol::Ip4(ip) => Place::Known(tcp((*ip).into(), port)),
        Protocol::Ip6(ip) => Place::Known(tcp((*ip).into(), port)),
        Protocol::Dns(name) => named(name, Family::Any),
        Protocol::Dns4(name) => named(name, Family::V4),
        Protocol::Dns6(name) => named(name, Family::V6),
        _ => return Err(AddressError::Peer),
    };
    Ok((place, peer))
}

/// The address at which peers reach the node with this key: `host` is an IP address or a name. None if the key is no
/// point of the curve.
pub fn of_peer(host: &str, port: u16, key: &PublicKey) -> Option<Multiaddr> {
    let at = match host.parse::<IpAddr>() {
        Ok(ip) => tcp(ip, port),
        Err(_) => Multiaddr::from(Protocol::Dns(host.into())).with(Protocol::Tcp(port)),
    };
    Some(at.with(Protocol::P2p(peer_id(key)?)))
}

/// The TCP address of `ip` and `port`.
pub(crate) fn tcp(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(port))
}

fn parse(text: &str) -> Result<Multiaddr, AddressError> {
    text.parse().map_err(|error: libp2p::multiaddr::Error| AddressError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_transport_can_use_is_taken() {
        assert!(parse_listen("/ip4/0.0.0.0/tcp/7600").is_ok());
        assert!(parse_listen("/ip6/::1/tcp/0").is_ok());
        for refused in ["/dns4/node/tcp/7600", "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/tcp/1/ws", "1.2.3.4:5"] {
            assert!(parse_listen(refused).is_err(), "{refused}");
        }
        let peer = PeerId::random();
        for taken in ["/ip4/1.2.3.4/tcp/1".to_string(), format!("/dns4/node/tcp/1/p2p/{peer}")] {
            assert!(parse_peer(&taken).is_ok(), "{taken}");
        }
        for refused in ["/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1", "/unix/x", ""] {
            assert!(parse_peer(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn name_and_peer_are_told_apart() {
        let peer = PeerId::random();
        let address = format!("/dns6/node/tcp/1/p2p/{peer}").parse().expect("a multiaddress");
        let place = Place::Named { host: "node".into(), port: 1, family: Family::V6 };
        assert_eq!(split(&address), Ok((place, Some(peer))));
    }
}
