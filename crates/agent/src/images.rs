//! Root file systems for sandboxes, on this machine's disk. What is built or imported here is one tree, `rootfs/<digest>/`,
//! and has a name in `names/`; what comes from a registry is a stack of `layers/<diff id>/` with a record in `pulled/`.
//! Owns building, importing, pulling, naming, finding and removing them. Several agents and command lines may share a
//! store; locks keep them apart. All calls but those that pull block.

mod build;
mod build_progress;
mod collect;
mod config;
mod decompress;
mod derived;
mod digest;
mod import;
mod layers;
mod names;
mod pull;
mod pulled;
mod settings;
mod sources;
mod unpack;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use airlock_sandbox::FileLock;
use airlock_transport::registry::RegistryError;
use serde::{Deserialize, Serialize};

pub use build_progress::Progress;
pub use config::ImageConfig;
pub(crate) use derived::Derived;
pub use pull::Tell;
pub use settings::ImageSettings;

use layers::DiffId;

use crate::limits;
use crate::reporter::now;

/// The image Airlock builds itself, and the one jobs get that name no other.
pub const BASE_IMAGE: &str = "airlock/base";

/// The image Airlock builds for machine jobs that name no other.
pub const MACHINE_IMAGE: &str = "airlock/machine";

/// Images in one directory.
#[derive(Debug, Clone)]
pub struct ImageStore {
    dir: PathBuf,
    settings: Arc<ImageSettings>,
}

/// What is known of a named image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The name configs use.
    pub name: String,
    /// SHA-256 in hexadecimal: over the whole tree, or a registry's over the manifest.
    pub digest: String,
    /// Bytes of its files.
    pub size: u64,
    /// Where it came from, for people.
    pub origin: String,
    /// When it was named, RFC 3339.
    pub created_at: String,
    /// Its layers, lowest first; none for a single tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<DiffId>,
    /// What it says of containers made from it.
    #[serde(default)]
    pub config: ImageConfig,
}

/// An image in use; nothing removes a part of it as long as this lives.
#[derive(Debug)]
pub struct ImageDir {
    /// What is known of it.
    pub record: ImageRecord,
    /// Its directories, the highest first.
    pub layers: Vec<PathBuf>,
    _in_use: Vec<FileLock>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image of this name is here.
    #[error(
        "image '{name}' is not on this machine: pull it with `airlock image pull {name}`, build one with `airlock image \
         build-base --name {name} --packages …`, or import one with `airlock image import FILE --name {name}`{}",
        known(.have)
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// Names that are here.
        have: Vec<String>,
    },
    /// The name cannot be one of an image.
    #[error(transparent)]
    Name(#[from] airlock_domain::NameError),
    /// The registry did not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry's description of it is wrong.
    #[error("pulling {image}: {problem}; push the image again with a current tool")]
    Pull {
        /// The image.
        image: String,
        /// What is wrong.
        problem: String,
    },
    /// A layer is not stored.
    #[error("pulling {image}: layer {digest} is refused, and nothing of it was kept: {problem}")]
    Layer {
        /// The image.
        image: String,
        /// The layer's digest as it travels.
        digest: String,
        /// Why.
        problem: String,
    },
    /// A package's name is none.
    #[error("'{0}' is not the name of a Debian package")]
    Package(String),
    /// The program that builds images is missing.
    #[error(
        "mmdebstrap, which builds Airlock's own image, is not installed: install it (Debian, Ubuntu: apt-get install \
         mmdebstrap) or import an image with `airlock image import FILE --name airlock/base`"
    )]
    NoBuilder,
    /// Building needs privileges.
    #[error("building or importing an image needs root: its files belong to several users")]
    NotRoot,
    /// The build failed.
    #[error("mmdebstrap could not build '{name}' ({status}):\n{output}")]
    Build {
        /// The image.
        name: String,
        /// How the program ended.
        status: String,
        /// The end of its output.
        output: String,
    },
    /// The archive or directory cannot be imported.
    #[error("importing {}: {problem}", .from.display())]
    Import {
        /// What was to be imported.
        from: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file belongs to somebody whom no sandbox can show.
    #[error("{} belongs to {uid}:{gid}; images may hold owners from 0 to 65535 only", .path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// The system refused.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn known(have: &[String]) -> String {
    if have.is_empty() {
        String::new()
    } else {
        format!(" (on this machine: {})", have.join(", "))
    }
}

