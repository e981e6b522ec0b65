//! Layers as they travel, as the archives they are: plain, gzip of one or several members, zstd of one or several frames.
//! What a layer is told by its first bytes, not by what its manifest says, because registries and tools disagree.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::limits;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Frames that carry no content: `0x184D2A50` to `0x184D2A5F`, little endian.
const SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// The archive inside.
pub(super) fn reader<'r>(mut from: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    // What arrives first may be a single byte.
    let mut start = Vec::new();
    from.by_ref().take(4).read_to_end(&mut start)?;
    let from = Cursor::new(start.clone()).chain(from);
    let from = BufReader::with_capacity(limits::LAYER_BUFFER_BYTES, from);
    Ok(if start.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(from))
    } else if start.starts_with(ZSTD) || start.get(1..4) == Some(SKIPPABLE) {
        Box::new(Frames {
            from,
            decoder: FrameDecoder::new(),
            inside: false,
        })
    } else {
        Box::new(from)
    })
}

/// Zstd frames one after another, as parallel compressors and lazy formats write them. Windows beyond 100 MB are refused
/// by the decoder.
struct Frames<R: BufRead> {
    from: R,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside {
                if self.from.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.init(&mut self.from) {
                    Ok(()) => self.inside = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length,
                        ..
                    })) => {
                        let skipped = io::copy(&mut self.from.by_ref().take(length.into()), &mut io::sink())?;
                        if skipped < u64::from(length) {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    Err(error) => return Err(broken(&error)),
                }
                continue;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBytes(buffer.len()))
                    .map_err(|error| broken(&error))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.inside = !self.decoder.is_finished();
        }
    }
}

fn broken(error: &FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn packed(program: &str, input: &[u8]) -> Vec<u8> {
        let mut child = Command::new(program)
            .arg("-c")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a compressor");
        let mut pipe = child.stdin.take().expect("piped");
        let input = input.to_vec();
        let writing = std::thread::spawn(move || pipe.write_all(&input));
        let output = child.wait_with_output().expect("ended");
        writing.join().expect("joined").expect("written");
        output.stdout
    }

    fn opened(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        reader(bytes)?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn text() -> Vec<u8> {
        (0..60_000)
            .flat_map(|n| format!("{n} line\n").into_bytes())
            .collect()
    }

    #[test]
    fn plain_gzip_and_zstd_are_told_by_their_first_bytes() {
        let text = text();
        assert_eq!(opened(&text).expect("plain"), text);
        assert_eq!(opened(b"").expect("empty"), b"");
        for program in ["gzip", "zstd"] {
            assert_eq!(opened(&packed(program, &text)).expect(program), text, "{program}");
        }
    }

    #[test]
    fn several_members_and_frames_are_one_archive() {
        let text = text();
        for program in ["gzip", "zstd"] {
            let mut twice = packed(program, &text);
            if program == "zstd" {
                // A frame to skip, with three bytes.
                twice.extend([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
            }
            twice.extend(packed(program, b"the end"));
            let want = [&text[..], b"the end"].concat();
            assert_eq!(opened(&twice).expect(program), want, "{program}");
        }
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_an_error() {
        let text = text();
        for program in ["gzip", "zstd"] {
            let whole = packed(program, &text);
            assert!(opened(&whole[..whole.len() - 9]).is_err(), "{program} cut off");
            let mut damaged = whole.clone();
            let middle = damaged.len() / 2;
            for byte in &mut damaged[middle..middle + 64] {
                *byte ^= 0x5a;
            }
            assert!(opened(&damaged).ok() != Some(text.clone()), "{program} damaged");
        }
    }
}
