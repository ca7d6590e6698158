//! The command line: what may be said, what is printed, and exit codes.
//!
//! Results go to stdout, as text or with `--json` as one line of JSON. Errors go to stderr as one
//! line with a hint. Exit codes: 0 fine, 1 the answer is no, 2 usage, 3 could not be done.

mod db;
mod door;
mod files;
mod init;
mod log;
mod network;
mod papers;
mod run;

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use dronechain_chain_spec::key::PublicKey;
use dronechain_node::config::ConfigError;
use dronechain_node::failpoint::{self, Failpoint};
use dronechain_node::keyfile::{self, KeyFileError};
use dronechain_node::specfile::SpecFileError;
use serde_json::{Value, json};

/// A node of a DroneChain network.
#[derive(Debug, Parser)]
#[command(name = "dronechain-node", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print results and errors as one line of JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Chain specs.
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Make a key and print its public half.
    Keygen {
        /// The new key file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make a data folder for a network, and the node's key if it has none.
    Init(init::Args),
    /// Run the node until SIGINT or SIGTERM.
    Run(run::Args),
    /// The ledger in the data folder of a node that does not run.
    #[command(subcommand)]
    Db(db::Command),
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The filter of a running node's log: told, or changed.
    Log(log::Args),
    /// Print a shell's completions.
    Completions(papers::Completions),
    /// Write manual pages.
    Man(papers::Man),
}

#[derive(Debug, Subcommand)]
enum NetworkCommand {
    /// Write the chain spec of a new network.
    New(network::Args),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show every setting and where its value came from.
    Show(run::Flags),
}

/// What a command came to.
struct Output {
    text: String,
    json: Value,
    /// Whether the answer is no.
    is_no: bool,
}

impl Output {
    fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, is_no: false }
    }
}

/// Why a command failed, for people.
#[derive(Debug)]
struct Failure {
    code: Code,
    message: String,
    hint: String,
}

/// Exit codes beside 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    /// The answer is no.
    No = 1,
    /// It was not said right.
    Usage = 2,
    /// It could not be done.
    CannotDo = 3,
}

impl Failure {
    fn new(code: Code, message: &dyn fmt::Display, hint: impl Into<String>) -> Self {
        // One line, whatever libraries say.
        let message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { code, message, hint: hint.into() }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::new(Code::CannotDo, &error, error.hint())
    }
}

impl From<SpecFileError> for Failure {
    fn from(error: SpecFileError) -> Self {
        Self::new(Code::CannotDo, &error, error.hint())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::Read { .. } => Code::CannotDo,
            ConfigError::TooLong { .. }
            | ConfigError::Toml { .. }
            | ConfigError::UnknownKey { .. }
            | ConfigError::UnknownEnv(_)
            | ConfigError::Type { .. }
            | ConfigError::Half { .. }
            | ConfigError::Value { .. } => Code::Usage,
        };
        Self::new(code, &error, error.hint())
    }
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let Cli { command, json } = Cli::parse();
    let armed = failpoint::arm().map_err(|error| {
        let known: Vec<_> = Failpoint::ALL.map(Failpoint::name).into();
        Failure::new(Code::Usage, &error, format!("for tests alone; known points: {}", known.join(", ")))
    });
    match armed.and_then(|()| execute(command)) {
        Ok(output) => {
            let text = if json { output.json.to_string() } else { output.text };
            if !text.is_empty() {
                // Whoever closed stdout does not want to read it.
                let _ = writeln!(std::io::stdout(), "{text}");
            }
            if output.is_no { ExitCode::from(Code::No as u8) } else { ExitCode::SUCCESS }
        }
        Err(Failure { code, message, hint }) => {
            let line = if json {
                json!({ "error": message, "hint": hint }).to_string()
            } else {
                format!("dronechain-node: {message} (hint: {hint})")
            };
            let _ = writeln!(std::io::stderr(), "{line}");
            ExitCode::from(code as u8)
        }
    }
}