/// Adds what was being done to an I/O error.
pub(crate) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::Io { doing, path, source }
}

impl ImageStore {
    /// Opens the store, making it if it is not there.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, ImageError> {
        let store = Self {
            dir: dir.into(),
            settings: Arc::default(),
        };
        for part in [
            "rootfs", "layers", "names", "pulled", "locks", "building", "derived", "tmp",
        ] {
            let path = store.dir.join(part);
            // The layers hold what jobs may hold; nobody else on the machine needs to read them.
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(at("making the directory", &path))?;
        }
        Ok(store)
    }

    /// The same store, as the operator wants it.
    #[must_use]
    pub fn with_settings(self, settings: ImageSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            ..self
        }
    }

    /// The image that was built, imported or mapped here under this name.
    pub fn resolve(&self, name: &str) -> Result<ImageDir, ImageError> {
        self.local(name)?.ok_or_else(|| self.unknown(name))
    }

    fn local(&self, name: &str) -> Result<Option<ImageDir>, ImageError> {
        let record_path = self.record_path(name)?;
        let record = match fs::read(&record_path) {
            Ok(bytes) => serde_json::from_slice::<ImageRecord>(&bytes)
                .map_err(|error| at("reading", &record_path)(io::Error::other(error)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at("reading", &record_path)(error)),
        };
        self.hold(&record)
    }

    /// All images: those named here and those pulled, by name.
    pub fn list_all(&self) -> Result<Vec<ImageRecord>, ImageError> {
        let mut records = self.list()?;
        records.extend(self.all_pulled()?.into_iter().map(|one| one.pulled.record));
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// All images named here, by name.
    pub fn list(&self) -> Result<Vec<ImageRecord>, ImageError> {
        let dir = self.dir.join("names");
        let mut records = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let path = entry.map_err(at("listing", &dir))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let bytes = fs::read(&path).map_err(at("reading", &path))?;
                records.push(
                    serde_json::from_slice::<ImageRecord>(&bytes)
                        .map_err(|error| at("reading", &path)(io::Error::other(error)))?,
                );
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// Lets `name` stand for the image that `existing` stands for now.
    pub fn map(&self, name: &str, existing: &str) -> Result<ImageRecord, ImageError> {
        let image = self.resolve(existing)?;
        let record = ImageRecord {
            name: name.to_owned(),
            origin: format!("mapped from {existing}"),
            created_at: now().to_rfc3339(),
            ..image.record.clone()
        };
        self.name(&record)?;
        Ok(record)
    }

    /// Removes every root file system and every layer that no name points to and no sandbox uses, and what killed makers
    /// left; returns the digests of the former.
    pub fn prune(&self) -> Result<Vec<String>, ImageError> {
        self.sweep()?;
        let named: Vec<String> = self.list()?.into_iter().map(|record| record.digest).collect();
        let dir = self.dir.join("rootfs");
        let mut removed = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let entry = entry.map_err(at("listing", &dir))?;
            let digest = entry.file_name().to_string_lossy().into_owned();
            if named.contains(&digest) {
                continue;
            }
            let alone = FileLock::try_exclusive(self.lock_file(&digest)?)
                .map_err(at("locking the image", &entry.path()))?;
            let Some(_alone) = alone else { continue };
            fs::remove_dir_all(entry.path()).map_err(at("removing", &entry.path()))?;
            removed.push(digest);
        }
        self.prune_derived()?;
        let before = self.layers()?;
        self.drop_unnamed()?;
        let after = self.layers()?;
        let gone = before.into_iter().filter(|id| !after.contains(id));
        removed.extend(gone.map(|id| id.hex().to_owned()));
        Ok(removed)
    }

    fn unknown(&self, name: &str) -> ImageError {
        let have = self.list().unwrap_or_default();
        ImageError::Unknown {
            name: name.to_owned(),
            have: have.into_iter().map(|record| record.name).collect(),
        }
    }

    fn rootfs(&self, digest: &str) -> PathBuf {
        self.dir.join("rootfs").join(digest)
    }

    fn record_path(&self, name: &str) -> Result<PathBuf, ImageError> {
        Ok(self
            .dir
            .join("names")
            .join(format!("{}.json", names::file_name(name)?)))
    }

    fn lock_file(&self, name: &str) -> Result<File, ImageError> {
        let path = self.dir.join("locks").join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at("opening the lock", &path))
    }

    /// Takes a finished tree in `tmp` over under its digest and gives it a name.
    fn adopt(&self, tree: &Path, name: &str, origin: String) -> Result<ImageRecord, ImageError> {
        let summary = digest::of_tree(tree)?;
        let target = self.rootfs(&summary.digest);
        if target.is_dir() {
            fs::remove_dir_all(tree).map_err(at("removing", tree))?;
        } else {
            // What the digest promises must be on the disk before the digest is.
            let handle = File::open(tree).map_err(at("opening", tree))?;
            rustix::fs::syncfs(&handle).map_err(|errno| at("syncing", tree)(errno.into()))?;
            fs::rename(tree, &target).map_err(at("moving the image to", &target))?;
        }
        let record = ImageRecord {
            name: name.to_owned(),
            digest: summary.digest,
            size: summary.size,
            origin,
            created_at: now().to_rfc3339(),
            layers: Vec::new(),
            config: ImageConfig::default(),
        };
        self.name(&record)?;
        Ok(record)
    }

    fn name(&self, record: &ImageRecord) -> Result<(), ImageError> {
        self.write_json(&self.record_path(&record.name)?, record)
    }

    /// Writes a small file that is there whole or not at all.
    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), ImageError> {
        let text =
            serde_json::to_vec_pretty(value).map_err(|error| at("writing", path)(io::Error::other(error)))?;
        let mut file = tempfile::NamedTempFile::new_in(self.dir.join("tmp"))
            .map_err(at("making a file in", &self.dir.join("tmp")))?;
        io::Write::write_all(&mut file, &text)
            .and_then(|()| file.as_file().sync_all())
            .map_err(at("writing", path))?;
        file.persist(path)
            .map_err(|error| at("writing", path)(error.error))?;
        Ok(())
    }

    /// A directory for work in progress, gone when dropped. What killed builders left is removed first; the caller holds
    /// the lock of this name.
    fn scratch(&self, name: &str) -> Result<tempfile::TempDir, ImageError> {
        self.scratch_of(&names::file_name(name)?)
    }

    /// The same for the holder of the lock of this file name.
    fn scratch_of(&self, file_name: &str) -> Result<tempfile::TempDir, ImageError> {
        let dir = self.dir.join("tmp");
        let prefix = format!("{file_name}.");
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let path = entry.map_err(at("listing", &dir))?.path();
            let ours = path
                .file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(&prefix));
            if ours && path.is_dir() {
                fs::remove_dir_all(&path).map_err(at("removing", &path))?;
            }
        }
        tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&dir)
            .map_err(at("making a directory in", &dir))
    }

    /// Waits until nobody else makes the image of this name, telling how far they are.
    fn lock_name(&self, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<NameLock, ImageError> {
        let file_name = names::file_name(name)?;
        let told = self.dir.join("building").join(&file_name);
        let free = FileLock::try_exclusive(self.lock_file(&file_name)?).map_err(at("locking", &told))?;
        let waited = free.is_none();
        let lock = match free {
            Some(lock) => lock,
            None => {
                wait_and_tell(self.lock_file(&file_name)?, &told, progress).map_err(at("locking", &told))?
            }
        };
        Ok(NameLock {
            _lock: lock,
            told,
            waited,
        })
    }
}

/// Waits for a lock that somebody else holds, passing on how far they say they are.
fn wait_and_tell(file: File, told: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<FileLock> {
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The receiver lives until this has been heard.
            let _heard = done.send(FileLock::exclusive(file));
        });
        loop {
            if let Some(theirs) = build_progress::read(told) {
                progress(theirs);
            }
            match is_done.recv_timeout(limits::IMAGE_POLL) {
                Ok(locked) => return locked,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that waited for the lock is gone"));
                }
            }
        }
    })
}

/// The right to make the image of one name.
struct NameLock {
    _lock: FileLock,
    /// Where others read how far we are.
    told: PathBuf,
    /// Whether somebody else had it first.
    waited: bool,
}

impl Drop for NameLock {
    fn drop(&mut self) {
        // Not there when nothing was told; a leftover shows an old percentage for a moment.
        let _absent = fs::remove_file(&self.told);
    }
}

#[cfg(test)]
mod tests;
