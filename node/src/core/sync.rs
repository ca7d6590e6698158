//! Keeping up: tips are polled, headers come first, blocks after, bodies last.
//!
//! Gossip makes it fast, polling makes it sure.

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::future_ms;
use dronechain_chain_spec::limits::{HEADERS_PER_MESSAGE, LOCATOR_MAX};
use dronechain_chain_spec::link::CheckedLink;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::wire::{Request, Status};

use super::Core;
use super::branch;
use super::chain::HeaderFate;
use super::event::{Action, Answer, Fault, GossipId, Peer, RequestId, Verdict};
use super::peers::Wanted;
use super::view::{Stage, View, ViewError};

/// Blocks beyond the last stored that are asked for ahead.
const WINDOW: usize = 512;
/// Blocks in one request.
const BLOCKS_PER_REQUEST: usize = 32;
/// Block requests to one peer at once.
const REQUESTS_PER_PEER: usize = 2;
/// A peer that failed is left alone this long, in ms.
const FAILED_REST_MS: u64 = 1_000;
/// Tips are polled no more often than this, in ms.
const POLL_MIN_MS: u64 = 1_000;

impl<V: View> Core<V> {
    pub(super) fn poll_tips(&mut self) {
        let interval_ms = self.tuning().block_time_ms.max(POLL_MIN_MS);
        self.peers.poll(self.steady_ms, interval_ms, &mut self.out);
    }

    pub(super) fn answered(
        &mut self,
        peer: Peer,
        request: RequestId,
        answer: Answer,
    ) -> Result<(), ViewError> {
        let Some(wanted) = self.peers.answered(peer, request) else {
            return Ok(());
        };
        match (wanted, answer) {
            (Wanted::Status, Answer::Status(status)) => self.status(peer, status),
            (Wanted::Headers, Answer::Headers(headers)) => self.headers(peer, &headers),
            (Wanted::Blocks(wanted), Answer::Blocks(blocks)) => self.blocks(peer, &wanted, blocks),
            (Wanted::Body(batch), Answer::Body(Some(body))) if body.id() == batch => self.keep_body(body),
            (Wanted::Body(batch), Answer::Body(None)) => {
                self.body_failed(batch);
                Ok(())
            }
            (wanted, _) => self.failed(peer, &wanted, Some(Fault::Unasked)),
        }
    }

    pub(super) fn request_failed(
        &mut self,
        peer: Peer,
        request: RequestId,
        fault: Option<Fault>,
    ) -> Result<(), ViewError> {
        match self.peers.answered(peer, request) {
            Some(wanted) => self.failed(peer, &wanted, fault),
            None => Ok(()),
        }
    }

    fn failed(&mut self, peer: Peer, wanted: &Wanted, fault: Option<Fault>) -> Result<(), ViewError> {
        self.rest(peer);
        if let Some(fault) = fault {
            if let Fault::Block { hash, error } = &fault
                && error.refutes_hash()
                && self.ledger.header(hash)?.is_some()
            {
                self.mark_invalid(*hash)?;
            }
            self.out.push(Action::Penalise { peer, fault });
        }
        if let Wanted::Body(batch) = wanted {
            self.body_failed(*batch);
        }
        self.request_blocks()
    }

    fn rest(&mut self, peer: Peer) {
        let now_ms = self.steady_ms;
        if let Some(known) = self.peers.known_mut(peer) {
            known.failed_ms = now_ms;
        }
    }

    fn status(&mut self, peer: Peer, status: Status) -> Result<(), ViewError> {
        if status.chain_id != self.network.chain_id {
            self.out.push(Action::Penalise { peer, fault: Fault::Unasked });
            return Ok(());
        }
        let difference_ms = i64::try_from(i128::from(status.time_ms) - i128::from(self.now_ms));
        let difference_ms = difference_ms.unwrap_or(i64::MAX);
        let far = difference_ms.unsigned_abs() > future_ms(self.tuning().block_time_ms);
        let (tip, work) = (status.tip, status.work);
        let Some(known) = self.peers.known_mut(peer) else {
            return Ok(());
        };
        known.status = Some(status);
        if far && known.warn_once() {
            self.out.push(Action::ClockWarning { peer, difference_ms });
        }
        match self.ledger.header(&tip)? {
            // Known since before a start, perhaps, without its block.
            Some(stored) if stored.stage != Stage::Invalid && work >= self.tip.work => {
                self.consider(tip, stored.signed.header.parent, &stored)?;
            }
            Some(_) => {}
            // Even with less work: it may be what others hold for the chain.
            None => self.request_headers(peer, None)?,
        }
        self.request_blocks()
    }

