//! Frames of requests and answers: 4 bytes of length, little-endian, then the canonical bytes.
//!
//! Only lengths are judged here; bytes are decoded off the swarm's task. A declared length allocates
//! nothing: memory grows with what arrived.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;

use super::limits::{FRAME_CHUNK, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};

/// Reads and writes the frames of one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames;

/// A frame that declares more than its kind allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {found} bytes where at most {max} are allowed")]
pub(super) struct FrameTooLong {
    /// Bytes declared.
    pub(super) found: usize,
    /// Bytes allowed.
    pub(super) max: usize,
}

/// A request's bytes. The swarm tells nobody of requests that cannot be read, so a frame that is too long is
/// read as such: whoever sends it is to blame.
pub(super) type Question = Result<Vec<u8>, FrameTooLong>;

/// The oversized frame behind an error of a stream, if that is what it was.
pub(super) fn too_long(error: &io::Error) -> Option<FrameTooLong> {
    error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
}

impl request_response::Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_frame(io, REQUEST_BYTES_MAX).await {
            Ok(request) => Ok(Ok(request)),
            Err(error) => too_long(&error).map(Err).ok_or(error),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, RESPONSE_BYTES_MAX).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Question) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        write_frame(io, &request, REQUEST_BYTES_MAX).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &response, RESPONSE_BYTES_MAX).await
    }
}

async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let found = u32::from_le_bytes(length) as usize;
    check_length(found, max)?;
    let mut frame = Vec::new();
    while frame.len() < found {
        let at = frame.len();
        frame.resize(found.min(at + FRAME_CHUNK), 0);
        io.read_exact(&mut frame[at..]).await?;
    }
    Ok(frame)
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8], max: usize) -> io::Result<()> {
    check_length(frame.len(), max)?;
    let length = u32::try_from(frame.len()).expect("bounded by max");
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(frame).await?;
    io.flush().await
}

fn check_length(found: usize, max: usize) -> io::Result<()> {
    if found > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, FrameTooLong { found, max }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn frame_survives_the_stream() {
        for len in [0, 1, FRAME_CHUNK, FRAME_CHUNK + 1, 3 * FRAME_CHUNK] {
            let frame = vec![7; len];
            let mut io = Cursor::new(Vec::new());
            write_frame(&mut io, &frame, len).await.expect("within its bound");
            let mut io = Cursor::new(io.into_inner());
            assert_eq!(read_frame(&mut io, len).await.expect("whole"), frame);
        }
    }

    #[tokio::test]
    async fn length_beyond_its_bound_is_refused_before_anything_is_read() {
        let mut io = Cursor::new(u32::MAX.to_le_bytes().to_vec());
        let error = read_frame(&mut io, 10).await.expect_err("too long");
        assert_eq!(too_long(&error), Some(FrameTooLong { found: u32::MAX as usize, max: 10 }));
        let error = write_frame(&mut Cursor::new(Vec::new()), &[0; 11], 10).await.expect_err("too long");
        assert_eq!(too_long(&error), Some(FrameTooLong { found: 11, max: 10 }));
    }

    #[tokio::test]
    async fn frame_cut_short_is_an_error_without_the_memory_declared() {
        let mut bytes = (1u32 << 22).to_le_bytes().to_vec();
        bytes.extend([0; 100]);
        let error = read_frame(&mut Cursor::new(bytes), 1 << 22).await.expect_err("cut short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(too_long(&error), None);
    }
}
