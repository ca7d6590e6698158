//! Why the peer-to-peer layer does not start or stopped.

use libp2p::{Multiaddr, TransportError, noise};

use super::address::AddressError;

/// Why there is no peer-to-peer layer.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// Gossipsub refuses its settings.
    #[error("gossip settings are refused: {0}")]
    Gossip(String),
    /// No handshake can be made with this key.
    #[error("the key cannot be used for handshakes: {0}")]
    Noise(noise::Error),
    /// A peer's address cannot be used.
    #[error("peer {address}: {error}")]
    Peer {
        /// The address.
        address: Multiaddr,
        /// What is wrong with it.
        error: AddressError,
    },
    /// The address to listen on cannot be used or is taken.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the transport said.
        error: TransportError<std::io::Error>,
    },
    /// Somebody listens there.
    #[error("cannot listen on {address}: {error}")]
    Taken {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The listener did not come up in time.
    #[error("the listener on {0} does not come up")]
    ListenTimeout(Multiaddr),
}

/// The peer-to-peer task is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer-to-peer task has stopped")]
pub struct Stopped;
