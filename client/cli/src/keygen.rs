//! `dronechain keygen`.

use std::path::PathBuf;

use clap::Args;
use dronechain_record::KeyFile;
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The file to make; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Keygen {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let file = KeyFile::create(self.out)?;
        let (key, id) = (file.public_key(), file.device_id());
        output.result(&json!({ "public_key": key, "id": id, "file": file.path() }), format_args!("{key}"));
        Ok(())
    }
}
