//! `completions` and `man`: what shells and readers want to know of the command line, made from it.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Code, Failure, Output};

/// Which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder, which is there; pages of that name are replaced.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// The script that a shell sources.
pub(super) fn completions(Completions { shell }: &Completions) -> Output {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script).trim_end().to_owned();
    let json = json!({ "shell": shell.to_string(), "script": script });
    Output::new(script, json)
}

/// A page for the program and for each of its commands.
pub(super) fn man(Man { dir }: &Man) -> Result<Output, Failure> {
    write(dir).map_err(|error| {
        let message = format!("{}: {error}", dir.display());
        Failure::new(Code::CannotDo, &message, "is it a folder, and may you write there?")
    })?;
    Ok(Output::new(format!("manual pages in {}", dir.display()), json!({ "dir": dir })))
}

fn write(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    clap_mangen::generate_to(Cli::command(), dir)
}
