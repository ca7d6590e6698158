//! Small file systems that fill up.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, gone at the end of the test.
pub struct Disk(PathBuf);

impl Disk {
    /// Of `mib` MiB at `path`; none, said so, where it cannot be mounted.
    pub fn mounted(path: &Path, mib: u32) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        println!("skipped: no file system can be mounted here; root can");
        None
    }

    /// Takes room until only `kib` KiB are left, or none.
    pub fn fill(&self, kib: u64) {
        let mut ballast = fs::File::create(self.0.join("ballast")).expect("a file");
        while dronechain_node::store::free_bytes(&self.0).expect("a file system") > kib << 10 {
            if ballast.write_all(&[1; 4096]).is_err() {
                break;
            }
        }
    }

    /// Gives the room back.
    pub fn clear(&self) {
        fs::remove_file(self.0.join("ballast")).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            println!("{} stays mounted", self.0.display());
        }
    }
}
