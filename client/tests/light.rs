//! Nodes that show a weaker, an invalid or an outsider's chain are found out, and followed nowhere.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::node::Node;
use common::{World, key, miner, spec};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::target::{Target, Work};
use dronechain_client::light::NodeStanding;
use dronechain_client::nodes::Nodes;
use dronechain_client::{ChainEvent, Headers, LightClient};
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(30);
/// More than any honest chain has.
const ENDLESS: Work = Work::from_be_bytes([0xff; 32]);

fn grown(common: u64, own: u64, step_ms: u64) -> World {
    let mut world = World::new();
    world.mine_empty(common);
    for _ in 0..own {
        world.mine(Vec::new(), step_ms);
    }
    world
}

/// Links of `world` with its tip forged: the header changed, with work or without, under the signature of `by`.
fn forged(world: &World, by: &SigningKey, has_work: bool, change: impl FnOnce(&mut Header)) -> Vec<Link> {
    let link = |height| world.chain.link(height).expect("there").clone();
    let mut links: Vec<_> = (1..=world.chain.height()).map(link).collect();
    let last = links.last_mut().expect("a tip");
    let mut header = last.header.header.clone();
    change(&mut header);
    let target = Target::from_bits(header.bits).expect("strict bits");
    while target.is_met_by(&header.hash()) != has_work {
        header.nonce += 1;
    }
    last.header = header.signed(by, &world.chain_id());
    links
}

struct Light {
    client: LightClient,
    nodes: Vec<Node>,
    _dir: tempfile::TempDir,
}

impl Light {
    fn of(nodes: Vec<Node>, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let headers = Headers::open(dir.path().join("headers"), None, spec()).expect("a new file");
        let mut urls: Vec<_> = nodes.iter().map(|node| node.url.clone()).collect();
        urls.extend(more.iter().map(|url| (*url).to_owned()));
        let client = LightClient::start(headers, Arc::new(Nodes::new(&urls).expect("addresses")));
        Self { client, nodes, _dir: dir }
    }

    async fn survey(&self) -> Vec<NodeStanding> {
        let surveyed = timeout(WAIT, self.client.survey()).await.expect("in time");
        surveyed.expect("a writable file").into_iter().map(|(_, standing)| standing).collect()
    }
}

fn invalid(standing: &NodeStanding, part: &str) {
    let NodeStanding::Invalid { reason } = standing else { panic!("{standing:?}") };
    assert!(reason.contains(part), "{reason}");
}

#[tokio::test]
async fn nodes_on_weaker_invalid_and_outsiders_chains_are_named_and_not_followed() {
    let honest = grown(8, 0, 0);
    let heavier = grown(9, 0, 0);
    let (behind, weaker) = (grown(5, 0, 0), grown(5, 2, 1_001));
    let nodes = [&honest, &behind, &weaker, &honest, &honest, &honest, &honest].map(|world| &world.chain);
    let mut made = Vec::new();
    for chain in nodes {
        made.push(Node::of(chain).await);
    }
    let outsider = key(99);
    let by_outsider = forged(&heavier, &outsider, true, |header| header.miner = PublicKey::of(&outsider));
    made[3].claim(by_outsider, ENDLESS);
    made[4].claim(forged(&heavier, &miner(), false, |_| ()), ENDLESS);
    made[5].claim(forged(&heavier, &outsider, true, |_| ()), ENDLESS);
    made[6].claim(forged(&heavier, &miner(), true, |header| header.commitments.0[0] ^= 1), ENDLESS);
    let light = Light::of(made, &["http://127.0.0.1:1"]);
    let found = light.survey().await;
    let tip = weaker.chain.tip();
    assert_eq!(found[..2], [NodeStanding::Agrees, NodeStanding::Behind { height: 5 }]);
    assert_eq!(found[2], NodeStanding::Weaker { tip, height: 7 });
    invalid(&found[3], "height 9");
    invalid(&found[3], "miner-not-admitted");
    invalid(&found[4], "work");
    invalid(&found[5], "signature");
    invalid(&found[6], "opening");
    assert!(matches!(found[7], NodeStanding::Unreachable { .. }), "{:?}", found[7]);
    assert_eq!(light.client.headers().read().await.chain().tip(), honest.chain.tip());
}

#[tokio::test]
async fn heavier_branch_of_any_node_is_followed_and_the_reorganisation_told() {
    let (ours, heavier) = (grown(6, 2, 1_000), grown(6, 4, 1_001));
    let nodes = vec![Node::of(&ours.chain).await, Node::of(&ours.chain).await];
    let light = Light::of(nodes, &[]);
    assert_eq!(light.survey().await, [NodeStanding::Agrees, NodeStanding::Agrees]);
    let mut events = light.client.events();
    // The one that is not asked at the moment.
    light.nodes[1].set(&heavier.chain);
    let told = async {
        loop {
            match events.recv().await.expect("it runs") {
                ChainEvent::Reorganised { tip, height, removed, added } => {
                    break (tip, height, removed, added);
                }
                ChainEvent::Advanced { .. } | ChainEvent::Node { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let told = timeout(WAIT, told).await.expect("the survey finds it");
    assert_eq!(told, (heavier.chain.tip(), 10, 2, 4));
    let stale = light.survey().await;
    assert_eq!(stale, [NodeStanding::Weaker { tip: ours.chain.tip(), height: 8 }, NodeStanding::Agrees]);
}

#[tokio::test]
async fn node_that_claims_a_heavier_tip_without_its_headers_is_named() {
    let honest = grown(6, 0, 0);
    let nodes = vec![Node::of(&honest.chain).await, Node::of(&honest.chain).await];
    nodes[1].claim_tip(Hash256([7; 32]), 900, ENDLESS);
    let light = Light::of(nodes, &[]);
    let found = light.survey().await;
    assert_eq!(found[0], NodeStanding::Agrees);
    assert_eq!(found[1], NodeStanding::Unshown { tip: Hash256([7; 32]), height: 900 });
}

#[tokio::test]
async fn chain_moves_on_and_is_read_while_a_node_does_not_answer() {
    let (short, long) = (grown(6, 0, 0), grown(9, 0, 0));
    let nodes = vec![Node::of(&short.chain).await, Node::of(&short.chain).await];
    nodes[1].stall();
    let light = Light::of(nodes, &[]);
    let mut tip = light.client.tip();
    let stalled = async {
        while light.nodes[1].stalled().1 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        light.nodes[1].stalled()
    };
    let (asked, _) = timeout(WAIT, stalled).await.expect("it is asked");
    light.nodes[0].set(&long.chain);
    let moved = async { tip.wait_for(|tip| *tip == long.chain.tip()).await.map(drop) };
    timeout(WAIT, moved).await.expect("in time").expect("it runs");
    assert_eq!(light.client.headers().read().await.chain().height(), 9);
    assert_eq!(light.nodes[1].stalled(), (asked, 1), "all of it while the same request waits");
}
