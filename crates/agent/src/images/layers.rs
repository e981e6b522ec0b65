//! Layers by content: `layers/<diff id>/` holds one unpacked layer, `layers/<diff id>.json` how large it is. A layer appears
//! under its name only when it is whole and what its digests say; who makes one holds its lock alone, who uses one
//! shares it. What killed makers left lies in `tmp` and goes when the layer is made again or the store is swept.
//!
//! A configuration may claim any diff id, so a claim alone opens no layer: `layers/<diff id>.shown/` says which layers as they
//! travel were seen to give it, and who could fetch them. Whoever is not there fetches the bytes once more and shows that
//! they have them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use airlock_sandbox::FileLock;
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::unpack::{UnpackError, unpack};
use super::{ImageError, ImageStore, at, decompress};
use crate::limits;

/// A layer's digest when unpacked, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct DiffId(String);

impl DiffId {
    /// Reads `sha256:…`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::try_from(text.strip_prefix("sha256:")?.to_owned()).ok()
    }

    pub(super) fn hex(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DiffId {
    type Error = &'static str;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() == 64 && hex.bytes().all(plain) {
            Ok(Self(hex))
        } else {
            Err("not 64 hexadecimal digits")
        }
    }
}

/// What is known of a stored layer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct LayerFacts {
    /// Bytes of its files.
    pub(super) bytes: u64,
}

/// A layer as it travels, and who fetches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Travelling {
    /// Its digest.
    pub(super) digest: DiffId,
    /// [`ANYONE`], or what stands for a password.
    pub(super) who: String,
}

/// Who has no password.
pub(super) const ANYONE: &str = "anyone";

/// The layer, or what is to be done for it.
pub(super) enum Claim {
    /// It is here and was shown before; it stays while this lives.
    Here(FileLock),
    /// It is to be fetched.
    Ours(LayerWork),
}

/// A layer that is fetched.
pub(super) struct LayerWork {
    store: ImageStore,
    id: DiffId,
    from: Travelling,
    kind: Kind,
}

enum Kind {
    /// It is not here.
    Make {
        // Removed before the lock is given up.
        scratch: tempfile::TempDir,
        alone: FileLock,
    },
    /// It is here; the bytes have not been shown yet.
    Compare(FileLock),
}

impl ImageStore {
    pub(super) fn layer_dir(&self, id: &DiffId) -> PathBuf {
        self.dir.join("layers").join(id.hex())
    }

    fn layer_facts_path(&self, id: &DiffId) -> PathBuf {
        self.dir.join("layers").join(format!("{}.json", id.hex()))
    }

    pub(super) fn layer_lock(&self, id: &DiffId) -> Result<File, ImageError> {
        self.lock_file(&lock_name(id))
    }

    pub(super) fn layer_facts(&self, id: &DiffId) -> Option<LayerFacts> {
        serde_json::from_slice(&fs::read(self.layer_facts_path(id)).ok()?).ok()
    }

    /// The layer, if it is here, so that it stays.
    pub(super) fn hold_layer(&self, id: &DiffId) -> Result<Option<FileLock>, ImageError> {
        let path = self.layer_dir(id);
        let held = FileLock::shared(self.layer_lock(id)?).map_err(at("locking the layer", &path))?;
        Ok(path.is_dir().then_some(held))
    }

    /// Waits until nobody else makes the layer; then it is here or ours to make.
    pub(super) fn claim_layer(&self, id: &DiffId, from: &Travelling) -> Result<Claim, ImageError> {
        let work = |kind| {
            Claim::Ours(LayerWork {
                store: self.clone(),
                id: id.clone(),
                from: from.clone(),
                kind,
            })
        };
        if let Some(held) = self.hold_layer(id)? {
            return Ok(if self.was_shown(id, from) {
                Claim::Here(held)
            } else {
                work(Kind::Compare(held))
            });
        }
        let path = self.layer_dir(id);
        let alone = FileLock::exclusive(self.layer_lock(id)?).map_err(at("locking the layer", &path))?;
        if path.is_dir() {
            drop(alone);
            return self.claim_layer(id, from);
        }
        let scratch = self.scratch_of(&lock_name(id))?;
        Ok(work(Kind::Make { scratch, alone }))
    }

    fn shown_dir(&self, id: &DiffId) -> PathBuf {
        self.dir.join("layers").join(format!("{}.shown", id.hex()))
    }

    /// Whether these bytes were seen to give the layer, fetched by the same or by anyone.
    fn was_shown(&self, id: &DiffId, from: &Travelling) -> bool {
        let dir = self.shown_dir(id);
        [from.who.as_str(), ANYONE]
            .iter()
            .any(|who| dir.join(format!("{}.{who}", from.digest.hex())).is_file())
    }

