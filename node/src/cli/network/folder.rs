//! The folder of a new network: made beside its name and put in place when it is whole, so that a crash leaves no half
//! network with keys that somebody might use.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_node::config::{FILE_NAME, KEY_NAME, SPEC_NAME};
use dronechain_node::keyfile;
use dronechain_node::p2p::address;
use serde_json::{Value, json};

use super::host::{Place, Reach, checked_name};
use super::write_new;
use crate::cli::{Code, Failure};

/// The folder with the admins' keys.
pub(super) const ADMINS: &str = "admins";

/// A first node with its key.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) place: Place,
    pub(super) key: PublicKey,
    /// Whether its secret is made here.
    pub(super) is_ours: bool,
}

/// The folder under way.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    draft: PathBuf,
    members: Vec<Member>,
    admins: Vec<(String, PublicKey)>,
}

impl Folder {
    /// Begins the folder `dir` with the keys that are made here.
    pub(super) fn begin(dir: &Path, places: Vec<Place>, new_admins: &[String]) -> Result<Self, Failure> {
        if dir.symlink_metadata().is_ok() {
            let message = format!("{} is there already", dir.display());
            return Err(Failure::new(Code::CannotDo, &message, "name a new folder: nothing is overwritten"));
        }
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".draft");
        let draft = dir.with_file_name(name);
        make(&draft)?;
        let mut folder = Self { dir: dir.into(), draft, members: Vec::new(), admins: Vec::new() };
        for place in places {
            make(&folder.draft.join(&place.name))?;
            let key = match place.key {
                Some(key) => key,
                None => folder.key(&format!("{}/{KEY_NAME}", place.name))?,
            };
            folder.members.push(Member { is_ours: place.key.is_none(), place, key });
        }
        if !new_admins.is_empty() {
            make(&folder.draft.join(ADMINS))?;
        }
        for name in new_admins {
            let name = checked_name(name)
                .map_err(|error| Failure::new(Code::Usage, &error, "e.g. --new-admin anna"))?;
            let key = folder.key(&format!("{ADMINS}/{name}.key"))?;
            folder.admins.push((name, key));
        }
        Ok(folder)
    }

    /// The first nodes' keys.
    pub(super) fn nodes(&self) -> Vec<PublicKey> {
        self.members.iter().map(|member| member.key).collect()
    }

    /// The keys of the admins that were made here.
    pub(super) fn admins(&self) -> impl Iterator<Item = PublicKey> {
        self.admins.iter().map(|(_, key)| *key)
    }

    /// The first nodes.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The folder's name when it is done.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Names of the admins whose keys were made here.
    pub(super) fn new_admins(&self) -> impl Iterator<Item = &str> {
        self.admins.iter().map(|(name, _)| &**name)
    }

    /// Whether all nodes are on one address.
    pub(super) fn is_one_machine(&self) -> bool {
        self.members.windows(2).all(|pair| pair[0].place.address == pair[1].place.address)
    }

    /// Writes chain spec and configurations.
    pub(super) fn write(&self, spec: &ChainSpec, reach: Reach) -> Result<(), Failure> {
        let text = spec.to_toml();
        self.file(SPEC_NAME, &text)?;
        for member in &self.members {
            let name = &member.place.name;
            self.file(&format!("{name}/{SPEC_NAME}"), &text)?;
            self.file(&format!("{name}/{FILE_NAME}"), &self.configuration(spec, member, reach)?)?;
        }
        Ok(())
    }

    /// Puts the folder in place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let placed = fs::rename(&self.draft, &self.dir).and_then(|()| {
            let parent = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        });
        placed.map_err(|error| cannot(&self.dir, &error))
    }

    /// What programs are told of the hosts.
    pub(super) fn json(&self) -> Value {
        let host = |Member { place, key, is_ours }: &Member| {
            json!({
                "name": place.name,
                "public_key": key,
                "key_made": is_ours,
                "peers": format!("{}:{}", place.address, place.port),
                "http_port": place.http_port,
                "data": self.dir.join(&place.name),
            })
        };
        self.members.iter().map(host).collect()
    }

    fn configuration(&self, spec: &ChainSpec, member: &Member, reach: Reach) -> Result<String, Failure> {
        let Member { place, .. } = member;
        let mut peers = Vec::new();
        for other in self.members.iter().filter(|other| other.key != member.key) {
            let found = address::of_peer(&other.place.address, other.place.port, &other.key);
            let found = found.ok_or_else(|| {
                let message = format!("the key of {} is none: {}", other.place.name, other.key);
                Failure::new(Code::Usage, &message, "give the key that `dronechain-node keygen` printed")
            })?;
            peers.push(format!("    \"{found}\",\n"));
        }
        let (listens, family) = (place.listens(), if place.listens().is_ipv4() { "ip4" } else { "ip6" });
        let http = match reach {
            Reach::Loopback => std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST),
            Reach::Everyone => listens,
        };
        let http = std::net::SocketAddr::new(http, place.http_port);
        Ok(format!(
            "# Node {name} of the network {network}. Start it with: dronechain-node run --data FOLDER OF THIS FILE\n\
             # Chain spec ({SPEC_NAME}) and key ({KEY_NAME}) lie beside this file; `dronechain-node config show` tells \
             every setting.\n\
             \n\
             # Where peers connect.\n\
             listen = \"/{family}/{listens}/tcp/{port}\"\n\
             # Where clients ask: no TLS, no access control.\n\
             http = \"{http}\"\n\
             # The other first nodes: kept connected, each by its key.\n\
             peers = [\n{peers}]\n\
             \n\
             [mining]\n\
             # Share of one thread.\n\
             share = 0.05\n\
             \n\
             [storage]\n\
             # Free space, in MiB, below which nothing is taken in.\n\
             min_free_mib = 256\n",
            name = place.name,
            network = spec.name,
            port = place.port,
            peers = peers.concat(),
        ))
    }

    fn key(&self, name: &str) -> Result<PublicKey, Failure> {
        let key = keyfile::generate()?;
        keyfile::create(&self.draft.join(name), &key)?;
        Ok(PublicKey::of(&key))
    }

    fn file(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.draft.join(name);
        write_new(&path, text.as_bytes()).map_err(|error| cannot(&path, &error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Under its own name nothing is left to remove.
        let _ = fs::remove_dir_all(&self.draft);
    }
}

fn make(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().mode(0o700).create(path).map_err(|error| cannot(path, &error))
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "an attempt before was interrupted: remove it",
        io::ErrorKind::NotFound => "make the folder above first",
        _ => "check the path, its permissions and the free space",
    };
    Failure::new(Code::CannotDo, &format!("{}: {error}", path.display()), hint)
}
