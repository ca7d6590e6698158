//! Frames of `text/event-stream`, as far as nodes use it: lines of `id`, `event` and `data`, and comments.

use crate::limits::EVENT_BYTES_MAX;

/// One event, undecoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) event: String,
    pub(super) data: String,
}

/// Why bytes are no stream of events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// An event is longer than any.
    #[error("an event of more than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    /// A line is none that nodes send.
    #[error("not a line of an event: {0:?}")]
    Line(String),
    /// An event lacks a field, or has one twice.
    #[error("an event without exactly one {0}")]
    Field(&'static str),
}

/// Cuts bytes into frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// Takes bytes in as they arrive.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; none while it has not all arrived. Comments alone are passed over.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let end = self.bytes.windows(2).position(|pair| pair == b"\n\n");
            if end.unwrap_or(self.bytes.len()) > EVENT_BYTES_MAX {
                return Err(FrameError::TooLong);
            }
            let Some(end) = end else { return Ok(None) };
            let block: Vec<u8> = self.bytes.drain(..end + 2).take(end).collect();
            let text = String::from_utf8(block).map_err(|error| quoted(&error.into_bytes()))?;
            // Each would cost a pass over what is left.
            if text.is_empty() {
                return Err(FrameError::Line(String::new()));
            }
            if text.lines().all(|line| line.starts_with(':')) {
                continue;
            }
            return parse(&text).map(Some);
        }
    }
}

fn quoted(bytes: &[u8]) -> FrameError {
    FrameError::Line(String::from_utf8_lossy(bytes).chars().take(80).collect())
}

fn parse(text: &str) -> Result<Frame, FrameError> {
    let (mut id, mut event, mut data) = (None, None, None);
    for line in text.lines().filter(|line| !line.starts_with(':')) {
        let (name, value) = line.split_once(": ").ok_or_else(|| quoted(line.as_bytes()))?;
        let (name, field) = match name {
            "id" => ("id", &mut id),
            "event" => ("event", &mut event),
            "data" => ("data", &mut data),
            _ => return Err(quoted(line.as_bytes())),
        };
        if field.replace(value.to_owned()).is_some() {
            return Err(FrameError::Field(name));
        }
    }
    Ok(Frame {
        id: id.ok_or(FrameError::Field("id"))?,
        event: event.ok_or(FrameError::Field("event"))?,
        data: data.ok_or(FrameError::Field("data"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(frames: &mut Frames) -> Result<Vec<Frame>, FrameError> {
        let mut found = Vec::new();
        while let Some(frame) = frames.next()? {
            found.push(frame);
        }
        Ok(found)
    }

    #[test]
    fn frames_are_the_same_however_their_bytes_arrive() {
        let bytes =
            b":\n\nid: 1\nevent: head\ndata: {}\n\n:\n\n: so\nevent: reset\ndata: {\"a\": 1}\nid: 2\n\nid: 3";
        for size in 1..=bytes.len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for chunk in bytes.chunks(size) {
                frames.push(chunk);
                found.extend(all(&mut frames).expect("well-formed"));
            }
            let told: Vec<_> = found.iter().map(|frame| (&*frame.id, &*frame.event, &*frame.data)).collect();
            assert_eq!(told, [("1", "head", "{}"), ("2", "reset", "{\"a\": 1}")]);
        }
    }

    #[test]
    fn what_no_node_sends_is_refused() {
        for (bytes, fault) in [
            (&b"id: 1\nid: 2\nevent: a\ndata: b\n\n"[..], FrameError::Field("id")),
            (b"id: 1\ndata: b\n\n", FrameError::Field("event")),
            (b"id: 1\nevent: b\n\n", FrameError::Field("data")),
            (b"event: a\ndata: b\n\n", FrameError::Field("id")),
            (b"retry: 1\n\n", FrameError::Line("retry: 1".into())),
            (b"id:1\n\n", FrameError::Line("id:1".into())),
            (b"\xff\n\n", FrameError::Line("\u{fffd}".into())),
        ] {
            let mut frames = Frames::default();
            frames.push(bytes);
            assert_eq!(frames.next(), Err(fault));
        }
    }

    #[test]
    fn event_without_end_is_bounded() {
        let mut frames = Frames::default();
        frames.push(&vec![b'a'; EVENT_BYTES_MAX]);
        assert_eq!(frames.next(), Ok(None));
        frames.push(b"a");
        assert_eq!(frames.next(), Err(FrameError::TooLong));
    }
}
