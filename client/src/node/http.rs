//! Requests over HTTP, with TLS or without, with time limits and bounded answers. The controller and the cloud
//! answer errors in the same form as nodes, so their clients use this too.

use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::roots::Roots;
use crate::error::ClientError;
use crate::limits::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, IDLE_TIMEOUT, JSON_BYTES_MAX, QUOTE_CHARS_MAX};

/// What an address looks like.
const WANTED: &str = "http://HOST:PORT or https://HOST:PORT is wanted";

/// A party by its address, with its connections.
#[derive(Debug, Clone)]
pub struct Http {
    url: String,
    client: Client,
}

#[derive(Deserialize)]
struct Envelope {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    rule: Option<String>,
    name: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    retry_after_s: Option<u32>,
}

impl Http {
    /// The party at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] unless it is an absolute `http://` or `https://` address; also if the system has no
    /// [`Roots`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Self::trusting(url, &Roots::system())
    }

    /// As [`Http::new`], with others that vouch for its certificate.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn trusting(url: &str, roots: &Roots) -> Result<Self, ClientError> {
        let bad = |reason: String| ClientError::BadUrl { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| bad(format!("{error}; {WANTED}")))?;
        if !matches!(parsed.scheme(), "http" | "https")
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            return Err(bad(WANTED.to_owned()));
        }
        let tls = roots.config(parsed.scheme() == "https").map_err(|error| bad(error.to_string()))?;
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| bad(reasons(&error)))?;
        Ok(Self { url: parsed.as_str().trim_end_matches('/').to_owned(), client })
    }

    /// The party's address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of `path`, which begins with a slash.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A GET, not sent yet.
    pub fn get(&self, url: &str, query: &[(&str, String)]) -> RequestBuilder {
        self.client.get(url).query(query)
    }

    /// A POST, not sent yet.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// GETs a JSON answer.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, ClientError> {
        let url = self.address(path);
        self.json(&url, self.get(&url, query)).await
    }

    /// GETs an answer of at most `max` bytes.
    pub async fn get_bytes(
        &self,
        path: &str,
        query: &[(&str, String)],
        max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let url = self.address(path);
        self.bytes(&url, self.get(&url, query), max).await
    }

    /// POSTs bytes and reads a JSON answer.
    pub async fn post_bytes<T: DeserializeOwned>(&self, path: &str, body: Vec<u8>) -> Result<T, ClientError> {
        let url = self.address(path);
        let request = self.post(&url).header("content-type", "application/octet-stream").body(body);
        self.json(&url, request).await
    }

    /// Sends `request` to `url` and reads a JSON answer.
    pub async fn json<T: DeserializeOwned>(
        &self,
        url: &str,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        let bytes = self.bytes(url, request, JSON_BYTES_MAX).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Malformed { url: url.to_owned(), reason: error.to_string() })
    }

    /// Sends `request` to `url` and reads an answer of at most `max` bytes.
    ///
    /// # Errors
    /// Every variant of [`ClientError`] but those of addresses and networks.
    pub async fn bytes(
        &self,
        url: &str,
        request: RequestBuilder,
        max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        read(url, self.open(url, request).await?, max).await
    }

    /// Sends `request` to `url`; the answer is read by whoever asked, who bounds it.
    ///
    /// # Errors
    /// As [`Http::bytes`].
    pub async fn open(&self, url: &str, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| failed(url, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(refusal(status.as_u16(), &read(url, response, JSON_BYTES_MAX).await?))
    }
}

async fn read(url: &str, mut response: Response, max: usize) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, &error))? {
        if bytes.len() + chunk.len() > max {
            return Err(ClientError::TooLong { url: url.to_owned(), max });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A refusal in the form that all parties use; anything else is quoted.
fn refusal(status: u16, body: &[u8]) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(Envelope { error: Refusal { rule, name, message, retry_after_s } }) => {
            ClientError::Refused { status, rule, name, message, retry_after_s }
        }
        Err(_) => {
            let message = String::from_utf8_lossy(body).chars().take(QUOTE_CHARS_MAX).collect();
            ClientError::Refused { status, rule: None, name: "http".to_owned(), message, retry_after_s: None }
        }
    }
}

fn failed(url: &str, error: &reqwest::Error) -> ClientError {
    let url = url.to_owned();
    if error.is_timeout() && !error.is_connect() {
        return ClientError::Timeout { url };
    }
    ClientError::Unreachable { url, reason: reasons(error) }
}

/// The innermost cause: the outer ones only repeat the address.
fn reasons(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
