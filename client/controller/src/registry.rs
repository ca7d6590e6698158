//! How a device stands on the ledger, asked of a node once per tip.
//!
//! The answer decides only whether a record is taken now. Who was entitled is for the ledger to say:
//! verdicts compare the anchor's height with the device's revocation. So while no node answers, a
//! device that was enrolled when last seen is still taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::Role;
use dronechain_client::nodes::Nodes;
use dronechain_client::{AccountView, ClientError};
use tokio::sync::watch;

use crate::limits::STANDINGS_MAX;

/// How a device stands with this controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not registered, or as something else than a device.
    Unknown,
    /// Another controller's.
    Foreign {
        /// The controller that enrolled it.
        owner: PublicKey,
    },
    /// This controller's.
    Enrolled,
    /// This controller's once.
    Revoked {
        /// Height of its revocation.
        height: u64,
    },
}

/// Standings as of the tip at which they were asked for.
#[derive(Debug)]
pub struct Registry {
    nodes: Arc<Nodes>,
    controller: PublicKey,
    tip: watch::Receiver<Hash256>,
    known: Mutex<HashMap<PublicKey, (Hash256, Standing)>>,
}

impl Registry {
    /// A registry as `controller` sees it; `tip` is the latest one known.
    pub fn new(nodes: Arc<Nodes>, controller: PublicKey, tip: watch::Receiver<Hash256>) -> Self {
        Self { nodes, controller, tip, known: Mutex::default() }
    }

    /// How `device` stands.
    ///
    /// # Errors
    /// When no node answers and the device was not enrolled when last seen.
    pub async fn standing(&self, device: &PublicKey) -> Result<Standing, ClientError> {
        let tip = *self.tip.borrow();
        let known = self.lock().get(device).copied();
        if let Some((_, standing)) = known.filter(|(at, _)| *at == tip) {
            return Ok(standing);
        }
        let key = *device;
        let account = match self.nodes.ask(|node| async move { node.account(&key).await }).await {
            Ok(account) => account,
            Err(error) => {
                return match known {
                    Some((_, Standing::Enrolled)) => Ok(Standing::Enrolled),
                    _ => Err(error),
                };
            }
        };
        let mut standing = self.judge(account.as_ref());
        if let Standing::Foreign { owner } = standing
            && self.is_own_line(owner).await?
        {
            standing = match account.and_then(|account| account.entry.revoked) {
                Some(height) => Standing::Revoked { height },
                None => Standing::Enrolled,
            };
        }
        let mut known = self.lock();
        if known.len() >= STANDINGS_MAX {
            known.clear();
        }
        known.insert(key, (tip, standing));
        Ok(standing)
    }

    /// Whether this controller succeeded the key that stands as a device's owner.
    async fn is_own_line(&self, owner: PublicKey) -> Result<bool, ClientError> {
        let own = self.controller;
        let account = self.nodes.ask(|node| async move { node.account(&own).await }).await?;
        Ok(account.is_some_and(|account| account.entry.line() == owner))
    }

    fn judge(&self, account: Option<&AccountView>) -> Standing {
        let Some(entry) = account.map(|account| &account.entry).filter(|entry| entry.role == Role::Device)
        else {
            return Standing::Unknown;
        };
        match (entry.owner, entry.revoked) {
            (Some(owner), _) if owner != self.controller => Standing::Foreign { owner },
            (_, Some(height)) => Standing::Revoked { height },
            (_, None) => Standing::Enrolled,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PublicKey, (Hash256, Standing)>> {
        // A cache has no state that a panic could leave half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
