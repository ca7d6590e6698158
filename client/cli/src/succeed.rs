//! `dronechain succeed`: a key hands its place to a successor.

use std::path::PathBuf;

use clap::Args;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::{Action, PossessionClaim, Sender, TransactionBody};
use dronechain_client::PendingTransaction;
use dronechain_record::KeyFile;

use crate::error::CliError;
use crate::options::{NodeOption, Sent, WaitOption};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Succeed {
    /// Key file of the key that goes. It is revoked for good by the block that holds the succession.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Key file of its successor; its own sequence starts at 0.
    #[arg(long, value_name = "FILE")]
    successor: PathBuf,
    #[command(flatten)]
    node: NodeOption,
    #[command(flatten)]
    wait: WaitOption,
}

impl Succeed {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let (old, new) = (KeyFile::load(&self.key)?, KeyFile::load(&self.successor)?);
        let (key, successor) = (PublicKey::of(old.signing_key()), PublicKey::of(new.signing_key()));
        let node = self.node.client()?;
        let chain_id = node.spec().await?.genesis().hash();
        let claim = PossessionClaim { controller: key, device: successor, kind: "", area: "" };
        let possession = claim.sign(new.signing_key(), &chain_id);
        let sequence = node.next_sequence(Sender::Key(key)).await?.pending_sequence;
        let action = Action::Succeed { successor, possession };
        let body = TransactionBody { sender: Sender::Key(key), sequence, action };
        let pending = PendingTransaction::new(body.signed(&[old.signing_key()], &chain_id), None);
        pending.submit(&node).await?;
        let status = self.wait.settle(&node, &pending).await?;
        Sent::report(&pending, status.as_ref(), output)
    }
}
