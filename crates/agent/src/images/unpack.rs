//! One layer's tar archive as a directory that an overlay can lie on. The archive is a stranger's: every path is resolved
//! by the kernel below the layer's own directory, a name that leads out of it is an error, and so are devices. Deletions
//! (`.wh.NAME`, `.wh..wh..opq`) become an overlay's own. Called by `layers` with a reader that ends, and stops at limits.
//!
//! Headers are read raw: the extensions that the tar library would gather in memory are bounded here first.

mod extensions;
mod place;

use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use self::extensions::Extensions;
use self::place::Place;
use crate::limits;

/// What a layer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// Bytes of its files.
    pub(super) bytes: u64,
    /// Files, directories and links.
    pub(super) entries: u64,
}

/// Why a layer is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// The archive itself is broken.
    #[error("it is no sound tar archive: {0}")]
    Archive(io::Error),
    /// An entry wants to be elsewhere.
    #[error("its entry '{entry}' leads out of the layer{}; an image that does so is not safe to use", by_way_of(.through.as_deref()))]
    Outside {
        /// The entry.
        entry: String,
        /// The link it goes through or points to.
        through: Option<String>,
    },
    /// An entry that no image may have.
    #[error("its entry '{entry}' is {what}")]
    Refused {
        /// The entry.
        entry: String,
        /// What it is.
        what: String,
    },
    /// Too much of something.
    #[error("{0}")]
    Limit(String),
    /// The disk said no.
    #[error("{doing} '{entry}': {source}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To which entry.
        entry: String,
        /// Why not.
        source: io::Error,
    },
}

fn by_way_of(link: Option<&str>) -> String {
    link.map_or_else(String::new, |link| format!(" through '{link}'"))
}

/// Unpacks an archive into an empty directory, and reads it to its end.
pub(super) fn unpack(archive: &mut dyn Read, into: &Path, most_bytes: u64) -> Result<Unpacked, UnpackError> {
    let mut place = Place::open(into)?;
    let mut unpacked = Unpacked::default();
    let came = Cell::new(0);
    let mut archive = Archive::new(Counted {
        inner: archive,
        came: &came,
    });
    let mut extensions = Extensions::default();
    // Where the content of the last entry ends.
    let mut content_end: u64 = 0;
    for entry in archive.entries().map_err(UnpackError::Archive)?.raw(true) {
        let mut entry = match entry {
            Ok(entry) => entry,
            // umoci and others leave out what fills the last block; if more is missing, the digest tells.
            Err(_) if (content_end..content_end.next_multiple_of(BLOCK)).contains(&came.get()) => break,
            Err(error) => return Err(UnpackError::Archive(error)),
        };
        content_end = entry.raw_file_position().saturating_add(entry.size());
        if extensions.take(&mut entry)? {
            continue;
        }
        let own = std::mem::take(&mut extensions);
        unpacked.entries += 1;
        if unpacked.entries > limits::LAYER_ENTRIES {
            return Err(UnpackError::Limit(format!(
                "it has more than {} files",
                limits::LAYER_ENTRIES
            )));
        }
        let left = most_bytes.saturating_sub(unpacked.bytes);
        unpacked.bytes += put(&mut place, &mut entry, &own, left, most_bytes)?;
    }
    place.finish()?;
    // What follows the archive's end belongs to its digest.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(UnpackError::Archive)?;
    Ok(unpacked)
}

/// Archives are made of blocks of this size.
const BLOCK: u64 = 512;

/// Counts what has been read.
struct Counted<'r> {
    inner: &'r mut dyn Read,
    came: &'r Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.came.set(self.came.get() + count as u64);
        Ok(count)
    }
}

/// What is said of an entry besides its name and kind.
struct Meta<'e> {
    mode: u32,
    uid: u32,
    gid: u32,
    /// Seconds and nanoseconds since 1970.
    mtime: (i64, i64),
    attributes: &'e [(Vec<u8>, Vec<u8>)],
}

