//! Records as they travel between drone, controller and cloud: one after the other, each a 4-byte
//! little-endian length and the record's bytes.

use dronechain_chain_spec::limits::RECORD_BYTES_MAX;

use crate::limits::{FRAMES_BYTES_MAX, FRAMES_MAX};

/// The media type of such a message.
pub const CONTENT_TYPE: &str = "application/vnd.dronechain.records";

/// Bytes of a length.
pub const LENGTH_BYTES: usize = 4;

/// Why bytes are no framed records. `at` is a byte offset, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end within a frame.
    #[error("cut off within the frame at byte {at}")]
    Truncated {
        /// Where the frame begins.
        at: usize,
    },
    /// A frame is empty or longer than a record can be.
    #[error("a frame of {found} bytes at byte {at}, 1 to {RECORD_BYTES_MAX} are allowed")]
    Length {
        /// Where the frame begins.
        at: usize,
        /// The length it claims.
        found: usize,
    },
    /// More frames than one message may have.
    #[error("more than {max} records in one message")]
    TooMany {
        /// The most allowed.
        max: usize,
    },
}

/// Appends a record with its length.
pub fn push(record: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(record.len()).expect("records are far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(record);
}

/// Whether a message of `records` records in `bytes` bytes has room for `record`.
pub fn has_room(records: usize, bytes: usize, record: &[u8]) -> bool {
    records < FRAMES_MAX && bytes + LENGTH_BYTES + record.len() <= FRAMES_BYTES_MAX
}

/// Takes a message of at most `max` records apart. The bytes are whatever was sent; nothing is
/// verified.
///
/// # Errors
/// [`FrameError`], with the place.
pub fn split(bytes: &[u8], max: usize) -> Result<Vec<&[u8]>, FrameError> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if frames.len() == max {
            return Err(FrameError::TooMany { max });
        }
        let cut = FrameError::Truncated { at };
        let (length, rest) = bytes[at..].split_first_chunk::<LENGTH_BYTES>().ok_or(cut)?;
        let found = u32::from_le_bytes(*length) as usize;
        if !(1..=RECORD_BYTES_MAX).contains(&found) {
            return Err(FrameError::Length { at, found });
        }
        frames.push(rest.get(..found).ok_or(cut)?);
        at += LENGTH_BYTES + found;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_apart_again() {
        let mut bytes = Vec::new();
        push(b"one", &mut bytes);
        push(b"three", &mut bytes);
        assert_eq!(split(&bytes, 2), Ok(vec![&b"one"[..], b"three"]));
        assert_eq!(split(&bytes, 1), Err(FrameError::TooMany { max: 1 }));
        assert_eq!(split(&bytes[..bytes.len() - 1], 2), Err(FrameError::Truncated { at: 7 }));
        assert_eq!(split(&bytes[..9], 2), Err(FrameError::Truncated { at: 7 }));
    }

    #[test]
    fn empty_and_oversized_frames_are_refused_before_anything_is_taken() {
        assert_eq!(split(&[0, 0, 0, 0], 1), Err(FrameError::Length { at: 0, found: 0 }));
        let found = RECORD_BYTES_MAX + 1;
        let length = u32::try_from(found).expect("small").to_le_bytes();
        assert_eq!(split(&length, 1), Err(FrameError::Length { at: 0, found }));
    }
}
