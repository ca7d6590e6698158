//! A proxy in front of an honest node that answers what it likes: what one node in the list of a client may say.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it says to a request instead of the node: status and body.
pub type Lie = Arc<dyn Fn(&str) -> Option<(u16, String)> + Send + Sync>;

/// What it makes of the node's answer to a request; none if it passes it on.
pub type Change = Arc<dyn Fn(&str, &str) -> Option<String> + Send + Sync>;

/// Starts one before the node at `url` that changes answers: `change` is asked with the request's line and the answer's
/// body.
pub async fn forger(url: &str, change: Change) -> String {
    let node = url.to_owned();
    let pass = Arc::new(move |line: &str| {
        let mut words = line.split(' ');
        let (Some("GET"), Some(path)) = (words.next(), words.next()) else { return None };
        change(line, "")?;
        // The answer's body, asked for apart.
        let address = node.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((200, change(line, body)?))
    });
    liar(url, pass).await
}

/// Starts one before the node at `url`; `lie` is asked with the request's line, such as `GET /v1/tip HTTP/1.1`. Gives
/// its address. It ends with the runtime.
pub async fn liar(url: &str, lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let node = url.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, node.clone(), Arc::clone(&lie)));
        }
    });
    format!("http://{address}")
}

/// One request, and the connection is over.
async fn answer(mut client: TcpStream, node: String, lie: Lie) -> Option<()> {
    let mut request = Vec::new();
    let end = loop {
        if client.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&request[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    while request.len() < end + length.unwrap_or(0) {
        if client.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    if let Some((status, body)) = lie(head.lines().next()?) {
        let head = format!(
            "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        client.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.ok()?;
        return client.shutdown().await.ok();
    }
    let mut upstream = TcpStream::connect(&node).await.ok()?;
    let (first, rest) = head.split_once("\r\n")?;
    let kept = rest.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: Vec<&str> = [first, "connection: close"].into_iter().chain(kept).collect();
    // The head's last line is empty, and ends it.
    let head = head.join("\r\n") + "\r\n";
    upstream.write_all(&[head.as_bytes(), &request[end..]].concat()).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok()?;
    Some(())
}
