//! Child processes that do not outlive the test, and the programs under test.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// What a program has to end those that it started.
const ENDING: Duration = Duration::from_secs(60);

/// A program that the workspace builds: a test lies in the folder below, a bench beside it.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own binary");
    let path = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    path.unwrap_or_else(|| {
        panic!("{name} is not built; run scripts/test, or cargo build --release --workspace")
    })
}

/// A running program, killed at the end of the test at the latest.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its output in the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log in the test's folder");
        let both = file.try_clone().expect("a file handle");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(both).spawn();
        Self { child: child.expect("the program starts"), log: log.to_owned() }
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop, with SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.expect("there is a kill command").success());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// How it ended by itself; none while it runs.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A running program with all that it starts: asked to end when dropped, and killed if it does not.
#[derive(Debug)]
pub struct Group(Running);

impl Group {
    /// Starts `command` in a process group of its own, with its output in the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        Self(Running::start(command.process_group(0), log))
    }

    /// What it has written so far; panics with that if it has ended.
    pub fn log(&mut self) -> String {
        let log = self.0.log();
        assert!(!self.0.has_ended(), "{log}");
        log
    }

    /// Nothing waits for an answer: it may have ended, and a test that fails is not to fail twice.
    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args([signal, "--", &format!("-{}", self.0.id())]).status();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.0.has_ended() {
            return;
        }
        self.signal("-TERM");
        let start = Instant::now();
        while start.elapsed() < ENDING {
            if self.0.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.signal("-KILL");
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the program starts")
}

/// Runs a program that must succeed; its stdout as JSON.
pub fn run_json(command: &mut Command) -> serde_json::Value {
    let output = run(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {err}", output.status);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{command:?} printed {out:?}: {error}"))
}
