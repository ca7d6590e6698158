//! `dronechain admin`: what m of n admins decide, in one place or from one to the next.

mod apart;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use dronechain_chain_spec::governance::Tuning;
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
    /// Replace the admins. The old ones sign.
    SetAdmins(SetAdmins),
    /// Set block time and finality depth from a height on.
    SetParameters(SetParameters),
    /// Set the height from which on a new rule holds. Nodes that do not know it stop there.
    Activate(Activate),
    /// What a decision in a file does, and who signed it.
    Show(apart::Show),
    /// Sign a decision in a file.
    Sign(apart::Sign),
    /// Hand over a decision that enough admins have signed.
    Submit(apart::Submit),
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
    #[arg(long = "admin-key", value_name = "FILE", required_unless_present = "out")]
    admin_keys: Vec<PathBuf>,
    /// Nothing is submitted: the decision goes into a new file, signed by the keys given, for other admins to sign
    /// (`dronechain admin sign`).
    #[arg(long, value_name = "FILE", conflicts_with = "wait")]
    out: Option<PathBuf>,
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

#[derive(Debug, Args)]
pub(crate) struct SetAdmins {
    /// How many of the new admins must sign.
    #[arg(long, value_name = "M")]
    threshold: u32,
    /// A new admin's public key, 64 hex digits; once for each, in order of index.
    #[arg(long = "admin", value_name = "HEX", required = true)]
    admins: Vec<PublicKey>,
    #[command(flatten)]
    signers: Signers,
}

#[derive(Debug, Args)]
pub(crate) struct SetParameters {
    /// The block time that the difficulty aims at, in ms; by default as it is.
    #[arg(long, value_name = "MS")]
    block_time_ms: Option<u64>,
    /// Blocks that a reorganisation may disconnect, 0 for no bound; by default as it is.
    #[arg(long, value_name = "BLOCKS")]
    finality_depth: Option<u64>,
    /// The first block that they hold for.
    #[arg(long)]
    height: u64,
    #[command(flatten)]
    signers: Signers,
}

#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// The rule's number, 1 to 64.
    #[arg(long)]
    rule: u32,
    /// The first block that it holds for.
    #[arg(long)]
    height: u64,
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
            Self::SetAdmins(SetAdmins { threshold, admins, signers }) => {
                signers.send(&Action::SetAdmins { threshold, keys: admins }, output).await
            }
            Self::SetParameters(SetParameters { block_time_ms, finality_depth, height, signers }) => {
                let now = signers.node.client()?.governance().await?.tuning_at(height);
                let parameters = Tuning {
                    block_time_ms: block_time_ms.unwrap_or(now.block_time_ms),
                    finality_depth: finality_depth.unwrap_or(now.finality_depth),
                };
                signers.send(&Action::SetParameters { parameters, height }, output).await
            }
            Self::Activate(Activate { rule, height, signers }) => {
                signers.send(&Action::Activate { rule, height }, output).await
            }
            Self::Show(show) => show.run(output).await,
            Self::Sign(sign) => sign.run(output).await,
            Self::Submit(submit) => submit.run(output).await,
        }
    }
}

impl Signers {
    async fn send(&self, action: &Action, output: Output) -> Result<(), CliError> {
        let files = self.admin_keys.iter().map(KeyFile::load).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<_> = files.iter().map(KeyFile::signing_key).collect();
        let node = self.node.client()?;
        if let Some(out) = &self.out {
            let partial = admin::begin(&node, action.clone(), &keys).await?;
            return apart::begun(out, &partial, output);
        }
        let spec = node.spec().await?;
        let pending = admin::send(&node, &spec, action, &keys).await?;
        let status = self.wait.settle(&node, &pending).await?;
        Sent::report(&pending, status.as_ref(), output)
    }
}
