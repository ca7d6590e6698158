//! `dronechain controller run` and `dronechain cloud run`.
//!
//! Configuration: the service's defaults, the TOML file, environment, flags, in that order.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use dronechain_cloud::CloudError;
use dronechain_controller::ControllerError;
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use toml::{Table, Value};

use crate::error::CliError;
use crate::files;
use crate::limits::CONFIG_BYTES_MAX;

#[derive(Debug, Subcommand)]
pub(crate) enum Controller {
    /// Run the control system until Ctrl-C.
    Run(ControllerRun),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cloud {
    /// Run the cloud server until Ctrl-C.
    Run(CloudRun),
}

#[derive(Debug, Args)]
pub(crate) struct ControllerRun {
    /// The configuration file; unknown keys are errors.
    #[arg(long, value_name = "TOML", env = "DRONECHAIN_CONTROLLER_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "DIR", env = "DRONECHAIN_CONTROLLER_DATA")]
    data: Option<String>,
    /// Where to listen, e.g. 127.0.0.1:7800.
    #[arg(long, value_name = "ADDRESS", env = "DRONECHAIN_CONTROLLER_LISTEN")]
    listen: Option<String>,
    /// The controller's key file.
    #[arg(long, value_name = "FILE", env = "DRONECHAIN_CONTROLLER_KEY")]
    key: Option<String>,
    /// Address of a node; once for each, the next is asked when one fails.
    #[arg(long = "node", value_name = "URL", env = "DRONECHAIN_CONTROLLER_NODES", value_delimiter = ',')]
    nodes: Vec<String>,
    /// Address of the cloud server that gets the originals.
    #[arg(long, value_name = "URL", env = "DRONECHAIN_CONTROLLER_CLOUD")]
    cloud: Option<String>,
    /// Any other key of the configuration, as TOML: batch_age_ms=500.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    others: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CloudRun {
    /// The configuration file; unknown keys are errors.
    #[arg(long, value_name = "TOML", env = "DRONECHAIN_CLOUD_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "DIR", env = "DRONECHAIN_CLOUD_DATA")]
    data: Option<String>,
    /// Where to listen, e.g. 127.0.0.1:7900.
    #[arg(long, value_name = "ADDRESS", env = "DRONECHAIN_CLOUD_LISTEN")]
    listen: Option<String>,
    /// Address of a node; once for each, the next is asked when one fails.
    #[arg(long = "node", value_name = "URL", env = "DRONECHAIN_CLOUD_NODES", value_delimiter = ',')]
    nodes: Vec<String>,
    /// Any other key of the configuration, as TOML.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    others: Vec<String>,
}

impl Controller {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let Self::Run(run) = self;
        let plain = [("data", run.data), ("listen", run.listen), ("key", run.key), ("cloud", run.cloud)];
        let config = configuration(run.config.as_deref(), plain, run.nodes, &run.others)?;
        let ended = dronechain_controller::run(config, stopped()?).await;
        ended.map_err(|error| match error {
            ControllerError::Key(error) => CliError::Key(error),
            error @ (ControllerError::BatchRecords { .. }
            | ControllerError::Confirmations
            | ControllerError::Address(_)) => CliError::Setting(error.to_string()),
            error => CliError::Service(error.to_string()),
        })
    }
}

impl Cloud {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let Self::Run(run) = self;
        let plain = [("data", run.data), ("listen", run.listen)];
        let config = configuration(run.config.as_deref(), plain, run.nodes, &run.others)?;
        let ended = dronechain_cloud::run(config, stopped()?).await;
        ended.map_err(|error| match error {
            CloudError::Confirmations | CloudError::Address(_) => CliError::Setting(error.to_string()),
            error => CliError::Service(error.to_string()),
        })
    }
}

/// Puts what was given over the file's keys and lets the service read it, which refuses unknown ones.
fn configuration<C: DeserializeOwned>(
    file: Option<&Path>,
    plain: impl IntoIterator<Item = (&'static str, Option<String>)>,
    nodes: Vec<String>,
    others: &[String],
) -> Result<C, CliError> {
    let shown = file.unwrap_or(Path::new("configuration"));
    let refused = |reason: String| CliError::Config { path: shown.to_owned(), reason };
    let mut table = match file {
        Some(file) => parse(file)?,
        None => Table::new(),
    };
    for other in others {
        let (key, _) = other
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("--set {other}: KEY=VALUE is wanted")))?;
        let set: Table = other
            .parse()
            .map_err(|error: toml::de::Error| CliError::Usage(format!("--set {key}: {}", error.message())))?;
        table.extend(set);
    }
    let given = plain.into_iter().filter_map(|(key, value)| Some((key, value?)));
    table.extend(given.map(|(key, value)| (key.to_owned(), Value::String(value))));
    if !nodes.is_empty() {
        table.insert("nodes".to_owned(), nodes.into_iter().map(Value::String).collect::<Vec<_>>().into());
    }
    // Not the message alone: the key stands behind it.
    table.try_into().map_err(|error| refused(error.to_string()))
}

fn parse(file: &Path) -> Result<Table, CliError> {
    let refused = |reason: String| CliError::Config { path: file.to_owned(), reason };
    let text = String::from_utf8(files::read(file, CONFIG_BYTES_MAX)?)
        .map_err(|error| refused(error.utf8_error().to_string()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        refused(format!("line {line}: {}", error.message()))
    })
}

/// Resolves at Ctrl-C, or when the process is asked to end.
fn stopped() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        data: String,
        #[serde(default)]
        nodes: Vec<String>,
        #[serde(default)]
        age_ms: u64,
    }

    fn example(text: &str, data: Option<&str>, others: &[&str]) -> Result<Example, CliError> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("config.toml");
        std::fs::write(&file, text).expect("writable");
        let others: Vec<_> = others.iter().map(|other| (*other).to_owned()).collect();
        configuration(Some(&file), [("data", data.map(str::to_owned))], vec!["http://a".to_owned()], &others)
    }

    #[test]
    fn flags_go_over_the_file() {
        let found = example("data = 'file'\nage_ms = 1\n", Some("flag"), &["age_ms=2"]).expect("sound");
        assert_eq!(found, Example { data: "flag".into(), nodes: vec!["http://a".into()], age_ms: 2 });
    }

    #[test]
    fn unknown_keys_are_refused_by_name_and_bad_toml_by_line() {
        let error = example("data = 'd'\ncolour = 1\n", None, &[]).expect_err("unknown key").to_string();
        assert!(error.contains("config.toml") && error.contains("colour"), "{error}");
        let error = example("data = 'd'\nage_ms = 'x'\n", None, &[]).expect_err("no number").to_string();
        assert!(error.contains("age_ms"), "{error}");
        let error = example("data = 'd'\nage_ms = \n", None, &[]).expect_err("no value").to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(matches!(example("data = 'd'", None, &["x"]), Err(CliError::Usage(_))));
    }
}