fn execute(command: Command) -> Result<Output, Failure> {
    match command {
        Command::Network(NetworkCommand::New(args)) => network::new(&args),
        Command::Keygen { out } => {
            let key = keyfile::generate()?;
            keyfile::create(&out, &key)?;
            let public = PublicKey::of(&key);
            Ok(Output::new(public.to_string(), json!({ "public_key": public, "file": out })))
        }
        Command::Init(args) => init::init(&args),
        Command::Run(args) => run::run(&args),
        Command::Db(command) => db::execute(&command),
        Command::Config(ConfigCommand::Show(flags)) => run::show(&flags),
        Command::Log(args) => log::log(&args),
        Command::Completions(args) => Ok(papers::completions(&args)),
        Command::Man(args) => papers::man(&args),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dronechain_chain_spec::spec::ChainSpec;

    use super::*;

    fn say(line: &[&str]) -> Result<Value, Failure> {
        let cli = Cli::try_parse_from([&["dronechain-node"], line].concat()).expect("well said");
        execute(cli.command).map(|output| output.json)
    }

    fn text(path: &Path) -> &str {
        path.to_str().expect("temporary folders are plain")
    }

    /// A network of one key, written to `spec`.
    fn network(spec: &Path, key: &str) -> Value {
        let line = ["network", "new", "--admin", key, "--threshold", "1", "--node", key, "--out", text(spec)];
        say(&line).expect("a new network")
    }

    fn keygen(path: &Path) -> String {
        let made = say(&["keygen", "--out", text(path)]).expect("a new key");
        made["public_key"].as_str().expect("hex").into()
    }

    #[test]
    fn network_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = keygen(&folder.path().join("a.key"));
        let spec = folder.path().join("spec.toml");
        let made = network(&spec, &key);
        let read = ChainSpec::from_toml(&std::fs::read_to_string(&spec).expect("written")).expect("sound");
        assert_eq!(made["chain_id"], read.network().chain_id.to_string());
        let again = say(&[
            "network",
            "new",
            "--admin",
            &key,
            "--threshold",
            "1",
            "--node",
            &key,
            "--out",
            text(&spec),
        ]);
        assert_eq!(again.expect_err("exists").code, Code::CannotDo);
        let line = ["network", "new", "--admin", &key, "--threshold", "2", "--node", &key, "--out", "x"];
        assert_eq!(say(&line).expect_err("2 of 1").code, Code::Usage);
    }

    #[test]
    fn init_may_be_repeated_but_not_for_another_network() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = keygen(&folder.path().join("a.key"));
        let (spec, other) = (folder.path().join("spec.toml"), folder.path().join("other.toml"));
        let made = network(&spec, &key);
        let line = ["network", "new", "--name", "other", "--admin", &key, "--threshold", "1", "--node", &key];
        say(&[&line[..], &["--out", text(&other)]].concat()).expect("another network");
        let data = folder.path().join("data");
        let init = |spec: &Path| say(&["init", "--spec", text(spec), "--data", text(&data)]);
        let first = init(&spec).expect("a new folder");
        assert_eq!(first["chain_id"], made["chain_id"]);
        assert_eq!(init(&spec).expect("the same again"), first);
        assert_eq!(init(&other).expect_err("another network").code, Code::CannotDo);
    }

    #[test]
    fn settings_are_shown_with_their_origin() {
        let shown = say(&["config", "show", "--http", "127.0.0.1:0", "--mining-share", "0"]).expect("sound");
        assert_eq!(shown["http"]["value"], "127.0.0.1:0");
        assert_eq!(shown["http"]["origin"], "flag --http");
        assert_eq!(shown["listen"]["origin"], "default");
        let refused = say(&["config", "show", "--mining-share", "2"]).expect_err("more than a thread");
        assert_eq!(refused.code, Code::Usage);
    }

    /// Every command that reads the chain spec of a data folder.
    fn readers(data: &Path) -> Vec<Failure> {
        let data = text(data);
        let lines: [&[&str]; 9] = [
            &["run", "--data", data],
            &["run", "--recover", "--data", data],
            &["db", "check", "--data", data],
            &["db", "reindex", "--data", data],
            &["db", "backup", "to", "--data", data],
            &["db", "restore", "from", "--data", data],
            &["db", "export", "to", "--data", data],
            &["db", "import", "from", "--data", data],
            &["init", "--data", "other", "--spec", &format!("{data}/network.toml")],
        ];
        lines.iter().map(|line| say(line).expect_err("no chain spec")).collect()
    }

    #[test]
    fn missing_or_damaged_chain_spec_is_told_in_the_same_words_by_each_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = folder.path().join("network.toml");
        for failure in readers(folder.path()) {
            assert_eq!(failure.code, Code::CannotDo);
            assert_eq!(failure.message, format!("no chain spec at {}", spec.display()));
            assert!(failure.hint.contains("dronechain-node init"), "{failure:?}");
        }
        std::fs::write(&spec, "name = \"a\"\ngenesis_time_ms = soon\n").expect("own folder");
        for failure in readers(folder.path()) {
            assert_eq!(failure.code, Code::CannotDo);
            let named = format!("chain spec {}: line 2: ", spec.display());
            assert!(failure.message.starts_with(&named), "{failure:?}");
            assert!(failure.hint.contains("another node"), "{failure:?}");
        }
    }

    #[test]
    fn shown_configuration_is_a_configuration_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("shown.toml");
        let peers = ["/ip4/127.0.0.1/tcp/1", "/dns4/node/tcp/2"];
        let show = |line: &[&str]| {
            let line = [&["dronechain-node", "config", "show"], line].concat();
            execute(Cli::try_parse_from(line).expect("well said").command).expect("sound").text
        };
        let values = |text: &str| {
            let lines = text.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned());
            lines.collect::<Vec<_>>()
        };
        for line in [
            &[][..],
            &["--peer", peers[0], "--peer", peers[1], "--mining-share", "1", "--min-free-mib", "0007"],
            &["--log-json", "--log", "info,\"x\"=debug", "--preshared-key", "a \\ key", "--ready-file", "r"],
            &["--follow", &"0a".repeat(32), "--data", "it's", "--mining-share", "0"],
        ] {
            let shown = show(line);
            std::fs::write(&file, &shown).expect("own folder");
            assert_eq!(values(&show(&["--config", text(&file)])), values(&shown), "{shown}");
        }
    }
}