    /// The layer is held: it was not removed meanwhile.
    fn note_shown(&self, id: &DiffId, from: &Travelling) -> Result<(), ImageError> {
        let dir = self.shown_dir(id);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at("making the directory", &dir)(error));
            }
            _ => {}
        }
        let path = dir.join(format!("{}.{}", from.digest.hex(), from.who));
        // One that a crash loses costs one more download.
        File::create(&path).map_err(at("writing", &path))?;
        Ok(())
    }

    /// Removes a layer that nobody uses; says whether it is gone and how large it was.
    pub(super) fn remove_layer(&self, id: &DiffId) -> Result<Option<u64>, ImageError> {
        let path = self.layer_dir(id);
        let alone = FileLock::try_exclusive(self.layer_lock(id)?).map_err(at("locking the layer", &path))?;
        let Some(_alone) = alone else { return Ok(None) };
        let bytes = self.layer_facts(id).map_or(0, |facts| facts.bytes);
        // Out of its name first: a removal that is cut short leaves no half layer.
        let grave = self.scratch_of(&lock_name(id))?;
        match fs::rename(&path, grave.path().join("root")) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at("removing", &path)(error)),
        }
        let (facts, shown) = (self.layer_facts_path(id), self.shown_dir(id));
        for (path, removed) in [
            (&facts, fs::remove_file(&facts)),
            (&shown, fs::remove_dir_all(&shown)),
        ] {
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at("removing", path)(error));
                }
                _ => {}
            }
        }
        grave.close().map_err(at("removing", &path))?;
        Ok(Some(bytes))
    }

    /// The layers that are here.
    pub(super) fn layers(&self) -> Result<Vec<DiffId>, ImageError> {
        let dir = self.dir.join("layers");
        let mut found = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let name = entry.map_err(at("listing", &dir))?.file_name();
            if let Ok(id) = DiffId::try_from(name.to_string_lossy().into_owned()) {
                found.push(id);
            }
        }
        Ok(found)
    }
}

fn lock_name(id: &DiffId) -> String {
    format!("layer-{}", id.hex())
}

/// Why a layer is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// It is not what an image may hold.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// It cannot be unpacked.
    #[error("it cannot be unpacked: {0}")]
    Compression(io::Error),
    /// It is another one.
    #[error("unpacked it is sha256:{is} and not sha256:{wanted}, as the image's configuration says")]
    DiffId {
        /// What it is.
        is: String,
        /// What it should be.
        wanted: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(Box<ImageError>),
}

impl LayerWork {
    /// Takes what `from` gives and checks it: a layer that is not here appears under its name, one that is here is open to
    /// whoever fetched it.
    pub(super) fn finish(self, from: impl Read, most_bytes: u64) -> Result<FileLock, LayerError> {
        let Self {
            store,
            id,
            from: travelling,
            kind,
        } = self;
        let held = match kind {
            Kind::Make { scratch, alone } => make(&store, &id, scratch, alone, from, most_bytes)?,
            Kind::Compare(held) => {
                compare(&id, from, most_bytes)?;
                held
            }
        };
        store
            .note_shown(&id, &travelling)
            .map_err(|error| LayerError::Store(Box::new(error)))?;
        Ok(held)
    }
}

/// Reads all of a layer that is here already.
fn compare(id: &DiffId, mut from: impl Read, most_bytes: u64) -> Result<(), LayerError> {
    let is = {
        let unpacked = decompress::reader(&mut from).map_err(LayerError::Compression)?;
        let mut hashed = Hashed {
            inner: unpacked.take(most_bytes.saturating_mul(limits::LAYER_ARCHIVE_RATIO)),
            context: Context::new(&SHA256),
        };
        io::copy(&mut hashed, &mut io::sink()).map_err(LayerError::Compression)?;
        hex::encode(hashed.context.finish())
    };
    io::copy(&mut from, &mut io::sink()).map_err(LayerError::Compression)?;
    is_as_claimed(is, id)
}

fn is_as_claimed(is: String, id: &DiffId) -> Result<(), LayerError> {
    if is == id.hex() {
        return Ok(());
    }
    Err(LayerError::DiffId {
        is,
        wanted: id.hex().to_owned(),
    })
}

/// Unpacks what `from` gives, checks it, and lets it appear under its name.
fn make(
    store: &ImageStore,
    id: &DiffId,
    scratch: tempfile::TempDir,
    alone: FileLock,
    mut from: impl Read,
    most_bytes: u64,
) -> Result<FileLock, LayerError> {
    let wrong = |error: ImageError| LayerError::Store(Box::new(error));
    let tree = scratch.path().join("root");
    fs::create_dir(&tree).map_err(|error| wrong(at("making the directory", &tree)(error)))?;
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755))
            .map_err(|error| wrong(at("changing the mode of", &tree)(error)))?;
    }
    let (unpacked, is) = {
        let mut hashed = Hashed {
            inner: decompress::reader(&mut from).map_err(LayerError::Compression)?,
            context: Context::new(&SHA256),
        };
        let unpacked = unpack(&mut hashed, &tree, most_bytes)?;
        (unpacked, hex::encode(hashed.context.finish()))
    };
    // Its digest is known to who sends only when everything has been taken.
    io::copy(&mut from, &mut io::sink()).map_err(LayerError::Compression)?;
    is_as_claimed(is, id)?;
    let facts = LayerFacts {
        bytes: unpacked.bytes,
    };
    publish(store, id, &tree, facts).map_err(wrong)?;
    drop(scratch);
    drop(alone);
    // Somebody may have removed it in between; the one who pulls sees that and begins anew.
    let lock = store.layer_lock(id).map_err(wrong)?;
    FileLock::shared(lock).map_err(|error| wrong(at("locking the layer", &store.layer_dir(id))(error)))
}

fn publish(store: &ImageStore, id: &DiffId, tree: &Path, facts: LayerFacts) -> Result<(), ImageError> {
    // What the name promises must be on the disk before the name is.
    let handle = File::open(tree).map_err(at("opening", tree))?;
    rustix::fs::syncfs(&handle).map_err(|errno| at("syncing", tree)(errno.into()))?;
    store.write_json(&store.layer_facts_path(id), &facts)?;
    let target = store.layer_dir(id);
    fs::rename(tree, &target).map_err(at("moving the layer to", &target))
}

/// Reads and remembers what it has read.
struct Hashed<R> {
    inner: R,
    context: Context,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        Ok(count)
    }
}

/// A layer may be as large as all images together.
pub(super) const fn most_bytes(quota: u64) -> u64 {
    if quota < limits::LAYER_BYTES {
        quota
    } else {
        limits::LAYER_BYTES
    }
}
