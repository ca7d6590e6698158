//! `dronechain admin`: m of n admins admit and revoke nodes, controllers and operators.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry;
use dronechain_chain_spec::transaction::Action;
use dronechain_client::admin;
use dronechain_record::KeyFile;

use crate::error::CliError;
use crate::options::{NodeOption, Sent, WaitOption};
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Admit a node, controller or operator.
    Admit(Admit),
    /// Revoke a node, controller or operator, for good.
    Revoke(Revoke),
}

/// What a key is admitted as.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Mines and serves.
    Node,
    /// Anchors data and commands, enrols devices.
    Controller,
    /// A cloud server or auditor.
    Operator,
}

#[derive(Debug, Args)]
struct Signers {
    /// An admin's key file; once for each admin that signs, exactly as many as the network wants.
    #[arg(long = "admin-key", value_name = "FILE", required = true)]
    admin_keys: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeOption,
    #[command(flatten)]
    wait: WaitOption,
}

#[derive(Debug, Args)]
pub(crate) struct Admit {
    /// What the key becomes.
    #[arg(long)]
    role: Role,
    /// The public key, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    key: PublicKey,
    #[command(flatten)]
    signers: Signers,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The public key, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    key: PublicKey,
    /// What the key signed from this height on is in doubt; by default nothing before the revocation.
    #[arg(long, value_name = "HEIGHT", default_value_t = u64::MAX, hide_default_value = true)]
    suspect_since: u64,
    #[command(flatten)]
    signers: Signers,
}

impl Admin {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Admit(Admit { role, key, signers }) => {
                let role = match role {
                    Role::Node => registry::Role::Node,
                    Role::Controller => registry::Role::Controller,
                    Role::Operator => registry::Role::Operator,
                };
                signers.send(&Action::Admit { role, key }, output).await
            }
            Self::Revoke(Revoke { key, suspect_since, signers }) => {
                signers.send(&Action::Revoke { key, suspect_since }, output).await
            }
        }
    }
}

impl Signers {
    async fn send(&self, action: &Action, output: Output) -> Result<(), CliError> {
        let files = self.admin_keys.iter().map(KeyFile::load).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<_> = files.iter().map(KeyFile::signing_key).collect();
        let node = self.node.client()?;
        let spec = node.spec().await?;
        let pending = admin::send(&node, &spec, action, &keys).await?;
        let status = self.wait.settle(&node, &pending).await?;
        let sent = Sent::new(&pending, status.as_ref());
        output.result(&sent, sent.text());
        Ok(())
    }
}
