//! Names of peers, looked up by the system's resolver.

use libp2p::Multiaddr;
use tokio::sync::mpsc;

use super::address::{self, Place};
use super::limits::{LOOKUP_ADDRESSES_MAX, LOOKUP_TIMEOUT};
use super::task::Report;

/// Finds the addresses of a target's place and reports them; none if the lookup fails.
pub(super) async fn run(target: usize, place: Place, reports: mpsc::Sender<Report>) {
    let addresses = addresses(place).await;
    // Fails only if the node is stopping.
    let _ = reports.send(Report::LookedUp { target, addresses }).await;
}

async fn addresses(place: Place) -> Vec<Multiaddr> {
    let (host, port, family) = match place {
        Place::Known(address) => return vec![address],
        Place::Named { host, port, family } => (host, port, family),
    };
    match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host.as_str(), port))).await {
        Ok(Ok(found)) => found
            .filter(|socket| family.has(socket.ip()))
            .map(|socket| address::tcp(socket.ip(), port))
            .take(LOOKUP_ADDRESSES_MAX)
            .collect(),
        Ok(Err(error)) => {
            tracing::debug!(host, %error, "the name of a peer is not found");
            Vec::new()
        }
        Err(_) => {
            tracing::debug!(host, "the lookup of a peer's name takes too long");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Family;
    use super::*;

    #[tokio::test]
    async fn addresses_of_the_family_are_found() {
        let named = Place::Named { host: "localhost".into(), port: 1, family: Family::V4 };
        assert_eq!(addresses(named).await, ["/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddress")]);
    }
}
