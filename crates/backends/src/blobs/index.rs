//! Finding the frames of a file again: walks the frame headers, and decides what the end of the file means. A growing
//! file may end in an unfinished write, which nobody was told is there; a file written once must end in its end mark.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use aws_lc_rs::aead::LessSafeKey;

use super::format::{self, FILE_HEADER_BYTES, FLAG_END, FLAG_FIRST, FRAME_HEADER_BYTES, FrameHeader, Kind};
use crate::limits::{FRAME_BYTES, SYNC_BYTES};

/// Where one frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameAt {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) position: u64,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) frames: Vec<FrameAt>,
    /// Plaintext bytes.
    pub(super) length: u64,
    /// Bytes on disk that count; the file may be longer by an unfinished write.
    pub(super) end: u64,
}

impl Index {
    /// A growing file of which only the header is there, or not even that.
    pub(super) fn empty(end: u64) -> Self {
        Self {
            frames: Vec::new(),
            length: 0,
            end,
        }
    }

    /// The frames that hold bytes of `from..to`.
    pub(super) fn covering(&self, from: u64, to: u64) -> &[FrameAt] {
        let first = self
            .frames
            .partition_point(|frame| frame.offset + u64::from(frame.length) <= from);
        let after = self.frames.partition_point(|frame| frame.offset < to);
        self.frames.get(first..after).unwrap_or_default()
    }
}

/// Reads a file's frame headers, and checks the last synced write byte by byte.
pub(super) fn scan(file: &File, kind: Kind, cipher: &LessSafeKey) -> io::Result<Index> {
    let size = file.metadata()?.len();
    let mut index = Index::empty(FILE_HEADER_BYTES as u64);
    let mut write_began = 0;
    let mut ended = false;
    while index.end < size {
        if ended {
            return Err(damaged(index.end, "something follows the end mark"));
        }
        let Some(header) = header_at(file, index.end, size, index.length)? else {
            break;
        };
        if header.flags & FLAG_FIRST != 0 {
            write_began = index.frames.len();
        }
        ended = header.flags & FLAG_END != 0;
        index.frames.push(FrameAt {
            offset: header.offset,
            length: header.length,
            position: index.end,
        });
        index.length += u64::from(header.length);
        index.end += header.disk_bytes();
    }
    match kind {
        Kind::Whole if !ended => return Err(damaged(index.end, "it is cut off")),
        // The end mark is the one frame that vouches for the length.
        Kind::Whole => {
            if let Some(mark) = index.frames.pop() {
                read_frame(file, cipher, mark)?;
            }
        }
        Kind::Growing => {
            let unsure = index.frames[write_began..]
                .iter()
                .position(|frame| read_frame(file, cipher, *frame).is_err());
            if let Some(bad) = unsure {
                let bad = index.frames.drain(write_began + bad..).next();
                if let Some(bad) = bad {
                    index.length = bad.offset;
                    index.end = bad.position;
                }
            }
            if size - index.end > longest_unfinished() {
                return Err(damaged(index.end, "what stands there is no frame"));
            }
        }
    }
    Ok(index)
}

/// The header at `position`, `None` when no whole frame that continues at `offset` stands there.
fn header_at(file: &File, position: u64, size: u64, offset: u64) -> io::Result<Option<FrameHeader>> {
    if size - position < FRAME_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; FRAME_HEADER_BYTES];
    file.read_exact_at(&mut bytes, position)?;
    Ok(FrameHeader::decode(&bytes)
        .filter(|header| header.offset == offset && header.disk_bytes() <= size - position))
}

/// Reads and decrypts one frame.
pub(super) fn read_frame(file: &File, cipher: &LessSafeKey, at: FrameAt) -> io::Result<Vec<u8>> {
    let mut bytes = [0; FRAME_HEADER_BYTES];
    file.read_exact_at(&mut bytes, at.position)?;
    let header = FrameHeader::decode(&bytes)
        .filter(|header| header.offset == at.offset && header.length == at.length)
        .ok_or_else(|| damaged(at.position, "the frame's header changed"))?;
    let mut body = vec![0; header.body_bytes()];
    file.read_exact_at(&mut body, at.position + FRAME_HEADER_BYTES as u64)?;
    let plain = format::open(cipher, &header, &mut body)
        .map_err(|_| damaged(at.position, "the frame does not open: its bytes changed"))?
        .len();
    body.truncate(plain);
    Ok(body)
}

/// Bytes on disk of the longest write between two syncs.
fn longest_unfinished() -> u64 {
    let frames = SYNC_BYTES.div_ceil(FRAME_BYTES) as u64;
    let overhead = FrameHeader::DISK_OVERHEAD as u64;
    SYNC_BYTES as u64 + frames * overhead
}

/// An error saying where a file is not what was written.
pub(super) fn damaged(position: u64, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("damaged at byte {position} of the file: {what}"),
    )
}
