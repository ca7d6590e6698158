//! Style, scripts and icon: in the binary, under a path that changes with them, so that browsers may keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use dronechain_chain_spec::hash::sha256;

struct Asset {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 7] = [
    Asset {
        name: "explorer.css",
        media: "text/css; charset=utf-8",
        text: include_str!("assets/explorer.css"),
    },
    Asset { name: "explorer.js", media: SCRIPT, text: include_str!("assets/explorer.js") },
    Asset { name: "live.js", media: SCRIPT, text: include_str!("assets/live.js") },
    Asset { name: "file.js", media: SCRIPT, text: include_str!("assets/file.js") },
    Asset { name: "receipt.js", media: SCRIPT, text: include_str!("assets/receipt.js") },
    Asset { name: "sha256.js", media: SCRIPT, text: include_str!("assets/sha256.js") },
    Asset { name: "icon.svg", media: "image/svg+xml", text: include_str!("assets/icon.svg") },
];

/// Of all assets together: scripts load each other by relative paths.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let texts: Vec<_> = ASSETS.iter().map(|asset| asset.text.as_bytes()).collect();
    let mut hash = sha256(&texts).to_string();
    hash.truncate(16);
    hash
});

/// Where an asset is.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// `GET /assets/{version}/{name}`
pub(super) async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let asset = ASSETS.iter().find(|asset| asset.name == name && version == *VERSION);
    let Some(asset) = asset else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, asset.media),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.text).into_response()
}
