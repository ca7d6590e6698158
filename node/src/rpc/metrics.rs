//! `GET /metrics`: figures in Prometheus' text format. Names are listed once, in [`Family`], and in `docs/metrics.md`.

mod family;
mod http;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use self::family::Family;
pub(super) use self::http::{Outcome, Traffic, observe};
use super::api::Api;
use super::error::ApiError;
use crate::store;

/// The format's media type.
const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let text = api.run(text).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA))], text).into_response())
}

/// Text under way.
struct Page(String);

impl Page {
    /// A family's head.
    fn head(&mut self, family: Family) {
        let _ = writeln!(self.0, "# HELP {} {}", family.name(), family.help());
        let _ = writeln!(self.0, "# TYPE {} {}", family.name(), family.kind());
    }

    /// A family of one figure.
    fn one(&mut self, family: Family, value: impl std::fmt::Display) {
        self.head(family);
        let _ = writeln!(self.0, "{} {value}", family.name());
    }

    /// One figure of a family, under `suffix`; `labels` with their braces.
    fn row(&mut self, family: Family, suffix: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{}{suffix}{labels} {value}", family.name());
    }
}

fn text(api: &Api) -> Result<String, ApiError> {
    let mut page = Page(String::with_capacity(16 << 10));
    page.head(Family::BuildInfo);
    page.row(Family::BuildInfo, "", &format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1);
    chain(api, &mut page);
    pool_and_blocks(api, &mut page);
    keeping(api, &mut page)?;
    api.traffic.write(&mut page);
    page.head(Family::RateLimited);
    for (identity, refused) in api.rates.refused() {
        page.row(Family::RateLimited, "", &format!("{{identity=\"{identity}\"}}"), refused);
    }
    if let Some(bytes) = resident_bytes() {
        page.one(Family::ResidentMemory, bytes);
    }
    Ok(page.0)
}

fn chain(api: &Api, page: &mut Page) {
    let tip = api.tip();
    page.one(Family::Height, tip.height);
    page.one(Family::HeadersHeight, tip.headers_height);
    // A float, as every figure of the format: its first 15 digits hold.
    let work = tip.work.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte));
    page.one(Family::Work, work);
    let age_ms = now_ms().saturating_sub(tip.time_ms);
    page.one(Family::TipAge, seconds(age_ms));
    page.one(Family::Syncing, u8::from(tip.syncing));
    page.one(Family::UpgradeNeeded, u8::from(tip.health.upgrade_needed.is_some()));
    page.one(Family::Peers, api.rpc.peers.load(Ordering::Relaxed));
    page.one(Family::BodiesMissing, tip.health.missing.0);
    page.one(Family::Rivals, tip.health.rivals.len());
}

fn pool_and_blocks(api: &Api, page: &mut Page) {
    let metrics = &api.rpc.metrics;
    page.one(Family::MempoolTransactions, api.tip().mempool);
    page.one(Family::MempoolBytes, metrics.mempool_bytes.get());
    page.one(Family::BlocksConnected, metrics.blocks_connected.get());
    page.one(Family::BlocksMined, metrics.blocks_mined.get());
    page.one(Family::Reorganisations, metrics.reorganisations.get());
    page.one(Family::BlocksDisconnected, metrics.blocks_disconnected.get());
    page.one(Family::ReorganisationDepthMax, metrics.reorganisation_depth_max.get());
}

/// What is stored, and on what.
fn keeping(api: &Api, page: &mut Page) -> Result<(), ApiError> {
    let store = &api.rpc.store;
    page.one(Family::Evidence, store.evidence_count()?);
    // The file system's answer, which may be none.
    if let Ok(bytes) = store::size_bytes(store.path()) {
        page.one(Family::StoreBytes, bytes);
    }
    if let Ok(bytes) = store::free_bytes(store.path()) {
        page.one(Family::StoreFreeBytes, bytes);
    }
    page.one(Family::StoreLow, u8::from(store.disk().is_low()));
    page.one(Family::ScrubFaults, store.disk().scrubbed().faults);
    Ok(())
}

/// Resident memory of this process, as Linux tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// The own clock, ms since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
