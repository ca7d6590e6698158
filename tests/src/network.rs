//! A network of namespaces in two halves, whose link can be cut. For root on Linux.
//!
//! Each node has a namespace with two ways out: to its half's bridge, for peers, and to the test, for
//! HTTP, which is not cut.

use std::process::Command;

use crate::cluster::Place;
use crate::process::run;

/// Namespaces and the links between them; gone when dropped.
pub struct Network {
    namespaces: Vec<String>,
    places: Vec<Place>,
}

impl Network {
    /// A network of `nodes`, the first `left` of them in one half; none, with a message, where this user
    /// cannot make it.
    pub fn halves(nodes: usize, left: usize) -> Option<Self> {
        let mut network = Self { namespaces: Vec::new(), places: Vec::new() };
        match network.build(nodes, left) {
            Ok(()) => Some(network),
            Err(error) => {
                println!("skipped: no network namespaces with veth and bridges here ({error})");
                None
            }
        }
    }

    fn build(&mut self, nodes: usize, left: usize) -> Result<(), String> {
        let pid = std::process::id();
        let hubs = ["left", "right"].map(|half| format!("dronechain-{pid}-{half}"));
        for hub in &hubs {
            self.namespace(hub)?;
            ip(&["-n", hub, "link", "add", "hub", "type", "bridge"])?;
            ip(&["-n", hub, "link", "set", "hub", "up"])?;
        }
        let [one, other] = &hubs;
        ip(&["-n", one, "link", "add", "across", "type", "veth", "peer", "name", "across", "netns", other])?;
        for hub in &hubs {
            ip(&["-n", hub, "link", "set", "across", "master", "hub", "up"])?;
        }
        for node in 0..nodes {
            let hub = if node < left { one } else { other };
            self.node(node, hub, pid)?;
        }
        Ok(())
    }

    fn namespace(&mut self, name: &str) -> Result<(), String> {
        ip(&["netns", "add", name])?;
        self.namespaces.push(name.to_owned());
        ip(&["-n", name, "link", "set", "lo", "up"])
    }

    fn node(&mut self, node: usize, hub: &str, pid: u32) -> Result<(), String> {
        let name = format!("dronechain-{pid}-{node}");
        self.namespace(&name)?;
        let port = format!("node{node}");
        ip(&["-n", &name, "link", "add", "peers", "type", "veth", "peer", "name", &port, "netns", hub])?;
        ip(&["-n", hub, "link", "set", &port, "master", "hub", "up"])?;
        let peers = format!("10.212.0.{}", node + 1);
        ip(&["-n", &name, "addr", "add", &format!("{peers}/24"), "dev", "peers"])?;
        ip(&["-n", &name, "link", "set", "peers", "up"])?;
        // Four addresses a node, and a block of them for each test process.
        let (here, own) = (format!("dc{pid}n{node}"), pid.to_string());
        ip(&["-n", &name, "link", "add", "test", "type", "veth", "peer", "name", &here, "netns", &own])?;
        let address = |last: usize| format!("10.213.{}.{}", pid % 256, 4 * node + last);
        ip(&["addr", "add", &format!("{}/30", address(1)), "dev", &here])?;
        ip(&["link", "set", &here, "up"])?;
        ip(&["-n", &name, "addr", "add", &format!("{}/30", address(2)), "dev", "test"])?;
        ip(&["-n", &name, "link", "set", "test", "up"])?;
        self.places.push(Place {
            runner: ["ip", "netns", "exec", &name].map(Into::into).into(),
            listen: format!("/ip4/{peers}/tcp/7600"),
            http: format!("{}:7700", address(2)),
            ..Place::default()
        });
        Ok(())
    }

    /// Where a node runs.
    pub fn place(&self, node: usize) -> Place {
        self.places[node].clone()
    }

    /// Cuts the link between the halves.
    pub fn cut(&self) {
        ip(&["-n", &self.namespaces[0], "link", "set", "across", "down"]).expect("the link is there");
    }

    /// Joins the halves again.
    pub fn heal(&self) {
        ip(&["-n", &self.namespaces[0], "link", "set", "across", "up"]).expect("the link is there");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.namespaces {
            // The links go with their ends. What is gone already needs nothing.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("ip");
    if command.arg("-V").output().is_err() {
        return Err("there is no ip command".into());
    }
    let output = run(Command::new("ip").args(arguments));
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
