//! The bytes on the serial port: `u8` kind, `u32` stream, `u32` length (both little endian), body. Pure.

use std::collections::VecDeque;

/// Bytes before a body.
const HEADER: usize = 9;

/// Longest body: small enough that a command never waits long behind one.
pub(super) const MAX_BODY: usize = 32 << 10;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of the stream.
    Data,
    /// The guest opens the stream; the body is the door, one byte.
    Open,
    /// No more bytes will come.
    Close,
    /// Nothing of the stream is wanted any more, in neither direction.
    Reset,
    /// So many more bytes may be sent, a `u32`.
    Credit,
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) stream: u32,
    pub(super) body: Vec<u8>,
}

/// Bytes that are no frame, or one that nobody may send.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// An unknown kind.
    #[error("a frame on the machine's port has the unknown kind {0}")]
    Kind(u8),
    /// Longer than a body may be.
    #[error("a frame on the machine's port announces {0} bytes; {MAX_BODY} is the most")]
    Length(usize),
    /// A body that its kind does not have.
    #[error("a frame on the machine's port has a body that its kind does not have")]
    Body,
    /// More bytes than were allowed.
    #[error("stream {0} of the machine's port sent more than it may")]
    Window(u32),
    /// A stream was opened that is open, or by the side that opens none.
    #[error("stream {0} of the machine's port was opened out of turn")]
    Open(u32),
    /// Answers are not read.
    #[error("the machine's port does not read what it is answered")]
    Unread,
}

/// Appends a frame.
pub(super) fn put(out: &mut VecDeque<u8>, kind: Kind, stream: u32, body: &[u8]) {
    out.push_back(match kind {
        Kind::Data => 0,
        Kind::Open => 1,
        Kind::Close => 2,
        Kind::Reset => 3,
        Kind::Credit => 4,
    });
    out.extend(stream.to_le_bytes());
    // Callers cut bodies to `MAX_BODY`.
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(body);
}

/// Appends a credit.
pub(super) fn put_credit(out: &mut VecDeque<u8>, stream: u32, bytes: usize) {
    put(
        out,
        Kind::Credit,
        stream,
        &u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes(),
    );
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub(super) struct Splitter(Vec<u8>);

impl Splitter {
    /// Takes bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, WireError> {
        let Some((header, rest)) = self.0.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [kind, s0, s1, s2, s3, l0, l1, l2, l3] = *header;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Open,
            2 => Kind::Close,
            3 => Kind::Reset,
            4 => Kind::Credit,
            other => return Err(WireError::Kind(other)),
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_BODY {
            return Err(WireError::Length(length));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let right = match kind {
            Kind::Data => true,
            Kind::Open => length == 1,
            Kind::Close | Kind::Reset => length == 0,
            Kind::Credit => length == 4,
        };
        if !right {
            return Err(WireError::Body);
        }
        let frame = Frame {
            kind,
            stream: u32::from_le_bytes([s0, s1, s2, s3]),
            body: body.to_vec(),
        };
        self.0.drain(..HEADER + length);
        Ok(Some(frame))
    }
}

/// The number in a credit's body.
pub(super) fn credit(body: &[u8]) -> usize {
    body.first_chunk::<4>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, WireError> {
        let mut splitter = Splitter::default();
        let mut frames = Vec::new();
        for bytes in bytes.chunks(piece.max(1)) {
            splitter.push(bytes);
            while let Some(frame) = splitter.next()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let mut wire = VecDeque::new();
        put(&mut wire, Kind::Open, 3, &[1]);
        put(&mut wire, Kind::Data, 3, b"hello");
        put_credit(&mut wire, 3, 5);
        put(&mut wire, Kind::Close, 3, &[]);
        put(&mut wire, Kind::Reset, u32::MAX, &[]);
        let wire: Vec<u8> = wire.into();
        let whole = split(&wire, wire.len()).expect("frames");
        assert_eq!(whole.len(), 5);
        assert_eq!(
            whole[1],
            Frame {
                kind: Kind::Data,
                stream: 3,
                body: b"hello".to_vec()
            }
        );
        assert_eq!(credit(&whole[2].body), 5);
        for piece in 1..wire.len() {
            assert_eq!(split(&wire, piece).expect("frames"), whole);
        }
    }

    #[test]
    fn what_breaks_a_rule_is_said_before_memory_is_taken() {
        let long = [0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(split(&long, 9), Err(WireError::Length(0x7fff_ffff)));
        assert_eq!(split(&[9; 9], 9), Err(WireError::Kind(9)));
        let opened_without_door = [1, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(split(&opened_without_door, 9), Err(WireError::Body));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end_in_frames_or_an_error(bytes: Vec<u8>, piece in 1_usize..64) {
            let _either = split(&bytes, piece);
        }
    }
}
