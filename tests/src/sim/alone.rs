//! One core on a simulated disk, told event by event what peers show it: attacks that need an exact order.

use dronechain_chain_spec::difficulty::next_bits;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::BlockError;
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::target::{Bits, Target, Work};
use dronechain_chain_spec::transaction::{Action as Act, Sender, TransactionBody};
use dronechain_chain_spec::wire::{Request, Response, Status};
use dronechain_node::core::Core;
use dronechain_node::core::event::{Action, Answer, Event, Fault, GossipId, Peer, RequestId};

use super::disk::Disk;
use crate::hostile::{Forge, mined};

const GENESIS_MS: u64 = 1_800_000_000_000;
const BLOCK_TIME_MS: u64 = 5_000;
const ADMIN: u8 = 99;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn spec(finality_depth: u64) -> ChainSpec {
    ChainSpec {
        name: "alone".into(),
        genesis_time_ms: GENESIS_MS,
        nodes: (1..=3).map(|node| PublicKey::of(&key(node))).collect(),
        parameters: Parameters {
            block_time_ms: BLOCK_TIME_MS,
            initial_bits: Bits(0x2003_ffff),
            limit_bits: Bits(0x207f_ffff),
            finality_depth,
        },
        admins: AdminSet { threshold: 1, keys: vec![PublicKey::of(&key(ADMIN))] },
    }
}

/// A core of node 1, and what it told to do and nobody did yet.
struct Alone {
    spec: ChainSpec,
    core: Core<Disk>,
    disk: Disk,
    now_ms: u64,
    told: Vec<Action>,
    /// A block of which the shell finds that it breaks a rule by itself.
    refuted: Option<Hash256>,
}

impl Alone {
    /// At the tip of `chain`, of which each block came when it was new.
    fn at(spec: ChainSpec, chain: &Forge) -> Self {
        let disk = Disk::new(&spec);
        let start = disk.load(PublicKey::of(&key(1)), None).expect("a sound disk");
        let core = Core::new(spec.network(), disk.clone(), start).expect("a sound disk");
        let mut alone = Self { spec, core, disk, now_ms: GENESIS_MS, told: Vec::new(), refuted: None };
        for made in chain.book().made {
            alone.now_ms = made.block.header.header.time_ms;
            let block = made.block.check(&alone.spec.network()).expect("a sound block");
            alone.core.replay(alone.now_ms, block).expect("a valid block");
            alone.settle();
        }
        alone
    }

    fn settle(&mut self) {
        while let Some(changes) = self.core.take_changes() {
            self.disk.apply(&changes);
            self.told.extend(self.core.handle(self.now_ms, Event::Committed).expect("a sound disk"));
        }
    }

    fn tell(&mut self, event: Event) {
        self.told.extend(self.core.handle(self.now_ms, event).expect("a sound disk"));
        self.settle();
    }

    /// Requests to `peer` that nobody answered yet.
    fn requests(&mut self, peer: Peer) -> Vec<(RequestId, Request)> {
        let (asked, told) = std::mem::take(&mut self.told)
            .into_iter()
            .partition(|action| matches!(action, Action::Request { peer: whom, .. } if *whom == peer));
        self.told = told;
        let request = |action| match action {
            Action::Request { id, request, .. } => Some((id, request)),
            _ => None,
        };
        Vec::into_iter(asked).filter_map(request).collect()
    }

    fn penalties(&self) -> usize {
        self.told.iter().filter(|action| matches!(action, Action::Penalise { .. })).count()
    }

    /// A peer that claims more work than anybody and shows `links`; its blocks come from `book`.
    fn show(&mut self, peer: Peer, links: &[Link], book: &Forge) {
        self.tell(Event::Connected(peer));
        self.answer(peer, links, book);
    }