    /// Asks for the headers behind the newest that both have. `newest` is one that the peer sent; without it,
    /// the last one that was taken in from it.
    fn request_headers(&mut self, peer: Peer, newest: Option<Hash256>) -> Result<(), ViewError> {
        if self.peers.each().any(|(other, known)| other == peer && known.awaits(&Wanted::Headers)) {
            return Ok(());
        }
        let newest = newest.or_else(|| self.peers.known_mut(peer).and_then(|known| known.newest));
        let mut locator: Vec<_> = newest.into_iter().collect();
        locator.extend(self.locator()?);
        locator.truncate(LOCATOR_MAX);
        self.peers.ask(peer, Wanted::Headers, Request::Headers { locator }, &mut self.out);
        Ok(())
    }

    /// Hashes of the active chain from the tip backwards: ten in a row, then ever farther apart.
    fn locator(&self) -> Result<Vec<Hash256>, ViewError> {
        let mut locator = Vec::new();
        let (mut height, mut step) = (self.tip.height, 1);
        loop {
            locator.extend(self.ledger.active(height)?);
            if height == 0 {
                return Ok(locator);
            }
            if locator.len() >= 10 {
                step *= 2;
            }
            height = height.saturating_sub(step);
        }
    }

    fn headers(&mut self, peer: Peer, links: &[CheckedLink]) -> Result<(), ViewError> {
        let consecutive = |pair: &[CheckedLink]| pair[1].header().header().parent == pair[0].header().hash();
        if !links.windows(2).all(consecutive) {
            self.out.push(Action::Penalise { peer, fault: Fault::Unasked });
            return Ok(());
        }
        let least = self.least_to_keep(links)?;
        let mut new = Vec::new();
        for link in links {
            match self.accept_header(link, least.is_some())? {
                HeaderFate::New => new.push(link.header().hash()),
                HeaderFate::Known => {}
                HeaderFate::Light
                | HeaderFate::OnInvalid
                | HeaderFate::Refused(HeaderError::Future { .. } | HeaderError::RuleUnknown { .. }) => break,
                HeaderFate::Orphan => {
                    self.out.push(Action::Penalise { peer, fault: Fault::Unasked });
                    break;
                }
                HeaderFate::Refused(error) => {
                    self.out.push(Action::Penalise { peer, fault: Fault::Header(error) });
                    break;
                }
            }
        }
        if new.len() < least.unwrap_or(0) {
            // Some were offered that no rule lets pass: what is left was not worth keeping.
            new.drain(..).for_each(|hash| self.let_go(&hash));
        }
        if let Some(newest) = new.last().copied() {
            if let Some(known) = self.peers.known_mut(peer) {
                known.newest = Some(newest);
            }
            // Only what was new is followed up: the same headers again would go on for ever.
            if links.len() >= HEADERS_PER_MESSAGE {
                self.request_headers(peer, Some(newest))?;
            }
            self.watch_rival(newest)?;
        }
        self.advance()?;
        self.request_blocks()
    }

    /// How many of the headers that a peer showed must be new and in order, so that they are kept: any, if their
    /// chain may still matter; else as many as only a majority of nodes makes, if there are that many.
    fn least_to_keep(&self, links: &[CheckedLink]) -> Result<Option<usize>, ViewError> {
        let mut new = links;
        while let Some((first, rest)) = new.split_first() {
            if self.ledger.header(&first.header().hash())?.is_none() {
                break;
            }
            new = rest;
        }
        let Some(first) = new.first() else {
            return Ok(None);
        };
        let Some(before) = self.ledger.header(&first.header().header().parent)? else {
            return Ok(None);
        };
        let add = |work: Work, link: &CheckedLink| work.saturating_add(link.header().target().work());
        if self.is_worth(new.iter().fold(before.work, add))? {
            return Ok(Some(0));
        }
        let spacing = self.ledger.roster(&before.roster)?.nodes.spacing(before.height() + 1);
        let spacing = usize::try_from(spacing).expect("nodes are counted in u32");
        Ok((new.len() >= spacing).then_some(spacing))
    }

    fn blocks(&mut self, peer: Peer, wanted: &[Hash256], blocks: Vec<CheckedBlock>) -> Result<(), ViewError> {
        // Fewer than asked for are no failure: only so many fit in a message. The rest is asked for again.
        if blocks.is_empty() {
            self.rest(peer);
        }
        for block in blocks {
            let asked = wanted.contains(&block.hash());
            if !asked || !self.accept_block(block, Some(peer))? {
                self.out.push(Action::Penalise { peer, fault: Fault::Unasked });
                break;
            }
        }
        self.advance()?;
        self.request_blocks()
    }

