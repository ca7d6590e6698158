//! Where a new network's first nodes are, as the operator says it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use clap::ValueEnum;
use dronechain_chain_spec::key::PublicKey;

use crate::cli::{Code, Failure};

/// The port for peers of the first node of a machine; further ones count up.
const PEERS_PORT: u16 = 7600;
/// The HTTP port likewise.
const HTTP_PORT: u16 = 7700;
/// Characters of a host's name: it becomes a folder's.
const NAME_MAX: usize = 32;
/// Characters of an address: as many as a name of the DNS may have.
const ADDRESS_MAX: usize = 253;
/// Names in the folder that are no host's.
const TAKEN: [&str; 1] = [super::folder::ADMINS];

/// Who reaches the HTTP ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Reach {
    /// The own machine alone.
    #[default]
    Loopback,
    /// Whoever reaches the machine.
    Everyone,
}

/// `NAME=ADDRESS[:PORT]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    name: String,
    address: String,
    port: Option<u16>,
}

/// `NAME=KEY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostKey {
    name: String,
    key: PublicKey,
}

/// A first node's name, addresses and, where it was made elsewhere, key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) http_port: u16,
    pub(super) key: Option<PublicKey>,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("NAME=ADDRESS[:PORT] is wanted")?;
        let name = checked_name(name)?;
        let (address, port) = split_port(rest)?;
        if address.parse::<IpAddr>().is_err() && !is_host_name(address) {
            return Err(format!("`{address}` is neither an IP address nor a host name"));
        }
        if address.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified()) {
            return Err(format!("{address} is where one listens; where do the others reach it?"));
        }
        Ok(Self { name, address: address.into(), port })
    }
}

impl FromStr for HostKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, key) = text.split_once('=').ok_or("NAME=KEY is wanted")?;
        let key = key.parse::<PublicKey>().map_err(|error| format!("the key: {error}"))?;
        Ok(Self { name: checked_name(name)?, key })
    }
}

/// A name that may be a folder's.
pub(super) fn checked_name(name: &str) -> Result<String, String> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let sound = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-');
    if !sound || TAKEN.contains(&name) {
        return Err(format!(
            "the name `{name}`: 1 to {NAME_MAX} lower-case letters, digits and dashes are wanted"
        ));
    }
    Ok(name.into())
}

/// `ADDRESS`, `ADDRESS:PORT`, or `[IPv6]:PORT`.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or("a `]` is missing")?;
            (address, behind.strip_prefix(':'))
        }
        // More than one colon: an IPv6 address without a port.
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(address, port)| (address, Some(port))),
    };
    let port = port.map(|port| {
        let number: Option<u16> = port.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| format!("`{port}` is no port"))
    });
    Ok((address, port.transpose()?))
}

fn is_host_name(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // All digits and dots is a mistyped IP address.
    let is_number = text.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    text.len() <= ADDRESS_MAX && !is_number && text.split('.').all(is_label)
}

/// The hosts with their ports and keys. Nodes on one address get ports that count up.
pub(super) fn places(hosts: &[Host], keys: &[HostKey]) -> Result<Vec<Place>, Failure> {
    let mut on: BTreeMap<&str, u16> = BTreeMap::new();
    let mut places: Vec<Place> = Vec::with_capacity(hosts.len());
    for Host { name, address, port } in hosts {
        let nth = on.entry(address).or_insert(0);
        let ports = PEERS_PORT.checked_add(*nth).zip(HTTP_PORT.checked_add(*nth));
        let (peers_port, http_port) = ports.ok_or_else(|| usage(&format!("too many nodes on {address}")))?;
        *nth = nth.saturating_add(1);
        let port = port.unwrap_or(peers_port);
        if places.iter().any(|place| place.name == *name) {
            return Err(usage(&format!("the host {name} is named twice")));
        }
        if places.iter().any(|place| place.address == *address && place.port == port) {
            return Err(usage(&format!("{address} port {port} is given to two nodes")));
        }
        let (name, address) = (name.clone(), address.clone());
        places.push(Place { name, address, port, http_port, key: None });
    }
    for HostKey { name, key } in keys {
        let place = places.iter_mut().find(|place| place.name == *name);
        let place = place.ok_or_else(|| usage(&format!("--host-key names {name}, which is no --host")))?;
        if place.key.replace(*key).is_some() {
            return Err(usage(&format!("the host {name} has two keys")));
        }
    }
    Ok(places)
}

impl Place {
    /// Whether only this machine reaches it.
    pub(super) fn is_loopback(&self) -> bool {
        self.address == "localhost" || self.address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Where the node listens: on every address of its machine, or on loopback alone.
    pub(super) fn listens(&self) -> IpAddr {
        match self.address.parse() {
            Ok(ip @ (IpAddr::V4(_) | IpAddr::V6(_))) if self.is_loopback() => ip,
            Ok(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            Ok(IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            Err(_) if self.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            Err(_) => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
}

fn usage(message: &str) -> Failure {
    Failure::new(Code::Usage, &message, "`dronechain-node network new --help` explains")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(texts: &[&str]) -> Vec<Host> {
        texts.iter().map(|text| text.parse().expect("well said")).collect()
    }

    #[test]
    fn addresses_are_ip_or_names_with_or_without_port() {
        let hosts = parsed(&["a=10.0.0.1", "b=node-b.example.org:7800", "c=fd00::3", "d=[fd00::4]:7900"]);
        let places = places(&hosts, &[]).expect("sound");
        let ports: Vec<_> = places.iter().map(|place| (&*place.address, place.port)).collect();
        let wanted = [("10.0.0.1", 7600), ("node-b.example.org", 7800), ("fd00::3", 7600), ("fd00::4", 7900)];
        assert_eq!(ports, wanted);
        assert_eq!(places[2].listens(), IpAddr::from(Ipv6Addr::UNSPECIFIED));
        for text in [
            "a",
            "A=10.0.0.1",
            "a=",
            "a=10.0.0",
            "a=0.0.0.0",
            "a=b:0",
            "a=b:x",
            "-a=b",
            "a=-b",
            "admins=b",
            "a=[::1",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }

    #[test]
    fn nodes_of_one_machine_get_ports_that_count_up() {
        let hosts = parsed(&["a=127.0.0.1", "b=127.0.0.1", "c=10.0.0.1"]);
        let found = places(&hosts, &[]).expect("sound");
        let ports: Vec<_> = found.iter().map(|place| (place.port, place.http_port)).collect();
        assert_eq!(ports, [(7600, 7700), (7601, 7701), (7600, 7700)]);
        assert!(places(&parsed(&["a=b", "a=c"]), &[]).is_err());
        assert!(places(&parsed(&["a=b:7601", "c=b"]), &[]).is_err());
    }
}
