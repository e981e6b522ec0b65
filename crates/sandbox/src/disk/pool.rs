//! Images made ahead: formatting one takes tens of milliseconds, taking one that is there takes a rename. A thread makes
//! the next while a job runs on the last. Images that nobody took are reused by the next launcher on the directory; half
//! made ones are removed by it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::failure::{Doing, Failure};
use crate::limits::{POOL_IMAGES, POOL_IMAGES_OF_ALL_SIZES};
use crate::spec::DiskLimit;

/// What a file is called until it is whole.
const HALF_MADE: &str = "making";

/// Images of one launcher, and the thread that makes them.
#[derive(Debug)]
pub(crate) struct Pool {
    directory: PathBuf,
    wanted: Mutex<Option<Sender<DiskLimit>>>,
    maker: Option<JoinHandle<()>>,
}

impl Pool {
    /// Opens the pool in `directory`, which is made.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .doing(|| format!("making {}", directory.display()))?;
        // One is made at a time, so there is at most one that a killed launcher left half made.
        match fs::remove_file(directory.join(HALF_MADE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.doing(|| format!("removing a half made image in {}", directory.display()))?,
        }
        prune(directory).doing(|| format!("removing old images in {}", directory.display()))?;
        let (wanted, wishes) = channel();
        let maker = {
            let directory = directory.to_owned();
            std::thread::Builder::new()
                .name("disk images".into())
                .spawn(move || keep_filled(&directory, &wishes))
                .doing(|| "starting a thread that makes disk images")?
        };
        Ok(Self {
            directory: directory.to_owned(),
            wanted: Mutex::new(Some(wanted)),
            maker: Some(maker),
        })
    }

    /// Puts an image of this size at `to`, on the same file system as the pool if it is to be quick.
    pub(crate) fn take(&self, size: DiskLimit, to: &Path) -> Result<(), Failure> {
        let ready = ready(&self.directory, size).doing(|| format!("listing {}", self.directory.display()))?;
        // Another sandbox may take it first.
        let taken = ready.iter().any(|image| fs::rename(image, to).is_ok());
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wanted) = &*wanted {
            // Without the thread, images are made when they are needed.
            let _ = wanted.send(size);
        }
        drop(wanted);
        if taken { Ok(()) } else { format(size, to) }
    }
}

impl Drop for Pool {
    /// Waits for an image that is being made: the directory may be deleted next.
    fn drop(&mut self) {
        *self.wanted.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(maker) = self.maker.take() {
            let _ = maker.join();
        }
    }
}

fn prefix(size: DiskLimit) -> String {
    format!("{}-{}-", size.bytes, size.inodes)
}

/// Removes all when there are many: sizes change with the free disk, and nobody asks for the old ones again.
fn prune(directory: &Path) -> io::Result<()> {
    let images: Vec<PathBuf> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    if images.len() > POOL_IMAGES_OF_ALL_SIZES {
        images.iter().try_for_each(fs::remove_file)?;
    }
    Ok(())
}

/// Whole images of a size.
fn ready(directory: &Path, size: DiskLimit) -> io::Result<Vec<PathBuf>> {
    let prefix = prefix(size);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(&prefix))
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn keep_filled(directory: &Path, wishes: &Receiver<DiskLimit>) {
    let mut number = 0_u64;
    for size in wishes {
        while ready(directory, size).is_ok_and(|images| images.len() < POOL_IMAGES) {
            let half = directory.join(HALF_MADE);
            let place = loop {
                number += 1;
                let place = directory.join(format!("{}{number}", prefix(size)));
                if !place.exists() {
                    break place;
                }
            };
            // Whoever needs one makes it and is told what is wrong.
            if format(size, &half).is_err() || fs::rename(&half, place).is_err() {
                let _ = fs::remove_file(&half);
                break;
            }
        }
    }
}

/// A sparse file with an empty ext4 file system: without journal, since nothing in it outlives a crash, and with tables
/// that are written when they are used.
pub(super) fn format(size: DiskLimit, to: &Path) -> Result<(), Failure> {
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(to)
        .doing(|| format!("making {}", to.display()))?;
    file.set_len(size.bytes)
        .doing(|| format!("making {} {} bytes long", to.display(), size.bytes))?;
    drop(file);
    let output = Command::new("mkfs.ext4")
        .env_clear()
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-q", "-F", "-m", "0", "-b", "4096", "-I", "256"])
        .args(["-O", "^has_journal,^resize_inode,sparse_super2"])
        .args(["-E", "lazy_itable_init=1,nodiscard,num_backup_sb=0"])
        .args(["-N", &size.inodes.to_string()])
        .arg(to)
        .stdin(Stdio::null())
        .output();
    let output = output.doing(
        || "running mkfs.ext4, which limits on disk need (Debian, Ubuntu: apt-get install e2fsprogs; Fedora: dnf install e2fsprogs)",
    )?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(words))
            .doing(|| format!("making a file system in {} with mkfs.ext4", to.display()));
    }
    Ok(())
}
