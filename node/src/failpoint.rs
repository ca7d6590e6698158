//! Points at which a test ends the process: the way to show that a crash there loses nothing.
//!
//! `DRONECHAIN_FAILPOINT=NAME[:COUNT]`, read once at start, kills the process with SIGKILL when it comes
//! to the point NAME for the COUNT-th time (the first, if it is left out). For tests alone: without the
//! variable a point costs one load. An unknown name is refused, so that no test waits for nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The environment variable.
pub const VARIABLE: &str = "DRONECHAIN_FAILPOINT";

/// A point in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// A new store: its marker says `new`.
    CreateMarked,
    /// A new store: the database is there, empty.
    CreateDatabase,
    /// A new store: genesis is in the log.
    CreateWritten,
    /// A new store: genesis is in table files, the marker still says `new`.
    CreateFlushed,
    /// Opening: the folder is locked.
    OpenLocked,
    /// Opening: the files are there, the database is not open yet.
    OpenUnread,
    /// Opening: the database has replayed its log.
    OpenReplayed,
    /// Opening: counter and rows agree.
    OpenCounted,
    /// Opening: the state is in memory.
    OpenLoaded,
    /// A commit: nothing is written yet.
    CommitUnwritten,
    /// A commit: on disk, not counted.
    CommitWritten,
    /// A commit: counted, nobody was told.
    CommitCounted,
    /// A commit: all who waited were told.
    CommitTold,
    /// `reindex`: the new store is complete beside the old one.
    ReindexBuilt,
    /// `reindex`: the new store is in place, the old one beside it.
    ReindexPlaced,
    /// `upgrade`: the ledger of this format is complete beside the old one.
    UpgradeBuilt,
    /// `upgrade`: it is in place, the old one beside it.
    UpgradePlaced,
    /// `backup`: all is copied, not in place.
    BackupCopied,
    /// `restore`: all is copied, not verified.
    RestoreCopied,
    /// `restore`: verified, not in place.
    RestoreChecked,
    /// `import`: the new store is complete, not in place.
    ImportBuilt,
    /// Recovery: the log is cut at the damage, the count is that of before.
    RecoverRewound,
    /// Recovery: the count is that of the shorter log.
    RecoverCounted,
    /// Recovery: what was readable is in a new store beside the damaged one.
    RecoverBuilt,
    /// Recovery: the new store is in place, the damaged one beside it.
    RecoverPlaced,
}

impl Failpoint {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::CreateMarked,
        Self::CreateDatabase,
        Self::CreateWritten,
        Self::CreateFlushed,
        Self::OpenLocked,
        Self::OpenUnread,
        Self::OpenReplayed,
        Self::OpenCounted,
        Self::OpenLoaded,
        Self::CommitUnwritten,
        Self::CommitWritten,
        Self::CommitCounted,
        Self::CommitTold,
        Self::ReindexBuilt,
        Self::ReindexPlaced,
        Self::UpgradeBuilt,
        Self::UpgradePlaced,
        Self::BackupCopied,
        Self::RestoreCopied,
        Self::RestoreChecked,
        Self::ImportBuilt,
        Self::RecoverRewound,
        Self::RecoverCounted,
        Self::RecoverBuilt,
        Self::RecoverPlaced,
    ];

    /// Its name in the variable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateMarked => "create-marked",
            Self::CreateDatabase => "create-database",
            Self::CreateWritten => "create-written",
            Self::CreateFlushed => "create-flushed",
            Self::OpenLocked => "open-locked",
            Self::OpenUnread => "open-unread",
            Self::OpenReplayed => "open-replayed",
            Self::OpenCounted => "open-counted",
            Self::OpenLoaded => "open-loaded",
            Self::CommitUnwritten => "commit-unwritten",
            Self::CommitWritten => "commit-written",
            Self::CommitCounted => "commit-counted",
            Self::CommitTold => "commit-told",
            Self::ReindexBuilt => "reindex-built",
            Self::ReindexPlaced => "reindex-placed",
            Self::UpgradeBuilt => "upgrade-built",
            Self::UpgradePlaced => "upgrade-placed",
            Self::BackupCopied => "backup-copied",
            Self::RestoreCopied => "restore-copied",
            Self::RestoreChecked => "restore-checked",
            Self::ImportBuilt => "import-built",
            Self::RecoverRewound => "recover-rewound",
            Self::RecoverCounted => "recover-counted",
            Self::RecoverBuilt => "recover-built",
            Self::RecoverPlaced => "recover-placed",
        }
    }
}

/// The variable's value is no point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}: `{0}` is no NAME[:COUNT] of a known point")]
pub struct UnknownPoint(String);

struct Armed {
    point: Failpoint,
    left: AtomicU64,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Reads the variable; called once, at the start of the program.
///
/// # Errors
/// When the variable is set to what is no point.
pub fn arm() -> Result<(), UnknownPoint> {
    let Some(value) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let value = value.to_string_lossy();
    let (point, count) = parse(&value).ok_or_else(|| UnknownPoint(value.to_string()))?;
    // Set before by an earlier call, which read the same.
    let _ = ARMED.set(Armed { point, left: AtomicU64::new(count) });
    Ok(())
}

fn parse(value: &str) -> Option<(Failpoint, u64)> {
    let (name, count) = value.split_once(':').unwrap_or((value, "1"));
    let point = Failpoint::ALL.into_iter().find(|point| point.name() == name)?;
    count.parse().ok().filter(|count| *count > 0).map(|count| (point, count))
}

/// The program has come to `point`.
pub fn hit(point: Failpoint) {
    let Some(armed) = ARMED.get().filter(|armed| armed.point == point) else { return };
    if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        eprintln!("{VARIABLE}: killed at {}", point.name());
        // The signal ends the process before the call returns.
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_unknown_ones_refused() {
        for point in Failpoint::ALL {
            assert_eq!(parse(point.name()), Some((point, 1)));
            assert_eq!(parse(&format!("{}:7", point.name())), Some((point, 7)));
        }
        for bad in ["", "open", "open-locked:0", "open-locked:x", "open-locked:"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