    /// The same peer answers what it was asked since.
    fn answer(&mut self, peer: Peer, links: &[Link], book: &Forge) {
        let network = self.spec.network();
        let tip = links.last().expect("links").header.header.hash();
        loop {
            let requests = self.requests(peer);
            if requests.is_empty() {
                return;
            }
            for (request, asked) in requests {
                if let (Request::Blocks { hashes }, Some(refuted)) = (&asked, self.refuted)
                    && hashes.contains(&refuted)
                {
                    let fault = Fault::Block { hash: refuted, error: BlockError::AdminLate { index: 1 } };
                    self.tell(Event::RequestFailed { peer, request, fault: Some(fault) });
                    continue;
                }
                let answer = match asked {
                    Request::Status => Answer::Status(Status {
                        chain_id: network.chain_id,
                        tip,
                        height: 1,
                        work: Work::from_be_bytes([1; 32]),
                        time_ms: self.now_ms,
                    }),
                    Request::Headers { .. } => {
                        let check = |link: &Link| link.clone().check(&network).expect("a sound link");
                        Answer::Headers(links.iter().map(check).collect())
                    }
                    asked @ Request::Blocks { .. } => {
                        let Response::Blocks(blocks) = book.book().answer(&asked) else { unreachable!() };
                        let check = |block: dronechain_chain_spec::block::Block| block.check(&network);
                        Answer::Blocks(blocks.into_iter().map(|block| check(block).expect("sound")).collect())
                    }
                    Request::Body { .. } => Answer::Body(None),
                };
                self.tell(Event::Answered { peer, request, answer });
            }
        }
    }
}

/// `count` blocks by two of the three nodes in turn, `first` first.
fn extend(forge: &mut Forge, first: u8, second: u8, count: usize) {
    for number in 0..count {
        forge.block(&key(if number % 2 == 0 { first } else { second }), vec![], vec![]);
    }
}

fn links(forge: &Forge, from: usize) -> Vec<Link> {
    forge.book().made[from..].iter().map(|made| made.link.clone()).collect()
}

#[test]
fn a_chain_of_old_blocks_lifts_finality_from_nothing_below_it() {
    let mut ours = Forge::new(&spec(5));
    extend(&mut ours, 1, 2, 22);
    let mut deep = ours.clone();
    extend(&mut ours, 1, 2, 4);
    let mut near = ours.clone();
    extend(&mut ours, 1, 2, 4);
    // Four blocks left, five joined: allowed. Eight left, ten joined: not, however one goes about it.
    extend(&mut near, 3, 2, 5);
    extend(&mut deep, 3, 2, 10);
    let mut alone = Alone::at(spec(5), &ours);
    // Neither is new by then.
    alone.now_ms += 900_000;
    alone.show(Peer(1), &links(&deep, 22), &deep);
    assert_eq!((alone.core.tip().0, alone.core.rivals().len()), (ours.tip(), 1));
    alone.show(Peer(2), &links(&near, 26), &near);
    assert_eq!(alone.core.tip().0, near.tip());
    alone.show(Peer(3), &links(&deep, 22), &deep);
    assert_eq!(alone.core.tip().0, near.tip(), "blocks of height 23 on were final");
    // What extends the new chain is followed.
    extend(&mut near, 2, 3, 1);
    alone.show(Peer(4), &links(&near, 31), &near);
    assert_eq!(alone.core.tip().0, near.tip());
}

#[test]
fn light_headers_are_kept_only_with_as_many_in_order_as_a_majority_makes() {
    let spec = spec(0);
    let network = spec.network();
    let mut ours = Forge::new(&spec);
    extend(&mut ours, 1, 2, 200);
    let mut side = Forge::new(&spec);
    extend(&mut side, 1, 2, 1);
    let mut alone = Alone::at(spec, &ours);
    let before = alone.disk.tables().headers.len();
    for number in 0..20 {
        // Two are offered, which is s of three; the second is ahead of any clock, so not at fault.
        let first = side.child(&key(3), |header| header.time_ms += number);
        let Header { bits, time_ms, height, .. } = first.header.header;
        let solve_ms = time_ms - side.book().made[0].block.header.header.time_ms;
        let target = Target::from_bits(bits).expect("canonical");
        let second = mined(Header {
            height: height + 1,
            parent: first.header.header.hash(),
            time_ms: alone.now_ms + 3_600_000,
            bits: next_bits(target, solve_ms, BLOCK_TIME_MS, network.limit),
            ..first.header.header.clone()
        });
        let second = Link {
            header: second.signed(&key(3), &network.chain_id),
            commitments: first.commitments,
            changes: vec![],
        };
        alone.show(Peer(1 + number), &[first, second], &side);
    }
    assert_eq!(alone.disk.tables().headers.len(), before);
    assert_eq!(alone.penalties(), 0);
    // A fork that a majority made is kept, for the alarm that it may be.
    extend(&mut side, 3, 2, 4);
    alone.show(Peer(50), &links(&side, 1), &side);
    assert_eq!(alone.disk.tables().headers.len(), before + 4);
}