    pub(super) fn header_gossiped(
        &mut self,
        peer: Peer,
        gossip: GossipId,
        link: &CheckedLink,
    ) -> Result<(), ViewError> {
        let verdict = match self.accept_header(link, false)? {
            HeaderFate::New => {
                self.hold(Action::Judge { gossip, verdict: Verdict::Accept });
                self.advance()?;
                self.fetch_announced(peer, link.header().hash())?;
                return Ok(());
            }
            HeaderFate::Known
            | HeaderFate::Light
            | HeaderFate::OnInvalid
            | HeaderFate::Refused(HeaderError::Future { .. } | HeaderError::RuleUnknown { .. }) => {
                Verdict::Ignore
            }
            HeaderFate::Orphan => {
                self.request_headers(peer, None)?;
                Verdict::Ignore
            }
            HeaderFate::Refused(error) => {
                self.out.push(Action::Penalise { peer, fault: Fault::Header(error) });
                Verdict::Reject
            }
        };
        self.out.push(Action::Judge { gossip, verdict });
        Ok(())
    }

    /// A block that was just announced is asked of whoever announced it.
    fn fetch_announced(&mut self, peer: Peer, hash: Hash256) -> Result<(), ViewError> {
        let next = self.branches.best().is_some_and(|branch| branch.hashes.len() <= BLOCKS_PER_REQUEST);
        let is_here = self.ledger.known(&hash)?.stage >= Stage::Stored;
        // A chain that finality forbids has no head.
        if next && !is_here && self.branches.is_head(&hash) && !self.peers.blocks_under_way().contains(&hash)
        {
            let mut missing = self.missing_blocks(BLOCKS_PER_REQUEST)?;
            // Whoever announces a block has it, whatever others announced before.
            missing.retain(|other| *other != hash);
            missing.truncate(BLOCKS_PER_REQUEST - 1);
            missing.insert(0, hash);
            self.ask_blocks(peer, missing);
        }
        self.request_blocks()
    }

    /// Blocks that are neither here nor under way: the next one of every other branch, and as many as there is
    /// room for of the best. Whoever withholds the best one's holds up no other.
    fn missing_blocks(&mut self, count: usize) -> Result<Vec<Hash256>, ViewError> {
        let stored = self.branches.stored(&self.ledger)?;
        let under_way = self.peers.blocks_under_way();
        let mut missing = Vec::new();
        let is_missing = |hash: &Hash256| -> Result<bool, ViewError> {
            Ok(!under_way.contains(hash) && self.ledger.known(hash)?.stage == Stage::Header)
        };
        let others = self.branches.others_in_turn(&self.ledger)?;
        let of_best = count - others.len().min(count / 2);
        for hash in
            self.branches.best().into_iter().flat_map(|best| best.hashes.iter().skip(stored).take(WINDOW))
        {
            if missing.len() == of_best {
                break;
            }
            if is_missing(hash)? {
                missing.push(*hash);
            }
        }
        for head in others {
            if missing.len() == count {
                break;
            }
            let Some((_, path)) = branch::walk(&self.ledger, head, branch::OTHER_MAX)? else { continue };
            for hash in path {
                if self.ledger.known(&hash)?.stage >= Stage::Stored {
                    continue;
                }
                if is_missing(&hash)? && !missing.contains(&hash) {
                    missing.push(hash);
                }
                break;
            }
        }
        Ok(missing)
    }

    fn ask_blocks(&mut self, peer: Peer, hashes: Vec<Hash256>) {
        let wanted = Wanted::Blocks(hashes.clone());
        self.peers.ask(peer, wanted, Request::Blocks { hashes }, &mut self.out);
    }

    /// Spreads the missing blocks over peers that claim no less work than the tip has.
    pub(super) fn request_blocks(&mut self) -> Result<(), ViewError> {
        if self.branches.heads().is_empty() {
            return Ok(());
        }
        let (now_ms, tip_work) = (self.steady_ms, self.tip.work);
        loop {
            let able = self.peers.each().filter(|(_, known)| {
                let heavy = known.status.as_ref().is_some_and(|status| status.work >= tip_work);
                let rested = known.failed_ms == 0 || known.failed_ms + FAILED_REST_MS <= now_ms;
                heavy && rested && known.block_requests() < REQUESTS_PER_PEER
            });
            let able: Option<Peer> =
                able.min_by_key(|(_, known)| known.block_requests()).map(|(peer, _)| peer);
            let Some(peer) = able else {
                return Ok(());
            };
            let missing = self.missing_blocks(BLOCKS_PER_REQUEST)?;
            if missing.is_empty() {
                return Ok(());
            }
            self.ask_blocks(peer, missing);
        }
    }
}