fn put(
    place: &mut Place,
    entry: &mut Entry<'_, Counted<'_>>,
    extensions: &Extensions,
    left: u64,
    most_bytes: u64,
) -> Result<u64, UnpackError> {
    let header = entry.header().clone();
    let name = extensions
        .path
        .clone()
        .unwrap_or_else(|| header.path_bytes().into_owned());
    let shown = String::from_utf8_lossy(&name).into_owned();
    let path = clean(&name, &shown)?;
    let number = |found: io::Result<u64>| found.map_err(UnpackError::Archive);
    let owner = |id: u64, what: &str| {
        u32::try_from(id)
            .ok()
            .filter(|id| *id < limits::IMAGE_IDS)
            .ok_or_else(|| UnpackError::Refused {
                entry: shown.clone(),
                what: format!("of {what} {id}; images may hold owners from 0 to 65535 only"),
            })
    };
    let meta = Meta {
        mode: header.mode().map_err(UnpackError::Archive)? & 0o7777,
        uid: owner(number(extensions.uid.map_or_else(|| header.uid(), Ok))?, "user")?,
        gid: owner(number(extensions.gid.map_or_else(|| header.gid(), Ok))?, "group")?,
        mtime: extensions.mtime.unwrap_or_else(|| {
            (
                i64::try_from(header.mtime().unwrap_or_default()).unwrap_or_default(),
                0,
            )
        }),
        attributes: &extensions.attributes,
    };
    let refused = |what: &str| UnpackError::Refused {
        entry: shown.clone(),
        what: what.to_owned(),
    };
    let link = || {
        let target = extensions
            .link
            .clone()
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        target
            .filter(|target| !target.is_empty())
            .ok_or_else(|| refused("a link to nothing"))
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the tar library's list, open at its end"
    )]
    match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            if extensions.size.is_some_and(|size| size != entry.size()) {
                return Err(refused("larger than its header says"));
            }
            if place.whiteout(&path)? {
                return Ok(0);
            }
            let mut limited = Limited {
                inner: entry,
                left,
                reached: false,
            };
            let put = place.file(&path, &mut limited, &meta);
            if limited.reached {
                return Err(UnpackError::Limit(format!(
                    "it holds more than {} MB, which the quota for images ([images] quota_gb) does not allow",
                    most_bytes / 1_000_000
                )));
            }
            put
        }
        EntryType::Directory => place.directory(&path, &meta).map(|()| 0),
        EntryType::Symlink => place.symlink(&path, &link()?, &meta).map(|()| 0),
        EntryType::Link => {
            let target = link()?;
            let target = clean(&target, &shown)?;
            place.hard_link(&path, &target).map(|()| 0)
        }
        EntryType::Fifo => place.fifo(&path, &meta).map(|()| 0),
        // A sandbox has a `/dev` of its own in front of the image's.
        EntryType::Char | EntryType::Block if path.starts_with("dev") => Ok(0),
        EntryType::Char | EntryType::Block => Err(refused("a device, which an image may have in /dev only")),
        EntryType::GNUSparse => Err(refused("a sparse file, which image layers may not hold")),
        other => Err(refused(&format!(
            "of the unknown kind {:?}",
            other.as_byte() as char
        ))),
    }
}

/// The path below the layer's root; empty for the root itself.
fn clean(name: &[u8], shown: &str) -> Result<PathBuf, UnpackError> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                return Err(UnpackError::Outside {
                    entry: shown.to_owned(),
                    through: None,
                });
            }
            part => path.push(std::ffi::OsStr::from_bytes(part)),
        }
    }
    if path.as_os_str().len() > limits::LAYER_PATH_BYTES {
        return Err(UnpackError::Limit(format!(
            "it has a path longer than {} bytes",
            limits::LAYER_PATH_BYTES
        )));
    }
    Ok(path)
}

/// Reads no more than is left of the quota.
struct Limited<'r, R> {
    inner: &'r mut R,
    left: u64,
    reached: bool,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let Some(left) = self.left.checked_sub(count as u64) else {
            self.reached = true;
            return Err(io::Error::other("the quota is reached"));
        };
        self.left = left;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