#[test]
fn announced_blocks_that_nobody_serves_hold_up_none_that_somebody_has() {
    let spec = spec(0);
    let network = spec.network();
    let mut ours = Forge::new(&spec);
    extend(&mut ours, 1, 2, 6);
    let admit = |number: u8, sequence| {
        let action = Act::Admit { role: Role::Controller, key: PublicKey::of(&key(number)) };
        let body = TransactionBody { sender: Sender::Admins, sequence, action };
        body.signed(&[&key(ADMIN)], &network.chain_id)
    };
    // As many as are ever remembered, and more: equal in work, and each in turn ranks first by its hash.
    let mut withheld: Vec<_> = (100..180)
        .map(|number| {
            let mut forge = ours.clone();
            forge.block(&key(3), vec![admit(number, 0)], vec![]);
            forge
        })
        .collect();
    withheld.sort_by_key(|forge| std::cmp::Reverse(forge.tip()));
    let mut honest = ours.clone();
    honest.block(&key(1), vec![admit(90, 0)], vec![]);

    let mut alone = Alone::at(spec, &ours);
    let (liar, friend) = (Peer(1), Peer(2));
    alone.show(friend, &links(&honest, 6), &honest);
    let reached = |alone: &Alone| alone.core.tip().0 == honest.tip();
    assert!(reached(&alone));

    // The same behind a peer that announced the others before.
    let mut alone = Alone::at(alone.spec.clone(), &ours);
    alone.show(liar, &links(&ours, 0), &ours);
    for (number, forge) in (0..).zip(&withheld) {
        let link = forge.book().made[6].link.clone().check(&network).expect("a sound link");
        alone.tell(Event::HeaderGossiped { peer: liar, gossip: GossipId(number), link });
    }
    // Nobody answers the liar's requests for them.
    alone.show(friend, &links(&honest, 6), &honest);
    for _ in 0..5 {
        alone.now_ms += 1_000;
        alone.tell(Event::Tick);
        alone.answer(friend, &links(&honest, 6), &honest);
    }
    assert!(reached(&alone), "the tip is {:?}", alone.core.tip().1);
}

#[test]
fn valid_blocks_below_one_that_is_refuted_are_taken_when_they_outrank_the_tip() {
    let spec = spec(0);
    let network = spec.network();
    let admit = |number: u8, sequence| {
        let action = Act::Admit { role: Role::Controller, key: PublicKey::of(&key(number)) };
        let body = TransactionBody { sender: Sender::Admins, sequence, action };
        body.signed(&[&key(ADMIN)], &network.chain_id)
    };
    let mut ours = Forge::new(&spec);
    extend(&mut ours, 1, 2, 6);
    let mut theirs = ours.clone();
    theirs.block(&key(3), vec![admit(90, 0)], vec![]);
    theirs.block(&key(1), vec![admit(91, 1)], vec![]);
    let valid = theirs.tip();
    theirs.block(&key(2), vec![admit(92, 2)], vec![]);

    let mut alone = Alone::at(spec, &ours);
    alone.refuted = Some(theirs.tip());
    alone.now_ms += 60_000;
    alone.show(Peer(1), &links(&theirs, 6), &theirs);
    for _ in 0..5 {
        alone.now_ms += 1_000;
        alone.tell(Event::Tick);
        alone.answer(Peer(1), &links(&theirs, 6), &theirs);
    }
    assert_eq!(alone.core.tip().0, valid, "the tip is {:?}", alone.core.tip().1);
}
