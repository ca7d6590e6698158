//! A headless Chromium, driven through chromedriver as the W3C's WebDriver says: requests in JSON, no more.

use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;
use crate::process::Running;
use crate::wait::until;

/// How WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Nothing but the pages under test is to be loaded, by a browser that nobody used before.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A browser with one window; ends with its driver when dropped.
pub struct Browser {
    http: reqwest::Client,
    /// Of the session.
    url: String,
    _driver: Running,
    /// The driver's log and the browser's profile.
    _folder: TempDir,
}

/// An element of the page at hand.
pub struct Element<'a> {
    browser: &'a Browser,
    id: String,
}

impl Browser {
    /// A new browser; none, with a message, where Chromium or its driver is missing.
    pub async fn start() -> Option<Self> {
        for program in ["chromium", "chromedriver"] {
            let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            if !found.is_ok_and(|status| status.success()) {
                println!("skipped: there is no {program}; scripts/test installs it");
                return None;
            }
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("driver.log");
        let driver = Running::start(Command::new("chromedriver").arg("--port=0"), &log);
        let port = until("a driver that listens", async || {
            let log = driver.log();
            let (_, rest) = log.split_once("started successfully on port ")?;
            rest.split_once('.').and_then(|(port, _)| port.parse::<u16>().ok())
        })
        .await;
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let arguments: Vec<_> = ARGUMENTS.iter().copied().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let http = http::client();
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { http, url: base, _driver: driver, _folder: folder };
        let session = browser.ask(Method::POST, "", &wanted).await;
        browser.url = format!("{}/{}", browser.url, session["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        self.try_ask(method, path, body).await.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    async fn try_ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Value> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if method == Method::POST {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the driver answers");
        let is_done = answer.status().is_success();
        let value = answer.json::<Value>().await.expect("JSON")["value"].take();
        if is_done { Ok(value) } else { Err(value) }
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.ask(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// Where it is.
    pub async fn address(&self) -> String {
        self.ask(Method::GET, "/url", &Value::Null).await.as_str().expect("an address").to_owned()
    }

    /// What a script returns; a promise is waited for.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.ask(Method::POST, "/execute/sync", &json!({ "script": script, "args": arguments })).await
    }

    /// The first element that a CSS selector finds.
    pub async fn find(&self, selector: &str) -> Option<Element<'_>> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.try_ask(Method::POST, "/element", &wanted).await.ok()?;
        Some(Element { browser: self, id: found[ELEMENT].as_str()?.to_owned() })
    }

    /// The text of the first element that a CSS selector finds; none if there is none.
    pub async fn text(&self, selector: &str) -> Option<String> {
        let script = "return document.querySelector(arguments[0])?.textContent ?? null";
        self.run(script, &[json!(selector)]).await.as_str().map(str::to_owned)
    }

    /// Waits until an element's text contains `wanted`.
    pub async fn shows(&self, selector: &str, wanted: &str) -> String {
        let what = format!("{selector} with {wanted:?} at {}", self.address().await);
        until(&what, async || self.text(selector).await.filter(|text| text.contains(wanted))).await
    }

    /// Tells the browser what no page can: a command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask(Method::POST, "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// From the next page on as a reader has it who prefers `scheme`, `light` or `dark`, on a screen of that width.
    pub async fn prefer(&self, scheme: &str, width: u32) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// What was logged since this was asked last: what pages and the browser complain about, and the addresses of all
    /// requests.
    pub async fn heard(&self) -> Heard {
        let mut heard = Heard::default();
        let entries = async |kind: &str| {
            let log = self.ask(Method::POST, "/se/log", &json!({ "type": kind })).await;
            log.as_array().cloned().unwrap_or_default()
        };
        for entry in entries("browser").await {
            heard.complaints.push(format!("{} {}", entry["level"], entry["message"]));
        }
        for entry in entries("performance").await {
            let message: Value =
                serde_json::from_str(entry["message"].as_str().unwrap_or_default()).unwrap_or_default();
            let message = &message["message"];
            if message["method"] == "Network.requestWillBeSent" {
                let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
                heard.requests.push(url.to_owned());
            }
        }
        heard
    }

    /// Writes what is seen to a PNG file: the window's part, or the page down to `height`.
    pub async fn picture(&self, width: u32, height: u32, path: &Path) {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let wanted = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
        let taken = self.devtools("Page.captureScreenshot", wanted).await;
        let text = taken["data"].as_str().expect("a picture");
        std::fs::write(path, base64(text)).expect("a file");
    }
}

/// What a browser logged.
#[derive(Debug, Default)]
pub struct Heard {
    /// Messages in the console, each with its level.
    pub complaints: Vec<String>,
    /// Addresses that were asked for.
    pub requests: Vec<String>,
}

impl Element<'_> {
    /// Clicks it.
    pub async fn click(&self) {
        self.browser.ask(Method::POST, &format!("/element/{}/click", self.id), &json!({})).await;
    }

    /// Types into it; of a file input it is a path.
    pub async fn send(&self, text: &str) {
        let path = format!("/element/{}/value", self.id);
        self.browser.ask(Method::POST, &path, &json!({ "text": text })).await;
    }

    /// Chooses a file.
    pub async fn choose(&self, path: &Path) {
        self.send(path.to_str().expect("a plain path")).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, and not with its driver; the runtime may be gone by now.
        let mut end = Command::new("curl");
        end.args(["--silent", "--max-time", "10", "--request", "DELETE", &self.url]);
        let _ = end.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Bytes of RFC 4648's base64; what is no digit of it is left out.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0_u32);
    for digit in text.bytes().filter_map(|byte| DIGITS.iter().position(|known| *known == byte)) {
        held = held << 6 | u32::try_from(digit).expect("below 64");
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
