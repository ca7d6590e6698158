//! Decisions that admins sign on different machines: a file goes from one to the next.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::ADMINS_MAX;
use dronechain_chain_spec::transaction::Action;
use dronechain_client::admin::{self, PARTIAL_BYTES_MAX, PartialError, PartialTransaction};
use dronechain_client::{AdminError, NodeClient};
use dronechain_record::KeyFile;
use serde::Serialize;

use crate::error::CliError;
use crate::files;
use crate::options::{NodeOption, Sent, WaitOption};
use crate::output::Output;

/// Against what a file is held, beside itself.
#[derive(Debug, Args)]
struct Network {
    /// Hold it to this network: the hash of its genesis block.
    #[arg(long, value_name = "HEX")]
    chain_id: Option<Hash256>,
    /// Hold it to the network of this node, and to what its admins have decided since.
    #[arg(long, value_name = "URL")]
    node: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    network: Network,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The file; it gets one signature more.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An admin's key file.
    #[arg(long, value_name = "FILE")]
    admin_key: PathBuf,
    #[command(flatten)]
    network: Network,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The file; several are copies of one, each signed by others.
    #[arg(value_name = "FILE", required = true, num_args = 1..=ADMINS_MAX)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeOption,
    #[command(flatten)]
    wait: WaitOption,
}

/// Where a file stands, for people and scripts.
#[derive(Debug, Serialize)]
struct Standing<'a> {
    file: &'a Path,
    decision: String,
    action: &'a Action,
    chain_id: Hash256,
    sequence: u64,
    signed: Vec<PublicKey>,
    wanted: u32,
    admins: usize,
    complete: bool,
}

impl<'a> Standing<'a> {
    fn new(file: &'a Path, partial: &'a PartialTransaction) -> Self {
        let signed: Vec<_> = partial.signed().collect();
        let wanted = partial.admins().threshold;
        Self {
            file,
            decision: admin::words(partial.action()),
            action: partial.action(),
            chain_id: partial.chain_id(),
            sequence: partial.sequence(),
            complete: signed.len() >= wanted as usize,
            signed,
            wanted,
            admins: partial.admins().keys.len(),
        }
    }

    fn text(&self) -> String {
        let Self { file, decision, chain_id, sequence, signed, wanted, admins, complete, .. } = self;
        let signed = signed.iter().map(|key| format!("\n  signed by {key}")).collect::<String>();
        let next = if *complete {
            "enough: dronechain admin submit"
        } else {
            "pass the file on: dronechain admin sign"
        };
        format!(
            "{}: {decision}\n  network {chain_id}, sequence {sequence}{signed}\n  {wanted} of {admins} admins are \
             wanted; {next}",
            file.display()
        )
    }

    fn tell(&self, output: Output) {
        output.result(self, self.text());
    }
}

/// Writes a decision that begins its way.
pub(super) fn begun(out: &Path, partial: &PartialTransaction, output: Output) -> Result<(), CliError> {
    let written = OpenOptions::new().write(true).create_new(true).open(out).and_then(|mut file| {
        file.write_all(partial.to_json().as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| CliError::Write { path: out.to_owned(), source })?;
    Standing::new(out, partial).tell(output);
    Ok(())
}

impl Show {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let partial = read(&self.file)?;
        self.network.check(&self.file, &partial).await?;
        Standing::new(&self.file, &partial).tell(output);
        Ok(())
    }
}

impl Sign {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let mut partial = read(&self.file)?;
        self.network.check(&self.file, &partial).await?;
        let key = KeyFile::load(&self.admin_key)?;
        partial.sign(key.signing_key()).map_err(about(&self.file))?;
        replace(&self.file, &partial)
            .map_err(|source| CliError::Write { path: self.file.clone(), source })?;
        Standing::new(&self.file, &partial).tell(output);
        Ok(())
    }
}

impl Submit {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let (first, others) = self.files.split_first().expect("clap wants one at least");
        let mut partial = read(first)?;
        for file in others {
            partial.join(read(file)?).map_err(about(file))?;
        }
        let node = self.node.client()?;
        let pending = admin::submit(&node, &partial).await.map_err(told_of(first))?;
        let status = self.wait.settle(&node, &pending).await?;
        Sent::report(&pending, status.as_ref(), output)
    }
}

impl Network {
    async fn check(&self, file: &Path, partial: &PartialTransaction) -> Result<(), CliError> {
        if let Some(chain_id) = self.chain_id {
            partial.check_chain(chain_id).map_err(about(file))?;
        }
        if let Some(node) = &self.node {
            admin::check(&NodeClient::new(node)?, partial).await.map_err(told_of(file))?;
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<PartialTransaction, CliError> {
    // One byte more, so that a file that is too long is told as such.
    let bytes = files::read_up_to(file, PARTIAL_BYTES_MAX as u64 + 1)?;
    PartialTransaction::parse(&bytes).map_err(about(file))
}

/// The file with one signature more, or as it was.
fn replace(file: &Path, partial: &PartialTransaction) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let mut draft = fs::File::create(&beside)?;
    draft.write_all(partial.to_json().as_bytes())?;
    draft.sync_all()?;
    fs::rename(&beside, file)
}

fn about(file: &Path) -> impl FnOnce(PartialError) -> CliError + '_ {
    move |error| CliError::Partial { path: file.to_owned(), error }
}

fn told_of(file: &Path) -> impl FnOnce(AdminError) -> CliError + '_ {
    move |error| match error {
        AdminError::Partial(error) => about(file)(error),
        other => other.into(),
    }
}
