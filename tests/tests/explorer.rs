//! The explorer of real nodes: every page without a script, and in a headless Chromium.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};
use dronechain_tests::anchored::fetch;
use dronechain_tests::browser::Browser;
use dronechain_tests::cluster::Cluster;
use dronechain_tests::explored::{Explored, explored, record, submit};
use dronechain_tests::hostile::Forge;
use dronechain_tests::http;
use dronechain_tests::long::{Long, leaf};
use dronechain_tests::plain::{Plain, followed, links, plain};
use dronechain_tests::process::run;
use dronechain_tests::wait::until;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Set to a folder, pictures of pages are written there.
const PICTURES: &str = "DRONECHAIN_PICTURES";
/// Width of a small phone.
const PHONE: u32 = 360;
/// The key, as WebDriver writes it.
const ENTER: char = '\u{e007}';

/// POSTs a receipt as the form does.
async fn checked(base: &str, receipt: &str, record: &str) -> Plain {
    let form = [("receipt", receipt), ("record", record)];
    let body = form.map(|(name, value)| format!("{name}={}", escaped(value))).join("&");
    let request = http::client().post(format!("{base}/receipt"));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    Plain { status, location: None, policy: None, text: answer.text().await.expect("text") }
}

/// Sends the parts of the form as a browser without a script does, by curl; the status, and the page.
fn uploaded(base: &str, parts: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}"]);
    command.args(parts.iter().flat_map(|part| ["-F", part])).arg(format!("{base}/receipt"));
    let output = run(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let (page, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().expect("a number"), page.to_owned())
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Every page of the network by a name.
fn pages(network: &Explored) -> BTreeMap<&'static str, String> {
    let Explored { controller, operator, device, revoked, txid, root, leaves, .. } = network;
    let node = PublicKey::of(&network.cluster.keys[0]);
    BTreeMap::from([
        ("overview", "/".to_owned()),
        ("blocks", "/blocks".to_owned()),
        ("block", "/block/1".to_owned()),
        ("genesis", "/block/0".to_owned()),
        ("transactions", "/transactions".to_owned()),
        ("enrolments", "/transactions?kind=enrol".to_owned()),
        ("transaction", format!("/tx/{txid}")),
        ("batch", format!("/batch/{root}")),
        ("receipt", format!("/receipt/{}", leaves[2])),
        ("no receipt", format!("/receipt/{}", Hash256([1; 32]))),
        ("check", "/receipt".to_owned()),
        ("nodes", "/accounts".to_owned()),
        ("accounts", "/accounts?roll=accounts".to_owned()),
        ("admins", "/key/admins".to_owned()),
        ("node", format!("/key/{node}")),
        ("controller", format!("/key/{controller}")),
        ("operator", format!("/key/{operator}")),
        ("device", format!("/key/{device}")),
        ("revoked", format!("/key/{revoked}")),
        ("mempool", "/mempool".to_owned()),
        ("peers", "/peers".to_owned()),
        ("forks", "/forks".to_owned()),
        ("evidence", "/evidence".to_owned()),
        ("nothing", "/search?q=nothing".to_owned()),
        ("nowhere", "/nowhere".to_owned()),
        ("refused", "/blocks?before=x".to_owned()),
    ])
}

