//! The figures' names, in one place. Names are for good: dashboards and alarms are built on them.

/// Figures of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    BuildInfo,
    Height,
    HeadersHeight,
    Work,
    TipAge,
    Syncing,
    UpgradeNeeded,
    Peers,
    BodiesMissing,
    Rivals,
    MempoolTransactions,
    MempoolBytes,
    BlocksConnected,
    BlocksMined,
    Reorganisations,
    BlocksDisconnected,
    ReorganisationDepthMax,
    Evidence,
    StoreBytes,
    StoreFreeBytes,
    StoreLow,
    ScrubFaults,
    HttpRequests,
    HttpSeconds,
    RpcCalls,
    RpcSeconds,
    Submissions,
    RateLimited,
    ResidentMemory,
}

impl Family {
    /// Every one, in the order of the table in `docs/metrics.md`.
    #[cfg(test)]
    pub(super) const ALL: [Self; 29] = [
        Self::BuildInfo,
        Self::Height,
        Self::HeadersHeight,
        Self::Work,
        Self::TipAge,
        Self::Syncing,
        Self::UpgradeNeeded,
        Self::Peers,
        Self::BodiesMissing,
        Self::Rivals,
        Self::MempoolTransactions,
        Self::MempoolBytes,
        Self::BlocksConnected,
        Self::BlocksMined,
        Self::Reorganisations,
        Self::BlocksDisconnected,
        Self::ReorganisationDepthMax,
        Self::Evidence,
        Self::StoreBytes,
        Self::StoreFreeBytes,
        Self::StoreLow,
        Self::ScrubFaults,
        Self::HttpRequests,
        Self::HttpSeconds,
        Self::RpcCalls,
        Self::RpcSeconds,
        Self::Submissions,
        Self::RateLimited,
        Self::ResidentMemory,
    ];

    const fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::BuildInfo => {
                ("dronechain_build_info", "gauge", "1; the label version says which program it is")
            }
            Self::Height => ("dronechain_height", "gauge", "height of the tip"),
            Self::HeadersHeight => (
                "dronechain_headers_height",
                "gauge",
                "height of the heaviest headers known; above the tip's while syncing",
            ),
            Self::Work => ("dronechain_work", "gauge", "work of the active chain, in hashes"),
            Self::TipAge => {
                ("dronechain_tip_age_seconds", "gauge", "own clock minus the tip's time; 0 if that is ahead")
            }
            Self::Syncing => ("dronechain_syncing", "gauge", "1 while a heavier chain is known than the own"),
            Self::UpgradeNeeded => (
                "dronechain_upgrade_needed",
                "gauge",
                "1 once a rule is activated that this version does not know",
            ),
            Self::Peers => ("dronechain_peers", "gauge", "connected peers"),
            Self::BodiesMissing => {
                ("dronechain_bodies_missing", "gauge", "included anchors whose batch body is not here")
            }
            Self::Rivals => {
                ("dronechain_rivals", "gauge", "chains that leave this one below the finality depth")
            }
            Self::MempoolTransactions => {
                ("dronechain_mempool_transactions", "gauge", "transactions that wait for a block")
            }
            Self::MempoolBytes => {
                ("dronechain_mempool_bytes", "gauge", "their encoded bytes, without batch bodies")
            }
            Self::BlocksConnected => {
                ("dronechain_blocks_connected_total", "counter", "blocks that joined the active chain")
            }
            Self::BlocksMined => {
                ("dronechain_blocks_mined_total", "counter", "blocks that this node's miner found")
            }
            Self::Reorganisations => {
                ("dronechain_reorganisations_total", "counter", "times that blocks left the active chain")
            }
            Self::BlocksDisconnected => {
                ("dronechain_blocks_disconnected_total", "counter", "blocks that left the active chain")
            }
            Self::ReorganisationDepthMax => (
                "dronechain_reorganisation_depth_max",
                "gauge",
                "the most blocks that left at once since the start",
            ),
            Self::Evidence => {
                ("dronechain_evidence", "gauge", "pieces of evidence of misbehaviour that are kept")
            }
            Self::StoreBytes => ("dronechain_store_bytes", "gauge", "size of the ledger's files"),
            Self::StoreFreeBytes => {
                ("dronechain_store_free_bytes", "gauge", "free space where the ledger is")
            }
            Self::StoreLow => {
                ("dronechain_store_low", "gauge", "1 while there is too little room to take anything in")
            }
            Self::ScrubFaults => (
                "dronechain_scrub_faults_total",
                "counter",
                "damaged rows that the scrub found since the start",
            ),
            Self::HttpRequests => (
                "dronechain_http_requests_total",
                "counter",
                "requests by call (the path as in rpc.md) and class of status",
            ),
            Self::HttpSeconds => (
                "dronechain_http_request_seconds",
                "histogram",
                "from a request's head to its answer's, by call; waits asked for are in it",
            ),
            Self::RpcCalls => (
                "dronechain_rpc_calls_total",
                "counter",
                "JSON-RPC calls by method and class of status, each call of a batch by itself",
            ),
            Self::RpcSeconds => (
                "dronechain_rpc_call_seconds",
                "histogram",
                "from a JSON-RPC call's begin to its answer, by method; waits asked for are in it",
            ),
            Self::Submissions => {
                ("dronechain_submissions_total", "counter", "submitted transactions by outcome")
            }
            Self::RateLimited => (
                "dronechain_rate_limited_total",
                "counter",
                "requests and submissions refused because an identity asked too often",
            ),
            Self::ResidentMemory => {
                ("dronechain_process_resident_memory_bytes", "gauge", "resident memory of the process")
            }
        }
    }

    pub(super) const fn name(self) -> &'static str {
        self.parts().0
    }

    pub(super) const fn kind(self) -> &'static str {
        self.parts().1
    }

    pub(super) const fn help(self) -> &'static str {
        self.parts().2
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn document_lists_every_figure_as_the_code_has_it() {
        let document = include_str!("../../../docs/metrics.md");
        let (table, _) = document.split_once("\n## ").expect("a section behind it");
        let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `dronechain_")).collect();
        let row = |family: Family| format!("| `{}` | {} | {} |", family.name(), family.kind(), family.help());
        assert_eq!(rows, Family::ALL.map(row));
    }

    #[test]
    fn dashboard_asks_for_figures_that_exist() {
        let text = include_str!("../../../docs/grafana.json");
        let dashboard: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let known: BTreeSet<_> = Family::ALL.map(Family::name).into();
        let mut asked = 0;
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let expression = target["expr"].as_str().expect("an expression");
                for name in expression.split(|c| !is_part(c)).filter(|name| name.starts_with("dronechain_")) {
                    let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                    assert!(known.contains(name) || base.is_some_and(|base| known.contains(base)), "{name}");
                    asked += 1;
                }
            }
        }
        assert!(asked >= known.len() / 2, "{asked} figures on the dashboard");
    }
}
