//! `dronechain completions` and `man`: what shells and readers want to know of the command line, made from it.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::Cli;
use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder, which is there; pages of that name are replaced.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Completions {
    /// The script that a shell sources.
    pub(crate) fn run(self, output: Output) {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        let script = String::from_utf8_lossy(&script);
        output.result(&json!({ "shell": self.shell.to_string(), "script": script }), script.trim_end());
    }
}

impl Man {
    /// A page for the program and for each of its commands.
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        clap_mangen::generate_to(Cli::command(), &self.dir)
            .map_err(|source| CliError::Write { path: self.dir.clone(), source })?;
        output.result(&json!({ "dir": self.dir }), format!("manual pages in {}", self.dir.display()));
        Ok(())
    }
}