/// Pages that are not answered with 200.
fn status_of(name: &str) -> u16 {
    match name {
        "no receipt" | "nowhere" => 404,
        "refused" => 400,
        _ => 200,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_whole_without_a_script_and_every_link_leads_somewhere() {
    let network = explored().await;
    let base = network.cluster.url(0);
    let mut open: Vec<String> = Vec::new();
    for (name, path) in pages(&network) {
        let page = plain(&format!("{base}{path}")).await;
        assert_eq!(page.status, status_of(name), "{path}: {}", page.text);
        let policy = page.policy.unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(page.text.contains("<h1>") && page.text.contains("role=\"search\""), "{path}");
        assert!(!page.text.contains("=\"http"), "{path} names another origin: {}", page.text);
        open.extend(links(&page.text));
    }
    let seen = followed(base, open).await;
    assert!(seen.len() > 30, "{seen:?}");
    let device = plain(&format!("{base}/key/{}", network.device)).await.text;
    assert!(
        device.contains("north &lt;field&gt; &amp; &quot;pier&quot;"),
        "what senders write is escaped: {device}"
    );
    let overview = plain(&format!("{base}/")).await.text;
    assert!(overview.contains("<dt>Records anchored</dt><dd>7</dd>"), "{overview}");
    let peer = PublicKey::of(&network.cluster.keys[1]);
    assert!(
        plain(&format!("{base}/peers")).await.text.contains(&format!("/key/{peer}")),
        "peers are told by key"
    );
    until("a peer's tip, which is a block here too", async || {
        let peers = network.cluster.get(0, "/v1/peers").await?;
        let hash = peers["peers"][0]["tip"]["hash"].as_str()?.to_owned();
        network.cluster.get(0, &format!("/v1/header/{hash}")).await
    })
    .await;
    // Programs are refused as before.
    let refusal = http::client().get(format!("{base}/nowhere")).send().await.expect("an answer");
    assert_eq!(refusal.json::<Value>().await.expect("JSON")["error"]["name"], "no-route");
}

#[tokio::test(flavor = "multi_thread")]
async fn search_leads_straight_to_what_has_the_name() {
    let network = explored().await;
    let base = network.cluster.url(0);
    let Explored { controller, operator, device, txid, root, leaves, .. } = &network;
    let node = PublicKey::of(&network.cluster.keys[0]);
    let block = network.cluster.get(0, "/v1/header/1").await.expect("a header")["hash"].clone();
    let block = block.as_str().expect("a hash");
    for (name, path) in [
        ("1".to_owned(), format!("/block/{block}")),
        (block.to_owned(), format!("/block/{block}")),
        (txid.to_string(), format!("/tx/{txid}")),
        (leaves[0].to_string(), format!("/receipt/{}", leaves[0])),
        (root.to_string(), format!("/batch/{root}")),
        (controller.to_string(), format!("/key/{controller}")),
        (operator.to_string(), format!("/key/{operator}")),
        (device.to_string(), format!("/key/{device}")),
        (node.to_string().to_uppercase(), format!("/key/{node}")),
    ] {
        let found = plain(&format!("{base}/search?q={name}")).await;
        assert_eq!((found.status, found.location.as_deref()), (303, Some(path.as_str())), "{name}");
    }
    for nothing in ["999999999", "abc", &Hash256([7; 32]).to_string()] {
        let page = plain(&format!("{base}/search?q={nothing}")).await;
        assert!(page.status == 200 && page.text.contains("Nothing of this name is here"), "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_receipt_is_refused_with_the_step_that_fails() {
    let network = explored().await;
    let base = network.cluster.url(0);
    let url = format!("{base}/v1/receipts/{}", network.leaves[2]);
    let receipt: Value = http::client().get(url).send().await.expect("an answer").json().await.expect("JSON");
    let good = checked(base, &receipt.to_string(), &network.leaves[2].to_string()).await;
    assert_eq!(good.status, 200);
    assert!(!good.text.contains("does not hold"), "{}", good.text);
    let zeros = json!("0".repeat(64));
    let other = json!(network.leaves[3]);
    let anchor = "/anchors/0/dronechain/anchor";
    for (place, value, stage) in [
        ("/proof/0".to_owned(), json!({ "left": zeros }), "Batch"),
        ("/targetHash".to_owned(), other.clone(), "Batch"),
        ("/merkleRoot".to_owned(), other.clone(), "Batch"),
        ("/anchors/0/sourceId".to_owned(), other.clone(), "Anchor transaction"),
        (format!("{anchor}/height"), json!(1), "Block"),
        (format!("{anchor}/blockPath"), json!([{ "left": zeros }]), "Block's tree"),
        (format!("{anchor}/authority/sender/entry/admitted"), json!(0), "Who was entitled"),
    ] {
        let mut bad = receipt.clone();
        *bad.pointer_mut(&place).unwrap_or_else(|| panic!("{place}")) = value;
        let page = checked(base, &bad.to_string(), "").await;
        assert!(page.text.contains("This receipt does not hold"), "{place}");
        let failing = format!("<h3>{} <span class=\"mark bad\">", stage.replace('\'', "&#39;"));
        let failing = [failing.clone(), failing.replace("&#39;", "'")];
        assert!(failing.iter().any(|failing| page.text.contains(failing)), "{place}: {}", page.text);
    }
    // Chainpoint v4 has no room for who was entitled.
    let file = network.cluster.path("record");
    std::fs::write(&file, record(2)).expect("a file");
    let v4 = std::fs::read_to_string(fetch(&network.cluster, &file, "v4")).expect("a proof");
    let page = checked(base, &v4, &network.leaves[2].to_string()).await;
    assert!(page.text.contains("This proof holds, authority unchecked"), "{}", page.text);
    let page = checked(base, &receipt.to_string(), &network.leaves[3].to_string()).await;
    assert!(page.text.contains("Record altered"), "{}", page.text);
    let page = checked(base, "<script>alert(1)</script>", "").await;
    assert!(page.text.contains("Malformed receipt") && !page.text.contains("<script>alert"), "{}", page.text);
    let page = checked(base, "{}", "xyz").await;
    assert_eq!(page.status, 400);
    let page = checked(base, &"x".repeat(600_000), "").await;
    assert_eq!(page.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_is_checked_from_its_file_in_every_format() {
    let network = explored().await;
    let base = network.cluster.url(0);
    let record_file = network.cluster.path("record");
    std::fs::write(&record_file, record(2)).expect("a file");
    let hash = format!("record={}", network.leaves[2]);
    for (format, verdict) in [
        ("v2", "This receipt holds"),
        ("v4", "This proof holds, authority unchecked"),
        ("v4-binary", "This proof holds, authority unchecked"),
    ] {
        let file = fetch(&network.cluster, &record_file, format);
        let part = format!("file=@{}", file.display());
        let (status, page) = uploaded(base, &["receipt=", &part, &hash]);
        assert!(status == 200 && page.contains(verdict), "{format}: {status}: {page}");
        let other = format!("record={}", network.leaves[3]);
        let (_, page) = uploaded(base, &[&part, &other]);
        assert!(page.contains("does not hold") && page.contains("Record altered"), "{format}: {page}");
        let (status, page) = uploaded(base, &["receipt={}", &part]);
        assert!(status == 400 && page.contains("There are two receipts"), "{format}: {status}: {page}");
    }
    // Browsers send an empty part for a file that was not chosen.
    let (status, page) = uploaded(base, &["receipt= ", "file=;filename=\"\"", "record="]);
    assert!(status == 400 && page.contains("There is no receipt"), "{status}: {page}");
    let large = network.cluster.path("large");
    std::fs::write(&large, vec![b'x'; 395_000]).expect("a file");
    let (status, _) = uploaded(base, &[&format!("file=@{}", large.display())]);
    assert_eq!(status, 413);
    let request = http::client().post(format!("{base}/receipt"));
    for kind in ["multipart/form-data", "multipart/form-data; boundary=x", "Multipart/Form-Data; boundary="] {
        let request = request.try_clone().expect("no body yet").header("content-type", kind).body("--y\r\n");
        assert_eq!(request.send().await.expect("an answer").status(), 400, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_give_a_receipt_as_a_file_in_every_format_and_those_of_a_batch_as_lists() {
    let network = explored().await;
    let base = network.cluster.url(0);
    let files = async |page: &str| {
        let page = plain(&format!("{base}{page}")).await;
        let files = links(&page.text).into_iter().filter(|link| link.contains("/receipts"));
        files.filter(|link| link.starts_with("/v1/")).collect::<Vec<_>>()
    };
    let get = async |path: &str| http::client().get(format!("{base}{path}")).send().await.expect("an answer");
    let file = network.cluster.path("receipt");
    let verdict = |bytes: &[u8], leaf: &Hash256| {
        std::fs::write(&file, bytes).expect("a file");
        let (part, hash) = (format!("file=@{}", file.display()), format!("record={leaf}"));
        let (status, page) = uploaded(base, &[&part, &hash]);
        assert_eq!(status, 200, "{page}");
        page.contains("This receipt holds") || page.contains("This proof holds, authority unchecked")
    };
    let leaf = network.leaves[2];
    let of_record = files(&format!("/receipt/{leaf}")).await;
    assert_eq!(of_record.len(), 3, "{of_record:?}");
    for path in of_record {
        let bytes = get(&path).await.bytes().await.expect("bytes");
        assert!(verdict(&bytes, &leaf) && !verdict(&bytes, &network.leaves[3]), "{path}");
    }
    // From another leaf on the lists are those of the leaves shown.
    let of_batch = files(&format!("/batch/{}?from=2", network.root)).await;
    assert_eq!(of_batch.len(), 2, "{of_batch:?}");
    for path in of_batch {
        let page: Value = get(&path).await.json().await.expect("JSON");
        let all = page.get("receipts").or_else(|| page.get("proofs")).and_then(Value::as_array);
        let all = all.unwrap_or_else(|| panic!("no receipts in {page}"));
        assert_eq!(all.len(), network.leaves.len() - 2, "{path}");
        for (receipt, leaf) in all.iter().zip(&network.leaves[2..]) {
            assert!(verdict(receipt.to_string().as_bytes(), leaf), "{path}");
        }
    }
    let behind = files(&format!("/batch/{}?from={}", network.root, network.leaves.len())).await;
    assert!(behind.is_empty(), "{behind:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_of_a_sender_that_was_revoked_from_before_is_told_as_suspect() {
    let network = explored().await;
    let page = format!("{}/receipt/{}", network.cluster.url(0), network.leaves[0]);
    assert!(!plain(&page).await.text.contains("sender is suspect"));
    let action = Action::Revoke { key: network.controller, suspect_since: 1 };
    let body = TransactionBody { sender: Sender::Admins, sequence: 2, action };
    let revocation = body.signed(&[&network.cluster.admin], &network.cluster.chain_id());
    submit(&network.cluster, revocation, None).await;
    let told = until("the revocation", async || {
        let page = plain(&page).await.text;
        page.contains("its sender is suspect").then_some(page)
    })
    .await;
    assert!(told.contains("from before this anchor on what it signed is in doubt"), "{told}");
}

/// A node without peers on a chain that has only its genesis block.
async fn alone() -> Cluster {
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &["--mining-share", "0"]).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_chain_and_no_peers_are_told_in_words() {
    let cluster = alone().await;
    let base = cluster.url(0);
    for (path, words) in [
        ("/", "only its genesis block"),
        ("/", "Two mined blocks are needed"),
        ("/block/0", "this is the first block"),
        ("/peers", "No peer is connected"),
        ("/mempool", "No transaction waits"),
        ("/mempool", "every anchored batch are here"),
        ("/evidence", "no evidence"),
        ("/forks", "There is no other branch"),
        ("/transactions", "no transaction of this kind"),
        ("/accounts?roll=accounts", "Nobody is registered"),
    ] {
        let page = plain(&format!("{base}{path}")).await;
        assert!(page.status == 200 && page.text.contains(words), "{path}: {}", page.text);
    }
    let Some(browser) = Browser::start().await else { return };
    for path in ["/", "/peers", "/mempool", "/evidence", "/forks"] {
        sound(&browser, &format!("{base}{path}"), base, None).await;
    }
}

/// The source of axe-core, installed now if need be; none if that cannot be done here.
fn axe() -> Option<String> {
    let mut shell = Command::new("bash");
    shell.args(["-c", ". scripts/lib.sh && browser_tools"]).current_dir(ROOT);
    let output = run(&mut shell);
    if !output.status.success() {
        println!("skipped: no axe-core: {}", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    let folder = String::from_utf8(output.stdout).expect("a path");
    let file = Path::new(folder.trim()).join("node_modules/axe-core/axe.min.js");
    Some(std::fs::read_to_string(file).expect("axe-core"))
}

/// Opens a page and asserts that it is sound.
async fn sound(browser: &Browser, url: &str, base: &str, axe: Option<&str>) {
    browser.open(url).await;
    let requests = is_sound(browser, url, base, axe).await;
    assert!(requests > 0, "the log of requests is read");
}

/// Asserts that the page at hand complains of nothing, loads nothing from elsewhere, fits its screen, and that axe finds
/// no serious fault. Gives how much was asked for since the last time.
async fn is_sound(browser: &Browser, url: &str, base: &str, axe: Option<&str>) -> usize {
    let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
    let over = browser.run(overflow, &[]).await.as_i64().expect("a number");
    let widest = "return [...document.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > window.innerWidth)
        .map((one) => one.outerHTML.slice(0, 200))";
    assert!(over <= 0, "{url} is {over} px too wide: {:#?}", browser.run(widest, &[]).await);
    if let Some(axe) = axe {
        let found = browser.run(&format!("{axe}; return axe.run()"), &[]).await;
        let is_serious = |fault: &&Value| matches!(fault["impact"].as_str(), Some("serious" | "critical"));
        let faults: Vec<_> =
            found["violations"].as_array().expect("a list").iter().filter(is_serious).collect();
        assert!(faults.is_empty(), "{url}: {faults:#?}");
    }
    let heard = browser.heard().await;
    // A page that is not there is one: the browser says so itself.
    let expected = |text: &&String| !text.contains("the server responded with a status of 4");
    let complaints: Vec<_> = heard.complaints.iter().filter(expected).collect();
    assert!(complaints.is_empty(), "{url}: {complaints:?}");
    // The browser's own first page is of no scheme that leaves the machine.
    let is_foreign = |request: &&String| request.starts_with("http") && !request.starts_with(base);
    let foreign: Vec<_> = heard.requests.iter().filter(is_foreign).collect();
    assert!(foreign.is_empty(), "{url} asked for {foreign:?}");
    heard.requests.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_accessible_in_light_and_dark_and_on_a_phone() {
    let Some(browser) = Browser::start().await else { return };
    let axe = axe();
    let network = explored().await;
    let base = network.cluster.url(0);
    for (scheme, width) in [("light", 1_200), ("dark", 1_200), ("light", PHONE)] {
        browser.prefer(scheme, width).await;
        for path in pages(&network).values() {
            sound(&browser, &format!("{base}{path}"), base, axe.as_deref()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overview_follows_the_tip_without_being_loaded_again() {
    let Some(browser) = Browser::start().await else { return };
    let network = explored().await;
    let cluster = &network.cluster;
    browser.open(&format!("{}/", cluster.url(0))).await;
    browser.shows("#live", "Live").await;
    browser.run("window.marker = 'still here'", &[]).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    let shown = async || {
        let text = browser.text("#newest tbody th").await?;
        text.replace(',', "").parse::<u64>().ok()
    };
    until("two more blocks on the page", async || shown().await.filter(|found| *found >= height + 2)).await;
    assert_eq!(browser.run("return window.marker", &[]).await, "still here");
    // Paused, it stays as it is until it goes on.
    browser.find("#live button").await.expect("a button").click().await;
    let paused = shown().await.expect("a height");
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 3).await;
    assert_eq!(shown().await.expect("a height"), paused);
    browser.find("#live button").await.expect("a button").click().await;
    until("the page goes on", async || shown().await.filter(|found| *found >= height + 3)).await;
    browser.find("#q").await.expect("a search box").send(&format!("{}{ENTER}", network.device)).await;
    let device = format!("{}/key/{}", cluster.url(0), network.device);
    until("the device's page", async || (browser.address().await == device).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_recomputes_a_receipt_and_finds_what_is_wrong_with_another() {
    let Some(browser) = Browser::start().await else { return };
    let network = explored().await;
    let base = network.cluster.url(0);
    // By its file: hashed in the browser, then looked for.
    let file: PathBuf = network.cluster.path("record");
    std::fs::write(&file, record(2)).expect("a file");
    assert_eq!(sha256(&[&record(2)]), network.leaves[2]);
    browser.open(&format!("{base}/")).await;
    browser.find("[data-file=search] input").await.expect("a way to choose a file").choose(&file).await;
    let receipt = format!("{base}/receipt/{}", network.leaves[2]);
    until("the receipt's page", async || (browser.address().await == receipt).then_some(())).await;
    browser.shows("#verdict", "This receipt holds").await;
    // The same by dropping it anywhere on a page.
    browser.open(&format!("{base}/peers")).await;
    let drop = "const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(100).fill(2)], 'record'));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));";
    browser.run(drop, &[]).await;
    until("the receipt's page", async || (browser.address().await == receipt).then_some(())).await;
    browser.shows("#verdict", "This receipt holds").await;
    let told = browser.shows("#recomputed", "This browser recomputed all").await;
    let count = "return document.querySelectorAll('.browser.good').length";
    let steps = browser.run(count, &[]).await.as_u64().expect("a number");
    assert!(steps >= 8 && told.contains(&format!("all {steps} steps")), "{told}");
    // One neighbour is another.
    let json = browser.text("#receipt-json").await.expect("the receipt");
    let mut bad: Value = serde_json::from_str(&json).expect("JSON");
    bad["proof"][1] = json!({ "left": "0".repeat(64) });
    browser.open(&format!("{base}/receipt")).await;
    let fill = "document.getElementById('receipt').value = arguments[0]";
    browser.run(fill, &[json!(bad.to_string())]).await;
    browser.find("form.check button[type=submit]").await.expect("a button").click().await;
    browser.shows("#verdict", "This receipt does not hold").await;
    browser.shows("li.stage.bad h3", "Batch").await;
    browser.shows("#recomputed", "finds the fault too").await;
    // By its file: chosen, and dropped on the form.
    let saved = network.cluster.path("saved");
    std::fs::write(&saved, bad.to_string()).expect("a file");
    browser.open(&format!("{base}/receipt")).await;
    browser.find("#file").await.expect("a way to choose a file").choose(&saved).await;
    browser.find("form.check button[type=submit]").await.expect("a button").click().await;
    browser.shows("#verdict", "This receipt does not hold").await;
    browser.open(&format!("{base}/receipt")).await;
    let drop = "const data = new DataTransfer();
        data.items.add(new File([arguments[0]], 'saved'));
        const drop = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
        document.getElementById('receipt').dispatchEvent(drop);";
    browser.run(drop, &[json!(bad.to_string())]).await;
    browser.shows("#notice", "saved is the receipt to be checked").await;
    browser.find("form.check button[type=submit]").await.expect("a button").click().await;
    browser.shows("#verdict", "This receipt does not hold").await;
    browser.shows("#recomputed", "finds the fault too").await;
    let axe = axe();
    for (scheme, width) in [("light", 1_200), ("dark", PHONE)] {
        browser.prefer(scheme, width).await;
        is_sound(&browser, &format!("a bad receipt at {width} px"), base, axe.as_deref()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_thousand_blocks_are_searched_and_paged_to_the_first() {
    const BLOCKS: u64 = 100_000;
    let mut long = Long::new(BLOCKS, BLOCKS);
    long.cluster.start(0, &["--mining-share", "0"]).await;
    let base = long.cluster.url(0).to_owned();
    let block = |height: u64| format!("/v1/header/{height}");
    let hash = |header: &Value| header["hash"].as_str().expect("a hash").to_owned();
    let middle = hash(&long.cluster.get(0, &block(BLOCKS / 2)).await.expect("a header"));
    let leaf = leaf(BLOCKS / 2, 0);
    let receipt = format!("{base}/receipt/{leaf}");
    assert!(plain(&receipt).await.text.contains("This receipt holds"));
    let last = plain(&format!("{base}/blocks?before=3")).await.text;
    assert!(
        last.contains("/block/2\"")
            || last.contains(&hash(&long.cluster.get(0, &block(2)).await.expect("a header")))
    );
    // Counted beside the pages, to the last record.
    until("the number of records", async || {
        let page = plain(&format!("{base}/")).await.text;
        page.contains("<dt>Records anchored</dt><dd>199,996</dd>").then_some(())
    })
    .await;
    let Some(browser) = Browser::start().await else { return };
    let axe = axe();
    browser.open(&format!("{base}/")).await;
    browser.find("#q").await.expect("a search box").send(&format!("{}{ENTER}", BLOCKS / 2)).await;
    let page = format!("{base}/block/{middle}");
    until("the block's page", async || (browser.address().await == page).then_some(())).await;
    is_sound(&browser, "a block in the middle", &base, axe.as_deref()).await;
    browser.find("#q").await.expect("a search box").send(&format!("{leaf}{ENTER}")).await;
    until("the receipt's page", async || (browser.address().await == receipt).then_some(())).await;
    browser.shows("#verdict", "This receipt holds").await;
    browser.shows("#recomputed", "This browser recomputed all").await;
    for path in ["/blocks", "/blocks?before=50000", "/blocks?before=3", "/transactions", "/accounts"] {
        sound(&browser, &format!("{base}{path}"), &base, axe.as_deref()).await;
    }
}

/// Of some key as an operator, the admins' first transaction.
fn admission(cluster: &Cluster) -> Transaction {
    let action =
        Action::Admit { role: Role::Operator, key: PublicKey::of(&SigningKey::from_bytes(&[50; 32])) };
    let body = TransactionBody { sender: Sender::Admins, sequence: 0, action };
    body.signed(&[&cluster.admin], &cluster.chain_id())
}

/// A chain of `count` empty blocks on top of `forge`.
fn extended(mut forge: Forge, cluster: &Cluster, first: usize, count: usize) -> Forge {
    for at in 0..count {
        forge.block(&cluster.keys[(first + at) % cluster.keys.len()], vec![], vec![]);
    }
    forge
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganisation_is_told_to_who_looks_at_a_block_that_leaves() {
    let Some(browser) = Browser::start().await else { return };
    let easiest = Bits(0x2100_ffff);
    let mut cluster = Cluster::new(3, |spec| {
        spec.parameters.limit_bits = easiest;
        spec.parameters.initial_bits = easiest;
        spec.genesis_time_ms -= 600_000;
    });
    cluster.start(0, &["--mining-share", "0"]).await;
    let common = extended(Forge::new(&cluster.spec), &cluster, 0, 3);
    // One miner makes both branches' first blocks, which is misbehaviour.
    let left = extended(common.clone(), &cluster, 0, 2);
    let mut heavier = common;
    heavier.block(&cluster.keys[0], vec![admission(&cluster)], vec![]);
    let heavier = extended(heavier, &cluster, 1, 3);
    let (leaves, wins) = (left.tip(), heavier.tip());
    let victim = PublicKey::of(&cluster.keys[0]);
    let peer = left.serve(&cluster.keys[1], cluster.p2p(0), victim).await;
    let at = async |tip: Hash256| cluster.tip(0).await.filter(|(_, hash)| *hash == tip.to_string());
    until("the first branch", async || at(leaves).await).await;
    peer.stop().await;
    browser.open(&format!("{}/block/{leaves}", cluster.url(0))).await;
    browser.shows("#standing", "on the active chain").await;
    browser.shows("#live", "Live").await;
    let peer = heavier.serve(&cluster.keys[1], cluster.p2p(0), victim).await;
    until("the heavier branch", async || at(wins).await).await;
    browser.shows("#notice", "The chain was reorganised: 2 blocks above block 3").await;
    browser.shows("#standing", "left the active chain").await;
    browser.open(&format!("{}/forks", cluster.url(0))).await;
    browser.shows("#branches", "was active").await;
    until("the evidence", async || cluster.get(0, "/v1/evidence").await.filter(|list| *list != json!([])))
        .await;
    let base = cluster.url(0);
    sound(&browser, &format!("{base}/evidence"), base, axe().as_deref()).await;
    browser.shows("article.evidence", "Two blocks on one parent").await;
    browser.shows("article.evidence", &victim.to_string()).await;
    peer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_the_pages_are_taken_when_asked_for() {
    let Some(folder) = std::env::var_os(PICTURES).map(PathBuf::from) else {
        println!("skipped: {PICTURES} names no folder");
        return;
    };
    let Some(browser) = Browser::start().await else { return };
    let network = explored().await;
    let base = network.cluster.url(0);
    network.cluster.reaches(0, 70).await;
    let receipt = format!("/receipt/{}", network.leaves[2]);
    let place = network.cluster.get(0, &format!("/v1/transactions/{}", network.txid)).await.expect("a place");
    let block = format!("/block/{}", place["height"]);
    for (name, path, scheme, width, height) in [
        ("overview-light", "/", "light", 1_000, 900),
        ("overview-dark", "/", "dark", 1_000, 900),
        ("block", block.as_str(), "light", 1_000, 850),
        ("receipt-good", receipt.as_str(), "light", 1_000, 1_050),
        ("phone", receipt.as_str(), "dark", PHONE, 900),
    ] {
        browser.prefer(scheme, width).await;
        browser.open(&format!("{base}{path}")).await;
        browser.shows("#live", "Live").await;
        browser.picture(width, height, &folder.join(format!("explorer-{name}.png"))).await;
    }
    browser.prefer("light", 1_000).await;
    let mut bad: Value =
        serde_json::from_str(&browser.text("#receipt-json").await.expect("the receipt")).expect("JSON");
    bad["proof"][1] = json!({ "left": "0".repeat(64) });
    browser.open(&format!("{base}/receipt")).await;
    browser.run("document.getElementById('receipt').value = arguments[0]", &[json!(bad.to_string())]).await;
    browser.find("form.check button[type=submit]").await.expect("a button").click().await;
    browser.shows("#recomputed", "finds the fault too").await;
    browser.picture(1_000, 750, &folder.join("explorer-receipt-bad.png")).await;
}
