//! The operator's guide, run as it stands: five nodes on machines of their own, from nothing to the first receipt; then one
//! is lost for good and replaced from its backup.

use dronechain_tests::guide::{Machines, blocks, document};

const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// With the addresses that the guide gives them.
const MACHINES: [(&str, u8); 10] = [
    ("a", 1),
    ("b", 2),
    ("c", 3),
    ("d", 4),
    ("e", 5),
    ("f", 6),
    ("desk", 100),
    ("anna", 101),
    ("ben", 102),
    ("carla", 103),
];

#[test]
fn guide_leads_from_nothing_to_a_receipt_and_replaces_a_lost_node() {
    let Some(mut machines) = Machines::new(&MACHINES) else { return };
    let (mut receipt, mut lost) = (false, false);
    for block in blocks(&document("node/docs/operating.md")) {
        if block.place == "f" && !lost {
            machines.destroy("e");
            lost = true;
        }
        let places = if block.place == "every-node" { NODES.to_vec() } else { vec![&*block.place] };
        for place in places {
            let said = machines.run(place, &block.commands);
            receipt |= said.contains("verified: evidence.txt");
        }
    }
    assert!(receipt, "the receipt verified on the way");
    assert!(lost, "a node was lost on the way");
    // The five that are left are one chain, the new one with them, and the old key is out.
    machines.run(
        "desk",
        r#"
        for last in 1 2 3 4 6; do
            for try in $(seq 60); do
                found=$(curl -sf http://10.0.0.$last:7700/v1/status | jq -c '[.peers, .syncing]') || found=none
                [ "$found" != '[4,false]' ] || break
                sleep 1
            done
            [ "$found" = '[4,false]' ] || { echo "10.0.0.$last: $found"; exit 1; }
        done
        curl -sf http://10.0.0.6:7700/v1/registry/$(cat e.pub) | jq -e .entry.revoked
        "#,
    );
}
