//! Commands in documents, and the machines on which they are to be run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{program, run};

/// One fenced `sh` block of a document, and for whom it is: the word behind `sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// For whom.
    pub place: String,
    /// The commands.
    pub commands: String,
}

/// The blocks of a document that have a place, in order.
pub fn blocks(document: &str) -> Vec<Block> {
    let block = |text: &str| {
        let (place, rest) = text.split_once('\n')?;
        let (commands, _) = rest.split_once("```")?;
        Some(Block { place: place.to_owned(), commands: commands.to_owned() })
    };
    document.split("```sh ").skip(1).filter_map(block).collect()
}

/// Machines on one network, as namespaces; what runs there ends with them.
pub struct Machines {
    folder: tempfile::TempDir,
    names: Vec<String>,
}

/// What commands of documents want of a machine: its name, and copies to others.
const PRELUDE: &str = r#"
set -euo pipefail
hostname() { printf '%s\n' "$MACHINE"; }
# scp [-r] FILE... MACHINE:[NAME]
scp() {
    local to=${!#} files=() argument
    for argument in "${@:1:$#-1}"; do [ "$argument" = -r ] || files+=("$argument"); done
    cp -r "${files[@]}" "../${to%%:*}/${to#*:}"
}
"#;

impl Machines {
    /// Machines with these names and the addresses 10.0.0.N; none, with a message, where this user cannot make them.
    pub fn new(names: &[(&str, u8)]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut machines = Self { folder, names: Vec::new() };
        match machines.build(names) {
            Ok(()) => Some(machines),
            Err(error) => {
                println!("skipped: no network namespaces with veth and bridges here ({error})");
                None
            }
        }
    }

    fn build(&mut self, names: &[(&str, u8)]) -> Result<(), String> {
        let hub = namespace("hub");
        self.add("hub")?;
        ip(&["-n", &hub, "link", "add", "hub", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "hub", "up"])?;
        for (name, last) in names {
            self.add(name)?;
            let own = namespace(name);
            // A bare `a` would be an abbreviation to ip.
            let port = format!("port-{name}");
            ip(&["-n", &own, "link", "add", "net", "type", "veth", "peer", "name", &port, "netns", &hub])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "hub", "up"])?;
            ip(&["-n", &own, "addr", "add", &format!("10.0.0.{last}/24"), "dev", "net"])?;
            ip(&["-n", &own, "link", "set", "net", "up"])?;
            fs::create_dir(self.home(name)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str) -> Result<(), String> {
        ip(&["netns", "add", &namespace(name)])?;
        self.names.push(name.to_owned());
        ip(&["-n", &namespace(name), "link", "set", "lo", "up"])
    }

    /// The folder in which a machine's commands run.
    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs commands on a machine, which must succeed; what they print. What they leave running goes on.
    pub fn run(&self, name: &str, commands: &str) -> String {
        // A file, not a pipe: what goes on in the background has it open.
        let log = self.folder.path().join(format!("{name}.out"));
        let out = fs::File::create(&log).expect("own folder");
        let err = out.try_clone().expect("a file handle");
        let programs = program("dronechain").parent().expect("a folder").to_owned();
        let path = std::env::var("PATH").expect("a path");
        let mut shell = Command::new("ip");
        shell.args([
            "netns",
            "exec",
            &namespace(name),
            "setsid",
            "bash",
            "-c",
            &format!("{PRELUDE}{commands}"),
        ]);
        shell.current_dir(self.home(name)).env("MACHINE", name);
        shell.env("PATH", format!("{}:{path}", programs.display())).env("NO_PROXY", "*");
        shell.stdin(std::process::Stdio::null()).stdout(out).stderr(err);
        let status = shell.status().expect("ip runs");
        let said = fs::read_to_string(&log).expect("own folder");
        assert!(status.success(), "on {name}:\n{commands}\n{status}: {said}\n{}", self.logs());
        said
    }

    /// Takes a machine away: what runs there, and what it keeps.
    pub fn destroy(&mut self, name: &str) {
        end(name);
        self.names.retain(|known| known != name);
        fs::remove_dir_all(self.home(name)).expect("own folder");
    }

    /// The last lines of all nodes' logs.
    fn logs(&self) -> String {
        let mut text = String::new();
        for name in &self.names {
            let log = fs::read_to_string(self.home(name).join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(8)..];
            if !last.is_empty() {
                text.push_str(&format!("-- {name}\n{}\n", last.join("\n")));
            }
        }
        text
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| end(name));
    }
}

fn namespace(name: &str) -> String {
    format!("dronechain-{}-{name}", std::process::id())
}

/// Ends what runs in a namespace of this test, and the namespace.
fn end(name: &str) {
    let name = namespace(name);
    let output = run(Command::new("ip").args(["netns", "pids", &name]));
    for pid in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        let _ = run(Command::new("kill").args(["-KILL", pid]));
    }
    let _ = ip(&["netns", "delete", &name]);
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// Reads a document of the tree.
pub fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
