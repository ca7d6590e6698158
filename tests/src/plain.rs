//! Pages as a browser without a script has them.

use std::collections::BTreeSet;

use reqwest::redirect::Policy;

use crate::http;

/// Links that are followed at most: pages of blocks lead ever further.
const LINKS_MAX: usize = 400;

/// An answer to a plain HTTP request.
pub struct Plain {
    /// Of HTTP.
    pub status: u16,
    /// Where it leads.
    pub location: Option<String>,
    /// What the browser is to enforce.
    pub policy: Option<String>,
    /// The page.
    pub text: String,
}

/// GETs without a script, and without following redirects.
pub async fn plain(url: &str) -> Plain {
    let client = http::builder().redirect(Policy::none()).build().expect("a client");
    let answer = client.get(url).header("accept", "text/html").send().await.expect("an answer");
    let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
    let (status, location) = (answer.status().as_u16(), header("location"));
    let policy = header("content-security-policy");
    Plain { status, location, policy, text: answer.text().await.expect("text") }
}

/// Addresses that a page links to, of this node.
pub fn links(page: &str) -> BTreeSet<String> {
    let values = page.split(" href=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    let values = values.map(|(value, _)| value.replace("&amp;", "&"));
    values
        .filter(|value| value.starts_with('/'))
        .map(|value| value.split('#').next().expect("some").to_owned())
        .collect()
}

/// Follows the links from there on, all of which must lead somewhere; those that were.
pub async fn followed(base: &str, mut open: Vec<String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop().filter(|_| seen.len() < LINKS_MAX) {
        if seen.insert(path.clone()) {
            let page = plain(&format!("{base}{path}")).await;
            assert_eq!(page.status, 200, "{path}");
            open.extend(links(&page.text));
        }
    }
    seen
}
